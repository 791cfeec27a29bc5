package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/filter"
	"curate/record"
	"curate/report"
)

func newReport(env environment) *cobra.Command {
	var out string
	var references []string
	cmd := &cobra.Command{
		Use:   "report RUN_DIR",
		Short: "Show what a run has kept and dropped, and why, as one HTML file",
		Long: `Show what a run has kept and dropped, and why, as one HTML file that needs no network and no script:
the funnel of documents, bytes, words and tokens through every stage, the reasons of what was dropped with
examples, the distribution of what the rules measured with the thresholds, the documents nearest to those,
which rules overlap, what an audit has found, what was translated at which
price, with some rows beside their source, how similar the duplicates are, the chance that they were found,
the sizes of their clusters, what each source loses and to which, and the words in which some of them differ
from what was kept, what was quarantined, and the configuration. The same numbers are written as JSON beside
it. Of one command's directory there are examples, and such words, only if the command was given --dropped,
and translated rows only with --keep-source.

RUN_DIR is the directory of a run, or of one command with -o DIR; nothing but its files is read. Its report
is RUN_DIR/report.html and RUN_DIR/report.json; that of one command's directory, which other commands
may read as their input, is in RUN_DIR/_curate/. Steps that have not finished are listed without numbers.

--reference sets another translation, such as a person's, beside what a step has translated: rows in the
same schema and with the same "id". Rows that are in FILE are shown before others.`,
		Example: `  curate report runs/basque
  curate report -o /tmp/clean.html clean/
  curate report runs/eu --reference translate=instruct.eu-human.jsonl.zst`,
		Args: oneArg("RUN_DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := filepath.ToSlash(args[0])
			if cmd.Flags().Changed("output") && !strings.HasSuffix(out, ".html") {
				return usage("--output %s: the name of the page ends in .html; its numbers get the same name with .json", out)
			}
			if err := storedDir("report", args[0]); err != nil {
				return err
			}
			st := storage()
			several, err := report.IsRun(cmd.Context(), st, dir)
			if err != nil {
				return err
			}
			beside, err := reportReferences(references, args[0], several)
			if err != nil {
				return err
			}
			run, err := report.ReadWith(cmd.Context(), st, dir, report.Options{References: beside, Measure: measureStage})
			if err != nil {
				return err
			}
			page := filepath.ToSlash(out)
			if page == "" {
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
			for _, s := range run.Steps {
				for _, d := range s.Dedups {
					if d.Note != "" {
						fmt.Fprintf(env.stderr, "curate: %s: %s; the report is without it\n", path.Join(dir, s.Dir), d.Note)
					}
				}
				if t := s.Translation; t != nil && t.Reference != nil && t.Reference.Found == 0 {
					fmt.Fprintf(env.stderr, "curate: %s: none of its %d rows has the \"id\" of a translated row; the report has no reference\n", t.Reference.File, t.Reference.Rows)
				}
			}
			_, err = fmt.Fprintf(env.stderr, "curate: wrote %s and %s\n", page, numbers)
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`PATH` of the page, ending in .html")
	cmd.Flags().StringArrayVar(&references, "reference", nil, "`STEP=FILE` of rows to set beside what the step has translated; FILE alone for the directory of one command")
	return cmd
}

// measureStage computes the signals of kept records anew, if this program's rules are those of the run: the configuration
// of the stage must be the same to the byte.
func measureStage(name string, config jsontext.Value) func(r *record.Record) []report.Measured {
	if name != "filter" {
		return nil
	}
	var is struct {
		Annotate  bool     `json:"annotate"`
		Fields    []string `json:"fields"`
		Profile   string   `json:"profile"`
		TextField string   `json:"text_field"`
	}
	if json.Unmarshal(config, &is) != nil {
		return nil
	}
	profile, err := profilesNamed(is.Profile) // those of the table: a file's name is not in the configuration
	if err != nil {
		return nil
	}
	cfg := filterConfig(context.Background(), record.Path{})
	cfg.Annotate, cfg.Fields = is.Annotate, map[string]record.Path{}
	if cfg.TextField, err = record.ParsePath(is.TextField); err != nil {
		return nil
	}
	for _, f := range is.Fields {
		field, path, _ := strings.Cut(f, "=")
		if cfg.Fields[field], err = record.ParsePath(path); err != nil {
			return nil
		}
	}
	f, err := filter.NewOf(profile, cfg)
	if err != nil {
		return nil
	}
	now, err := json.Marshal(f.Spec().Config)
	if err != nil {
		return nil
	}
	then := config.Clone()
	if then.Canonicalize() != nil || (*jsontext.Value)(&now).Canonicalize() != nil || !bytes.Equal(then, now) {
		return nil
	}
	measure := f.NewMeasure()
	var list []report.Measured
	return func(r *record.Record) []report.Measured {
		list = list[:0]
		for _, s := range measure(r) {
			list = append(list, report.Measured{Name: s.Name, Value: s.Value})
		}
		return list
	}
}

// reportReferences reads what --reference was given.
func reportReferences(list []string, dir string, several bool) ([]report.Reference, error) {
	var references []report.Reference
	for _, arg := range list {
		step, file, named := "", arg, true
		if several {
			step, file, named = strings.Cut(arg, "=")
		}
		switch {
		case !named || several && step == "":
			return nil, usage("--reference %s: %s has steps; say which one, as in --reference translate=FILE", arg, dir)
		case file == "":
			return nil, usage("--reference %s: the FILE is missing", arg)
		}
		references = append(references, report.Reference{Step: step, File: filepath.ToSlash(file)})
	}
	return references, nil
}
