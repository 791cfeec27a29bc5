package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"curate/pipeline"
)

// sharing are the flags by which a command does a part of what ranks share (docs/ranks.md).
type sharing struct {
	rank, world int
	finish      bool
	has         bool // the command has these flags; another may have some of the same names
	isRank      bool // after resolve: this process is a rank
}

func (s *sharing) register(fs *pflag.FlagSet, what string) {
	s.has = true
	fs.IntVar(&s.rank, "rank", 0, "`I` of this process, from 0, among those that share "+what+"; default what the scheduler says ("+strings.Join(rankVariables, ", ")+") (docs/ranks.md)")
	fs.IntVar(&s.world, "world-size", 0, "`N` ranks share the work: this one does the I-th of every N files; another N is no harm")
	fs.BoolVar(&s.finish, "finish", false, "do what comes between and behind the ranks' work, and say on standard output what comes next: ranks or done")
}

// resolve settles which rank this is, if it is one.
func (s *sharing) resolve(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	switch {
	case !s.has:
		return nil
	case s.finish && (given("rank") || given("world-size")):
		return usage("--finish is for one process, which is no rank: leave --rank and --world-size out")
	case !given("rank") && !given("world-size"):
		return nil
	case !given("world-size"):
		return usage("--rank %d: of how many? Give --world-size N", s.rank)
	case s.world < 1:
		return usage("--world-size %d: at least 1", s.world)
	}
	of := "--rank"
	if !given("rank") {
		n, name, err := scheduledRank()
		if err != nil {
			return err
		}
		if name == "" {
			return usage("--world-size %d: which rank is this? Give --rank I; no scheduler says it (%s)", s.world, strings.Join(rankVariables, ", "))
		}
		s.rank, of = n, name
	}
	if s.rank < 0 || s.rank >= s.world {
		return usage("%s %d: ranks of --world-size %d are 0 to %d", of, s.rank, s.world, s.world-1)
	}
	if given("restart") {
		return usage("--restart with --rank: ranks go on with what there is; begin anew with --finish --restart")
	}
	s.isRank = true
	return nil
}

// on says that the command does a part of a shared job.
func (s *sharing) on() bool { return s.isRank || s.finish }

// scheduledRank is what a scheduler says, and which variable; "" if none says anything.
func scheduledRank() (rank int, name string, err error) {
	for _, name := range rankVariables {
		v := os.Getenv(name)
		if v == "" {
			continue
		}
		if rank, err = strconv.Atoi(v); err != nil {
			return 0, name, usage("%s is %q, and no number of a rank; give --rank", name, v)
		}
		return rank, name, nil
	}
	return 0, "", nil
}

// sayNext writes what comes next, for scripts.
func sayNext(w io.Writer, whole bool) error {
	word := "ranks"
	if whole {
		word = "done"
	}
	_, err := fmt.Fprintln(w, word)
	return err
}

// runShared does a part of the job: a rank's, or the step between.
func (s *sharing) runShared(ctx context.Context, env environment, f *stageFlags, show *display, job *pipeline.Job) (*pipeline.Result, error) {
	show.start(job.Progress, f.live)
	if s.isRank {
		share, err := job.RunRank(ctx, s.rank, s.world)
		show.stop()
		if share != nil && err == nil {
			show.log.Info(f.out + ": " + share.Say(s.rank, s.world))
		}
		return nil, repeatable(err)
	}
	res, err := job.FinishRanks(ctx)
	show.stop()
	if err == nil || errors.As(err, new(*pipeline.QuarantineError)) {
		err = errors.Join(err, sayNext(env.stdout, res != nil))
	}
	return res, repeatable(err)
}

// repeatable says of a command that was stopped what to do.
func repeatable(err error) error {
	if errors.As(err, new(interrupted)) {
		return fmt.Errorf("%w; repeat the command to go on", err)
	}
	return err
}
