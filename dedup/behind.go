package dedup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"curate/record"
	"curate/stage"
)

// Behind lets the stages of a method pass over what a method before them in the same run has annotated as a duplicate. Where
// the one before drops, nothing need be said, since what is dropped does not come; with Annotate it comes, with the verdict
// "drop" below curate.dedup, and each record that comes has the verdict of this run. It then keeps that, and is nobody's twin.
func Behind(stages []stage.Stage) ([]stage.Stage, error) {
	list := make([]stage.Stage, len(stages))
	for i, s := range stages {
		r, ok := s.(stage.Reducer)
		if !ok {
			return nil, fmt.Errorf("dedup: stage %s is no Reducer, and cannot stand behind another method; this is a bug", s.Spec().Name)
		}
		spec := r.Spec()
		config, err := json.Marshal(spec.Config)
		if err == nil {
			spec.Config, err = withMember(json.RawMessage(config), "behind", "annotate")
		}
		if err != nil {
			return nil, err
		}
		list[i] = behindReducer{r, spec}
	}
	return list, nil
}

type behindReducer struct {
	stage.Reducer
	spec stage.Spec
}

// Spec implements stage.Reducer.
func (b behindReducer) Spec() stage.Spec { return b.spec }

// Key implements stage.Reducer.
func (b behindReducer) Key() stage.Mapper { return behindMapper{b.Reducer.Key(), b.spec} }

// NewPartial implements stage.Reducer.
func (b behindReducer) NewPartial() stage.Partial { return behindPartial{b.Reducer.NewPartial()} }

// Finish implements stage.Reducer.
func (b behindReducer) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	m, err := b.Reducer.Finish(ctx, sealed, ws)
	if err != nil {
		return nil, err
	}
	return behindMapper{m, b.spec}, nil
}

type behindMapper struct {
	stage.Mapper
	spec stage.Spec
}

// Spec implements stage.Mapper.
func (b behindMapper) Spec() stage.Spec { return b.spec }

// NewWorker implements stage.Mapper.
func (b behindMapper) NewWorker() stage.Worker { return behindWorker{b.Mapper.NewWorker()} }

type behindWorker struct{ stage.Worker }

// Map implements stage.Worker.
func (w behindWorker) Map(ctx context.Context, b *record.Batch) error {
	return passingOver(b, func() error { return w.Worker.Map(ctx, b) })
}

type behindPartial struct{ stage.Partial }

// Add implements stage.Partial.
func (p behindPartial) Add(b *record.Batch) error {
	return passingOver(b, func() error { return p.Partial.Add(b) })
}

// Join implements stage.Partial.
func (p behindPartial) Join(next stage.Partial) error {
	n, ok := next.(behindPartial)
	if !ok {
		return fmt.Errorf("dedup: a %T cannot be joined", next)
	}
	return p.Partial.Join(n.Partial)
}

var verdictPath = record.MustPath("curate.dedup.verdict")

// passingOver calls do, which looks at records that are kept, and does not see those that are annotated as duplicates. The
// records' lines must be there, which they are until the batch is reset.
func passingOver(b *record.Batch, do func() error) error {
	var hidden []int
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if v, ok := r.Value(verdictPath); ok && string(v) == `"drop"` {
			r.Outcome = record.Drop
			hidden = append(hidden, i)
		}
	}
	err := do()
	for _, i := range hidden {
		r := &b.Records[i]
		if r.Outcome != record.Drop {
			err = errors.Join(err, fmt.Errorf("dedup: the verdict about record %d was changed; this is a bug", r.ID))
		}
		r.Outcome = record.Keep
	}
	return err
}
