package dedup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"curate/record"
	"curate/stage"
)

// appendEntry is an entry as the page says.
func appendEntry(dst []byte, id record.ID, length uint32, buckets, shingles []uint64) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, uint64(id))
	dst = le.AppendUint32(dst, length)
	dst = le.AppendUint32(dst, uint32(len(shingles)))
	dst = le.AppendUint16(dst, uint16(len(buckets)))
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint64(dst, uint64(math.MaxUint32-length))
	dst = le.AppendUint64(dst, sourceNumber([]byte("input-1")))
	for _, v := range slices.Concat(buckets, shingles) {
		dst = le.AppendUint64(dst, v)
	}
	return dst
}

// headed is what is sealed of entries.
func headed(entries []byte) []byte {
	s := sources{}
	_ = s.add(sourceNumber([]byte("input-1")), []byte("input-1"), 7, 1)
	return append(s.appendHead(nil), entries...)
}

// randomSet has n values of a small range, so that sets have some in common.
func randomSet(rng *rand.Rand, n int) []uint64 {
	set := make([]uint64, 0, n)
	for v := uint64(0); len(set) < n; {
		v += 1 + rng.Uint64N(3)
		set = append(set, v)
	}
	return set
}

func sealedBytes(b []byte) stage.Sealed {
	return stage.Sealed{Size: int64(len(b)), Data: inMemory{bytes.NewReader(b)}}
}

// TestCommon compares sets that are held whole and read in pieces with Intersection.
func TestCommon(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	var sets [][]uint64
	var files [2][]byte
	for i := range 60 {
		sets = append(sets, randomSet(rng, 1+rng.IntN([]int{3, 12, 300, 3000}[i%4])))
		files[i%2] = appendEntry(files[i%2], record.ID(i), 1, []uint64{7}, sets[i])
	}
	for _, large := range []int{1, 7, 100, 5000} {
		m := mustMinHash(t, MinHashConfig{Threshold: 0.000001})
		m.largeSet = large
		docs, err := m.scan(t.Context(), []stage.Sealed{sealedBytes(files[0]), sealedBytes(files[1])}, 1<<30, nil)
		if err != nil {
			t.Fatal(err)
		}
		v := m.newVerifier(docs)
		for range 2000 {
			a, b := uint32(rng.IntN(len(sets))), uint32(rng.IntN(len(sets)))
			want := millionths(Intersection(sets[a], sets[b]), len(sets[a]), len(sets[b]))
			if got, err := v.similarity(a, b); err != nil || got != want {
				t.Fatalf("pieces of %d: sets %d and %d: %d, error %v; want %d", large, a, b, got, err, want)
			}
		}
	}
}

// TestScan: the documents of several files in the order of their IDs, with their buckets; and no more of them than
// memory allows.
func TestScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	files := make([][]byte, 5)
	var want []string
	for i := range columnChunk + 3000 {
		id := record.MakeID(1+i/1000, int64(i))
		buckets := []uint64{rng.Uint64(), rng.Uint64(), rng.Uint64()}[:1+rng.IntN(3)]
		f := rng.IntN(len(files))
		files[f] = appendEntry(files[f], id, uint32(i), buckets, randomSet(rng, 1+rng.IntN(20)))
		for _, b := range buckets {
			want = append(want, fmt.Sprint(i, b))
		}
	}
	var sealed []stage.Sealed
	for _, f := range files {
		sealed = append(sealed, sealedBytes(f))
	}
	m := mustMinHash(t, MinHashConfig{Keep: "longest"})
	var got []string
	docs, err := m.scan(t.Context(), sealed, 1<<30, func(bucket uint64, doc uint32) error {
		got = append(got, fmt.Sprint(doc, bucket))
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%d buckets, error %v; want %d", len(got), err, len(want))
	}
	for i := range uint32(docs.ids.n) {
		if *docs.ids.at(i) != record.MakeID(1+int(i)/1000, int64(i)) || docs.order(i) != math.MaxUint32-uint64(i) {
			t.Fatalf("document %d: record %d, %d bytes", i, *docs.ids.at(i), math.MaxUint32-docs.order(i))
		}
	}
	_, err = m.scan(t.Context(), sealed, 1<<20, nil)
	if want := "35768 documents are candidates, and to hold them takes 2MiB: give --memory at least 2MiB more"; err == nil || err.Error() != want {
		t.Errorf("in 1 MiB: %v", err)
	}
	if _, err := m.scan(t.Context(), append(sealed, sealed[0]), 1<<30, nil); err == nil || err.Error() != fmt.Sprintf("record %d was sealed twice", first(t, files[0])) {
		t.Errorf("a file twice: %v", err)
	}
}

func first(t *testing.T, sealed []byte) record.ID {
	e, err := decodeEntry(sealed, 8)
	if err != nil {
		t.Fatal(err)
	}
	return e.id
}

// FuzzSets: whatever the bytes are, Merge, scan and a comparison answer with ErrSets or agree; and no memory beyond
// the file's size is taken on the word of a header.
func FuzzSets(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 0))
	good := appendEntry(nil, 3, 40, []uint64{1, 2}, randomSet(rng, 9))
	good = appendEntry(good, 1<<41, 1, []uint64{2}, randomSet(rng, 1))
	good = appendEntry(good, 1<<41+7, 1<<31, []uint64{1, 9, 11}, randomSet(rng, 30))
	good = headed(good)
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(headed(appendEntry(nil, 1, 1, []uint64{1}, []uint64{5, 4, 3, 2, 1, 0})))
	f.Add(headed(nil)[:20])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := NewMinHash(MinHashConfig{Threshold: 0.000001})
		if err != nil {
			t.Fatal(err)
		}
		m.largeSet = 4
		var merged bytes.Buffer
		mergeErr := (&verification{m}).Merge(&merged, []io.Reader{bytes.NewReader(b)})
		if mergeErr == nil && !bytes.Equal(merged.Bytes(), b) {
			t.Fatalf("Merge of one file gives others: %d bytes of %d", merged.Len(), len(b))
		}
		entries, _, err := openHeads([]stage.Sealed{sealedBytes(b)})
		if err != nil {
			if mergeErr == nil || !errors.Is(err, ErrSets) && !errors.Is(err, errSources) {
				t.Fatalf("error %v, and of Merge %v", err, mergeErr)
			}
			return
		}
		b = b[len(b)-int(entries[0].Size):]
		docs, err := m.scan(t.Context(), entries, 1<<30, func(uint64, uint32) error { return nil })
		for _, err := range []error{err, mergeErr} {
			if err != nil && !errors.Is(err, ErrSets) && err.Error() != fmt.Sprintf("record %d was sealed twice", lastID(b)) {
				t.Fatal(err)
			}
		}
		if err != nil {
			return
		}
		if mergeErr != nil {
			t.Fatalf("scan takes what Merge does not: %v", mergeErr)
		}
		v := m.newVerifier(docs)
		for i := range uint32(docs.ids.n) {
			for j := range i {
				s, err := v.similarity(i, j)
				if err != nil && !errors.Is(err, ErrSets) || s > million {
					t.Fatalf("similarity %d, error %v", s, err)
				}
				if back, err2 := v.similarity(j, i); err == nil && err2 == nil && back != s {
					t.Fatalf("similarity %d, and the other way round %d", s, back)
				}
			}
		}
	})
}

// lastID is the ID of an entry with the ID of the one before it; 0 if there is none.
func lastID(b []byte) record.ID {
	last, begun := record.ID(0), false
	for len(b) >= entryHeader {
		e, err := decodeEntry(b, 8)
		if err != nil || begun && e.id == last {
			return last
		}
		last, begun = e.id, true
		b = b[min(int64(len(b)), e.size()):]
	}
	return 0
}
