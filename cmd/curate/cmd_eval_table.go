package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/train/eval"
)

func newEvalTable() *cobra.Command {
	var out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "table FILE…",
		Short: "Put results of several commands into one table",
		Long: `Put the results of curate eval and curate eval judge (-o FILE) into one table: what models know of a language (--choice,
--pairs) and whether they follow instructions (--preference, --instructions, judged answers), by model and language.
Models with the same name are one; inputs that are called LANGUAGE/NAME are averaged by language in the summary.`,
		Example: `  curate eval table eval.json judge.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("FILE is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var list []*eval.Report
			for _, name := range args {
				b, err := smallFile(name)
				if err != nil {
					return err
				}
				r, err := eval.ReadReport(b)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				list = append(list, r)
			}
			report, err := eval.Merge(list)
			if err != nil {
				return err
			}
			if out != "" {
				if err := outsideInputs(out, args); err != nil {
					return err
				}
			}
			return putReport(cmd.Context(), cmd.OutOrStdout(), report, out, asJSON)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&out, "output", "o", "", "`FILE` for all results as JSON, beside what is printed")
	fs.BoolVar(&asJSON, "json", false, "print them as JSON, and no table")
	return cmd
}

// putReport writes a report to a file, if one is named, and prints it.
func putReport(ctx context.Context, stdout io.Writer, report *eval.Report, file string, asJSON bool) error {
	report.Summarize()
	line := func(w io.Writer) error {
		b, err := json.Marshal(report, json.Deterministic(true), jsontext.WithIndent("  "))
		if err != nil {
			return err
		}
		_, err = w.Write(append(b, '\n'))
		return err
	}
	if file != "" {
		if err := writeWhole(ctx, file, line); err != nil {
			return err
		}
	}
	if asJSON {
		return line(stdout)
	}
	return report.Table(stdout)
}
