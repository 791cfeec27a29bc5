package mix

import (
	"cmp"
	"slices"
	"sort"
)

// Cut is a Mark, but for a few documents near it that lie on its other side: with them the sum of tokens before it is
// nearer to what was wanted than documents in their order allow, where a long one stands at the border.
type Cut struct {
	Mark
	from, to key                 // all of across lie in [from, to)
	across   map[uint64]struct{} // by ID
}

// Before says whether a document lies before the cut.
func (c *Cut) Before(digest, id uint64) bool {
	before := c.Mark.Before(digest, id)
	if len(c.across) == 0 {
		return before
	}
	if k := (key{digest, id}); k.compare(c.from) < 0 || k.compare(c.to) >= 0 {
		return before
	}
	_, is := c.across[id]
	return before != is
}

// IsZero says whether no document lies before the cut.
func (c *Cut) IsZero() bool { return c.Mark == Mark{} && len(c.across) == 0 }

// nearby is how many documents beside each mark are looked at, at most: with so many there are short ones among them.
const nearby = 64

// Cuts is Marks and one more pass, which looks at the documents nearest to each mark and moves some of them across it: the
// longest that fit into what is missing, or is too much, then shorter ones. IDs must be unique within a class.
func Cuts(each Each, wants [][]int64, room int) (cuts [][]Cut, got [][]int64, err error) {
	marks, got, err := Marks(each, wants, room)
	if err != nil {
		return nil, nil, err
	}
	m := mender{borders: make([][]*border, len(wants))}
	borders := 0
	cuts = make([][]Cut, len(wants))
	for class := range marks {
		cuts[class] = make([]Cut, len(marks[class]))
		for k, mark := range marks[class] {
			cuts[class][k].Mark = mark
			b := &border{at: key{mark.Digest, mark.ID}, missing: wants[class][k] - got[class][k]}
			if mark == End && b.missing > 0 { // there is nothing else
				b.missing = 0
			}
			m.borders[class] = append(m.borders[class], b)
			if b.missing != 0 {
				borders++
			}
		}
	}
	if borders == 0 {
		return cuts, got, nil
	}
	m.most = max(1, min(nearby, room/documentSize/borders))
	if err := each(m.look); err != nil {
		return nil, nil, err
	}
	for class, bs := range m.borders {
		moved := map[uint64]bool{}
		for k, b := range bs {
			got[class][k] += b.move(&cuts[class][k], moved)
		}
	}
	return cuts, got, nil
}

// border is a mark with the documents near it.
type border struct {
	at      key
	missing int64      // tokens that are wanted before it, or below 0 too many
	near    []document // those behind it if some are missing, else those before it; the farthest first: a heap
}

type mender struct {
	borders [][]*border // of each class, in order
	most    int
}

// look takes a document in where it is near a border and no other border lies between.
func (m *mender) look(class int, digest, id uint64, tokens int64) error {
	bs, k := m.borders[class], key{digest, id}
	i := sort.Search(len(bs), func(i int) bool { return bs[i].at.compare(k) > 0 }) // the first border behind it
	d := document{key: k, tokens: tokens}
	// Of several borders at one place only the outer ones get some, so that what is before one is before the next.
	if i > 0 {
		bs[i-1].take(d, false, m.most)
	}
	if i < len(bs) {
		bs[i].take(d, true, m.most)
	}
	return nil
}

// take keeps the most nearest documents on the side that the border needs.
func (b *border) take(d document, isBefore bool, most int) {
	if b.missing == 0 || isBefore != (b.missing < 0) {
		return
	}
	farther := func(x, y document) bool {
		if b.missing < 0 {
			return x.compare(y.key) < 0
		}
		return x.compare(y.key) > 0
	}
	h := b.near
	switch {
	case len(h) < most:
		h = append(h, d)
		for i := len(h) - 1; i > 0 && farther(h[i], h[(i-1)/2]); i = (i - 1) / 2 {
			h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		}
		b.near = h
	case farther(h[0], d):
		h[0] = d
		for i := 0; ; {
			far := i
			for c := 2*i + 1; c <= 2*i+2 && c < len(h); c++ {
				if farther(h[c], h[far]) {
					far = c
				}
			}
			if far == i {
				return
			}
			h[i], h[far] = h[far], h[i]
			i = far
		}
	}
}

// move chooses documents that go across and says by how many tokens that changes what is before the border. Those in
// moved have gone across another one.
func (b *border) move(c *Cut, moved map[uint64]bool) (change int64) {
	left := b.missing
	if left < 0 {
		left = -left
	}
	slices.SortFunc(b.near, func(x, y document) int { return cmp.Or(cmp.Compare(y.tokens, x.tokens), x.compare(y.key)) })
	for _, d := range b.near {
		if d.tokens > left || d.tokens == 0 || moved[d.id] {
			continue
		}
		left -= d.tokens
		change += d.tokens
		moved[d.id] = true
		if c.across == nil {
			c.across, c.from, c.to = map[uint64]struct{}{}, d.key, d.key.next()
		}
		c.across[d.id] = struct{}{}
		if d.compare(c.from) < 0 {
			c.from = d.key
		}
		if n := d.key.next(); n.compare(c.to) > 0 {
			c.to = n
		}
	}
	if b.missing < 0 {
		return -change
	}
	return change
}
