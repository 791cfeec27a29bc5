package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"curate/record"
	"curate/stage"
)

// seen is a Serial for tests: it drops every record whose text it has seen, and writes into the others how many came
// before. It fails at record fail, from 1.
type seen struct {
	fail  int64
	panic bool
	order *[]record.ID // of the records that were to be decided about
}

func (s seen) Spec() stage.Spec          { return stage.Spec{Name: "seen", Version: 1} }
func (s seen) Key() stage.Mapper         { return seenKey{s} }
func (s seen) NewDecider() stage.Decider { return &seenDecider{s: s, texts: map[string]int64{}} }

type seenKey struct{ seen }

func (k seenKey) NewWorker() stage.Worker { return &seenWorker{} }

type seenWorker struct{ scratch []byte }

func (w *seenWorker) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		text, err := r.Text(textPath, &w.scratch)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		if len(text)%5 == 0 { // some batches take longer than those behind them
			runtime.Gosched()
		}
		r.SetKey(text)
	}
	return nil
}

type seenDecider struct {
	s     seen
	texts map[string]int64
	n     int64
	busy  bool
}

var errSeen = errors.New("seen enough")

func (d *seenDecider) Decide(_ context.Context, b *record.Batch) error {
	if d.busy {
		return errors.New("two goroutines decide at once")
	}
	d.busy = true
	defer func() { d.busy = false }()
	if d.s.order != nil {
		for i := range b.Records {
			*d.s.order = append(*d.s.order, b.Records[i].ID)
		}
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if d.n++; d.n == d.s.fail {
			if d.s.panic {
				panic("seen too much")
			}
			return errSeen
		}
		key := string(r.Key())
		if first, ok := d.texts[key]; ok {
			if err := r.Set(notePath, fmt.Appendf(nil, "%d", first)); err != nil {
				r.QuarantineFor(err)
				continue
			}
			r.DropFor("seen", "again")
			continue
		}
		d.texts[key] = d.n
		if err := r.Set(notePath, fmt.Appendf(nil, "%d", d.n)); err != nil {
			r.QuarantineFor(err)
		}
	}
	return nil
}

func (d *seenDecider) End() error {
	if d.s.fail < 0 {
		return errSeen
	}
	return nil
}

// TestSerial: whatever the workers, chunks and files, a Serial sees records in the order of the inputs, one batch at a time.
func TestSerial(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 8))
	_, names := inputs(t, rng, 5, 400)
	var want [3]string
	for i, opt := range []struct {
		workers, chunk int
		memory         int64
	}{{1, 0, 96 * MiB}, {2, 0, 1 << 30}, {7, 777, 512 * MiB}, {3, 1, 1 << 30}, {16, 9000, 1 << 30}} {
		var out bytes.Buffer
		side := t.TempDir()
		j := newJob(t, names, "", func(j *Job) {
			j.Workers, j.ChunkSize, j.Memory, j.Stdout = opt.workers, opt.chunk, opt.memory, &out
			j.Stages = []stage.Stage{sieve{"a"}, seen{}, sieve{"b"}}
			j.Dropped, j.Quarantine = target(t, side+"/dropped.jsonl"), target(t, side+"/quarantine.jsonl")
		})
		res, err := j.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if res.Phases != 1 {
			t.Errorf("%d phases", res.Phases)
		}
		files := snapshot(t, side)
		got := [3]string{out.String(), files["dropped.jsonl"], files["quarantine.jsonl"]}
		if i == 0 {
			want = got
			if again := strings.Count(got[1], `"reason":"again"`); again == 0 && res.Counts.Dropped["seen:again"] == 0 {
				t.Error("nothing was seen again")
			}
			continue
		}
		if got != want {
			t.Errorf("-j %d, chunks of %d: other bytes", opt.workers, opt.chunk)
		}
	}
	// The obvious way: file by file, record by record, one Decider.
	var lines []byte
	d := seen{}.NewDecider()
	j := newJob(t, names, "")
	for _, f := range j.Manifest.Files {
		off := int64(0)
		for line := range bytes.Lines(plainText(t, f.Path)) {
			b := &record.Batch{}
			at := off
			off += int64(len(line))
			line = bytes.TrimSuffix(line, []byte("\n"))
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			r := b.Append(record.MakeID(f.Number, at), 1, line)
			if len(line) > j.MaxRecord {
				r.QuarantineFor(errSeen)
			}
			b.Parse()
			for _, m := range []func() error{
				func() error { return sieve{"a"}.NewWorker().Map(t.Context(), b) },
				func() error { return seenKey{}.NewWorker().Map(t.Context(), b) },
				func() error { return d.Decide(t.Context(), b) },
				func() error { return sieve{"b"}.NewWorker().Map(t.Context(), b) },
			} {
				if err := m(); err != nil {
					t.Fatal(err)
				}
			}
			if b.Records[0].Outcome == record.Keep {
				lines = b.Records[0].AppendLine(lines)
			}
		}
	}
	if string(lines) != want[0] {
		t.Errorf("%d bytes, and the obvious program writes %d others", len(want[0]), len(lines))
	}
}

// TestSerialEnds: an error, a panic, a strict end and a cancel end the run, and nobody waits for a turn that does not come.
func TestSerialEnds(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(2, 2)), 3, 600)
	var all []record.ID
	if _, err := newJob(t, names, "", func(j *Job) { j.Stages = []stage.Stage{seen{order: &all}} }).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stage  seen
		strict bool
		want   string
	}{
		"error":  {seen{fail: 300}, false, "seen: seen enough"},
		"panic":  {seen{fail: 300, panic: true}, false, "seen too much"},
		"end":    {seen{fail: -1}, false, "seen: seen enough"},
		"strict": {seen{}, true, errStrict.Error()},
	} {
		for _, chunk := range []int{1, 900, 0} {
			before := runtime.NumGoroutine()
			var order []record.ID
			c.stage.order = &order
			j := newJob(t, names, "", func(j *Job) {
				j.Stages, j.Strict, j.ChunkSize, j.Workers = []stage.Stage{c.stage}, c.strict, chunk, 5
				j.Memory = 512 * MiB
			})
			if _, err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, chunks of %d: %v", name, chunk, err)
			}
			// Nothing behind what was given up.
			if n := len(order); n == 0 || n > len(all) || !slices.Equal(order, all[:n]) || name != "end" && n == len(all) {
				t.Errorf("%s, chunks of %d: the Decider has seen %d records of %d, and not the first of them", name, chunk, n, len(all))
			}
			for range 100 {
				if runtime.NumGoroutine() <= before {
					break
				}
				time.Sleep(2 * time.Millisecond)
			}
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("%s: %d goroutines before, %d after", name, before, n)
			}
		}
	}
}

// TestTurnsGivenUp: behind a chunk that was given up the Decider looks at nothing, whoever has waited for it and whoever comes
// later, and those before it are decided about.
func TestTurnsGivenUp(t *testing.T) {
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		err    error
		strict bool
		want   error
	}{"error": {failed, false, failed}, "strict": {nil, true, errStrict}} {
		var order []record.ID
		m := serialMap{seenKey{}, seen{order: &order}}
		r := &run{maps: []stage.Mapper{m}, turns: newTurns([]stage.Mapper{m})}
		decide := func(chunk int64) error {
			w := &worker{run: r}
			w.batch.Append(record.ID(chunk), 1, []byte(`{"text":"a"}`))
			w.batch.Parse()
			return w.decide(t.Context(), &job{turn: chunk, last: true})
		}
		behind, left := make(chan error), make(chan struct{})
		go func() { behind <- decide(2) }()
		go func() { r.turns.leave(t.Context(), &job{turn: 1, strict: c.strict}, c.err); close(left) }()
		for waiting := 0; waiting < 2; runtime.Gosched() {
			r.turns.mu.Lock()
			waiting = len(r.turns.waiting)
			r.turns.mu.Unlock()
		}
		if err := decide(0); err != nil {
			t.Errorf("%s: before it: %v", name, err)
		}
		<-left
		if err := <-behind; err != c.want {
			t.Errorf("%s: who has waited: %v, want %v", name, err, c.want)
		}
		r.turns.leave(t.Context(), &job{turn: 2}, c.want)
		if err := decide(3); err != c.want {
			t.Errorf("%s: who comes later: %v, want %v", name, err, c.want)
		}
		if !slices.Equal(order, []record.ID{0}) {
			t.Errorf("%s: decided about %v", name, order)
		}
	}
}

// TestSerialStreams: what is kept leaves while input is still to come, and a cancel ends the run in between.
func TestSerialStreams(t *testing.T) {
	in, feed := io.Pipe()
	read, out := io.Pipe()
	j := newJob(t, []string{"-"}, "", func(j *Job) {
		j.Stages, j.Stdin, j.Stdout, j.Workers, j.ChunkSize = []stage.Stage{seen{}}, in, out, 3, 2000
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := j.Run(ctx)
		out.CloseWithError(io.EOF)
		done <- err
	}()
	lines := bufio.NewScanner(read)
	n := 0
	for round := range 5 {
		for range 300 { // several chunks
			fmt.Fprintf(feed, "{\"text\":\"text %d\"}\n{\"text\":\"text %[1]d\"}\n", n)
			n++
		}
		if !lines.Scan() { // of this round or of the one before: what comes out is no more than a few chunks behind
			t.Fatalf("round %d: the output has ended", round)
		}
		if want := fmt.Sprintf(`{"text":"text %d","curate":{"sieve":%d}}`, round, 2*round+1); lines.Text() != want {
			t.Fatalf("round %d: %s, want %s", round, lines.Text(), want)
		}
	}
	stopped := errors.New("stopped")
	cancel(stopped)
	feed.CloseWithError(io.EOF)
	go io.Copy(io.Discard, read)
	if err := <-done; err != nil && !errors.Is(err, stopped) {
		t.Error(err)
	}
}

func TestSerialRefused(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(2, 2)), 1, 20)
	j := newJob(t, names, t.TempDir(), func(j *Job) { j.Stages = []stage.Stage{seen{}} })
	if _, err := j.Run(t.Context()); !errors.As(err, new(*UsageError)) || !strings.Contains(err.Error(), "give a file with -o") {
		t.Errorf("into a directory: %v", err)
	}
	j = newJob(t, names, "", func(j *Job) { j.Stages = []stage.Stage{seen{}, seen{}} })
	if _, err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "bug") {
		t.Errorf("two of them: %v", err)
	}
}
