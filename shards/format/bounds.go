package format

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// A .bounds file stands beside each shard and says what its sequences are made of: where pieces of documents begin, for
// attention masks and positions, and which documents they are. docs/formats/bounds.md shows it:
//
//	┌─────────────────────────────────────────────────────┬───────────────────────┬────────────────────────────────┐
//	│ "curbound", u32 version, u32 width, u64 S, u64 P     │ S × {u32 pieces,      │ P × {u32 start, u32 from,      │
//	│                                                      │      u32 tokens}      │      u64 id, u16 source, copy} │
//	└─────────────────────────────────────────────────────┴───────────────────────┴────────────────────────────────┘
//
// S sequences, P pieces, all little-endian. tokens are those of the sequence with its padding. start is where a piece
// begins in its sequence, in tokens, with the highest bit set if it continues a document, the second highest if it is
// padding, and the third highest if it ends its document. width is how many tokens a packed row may have, 0 where a sequence is a document.
const (
	BoundsSuffix  = ".bounds"
	boundsMagic   = "curbound"
	boundsVersion = 2
	boundsHeader  = 8 + 4 + 4 + 8 + 8
	boundsRow     = 8
	boundsPiece   = 4 + 4 + 8 + 2 + 2

	continues = 1 << 31
	padding   = 1 << 30
	isLast    = 1 << 29

	// MaxWidth is the widest row, in tokens: packing holds a few bytes for each of them.
	MaxWidth = 1<<20 + 1
)

// BoundsWriter holds 8 bytes a sequence and 20 a piece, unless it is told to write them to Rows and Pieces: then Head is
// all that is missing in front of the two.
type BoundsWriter struct {
	Width        int
	Rows, Pieces io.Writer

	rows, pieces     chunks
	sequences, parts uint64
}

// Add notes the next sequence, of so many tokens. An error is that of Rows or Pieces.
func (w *BoundsWriter) Add(pieces []Piece, tokens int) error {
	w.sequences++
	w.parts += uint64(len(pieces))
	b := w.rows.next(boundsRow)
	binary.LittleEndian.PutUint32(b, uint32(len(pieces)))
	binary.LittleEndian.PutUint32(b[4:], uint32(tokens))
	for i := range pieces {
		p := &pieces[i]
		s := uint32(p.Start)
		if p.Continues {
			s |= continues
		}
		if p.Padding {
			s |= padding
		}
		if p.Last {
			s |= isLast
		}
		b := w.pieces.next(boundsPiece)
		binary.LittleEndian.PutUint32(b, s)
		binary.LittleEndian.PutUint32(b[4:], p.From)
		binary.LittleEndian.PutUint64(b[8:], p.ID)
		binary.LittleEndian.PutUint16(b[16:], p.Source)
		binary.LittleEndian.PutUint16(b[18:], p.Copy)
	}
	if w.Rows == nil {
		return nil
	}
	return errors.Join(w.rows.flush(w.Rows), w.pieces.flush(w.Pieces))
}

// chunks is a long run of bytes that grows without being moved: a million pieces take what they are, and not that much
// again and the half of it.
type chunks struct {
	full [][]byte
	last []byte
}

// next makes room for n bytes, which never lie in two chunks.
func (c *chunks) next(n int) []byte {
	if cap(c.last)-len(c.last) < n {
		if len(c.last) > 0 {
			c.full = append(c.full, c.last)
		}
		c.last = make([]byte, 0, min(windowSize, max(512, 2*cap(c.last)))) // small shards take little
	}
	c.last = c.last[:len(c.last)+n]
	return c.last[len(c.last)-n:]
}

// write writes all of it; it stays.
func (c *chunks) write(to io.Writer) error {
	for _, b := range c.full {
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
	_, err := to.Write(c.last)
	return err
}

// flush writes all of it and forgets it.
func (c *chunks) flush(to io.Writer) error {
	err := c.write(to)
	c.full, c.last = c.full[:0], c.last[:0]
	return err
}

// Head writes what stands in front of sequences and pieces.
func (w *BoundsWriter) Head(to io.Writer) error {
	head := append(make([]byte, 0, boundsHeader), boundsMagic...)
	head = binary.LittleEndian.AppendUint32(head, boundsVersion)
	head = binary.LittleEndian.AppendUint32(head, uint32(w.Width))
	head = binary.LittleEndian.AppendUint64(head, w.sequences)
	head = binary.LittleEndian.AppendUint64(head, w.parts)
	_, err := to.Write(head)
	return err
}

// Write writes the file. It may be called again.
func (w *BoundsWriter) Write(to io.Writer) error {
	bw := bufio.NewWriterSize(to, windowSize)
	if err := w.Head(bw); err != nil {
		return err
	}
	if err := errors.Join(w.rows.write(bw), w.pieces.write(bw)); err != nil {
		return err
	}
	return bw.Flush()
}

// Bounds reads a .bounds file from one goroutine. Its errors of content are *Fault.
type Bounds struct {
	width  int
	pieces int64
	first  []int64 // piece that each sequence begins with, and behind the last
	ends   []int64 // tokens, counted through the shard
	piece  window
}

// OpenBounds reads the table of sequences, after comparing the header with the size of the file; nothing is closed.
func OpenBounds(f File) (*Bounds, error) {
	b := &Bounds{piece: window{File: f}}
	if f.Size < boundsHeader {
		return nil, NewFault(f.Name, f.Size, "the file ends within its header of %d bytes", boundsHeader)
	}
	head, err := b.piece.bytes(0, boundsHeader)
	if err != nil {
		return nil, err
	}
	if string(head[:8]) != boundsMagic {
		return nil, NewFault(f.Name, 0, "this is no file of bounds: it begins with %q and not with %q", head[:8], boundsMagic)
	}
	if v := binary.LittleEndian.Uint32(head[8:]); v != boundsVersion {
		return nil, NewFault(f.Name, 8, "version %d; only %d is known", v, boundsVersion)
	}
	width := binary.LittleEndian.Uint32(head[12:])
	if width > MaxWidth {
		return nil, NewFault(f.Name, 12, "rows of %d tokens; at most %d are possible", width, MaxWidth)
	}
	rows, pieces := binary.LittleEndian.Uint64(head[16:]), binary.LittleEndian.Uint64(head[24:])
	body := uint64(f.Size - boundsHeader)
	if rows > body/boundsRow {
		return nil, NewFault(f.Name, 16, "%d sequences need more than the %d bytes that follow", rows, body)
	}
	if pieces > body/boundsPiece {
		return nil, NewFault(f.Name, 24, "%d pieces need more than the %d bytes that follow", pieces, body)
	}
	if need := boundsRow*rows + boundsPiece*pieces; need != body {
		return nil, NewFault(f.Name, 16, "%d sequences and %d pieces take %d bytes, and %d follow", rows, pieces, need, body)
	}
	b.width, b.pieces = int(width), int64(pieces)
	b.first, b.ends = make([]int64, 1, rows+1), make([]int64, 0, rows)
	tokens := int64(0)
	for i := range int64(rows) {
		at := boundsHeader + boundsRow*i
		row, err := b.piece.bytes(at, boundsRow)
		if err != nil {
			return nil, err
		}
		n, t := binary.LittleEndian.Uint32(row), binary.LittleEndian.Uint32(row[4:])
		if n == 0 || t >= isLast || n > t {
			return nil, NewFault(f.Name, at, "sequence %d has %d pieces and %d tokens", i, n, t)
		}
		if width > 0 && t > width {
			return nil, NewFault(f.Name, at+4, "row %d has %d tokens, and may have %d", i, t, width)
		}
		tokens += int64(t)
		b.ends = append(b.ends, tokens)
		b.first = append(b.first, b.first[i]+int64(n))
	}
	if last := b.first[rows]; last != b.pieces {
		return nil, NewFault(f.Name, 24, "the sequences have %d pieces, and the header says %d", last, pieces)
	}
	return b, nil
}

// Width of a row in tokens, at most; 0 where a sequence is a document.
func (b *Bounds) Width() int { return b.width }

// Sequences is how many there are.
func (b *Bounds) Sequences() int64 { return int64(len(b.ends)) }

// Pieces of all sequences.
func (b *Bounds) Pieces() int64 { return b.pieces }

// Ends are where the sequences end, in tokens, counted through the shard.
func (b *Bounds) Ends() []int64 { return b.ends }

// Tokens is where sequence i begins and ends.
func (b *Bounds) Tokens(i int64) (from, to int64) {
	if i > 0 {
		from = b.ends[i-1]
	}
	return from, b.ends[i]
}

// Place is where the file says how many tokens sequence i has.
func (b *Bounds) Place(i int64) (file string, offset int64) {
	return b.piece.Name, boundsHeader + boundsRow*i + 4
}

// AppendPieces appends the pieces of sequence i, from 0: at least one, the first at 0, then rising, all within the
// sequence, and padding only as the last of several.
func (b *Bounds) AppendPieces(dst []Piece, i int64) ([]Piece, error) {
	from, to := b.Tokens(i)
	last := int64(-1)
	for k := b.first[i]; k < b.first[i+1]; k++ {
		at := boundsHeader + boundsRow*b.Sequences() + boundsPiece*k
		v, err := b.piece.bytes(at, boundsPiece)
		if err != nil {
			return dst, err
		}
		word := binary.LittleEndian.Uint32(v)
		p := Piece{
			Start: int(word &^ (continues | padding | isLast)), Continues: word&continues != 0, Padding: word&padding != 0, Last: word&isLast != 0,
			From: binary.LittleEndian.Uint32(v[4:]), ID: binary.LittleEndian.Uint64(v[8:]),
			Source: binary.LittleEndian.Uint16(v[16:]), Copy: binary.LittleEndian.Uint16(v[18:]),
		}
		start, of := int64(p.Start), k-b.first[i]
		switch {
		case start <= last || of == 0 && start != 0 || start >= to-from:
			return dst, NewFault(b.piece.Name, at, "piece %d of sequence %d begins at token %d; the first begins at 0, and they rise below %d", of, i, start, to-from)
		case p.Continues != (p.From > 0):
			return dst, NewFault(b.piece.Name, at, "piece %d of sequence %d begins with token %d of its document, and is marked otherwise", of, i, p.From)
		case p.Padding && (of == 0 || k+1 < b.first[i+1] || p != Piece{Start: p.Start, Padding: true}):
			return dst, NewFault(b.piece.Name, at, "piece %d of sequence %d is padding that does not stand alone at the end of a row", of, i)
		case b.width == 0 && (b.first[i+1] != b.first[i]+1 || p.Continues || !p.Last):
			return dst, NewFault(b.piece.Name, at, "sequence %d is made of pieces, and the header says that sequences are documents", i)
		}
		last = start
		dst = append(dst, p)
	}
	return dst, nil
}

// Check reads all pieces.
func (b *Bounds) Check() error {
	var pieces []Piece
	var err error
	for i := range b.Sequences() {
		if pieces, err = b.AppendPieces(pieces[:0], i); err != nil {
			return err
		}
	}
	return nil
}
