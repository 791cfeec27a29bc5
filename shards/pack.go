package shards

import (
	"math/bits"
	"slices"
)

// bestFit packs pieces into rows by best fit decreasing: pieces from the longest to the shortest, ties in the order
// given, each into the row with the least space that is enough for it, the oldest of several, or into a new row.
// The rule is that of TRL's strategy bfd (pack_dataset in trl/data_utils.py at f2cd577); there a segment tree finds the
// row, here a set of bits, one for each space that some row has, since 2,048 of them are 32 words.
//
// The zero value is ready. It holds memory of the largest call.
type bestFit struct {
	order []int32  // pieces by falling length
	count []int32  // of pieces by length, then where those of a length begin in order
	has   []uint64 // bit s is set if some row has space s
	first []int32  // rows with space s, oldest first: a list through next
	last  []int32
	next  []int32 // by row

	row   []int32 // of each piece
	begun []int32 // the piece that each row began with: its longest
}

// pack packs pieces of 1 to length tokens. row[i] is the row of piece i and begun[r] the piece that row r began with;
// rows are numbered as they were begun. Both are valid until the next call.
func (p *bestFit) pack(lengths []int32, length int) (row, begun []int32) {
	p.sort(lengths, length)
	words := length/64 + 1
	p.has = grow(p.has, words)
	clear(p.has)
	p.first, p.last = grow(p.first, length+1), grow(p.last, length+1)
	p.row = grow(p.row, len(lengths))
	p.begun, p.next = p.begun[:0], p.next[:0]
	for _, i := range p.order {
		n := int(lengths[i])
		space := p.least(n, length)
		var r int32
		if space < 0 {
			r = int32(len(p.begun))
			p.begun, p.next = append(p.begun, i), append(p.next, -1)
			space = length
		} else {
			r = p.take(space)
		}
		p.row[i] = r
		if space -= n; space > 0 {
			p.add(space, r)
		}
	}
	return p.row, p.begun
}

// sort orders pieces by falling length, equal ones as they came: a counting sort.
func (p *bestFit) sort(lengths []int32, length int) {
	p.order, p.count = grow(p.order, len(lengths)), grow(p.count, length+1)
	clear(p.count)
	for _, n := range lengths {
		p.count[n]++
	}
	at := int32(0)
	for n := length; n >= 0; n-- {
		at, p.count[n] = at+p.count[n], at
	}
	for i, n := range lengths {
		p.order[p.count[n]] = int32(i)
		p.count[n]++
	}
}

// least is the least space of a row that is at least n, or -1.
func (p *bestFit) least(n, length int) int {
	w := n / 64
	word := p.has[w] &^ (1<<(n%64) - 1)
	for word == 0 {
		if w++; w > length/64 {
			return -1
		}
		word = p.has[w]
	}
	return w*64 + bits.TrailingZeros64(word)
}

// take removes the oldest row with that space.
func (p *bestFit) take(space int) int32 {
	r := p.first[space]
	if p.first[space] = p.next[r]; p.next[r] < 0 {
		p.has[space/64] &^= 1 << (space % 64)
	}
	return r
}

func (p *bestFit) add(space int, r int32) {
	p.next[r] = -1
	if bit := uint64(1) << (space % 64); p.has[space/64]&bit == 0 {
		p.has[space/64] |= bit
		p.first[space] = r
	} else {
		p.next[p.last[space]] = r
	}
	p.last[space] = r
}

// grow makes s n long, with any content.
func grow[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// A document that is longer than a row is cut into pieces of Length tokens and a rest. Whole pieces are rows of
// their own; rests and shorter documents wait in a buffer until there are packDocuments of them, or packTokens
// tokens, and are packed together. Both are constants of the stage, as bytes depend on them.
//
// 4,096 documents are within 0.1 % of packing all at once on pages of the web (docs/formats/bounds.md has figures);
// more than a few million tokens are not held, whatever the length.
const (
	packDocuments = 4096
	packTokens    = 4 << 20
)

// piece of a row: where it begins, in tokens, and whether it goes on with a document that an earlier row began.
type piece struct {
	start     uint32
	continues bool
}

// sequence is what becomes one of the shard: tokens as they lie there, and the pieces they are made of.
type sequence struct {
	tokens []byte
	pieces []piece
}

// sequences gives one sequence after the other, valid until the next call; ok is false at the end.
type sequences interface {
	next() (s sequence, ok bool, err error)
}

// documents gives one document after the other, in the order of the shuffle, valid until the next call.
type documents interface {
	next() (tokens []byte, ok bool, err error)
}

// unpacked makes each document a sequence.
type unpacked struct {
	docs  documents
	piece [1]piece
}

func (u *unpacked) next() (sequence, bool, error) {
	tokens, ok, err := u.docs.next()
	return sequence{tokens, u.piece[:]}, ok, err
}

// packed makes rows of pieces. Rows come in the order of the shuffle: a row stands where its longest piece stands
// among the documents of its buffer, so that neither long nor short documents gather anywhere; and the pieces in a
// row are in that order too. The rows of a long document come before the one with its rest.
type packed struct {
	docs          documents
	length, width int // tokens of a row, bytes of a token
	maxDocuments  int
	maxTokens     int

	long    []byte // what is left of a document longer than a row; valid until docs.next
	cut     bool   // long has been cut before
	ended   bool
	buffer  []byte // pieces, one after the other
	lengths []int32
	cuts    []bool // of the pieces: they continue a document
	starts  []int  // in buffer
	fit     bestFit

	rows   []int32 // rows in the order in which they come
	at     int     // the next of rows
	byRow  []int32 // pieces, those of a row together
	rowEnd []int32 // by row, in byRow
	tokens []byte
	pieces []piece
}

func newPacked(docs documents, length, width int) *packed {
	return &packed{docs: docs, length: length, width: width, maxDocuments: packDocuments, maxTokens: packTokens}
}

func (p *packed) next() (sequence, bool, error) {
	for {
		if p.at < len(p.rows) {
			return p.row(), true, nil
		}
		if s, ok := p.whole(); ok {
			return s, true, nil
		}
		switch {
		case len(p.lengths) > 0 && (p.ended || len(p.lengths) >= p.maxDocuments || len(p.buffer) >= p.maxTokens*p.width):
			p.flush()
		case p.ended:
			return sequence{}, false, nil
		default:
			doc, ok, err := p.docs.next()
			if err != nil {
				return sequence{}, false, err
			}
			p.long, p.cut, p.ended = doc, false, !ok
		}
	}
}

// whole gives the next row that one document fills, or puts what is left of it into the buffer.
func (p *packed) whole() (sequence, bool) {
	if len(p.long) == 0 {
		return sequence{}, false
	}
	size := p.length * p.width
	if len(p.long) >= size {
		p.pieces = append(p.pieces[:0], piece{0, p.cut})
		row := p.long[:size]
		p.long, p.cut = p.long[size:], true
		return sequence{row, p.pieces}, true
	}
	if len(p.lengths) == 0 {
		p.buffer, p.starts, p.cuts = p.buffer[:0], p.starts[:0], p.cuts[:0]
	}
	p.starts = append(p.starts, len(p.buffer))
	p.buffer = append(p.buffer, p.long...)
	p.lengths = append(p.lengths, int32(len(p.long)/p.width))
	p.cuts = append(p.cuts, p.cut)
	p.long = nil
	return sequence{}, false
}

// flush packs the buffer. Its pieces stay where they are until all rows have come.
func (p *packed) flush() {
	row, begun := p.fit.pack(p.lengths, p.length)
	p.rowEnd = grow(p.rowEnd, len(begun)+1)
	clear(p.rowEnd)
	for _, r := range row {
		p.rowEnd[r+1]++
	}
	for r := range begun {
		p.rowEnd[r+1] += p.rowEnd[r]
	}
	p.byRow = grow(p.byRow, len(row))
	p.rows, p.at = p.rows[:0], 0
	for i, r := range row {
		p.byRow[p.rowEnd[r]] = int32(i)
		p.rowEnd[r]++
		if begun[r] == int32(i) {
			p.rows = append(p.rows, r)
		}
	}
	p.lengths = p.lengths[:0]
}

// row puts the next row together.
func (p *packed) row() sequence {
	r := p.rows[p.at]
	p.at++
	lo := int32(0)
	if r > 0 {
		lo = p.rowEnd[r-1]
	}
	p.tokens, p.pieces = p.tokens[:0], p.pieces[:0]
	for _, i := range p.byRow[lo:p.rowEnd[r]] {
		end := len(p.buffer)
		if int(i)+1 < len(p.starts) {
			end = p.starts[i+1]
		}
		p.pieces = append(p.pieces, piece{uint32(len(p.tokens) / p.width), p.cuts[i]})
		p.tokens = append(p.tokens, p.buffer[p.starts[i]:end]...)
	}
	return sequence{p.tokens, p.pieces}
}
