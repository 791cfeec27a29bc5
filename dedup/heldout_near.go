package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
)

// NearHeldOut is a set of texts that must not be trained on, nor what is similar to one of them. It knows them by their
// sets of shingles and compares exactly, so it misses none (see nearSets). It is immutable.
type NearHeldOut struct {
	scheme    *Scheme
	threshold uint32
	near      *nearSets
	documents int
	sum       string
}

// nearShingleBytes and nearDocumentBytes are what a shingle and a document take while the set is made, in bytes: the shingle
// twice, in slices that grow, and a fifth of them with a posting and the table above it.
const (
	nearShingleBytes  = 40
	nearDocumentBytes = 64
)

// NearHeldOutBuilder collects texts. It is for one goroutine.
type NearHeldOutBuilder struct {
	h       *NearHeldOut
	sets    []uint64
	ends    []int
	scratch Scratch
	sum     hash.Hash
	raw     []byte
	size    int64
}

// NewNearHeldOutBuilder begins. Texts are similar from the threshold on, 0 for DefaultThreshold, by the shingles of a scheme.
func NewNearHeldOutBuilder(scheme string, threshold float64) (*NearHeldOutBuilder, error) {
	if threshold == 0 {
		threshold = DefaultThreshold
	}
	if !(threshold >= 1.0/million && threshold <= 1) {
		return nil, fmt.Errorf("threshold %v is no similarity; it lies above 0 and is at most 1", threshold)
	}
	s, err := LookupScheme(scheme)
	if err != nil {
		return nil, err
	}
	return &NearHeldOutBuilder{h: &NearHeldOut{scheme: s, threshold: uint32(math.Round(threshold * million))}, sum: sha256.New()}, nil
}

// Add takes in a text.
func (b *NearHeldOutBuilder) Add(text []byte) {
	from := len(b.sets)
	b.scratch.reserve(text)
	b.sets = b.h.scheme.Shingles(b.sets, text, &b.scratch)
	b.sets = b.sets[:from+len(Set(b.sets[from:]))]
	b.ends = append(b.ends, len(b.sets))
	b.size += nearDocumentBytes + int64(len(b.sets)-from)*nearShingleBytes
	b.raw = binary.LittleEndian.AppendUint64(b.raw[:0], uint64(len(b.sets)-from))
	for _, v := range b.sets[from:] {
		b.raw = binary.LittleEndian.AppendUint64(b.raw, v)
	}
	b.sum.Write(b.raw)
}

// Size is about how much memory the set takes, in bytes.
func (b *NearHeldOutBuilder) Size() int64 { return b.size }

// Set is what was collected. The builder is used up.
func (b *NearHeldOutBuilder) Set() *NearHeldOut {
	b.h.documents = len(b.ends)
	b.h.near = newNearSets(b.sets, b.ends, b.h.threshold, true)
	b.h.sum = hex.EncodeToString(b.sum.Sum(nil))
	h := b.h
	*b = NearHeldOutBuilder{}
	return h
}

// nearScratch is memory of a worker.
type nearScratch struct {
	scratch    Scratch
	shingles   []uint64
	candidates []uint32
}

// has says whether a text is similar to one of the set.
func (h *NearHeldOut) has(text []byte, w *nearScratch) bool {
	w.scratch.reserve(text)
	w.shingles = Set(h.scheme.Shingles(w.shingles[:0], text, &w.scratch))
	w.candidates = h.near.candidates(w.candidates[:0], w.shingles)
	near := false
	for _, i := range w.candidates {
		if near = h.near.similarity(i, w.shingles) > 0; near {
			break
		}
	}
	if len(text) > scratchLimit || 8*(cap(w.shingles)+cap(w.candidates)) > scratchLimit {
		*w = nearScratch{}
	}
	return near
}
