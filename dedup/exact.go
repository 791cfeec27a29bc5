package dedup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
)

// Rule and reason of a record whose field has the same value as another's that is kept.
const (
	ExactRule   = "exact"
	ExactReason = "exact_duplicate"
	URLRule     = "url"
	URLReason   = "url_duplicate"
)

// WithoutURL is the tally of documents without a URL, which are nobody's duplicates.
const WithoutURL = "without_url"

// ExactConfig of exact deduplication.
type ExactConfig struct {
	// Field is compared; "text" by default. A string counts as its decoded text, any other value as its JSON text
	// without white space: 1 and 1.0 differ, and so do objects with members in another order. A record where it is
	// missing or null is quarantined.
	Field record.Path
	// URL says that Field, by default "url" then, is where a document comes from: the rule is URLRule, and a record where it
	// is missing, null or empty is kept.
	URL bool
	// Form is one of Forms: that in which strings are compared. By default "none", as they are written, and "url" with URL.
	Form string
	// IDField is where a record has an id of its own; "id" by default. The rows of evidence have it (own_ids.go).
	IDField record.Path
	// Name of the stage, for the ledger of a run of several methods; "dedup" by default, and "dedup_url" with URL.
	Name string
	// Keep says which of a group stays: KeepFirst, the default, or another of KeepUsage but longest.
	Keep string
	// Priority are the sources of KeepSourceOrder, the one that stays first. Others come behind them all.
	Priority []string
	// SourceField is where a record's source stands; DefaultSourceField by default. See Findings.
	SourceField record.Path
	// Findings says what is written beside the decision.
	Findings Findings
	// Annotate drops nothing: the verdict is written into every record.
	Annotate bool
	// Verdicts writes the verdict into dropped records. Ask for it when somebody keeps them; it changes no
	// decision, so it is no part of the stage's identity.
	Verdicts bool
}

// Exact keeps one of all records with the same value of a field. It is immutable.
type Exact struct {
	cfg   ExactConfig
	form  form
	said  verdictWords
	spec  stage.Spec
	keep  keepOrder
	found findings
	index *indexUse // nil without one
	ranged
}

// NewExact makes the stage.
func NewExact(cfg ExactConfig) (*Exact, error) {
	method, said := "exact", exactWords
	if cfg.URL {
		method, said = "url", urlWords
	}
	if cfg.Field.String() == "" {
		cfg.Field = record.MustPath("text")
		if cfg.URL {
			cfg.Field = record.MustPath("url")
		}
	}
	if cfg.Form == "" {
		cfg.Form = "none"
		if cfg.URL {
			cfg.Form = "url"
		}
	}
	if cfg.Name == "" {
		cfg.Name = "dedup"
		if cfg.URL {
			cfg.Name = "dedup_url"
		}
	}
	if cfg.Keep == "" {
		cfg.Keep = KeepFirst
	}
	if cfg.SourceField.String() == "" {
		cfg.SourceField = record.MustPath(DefaultSourceField)
	}
	if cfg.IDField.String() == "" {
		cfg.IDField = record.MustPath("id")
	}
	keep, err := newKeepOrder(cfg.Keep, cfg.Priority, method, KeepLongest)
	if err != nil {
		return nil, err
	}
	found, err := newFindings(cfg.Findings, method, keep, cfg.Annotate)
	if err != nil {
		return nil, err
	}
	form, err := checkForm(cfg.Form, true)
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	named := cfg.Form
	if named == "none" {
		named = ""
	}
	config, err := canonical(struct { // keys in the order of their names
		Annotate bool     `json:"annotate"`
		Field    string   `json:"field"`
		Form     string   `json:"form,omitempty"` // none: as it is written
		IDField  string   `json:"id_field"`
		Keep     string   `json:"keep"`
		Method   string   `json:"method"`
		Priority []string `json:"priority,omitempty"`
		Source   string   `json:"source_field"`
	}{cfg.Annotate, cfg.Field.String(), named, cfg.IDField.String(), cfg.Keep, method, cfg.Priority, cfg.SourceField.String()})
	if err != nil {
		return nil, err
	}
	e := &Exact{
		cfg: cfg, form: form, said: said, keep: keep, found: found,
		spec: stage.Spec{
			Name: cfg.Name, Version: 2, Config: config, Needs: []record.Path{cfg.Field},
			Uses: append(keep.uses(), cfg.SourceField, cfg.IDField), Findings: found.files(),
		},
	}
	if e.spec.Held = e.itemWidth(); found.Evidence {
		e.spec.Held += ownHeader // an own id is a part of the line
	}
	if !cfg.URL {
		e.spec.Growing = growing
	}
	e.ranged = ranged{
		name: decisionsFile, prefix: "exact", width: e.itemWidth(), pairWidth: exactPairWidth, pair: e.pairUp, merge: mergeDecisions, columns: columnsExact,
		rangeSize: rangeSize, spillSize: spillSize,
	}
	return e, nil
}

// Spec implements stage.Reducer.
func (e *Exact) Spec() stage.Spec { return e.spec }

// A record's key is what the sources need, digest (16 bytes) and length of the value (4, big-endian), but where the
// first stays the record's order (8, big-endian; keep.go), and with evidence its own id. An item is that without the own id,
// the record's ID (8, big-endian) and its source (8, little-endian), so that the first of equal digests and lengths is the
// record to keep.
const (
	keyWidth    = 16 + 4
	orderWidth  = 8
	numberWidth = 8
	mostKey     = keyWidth + orderWidth
	mostItem    = mostKey + 8 + numberWidth
)

// orderedKey is how wide digest, length and order are.
func (e *Exact) orderedKey() int {
	if e.keep.name == KeepFirst {
		return keyWidth
	}
	return keyWidth + orderWidth
}

func (e *Exact) itemWidth() int { return e.orderedKey() + 8 + numberWidth }

// Key implements stage.Reducer.
func (e *Exact) Key() stage.Mapper { return exactKey{e} }

type exactKey struct{ e *Exact }

func (k exactKey) Spec() stage.Spec { return k.e.spec }

func (k exactKey) NewWorker() stage.Worker {
	return &exactKeyWorker{e: k.e}
}

// scratchLimit is what a worker keeps between records, in bytes. Nearly all texts need less.
const scratchLimit = 4 << 20

type exactKeyWorker struct {
	e          *Exact
	scratch    []byte
	form       []byte
	sourceText []byte
	source     []byte
	digest     []byte
	key        []byte
}

// Map implements stage.Worker.
func (w *exactKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	without := int64(0)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		// With annotate every record will be written into, so one that cannot be is quarantined now, and nothing is a
		// duplicate of it.
		cannot := r.CanSet(curateDedup)
		var err error
		if w.e.cfg.Annotate {
			err = cannot
		}
		has := !w.e.cfg.URL || hasValue(r, w.e.cfg.Field)
		if err == nil {
			err = w.setKey(r, has, cannot == nil)
		}
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		if !has {
			without++
		}
		if cap(w.scratch)+cap(w.form) > scratchLimit {
			w.scratch, w.form = nil, nil
		}
	}
	if without > 0 {
		b.Tally(WithoutURL, without)
	}
	return nil
}

// hasValue says whether there is something else than null, or a string of spaces.
func hasValue(r *record.Record, field record.Path) bool {
	v, ok := r.Value(field)
	return ok && v[0] != 'n' && (v[0] != '"' || len(bytes.Trim(v[1:len(v)-1], " ")) > 0)
}

// setKey gives a record its key: of one without a value there is the head alone, since its source has it all the same.
func (w *exactKeyWorker) setKey(r *record.Record, has, writable bool) error {
	cfg := &w.e.cfg
	length := uint32(0) // of what is compared; a line has less than 2 GiB
	if has {
		value, isString, err := fieldValue(r, cfg.Field, &w.scratch)
		if err != nil {
			return err
		}
		w.digest = w.appendDigest(w.digest[:0], value, isString)
		length = binary.BigEndian.Uint32(w.digest[keyWidth-4:])
	}
	w.source = appendSource(w.source[:0], r, cfg.SourceField, &w.sourceText)
	number := sourceNumber(w.source)
	if !writable {
		number |= unwritable
	}
	k := appendKeyHead(w.key[:0], number, length, w.source)
	if has {
		k = append(k, w.digest...)
		if w.e.keep.name != KeepFirst {
			k = binary.BigEndian.AppendUint64(k, w.e.keep.of(r, w.source, length))
		}
		if w.e.found.Evidence {
			k = append(k, r.OwnID(cfg.IDField, maxSignID)...)
		}
	}
	w.key = k
	r.SetKey(k)
	return nil
}

// appendDigest appends the digest of a value in its form, and the form's length.
func (w *exactKeyWorker) appendDigest(k, value []byte, isString bool) []byte {
	if isString {
		value = w.e.form.of(value, &w.form)
	}
	d := Digest(value, isString)
	k = append(k, d[:]...)
	return binary.BigEndian.AppendUint32(k, uint32(len(value)))
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
func (e *Exact) NewPartial() stage.Partial {
	return &exactPartial{itemsPartial: itemsPartial{width: e.itemWidth()}, sources: sources{}, some: e.cfg.URL, owned: e.found.Evidence}
}

type exactPartial struct {
	itemsPartial
	owns    ownsPartial
	sources sources
	some    bool // a key may be a head alone
	owned   bool // a key may end with an own id
}

// Add implements stage.Partial.
func (p *exactPartial) Add(b *record.Batch) error {
	kept, size := 0, 0
	width := p.width - 8 - numberWidth // of a key behind its head, without the own id
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		_, key, err := p.sources.takeKeyHead(r.Key())
		if err == nil && p.some && len(key) == 0 {
			continue
		}
		own := len(key) - width
		if err == nil && (own < 0 || own > maxSignID || own > 0 && !p.owned) {
			err = errKey
		}
		if err != nil {
			return fmt.Errorf("dedup: record %d %w", r.ID, err)
		}
		if kept++; own > 0 {
			size += ownHeader + own
		}
	}
	if kept == 0 {
		return nil
	}
	items, owns := make([]byte, 0, kept*p.width), make([]byte, 0, size)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		key := behindKeyHead(r.Key())
		if len(key) == 0 {
			continue
		}
		items = append(items, key[:width]...)
		items = binary.BigEndian.AppendUint64(items, uint64(r.ID))
		items = append(items, r.Key()[:numberWidth]...) // the source's number is what the head begins with
		if len(key) > width {
			owns = appendOwn(owns, r.ID, key[width:])
		}
	}
	p.take(items)
	p.owns.take(owns)
	return nil
}

// Join implements stage.Partial.
func (p *exactPartial) Join(next stage.Partial) error {
	n, err := nextPartial[*exactPartial](next)
	if err != nil {
		return err
	}
	p.join(&n.itemsPartial)
	p.owns.join(&n.owns)
	return p.sources.join(n.sources)
}

// Size implements stage.Partial.
func (p *exactPartial) Size() int { return p.itemsPartial.Size() + p.owns.bytes + p.sources.size() }

// Seal implements stage.Partial.
func (p *exactPartial) Seal(w io.Writer) error {
	if _, err := w.Write(p.sources.appendHead(nil)); err != nil {
		return err
	}
	if err := p.owns.seal(w); err != nil {
		return err
	}
	return p.itemsPartial.Seal(w)
}

// Merge implements stage.Reducer.
func (e *Exact) Merge(w io.Writer, sealed []io.Reader) error {
	buffered := make([]*bufio.Reader, len(sealed))
	rest := make([]io.Reader, len(sealed))
	for i, r := range sealed {
		buffered[i] = bufio.NewReaderSize(r, rangeBuffer) // of the own ids; what merges items has buffers of its own
		rest[i] = buffered[i]
	}
	if err := mergeHeads(w, rest); err != nil {
		return err
	}
	if err := mergeOwns(w, buffered); err != nil {
		return err
	}
	return runs.Merge(w, e.width, rest)
}
