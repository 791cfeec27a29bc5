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
	return &exactApplyWorker{cfg: &a.e.cfg, said: a.e.said, index: a.e.index, cursor: a.d.NewCursor()}
}

type exactApplyWorker struct {
	cfg    *ExactConfig
	said   verdictWords
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
		verdict := func() ([]byte, error) { return w.verdict(found.Kept, dropped) }
		if err := settle(r, dropped, w.cfg.Annotate, w.cfg.Verdicts, w.said.rule, w.said.reason, verdict); err != nil {
			return err
		}
	}
	return nil
}

// settle does with a record what was decided: it is dropped, or with annotate only flagged, and its verdict is written where
// somebody reads it. An error is of verdict.
func settle(r *record.Record, dropped, annotate, verdicts bool, rule, reason string, verdict func() ([]byte, error)) error {
	var err error
	if annotate || verdicts && dropped {
		json, failed := verdict()
		if failed != nil {
			return failed
		}
		err = r.Set(curateDedup, json)
	} else if dropped {
		err = r.CanSet(curateDedup) // whether somebody keeps dropped records decides nothing
	}
	if err != nil {
		r.QuarantineFor(err)
	} else {
		markDropped(r, dropped, annotate, rule, reason)
	}
	return nil
}

// markDropped drops a record, or with annotate says that it would be.
func markDropped(r *record.Record, dropped, annotate bool, rule, reason string) {
	switch {
	case !dropped:
	case annotate:
		r.Flag(rule, reason)
	default:
		r.DropFor(rule, reason)
	}
}

// verdictWords are what a method is called, and its rule and reason.
type verdictWords struct{ method, rule, reason string }

var (
	exactWords = verdictWords{"exact", ExactRule, ExactReason}
	urlWords   = verdictWords{"url", URLRule, URLReason}
)

// verdict is the JSON text of curate.dedup. The ID is a string, since JSON readers lose bits of a number above
// 2^53.
func (w *exactApplyWorker) verdict(kept record.ID, dropped bool) ([]byte, error) {
	j := append(append(w.json[:0], `{"method":"`...), w.said.method...)
	if dropped {
		j = append(append(j, `","verdict":"drop","rule":"`...), w.said.rule...)
		j = append(append(j, `","reason":"`...), w.said.reason...)
		var err error
		if j, err = w.index.appendKept(append(j, `",`...), kept); err != nil {
			return nil, err
		}
	} else {
		j = append(j, `","verdict":"keep"`...)
	}
	w.json = append(j, '}')
	return w.json, nil
}
