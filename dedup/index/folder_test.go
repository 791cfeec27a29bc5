package index

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/dedup"
	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// run is a deduplication of texts with the index in dir, as the command does it.
func run(ctx context.Context, st store.Store, dir, name string, texts []string) (kept []string, err error) {
	m, err := dedup.NewMinHash(dedup.MinHashConfig{})
	if err != nil {
		return nil, err
	}
	settings, err := m.IndexSettings()
	if err != nil {
		return nil, err
	}
	f, err := Open(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if err := f.Check(settings); err != nil {
		return nil, err
	}
	if err := f.Sweep(ctx); err != nil {
		return nil, err
	}
	u, err := f.Grow(ctx, Run{Config: []byte("{}"), Inputs: []byte(name), Files: []dedup.OriginFile{{Number: 1, Path: name}}})
	if err != nil {
		return nil, err
	}
	stages, err := m.StagesWithIndex(dedup.IndexOptions{Index: u.Index, Grow: &dedup.Growth{Sink: u.Sink()}})
	if err != nil {
		return nil, err
	}
	batch := func() *record.Batch {
		b := &record.Batch{}
		for i, text := range texts {
			b.Append(record.MakeID(1, int64(i)), int64(i+1), fmt.Appendf(nil, `{"text":%q}`, text))
		}
		b.Parse()
		return b
	}
	var before stage.Mapper
	for _, s := range stages {
		r := s.(stage.Reducer)
		b := batch()
		if before != nil {
			if err := before.NewWorker().Map(ctx, b); err != nil {
				return nil, err
			}
		}
		p := r.NewPartial()
		var sealed bytes.Buffer
		if err := errors.Join(r.Key().NewWorker().Map(ctx, b), p.Add(b), p.Seal(&sealed)); err != nil {
			return nil, err
		}
		in := []stage.Sealed{{Size: int64(sealed.Len()), Data: inMemory{bytes.NewReader(sealed.Bytes())}}}
		if before, err = r.Finish(ctx, in, stagetest.NewWorkspace(64<<20, 1)); err != nil {
			return nil, err
		}
	}
	b := batch()
	if err := before.NewWorker().Map(ctx, b); err != nil {
		return nil, err
	}
	for i := range b.Records {
		if b.Records[i].Outcome == record.Keep {
			kept = append(kept, texts[i])
		}
	}
	_, err = u.Commit(ctx)
	return kept, err
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

var (
	first  = []string{"one two three four five six seven", "a b c d e f g h"}
	second = []string{"One two three four five six seven!", "x y z", "X Y Z", "q w e r t y"}
)

// contents are the files below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		all[strings.TrimPrefix(name, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func verified(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := Existing(t.Context(), store.NewLocal(nil), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFaults: wherever writing fails, the index has what it had, or the generation, and the command repeated gives what it
// would have given.
func TestFaults(t *testing.T) {
	want := t.TempDir()
	st := store.NewLocal(nil)
	if _, err := run(t.Context(), st, want, "a", first); err != nil {
		t.Fatal(err)
	}
	kept, err := run(t.Context(), st, want, "b", second)
	if err != nil || len(kept) != 2 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	whole := contents(t, want)
	for nth := 1; ; nth++ {
		dir := t.TempDir()
		if _, err := run(t.Context(), st, dir, "a", first); err != nil {
			t.Fatal(err)
		}
		disk := storetest.NewFaulty(nil, nth, storetest.NoSpace)
		_, err := run(t.Context(), store.NewLocal(disk), dir, "b", second)
		if !disk.Fired() {
			if nth < 10 {
				t.Errorf("only %d operations", nth)
			}
			break
		}
		f := verified(t, dir)
		if n := len(f.Manifest.Generations); n == 2 && err != nil && !strings.Contains(disk.Hit(), ManifestFile) && !strings.Contains(disk.Hit(), "sync") || n == 1 && err == nil {
			t.Errorf("fault at %s: %d generations, %v", disk.Hit(), n, err)
		}
		again, err := run(t.Context(), st, dir, "b", second)
		if err != nil || !slices.Equal(again, kept) {
			t.Fatalf("fault at %s: kept %v, %v", disk.Hit(), again, err)
		}
		if now := contents(t, dir); !maps.Equal(now, whole) {
			t.Fatalf("fault at %s: other files: %v", disk.Hit(), slices.Sorted(maps.Keys(now)))
		}
	}
}

// TestMergeFaults: wherever writing fails, there is no merged index or a whole one, and the command repeated makes it.
func TestMergeFaults(t *testing.T) {
	st, lock := store.NewLocal(nil), func() (func(), error) { return func() {}, nil }
	seen, want := t.TempDir(), t.TempDir()
	for i, texts := range [][]string{first, second} {
		if _, err := run(t.Context(), st, seen, fmt.Sprint(i), texts); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Merge(t.Context(), st, want, []string{seen}, lock); err != nil {
		t.Fatal(err)
	}
	whole := contents(t, want)
	for nth := 1; ; nth++ {
		dir := t.TempDir()
		disk := storetest.NewFaulty(nil, nth, storetest.NoSpace)
		_, err := Merge(t.Context(), store.NewLocal(disk), dir, []string{seen}, lock)
		if !disk.Fired() {
			if nth < 10 || err != nil {
				t.Errorf("%d operations, %v", nth, err)
			}
			return
		}
		if f, err := Open(t.Context(), st, dir); err != nil || !f.Absent && len(f.Manifest.Generations) != 1 {
			t.Errorf("fault at %s: %+v, %v", disk.Hit(), f, err)
		}
		// As a kill leaves it, with a file that was not finished.
		if id := slices.Sorted(maps.Keys(contents(t, dir))); len(id) > 0 && strings.Count(id[0], "/") == 2 {
			if err := os.WriteFile(filepath.Join(dir, strings.Split(id[0], "/")[1], ".keys.curate-tmp"), []byte("half"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Merge(t.Context(), st, dir, []string{seen}, lock); err != nil {
			t.Fatalf("fault at %s: %v", disk.Hit(), err)
		}
		verified(t, dir)
		if now := contents(t, dir); !maps.Equal(now, whole) {
			t.Fatalf("fault at %s: other files: %v", disk.Hit(), slices.Sorted(maps.Keys(now)))
		}
	}
}

func TestChangedMeanwhile(t *testing.T) {
	dir, st := t.TempDir(), store.NewLocal(nil)
	if _, err := run(t.Context(), st, dir, "a", first); err != nil {
		t.Fatal(err)
	}
	f, err := Open(t.Context(), st, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	u, err := f.Grow(t.Context(), Run{Config: []byte("{}"), Inputs: []byte("c")})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Sink().Done(t.Context(), dedup.IndexCounts{}); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), st, dir, "b", second); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "another run has changed the index meanwhile") {
		t.Error(err)
	}
	if n := len(verified(t, dir).Manifest.Generations); n != 2 {
		t.Errorf("%d generations", n)
	}
}

func TestVerifyNames(t *testing.T) {
	dir, st := t.TempDir(), store.NewLocal(nil)
	if _, err := run(t.Context(), st, dir, "a", first); err != nil {
		t.Fatal(err)
	}
	id := verified(t, dir).Manifest.Generations[0].ID
	for _, name := range append(slices.Clone(dataFiles), originsFile) {
		file := filepath.Join(dir, id, name)
		was, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, bad := range map[string][]byte{"changed": append(append(slices.Clone(was[:len(was)/2]), was[len(was)/2]^1), was[len(was)/2+1:]...), "short": was[:len(was)-1], "gone": nil} {
			if bad == nil {
				err = os.Remove(file)
			} else {
				err = os.WriteFile(file, bad, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			f, err := Existing(t.Context(), st, dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Verify(t.Context()); !errors.Is(err, dedup.ErrIndex) || !strings.Contains(err.Error(), id+"/"+name) {
				t.Errorf("%s is %s: %v", name, what, err)
			}
			_ = f.Close()
		}
		if err := os.WriteFile(file, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verified(t, dir)
}

func FuzzManifest(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"format":"curate dedup index","version":2}`, `{"format":"curate dedup index","version":1,"settings":{"method":"exact"},"generations":[]}`,
		`{"format":"curate dedup index","version":1,"settings":{"method":"exact"},"generations":[{"id":"0123456789abcdef","documents":1,"files":{"documents":{"size":1},"ids":{},"keys":{},"sets":{},"origins.json":{}}}]}`,
		`{"format":"curate dedup index","version":1,"settings":{},"generations":[{"id":"../../../../etc/x","documents":0}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parse("index.json", raw)
		if err != nil {
			return
		}
		for _, g := range m.Generations {
			if !isID(g.ID) || g.Documents < 0 {
				t.Fatalf("generation %+v", g)
			}
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse("index.json", b); err != nil {
			t.Fatalf("written again: %v", err)
		}
	})
}
