package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"curate/pipeline"
	"curate/stage"
	"curate/tokenize"
	"curate/tokenize/chat"
)

// chatRecordCost is that of a chat of which each byte becomes a token: that of a text, and its messages as a template
// has them, what is rendered, and where each token stands in it.
const chatRecordCost = 64

// tokenizeRecordCost is that of a text of which each byte becomes a token: beside what any stage takes, ids (4 bytes),
// their JSON (up to 6), its copy as an edit, the longer line, and the pieces of the text.
const tokenizeRecordCost = 25

func newTokenize(env environment) *cobra.Command {
	flags := stageFlags{summary: "tokenized", recordCost: chatRecordCost}
	var path string
	var options tokenize.Options
	var chats chatSettings
	cmd := &cobra.Command{
		Use:   "tokenize --tokenizer PATH [INPUT…]",
		Short: "Write the token ids of each document, chat or preference pair into it",
		Long: `Write the token ids of each document into it, as the array "input_ids"; what an earlier run wrote there is
overwritten. The ids are those of HF tokenizers, sentencepiece or tiktoken; an empty text has none.

A row that is no document is recognised by its keys. A chat ("messages", ShareGPT's "conversations", "prompt" and
"completion") is rendered by the model's chat template as transformers does, and gets "input_ids" and "loss_mask",
which is 1 for what is learnt (--train-on). A pair ("chosen" and "rejected", with "prompt" or without) gets
"prompt_ids", "chosen_ids" and "rejected_ids", which TRL's DPOTrainer reads. See docs/chat.md.

PATH is a tokenizer.json (BPE, Unigram, WordPiece or WordLevel), a SentencePiece model, a tekken.json, a file
of tiktoken ranks (PATH#ENCODING if its name does not say which), or the folder of a model that holds one
of them. See docs/tokenizers.md.

Special tokens that stand in the text, such as <|endoftext|>, become their ids; --specials-as-text takes
them for the characters they are written with. Added tokens that are not special are always found. In a
SentencePiece model all of them are text. Nothing is put around a text unless --add-special-tokens is
given. Truncation and padding in the file do not count; --max-length with --truncate says what becomes of
rows that are too long. --annotate and --dropped are about the rows that it drops.

` + inputHelp,
		Example: `  zstd -dc pages.jsonl.zst | curate tokenize --tokenizer models/gpt2 > tokenized.jsonl
  curate tokenize --tokenizer tokenizer.json -o tokenized/ clean/*.jsonl.zst
  curate tokenize --tokenizer models/qwen3 --max-length 4096 --truncate turns chats.jsonl > tokenized.jsonl
  curate tokenize --tokenizer models/qwen3 --render chats.jsonl | jq -r .curate.tokenize.text
  curate tokenizer info tokenizer.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if path == "" {
				return usage("tokenize needs --tokenizer PATH: %s", tokenizerFiles)
			}
			if err := notEmpty(cmd, "chat-template", "train-on", "date", "truncate"); err != nil {
				return err
			}
			for _, name := range []string{"annotate", "dropped"} {
				if cmd.Flags().Changed(name) && (chats.render || chats.truncate == string(chat.None)) {
					return usage("--%s: nothing is dropped without --max-length N and --truncate, nor with --render; leave it out", name)
				}
			}
			t, err := openTokenizer("--tokenizer", path)
			if err != nil {
				return err
			}
			encoders := 1
			if options.AddSpecialTokens && !options.SpecialsAsText { // chats have one of their own
				encoders = 2
			}
			flags.reserveEncoders(t.Memory(), encoders)
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				options.Memory = flags.encoderMemory(s, encoders)
				cfg := chat.Config{Tokenizer: t, TextField: s.textField, Options: options, JSON: true, Annotate: flags.annotate, Verdicts: flags.dropped != ""}
				if err := chats.apply(&cfg, path, flagName); err != nil {
					return nil, usage("%v", err)
				}
				st, err := chat.New(cfg)
				if err != nil {
					return nil, usage("tokenize: %v", err)
				}
				for _, ignored := range t.Info().Ignored {
					s.notes = append(s.notes, "ignored of the tokenizer: "+ignored)
				}
				return []stage.Stage{st}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&path, "tokenizer", "", "`PATH` of a tokenizer.json, a SentencePiece model, a tekken.json, tiktoken's ranks, or of a folder that holds one (required)")
	fs.BoolVar(&options.AddSpecialTokens, "add-special-tokens", false, "put around each text what the tokenizer's post-processor says, such as a token for the beginning")
	fs.BoolVar(&options.SpecialsAsText, "specials-as-text", false, "take special tokens that stand in the text for ordinary characters")
	chats.register(fs)
	flags.register(cmd)
	return cmd
}

// reserveEncoders reserves what tokenizers hold, and the least that so many encoders a worker remember.
func (f *stageFlags) reserveEncoders(tokenizers int64, encoders int) {
	workers := f.workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	f.reserved = tokenizers + int64(workers*encoders)*tokenize.LeastEncoderMemory
	f.reservedFor = "the tokenizer and what its workers remember"
}

// encoderMemory is what each encoder may remember of the memory that was settled: beside the least, a quarter of what is
// above the engine's least. It is reserved, too.
func (f *stageFlags) encoderMemory(s *settings, encoders int) int64 {
	n := int64(s.workers * encoders)
	spare := s.memory - pipeline.LeastMemory(s.workers, s.out, s.drop, s.quar) - f.reserved
	more := min(max(0, spare/4/n), tokenize.EncoderMemory-tokenize.LeastEncoderMemory)
	f.reserved += n * more
	return tokenize.LeastEncoderMemory + more
}

// openTokenizer loads the tokenizer that a flag or an argument names; what is wrong with it is wrong usage.
func openTokenizer(flag, path string) (*tokenize.Tokenizer, error) {
	near, remove, err := nearby(path, isTokenizerFile)
	if err != nil {
		return nil, err
	}
	defer remove()
	t, err := tokenize.Open(near)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("%s: %s", flag, noTokenizer(path))
	case err != nil:
		return nil, &pipeline.UsageError{Problem: fmt.Sprintf("%s: %v", flag, err)}
	}
	return t, nil
}

// isTokenizerFile says whether a file of a model's folder may be one that a tokenizer or a chat template is made of.
func isTokenizerFile(rel string) bool {
	dir, base := path.Split(rel)
	if dir != "" {
		return dir == "additional_chat_templates/"
	}
	return strings.Contains(base, "token") || strings.Contains(base, "piece") || strings.HasPrefix(base, "tekken") || strings.HasPrefix(base, "chat_template")
}

// tokenizerFiles is what a tokenizer's path may be.
const tokenizerFiles = "a tokenizer.json, a SentencePiece model, a tekken.json, tiktoken's ranks, or a folder that holds one"

// noTokenizer says what is missing at path.
func noTokenizer(path string) string {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return path + ": no tokenizer in this folder: neither tokenizer.json, tokenizer.model, tekken.json nor a file .tiktoken"
	}
	return path + ": no such file; it is " + tokenizerFiles
}
