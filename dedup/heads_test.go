package dedup

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"curate/record"
	"curate/stage"
)

// countedReads counts the reads of a file, and the longest one.
type countedReads struct {
	inMemory
	reads, most *atomic.Int64
}

func (c countedReads) ReadAt(p []byte, off int64) (int, error) {
	c.reads.Add(1)
	for {
		most := c.most.Load()
		if int64(len(p)) <= most || c.most.CompareAndSwap(most, int64(len(p))) {
			return c.inMemory.ReadAt(p, off)
		}
	}
}

// TestHeads: whatever documents are asked for together, each has its own head; what lies near is one read, which is never
// longer than a span.
func TestHeads(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 8))
	var reads, most atomic.Int64
	d := &documents{width: 8}
	type want struct {
		length uint32
		own    string
	}
	var wants []want
	near, far := 0, 0
	for file := range 3 {
		var raw []byte
		for i := range 400 {
			w := want{rng.Uint32(), strings.Repeat("x", rng.IntN(maxSignID+1))}
			d.ids.add(record.MakeID(file, int64(i)))
			d.places.add(uint64(file)<<placeBits | uint64(len(raw)))
			begin := len(raw)
			set := 1 + rng.IntN(20)
			if file == 1 {
				set = 8000 // none is near another
			}
			raw = appendEntry(raw, record.MakeID(file, int64(i)), w.length, randomSet(rng, 1+rng.IntN(20)), nil)
			binary.LittleEndian.PutUint32(raw[begin+12:], uint32(set))
			binary.LittleEndian.PutUint16(raw[begin+18:], uint16(len(w.own)))
			raw = append(raw, w.own...)
			raw = append(raw, make([]byte, 8*set)...)
			wants = append(wants, w)
		}
		s := sealedBytes(raw)
		d.sealed = append(d.sealed, stage.Sealed{Size: s.Size, Data: countedReads{s.Data.(inMemory), &reads, &most}})
	}
	h := heads{docs: d}
	for range 60 {
		var docs []uint32
		for range 1 + rng.IntN(500) {
			docs = append(docs, rng.Uint32N(uint32(len(wants))))
		}
		reads.Store(0)
		if err := h.read(t.Context(), slices.Clone(docs)); err != nil {
			t.Fatal(err)
		}
		for _, doc := range docs {
			got, w := h.of(doc), wants[doc]
			if got.entry.id != *d.ids.at(doc) || got.entry.length != w.length || string(got.own) != w.own {
				t.Fatalf("document %d: %+v, want %d and an id of %d bytes", doc, got.entry, w.length, len(w.own))
			}
		}
		slices.Sort(docs)
		docs = slices.Compact(docs)
		alone := 0
		for _, doc := range docs {
			if d.ids.at(doc).File() == 1 {
				alone++
			}
		}
		far += alone
		near += len(docs) - alone
		if n := int(reads.Load()); n < alone || len(docs) > 200 && n > alone+(len(docs)-alone)/2 {
			t.Fatalf("%d reads of %d documents, of which %d lie alone", n, len(docs), alone)
		}
	}
	if near < 1000 || far < 1000 || most.Load() > headSpan {
		t.Errorf("%d near, %d far, a read of %d bytes", near, far, most.Load())
	}
	*d.ids.at(7) = 1 << 50
	if err := h.read(t.Context(), []uint32{5, 6, 7}); !errors.Is(err, ErrSets) || !strings.Contains(err.Error(), "run 0: at byte") {
		t.Errorf("another record at a place: %v", err)
	}
}
