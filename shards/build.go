package shards

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"curate/record"
	"curate/shards/format"
	"curate/shards/mix"
	"curate/stage"
)

// Rule and reason of a record that has no tokens: a document of nothing, or of EOD alone, teaches nothing.
const (
	Rule        = "shards"
	EmptyReason = "empty_document"
)

// Builder is the stage: records that carry token ids become shard sets in the output directory. It is immutable.
type Builder struct {
	*settings
	spec stage.Spec

	// Constants, but in tests: bytes depend on them, so a change raises the version.
	maxPieces, orderBytes, fanIn int
}

// New makes the stage.
func New(cfg Config) (*Builder, error) {
	s, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	b := &Builder{settings: s, maxPieces: maxPieces, orderBytes: orderBytes, fanIn: fanIn}
	b.spec = stage.Spec{Name: "shards", Version: 2, Config: json.RawMessage(s.json), Result: resultName}
	if s.By.String() != "" {
		b.spec.Uses = []record.Path{s.By}
	}
	return b, nil
}

// resultName says that the result is files below stage.ResultDir.
const resultName = "shards/"

// Spec implements stage.Reducer.
func (b *Builder) Spec() stage.Spec { return b.spec }

// Key implements stage.Reducer. It drops records without tokens and quarantines those with an id that the vocabulary
// does not have, and those whose source is no text. A record's key is its source, where a field names it.
func (b *Builder) Key() stage.Mapper { return key{b} }

type key struct{ b *Builder }

// Spec implements stage.Mapper.
func (k key) Spec() stage.Spec { return k.b.spec }

// NewWorker implements stage.Mapper.
func (k key) NewWorker() stage.Worker { return &keyWorker{b: k.b} }

type keyWorker struct {
	b    *Builder
	text []byte
}

// Map implements stage.Worker.
func (w *keyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	vocabulary := uint32(w.b.Vocabulary.Size)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		ids, ok := r.Tokens()
		switch {
		case !ok:
			return fmt.Errorf("shards: record %d has no token ids; a stage that makes them must run before", r.ID)
		case len(ids) == 0:
			r.DropFor(Rule, EmptyReason)
			continue
		case len(ids) > maxDocument:
			r.QuarantineFor(fmt.Errorf("a document of %d tokens; the shards hold at most %d of one", len(ids), maxDocument))
			continue
		}
		if at := outside(ids, vocabulary); at >= 0 {
			r.QuarantineFor(fmt.Errorf("token %d has id %d, and the vocabulary of the shards has %d ids", at, ids[at], vocabulary))
			continue
		}
		if err := w.source(r); err != nil {
			r.QuarantineFor(err)
		}
	}
	return nil
}

const (
	// maxSourceName is the longest name of a source, in bytes.
	maxSourceName = 200
	// maxDocument is the longest document, in tokens without EOD: bounds count them in 29 bits, and 4 bytes for each of
	// them are counted in 31.
	maxDocument = 1 << 28
)

// source notes which source a field says the record is of; a record without it is of the source without a name.
func (w *keyWorker) source(r *record.Record) error {
	if w.b.By.String() == "" {
		return nil
	}
	if _, ok := r.Value(w.b.By); !ok {
		r.SetKey([]byte(unnamed))
		return nil
	}
	name, err := r.Text(w.b.By, &w.text)
	if err != nil {
		return err
	}
	if len(name) == 0 {
		name = []byte(unnamed)
	}
	if err := checkSourceName(name); err != nil {
		return fmt.Errorf("%q: %w", w.b.By, err)
	}
	r.SetKey(name)
	return nil
}

// checkSourceName says why a source cannot be called that; manifests must be able to tell it.
func checkSourceName(name []byte) error {
	switch {
	case len(name) > maxSourceName:
		return fmt.Errorf("a source's name of %d bytes; it has at most %d", len(name), maxSourceName)
	case !utf8.Valid(name):
		return fmt.Errorf("%q is no name of a source: it is not UTF-8", name)
	case string(name) == mix.Any:
		return fmt.Errorf("%q is no name of a source: it stands for those that are not named", name)
	}
	return nil
}

// outside is the first of ids that is not below vocabulary, or -1.
func outside(ids []uint32, vocabulary uint32) int {
	return slices.IndexFunc(ids, func(id uint32) bool { return id >= vocabulary })
}

// NewPartial implements stage.Reducer.
func (b *Builder) NewPartial() stage.Partial {
	return &partial{b: b, summary: summary{longer: make([]int64, len(b.Schedule))}}
}

// partial holds documents as they came, a block a batch; Seal sorts references to them.
type partial struct {
	b         *Builder
	summary   summary
	blocks    []block
	bytes     int // of tokens and masks
	documents int
}

type block struct {
	sources   []string // that its documents' numbers count
	documents []reference
	data      []byte // of each document: its kind's own, its tokens
}

// reference to a document of a block.
type reference struct {
	key, id   uint64
	at        int // of its kind's own, in data
	own, size int32
	source    uint16
	kind      byte
}

// What a document takes beside its data, in bytes: a reference, and in Seal a sortable.
const (
	referenceSize = 40
	sortableSize  = 24
	partialSize   = 16 << 10 // the bins
)

// Add implements stage.Partial.
func (p *partial) Add(b *record.Batch) error {
	kept, size := 0, 0
	s := p.b.settings
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep {
			ids, ok := r.Tokens()
			if !ok || len(ids) == 0 {
				return fmt.Errorf("shards: record %d has no token ids; Key must run before Add", r.ID)
			}
			kept++
			size += (len(ids) + 1) * s.dtype.Size()
		}
	}
	if kept == 0 {
		return nil
	}
	bl := block{documents: make([]reference, 0, kept), data: make([]byte, 0, size)}
	var eod []byte
	if s.Vocabulary.EOD != NoEOD {
		eod = s.dtype.AppendBytes(nil, []uint32{uint32(s.Vocabulary.EOD)})
	}
	var sources tally
	var name, mask []byte
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		ids, _ := r.Tokens()
		if name = append(name[:0], s.sourceOf(r.ID.File())...); s.By.String() != "" {
			name = append(name[:0], r.Key()...)
		}
		source := sources.number(name)
		if source == maxSources {
			return errSources
		}
		d := reference{key: ShuffleKey(s.Seed, uint64(r.ID)), id: uint64(r.ID), at: len(bl.data), source: uint16(source)}
		end := eod
		prompt, chosen, isPair := r.Pair()
		switch {
		case isPair:
			d.kind, end = kindPair, nil
			bl.data = binary.AppendUvarint(binary.AppendUvarint(bl.data, uint64(prompt)), uint64(chosen))
		case len(r.Mask()) > 0:
			d.kind = kindMasked
			mask, end = s.ended(append(mask[:0], r.Mask()...), ids, eod)
			bl.data = appendRuns(bl.data, mask)
		}
		d.own = int32(len(bl.data) - d.at)
		if s.traits.EODFirst {
			bl.data = s.dtype.AppendBytes(append(bl.data, end...), ids)
		} else {
			bl.data = append(s.dtype.AppendBytes(bl.data, ids), end...)
		}
		d.size = int32(len(bl.data) - d.at - int(d.own))
		bl.documents = append(bl.documents, d)
		p.count(&sources.totals[source], d.kind, int64(int(d.size)/s.dtype.Size()))
	}
	for _, t := range sources.totals {
		bl.sources = append(bl.sources, t.name)
		p.summary.sources[p.summary.source(t.name)].add(&t)
	}
	if len(p.summary.sources) > maxSources {
		return errSources
	}
	p.blocks = append(p.blocks, bl)
	p.bytes += cap(bl.data)
	p.documents += kept
	return nil
}

// ended gives a chat's mask, and the EOD that is put behind its tokens, or in front of them. A chat ends as its template
// has it. Readers that look for the EOD must find it all the same, and nobody is to learn it there.
func (s *settings) ended(mask []byte, ids []uint32, eod []byte) (_, end []byte) {
	at := len(ids)
	if s.traits.EODFirst {
		at = 0
	}
	if s.traits.Rows || eod == nil || ids[max(0, at-1)] == uint32(s.Vocabulary.EOD) {
		return mask, nil
	}
	return slices.Insert(mask, at, 0), eod
}

// tally counts the documents of the sources of a block, numbered as they come.
type tally struct {
	totals []sourceTotals
	known  map[string]int
	last   int
}

// number is that of a source; one that nothing was known of is behind the others.
func (t *tally) number(name []byte) int {
	if t.last < len(t.totals) && t.totals[t.last].name == string(name) { // most have the one of the record before
		return t.last
	}
	n, known := t.known[string(name)]
	if !known {
		if n = len(t.totals); t.known == nil {
			t.known = map[string]int{}
		}
		t.known[string(name)] = n
		t.totals = append(t.totals, sourceTotals{name: string(name)})
	}
	t.last = n
	return n
}

// count takes a document into the summary and the totals of its source.
func (p *partial) count(t *sourceTotals, kind byte, tokens int64) {
	if kind == kindPair {
		t.pairs++
		t.pairTokens += tokens
		return
	}
	t.documents++
	t.tokens += tokens
	if kind == kindMasked {
		t.masked++
	}
	bin := &p.summary.bins[stage.Bin(float64(tokens))]
	bin.documents++
	bin.tokens += tokens
	for i, l := range p.b.Schedule {
		if tokens > int64(l.Length) {
			p.summary.longer[i]++
		}
	}
}

// Join implements stage.Partial.
func (p *partial) Join(next stage.Partial) error {
	n, ok := next.(*partial)
	if !ok {
		return fmt.Errorf("shards: a %T cannot be joined", next)
	}
	p.blocks = append(p.blocks, n.blocks...)
	p.bytes += n.bytes
	p.documents += n.documents
	p.summary.add(&n.summary)
	n.blocks, n.bytes, n.documents = nil, 0, 0
	if len(p.summary.sources) > maxSources {
		return errSources
	}
	return nil
}

// Size implements stage.Partial.
func (p *partial) Size() int {
	return partialSize + p.bytes + p.documents*(referenceSize+sortableSize) + len(p.blocks)*96
}

// Seal implements stage.Partial.
func (p *partial) Seal(w io.Writer) error {
	type sortable struct {
		key, id         uint64
		block, document int32
	}
	order := make([]sortable, 0, p.documents)
	numbers := make([][]int, len(p.blocks))
	for i, bl := range p.blocks {
		for k, d := range bl.documents {
			order = append(order, sortable{d.key, d.id, int32(i), int32(k)})
		}
		for _, name := range bl.sources {
			numbers[i] = append(numbers[i], p.summary.source(name))
		}
	}
	slices.SortFunc(order, func(a, b sortable) int {
		switch {
		case a.key != b.key && a.key < b.key, a.key == b.key && a.id < b.id:
			return -1
		case a.key == b.key && a.id == b.id:
			return 0
		}
		return 1
	})
	sw := newSealedWriter(w, p.b.dtype.Size(), &p.summary)
	for _, s := range order {
		bl := &p.blocks[s.block]
		d := &bl.documents[s.document]
		data := bl.data[d.at:]
		doc := sealedDocument{key: d.key, id: d.id, kind: d.kind, own: data[:d.own]}
		if err := sw.put(&doc, numbers[s.block][d.source], data[d.own:d.own+d.size]); err != nil {
			return err
		}
	}
	p.blocks = nil
	return sw.end()
}

// Merge implements stage.Reducer.
func (b *Builder) Merge(w io.Writer, sealed []io.Reader) error {
	m, err := newMerger(sealed, windowSize, b.dtype.Size(), len(b.Schedule))
	if err != nil {
		return err
	}
	return m.copyAll(context.Background(), w, b.dtype.Size())
}

// set is what formats must know of a shard set.
func (s *settings) set(length int, masked bool) format.Set {
	return format.Set{
		Dtype: s.dtype, Vocabulary: s.Vocabulary.Size, EOD: s.Vocabulary.EOD, Length: length, Packed: s.method != nil, Masked: masked,
		Tokenizer: s.Vocabulary.Fingerprint,
	}
}
