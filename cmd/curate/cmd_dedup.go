package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/pipeline"
	"curate/stage"
)

// dedupCommands are the verbs of curate dedup; those for ranks that have little to say are in cmd_dedup_verbs.go, the others
// in a file cmd_dedup_NAME.go each.
func dedupCommands(env environment) []*cobra.Command {
	return []*cobra.Command{
		newDedupApply(env),
		newDedupComponents(env),
		newDedupDecide(env),
		newDedupExport(env),
		newDedupImport(env),
		newDedupIndex(env),
		newDedupPairs(env),
		newDedupRehub(env),
		newDedupSets(env),
		newDedupSign(env),
		newDedupStart(env),
		newDedupStatus(env),
		newDedupVerify(env),
	}
}

func newDedup(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept"}
	var o dedupOptions
	var online onlineFlags
	var compat compatFlags
	var plan bool
	var index indexFlags
	cmd := &cobra.Command{
		Use:   "dedup [flags] [INPUT…]",
		Short: "Keep one of each set of duplicate or near-duplicate documents",
		Long: `Keep one of each set of duplicate documents of all inputs together, and say of each other one which
document it duplicates.

Method minhash (the default): a document goes if its text is similar to one that is kept. The similarity
of two texts is Jaccard's, of their sets of shingles (--scheme words: five words in a row, lower-cased, or
all words of a shorter text): shingles in common over all shingles of both. Pairs to be compared are found
by MinHash, which misses hardly any pair above 0.8: 1-(1-s^rows)^bands is the chance to find one of similarity
s, and rows and bands of this scheme are 5 and 20. Other schemes make the shingles and signatures of other
programs, with their bands and rows, which find fewer pairs; --bands and --rows are numbers of your own, and
--permutations alone has bands and rows chosen for --threshold, as datasketch and text-dedup choose them.
Each pair is then compared exactly, so nothing goes for a document that it is not like, or for one that
goes itself (--verify says what else there is). In the order that --keep says, a document goes if it is like one that was
looked at before and stays. A text without words is kept. A record whose --text-field is no string is
quarantined.

--short says what becomes of a text of fewer words than a shingle has: whole takes all of them for one
shingle, none keeps it and compares it with nothing, and characters has shingles of as many characters, also
where most characters are of a script without spaces (Chinese, Japanese, Thai, Khmer, Lao, Burmese, Tibetan).
Each scheme has one of these unless you choose (docs/dedup-schemes.md).

Method exact: documents are duplicates if the field --text-field has the same value: the same text,
whatever its escapes; or, if it holds no string, the same JSON as written but for white space (5 and
5.0 differ). A record without the field, or with null in it, is quarantined. --normalize compares a form of the text: nfc, lower (lower case), ccnet (lower
case, digits 0, no marks of punctuation beyond ASCII), simplified (as datatrove: no punctuation, accents or case,
numbers 0, one space between words), or url.

Method url: the same for the field --url-field, in the form url: http and https are one, host in lower case
without "www.", no fragment, no default port, percent-encoding and dot segments as RFC 3986 has them;
--normalize none compares as written. A document without a URL is kept.

Methods lines, paragraphs and sentences cut what recurs in all texts together out of them: a line, a paragraph (up
to a blank line), or --span sentences in a row, of which the first stays, in the order of the inputs and of the
text, or with --keep none not even that. --min-count is how often it must occur, --min-chars how many
characters it must have; nothing goes inside Markdown's code fences. Compared is a form of it: ccnet, or simplified of
sentences. A document of which nothing is left, or fewer words than --min-words, is dropped. The
ledger says how much was cut, and --annotate writes into each record where it would be.

Several methods in one run, --method url,exact,lines,minhash, stand one behind the other: each sees what the one
before has left, and has a line of its own in the ledger. Of --keep and --normalize a value is for all of them, and
METHOD=VALUE for one. --evidence and --clusters have the rows of one method behind those of another. With --annotate a record
that one method would drop keeps that verdict, and is passed over by those behind; one that cuts texts can only stand
last. docs/dedup.md says more.

` + decidingHelp + `

The decision needs all documents, so files are read once more for each method (twice for minhash) and once to write, and
must not change meanwhile, and a stream is spooled (--tmp says where). Memory stays within --memory however large
the input: keys are sorted on disk. Only minhash holds about 20 bytes for each document that may be like
another (24 with --keep longest or source-order, 28 with best); if they do not fit, the error says how much
--memory it takes.

With --online one pass decides, nothing is read again or spooled, and output comes while input does: a document
goes if it is a duplicate of one before it that was kept, whatever comes later. Method exact keeps what it keeps
without; minhash keeps a little more, and what it drops is as surely like something that is kept. What was kept
is remembered in memory: if --memory is full the run ends with an error, unless --online-window forgets the oldest.
There is no "cluster" then, and no output directory.

--compat datatrove writes the files of datatrove's MinHash deduplication into -o DIR, byte for byte: signatures/,
buckets/, remove_ids/. A rank is an input file. Its clusters are chains, of which one document stays and nobody
has verified that others are like it. With --from DIR documents are dropped by such files, its own or datatrove's.

"duplicate_of" in a dropped or annotated record is the ID of the one that is kept, a string because many
JSON readers round such numbers: file << 40 | offset, where file counts the inputs from 1 (standard input
is 0; _curate/manifest.json of an output directory lists them) and offset is the byte of the line in the
uncompressed file, or the row in Parquet. Method minhash says the "similarity" to that document, and the
"cluster": the smallest ID of all documents that similar pairs link with this one.

` + indexHelp + `

` + inputHelp + "\n\nThe schemes:\n\n" + schemesHelp(),
		Example: `  zstd -dc pages.jsonl.zst | curate dedup > unique.jsonl
  curate dedup --threshold 0.9 --keep longest --dropped near.jsonl.zst -o unique/ clean/
  curate dedup --keep source-order --priority wiki,books,web --evidence dropped.parquet -o ordered/ clean/
  curate dedup --index seen/ -o new/ clean/
  curate dedup --method exact --text-field url --annotate pages.jsonl.zst | jq -c .curate.dedup
  curate dedup --method lines --min-count 10 --keep none pages.jsonl.zst > no-boilerplate.jsonl
  curate dedup --method url,exact,lines,minhash --keep minhash=longest -o cut/ clean/
  curate dedup --plan --memory 2GiB clean/
  zstd -dc pages.jsonl.zst | curate dedup --online --online-window 1000000 | gzip > first-seen.jsonl.gz`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := compat.check(cmd, &flags, args); err != nil {
				return err
			}
			if compat.program != "" {
				if err := o.scheme.check(cmd); err != nil {
					return err
				}
				return compat.run(cmd.Context(), cmd, env, &flags, args, &o.scheme)
			}
			chosen, err := o.choose(cmd)
			if err != nil {
				return err
			}
			if err := o.deciding.check(cmd); err != nil {
				return err
			}
			if err := online.check(cmd, &flags, chosen, &o.keep); err != nil {
				return err
			}
			if plan && (len(chosen) > 1 || chosen[0].name != "minhash" || online.on || index.dir != "" || o.deciding.verify != dedup.VerifyExact) {
				return usage("--plan is of --method minhash alone, in its usual passes, without an index and with --verify exact")
			}
			if flags.annotate {
				for _, m := range chosen[:len(chosen)-1] {
					if !m.finds {
						return usage("--annotate and --method %s: %s cuts nothing then, and what comes behind it would see other texts; put it last", o.methods, m.name)
					}
				}
			}
			if err := index.check(cmd, &o, chosen, flags.out, flags.annotate); err != nil {
				return err
			}
			if index.dir != "" && !index.readonly && (flags.share.finish || cmd.Flags().Changed("world-size")) {
				return usage("--index with --rank or --finish: one process adds to an index; give --index-readonly, too, or leave --rank and --finish out")
			}
			flags.recordCost = o.recordCost(chosen)
			if o.urlField != flags.textField {
				flags.fieldFlags = map[string]string{o.urlField: "--url-field"}
			}
			if index.dir != "" && online.on {
				return usage("--index and --online: an index is compared with when all documents are known; leave one of them out")
			}
			if plan {
				return planDedup(cmd.Context(), cmd.OutOrStdout(), cmd, env, &flags, &o, args)
			}
			flags.count = func(log *slog.Logger, c *pipeline.Counts) { sayCuts(log, c, flags.annotate) }
			files := map[string]string{"dropped": flags.dropped, "quarantine": flags.quarantine, "ledger": flags.ledger, "evidence": o.deciding.evidence, "clusters": o.deciding.clusters}
			return index.each(cmd.Context(), env, &flags, args, files, func(flags *stageFlags, args []string) error {
				defer index.close()
				err := runStages(cmd.Context(), cmd, env, flags, args, func(s *settings) ([]stage.Stage, error) {
					o.textField, o.annotate, o.verdicts = s.textField, flags.annotate, flags.dropped != ""
					if online.on {
						o.online = online.options(flags, s)
						return o.stages(chosen)
					}
					if err := o.deciding.ask(flags, s, chosen, index.dir != ""); err != nil {
						return nil, err
					}
					return index.stages(cmd.Context(), s, flags, args, &o, chosen)
				})
				return index.commit(cmd.Context(), env, flags, err)
			})
		},
	}
	o.register(cmd)
	cmd.Flags().BoolVar(&plan, "plan", false, "minhash: look at a part of the inputs, say what the run would take (time, disk, memory, sorted runs), and run nothing")
	online.register(cmd)
	compat.register(cmd)
	index.register(cmd)
	flags.register(cmd)
	for _, c := range dedupCommands(env) {
		cmd.AddCommand(c)
	}
	return cmd
}
