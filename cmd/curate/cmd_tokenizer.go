package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/tokenize"
)

// tokenizerCommands are the verbs of curate tokenizer; each is a file cmd_tokenizer_NAME.go, but for info.
func tokenizerCommands(env environment) []*cobra.Command {
	return []*cobra.Command{
		newTokenizerDecode(env),
		newTokenizerEval(env),
		newTokenizerExtend(env),
		newTokenizerInfo(env),
		newTokenizerTrain(env),
	}
}

func newTokenizer(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokenizer",
		Short: "Train, extend and look at tokenizers",
		Long:  "Train, extend and look at tokenizers. To encode documents with one, see curate tokenize.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	for _, c := range tokenizerCommands(env) {
		cmd.AddCommand(c)
	}
	return cmd
}

func newTokenizerInfo(environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info PATH",
		Short: "Describe a tokenizer",
		Long: `Describe a tokenizer: its components, the size of its vocabulary (the largest id + 1), its special tokens,
those that may end a document, and the sha256 of its file, by which runs know it. It says of each regex of
the pre-tokenizer whether a scanner written by hand runs it or the regex engine, which is slower.

PATH is a tokenizer.json, a SentencePiece model, a tekken.json, a file of tiktoken ranks, or a folder that
holds one of them. Ranks that have another name than their publisher gave them are PATH#ENCODING:
` + strings.Join(tokenize.Encodings(), ", ") + `.`,
		Example: `  curate tokenizer info models/gpt2
  curate tokenizer info --json tokenizer.json | jq .vocab_size`,
		Args: oneArg("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := openTokenizer("tokenizer info", args[0])
			if err != nil {
				return err
			}
			in := t.Info()
			if !asJSON {
				return writeTokenizerInfo(cmd.OutOrStdout(), &in)
			}
			out, err := json.Marshal(&in, jsontext.WithIndent("  "))
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(append(out, '\n'))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func writeTokenizerInfo(w io.Writer, in *tokenize.Info) error {
	var b strings.Builder
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-15s %s\n", name, value)
		}
	}
	of := in.Model
	if in.Model == "BPE" && in.Merges > 0 {
		of += fmt.Sprintf(", %d merges", in.Merges)
	}
	row("format", in.Format)
	row("model", of)
	row("vocabulary", fmt.Sprintf("%d (largest id + 1); %d tokens, of which %d added", in.VocabSize, in.Tokens, in.Added))
	row("normalizer", in.Normalizer)
	row("pre-tokenizer", in.PreTokenizer)
	for i, p := range in.Patterns {
		name := ""
		if i == 0 {
			name = "regexes"
		}
		switch {
		case i > 0 && p.Scanner != "" && p.Scanner == in.Patterns[i-1].Scanner: // it runs several at once
		case p.Scanner != "":
			row(name, p.Scanner+", a scanner written by hand")
		default:
			row(name, fmt.Sprintf("%.60q by the regex engine, which is slower", p.Regex))
		}
	}
	row("post-processor", in.PostProcessor)
	row("decoder", in.Decoder)
	for i, s := range in.Special {
		if i == 8 && len(in.Special) > 10 {
			row("", fmt.Sprintf("… and %d more; --json lists them all", len(in.Special)-i))
			break
		}
		name := ""
		if i == 0 {
			name = "special tokens"
		}
		row(name, fmt.Sprintf("%d %s", s.ID, s.Content))
	}
	for i, s := range in.EOD {
		name := ""
		if i == 0 {
			name = "ends documents"
		}
		row(name, fmt.Sprintf("%d %s", s.ID, s.Content))
	}
	for _, s := range in.Ignored {
		row("ignored", s)
	}
	row("sha256", in.Fingerprint)
	_, err := io.WriteString(w, b.String())
	return err
}
