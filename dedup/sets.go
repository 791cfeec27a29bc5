package dedup

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"curate/record"
	"curate/stage"
)

// Sealed sets: what the second Reducer must know of each candidate, one entry a document, sorted by ID, behind the
// sources of all documents (sources.go). docs/formats/sets.md is the page.
//
// A record's key is what the sources need, and of a candidate its entry without the ID.
const (
	entryID     = 8                     // u64
	entryRest   = 4 + 4 + 2 + 2 + 8 + 8 // text bytes u32, values u32, buckets u16, bytes of its own id u16, order u64, source u64
	entryHeader = entryID + entryRest
	// maxHeader is an entry's header with the most buckets.
	maxHeader = entryHeader + 8*maxBuckets
)

// ErrSets is in every error about sealed sets that are not as they were written.
var ErrSets = errors.New("sealed sets are damaged")

// entry is an entry's header. The buckets follow it, the record's own id as JSON, and then the values, all
// little-endian: the shingles, 8 bytes each, ascending, or those of the signature (VerifySketch), or none (VerifyNone).
type entry struct {
	id              record.ID
	length          uint32 // of the text, in bytes
	values, buckets int    // at least one of each
	own             int    // bytes of its own id, 0 without
	order           uint64 // in which documents are looked at (keep.go)
	source          uint64 // number of its source, and unwritable
	width           int    // bytes of a value
}

// begin is where the values begin in an entry.
func (e *entry) begin() int { return entryHeader + 8*e.buckets + e.own }

// rest is how many bytes follow the header.
func (e *entry) rest() int64 {
	return 8*int64(e.buckets) + int64(e.own) + int64(e.width)*int64(e.values)
}

func (e *entry) size() int64 { return entryHeader + e.rest() }

// decodeEntry reads a header of an entry whose values have so many bytes.
func decodeEntry(b []byte, width int) (entry, error) {
	le := binary.LittleEndian
	id := le.Uint64(b)
	e := entry{
		id: record.ID(id), length: le.Uint32(b[8:]), values: int(le.Uint32(b[12:])), buckets: int(le.Uint16(b[16:])), own: int(le.Uint16(b[18:])),
		order: le.Uint64(b[20:]), source: le.Uint64(b[28:]), width: width,
	}
	if id > maxID || e.values == 0 || e.values > 1<<28 || e.buckets == 0 || e.buckets > maxBuckets || e.own > maxSignID {
		return e, fmt.Errorf("%w: an entry of record %d with %d values, %d buckets and an id of %d bytes", ErrSets, id, e.values, e.buckets, e.own)
	}
	return e, nil
}

// verification is the second Reducer.
type verification struct{ m *MinHash }

// Spec implements stage.Reducer.
func (d *verification) Spec() stage.Spec { return d.m.spec }

// Key implements stage.Reducer: a record that marks has given its buckets gets them, its length and its set of
// shingles, or its signature; others get their source alone.
func (d *verification) Key() stage.Mapper { return setsKey{d.m} }

type setsKey struct{ m *MinHash }

func (k setsKey) Spec() stage.Spec { return k.m.spec }

func (k setsKey) NewWorker() stage.Worker { return &setsKeyWorker{m: k.m} }

type setsKeyWorker struct {
	m *MinHash
	shingling
	sourceText []byte
	source     []byte
}

// Map implements stage.Worker.
func (w *setsKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cfg := &w.m.cfg
	for i := range b.Records {
		r := &b.Records[i]
		text, ok := textOf(r, cfg.Field, false, &w.text)
		if !ok {
			continue
		}
		buckets := r.Key()
		length := uint32(len(text)) // a line has less than 2 GiB
		w.source = appendSource(w.source[:0], r, cfg.SourceField, &w.sourceText)
		number := sourceNumber(w.source)
		if len(buckets) == 0 {
			w.key = appendKeyHead(w.key[:0], number, length, w.source)
			r.SetKey(w.key)
			w.release(text)
			continue
		}
		if r.CanSet(curateDedup) != nil {
			number |= unwritable
		}
		w.cut(w.m.scheme, text)
		w.shingles = Set(w.shingles)
		large := w.large(text)
		if large { // room for a key as large
			w.text, w.scratch = nil, Scratch{}
		}
		if len(w.shingles) == 0 {
			return fmt.Errorf("dedup: record %d has buckets and no shingles; this is a bug of scheme %s", r.ID, w.m.scheme.Name)
		}
		values := w.shingles
		if cfg.Verify == VerifySketch {
			w.signature = w.m.scheme.Signature(w.signature[:0], w.shingles)
			values = w.signature
		}
		own := r.OwnID(cfg.IDField, maxSignID)
		k := slices.Grow(w.key[:0], keyHead+len(w.source)+entryRest+len(buckets)+len(own)+w.m.width*len(values))
		k = appendKeyHead(k, number, length, w.source)
		k = binary.LittleEndian.AppendUint32(k, length)
		k = binary.LittleEndian.AppendUint32(k, uint32(len(values)))
		k = binary.LittleEndian.AppendUint16(k, uint16(len(buckets)/8))
		k = binary.LittleEndian.AppendUint16(k, uint16(len(own)))
		k = binary.LittleEndian.AppendUint64(k, w.m.keep.of(r, w.source, length))
		k = binary.LittleEndian.AppendUint64(k, number)
		for ; len(buckets) > 0; buckets = buckets[8:] {
			k = binary.LittleEndian.AppendUint64(k, binary.BigEndian.Uint64(buckets))
		}
		k = append(k, own...)
		switch w.m.width {
		case 8:
			for _, v := range values {
				k = binary.LittleEndian.AppendUint64(k, v)
			}
		case 4: // of a family of 32 bits
			for _, v := range values {
				k = binary.LittleEndian.AppendUint32(k, uint32(v))
			}
		}
		w.setKey(r, k, large)
	}
	return nil
}

// NewPartial implements stage.Reducer.
func (d *verification) NewPartial() stage.Partial {
	return &setsPartial{width: d.m.width, sources: sources{}}
}

// entriesPartial holds entries as they came, a block a batch, until they are sorted by ID.
type entriesPartial struct {
	entries []heldEntry
	bytes   int
}

type heldEntry struct {
	id  record.ID
	raw []byte // in its batch's block
}

func (p *entriesPartial) join(n *entriesPartial) {
	p.entries = append(p.entries, n.entries...)
	p.bytes += n.bytes
	n.entries, n.bytes = nil, 0
}

// Size implements stage.Partial. Growing entries may take twice their place.
func (p *entriesPartial) Size() int { return p.bytes + 2*32*len(p.entries) }

// seal writes what comes before them, and the entries.
func (p *entriesPartial) seal(w io.Writer, head []byte) error {
	slices.SortFunc(p.entries, func(a, b heldEntry) int { return cmp.Compare(a.id, b.id) })
	out := bufio.NewWriterSize(w, runBuffer)
	if _, err := out.Write(head); err != nil {
		return err
	}
	for i := range p.entries {
		if _, err := out.Write(p.entries[i].raw); err != nil {
			return err
		}
	}
	p.entries = nil
	return out.Flush()
}

// setsPartial holds sets, and the sources of all records.
type setsPartial struct {
	entriesPartial
	width   int // of a value, in bytes
	sources sources
}

// Add implements stage.Partial.
func (p *setsPartial) Add(b *record.Batch) error {
	size, n := 0, 0
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		_, rest, err := p.sources.takeKeyHead(r.Key())
		if err != nil {
			return fmt.Errorf("dedup: record %d %w", r.ID, err)
		}
		if len(rest) > 0 {
			size += entryID + len(rest)
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
		if r.Outcome != record.Keep {
			continue
		}
		key := behindKeyHead(r.Key())
		if len(key) == 0 {
			continue
		}
		at := len(block)
		block = append(binary.LittleEndian.AppendUint64(block, uint64(r.ID)), key...)
		raw := block[at:]
		ok := len(raw) >= entryHeader
		if ok {
			e, err := decodeEntry(raw, p.width)
			ok = err == nil && e.size() == int64(len(raw))
		}
		if !ok {
			return fmt.Errorf("dedup: record %d %w", r.ID, errKey)
		}
		p.entries = append(p.entries, heldEntry{r.ID, raw})
	}
	p.bytes += size
	return nil
}

// Join implements stage.Partial.
func (p *setsPartial) Join(next stage.Partial) error {
	n, err := nextPartial[*setsPartial](next)
	if err != nil {
		return err
	}
	p.join(&n.entriesPartial)
	return p.sources.join(n.sources)
}

// Size implements stage.Partial.
func (p *setsPartial) Size() int { return p.entriesPartial.Size() + p.sources.size() }

// Seal implements stage.Partial.
func (p *setsPartial) Seal(w io.Writer) error { return p.seal(w, p.sources.appendHead(nil)) }

// Merge implements stage.Reducer.
func (d *verification) Merge(w io.Writer, sealed []io.Reader) error {
	in := make([]*entryReader, len(sealed))
	buffered := make([]io.Reader, len(sealed))
	for i, r := range sealed {
		in[i] = &entryReader{r: bufio.NewReaderSize(r, runBuffer), width: d.m.width}
		buffered[i] = in[i].r
	}
	if err := mergeHeads(w, buffered); err != nil {
		return err
	}
	for i := range in {
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
	width  int // of a value
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
	e, err := decodeEntry(r.header[:], r.width)
	if err != nil {
		return err
	}
	if r.begun && e.id < r.entry.id { // scan finds what was sealed twice
		return fmt.Errorf("%w: record %d comes behind record %d", ErrSets, e.id, r.entry.id)
	}
	r.entry, r.begun = e, true
	return nil
}

// entryScanner finds the entries of an open file without reading their values.
type entryScanner struct {
	f       stage.Sealed
	width   int    // of a value
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
	e, err := decodeEntry(b, s.width)
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
