package translate

import (
	"context"
	"errors"

	"github.com/cespare/xxhash/v2"

	"curate/record"
	"curate/stage"
)

// Fetch is the stage "fetch": it finds translations of what [Segments] has written, as a [Stage] would of rows, and leaves them in
// the memory. A record of which a segment could not be had because of the moment (a server) is quarantined: asked again, it may
// come. What was given up for good is in the memory, too, and only counted.
type Fetch struct{ s *Stage }

// Fetch is the stage that asks for segments.
func (s *Stage) Fetch() *Fetch { return &Fetch{s} }

// Spec implements stage.Mapper.
func (f *Fetch) Spec() stage.Spec {
	spec := f.s.Spec()
	spec.Name, spec.Accepts = "fetch", acceptsSegments
	return spec
}

func acceptsSegments(r *record.Record) error {
	if !r.Has(segmentsPath) {
		return errNoSegments
	}
	return nil
}

// NewWorker implements stage.Mapper.
func (f *Fetch) NewWorker() stage.Worker { return fetchWorker{f.s} }

type fetchWorker struct{ s *Stage }

// Map implements stage.Worker.
func (w fetchWorker) Map(ctx context.Context, b *record.Batch) error {
	t := w.s.t
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	var list []*rowWork
	for i := range b.Records {
		rec := &b.Records[i]
		if rec.Outcome != record.Keep {
			continue
		}
		r := &rowWork{rec: rec}
		if err := t.parse(rec, r); err != nil {
			if errors.As(err, new(*CutError)) { // all others are, too
				return err
			}
			rec.QuarantineFor(err)
			continue
		}
		list = append(list, r)
	}
	err := all(ctx, list, func(ctx context.Context, r *rowWork) error { return r.resolve(ctx, t) })
	if err != nil {
		return err
	}
	for _, r := range list {
		for _, g := range r.list {
			if g.failure != nil && g.failure.passing {
				r.rec.QuarantineFor(g.failure)
				break
			}
		}
		t.tallySegments(b, r)
	}
	return nil
}

// Share is the stage "share": it lets one of several ranks have its part of what [Segments] has written. Which part is a matter of the
// segments alone, so that ranks of any number have everything, and each something.
type Share struct{ rank, world int }

// NewShare is that of a rank, from 0, among world.
func NewShare(rank, world int) Share { return Share{rank, world} }

// Rule and reason of records that are another rank's.
const (
	ShareRule   = "share"
	AnotherRank = "another_rank"
)

// Spec implements stage.Mapper.
func (s Share) Spec() stage.Spec {
	return stage.Spec{Name: "share", Version: 1, Config: struct {
		Rank  int `json:"rank"`
		World int `json:"world_size"`
	}{s.rank, s.world}, Accepts: acceptsSegments}
}

// NewWorker implements stage.Mapper.
func (s Share) NewWorker() stage.Worker { return s }

// Map implements stage.Worker.
func (s Share) Map(ctx context.Context, b *record.Batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if v, ok := r.Value(segmentsPath); ok && xxhash.Sum64(v)%uint64(s.world) != uint64(s.rank) {
			r.DropFor(ShareRule, AnotherRank)
		}
	}
	return nil
}
