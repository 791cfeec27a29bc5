package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"curate/dedup"
	"curate/dedup/exchange"
)

// imported are what curate dedup import takes, sorted.
var imported = []exchangeStep{
	{"labels", "components", ofOne, "parts", fileMade(func(int) string { return dedup.ComponentsFile }), importLabels, nil},
	{"stars", "pairs", ofRanges, "ranges", fileMade(dedup.PairsFile), importStars, nil},
}

func importStars(ctx context.Context, r *rankRun, parts []int) error {
	keys, err := exchangeNamed("export", exported, []string{"keys"})
	if err != nil {
		return err
	}
	if err := keys.exported(ctx, r, 1); err != nil {
		return err
	}
	scratch, err := r.Scratch(ctx)
	if err != nil {
		return err
	}
	var numbers []int
	for _, f := range r.files {
		numbers = append(numbers, f.Number)
	}
	tallies, err := r.k.Tallies(ctx, numbers, r.Workspace())
	if err != nil {
		return err
	}
	for _, part := range parts {
		names, err := r.List(ctx, exchange.RangeDir(part))
		if err != nil {
			return err
		}
		err = exchange.Stars(ctx, r.k, part, tallies[part], exchange.Files(names), r.Workspace(), scratch)
		if errors.Is(err, dedup.ErrIncomplete) {
			err = fmt.Errorf("%w; remove %s/%s and have the engine write it again", err, r.dir, r.Within(exchange.StarsDir))
		}
		if err != nil {
			return err
		}
		r.job.Progress.Consumed.Add(1)
	}
	return nil
}

func importLabels(ctx context.Context, r *rankRun, _ []int) error {
	scratch, err := r.Scratch(ctx)
	if err != nil {
		return err
	}
	names, err := r.List(ctx, exchange.LabelsDir)
	if err != nil {
		return err
	}
	err = exchange.Labels(ctx, r.k, exchange.Files(names), r.Workspace(), scratch)
	if errors.Is(err, dedup.ErrIncomplete) {
		err = fmt.Errorf("%w; remove %s/%s and have the engine write it again", err, r.dir, r.Within(exchange.LabelsDir))
	}
	return err
}

func newDedupImport(env environment) *cobra.Command {
	var flags rankFlags
	cmd := &cobra.Command{
		Use:   "import stars|labels --run DIR [--rank I --world-size N]",
		Short: "Take in what another engine has made of a run's exported rows",
		Long: `Take in what another engine has made of the rows that curate dedup export wrote, as the files of the step that it did,
byte for byte, so that all behind it is as if curate had done it. The engine writes Parquet, files of any names and any number, into
DIR/_curate/ranks/exchange/.

  stars    of keys, in place of pairs, into stars/range=R/, where R is the column range of keys: for each bucket of two or
           more documents a row for each but the smallest ID. Columns bucket, hub (that ID), id (int64), and alone and xor,
           which are null there. A row without hub says of keys that are alone in their bucket how many they are
           (alone), and the exclusive or of all their buckets and IDs (xor); there may be several of a range
  labels   of edges, in place of components, into labels/: for each document the smallest number in its component. Columns
           node and component (int64). Those that are their own component may be left out

Nothing is believed: stars and alone keys of a range must be as many as went out, with the same bits; each similar pair must lie
in one component, by its smallest number. What is missing or doubled is an error that says so, and nothing is written.

Rank I of N does the I-th of every N ranges of stars; labels are one part. Memory goes to sorting and reading, and does not grow
with the documents.

It is a step of a run for ranks: see curate dedup start. docs/formats/ranks.md has the columns.`,
		Example: `  curate dedup import stars --run unique --rank 3 --world-size 16
  curate dedup import labels --run unique`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := exchangeNamed("import", imported, args)
			if err != nil {
				return err
			}
			return s.run(cmd, env, &flags, "import")
		},
	}
	flags.registerDir(cmd)
	flags.registerRank(cmd)
	flags.registerMachine(cmd)
	return cmd
}
