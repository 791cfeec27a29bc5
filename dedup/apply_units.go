package dedup

import (
	"context"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
	"curate/text"
)

// unitsApply is the last Mapper: it takes out of each text what the file of cuts says.
type unitsApply struct {
	u *Units
	c *Cuts
}

// Spec implements stage.Mapper.
func (a *unitsApply) Spec() stage.Spec { return a.u.spec }

// NewWorker implements stage.Mapper.
func (a *unitsApply) NewWorker() stage.Worker {
	return &unitsApplyWorker{u: a.u, cursor: a.c.NewCursor(), cutter: a.u.newCutter()}
}

type unitsApplyWorker struct {
	u      *Units
	cursor *CutsCursor
	cutter cutter
	text   []byte
	left   []byte
	cuts   []uint32 // as the file has them
	whole  []uint32 // numbers of what goes
	json   []byte

	units, bytes, documents int64 // of this batch: what was cut
}

// Map implements stage.Worker.
func (w *unitsApplyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.units, w.bytes, w.documents = 0, 0, 0
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		var err error
		if w.cuts, err = w.cursor.Append(w.cuts[:0], r.ID); err != nil {
			return err
		}
		if len(w.cuts) == 0 && !w.u.cfg.Annotate {
			continue
		}
		doc, err := r.Text(w.u.cfg.Field, &w.text)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		w.cutter.cut(doc)
		var ok bool
		if w.whole, ok = w.cutter.whole(w.whole[:0], w.cuts); !ok {
			return fmt.Errorf("dedup: record %d has only %d %s; its text has changed since it was read", r.ID, len(w.cutter.units), w.u.cfg.Unit)
		}
		if err := w.one(r, doc); err != nil {
			r.QuarantineFor(err)
		}
		w.cutter.shrink(scratchLimit)
		if cap(w.text)+cap(w.left)+cap(w.json)+4*cap(w.cuts)+4*cap(w.whole) > scratchLimit {
			w.text, w.left, w.json, w.cuts, w.whole = nil, nil, nil, nil, nil
		}
	}
	for _, t := range []record.Tally{{Name: w.u.tallies.Cut, N: w.units}, {Name: w.u.tallies.BytesCut, N: w.bytes}, {Name: w.u.tallies.Documents, N: w.documents}} {
		if t.N > 0 {
			b.Tally(t.Name, t.N)
		}
	}
	return nil
}

// one edits or drops a record. An error is what is wrong with it.
func (w *unitsApplyWorker) one(r *record.Record, doc []byte) error {
	cfg := &w.u.cfg
	if len(w.whole) == 0 {
		return r.Set(curateDedup, w.verdict(doc, "", false)) // of annotate
	}
	w.left = w.cutter.appendLeft(w.left[:0], doc, w.whole)
	reason := ""
	switch {
	case len(text.TrimLeft(w.left)) == 0:
		reason = NothingLeft
	case cfg.MinWords > 0 && text.WordsWC(w.left) < cfg.MinWords:
		reason = TooFewWords
	}
	var err error
	switch {
	case cfg.Annotate || cfg.Verdicts && reason != "":
		err = r.Set(curateDedup, w.verdict(doc, reason, cfg.Annotate))
	case reason != "":
		err = r.CanSet(curateDedup) // as exactApplyWorker
	default:
		if w.json, err = jsontext.AppendQuote(w.json[:0], w.left); err == nil { // it is valid UTF-8, as what it was cut from
			err = r.Set(cfg.Field, w.json)
		}
	}
	if err != nil {
		return err
	}
	w.units += int64(len(w.whole))
	w.bytes += int64(len(doc) - len(w.left))
	w.documents++
	markDropped(r, reason != "", cfg.Annotate, cfg.Unit, reason)
	return nil
}

// verdict is the JSON text of curate.dedup. spans writes where in the text what would be cut is, in characters.
func (w *unitsApplyWorker) verdict(doc []byte, reason string, spans bool) []byte {
	j := append(w.json[:0], `{"method":"`...)
	j = append(append(j, w.u.cfg.Unit...), `","verdict":"`...)
	if reason == "" {
		j = append(j, `keep"`...)
	} else {
		j = append(j, `drop","rule":"`...)
		j = append(append(j, w.u.cfg.Unit...), `","reason":"`...)
		j = append(append(j, reason...), '"')
	}
	cut := 0
	if len(w.whole) > 0 {
		cut = len(doc) - len(w.left)
	}
	for _, n := range []struct {
		name  string
		value int
	}{{w.u.tallies.Units, w.cutter.all}, {w.u.tallies.Cut, len(w.whole)}, {w.u.tallies.BytesCut, cut}} {
		j = append(append(append(j, `,"`...), n.name...), `":`...)
		j = strconv.AppendInt(j, int64(n.value), 10)
	}
	if spans {
		j = append(j, `,"spans":[`...)
		at, chars := 0, 0
		for i, k := range w.whole {
			s := w.cutter.units[k]
			lo, hi := s.Lo, s.Hi
			chars += text.CodePoints(doc[at:lo])
			if i > 0 {
				j = append(j, ',')
			}
			j = strconv.AppendInt(append(j, '['), int64(chars), 10)
			chars += text.CodePoints(doc[lo:hi])
			j = append(strconv.AppendInt(append(j, ','), int64(chars), 10), ']')
			at = int(hi)
		}
		j = append(j, ']')
	}
	w.json = append(j, '}')
	return w.json
}
