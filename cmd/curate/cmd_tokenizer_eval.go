package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"curate/stage"
	"curate/tokenize"
	"curate/tokenize/eval"
)

func newTokenizerEval(env environment) *cobra.Command {
	flags := stageFlags{summary: "measured on", recordCost: evalRecordCost}
	var paths []string
	var by string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "eval --tokenizer [NAME=]PATH… [--by FIELD] [INPUT…]",
		Short: "Measure how well tokenizers fit texts, by language",
		Long: `Measure how well tokenizers fit texts: bytes a token, tokens a word, and the share of the words that are
cut, which more than one token has a part of; in all and by the value of a field, such as the language. Of
several tokenizers each encodes the same texts, so that their rows can be compared.

Words are what white space separates, also in scripts that are written without it: compare those by bytes.
Special tokens that stand in the text count as one token each, and nothing is put around a text.

The result is a table, and with --json or -o one JSON document with all counts.

` + inputHelp,
		Example: `  curate tokenizer eval --tokenizer models/gpt2 --tokenizer eu=vocabulary/ --by meta.lang pages/
  curate tokenizer eval --tokenizer tokenizer.json --json held-out.jsonl | jq '.groups[-1].tokenizers[0].bytes_per_token'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(paths) == 0 {
				return usage("tokenizer eval needs --tokenizer PATH, again for each tokenizer")
			}
			tokenizers, err := openNamed("--tokenizer", paths)
			if err != nil {
				return err
			}
			held := int64(0)
			for _, t := range tokenizers {
				held += t.Tokenizer.Memory()
			}
			flags.reserveEncoders(held, len(tokenizers))
			to := env
			var out bytes.Buffer
			table := !asJSON && (flags.out == "" || flags.out == "-")
			if table {
				to.stdout = &out
			}
			err = runStages(cmd.Context(), cmd, to, &flags, args, func(s *settings) ([]stage.Stage, error) {
				st, err := eval.New(eval.Config{Tokenizers: tokenizers, TextField: s.textField.String(), By: by, EncoderMemory: flags.encoderMemory(s, len(tokenizers))})
				if err != nil {
					return nil, usage("tokenizer eval: %v", err)
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
			var res eval.Result
			if jerr := json.Unmarshal(out.Bytes(), &res); jerr != nil {
				return first(err, jerr)
			}
			return first(err, res.Table(env.stdout))
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&paths, "tokenizer", nil, "`[NAME=]PATH` of a tokenizer, again for each; see curate tokenizer info (required)")
	fs.StringVar(&by, "by", "", "dotted `FIELD` whose value is the group, such as the language")
	fs.BoolVar(&asJSON, "json", false, "write JSON and no table")
	flags.registerJSON(cmd)
	return cmd
}

// evalRecordCost is that of a text: where each of its bytes comes from before and after it is normalized (16 bytes),
// pieces, ids and their offsets, and words; and while one of them grows, twice.
const evalRecordCost = 56

// openNamed opens [NAME=]PATH each. Without a name, a tokenizer is called as its file or its folder is.
func openNamed(flag string, paths []string) ([]eval.Named, error) {
	var list []eval.Named
	for _, p := range paths {
		name, path, named := strings.Cut(p, "=")
		if !named {
			name, path = "", p
		}
		t, err := openTokenizer(flag, path)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = tokenizerName(path)
		}
		if slices.ContainsFunc(list, func(n eval.Named) bool { return n.Name == name }) {
			return nil, usage("two tokenizers are called %q; name them: --tokenizer NAME=PATH", name)
		}
		list = append(list, eval.Named{Name: name, Tokenizer: t})
	}
	return list, nil
}

// tokenizerName is the file's name without its extension, or the folder's where all files have the same name.
func tokenizerName(path string) string {
	base := filepath.Base(path)
	switch base {
	case tokenize.FileName, "tokenizer.model", "tekken.json":
		if abs, err := filepath.Abs(path); err == nil {
			return filepath.Base(filepath.Dir(abs))
		}
	case ".", "..":
		if abs, err := filepath.Abs(path); err == nil {
			return filepath.Base(abs)
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(base, filepath.Ext(base)), ".")
}

// first is the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
