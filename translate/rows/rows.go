// Package rows knows the schemas of data sets (chat, preference, alpaca, …): which strings of a record are text to
// translate, and how they belong together. Everything else of a record stays byte for byte: a string is found as a span
// of the line, and only that span is replaced.
//
// Read rows.go first, then schemas.go (the table and the order of recognition), the files schema_NAME.go, one a schema,
// walk.go (what they share), fields.go (--fields), pointer.go (JSON spans and pointers), together.go (what binds texts).
// The schemas are described in docs/formats/rows.md.
package rows

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// FieldsSchema is the schema of a row whose texts Options.Fields names. It is none of Names.
const FieldsSchema = "fields"

// Options say what of a record is text.
type Options struct {
	Schema           string   `json:"schema,omitzero"`   // a name of Names; "" recognises each record by its key names
	Fields           []string `json:"fields,omitempty"`  // JSON pointers with * for any name or index ("/messages/*/content"); with them no schema is looked for
	ToolDescriptions bool     `json:"tool_descriptions"` // the "description" texts in tools are translated, too; not with Fields, which say everything
	ToolResults      bool     `json:"tool_results"`      // and what tools have answered
}

// Reader finds the texts of records. It is immutable and may be shared.
type Reader struct {
	o        Options
	schema   *schema   // of o.Schema; nil recognises
	patterns []pattern // of o.Fields
}

// New checks the options.
func New(o Options) (*Reader, error) {
	r := &Reader{o: o}
	if len(o.Fields) > 0 {
		if o.Schema != "" {
			return nil, fmt.Errorf("schema %q and fields: the fields name all texts; leave out one of the two", o.Schema)
		}
		for _, f := range o.Fields {
			p, err := parsePattern(f)
			if err != nil {
				return nil, err
			}
			r.patterns = append(r.patterns, p)
		}
		return r, nil
	}
	if o.Schema == "" {
		return r, nil
	}
	if r.schema = schemaNamed(o.Schema); r.schema == nil {
		return nil, fmt.Errorf("no schema %q; there are %s, and fields for everything else", o.Schema, enumerate(Names()))
	}
	if r.schema.name == toolsSchema && !o.ToolDescriptions {
		return nil, fmt.Errorf("schema %q has no texts but descriptions of tools; ask for them, too", o.Schema)
	}
	return r, nil
}

// Names are the schemas that Options.Schema may name, sorted.
func Names() []string {
	names := make([]string, len(schemas))
	for i := range schemas {
		names[i] = schemas[i].name
	}
	return names
}

// Recognise says which schema a record has, from its key names alone. The error names the keys that the record has, and
// says what to do.
func (r *Reader) Recognise(rec *record.Record) (schema string, err error) {
	switch {
	case r.patterns != nil:
		return FieldsSchema, nil
	case r.schema != nil:
		return r.schema.name, nil
	}
	s, err := r.recognise(rec)
	if err != nil {
		return "", err
	}
	return s.name, nil
}

// Side says which half of a preference row a text belongs to.
type Side uint8

const (
	Shared Side = iota // the prompt, or of a row without halves
	Chosen
	Rejected
)

// Node is one text of a row.
type Node struct {
	Path string // JSON pointer in the record: "/messages/0/content"
	Text string // decoded
	Role string // who says it, or what it is: system, user, assistant, tool, prompt, instruction, input, question, choice, answer, text, description
	Side Side

	member     int // of Row.members
	start, end int // of the JSON string in that member's value
}

// member is a member of the record's own object in which there are texts.
type member struct {
	path  record.Path
	value []byte // as Read saw it; the batch's memory
}

// Row is what Read finds; its memory is used again by the next Read. The order of the nodes is that of a reader: what
// was said before comes before, whatever the order of the keys.
type Row struct {
	Schema string // of Names, or FieldsSchema
	Nodes  []Node

	members []member // in the order of their nodes, which ascend in each
	// Of a multiple choice: the numbers of the choices, from 0, that may be right. Empty if that is not known.
	right []int
}

// Read finds the texts of rec. A known key of the wrong shape is an error that names the key (*record.FieldError, with
// the JSON pointer as Field). The row refers to memory of rec's batch until it is written.
func (r *Reader) Read(rec *record.Record, row *Row) error {
	*row = Row{Nodes: row.Nodes[:0], members: row.members[:0], right: row.right[:0]}
	w := walk{rec: rec, row: row, toolResults: r.o.ToolResults}
	if r.patterns != nil {
		row.Schema = FieldsSchema
		return w.fields(r.patterns)
	}
	s := r.schema
	if s == nil {
		var err error
		if s, err = r.recognise(rec); err != nil {
			return err
		}
	}
	row.Schema = s.name
	if err := s.read(&w); err != nil {
		return err
	}
	if r.o.ToolDescriptions && s.name != toolsSchema {
		return w.optional("tools", w.tools)
	}
	return nil
}

// Write puts targets, one a node, in place of the texts: an edit of rec for each member of it that changes. rec is the
// record that was read, its texts not edited since. A target that equals its text leaves the bytes of the string, its
// escapes included. After an error nothing has changed.
func (row *Row) Write(rec *record.Record, targets []string) error {
	if len(targets) != len(row.Nodes) {
		return fmt.Errorf("%d targets for %d texts", len(targets), len(row.Nodes))
	}
	for i, t := range targets {
		if !utf8.ValidString(t) {
			return &record.FieldError{Field: row.Nodes[i].Path, Problem: "would become a text that is not UTF-8"}
		}
	}
	for i := range row.members {
		m := &row.members[i]
		if v, ok := rec.Value(m.path); !ok || !bytes.Equal(v, m.value) {
			return &record.FieldError{Field: string(appendToken(nil, m.path.Names()[0])), Problem: "has changed since its texts were read"}
		}
	}
	var value []byte
	for lo := 0; lo < len(row.Nodes); {
		m := &row.members[row.Nodes[lo].member]
		value = value[:0]
		done, changed := 0, false
		hi := lo
		for ; hi < len(row.Nodes) && row.Nodes[hi].member == row.Nodes[lo].member; hi++ {
			n := &row.Nodes[hi]
			if targets[hi] == n.Text {
				continue
			}
			value = append(value, m.value[done:n.start]...)
			var err error
			if value, err = jsontext.AppendQuote(value, targets[hi]); err != nil {
				return &record.FieldError{Field: n.Path, Problem: err.Error()}
			}
			done, changed = n.end, true
		}
		if changed {
			value = append(value, m.value[done:]...)
			if err := rec.Set(m.path, value); err != nil {
				return errors.Join(&record.FieldError{Field: row.Nodes[lo].Path, Problem: "cannot be set"}, err)
			}
		}
		lo = hi
	}
	return nil
}
