package dedup

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// Rule and reason of a record whose field has the same value as another's that is kept.
const (
	ExactRule   = "exact"
	ExactReason = "exact_duplicate"
)

// ExactConfig of exact deduplication.
type ExactConfig struct {
	// Field is compared; "text" by default. A string counts as its decoded text, any other value as its JSON text
	// without white space: 1 and 1.0 differ, and so do objects with members in another order. A record where it is
	// missing or null is quarantined.
	Field record.Path
	// Keep says which of a group stays: "first", the smallest record ID, which is the first in the order of the
	// inputs. The default, and the only one so far.
	Keep string
	// Annotate drops nothing: the verdict is written into every record.
	Annotate bool
	// Verdicts writes the verdict into dropped records. Ask for it when somebody keeps them; it changes no
	// decision, so it is no part of the stage's identity.
	Verdicts bool
}

// Exact keeps one of all records with the same value of a field. It is immutable.
type Exact struct {
	cfg   ExactConfig
	spec  stage.Spec
	index *indexUse // nil without one
	ranged
}

// NewExact makes the stage.
func NewExact(cfg ExactConfig) (*Exact, error) {
	if cfg.Field.String() == "" {
		cfg.Field = record.MustPath("text")
	}
	if cfg.Keep == "" {
		cfg.Keep = "first"
	}
	if cfg.Keep != "first" {
		return nil, fmt.Errorf("dedup: keep %q is not possible with method exact; \"first\" is", cfg.Keep)
	}
	raw, err := json.Marshal(struct { // keys in the order of their names
		Annotate bool   `json:"annotate"`
		Field    string `json:"field"`
		Keep     string `json:"keep"`
		Method   string `json:"method"`
	}{cfg.Annotate, cfg.Field.String(), cfg.Keep, "exact"})
	if err != nil {
		return nil, err
	}
	canonical := jsontext.Value(raw) // RFC 8785
	if err := canonical.Canonicalize(); err != nil {
		return nil, err
	}
	return &Exact{
		cfg:  cfg,
		spec: stage.Spec{Name: "dedup", Version: 1, Config: json.RawMessage(canonical), Needs: []record.Path{cfg.Field}},
		ranged: ranged{
			name: decisionsFile, prefix: "exact", width: itemWidth, pair: pairUp, merge: mergeDecisions, columns: columnsExact,
			rangeSize: rangeSize, spillSize: spillSize,
		},
	}, nil
}

// Spec implements stage.Reducer.
func (e *Exact) Spec() stage.Spec { return e.spec }

// A record's key is digest (16 bytes) and length of the value (4, big-endian); an item adds the record's ID (8,
// big-endian), so that the first of equal keys is the record to keep.
const (
	keyWidth  = 16 + 4
	itemWidth = keyWidth + 8
)

// Key implements stage.Reducer.
func (e *Exact) Key() stage.Mapper { return exactKey{e} }

type exactKey struct{ e *Exact }

func (k exactKey) Spec() stage.Spec { return k.e.spec }

func (k exactKey) NewWorker() stage.Worker {
	return &exactKeyWorker{field: k.e.cfg.Field, annotate: k.e.cfg.Annotate}
}

// scratchLimit is what a worker keeps between records, in bytes. Nearly all texts need less.
const scratchLimit = 4 << 20

type exactKeyWorker struct {
	field record.Path
	// annotate: every record will be written into, so one that cannot be is quarantined now, and nothing is a
	// duplicate of it.
	annotate bool
	scratch  []byte
}

// Map implements stage.Worker.
func (w *exactKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var key [keyWidth]byte
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		err := w.key(&key, r)
		if err == nil && w.annotate {
			err = r.CanSet(curateDedup)
		}
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		r.SetKey(key[:])
		if cap(w.scratch) > scratchLimit {
			w.scratch = nil
		}
	}
	return nil
}

func (w *exactKeyWorker) key(key *[keyWidth]byte, r *record.Record) error {
	value, isString, err := fieldValue(r, w.field, &w.scratch)
	if err != nil {
		return err
	}
	d := Digest(value, isString)
	copy(key[:], d[:])
	binary.BigEndian.PutUint32(key[16:], uint32(len(value))) // a line has less than 2 GiB
	return nil
}

// fieldValue is what records are compared by: the decoded text of a string, or the JSON text of another value without
// white space. It is a view of the line, or of scratch.
func fieldValue(r *record.Record, field record.Path, scratch *[]byte) (value []byte, isString bool, err error) {
	value, ok := r.Value(field)
	switch {
	case !ok:
		return nil, false, &record.FieldError{Field: field.String(), Problem: "is missing"}
	case value[0] == '"':
		value, err = r.Text(field, scratch)
		return value, true, err
	case value[0] == 'n':
		return nil, false, &record.FieldError{Field: field.String(), Problem: "is null, and nothing to compare"}
	}
	*scratch = AppendCompact((*scratch)[:0], value)
	return *scratch, false, nil
}

// NewPartial implements stage.Reducer.
func (e *Exact) NewPartial() stage.Partial { return &exactPartial{itemsPartial{width: itemWidth}} }

type exactPartial struct{ itemsPartial }

// Add implements stage.Partial.
func (p *exactPartial) Add(b *record.Batch) error {
	kept := 0
	for i := range b.Records {
		if b.Records[i].Outcome == record.Keep {
			kept++
		}
	}
	if kept == 0 {
		return nil
	}
	items := make([]byte, 0, kept*itemWidth)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		key := r.Key()
		if len(key) != keyWidth {
			return fmt.Errorf("dedup: record %d has a key of %d bytes instead of %d; Key must run before Add", r.ID, len(key), keyWidth)
		}
		items = append(items, key...)
		items = binary.BigEndian.AppendUint64(items, uint64(r.ID))
	}
	p.take(items)
	return nil
}

// Join implements stage.Partial.
func (p *exactPartial) Join(next stage.Partial) error {
	n, ok := next.(*exactPartial)
	if !ok {
		return fmt.Errorf("dedup: a %T cannot be joined", next)
	}
	p.join(&n.itemsPartial)
	return nil
}

// itemsPartial holds items as they came, a block a batch; all are sorted at once in Seal, which is less work than
// sorting a batch's hundred or so and merging them (BenchmarkExactSeal).
type itemsPartial struct {
	width  int
	blocks [][]byte
	bytes  int // of all blocks
}

func (p *itemsPartial) take(items []byte) {
	p.blocks = append(p.blocks, items)
	p.bytes += len(items)
}

func (p *itemsPartial) join(n *itemsPartial) {
	p.blocks = append(p.blocks, n.blocks...)
	p.bytes += n.bytes
	n.blocks, n.bytes = nil, 0
}

// Size implements stage.Partial: Seal makes a second copy.
func (p *itemsPartial) Size() int { return 2 * p.bytes }

// Seal implements stage.Partial.
func (p *itemsPartial) Seal(w io.Writer) error {
	items := runs.SortBlocks(p.blocks, p.width)
	p.blocks = nil
	_, err := w.Write(items)
	return err
}

// Merge implements stage.Reducer.
func (e *Exact) Merge(w io.Writer, sealed []io.Reader) error {
	return runs.Merge(w, itemWidth, sealed)
}
