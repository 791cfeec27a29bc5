package eval

import (
	"context"

	"curate/record"
)

// PairsConfig names the fields of a minimal pair.
type PairsConfig struct {
	Good, Bad record.Path // "good" and "bad" if they are zero
}

// Pairs measures how often a model finds the good of two texts likelier than the bad one: log p of the whole text, as Bits
// measures it. Two texts that are equally likely count as wrong.
type Pairs struct {
	c       PairsConfig
	s       *Subject
	encode  *encoding
	queue   *queue
	wait    [][2]int // sequences of the good and of the bad text
	tokens  int64
	right   share
	differ  mean // log p of the good one less that of the bad one
	ties    int64
	scratch []byte
}

// NewPairs makes the task.
func NewPairs(s *Subject, c PairsConfig) (*Pairs, error) {
	c.Good, c.Bad = pathOr(c.Good, "good"), pathOr(c.Bad, "bad")
	e, err := newEncoding(s)
	if err != nil {
		return nil, err
	}
	return &Pairs{c: c, s: s, encode: e, queue: newQueue(s)}, nil
}

func pathOr(p record.Path, name string) record.Path {
	if len(p.Names()) == 0 {
		return record.MustPath(name)
	}
	return p
}

// Add implements Task.
func (p *Pairs) Add(ctx context.Context, r *record.Record) error {
	var ids [2][]uint32
	for k, path := range []record.Path{p.c.Good, p.c.Bad} {
		text, err := r.Text(path, &p.scratch)
		if err != nil {
			return &RowError{err}
		}
		if ids[k], err = p.encode.text(text); err != nil {
			return err
		}
		if len(ids[k]) < 2 {
			return badRow("field %q is empty", path)
		}
	}
	var w [2]int
	for k := range ids {
		p.tokens += int64(len(ids[k]) - 1)
		windows(ids[k], nil, p.s.Context, p.s.Context, func(s sequence) {
			p.queue.add(s)
			w[k]++
		})
	}
	p.wait = append(p.wait, w)
	if p.queue.full() {
		return p.flush(ctx)
	}
	return nil
}

func (p *Pairs) flush(ctx context.Context) error {
	sums, err := p.queue.score(ctx)
	if err != nil {
		return err
	}
	for _, w := range p.wait {
		var both [2]float64
		for k, n := range w {
			for _, x := range sums[:n] {
				both[k] += x
			}
			sums = sums[n:]
		}
		p.right.add(both[0] > both[1])
		p.differ.add(both[0] - both[1])
		if both[0] == both[1] {
			p.ties++
		}
	}
	p.queue.clear()
	p.wait = p.wait[:0]
	return nil
}

// Finish implements Task.
func (p *Pairs) Finish(ctx context.Context) (*Result, error) {
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	r := &Result{Kind: KindPairs, Rows: p.right.n, Tokens: p.tokens, Context: p.s.Context, Ties: p.ties}
	r.Metrics = []Metric{accuracy("acc", &p.right, 0.5), p.differ.metric("log_p_difference")}
	return r, nil
}
