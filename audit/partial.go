package audit

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"curate/record"
	"curate/stage"
)

// partial is a tally, and every line of every document: which of them are worth their text is known only when all of
// the split's are there.
type partial struct {
	a      *Audit
	tally  *tally
	blocks [][]seen
	lines  int // in all blocks
	room   int // lines that these have room for
	texts  int // bytes that the lines' keys take
}

// seen is a distinct line of a document.
type seen struct {
	hash   uint64
	id     uint64
	lineNo int64  // of the record
	text   string // its beginning
	group  *group // of a tally that may have been joined to another
	length uint32 // bytes
	count  uint32 // how often it is in the document
}

const seenSize = 56

// NewPartial implements stage.Reducer.
func (a *Audit) NewPartial() stage.Partial { return &partial{a: a, tally: newTally()} }

// Size implements stage.Partial. Seal sorts all lines in one piece beside the blocks; an eighth is for what allocations
// are rounded up by, and for garbage.
func (p *partial) Size() int {
	return p.tally.size() + (p.room*seenSize+p.lines*sortedSize+p.texts)/8*9
}

// Add implements stage.Partial.
func (p *partial) Add(b *record.Batch) error {
	n := 0
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep {
			n += len(r.Key())
		}
	}
	block := make([]seen, 0, n/48) // of lines of middle length
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		k := keyReader{b: r.Key()}
		if block = p.take(block, r, &k); k.short {
			return errors.New("audit: a record without counts: its batch was not mapped")
		}
		if k.err != nil {
			return k.err
		}
	}
	if len(block) > 0 {
		p.blocks = append(p.blocks, block)
		p.lines += len(block)
		p.room += cap(block)
	}
	return nil
}

// keyReader reads a key that worker.one has made.
type keyReader struct {
	b     []byte
	short bool
	err   error
}

func (k *keyReader) number() int64 {
	v, size := binary.Uvarint(k.b)
	if size <= 0 {
		k.short, k.b = true, nil
		return 0
	}
	k.b = k.b[size:]
	return int64(v)
}

func (k *keyReader) bytes() []byte {
	n := k.number()
	if n < 0 || n > int64(len(k.b)) {
		k.short, k.b = true, nil
		return nil
	}
	b := k.b[:n]
	k.b = k.b[n:]
	return b
}

// take takes in a record, and appends its lines to block.
func (p *partial) take(block []seen, r *record.Record, k *keyReader) []seen {
	t, id := p.tally, uint64(r.ID)
	g, err := p.a.groupOf(t, k.bytes())
	if err != nil {
		k.err = err
		return block
	}
	g.Documents++
	for _, n := range [...]*int64{&g.Bytes, &g.Characters, &g.Lines, &g.LineBytes} {
		*n += k.number()
	}
	var values [numSignals]int64
	for i := range values {
		values[i] = k.number() - 1
	}
	offer := func(c *choice, rank uint64, value int64, text []byte) {
		if at := c.place(rank, id); at >= 0 {
			c.put(at, example{ID: id, Line: r.LineNo, Value: value, Text: string(text), rank: rank})
		}
	}
	sample := scrambled(id)
	for i := range g.Found {
		n := k.number()
		if n == 0 {
			continue
		}
		g.Found[i]++
		g.Occurrences[i] += n
		offer(&t.findings[i], sample, n, k.bytes())
	}
	begin, longest := k.bytes(), k.bytes()
	for i, v := range values {
		if v == none {
			continue
		}
		s := &t.signals[i]
		s.bins[stage.Bin(real(i, v))]++
		text := begin
		if i == sigLongest {
			text = longest
		}
		if v > 0 { // zeros are no outliers
			offer(&s.largest, ^uint64(v), v, text)
			offer(&s.smallest, uint64(v), v, text)
		}
	}
	for range k.number() {
		code := string(k.bytes())
		weight := k.number()
		if k.short {
			return block
		}
		l := g.language(code)
		l.Asked++
		l.Thousandth += weight
		c := t.languages[code]
		if c == nil {
			c = new(choice)
			t.languages[code] = c
		}
		text := k.bytes()
		if !slices.ContainsFunc(*c, func(e example) bool { return e.ID == id }) { // one of a document
			offer(c, sample, weight, text)
		}
	}
	lines := k.number()
	own := string(k.b) // of all texts in one piece
	p.texts += len(own)
	rest := keyReader{b: k.b}
	for range lines {
		if len(rest.b) < 8 {
			k.short = true
			return block
		}
		s := seen{hash: binary.LittleEndian.Uint64(rest.b), id: id, lineNo: r.LineNo, group: g}
		rest.b = rest.b[8:]
		s.length, s.count = uint32(rest.number()), uint32(rest.number())
		n := len(rest.bytes())
		end := len(own) - len(rest.b)
		s.text = own[end-n : end]
		block = append(block, s)
	}
	k.short = k.short || rest.short
	return block
}

// Join implements stage.Partial.
func (p *partial) Join(next stage.Partial) error {
	q := next.(*partial)
	if err := p.a.join(p.tally, q.tally); err != nil {
		return err
	}
	p.blocks = append(p.blocks, q.blocks...)
	p.lines += q.lines
	p.room += q.room
	p.texts += q.texts
	*q = partial{}
	return nil
}

// sorted is a line made ready to be sorted.
type sorted struct {
	hash, id uint64
	lineNo   int64
	text     string
	length   uint32
	count    uint32
	group    uint32
}

const sortedSize = 56

// Seal implements stage.Partial.
func (p *partial) Seal(w io.Writer) error {
	h := p.tally.head()
	all := make([]sorted, 0, p.lines)
	var last *group
	ordinal := uint32(0)
	for _, block := range p.blocks {
		for i := range block {
			s := &block[i]
			if s.group != last {
				last, ordinal = s.group, p.tally.groups[s.group.Name].ordinal
			}
			all = append(all, sorted{s.hash, s.id, s.lineNo, s.text, s.length, s.count, ordinal})
		}
	}
	p.blocks = nil
	slices.SortFunc(all, func(a, b sorted) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.id, b.id)) })

	out := bufio.NewWriter(w)
	sw, err := newSealedWriter(out, h)
	if err != nil {
		return err
	}
	sum := newSum(len(h.Groups))
	for i := 0; i < len(all); {
		first := &all[i]
		sum.begin(first.hash, first.text)
		sum.from(first.id, first.lineNo, first.group, int64(first.length))
		for ; i < len(all) && all[i].hash == first.hash; i++ {
			sum.add(all[i].group, 1, int64(all[i].count))
		}
		if err := sw.put(sum.end()); err != nil {
			return err
		}
	}
	p.tally = nil
	if err := sw.end(); err != nil {
		return err
	}
	return out.Flush()
}
