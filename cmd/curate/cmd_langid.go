package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

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
	cmd := &cobra.Command{
		Use:   "langid [--keep eu,…] [INPUT…]",
		Short: "Say in which language each document is; keep those in given languages",
		Long: `Say in which language each document is, as "language" (ISO 639-1, or und where nothing can be said) and
"language_score" (0 to 1), and with --keep drop those in other languages. What an earlier run wrote there
is overwritten.

An answer is always one of a set of languages, whatever the text is in. The set is printed at the start:
without --keep it is ca, de, en, es, eu, fr, it and pt; with --keep what it names, the languages that
are mistaken for those, English, and, if one of them is written in Latin script, de, es, fr, it and pt.
--languages sets it. lingua does not know Galician: it takes it for
Spanish or Portuguese.

lingua is asked about pieces of at most 100 bytes of letters from the beginning, the middle and the
end of a document, 300 bytes in all, and language_score is the average of its confidences: about a half
where half the pieces are in another language. Its models take memory, which --memory must allow for:
the message says how much.

` + inputHelp,
		Example: `  zstd -dc pages.jsonl.zst | curate langid --keep eu > basque.jsonl
  curate langid --keep eu,es --dropped other.jsonl.zst -o clean/ raw/*.jsonl.zst
  curate langid pages.jsonl.zst | curate stats --by language`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, list := range []struct {
				flag  string
				codes []string
			}{{"keep", cfg.Keep}, {"languages", cfg.Languages}} {
				if cmd.Flags().Changed(list.flag) && len(list.codes) == 0 {
					return usage("--%s is empty; leave it out, or name languages, as in --%s eu,es", list.flag, list.flag)
				}
			}
			cfg.TextField, cfg.Annotate, cfg.Verdicts = flags.textField, flags.annotate, flags.dropped != ""
			resolved, err := cfg.Resolve()
			if err != nil {
				return usage("langid: %v", err)
			}
			flags.reserved, flags.reservedFor = resolved.Memory(), fmt.Sprintf("the models of %d languages", len(resolved.Languages))
			return runStages(cmd.Context(), cmd, env, &flags, args, func(s *settings) ([]stage.Stage, error) {
				st, err := langid.New(cfg)
				if err != nil {
					return nil, usage("langid: %v", err)
				}
				s.notes = append(s.notes, fmt.Sprintf("languages: %s (%s, %s of memory)", strings.Join(st.Languages(), " "), resolved.Engine, pipeline.FormatBytes(flags.reserved)))
				debug.SetGCPercent(langid.GCPercent)
				return []stage.Stage{st}, nil
			})
		},
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&cfg.Keep, "keep", nil, "`CODES` of the languages that stay, such as eu,es; und keeps what has none")
	fs.StringSliceVar(&cfg.Languages, "languages", nil, "`CODES` of the set that an answer is from")
	fs.StringVar(&cfg.Engine, "engine", langid.DefaultEngine, "`NAME` of the engine: "+strings.Join(langid.Engines(), ", "))
	fs.IntVar(&cfg.SampleBytes, "sample-bytes", langid.DefaultSample, fmt.Sprintf("`N` bytes of letters, %d to %d, that the engine is asked about; time grows with them", langid.MinSample, langid.MaxSample))
	flags.register(cmd)
	_ = cmd.RegisterFlagCompletionFunc("engine", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return langid.Engines(), cobra.ShellCompDirectiveNoFileComp
	}) // it fails only for a flag that is not there
	return cmd
}
