package main

import (
	"bufio"
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/corpus/store"
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
decoded with the tokenizer they were made with, or {"input_ids":…}. A document is printed without the
token that ends it; a packed row is printed as it is, and a character that a row cuts becomes U+FFFD.`,
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
			if err := localDir("shards cat", args[0]); err != nil {
				return err
			}
			if !cmd.Flags().Changed("count") {
				n = -1
			}
			st := store.NewLocal(nil)
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
			line := func(dst []byte, ids []uint32) ([]byte, error) {
				return append(tokenize.AppendJSON(append(dst, `{"input_ids":`...), ids), '}', '\n'), nil
			}
			if !asIDs {
				t, err := openTokenizer("--tokenizer", tokenizer)
				if err != nil {
					return err
				}
				if got := t.Info().Fingerprint; got != s.Manifest.Tokenizer {
					return usage("--tokenizer %s: its sha256 is %s, and the shards were made with %s", tokenizer, got, s.Manifest.Tokenizer)
				}
				line = textLine(t, s.Manifest)
			}
			w := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
			var buf []byte
			err = s.Each(cmd.Context(), from, n, func(_ int64, ids []uint32) error {
				var err error
				if buf, err = line(buf[:0], ids); err != nil {
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

// textLine makes a sequence's line.
func textLine(t *tokenize.Tokenizer, m *shards.Manifest) func(dst []byte, ids []uint32) ([]byte, error) {
	var text []byte
	return func(dst []byte, ids []uint32) ([]byte, error) {
		if last := len(ids) - 1; m.Packing == nil && m.EOD != nil && last >= 0 && ids[last] == uint32(*m.EOD) {
			ids = ids[:last]
		}
		text = t.AppendDecoded(text[:0], ids)
		dst, err := jsontext.AppendQuote(append(dst, `{"text":`...), bytes.ToValidUTF8(text, []byte("\uFFFD")))
		return append(dst, '}', '\n'), err
	}
}
