package index

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/dedup"
)

// TestCut: wherever writing fails, the index has what it had or what is to stay, and repeated nothing else is there.
func TestCut(t *testing.T) {
	st := store.NewLocal(nil)
	build := func(generations int) string {
		dir := t.TempDir()
		for i, texts := range [][]string{first, second, {"m n o p q r s t u"}}[:generations] {
			if _, err := run(t.Context(), st, dir, fmt.Sprint(i), texts); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for stays := range 4 {
		want := contents(t, build(stays))
		for nth := 1; ; nth++ {
			dir := build(3)
			disk := storetest.NewFaulty(nil, nth, storetest.NoSpace)
			err := Cut(t.Context(), store.NewLocal(disk), dir, stays)
			if !disk.Fired() {
				if err != nil || nth < 5 && 0 < stays && stays < 3 { // nothing is written where all stays or goes
					t.Errorf("%d stay: %d operations, %v", stays, nth, err)
				}
				break
			}
			f, err := Open(t.Context(), st, dir)
			if err != nil {
				t.Fatalf("%d stay, fault at %s: %v", stays, disk.Hit(), err)
			}
			if n := len(f.Manifest.Generations); n != 3 && n != stays {
				t.Errorf("%d stay, fault at %s: %d generations", stays, disk.Hit(), n)
			}
			if err := Cut(t.Context(), st, dir, stays); err != nil {
				t.Fatalf("%d stay, fault at %s: %v", stays, disk.Hit(), err)
			}
			if now := contents(t, dir); !maps.Equal(now, want) {
				t.Fatalf("%d stay, fault at %s: other files: %v", stays, disk.Hit(), slices.Sorted(maps.Keys(now)))
			}
		}
	}
}

// TestAt: a run in its place is compared with what was before that, as Grow finds it, and is known where the index has it there.
func TestAt(t *testing.T) {
	st, dir := store.NewLocal(nil), t.TempDir()
	for i, texts := range [][]string{first, second} {
		if _, err := run(t.Context(), st, dir, fmt.Sprint(i), texts); err != nil {
			t.Fatal(err)
		}
	}
	f := verified(t, dir)
	runOf := func(name string) Run {
		return Run{Config: []byte("{}"), Inputs: []byte(name), Files: []dedup.OriginFile{{Number: 1, Path: name}}}
	}
	for _, c := range []struct {
		name    string
		place   int
		already bool
		before  int64 // documents
	}{{"0", 0, true, 0}, {"1", 0, false, 0}, {"1", 1, true, 2}, {"0", 1, false, 2}, {"2", 2, false, 4}} {
		u, err := f.At(t.Context(), runOf(c.name), c.place)
		if err != nil {
			t.Fatal(err)
		}
		look, err := f.LookAt(runOf(c.name), c.place)
		if err != nil {
			t.Fatal(err)
		}
		made, err := look.Made(t.Context())
		if err != nil || u.Already != c.already || look.Already != c.already || made != c.already || u.ID != look.ID || u.Index.Documents() != c.before {
			t.Errorf("%s in place %d: already %t and %t, made %t, %d documents before, %v", c.name, c.place, u.Already, look.Already, made, u.Index.Documents(), err)
		}
	}
	if _, err := f.LookAt(runOf("2"), 3); !errors.As(err, new(*Error)) {
		t.Errorf("in a place that there is not: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
