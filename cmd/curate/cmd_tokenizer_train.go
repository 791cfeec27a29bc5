package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"curate/stage"
	"curate/tokenize/train"
)

func newTokenizerTrain(env environment) *cobra.Command {
	flags := stageFlags{summary: "trained on"}
	tr := train.Settings{Config: train.Config{Special: []string{train.DefaultSpecial}}}
	cmd := &cobra.Command{
		Use:   "train --vocab-size N [flags] [INPUT…]",
		Short: "Train a byte-level BPE vocabulary and write it as tokenizer.json",
		Long: `Train a byte-level BPE vocabulary on the texts of all records, and write it as a tokenizer.json that
Hugging Face's tokenizers and curate tokenize read.

A vocabulary of N entries has the special tokens first, then the 256 bytes, then what was merged of them:
again and again the pair that occurs most often within the pieces that the pre-tokenizer cuts. Where two
occur equally often, the one with lower ids goes first, so the same text gives the same bytes, whatever -j
is. If no pair is left that occurs --min-frequency times, the vocabulary is smaller, and a warning says so.
Special tokens are not looked for in the text. Pieces longer than 65,536 bytes do not count.

Pre-tokenizers: ` + strings.Join(train.PreTokenizers(), ", ") + `. What training holds in memory grows with the
distinct pieces of the corpus, not with its length; if they do not fit into --memory, it is an error.

` + inputHelp,
		Example: `  curate tokenizer train --vocab-size 8192 clean/ > tokenizer.json
  curate tokenizer train --vocab-size 16384 --pre-tokenizer gpt2 -o tokenizer.json pages.jsonl.zst
  curate tokenizer train --vocab-size 32768 --special '<|endoftext|>' --special '<|pad|>' -o vocabulary/ clean/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("vocab-size") {
				return usage("--vocab-size says how many entries the vocabulary shall have: 8192 is much for a few megabytes of text, 128000 is what large models have")
			}
			if slices.Equal(tr.Special, []string{""}) {
				tr.Special = nil
			}
			var found *train.Report
			tr.Report = func(r train.Report) { found = &r }
			flags.say = func(log *slog.Logger) { sayTrained(log, found) }
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				tr.TextField = s.textField.String()
				st, err := train.New(tr)
				if err != nil {
					return nil, usage("%v", err)
				}
				return []stage.Stage{st}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.IntVar(&tr.VocabSize, "vocab-size", 0, "`N` entries in all, with special tokens and the 256 bytes")
	fs.StringVar(&tr.PreTokenizer, "pre-tokenizer", train.DefaultPreTokenizer, "`NAME` of the regex that cuts text into pieces: "+strings.Join(train.PreTokenizers(), ", "))
	fs.Uint64Var(&tr.MinFrequency, "min-frequency", train.DefaultMinFrequency, "`N` times that a pair must occur to be merged")
	fs.IntVar(&tr.MaxTokenLength, "max-token-length", 0, "`N` bytes that no merged token exceeds; 0 is any length")
	fs.StringArrayVar(&tr.Special, "special", tr.Special, "special `TOKEN`, again for each; the first has id 0. '' alone is none")
	flags.registerJSON(cmd)
	return cmd
}

// sayTrained tells what a training found. r is nil where none was done: an earlier run had finished it.
func sayTrained(log *slog.Logger, r *train.Report) {
	if r == nil {
		return
	}
	log.Info(fmt.Sprintf("%s entries: %s merges, of %s distinct pieces among %s", grouped(int64(r.Entries)), grouped(int64(r.Merges)), grouped(int64(r.Distinct)), grouped(int64(r.Pretokens))))
	if r.Entries < r.Asked {
		log.Warn(fmt.Sprintf("the vocabulary has %d entries of the %d asked for: no other pair occurs --min-frequency times. Give more text, or say --vocab-size %d", r.Entries, r.Asked, r.Entries))
	}
}
