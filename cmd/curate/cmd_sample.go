package main

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"curate/internal/human"
	"curate/pipeline"
	"curate/record"
	"curate/shards"
	"curate/stage"
	"curate/tokenize"
	"curate/tokenize/chat"
)

// sampleSettings are how large a sample is, as typed: by flags, or by a recipe's keys.
type sampleSettings struct {
	tokens, bytes string // with a unit
	documents     int64
	share         float64
	by            string
	perGroup      bool
	seed          uint64
}

// config is what they mean. name calls a setting as the user does; errors are settingErrors.
func (c *sampleSettings) config(name setting) (shards.SampleConfig, error) {
	cfg := shards.SampleConfig{Seed: c.seed, Documents: c.documents, Share: c.share, PerGroup: c.perGroup}
	var err error
	if c.tokens != "" {
		if cfg.Tokens, err = parseTokens(name("tokens"), c.tokens); err != nil {
			return cfg, &settingError{"tokens", err.Error()}
		}
	}
	if c.bytes != "" {
		if cfg.Bytes, err = parseSize(name("bytes"), c.bytes); err != nil {
			return cfg, &settingError{"bytes", err.Error()}
		}
	}
	if c.by != "" {
		if cfg.By, err = record.ParsePath(c.by); err != nil {
			return cfg, name.errorf("by", ": %v", err)
		}
	}
	var given []string
	for _, g := range []struct {
		name string
		is   bool
	}{{"tokens", cfg.Tokens > 0}, {"bytes", cfg.Bytes > 0}, {"documents", cfg.Documents != 0}, {"share", cfg.Share > 0}} {
		if g.is {
			given = append(given, name(g.name))
		}
	}
	switch {
	case len(given) == 0:
		return cfg, &settingError{"", fmt.Sprintf("how large is the sample? Give %s, %s, %s or %s", name("tokens"), name("bytes"), name("documents"), name("share"))}
	case len(given) > 1:
		return cfg, &settingError{"", strings.Join(given, " and ") + ": leave all but one of them out"}
	case c.perGroup && c.by == "":
		return cfg, name.errorf("per_group", ": say also %s, the field that is the group", name("by"))
	}
	return cfg, nil
}

// sampleCounter is the stage that says how many tokens a record has. The ids are not written into it.
func sampleCounter(t *tokenize.Tokenizer, path string, field record.Path, memory int64, name setting) (stage.Mapper, error) {
	cfg := chat.Config{Tokenizer: t, TextField: field, Options: tokenize.Options{Memory: memory}}
	chats := chatSettings{truncate: string(chat.None)}
	if err := chats.apply(&cfg, path, name); err != nil {
		return nil, err
	}
	return chat.New(cfg)
}

func newSample(env environment) *cobra.Command {
	flags := stageFlags{summary: "sampled"}
	var c sampleSettings
	var tokenizer, share string
	cmd := &cobra.Command{
		Use:   "sample (--tokens N --tokenizer PATH | --bytes SIZE | --documents N | --share P%) [INPUT…]",
		Short: "Keep a random sample of the documents, of exactly so many tokens, bytes or documents",
		Long: `Keep a random sample of the documents: as many tokens, bytes of text or documents as were asked for, as
nearly as whole documents allow, or a share of the documents. Each document is in it once at most; what is
kept stays in the order of the inputs.

Which documents those are depends on --seed and on where a document stands in the inputs: the same inputs
give the same bytes with any -j and any memory, and the sample of a larger budget contains that of a
smaller one, so that experiments of several sizes see the same documents. Another seed gives another sample.

--tokens counts what the tokenizer makes of a text, chat or preference pair, without a token that ends the
document. --by FIELD tells what the sample is made of; with --per-group each value of that field has a
sample of its own, with the same budget. A missing field, or null, is the group null.

The decision needs all documents, so files are read twice, and must not change meanwhile, and a stream is
spooled (--tmp says where). Memory stays within --memory however large the input.

` + inputHelp,
		Example: `  curate sample --documents 1000 pages.jsonl.zst > some.jsonl
  curate sample --tokens 100M --tokenizer models/gpt2 --seed 7 -o sample/ clean/
  curate sample --bytes 10MB --by language --per-group corpus/ | curate tokenizer train -o tokenizer/
  zstd -dc pages.jsonl.zst | curate sample --share 1% > percent.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "tokens", "tokenizer", "bytes", "share", "by"); err != nil {
				return err
			}
			if cmd.Flags().Changed("documents") && c.documents < 1 {
				return usage("--documents %d: at least 1", c.documents)
			}
			if share != "" {
				var err error
				if c.share, err = parseShare("--share", share); err != nil {
					return err
				}
				if c.share == 0 {
					return usage("--share %s: above 0%% and at most 100%%", share)
				}
			}
			cfg, err := c.config(flagName)
			switch {
			case err != nil:
				return usage("%v", err)
			case cfg.Tokens > 0 && tokenizer == "":
				return usage("--tokens needs --tokenizer PATH: %s", tokenizerFiles)
			case cfg.Tokens == 0 && tokenizer != "":
				return usage("--tokenizer is of use only with --tokens; leave it out")
			}
			var t *tokenize.Tokenizer
			if tokenizer != "" {
				if t, err = openTokenizer("--tokenizer", tokenizer); err != nil {
					return err
				}
				flags.recordCost = chatRecordCost
				flags.reserveEncoders(t.Memory(), 1)
			}
			flags.count = func(log *slog.Logger, counts *pipeline.Counts) { saySample(log, counts, cfg) }
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				cfg.TextField, cfg.Annotate, cfg.Verdicts = s.textField, flags.annotate, flags.dropped != ""
				if t != nil {
					if cfg.Count, err = sampleCounter(t, tokenizer, s.textField, flags.encoderMemory(s, 1), flagName); err != nil {
						return nil, usage("%v", err)
					}
					for _, ignored := range t.Info().Ignored {
						s.notes = append(s.notes, "ignored of the tokenizer: "+ignored)
					}
				}
				st, err := shards.NewSampler(cfg)
				if err != nil {
					return nil, usage("%v", err)
				}
				return []stage.Stage{st}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&c.tokens, "tokens", "", "`N` tokens (K, M, G for thousands, Ki, Mi, Gi for powers of 1,024); needs --tokenizer")
	fs.StringVar(&tokenizer, "tokenizer", "", "`PATH` of a tokenizer.json, a SentencePiece model, a tekken.json, tiktoken's ranks, or of a folder that holds one")
	fs.StringVar(&c.bytes, "bytes", "", "`SIZE` of the texts in UTF-8, such as 64MiB or 1GB")
	fs.Int64Var(&c.documents, "documents", 0, "`N` documents")
	fs.StringVar(&share, "share", "", "`P%` of the documents, or 0.P")
	fs.StringVar(&c.by, "by", "", "dotted `FIELD` whose value is the group, of at most 1,000 values")
	fs.BoolVar(&c.perGroup, "per-group", false, "with --by: a sample of each group, with the same budget")
	fs.Uint64Var(&c.seed, "seed", 1, "`N` that the choice follows")
	flags.register(cmd)
	return cmd
}

// saidGroups is how many groups are told of; the ledger has all.
const saidGroups = 20

// saySample says what the sample is made of.
func saySample(log *slog.Logger, c *pipeline.Counts, cfg shards.SampleConfig) {
	i := slices.IndexFunc(c.Stages, func(s pipeline.StageCounts) bool { return s.Name == "sample" })
	if i < 0 {
		return
	}
	n := c.Stages[i].Tallies
	unit := "documents"
	switch {
	case cfg.Tokens > 0:
		unit = "tokens"
	case cfg.Bytes > 0:
		unit = "bytes"
	}
	var groups []string
	had := map[string]int64{}
	prefix := shards.TallyAvailable + "documents"
	for _, name := range slices.Sorted(maps.Keys(n)) {
		if of, ok := strings.CutPrefix(name, prefix); ok {
			groups = append(groups, of)
			had[of] = n[shards.TallyAvailable+unit+of]
		}
	}
	all := int64(0)
	for k, of := range groups {
		all += had[of]
		if k >= saidGroups || of == "" && unit == "documents" { // the summary has said that
			continue
		}
		line := fmt.Sprintf("%s of %s documents", human.Thousands(n[shards.TallySampled+"documents"+of]), human.Thousands(n[prefix+of]))
		if unit != "documents" {
			line = fmt.Sprintf("%s of %s %s in %s", human.Thousands(n[shards.TallySampled+unit+of]), human.Thousands(had[of]), unit, line)
		}
		if of != "" {
			line = strings.TrimPrefix(of, ":") + ": " + line
		}
		log.Info(line)
	}
	if more := len(groups) - saidGroups; more > 0 {
		log.Info(fmt.Sprintf("and %s; the ledger has all of them", plural(more, "more group", "more groups")))
	}
	budget := cfg.Tokens + cfg.Bytes + cfg.Documents // one of them
	for _, of := range groups {
		switch {
		case cfg.PerGroup && had[of] < budget:
			log.Warn(fmt.Sprintf("%s: has %s, fewer than the %s asked for; all of it is kept", strings.TrimPrefix(of, ":"), count(had[of], strings.TrimSuffix(unit, "s")), human.Thousands(budget)))
		case !cfg.PerGroup && all < budget:
			log.Warn(fmt.Sprintf("the inputs have %s, fewer than the %s asked for; all of them are kept", count(all, strings.TrimSuffix(unit, "s")), human.Thousands(budget)))
			return
		}
	}
}
