package dedup

import (
	"context"
	"strconv"

	"curate/record"
	"curate/stage"
)

// minhashApply is the last Mapper: it does what the decisions say.
type minhashApply struct {
	m *MinHash
	d *Decisions
}

// Spec implements stage.Mapper.
func (a minhashApply) Spec() stage.Spec { return a.m.spec }

// NewWorker implements stage.Mapper.
func (a minhashApply) NewWorker() stage.Worker {
	return &minhashApplyWorker{cfg: &a.m.cfg, index: a.m.index, cursor: a.d.NewCursor()}
}

type minhashApplyWorker struct {
	cfg    *MinHashConfig
	index  *indexUse
	cursor *Cursor
	json   []byte
}

// Map implements stage.Worker.
func (w *minhashApplyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		found, known, err := w.cursor.Lookup(r.ID)
		if err != nil {
			return err
		}
		dropped := known && found.Kept != r.ID
		verdict := func() ([]byte, error) { return w.verdict(found, known, dropped) }
		if err := settle(r, dropped, w.cfg.Annotate, w.cfg.Verdicts, MinHashRule, MinHashReason, verdict); err != nil {
			return err
		}
	}
	return nil
}

// verdict is the JSON text of curate.dedup. IDs are strings, as exactApplyWorker.verdict says.
func (w *minhashApplyWorker) verdict(found Decision, known, dropped bool) ([]byte, error) {
	j := append(w.json[:0], `{"method":"minhash","verdict":`...)
	if dropped {
		j = append(j, `"drop","rule":"`+MinHashRule+`","reason":"`+MinHashReason+`",`...)
		var err error
		if j, err = w.index.appendKept(j, found.Kept); err != nil {
			return nil, err
		}
		if w.cfg.Verify != VerifyNone {
			j = append(j, `,"similarity":`...)
			j = appendSimilarity(j, found.Similarity)
		}
	} else {
		j = append(j, `"keep"`...)
	}
	if known {
		j = append(j, `,"cluster":"`...)
		j = strconv.AppendInt(j, int64(found.Cluster), 10)
		j = append(j, '"')
	}
	w.json = append(j, '}')
	return w.json, nil
}
