package main

import (
	"bufio"
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/shards"
	"curate/tokenize"
)

func newShardsCat(environment) *cobra.Command {
	var tokenizer string
	var asIDs bool
	var from, n int64
	cmd := &cobra.Command{
		Use:   "cat (--tokenizer PATH | --ids) DIR",
		Short: "Print the sequences of a shard set as JSON Lines",
		Long: `Print the sequences of the shard set in DIR or below it as JSON Lines, in the order of the shards: {"text":…},
decoded with the tokenizer they were made with, or {"input_ids":…}, with "loss_mask" if the set has one. A document is
printed without the token that ends (or begins) it; a packed row is printed as it is, without what fills it
up, and a character that a row cuts becomes U+FFFD. Preference pairs have prompt, chosen and rejected.`,
		Example: `  curate shards cat --tokenizer models/gpt2 --count 3 shards/
  curate shards cat --ids --from 1000 --count 1 shards/`,
		Args: oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case asIDs == (tokenizer != ""):
				return usage("shards cat needs --tokenizer PATH, for text, or --ids, and not both")
			case from < 0 || n < 0:
				return usage("--from and --count are at least 0")
			}
			if err := storedDir("shards cat", args[0]); err != nil {
				return err
			}
			if !cmd.Flags().Changed("count") {
				n = -1
			}
			st := storage()
			dirs, err := shards.Find(cmd.Context(), st, args[0])
			if err != nil {
				return err
			}
			if len(dirs) > 1 {
				return usage("shards cat %s: %d shard sets; name one of them, such as %s", args[0], len(dirs), dirs[0])
			}
			s, err := shards.Open(cmd.Context(), st, dirs[0])
			if err != nil {
				return err
			}
			if from > s.Manifest.Sequences {
				return usage("--from %d: %s has %s, counted from 0", from, s.Dir, count(s.Manifest.Sequences, "sequence"))
			}
			line := idsLine(s.Manifest)
			if !asIDs {
				t, err := tokenizerOf(tokenizer, s.Manifest)
				if err != nil {
					return err
				}
				line = textLine(t, s.Manifest)
			}
			w := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
			var buf []byte
			err = s.Rows(cmd.Context(), from, n, func(r *shards.Row) error {
				var err error
				if buf, err = line(buf[:0], r); err != nil {
					return err
				}
				_, err = w.Write(buf)
				return err
			})
			return errors.Join(err, w.Flush())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of the tokenizer.json that the shards were made with, or of a folder that holds it")
	fs.BoolVar(&asIDs, "ids", false, "print ids instead of text")
	fs.Int64Var(&from, "from", 0, "begin with sequence `N`, counted from 0")
	fs.Int64Var(&n, "count", 0, "print `N` sequences; default all that follow")
	return cmd
}

// tokenizerOf opens the tokenizer that a set was made with.
func tokenizerOf(path string, m *shards.Manifest) (*tokenize.Tokenizer, error) {
	t, err := openTokenizer("--tokenizer", path)
	if err != nil {
		return nil, err
	}
	if got := t.Info().Fingerprint; got != m.Tokenizer {
		return nil, usage("--tokenizer %s: its sha256 is %s, and the shards were made with %s", path, got, m.Tokenizer)
	}
	return t, nil
}

// idsLine makes a sequence's line of ids.
func idsLine(m *shards.Manifest) func(dst []byte, r *shards.Row) ([]byte, error) {
	return func(dst []byte, r *shards.Row) ([]byte, error) {
		if r.IsPair {
			dst = tokenize.AppendJSON(append(dst, `{"prompt_ids":`...), r.IDs[:r.Prompt])
			dst = tokenize.AppendJSON(append(dst, `,"chosen_ids":`...), r.IDs[r.Prompt:r.Chosen])
			dst = tokenize.AppendJSON(append(dst, `,"rejected_ids":`...), r.IDs[r.Chosen:])
			return append(dst, '}', '\n'), nil
		}
		dst = tokenize.AppendJSON(append(dst, `{"input_ids":`...), r.IDs)
		if m.Masked {
			dst = append(dst, `,"loss_mask":[`...)
			for i, learnt := range r.Mask {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = append(dst, '0'+learnt)
			}
			dst = append(dst, ']')
		}
		return append(dst, '}', '\n'), nil
	}
}

// textLine makes a sequence's line.
func textLine(t *tokenize.Tokenizer, m *shards.Manifest) func(dst []byte, r *shards.Row) ([]byte, error) {
	type part struct {
		name string
		ids  []uint32
	}
	var text []byte
	quoted := func(dst []byte, ids []uint32) ([]byte, error) {
		text = t.AppendDecoded(text[:0], ids)
		return jsontext.AppendQuote(dst, bytes.ToValidUTF8(text, []byte("\uFFFD")))
	}
	return func(dst []byte, r *shards.Row) ([]byte, error) {
		parts := []part{{"text", m.Text(r)}}
		if r.IsPair {
			parts = []part{{"prompt", r.IDs[:r.Prompt]}, {"chosen", r.IDs[r.Prompt:r.Chosen]}, {"rejected", r.IDs[r.Chosen:]}}
		}
		for i, p := range parts {
			dst = append(append(append(dst, "{,"[min(i, 1)], '"'), p.name...), '"', ':')
			var err error
			if dst, err = quoted(dst, p.ids); err != nil {
				return dst, err
			}
		}
		return append(dst, '}', '\n'), nil
	}
}
