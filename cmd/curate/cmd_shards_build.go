package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"curate/shards"
	"curate/stage"
	"curate/tokenize"
)

// shardsFlags are those of a build beside what every stage command takes.
type shardsFlags struct {
	tokenizer string
	options   tokenize.Options
	length    int
	pack      bool
	seed      uint64
	eod       string
	noEOD     bool
	shardSize string
}

func newShardsBuild(env environment) *cobra.Command {
	flags := stageFlags{summary: "sharded", recordCost: tokenizeRecordCost}
	var f shardsFlags
	cmd := &cobra.Command{
		Use:   "build --tokenizer PATH -o DIR [INPUT…]",
		Short: "Tokenize documents and write them as training shards",
		Long: `Tokenize documents, shuffle them, and write them as training shards: DIR gets one folder, length-LENGTH, with
shard-00000.bin, shard-00000.idx and so on (Megatron's indexed dataset), manifest.json and, last, done.

Each document is followed by an end-of-document token: the one that the tokenizer is known for, or --eod.
A document without tokens is dropped. A sequence of the shards is a document, however long. With --pack
it is a row of at most --length tokens: documents are packed best fit first, those longer than a row
are cut, nothing is lost or padded, and a .bounds file beside each shard says where they begin.

The place of a document in the shuffle depends on --seed and on where the document stands in the input,
so the same inputs give the same bytes with any -j and any memory. Documents are sorted on disk, in DIR.

` + inputHelp,
		Example: `  curate shards build --tokenizer models/gpt2 -o shards/ clean/
  curate shards build --tokenizer tokenizer.json --length 4096 --pack --seed 7 -o shards/ clean/*.jsonl.zst
  curate shards verify shards/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.tokenizer == "" {
				return usage("shards build needs --tokenizer PATH: a tokenizer.json, or a folder that holds one")
			}
			cfg, err := f.config(cmd, &flags)
			if err != nil {
				return err
			}
			t, err := openTokenizer("--tokenizer", f.tokenizer)
			if err != nil {
				return err
			}
			if cfg.Vocabulary, err = shardsVocabulary(t, f.eod, f.noEOD, "--eod", "--no-eod"); err != nil {
				return err
			}
			builder, err := shards.New(cfg)
			if err != nil {
				return usage("%s", strings.TrimPrefix(err.Error(), "shards: "))
			}
			flags.reserveEncoders(t.Memory(), 1)
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				f.options.Memory = flags.encoderMemory(s, 1)
				st, err := tokenize.New(tokenize.Config{Tokenizer: t, TextField: s.textField, Options: f.options})
				if err != nil {
					return nil, usage("tokenize: %v", err)
				}
				for _, ignored := range t.Info().Ignored {
					s.notes = append(s.notes, "ignored of the tokenizer: "+ignored)
				}
				return []stage.Stage{st, builder}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.tokenizer, "tokenizer", "", "`PATH` of a tokenizer.json, or of a folder that holds one (required)")
	fs.StringVarP(&flags.out, "output", "o", "", "`DIR` that gets the folder of shards, and in which the run can be resumed (required)")
	fs.IntVar(&f.length, "length", shards.DefaultLength, "`N` tokens of a row: what the trainer takes at a time")
	fs.BoolVar(&f.pack, "pack", false, "pack documents into rows of --length tokens")
	fs.Uint64Var(&f.seed, "seed", 1, "`N` that the shuffle follows")
	fs.StringVar(&f.eod, "eod", "", "`TOKEN` that ends each document, as it is written; default the tokenizer's own")
	fs.BoolVar(&f.noEOD, "no-eod", false, "end documents with nothing")
	fs.StringVar(&f.shardSize, "shard-size", "1Gi", "`N` tokens of a shard at most (K, M, G for thousands, Ki, Mi, Gi for powers of 1,024)")
	fs.BoolVar(&f.options.AddSpecialTokens, "add-special-tokens", false, "put around each text what the tokenizer's post-processor says; the end-of-document token comes after that")
	fs.BoolVar(&f.options.SpecialsAsText, "specials-as-text", false, "take special tokens that stand in the text for ordinary characters")
	fs.StringSliceVar(&flags.formats, "format", nil, "`FORMAT`: text reads every input as text, one document a line; megatron is what shards are written as")
	fs.StringVar(&flags.textField, "text-field", "text", "dotted `PATH` of the text in a record")
	flags.registerRun(cmd)
	return cmd
}

// config is what the flags say, without the vocabulary.
func (f *shardsFlags) config(cmd *cobra.Command, flags *stageFlags) (shards.Config, error) {
	cfg := shards.Config{Schedule: []shards.Length{{Length: f.length, Share: 1}}, Pack: f.pack, Seed: f.seed}
	var inputs []string
	for _, name := range flags.formats {
		switch {
		case name == "text":
			inputs = append(inputs, name)
		case cfg.Format != "":
			return cfg, usage("--format %s and %s: shards have one format", cfg.Format, name)
		default:
			if _, err := shards.FormatNamed(name); err != nil {
				return cfg, usage("--format: %s, text", strings.TrimPrefix(err.Error(), "shards: "))
			}
			cfg.Format = name
		}
	}
	flags.formats = inputs
	var err error
	if cfg.ShardSize, err = parseTokens("--shard-size", f.shardSize); err != nil {
		return cfg, err
	}
	if cmd.Flags().Changed("eod") && f.eod == "" {
		return cfg, usage("--eod is empty; name a token, or say --no-eod")
	}
	if f.eod != "" && f.noEOD {
		return cfg, usage("--eod %s with --no-eod: leave one of them out", f.eod)
	}
	if flags.out == "" && !flags.printConfig {
		return cfg, usage("shards build needs -o DIR: it makes a folder of files")
	}
	return cfg, nil
}

// parseTokens reads "1Gi", "500M", "4096".
func parseTokens(flag, text string) (int64, error) {
	low := strings.ToLower(text)
	for _, u := range []string{"k", "m", "g", "t"} {
		if n, ok := strings.CutSuffix(low, u); ok {
			low = n + u + "b" // of sizes in bytes this is the power of ten
		} else if n, ok := strings.CutSuffix(low, u+"i"); ok {
			low = n + u + "ib"
		}
	}
	n, err := parseSize(flag, low)
	if err != nil || strings.HasSuffix(strings.ToLower(text), "b") {
		return 0, usage("%s %q: give a number of tokens such as 1Gi, 500M or 4096", flag, text)
	}
	return n, nil
}

// shardsVocabulary is what shards must know of the tokenizer. eod is the token that ends documents, "" for the one that
// the tokenizer is known for; byName and byNone are what the two settings are called to the user.
func shardsVocabulary(t *tokenize.Tokenizer, eod string, noEOD bool, byName, byNone string) (shards.Vocabulary, error) {
	in := t.Info()
	v := shards.Vocabulary{Size: in.VocabSize, EOD: shards.NoEOD, Fingerprint: in.Fingerprint}
	switch {
	case noEOD:
	case eod != "":
		id, ok := t.ID(eod)
		if !ok {
			return v, usage("%s %s: the tokenizer has no such token beside its vocabulary; it has: %s", byName, eod, contents(in.Special))
		}
		v.EOD = int(id)
	case len(in.EOD) == 0:
		return v, usage("the tokenizer has no token that is known to end documents; name one with %s (it has: %s), or say %s", byName, contents(in.Special), byNone)
	default:
		v.EOD = int(in.EOD[0].ID)
	}
	return v, nil
}

// contents lists tokens as they are written.
func contents(tokens []tokenize.Token) string {
	if len(tokens) == 0 {
		return "none"
	}
	var list []string
	for _, t := range tokens {
		list = append(list, t.Content)
	}
	if len(list) > 10 {
		list = append(slices.Clip(list[:10]), "…")
	}
	return strings.Join(list, ", ")
}
