package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"curate/shards"
	"curate/shards/format"
)

func newShardsConvert(environment) *cobra.Command {
	var to, out, size, name string
	cmd := &cobra.Command{
		Use:   "convert --to FORMAT -o DIR SHARDS",
		Short: "Write shard sets in another format",
		Long: `Write the shard sets in SHARDS and below it in another format, below DIR: the same sequences in the same
order, with their bounds, sources and loss masks. Preference pairs and the schedule are taken along.
The sets are verified first; what the format cannot hold is an error before anything is written. Padding
comes and goes as the format needs it, and the end-of-document token changes its place with it.
A set that is finished in DIR already is an error; one that was interrupted is written again.

Formats:
` + shardFormats(),
		Example: `  curate shards convert --to datatrove -o nanotron/ shards/
  curate shards convert --to parquet -o sft/ shards/length-2048`,
		Args: oneArg("SHARDS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" || out == "" {
				return usage("shards convert needs --to FORMAT and -o DIR")
			}
			if _, err := format.Named(to); err != nil {
				return usage("--to: %s", strings.TrimPrefix(err.Error(), "shards: "))
			}
			if err := storedDir("shards convert", args[0]); err != nil {
				return err
			}
			if err := outsideInputs(out, args); err != nil {
				return err
			}
			o := shards.ConvertOptions{Format: to, Name: name}
			var err error
			if o.ShardSize, err = parseTokens("--shard-size", size); err != nil {
				return err
			}
			err = shards.ConvertAll(cmd.Context(), storage(), args[0], strings.TrimSuffix(out, "/"), o, func(dir string, m *shards.Manifest) {
				fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s: %s, %s, %s\n", dir, m.Format, count(m.Sequences, "sequence"), count(m.Tokens, "token"))
			})
			if errors.Is(err, shards.ErrNotEmpty) {
				return usage("%v; remove it, or name another directory", err)
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&to, "to", "", "`FORMAT` to write (required)")
	fs.StringVarP(&out, "output", "o", "", "`DIR` that gets the sets (required)")
	fs.StringVar(&size, "shard-size", "1Gi", "`N` tokens of a shard at most (K, M, G for thousands, Ki, Mi, Gi for powers of 1,024)")
	fs.StringVar(&name, "shard-name", "", "`NAME` of shards, before their number; default shard, or what the format's reader looks for")
	return cmd
}
