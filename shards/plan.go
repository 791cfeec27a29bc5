package shards

import (
	"context"
	"fmt"
	"io"
	"math"

	"curate/shards/mix"
	"curate/stage"
)

// plan says which stage of the schedule each document belongs to, and how often it is used there.
type plan struct {
	seed    uint64
	budgets []*mix.Budget // by source; nil for one that has only pairs
	// ends are where the stages' documents end in the order in which documents are chosen, by source. nil if the only
	// stage has all documents.
	ends [][]mix.Cut
	// epochs by source and stage.
	epochs [][]mix.Epochs
}

// plan is made of what all sealed files have in their summaries and, where that is not enough, of the documents' heads.
func (b *Builder) plan(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace, all *summary) (*plan, error) {
	p := &plan{seed: b.Seed, budgets: make([]*mix.Budget, len(all.sources)), epochs: make([][]mix.Epochs, len(all.sources))}
	var have []mix.Available
	for _, t := range all.sources {
		if t.documents > 0 || t.pairs == 0 {
			have = append(have, mix.Available{Name: t.name, Documents: t.documents, Tokens: t.tokens})
			continue
		}
		for _, asked := range b.Mix.Sources {
			if asked.Name == t.name {
				return nil, fmt.Errorf("shards: source %q has only preference pairs, which are written once each; leave it out of the mix", t.name)
			}
		}
	}
	budgets, err := b.Mix.Solve(have)
	if err != nil {
		return nil, fmt.Errorf("shards: %w", err)
	}
	k := 0
	for i, t := range all.sources {
		p.epochs[i] = make([]mix.Epochs, len(b.Schedule))
		if t.documents > 0 || t.pairs == 0 {
			p.budgets[i] = &budgets[k]
			k++
		}
	}
	return p, p.divide(ctx, b, sealed, ws)
}

// unnamed is what a source without a name is called, from the beginning: its place among the others follows from it.
const unnamed = "(none)"

func shown(name string) string {
	if name == "" {
		return unnamed
	}
	return name
}

// divide finds which documents give what the budgets want of each source and stage.
func (p *plan) divide(ctx context.Context, b *Builder, sealed []stage.Sealed, ws stage.Workspace) error {
	stages := len(b.Schedule)
	wants := make([][]int64, len(p.budgets)) // of the tokens of a source, where each stage ends
	needed := false
	for i, u := range p.budgets {
		if u == nil {
			wants[i] = make([]int64, stages)
			continue
		}
		once := min(u.Tokens, u.Available.Tokens) // what is used at least once
		sum := 0.0
		for g, step := range b.Schedule {
			sum += step.Share
			want := min(once, int64(math.Round(float64(once)*sum))) // shares may add up to a little more than 1
			if g == stages-1 {
				if want = once; once == u.Available.Tokens {
					want = math.MaxInt64
				}
			}
			wants[i] = append(wants[i], want)
		}
		needed = needed || stages > 1 || once < u.Available.Tokens
	}
	got := make([][]int64, len(p.budgets)) // tokens of the documents of each stage
	for i, u := range p.budgets {
		got[i] = make([]int64, stages)
		if u != nil {
			got[i][stages-1] = u.Available.Tokens
		}
	}
	heads := &heads{b: b, ctx: ctx, sealed: sealed, ws: ws}
	documents := int64(0)
	for _, u := range p.budgets {
		if u != nil {
			documents += u.Documents
		}
	}
	room := int(min(max(1<<20, ws.Memory()/4), 64<<10+64*documents)) // few documents need no large tables
	if needed {
		ends, sums, err := mix.Cuts(heads.each(func(source int, id uint64) (int, uint64) {
			return source, chosenKey(b.Seed, id)
		}), wants, room)
		if err != nil {
			return err
		}
		p.ends = ends
		for i := range sums {
			for g := range sums[i] {
				if got[i][g] = sums[i][g]; g > 0 {
					got[i][g] -= sums[i][g-1]
				}
			}
		}
	}
	return p.repeat(b, heads, got, room)
}

// repeat finds how often the documents of each source and stage are used.
func (p *plan) repeat(b *Builder, heads *heads, got [][]int64, room int) error {
	stages := len(b.Schedule)
	extra := make([][]int64, len(p.budgets)*stages)
	needed := false
	for i, u := range p.budgets {
		for g, step := range b.Schedule {
			class := i*stages + g
			extra[class] = []int64{0}
			p.epochs[i][g].Whole = 1
			if u == nil || u.Available.Tokens == 0 {
				continue
			}
			p.epochs[i][g].Whole = int(max(1, u.Tokens/u.Available.Tokens))
			if u.Tokens <= u.Available.Tokens || u.Tokens%u.Available.Tokens == 0 {
				continue
			}
			want := int64(math.Round(float64(u.Tokens)*step.Share)) - got[i][g]*int64(p.epochs[i][g].Whole)
			extra[class][0] = max(0, want)
			needed = needed || want > 0
		}
	}
	if !needed {
		return nil
	}
	marks, _, err := mix.Cuts(heads.each(func(source int, id uint64) (int, uint64) {
		g := p.stage(source, id)
		if g < 0 {
			return -1, 0
		}
		return source*stages + g, copyKey(b.Seed, id, p.epochs[source][g].Whole)
	}), extra, room)
	if err != nil {
		return err
	}
	for class, m := range marks {
		p.epochs[class/stages][class%stages].Part = m[0]
	}
	return nil
}

// stage is the one that a document belongs to, or -1 if it is not used.
func (p *plan) stage(source int, id uint64) int {
	if p.ends == nil {
		return 0
	}
	digest := chosenKey(p.seed, id)
	for g := range p.ends[source] {
		if p.ends[source][g].Before(digest, id) {
			return g
		}
	}
	return -1
}

// inOrder says whether the documents of a stage are used once each, so that they come as they are sealed.
func (p *plan) inOrder(g int) bool {
	for _, e := range p.epochs {
		if e[g].Whole != 1 || !e[g].Part.IsZero() {
			return false
		}
	}
	return true
}

// heads goes through what sealed files say of documents, and passes over their tokens.
type heads struct {
	b      *Builder
	ctx    context.Context // of the one call that it lives for
	sealed []stage.Sealed
	ws     stage.Workspace
}

// each gives all documents, but pairs, to a selection; class says what a document is there, -1 for nothing.
func (h *heads) each(class func(source int, id uint64) (int, uint64)) mix.Each {
	return func(f func(class int, digest, id uint64, tokens int64) error) error {
		m, err := h.b.open(h.sealed, h.ws) // for the numbers of sources, which each file has its own of
		if err != nil {
			return err
		}
		for n := 0; ; n++ {
			if n%4096 == 0 && h.ctx.Err() != nil {
				return context.Cause(h.ctx)
			}
			s, err := m.next()
			if err != nil || s == nil {
				return err
			}
			if s.doc.kind != kindPair {
				if c, digest := class(m.source(s), s.doc.id); c >= 0 {
					if err := f(c, digest, s.doc.id, s.doc.tokens); err != nil {
						return err
					}
				}
			}
			if err := s.skip(); err != nil {
				return err
			}
		}
	}
}

// open begins to read the documents of sealed files.
func (b *Builder) open(sealed []stage.Sealed, ws stage.Workspace) (*merger, error) {
	in := make([]io.Reader, len(sealed))
	for i, f := range sealed {
		in[i] = io.NewSectionReader(f.Data, 0, f.Size)
	}
	buffer := int(min(ws.Memory()/4/int64(len(sealed)+1), windowSize))
	return newMerger(in, buffer, b.dtype.Size(), len(b.Schedule))
}
