package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"curate/corpus"
	"curate/record"
	"curate/shards"
	"curate/shards/format"
	"curate/shards/mix"
	"curate/shards/pack"
	"curate/tokenize"
)

// shardsSettings are how documents become shards, as typed: by flags, or by a recipe's keys.
type shardsSettings struct {
	format        string
	schedule      []shards.Length
	tokensPerStep string
	pack          string // "", "true", "false" or a method
	pad           string
	seed          uint64
	eod           string
	noEOD         bool
	shardSize     string
	name          string
	by            string
	mix           mix.Spec
}

// config is what the settings say, without the vocabulary, which decides about Pad. Errors are settingErrors.
func (s *shardsSettings) config(name setting) (shards.Config, error) {
	cfg := shards.Config{Format: s.format, Schedule: s.schedule, Seed: s.seed, Name: s.name, Mix: s.mix, Pad: s.pad != "", PadID: -1}
	var err error
	if s.tokensPerStep != "" {
		if cfg.TokensPerStep, err = parseTokens(name("tokens_per_step"), s.tokensPerStep); err != nil {
			return cfg, &settingError{"tokens_per_step", err.Error()}
		}
	}
	if cfg.ShardSize, err = parseTokens(name("shard_size"), s.shardSize); err != nil {
		return cfg, &settingError{"shard_size", err.Error()}
	}
	switch s.pack {
	case "", "false", "none":
	case "true":
		cfg.Packing = pack.Names()[0]
	default:
		if _, err := pack.Named(s.pack); err != nil {
			return cfg, name.errorf("pack", ": %v", err)
		}
		cfg.Packing = s.pack
	}
	if cfg.Pad && cfg.Packing == "" {
		return cfg, name.errorf("pad", " %s: only packed rows are padded; say also %s", s.pad, name("pack"))
	}
	if s.by != "" {
		if cfg.By, err = record.ParsePath(s.by); err != nil {
			return cfg, name.errorf("by", ": %v", err)
		}
	}
	if s.eod != "" && s.noEOD {
		return cfg, name.errorf("eod", " %s with %s: leave one of them out", s.eod, name("no_eod"))
	}
	if err := s.mix.Check(); err != nil {
		return cfg, name.errorf("mix", ": %v", err)
	}
	cfg.Vocabulary = shards.Vocabulary{Size: 1, EOD: 0} // the tokenizer may not be there yet
	if _, err := shards.New(cfg); err != nil {
		key, without := "schedule", cfg
		without.TokensPerStep = 0
		if _, err := shards.New(without); err == nil {
			key = "tokens_per_step"
		}
		return cfg, &settingError{key, strings.TrimPrefix(err.Error(), "shards: ")}
	}
	return cfg, nil
}

// unnamedSource is what manifests, schedules and mixtures call the source of records that nothing names.
const unnamedSource = "(none)"

// sourcesAreThere looks for what the mixture names among the sources of the inputs, before these are read. With a field
// that says the source nobody knows yet. What the mixture does not name may have preference pairs alone, which need no name.
func (s *shardsSettings) sourcesAreThere(list []shards.FileSource, name setting) error {
	if s.by != "" {
		return nil
	}
	var names []string
	for _, src := range list {
		if src.Name != "" && !slices.Contains(names, src.Name) {
			names = append(names, src.Name)
		}
	}
	for _, m := range s.mix.Sources {
		if m.Name == mix.Any || slices.Contains(names, m.Name) || m.Name == unnamedSource && (len(list) == 0 || list[0].Name == "") {
			continue
		}
		there := "the inputs have no names, which --source NAME=PATH gives"
		if len(names) > 0 {
			there = "there are: " + strings.Join(names, ", ")
		}
		return name.errorf("mix", ": no source is called %q; %s", m.Name, there)
	}
	return nil
}

// vocabulary fills in what the tokenizer decides.
func (s *shardsSettings) vocabulary(cfg *shards.Config, t *tokenize.Tokenizer, name setting) error {
	var err error
	if cfg.Vocabulary, err = shardsVocabulary(t, s.eod, s.noEOD, name("eod"), name("no_eod")); err != nil {
		return &settingError{"eod", err.Error()}
	}
	if s.pad == "" {
		return nil
	}
	id, ok := t.ID(s.pad)
	if !ok {
		return name.errorf("pad", " %s: the tokenizer has no such token beside its vocabulary; it has: %s", s.pad, contents(t.Info().Special))
	}
	cfg.PadID = int(id)
	return nil
}

// shardsFlags are the settings as flags.
type shardsFlags struct {
	shardsSettings
	length     int
	scheduleAs string
	mixes      []string
	mixTokens  string
	sources    []string
}

func (f *shardsFlags) register(fs *pflag.FlagSet) {
	fs.IntVar(&f.length, "length", shards.DefaultLength, "`N` tokens of a row: what the trainer takes at a time; several lengths are a --schedule")
	fs.StringVar(&f.scheduleAs, "schedule", "", "`LENGTH:SHARE,…` of several lengths, in the order of training, such as 2048:75%,8192:25%: one shard set each, no document in two")
	fs.StringVar(&f.tokensPerStep, "tokens-per-step", "", "`N` tokens that the trainer takes a step at every length; for the schedule and \"shards inspect\"")
	fs.StringVar(&f.pack, "pack", "", "pack documents into rows of --length tokens; say --pack, or --pack=`METHOD`: best-fit (default), concat or document (one a row)")
	fs.Lookup("pack").NoOptDefVal = pack.Names()[0]
	fs.StringVar(&f.pad, "pad", "", "`TOKEN` that fills up packed rows; formats that are read by counting tokens are padded in any case, by default with the end-of-document token")
	fs.Uint64Var(&f.seed, "seed", 1, "`N` that the shuffle follows")
	fs.StringVar(&f.eod, "eod", "", "`TOKEN` that ends each document, as it is written; default the tokenizer's own")
	fs.BoolVar(&f.noEOD, "no-eod", false, "end documents with nothing")
	fs.StringVar(&f.shardSize, "shard-size", "1Gi", "`N` tokens of a shard at most (K, M, G for thousands, Ki, Mi, Gi for powers of 1,024)")
	fs.StringVar(&f.name, "shard-name", "", "`NAME` of shards, before their number; default shard, or what the format's reader looks for")
	fs.StringArrayVar(&f.sources, "source", nil, "`NAME=PATH` of an input that is a source of the mixture, again for each; several may have one name")
	fs.StringVar(&f.by, "by", "", "dotted `FIELD` that says which source a record is of, instead of --source")
	fs.StringArrayVar(&f.mixes, "mix", nil, "`NAME:epochs=N`, NAME:tokens=N or NAME:share=P% of a source, again for each, with max_epochs=N or max_tokens=N behind a comma; NAME * is every other source, "+unnamedSource+" what has no name")
	fs.StringVar(&f.mixTokens, "mix-tokens", "", "`N` tokens of the whole mixture")
}

// read reads what is written in short forms.
func (f *shardsFlags) read(given func(string) bool) error {
	var err error
	switch {
	case f.scheduleAs != "" && given("length"):
		return usage("--length with --schedule: the schedule says the lengths")
	case f.scheduleAs != "":
		if f.schedule, err = parseSchedule(f.scheduleAs); err != nil {
			return err
		}
	default:
		f.schedule = []shards.Length{{Length: f.length, Share: 1}}
	}
	if given("eod") && f.eod == "" {
		return usage("--eod is empty; name a token, or say --no-eod")
	}
	if f.mixTokens != "" {
		if f.mix.Tokens, err = parseTokens("--mix-tokens", f.mixTokens); err != nil {
			return err
		}
	}
	for _, m := range f.mixes {
		s, err := parseMix(m)
		if err != nil {
			return err
		}
		f.mix.Sources = append(f.mix.Sources, s)
	}
	return nil
}

// parseSchedule reads "2048:75%,8192:25%"; a length without a share takes what is left.
func parseSchedule(text string) ([]shards.Length, error) {
	var list []shards.Length
	for _, part := range strings.Split(text, ",") {
		length, of, has := strings.Cut(strings.TrimSpace(part), ":")
		n, err := strconv.Atoi(length)
		if err != nil {
			return nil, usage("--schedule %q: LENGTH:SHARE, such as 2048:75%%,8192:25%%", text)
		}
		l := shards.Length{Length: n}
		if has {
			if l.Share, err = parseShare("--schedule "+text+": the share", of); err != nil {
				return nil, err
			}
		}
		list = append(list, l)
	}
	return list, nil
}

// parseMix reads "NAME:epochs=4,max_tokens=1G".
func parseMix(text string) (mix.Source, error) {
	i := strings.LastIndex(text, ":")
	if i < 1 {
		return mix.Source{}, usage("--mix %q: NAME:epochs=4, NAME:tokens=500M or NAME:share=20%%", text)
	}
	s := mix.Source{Name: text[:i]}
	for _, part := range strings.Split(text[i+1:], ",") {
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "epochs":
			s.Epochs, err = parseEpochs(key, value)
		case "tokens":
			s.Tokens, err = parseTokens(key, value)
		case "share":
			s.Share, err = parseShare(key, value)
		case "max_epochs":
			s.MaxEpochs, err = parseEpochs(key, value)
		case "max_tokens":
			s.MaxTokens, err = parseTokens(key, value)
		default:
			return s, usage("--mix %q: %q is none of epochs, tokens, share, max_epochs and max_tokens", text, key)
		}
		if err != nil {
			return s, usage("--mix %q: %v", text, err)
		}
	}
	return s, nil
}

func parseEpochs(key, text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0) || n > mix.MaxRepeats {
		return 0, usage("%s %q: give a number above 0, at most %d, such as 4 or 1.5", key, text, mix.MaxRepeats)
	}
	return n, nil
}

// inputs adds the sources' paths to the arguments, and says how many files are whose.
func (f *shardsFlags) inputs(ctx context.Context, args []string) ([]string, []shards.FileSource, error) {
	if len(f.sources) == 0 {
		return args, nil, nil
	}
	if f.by != "" {
		return nil, nil, usage("--source with --by %s: sources are named by their inputs or by a field, not by both", f.by)
	}
	count := func(paths ...string) (int, error) {
		m, err := corpus.Expand(ctx, storage(), paths)
		if err != nil {
			return 0, err
		}
		if m.HasStream() {
			return 0, usage("--source: a stream has no name; give files")
		}
		return len(m.Files), nil
	}
	var list []shards.FileSource
	if len(args) > 0 {
		n, err := count(args...)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, shards.FileSource{Files: n})
	}
	all := append([]string{}, args...)
	for _, s := range f.sources {
		name, path, ok := strings.Cut(s, "=")
		if !ok || name == "" || path == "" {
			return nil, nil, usage("--source %q: NAME=PATH, such as eu=clean/", s)
		}
		n, err := count(path)
		if err != nil {
			return nil, nil, err
		}
		list, all = append(list, shards.FileSource{Name: name, Files: n}), append(all, path)
	}
	return all, list, nil
}

// shardFormats are for help: names with what they are.
func shardFormats() string {
	var b strings.Builder
	for _, f := range format.All() {
		if !f.Traits().Pairs {
			fmt.Fprintf(&b, "  %-16s %s\n", f.Name(), f.Doc())
		}
	}
	return b.String()
}
