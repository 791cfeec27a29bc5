package dedup

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"curate/record"
	"curate/stage"
)

// IndexOptions say what a deduplication does with an index.
type IndexOptions struct {
	// Index is compared with.
	Index *Index
	// Grow takes what the run keeps; nil where the index stays as it is.
	Grow *Growth
}

// Growth is a generation to be made of the documents that a run keeps.
type Growth struct {
	// Sink takes the generation's files.
	Sink IndexSink
	// IDField is where a record has an id of its own; "id" by default. An id of more than 256 bytes is left out.
	IDField record.Path
}

// IndexSink takes the files of a generation.
type IndexSink interface {
	// Make makes a file by calling write, in place of one of an earlier attempt. Several are made at once.
	Make(ctx context.Context, name string, write func(w io.Writer) error) error
	// Done is called when all are made, and is part of what must be durable before a later attempt leaves them out.
	Done(ctx context.Context, c IndexCounts) error
}

// IndexCounts say what is in a generation.
type IndexCounts struct {
	Documents int64
	Keys      int64
	Shingles  int64
	Sum       string // as Origin has it
}

// indexUse is what a method does with its index.
type indexUse struct {
	index *Index
	grow  *Growth
	// spec is the stage's that decides, where that is the indexing behind the method's own stages.
	spec stage.Spec
}

// growing is what the methods that have an index say of new files.
const growing = `"curate dedup --index", or "index: true" in a recipe, would compare the new ones with what was kept before`

// use makes the indexUse of a stage: its Spec gets the index into its configuration, and where there is a growth it only
// marks, and is called marks.
func (o IndexOptions) use(spec *stage.Spec, marks string, width int) (*indexUse, error) {
	if o.Index.keyWidth != 0 && o.Index.keyWidth != width {
		return nil, fmt.Errorf("dedup: the index has keys of %d bytes, and this method's have %d", o.Index.keyWidth, width)
	}
	if n := len(o.Index.generations); n > MaxGenerations || n == MaxGenerations && o.Grow != nil {
		return nil, fmt.Errorf("dedup: the index has %d generations, and %d are the most; make one of them with \"curate dedup index merge\"", n, MaxGenerations)
	}
	u := &indexUse{index: o.Index}
	var err error
	if spec.Config, err = withMember(spec.Config, "index", o.Index.digest); err != nil || o.Grow == nil {
		return u, err
	}
	g := *o.Grow
	if g.IDField.String() == "" {
		g.IDField = record.MustPath("id")
	}
	u.grow, u.spec = &g, *spec
	u.spec.Uses, u.spec.Findings = []record.Path{g.IDField}, nil // the stage that marks has made them
	if u.spec.Config, err = withMember(spec.Config, "index_id_field", g.IDField.String()); err != nil {
		return nil, err
	}
	spec.Name, spec.Marks = marks, true
	return u, nil
}

// withMember adds a member to a canonical configuration.
func withMember(config any, name, value string) (json.RawMessage, error) {
	raw, ok := config.(json.RawMessage)
	if !ok {
		return nil, fmt.Errorf("dedup: a configuration is a %T; this is a bug", config)
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	members[name] = text
	return canonical(members)
}

// keys are the index's; none without one.
func (u *indexUse) keys() []stage.Sealed {
	if u == nil {
		return nil
	}
	return u.index.keys()
}

// origin says where a kept document came from, if that is one of the index.
func (u *indexUse) origin(kept record.ID) (*IndexOrigin, error) {
	if u == nil || !IsIndexed(kept) {
		return nil, nil
	}
	o, err := u.index.Origin(kept)
	return &o, err
}

// appendName appends what the document is called where a record has its ID.
func (o *IndexOrigin) appendName(j []byte) []byte {
	j = append(append(j, o.Generation...), ':')
	return strconv.AppendInt(j, int64(o.Record), 10)
}

// appendKept appends the members that say which document is kept: a record of the run, or one of the index.
func (u *indexUse) appendKept(j []byte, kept record.ID) ([]byte, error) {
	o, err := u.origin(kept)
	if err != nil {
		return nil, err
	}
	j = append(j, `"duplicate_of":"`...)
	if o == nil {
		j = strconv.AppendInt(j, int64(kept), 10)
		return append(j, '"'), nil
	}
	j = append(o.appendName(j), `","indexed":{"file":`...)
	file, err := json.Marshal(o.File)
	if err != nil {
		return nil, err
	}
	j = append(j, file...)
	if len(o.ID) > 0 {
		j = append(j, `,"id":`...)
		j = append(j, o.ID...)
	}
	return append(j, '}'), nil
}

// MaxIndexFiles is the most inputs that a run with an index may have.
const MaxIndexFiles = indexedBit>>40 - 1

// Widths of a method's keys.
const (
	MinHashKeyWidth = bucketWidth
	ExactKeyWidth   = keyWidth
)

// IndexSettings are what documents of one index must have in common, as canonical JSON.
func (m *MinHash) IndexSettings() (json.RawMessage, error) {
	s := m.scheme
	return canonical(map[string]any{
		"method": "minhash", "field": m.cfg.Field.String(), "scheme": s.Name, "scheme_version": s.Version, "short": s.Short, "values": s.Values, "bands": s.Bands, "rows": s.Rows,
		"threshold": float64(m.threshold) / million,
	})
}

// WithIndex is the method with an index.
func (m *MinHash) WithIndex(o IndexOptions) (*MinHash, error) {
	if m.cfg.Verify != VerifyExact {
		return nil, fmt.Errorf("dedup: an index has sets of shingles, to be compared exactly, and this is verify %s", m.cfg.Verify)
	}
	c := *m
	var err error
	if c.candidatesSpec.Config, err = withMember(m.candidatesSpec.Config, "index", o.Index.digest); err != nil {
		return nil, err
	}
	c.index, err = o.use(&c.spec, "dedup_verification", MinHashKeyWidth)
	return &c, err
}

// StagesWithIndex are the stages of the method with an index.
func (m *MinHash) StagesWithIndex(o IndexOptions) ([]stage.Stage, error) {
	c, err := m.WithIndex(o)
	if err != nil {
		return nil, err
	}
	return c.Stages(), nil
}

func (m *MinHash) indexedStages() []stage.Stage {
	list := []stage.Stage{newCandidates(m), &indexedVerification{verification{m}}}
	if m.index.grow != nil {
		list = append(list, newIndexing(m.index, columnsMinHash, bucketWidth, m.spillSize,
			func() keyMaker { return &minhashKeys{m: m} },
			func(d *Decisions) stage.Mapper {
				last := *m
				last.spec = m.index.spec
				return minhashApply{&last, d}
			}))
	}
	return list
}

// indexedVerification is the second Reducer where there is an index: it compares documents of that, too.
type indexedVerification struct{ verification }

// Finish implements stage.Reducer.
func (d *indexedVerification) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (_ stage.Mapper, err error) {
	var names []string
	err = ws.Make(ctx, touchedFile, func(w io.Writer) error {
		if _, err := w.Write(sources{}.appendHead(nil)); err != nil || d.m.index.index.Documents() == 0 {
			return err
		}
		entries, _, err := openHeads(sealed)
		if err != nil {
			return err
		}
		names = []string{touchedBuckets, touchedPairs}
		return d.m.touched(ctx, w, entries, ws)
	})
	if err == nil {
		err = removeAll(ctx, ws, names)
	}
	var file stage.ReaderAt
	var size int64
	if err == nil {
		file, size, err = ws.Open(ctx, touchedFile)
	}
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	last, err := d.verification.Finish(ctx, append(sealed[:len(sealed):len(sealed)], stage.Sealed{Size: size, Data: file}), ws)
	if err != nil || d.m.index.grow == nil {
		return last, err
	}
	apply, ok := last.(minhashApply)
	if !ok {
		return nil, fmt.Errorf("dedup: the decisions come as a %T; this is a bug", last)
	}
	return decisionMarks{spec: d.m.spec, d: apply.d}, nil
}

// nameClusters finds the document of this run by which each cluster is known that begins with one of the index: its first.
// Such a cluster has one, since documents of the index are not compared with one another. It takes the place of the
// documents' parents.
func (f *finisher) nameClusters() error {
	f.known = make([]uint32, f.docs.indexed)
	if len(f.known) == 0 {
		return nil
	}
	return f.each(decidedWidth, func(item []byte) error {
		doc, component := binary.BigEndian.Uint32(item), binary.BigEndian.Uint32(item[12:])
		if doc >= f.docs.indexed && component < f.docs.indexed && f.known[component] == 0 {
			f.known[component] = doc
		}
		return nil
	}, decidedFile)
}

// clusterOf is the document by which the cluster of an item of decided is known.
func (f *finisher) clusterOf(item []byte) uint32 {
	component := binary.BigEndian.Uint32(item[12:])
	if component < f.docs.indexed {
		return f.known[component]
	}
	return component
}

// IndexSettings are what records of one index must have in common, as canonical JSON.
func (e *Exact) IndexSettings() (json.RawMessage, error) {
	return canonical(map[string]any{"method": e.said.method, "field": e.cfg.Field.String(), "form": e.cfg.Form})
}

// StagesWithIndex are the stages of the method with an index.
func (e *Exact) StagesWithIndex(o IndexOptions) ([]stage.Stage, error) {
	c := *e
	var err error
	if c.index, err = o.use(&c.spec, "dedup_keys", ExactKeyWidth); err != nil {
		return nil, err
	}
	c.ranged.indexed, c.ranged.indexedWidth, c.ranged.join = o.Index.keys(), keyWidth+8, c.pairUpIndexed
	if o.Grow == nil {
		return []stage.Stage{&c}, nil
	}
	return []stage.Stage{&exactMarks{&c}, newIndexing(c.index, columnsExact, keyWidth, c.spillSize,
		func() keyMaker { return &exactKeys{exactKeyWorker{e: &c}} },
		func(d *Decisions) stage.Mapper {
			last := c
			last.spec = c.index.spec
			return (&last).apply(d)
		})}, nil
}

// exactMarks is Exact where an indexing comes behind it.
type exactMarks struct{ *Exact }

// Finish implements stage.Reducer.
func (e *exactMarks) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	d, err := e.decisions(ctx, sealed, ws)
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	return decisionMarks{e.spec, d}, nil
}

// decisionMarks gives each record that something was decided about that as its key, for the indexing behind it.
type decisionMarks struct {
	spec stage.Spec
	d    *Decisions
}

// markWidth is the length of such a key: the kept record, the similarity, and the cluster.
const markWidth = 8 + 4 + 8

// Spec implements stage.Mapper.
func (k decisionMarks) Spec() stage.Spec { return k.spec }

// NewWorker implements stage.Mapper.
func (k decisionMarks) NewWorker() stage.Worker {
	return &decisionMarksWorker{k.d.NewCursor()}
}

type decisionMarksWorker struct {
	cursor *Cursor
}

// Map implements stage.Worker.
func (w *decisionMarksWorker) Map(ctx context.Context, b *record.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var key [markWidth]byte
	le := binary.LittleEndian
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		found, known, err := w.cursor.Lookup(r.ID)
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		le.PutUint64(key[0:], uint64(found.Kept))
		le.PutUint32(key[8:], found.Similarity)
		le.PutUint64(key[12:], uint64(found.Cluster))
		r.SetKey(key[:])
	}
	return nil
}
