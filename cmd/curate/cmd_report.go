package main

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/corpus/store"
	"curate/report"
)

func newReport(env environment) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report RUN_DIR",
		Short: "Show what a run has kept and dropped, and why, as one HTML file",
		Long: `Show what a run has kept and dropped, and why, as one HTML file that needs no network and no script:
the funnel of documents, bytes, words and tokens through every stage, the reasons of what was dropped with
examples, the distribution of what the rules measured with the thresholds, how similar the duplicates are,
what was quarantined, and the configuration. The same numbers are written as JSON beside it. Of one
command's directory there are examples only if the command was given --dropped.

RUN_DIR is the directory of a run, or of one command with -o DIR; nothing but its files is read. Its report
is RUN_DIR/report.html and RUN_DIR/report.json; that of one command's directory, which other commands
may read as their input, is in RUN_DIR/_curate/. Steps that have not finished are listed without numbers.`,
		Example: `  curate report runs/basque
  curate report -o /tmp/clean.html clean/`,
		Args: oneArg("RUN_DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := filepath.ToSlash(args[0])
			if cmd.Flags().Changed("output") && !strings.HasSuffix(out, ".html") {
				return usage("--output %s: the name of the page ends in .html; its numbers get the same name with .json", out)
			}
			if err := localDir("report", args[0]); err != nil {
				return err
			}
			st := store.NewLocal(nil)
			run, err := report.Read(cmd.Context(), st, dir)
			if err != nil {
				return err
			}
			page := filepath.ToSlash(out)
			if page == "" {
				several, err := report.IsRun(cmd.Context(), st, dir)
				if err != nil {
					return err
				}
				page = path.Join(dir, "report.html")
				if !several {
					page = path.Join(dir, corpus.Dir, "report.html")
				}
			}
			numbers := strings.TrimSuffix(page, ".html") + ".json"
			for _, f := range []struct {
				name  string
				write func(io.Writer) error
			}{{numbers, run.WriteJSON}, {page, run.WriteHTML}} {
				var b bytes.Buffer
				if err := f.write(&b); err != nil {
					return err
				}
				w, err := st.Create(cmd.Context(), f.name)
				if err != nil {
					return err
				}
				if _, err := w.Write(b.Bytes()); err != nil {
					_ = w.Abort() // the error before says more
					return err
				}
				if err := w.Commit(); err != nil {
					return err
				}
			}
			if !run.Finished() {
				fmt.Fprintf(env.stderr, "curate: %s has not finished; the report has what there is\n", args[0])
			}
			_, err = fmt.Fprintf(env.stderr, "curate: wrote %s and %s\n", page, numbers)
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`PATH` of the page, ending in .html")
	return cmd
}
