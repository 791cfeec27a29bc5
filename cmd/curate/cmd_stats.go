package main

import (
	"bytes"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
without one. Records without FIELD, or with null in it, are the group null. More than 100,000 groups
are an error.

INPUT is a file, a glob or a directory of JSON Lines, Parquet or text, plain or compressed (zstd,
gzip, bzip2, xz); none or - is standard input. Of Parquet only the columns needed are read.`,
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
			if err == nil && onTerminal && !flags.printConfig {
				err = stats.Table(env.stdout, table.Bytes())
			}
			return err
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "dotted `FIELD` whose value is the group")
	flags.registerResult(cmd)
	return cmd
}
