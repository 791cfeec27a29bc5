package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/filter"
	"curate/record"
)

func newFilterFit(env environment) *cobra.Command {
	var cfg filter.FitConfig
	var method, textField, out string
	var reference []string
	cmd := &cobra.Command{
		Use:   "fit --language CODE [flags] INPUT…",
		Short: "Propose a profile for a language from texts in it, as FineWeb-2 has one for each",
		Long: `Propose a profile for a language from texts in it, as FineWeb-2 has one for each of its languages: FineWeb's
rules without those of C4, with the most frequent words as stop words, and with thresholds by one of these methods:

  10tail       each threshold drops a tenth of the texts (--tail)
  english      those for English
  meanstd      as many standard deviations from the mean as those for English are in the reference
  medianratio  those for English, times the ratio of the medians
  quantile     each drops the share that the one for English drops of the reference

The last three compare with --reference, texts in English, best of the same kind or the same texts. The default is
quantile with a reference, and 10tail without.

The profile is YAML with the reason for each threshold, and with what each test drops of the texts. It is a
proposal: look at texts on both sides of the thresholds. The inputs are read twice, so they are files.

` + inputHelp,
		Example: `  curate filter fit --language eu pages.eu.jsonl.zst -o eu.yaml
  curate filter fit --language eu --reference pages.en.jsonl.zst pages.eu.jsonl.zst -o eu.yaml
  curate filter --profile eu.yaml pages.eu.jsonl.zst > kept.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "language", "method", "output", "text-field", "words"); err != nil {
				return err
			}
			if cfg.Language == "" {
				return usage("filter fit needs --language CODE: it becomes the profile's name")
			}
			if strings.Trim(cfg.Language, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
				return usage("--language %q: a name of letters, digits, - and _", cfg.Language)
			}
			field, err := record.ParsePath(textField)
			if err != nil {
				return usage("--text-field: %v", err)
			}
			if cfg.Method = filter.FitMethod(method); method == "" {
				cfg.Method = filter.FitTenTail
				if len(reference) > 0 {
					cfg.Method = filter.FitQuantile
				}
			}
			x, err := filter.NewFitting(cfg)
			if err != nil {
				return usage("%v", err)
			}
			if len(reference) > 0 && !cfg.Method.NeedsReference() {
				return usage("--reference: the method %s compares with nothing; leave one of them out", cfg.Method)
			}
			if len(reference) == 0 && cfg.Method.NeedsReference() {
				return usage("--method %s compares with texts in English: name them with --reference", cfg.Method)
			}
			if len(args) == 0 {
				return usage("the texts are missing: name files. They are read twice, so standard input cannot be one")
			}
			for _, in := range append(reference[:len(reference):len(reference)], args...) {
				if in == corpus.Stdin {
					return usage("the texts are read twice, so standard input cannot be one: write it to a file")
				}
			}
			f := fitting{cmd: cmd, stdin: env.stdin, field: field}
			if err := f.each(reference, x.AddReference); err != nil {
				return err
			}
			if err := f.each(args, x.Add); err != nil {
				return err
			}
			f.quiet = true // it was said
			p, err := x.Propose()
			if err != nil {
				return err
			}
			m, err := p.Measuring()
			if err != nil {
				return err
			}
			if err := f.each(args, m.Add); err != nil {
				return err
			}
			p.Say(m.Measured())
			b, err := p.YAML(m.Measured())
			if err != nil {
				return err
			}
			if out != "" && out != "-" {
				err = writeWhole(cmd.Context(), out, func(w io.Writer) error { _, err := w.Write(b); return err })
			} else {
				_, err = env.stdout.Write(b)
			}
			if err == nil && f.bad > 0 {
				fmt.Fprintf(env.stderr, "curate: %s without a text: not looked at\n", count(f.bad, "record"))
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&cfg.Language, "language", "", "`CODE` of the language, such as eu: the profile's name (required)")
	fs.StringVar(&method, "method", "", "`NAME` of how thresholds are found: 10tail, english, meanstd, medianratio, quantile")
	fs.StringSliceVar(&reference, "reference", nil, "`FILES` of texts in English to compare with")
	fs.StringVar(&cfg.Words, "words", "whitespace", "`NAME` of how words are cut, as in a profile")
	fs.Float64Var(&cfg.Tail, "tail", 0.1, "`SHARE` of the texts that each threshold of 10tail drops")
	fs.Float64Var(&cfg.StopShare, "stop-word-share", 0.008, "`SHARE` of all words from which on a word is a stop word")
	fs.IntVar(&cfg.StopWords, "stop-words", 8, "`N` stop words at least, whatever their share")
	fs.StringVarP(&out, "output", "o", "", "`PATH` of the profile; default standard output")
	fs.StringVar(&textField, "text-field", "text", "dotted `PATH` of the text in a record")
	return cmd
}

// fitting reads texts.
type fitting struct {
	cmd   *cobra.Command
	stdin *os.File
	field record.Path
	text  []byte
	bad   int64 // records without a text
	quiet bool  // they are counted already
}

func (f *fitting) each(inputs []string, add func(doc []byte)) error {
	if len(inputs) == 0 {
		return nil
	}
	missing := func(string, *record.Record) error {
		if !f.quiet {
			f.bad++
		}
		return nil
	}
	l := looking{maxRecord: lookRecord, textField: f.field.Names()[0], bad: missing}
	return l.each(f.cmd.Context(), f.stdin, inputs, func(file string, r *record.Record) error {
		doc, err := r.Text(f.field, &f.text)
		if err != nil {
			return missing(file, r)
		}
		add(doc)
		return nil
	})
}
