package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"curate/internal/human"
	"curate/stage"
	"curate/tokenize/train"
)

func newTokenizerExtend(env environment) *cobra.Command {
	flags := stageFlags{summary: "trained on"}
	var counting countingFlags
	var x train.ExtendSettings
	var path string
	cmd := &cobra.Command{
		Use:   "extend --tokenizer PATH --add N -o DIR [INPUT…]",
		Short: "Extend a byte-level BPE tokenizer by tokens for another language",
		Long: `Extend a byte-level BPE tokenizer by tokens for another language or domain, from the texts of all records.

PATH is the tokenizer.json of a model with byte-level BPE (GPT-2, Llama 3, Qwen and the like), or a folder
that holds one. Texts are cut as that tokenizer cuts them and encoded with it, and then training goes on:
again and again the pair of tokens that occurs most often becomes a new one, N times. The new merges come
behind the tokenizer's own, so that text is encoded as before but for what they join at the end. Ids stay;
the new ones follow the largest, that of added tokens included. Where two pairs occur equally often, the
one with lower ids goes first. No merge makes an added token.

DIR gets tokenizer.json, which has all of PATH's settings as they stand there, and new_tokens.jsonl, a line
for each new token: its id, the token as tokenizer.json spells it, its text (null for a part of a
character), its bytes, how often the corpus has it, and under "init" the ids of the old tokens that it was
made of. Let its rows of the embedding and of the output begin as the mean of theirs: that is Fast
Vocabulary Transfer (Gee and others, EMNLP 2022 Industry Track). A token may be a part of larger ones and
hardly occur itself.

DIR also gets copies of tokenizer_config.json, special_tokens_map.json, chat_template.jinja and
chat_template.json, if they lie beside PATH's tokenizer.json: special tokens and chat template stay.

` + countingHelp + `

` + inputHelp,
		Example: `  curate tokenizer extend --tokenizer models/llama-3.1-8b --add 4000 -o extended/ clean/
  curate tokenize --tokenizer extended/ < pages.jsonl > tokenized.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if path == "" {
				return usage("tokenizer extend needs --tokenizer PATH: a tokenizer.json, or a folder that holds one")
			}
			if !cmd.Flags().Changed("add") {
				return usage("--add says how many tokens shall be new: 4000 is a fair number for one more language")
			}
			if flags.out == "" && !flags.printConfig {
				return usage("tokenizer extend needs -o DIR: it makes tokenizer.json and new_tokens.jsonl")
			}
			var err error
			if x.Base, x.Beside, err = openBase("--tokenizer", path); err != nil {
				return err
			}
			flags.reserved, flags.reservedFor = x.Base.Memory(), "the tokenizer"
			var found *train.ExtendReport
			x.Report = func(r train.ExtendReport) { found = &r }
			flags.say = func(log *slog.Logger) { sayExtended(log, found) }
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				if x.Counting, err = counting.settings(s); err != nil {
					return nil, err
				}
				st, err := train.NewExtender(x)
				if err != nil {
					return nil, usage("%v", err)
				}
				return []stage.Stage{st}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&path, "tokenizer", "", "`PATH` of the tokenizer.json to extend, or of a folder that holds one (required)")
	fs.IntVar(&x.Add, "add", 0, "`N` new tokens (required)")
	fs.StringVarP(&flags.out, "output", "o", "", "`DIR` that gets tokenizer.json and new_tokens.jsonl, and in which the run can be resumed (required)")
	fs.Uint64Var(&x.MinFrequency, "min-frequency", train.DefaultExtendFrequency, "`N` times that a pair must occur to become a token")
	fs.IntVar(&x.MaxTokenLength, "max-token-length", 0, "`N` bytes that no new token exceeds; 0 is any length")
	counting.register(fs)
	fs.StringSliceVar(&flags.formats, "format", nil, "`FORMAT`: text reads every input as text, one document a line")
	fs.StringVar(&flags.textField, "text-field", "text", "dotted `PATH` of the text in a record")
	flags.registerRun(cmd)
	return cmd
}

// openBase reads the tokenizer that a flag or a key names, to be extended, and what lies beside it.
func openBase(flag, path string) (*train.Base, []train.BesideFile, error) {
	raw, err := readTokenizer(path)
	if err != nil {
		return nil, nil, usage("%s: %v", flag, err)
	}
	b, err := train.ReadBase(raw)
	if err != nil {
		return nil, nil, usage("%s: %s: %v", flag, path, err)
	}
	beside, err := besideTokenizer(path)
	if err != nil {
		return nil, nil, usage("%s: %v", flag, err)
	}
	return b, beside, nil
}

// besideFiles are those that transformers reads beside a tokenizer.json: special tokens and the chat template.
var besideFiles = []string{"chat_template.jinja", "chat_template.json", "special_tokens_map.json", "tokenizer_config.json"}

// maxBesideFile bounds such a file. The largest known have about 1 MB.
const maxBesideFile = 16 << 20

// besideTokenizer reads those that lie beside the tokenizer at path.
func besideTokenizer(path string) ([]train.BesideFile, error) {
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		path = filepath.Dir(path)
	}
	var list []train.BesideFile
	for _, name := range besideFiles {
		file := filepath.Join(path, name)
		st, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		case !st.Mode().IsRegular() || st.Size() > maxBesideFile:
			return nil, fmt.Errorf("%s: not a file of at most %d MiB", file, maxBesideFile>>20)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		list = append(list, train.BesideFile{Name: name, Content: b})
	}
	return list, nil
}

// sayExtended tells what an extension is. r is nil where none was made: an earlier run had finished it.
func sayExtended(log *slog.Logger, r *train.ExtendReport) {
	if r == nil {
		return
	}
	s := fmt.Sprintf("%s new tokens, ids %d to %d, of %s distinct pieces among %s", human.Thousands(int64(r.Added)), r.First, r.First+r.Added-1, human.Thousands(int64(r.Distinct)), human.Thousands(int64(r.Pretokens)))
	if r.Before > 0 {
		s += fmt.Sprintf("; bytes a token on this corpus: %.2f before, %.2f now", float64(r.Bytes)/float64(r.Before), float64(r.Bytes)/float64(r.After))
	}
	log.Info(s)
	if r.Added < r.Asked {
		log.Warn(fmt.Sprintf("%d new tokens of the %d asked for: no other pair occurs --min-frequency times. Give more text, or say --add %d", r.Added, r.Asked, r.Added))
	}
	sayLeft(log, r.Left, r.Distinct, r.Pretokens)
}
