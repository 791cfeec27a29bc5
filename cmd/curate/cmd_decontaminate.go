package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/internal/human"
	"curate/pipeline"
	"curate/stage"
)

// reservedStep is that of the memory for items, in bytes.
const reservedStep = 16 << 20

// contaminationRecordCost is what a byte of a long line takes: a word, of two bytes at least, is 24 bytes of hashes and places, beside
// what any stage takes, and 32 more where near finds candidates.
const contaminationRecordCost = 40

func newDecontaminate(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept", reservedFor: "the benchmarks' items", recordCost: contaminationRecordCost}
	var cfg dedup.BenchmarksConfig
	var names []string
	var mode, report, items string
	var common int
	var cut dedup.CutConfig
	cmd := &cobra.Command{
		Use:   "decontaminate --against PATH [--mode drop|cut|annotate] [INPUT…]",
		Short: "Remove documents that contain items of benchmarks, or what of them does",
		Long: `Remove documents that contain items of benchmarks, or cut the items out of them, and say of each benchmark
which of its items the corpus has.

--against names a benchmark: a file, glob or directory, called by its file's name or by NAME=PATH. Its rows
may be texts (text), choices (question, context, choices, answer), minimal pairs (good, bad), chats
(messages, conversations), preferences (prompt, chosen, rejected) or instructions. What is asked and the
right answer together are the item; what a system is told is not.

--match exact: a document is the item, or contains what is asked or the answer, word by word, if that has
--least-words of them. Case, punctuation and white space make no difference.
--match ngram: a document and an item have an n-gram of words in common, or with --min-share 0.7 that share of
the item's n-grams. --convention gpt3 takes words in lower case without punctuation, and n is the 5th percentile of
the benchmark's items' lengths, between 8 and 13. --convention datatrove takes datatrove's 12-grams of the answers, and
of question and answer together, and makes its decisions. With --ignore-common 10 n-grams that are in more than ten
documents of the inputs find nothing: these are read twice then, and a stream is spooled. --ngram is another n.
--match near: --threshold of the item's shingles (five words in a row) are in the document (--measure containment), or
the two sets of shingles are so similar as a whole (jaccard), which finds items that are documents of their own. It misses
none.

--mode drop drops the document. --mode cut takes out what was found with --window characters on each side; what is
left of the text stays, its pieces with a blank line between them, but for pieces of fewer than
--least-piece characters; a document that falls into more than --most-pieces, or has no piece left, is dropped. What near
finds is cut from shingle to shingle. --mode annotate drops nothing and writes into every record, under
curate.decontaminate, which items it has: benchmark, id, share, and the words that were found first.

The report (--report PATH, and ` + dedup.ContaminationFile + ` in _curate of an output directory) has, for each benchmark, its items, how many are in the
corpus and which, the documents dropped and the bytes cut. --items has a row for each item, in the order of the
benchmarks: dirty if some document has it, else clean, by which methods it was found, and the share of it in one
document. So a benchmark can be evaluated without what was trained on instead.

` + inputHelp,
		Example: `  curate decontaminate --against benchmark.jsonl -o clean/ pages.jsonl.zst
  curate decontaminate --against arc=arc/test.jsonl --against pairs.jsonl --mode cut --report found.json < pages.jsonl > clean.jsonl
  curate decontaminate --against benchmark.jsonl --match near --mode annotate pages.jsonl.zst | jq -c .curate.decontaminate
  curate decontaminate --against benchmark.jsonl --match ngram --convention datatrove --dropped hits.jsonl pages.jsonl.zst > clean.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.given = cmd.Flags().Changed
			if len(names) == 0 {
				return usage("which benchmarks? Give --against PATH")
			}
			if err := notEmpty(cmd, "report", "items", "mode", "convention", "measure"); err != nil {
				return err
			}
			if flags.annotate {
				if flags.given("mode") && mode != dedup.AnnotateMode {
					return usage("--annotate with --mode %s; leave one of them out", mode)
				}
				mode = dedup.AnnotateMode
			}
			flags.annotate = mode == dedup.AnnotateMode
			if err := checkContamination(flags.given, &cfg, mode, &cut); err != nil {
				return err
			}
			if flags.given("ignore-common") && common < 1 {
				return usage("--ignore-common %d: 1 document at least; leave it out to have all n-grams count", common)
			}
			for _, path := range []string{report, items} {
				if err := outsideInputs(path, args); err != nil {
					return err
				}
			}
			s, err := flags.resolve()
			if err != nil {
				return err
			}
			list := make([]against, 0, len(names))
			for _, n := range names {
				list = append(list, againstNamed(n))
			}
			workers := max(1, flags.workers) // that can be lowered to
			set, size, err := readBenchmarks(cmd.Context(), cfg, list, s.textField, s.recordLimit(), max(0, (s.memory-pipeline.MinMemory(workers))/reservedStep*reservedStep), "--memory")
			if err != nil {
				return fmt.Errorf("--against: %w", err)
			}
			// In steps, so that a benchmark that has changed is told from one that has not, and not by the memory that is left.
			flags.reserved = (size + reservedStep - 1) / reservedStep * reservedStep
			dcfg := dedup.DecontaminatorConfig{TextField: s.textField, Benchmarks: set, Mode: mode, Cut: cut, MostDocuments: common, Verdicts: flags.dropped != ""}
			var made *dedup.Decontaminator
			var failed error
			write := func(log *slog.Logger, c *pipeline.Counts) {
				least := cfg.LeastWords
				if slices.Equal(cfg.Match, []string{dedup.MatchNgram}) {
					least = 0 // nobody asks
				}
				failed = writeContamination(cmd, made, least, c, report, items, log)
			}
			flags.count, flags.finished = write, write
			err = runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				s.notes = append(s.notes, contaminationNote(set, size))
				st, d, err := decontaminator(dcfg)
				if err != nil {
					return nil, usage("%v", err)
				}
				made = d
				return []stage.Stage{st}, nil
			})
			if err == nil {
				err = failed
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&names, "against", nil, "`PATH` of a benchmark, or NAME=PATH: a file, glob or directory, read like an input; may be repeated")
	fs.StringVar(&mode, "mode", dedup.DropMode, "`MODE`: drop, cut or annotate")
	fs.StringSliceVar(&cfg.Match, "match", []string{dedup.MatchExact, dedup.MatchNgram}, "`METHODS`: exact, ngram, near")
	fs.StringVar(&cfg.Convention, "convention", dedup.GPT3Convention, "ngram: `NAME` of the convention: gpt3 or datatrove")
	fs.IntVar(&cfg.Ngram, "ngram", 0, "ngram: `N` words, 2 to 64; default 12 of datatrove, and of gpt3 8 to 13 by the benchmark's items")
	fs.Float64Var(&cfg.MinShare, "min-share", 0, "ngram: `SHARE` of an item's n-grams, from 0 to 1, that a document must have; one at least")
	fs.IntVar(&common, "ignore-common", 0, "ngram, gpt3: n-grams in more than `N` documents of the inputs find nothing, as in GPT-3's paper with 10; the inputs are read twice; default all count")
	fs.BoolVar(&cfg.QueryNgrams, "query-ngrams", false, "ngram, datatrove: look also for n-grams of the question alone (its find_query_ngrams)")
	fs.IntVar(&cfg.LeastWords, "least-words", 8, "exact, near: `N` words that what is looked for within documents must have")
	fs.Float64Var(&cfg.Threshold, "threshold", dedup.DefaultThreshold, "near: `SIMILARITY` from which on an item is in a document, above 0 and at most 1")
	fs.StringVar(&cfg.Measure, "measure", dedup.Containment, "near: `NAME` of the similarity: containment or jaccard")
	fs.IntVar(&cut.Window, "window", 200, "cut: `N` characters on each side that go too")
	fs.IntVar(&cut.LeastPiece, "least-piece", 200, "cut: `N` characters that a piece must have to stay")
	fs.IntVar(&cut.MostPieces, "most-pieces", 10, "cut: `N` pieces into which a document may fall")
	fs.StringVar(&report, "report", "", "`PATH` for what was found of each benchmark, as JSON")
	fs.StringVar(&items, "items", "", "`PATH` for what was found of each item, as JSON Lines: clean or dirty, and by which methods")
	flags.register(cmd)
	return cmd
}

// decontaminator is the stage, and what reports on its counts.
func decontaminator(cfg dedup.DecontaminatorConfig) (stage.Stage, *dedup.Decontaminator, error) {
	if cfg.MostDocuments == 0 {
		d, err := dedup.NewDecontaminator(cfg)
		return d, d, err
	}
	c, err := dedup.NewCommonNgrams(cfg)
	if err != nil {
		return nil, nil, err
	}
	return c, c.Decontaminator(), nil
}

// checkContamination is what is wrong with flags that were given.
func checkContamination(given func(string) bool, cfg *dedup.BenchmarksConfig, mode string, cut *dedup.CutConfig) error {
	if mode != dedup.DropMode && mode != dedup.CutMode && mode != dedup.AnnotateMode {
		return usage("--mode: %v", stage.UnknownName("mode", mode, []string{dedup.AnnotateMode, dedup.CutMode, dedup.DropMode}))
	}
	matches := func(name string) bool {
		for _, m := range cfg.Match {
			if m == name {
				return true
			}
		}
		return false
	}
	for _, m := range cfg.Match {
		if m != dedup.MatchExact && m != dedup.MatchNgram && m != dedup.MatchNear {
			return usage("--match: %v", stage.UnknownName("method", m, []string{dedup.MatchExact, dedup.MatchNear, dedup.MatchNgram}))
		}
	}
	if len(cfg.Match) == 0 {
		return usage("--match is empty; leave it out, or name methods: exact, ngram, near")
	}
	for _, f := range []struct {
		flag    string
		belongs bool
		to      string
	}{
		{"convention", matches(dedup.MatchNgram), "--match ngram"},
		{"ngram", matches(dedup.MatchNgram), "--match ngram"},
		{"min-share", matches(dedup.MatchNgram), "--match ngram"},
		{"ignore-common", matches(dedup.MatchNgram) && cfg.Convention == dedup.GPT3Convention, "--match ngram --convention gpt3"},
		{"query-ngrams", matches(dedup.MatchNgram) && cfg.Convention == dedup.DatatroveConvention, "--match ngram --convention datatrove"},
		{"least-words", matches(dedup.MatchExact) || matches(dedup.MatchNear), "--match exact or near"},
		{"threshold", matches(dedup.MatchNear), "--match near"},
		{"measure", matches(dedup.MatchNear), "--match near"},
		{"window", mode == dedup.CutMode, "--mode cut"},
		{"least-piece", mode == dedup.CutMode, "--mode cut"},
		{"most-pieces", mode == dedup.CutMode, "--mode cut"},
	} {
		if given(f.flag) && !f.belongs {
			return usage("--%s belongs to %s; leave it out", f.flag, f.to)
		}
	}
	if given("ngram") && cfg.Ngram < 2 {
		return usage("--ngram %d: 2 to %d words", cfg.Ngram, dedup.MaxNgram)
	}
	if given("threshold") && cfg.Threshold == 0 {
		return usage("--threshold 0: a similarity above 0, at most 1")
	}
	if given("least-words") && cfg.LeastWords == 0 {
		return usage("--least-words 0: 1 to %d words", dedup.MaxNgram)
	}
	if cut.Window < 0 || cut.LeastPiece < 0 || cut.MostPieces < 1 {
		return usage("--window %d, --least-piece %d, --most-pieces %d: numbers from 0, pieces from 1", cut.Window, cut.LeastPiece, cut.MostPieces)
	}
	if cut.Window == 0 {
		cut.Window = -1
	}
	if cut.LeastPiece == 0 {
		cut.LeastPiece = -1
	}
	return nil
}

// writeContamination says what was found, and writes the report where it was asked for: an output directory has it already.
func writeContamination(cmd *cobra.Command, d *dedup.Decontaminator, leastWords int, c *pipeline.Counts, file, items string, log *slog.Logger) error {
	counted := contaminationCounts(d, c)
	if counted == nil {
		return nil
	}
	r := d.Report(*counted)
	for i := range r.Benchmarks {
		b := &r.Benchmarks[i]
		log.Info(fmt.Sprintf("%s: %s of %s (%.2f %%) are in the corpus, in %s", b.Name, human.Thousands(int64(b.Found)), count(int64(b.Items), "item"), 100*b.Share, count(b.Documents, "document")))
		if b.Short > 0 && leastWords > 0 {
			log.Info(fmt.Sprintf("%s: %s shorter than %d words: exact and near find such an item only where it is all of a document", b.Name, plural(b.Short, "item is", "items are"), leastWords))
		}
	}
	for _, f := range []struct {
		path, what, flag string
		write            func(w io.Writer) error
	}{
		{file, "report", "--report", r.Write},
		{items, "list of items", "--items", func(w io.Writer) error { return d.WriteItems(w, *counted) }},
	} {
		if f.path == "" {
			continue
		}
		if err := writeWhole(cmd.Context(), f.path, f.write); err != nil {
			return fmt.Errorf("the %s %s: %w; the documents are written: repeat the command with -o DIR, or %s alone, to have it", f.what, f.path, err, f.flag)
		}
	}
	return nil
}

// contaminationCounts are the stage's of a job's; nil if it had no such stage.
func contaminationCounts(d *dedup.Decontaminator, c *pipeline.Counts) *stage.Counted {
	for i := range c.Stages {
		if st := &c.Stages[i]; st.Name == d.Spec().Name {
			return &stage.Counted{Read: st.Read, Kept: st.Kept, Quarantined: st.Quarantined, Dropped: st.Dropped, Annotated: st.Annotated, Tallies: st.Tallies}
		}
	}
	return nil
}
