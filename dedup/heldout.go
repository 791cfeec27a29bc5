package dedup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"curate/stage/runs"
)

// HeldOutPart is the part of documents whose text is in a HeldOut.
const HeldOutPart = "held_out"

// HeldOut is a set of texts that must not be trained on. It knows them by the first 16 bytes of the SHA-256 of their
// exact bytes, and is immutable. With 10^12 texts on either side the chance that it takes one for another is 3·10^-15.
type HeldOut struct {
	digests   []byte // sorted, each once
	documents int64
	sum       string
}

const heldOutWidth = 16

// HeldOutBytes is the memory that a document takes, in bytes, while the set is made: its digest as it came, and sorted.
const HeldOutBytes = 2 * heldOutWidth

// HeldOutBuilder collects texts. It is for one goroutine.
type HeldOutBuilder struct {
	blocks    [][]byte
	documents int64
	limit     int64
}

// heldOutBlock is how many bytes of digests a block has.
const heldOutBlock = heldOutWidth << 12

// NewHeldOutBuilder begins with the texts of a set, or with nothing, and takes in so many documents beside them.
func NewHeldOutBuilder(from *HeldOut, limit int64) *HeldOutBuilder {
	b := &HeldOutBuilder{limit: limit}
	if from != nil {
		b.blocks, b.documents, b.limit = [][]byte{from.digests[:len(from.digests):len(from.digests)]}, from.documents, limit+from.documents
	}
	return b
}

// Full says whether nothing more can be added.
func (b *HeldOutBuilder) Full() bool { return b.documents >= b.limit }

// Add takes in a text.
func (b *HeldOutBuilder) Add(text []byte) error {
	if b.Full() {
		return fmt.Errorf("there are more than %d held-out documents, for whose digests %s of memory were given", b.limit, mebibytes(b.limit*HeldOutBytes))
	}
	last := len(b.blocks) - 1
	if last < 0 || len(b.blocks[last]) == cap(b.blocks[last]) {
		b.blocks = append(b.blocks, make([]byte, 0, heldOutBlock))
		last++
	}
	d := sha256.Sum256(text)
	b.blocks[last] = append(b.blocks[last], d[:heldOutWidth]...)
	b.documents++
	return nil
}

// Set is what was collected. The builder is used up.
func (b *HeldOutBuilder) Set() *HeldOut {
	sorted := runs.SortBlocks(b.blocks, heldOutWidth)
	b.blocks = nil
	h := &HeldOut{digests: sorted[:0], documents: b.documents}
	for at := 0; at < len(sorted); at += heldOutWidth {
		d := sorted[at : at+heldOutWidth]
		if n := len(h.digests); n == 0 || !bytes.Equal(h.digests[n-heldOutWidth:], d) {
			h.digests = append(h.digests, d...)
		}
	}
	sum := sha256.Sum256(h.digests)
	h.sum = hex.EncodeToString(sum[:])
	return h
}

// Documents is how many were added, those with equal texts included.
func (h *HeldOut) Documents() int64 { return h.documents }

// Len is how many different texts there are.
func (h *HeldOut) Len() int { return len(h.digests) / heldOutWidth }

// Has says whether the text is one of them.
func (h *HeldOut) Has(text []byte) bool {
	d := sha256.Sum256(text)
	lo, hi := 0, h.Len()
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		switch c := bytes.Compare(h.digests[mid*heldOutWidth:(mid+1)*heldOutWidth], d[:heldOutWidth]); {
		case c == 0:
			return true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return false
}
