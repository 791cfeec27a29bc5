package recipe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"curate/corpus/store"
	"curate/pipeline"
	"curate/record"
	"curate/stage"
)

// counter is a Reducer whose result is how many records there are.
type counter struct{ label string }

func (c counter) Spec() stage.Spec {
	return stage.Spec{Name: "count", Version: 1, Config: map[string]string{"label": c.label}, Result: "count.txt"}
}
func (c counter) Key() stage.Mapper         { return noKey{c} }
func (c counter) NewPartial() stage.Partial { return new(count) }

type noKey struct{ c counter }

func (k noKey) Spec() stage.Spec        { return k.c.Spec() }
func (k noKey) NewWorker() stage.Worker { return k }

func (k noKey) Map(ctx context.Context, _ *record.Batch) error { return ctx.Err() }

func (c counter) Merge(w io.Writer, sealed []io.Reader) error {
	var sum count
	for _, s := range sealed {
		var b [8]byte
		if _, err := io.ReadFull(s, b[:]); err != nil {
			return err
		}
		sum += count(binary.BigEndian.Uint64(b[:]))
	}
	return sum.Seal(w)
}

func (c counter) Finish(ctx context.Context, sealed []stage.Sealed, w stage.Workspace) (stage.Mapper, error) {
	return nil, w.Make(ctx, stage.ResultFile, func(dst io.Writer) error {
		n := uint64(0)
		for _, s := range sealed {
			var b [8]byte
			if _, err := s.Data.ReadAt(b[:], 0); err != nil {
				return err
			}
			n += binary.BigEndian.Uint64(b[:])
		}
		_, err := fmt.Fprintln(dst, c.label, n)
		return err
	})
}

type count uint64

func (c *count) Add(b *record.Batch) error {
	for i := range b.Records {
		if b.Records[i].Outcome == record.Keep {
			*c++
		}
	}
	return nil
}
func (c *count) Join(next stage.Partial) error { *c += *next.(*count); return nil }
func (c *count) Size() int                     { return 8 }
func (c *count) Seal(w io.Writer) error {
	_, err := w.Write(binary.BigEndian.AppendUint64(nil, uint64(*c)))
	return err
}

// world is a folder with inputs and a recipe of three steps.
type world struct {
	t     *testing.T
	dir   string
	text  string
	kinds []Kind
	log   strings.Builder
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), kinds: testKinds}
	w.input("a.jsonl", "egun on", "good day", "egun argia", "gau on")
	w.input("b.jsonl", "on da", "egun hona", "nothing")
	w.text = fmt.Sprintf(`version: 1
run: %[1]s/run
steps:
  - {name: clean, read: '%[1]s/*.jsonl', cut: {word: on}}
  - {name: days, from: clean, cut: {word: egun}}
  - {name: total, from: [clean, days], count: {label: records}}
`, filepath.ToSlash(w.dir))
	return w
}

func (w *world) input(name string, texts ...string) {
	var b strings.Builder
	for _, t := range texts {
		fmt.Fprintf(&b, "{\"text\":%q}\n", t)
	}
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(b.String()), 0o666); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) runner(sets ...string) *Runner {
	w.t.Helper()
	r, err := Parse("r.yaml", []byte(w.text), nil, sets, w.kinds)
	if err != nil {
		w.t.Fatal(err)
	}
	w.log.Reset()
	return &Runner{
		Recipe: r, Program: "test", Store: store.NewLocal(nil), Workers: 1, Memory: 256 << 20, SplitSize: 40,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Now: time.Now,
	}
}

// done says which steps an outcome has done now, as "clean+ days=" for made and found.
func done(list []Outcome) string {
	var words []string
	for _, o := range list {
		words = append(words, o.Step.Name+map[bool]string{true: "=", false: "+"}[o.Before])
	}
	return strings.Join(words, " ")
}

// tree is every file of the run directory but those that may differ, by name.
func (w *world) tree(run string) map[string]string {
	w.t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(w.dir, run), func(name string, d os.DirEntry, err error) error {
		base := filepath.Base(name)
		if err != nil || d.IsDir() || base == "timing.json" || base == "journal" || base == "lock" {
			return err
		}
		b, err := os.ReadFile(name)
		rel, _ := filepath.Rel(filepath.Join(w.dir, run), name)
		files[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return files
}

func (w *world) must(r *Runner, want string) {
	w.t.Helper()
	list, err := r.Run(w.t.Context())
	if err != nil || done(list) != want {
		w.t.Fatalf("%s, %v; want %s\n%s", done(list), err, want, w.log.String())
	}
}

func states(t *testing.T, r *Runner) string {
	t.Helper()
	p, err := r.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, s := range p.Steps {
		state, _, _ := strings.Cut(s.State, ":")
		words = append(words, s.Step.Name+" "+state)
	}
	var b strings.Builder
	if err := p.Write(&b); err != nil || strings.Count(b.String(), "\n") < len(p.Steps)+2 {
		t.Errorf("%v, %s", err, b.String())
	}
	return strings.Join(words, ", ")
}

func TestRun(t *testing.T) {
	w := newWorld(t)
	if got := states(t, w.runner()); got != "clean to do, days to do, total to do" {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "run")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a plan has made something: %v", err)
	}
	w.must(w.runner(), "clean+ days+ total+")
	first := w.tree("run")
	if got := first["total/count.txt"]; got != "records 6\n" {
		t.Errorf("counted %q, of %v", got, slices.Sorted(maps.Keys(first)))
	}
	for _, name := range []string{"_curate/run.json", "clean/_curate/provenance.json", "total/_curate/provenance.json", "clean/_curate/dropped/part-00001-00000.jsonl.zst"} {
		if first[name] == "" {
			t.Errorf("there is no %s, of %v", name, slices.Sorted(maps.Keys(first)))
		}
	}
	if p := first["days/_curate/provenance.json"]; !strings.Contains(p, `"seeds": {`) || !strings.Contains(p, `"cut": 7`) || !strings.Contains(p, `"step": "clean"`) {
		t.Errorf("provenance: %s", p)
	}
	// Nothing to do.
	w.must(w.runner(), "clean= days= total=")
	if got := states(t, w.runner()); got != "clean done, days done, total done" {
		t.Error(got)
	}
	same(t, "repeated", w.tree("run"), first)
	// A change of one step is a change of what depends on it, and of nothing else.
	if got := states(t, w.runner("steps.days.cut.word=gau")); got != "clean done, days has changed, total follows a step that runs" {
		t.Error(got)
	}
	w.must(w.runner("steps.days.cut.word=gau"), "clean= days+ total+")
	if got := w.tree("run")["total/count.txt"]; got != "records 5\n" {
		t.Errorf("counted %q", got)
	}
	w.must(w.runner("steps.total.count.label=n", "steps.days.cut.word=gau"), "clean= days= total+")
	// Elsewhere, the same bytes come out.
	w.must(w.runner(), "clean= days+ total+")
	same(t, "changed back", w.tree("run"), first)
	w.must(w.runner("run="+filepath.ToSlash(filepath.Join(w.dir, "other"))), "clean+ days+ total+")
	same(t, "elsewhere", w.tree("other"), first)
	// A part that is lost is made again, and nothing else.
	if err := os.Remove(filepath.Join(w.dir, "run/clean/part-00002-00000.jsonl.zst")); err != nil {
		t.Fatal(err)
	}
	if got := states(t, w.runner()); got != "clean goes on, days follows a step that runs, total follows a step that runs" {
		t.Error(got)
	}
	w.must(w.runner(), "clean+ days= total=")
	same(t, "after a loss", w.tree("run"), first)
	if err := os.Remove(filepath.Join(w.dir, "run/total/count.txt")); err != nil {
		t.Fatal(err)
	}
	if got := states(t, w.runner()); got != "clean done, days done, total goes on" {
		t.Error(got)
	}
	w.must(w.runner(), "clean= days= total+")
	same(t, "after a lost result", w.tree("run"), first)
	// A changed input is seen.
	w.input("b.jsonl", "on da")
	w.must(w.runner(), "clean+ days+ total+")
}

// TestInFlight: an io-bound stage stands anywhere in a step; its splits are small if nobody says otherwise.
func TestInFlight(t *testing.T) {
	w := newWorld(t)
	w.must(w.runner(), "clean+ days+ total+")
	want := w.tree("run")
	w.kinds = append([]Kind{{
		Name: "ask", Summary: "waits for others",
		Build: func(context.Context, *Values, Setting) ([]stage.Stage, error) { return []stage.Stage{asker{}}, nil },
	}}, testKinds...)
	w.text = strings.Replace(w.text, "cut: {word: on}}", "ask: {}, cut: {word: on}}", 1)
	w.text = strings.Replace(w.text, "cut: {word: egun}}", "cut: {word: egun}, ask: }", 1)
	w.text = strings.Replace(w.text, "count: {label: records}}", "ask: {}, count: {label: records}}", 1)
	other := "run=" + filepath.ToSlash(filepath.Join(w.dir, "other"))
	w.must(w.runner(other), "clean+ days+ total+")
	got := w.tree("other")
	for name := range want {
		if !strings.Contains(name, "_curate/") && got[name] != want[name] {
			t.Errorf("%s is %q, want %q", name, got[name], want[name])
		}
	}
	if got := states(t, w.runner(other)); got != "clean done, days done, total done" {
		t.Error(got)
	}
	w.must(w.runner(other), "clean= days= total=")

	w.text = strings.Replace(w.text, "ask: {}, cut:", "cut:", 1)
	r := w.runner("run=" + filepath.ToSlash(filepath.Join(w.dir, "default")))
	r.SplitSize = 0
	w.must(r, "clean+ days+ total+")
	got = w.tree("default")
	for step, size := range map[string]string{"clean": `"split_size": 67108864`, "days": `"split_size": 1048576`} {
		if c := got[step+"/_curate/config.json"]; !strings.Contains(c, size) {
			t.Errorf("%s: %s", step, c)
		}
	}
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s is not the same: %q\nwant %q", what, name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is new", what, name)
		}
	}
}

var errStop = errors.New("stopped by the test")

// TestRunStops stops runs at random moments until they have come through, with any number of workers.
func TestRunStops(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	var texts []string
	for i := range 3000 {
		texts = append(texts, []string{"egun", "on", "gau", "da"}[rng.IntN(4)]+fmt.Sprint(" on ", i))
	}
	w.input("c.jsonl", texts...)
	larger := func(workers int, sets ...string) *Runner {
		r := w.runner(sets...)
		r.SplitSize, r.Workers, r.Memory = 5000, workers, 1<<30
		return r
	}
	start := time.Now()
	w.must(larger(2), "clean+ days+ total+")
	took := time.Since(start)
	want := w.tree("run")
	for round := range 4 {
		out := fmt.Sprintf("round%d", round)
		stops := 0
		for {
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { cancel(errStop) })
			_, err := larger([]int{1, 2, 7}[rng.IntN(3)], "run="+filepath.ToSlash(filepath.Join(w.dir, out))).Run(ctx)
			timer.Stop()
			cancel(nil)
			if err == nil {
				break
			}
			if !errors.Is(err, errStop) && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if stops++; stops > 200 {
				t.Fatal("no progress")
			}
		}
		t.Logf("round %d: %d stops", round, stops)
		same(t, fmt.Sprintf("seed %d, round %d", seed, round), w.tree(out), want)
	}
}

// TestRunHalfWay: a step that was changed while it was half done is not mixed up.
func TestRunHalfWay(t *testing.T) {
	w := newWorld(t)
	r := w.runner()
	ctx, cancel := context.WithCancelCause(t.Context())
	r.Started = func(*pipeline.Progress) { cancel(errStop) }
	if _, err := r.Run(ctx); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	if got := states(t, w.runner()); !strings.HasPrefix(got, "clean goes on") && !strings.HasPrefix(got, "clean to do") {
		t.Error(got)
	}
	// Begin it for certain.
	if err := os.MkdirAll(filepath.Join(w.dir, "run/clean/_curate"), 0o777); err != nil {
		t.Fatal(err)
	}
	w.must(w.runner(), "clean+ days+ total+")
	if err := os.Remove(filepath.Join(w.dir, "run/clean/_curate/done")); err != nil {
		t.Fatal(err)
	}
	_, err := w.runner("steps.clean.cut.word=da").Run(t.Context())
	var usage *pipeline.UsageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "step clean") || !strings.Contains(err.Error(), `config.word was "on", is "da"`) || !strings.Contains(err.Error(), "--restart") {
		t.Errorf("%v", err)
	}
	r = w.runner("steps.clean.cut.word=da")
	r.Restart = true
	w.must(r, "clean+ days+ total+")
	w.must(w.runner("steps.clean.cut.word=da"), "clean= days= total=")
}

// stopping is a store that stops the run before its nth removal.
type stopping struct {
	store.Store
	left int
}

func (s *stopping) Remove(ctx context.Context, name string) error {
	if s.left--; s.left == 0 {
		return errStop
	}
	if s.left < 0 {
		return context.Cause(ctx)
	}
	return s.Store.Remove(ctx, name)
}

// TestRunStopsClearing: a changed step that is stopped while what was there is removed goes on without --restart.
func TestRunStopsClearing(t *testing.T) {
	w := newWorld(t)
	w.must(w.runner("steps.clean.cut.word=da"), "clean+ days+ total+")
	want := w.tree("run")
	for n := 1; ; n++ {
		w.must(w.runner(), "clean+ days+ total+")
		r := w.runner("steps.clean.cut.word=da")
		r.Store = &stopping{r.Store, n}
		_, err := r.Run(t.Context())
		if err == nil {
			if n < 10 {
				t.Errorf("only %d files are removed", n)
			}
			return
		}
		if !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		if _, err := w.runner("steps.clean.cut.word=da").Run(t.Context()); err != nil {
			t.Fatalf("stopped at removal %d: %v", n, err)
		}
		same(t, fmt.Sprintf("stopped at removal %d", n), w.tree("run"), want)
	}
}

// TestRunOtherMemory: limits that follow --memory are in a step's identity, and in what depends on it, as they are
// when it is made anew.
func TestRunOtherMemory(t *testing.T) {
	w := newWorld(t)
	w.must(w.runner(), "clean+ days+ total+")
	less := func() *Runner {
		r := w.runner("steps.clean.cut.word=da")
		r.Memory = 160 << 20
		return r
	}
	w.must(less(), "clean+ days+ total+")
	w.must(less(), "clean= days= total=")
}

// TestRunDamaged: --restart is the remedy that the message names.
func TestRunDamaged(t *testing.T) {
	w := newWorld(t)
	w.must(w.runner(), "clean+ days+ total+")
	want := w.tree("run")
	if err := os.WriteFile(filepath.Join(w.dir, "run/days/_curate/config.json"), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := w.runner().Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "config.json") || !strings.Contains(err.Error(), "--restart") {
		t.Error(err)
	}
	r := w.runner()
	r.Restart = true
	w.must(r, "clean= days+ total=")
	same(t, "begun anew", w.tree("run"), want)
}

// TestRunQuarantine: all steps are done, and the error is the one with exit code 3, also when nothing was left to do.
func TestRunQuarantine(t *testing.T) {
	w := newWorld(t)
	if err := os.WriteFile(filepath.Join(w.dir, "bad.jsonl"), []byte("{\"text\":\"on\"}\n{\"text\":\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		list, err := w.runner().Run(t.Context())
		var q *pipeline.QuarantineError
		if !errors.As(err, &q) || len(list) != 3 || !strings.Contains(err.Error(), "quarantine.max 0 allows") || !strings.Contains(err.Error(), "step clean") {
			t.Fatalf("%s, %v", done(list), err)
		}
	}
	w.must(w.runner("quarantine.max=20%"), "clean= days= total=")
	_, err := w.runner("quarantine.max=10%").Run(t.Context())
	if !errors.As(err, new(*pipeline.QuarantineError)) {
		t.Error(err)
	}
}

// TestRunRefuses: what cannot be meant is said before anything runs.
func TestRunRefuses(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"steps.clean.read=none.jsonl", "r.yaml:4:6: step clean: none.jsonl: no such file"},
		{"steps.days.read=s3://bucket/x.jsonl", "step days: s3://bucket/x.jsonl: no such file"},
	} {
		w := newWorld(t)
		_, err := w.runner(c.set).Run(t.Context())
		var usage *pipeline.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.set, err)
		}
		if _, err := os.Stat(filepath.Join(w.dir, "run")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s has left something: %v", c.set, err)
		}
	}
	w := newWorld(t)
	for _, read := range []string{w.dir, filepath.Join(w.dir, "r*")} {
		_, err := w.runner("steps.clean.read=" + filepath.ToSlash(read)).Run(t.Context())
		if !errors.As(err, new(*pipeline.UsageError)) || !strings.Contains(err.Error(), "takes in the run directory") {
			t.Errorf("%s: %v", read, err)
		}
	}
	w.must(w.runner(), "clean+ days+ total+")
	_, err := w.runner("steps.days.read=" + filepath.ToSlash(filepath.Join(w.dir, "run/clean"))).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), `name earlier steps under "from"`) {
		t.Error(err)
	}
	r := w.runner()
	r.Memory = 1 << 20
	if _, err := r.Run(t.Context()); !errors.As(err, new(*pipeline.UsageError)) {
		t.Errorf("little memory: %v", err)
	}
}
