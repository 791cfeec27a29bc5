package main

import (
	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/stage"
)

func newDedup(env environment) *cobra.Command {
	flags := stageFlags{summary: "kept"}
	var method, keep string
	cmd := &cobra.Command{
		Use:   "dedup --method exact [INPUT…]",
		Short: "Keep one of each set of duplicate documents",
		Long: `Keep one of each set of duplicate documents of all inputs together, and say of each other one which
document it duplicates.

Method exact: documents are duplicates if the field --text-field has the same value: the same text,
whatever its escapes; or, if it holds no string, the same JSON as written but for white space (5 and
5.0 differ). The first document in the order of the inputs is kept. A record without the field, or with
null in it, is quarantined.

The decision needs all documents, so files are read twice, and must not change meanwhile, and a stream
is spooled (--tmp says where). Memory stays within --memory however large the input: keys are sorted
on disk.

"duplicate_of" in a dropped or annotated record is the ID of the one that is kept, a string because many
JSON readers round such numbers: file << 40 | offset, where file counts the inputs from 1 (standard input
is 0; _curate/manifest.json of an output directory lists them) and offset is the byte of the line in the
uncompressed file, or the row in Parquet.

` + inputHelp,
		Example: `  zstd -dc pages.jsonl.zst | curate dedup --method exact > unique.jsonl
  curate dedup --method exact --dropped duplicates.jsonl.zst -o unique/ clean/
  curate dedup --method exact --text-field url --annotate pages.jsonl.zst | jq -c .curate.dedup`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch method {
			case "":
				return usage("dedup needs --method NAME; the methods are:\n  exact    the same value of --text-field")
			case "exact":
			default:
				return usage("--method: %v", stage.UnknownName("method", method, []string{"exact"}))
			}
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				d, err := dedup.NewExact(dedup.ExactConfig{Field: s.textField, Keep: keep, Annotate: flags.annotate, Verdicts: flags.dropped != ""})
				if err != nil {
					return nil, usage("%v", err)
				}
				return []stage.Stage{d}, nil
			})
		},
	}
	cmd.Flags().StringVar(&method, "method", "", "`NAME` of the method (required): exact")
	cmd.Flags().StringVar(&keep, "keep", "first", "`WHICH` of the duplicates stays: first, in the order of the inputs")
	flags.register(cmd)
	return cmd
}
