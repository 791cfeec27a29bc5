package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/dedup/exchange"
)

// exchangeStep gives rows to another engine, or takes its own in.
type exchangeStep struct {
	what   string
	before string // the step that the engine does instead
	parts  func(r *rankRun) int
	unit   string
	// made says whether a part is done.
	made func(ctx context.Context, r *rankRun, part int) (bool, error)
	do   func(ctx context.Context, r *rankRun, parts []int) error
	file func(part int) string // what export makes
}

// exported are what curate dedup export takes, sorted.
var exported = []exchangeStep{
	{"edges", "components", ofRanges, "ranges", fileMade(exchange.EdgesFile), exportEdges, exchange.EdgesFile},
	{"keys", "pairs", ofFiles, "files", fileMade(func(part int) string { return dedup.KeysFile(part + 1) }), exportKeys,
		func(part int) string { return exchange.KeysFile(part + 1) }}, // files count from 1
}

func exportKeys(ctx context.Context, r *rankRun, parts []int) error {
	scratch, err := r.Scratch(ctx)
	if err != nil {
		return err
	}
	for _, part := range parts {
		sealed, err := r.Sealed(ctx, 1, r.files[part])
		if err != nil {
			return err
		}
		if err := exchange.Keys(ctx, r.k, r.set.Ranges, r.files[part].Number, sealed, r.Workspace(), scratch); err != nil {
			return err
		}
		r.job.Progress.Consumed.Add(1)
	}
	return nil
}

func exportEdges(ctx context.Context, r *rankRun, parts []int) error {
	for _, part := range parts {
		if err := exchange.Edges(ctx, r.k, part, r.Workspace()); err != nil {
			return err
		}
		r.job.Progress.Consumed.Add(1)
	}
	return nil
}

// missing are the parts that are not done.
func (s *exchangeStep) missing(ctx context.Context, r *rankRun) ([]int, error) {
	return r.missing(ctx, &rankStep{parts: s.parts, made: s.made})
}

// run does a rank's share.
func (s *exchangeStep) run(cmd *cobra.Command, env environment, flags *rankFlags, verb string) (err error) {
	ctx := cmd.Context()
	r, err := flags.open(ctx, cmd, env, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if r.Finished(ctx) {
		r.show.log.Info(flags.run + " is finished already")
		return nil
	}
	if err := r.ready(ctx, s.before, flags.world); err != nil {
		return err
	}
	missing, err := s.missing(ctx, r)
	if err != nil {
		return err
	}
	parts := slices.DeleteFunc(missing, func(part int) bool { return part%flags.world != flags.rank })
	what := verb + " " + s.what
	if len(parts) > 0 {
		p := r.job.Progress
		p.Tell = func() string { return fmt.Sprintf("%s: %d of %d parts", what, p.Consumed.Load(), len(parts)) }
		p.Total.Store(int64(len(parts)))
		r.show.start(p, nil)
		err = s.do(ctx, r, parts)
		r.show.stop()
		if errors.As(err, new(interrupted)) {
			err = fmt.Errorf("%w; repeat the command to go on", err)
		}
		if err != nil {
			return err
		}
	}
	all := s.parts(r)
	share := (all - flags.rank + flags.world - 1) / flags.world
	r.show.log.Info(fmt.Sprintf("%s: rank %d of %d is done: %d of %d %s, %d of them before", what, flags.rank, flags.world, share, all, s.unit, share-len(parts)))
	return nil
}

// list writes the paths, within the directory, of all that export has made.
func (s *exchangeStep) list(cmd *cobra.Command, env environment, flags *rankFlags) (err error) {
	ctx := cmd.Context()
	r, err := flags.open(ctx, cmd, env, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := s.exported(ctx, r, flags.world); err != nil {
		return err
	}
	var out strings.Builder
	for part := range s.parts(r) {
		out.WriteString(r.Within(s.file(part)) + "\n")
	}
	_, err = cmd.OutOrStdout().Write([]byte(out.String()))
	return err
}

// exported refuses what needs all parts of an export before they are there.
func (s *exchangeStep) exported(ctx context.Context, r *rankRun, world int) error {
	missing, err := s.missing(ctx, r)
	if err != nil || len(missing) == 0 {
		return err
	}
	step := &rankStep{verb: "export " + s.what, unit: s.unit}
	return fmt.Errorf("%s: %s is not done for %d of %d %s, such as %s; run %q",
		r.dir, step.verb, len(missing), s.parts(r), s.unit, r.what(step, missing[0]), r.command(step, missing[0], world))
}

func exchangeNamed(verb string, table []exchangeStep, args []string) (*exchangeStep, error) {
	var names []string
	for i := range table {
		if len(args) == 1 && table[i].what == args[0] {
			return &table[i], nil
		}
		names = append(names, table[i].what)
	}
	what := "nothing is named"
	if len(args) > 0 {
		what = strings.Join(args, " ")
	}
	return nil, usage("curate dedup %s: %s; it is one of %s", verb, what, strings.Join(names, " and "))
}

func newDedupExport(env environment) *cobra.Command {
	var flags rankFlags
	var list bool
	cmd := &cobra.Command{
		Use:   "export keys|edges --run DIR [--rank I --world-size N]",
		Short: "Write rows of a run for ranks as Parquet, for another engine",
		Long: `Write rows of a run for ranks as Parquet, for an engine with shuffles of its own, such as Spark, which does a step in
the place of curate (contrib/spark has a program that does). They are numbers, no texts, and lie in
DIR/_curate/ranks/exchange/. What the engine makes of them is taken in by curate dedup import.

  keys    after sign, in place of pairs: a file an input, with the buckets (hashes of bands) of each document.
          Columns range (int32), bucket and id (int64, with the bits of the unsigned numbers)
  edges   after rehub, in place of components: a file a range, with the similar pairs. Columns a and b (int64), numbers
          of documents, a below b

Rank I of N does the I-th of every N parts: input files of keys, ranges of edges. A part that is done already is not done
again; one that two processes do at once has the same bytes whoever is last.

--list writes the paths of all files within DIR, a line each, when all are there, and nothing else: an engine is better
given names than a folder to list, which may lack some.

It is a step of a run for ranks: see curate dedup start. docs/formats/ranks.md has the columns.`,
		Example: `  curate dedup export keys --run unique --rank 3 --world-size 16
  curate dedup export edges --run unique --list`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := exchangeNamed("export", exported, args)
			switch {
			case err != nil:
				return err
			case list && cmd.Flags().Changed("rank"):
				return usage("--list is of all ranks' files; leave --rank out")
			case list:
				return s.list(cmd, env, &flags)
			}
			return s.run(cmd, env, &flags, "export")
		},
	}
	flags.registerDir(cmd)
	flags.registerRank(cmd)
	cmd.Flags().BoolVar(&list, "list", false, "write the paths of all files within DIR, when all are there")
	flags.registerMachine(cmd)
	return cmd
}
