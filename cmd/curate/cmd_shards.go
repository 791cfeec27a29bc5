package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"curate/corpus/store"
	"curate/internal/human"
	"curate/shards"
)

// shardsCommands are the verbs of curate shards; each is a file cmd_shards_NAME.go, but for those that read a set.
func shardsCommands(env environment) []*cobra.Command {
	return []*cobra.Command{
		newShardsBuild(env),
		newShardsVerify(env),
		newShardsInfo(env),
		newShardsCat(env),
		newShardsInspect(env),
		newShardsConvert(env),
		newShardsExportConfig(env),
	}
}

func newShards(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shards",
		Short: "Build and look at training shards",
		Long: `Build training shards of documents, and look at them: the files of token ids that trainers read, one folder
(a shard set) with manifest.json and done.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, c := range shardsCommands(env) {
		cmd.AddCommand(c)
	}
	return cmd
}

// storedDir is localDir, and content with a URL.
func storedDir(verb, dir string) error {
	if store.IsURL(dir) {
		return nil
	}
	return localDir(verb, dir)
}

// localDir refuses what is no directory of this machine.
func localDir(verb, dir string) error {
	if err := localOnly(verb, dir); err != nil {
		return err
	}
	switch st, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such directory", dir)
	case err == nil && !st.IsDir():
		return fmt.Errorf("%s: is a file; name the directory", dir)
	}
	return nil
}

func newShardsInfo(environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info DIR",
		Short: "Describe shard sets by their manifests",
		Long: `Describe the shard sets in DIR and below it by their manifests, and what became of the schedule and the mixture
by schedule.json; nothing else is read, so see "curate shards verify" for whether it is true.`,
		Example: `  curate shards info shards/
  curate shards info --json shards/ | jq .tokens`,
		Args: oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := storedDir("shards info", args[0]); err != nil {
				return err
			}
			st := storage()
			dirs, err := shards.Find(cmd.Context(), st, args[0])
			if err != nil {
				return err
			}
			schedules := map[string]bool{}
			for i, dir := range dirs {
				if root := path.Dir(dir); !asJSON && !schedules[root] && path.Clean(args[0]) != path.Clean(dir) {
					schedules[root] = true
					if err := writeScheduleInfo(cmd.Context(), cmd.OutOrStdout(), st, root); err != nil {
						return err
					}
				}
				s, err := shards.Open(cmd.Context(), st, dir)
				if err != nil {
					return err
				}
				if i > 0 && !asJSON {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				if err := writeShardsInfo(cmd.OutOrStdout(), s, asJSON); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a set: the manifest, and the folder as \"dir\"")
	return cmd
}

// count is a number with its noun, in groups of three digits.
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return human.Thousands(n) + " " + noun
}

// writeScheduleInfo describes the schedule in dir, if there is one.
func writeScheduleInfo(ctx context.Context, w io.Writer, st store.Store, dir string) error {
	s, err := shards.OpenSchedule(ctx, st, dir)
	if err != nil || s == nil {
		return err
	}
	stages, sources := realised(s)
	if len(stages)+len(sources) == 1 && s.TokensPerStep == 0 {
		return nil // the set says all of it
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", path.Join(dir, shards.ScheduleFile))
	if s.TokensPerStep > 0 {
		fmt.Fprintf(&b, "%-11s %s\n", "a step", count(s.TokensPerStep, "token"))
	}
	for _, l := range stages {
		fmt.Fprintf(&b, "%-11s %s: %s\n", "stage", l.of, l.line)
	}
	for _, l := range sources {
		fmt.Fprintf(&b, "%-11s %s: %s\n", "mixture", l.of, l.line)
	}
	b.WriteByte('\n')
	_, err = io.WriteString(w, b.String())
	return err
}

func writeShardsInfo(w io.Writer, s *shards.Set, asJSON bool) error {
	m := s.Manifest
	if asJSON {
		out, err := json.Marshal(struct {
			Dir string `json:"dir"`
			*shards.Manifest
		}{s.Dir, m})
		if err != nil {
			return err
		}
		_, err = w.Write(append(out, '\n'))
		return err
	}
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "%-11s %s\n", name, value) }
	fmt.Fprintf(&b, "%s\n", s.Dir)
	row("format", fmt.Sprintf("%s, ids as %s", m.Format, m.Dtype))
	row("shards", human.Thousands(int64(len(m.Shards))))
	row("documents", human.Thousands(m.Documents))
	row("tokens", human.Thousands(m.Tokens))
	if m.Masked {
		row("learnt", fmt.Sprintf("%s of them", human.Thousands(m.Learnt)))
	}
	if p := m.Packing; p != nil {
		padded := ""
		if m.Padding > 0 {
			padded = fmt.Sprintf("; padding %s", count(m.Padding, "token"))
		}
		row("rows", fmt.Sprintf("%s of %s (%s), %.2f %% filled; documents were cut %s%s", human.Thousands(m.Sequences), count(int64(m.Width), "token"), p.Method, 100*p.Fill, count(p.Cuts, "time"), padded))
	} else {
		row("sequences", fmt.Sprintf("documents, for rows of %s", count(int64(m.Length), "token")))
	}
	row("vocabulary", human.Thousands(int64(m.Vocabulary)))
	if m.EOD != nil {
		place, more := "after", ""
		if m.EODFirst {
			place = "before"
		}
		if m.EODInside > 0 {
			more += fmt.Sprintf(", and %s inside of documents", count(m.EODInside, "time"))
		}
		if m.EODAbsent > 0 {
			more += fmt.Sprintf("; %s without it", count(m.EODAbsent, "document"))
		}
		row("EOD", fmt.Sprintf("%d, %s each document%s", *m.EOD, place, more))
	} else {
		row("EOD", "none")
	}
	row("seed", fmt.Sprint(m.Seed))
	row("tokenizer", m.Tokenizer)
	if len(m.Sources) > 1 {
		for _, src := range m.Sources {
			if src.Documents == 0 { // of another set
				continue
			}
			row("source", fmt.Sprintf("%s: %s, %s (%.2f %%)", src.Name, count(src.Documents, "document"), count(src.Tokens, "token"), 100*float64(src.Tokens)/float64(max(1, m.Tokens))))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
