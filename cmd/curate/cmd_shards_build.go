package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"curate/pipeline"
	"curate/shards"
	"curate/shards/format"
	"curate/shards/pack"
	"curate/stage"
	"curate/tokenize"
	"curate/tokenize/chat"
)

func newShardsBuild(env environment) *cobra.Command {
	flags := stageFlags{summary: "sharded", recordCost: chatRecordCost}
	var f shardsFlags
	var tokenizer string
	var options tokenize.Options
	var chats chatSettings
	cmd := &cobra.Command{
		Use:   "build --tokenizer PATH -o DIR [INPUT…]",
		Short: "Tokenize, mix and shuffle documents, chats and pairs, and write them as training shards",
		Long: `Tokenize documents, mix and shuffle them, and write them as training shards: DIR gets a folder for each length,
length-LENGTH, with shard-00000.bin and so on, manifest.json and, last, done; and schedule.json, which
says in which order a trainer goes through the folders, and what of each source came into them.

Formats of shards:
` + shardFormats() + `
Each document is followed by an end-of-document token: the one that the tokenizer is known for, or --eod.
A document without tokens is dropped. A sequence of the shards is a document, however long. With --pack
it is a row of at most --length tokens: documents are packed best fit first, those longer than a row
are cut, and nothing is lost. A .bounds file beside each shard says where documents begin, and which.

Chats and preference pairs are recognised as by "curate tokenize". Chats lie among the documents, and a mask
says which of their tokens are learnt. Pairs become a set of their own, preference/, in TRL's schema.

Sources are told apart by --source or --by. Each document of a source is used exactly --mix NAME:epochs=N
times, or as often as the source gives so many tokens or such a share of them; without --mix, once.
A share takes each document once at most, unless max_epochs=N says more. A record whose source has no name is
of source (none). A source is spread evenly over the run, and no document comes again before all others of
its source have.

Where a document comes depends on --seed and on where it stands in the input, so the same inputs give the
same bytes with any -j and any memory. Documents are sorted on disk, in DIR.

` + inputHelp,
		Example: `  curate shards build --tokenizer models/gpt2 -o shards/ clean/
  curate shards build --tokenizer tokenizer.json --pack --schedule 2048:75%,8192:25% --tokens-per-step 512Ki -o shards/ clean/
  curate shards build --tokenizer tokenizer.json --pack --source eu=clean/ --source en=english/ --mix eu:epochs=4 --mix en:share=20% -o shards/
  curate shards build --tokenizer models/qwen3 --format parquet --pack -o sft/ chats.jsonl.zst pairs.jsonl.zst
  curate shards verify shards/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if tokenizer == "" {
				return usage("shards build needs --tokenizer PATH: %s", tokenizerFiles)
			}
			if err := notEmpty(cmd, "chat-template", "train-on", "date", "truncate"); err != nil {
				return err
			}
			if err := f.formats(&flags); err != nil {
				return err
			}
			if err := f.read(cmd.Flags().Changed); err != nil {
				return err
			}
			if err := f.packingIsNoInput(args); err != nil {
				return err
			}
			if flags.out == "" && !flags.printConfig {
				return usage("shards build needs -o DIR: it makes a folder of files")
			}
			cfg, err := f.config(flagName)
			if err != nil {
				return usage("%v", err)
			}
			t, err := openTokenizer("--tokenizer", tokenizer)
			if err != nil {
				return err
			}
			if err := f.vocabulary(&cfg, t, flagName); err != nil {
				return usage("%v", err)
			}
			inputs, sources, err := f.inputs(cmd.Context(), args)
			if err != nil {
				return err
			}
			cfg.Sources = sources
			if err := f.sourcesAreThere(sources, flagName); err != nil {
				return usage("%v", err)
			}
			builder, err := shards.New(cfg)
			if err != nil {
				return usage("%s", strings.TrimPrefix(err.Error(), "shards: "))
			}
			encoders := 1
			if options.AddSpecialTokens && !options.SpecialsAsText { // chats have one of their own
				encoders = 2
			}
			flags.reserveEncoders(t.Memory(), encoders)
			flags.count = func(log *slog.Logger, _ *pipeline.Counts) { sayRealised(cmd.Context(), log, flags.out, f.by) }
			return runStages(cmd.Context(), cmd, env, &flags, inputs, func(s *settings) ([]stage.Stage, error) {
				options.Memory = flags.encoderMemory(s, encoders)
				cfg := chat.Config{Tokenizer: t, TextField: s.textField, Options: options}
				if err := chats.apply(&cfg, tokenizer, flagName); err != nil {
					return nil, usage("%v", err)
				}
				st, err := chat.New(cfg)
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
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of a tokenizer.json, a SentencePiece model, a tekken.json, tiktoken's ranks, or of a folder that holds one (required)")
	fs.StringVarP(&flags.out, "output", "o", "", "`DIR` that gets the folders of shards, and in which the run can be resumed (required)")
	fs.StringSliceVar(&flags.formats, "format", nil, "`FORMAT` of the shards, megatron by default; text reads every input as text, one document a line")
	f.register(fs)
	fs.BoolVar(&options.AddSpecialTokens, "add-special-tokens", false, "put around each text what the tokenizer's post-processor says; the end-of-document token comes after that")
	fs.BoolVar(&options.SpecialsAsText, "specials-as-text", false, "take special tokens that stand in the text for ordinary characters")
	chats.register(fs)
	fs.MarkHidden("render") // there is nothing to be seen
	fs.StringVar(&flags.textField, "text-field", "text", "dotted `PATH` of the text in a record")
	flags.registerRun(cmd)
	return cmd
}

// formats tells the format of shards from that of inputs.
func (f *shardsFlags) formats(flags *stageFlags) error {
	var inputs []string
	for _, name := range flags.formats {
		switch {
		case name == "text":
			inputs = append(inputs, name)
		case f.format != "":
			return usage("--format %s and %s: shards have one format", f.format, name)
		default:
			if _, err := format.Named(name); err != nil {
				return usage("--format: %s, text", strings.TrimPrefix(err.Error(), "shards: "))
			}
			f.format = name
		}
	}
	flags.formats = inputs
	return nil
}

// packingIsNoInput finds the method of "--pack concat", which the flag's optional value leaves among the inputs.
func (f *shardsFlags) packingIsNoInput(args []string) error {
	if f.pack != pack.Names()[0] {
		return nil
	}
	for _, a := range args {
		if _, err := os.Stat(a); slices.Contains(pack.Names(), a) && errors.Is(err, fs.ErrNotExist) {
			return usage("--pack %s: write it with =, as --pack=%[1]s", a)
		}
	}
	return nil
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
