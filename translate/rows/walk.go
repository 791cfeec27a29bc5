package rows

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// walk is one reading of one record: where it stands, and what it has found.
type walk struct {
	rec         *record.Record
	row         *Row
	toolResults bool

	at      record.Path // the member in which it stands
	v       []byte      // its value
	known   bool        // it is the last of row.members: a text was found in it
	pointer []byte      // of the value that is looked at

	side   Side // of the texts that are found
	shared int  // so many leading messages of the next list are Shared, whatever side says
	spelt  int  // bytes of the pointers of all nodes
}

// spare is what the pointers of a row may take beyond eight times its texts' members, in bytes. A pointer repeats the
// names above a text for each text: many texts below a long name would take memory that is quadratic in the line.
const spare = 1 << 20

// open moves to a member of the record; null counts as none.
func (w *walk) open(name string) bool {
	p, err := pathOf(name)
	if err != nil {
		return false
	}
	v, ok := w.rec.Value(p)
	return ok && w.enter(name, p, v)
}

func (w *walk) enter(name string, p record.Path, v []byte) bool {
	v = v[skipSpace(v, 0):]
	w.at, w.v, w.known = p, v, false
	w.pointer = appendToken(w.pointer[:0], name)
	return kindAt(v, 0) != 'n'
}

// A reading looks at the value at an index of w.v.
type reading func(at int) error

// optional reads a member if there is one.
func (w *walk) optional(name string, read reading) error {
	if !w.open(name) {
		return nil
	}
	return read(0)
}

// required reads a member that must be there.
func (w *walk) required(name string, read reading) error {
	if w.open(name) {
		return read(0)
	}
	w.pointer = appendToken(w.pointer[:0], name)
	if p, err := pathOf(name); err == nil && w.rec.Has(p) {
		return w.problem("is null")
	}
	return w.problem("is missing")
}

// first does one after the other until one fails.
func first(steps ...func() error) error {
	for _, s := range steps {
		if err := s(); err != nil {
			return err
		}
	}
	return nil
}

// problem is the error of the value at w.pointer.
func (w *walk) problem(what string) error {
	at := string(w.pointer)
	if len(at) > 1000 { // a message, not a copy of the record
		at = strings.ToValidUTF8(at[:1000], "") + "…"
	}
	return &record.FieldError{Field: at, Problem: what}
}

// not says that the value at an index is not what is wanted.
func (w *walk) not(at int, want string) error {
	return w.problem("is " + kindName(kindAt(w.v, at)) + ", not " + want)
}

// below does something one step down the pointer.
func (w *walk) below(name string, at int, read reading) error {
	n := len(w.pointer)
	w.pointer = appendToken(w.pointer, name)
	err := read(at)
	if err == nil {
		w.pointer = w.pointer[:n]
	}
	return err
}

// each reads the elements of the array at an index.
func (w *walk) each(at int, want string, read reading) error {
	if kindAt(w.v, at) != '[' {
		return w.not(at, want)
	}
	n := len(w.pointer)
	for e := elementsOf(w.v, at); e.next(); {
		w.pointer = appendIndex(w.pointer[:n], e.n)
		if err := read(e.lo); err != nil {
			return err
		}
	}
	w.pointer = w.pointer[:n]
	return nil
}

// text is a reading of a string as a node.
func (w *walk) text(role string) reading {
	return func(at int) error {
		if kindAt(w.v, at) != '"' {
			return w.not(at, "a string")
		}
		s, end, err := w.unquote(at)
		if err != nil {
			return err
		}
		if w.spelt += len(w.pointer); w.spelt > spare+8*len(w.v) {
			return w.problem("stands below names that are too long, or too deep, for so many texts")
		}
		if !w.known {
			w.known = true
			w.row.members = append(w.row.members, member{w.at, w.v})
		}
		if n := len(w.row.Nodes); n > 0 && w.row.Nodes[n-1].member == len(w.row.members)-1 && w.row.Nodes[n-1].end > at {
			return w.problem("is not whole") // braces and brackets that do not match: Write wants ascending texts
		}
		w.row.Nodes = append(w.row.Nodes, Node{
			Path: string(w.pointer), Text: s, Role: role, Side: w.side,
			member: len(w.row.members) - 1, start: at, end: end,
		})
		return nil
	}
}

// unquote decodes the string at an index.
func (w *walk) unquote(at int) (s string, end int, err error) {
	end = skipString(w.v, at)
	dec, err := jsontext.AppendUnquote(nil, w.v[at:end])
	if err != nil { // no such text has passed the record's check
		return "", end, w.problem("is not a whole string")
	}
	return string(dec), end, nil
}

// content is a reading of what a message says: a string, or parts of which those of type text are text.
func (w *walk) content(role string) reading {
	return func(at int) error {
		switch kindAt(w.v, at) {
		case '"':
			return w.text(role)(at)
		case '[':
			return w.each(at, "", w.part(role))
		}
		return w.not(at, "a string or an array of parts")
	}
}

func (w *walk) part(role string) reading {
	return func(at int) error {
		if kindAt(w.v, at) != '{' {
			if role == "tool" { // what a tool answers has any shape
				return nil
			}
			return w.not(at, "an object")
		}
		where := pick(w.v, at, "type", "text")
		typ, text := where[0], where[1]
		kind := ""
		switch {
		case typ >= 0 && w.v[typ] == '"':
			var err error
			if kind, _, err = w.unquote(typ); err != nil {
				return err
			}
		case role == "tool":
			return nil
		case typ < 0:
			return w.below("type", at, func(int) error { return w.problem("is missing") })
		default:
			return w.below("type", typ, func(at int) error { return w.not(at, "a string") })
		}
		switch kind {
		case "text", "input_text", "output_text":
		default: // images, audio, files, calls
			return nil
		}
		if text < 0 {
			return w.below("text", at, func(int) error { return w.problem("is missing") })
		}
		return w.below("text", text, w.text(role))
	}
}

// Roles of speakers, by what data sets call them, in lower case. Of a call nothing is text: it is a program's data.
const roleCall = "call"

var speakers = map[string]string{
	"assistant": "assistant", "bard": "assistant", "bing": "assistant", "bot": "assistant", "chatbot": "assistant", "chatgpt": "assistant",
	"claude": "assistant", "gpt": "assistant", "gpt4": "assistant", "model": "assistant",
	"developer": "system", "system": "system",
	"human": "user", "prompter": "user", "user": "user",
	"function": "tool", "function_response": "tool", "ipython": "tool", "observation": "tool", "tool": "tool", "tool_response": "tool", "tool_result": "tool",
	"function_call": roleCall, "tool_call": roleCall, "tool_calls": roleCall,
}

// message reads {"role", "content"} or, as ShareGPT has it, {"from", "value"}.
func (w *walk) message(at int) error {
	if kindAt(w.v, at) != '{' {
		return w.not(at, "an object")
	}
	where := pick(w.v, at, "role", "from", "content", "value", "tool_calls", "function_call")
	who, text, calls := where[0], where[2], where[4] >= 0 || where[5] >= 0
	whoKey, textKey := "role", "content"
	if who < 0 && where[1] >= 0 {
		who, whoKey, textKey = where[1], "from", "value"
	}
	if text < 0 && where[3] >= 0 {
		text, textKey = where[3], "value"
	}
	if who < 0 {
		return w.below(whoKey, at, func(int) error { return w.problem("is missing") })
	}
	var role string
	if err := w.below(whoKey, who, func(at int) error {
		if w.v[at] != '"' {
			return w.not(at, "a string")
		}
		name, _, err := w.unquote(at)
		if err != nil {
			return err
		}
		if role = speakers[strings.ToLower(name)]; role == "" {
			return w.problem("is " + quoted(name) + ", no speaker that is known, so it cannot be said whether its text may be translated; name the texts with --fields")
		}
		return nil
	}); err != nil {
		return err
	}
	switch {
	case role == roleCall, role == "tool" && !w.toolResults:
		return nil
	case text < 0 && (calls || role == "tool"):
		return nil
	case text < 0:
		return w.below(textKey, at, func(int) error { return w.problem("is missing") })
	case w.v[text] == 'n':
		return nil
	case role == "tool" && w.v[text] != '"' && w.v[text] != '[':
		return nil
	}
	return w.below(textKey, text, w.content(role))
}

// messages reads a list of them.
func (w *walk) messages(at int) error {
	side, shared, n := w.side, w.shared, 0
	defer func() { w.side = side }()
	return w.each(at, "an array of messages", func(at int) error {
		w.side = side
		if n++; n <= shared {
			w.side = Shared
		}
		return w.message(at)
	})
}

// turns is a reading of what may be a string, a list of messages, or one message.
func (w *walk) turns(role string) reading {
	return func(at int) error {
		switch kindAt(w.v, at) {
		case '"':
			return w.text(role)(at)
		case '[':
			return w.messages(at)
		case '{':
			return w.message(at)
		}
		return w.not(at, "a string or an array of messages")
	}
}

// quoted is a text of the record for a message: not too long.
func quoted(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	q, _ := jsontext.AppendQuote(nil, s)
	return string(q)
}
