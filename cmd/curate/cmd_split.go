package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

// splitSettings are those of a split, as flags and keys of a recipe say them.
type splitSettings struct {
	validation, test float64
	more             []dedup.Part
	seed             uint64
	by               string
	part             string // "" where none was asked for
	byCluster        bool
	near             bool // hold out what is similar, too
	threshold        float64
	scheme           string
}

// similarity is what of the settings says what near-duplicates are.
func (s *splitSettings) similarity() dedup.MinHashConfig {
	return dedup.MinHashConfig{Scheme: s.scheme, Threshold: s.threshold}
}

// stages are those of a split.
func (s *splitSettings) stages(cfg dedup.SplitConfig) ([]stage.Stage, error) {
	if s.byCluster {
		c, err := dedup.NewClusterSplit(cfg, s.similarity())
		if err != nil {
			return nil, err
		}
		return c.Stages(), nil
	}
	st, err := dedup.NewSplitter(cfg)
	return []stage.Stage{st}, err
}

// parts are all that are declared. Validation and test have their places in the order whether they have a share or
// not, so that to ask for one later moves nothing else.
func (s *splitSettings) parts() []dedup.Part {
	return append([]dedup.Part{{Name: "validation", Share: s.validation}, {Name: "test", Share: s.test}}, s.more...)
}

// made are the parts that have documents, train first.
func (s *splitSettings) made(held *dedup.HeldOut) []string {
	names := []string{dedup.TrainPart}
	for _, p := range s.parts() {
		if p.Share > 0 {
			names = append(names, p.Name)
		}
	}
	if held != nil {
		names = append(names, dedup.HeldOutPart)
	}
	return names
}

func (s *splitSettings) config(text record.Path, held *dedup.HeldOut) (dedup.SplitConfig, error) {
	cfg := dedup.SplitConfig{TextField: text, Seed: s.seed, Parts: s.parts(), Keep: s.part, HeldOut: held}
	var err error
	if s.by != "" {
		cfg.By, err = record.ParsePath(s.by)
	}
	return cfg, err
}

func newSplit(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept", reservedFor: "the digests of held-out documents"}
	var set splitSettings
	var validation, test string
	var shares, heldOut []string
	cmd := &cobra.Command{
		Use:   "split [--validation 1%] [--test 1%] [--held-out PATH] [-o DIR] [INPUT…]",
		Short: "Part documents into train, validation and test by their hash, and hold texts out",
		Long: `Part documents into train, validation and test by their hash, and hold out those whose text is known.

The part of a document depends on its text and the seed, and on nothing else: documents with the same
text are in the same part, and whatever is added to a corpus moves no document. The text's place is
XXH64(text, seed) / 2^64, from 0 to 1: validation takes its share from 0 upwards, test from 1 downwards,
and train is the rest, so a larger share takes documents from train alone. --share makes further parts:
the first two from a half upwards and downwards, the next from a quarter, and so on; none moves another's
documents as long as it does not reach where that one begins. With --by FIELD the value of a field decides
in place of the text: documents of one URL, or one group, are in one part, and those with the same text
may then be in several. A record without the field is quarantined.

--held-out names documents that must not be trained on, such as those of a benchmark: whatever has the
text of one of them, byte by byte, is in no part, but in one of its own, held_out. The texts are known by
their SHA-256; each takes 32 bytes of --memory. A bad record among them ends the command. With --near whatever
is similar to one of them is held out, too: Jaccard's similarity of the sets of shingles (curate dedup --help) is --threshold
or more. Each text is compared with all that it can be similar to, so none is missed; the sets take 40 bytes of
--memory for each of their words.

With --by-cluster near-duplicates are in one part: clusters are those of curate dedup, and all of one are where the text
of its first document is, first in the order of the inputs. The other documents are where they are without it. What is
added behind a corpus moves a document only where it links two clusters, which are then where the first of both is. The
decision needs all documents: files are read four times, and a stream is spooled.

With -o DIR all parts are made, each a directory of its own: DIR/train, DIR/validation, DIR/test,
DIR/held_out. A split that is killed goes on when the command is repeated. The inputs are read once: what
is not train's is also kept in DIR/train/_curate/dropped, from which the other parts are made. At the end
what was written is read again: does train hold the text of a document that is validation's, test's or
held out? That costs a second reading, and with --by, where it can be so, is a warning.

Without -o DIR, or with --part NAME, one part comes through, as through any filter.

` + inputHelp,
		Example: `  curate split --validation 1% --test 1% -o split/ clean/
  curate split --validation 0.5% --held-out benchmark.jsonl --by url -o split/ clean/
  curate split --validation 1% --part validation < clean.jsonl > validation.jsonl
  curate split --held-out split/test/ more.jsonl.zst > train-more.jsonl
  curate split --by-cluster --test 1% --held-out benchmark.jsonl --near -o split/ clean/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "part", "by", "validation", "test"); err != nil {
				return err
			}
			if (set.threshold != dedup.DefaultThreshold || cmd.Flags().Changed("threshold") || cmd.Flags().Changed("scheme")) && !set.near && !set.byCluster {
				return usage("--threshold and --scheme say what near-duplicates are: they belong to --near and --by-cluster")
			}
			if set.threshold == 0 {
				return usage("--threshold 0: a similarity above 0, at most 1")
			}
			if set.near && len(heldOut) == 0 {
				return usage("--near holds out what is similar to documents of --held-out, and there are none")
			}
			if set.byCluster && set.by != "" {
				return usage("--by-cluster with --by %s: the part goes by clusters of texts, or by a field; leave one of them out", set.by)
			}
			var err error
			if set.validation, err = parseShare("--validation", validation); err != nil {
				return err
			}
			if set.test, err = parseShare("--test", test); err != nil {
				return err
			}
			set.more = nil
			for _, s := range shares {
				name, share, ok := strings.Cut(s, "=")
				if !ok {
					return usage("--share %s: give NAME=SHARE, such as tuning=1%%", s)
				}
				p := dedup.Part{Name: name}
				if p.Share, err = parseShare("--share", share); err != nil {
					return err
				}
				set.more = append(set.more, p)
			}
			return runSplit(cmd, env, &flags, &set, heldOut, args)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&validation, "validation", "0%", "`SHARE` of the documents for validation, such as 1% or 0.01")
	fs.StringVar(&test, "test", "0%", "`SHARE` of the documents for test")
	fs.StringArrayVar(&shares, "share", nil, "`NAME=SHARE` of another part; may be repeated")
	fs.StringVar(&set.part, "part", "", "`NAME` of the part that comes through: train, validation, test, held_out, or one of --share")
	fs.StringArrayVar(&heldOut, "held-out", nil, "`PATH` of documents to hold out: a file, glob or directory, read like an input; may be repeated")
	fs.StringVar(&set.by, "by", "", "dotted `FIELD` whose value decides in place of the text")
	fs.BoolVar(&set.byCluster, "by-cluster", false, "near-duplicates are in one part: that of their first document")
	fs.BoolVar(&set.near, "near", false, "hold out what is similar to a held-out document, too")
	fs.Float64Var(&set.threshold, "threshold", dedup.DefaultThreshold, "--near, --by-cluster: `SIMILARITY` from which on documents are near-duplicates, above 0 and at most 1")
	fs.StringVar(&set.scheme, "scheme", dedup.DefaultScheme, "--near, --by-cluster: `NAME` of how shingles are made: "+strings.Join(schemeNames(), ", "))
	fs.Uint64Var(&set.seed, "seed", 1, "`N` that the parts follow: another one makes other parts")
	flags.register(cmd)
	fs.Lookup("output").Usage = "`PATH`: a directory in which each part is one, or with --part the kept records; a file by its data extension (.jsonl, .jsonl.gz, .jsonl.zst, .parquet) for those; default standard output"
	fs.Lookup("annotate").Usage = "drop nothing; write the part of each record into it, as curate.split.part"
	return cmd
}

func runSplit(cmd *cobra.Command, env environment, f *stageFlags, set *splitSettings, heldOut, args []string) error {
	f.given = cmd.Flags().Changed
	s, err := f.resolve()
	if err != nil {
		return err
	}
	if f.annotate && set.part != "" {
		return usage("--part %s with --annotate, which lets all records through; leave one of them out", set.part)
	}
	whole := f.out != "" && f.out != "-" && !s.out.File && set.part == "" && !f.annotate
	if !whole && set.part == "" && !f.annotate && len(set.made(nil)) > 1 {
		return usage("which part? Give --part NAME, or -o DIR for all of them")
	}
	// What cannot be is said before held-out documents are read.
	check := func(held *dedup.HeldOut) (dedup.SplitConfig, error) {
		cfg, err := set.config(s.textField, held)
		if err != nil {
			return cfg, usage("--by: %v", err)
		}
		cfg.Annotate, cfg.Verdicts = f.annotate, f.dropped != ""
		if _, err := set.stages(cfg); err != nil {
			return cfg, usage("%v; see --validation, --test, --share, --held-out", err)
		}
		return cfg, nil
	}
	var held *dedup.HeldOut
	if len(heldOut) > 0 {
		held = dedup.NewHeldOutBuilder(nil, 0).Set()
	}
	if _, err := check(held); err != nil {
		return err
	}
	var near *dedup.NearHeldOut
	if len(heldOut) > 0 {
		workers := 1 // that can be lowered to
		if f.workers > 0 {
			workers = f.workers
		}
		limit := s.memory - pipeline.MinMemory(workers)
		if whole {
			limit -= leastRound * dedup.HeldOutBytes
		}
		h, err := set.readHeldOut(cmd.Context(), heldOut, s.textField, s.recordLimit(), max(0, limit), "--memory")
		if err != nil {
			return fmt.Errorf("--held-out: %w", err)
		}
		held, near, f.reserved = h.exact, h.near, h.size
	}
	cfg, err := check(held)
	if err != nil {
		return err
	}
	cfg.Near = near
	if whole && (f.share.finish || cmd.Flags().Changed("world-size")) {
		return usage("-o %s: ranks share one part at a time: name it with --part", f.out)
	}
	if whole {
		f.reserved += leastRound * dedup.HeldOutBytes
		return splitInto(cmd.Context(), cmd, env, f, set, cfg, set.made(held), args)
	}
	return runStages(cmd.Context(), cmd, env, f, args, func(s *settings) ([]stage.Stage, error) {
		if held != nil {
			s.notes = append(s.notes, heldOutNote(held))
		}
		return set.stages(cfg)
	})
}

// parseShare reads "1%" or "0.01"; what it is of stands in front of an error.
func parseShare(flag, text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, usage("%s %q: give a share such as 1%% or 0.01", flag, text)
	}
	return v, nil
}
