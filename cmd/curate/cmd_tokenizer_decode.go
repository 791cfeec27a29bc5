package main

import (
	"github.com/spf13/cobra"

	"curate/record"
	"curate/stage"
	"curate/tokenize"
)

func newTokenizerDecode(env environment) *cobra.Command {
	flags := stageFlags{summary: "decoded", recordCost: tokenizeRecordCost}
	var path, field string
	var options tokenize.DecodeOptions
	cmd := &cobra.Command{
		Use:   "decode --tokenizer PATH [INPUT…]",
		Short: "Write the text that token ids stand for",
		Long: `Write the text that the token ids of each record stand for, as "text" (--text-field); what stood there is
overwritten. Special tokens are written as they are spelled, unless --skip-special-tokens leaves them out.
Bytes that are not UTF-8, as ids that do not come from a whole text may have, become U+FFFD. A record with an
id that is no token of the tokenizer is quarantined.

` + inputHelp,
		Example: `  curate tokenizer decode --tokenizer models/gpt2 tokenized.jsonl | jq -r .text
  curate tokenizer decode --tokenizer models/qwen3 --ids chosen_ids --skip-special-tokens pairs.jsonl > chosen.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if path == "" {
				return usage("tokenizer decode needs --tokenizer PATH")
			}
			t, err := openTokenizer("--tokenizer", path)
			if err != nil {
				return err
			}
			ids, err := record.ParsePath(field)
			if err != nil {
				return usage("--ids %v", err)
			}
			flags.reserved, flags.reservedFor = t.Memory(), "the tokenizer"
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				st, err := tokenize.NewDecoding(tokenize.DecodeConfig{Tokenizer: t, IDs: ids, TextField: s.textField, DecodeOptions: options})
				if err != nil {
					return nil, usage("tokenizer decode: %v", err)
				}
				return []stage.Stage{st}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&path, "tokenizer", "", "`PATH` of a tokenizer; see curate tokenizer info (required)")
	fs.StringVar(&field, "ids", "input_ids", "dotted `PATH` of the ids in a record")
	fs.BoolVar(&options.SkipSpecialTokens, "skip-special-tokens", false, "leave special tokens out")
	flags.register(cmd)
	return cmd
}
