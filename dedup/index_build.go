package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// indexing is the Reducer behind a method's own that makes a generation of what is kept. Only now is it known what that
// is: its Map side reads the text of each such record once more, and makes its keys and its set. What was decided about a
// record comes as its key (decisionMarks), is sealed, too, and becomes this phase's own file of decisions, which the last
// Mapper looks records up in.
type indexing struct {
	use       *indexUse
	columns   columns
	keyWidth  int
	spillSize int
	newKeys   func() keyMaker
	apply     func(d *Decisions) stage.Mapper
}

func newIndexing(u *indexUse, c columns, width, spillSize int, keys func() keyMaker, apply func(d *Decisions) stage.Mapper) *indexing {
	return &indexing{u, c, width, spillSize, keys, apply}
}

// keyMaker makes what an index must know of a record.
type keyMaker interface {
	// append appends the keys of r, big-endian, ascending, and its set. No keys: nothing can be like it.
	append(keys, set []byte, r *record.Record) (_, _ []byte, err error)
}

// minhashKeys are the buckets of a text, and its shingles.
type minhashKeys struct {
	m *MinHash
	shingling
}

func (k *minhashKeys) append(keys, set []byte, r *record.Record) (_, _ []byte, err error) {
	text, err := r.Text(k.m.cfg.Field, &k.text)
	if err != nil {
		return keys, set, err
	}
	k.cut(k.m.scheme, text)
	k.shingles = Set(k.shingles) // a signature is of the set
	if len(k.shingles) > 0 {
		keys, k.signature, k.buckets = k.m.appendKeys(keys, k.signature, k.buckets, k.shingles)
		set = appendIndexSet(set, k.shingles)
	}
	k.release(text)
	return keys, set, nil
}

// appendKeys appends the buckets of shingles, none twice. The slices are scratch.
func (m *MinHash) appendKeys(keys []byte, signature, buckets, shingles []uint64) ([]byte, []uint64, []uint64) {
	signature = m.scheme.Signature(signature[:0], shingles)
	buckets = Set(m.scheme.AppendBuckets(buckets[:0], signature))
	for _, v := range buckets {
		keys = binary.BigEndian.AppendUint64(keys, v)
	}
	return keys, signature, buckets
}

// exactKeys are the digest of a value.
type exactKeys struct{ exactKeyWorker }

func (k *exactKeys) append(keys, set []byte, r *record.Record) (_, _ []byte, err error) {
	cfg := &k.e.cfg
	if cfg.URL && !hasValue(r, cfg.Field) {
		return keys, set, nil
	}
	value, isString, err := fieldValue(r, cfg.Field, &k.scratch)
	if err != nil {
		return keys, set, err
	}
	keys = k.appendDigest(keys, value, isString)
	if cap(k.scratch)+cap(k.form) > scratchLimit {
		k.scratch, k.form = nil, nil
	}
	return keys, set, nil
}

// A record's key, and what is sealed of it behind an ID and a length:
//
//	flags u8, decision (markWidth) if it has one, and if it is indexed: bytes of its id u16, keys u16, its id, its keys, its set
const (
	flagDecided = 1 << iota
	flagIndexed
)

// frameWidth is the length of what is before that: ID u64, length u32.
const frameWidth = 8 + 4

// Spec implements stage.Reducer.
func (x *indexing) Spec() stage.Spec { return x.use.spec }

// Key implements stage.Reducer.
func (x *indexing) Key() stage.Mapper { return indexingKey{x} }

type indexingKey struct{ x *indexing }

func (k indexingKey) Spec() stage.Spec { return k.x.use.spec }

func (k indexingKey) NewWorker() stage.Worker {
	return &indexingKeyWorker{x: k.x, maker: k.x.newKeys()}
}

type indexingKeyWorker struct {
	x               *indexing
	maker           keyMaker
	keys, set, body []byte
}

// Map implements stage.Worker.
func (w *indexingKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	le := binary.LittleEndian
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		mark := r.Key()
		body := append(w.body[:0], 0)
		if len(mark) > 0 {
			if len(mark) != markWidth {
				return fmt.Errorf("dedup: record %d has a mark of %d bytes instead of %d", r.ID, len(mark), markWidth)
			}
			body[0] |= flagDecided
			body = append(body, mark...)
		}
		if len(mark) == 0 || le.Uint64(mark) == uint64(r.ID) {
			var err error
			if w.keys, w.set, err = w.maker.append(w.keys[:0], w.set[:0], r); err != nil {
				r.QuarantineFor(err)
				continue
			}
			if len(w.keys) > 0 {
				body[0] |= flagIndexed
				id := r.OwnID(w.x.use.grow.IDField, maxIndexID)
				body = slices.Grow(body, 4+len(id)+len(w.keys)+len(w.set))
				body = le.AppendUint16(body, uint16(len(id)))
				body = le.AppendUint16(body, uint16(len(w.keys)/w.x.keyWidth))
				body = append(body, id...)
				body = append(body, w.keys...)
				body = append(body, w.set...)
			}
		}
		if body[0] != 0 {
			r.SetKey(body)
		} else {
			r.SetKey(nil)
		}
		if w.body = body; cap(body) > scratchLimit {
			w.body, w.set = nil, nil
		}
	}
	return nil
}

// NewPartial implements stage.Reducer.
func (x *indexing) NewPartial() stage.Partial { return &framesPartial{} }

// framesPartial holds frames.
type framesPartial struct{ entriesPartial }

// Add implements stage.Partial.
func (p *framesPartial) Add(b *record.Batch) error {
	size, n := 0, 0
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep && len(r.Key()) > 0 {
			size += frameWidth + len(r.Key())
			n++
		}
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
		block = binary.LittleEndian.AppendUint64(block, uint64(r.ID))
		block = binary.LittleEndian.AppendUint32(block, uint32(len(key)))
		block = append(block, key...)
		p.entries = append(p.entries, heldEntry{r.ID, block[at:]})
	}
	p.bytes += size
	return nil
}

// Join implements stage.Partial.
func (p *framesPartial) Join(next stage.Partial) error {
	n, err := nextPartial[*framesPartial](next)
	if err != nil {
		return err
	}
	p.join(&n.entriesPartial)
	return nil
}

// Seal implements stage.Partial.
func (p *framesPartial) Seal(w io.Writer) error { return p.seal(w, nil) }

// Merge implements stage.Reducer.
func (x *indexing) Merge(w io.Writer, sealed []io.Reader) error {
	out := bufio.NewWriterSize(w, runBuffer)
	f := newFrames(sealed, runBuffer)
	for f.next() {
		var header [frameWidth]byte
		binary.LittleEndian.PutUint64(header[:], uint64(f.id))
		binary.LittleEndian.PutUint32(header[8:], uint32(f.left))
		if _, err := out.Write(header[:]); err != nil {
			return err
		}
		if err := f.copy(out); err != nil {
			return err
		}
	}
	return errors.Join(f.err, out.Flush())
}

// errFrames is in errors about what this Reducer has sealed.
var errFrames = errors.New("what was sealed for the index is damaged; remove the output and repeat the command")

// frames reads sealed frames, by ID.
type frames struct {
	in    []frameSource
	now   *frameSource
	id    record.ID
	left  int64 // bytes of the frame that were not read
	begun bool
	err   error
}

type frameSource struct {
	r    *bufio.Reader
	id   record.ID
	size int64 // of the frame that comes next
	done bool
}

func newFrames(sealed []io.Reader, buffer int) *frames {
	f := &frames{in: make([]frameSource, len(sealed))}
	for i, r := range sealed {
		f.in[i].r = bufio.NewReaderSize(r, buffer)
		f.header(&f.in[i])
	}
	return f
}

// header reads the next one of a source.
func (f *frames) header(s *frameSource) {
	var b [frameWidth]byte
	switch _, err := io.ReadFull(s.r, b[:]); {
	case err == io.EOF:
		s.done = true
	case err == io.ErrUnexpectedEOF:
		f.err = fmt.Errorf("it ends inside a header: %w", errFrames)
	case err != nil:
		f.err = err
	default:
		id := binary.LittleEndian.Uint64(b[:])
		s.id, s.size = record.ID(id), int64(binary.LittleEndian.Uint32(b[8:]))
		if id > maxID || s.size == 0 {
			f.err = fmt.Errorf("a frame of record %d has %d bytes: %w", id, s.size, errFrames)
		}
	}
}

// next moves to the next frame. It is false at the end and after an error.
func (f *frames) next() bool {
	if f.err != nil {
		return false
	}
	if f.now != nil {
		if f.skip(f.left); f.err == nil {
			f.header(f.now)
		}
	}
	f.now = nil
	for i := range f.in {
		if s := &f.in[i]; !s.done && (f.now == nil || s.id < f.now.id) {
			f.now = s
		}
	}
	if f.err != nil || f.now == nil {
		return false
	}
	if f.begun && f.now.id < f.id { // build finds what was sealed twice
		f.err = fmt.Errorf("record %d comes behind record %d: %w", f.now.id, f.id, errFrames)
		return false
	}
	f.begun, f.id, f.left = true, f.now.id, f.now.size
	return true
}

func (f *frames) ends(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("it ends inside the frame of record %d: %w", f.id, errFrames)
	}
	if err != nil {
		f.err = err
	}
	return err
}

// read fills b from the frame.
func (f *frames) read(b []byte) error {
	if int64(len(b)) > f.left {
		return f.ends(io.EOF)
	}
	n, err := io.ReadFull(f.now.r, b)
	f.left -= int64(n)
	return f.ends(err)
}

func (f *frames) skip(n int64) {
	for n > 0 && f.err == nil {
		k, err := f.now.r.Discard(int(min(n, 1<<30)))
		n -= int64(k)
		_ = f.ends(err) // it is in f
	}
}

// copy copies what is left of the frame.
func (f *frames) copy(w io.Writer) error {
	n, err := io.CopyN(w, f.now.r, f.left)
	f.left -= n
	return f.ends(err)
}

// Finish implements stage.Reducer. It reads what was sealed once, and holds a buffer for each sealed file and one to sort.
func (x *indexing) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	keys := runs.NewSorter(ws, x.keyWidth+4, x.spillSize)
	keys.Reset("index-keys-sort")
	err := ws.Make(ctx, decisionsFile, func(w io.Writer) error { return x.build(ctx, w, keys, sealed, ws) })
	if err == nil {
		err = keys.Remove(ctx) // nothing if an earlier attempt made the decisions
	}
	var d *Decisions
	if err == nil {
		d, err = openTable(ctx, ws, decisionsFile, x.columns)
	}
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	return x.apply(d), nil
}

// checkedFileOf makes a file of the generation.
func checkedFileOf(ctx context.Context, sink IndexSink, name string, kind checkedKind, fill func(c *checkedWriter) error) error {
	return sink.Make(ctx, name, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, runBuffer)
		c := newCheckedWriter(out, kind)
		if err := fill(c); err != nil {
			return err
		}
		if err := c.close(); err != nil {
			return err
		}
		return out.Flush()
	})
}

// build makes the generation's files, and writes the decisions.
func (x *indexing) build(ctx context.Context, w io.Writer, keys *runs.Sorter, sealed []stage.Sealed, ws stage.Workspace) error {
	readers := make([]io.Reader, len(sealed))
	for i := range sealed {
		readers[i] = io.NewSectionReader(sealed[i].Data, 0, sealed[i].Size)
	}
	memory := ws.Memory()/4*3 - int64(x.spillSize)
	f := newFrames(readers, int(max(smallRunBuffer, min(runBuffer, memory/int64(max(1, len(sealed)))))))
	decisions := newDecisionsWriter(w, x.columns)
	g := generationWriter{sink: x.use.grow.Sink}
	err := g.write(ctx, func() error {
		var one [markWidth]byte
		le := binary.LittleEndian
		item := make([]byte, x.keyWidth+4)
		var id []byte
		var last record.ID
		for n := 0; f.next(); n++ {
			if n%checkEvery == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if n > 0 && f.id == last {
				return fmt.Errorf("record %d was sealed twice", last)
			}
			last = f.id
			if err := f.read(one[:1]); err != nil {
				return err
			}
			flags := one[0]
			if flags&flagDecided != 0 {
				if err := f.read(one[:]); err != nil {
					return err
				}
				d := Decision{record.ID(le.Uint64(one[:])), le.Uint32(one[8:]), record.ID(le.Uint64(one[12:]))}
				if err := decisions.add(f.id, d, nil); err != nil {
					return err
				}
			}
			if flags&flagIndexed == 0 {
				continue
			}
			if err := f.read(one[:4]); err != nil {
				return err
			}
			id = slices.Grow(id[:0], maxIndexID)[:min(int(le.Uint16(one[:])), maxIndexID)]
			if err := f.read(id); err != nil {
				return err
			}
			number := uint32(g.documents)
			for range le.Uint16(one[2:]) {
				if err := f.read(item[:x.keyWidth]); err != nil {
					return err
				}
				binary.BigEndian.PutUint32(item[x.keyWidth:], number)
				if err := keys.Add(ctx, item); err != nil {
					return err
				}
				g.items++
			}
			if err := g.add(f.id, 0, id, func(w io.Writer) error { return f.copy(w) }); err != nil {
				return err
			}
		}
		return f.err
	})
	if err != nil {
		return err
	}
	err = checkedFileOf(ctx, g.sink, IndexKeysFile, checkedKeys, func(c *checkedWriter) error { return keys.Merge(ctx, c) })
	if err != nil {
		return err
	}
	if err := g.sink.Done(ctx, g.counts()); err != nil {
		return err
	}
	return decisions.close()
}

// generationWriter writes a generation's documents, one after the other, into all files but that of keys.
type generationWriter struct {
	sink            IndexSink
	documents       int64
	items           int64
	shingles        int64
	sum             xxhash.Digest // of the records' IDs
	rows, ids, sets *checkedWriter
	row             []byte
}

// write makes the files; fill adds the documents.
func (g *generationWriter) write(ctx context.Context, fill func() error) error {
	g.sum.Reset()
	return checkedFileOf(ctx, g.sink, IndexDocumentsFile, checkedDocuments, func(c *checkedWriter) error {
		g.rows = c
		return checkedFileOf(ctx, g.sink, IndexIDsFile, checkedIDs, func(c *checkedWriter) error {
			g.ids = c
			return checkedFileOf(ctx, g.sink, IndexSetsFile, checkedSets, func(c *checkedWriter) error {
				g.sets = c
				return fill()
			})
		})
	})
}

// add adds a document, whose set is what copy writes.
func (g *generationWriter) add(id record.ID, origin uint32, own []byte, copy func(w io.Writer) error) error {
	if g.documents == maxIndexed {
		return fmt.Errorf("an index generation holds at most %d documents; add the inputs a part at a time", int64(maxIndexed))
	}
	if _, err := g.ids.Write(own); err != nil {
		return err
	}
	count := countingSet{w: g.sets}
	if err := copy(&count); err != nil {
		return err
	}
	g.shingles += int64(count.n)
	row := documentRow{record: id, idEnd: uint64(g.ids.size), setEnd: uint64(g.sets.size), origin: origin}
	g.row = row.append(g.row[:0])
	_, _ = g.sum.Write(g.row[:8]) // never fails
	g.documents++
	_, err := g.rows.Write(g.row)
	return err
}

// countingSet finds out how many shingles the set has that is written: its first number.
type countingSet struct {
	w     io.Writer
	n     uint64
	shift int // 64 when it is known
}

// Write implements io.Writer.
func (c *countingSet) Write(b []byte) (int, error) {
	for i := 0; i < len(b) && c.shift < 64; i++ {
		c.n |= uint64(b[i]&0x7f) << c.shift
		if c.shift += 7; b[i] < 0x80 {
			c.shift = 64
		}
	}
	return c.w.Write(b)
}

func (g *generationWriter) counts() IndexCounts {
	return IndexCounts{Documents: g.documents, Keys: g.items, Shingles: g.shingles, Sum: fmt.Sprintf("%016x", g.sum.Sum64())}
}
