package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"curate/corpus/download"
	"curate/langid"
	"curate/pipeline"
	"curate/stage"
)

// langidChunk is how much a worker takes at a time: with a megabyte, a small input would be one worker's, and a minute
// would pass before progress shows.
const langidChunk = 128 << 10

func newLangid(env environment) *cobra.Command {
	// Of the chunks that suit faster stages, small inputs would be one: work for one worker, and no progress.
	flags := stageFlags{summary: "kept", chunkSize: langidChunk}
	var cfg langid.Config
	var model string
	cmd := &cobra.Command{
		Use:   "langid [--keep eu,…] [INPUT…]",
		Short: "Say in which language each document is; keep those in given languages",
		Long: `Say in which language each document is, as "language" (ISO 639-1 where it has such a code, or und where nothing can
be said) and "language_score" (0 to 1), and with --keep drop those in other languages. What an earlier run
wrote there is overwritten.

--engine cascade asks fastText's model lid.176, which is in this program, about the whole text; an answer
is one of its 176 languages. Where it is unsure (a probability below 0.95 of a text of fewer than 60
characters, down to 0.2 of one of 500 and more), lingua is asked as well, about at most 300 bytes of
letters, until the answer is clear, and divides what fastText gives to its languages together; of two that come close, one that is
to be kept wins. Those are, without --keep, ca, de, en, es, eu, fr, it and pt; with --keep
what it names, the languages that are mistaken for those, English, and, if one of them is written in Latin
script, de, es, fr, it and pt. lingua does not know Galician and 105 others: it has no say about them.

--engine fasttext asks fastText alone; --model PATH takes any other supervised model of fastText, .bin or
.ftz, and its labels as they are; --model URL#sha256=HEX brings one of the net, once, and checks its digest. --engine lingua asks lingua alone: an answer is always one of its set,
whatever the text is in, and its score the average of its confidences over pieces of 100 bytes: about
a half where half the pieces are in another language. lingua's models take memory, which --memory must
allow for: the message says how much. They are read when the first text needs them.

--unit paragraph (or line) asks about each paragraph, and "curate.langid" has the share of each language in a document, by
letters; "language" is the largest. A document stays if at least half of it (--min-share) is in the languages
of --keep, and --cut takes out the paragraphs that are not. A heading, or anything of fewer than 20
letters, goes with the paragraph behind it.

--languages sets the languages that an answer is one of; scores are then shares among them. --min-score
makes und of what scores less. There is none by default: the gate of 0.65 that is usual elsewhere loses every
third Basque sentence. docs/langid.md has accuracy by language and length.

` + inputHelp,
		Example: `  zstd -dc pages.jsonl.zst | curate langid --keep eu > basque.jsonl
  curate langid --keep eu,es --dropped other.jsonl.zst -o clean/ raw/*.jsonl.zst
  curate langid --keep eu --unit paragraph --min-share 0.3 --cut pages.jsonl.zst > basque.jsonl
  curate langid pages.jsonl.zst | curate stats --by language`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd, "engine", "model", "unit"); err != nil {
				return err
			}
			for _, list := range []struct {
				flag  string
				codes []string
			}{{"keep", cfg.Keep}, {"languages", cfg.Languages}} {
				if cmd.Flags().Changed(list.flag) && len(list.codes) == 0 {
					return usage("--%s is empty; leave it out, or name languages, as in --%s eu,es", list.flag, list.flag)
				}
			}
			cfg.TextField, cfg.Annotate, cfg.Verdicts = flags.textField, flags.annotate, flags.dropped != ""
			var err error
			if cfg.Model, err = openLangidModel(cmd.Context(), model, func(line string) { fmt.Fprintln(env.stderr, "curate: "+line) }); err != nil {
				return err
			}
			resolved, err := cfg.Resolve()
			if err != nil {
				return usage("langid: %v", err)
			}
			if cmd.Flags().Changed("sample-bytes") && !resolved.Lingua() {
				return usage("--sample-bytes says how much lingua is asked, and it is not asked here")
			}
			flags.reserved, flags.reservedFor = resolved.Memory(), "the models of languages"
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				st, err := langid.New(cfg)
				if err != nil {
					return nil, usage("langid: %v", err)
				}
				s.notes = append(s.notes, fmt.Sprintf("languages: %s (%s, %s of memory)", langidSets(st.Languages(), resolved), resolved.Engine, pipeline.FormatBytes(flags.reserved)))
				if resolved.Lingua() {
					debug.SetGCPercent(langid.GCPercent)
				}
				return []stage.Stage{st}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&cfg.Keep, "keep", nil, "`CODES` of the languages that stay, such as eu,es; und keeps what has none")
	fs.StringSliceVar(&cfg.Languages, "languages", nil, "`CODES` of the set that an answer is from")
	fs.StringVar(&cfg.Unit, "unit", langid.Document, "`NAME` of what is asked about: document, paragraph or line")
	fs.Float64Var(&cfg.MinShare, "min-share", 0, "`X` of a document's letters, from 0 to 1, in the languages of --keep for it to stay, by paragraphs or lines; default 0.5")
	fs.BoolVar(&cfg.Cut, "cut", false, "take paragraphs or lines in other languages than those of --keep out of the text")
	fs.Float64Var(&cfg.MinScore, "min-score", 0, "`P` from 0 to 1: und where the score is lower")
	fs.StringVar(&cfg.Engine, "engine", langid.DefaultEngine, "`NAME` of the engine: "+strings.Join(langid.Engines(), ", "))
	fs.StringVar(&model, "model", "", "`PATH` or URL#sha256=HEX of another fastText model, .bin or .ftz, for fasttext and cascade")
	fs.IntVar(&cfg.SampleBytes, "sample-bytes", langid.DefaultSample, fmt.Sprintf("`N` bytes of letters, %d to %d, that lingua is asked about; time grows with them", langid.MinSample, langid.MaxSample))
	flags.register(cmd)
	_ = cmd.RegisterFlagCompletionFunc("engine", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return langid.Engines(), cobra.ShellCompDirectiveNoFileComp
	}) // it fails only for a flag that is not there
	return cmd
}

// langidSets says what an answer is one of.
func langidSets(languages []string, cfg langid.Config) string {
	set := strings.Join(languages, " ")
	if cfg.Engine == "lingua" {
		return set
	}
	if len(cfg.Languages) == 0 {
		set = fmt.Sprintf("the %d of the model", len(languages))
	}
	if len(cfg.Second) > 0 {
		set += "; lingua: " + strings.Join(cfg.Second, " ")
	}
	return set
}

// openLangidModel reads a model of fastText by its path, or by a URL with its digest; none is nil.
func openLangidModel(ctx context.Context, name string, log func(line string)) (_ *langid.Model, err error) {
	if name == "" {
		return nil, nil
	}
	if err := checkLangidModel(name); err != nil {
		return nil, usage("--model %v", err)
	}
	address := name
	if download.IsURL(name) {
		address, _ = download.Split(name)
	}
	files := download.Files{Log: log}
	in, err := files.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := in.Close(); e != nil { // a copy that has changed since it came: what was wrong in it counts no more
			err = fmt.Errorf("--model %s: %w", address, e)
		}
	}()
	size := int64(-1)
	var from io.Reader = in
	if f, ok := in.(fs.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			size = st.Size()
		}
	}
	if size < 0 {
		all, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", address, err)
		}
		size, from = int64(len(all)), bytes.NewReader(all)
	}
	m, err := langid.ReadModel(path.Base(filepath.ToSlash(address)), from, size)
	if err != nil {
		return nil, usage("--model %s: %v", address, err)
	}
	return m, nil
}

// checkLangidModel is what is wrong with the name of a model, before it is opened.
func checkLangidModel(name string) error {
	if !download.IsURL(name) {
		return isThere(name)
	}
	address, digest := download.Split(name)
	if digest == "" {
		return fmt.Errorf("%s: a file of the net needs its digest: URL#sha256=HEX, as sha256sum prints it", address)
	}
	if err := download.CheckDigest(digest); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}
