package shards

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"curate/record"
	"curate/shards/format"
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
	maxPieces, orderBytes int
}

// New makes the stage.
func New(cfg Config) (*Builder, error) {
	s, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	b := &Builder{settings: s, maxPieces: maxPieces, orderBytes: orderBytes}
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

// maxSourceName is the longest name of a source, in bytes.
const maxSourceName = 200

// source notes which source a field says the record is of; a record without it is of source "".
func (w *keyWorker) source(r *record.Record) error {
	if w.b.By.String() == "" {
		return nil
	}
	if _, ok := r.Value(w.b.By); !ok {
		r.SetKey(nil)
		return nil
	}
	name, err := r.Text(w.b.By, &w.text)
	if err != nil {
		return err
	}
	if len(name) > maxSourceName {
		return fmt.Errorf("%q has %d bytes, and a source's name at most %d", w.b.By, len(name), maxSourceName)
	}
	r.SetKey(name)
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
	var mask []byte
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		ids, _ := r.Tokens()
		name := s.sourceOf(r.ID.File())
		if s.By.String() != "" {
			name = string(r.Key())
		}
		source, err := bl.source(name)
		if err != nil {
			return err
		}
		d := reference{key: ShuffleKey(s.Seed, uint64(r.ID)), id: uint64(r.ID), at: len(bl.data), source: source}
		end := eod
		mask = append(mask[:0], r.Mask()...)
		prompt, chosen, isPair := r.Pair()
		switch {
		case isPair:
			d.kind, end = kindPair, nil
			bl.data = binary.AppendUvarint(binary.AppendUvarint(bl.data, uint64(prompt)), uint64(chosen))
		case len(mask) > 0:
			// A chat ends as its template has it. Readers that look for the EOD must find it all the same, and nobody is to
			// learn it there.
			d.kind = kindMasked
			switch {
			case s.traits.Rows, eod != nil && !s.traits.EODFirst && ids[len(ids)-1] == uint32(s.Vocabulary.EOD):
				end = nil
			case eod != nil && s.traits.EODFirst:
				mask = slices.Insert(mask, 0, 0)
			case eod != nil:
				mask = append(mask, 0)
			}
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
		p.count(name, d.kind, int64(int(d.size)/s.dtype.Size()))
	}
	if len(p.summary.sources) > maxSources {
		return fmt.Errorf("shards: more than %d sources; %q tells too many apart to be mixed by", maxSources, s.By)
	}
	p.blocks = append(p.blocks, bl)
	p.bytes += cap(bl.data)
	p.documents += kept
	return nil
}

// source numbers a source in the block: few have more than a handful.
func (bl *block) source(name string) (uint16, error) {
	i := slices.Index(bl.sources, name)
	if i < 0 {
		if i = len(bl.sources); i == maxSources {
			return 0, fmt.Errorf("shards: more than %d sources in a batch", maxSources)
		}
		bl.sources = append(bl.sources, name)
	}
	return uint16(i), nil
}

// count takes a document into the summary.
func (p *partial) count(source string, kind byte, tokens int64) {
	t := &p.summary.sources[p.summary.source(source)]
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
		return fmt.Errorf("shards: more than %d sources; %q tells too many apart to be mixed by", maxSources, p.b.By)
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
	return m.copyAll(w, b.dtype.Size())
}

// set is what formats must know of a shard set.
func (s *settings) set(length int, masked bool) format.Set {
	return format.Set{
		Dtype: s.dtype, Vocabulary: s.Vocabulary.Size, EOD: s.Vocabulary.EOD, Length: length, Packed: s.method != nil, Masked: masked,
		Tokenizer: s.Vocabulary.Fingerprint,
	}
}
