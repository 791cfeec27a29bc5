// Package rows knows the schemas of data sets (chat, preference, alpaca, …): which strings of a record are text to
// translate, and how they belong together. Everything else of a record stays byte for byte: a string is found as a span
// of the line, and only that span is replaced.
//
// Read rows.go first, then pointer.go (JSON pointers and spans) and the files schema_NAME.go, one a schema.
package rows

import "curate/record"

// Options say what of a record is text.
type Options struct {
	Schema           string   // a name of Names; "" recognises each record by its key names
	Fields           []string // JSON pointers with * for any name or index ("/messages/*/content"); with them no schema is looked for
	ToolDescriptions bool     // the "description" texts in tools are translated, too
	ToolResults      bool     // and what tools have answered
}

// Reader finds the texts of records. It is immutable and may be shared.
type Reader struct {
	o Options
}

// New checks the options.
func New(o Options) (*Reader, error) { panic("unwritten") }

// Names are the schemas that Options.Schema may name, sorted.
func Names() []string { panic("unwritten") }

// Recognise says which schema a record has, from its key names alone. The error names the keys that the record has, and
// says what to do.
func (r *Reader) Recognise(rec *record.Record) (schema string, err error) { panic("unwritten") }

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
	Role string // who says it, or what it is: system, user, assistant, tool, prompt, instruction, question, choice, answer, text, description
	Side Side

	member     int // of Row.members
	start, end int // of the JSON string in that member's value
}

// Row is what Read finds; its memory is used again by the next Read.
type Row struct {
	Schema string
	Nodes  []Node
}

// Read finds the texts of rec. A known key of the wrong shape is an error that names the key (*record.FieldError, with
// the JSON pointer as Field).
func (r *Reader) Read(rec *record.Record, row *Row) error { panic("unwritten") }

// Write puts targets, one a node, in place of the texts: an edit of rec for each member of it that changes.
func (row *Row) Write(rec *record.Record, targets []string) error { panic("unwritten") }

// Verify says what the targets, one a node, have done to how the texts belong together: "" if nothing. A chosen text that
// equals the rejected one where their sources differ ("pair"), a textual answer that is none of the choices ("answer"), two
// choices that have become one ("choices"), an output that equals its input where their sources differ ("copy").
func (row *Row) Verify(targets []string) (check, detail string) { panic("unwritten") }

// Instruction is what the row asks for, for the recognition of tasks: the last user text, prompt, instruction or question.
func (row *Row) Instruction() string { panic("unwritten") }
