// Package eval measures how well tokenizers fit texts: bytes for a token, tokens for a word, and how many words are cut
// (fertility and proportion of continued words in Rust et al. 2021, "How Good is Your Tokenizer?"), by language or any
// other field. Words are what white space separates, also in scripts that are written without: compare those by bytes.
//
// counts.go is the measure, stage.go the Reduce stage around it, table.go what people read.
package eval

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
	"curate/stage"
	"curate/tokenize"
)

// Named is a tokenizer and what the result calls it.
type Named struct {
	Name      string
	Tokenizer *tokenize.Tokenizer
}

// Config of the stage.
type Config struct {
	// Tokenizers are measured on the same texts. Their names are distinct.
	Tokenizers []Named
	// TextField is the dotted path of the text; "text" if empty.
	TextField string
	// By is the dotted path of the field whose value is the group; all documents are one group if empty.
	By string
	// EncoderMemory is what each encoder may remember, in bytes; 0 is tokenize.EncoderMemory.
	EncoderMemory int64
}

const (
	// ResultName is the result's file.
	ResultName = "tokenizers.json"
	// maxGroups is how many groups there may be: more are no languages.
	maxGroups = 10_000
	// maxGroup is the longest value of a group, in bytes.
	maxGroup = 1024
	// maxTokenizers is how many tokenizers are compared at once.
	maxTokenizers = 64
)

// Eval is the stage. It is immutable.
type Eval struct {
	spec       stage.Spec
	text, by   record.Path
	grouped    bool
	tokenizers []Named
	unknown    []int64
	options    tokenize.Options
}

// New makes the stage. An error names what cannot be used.
func New(cfg Config) (stage.Reducer, error) {
	if cfg.TextField == "" {
		cfg.TextField = "text"
	}
	e := &Eval{grouped: cfg.By != "", tokenizers: slices.Clone(cfg.Tokenizers), options: tokenize.Options{Memory: cfg.EncoderMemory}}
	var err error
	if e.text, err = record.ParsePath(cfg.TextField); err != nil {
		return nil, err
	}
	if e.grouped {
		if e.by, err = record.ParsePath(cfg.By); err != nil {
			return nil, err
		}
	}
	if n := len(cfg.Tokenizers); n == 0 || n > maxTokenizers {
		return nil, fmt.Errorf("%d tokenizers; want 1 to %d", n, maxTokenizers)
	}
	type resolved struct {
		Name        string `json:"name"`
		Fingerprint string `json:"fingerprint"`
	}
	list := make([]resolved, len(cfg.Tokenizers))
	for i, t := range cfg.Tokenizers {
		for _, other := range list[:i] {
			if other.Name == t.Name {
				return nil, fmt.Errorf("two tokenizers are called %q", t.Name)
			}
		}
		list[i] = resolved{t.Name, t.Tokenizer.Info().Fingerprint}
		unknown := int64(-1)
		if id, ok := t.Tokenizer.Unknown(); ok {
			unknown = int64(id)
		}
		e.unknown = append(e.unknown, unknown)
	}
	e.spec = stage.Spec{Name: "tokenizer-eval", Version: 1, Needs: []record.Path{e.text}, Result: ResultName, Config: struct {
		By         string     `json:"by"`
		TextField  string     `json:"text_field"`
		Tokenizers []resolved `json:"tokenizers"`
	}{cfg.By, cfg.TextField, list}}
	if e.grouped {
		e.spec.Uses = []record.Path{e.by}
	}
	return e, nil
}

// Spec implements stage.Reducer.
func (e *Eval) Spec() stage.Spec { return e.spec }

// Key implements stage.Reducer: texts are encoded in its workers.
func (e *Eval) Key() stage.Mapper { return mapper{e} }

type mapper struct{ e *Eval }

func (m mapper) Spec() stage.Spec { return m.e.spec }

func (m mapper) NewWorker() stage.Worker {
	w := &worker{e: m.e}
	for _, t := range m.e.tokenizers {
		w.encoders = append(w.encoders, t.Tokenizer.NewEncoder(m.e.options))
	}
	return w
}

type worker struct {
	e        *Eval
	encoders []*tokenize.Encoder
	counter  counter
	text     []byte // decoded
	key      []byte
}

// scratchLimit is what a worker keeps between documents, in bytes.
const scratchLimit = 1 << 20

// Map notes the counts of each record as its key: varints in the order of group.list, and the group.
func (w *worker) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		if err := ctx.Err(); err != nil { // a text is encoded several times
			return err
		}
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		if err := w.one(r); err != nil {
			r.QuarantineFor(err)
		}
		w.counter.shrink(scratchLimit)
		if cap(w.text) > scratchLimit {
			w.text = nil
		}
	}
	return nil
}

func (w *worker) one(r *record.Record) error {
	text, err := r.Text(w.e.text, &w.text)
	if err != nil {
		return err
	}
	g := group{Text: w.counter.cut(text)}
	for i, e := range w.encoders {
		t, err := w.counter.count(e, text, w.e.unknown[i])
		if err != nil {
			return err
		}
		g.Tokenizers = append(g.Tokenizers, t)
	}
	k := w.key[:0]
	for _, p := range g.list() {
		k = binary.AppendUvarint(k, uint64(*p))
	}
	if w.e.grouped {
		if k, err = w.appendGroup(k, r); err != nil {
			return err
		}
	}
	r.SetKey(k)
	w.key = k
	return nil
}

// appendGroup appends the record's group: the string, or any other value as JSON. What is missing is null.
func (w *worker) appendGroup(dst []byte, r *record.Record) ([]byte, error) {
	v, ok := r.Value(w.e.by)
	if !ok {
		return append(dst, "null"...), nil
	}
	if v[0] == '"' {
		s, err := r.Text(w.e.by, &w.text) // the text has been counted
		if err != nil {
			return nil, err
		}
		v = s
	}
	if len(v) > maxGroup {
		return nil, &record.FieldError{Field: w.e.by.String(), Problem: fmt.Sprintf("is too long to be a group: more than %d bytes", maxGroup)}
	}
	return append(dst, v...), nil
}

// group is what is known of the documents of a group.
type group struct {
	Group *string `json:"group,omitzero"` // nil if documents are not grouped
	Text
	Tokenizers []Tokens `json:"tokenizers"` // in the order of Config.Tokenizers
}

// list are all counts in a fixed order.
func (g *group) list() []*int64 {
	l := []*int64{&g.Documents, &g.Bytes, &g.Characters, &g.Words}
	for i := range g.Tokenizers {
		t := &g.Tokenizers[i]
		l = append(l, &t.Tokens, &t.Continued, &t.Unknown)
	}
	return l
}

func (g *group) add(o *group) error {
	if len(o.Tokenizers) != len(g.Tokenizers) {
		return errors.New("tokenizer-eval: counts of other tokenizers")
	}
	err := g.Text.add(&o.Text)
	for i := range g.Tokenizers {
		err = errors.Join(err, g.Tokenizers[i].add(&o.Tokenizers[i]))
	}
	return err
}

// NewPartial implements stage.Reducer.
func (e *Eval) NewPartial() stage.Partial { return &partial{e: e, groups: map[string]*group{}} }

type partial struct {
	e      *Eval
	groups map[string]*group
	size   int
}

// Add implements stage.Partial.
func (p *partial) Add(b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		g := group{Tokenizers: make([]Tokens, len(p.e.tokenizers))}
		key := r.Key()
		for _, n := range g.list() {
			v, size := binary.Uvarint(key)
			if size <= 0 {
				return errors.New("tokenizer-eval: a record without counts: its batch was not mapped")
			}
			*n, key = int64(v), key[size:]
		}
		if err := p.take(string(key), &g); err != nil {
			return err
		}
	}
	return nil
}

func (p *partial) take(name string, g *group) error {
	if have := p.groups[name]; have != nil {
		return have.add(g)
	}
	if len(p.groups) == maxGroups {
		return fmt.Errorf("more than %d groups by %q; measure by a field of few values, such as a language", maxGroups, p.e.by)
	}
	p.groups[name] = g
	p.size += len(name) + 200 + 24*len(g.Tokenizers)
	return nil
}

// Join implements stage.Partial.
func (p *partial) Join(next stage.Partial) error {
	for name, g := range next.(*partial).groups {
		if err := p.take(name, g); err != nil {
			return err
		}
	}
	return nil
}

// Size implements stage.Partial.
func (p *partial) Size() int { return 2 * p.size }

// Seal implements stage.Partial: the groups as JSON, a line each, sorted by name.
func (p *partial) Seal(w io.Writer) error {
	for _, g := range p.sorted() {
		if err := json.MarshalWrite(w, g, json.Deterministic(true)); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	return nil
}

func (p *partial) sorted() []*group {
	names := make([]string, 0, len(p.groups))
	for name := range p.groups {
		names = append(names, name)
	}
	slices.Sort(names)
	list := make([]*group, len(names))
	for i, name := range names {
		g := p.groups[name]
		if p.e.grouped {
			g.Group = &name
		}
		list[i] = g
	}
	return list
}

// read takes in what was sealed.
func (p *partial) read(sealed []io.Reader) error {
	for i, r := range sealed {
		d := jsontext.NewDecoder(r)
		for {
			g := new(group)
			err := json.UnmarshalDecode(d, g, json.RejectUnknownMembers(true))
			if err == io.EOF {
				break
			}
			if err == nil && ((g.Group != nil) != p.e.grouped || len(g.Tokenizers) != len(p.e.tokenizers)) {
				err = errors.New("counts of another configuration")
			}
			if err != nil {
				return fmt.Errorf("tokenizer-eval: sealed file %d is damaged: %w; remove it and run again", i, err)
			}
			name := ""
			if g.Group != nil {
				name = *g.Group
			}
			if err := p.take(name, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// Merge implements stage.Reducer.
func (e *Eval) Merge(w io.Writer, sealed []io.Reader) error {
	p := e.NewPartial().(*partial)
	if err := p.read(sealed); err != nil {
		return err
	}
	return p.Seal(w)
}

// Finish implements stage.Reducer. The result is a [Result] as JSON.
func (e *Eval) Finish(ctx context.Context, sealed []stage.Sealed, ws stage.Workspace) (stage.Mapper, error) {
	return nil, ws.Make(ctx, stage.ResultFile, func(w io.Writer) error {
		p := e.NewPartial().(*partial)
		in := make([]io.Reader, len(sealed))
		for i, f := range sealed {
			in[i] = io.NewSectionReader(f.Data, 0, f.Size)
		}
		if err := p.read(in); err != nil {
			return err
		}
		res, err := e.result(p.sorted())
		if err != nil {
			return err
		}
		out, err := json.Marshal(res, json.Deterministic(true), jsontext.WithIndent("  "))
		if err != nil {
			return err
		}
		_, err = w.Write(append(out, '\n'))
		return err
	})
}

// Result is what the stage finds out.
type Result struct {
	By         string      `json:"by,omitzero"`
	Tokenizers []Tokenizer `json:"tokenizers"`
	// Groups are sorted by name; the last, without one, is all of them together.
	Groups []Group `json:"groups"`
}

// Tokenizer is one that was measured.
type Tokenizer struct {
	Name        string `json:"name"`
	VocabSize   int    `json:"vocab_size"`
	Fingerprint string `json:"fingerprint"`
}

// Group is what was measured on some documents.
type Group struct {
	Group *string `json:"group,omitzero"`
	Text
	Tokenizers []Measured `json:"tokenizers"` // in the order of Result.Tokenizers
}

// Measured is what a tokenizer makes of them. Ratios are rounded to six digits, and 0 where there is nothing to divide by.
type Measured struct {
	Tokens
	BytesPerToken float64 `json:"bytes_per_token"`
	TokensPerWord float64 `json:"tokens_per_word"`
	// ContinuedShare is the share of the words that are cut.
	ContinuedShare float64 `json:"continued_share"`
}

func (e *Eval) result(groups []*group) (*Result, error) {
	res := &Result{By: e.by.String(), Tokenizers: []Tokenizer{}, Groups: []Group{}}
	all := &group{Tokenizers: make([]Tokens, len(e.tokenizers))}
	for _, t := range e.tokenizers {
		in := t.Tokenizer.Info()
		res.Tokenizers = append(res.Tokenizers, Tokenizer{strings.ToValidUTF8(t.Name, "\uFFFD"), in.VocabSize, in.Fingerprint})
	}
	for _, g := range groups {
		if err := all.add(g); err != nil {
			return nil, err
		}
		if e.grouped {
			res.Groups = append(res.Groups, measured(g))
		}
	}
	res.Groups = append(res.Groups, measured(all))
	return res, nil
}

func measured(g *group) Group {
	m := Group{Group: g.Group, Text: g.Text}
	for _, t := range g.Tokenizers {
		m.Tokenizers = append(m.Tokenizers, Measured{
			Tokens: t, BytesPerToken: ratio(g.Bytes, t.Tokens), TokensPerWord: ratio(t.Tokens, g.Words), ContinuedShare: ratio(t.Continued, g.Words),
		})
	}
	return m
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(int64(float64(a)/float64(b)*1e6+0.5)) / 1e6
}
