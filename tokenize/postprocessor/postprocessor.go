// Package postprocessor puts special tokens around a text's ids and trims offsets: the component post_processor of
// tokenizer.json.
package postprocessor

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// PostProcessor is a component post_processor of tokenizer.json, all of a Sequence added up: what is done to one text.
// It is immutable and may be shared. The zero value does nothing.
type PostProcessor struct {
	// Type is the component's type as the file names it; "" without one.
	Type string
	// Before and After are the ids that stand around a text when special tokens are asked for.
	Before, After []uint32
	// Trims take white space out of offsets, one behind the other.
	Trims []Trim
}

// Trim takes the white space that a token begins and ends with out of its offsets (process_offsets in
// pre_tokenizers/byte_level.rs of HF tokenizers 0.23.3).
type Trim struct {
	// PrefixSpace says that the space before the first token was put there by the pre-tokenizer: it is not in the text.
	PrefixSpace bool
	// Around says that, if special tokens are asked for, one of them is the first by now.
	Around bool
}

// maxAround is how many ids may stand around a text: a file of a few bytes must not make each text long.
const maxAround = 1 << 12

// New reads the component at path in the file. known says whether an id is a token's.
func New(path string, v jsontext.Value, known func(id uint32) bool) (*PostProcessor, error) {
	r := reader{known: known, parts: make([]part, 1)}
	if component.IsNull(v) {
		return &r.p, nil
	}
	kind, err := r.read(path, v, 0)
	if err != nil {
		return nil, err
	}
	r.p.Type = kind
	for i, part := range r.parts {
		ids := &r.p.Before
		if i > r.text {
			ids = &r.p.After
		}
		*ids = append(*ids, part.before...)
		if i == r.text {
			ids = &r.p.After
		}
		*ids = append(*ids, part.after...)
	}
	return &r.p, nil
}

// reader reads a component. HF tokenizers makes an encoding of each piece of a template, and later processors of a
// Sequence put their tokens around each of them; only then do they become one.
type reader struct {
	p     PostProcessor
	parts []part
	text  int // which of them has the text
	known func(id uint32) bool
}

// part is such an encoding: the ids before and behind the text, or, where it does not have the text, all of them.
type part struct{ before, after []uint32 }

// kinds are all there are, sorted.
var kinds = []struct {
	name string
	read func(r *reader, path string, v jsontext.Value) error
}{
	{"BertProcessing", (*reader).bert},
	{"ByteLevel", (*reader).byteLevel},
	{"RobertaProcessing", (*reader).roberta},
	{"TemplateProcessing", (*reader).template},
}

func (r *reader) read(path string, v jsontext.Value, depth int) (kind string, err error) {
	if kind, err = component.Type(path, v); err != nil {
		return "", err
	}
	if kind == "Sequence" {
		if depth == component.MaxDepth {
			return "", component.TooDeep(path)
		}
		var s struct {
			Type       string           `json:"type"`
			Processors []jsontext.Value `json:"processors"`
		}
		if err := component.Decode(path, v, &s); err != nil {
			return "", err
		}
		for i, p := range s.Processors {
			if _, err := r.read(fmt.Sprintf("%s.processors[%d]", path, i), p, depth+1); err != nil {
				return "", err
			}
		}
		return kind, nil
	}
	var names []string
	for _, k := range kinds {
		if k.name == kind {
			return kind, k.read(r, path, v)
		}
		names = append(names, k.name)
	}
	return "", &component.UnsupportedError{Path: path, Problem: fmt.Sprintf("post-processor %q; known are %s, Sequence", kind, strings.Join(names, ", "))}
}

// around puts ids around each part; the first one has others before it.
func (r *reader) around(path string, first, before, after []uint32) error {
	size := 0
	for i := range r.parts {
		p := &r.parts[i]
		with := before
		if i == 0 {
			with = first
		}
		p.before = append(append([]uint32{}, with...), p.before...)
		p.after = append(p.after, after...)
		size += len(p.before) + len(p.after)
	}
	return tooMany(path, size)
}

func tooMany(path string, ids int) error {
	if ids > maxAround {
		return &component.UnsupportedError{Path: path, Problem: fmt.Sprintf("more than %d ids around a text", maxAround)}
	}
	return nil
}

// trim adds a trim.
func (r *reader) trim(prefixSpace *bool) {
	r.p.Trims = append(r.p.Trims, Trim{PrefixSpace: on(prefixSpace), Around: len(r.parts[r.text].before) > 0})
}

type byteLevelJSON struct {
	Type           string `json:"type"`
	AddPrefixSpace *bool  `json:"add_prefix_space"`
	TrimOffsets    *bool  `json:"trim_offsets"`
	UseRegex       *bool  `json:"use_regex"` // of the pre-tokenizer of that name
}

// on is a flag whose default is true.
func on(flag *bool) bool { return flag == nil || *flag }

func (r *reader) byteLevel(path string, v jsontext.Value) error {
	var b byteLevelJSON
	if err := component.Decode(path, v, &b); err != nil {
		return err
	}
	if on(b.TrimOffsets) {
		r.trim(b.AddPrefixSpace)
	}
	return nil
}

// pairJSON is a token and its id: ["[SEP]", 102].
type pairJSON struct {
	token string
	id    uint32
}

func (p *pairJSON) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	var parts []jsontext.Value
	if err := component.Decode("", v, &parts); err != nil || len(parts) != 2 || parts[0].Kind() != '"' {
		return fmt.Errorf("want a token and its id, not %.40s", v)
	}
	if err := component.Decode("", parts[0], &p.token); err != nil {
		return err
	}
	return component.Decode("", parts[1], &p.id)
}

type bertJSON struct {
	Type           string   `json:"type"`
	Sep            pairJSON `json:"sep"`
	Cls            pairJSON `json:"cls"`
	TrimOffsets    *bool    `json:"trim_offsets"`     // RobertaProcessing alone
	AddPrefixSpace *bool    `json:"add_prefix_space"` // RobertaProcessing alone
}

func (r *reader) bert(path string, v jsontext.Value) error {
	b, err := r.clsSep(path, v)
	if err != nil {
		return err
	}
	return r.around(path, []uint32{b.Cls.id}, nil, []uint32{b.Sep.id})
}

// roberta trims before it adds: what it puts around has no offsets anyway.
func (r *reader) roberta(path string, v jsontext.Value) error {
	b, err := r.clsSep(path, v)
	if err != nil {
		return err
	}
	if on(b.TrimOffsets) {
		r.trim(b.AddPrefixSpace)
	}
	return r.around(path, []uint32{b.Cls.id}, []uint32{b.Sep.id}, []uint32{b.Sep.id})
}

func (r *reader) clsSep(path string, v jsontext.Value) (b bertJSON, err error) {
	if err := component.Decode(path, v, &b); err != nil {
		return b, err
	}
	for _, p := range []pairJSON{b.Cls, b.Sep} {
		if !r.known(p.id) {
			return b, fmt.Errorf("%s: %q has id %d, which is no token", path, p.token, p.id)
		}
	}
	return b, nil
}

type templateJSON struct {
	Type          string                 `json:"type"`
	Single        []pieceJSON            `json:"single"`
	Pair          jsontext.Value         `json:"pair"` // of two texts: not ours
	SpecialTokens map[string]specialJSON `json:"special_tokens"`
}

type pieceJSON struct {
	SpecialToken *struct {
		ID     string `json:"id"`
		TypeID int64  `json:"type_id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID     string `json:"id"`
		TypeID int64  `json:"type_id"`
	} `json:"Sequence"`
}

type specialJSON struct {
	ID     string   `json:"id"`
	IDs    []uint32 `json:"ids"`
	Tokens []string `json:"tokens"`
}

func (r *reader) template(path string, v jsontext.Value) error {
	var tpl templateJSON
	if err := component.Decode(path, v, &tpl); err != nil {
		return err
	}
	if len(r.parts) > 1 {
		return &component.UnsupportedError{Path: path, Problem: "a template behind another one"}
	}
	whole := r.parts[0]
	r.parts, r.text = nil, -1
	size := len(whole.before) + len(whole.after)
	for i, p := range tpl.Single {
		at := fmt.Sprintf("%s.single[%d]", path, i)
		switch {
		case p.Sequence != nil && p.SpecialToken == nil:
			if p.Sequence.ID != "A" || r.text >= 0 {
				return &component.UnsupportedError{Path: at, Problem: "a template that does not have the text once"}
			}
			r.text = len(r.parts)
			r.parts = append(r.parts, whole)
		case p.SpecialToken != nil && p.Sequence == nil:
			s, ok := tpl.SpecialTokens[p.SpecialToken.ID]
			if !ok {
				return fmt.Errorf("%s: %q is not among special_tokens", at, p.SpecialToken.ID)
			}
			for _, id := range s.IDs {
				if !r.known(id) {
					return fmt.Errorf("%s.special_tokens: %q has id %d, which is no token", path, p.SpecialToken.ID, id)
				}
			}
			r.parts = append(r.parts, part{before: s.IDs})
			size += len(s.IDs)
			if err := tooMany(at, max(size, len(r.parts))); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s: want SpecialToken or Sequence", at)
		}
	}
	if r.text < 0 {
		return &component.UnsupportedError{Path: path + ".single", Problem: "a template that does not have the text once"}
	}
	return nil
}
