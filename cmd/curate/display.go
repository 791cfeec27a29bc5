package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"curate/pipeline"
)

// display is standard error: messages, and a bar on a terminal or a line every ten seconds elsewhere. It is
// the only place that knows a terminal.
type display struct {
	log      *slog.Logger
	out      *switchWriter
	tty      bool
	quiet    bool
	bars     *mpb.Progress
	bar      *mpb.Bar
	progress *pipeline.Progress
	live     func() string // what a command adds to its line; may be nil
	began    time.Time
	done     chan struct{}
	wg       sync.WaitGroup
}

const lineEvery = 10 * time.Second

func newDisplay(stderr io.Writer, f *stageFlags) *display {
	d := &display{out: &switchWriter{w: stderr}, quiet: f.quiet}
	if file, ok := stderr.(*os.File); ok {
		d.tty = term.IsTerminal(int(file.Fd())) && f.logFormat == "text"
	}
	level := slog.LevelInfo
	switch {
	case f.quiet:
		level = slog.LevelWarn
	case f.verbose:
		level = slog.LevelDebug
	}
	if f.logFormat == "json" {
		d.log = slog.New(newEventHandler(d.out, level))
	} else {
		d.log = slog.New(&plainHandler{out: d.out, level: level})
	}
	return d
}

// start shows progress until stop.
func (d *display) start(p *pipeline.Progress, live func() string) {
	d.progress, d.live, d.began, d.done = p, live, time.Now(), make(chan struct{})
	if d.tty && !d.quiet {
		d.bars = mpb.New(mpb.WithOutput(d.out.w), mpb.WithAutoRefresh(), mpb.WithRefreshRate(200*time.Millisecond))
		d.bar = d.bars.New(0, mpb.BarStyle().Rbound("]"),
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return d.line() })),
			mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO)))
		d.out.redirect(d.bars)
	}
	usr1 := make(chan os.Signal, 1)
	if len(sigProgress) > 0 {
		signal.Notify(usr1, sigProgress...)
	}
	d.wg.Go(func() {
		defer signal.Stop(usr1)
		line := time.NewTicker(lineEvery)
		defer line.Stop()
		redraw := time.NewTicker(200 * time.Millisecond)
		defer redraw.Stop()
		for {
			select {
			case <-d.done:
				return
			case <-usr1:
				d.say(slog.LevelWarn) // asked for, so -q does not swallow it
			case <-line.C:
				if d.bar == nil {
					d.say(slog.LevelInfo)
				}
			case <-redraw.C:
				if d.bar != nil {
					got, total := p.Done()
					if total > 0 {
						d.bar.SetTotal(total, false)
					}
					d.bar.SetCurrent(got)
				}
			}
		}
	})
}

// line is the progress in one line: records, share kept, speed, share of the input.
func (d *display) line() string {
	p := d.progress
	if p.Tell != nil {
		return p.Tell()
	}
	read, kept, in := p.Read.Load(), p.Kept.Load(), p.BytesIn.Load()
	var b strings.Builder
	if n := p.Phases.Load(); n > 1 {
		fmt.Fprintf(&b, "phase %d of %d: ", p.Phase.Load(), n)
	}
	fmt.Fprintf(&b, "%d records", read)
	if read > 0 {
		fmt.Fprintf(&b, ", %.1f %% kept", 100*float64(kept)/float64(read))
	}
	if q := p.Quarantined.Load(); q > 0 {
		fmt.Fprintf(&b, ", %d quarantined", q)
	}
	seconds := time.Since(d.began).Seconds()
	fmt.Fprintf(&b, ", %.1f MB/s", float64(in)/1e6/max(seconds, 1e-3))
	if d.live != nil {
		b.WriteString(d.live())
	}
	if got, total := p.Done(); d.bar == nil && total > 0 && got > 0 {
		left := time.Duration(seconds * float64(total-got) / float64(got) * float64(time.Second))
		ofPhase, all := p.DoneOfPhase()
		fmt.Fprintf(&b, ", %.0f %% of the input, %v left", 100*float64(ofPhase)/float64(max(all, 1)), left.Round(time.Second))
	}
	return b.String()
}

// say tells of the progress.
func (d *display) say(level slog.Level) {
	p := d.progress
	done, total := p.Done()
	d.log.LogAttrs(context.Background(), level, d.line(), pipeline.Event("progress"), slog.Int64("phase", p.Phase.Load()), slog.Int64("phases", p.Phases.Load()),
		slog.Int64("read", p.Read.Load()), slog.Int64("kept", p.Kept.Load()), slog.Int64("quarantined", p.Quarantined.Load()), slog.Int64("bytes_in", p.BytesIn.Load()),
		slog.Int64("done", done), slog.Int64("total", total))
}

// stop takes the bar away; messages may still follow.
func (d *display) stop() {
	if d.done == nil {
		return
	}
	close(d.done)
	d.wg.Wait()
	d.done = nil
	if d.bar != nil {
		d.bar.Abort(true)
		d.bars.Wait()
		d.out.redirect(nil)
	}
}

func (d *display) close() { d.stop() }

// switchWriter sends messages through the bars while there are any, so that they do not tear each other.
type switchWriter struct {
	mu   sync.Mutex
	w    io.Writer
	bars io.Writer
}

func (s *switchWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bars != nil {
		return s.bars.Write(p)
	}
	return s.w.Write(p)
}

func (s *switchWriter) redirect(bars io.Writer) {
	s.mu.Lock()
	s.bars = bars
	s.mu.Unlock()
}

// plainHandler writes "curate: MESSAGE". Fields are for programs, and so is a record without a message (eventHandler).
type plainHandler struct {
	out   io.Writer
	level slog.Level
}

func (h *plainHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *plainHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "" {
		return nil
	}
	_, err := io.WriteString(h.out, "curate: "+r.Message+"\n")
	return err
}

func (h *plainHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *plainHandler) WithGroup(string) slog.Handler      { return h }
