package main

import (
	"slices"

	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/stage"
)

// dedupMethods are the methods, sorted, each with the flags that belong to it alone.
var dedupMethods = []struct {
	name  string
	flags []string
}{
	{"exact", nil},
	{"minhash", []string{"threshold", "scheme", "bands", "rows", "permutations", "short"}},
}

func newDedup(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept"}
	var method, keep string
	var scheme schemeFlags
	var index indexFlags
	var threshold float64
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
goes itself. With --keep first documents are decided about in the order of the inputs, with --keep longest
from the longest text on; a document that was looked at before stays. A text without words is kept. A
record whose --text-field is no string is quarantined.

--short says what becomes of a text of fewer words than a shingle has: whole takes all of them for one
shingle, none keeps it and compares it with nothing, and characters has shingles of as many characters, also
where most characters are of a script without spaces (Chinese, Japanese, Thai, Khmer, Lao, Burmese, Tibetan).
Each scheme has one of these unless you choose (docs/dedup-schemes.md).

Method exact: documents are duplicates if the field --text-field has the same value: the same text,
whatever its escapes; or, if it holds no string, the same JSON as written but for white space (5 and
5.0 differ). The first document in the order of the inputs is kept. A record without the field, or with
null in it, is quarantined.

The decision needs all documents, so files are read twice (exact) or three times (minhash), and must not
change meanwhile, and a stream is spooled (--tmp says where). Memory stays within --memory however large
the input: keys are sorted on disk. Only minhash holds about 20 bytes for each document that may be like
another; if they do not fit, the error says how much --memory it takes.

"duplicate_of" in a dropped or annotated record is the ID of the one that is kept, a string because many
JSON readers round such numbers: file << 40 | offset, where file counts the inputs from 1 (standard input
is 0; _curate/manifest.json of an output directory lists them) and offset is the byte of the line in the
uncompressed file, or the row in Parquet. Method minhash says the "similarity" to that document, and the
"cluster": the smallest ID of all documents that similar pairs link with this one.

` + indexHelp + `

` + inputHelp + "\n\nThe schemes:\n\n" + schemesHelp(),
		Example: `  zstd -dc pages.jsonl.zst | curate dedup > unique.jsonl
  curate dedup --threshold 0.9 --keep longest --dropped near.jsonl.zst -o unique/ clean/
  curate dedup --index seen/ -o new/ clean/
  curate dedup --method exact --text-field url --annotate pages.jsonl.zst | jq -c .curate.dedup`,
		RunE: func(cmd *cobra.Command, args []string) error {
			names := make([]string, 0, len(dedupMethods))
			for _, m := range dedupMethods {
				names = append(names, m.name)
			}
			if !slices.Contains(names, method) {
				return usage("--method: %v", stage.UnknownName("method", method, names))
			}
			for _, m := range dedupMethods {
				for _, flag := range m.flags {
					if m.name != method && cmd.Flags().Changed(flag) {
						return usage("--%s belongs to --method %s, and this is --method %s; leave one of them out", flag, m.name, method)
					}
				}
			}
			if method == "minhash" && threshold == 0 {
				return usage("--threshold 0: a similarity above 0, at most 1")
			}
			if err := scheme.check(cmd); err != nil {
				return err
			}
			if method == "minhash" {
				flags.recordCost = scheme.recordCost()
			}
			if err := index.check(cmd, method, flags.out); err != nil {
				return err
			}
			defer index.close()
			err := runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				verdicts := flags.dropped != ""
				if method == "exact" {
					d, err := dedup.NewExact(dedup.ExactConfig{Field: s.textField, Keep: keep, Annotate: flags.annotate, Verdicts: verdicts})
					if err != nil {
						return nil, usage("%v", err)
					}
					return index.stages(cmd.Context(), s, &flags, args, d, []stage.Stage{d})
				}
				d, err := dedup.NewMinHash(dedup.MinHashConfig{
					Field: s.textField, Scheme: scheme.name, Bands: scheme.bands, Rows: scheme.rows, Values: scheme.permutations, Short: scheme.short,
					Threshold: threshold, Keep: keep, Annotate: flags.annotate, Verdicts: verdicts,
				})
				if err != nil {
					return nil, usage("%v", err)
				}
				return index.stages(cmd.Context(), s, &flags, args, d, d.Stages())
			})
			return index.commit(cmd.Context(), env, &flags, err)
		},
	}
	cmd.Flags().StringVar(&method, "method", "minhash", "`NAME` of the method: minhash or exact")
	cmd.Flags().Float64Var(&threshold, "threshold", dedup.DefaultThreshold, "minhash: `SIMILARITY` from which on documents are duplicates, above 0 and at most 1")
	cmd.Flags().StringVar(&keep, "keep", "first", "`WHICH` of the duplicates stays: first, in the order of the inputs, or, with minhash, longest, in bytes of text")
	scheme.register(cmd, false)
	index.register(cmd)
	flags.register(cmd)
	cmd.AddCommand(newDedupSign(env), newDedupIndex(env))
	return cmd
}
