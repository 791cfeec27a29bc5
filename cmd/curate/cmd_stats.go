package main

import (
	"bytes"
	"errors"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"curate/pipeline"
	"curate/stage"
	"curate/stats"
)

func newStats(env environment) *cobra.Command {
	flags := stageFlags{summary: "counted"}
	var by string
	cmd := &cobra.Command{
		Use:   "stats [--by FIELD] [INPUT…]",
		Short: "Count documents, bytes, characters, words and lines, in all or by group",
		Long: `Count documents and the bytes, characters, words and lines of their texts, in all or by the value of
a field, such as the language or the source.

The result is one JSON object a group; on a terminal it is a table. bytes are those of the decoded
text in UTF-8, words are what wc -w counts in a UTF-8 locale, lines are line feeds and a last line
without one. Records without FIELD, or with null in it, are the group null; other values are groups as
they are written: 5, 5.0 and "5" are three. More than 100,000 groups are an error. A record whose text is
no string, or whose group is longer than 1,024 bytes, is quarantined.

` + inputHelp + ` Of Parquet only the columns
needed are read, and quarantined rows have no others.`,
		Example: `  curate stats corpus/
  curate stats --by language pages.jsonl.zst | jq -c '[.language, .words]'
  curate stats --by meta.source -o sources.jsonl clean/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var table bytes.Buffer
			out, isFile := env.stdout.(*os.File)
			onTerminal := (flags.out == "" || flags.out == "-") && isFile && term.IsTerminal(int(out.Fd())) && len(flags.formats) == 0
			to := env
			if onTerminal {
				to.stdout = &table
			}
			err := runStages(cmd.Context(), cmd, to, &flags, args, func(s *settings) ([]stage.Stage, error) {
				st, err := stats.New(stats.Config{TextField: s.textField.String(), By: by})
				if err != nil {
					return nil, usage("%v", err)
				}
				return []stage.Stage{st}, nil
			})
			if onTerminal && !flags.printConfig && (err == nil || errors.As(err, new(*pipeline.QuarantineError))) {
				err = errors.Join(err, stats.Table(env.stdout, table.Bytes()))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "dotted `FIELD` whose value is the group")
	flags.registerResult(cmd)
	return cmd
}
