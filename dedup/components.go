package dedup

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"curate/record"
	"curate/stage/runs"
)

// A cluster is a component of the graph whose edges are the verified pairs; it is known by its first document. It
// says what might be dropped and nothing more: decideCluster drops a document only for one that it is similar to.

// find returns the first document of doc's component so far.
func (d *documents) find(doc uint32) uint32 {
	for {
		p := d.parents.at(doc)
		if *p == doc {
			return doc
		}
		*p = *d.parents.at(*p) // halves the path for the next time
		doc = *p
	}
}

func (d *documents) union(a, b uint32) {
	a, b = d.find(a), d.find(b)
	if a > b {
		a, b = b, a
	}
	*d.parents.at(b) = a
}

const edgesFile = "edges"

// edges makes the file of all verified pairs, by component.
func (f *finisher) edges() error { return f.edgesOf(f.verdictFiles()) }

// verdictFiles are the files of all compared pairs.
func (f *finisher) verdictFiles() []string {
	if f.compared != nil {
		return f.compared
	}
	var verdicts []string
	for n := range f.rounds {
		verdicts = append(verdicts, name("verdicts", n+1))
	}
	return verdicts
}

// edgesOf makes the file of the pairs that these files of verdicts say are similar.
func (f *finisher) edgesOf(verdicts []string) error {
	be := binary.BigEndian
	return f.sorted(edgesFile, edgeWidth, func(s *runs.Sorter) error {
		for i := range uint32(f.docs.ids.n) {
			f.docs.parents.add(i)
		}
		err := f.each(verdictWidth, func(v []byte) error {
			if n := uint32(f.docs.ids.n); be.Uint32(v) >= n || be.Uint32(v[4:]) >= n { // of another process, it may be damaged
				return fmt.Errorf("a pair of documents %d and %d, and there are %d: the files of pairs are damaged", be.Uint32(v), be.Uint32(v[4:]), n)
			}
			if be.Uint32(v[8:]) > 0 {
				f.docs.union(be.Uint32(v), be.Uint32(v[4:]))
			}
			return nil
		}, verdicts...)
		if err != nil {
			return err
		}
		var item, last [edgeWidth]byte
		return f.each(verdictWidth, func(v []byte) error {
			if be.Uint32(v[8:]) == 0 {
				return nil
			}
			be.PutUint32(item[:], f.docs.find(be.Uint32(v)))
			copy(item[4:], v[:12])
			if item == last { // compared in two rounds
				return nil
			}
			last = item
			return s.Add(f.ctx, item[:])
		}, verdicts...)
	})
}

const decidedFile = "decided"

// decided makes the file of verdicts, by document. It goes through the edges twice at once: ahead counts those of a
// cluster, so that its memory is known before it is taken.
func (f *finisher) decided() error {
	be := binary.BigEndian
	f.docs.parents = column[uint32]{}
	memory := f.memory - f.m.documentBytes()*int64(f.docs.ids.n)
	return f.sorted(decidedFile, decidedWidth, func(s *runs.Sorter) error {
		var item [decidedWidth]byte
		c := cluster{similar: f.vs[0].similarity}
		if f.m.keep.width() > 0 {
			c.order = f.docs.order
		}
		return withRun(f.ctx, f.ws, edgeWidth, nil, func(behind *runs.Iterator) error {
			one := func(component uint32, n int64) error {
				if need := n * edgeBytes; need > memory || n > math.MaxInt32 { // ends have 32 bits
					return fmt.Errorf("a cluster has %d similar pairs, and to hold them takes %s: %w", n, mebibytes(need), tooMuch(need-memory))
				}
				c.edges = slices.Grow(c.edges[:0], int(n))
				for range n {
					if !behind.Next() {
						return fmt.Errorf("file %s ends early: %w", edgesFile, behind.Err())
					}
					e := behind.Item()
					if n := uint32(f.docs.ids.n); be.Uint32(e) >= n || be.Uint32(e[4:]) >= n || be.Uint32(e[8:]) >= n || be.Uint32(e[4:]) == be.Uint32(e[8:]) {
						return fmt.Errorf("file %s is damaged: a pair of documents %d and %d of %d", edgesFile, be.Uint32(e[4:]), be.Uint32(e[8:]), n)
					}
					c.edges = append(c.edges, edge{be.Uint32(e[4:]), be.Uint32(e[8:]), be.Uint32(e[12:])})
				}
				verdicts, err := c.decide(f.ctx)
				if err != nil {
					return err
				}
				for _, v := range verdicts {
					be.PutUint32(item[0:], v.doc)
					be.PutUint32(item[4:], v.kept)
					similarity := v.similarity
					if f.m.cfg.Verify == VerifyNone {
						similarity = 0 // nobody knows
					}
					be.PutUint32(item[8:], similarity)
					be.PutUint32(item[12:], component)
					if err := s.Add(f.ctx, item[:]); err != nil {
						return err
					}
				}
				if n*edgeBytes > clusterKeep {
					c.release()
				}
				return nil
			}
			n, component := int64(0), uint32(0)
			err := f.each(edgeWidth, func(e []byte) error {
				if r := be.Uint32(e); n > 0 && r != component {
					if err := one(component, n); err != nil {
						return err
					}
					n = 0
				}
				component = be.Uint32(e)
				n++
				return nil
			}, edgesFile)
			if err != nil || n == 0 {
				return err
			}
			return one(component, n)
		}, edgesFile)
	})
}

const (
	// edgeBytes is what a cluster takes for an edge at most: 12 for the edge, 2 × 8 as links, 2 × 8 in lists of kept
	// neighbours, 8 to find the documents, and for a document, of which there is at most one more than edges, 12 for
	// its verdict and 18 more.
	edgeBytes = 12 + 2*8 + 2*8 + 8 + 12 + 18
	// clusterKeep is what stays allocated from one cluster to the next, in bytes.
	clusterKeep = 1 << 20
)

// write makes the file of decisions.
func (f *finisher) write(w io.Writer) error {
	be := binary.BigEndian
	out := newDecisionsWriter(w, columnsMinHash)
	id := func(b []byte) record.ID { return *f.docs.ids.at(be.Uint32(b)) }
	err := f.each(decidedWidth, func(item []byte) error {
		if be.Uint32(item) < f.docs.indexed {
			return nil // it is no record of this run
		}
		return out.add(id(item), Decision{id(item[4:]), be.Uint32(item[8:]), *f.docs.ids.at(f.clusterOf(item))}, nil)
	}, decidedFile)
	if err != nil {
		return err
	}
	return out.close()
}
