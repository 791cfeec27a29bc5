package dedup

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
	"curate/text"
)

// What a text is cut into. They are methods, rules of the ledger, and names in a recipe.
const (
	Lines      = "lines"      // up to a line feed
	Paragraphs = "paragraphs" // up to a blank line
	Sentences  = "sentences"  // a number of them in a row
)

// unitKinds is sorted by name.
var unitKinds = []struct {
	name     string
	form     string // that is compared, unless another is asked for
	minChars int    // likewise
}{
	{Lines, "ccnet", DefaultMinChars},
	{Paragraphs, "ccnet", DefaultMinChars},
	{Sentences, "simplified", 1},
}

// Reasons for which a document goes when units were cut out of it.
const (
	NothingLeft = "nothing_left"
	TooFewWords = "too_few_words"
)

const (
	// DefaultMinChars: lines of at most 30 characters are what FineWeb calls short (datatrove, filters/
	// fineweb_quality_filter.py, short_line_length), which are headings, entries of lists, answers in a dialogue, and
	// recur where nothing was copied. CCNet has no such bound.
	DefaultMinChars = 31
	// DefaultSpan: "all but one of any three-sentence span occurring more than once" (C4, Raffel et al. 2020, 2.2).
	DefaultSpan = 3
	// MaxMinCount bounds what is held of a unit that may be too rare: 12 bytes an occurrence, in each goroutine.
	MaxMinCount = 1 << 16
	// MaxSpan bounds nothing but nonsense.
	MaxSpan = 100
)

// UnitsConfig of the removal of repeated lines, paragraphs or sentences.
type UnitsConfig struct {
	// Field holds the text; "text" by default. A record where it is no string is quarantined.
	Field record.Path
	// Unit is Lines, Paragraphs or Sentences.
	Unit string
	// Keep is "first", the default: of each unit that recurs the first occurrence stays, in the order of the inputs and
	// of the text. Or "none": all go, as CCNet does ("even removing the first occurrence").
	Keep string
	// MinCount is how often a unit must occur in all texts together to be cut; 2 by default, and at most MaxMinCount.
	MinCount int
	// MinChars is how many characters (code points) a unit must have to be cut, without the white space around it; by
	// default DefaultMinChars of lines and paragraphs, and 1 of sentences.
	MinChars int
	// MinWords is how many words, as wc -w counts, must be left of a document that something was cut out of. With 0, the
	// default, it goes only if nothing is left. What others lost because this one had it first is lost with it.
	MinWords int
	// Form is one of Forms but "url": what is compared. By default "ccnet" of lines and paragraphs, "simplified" of
	// sentences.
	Form string
	// Span is how many sentences in a row are compared, and cut; DefaultSpan by default.
	Span int
	// Language has the rules by which sentences end: spaCy's code for it, "en" by default, as datatrove's.
	Language string
	// Annotate cuts and drops nothing: what would go is written into every record.
	Annotate bool
	// Verdicts writes the verdict into dropped records. Ask for it when somebody keeps them; it changes no
	// decision, so it is no part of the stage's identity.
	Verdicts bool
}

// Units cuts repeated units out of texts. It is immutable.
//
// A unit's key is its digest, with the record's ID and its number in the text behind it; Finish reads all keys in order,
// and the file that it makes ([Cuts]) says which units of which records go. The last Mapper cuts each text that is in it
// again, and takes them out.
type Units struct {
	cfg     UnitsConfig
	form    form
	spacy   *text.Spacy
	spec    stage.Spec
	tallies UnitTallies
	ranged
}

// UnitTallies are the names of the stage's counters.
type UnitTallies struct {
	Units     string // of all texts, outside code
	Compared  string // those that are not too short; of sentences, spans
	Cut       string
	Bytes     string // of all texts
	BytesCut  string
	Documents string // that something was cut out of, also those that were dropped for it
}

// TalliesOf are those of Lines, Paragraphs or Sentences.
func TalliesOf(unit string) UnitTallies {
	return UnitTallies{Units: unit, Compared: unit + "_compared", Cut: unit + "_cut", Bytes: "text_bytes", BytesCut: "text_bytes_cut", Documents: "documents_cut"}
}

// NewUnits makes the stage. Errors are about cfg.
func NewUnits(cfg UnitsConfig) (*Units, error) {
	at := slices.IndexFunc(unitKinds, func(k struct {
		name, form string
		minChars   int
	}) bool {
		return k.name == cfg.Unit
	})
	if at < 0 {
		return nil, fmt.Errorf("dedup: a text has no %q; it has %s, %s and %s", cfg.Unit, Lines, Paragraphs, Sentences)
	}
	kind := unitKinds[at]
	sentences := kind.name == Sentences
	if cfg.Field.String() == "" {
		cfg.Field = record.MustPath("text")
	}
	if cfg.Keep == "" {
		cfg.Keep = "first"
	}
	if cfg.MinCount == 0 {
		cfg.MinCount = 2
	}
	if cfg.MinChars == 0 {
		cfg.MinChars = kind.minChars
	}
	if cfg.Form == "" {
		cfg.Form = kind.form
	}
	if sentences && cfg.Span == 0 {
		cfg.Span = DefaultSpan
	}
	if sentences && cfg.Language == "" {
		cfg.Language = "en"
	}
	switch {
	case cfg.Keep != "first" && cfg.Keep != "none":
		return nil, fmt.Errorf("dedup: keep %q is not possible with method %s; \"first\" and \"none\" are", cfg.Keep, cfg.Unit)
	case cfg.MinCount < 2 || cfg.MinCount > MaxMinCount:
		return nil, fmt.Errorf("dedup: a minimum count of %d; it lies between 2 and %d", cfg.MinCount, MaxMinCount)
	case cfg.MinChars < 1 || cfg.MinWords < 0:
		return nil, errors.New("dedup: a minimum is a number of characters above 0, or of words that is not below 0")
	case !sentences && (cfg.Span != 0 || cfg.Language != ""):
		return nil, fmt.Errorf("dedup: span and language are of %s, not of %s", Sentences, cfg.Unit)
	case sentences && (cfg.Span < 1 || cfg.Span > MaxSpan):
		return nil, fmt.Errorf("dedup: a span of %d sentences; it has between 1 and %d", cfg.Span, MaxSpan)
	}
	u := &Units{cfg: cfg}
	var err error
	if u.form, err = checkForm(cfg.Form, false); err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	if sentences {
		var ok bool
		if u.spacy, ok = text.SpacyFor(cfg.Language); !ok {
			return nil, fmt.Errorf("dedup: the ends of sentences are not known in language %q; they are in ca, de, en, es, eu, it, pt, and xx stands for any other", cfg.Language)
		}
	}
	config, err := canonical(struct {
		Annotate bool   `json:"annotate"`
		Field    string `json:"field"`
		Form     string `json:"form"`
		Keep     string `json:"keep"`
		Language string `json:"language,omitempty"`
		Method   string `json:"method"`
		MinChars int    `json:"min_chars"`
		MinCount int    `json:"min_count"`
		MinWords int    `json:"min_words"`
		Span     int    `json:"span,omitempty"`
	}{cfg.Annotate, cfg.Field.String(), cfg.Form, cfg.Keep, cfg.Language, cfg.Unit, cfg.MinChars, cfg.MinCount, cfg.MinWords, cfg.Span})
	if err != nil {
		return nil, err
	}
	u.tallies = TalliesOf(cfg.Unit)
	u.spec = stage.Spec{Name: "dedup_" + cfg.Unit, Version: 1, Config: json.RawMessage(config), Needs: []record.Path{cfg.Field}}
	u.ranged = ranged{name: cutsFile, prefix: cutsFile, width: unitWidth, pairWidth: pairWidth, pair: u.recurring, rangeSize: rangeSize, spillSize: spillSize}
	return u, nil
}

// UnitsRecordCost is what a byte of a long text may take: beside what any stage takes, the text that is left and its JSON,
// and for each unit, which has minChars bytes and a line end at least, its place, its key, and its item twice. Sentences
// have two bytes at least, and tokens. With 0, minChars is the default.
func UnitsRecordCost(unit string, minChars int) int64 {
	const text, perUnit = 12, 8 + unitKey + 2*unitWidth
	if unit == Sentences {
		return text + perUnit/2 + 16
	}
	if minChars == 0 {
		minChars = DefaultMinChars
	}
	return text + (perUnit+int64(minChars))/(int64(minChars)+1)
}

// Spec implements stage.Reducer.
func (u *Units) Spec() stage.Spec { return u.spec }

// unitWidth: an item is digest (16), record ID (8, big-endian), number of the unit (4, big-endian), so that the first of
// equal units comes first.
const unitWidth = 16 + 8 + 4

func (u *Units) newCutter() cutter {
	return cutter{kind: u.cfg.Unit, form: u.form, minChars: u.cfg.MinChars, span: max(1, u.cfg.Span), spacy: u.spacy}
}

// Key implements stage.Reducer. A record's key is the keys of its units, one after another.
func (u *Units) Key() stage.Mapper { return unitsKey{u} }

type unitsKey struct{ u *Units }

func (k unitsKey) Spec() stage.Spec { return k.u.spec }

func (k unitsKey) NewWorker() stage.Worker { return &unitsKeyWorker{u: k.u, cutter: k.u.newCutter()} }

type unitsKeyWorker struct {
	u      *Units
	cutter cutter
	text   []byte
	key    []byte
}

// Map implements stage.Worker.
func (w *unitsKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var units, compared, size int64
	for i := range b.Records {
		r := &b.Records[i]
		doc, ok := textOf(r, w.u.cfg.Field, w.u.cfg.Annotate, &w.text)
		if !ok {
			continue
		}
		w.cutter.reserve(doc)
		w.cutter.cut(doc)
		w.key = w.cutter.appendKeys(w.key[:0], doc)
		r.SetKey(w.key)
		units += int64(w.cutter.all)
		compared += int64(len(w.key) / unitKey)
		size += int64(len(doc))
		w.cutter.shrink(scratchLimit)
		if cap(w.text) > scratchLimit || cap(w.key) > scratchLimit {
			w.text, w.key = nil, nil
		}
	}
	for _, t := range []record.Tally{{Name: w.u.tallies.Units, N: units}, {Name: w.u.tallies.Compared, N: compared}, {Name: w.u.tallies.Bytes, N: size}} {
		if t.N > 0 {
			b.Tally(t.Name, t.N)
		}
	}
	return nil
}

// NewPartial implements stage.Reducer.
func (u *Units) NewPartial() stage.Partial { return &unitsPartial{itemsPartial{width: unitWidth}} }

type unitsPartial struct{ itemsPartial }

// Add implements stage.Partial.
func (p *unitsPartial) Add(b *record.Batch) error {
	n := 0
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep {
			n += len(r.Key()) / unitKey
		}
	}
	if n == 0 {
		return nil
	}
	items := make([]byte, 0, n*unitWidth)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		key := r.Key()
		if len(key)%unitKey != 0 {
			return fmt.Errorf("dedup: record %d has a key of %d bytes, which are no keys of %d bytes; Key must run before Add", r.ID, len(key), unitKey)
		}
		for ; len(key) > 0; key = key[unitKey:] {
			items = append(items, key[:16]...)
			items = binary.BigEndian.AppendUint64(items, uint64(r.ID))
			items = append(items, key[16:unitKey]...)
		}
	}
	p.take(items)
	return nil
}

// Join implements stage.Partial.
func (p *unitsPartial) Join(next stage.Partial) error {
	n, err := nextPartial[*unitsPartial](next)
	if err != nil {
		return err
	}
	p.join(&n.itemsPartial)
	return nil
}

// Merge implements stage.Reducer.
func (u *Units) Merge(w io.Writer, sealed []io.Reader) error {
	return runs.Merge(w, unitWidth, sealed)
}

// Finish implements stage.Reducer. It needs as much memory as Exact.Finish, and 12 bytes for each of MinCount
// occurrences in each goroutine.
func (u *Units) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	c, err := u.cuts(ctx, sealed, ws)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.spec.Name, err)
	}
	return &unitsApply{u, c}, nil
}

// cuts makes the file of cuts, unless it is there, and opens it.
func (u *Units) cuts(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (*Cuts, error) {
	if err := u.build(ctx, sealed, ws, writeCuts); err != nil {
		return nil, err
	}
	file, size, err := ws.Open(ctx, u.name)
	if err != nil {
		return nil, err
	}
	c, err := OpenCuts(file, size)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return c, nil
}

// recurring adds a pair of record ID and number for every unit that goes.
func (u *Units) recurring(ctx context.Context, items *runs.Iterator, pairs *runs.Sorter) error {
	const place = 8 + 4
	var digest [16]byte
	var last [place]byte
	var pair [pairWidth]byte
	held := make([]byte, 0, 64*place) // places of a unit that may be too rare
	n := 0                            // occurrences of it
	add := func(at []byte) error {
		copy(pair[:8], at)
		copy(pair[12:], at[8:place])
		return pairs.Add(ctx, pair[:])
	}
	for i := 0; items.Next(); i++ {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		item := items.Item()
		at := item[16:]
		if i == 0 || !bytes.Equal(item[:16], digest[:]) {
			copy(digest[:], item)
			n, held = 0, held[:0]
		} else if bytes.Equal(at, last[:]) {
			return fmt.Errorf("record %d was sealed twice", binary.BigEndian.Uint64(at))
		}
		copy(last[:], at)
		if n++; n < u.cfg.MinCount {
			held = append(held, at...)
			continue
		}
		if n == u.cfg.MinCount {
			from := 0
			if u.cfg.Keep == "first" {
				from = place
			}
			for ; from < len(held); from += place {
				if err := add(held[from : from+place]); err != nil {
					return err
				}
			}
		}
		if err := add(at); err != nil {
			return err
		}
	}
	return items.Err()
}
