package chat

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// Message is a turn, as templates see it.
type Message struct {
	Role string
	JSON jsontext.Value // an object
}

// roles are ShareGPT's names of "from" and what templates call them. Templates know "tool" for what tools answer; what
// calls one ("function_call") has no agreed form, and is not here.
var roles = map[string]string{
	"system": "system", "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant",
	"bard": "assistant", "assistant": "assistant", "model": "assistant", "tool": "tool", "observation": "tool",
}

// reasoningNames are the names of what an assistant thinks, in the order in which transformers' _alias_reasoning_fields
// looks for it.
var reasoningNames = []string{"reasoning_content", "thinking", "reasoning"}

// readMessages reads a list of {"role", "content", …} or of ShareGPT's {"from", "value", …}. As transformers does
// before a template sees them, what is null is left out, and reasoning gets its other names.
func readMessages(v jsontext.Value, where string) ([]Message, error) {
	if v.Kind() != '[' {
		return nil, &record.FieldError{Field: where, Problem: "is no list of messages"}
	}
	all, err := elements(v)
	if err != nil {
		return nil, &record.FieldError{Field: where, Problem: err.Error()}
	}
	if len(all) == 0 {
		return nil, &record.FieldError{Field: where, Problem: "is empty; a chat has one message at least"}
	}
	out := make([]Message, len(all))
	for i, e := range all {
		if out[i], err = readMessage(e); err != nil {
			return nil, &record.FieldError{Field: fmt.Sprintf("%s[%d]", where, i), Problem: err.Error()}
		}
	}
	return out, nil
}

func readMessage(v jsontext.Value) (Message, error) {
	if v.Kind() != '{' {
		return Message{}, fmt.Errorf("is no object")
	}
	fields, err := members(v)
	if err != nil {
		return Message{}, err
	}
	kept := fields[:0]
	has := map[string]bool{}
	for _, f := range fields {
		if f.Value.Kind() != 'n' {
			kept = append(kept, f)
			has[f.Name] = true
		}
	}
	if !has["role"] && has["from"] {
		for i := range kept {
			switch f := &kept[i]; {
			case f.Name == "from":
				from, err := text(f.Value)
				if err != nil {
					return Message{}, err
				}
				role, ok := roles[from]
				if !ok {
					return Message{}, fmt.Errorf(`is from %q, which has no known role; use "role" and "content", which may have any`, from)
				}
				f.Name, f.Value = "role", quote(role)
			case f.Name == "value" && !has["content"]:
				f.Name = "content"
			}
		}
	}
	kept = aliasReasoning(kept)
	m := Message{JSON: object(kept)}
	for _, f := range kept {
		if f.Name != "role" {
			continue
		}
		if m.Role, err = text(f.Value); err != nil {
			return Message{}, fmt.Errorf("has a role that is no string")
		}
		return m, nil
	}
	return Message{}, fmt.Errorf(`has no role`)
}

// aliasReasoning: {"thinking": r, **message, "reasoning_content": r}, where a name that is there keeps its place, and the
// later value counts.
func aliasReasoning(fields []Arg) []Arg {
	find := func(name string) int {
		for i, f := range fields {
			if f.Name == name {
				return i
			}
		}
		return -1
	}
	for _, name := range reasoningNames {
		i := find(name)
		if i < 0 {
			continue
		}
		reasoning, thinking := fields[i].Value, fields[i].Value
		if j := find("thinking"); j >= 0 {
			thinking = fields[j].Value
		}
		out := []Arg{{"thinking", thinking}}
		placed := false
		for _, f := range fields {
			switch f.Name {
			case "thinking":
				continue
			case "reasoning_content":
				f.Value, placed = reasoning, true
			}
			out = append(out, f)
		}
		if !placed {
			out = append(out, Arg{"reasoning_content", reasoning})
		}
		return out
	}
	return fields
}

func newMessage(role, content string) Message {
	return Message{role, object([]Arg{{"role", quote(role)}, {"content", quote(content)}})}
}

// equal compares as Python compares dictionaries: members in any order.
func (m Message) equal(o Message) bool {
	if bytes.Equal(m.JSON, o.JSON) {
		return true
	}
	if m.Role != o.Role {
		return false
	}
	a, b := m.JSON.Clone(), o.JSON.Clone()
	return a.Canonicalize() == nil && b.Canonicalize() == nil && bytes.Equal(a, b)
}

// members are those of an object, in order.
func members(v jsontext.Value) ([]Arg, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var out []Arg
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		name := t.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		out = append(out, Arg{name, value.Clone()})
	}
	return out, nil
}

// elements are those of an array.
func elements(v jsontext.Value) ([]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var out []jsontext.Value
	for d.PeekKind() != ']' {
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		out = append(out, value.Clone())
	}
	if _, err := d.ReadToken(); err != nil && err != io.EOF {
		return nil, err
	}
	return out, nil
}

func object(fields []Arg) jsontext.Value {
	out := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, quote(f.Name)...)
		out = append(out, ':')
		out = append(out, f.Value...)
	}
	return append(out, '}')
}

func text(v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return "", fmt.Errorf("is no string")
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err
}

func quote(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // not UTF-8, which no record that was parsed holds
		b, _ = jsontext.AppendQuote(nil, bytes.ToValidUTF8([]byte(s), []byte("\uFFFD")))
	}
	return b
}
