package main

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/pipeline"
)

// usualRanges: of 1 TB of text, a range has some 1 GB of keys.
const usualRanges = 64

func newDedupStart(env environment) *cobra.Command {
	flags := stageFlags{maxQuarantined: "0"}
	var scheme schemeFlags
	var deciding decidingFlags
	var plan rankPlanFlags
	set := rankSettings{Version: rankSettingsVersion}
	cmd := &cobra.Command{
		Use:   "start --run DIR [flags] INPUT…",
		Short: "Begin a near-duplicate removal that ranks share",
		Long: `Begin a near-duplicate removal that ranks share: an array of jobs on one machine, or on many that see the
same folder. It freezes the list of the inputs, the method and the formats in DIR, and removes nothing yet.
Then come the steps, each a command that every rank runs, when all ranks have done the one before:

  curate dedup sign        --run DIR --rank I --world-size N    files: hashes of the bands of all signatures
  curate dedup pairs       --run DIR --rank I --world-size N    ranges of hashes: who shares one with whom
  curate dedup sets        --run DIR --rank I --world-size N    files: shingles of the documents that do
  curate dedup verify      --run DIR --rank I --world-size N    ranges: similarities with the first of each bucket
  curate dedup rehub       --run DIR --rank I --world-size N    ranges: those of the rest among themselves
  curate dedup components  --run DIR                            one process: clusters
  curate dedup decide      --run DIR                            one process: who is kept, and what was found
  curate dedup apply       --run DIR --rank I --world-size N    files: the parts of kept and dropped records
  curate dedup apply       --run DIR --finish                   one process: counts, ledger, and that it is whole

In the end DIR is what curate dedup -o DIR would have made of the same inputs and flags, byte by byte, with what it finds
beside the decision (curate dedup --help says what --keep and --verify do, and what these files are), which decide writes;
dropped records are in DIR/_curate/dropped. A rank may be killed and repeated, run twice at once, and there may be any number of them,
another one for each step: the bytes are the same. curate dedup status says what is done, and what comes next.
Each step refuses inputs that have changed, and another version of the program. docs/dedup-array.md has an example.

--plan looks at a few inputs and says what each step would take, by the size of what it writes and by measured speeds
(docs/scale.md), also for a corpus that is not there yet (--plan-size). It starts nothing.

INPUT is a file, a glob or a directory, as everywhere. Paths are kept as they are given: run the steps in the folder
where the run was started, or give absolute ones.`,
		Example: `  curate dedup start --run unique --threshold 0.8 clean/*.jsonl.zst
  curate dedup start --plan --plan-size 10TiB clean/part-00001.jsonl.zst
  curate dedup start --run unique --scheme datatrove --ranges 256 --keep source-order --priority wiki,web clean/`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			flags.given = cmd.Flags().Changed
			switch {
			case flags.out == "" && !plan.on:
				return usage("--run DIR is missing: where are the ranks to write?")
			case len(args) == 0:
				return usage("no input: name files; ranks cannot share a stream")
			case set.Threshold == 0:
				return usage("--threshold 0: a similarity above 0, at most 1")
			}
			if err := errors.Join(scheme.check(cmd), deciding.check(cmd), plan.check(cmd)); err != nil {
				return err
			}
			alarm, err := deciding.alarmShare()
			if err != nil {
				return err
			}
			flags.recordCost = scheme.recordCost()
			s, err := flags.resolve()
			if err != nil {
				return err
			}
			if s.out.File {
				return usage("--run %s: is the name of a data file; give a directory", flags.out)
			}
			show := newDisplay(env.stderr, &flags)
			defer show.close()
			s.log = show.log
			set.InputFormat, set.Format, set.TextField, set.Annotate = s.codec, s.parts.String(), s.textField.String(), flags.annotate
			set.Repair, set.SplitSize, set.MaxRecord = s.repair.Names(), s.splitSize, s.maxRecord
			set.Scheme, set.Bands, set.Rows, set.Permutations, set.Short = scheme.name, scheme.bands, scheme.rows, scheme.permutations, scheme.short
			set.Verify, set.Priority, set.SourceField, set.IDField, set.Alarm = deciding.verify, deciding.priority, deciding.sourceField, deciding.idField, alarm
			m, err := set.method()
			if err != nil {
				return err
			}
			if _, err := m.Ranks(set.Ranges); err != nil {
				return usage("--ranges %d: there are 1 to %d", set.Ranges, dedup.MaxRanges)
			}
			if plan.on {
				return plan.planRanks(cmd.Context(), cmd.OutOrStdout(), s, m, set.Ranges, args)
			}
			stages := m.Stages()
			if set.SplitSize == 0 {
				set.SplitSize = pipeline.DefaultSplitSize(stages)
			}
			if flags.printConfig {
				s.splitSize = set.SplitSize
				flags.values = func() yaml.MapSlice { return yaml.MapSlice{{Key: "ranges", Value: set.Ranges}} }
				return printConfig(cmd.OutOrStdout(), &flags, s, stages)
			}
			if err := flags.mayUse(env, args); err != nil {
				return err
			}
			manifest, err := expand(cmd.Context(), show.log, args)
			if err != nil {
				return err
			}
			s.onMachine()
			job, err := set.job(env, s, flags.out, manifest, stages)
			if err != nil {
				return err
			}
			job.Restart = flags.restart
			raw, err := set.marshal()
			if err != nil {
				return err
			}
			before, err := job.StartShared(cmd.Context(), raw)
			if err != nil {
				return err
			}
			said := "is started"
			if before {
				said = "was started before"
			}
			show.log.Info(fmt.Sprintf("%s %s: %s, %s. Next: curate dedup sign --run %s --rank I --world-size N",
				flags.out, said, plural(len(manifest.Files), "file", "files"), plural(set.Ranges, "range", "ranges"), flags.out))
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&flags.out, "run", "", "`DIR` that all ranks see, and that becomes the output directory")
	fs.IntVar(&set.Ranges, "ranges", usualRanges, fmt.Sprintf("`N` parts of the steps that know no files, up to %d: more ranks than that have nothing to do there", dedup.MaxRanges))
	fs.Float64Var(&set.Threshold, "threshold", dedup.DefaultThreshold, "`SIMILARITY` from which on documents are duplicates, above 0 and at most 1")
	fs.StringVar(&set.Keep, "keep", "first", "`WHICH` of the duplicates stays: first, longest, best:FIELD or source-order")
	deciding.registerSome(cmd, "", false)
	scheme.register(cmd, false)
	fs.StringSliceVar(&flags.formats, "format", nil, "`FORMAT`: text reads every input as text, one document a line; jsonl, jsonl.gz, jsonl.zst or parquet is what the parts are written as (default jsonl.zst)")
	fs.StringVar(&flags.textField, "text-field", "text", "dotted `PATH` of the text in a record")
	fs.BoolVar(&flags.annotate, "annotate", false, "drop nothing; write the verdict into every record, under \"curate\"")
	fs.StringSliceVar(&flags.repair, "repair", nil, "`LIST` of what is repaired in a line that is no strict JSON: nan, surrogates")
	fs.BoolVar(&flags.restart, "restart", false, "remove what an earlier run left in DIR and begin anew")
	plan.register(cmd)
	flags.registerMachine(cmd)
	_ = fs.MarkHidden("tmp") // nothing is spooled; it is there
	return cmd
}
