package dedup

import (
	"context"

	"curate/record"
	"curate/stage"
)

// curateDedup is where the verdict is written.
var curateDedup = record.MustPath("curate.dedup")

// apply makes the Mapper that drops what d says.
func (e *Exact) apply(d *Decisions) stage.Mapper { return &exactApply{e, d} }

type exactApply struct {
	e *Exact
	d *Decisions
}

// Spec implements stage.Mapper.
func (a *exactApply) Spec() stage.Spec { return a.e.spec }

// NewWorker implements stage.Mapper.
func (a *exactApply) NewWorker() stage.Worker {
	return &exactApplyWorker{cfg: &a.e.cfg, index: a.e.index, cursor: a.d.NewCursor()}
}

type exactApplyWorker struct {
	cfg    *ExactConfig
	index  *indexUse
	cursor *Cursor
	json   []byte
}

// Map implements stage.Worker.
func (w *exactApplyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		found, dropped, err := w.cursor.Lookup(r.ID)
		if err != nil {
			return err
		}
		if w.cfg.Annotate || w.cfg.Verdicts && dropped {
			verdict, failed := w.verdict(found.Kept, dropped)
			if failed != nil {
				return failed
			}
			err = r.Set(curateDedup, verdict)
		} else if dropped {
			err = r.CanSet(curateDedup) // whether somebody keeps dropped records decides nothing
		}
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		switch {
		case !dropped:
		case w.cfg.Annotate:
			r.Flag(ExactRule, ExactReason)
		default:
			r.DropFor(ExactRule, ExactReason)
		}
	}
	return nil
}

// verdict is the JSON text of curate.dedup. The ID is a string, since JSON readers lose bits of a number above
// 2^53.
func (w *exactApplyWorker) verdict(kept record.ID, dropped bool) ([]byte, error) {
	if !dropped {
		return append(w.json[:0], `{"method":"exact","verdict":"keep"}`...), nil
	}
	j := append(w.json[:0], `{"method":"exact","verdict":"drop","rule":"`+ExactRule+`","reason":"`+ExactReason+`",`...)
	j, err := w.index.appendKept(j, kept)
	if err != nil {
		return nil, err
	}
	w.json = append(j, '}')
	return w.json, nil
}
