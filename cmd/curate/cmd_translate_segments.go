package main

import (
	"io"

	"github.com/spf13/cobra"

	"curate/stage"
	"curate/translate"
)

// translateSteps is what the help of each step says of all.
const translateSteps = `segments, fetch and apply are curate translate in three steps, of which the second may be an array of jobs. All
take the flags of curate translate that are about translating, so that one list serves the three; what a step has no
use for changes nothing in it. Give each the same: backend, model, prompt and masks are part of an answer's name in
the memory.`

// segmenting is the stage, and what must be closed behind it.
type segmenting struct {
	*translate.Segments
	io.Closer
}

func newTranslateSegments(env environment) *cobra.Command {
	flags := stageFlags{summary: "with segments of their own", recordCost: translateRecordCost}
	t := translating{step: stepSegments}
	cmd := &cobra.Command{
		Use:   "segments --from en --to eu --backend NAME [INPUT…]",
		Short: "Write what there is to translate in rows: each distinct segment once",
		Long: `Write the distinct segments of rows that no memory has, as curate translate would ask for them: masked, and each
once, with the first row that holds it. A row becomes a record of the segments that are its own; rows without any are
dropped. It says what there is to ask for, and asks nobody.

` + translateSteps + `

` + inputHelp,
		Example: `  same="--from en --to eu --backend openai --base-url http://localhost:8000/v1 --model gemma --memory-dir tm"
  curate translate segments $same instruct.jsonl -o segments.jsonl.zst
  curate translate fetch $same segments.jsonl.zst --rank 0 --world-size 16    # and 1 to 15
  curate translate apply $same instruct.jsonl -o instruct.eu/`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.run(cmd, env, &flags, args, func(o *opened) []stage.Stage { return []stage.Stage{segmenting{o.Segments(), o}} })
		},
	}
	t.register(cmd)
	flags.register(cmd)
	t.adapt(cmd)
	cmd.Flags().Lookup("output").Usage = "`PATH` of the segments: a file by its data extension (.jsonl, .jsonl.gz, .jsonl.zst), else a directory that can be resumed; default standard output"
	cmd.Flags().Lookup("split-size").DefValue = "64MiB"
	cmd.Flags().Lookup("split-size").Usage = "`SIZE` of input that becomes one part and is redone after a kill"
	t.hide(cmd)
	return cmd
}

// hide leaves out of a step's help the flags of curate translate that it has no use for, and takes.
func (t *translating) hide(cmd *cobra.Command) {
	asking := []string{"base-url", "api-key-env", "timeout", "retries", "max-concurrency", "max-requests", "max-tokens", "max-cost", "processes"}
	prices := []string{"price-in", "price-out", "price-cached"}
	rows := []string{"schema", "fields", "tool-descriptions", "tool-results", "task"}
	written := []string{"on-fail", "keep-source", "annotate"}
	list := map[translateStep][][]string{
		stepSegments: {asking, {"price-cached", "on-fail", "keep-source"}}, stepFetch: {rows, written}, stepApply: {asking, prices},
	}[t.step]
	for _, names := range list {
		for _, name := range names {
			cmd.Flags().Lookup(name).Hidden = true
		}
	}
}
