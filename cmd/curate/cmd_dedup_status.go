package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newDedupStatus(env environment) *cobra.Command {
	var flags rankFlags
	var next bool
	cmd := &cobra.Command{
		Use:   "status --run DIR [--world-size N] [--next]",
		Short: "Say how far a run for ranks is, and what comes next",
		Long: `Say of each step of a run for ranks (curate dedup start) how many of its parts are done; of the first one that
is not, which ranks of --world-size N are missing; and what to run next. It changes nothing.

--next writes nothing but the name of the step that comes next, such as "pairs" or "apply --finish", or "done".`,
		Example: `  curate dedup status --run unique --world-size 16
  while next=$(curate dedup status --run unique --next) && [ "$next" != done ]; do curate dedup $next --run unique; done`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			r, err := flags.open(ctx, cmd, env, true)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, r.close()) }()
			var out strings.Builder
			var open *rankStep
			var missing []int
			finished := r.Finished(ctx)
			for i := range rankSteps {
				s := &rankSteps[i]
				n := s.parts(r)
				var lacks []int
				if !finished {
					if lacks, err = r.missing(ctx, s); err != nil {
						return err
					}
				}
				if open == nil && len(lacks) > 0 {
					open, missing = s, lacks
				}
				how := "not done"
				switch {
				case s.unit != "":
					how = fmt.Sprintf("%d of %d %s", n-len(lacks), n, s.unit)
				case len(lacks) == 0:
					how = "done"
				}
				fmt.Fprintf(&out, "%-15s %s\n", s.verb, how)
			}
			if next {
				out.Reset()
				if open == nil {
					out.WriteString("done\n")
				} else {
					out.WriteString(open.verb + "\n")
				}
			} else if open == nil {
				out.WriteString("finished: " + r.dir + " is an output directory as any other\n")
			} else {
				out.WriteString(r.advice(open, missing, flags.world))
			}
			_, err = cmd.OutOrStdout().Write([]byte(out.String()))
			return err
		},
	}
	flags.registerDir(cmd)
	fs := cmd.Flags()
	fs.IntVar(&flags.world, "world-size", 1, "`N` ranks that there are, to say which of them are missing")
	fs.BoolVar(&next, "next", false, "only the step that comes next")
	fs.StringVar(&flags.logFormat, "log", "text", "`FORMAT` of messages: text or json")
	return cmd
}

// advice says which ranks of a step are missing and what to run.
func (r *rankRun) advice(s *rankStep, missing []int, world int) string {
	if s.unit == "" {
		return "next: " + r.command(s, 0, 1) + "\n"
	}
	var ranks []string
	for rank := range world {
		if slices.ContainsFunc(missing, func(part int) bool { return part%world == rank }) {
			ranks = append(ranks, fmt.Sprint(rank))
		}
	}
	if world == 1 {
		return "next: " + r.command(s, missing[0], 1) + "\n"
	}
	return fmt.Sprintf("next: ranks %s of %d, such as: %s\n", strings.Join(ranks, ","), world, r.command(s, missing[0], world))
}
