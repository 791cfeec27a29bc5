package memory

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestSorted exports with buffers of all sizes: the same bytes, in order, each key once, and no file left.
func TestSorted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	seed := rand.Uint64()
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := mustOpen(t, "", Options{})
	for range 3000 {
		mustPut(t, s, random(rnd))
	}
	want := export(t, s)
	var all []Entry
	for line := range strings.Lines(want) {
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if len(all) != s.Len() || !slices.IsSortedFunc(all, func(a, b Entry) int { return order(&a, &b) }) {
		t.Fatalf("%d lines of %d keys", len(all), s.Len())
	}
	for i := range all[1:] {
		if all[i].key() == all[i+1].key() {
			t.Fatal("a key is there twice")
		}
	}
	for _, buffer := range []int{1, 500, 5000, 100000, 1 << 20} {
		var got bytes.Buffer
		if err := s.export(&got, buffer); err != nil || got.String() != want {
			t.Fatalf("%d: %v", buffer, err)
		}
	}
	mustClose(t, s)
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

func TestExportBreaks(t *testing.T) {
	s := mustOpen(t, "", Options{})
	for n := range 3000 {
		mustPut(t, s, answer(n))
	}
	r, w := io.Pipe()
	r.CloseWithError(errBroken)
	if err := s.Export(w); err != errBroken {
		t.Error(err)
	}
	t.Setenv("TMPDIR", "/nonexistent")
	if err := s.export(io.Discard, 1000); err == nil {
		t.Error("there is no folder for temporary files")
	}
}

// TestExportIntoItself holds that w may put into the memory it is an export of.
func TestExportIntoItself(t *testing.T) {
	s := mustOpen(t, "", Options{})
	for n := range 3000 {
		mustPut(t, s, answer(n))
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(s.Export(w)) }()
	done, err := s.Import("itself", r, Importer{})
	if err != nil || done.Known != 3000 || s.Len() != 3000 {
		t.Error(done, err)
	}
}
