package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"curate/corpus"
	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/stage"
)

var grownMember = regexp.MustCompile(`(?s),\n  "grown": \[.*?\n  \]`)

// ungrown is a snapshot without what config.json says of how the directory came to be.
func ungrown(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := snapshot(t, dir)
	for name, text := range files {
		if strings.HasSuffix(name, "_curate/config.json") {
			files[name] = grownMember.ReplaceAllString(text, "")
		}
	}
	return files
}

// mapJobs are the kinds of jobs whose directories grow.
var mapJobs = map[string]option{
	"one phase":    func(*Job) {},
	"three phases": func(j *Job) { j.Stages = []stage.Stage{sieve{"a"}, asking{sieve{"q"}, 8}, sieve{"b"}} },
	"dropped file": func(j *Job) {
		j.KeepDropped, j.Dropped.Path, j.Dropped.File = true, filepath.Join(filepath.Dir(j.Out.Path), "dropped.jsonl"), true
	},
}

// TestGrow: a directory to which files come in several goes, in any order, each stopped at random moments and gone on with, by any
// number of workers, is that of one run over the files in the order in which they came.
func TestGrow(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 11))
	_, names := inputs(t, rng, 6, underRaceTo(60, 200))
	for what, kind := range mapJobs {
		came := slices.Clone(names)
		rng.Shuffle(len(came), func(i, k int) { came[i], came[k] = came[k], came[i] })
		var goes [][]string // of names, sorted in each go
		for rest := came; len(rest) > 0; {
			n := 1 + rng.IntN(min(3, len(rest)))
			slices.Sort(rest[:n])
			goes, rest = append(goes, rest[:n]), rest[n:]
		}
		once := filepath.Join(t.TempDir(), "out")
		start := time.Now()
		if _, err := newJob(t, slices.Concat(goes...), once, kind).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		want := ungrown(t, filepath.Dir(once))
		out := filepath.Join(t.TempDir(), "out")
		var have []string
		for i := 0; i < len(goes); {
			have = append(have, goes[i]...)
			for i++; i < len(goes) && rng.IntN(4) == 0; i++ { // two at once
				// They are one go then, in the order of the names: only what does not change that.
				if slices.Compare(goes[i-1][len(goes[i-1])-1:], goes[i][:1]) > 0 {
					break
				}
				have = append(have, goes[i]...)
			}
			given := slices.Sorted(slices.Values(have))
			for tries := 0; ; tries++ {
				ctx, cancel := context.WithCancelCause(t.Context())
				timer := time.AfterFunc(time.Duration(rng.Int64N(int64(took))), func() { cancel(errStop) })
				j := newJob(t, given, out, kind, func(j *Job) {
					j.Workers, j.Memory, j.ChunkSize = []int{1, 2, 7}[rng.IntN(3)], 1<<30, 500+rng.IntN(20_000)
				})
				res, err := j.Run(ctx)
				timer.Stop()
				cancel(nil)
				if err == nil && res.Before && tries == 0 {
					t.Fatalf("%s: %d files passed for finished", what, len(have))
				}
				if err == nil {
					break
				}
				if !errors.Is(err, errStop) {
					t.Fatalf("seed %d, %s: %v", seed, what, err)
				}
			}
			res, err := newJob(t, given, out, kind).Run(t.Context())
			if err != nil || !res.Before {
				t.Fatalf("%s: a directory that has grown: %+v, %v", what, res, err)
			}
		}
		sameTree(t, fmt.Sprintf("seed %d, %s", seed, what), ungrown(t, filepath.Dir(out)), want)
	}
}

// TestGrowKilled: wherever the disk ends while a directory grows, and stays so as if the process were killed, it never says that it is
// whole without being so; and the repeated command, also with one more file, gives the undisturbed bytes.
func TestGrowKilled(t *testing.T) {
	_, names := inputs(t, rand.New(rand.NewPCG(12, 12)), 4, 40)
	old, more, most := []string{names[1]}, []string{names[0], names[1], names[2]}, names
	for what, kind := range mapJobs {
		small := func(s store.Store) option {
			return func(j *Job) {
				kind(j)
				j.Store, j.SplitSize, j.ChunkSize, j.Workers = s, 1<<20, smallChunk, 1
			}
		}
		run := func(names []string, out string, disk store.Disk) error {
			_, err := newJob(t, names, out, small(store.NewLocal(disk))).Run(t.Context())
			return err
		}
		at := what
		must := func(names []string, out string) map[string]string {
			t.Helper()
			if err := run(names, out, nil); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
			return ungrown(t, filepath.Dir(out))
		}
		counter := storetest.NewFaulty(nil, 0, storetest.IO)
		out := filepath.Join(memoryDir(t), "out")
		first := must(old, out)
		if err := run(more, out, counter); err != nil {
			t.Fatal(err)
		}
		want := ungrown(t, filepath.Dir(out))
		sameTree(t, what, want, must([]string{names[1], names[0], names[2]}, filepath.Join(memoryDir(t), "out")))
		wantMost := must(most, out)
		undone := 0
		for nth := 1; nth <= counter.Ops(); nth += faultStride {
			// Growing begins with what is the same of all jobs; then parts come.
			if common := nth <= 30; nth%5 != 0 && (!common || what != "one phase") {
				continue
			}
			out := filepath.Join(memoryDir(t), "out")
			must(old, out)
			disk := storetest.NewFaulty(nil, nth, storetest.IO)
			disk.Sticky = true
			err := run(more, out, disk)
			at = fmt.Sprintf("%s, operation %d (%s)", what, nth, disk.Hit())
			if !disk.Fired() {
				continue
			}
			if err == nil || !errors.Is(err, syscall.EIO) {
				t.Errorf("%s: %v", at, err)
			}
			now, grown := ungrown(t, filepath.Dir(out)), false
			if _, whole := now["out/_curate/done"]; whole {
				maps.DeleteFunc(now, func(name, _ string) bool {
					return strings.HasPrefix(filepath.Base(name), ".") || strings.Contains(name, ".previous.")
				})
				if grown = maps.Equal(now, want); !grown && !maps.Equal(now, first) {
					t.Errorf("%s: it says that it is whole", at)
				}
			}
			switch {
			case nth%3 == 0 && !grown: // the new files are gone again
				sameTree(t, at+", undone", must(old, out), first)
				undone++
			case nth%3 == 1: // one more came meanwhile
				sameTree(t, at+", one more", must(most, out), wantMost)
			default:
				sameTree(t, at+", repeated", must(more, out), want)
			}
			if t.Failed() {
				return
			}
		}
		if undone == 0 {
			t.Error("nothing was undone")
		}
	}
}

// TestGrowReads: what a directory has is not read again.
func TestGrowReads(t *testing.T) {
	names := numbered(t, 4, 40, 0)
	asked := map[string]int{}
	s := &server{}
	s.answer = func(_ context.Context, texts []string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, text := range texts {
			file, _, _ := strings.Cut(text, "-")
			asked[file]++
		}
		return nil
	}
	for what, stages := range map[string][]stage.Stage{
		"alone": {waiting{s, 4}}, "between others": {sieve{"a"}, waiting{s, 4}, sieve{"b"}},
	} {
		clear(asked)
		out := filepath.Join(t.TempDir(), "out")
		for _, step := range []struct {
			names []string
			new   []string
		}{{[]string{names[1], names[3]}, []string{"1", "3"}}, {names, []string{"0", "2"}}} {
			clear(asked)
			if _, err := newJob(t, step.names, out, func(j *Job) { j.Stages, j.SplitSize = stages, 300 }).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			var files []string
			for f := range asked {
				files = append(files, f)
			}
			if slices.Sort(files); !slices.Equal(files, step.new) {
				t.Errorf("%s: the texts of %v were asked for, not of %v", what, files, step.new)
			}
		}
	}
}

// TestGrowNot: what is no growing is refused as ever, with what is in the way.
func TestGrowNot(t *testing.T) {
	dir, names := inputs(t, rand.New(rand.NewPCG(13, 13)), 4, 50)
	out := filepath.Join(dir, "out")
	if _, err := newJob(t, names[1:3], out).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := newJob(t, names[:3], out).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := snapshot(t, out)
	with := func(o option) option { return o }
	for what, c := range map[string]struct {
		names []string
		opt   option
		say   string
	}{
		"a file less":     {names[1:], with(func(*Job) {}), "is gone"},
		"another order":   {[]string{names[2], names[1], names[0]}, with(func(*Job) {}), "stood in another order"},
		"another setting": {names, with(func(j *Job) { j.SplitSize++ }), "split_size"},
		"another file":    {names, with(func(j *Job) { j.Manifest.Files[0].Size++ }), "size"},
		"a field missing": {names, with(func(j *Job) {
			j.Stages = []stage.Stage{sieve{"a"}, sieve{"b"}, needing("title")}
		}), "stages.2"},
	} {
		_, err := newJob(t, c.names, out, c.opt).Run(t.Context())
		if u := new(UsageError); !errors.As(err, &u) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", what, err)
		}
		sameTree(t, what, snapshot(t, out), want)
	}
	// New files without a field that a stage needs are refused before anything changes, as those of a new directory are.
	needs := func(j *Job) { j.Stages = []stage.Stage{needing("title")} }
	titled, plain := filepath.Join(dir, "titled.jsonl"), filepath.Join(dir, "plain.jsonl")
	if err := errors.Join(os.WriteFile(titled, []byte("{\"title\":\"a\"}\n"), 0o666), os.WriteFile(plain, []byte("{\"text\":\"a\"}\n"), 0o666)); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if _, err := newJob(t, []string{titled}, other, needs).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = snapshot(t, other)
	if _, err := newJob(t, []string{plain, titled}, other, needs).Run(t.Context()); err == nil || !strings.Contains(err.Error(), `no field "title"`) {
		t.Error(err)
	}
	sameTree(t, "a field is missing", snapshot(t, other), want)
	// A Reducer looks at all documents.
	reduced := filepath.Join(dir, "reduced")
	opt := func(j *Job) { j.Stages = []stage.Stage{sieve{"a"}, unique{"unique"}} }
	if _, err := newJob(t, names[:2], reduced, opt).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, names[:3], reduced, opt)
	if _, err := j.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "1 new file, 2 done before, and unique looks at all documents") {
		t.Error(err)
	}
	if s, changes, _, err := j.Standing(t.Context()); err != nil || s != Changed || len(changes) != 1 {
		t.Errorf("%v, %q, %v", s, changes, err)
	}
}

// TestGrowWithdrawn: of the files that a directory was growing by when it was stopped, others may have come in the place of some; then
// nothing is left of these.
func TestGrowWithdrawn(t *testing.T) {
	dir, names := inputs(t, rand.New(rand.NewPCG(14, 14)), 4, 50)
	bad := filepath.Join(dir, "f0.jsonl.gz")
	good, err := os.ReadFile(names[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"one phase", "three phases"} {
		kind := mapJobs[what]
		out := filepath.Join(t.TempDir(), "out")
		must := func(out string, names ...string) map[string]string {
			t.Helper()
			if _, err := newJob(t, names, out, kind).Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			return ungrown(t, filepath.Dir(out))
		}
		first := must(out, names[2])
		if err := os.WriteFile(bad, good[:len(good)/2], 0o666); err != nil {
			t.Fatal(err)
		}
		with := []string{names[0], bad, names[2], names[3]}
		if _, err := newJob(t, with, out, kind).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "f0.jsonl.gz") {
			t.Fatalf("%s: %v", what, err)
		}
		if _, err := os.Stat(filepath.Join(out, "_curate", "done")); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s: %v", what, err)
		}
		if s, changes, _, err := newJob(t, []string{names[2], names[3]}, out, kind).Standing(t.Context()); err != nil || s != Grows || changes[0] != "1 new file, 1 done before" {
			t.Errorf("%s: %v, %q, %v", what, s, changes, err)
		}
		sameTree(t, what+", given up", must(out, names[2]), first)
		if _, err := newJob(t, with, out, kind).Run(t.Context()); err == nil {
			t.Fatal("it can be read")
		}
		sameTree(t, what+", left out", must(out, names[2], names[3]), must(filepath.Join(t.TempDir(), "out"), names[2], names[3]))
		if err := os.WriteFile(bad, good, 0o666); err != nil {
			t.Fatal(err)
		}
		sameTree(t, what+", mended", must(out, with...), must(filepath.Join(t.TempDir(), "out"), names[2], names[3], names[0], bad))
	}
}

// TestMakers: a part is known by the identity that the directory had when it got it.
func TestMakers(t *testing.T) {
	dir, names := inputs(t, rand.New(rand.NewPCG(15, 15)), 3, 20)
	out := filepath.Join(dir, "out")
	var ids []string
	for n := range names {
		j := newJob(t, names[:n+1], out)
		if _, err := j.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, _, id, err := j.Standing(t.Context())
		if err != nil || s != Finished {
			t.Fatalf("%v, %v", s, err)
		}
		ids = append(ids, id)
	}
	made, err := Makers(t.Context(), store.NewLocal(nil), out, ids[2])
	if err != nil {
		t.Fatal(err)
	}
	for n, id := range ids {
		if got := made(fmt.Sprintf("%s/part-%05d-00000.jsonl.zst", out, n+1)); got != id {
			t.Errorf("part of file %d: %s, want %s of %v", n+1, got, id, ids)
		}
	}
	for _, name := range []string{"part-00004-00000.jsonl.zst", "part-x", "tokenizer.json", corpus.Done} {
		if got := made(name); got != ids[2] {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestGrowShared: whoever looks at a directory that has grown gives files the numbers that they have there.
func TestGrowShared(t *testing.T) {
	dir, names := inputs(t, rand.New(rand.NewPCG(16, 16)), 3, 20)
	out := filepath.Join(dir, "out")
	for _, given := range [][]string{names[1:2], names} {
		if _, err := newJob(t, given, out).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := newJob(t, names, out).LookShared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range s.Files(0, 1) {
		got = append(got, fmt.Sprint(f.Number, " ", f.Path))
	}
	if want := []string{"1 " + names[1], "2 " + names[0], "3 " + names[2]}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
