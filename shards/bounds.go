package shards

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
)

// A .bounds file stands beside each shard of packed rows and says where pieces of documents begin in each row, for
// attention masks and positions. docs/formats/bounds.md shows it:
//
//	┌──────────────────────────────────────────────────────┬──────────────────┬──────────────┐
//	│ "curbound", u32 version, u32 length, u64 R, u64 P    │ (R+1) × u64      │ P × u32      │
//	└──────────────────────────────────────────────────────┴──────────────────┴──────────────┘
//
// R rows, P pieces, all little-endian. The u64 are the number of the first piece of each row, and P; the u32 are where
// a piece begins in its row, in tokens, with the highest bit set if it continues a document.
const (
	boundsSuffix  = ".bounds"
	boundsMagic   = "curbound"
	boundsVersion = 1
	boundsHeader  = 8 + 4 + 4 + 8 + 8

	continues = 1 << 31
)

// Piece of a document in a row.
type Piece struct {
	Start     int  // token of the row that it begins with
	Continues bool // a row before this one holds what comes before it in its document
}

// boundsWriter holds 4 bytes a piece and 4 a row.
type boundsWriter struct {
	length int
	counts []uint32 // pieces, by row
	starts []uint32 // by piece, as in the file
}

func (w *boundsWriter) add(pieces []piece) {
	w.counts = append(w.counts, uint32(len(pieces)))
	for _, p := range pieces {
		s := p.start
		if p.continues {
			s |= continues
		}
		w.starts = append(w.starts, s)
	}
}

func (w *boundsWriter) write(to io.Writer) error {
	bw := bufio.NewWriterSize(to, windowSize)
	head := append(make([]byte, 0, boundsHeader), boundsMagic...)
	head = binary.LittleEndian.AppendUint32(head, boundsVersion)
	head = binary.LittleEndian.AppendUint32(head, uint32(w.length))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w.counts)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(w.starts)))
	bw.Write(head) // an error of the buffer is that of Flush
	var b [8]byte
	first := uint64(0)
	bw.Write(b[:])
	for _, n := range w.counts {
		first += uint64(n)
		binary.LittleEndian.PutUint64(b[:], first)
		bw.Write(b[:])
	}
	for _, s := range w.starts {
		binary.LittleEndian.PutUint32(b[:4], s)
		bw.Write(b[:4])
	}
	return bw.Flush()
}

// Bounds reads a .bounds file from one goroutine. Its errors of content are *Fault.
type Bounds struct {
	length        int
	rows, pieces  int64
	firsts, start window
}

// OpenBounds checks the header against the size of the file; nothing is closed.
func OpenBounds(f File) (*Bounds, error) {
	b := &Bounds{firsts: window{File: f}, start: window{File: f}}
	if f.Size < boundsHeader {
		return nil, fault(f.Name, f.Size, "the file ends within its header of %d bytes", boundsHeader)
	}
	head, err := b.firsts.bytes(0, boundsHeader)
	if err != nil {
		return nil, err
	}
	if string(head[:8]) != boundsMagic {
		return nil, fault(f.Name, 0, "this is no file of bounds: it begins with %q and not with %q", head[:8], boundsMagic)
	}
	if v := binary.LittleEndian.Uint32(head[8:]); v != boundsVersion {
		return nil, fault(f.Name, 8, "version %d; only %d is known", v, boundsVersion)
	}
	length := binary.LittleEndian.Uint32(head[12:])
	if length < minLength || length > maxLength {
		return nil, fault(f.Name, 12, "rows of %d tokens; %d to %d are possible", length, minLength, maxLength)
	}
	rows, pieces := binary.LittleEndian.Uint64(head[16:]), binary.LittleEndian.Uint64(head[24:])
	body := uint64(f.Size - boundsHeader)
	if rows > body/8 {
		return nil, fault(f.Name, 16, "%d rows need more than the %d bytes that follow", rows, body)
	}
	if pieces > body/4 {
		return nil, fault(f.Name, 24, "%d pieces need more than the %d bytes that follow", pieces, body)
	}
	if need := 8*(rows+1) + 4*pieces; need != body {
		return nil, fault(f.Name, 16, "%d rows and %d pieces take %d bytes, and %d follow", rows, pieces, need, body)
	}
	b.length, b.rows, b.pieces = int(length), int64(rows), int64(pieces)
	return b, nil
}

// Length of a row in tokens, at most.
func (b *Bounds) Length() int { return b.length }

// Rows is how many there are.
func (b *Bounds) Rows() int64 { return b.rows }

// Pieces of all rows.
func (b *Bounds) Pieces() int64 { return b.pieces }

func (b *Bounds) firstAt(row int64) int64 { return boundsHeader + 8*row }

// place is where piece k of a row is told of.
func (b *Bounds) place(first, k int64) int64 { return boundsHeader + 8*(b.rows+1) + 4*(first+k) }

// AppendPieces appends the pieces of a row, from 0: at least one, the first at 0, then rising, all within Length.
func (b *Bounds) AppendPieces(dst []Piece, row int64) ([]Piece, error) {
	first, err := b.firsts.uint64(b.firstAt(row))
	if err != nil {
		return dst, err
	}
	end, err := b.firsts.uint64(b.firstAt(row + 1))
	if err != nil {
		return dst, err
	}
	if end > uint64(b.pieces) || first >= end {
		return dst, fault(b.firsts.Name, b.firstAt(row+1), "row %d has the pieces %d to %d of %d; a row has one at least", row, first, end, b.pieces)
	}
	last := int64(-1)
	for k := range int64(end - first) {
		at := b.place(int64(first), k)
		v, err := b.start.uint32(at)
		if err != nil {
			return dst, err
		}
		start := int64(v & math.MaxInt32)
		if start <= last || k == 0 && start != 0 || start >= int64(b.length) {
			return dst, fault(b.start.Name, at, "piece %d of row %d begins at token %d; the first begins at 0, and they rise below %d", k, row, start, b.length)
		}
		last = start
		dst = append(dst, Piece{int(start), v&continues != 0})
	}
	return dst, nil
}

// Check compares what the rows say about pieces with one another.
func (b *Bounds) Check() error {
	var pieces []Piece
	first, err := b.firsts.uint64(b.firstAt(0))
	if err != nil {
		return err
	}
	if first != 0 {
		return fault(b.firsts.Name, b.firstAt(0), "row 0 begins with piece %d", first)
	}
	for row := range b.rows {
		if pieces, err = b.AppendPieces(pieces[:0], row); err != nil {
			return err
		}
	}
	last, err := b.firsts.uint64(b.firstAt(b.rows))
	if err != nil {
		return err
	}
	if last != uint64(b.pieces) {
		return fault(b.firsts.Name, b.firstAt(b.rows), "the rows have %d pieces, and the header says %d", last, b.pieces)
	}
	return nil
}
