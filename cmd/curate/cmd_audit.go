package main

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"curate/audit"
	"curate/corpus"
	"curate/langid"
	"curate/pipeline"
	"curate/stage"
)

// auditRecordCost is that of a text of short lines that are all different, four bytes each with their line feeds: decoded
// (1 byte for each of its own), cut into lines (6), as a key that grows (7), and the lines in a list and sorted (32).
const auditRecordCost = 48

func newAudit(env environment) *cobra.Command {
	flags := stageFlags{summary: "audited", recordCost: auditRecordCost, chunkSize: langidChunk}
	var cfg audit.Config
	var languages langid.Config
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit [--by FIELD] [INPUT…]",
		Short: "Say what is wrong with a corpus before it is filtered: duplicate lines, boilerplate, HTML, mojibake, outliers",
		Long: `Say what is wrong with a corpus before anybody filters it, in all and by the value of a field, such as
the source, with examples and where they are:

  lines that were seen before, anywhere in the corpus: exactly the same but for white space around them;
  boilerplate, the lines that at least one in 1,000 documents has, and three;
  what is left of HTML: tags, entities, attributes; text that was decoded wrongly (mojibake, U+FFFD);
  control characters; documents that are empty, or have fewer than 50 characters;
  outliers: documents whose length, longest line, or share of digits, punctuation, upper case or other
  characters that are no letters lies far from those of the others (Tukey's outer fences, of logarithms);
  languages of lines: some lines of each document are asked, as curate langid asks.

The result is a table, and with --json or -o one JSON document with all counts (docs/audit.md).
More than 1,000 groups are an error. Lines with the same 64-bit hash are taken for the same.

` + inputHelp,
		Example: `  curate audit raw/*.jsonl.zst
  curate audit --by meta.source --language-lines 0 corpus/
  curate audit --json pages.jsonl | jq '.boilerplate.top[].text'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "by", "engine"); err != nil {
				return err
			}
			if cmd.Flags().Changed("languages") && len(languages.Languages) == 0 {
				return usage("--languages is empty; leave it out, or name languages, as in --languages eu,es")
			}
			var resolved langid.Config
			if cfg.LanguageLines > 0 {
				var err error
				if resolved, err = languages.Resolve(); err != nil {
					return usage("audit: %v", err)
				}
				flags.reserved, flags.reservedFor = resolved.Memory(), "the models of languages (--language-lines 0 needs none)"
			}
			var manifest *corpus.Manifest
			flags.sees = func(m *corpus.Manifest) { manifest = m }
			cfg.File = func(number int) string {
				for i := range manifest.Files {
					if f := &manifest.Files[i]; f.Number == number {
						return f.Path
					}
				}
				return ""
			}
			to := env
			var out bytes.Buffer
			table := !asJSON && (flags.out == "" || flags.out == "-")
			if table {
				to.stdout = &out
			}
			err := runStages(cmd.Context(), cmd, to, &flags, args, func(s *settings) ([]stage.Stage, error) {
				cfg.TextField = s.textField.String()
				if cfg.LanguageLines > 0 {
					sets, err := askLanguages(&cfg, resolved)
					if err != nil {
						return nil, usage("audit: %v; --language-lines 0 asks for no languages", err)
					}
					s.notes = append(s.notes, fmt.Sprintf("languages: %s (%s, %s of memory)", sets, resolved.Engine, pipeline.FormatBytes(flags.reserved)))
				}
				st, err := audit.New(cfg)
				if err != nil {
					return nil, usage("%v", err)
				}
				return []stage.Stage{st}, nil
			})
			if !table || out.Len() == 0 {
				return err
			}
			if flags.printConfig {
				_, werr := env.stdout.Write(out.Bytes())
				return first(err, werr)
			}
			var res audit.Result
			if jerr := json.Unmarshal(out.Bytes(), &res); jerr != nil {
				return first(err, jerr)
			}
			return first(err, res.Table(env.stdout))
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&cfg.By, "by", "", "dotted `FIELD` whose value is the group, such as the source")
	fs.BoolVar(&asJSON, "json", false, "write JSON and no table")
	fs.IntVar(&cfg.LanguageLines, "language-lines", audit.DefaultLanguageLines, fmt.Sprintf("`N` lines of a document, 0 to %d, that are asked for their language; time grows with them, and 0 loads no models", audit.MaxLanguageLines))
	fs.StringSliceVar(&languages.Languages, "languages", nil, "`CODES` of the set that an answer is from, as in curate langid")
	fs.StringVar(&languages.Engine, "engine", langid.DefaultEngine, "`NAME` of the engine: "+strings.Join(langid.Engines(), ", "))
	flags.registerJSON(cmd)
	return cmd
}

// askLanguages hands in the engine of a resolved configuration, and says what its answers are from.
func askLanguages(cfg *audit.Config, languages langid.Config) (sets string, err error) {
	engine, err := langid.NewEngine(languages)
	if err != nil {
		return "", err
	}
	if languages.Lingua() {
		debug.SetGCPercent(langid.GCPercent)
	}
	sets = langidSets(engine.Languages(), languages)
	cfg.Engine = fmt.Sprintf("%s of %s, %d bytes", languages.Engine, sets, languages.SampleBytes)
	cfg.Languages = func() func(line []byte) string {
		id := engine.NewIdentifier()
		return func(line []byte) string { return id.Identify(line).Language }
	}
	return sets, nil
}
