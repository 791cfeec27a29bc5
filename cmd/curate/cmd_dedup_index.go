package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/corpus"
	"curate/dedup/index"
	"curate/internal/human"
	"curate/pipeline"
)

func newDedupIndex(env environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Look at indexes of curate dedup --index, check and merge them",
		Long: `Look at indexes that curate dedup --index DIR has made, check and merge them. An index holds what must be known
of documents that were kept, so that new ones are compared with them: docs/formats/index.md.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newIndexInfo(), newIndexMerge(env), newIndexVerify())
	return cmd
}

// existing opens an index that must be there.
func existing(ctx context.Context, verb, dir string) (*index.Folder, error) {
	if err := storedDir("dedup index "+verb, dir); err != nil {
		return nil, err
	}
	f, err := index.Existing(ctx, storage(), dir)
	return f, indexUsage(err)
}

// indexUsage is a usage error where an index was named that cannot be meant.
func indexUsage(err error) error {
	if e := (*index.Error)(nil); errors.As(err, &e) {
		return usage("%v", err)
	}
	return err
}

// indexInfo is what info says of an index.
type indexInfo struct {
	Dir         string             `json:"dir"`
	Settings    jsontext.Value     `json:"settings"`
	Documents   int64              `json:"documents"`
	Keys        int64              `json:"keys"`
	Shingles    int64              `json:"shingles"`
	Bytes       int64              `json:"bytes"`
	Files       map[string]int64   `json:"files"` // bytes, of all generations
	Generations []index.Generation `json:"generations"`
}

func infoOf(f *index.Folder) indexInfo {
	i := indexInfo{Dir: f.Dir, Settings: f.Manifest.Settings, Files: map[string]int64{}, Generations: f.Manifest.Generations}
	if i.Generations == nil {
		i.Generations = []index.Generation{}
	}
	for _, g := range f.Manifest.Generations {
		i.Documents += g.Documents
		i.Keys += g.Keys
		i.Shingles += g.Shingles
		i.Bytes += g.Bytes()
		for name, file := range g.Files {
			i.Files[name] += file.Size
		}
	}
	return i
}

func newIndexInfo() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info [--json] DIR",
		Short: "Say what an index holds",
		Long: `Say what an index holds: its settings, documents, keys, shingles and bytes, and its generations. Nothing but
the manifest is read.`,
		Example: `  curate dedup index info seen/
  curate dedup index info --json seen/ | jq .documents`,
		Args: oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := existing(cmd.Context(), "info", args[0])
			if err != nil {
				return err
			}
			i := infoOf(f)
			if asJSON {
				b, err := json.Marshal(i, json.Deterministic(true), jsontext.WithIndent("  "))
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", b)
				return err
			}
			return i.write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

func (i *indexInfo) write(w io.Writer) error {
	settings := i.Settings.Clone()
	if err := settings.Canonicalize(); err != nil {
		return err
	}
	each := int64(0)
	if i.Documents > 0 {
		each = i.Bytes / i.Documents
	}
	_, err := fmt.Fprintf(w, "%s: %s, %s, %s, %s (%s a document)\n%s\n", i.Dir, count(i.Documents, "document"), count(i.Keys, "key"),
		count(i.Shingles, "shingle"), count(i.Bytes, "byte"), human.Thousands(each), settings)
	for _, g := range i.Generations {
		merged := ""
		if n := len(g.Origins); n > 0 && err == nil {
			merged = fmt.Sprintf(", merged of %d", n)
		}
		if err == nil {
			_, err = fmt.Fprintf(w, "  %s  %s, %s%s\n", g.ID, count(g.Documents, "document"), count(g.Bytes(), "byte"), merged)
		}
	}
	return err
}

func newIndexVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify DIR",
		Short: "Read every byte of an index and name what is damaged",
		Long: `Read every byte of an index, and compare: files with their sizes and checksums, blocks with theirs, rows with
what they lead to, orders and counts, and with method minhash the buckets with those that the sets of shingles
lead to.

Of each damaged generation the first fault is named with its file, and ends with exit code 1. Such a generation
cannot be mended: remove the index, and run the deduplications that made it once more.`,
		Example: `  curate dedup index verify seen/`,
		Args:    oneArg("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := existing(cmd.Context(), "verify", args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // it was only read
			if err := f.Verify(cmd.Context()); err != nil {
				return err
			}
			i := infoOf(f)
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "verified %s: %s, %s, %s, %s\n", args[0], count(int64(len(i.Generations)), "generation"),
				count(i.Documents, "document"), count(i.Keys, "key"), count(i.Bytes, "byte"))
			return err
		},
	}
}

func newIndexMerge(env environment) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "merge -o OUT DIR…",
		Short: "Make one index of several, or one generation of many",
		Long: `Make an index of one generation: of several indexes with the same settings, or of one that has many generations,
each of which costs a run some open files. The indexes stay as they are, and OUT must be absent or empty, or hold what
the same command has left there when it was killed: that is made anew.

An index is a set of documents that were kept, and so published: all of all stay, also those that are like one
another. Only a run that two of the indexes have, with the same documents, is taken once. Repeating a run's command
with the merged index is refused, since what was there before it is not known any more.`,
		Example: `  curate dedup index merge -o seen-merged/ seen/
  curate dedup index merge -o all/ seen-eu/ seen-en/`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("DIR is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage("-o OUT is missing: the folder of the merged index")
			}
			if err := localOnly("-o", out); err != nil {
				return err
			}
			for i, dir := range args {
				if err := storedDir("dedup index merge", dir); err != nil {
					return err
				}
				if slices.Contains(args[:i], dir) {
					return usage("%s is given twice", dir)
				}
				if real := corpus.RealPath(out); corpus.Below(real, corpus.RealPath(dir)) || corpus.Below(corpus.RealPath(dir), real) {
					return usage("-o %s and %s: one lies in the other; write elsewhere", out, dir)
				}
			}
			show := newDisplay(env.stderr, &stageFlags{logFormat: "text"})
			defer show.close()
			lock := func() (func(), error) {
				return pipeline.Lock(filepath.Join(out, index.LockFile), "the index "+out, show.log)
			}
			g, err := index.Merge(cmd.Context(), storage(), out, args, lock)
			if err != nil {
				return indexUsage(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "merged into %s: %s, %s, of %s\n", path.Join(out, g.ID), count(g.Documents, "document"), count(g.Bytes(), "byte"), count(int64(len(g.Origins)), "run"))
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`DIR` of the merged index")
	return cmd
}
