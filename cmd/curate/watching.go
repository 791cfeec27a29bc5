package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"curate/report/progress"
)

// watchFlags are those of curate run --watch.
type watchFlags struct {
	dir        string
	once, json bool
}

func (f *watchFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.dir, "watch", "", "show how far the run in `RUN_DIR` is, every 2 s as a table on a terminal, else every 10 s as a line, until it is done")
	fs.BoolVar(&f.once, "once", false, "with --watch: show it once, and end")
	fs.BoolVar(&f.json, "json", false, "with --watch: write it as one JSON object, and end")
}

func (f *watchFlags) check(cmd *cobra.Command) error {
	if err := notEmpty(cmd, "watch"); err != nil {
		return err
	}
	var others []string
	cmd.Flags().Visit(func(g *pflag.Flag) {
		switch g.Name {
		case "watch", "once", "json":
		default:
			others = append(others, "--"+g.Name)
		}
	})
	switch {
	case f.dir == "" && f.once:
		return usage("--once is for --watch RUN_DIR")
	case f.dir == "" && f.json:
		return usage("--json is for --watch RUN_DIR")
	case f.dir != "" && len(others) > 0:
		return usage("--watch only looks at what a run has written; leave %s out", others[0])
	}
	return nil
}

// How often a run is looked at. A look at a large one takes requests, of which the storage is to have few: so at most a tenth of the time
// goes into looks.
const (
	watchTableEvery = 2 * time.Second
	watchLineEvery  = 10 * time.Second
	watchShare      = 10
)

// watch shows how far the run is until it is done, or ctx ends.
func (f *watchFlags) watch(ctx context.Context, out io.Writer) error {
	w := progress.NewWatcher(storage(), filepath.ToSlash(f.dir), time.Now)
	screen := newScreen(out)
	every := watchLineEvery
	if screen != nil {
		every = watchTableEvery
	}
	for {
		began := time.Now()
		r, err := w.Look(ctx)
		if err != nil {
			return err
		}
		switch {
		case f.json:
			return r.WriteJSON(out)
		case screen != nil && !f.once:
			err = screen.show(r)
		case f.once:
			_, err = io.WriteString(out, strings.Join(r.Table(0, 0), "\n")+"\n")
		default:
			stamp := r.At.Local().Format(time.DateTime)
			for _, line := range r.Lines() {
				if _, err = fmt.Fprintf(out, "%s %s\n", stamp, line); err != nil {
					break
				}
			}
		}
		if err != nil || f.once || r.State == progress.Done {
			return err
		}
		wait := time.NewTimer(max(every, watchShare*time.Since(began)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return context.Cause(ctx)
		}
	}
}

// screen is a terminal on which a table is drawn over the one before.
type screen struct {
	out   *os.File
	lines int // of the last table
}

// newScreen returns nil where out is no terminal.
func newScreen(out io.Writer) *screen {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &screen{out: f}
}

func (s *screen) show(r *progress.Run) error {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	// The last column is left free, where some terminals break the line; and a line for the cursor.
	text, n := redraw(r.Table(width-1, height-1), s.lines)
	s.lines = n
	_, err = io.WriteString(s.out, text)
	return err
}

// redraw is what draws the table over one of so many lines, in one piece and without clearing first, so that nothing flickers.
func redraw(table []string, lines int) (text string, now int) {
	var b strings.Builder
	if lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dF", lines) // to the beginning of its first line
	}
	for _, l := range table {
		b.WriteString(l + "\x1b[K\n") // and what stood behind it goes
	}
	b.WriteString("\x1b[J") // so do lines below
	return b.String(), len(table)
}
