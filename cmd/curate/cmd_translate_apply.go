package main

import (
	"github.com/spf13/cobra"

	"curate/stage"
)

// Values of --missing.
var missingSegments = []string{"fail", "quarantine"}

func newTranslateApply(env environment) *cobra.Command {
	flags := stageFlags{summary: "translated", recordCost: translateRecordCost}
	t := translating{step: stepApply}
	var missing string
	cmd := &cobra.Command{
		Use:   "apply --from en --to eu --backend NAME --memory-dir DIR [INPUT…]",
		Short: "Translate rows with what curate translate fetch has brought; ask nobody",
		Long: `Translate rows as curate translate does, with the answers that are in the memories, and ask nobody. What comes out is
what curate translate writes with the same answers, however many ranks have fetched them. Segments that were given up
quarantine their rows, as there. A segment that no memory has ends the run, with exit code 1: fetch it, and repeat the
command; with --missing quarantine it quarantines its rows as not_fetched.

` + translateSteps + `

` + inputHelp,
		Example: `  curate translate apply --from en --to eu --backend openai --model gemma --memory-dir tm instruct.jsonl -o instruct.eu/`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch missing {
			case "fail":
			case "quarantine":
				t.setAside = true
			default:
				return usage("--missing: %v", stage.UnknownName("value", missing, missingSegments))
			}
			if t.cfg.RetryFailed {
				return usage("--retry-failed: nobody is asked; it is for curate translate fetch")
			}
			return t.run(cmd, env, &flags, args, func(o *opened) []stage.Stage { return []stage.Stage{o} })
		},
	}
	t.register(cmd)
	cmd.Flags().StringVar(&missing, "missing", "fail", "what becomes of a row with a segment that no memory has: `fail|quarantine`; fail ends the run")
	flags.register(cmd)
	t.adapt(cmd)
	completeFlags(cmd, map[string][]string{"missing": missingSegments})
	t.hide(cmd)
	return cmd
}
