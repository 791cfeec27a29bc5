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
}

// maxAround is how many ids may stand around a text: a file of a few bytes must not make each text long.
const maxAround = 1 << 12

// New reads the component at path in the file. known says whether an id is a token's.
func New(path string, v jsontext.Value, known func(id uint32) bool) (*PostProcessor, error) {
	r := reader{known: known}
	if component.IsNull(v) {
		return &r.p, nil
	}
	kind, err := r.read(path, v, 0)
	r.p.Type = kind
	return &r.p, err
}

type reader struct {
	p     PostProcessor
	known func(id uint32) bool
}

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

// around puts ids around all that is there.
func (r *reader) around(path string, before, after []uint32) error {
	p := &r.p
	if len(p.Before)+len(p.After)+len(before)+len(after) > maxAround {
		return &component.UnsupportedError{Path: path, Problem: fmt.Sprintf("more than %d ids around a text", maxAround)}
	}
	p.Before = append(append([]uint32{}, before...), p.Before...)
	p.After = append(p.After, after...)
	return nil
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
		r.p.Trims = append(r.p.Trims, Trim{on(b.AddPrefixSpace)})
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
	_, err := r.clsSep(path, v)
	return err
}

// roberta trims before it adds: what it puts around has no offsets anyway.
func (r *reader) roberta(path string, v jsontext.Value) error {
	b, err := r.clsSep(path, v)
	if err == nil && on(b.TrimOffsets) {
		r.p.Trims = append(r.p.Trims, Trim{on(b.AddPrefixSpace)})
	}
	return err
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
	return b, r.around(path, []uint32{b.Cls.id}, []uint32{b.Sep.id})
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
	var before, after []uint32
	seen := false
	for i, p := range tpl.Single {
		at := fmt.Sprintf("%s.single[%d]", path, i)
		switch {
		case p.Sequence != nil && p.SpecialToken == nil:
			if p.Sequence.ID != "A" || seen {
				return &component.UnsupportedError{Path: at, Problem: "a template that does not have the text once"}
			}
			seen = true
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
			if len(before)+len(after)+len(s.IDs) > maxAround {
				return &component.UnsupportedError{Path: at, Problem: fmt.Sprintf("more than %d ids around a text", maxAround)}
			}
			if seen {
				after = append(after, s.IDs...)
			} else {
				before = append(before, s.IDs...)
			}
		default:
			return fmt.Errorf("%s: want SpecialToken or Sequence", at)
		}
	}
	if !seen {
		return &component.UnsupportedError{Path: path + ".single", Problem: "a template that does not have the text once"}
	}
	return r.around(path, before, after)
}
