package translate

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sort"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
	"curate/stage/runs"
	"curate/translate/memory"
	"curate/translate/protect"
)

// Segments is the stage "segments": of all rows the distinct segments that the memory does not have, each once. A segment belongs to
// the first row that holds it, by the records' IDs, and a row becomes a record of the segments that are its own; rows without
// any are dropped. So what is asked for together, and after what, is what [Stage] asks for if it takes one row after the other,
// and depends neither on how many ranks ask nor on which of them does.
//
// docs/formats/segments.md is the page of the records.
type Segments struct{ s *Stage }

// Segments is the stage that finds what this one would ask for.
func (s *Stage) Segments() *Segments { return &Segments{s} }

// segmentsVersion of the stage: raised when the same rows give other records.
const segmentsVersion = 1

// Rule and reason of rows that have no segments of their own.
const (
	SegmentsRule = "segments"
	NothingNew   = "nothing_new"
)

// Names of what Segments counts, beside TallySegments and TallyKnown: it asks nobody, so that what is known is what the memory had.
const (
	TallyOwn        = DryDistinct     // segments written
	TallyTokens     = DryTokens       // of them, about
	TallyCharacters = "characters"    // of them, code points without what is protected
	TallyAsked      = "requests_most" // that ask for them if nothing is asked twice
)

// Of a record the key is, for each segment that is not known, its memory.Key and its place in the row (4 bytes, big-endian). An item
// is that key, the record's ID (8, big-endian) and the place, so that the first item of equal keys is the segment's owner. An owner
// is its ID and place.
const (
	placeWidth   = 4
	segmentWidth = 16 + placeWidth
	itemWidth    = 16 + 8 + placeWidth
	ownerWidth   = 8 + placeWidth
)

// ownersFile is the workspace's file of owners, sorted.
const ownersFile = "owners"

// sortBuffer is what owners are sorted in, in bytes. It never follows the memory (runs.Sorter).
const sortBuffer = 8 << 20

// Spec implements stage.Reducer.
func (g *Segments) Spec() stage.Spec {
	spec := g.s.Spec()
	return stage.Spec{Name: "segments", Version: segmentsVersion, Config: spec.Config, Accepts: spec.Accepts, Held: 4 * itemWidth}
}

// Key implements stage.Reducer.
func (g *Segments) Key() stage.Mapper { return segmentKey{g} }

type segmentKey struct{ g *Segments }

func (k segmentKey) Spec() stage.Spec { return k.g.Spec() }

func (k segmentKey) NewWorker() stage.Worker { return &segmentKeyWorker{s: k.g.s} }

type segmentKeyWorker struct {
	s   *Stage
	key []byte
}

// look takes a record apart without writing into it.
func (s *Stage) look(rec *record.Record) *rowWork {
	r := &rowWork{rec: rec, seen: map[memory.Key]*wanted{}, look: true}
	s.t.read(s.reader, r)
	return r
}

// Map implements stage.Worker.
func (w *segmentKeyWorker) Map(ctx context.Context, b *record.Batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t := w.s.t
	if err := t.open(ctx); err != nil {
		return err
	}
	all, known := 0, 0
	for i := range b.Records {
		rec := &b.Records[i]
		if rec.Outcome != record.Keep {
			continue
		}
		r := w.s.look(rec)
		if rec.Outcome != record.Keep {
			continue
		}
		w.key = w.key[:0]
		for _, g := range r.list {
			found, err := t.remembered(g)
			if err != nil {
				return err
			}
			if found {
				known++
				continue
			}
			w.key = append(w.key, g.key[:]...)
			w.key = binary.BigEndian.AppendUint32(w.key, uint32(g.at))
		}
		all += len(r.list)
		rec.SetKey(w.key)
	}
	if all > 0 {
		b.Tally(TallySegments, int64(all))
	}
	if known > 0 {
		b.Tally(TallyKnown, int64(known))
	}
	return nil
}

// NewPartial implements stage.Reducer.
func (g *Segments) NewPartial() stage.Partial { return &segmentPartial{} }

// segmentPartial are items, in no order.
type segmentPartial struct {
	blocks [][]byte
	size   int
}

// Add implements stage.Partial.
func (p *segmentPartial) Add(b *record.Batch) error {
	n := 0
	for i := range b.Records {
		if r := &b.Records[i]; r.Outcome == record.Keep {
			if len(r.Key())%segmentWidth != 0 {
				return fmt.Errorf("segments: record %d has a key of %d bytes; this is a bug of curate", r.ID, len(r.Key()))
			}
			n += len(r.Key()) / segmentWidth
		}
	}
	if n == 0 {
		return nil
	}
	items := make([]byte, 0, n*itemWidth)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		for k := r.Key(); len(k) > 0; k = k[segmentWidth:] {
			items = append(items, k[:16]...)
			items = binary.BigEndian.AppendUint64(items, uint64(r.ID))
			items = append(items, k[16:segmentWidth]...)
		}
	}
	p.blocks = append(p.blocks, items)
	p.size += len(items)
	return nil
}

// Join implements stage.Partial.
func (p *segmentPartial) Join(next stage.Partial) error {
	n, ok := next.(*segmentPartial)
	if !ok {
		return fmt.Errorf("segments: a partial of another stage, %T; this is a bug of curate", next)
	}
	p.blocks = append(p.blocks, n.blocks...)
	p.size += n.size
	return nil
}

// Size implements stage.Partial.
func (p *segmentPartial) Size() int { return 2*p.size + 24*len(p.blocks) }

// Seal implements stage.Partial.
func (p *segmentPartial) Seal(w io.Writer) error {
	items := runs.SortBlocks(p.blocks, itemWidth)
	p.blocks = nil
	var last []byte
	to := 0
	for at := 0; at < len(items); at += itemWidth {
		if item := items[at : at+itemWidth]; last == nil || !bytes.Equal(item[:16], last) {
			copy(items[to:], item)
			last = items[to : to+16]
			to += itemWidth
		}
	}
	_, err := w.Write(items[:to])
	return err
}

// Merge implements stage.Reducer.
func (g *Segments) Merge(w io.Writer, sealed []io.Reader) error {
	buf := make([]byte, 0, 2340*itemWidth) // 64 KiB
	err := owners(runs.NewIterator(sealed, itemWidth, nil), func(item []byte) (err error) {
		if len(buf) == cap(buf) {
			_, err = w.Write(buf)
			buf = buf[:0]
		}
		buf = append(buf, item...)
		return err
	})
	if err == nil && len(buf) > 0 {
		_, err = w.Write(buf)
	}
	return err
}

// owners calls f for the first item of each key.
func owners(it *runs.Iterator, f func(item []byte) error) error {
	var last [16]byte
	for begun := false; it.Next(); begun = true {
		if item := it.Item(); !begun || !bytes.Equal(item[:16], last[:]) {
			copy(last[:], item)
			if err := f(item); err != nil {
				return err
			}
		}
	}
	return it.Err()
}

// Finish implements stage.Reducer.
func (g *Segments) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	sorter := runs.NewSorter(ws, ownerWidth, sortBuffer)
	err := ws.Make(ctx, ownersFile, func(w io.Writer) error {
		sorter.Reset("sort")
		it, err := runs.Open(sealed, itemWidth, runs.Range{}, nil)
		if err != nil {
			return err
		}
		n := 0
		err = owners(it, func(item []byte) error {
			if n++; n%4096 == 0 && ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return sorter.Add(ctx, item[16:])
		})
		if err != nil {
			return err
		}
		return sorter.Merge(ctx, w)
	})
	if err != nil {
		return nil, err
	}
	if err := sorter.Remove(ctx); err != nil {
		return nil, err
	}
	data, size, err := ws.Open(ctx, ownersFile)
	if err != nil {
		return nil, err
	}
	return &segmentApply{g, stage.Sealed{Size: size, Data: data}}, nil
}

// segmentApply makes of rows the records of their own segments.
type segmentApply struct {
	g      *Segments
	owners stage.Sealed
}

// Spec implements stage.Mapper.
func (a *segmentApply) Spec() stage.Spec { return a.g.Spec() }

// NewWorker implements stage.Mapper.
func (a *segmentApply) NewWorker() stage.Worker {
	return &segmentApplyWorker{a: a, space: make([]byte, 16<<10)}
}

type segmentApplyWorker struct {
	a     *segmentApply
	space []byte
	own   []byte // owners of the batch
}

// segmentRecord is what a row becomes: its own segments, in their order.
type segmentRecord struct {
	Row       record.ID     `json:"row,string"`
	Sentences bool          `json:"sentences,omitzero"` // Config's
	Segments  []segmentForm `json:"segments"`
}

// segmentForm is a segment: what is needed to ask for it, to check an answer and to remember it.
type segmentForm struct {
	Key    string           `json:"key"`  // memory.Key in hexadecimal digits
	Path   string           `json:"path"` // JSON pointer of the text in the row
	Source protect.Template `json:"source"`
	Values []string         `json:"values,omitempty"` // of the holes, where it stands in the row
}

// Map implements stage.Worker.
func (w *segmentApplyWorker) Map(ctx context.Context, b *record.Batch) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := w.load(b); err != nil {
		return err
	}
	t := w.a.g.s.t
	var own, tokens, characters, asked int64
	for i := range b.Records {
		rec := &b.Records[i]
		if rec.Outcome != record.Keep {
			continue
		}
		places := w.places(rec.ID)
		if len(places) == 0 {
			rec.DropFor(SegmentsRule, NothingNew)
			continue
		}
		r := w.a.g.s.look(rec)
		o := segmentRecord{Row: rec.ID, Sentences: t.cfg.Sentences}
		var list []*wanted
		for _, at := range places {
			if rec.Outcome != record.Keep || at >= len(r.list) {
				return fmt.Errorf("segments: record %d is another than when its segments were counted; the input has changed, or this is a bug of curate", rec.ID)
			}
			g := r.list[at]
			list = append(list, g)
			o.Segments = append(o.Segments, segmentForm{hex.EncodeToString(g.key[:]), g.path, g.template, g.values})
			tokens += int64(tokensOf(g.template))
			for _, text := range g.template.Text {
				characters += int64(utf8.RuneCountInString(text))
			}
		}
		own += int64(len(places))
		asked += int64(len(t.grouped(list)))
		line, err := json.Marshal(&o, json.Deterministic(true), jsontext.EscapeForHTML(false))
		if err != nil {
			return fmt.Errorf("segments: record %d: %w", rec.ID, err)
		}
		rec.Replace(line)
	}
	for _, n := range []struct {
		name string
		n    int64
	}{{TallyOwn, own}, {TallyTokens, tokens}, {TallyCharacters, characters}, {TallyAsked, asked}} {
		if n.n > 0 {
			b.Tally(n.name, n.n)
		}
	}
	return nil
}

// load reads the owners among the records of a batch.
func (w *segmentApplyWorker) load(b *record.Batch) error {
	w.own = w.own[:0]
	if len(b.Records) == 0 {
		return nil
	}
	from, to := b.Records[0].ID, b.Records[0].ID
	for i := range b.Records {
		from, to = min(from, b.Records[i].ID), max(to, b.Records[i].ID)
	}
	it, err := runs.Open([]stage.Sealed{w.a.owners}, ownerWidth, runs.Range{
		From: binary.BigEndian.AppendUint64(nil, uint64(from)),
		To:   binary.BigEndian.AppendUint64(nil, uint64(to)+1),
	}, w.space)
	if err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	for it.Next() {
		w.own = append(w.own, it.Item()...)
	}
	return it.Err()
}

// places are the segments that are a record's own, by their places in it.
func (w *segmentApplyWorker) places(id record.ID) (list []int) {
	of := func(i int) []byte { return w.own[i*ownerWidth:][:ownerWidth] }
	n := len(w.own) / ownerWidth
	for i := sort.Search(n, func(i int) bool { return binary.BigEndian.Uint64(of(i)) >= uint64(id) }); i < n; i++ {
		if binary.BigEndian.Uint64(of(i)) != uint64(id) {
			break
		}
		list = append(list, int(binary.BigEndian.Uint32(of(i)[8:])))
	}
	return list
}

// parse reads a record that Segments has written. An error is the record's, unless it is a *CutError.
func (t *translator) parse(rec *record.Record, r *rowWork) error {
	v, ok := rec.Value(segmentsPath)
	if !ok {
		return errNoSegments
	}
	var forms []segmentForm
	if err := json.Unmarshal(v, &forms, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	sentences := false
	if v, ok := rec.Value(sentencesPath); ok {
		sentences = string(v) == "true"
	}
	for i, f := range forms {
		b, err := hex.DecodeString(f.Key)
		if err != nil || len(b) != len(memory.Key{}) {
			return fmt.Errorf("segment %d: the key %q is none; curate translate segments writes them", i, excerpt(f.Key))
		}
		for k, h := range f.Source.Holes {
			if h != k {
				return fmt.Errorf("segment %d: its hole %d has the number %d", i, k, h)
			}
		}
		if len(f.Values) != len(f.Source.Holes) {
			return fmt.Errorf("segment %d: %d holes and %d values", i, len(f.Source.Holes), len(f.Values))
		}
		g := &wanted{template: f.Source, key: memory.KeyOf(t.engine, t.cfg.From, t.cfg.To, f.Source), path: f.Path, at: len(r.list), values: f.Values}
		if g.key != memory.Key(b) || sentences != t.cfg.Sentences {
			return &CutError{Source: f.Source.Fill(f.Values)}
		}
		r.list = append(r.list, g)
	}
	return nil
}

var (
	segmentsPath  = record.MustPath("segments")
	sentencesPath = record.MustPath("sentences")
	errNoSegments = errors.New(`no "segments": curate translate segments makes such records of rows`)
)

// CutError says that a segment was cut out for another backend, model, prompt or other masks: its answer would not be found.
type CutError struct{ Source string }

func (e *CutError) Error() string {
	return fmt.Sprintf("the segment %q was cut out for another backend, model, prompt, pair of languages or with other masks, and its translation would not be found again", excerpt(e.Source))
}
