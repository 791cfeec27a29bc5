package pipeline

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"curate/corpus"
	"curate/corpus/split"
	"curate/corpus/store"
	"curate/record"
)

// A sealed file is what a phase has learned of one split: which records it settled, where the next phase reads
// the input again, and what the Reducer sealed. docs/formats/sealed.md is its page.
//
//	ranges   of consecutive settled records: uvarint first offset less the last one before, uvarint last less first
//	sealed   the Reducer's bytes
//	footer   u64 bytes of ranges, u64 bytes of sealed, magic; little-endian
const (
	sealedMagic  = "curseal1"
	sealedFooter = 8 + 8 + len(sealedMagic)
)

const (
	rangeSize   = 2 * binary.MaxVarintLen64 // a range's bytes, at most
	sealedPiece = 256 << 10                 // bytes of ranges that go to the writer at a time
	// piecePrefix begins the names of files that hold a part of a split's Partial until the split ends.
	piecePrefix = "piece-"
	// maxPieces is how many of them are merged at once, with a buffer of 64 KiB each.
	maxPieces = 32
)

// idRange is a run of records, one behind the other in their file, that a phase has settled: dropped or
// quarantined.
type idRange struct{ lo, hi record.ID } // both included

// settledRanges are those of one chunk.
type settledRanges struct {
	ranges      []idRange
	any         bool // the chunk has records
	first, last bool // its first and its last record are settled
}

func (s *settledRanges) reset() { *s = settledRanges{ranges: s.ranges[:0]} }

// note takes the records of the chunk's next batch.
func (s *settledRanges) note(rs []record.Record) {
	for i := range rs {
		r := &rs[i]
		settled := r.Outcome != record.Keep
		switch {
		case settled && s.last:
			s.ranges[len(s.ranges)-1].hi = r.ID
		case settled:
			s.ranges = append(s.ranges, idRange{r.ID, r.ID})
		}
		if !s.any {
			s.any, s.first = true, settled
		}
		s.last = settled
	}
}

// rangeWriter joins the ranges of a split's chunks, so that the bytes do not depend on where chunks were cut.
type rangeWriter struct {
	open    idRange
	is      bool // open holds a range
	touches bool // it reaches up to the last record so far
	end     int64
}

func (w *rangeWriter) add(dst []byte, s *settledRanges) []byte {
	for i, r := range s.ranges {
		if i == 0 && s.first && w.touches {
			w.open.hi = r.hi
			continue
		}
		dst = w.flush(dst)
		w.open, w.is = r, true
	}
	if s.any {
		w.touches = s.last
	}
	return dst
}

func (w *rangeWriter) flush(dst []byte) []byte {
	if w.is {
		dst = binary.AppendUvarint(dst, uint64(w.open.lo.Offset()-w.end))
		dst = binary.AppendUvarint(dst, uint64(w.open.hi-w.open.lo))
		w.end, w.is = w.open.hi.Offset(), false
	}
	return dst
}

// rangeReader gives the settled records of one split, in order.
type rangeReader struct {
	name string
	file int
	f    io.Closer
	r    *bufio.Reader
	now  idRange
	is   bool
	end  int64
}

// openRanges reads the ranges of a sealed file.
func openRanges(ctx context.Context, st store.Store, name string, file int) (*rangeReader, error) {
	f, size, err := st.OpenAt(ctx, name)
	if err != nil {
		return nil, err
	}
	ranges, _, err := readSealedFooter(f, size)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &rangeReader{name: name, file: file, f: f, r: bufio.NewReader(io.NewSectionReader(f, 0, ranges))}, nil
}

var errSealed = errors.New("is not as it was sealed; remove it and repeat the command")

func readSealedFooter(f io.ReaderAt, size int64) (ranges, sealed int64, err error) {
	var b [sealedFooter]byte
	if size < int64(len(b)) {
		return 0, 0, errSealed
	}
	if _, err := f.ReadAt(b[:], size-int64(len(b))); err != nil {
		return 0, 0, err
	}
	ranges, sealed = int64(binary.LittleEndian.Uint64(b[:])), int64(binary.LittleEndian.Uint64(b[8:]))
	if !bytes.Equal(b[16:], []byte(sealedMagic)) || ranges < 0 || sealed < 0 || ranges > size || sealed != size-int64(len(b))-ranges {
		return 0, 0, errSealed
	}
	return ranges, sealed, nil
}

// upTo appends the ranges that begin before the offset end. One that goes on beyond it comes again the next time.
func (r *rangeReader) upTo(dst []idRange, end int64) ([]idRange, error) {
	for {
		if !r.is {
			lo, err := binary.ReadUvarint(r.r)
			if err == io.EOF {
				return dst, nil
			}
			var n uint64
			if err == nil {
				n, err = binary.ReadUvarint(r.r)
			}
			first := r.end + int64(lo)
			if err != nil || lo > record.MaxOffset || n > record.MaxOffset || first+int64(n) > record.MaxOffset {
				return dst, fmt.Errorf("%s: %w", r.name, errors.Join(errSealed, err))
			}
			r.end = first + int64(n)
			r.now, r.is = idRange{record.MakeID(r.file, first), record.MakeID(r.file, r.end)}, true
		}
		if r.now.lo.Offset() >= end {
			return dst, nil
		}
		dst = append(dst, r.now)
		if r.now.hi.Offset() >= end {
			return dst, nil
		}
		r.is = false
	}
}

func (r *rangeReader) Close() error { return r.f.Close() }

func appendSealedFooter(dst []byte, ranges, sealed int64) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(ranges))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(sealed))
	return append(dst, sealedMagic...)
}

// source gives the chunks of one file.
type source interface {
	Next(ctx context.Context, c *split.Chunk) error
	Codec() split.Codec
	Close() error
}

// open opens a file where the phase reads it: as it came, or what an earlier phase has copied of it.
func (r *run) open(l *lane, grow func(context.Context) error) (source, error) {
	in := r.in.source()
	if in == nil {
		if l.split >= 0 && !l.file.ByRows() {
			r.job.Progress.Consumed.Add(-l.from.Offset) // what is before the split is nobody's here
		}
		return corpus.Open(r.stop, r.job.Store, l.file, r.openOptions(l.from, grow))
	}
	s := &copySource{
		st: r.job.Store, root: in.root, grow: grow, usual: r.budget.ChunkSize,
		consumed: func(n int64) { r.job.Progress.Consumed.Add(n) },
	}
	for _, e := range in.entries[l.file.Number] {
		if (e.End > l.from.Offset || l.from.Offset == 0) && (l.split < 0 || l.split == e.Split) {
			s.entries = append(s.entries, e)
		}
	}
	return s, nil
}

// skipper finds the records of chunks that earlier phases have settled, where those have copied nothing.
type skipper struct {
	split  int
	ranges []*rangeReader // of each such phase
	end    int64          // where the split ended
	eof    bool
}

func (s *skipper) of(r *run, c *split.Chunk, dst []idRange) ([]idRange, error) {
	if r.in == nil || !r.in.noCopy {
		return dst, nil
	}
	if s.ranges == nil || s.split != c.Split {
		s.close()
		for h := r.in; h != nil && h.noCopy; h = h.before {
			entries := h.entries[c.File]
			i, found := slices.BinarySearchFunc(entries, c.Split, func(e Entry, k int) int { return cmp.Compare(e.Split, k) })
			if !found {
				return dst, fmt.Errorf("file %d of the manifest: the phase before has not seen split %d: %w", c.File, c.Split, corpus.ErrChanged)
			}
			ranges, err := openRanges(r.stop, r.job.Store, path.Join(h.root, entries[i].Parts[outputNames[outSealed]].Name), c.File)
			if err != nil {
				return dst, err
			}
			s.ranges = append(s.ranges, ranges)
			s.split, s.end, s.eof = c.Split, entries[i].End, entries[i].EOF
		}
	}
	end := c.End
	if n := len(c.IDs); n > 0 && r.in.source() != nil { // a copy's frame
		end = c.IDs[n-1].Offset() + 1
	}
	if end > s.end || c.Last && (end != s.end || c.EOF != s.eof) { // nothing of it is written
		return dst, fmt.Errorf("file %d of the manifest, split %d: %w: it ended at %d in the phase before and goes on to %d", c.File, c.Split, corpus.ErrChanged, s.end, end)
	}
	for _, ranges := range s.ranges {
		var err error
		if dst, err = ranges.upTo(dst, end); err != nil {
			return dst, err
		}
	}
	if len(s.ranges) > 1 {
		// A later phase has not seen what an earlier one settled, so its ranges may reach across the earlier one's: all
		// that they cover is settled.
		slices.SortFunc(dst, func(a, b idRange) int { return cmp.Compare(a.lo, b.lo) })
	}
	return dst, nil
}

func (s *skipper) close() {
	for _, r := range s.ranges {
		_ = r.Close() // it was only read
	}
	s.ranges = nil
}
