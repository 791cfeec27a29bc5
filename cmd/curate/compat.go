package main

import (
	"context"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"curate/corpus"
	"curate/dedup"
	"curate/stage"
)

// compatFlags make dedup do another program's work, with that program's files.
type compatFlags struct {
	program string
	from    string
	grams   int
	seed    uint32
	workers int
}

// compatPrograms is sorted.
var compatPrograms = []string{"datatrove"}

// compatOnly are the flags that nothing else of dedup has; compatShared are those of dedup that are for --compat, too.
var (
	compatOnly   = []string{"from", "grams", "seed", "workers-per-bucket"}
	compatShared = []string{"compat", "scheme", "bands", "rows"}
	compatFrom   = []string{"compat", "from"}
)

func (c *compatFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&c.program, "compat", "", "`PROGRAM` whose files to write into -o DIR: datatrove, its signatures, pairs and documents to remove (docs/compat-datatrove.md)")
	fs.StringVar(&c.from, "from", "", "compat: `DIR` of such files, by which to drop documents, in place of making them")
	fs.IntVar(&c.grams, "grams", 0, "compat: `N` words of a shingle (n_grams), in place of the scheme's")
	fs.Uint32Var(&c.seed, "seed", 0, "compat: `N` that hash functions are drawn from (seed), in place of the scheme's")
	fs.IntVar(&c.workers, "workers-per-bucket", 1, "compat: `N` tasks of its second step that share a bucket, each with a file")
}

// check is what is wrong with the flags, without --compat, too.
func (c *compatFlags) check(cmd *cobra.Command, f *stageFlags, args []string) error {
	given := cmd.Flags().Changed
	if !given("compat") {
		for _, name := range compatOnly {
			if given(name) {
				return usage("--%s belongs to --compat; give --compat datatrove, or leave it out", name)
			}
		}
		return nil
	}
	if !slices.Contains(compatPrograms, c.program) {
		return usage("--compat: %v", stage.UnknownName("program", c.program, compatPrograms))
	}
	if err := notEmpty(cmd, "from"); err != nil {
		return err
	}
	if given("grams") && c.grams < 1 {
		return usage("--grams %d: at least 1", c.grams)
	}
	if given("workers-per-bucket") && c.workers < 1 {
		return usage("--workers-per-bucket %d: at least 1", c.workers)
	}
	fine := append(slices.Clone(compatShared), compatOnly...)
	if c.from != "" {
		fine = compatFrom
	}
	var common stageFlags // what any stage has
	others := &cobra.Command{}
	common.register(others)
	var err error
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if err != nil || others.Flags().Lookup(flag.Name) != nil || slices.Contains(fine, flag.Name) {
			return
		}
		switch {
		case c.from != "":
			err = usage("--%s with --from: what goes is decided already; leave it out", flag.Name)
		default:
			err = usage("--%s with --compat %s: that program knows no such choice; leave it out", flag.Name, c.program)
		}
	})
	if err != nil {
		return err
	}
	if c.from == "" && (f.annotate || f.dropped != "") {
		return usage("--compat %s without --from drops nothing yet: it writes files, by which --from drops; leave --annotate and --dropped out", c.program)
	}
	if len(args) == 0 || slices.Contains(args, corpus.Stdin) {
		return usage("--compat %s numbers documents file by file: name files, and standard input is none", c.program)
	}
	return nil
}

// run is the body of dedup --compat.
func (c *compatFlags) run(ctx context.Context, cmd *cobra.Command, env environment, f *stageFlags, args []string, scheme *schemeFlags) error {
	if c.from != "" {
		return runStages(ctx, cmd, env, f, args, func(s *settings) ([]stage.Stage, error) {
			if st, err := os.Stat(c.from); err != nil || !st.IsDir() {
				return nil, usage("--from %s: no such directory", c.from)
			}
			d, err := dedup.NewDatatroveRemoval(dedup.RemovalConfig{
				Field: s.textField, Files: os.DirFS(c.from), Dir: c.from, Annotate: f.annotate, Verdicts: f.dropped != "",
			})
			if err != nil {
				return nil, usage("%v", err)
			}
			return []stage.Stage{d}, nil
		})
	}
	f.result, f.summary = true, "read"
	files := 0
	f.sees = func(m *corpus.Manifest) { files = len(m.Files) }
	return runStages(ctx, cmd, env, f, args, func(s *settings) ([]stage.Stage, error) {
		cfg := dedup.DatatroveConfig{
			Field: s.textField, Scheme: scheme.name, Bands: scheme.bands, Rows: scheme.rows, Grams: c.grams, Workers: c.workers,
			Ranks: func() int { return files },
		}
		given := cmd.Flags().Changed
		if !given("scheme") {
			cfg.Scheme = c.program
		}
		if given("seed") {
			cfg.Seed = &c.seed
		}
		d, err := dedup.NewDatatrove(cfg)
		if err != nil {
			return nil, usage("%v", err)
		}
		return []stage.Stage{d}, nil
	})
}
