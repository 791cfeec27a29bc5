package stats

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/internal/human"
	"curate/record"
	"curate/stage"
)

// Config of the stage.
type Config struct {
	// TextField is the dotted path of the text; "text" if empty.
	TextField string
	// By is the dotted path of the field whose value is the group; all documents are one group if empty.
	By string
}

// maxGroups is how many groups there may be: more say nothing to a reader, and a hundred thousand of the
// longest names are 100 MB.
const maxGroups = 100_000

// Stats is the stage. It is immutable.
type Stats struct {
	spec      stage.Spec
	text, by  record.Path
	grouped   bool
	maxGroups int
}

// New makes the stage. An error names the field that cannot be used.
func New(cfg Config) (stage.Reducer, error) { return build(cfg) }

func build(cfg Config) (*Stats, error) {
	if cfg.TextField == "" {
		cfg.TextField = "text"
	}
	s := &Stats{grouped: cfg.By != "", maxGroups: maxGroups}
	var err error
	if s.text, err = record.ParsePath(cfg.TextField); err != nil {
		return nil, fmt.Errorf("stats: %w", err)
	}
	if s.grouped {
		if s.by, err = record.ParsePath(cfg.By); err != nil {
			return nil, fmt.Errorf("stats: %w", err)
		}
		if err := checkBy(cfg.By); err != nil {
			return nil, err
		}
	}
	resolved := struct {
		By        string `json:"by"`
		TextField string `json:"text_field"`
	}{cfg.By, cfg.TextField}
	s.spec = stage.Spec{Name: "stats", Version: 1, Config: resolved, Needs: []record.Path{s.text}, Result: "stats.jsonl"}
	if s.grouped {
		s.spec.Uses = []record.Path{s.by}
	}
	return s, nil
}

// Spec implements stage.Reducer.
func (s *Stats) Spec() stage.Spec { return s.spec }

// tooMany is the error of a field that is no grouping.
func (s *Stats) tooMany() error {
	return fmt.Errorf("more than %s groups by %q; count by a field of few values, such as a language or a source",
		human.Thousands(int64(s.maxGroups)), s.by)
}

// Key implements stage.Reducer: the texts are looked at in its workers.
func (s *Stats) Key() stage.Mapper { return mapper{s} }

type mapper struct{ s *Stats }

func (m mapper) Spec() stage.Spec        { return m.s.spec }
func (m mapper) NewWorker() stage.Worker { return &worker{s: m.s} }

// scratchLimit is what a worker keeps between documents, in bytes.
const scratchLimit = 1 << 20

type worker struct {
	s    *Stats
	text []byte // decoded
	key  []byte
}

// Map counts each record and notes the counts and the group as its key: four varints, for bytes, characters,
// words and lines, and the group's name.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
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
		if cap(w.text) > scratchLimit {
			w.text = nil
		}
	}
	return nil
}

func (w *worker) one(r *record.Record) error {
	doc, err := r.Text(w.s.text, &w.text)
	if err != nil {
		return err
	}
	counts := Of(doc)
	n := counts.list()
	k := w.key[:0]
	for _, v := range n[1:] {
		k = binary.AppendUvarint(k, uint64(v))
	}
	if w.s.grouped {
		// The text has been counted, so its scratch is free.
		if k, err = AppendGroup(k, r, w.s.by, &w.text); err != nil {
			return err
		}
	}
	r.SetKey(k)
	w.key = k
	return nil
}

// readKey is the other half of one.
func readKey(key []byte) (c Counts, name []byte, err error) {
	n := [len(names)]int64{1}
	for i := 1; i < len(n); i++ {
		v, size := binary.Uvarint(key)
		if size <= 0 {
			return c, nil, errors.New("stats: a record without counts: its batch was not mapped")
		}
		n[i] = int64(v)
		key = key[size:]
	}
	return fromList(n), key, nil
}

// NewPartial implements stage.Reducer.
func (s *Stats) NewPartial() stage.Partial { return &partial{s: s, groups: map[string]*Counts{}} }

type partial struct {
	s      *Stats
	groups map[string]*Counts
	size   int
}

// groupSize is what a group takes in the map beside its name, in bytes: Counts, the entry of 24 bytes with free
// ones beside it, and what allocations are rounded up by (TestPartialSize).
const groupSize = 48 + 40 + 8

// Add implements stage.Partial.
func (p *partial) Add(b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		c, name, err := readKey(r.Key())
		if err != nil {
			return err
		}
		if g := p.groups[string(name)]; g != nil {
			err = g.add(c)
		} else {
			err = p.put(string(name), &c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// put takes in the counts of a group that is not there.
func (p *partial) put(name string, c *Counts) error {
	if len(p.groups) >= p.s.maxGroups {
		return p.s.tooMany()
	}
	own := *c
	p.groups[name] = &own
	p.size += len(name) + groupSize
	return nil
}

// Join implements stage.Partial.
func (p *partial) Join(next stage.Partial) error {
	q := next.(*partial)
	if len(q.groups) > len(p.groups) { // sums do not mind the order
		p.groups, q.groups = q.groups, p.groups
		p.size = q.size
	}
	for name, c := range q.groups {
		var err error
		if g := p.groups[name]; g != nil {
			err = g.add(*c)
		} else {
			err = p.put(name, c)
		}
		if err != nil {
			return err
		}
	}
	q.groups = nil
	return nil
}

// Size implements stage.Partial.
func (p *partial) Size() int { return p.size + 64 }

// Seal implements stage.Partial.
func (p *partial) Seal(w io.Writer) error {
	order := make([]string, 0, len(p.groups))
	for name := range p.groups {
		order = append(order, name)
	}
	slices.SortFunc(order, strings.Compare)
	sw := newSealedWriter(w)
	for _, name := range order {
		if err := sw.put([]byte(name), *p.groups[name]); err != nil {
			return err
		}
	}
	p.groups = nil
	return sw.end()
}

// mergeBuffer is what is read ahead of each sealed file, in bytes, if there is the memory.
const mergeBuffer = 64 << 10

// Merge implements stage.Reducer.
func (s *Stats) Merge(w io.Writer, sealed []io.Reader) error {
	sw := newSealedWriter(w)
	if err := s.merge(sealed, mergeBuffer, sw.put); err != nil {
		return err
	}
	return sw.end()
}

// Finish implements stage.Reducer. The result is one JSON object a line: the group under the field's name as it
// was given, and the five counts. Groups stand in the order of their names: null first, then booleans, numbers,
// strings, arrays, objects, each bytewise, so 10 comes before 9. Without a field there is one object without
// the group, even if there were no documents.
func (s *Stats) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	// Half of the memory: the rest is for the entries in hand and the writer below.
	buffer := int(min(ws.Memory()/2/int64(len(sealed)+1), mergeBuffer))
	return nil, ws.Make(ctx, stage.ResultFile, func(w io.Writer) error {
		in := make([]io.Reader, len(sealed))
		for i, f := range sealed {
			in[i] = io.NewSectionReader(f.Data, 0, f.Size)
		}
		return s.writeResult(ctx, w, in, buffer)
	})
}

func (s *Stats) writeResult(ctx context.Context, w io.Writer, in []io.Reader, buffer int) error {
	head := []byte{'{'}
	if s.grouped {
		name, err := jsontext.AppendQuote(nil, s.by.String())
		if err != nil {
			return err
		}
		head = append(append(head, name...), ':')
	}
	out := bufio.NewWriter(w)
	var line []byte
	put := func(name []byte, c Counts) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		line = append(line[:0], head...)
		if s.grouped {
			var err error
			if line, err = AppendGroupValue(line, name); err != nil {
				return err
			}
			line = append(line, ',')
		}
		for i, n := range c.list() {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(append(append(line, '"'), names[i]...), `":`...)
			line = strconv.AppendInt(line, n, 10)
		}
		_, err := out.Write(append(line, '}', '\n'))
		return err
	}
	wrote := false
	err := s.merge(in, buffer, func(name []byte, c Counts) error {
		wrote = true
		return put(name, c)
	})
	if err == nil && !s.grouped && !wrote {
		err = put(nil, Counts{})
	}
	if err != nil {
		return err
	}
	return out.Flush()
}
