package dedup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Evidence tells of two documents what their entries begin with. The entries lie all over the sealed files, which may lie on a
// disk that takes its time, or in a bucket. So many heads are read together: in the order in which they lie, what is near
// with one read, and several reads at a time.
const (
	evidenceAtOnce = 512      // pairs whose heads are read together: their own ids are half a MiB at most for each document of the pair
	readsAtOnce    = 16       // goroutines that read, each with a buffer of headSpan
	headSpan       = 64 << 10 // bytes that one read has at most, where it has the heads of several
	headGap        = 16 << 10 // bytes between two heads that are rather read than left out: a disk has read them ahead, a bucket asks for the request
	headRead       = maxHeader + maxSignID
)

// head is what a document's entry begins with.
type head struct {
	doc   uint32
	file  int
	at    int64
	entry entry
	own   []byte // its own id
}

// heads reads those of some documents.
type heads struct {
	docs   *documents
	heads  []head // by document
	byFile []*head
	spans  [][]*head // of byFile: what one read has
}

// read reads the heads of documents, which it sorts.
func (h *heads) read(ctx context.Context, docs []uint32) error {
	slices.Sort(docs)
	docs = slices.Compact(docs)
	h.heads = slices.Grow(h.heads[:0], len(docs))[:len(docs)] // with the ids' memory
	h.byFile, h.spans = h.byFile[:0], h.spans[:0]
	for i, doc := range docs {
		one := &h.heads[i]
		one.doc = doc
		one.file, one.at = h.docs.place(doc)
		h.byFile = append(h.byFile, one)
	}
	slices.SortFunc(h.byFile, func(a, b *head) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.at, b.at)) })
	for rest := h.byFile; len(rest) > 0; {
		n, first := 1, rest[0]
		for ; n < len(rest); n++ {
			last, next := rest[n-1], rest[n]
			if next.file != first.file || next.at-last.at > headRead+headGap || next.at+headRead-first.at > headSpan {
				break
			}
		}
		h.spans = append(h.spans, rest[:n])
		rest = rest[n:]
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(readsAtOnce, len(h.spans)) {
		wg.Go(func() {
			var buf []byte
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(h.spans) {
					return
				}
				if err := h.docs.readSpan(h.spans[i], &buf); err != nil {
					cancel(err) // the first one stays
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// of is the head of a document that was read.
func (h *heads) of(doc uint32) *head {
	i, _ := slices.BinarySearchFunc(h.heads, doc, func(one head, doc uint32) int { return cmp.Compare(one.doc, doc) })
	return &h.heads[i]
}

// readSpan reads the heads of one file that lie within headSpan.
func (d *documents) readSpan(span []*head, buf *[]byte) error {
	first, last := span[0], span[len(span)-1]
	f := d.sealed[first.file]
	n := int(min(last.at+headRead, f.Size) - first.at)
	*buf = slices.Grow((*buf)[:0], n)[:n]
	if err := readSets(f.Data, *buf, first.at); err != nil {
		return fmt.Errorf("run %d: %w", first.file, err)
	}
	for _, h := range span {
		raw := (*buf)[h.at-first.at:]
		var e entry
		err := fmt.Errorf("%w: ends inside a header", ErrSets)
		if len(raw) >= entryHeader {
			e, err = decodeEntry(raw, d.width)
		}
		if err == nil && e.begin() > len(raw) {
			err = fmt.Errorf("%w: ends inside an entry", ErrSets)
		}
		if err == nil && e.id != *d.ids.at(h.doc) {
			err = fmt.Errorf("%w: record %d stands where record %d was", ErrSets, e.id, *d.ids.at(h.doc))
		}
		if err != nil {
			return fmt.Errorf("run %d: at byte %d: %w", h.file, h.at, err)
		}
		h.entry, h.own = e, append(h.own[:0], raw[e.begin()-e.own:e.begin()]...)
	}
	return nil
}
