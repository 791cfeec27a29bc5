package dedup

import (
	"bytes"
	"context"
	"fmt"

	"curate/record"
	"curate/stage"
)

// Records that a Splitter with Carry has dropped say their part in a member "curate" which stands in the place of their own, or
// behind all others where they have none:
//
//	"curate":{"split":{"part":"test"}}
//	"curate":{"split":{"part":"test"},"was":{…}}
const (
	carriedHead = `{"split":{"part":"`
	carriedWas  = `"},"was":`
)

var (
	curateMember = record.NamePath(record.CurateKey)
	carriedPart  = record.MustPath("curate.split.part")
	carriedOwn   = record.MustPath("curate.was")
)

// carry stages a record's part. Names of parts need no escapes.
func carry(r *record.Record, part string) error {
	v := append([]byte(carriedHead), part...)
	if own, ok := r.Value(curateMember); ok {
		v = append(v, carriedWas...)
		v = append(append(v, own...), '}')
	} else {
		v = append(v, `"}}`...)
	}
	return r.Set(curateMember, v)
}

// Carried keeps, of records that a Splitter has dropped, those of one part, as they were before. It is a stage, and immutable.
type Carried struct {
	part string
	spec stage.Spec
}

// NewCarried makes the stage.
func NewCarried(part string) (*Carried, error) {
	config, err := canonical(struct {
		Carried string `json:"carried"`
	}{part})
	if err != nil {
		return nil, err
	}
	return &Carried{part, stage.Spec{Name: "split", Version: 1, Config: config, Needs: []record.Path{carriedPart}}}, nil
}

// Spec implements stage.Mapper.
func (c *Carried) Spec() stage.Spec { return c.spec }

// NewWorker implements stage.Mapper.
func (c *Carried) NewWorker() stage.Worker { return &carriedWorker{c: c} }

type carriedWorker struct {
	c       *Carried
	scratch []byte
	line    []byte
}

// Map implements stage.Worker.
func (w *carriedWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if err := w.one(r); err != nil {
			r.QuarantineFor(err)
		}
		if cap(w.line) > scratchLimit {
			w.line = nil
		}
	}
	return nil
}

func (w *carriedWorker) one(r *record.Record) error {
	part, err := r.Text(carriedPart, &w.scratch)
	if err != nil {
		return err
	}
	if string(part) != w.c.part {
		r.DropFor(SplitRule, string(part))
		return nil
	}
	if own, ok := r.Value(carriedOwn); ok {
		return r.Set(curateMember, own)
	}
	member := append([]byte(`,"`+record.CurateKey+`":`+carriedHead), part...)
	member = append(member, `"}}`...)
	at := bytes.LastIndex(r.Line, member)
	if at < 0 {
		return fmt.Errorf("the record does not end as one that was dropped does; the file is not as it was written")
	}
	w.line = append(append(w.line[:0], r.Line[:at]...), r.Line[at+len(member):]...)
	r.Replace(w.line)
	return nil
}
