package dedup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cespare/xxhash/v2"

	"curate/record"
)

type dropOf struct{ dropped, kept record.ID }

// randomDecisions drop n records of several files, some runs of them without a gap.
func randomDecisions(rng *rand.Rand, n int) []dropOf {
	ds := make([]dropOf, 0, n)
	id := record.ID(0)
	for range n {
		switch rng.IntN(4) {
		case 0:
			id++
		case 1:
			id += record.ID(rng.IntN(1 << 20))
		default:
			id += record.ID(rng.IntN(5000))
		}
		if id++; rng.IntN(1000) == 0 {
			id = record.MakeID(id.File()+1+rng.IntN(3), 0)
		}
		kept := record.ID(rng.Uint64N(maxID))
		if kept == id {
			kept++
		}
		ds = append(ds, dropOf{id, kept})
	}
	return ds
}

func written(t testing.TB, ds []dropOf) []byte {
	t.Helper()
	var b bytes.Buffer
	w := newDecisionsWriter(&b, columnsExact)
	for _, d := range ds {
		if err := w.add(d.dropped, Decision{Kept: d.kept}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withColumns writes random values of the columns for the records of ds, and says what they are.
func withColumns(t testing.TB, rng *rand.Rand, c columns, ds []dropOf) (file []byte, found []Decision, buckets [][]uint64) {
	t.Helper()
	var b bytes.Buffer
	w := newDecisionsWriter(&b, c)
	for _, d := range ds {
		var f Decision
		var list []uint64
		if c&columnKept != 0 {
			f.Kept = d.kept
			if c&columnCluster != 0 && rng.IntN(2) == 0 {
				f.Kept = d.dropped
			}
		}
		if c&columnSimilarity != 0 {
			f.Similarity = []uint32{0, rng.Uint32N(million), million}[rng.IntN(3)]
		}
		if c&columnCluster != 0 {
			f.Cluster = record.ID(rng.Uint64N(uint64(d.dropped) + 1))
		}
		if c&columnBuckets != 0 {
			for range []int{1, 20, 1 + rng.IntN(maxBuckets)}[rng.IntN(3)] {
				list = append(list, rng.Uint64())
			}
		}
		if err := w.add(d.dropped, f, list); err != nil {
			t.Fatal(err)
		}
		found, buckets = append(found, f), append(buckets, list)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), found, buckets
}

// TestDecisionsColumns: every column says what was written, for records in order and anywhere, or that it is damaged.
func TestDecisionsColumns(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, c := range []columns{columnsExact, columnsMinHash, columnsCandidates} {
		ds := randomDecisions(rng, blockPairs+500)
		file, found, buckets := withColumns(t, rng, c, ds)
		look := func(file []byte, order []int) error {
			d, err := openColumns(bytes.NewReader(file), int64(len(file)), c)
			if err != nil {
				return err
			}
			cursor := d.NewCursor()
			for _, i := range order {
				if c == columnsCandidates {
					got, known, err := cursor.Buckets(ds[i].dropped)
					if err != nil {
						return err
					}
					if !known || !slices.Equal(got, buckets[i]) {
						t.Fatalf("seed %d: record %d is in buckets %v, want %v", seed, ds[i].dropped, got, buckets[i])
					}
					continue
				}
				got, known, err := cursor.Lookup(ds[i].dropped)
				if err != nil {
					return err
				}
				if !known || got != found[i] {
					t.Fatalf("seed %d: record %d: %+v, want %+v", seed, ds[i].dropped, got, found[i])
				}
			}
			return nil
		}
		up := make([]int, len(ds))
		for i := range up {
			up[i] = i
		}
		if err := errors.Join(look(file, up), look(file, rng.Perm(len(ds))[:300])); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			bad := slices.Clone(file)
			bit := rng.IntN(8 * len(bad))
			bad[bit/8] ^= 1 << (bit % 8)
			if err := look(bad, up); err == nil {
				t.Fatalf("seed %d, columns %d: bit %d flipped, and nothing is noticed", seed, c, bit)
			}
		}
		for _, other := range []columns{columnsExact, columnsMinHash, columnsCandidates} {
			if _, err := openColumns(bytes.NewReader(file), int64(len(file)), other); (err == nil) != (other == c) {
				t.Errorf("columns %d opened as %d: %v", c, other, err)
			}
		}
	}
}

func opened(t testing.TB, b []byte) *Decisions {
	t.Helper()
	d, err := OpenDecisions(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecisions(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{0, 1, 2, blockPairs - 1, blockPairs, blockPairs + 1, 3*blockPairs + 77} {
		ds := randomDecisions(rng, n)
		d := opened(t, written(t, ds))
		if d.Len() != int64(n) {
			t.Errorf("%d records, want %d", d.Len(), n)
		}
		look := func(c *Cursor, i int) error {
			found, ok, err := c.Lookup(ds[i].dropped)
			if err != nil || !ok || found.Kept != ds[i].kept {
				return fmt.Errorf("record %d: %d, %v, %v; want %d", ds[i].dropped, found.Kept, ok, err, ds[i].kept)
			}
			// The IDs on both sides, if they are others'.
			for _, id := range []record.ID{ds[i].dropped - 1, ds[i].dropped + 1} {
				_, want := slices.BinarySearchFunc(ds, id, func(d dropOf, id record.ID) int { return int(int64(d.dropped) - int64(id)) })
				if _, ok, err := c.Lookup(id); ok != want || err != nil {
					return fmt.Errorf("record %d, next to one: %v, %v; want %v", id, ok, err, want)
				}
			}
			return nil
		}
		var wg sync.WaitGroup
		for worker := range 4 { // ascending, descending, anywhere
			order := rng.Perm(n)
			wg.Go(func() {
				c := d.NewCursor()
				for i := range n {
					switch worker {
					case 1:
						i = n - 1 - i
					case 2:
						i = order[i]
						if i%5 > 0 { // few, since each reads a block
							continue
						}
					}
					if err := look(c, i); err != nil {
						t.Errorf("seed %d: %v", seed, err)
						return
					}
				}
			})
		}
		wg.Wait()
		c := d.NewCursor()
		for _, id := range []record.ID{0, 1<<63 - 1} {
			if _, ok, err := c.Lookup(id); err != nil || ok && (n == 0 || id != ds[0].dropped) {
				t.Errorf("record %d: %v, %v", id, ok, err)
			}
		}
	}
}

func TestDecisionsOrder(t *testing.T) {
	w := newDecisionsWriter(io.Discard, columnsExact)
	for i := range record.ID(blockPairs) {
		if err := w.add(i+5, Decision{Kept: i}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if err := w.add(blockPairs+4, Decision{Kept: 1}, nil); err == nil || !strings.Contains(err.Error(), "record 4100 is decided after record 4100") {
		t.Errorf("a record dropped twice: %v", err)
	}
}

// TestDecisionsDamaged flips every bit that matters, and cuts the file anywhere: an error, never another answer.
func TestDecisionsDamaged(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	ds := randomDecisions(rng, blockPairs+300)
	good := written(t, ds)
	all := func(b []byte) error {
		d, err := OpenDecisions(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		c := d.NewCursor()
		for _, want := range ds {
			found, ok, err := c.Lookup(want.dropped)
			if err != nil {
				return err
			}
			if !ok || found.Kept != want.kept {
				t.Fatalf("seed %d: another answer for record %d: %v, %v", seed, want.dropped, found.Kept, ok)
			}
		}
		return nil
	}
	if err := all(good); err != nil {
		t.Fatal(err)
	}
	tail := 2*indexWidth + footerWidth
	for n := range tail*8 + 400 {
		b := slices.Clone(good)
		bit := len(b)*8 - 1 - n
		if n >= tail*8 {
			bit = rng.IntN(len(b) * 8)
		}
		b[bit/8] ^= 1 << (bit % 8)
		if err := all(b); err == nil {
			t.Fatalf("seed %d: bit %d flipped, and nothing is noticed", seed, bit)
		} else if !errors.Is(err, ErrDecisions) && !strings.Contains(err.Error(), "this program reads version 1") {
			t.Fatalf("seed %d: bit %d flipped: %v", seed, bit, err)
		}
	}
	for _, n := range []int{0, 1, footerWidth - 1, footerWidth, len(good) - footerWidth, len(good) - 1} {
		if err := all(good[:n]); !errors.Is(err, ErrDecisions) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	d := opened(t, good)
	d.r = bytes.NewReader(good[:100]) // it shrank after it was opened
	if _, _, err := d.NewCursor().Lookup(ds[0].dropped); !errors.Is(err, ErrDecisions) {
		t.Errorf("a file that shrank: %v", err)
	}
}

// FuzzDecisions: whatever the bytes are, with checksums made right, there are answers or errors, no panics and no
// more memory than the file has bytes; and answers do not depend on the order of questions.
func FuzzDecisions(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, n := range []int{0, 1, 5, blockPairs + 3} {
		f.Add(written(f, randomDecisions(rng, n)))
	}
	for _, c := range []columns{columnsMinHash, columnsCandidates} {
		for _, n := range []int{1, 7} {
			b, _, _ := withColumns(f, rng, c, randomDecisions(rng, n))
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = slices.Clone(b)
		mend(b)
		d, err := openColumns(bytes.NewReader(b), int64(len(b)), columnsExact, columnsMinHash, columnsCandidates)
		if err != nil {
			return
		}
		up := d.NewCursor()
		for i := range d.index {
			first := d.index[i].first
			if err := up.load(i); err != nil {
				if !errors.Is(err, ErrDecisions) {
					t.Fatal(err)
				}
				continue
			}
			ids := slices.Clone(up.ids)
			if !slices.IsSorted(ids) || ids[0] != first || ids[len(ids)-1] > maxID {
				t.Fatalf("block %d holds %v", i, ids)
			}
			for _, id := range []record.ID{first, ids[len(ids)/2], ids[len(ids)-1], ids[len(ids)-1] + 1} {
				a, okA, errA := up.Lookup(id)
				b, okB, errB := d.NewCursor().Lookup(id)
				if a != b || okA != okB || (errA == nil) != (errB == nil) {
					t.Fatalf("record %d: %v %v %v, and with a new cursor %v %v %v", id, a, okA, errA, b, okB, errB)
				}
				if d.columns != columnsCandidates {
					continue
				}
				if list, ok, err := up.Buckets(id); ok != okA || err == nil && ok == (len(list) == 0) {
					t.Fatalf("record %d: buckets %v, %v, %v", id, list, ok, err)
				}
			}
		}
	})
}

// mend makes the checksums right where the rest allows it, so that fuzzing gets behind them.
func mend(b []byte) {
	if len(b) < footerWidth {
		return
	}
	le := binary.LittleEndian
	footer := b[len(b)-footerWidth:]
	copy(footer[footerWidth-len(decisionsMagic):], decisionsMagic)
	blocks := le.Uint64(footer)
	if blocks > uint64(len(b)-footerWidth)/indexWidth {
		return
	}
	index := b[len(b)-footerWidth-int(blocks)*indexWidth : len(b)-footerWidth]
	end := uint64(len(b) - footerWidth - len(index))
	for i := int(blocks) - 1; i >= 0; i-- {
		e := index[i*indexWidth:]
		at := le.Uint64(e[8:])
		if at > end {
			return
		}
		le.PutUint64(e[16:], xxhash.Sum64(b[at:end]))
		end = at
	}
	le.PutUint64(footer[32:], xxhash.Sum64(b[len(b)-footerWidth-len(index):len(b)-16]))
}

// BenchmarkLookup asks for every record of a file in order, of which one of ten is dropped.
func BenchmarkLookup(b *testing.B) {
	const n = 1_000_000
	rng := rand.New(rand.NewPCG(1, 0))
	var ds []dropOf
	for i := range n {
		if rng.IntN(10) == 0 {
			ds = append(ds, dropOf{record.MakeID(1, int64(i)*5000), record.ID(i / 2)})
		}
	}
	d := opened(b, written(b, ds))
	for b.Loop() {
		c := d.NewCursor()
		hits := 0
		for i := range n {
			if _, ok, err := c.Lookup(record.MakeID(1, int64(i)*5000)); err != nil {
				b.Fatal(err)
			} else if ok {
				hits++
			}
		}
		if hits != len(ds) {
			b.Fatalf("%d found, want %d", hits, len(ds))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}
