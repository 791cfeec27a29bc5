package corpus

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/corpus/split"
	"curate/corpus/store"
)

// TestCut: each split of a file begins where a reader of the whole file comes to it, and those that the reader never sees are not
// there.
func TestCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	st := store.NewLocal(nil)
	dir := t.TempDir()
	for i := range 300 {
		size := int64(1 + rng.IntN(60))
		var b bytes.Buffer
		for range rng.IntN(12) {
			fmt.Fprintf(&b, "%s\n", strings.Repeat("x", rng.IntN(1+int(size)*rng.IntN(4))))
		}
		if rng.IntN(2) == 0 {
			b.WriteString(strings.Repeat("y", rng.IntN(90)))
		}
		if rng.IntN(3) == 0 && b.Len() > 0 { // the file ends where a split does
			b.WriteString(strings.Repeat("\n", int((size-int64(b.Len())%size)%size)))
		}
		name := filepath.Join(dir, fmt.Sprintf("%d.jsonl", i))
		if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		m, err := Expand(t.Context(), st, []string{name})
		if err != nil {
			t.Fatal(err)
		}
		f := m.Files[0]
		o := OpenOptions{Options: split.Options{SplitSize: size, ChunkSize: 4 << 10, MaxRecord: 1 << 20}, MaxWindow: 8 << 20}
		src, err := Open(t.Context(), st, f, o)
		if err != nil {
			t.Fatal(err)
		}
		starts := map[int]int64{}
		for {
			var c split.Chunk
			if err := src.Next(t.Context(), &c); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if _, seen := starts[c.Split]; !seen {
				starts[c.Split] = c.Offset
			}
		}
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
		cut, err := CutOf(t.Context(), st, f, o)
		if err != nil || !cut.ByLines {
			t.Fatal(cut, err)
		}
		for k := range cut.N {
			from, there, err := cut.Start(t.Context(), st, f, size, k)
			want, is := starts[k]
			if err != nil || there != is || is && from.Offset != want {
				t.Fatalf("seed %d, %q in splits of %d: split %d at %d, %v, %v; want %d, %v", seed, b.String(), size, k, from.Offset, there, err, want, is)
			}
			delete(starts, k)
		}
		if len(starts) > 0 {
			t.Fatalf("seed %d, %q in splits of %d: more splits: %v", seed, b.String(), size, starts)
		}
	}

	// What cannot be read from the middle: by its name, and by what is in it.
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte("{}\n{}\n"))
	w.Close()
	for _, name := range []string{"a.jsonl.gz", "b.jsonl"} {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, z.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		m, err := Expand(t.Context(), st, []string{name})
		if err != nil {
			t.Fatal(err)
		}
		if cut, err := CutOf(t.Context(), st, m.Files[0], OpenOptions{Options: split.Options{SplitSize: 1}}); err != nil || cut.N != 0 {
			t.Errorf("%s: %+v, %v", name, cut, err)
		}
	}
}
