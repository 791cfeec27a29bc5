package dedup

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"curate/record"
	"curate/stage"
)

// Sealed sets: what the second Reducer must know of each candidate, one entry a document, sorted by ID. docs/
// formats/sets.md is the page.
//
// A record's key is its entry without the ID.
const (
	entryID     = 8         // u64
	entryRest   = 4 + 4 + 2 // text bytes u32, shingles u32, buckets u16
	entryHeader = entryID + entryRest
	// maxHeader is an entry's header with the most buckets.
	maxHeader = entryHeader + 8*maxBuckets
)

// ErrSets is in every error about sealed sets that are not as they were written.
var ErrSets = errors.New("sealed sets are damaged")

// entry is an entry's header. The buckets follow it, and then the shingles, 8 bytes each, little-endian, ascending.
type entry struct {
	id                record.ID
	length            uint32 // of the text, in bytes
	shingles, buckets int    // at least one of each
}

// rest is how many bytes follow the header.
func (e *entry) rest() int64 { return 8 * (int64(e.buckets) + int64(e.shingles)) }

func (e *entry) size() int64 { return entryHeader + e.rest() }

// decodeEntry reads a header.
func decodeEntry(b []byte) (entry, error) {
	le := binary.LittleEndian
	id := le.Uint64(b)
	e := entry{record.ID(id), le.Uint32(b[8:]), int(le.Uint32(b[12:])), int(le.Uint16(b[16:]))}
	if id > maxID || e.shingles == 0 || e.shingles > 1<<28 || e.buckets == 0 || e.buckets > maxBuckets {
		return e, fmt.Errorf("%w: an entry of record %d with %d shingles and %d buckets", ErrSets, id, e.shingles, e.buckets)
	}
	return e, nil
}

// verification is the second Reducer.
type verification struct{ m *MinHash }

// Spec implements stage.Reducer.
func (d *verification) Spec() stage.Spec { return d.m.spec }

// Key implements stage.Reducer: a record that marks has given its buckets gets them, its length and its set of
// shingles; others get nothing.
func (d *verification) Key() stage.Mapper { return setsKey{d.m} }

type setsKey struct{ m *MinHash }

func (k setsKey) Spec() stage.Spec { return k.m.spec }

func (k setsKey) NewWorker() stage.Worker { return &setsKeyWorker{m: k.m} }

type setsKeyWorker struct {
	m        *MinHash
	text     []byte
	scratch  Scratch
	shingles []uint64
	key      []byte
}

// collectFrom: a key of so many bytes is copied twice, and before that the garbage of making it is collected, as the
// engine does around a giant record. Beside the text's own work it costs nothing.
const collectFrom = 8 << 20

// Map implements stage.Worker.
func (w *setsKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		buckets := r.Key()
		if r.Outcome != record.Keep || len(buckets) == 0 {
			continue
		}
		text, err := r.Text(w.m.cfg.Field, &w.text)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		w.scratch.reserve(text)
		w.shingles = Set(w.m.scheme.Shingles(w.shingles[:0], text, &w.scratch))
		length := uint32(len(text)) // a line has less than 2 GiB
		large := len(text) > scratchLimit || 8*cap(w.shingles) > scratchLimit
		if large { // room for a key as large
			w.text, w.scratch = nil, Scratch{}
		}
		if len(w.shingles) == 0 {
			return fmt.Errorf("dedup: record %d has buckets and no shingles; this is a bug of scheme %s", r.ID, w.m.scheme.Name)
		}
		k := slices.Grow(w.key[:0], entryRest+len(buckets)+8*len(w.shingles))
		k = binary.LittleEndian.AppendUint32(k, length)
		k = binary.LittleEndian.AppendUint32(k, uint32(len(w.shingles)))
		k = binary.LittleEndian.AppendUint16(k, uint16(len(buckets)/8))
		for ; len(buckets) > 0; buckets = buckets[8:] {
			k = binary.LittleEndian.AppendUint64(k, binary.BigEndian.Uint64(buckets))
		}
		for _, v := range w.shingles {
			k = binary.LittleEndian.AppendUint64(k, v)
		}
		if large {
			w.shingles = nil
		}
		if len(k) > collectFrom {
			runtime.GC()
		}
		r.SetKey(k)
		if w.key = k; large {
			w.key = nil
		}
	}
	return nil
}

// NewPartial implements stage.Reducer.
func (d *verification) NewPartial() stage.Partial { return &setsPartial{} }

// setsPartial holds entries as they came, a block a batch.
type setsPartial struct {
	entries []heldEntry
	bytes   int
}

type heldEntry struct {
	id  record.ID
	raw []byte // in its batch's block
}

// Add implements stage.Partial.
func (p *setsPartial) Add(b *record.Batch) error {
	size, n := 0, 0
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep && len(r.Key()) > 0 {
			size += entryID + len(r.Key())
			n++
		}
	}
	if n == 0 {
		return nil
	}
	block := make([]byte, 0, size)
	p.entries = slices.Grow(p.entries, n)
	for i := range b.Records {
		r := &b.Records[i]
		key := r.Key()
		if r.Outcome != record.Keep || len(key) == 0 {
			continue
		}
		at := len(block)
		block = append(binary.LittleEndian.AppendUint64(block, uint64(r.ID)), key...)
		raw := block[at:]
		ok := len(raw) >= entryHeader
		if ok {
			e, err := decodeEntry(raw)
			ok = err == nil && e.size() == int64(len(raw))
		}
		if !ok {
			return fmt.Errorf("dedup: record %d has a key that is no set; Key must run before Add", r.ID)
		}
		p.entries = append(p.entries, heldEntry{r.ID, raw})
	}
	p.bytes += size
	return nil
}

// Join implements stage.Partial.
func (p *setsPartial) Join(next stage.Partial) error {
	n, ok := next.(*setsPartial)
	if !ok {
		return fmt.Errorf("dedup: a %T cannot be joined", next)
	}
	p.entries = append(p.entries, n.entries...)
	p.bytes += n.bytes
	n.entries, n.bytes = nil, 0
	return nil
}

// Size implements stage.Partial. Growing entries may take twice their place.
func (p *setsPartial) Size() int { return p.bytes + 2*32*len(p.entries) }

// Seal implements stage.Partial.
func (p *setsPartial) Seal(w io.Writer) error {
	slices.SortFunc(p.entries, func(a, b heldEntry) int { return cmp.Compare(a.id, b.id) })
	out := bufio.NewWriterSize(w, runBuffer)
	for i := range p.entries {
		if _, err := out.Write(p.entries[i].raw); err != nil {
			return err
		}
	}
	p.entries = nil
	return out.Flush()
}

// Merge implements stage.Reducer.
func (d *verification) Merge(w io.Writer, sealed []io.Reader) error {
	in := make([]*entryReader, len(sealed))
	for i, r := range sealed {
		in[i] = &entryReader{r: bufio.NewReaderSize(r, runBuffer)}
		if err := in[i].next(); err != nil {
			return fmt.Errorf("run %d: %w", i, err)
		}
	}
	out := bufio.NewWriterSize(w, runBuffer)
	for {
		least := -1
		for i, r := range in {
			if !r.done && (least < 0 || r.entry.id < in[least].entry.id) {
				least = i
			}
		}
		if least < 0 {
			return out.Flush()
		}
		r := in[least]
		if _, err := out.Write(r.header[:]); err != nil {
			return err
		}
		if n, err := io.CopyN(out, r.r, r.entry.rest()); err != nil {
			if err == io.EOF {
				err = fmt.Errorf("%w: ends %d bytes early", ErrSets, r.entry.rest()-n)
			}
			return fmt.Errorf("run %d: %w", least, err)
		}
		if err := r.next(); err != nil {
			return fmt.Errorf("run %d: %w", least, err)
		}
	}
}

// entryReader reads headers from a stream.
type entryReader struct {
	r      *bufio.Reader
	header [entryHeader]byte
	entry  entry
	begun  bool
	done   bool
}

// next reads the next header; the entry before was read to its end.
func (r *entryReader) next() error {
	if _, err := io.ReadFull(r.r, r.header[:]); err == io.EOF {
		r.done = true
		return nil
	} else if err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: ends inside a header", ErrSets)
	} else if err != nil {
		return err
	}
	e, err := decodeEntry(r.header[:])
	if err != nil {
		return err
	}
	if r.begun && e.id < r.entry.id { // scan finds what was sealed twice
		return fmt.Errorf("%w: record %d comes behind record %d", ErrSets, e.id, r.entry.id)
	}
	r.entry, r.begun = e, true
	return nil
}

// entryScanner finds the entries of an open file without reading their shingles.
type entryScanner struct {
	f       stage.Sealed
	buf     []byte // of maxHeader bytes at least
	from    int64  // of what is in buf
	n       int
	at      int64 // of the current entry
	entry   entry
	buckets []byte // of the current entry
	begun   bool
	done    bool
}

// next moves to the next entry.
func (s *entryScanner) next() error {
	last := s.entry.id
	if s.begun {
		s.at += s.entry.size()
	}
	if s.at == s.f.Size {
		s.done = true
		return nil
	}
	damaged := func(what string) error { return fmt.Errorf("%w: at byte %d %s", ErrSets, s.at, what) }
	want := int(min(maxHeader, s.f.Size-s.at))
	if want < entryHeader {
		return damaged("ends inside a header")
	}
	if s.at < s.from || s.at+int64(want) > s.from+int64(s.n) {
		n := int(min(int64(len(s.buf)), s.f.Size-s.at))
		s.n = 0
		if err := readSets(s.f.Data, s.buf[:n], s.at); err != nil {
			return err
		}
		s.from, s.n = s.at, n
	}
	b := s.buf[s.at-s.from : s.n]
	e, err := decodeEntry(b)
	if err != nil {
		return fmt.Errorf("at byte %d: %w", s.at, err)
	}
	if s.begun && e.id < last {
		return damaged(fmt.Sprintf("record %d comes behind record %d", e.id, last))
	}
	if e.size() > s.f.Size-s.at {
		return damaged("ends inside an entry")
	}
	s.entry, s.buckets, s.begun = e, b[entryHeader:entryHeader+8*e.buckets], true
	return nil
}

// readSets fills b; a file that ends before is damaged.
func readSets(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil // with or without io.EOF
	}
	if err == io.EOF || err == nil {
		return fmt.Errorf("%w: ends at byte %d", ErrSets, at+int64(n))
	}
	return err
}
