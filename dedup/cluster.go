package dedup

import (
	"cmp"
	"context"
	"slices"
)

// edge is a verified pair of documents.
type edge struct{ a, b, similarity uint32 }

// verdict is what becomes of a document: it is kept if kept is itself.
type verdict struct{ doc, kept, similarity uint32 }

// cluster decides about one cluster after the other.
//
// Its documents are looked at in keep order: ascending, or, with order, the least first and equal ones ascending.
// A document goes if a kept one is similar to it, of these, in turn:
//
//   - kept ones that it has an edge to, in keep order;
//   - kept ones that those it has an edge to have an edge to, in keep order. They are compared now;
//   - kept ones of the cluster, in keep order. So are they.
//
// It is compared with at most maxExtra others. If none is similar it stays.
type cluster struct {
	edges   []edge
	order   func(doc uint32) uint64           // nil where the first stays
	similar func(a, b uint32) (uint32, error) // 0 if they are not

	// From here on documents are their ranks in keep order.
	docs     []uint32 // by rank
	ends     []uint32 // in links, of each rank's
	links    []link
	kept     []bool
	nearKept []uint32 // by rank: the last of its list in lists, +1
	near     []uint8  // by rank: length of its list, at most maxExtra
	lists    []listed // of kept documents that have an edge to it
	first    []uint32 // the cluster's first kept ones, at most maxExtra
	try      []uint32
	verdicts []verdict
	byDoc    []uint32 // docs, ascending
	rank     []uint32 // of byDoc; nil where it is the place in byDoc
}

type link struct{ to, similarity uint32 }

// listed is an element of a list, the one before it at before-1.
type listed struct{ rank, before uint32 }

// release gives memory back after a large cluster.
func (c *cluster) release() { *c = cluster{order: c.order, similar: c.similar} }

// decide returns a verdict for each document of edges, which are one component. They are valid until the next call.
func (c *cluster) decide(ctx context.Context) ([]verdict, error) {
	c.load()
	c.verdicts, c.first, c.lists = slices.Grow(c.verdicts[:0], len(c.docs)), c.first[:0], c.lists[:0]
	for i := range uint32(len(c.docs)) {
		if i%64 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		to, similarity, err := c.dropFor(i)
		if err != nil {
			return nil, err
		}
		if to != i {
			c.verdicts = append(c.verdicts, verdict{c.docs[i], c.docs[to], similarity})
			continue
		}
		c.verdicts = append(c.verdicts, verdict{c.docs[i], c.docs[i], million})
		c.kept[i] = true
		if len(c.first) < maxExtra {
			c.first = append(c.first, i)
		}
		for _, l := range c.linksOf(i) {
			if c.near[l.to] < maxExtra {
				c.near[l.to]++
				c.lists = append(c.lists, listed{i, c.nearKept[l.to]})
				c.nearKept[l.to] = uint32(len(c.lists))
			}
		}
	}
	return c.verdicts, nil
}

// dropFor returns the kept document that i goes for, or i.
func (c *cluster) dropFor(i uint32) (to, similarity uint32, err error) {
	to = i
	for _, l := range c.linksOf(i) {
		if c.kept[l.to] && l.to < to {
			to, similarity = l.to, l.similarity
		}
	}
	if to != i {
		return to, similarity, nil
	}
	c.try = c.try[:0]
	for _, l := range c.linksOf(i) {
		for at := c.nearKept[l.to]; at > 0; at = c.lists[at-1].before {
			c.attempt(c.lists[at-1].rank)
		}
	}
	near := len(c.try)
	for _, k := range c.first {
		if len(c.try) == maxExtra {
			break
		}
		if !slices.Contains(c.try[:near], k) {
			c.try = append(c.try, k)
		}
	}
	for _, k := range c.try {
		if similarity, err = c.similar(c.docs[i], c.docs[k]); err != nil || similarity > 0 {
			return k, similarity, err
		}
	}
	return i, 0, nil
}

// attempt puts k into try, which is sorted, if it is one of the first maxExtra.
func (c *cluster) attempt(k uint32) {
	at, there := slices.BinarySearch(c.try, k)
	switch {
	case there || at == maxExtra:
		return
	case len(c.try) == maxExtra:
		c.try = c.try[:maxExtra-1]
	}
	c.try = slices.Insert(c.try, at, k)
}

func (c *cluster) linksOf(i uint32) []link {
	from := uint32(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.links[from:c.ends[i]]
}

// load makes ranks and links of edges.
func (c *cluster) load() {
	c.byDoc = slices.Grow(c.byDoc[:0], 2*len(c.edges))
	for _, e := range c.edges {
		c.byDoc = append(c.byDoc, e.a, e.b)
	}
	slices.Sort(c.byDoc)
	c.byDoc = slices.Compact(c.byDoc)
	n := len(c.byDoc)
	c.docs, c.rank = append(c.docs[:0], c.byDoc...), c.rank[:0]
	if c.order != nil {
		slices.SortFunc(c.docs, func(a, b uint32) int { return cmp.Or(cmp.Compare(c.order(a), c.order(b)), cmp.Compare(a, b)) })
		c.rank = zeros(c.rank, n)
		for r, doc := range c.docs {
			at, _ := slices.BinarySearch(c.byDoc, doc)
			c.rank[at] = uint32(r)
		}
	}
	rankOf := func(doc uint32) uint32 {
		at, _ := slices.BinarySearch(c.byDoc, doc)
		if c.order != nil {
			return c.rank[at]
		}
		return uint32(at)
	}
	c.ends, c.kept, c.near, c.nearKept = zeros(c.ends, n), zeros(c.kept, n), zeros(c.near, n), zeros(c.nearKept, n)
	for i := range c.edges {
		e := &c.edges[i]
		e.a, e.b = rankOf(e.a), rankOf(e.b)
		c.ends[e.a]++
		c.ends[e.b]++
	}
	sum := uint32(0)
	for i, k := range c.ends { // where each begins
		c.ends[i] = sum
		sum += k
	}
	c.links = zeros(c.links, int(sum))
	for _, e := range c.edges {
		c.links[c.ends[e.a]] = link{e.b, e.similarity}
		c.ends[e.a]++
		c.links[c.ends[e.b]] = link{e.a, e.similarity}
		c.ends[e.b]++
	}
}

// zeros is s with n zeros, in its memory where that is enough.
func zeros[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}
