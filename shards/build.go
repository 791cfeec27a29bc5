package shards

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"curate/record"
	"curate/stage"
)

// Rule and reason of a record that has no tokens: a document of nothing, or of EOD alone, teaches nothing.
const (
	Rule        = "shards"
	EmptyReason = "empty_document"
)

// Builder is the stage: records that carry token ids become a shard set in the output directory. It is immutable.
type Builder struct {
	*settings
	spec stage.Spec

	// Constants, but in tests: bytes depend on them, so a change raises the version.
	maxPieces, packDocuments, packTokens int
}

// New makes the stage.
func New(cfg Config) (*Builder, error) {
	s, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	return &Builder{
		settings:  s,
		spec:      stage.Spec{Name: "shards", Version: 1, Config: json.RawMessage(s.json), Result: resultName},
		maxPieces: maxPieces, packDocuments: packDocuments, packTokens: packTokens,
	}, nil
}

// resultName says that the result is files below stage.ResultDir.
const resultName = "shards/"

// Spec implements stage.Reducer.
func (b *Builder) Spec() stage.Spec { return b.spec }

// Key implements stage.Reducer. It drops records without tokens and quarantines those with an id that the vocabulary
// does not have.
func (b *Builder) Key() stage.Mapper { return key{b} }

type key struct{ b *Builder }

// Spec implements stage.Mapper.
func (k key) Spec() stage.Spec { return k.b.spec }

// NewWorker implements stage.Mapper.
func (k key) NewWorker() stage.Worker { return keyWorker{uint32(k.b.Vocabulary.Size)} }

type keyWorker struct{ vocabulary uint32 }

// Map implements stage.Worker.
func (w keyWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
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
		if at := outside(ids, w.vocabulary); at >= 0 {
			r.QuarantineFor(fmt.Errorf("token %d has id %d, and the vocabulary of the shards has %d ids", at, ids[at], w.vocabulary))
		}
	}
	return nil
}

// outside is the first of ids that is not below vocabulary, or -1.
func outside(ids []uint32, vocabulary uint32) int {
	return slices.IndexFunc(ids, func(id uint32) bool { return id >= vocabulary })
}

// NewPartial implements stage.Reducer.
func (b *Builder) NewPartial() stage.Partial { return &partial{b: b} }

// partial holds documents as they came, a block a batch; Seal sorts references to them.
type partial struct {
	b         *Builder
	blocks    []block
	bytes     int // of tokens
	documents int
}

type block struct {
	documents []reference
	tokens    []byte // as in a sealed file
}

// reference to a document of a block.
type reference struct {
	key, id  uint64
	at, size int // in tokens, bytes
}

// What a document takes beside its tokens, in bytes: a reference, and in Seal a sortable.
const (
	referenceSize = 32
	sortableSize  = 24
)

// Add implements stage.Partial.
func (p *partial) Add(b *record.Batch) error {
	kept, tokens := 0, 0
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep {
			ids, ok := r.Tokens()
			if !ok || len(ids) == 0 {
				return fmt.Errorf("shards: record %d has no token ids; Key must run before Add", r.ID)
			}
			kept++
			tokens += len(ids) + 1
		}
	}
	if kept == 0 {
		return nil
	}
	s := p.b.settings
	bl := block{make([]reference, 0, kept), make([]byte, 0, tokens*s.dtype.Size())}
	eod := s.dtype.AppendBytes(nil, nil)
	if s.Vocabulary.EOD != NoEOD {
		eod = s.dtype.AppendBytes(nil, []uint32{uint32(s.Vocabulary.EOD)})
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		ids, _ := r.Tokens()
		at := len(bl.tokens)
		bl.tokens = append(s.dtype.AppendBytes(bl.tokens, ids), eod...)
		bl.documents = append(bl.documents, reference{ShuffleKey(s.Seed, uint64(r.ID)), uint64(r.ID), at, len(bl.tokens) - at})
	}
	p.blocks = append(p.blocks, bl)
	p.bytes += cap(bl.tokens)
	p.documents += kept
	return nil
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
	n.blocks, n.bytes, n.documents = nil, 0, 0
	return nil
}

// Size implements stage.Partial.
func (p *partial) Size() int {
	return p.bytes + p.documents*(referenceSize+sortableSize) + len(p.blocks)*48
}

// Seal implements stage.Partial.
func (p *partial) Seal(w io.Writer) error {
	type sortable struct {
		key, id         uint64
		block, document int32
	}
	order := make([]sortable, 0, p.documents)
	for i, bl := range p.blocks {
		for k, d := range bl.documents {
			order = append(order, sortable{d.key, d.id, int32(i), int32(k)})
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
	sw := newSealedWriter(w, p.b.dtype.Size())
	for _, s := range order {
		bl := &p.blocks[s.block]
		d := bl.documents[s.document]
		if err := sw.put(d.key, d.id, bl.tokens[d.at:d.at+d.size]); err != nil {
			return err
		}
	}
	p.blocks = nil
	return sw.end()
}

// Merge implements stage.Reducer.
func (b *Builder) Merge(w io.Writer, sealed []io.Reader) error {
	m, err := newMerger(sealed, windowSize, b.dtype.Size())
	if err != nil {
		return err
	}
	sw := newSealedWriter(w, b.dtype.Size())
	for {
		key, id, tokens, ok, err := m.next()
		if err != nil {
			return err
		}
		if !ok {
			return sw.end()
		}
		if err := sw.put(key, id, tokens); err != nil {
			return err
		}
	}
}

// shuffled gives the documents of a merger.
type shuffled struct{ m *merger }

func (s shuffled) next() ([]byte, bool, error) {
	_, _, tokens, ok, err := s.m.next()
	return tokens, ok, err
}

// Finish implements stage.Reducer: one pass over all documents, in the order of the shuffle. It holds a buffer of each
// sealed file, the index of one shard, and, packing, the documents that wait for a row.
func (b *Builder) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := make([]io.Reader, len(sealed))
	for i, f := range sealed {
		in[i] = io.NewSectionReader(f.Data, 0, f.Size)
	}
	buffer := int(min(ws.Memory()/4/int64(len(sealed)+1), windowSize))
	m, err := newMerger(in, buffer, b.dtype.Size())
	if err != nil {
		return nil, err
	}
	w := &setWriter{settings: b.settings, ws: ws, dir: b.folder(), ctx: ctx, maxPieces: b.maxPieces}
	if b.Pack {
		p := newPacked(shuffled{m}, b.length, b.dtype.Size())
		p.maxDocuments, p.maxTokens = b.packDocuments, b.packTokens
		w.in = p
	} else {
		w.in = &unpacked{docs: shuffled{m}}
	}
	return nil, w.run()
}
