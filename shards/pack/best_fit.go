package pack

import (
	"math/bits"
	"slices"

	"curate/shards/format"
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

// A document that is longer than a row is cut into parts of Row tokens and a rest. Full parts are rows of their own;
// rests and shorter documents wait in a buffer until there are bufferDocuments of them, or bufferTokens tokens, and are
// packed together. Both are constants, as bytes depend on them.
//
// 4,096 documents are within 0.1 % of packing all at once on pages of the web (docs/formats/bounds.md has figures);
// more than a few million tokens are not held, whatever the length.
const (
	bufferDocuments = 4096
	bufferTokens    = 4 << 20
)

// bestFitRows makes rows of parts. Rows come in the order of the run: a row stands where its longest part stands among
// those of its buffer, so that neither long nor short documents gather anywhere; and the parts in a row are in that
// order too. The rows of a long document come before the one with its rest.
type bestFitRows struct {
	docs                    Documents
	maxDocuments, maxTokens int
	row                     row

	long   part // what is left of a document, while isLong; valid until docs.Next
	isLong bool
	ended  bool

	parts   []waiting // one after the other in tokens and masks
	lengths []int32
	tokens  []byte
	masks   []byte
	fit     bestFit

	rows   []int32 // in the order in which they come
	at     int     // the next of rows
	byRow  []int32 // parts, those of a row together
	rowEnd []int32 // by row, in byRow
}

// waiting is a part in the buffer: where its tokens and its mask begin there.
type waiting struct {
	tokens, mask int // mask is -1 if all are learnt
	id           uint64
	from         uint32
	source, copy uint16
}

func newBestFit(docs Documents, o Options) Sequences {
	return &bestFitRows{docs: docs, maxDocuments: bufferDocuments, maxTokens: bufferTokens, row: row{o: o}}
}

func (p *bestFitRows) Next() (format.Sequence, bool, error) {
	for {
		if p.at < len(p.rows) {
			return p.packed(), true, nil
		}
		if p.isLong {
			if s, ok := p.full(); ok {
				return s, true, nil
			}
		}
		switch {
		case len(p.lengths) > 0 && (p.ended || len(p.lengths) >= p.maxDocuments || len(p.tokens) >= p.maxTokens*p.row.o.Width):
			p.flush()
		case p.ended:
			return format.Sequence{}, false, nil
		default:
			d, ok, err := p.docs.Next()
			if err != nil {
				return format.Sequence{}, false, err
			}
			p.long, p.isLong, p.ended = partOf(d), ok, !ok
		}
	}
}

// full gives the next row that the document in hand fills, or puts what is left of it into the buffer.
func (p *bestFitRows) full() (format.Sequence, bool) {
	n := len(p.long.tokens) / p.row.o.Width
	if n >= p.row.o.Row {
		var first part
		first, p.long = p.long.after(p.row.o.Row, p.row.o.Width)
		p.isLong = len(p.long.tokens) > 0
		p.row.begin()
		p.row.add(first)
		return p.row.end(), true
	}
	if len(p.lengths) == 0 {
		p.parts, p.tokens, p.masks = p.parts[:0], p.tokens[:0], p.masks[:0]
	}
	w := waiting{len(p.tokens), -1, p.long.id, p.long.from, p.long.source, p.long.copy}
	if p.long.mask != nil {
		w.mask = len(p.masks)
		p.masks = append(p.masks, p.long.mask...)
	}
	p.parts = append(p.parts, w)
	p.tokens = append(p.tokens, p.long.tokens...)
	p.lengths = append(p.lengths, int32(n))
	p.isLong = false
	return format.Sequence{}, false
}

// flush packs the buffer. Its parts stay where they are until all rows have come.
func (p *bestFitRows) flush() {
	row, begun := p.fit.pack(p.lengths, p.row.o.Row)
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

// packed puts the next row together.
func (p *bestFitRows) packed() format.Sequence {
	r := p.rows[p.at]
	p.at++
	lo := int32(0)
	if r > 0 {
		lo = p.rowEnd[r-1]
	}
	p.row.begin()
	for _, i := range p.byRow[lo:p.rowEnd[r]] {
		w, end := &p.parts[i], len(p.tokens)
		if int(i)+1 < len(p.parts) {
			end = p.parts[i+1].tokens
		}
		q := part{tokens: p.tokens[w.tokens:end], id: w.id, from: w.from, source: w.source, copy: w.copy, last: true}
		if w.mask >= 0 {
			q.mask = p.masks[w.mask:][:len(q.tokens)/p.row.o.Width]
		}
		p.row.add(q)
	}
	return p.row.end()
}
