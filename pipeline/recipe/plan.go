package recipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"curate/corpus"
	"curate/pipeline"
)

// Plan is what a run would do, with estimates.
type Plan struct {
	Run    string
	Memory int64 // bytes: what the run keeps to
	Steps  []StepPlan
	// Leftovers are folders of the run directory that belong to no step.
	Leftovers []string
}

// StepPlan is a step of a plan.
type StepPlan struct {
	Step    *Step
	State   string // "done", "to do", "goes on", "has changed: …"
	Done    bool
	Files   int
	Bytes   int64 // of its input as stored
	Most    bool  // Bytes is what its input has at most: the steps before have not run
	Seconds float64
	Disk    int64 // bytes that it takes at most while it runs
}

// stored is how many times its size on disk JSON Lines have uncompressed, for estimates: zstd's default level takes
// text to a quarter or less (docs/performance.md).
const stored = 4

// Plan looks at the inputs and the run directory, and changes nothing.
func (r *Runner) Plan(ctx context.Context) (*Plan, error) {
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	p := &Plan{Run: r.Recipe.Run, Memory: r.Memory, Leftovers: r.leftovers()}
	identities := map[*Step]string{}
	var open []*Step // steps that will run
	sizes := map[*Step]int64{}
	for _, s := range r.Recipe.Steps {
		sp := StepPlan{Step: s, State: "to do"}
		waits := s.needsAny(open)
		if waits { // its input is not there yet, or will be another
			sp.Most = true
			if len(s.Read) > 0 {
				m, err := corpus.Expand(ctx, r.Store, s.Read)
				if err != nil {
					return nil, err
				}
				sp.Files, sp.Bytes = len(m.Files), max(0, m.Size())
			}
			for _, f := range s.From {
				sp.Bytes += sizes[f]
			}
			if _, err := r.Store.Stat(ctx, s.Dir()+"/"+corpus.Dir+"/"+corpus.Done); err == nil {
				sp.State = "follows a step that runs"
			}
		} else {
			standing, changes, identity, files, bytes, err := r.standing(ctx, s, identities)
			if err != nil {
				return nil, fmt.Errorf("step %s: %w", s.Name, err)
			}
			identities[s], sp.Files, sp.Bytes = identity, files, bytes
			switch standing {
			case pipeline.Finished:
				sp.State, sp.Done = "done", true
			case pipeline.Begun:
				sp.State = "goes on"
			case pipeline.Grows:
				sp.State = "grows: " + brief(changes)
			case pipeline.Changed:
				sp.State = "has changed: " + brief(changes)
			case pipeline.HalfWay:
				sp.State = "half-way with another recipe: " + brief(changes)
			}
		}
		if !sp.Done {
			open = append(open, s)
		}
		sizes[s] = sp.Bytes
		disk := float64(sp.Bytes)
		for _, u := range s.Uses {
			if u.Kind.Speed > 0 {
				sp.Seconds += float64(sp.Bytes) * stored / 1e6 / u.Kind.Speed / float64(max(1, r.Workers))
			}
			if u.Kind.Seconds != nil {
				sp.Seconds += u.Kind.Seconds(u.Values, max(1, r.Workers))
			}
			disk += float64(sp.Bytes) * u.Kind.Factor
		}
		sp.Disk = int64(disk)
		p.Steps = append(p.Steps, sp)
	}
	return p, nil
}

// Write writes the plan as a table.
func (p *Plan) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "step\tdoes\tinput\ttime\tdisk\tstate")
	var seconds float64
	var disk int64
	var unknown []string // steps of which no time can be said
	for _, s := range p.Steps {
		at := ""
		if s.Most {
			at = "≤ "
		}
		in := at + pipeline.FormatBytes(s.Bytes)
		if s.Files > 0 {
			noun := "files"
			if s.Files == 1 {
				noun = "file"
			}
			in = fmt.Sprintf("%d %s, %s", s.Files, noun, in)
		}
		took, room := "-", "-"
		if s.Step.task() != nil {
			in = "-"
			if !s.Done && s.Seconds > 0 {
				took = About(s.Seconds)
				seconds += s.Seconds
			} else if !s.Done {
				unknown = append(unknown, s.Step.Name)
			}
		} else if !s.Done {
			took, room = at+About(s.Seconds), at+pipeline.FormatBytes(s.Disk)
			seconds += s.Seconds
			disk += s.Disk
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Step.Name, s.Step.what(), in, took, room, s.State)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	all := "nothing is left to do"
	if seconds > 0 {
		all = fmt.Sprintf("in all about %s and %s on disk, within %s of memory (--memory); estimates, from the sizes of the inputs and the speeds in docs/performance.md",
			About(seconds), pipeline.FormatBytes(disk), pipeline.FormatBytes(p.Memory))
	}
	if len(unknown) > 0 {
		all += "; how long " + strings.Join(unknown, ", ") + " will take is not known before"
	}
	_, err := fmt.Fprintln(w, all)
	if len(p.Leftovers) > 0 {
		_, again := fmt.Fprintf(w, "%s: the folders %s belong to no step of this recipe; they are left alone\n", p.Run, strings.Join(p.Leftovers, ", "))
		err = errors.Join(err, again)
	}
	return err
}

// About rounds a time for people.
func About(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return "1s"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return strings.TrimSuffix(d.Round(10*time.Minute).String(), "0s")
}
