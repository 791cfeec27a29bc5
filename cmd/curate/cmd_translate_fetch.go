package main

import (
	"io"

	"github.com/spf13/cobra"

	"curate/stage"
	"curate/translate"
)

// fetching is the stage, and what must be closed behind it.
type fetching struct {
	*translate.Fetch
	io.Closer
}

func newTranslateFetch(env environment) *cobra.Command {
	flags := rankFlags{stageFlags: stageFlags{summary: "fetched", recordCost: translateRecordCost, sink: true, textField: "text"}}
	t := translating{step: stepFetch}
	cmd := &cobra.Command{
		Use:   "fetch --from en --to eu --backend NAME --memory-dir DIR [SEGMENTS…]",
		Short: "Ask for the translations of what curate translate segments has written",
		Long: `Ask for the translations of segments, with the checks, the ladder and the repetitions of curate translate, and keep
the answers in the memory. --rank I --world-size N does the share of one of N processes, in a memory of its own, in
DIR/rank-IIIII; which segments that are is a matter of the segments alone. What any memory in DIR has is not asked for:
N may be another one the next time, and a process that was killed asks for what it had not been answered. Limits
(--max-requests, --max-tokens, --max-cost) are of all ranks together, and dealt out.

Records of which a segment could not be had because of the server are quarantined, as curate translate quarantines
rows: repeat the command. What was given up is in the memory, and quarantines its rows when they are put together.

` + translateSteps,
		Example: `  curate translate fetch --from en --to eu --backend openai --base-url http://localhost:8000/v1 --model gemma --memory-dir tm segments.jsonl.zst --rank 3 --world-size 16`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.resolveRank(cmd); err != nil {
				return err
			}
			if cmd.Flags().Changed("world-size") {
				t.rank, t.world = flags.rank, flags.world
			}
			return t.run(cmd, env, &flags.stageFlags, args, func(o *opened) []stage.Stage {
				f := fetching{o.Fetch(), o}
				if t.world > 1 {
					return []stage.Stage{translate.NewShare(t.rank, t.world), f}
				}
				return []stage.Stage{f}
			})
		},
	}
	t.register(cmd)
	flags.registerRank(cmd)
	fs := cmd.Flags()
	fs.BoolVar(&flags.annotate, "annotate", false, "of curate translate")
	fs.StringVar(&flags.quarantine, "quarantine", "", "`PATH` for records that could not be read, or of which a segment could not be had now")
	fs.StringVar(&flags.ledger, "ledger", "", "`PATH` for the counts, as JSON")
	fs.StringVar(&flags.maxQuarantined, "max-quarantined", "0", "`N` or P%: more quarantined records than that end with exit code 3")
	fs.BoolVar(&flags.strict, "strict", false, "stop at the first record that has to be quarantined")
	flags.stageFlags.registerMachine(cmd)
	t.hide(cmd)
	return cmd
}
