package runs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/iotest"

	"curate/stage"
)

// randomRuns are n runs of up to most items each, with equal items within and among them.
func randomRuns(rng *rand.Rand, n, width, most int) (runs [][]byte, all []byte) {
	for range n {
		b := make([]byte, rng.IntN(most+1)*width)
		for i := range b {
			b[i] = byte(rng.IntN(4)) << 6
		}
		Sort(b, width)
		runs = append(runs, b)
		all = append(all, b...)
	}
	return runs, sorted(all, width)
}

func readers(runs [][]byte) []io.Reader {
	in := make([]io.Reader, len(runs))
	for i, b := range runs {
		in[i] = bytes.NewReader(b)
	}
	return in
}

func TestMerge(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		width := []int{1, 3, 8, 12, 28}[rng.IntN(5)]
		runs, want := randomRuns(rng, rng.IntN(20), width, 400)
		in := readers(runs)
		for i := range in {
			if i%2 == 1 {
				in[i] = iotest.DataErrReader(iotest.HalfReader(in[i]))
			}
		}
		var got bytes.Buffer
		if err := Merge(&got, width, in); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("seed %d: %d runs of items of %d bytes: %d bytes that differ from %d, error %v", seed, len(runs), width, got.Len(), len(want), err)
		}
		// Through the least memory, so that runs are read in many pieces.
		it := NewIterator(readers(runs), width, make([]byte, len(runs)*minBuffer))
		got.Reset()
		if err := copyItems(&got, it, nil); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("seed %d: through small buffers: error %v", seed, err)
		}
		if it.Next() {
			t.Fatal("an item after the end")
		}
	}
}

func TestMergeErrors(t *testing.T) {
	cause := errors.New("cause")
	for name, c := range map[string]struct {
		bad  io.Reader
		want string
	}{
		"not whole":         {strings.NewReader("aabbc"), "run 1: 1 bytes are left behind the last item of 2 bytes"},
		"out of order":      {strings.NewReader("aabbba"), "run 1: item 2 is smaller than the one before it"},
		"cannot be read":    {io.MultiReader(strings.NewReader("aabb"), iotest.ErrReader(cause)), "run 1: cause"},
		"truncated by zstd": {io.MultiReader(strings.NewReader("aabb"), iotest.ErrReader(io.ErrUnexpectedEOF)), "run 1: unexpected EOF"},
	} {
		err := Merge(io.Discard, 2, []io.Reader{strings.NewReader("aazz"), c.bad, strings.NewReader("")})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Out of order where one buffer ends and the next begins.
	long := bytes.Repeat([]byte("bb"), bufferSize)
	at := bufferSize - 2 // a buffer has room for the item before
	copy(long[at:], "aa")
	if err := Merge(io.Discard, 2, []io.Reader{bytes.NewReader(long)}); err == nil || err.Error() != fmt.Sprintf("run 0: item %d is smaller than the one before it", at/2) {
		t.Errorf("at the border of a buffer: %v", err)
	}
	if err := Merge(writeErr{cause}, 2, readers([][]byte{[]byte("aa")})); !errors.Is(err, cause) {
		t.Errorf("a failing writer: %v", err)
	}
	if err := Merge(writeErr{cause}, 2, []io.Reader{bytes.NewReader(bytes.Repeat([]byte("aa"), bufferSize))}); !errors.Is(err, cause) {
		t.Errorf("a failing writer: %v", err)
	}
}

type writeErr struct{ err error }

func (w writeErr) Write([]byte) (int, error) { return 0, w.err }

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

func sealedRuns(runs [][]byte) []stage.Sealed {
	sealed := make([]stage.Sealed, len(runs))
	for i, b := range runs {
		sealed[i] = stage.Sealed{Size: int64(len(b)), Data: inMemory{bytes.NewReader(b)}}
	}
	return sealed
}

// TestRanges: all ranges one behind the other are all items, and no prefix lies in two.
func TestRanges(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		width := []int{2, 9, 28}[rng.IntN(3)]
		prefix := min(8, width)
		runs, want := randomRuns(rng, rng.IntN(8), width, 200)
		sealed := sealedRuns(runs)
		ranges := Uniform(1 + rng.IntN(20))
		var got, last []byte
		for _, r := range ranges {
			it, err := Open(sealed, width, r, nil)
			if err != nil {
				t.Fatal(err)
			}
			first := true
			for it.Next() {
				if first && last != nil && bytes.Equal(last[:prefix], it.Item()[:prefix]) {
					t.Fatalf("seed %d: prefix %x lies in two ranges", seed, last[:prefix])
				}
				first, last = false, slices.Clone(it.Item())
				got = append(got, last...)
			}
			if it.Err() != nil {
				t.Fatal(it.Err())
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %d ranges of %d runs: %d bytes that differ from %d", seed, len(ranges), len(runs), len(got), len(want))
		}
	}
}

func TestOpenErrors(t *testing.T) {
	good := stage.Sealed{Size: 4, Data: inMemory{bytes.NewReader([]byte("aabb"))}}
	for name, c := range map[string]struct {
		bad  stage.Sealed
		r    Range
		want string
	}{
		"not whole":         {stage.Sealed{Size: 3, Data: good.Data}, Range{}, "run 1: its 3 bytes are no whole items of 2 bytes"},
		"shorter than said": {stage.Sealed{Size: 8, Data: good.Data}, Range{}, "run 1: ends 4 bytes early: unexpected EOF"},
		"search beyond end": {stage.Sealed{Size: 8, Data: good.Data}, Range{From: []byte("x")}, "run 1: at byte 4: unexpected EOF"},
		"not sorted": {stage.Sealed{Size: 8, Data: inMemory{bytes.NewReader([]byte("zzaabbcc"))}}, Range{},
			"run 1: item 1 is smaller than the one before it"},
	} {
		it, err := Open([]stage.Sealed{good, c.bad}, 2, c.r, nil)
		if err == nil {
			for it.Next() {
			}
			err = it.Err()
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnsortedIsFound: whoever reads all ranges of runs of which one is not sorted is told so.
func TestUnsortedIsFound(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		b := make([]byte, 8*(2+rng.IntN(200)))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		Sort(b, 8)
		i, k := 8*rng.IntN(len(b)/8), 8*rng.IntN(len(b)/8)
		if bytes.Equal(b[i:i+8], b[k:k+8]) {
			continue
		}
		x, y := slices.Clone(b[i:i+8]), slices.Clone(b[k:k+8])
		copy(b[i:], y)
		copy(b[k:], x)
		found := false
		sealed := sealedRuns([][]byte{b})
		for _, r := range Uniform(1 + rng.IntN(10)) {
			it, err := Open(sealed, 8, r, nil)
			if err != nil {
				found = true
				break
			}
			for it.Next() {
			}
			found = found || it.Err() != nil
		}
		if !found {
			t.Fatalf("seed %d: items %d and %d of %d are exchanged and nobody is told", seed, i/8, k/8, len(b)/8)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	const width, items = 28, 1_000_000
	for _, k := range []int{2, 16, 128} {
		b.Run(fmt.Sprint("runs=", k), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 0))
			runs := make([][]byte, k)
			for i := range runs {
				runs[i] = make([]byte, items/k*width)
				for j := range runs[i] {
					runs[i][j] = byte(rng.Uint32())
				}
				Sort(runs[i], width)
			}
			b.SetBytes(int64(k * len(runs[0])))
			for b.Loop() {
				if err := Merge(io.Discard, width, readers(runs)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// asked counts the reads of a run.
type asked struct {
	inMemory
	n *int
}

func (a asked) ReadAt(p []byte, off int64) (int, error) { *a.n++; return a.inMemory.ReadAt(p, off) }

// TestSearchReads: a bound among digests is found in a few reads, and among any other items in not many more than a
// binary search has.
func TestSearchReads(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	const width, items = 16, 400_000
	for name, c := range map[string]struct {
		most int
		key  func(i int) uint64
	}{
		"digests":            {3, func(int) uint64 { return rng.Uint64() }},
		"one after another":  {30, func(i int) uint64 { return uint64(i) }},
		"all the same":       {30, func(int) uint64 { return 7 }},
		"most small":         {30, func(int) uint64 { return uint64(math.Exp(rng.Float64() * 44)) }},
		"two far away":       {30, func(i int) uint64 { return uint64(i%2) << 63 }},
		"all but the end":    {30, func(i int) uint64 { return uint64(i) / (items - 1) * math.MaxUint64 }},
		"a gap, and digests": {30, func(i int) uint64 { return rng.Uint64() | 1<<63 }},
	} {
		run := make([]byte, items*width)
		for i := range items {
			binary.BigEndian.PutUint64(run[i*width:], c.key(i))
			binary.BigEndian.PutUint64(run[i*width+8:], rng.Uint64())
		}
		Sort(run, width)
		reads, most := 0, 0
		sealed := stage.Sealed{Size: int64(len(run)), Data: asked{inMemory{bytes.NewReader(run)}, &reads}}
		for range 200 {
			bound := slices.Clone(run[rng.IntN(items)*width:][:1+rng.IntN(width)])
			if rng.IntN(2) == 0 {
				bound = binary.BigEndian.AppendUint64(nil, rng.Uint64())
			}
			reads = 0
			got, err := search(&sealed, width, make([]byte, searchBlock), bound)
			if err != nil {
				t.Fatal(err)
			}
			want := int64(sort.Search(items, func(i int) bool { return bytes.Compare(run[i*width:(i+1)*width], bound) >= 0 })) * width
			if got != want {
				t.Fatalf("%s: %x is at %d, want %d", name, bound, got, want)
			}
			most = max(most, reads)
		}
		t.Logf("%s: %d reads at most", name, most)
		if most > c.most {
			t.Errorf("%s: %d reads", name, most)
		}
	}
}
