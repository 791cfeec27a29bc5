package chat

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/jinja"
)

// Format renders chats with a set of templates. It is immutable and may be shared.
type Format struct {
	templates *Templates
	args      []Arg // for all chats
	tools     jsontext.Value
	documents jsontext.Value
	options   jinja.Options
}

// NewFormat makes a format. args are variables for all chats, of which tools and documents are lists for those that have
// none; date is what strftime_now knows, zero for an error where a template asks: what is rendered must not depend on
// when.
func NewFormat(t *Templates, args []Arg, date time.Time) (*Format, error) {
	f := &Format{templates: t, options: jinja.Options{Now: date}}
	for _, a := range args {
		var err error
		switch a.Name {
		case "tools":
			f.tools, err = objects(a.Value, a.Name)
		case "documents":
			f.documents, err = objects(a.Value, a.Name)
		case "messages", "add_generation_prompt", "continue_final_message":
			err = fmt.Errorf("%s belongs to a row, not to all", a.Name)
		default:
			if slices.Contains(callParameters, a.Name) {
				err = fmt.Errorf("%s is no variable of templates", a.Name)
			}
			f.args = append(f.args, a)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Rendered is a chat as text.
type Rendered struct {
	jinja.Rendered
	// Marked says that the template has {% generation %} marks.
	Marked bool
}

// Render renders messages as transformers' apply_chat_template does.
func (f *Format) Render(messages []Message, p *Params) (Rendered, error) {
	if len(messages) == 0 {
		return Rendered{}, errors.New("a chat without messages has no text")
	}
	tools, documents := p.Tools, p.Documents
	if tools == nil {
		tools = f.tools
	}
	if documents == nil {
		documents = f.documents
	}
	n, err := f.templates.pick(tools != nil)
	if err != nil {
		return Rendered{}, err
	}
	final := ""
	if p.ContinueFinal != "" {
		if p.AddGenerationPrompt {
			return Rendered{}, errors.New("add_generation_prompt and continue_final_message exclude each other")
		}
		if messages, final, err = continued(messages, p.ContinueFinal, n.source); err != nil {
			return Rendered{}, err
		}
	}
	vars, err := f.vars(messages, tools, documents, p)
	if err != nil {
		return Rendered{}, err
	}
	out, err := n.template.Render(vars, f.options)
	if err != nil {
		return Rendered{}, renderError(n, err)
	}
	if p.ContinueFinal != "" {
		if out.Text, err = cutContinued(out.Text, final); err != nil {
			return Rendered{}, err
		}
		for i, g := range out.Generated {
			out.Generated[i] = [2]int{min(g[0], len(out.Text)), min(g[1], len(out.Text))}
		}
	}
	return Rendered{out, n.template.HasGeneration()}, nil
}

func renderError(n *named, err error) error {
	var e *jinja.Error
	if errors.As(err, &e) && e.Raised {
		return fmt.Errorf("the template refuses the messages: %s", e.Problem)
	}
	if errors.As(err, &e) && strings.Contains(e.Problem, "strftime_now") {
		return fmt.Errorf("%s: %w; --date says which day that is", n.origin, err)
	}
	return fmt.Errorf("%s: %w", n.origin, err)
}

// vars are the variables that templates see. What a row gives goes before what was given for all, and that before
// special tokens.
func (f *Format) vars(messages []Message, tools, documents jsontext.Value, p *Params) ([]jinja.Var, error) {
	var vars []jinja.Var
	set := func(name string, v jinja.Value) {
		for i := range vars {
			if vars[i].Name == name {
				vars[i].Value = v
				return
			}
		}
		vars = append(vars, jinja.Var{Name: name, Value: v})
	}
	for _, s := range f.templates.special {
		set(s.name, jinja.String(s.content))
	}
	for _, args := range [][]Arg{f.args, p.Args} {
		for _, a := range args {
			v, err := jinja.FromJSON(a.Value)
			if err != nil {
				return nil, fmt.Errorf("variable %s: %w", a.Name, err)
			}
			set(a.Name, v)
		}
	}
	size := 2
	for _, m := range messages {
		size += len(m.JSON) + 1
	}
	list := append(make([]byte, 0, size), '[')
	for i, m := range messages {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, m.JSON...)
	}
	for _, a := range []Arg{{"messages", append(list, ']')}, {"tools", orNull(tools)}, {"documents", orNull(documents)}} {
		v, err := jinja.FromJSON(a.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		set(a.Name, v)
	}
	set("add_generation_prompt", jinja.Bool(p.AddGenerationPrompt))
	return vars, nil
}

func orNull(v jsontext.Value) jsontext.Value {
	if v == nil {
		return jsontext.Value("null")
	}
	return v
}

// continueTag is put behind the final message and looked for in what was rendered: the text ends where it stands. It is
// transformers' CONTINUE_FINAL_MESSAGE_TAG, since what a template trims depends on it.
const continueTag = "CONTINUE_FINAL_MESSAGE_TAG "

// continued puts the tag behind the field of the last message, and gives what stood there.
func continued(messages []Message, field, source string) ([]Message, string, error) {
	last := messages[len(messages)-1]
	fields, err := members(last.JSON)
	if err != nil {
		return nil, "", err
	}
	at := func(name string) int { return slices.IndexFunc(fields, func(f Arg) bool { return f.Name == name }) }
	i := at(field)
	if i < 0 {
		return nil, "", fmt.Errorf("continue_final_message is set, and the final message has no %q to continue", field)
	}
	tagged := []int{i}
	if slices.Contains(reasoningNames, field) { // it stands under several names
		tagged = nil
		for _, name := range reasoningNames {
			if j := at(name); j >= 0 && bytes.Equal(fields[j].Value, fields[i].Value) {
				tagged = append(tagged, j)
			}
		}
	}
	if !slices.ContainsFunc(tagged, func(j int) bool { return strings.Contains(source, fields[j].Name) }) {
		return nil, "", fmt.Errorf("continue_final_message is %q, which the template does not read", field)
	}
	var final string
	switch fields[i].Value.Kind() {
	case '"':
		if final, err = text(fields[i].Value); err != nil {
			return nil, "", err
		}
		for _, j := range tagged {
			fields[j].Value = quote(final + continueTag)
		}
	case '[':
		if fields[i].Value, final, err = tagLastText(fields[i].Value); err != nil {
			return nil, "", err
		}
	default:
		return nil, "", fmt.Errorf("continue_final_message is set, and %q of the final message is no text", field)
	}
	out := slices.Clone(messages)
	out[len(out)-1] = Message{last.Role, object(fields)}
	return out, final, nil
}

// tagLastText tags the last block that has a text.
func tagLastText(v jsontext.Value) (jsontext.Value, string, error) {
	blocks, err := elements(v)
	if err != nil {
		return nil, "", err
	}
	for i, b := range slices.Backward(blocks) {
		if b.Kind() != '{' {
			continue
		}
		fields, err := members(b)
		if err != nil {
			return nil, "", err
		}
		j := slices.IndexFunc(fields, func(f Arg) bool { return f.Name == "text" })
		if j < 0 {
			continue
		}
		final, err := text(fields[j].Value)
		if err != nil {
			return nil, "", errors.New("continue_final_message is set, and the final message's text is no string")
		}
		fields[j].Value = quote(final + continueTag)
		blocks[i] = object(fields)
		out := []byte{'['}
		for k, b := range blocks {
			if k > 0 {
				out = append(out, ',')
			}
			out = append(out, b...)
		}
		return append(out, ']'), final, nil
	}
	return nil, "", errors.New("continue_final_message is set, and the final message has no text")
}

// cutContinued ends the text where the tag stands; where a template has trimmed the tag's space, white space before the
// tag goes, too.
func cutContinued(rendered []byte, final string) ([]byte, error) {
	tag := []byte(continueTag[:len(continueTag)-1])
	at := bytes.LastIndex(rendered, tag)
	if at < 0 || !bytes.Contains(rendered, []byte(strings.TrimFunc(final, pythonSpace))) {
		return nil, errors.New("continue_final_message is set, and the template does not write the final message as it is")
	}
	if bytes.HasPrefix(rendered[at:], []byte(continueTag)) {
		return rendered[:at], nil
	}
	return bytes.TrimRightFunc(rendered[:at], pythonSpace), nil
}

// pythonSpace is Python's str.isspace.
func pythonSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }
