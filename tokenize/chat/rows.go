package chat

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/record"
)

// Kind of a row.
type Kind uint8

const (
	Document         Kind = iota // a text
	Conversation                 // messages
	PromptCompletion             // a prompt and its answer
	Preference                   // a prompt, the better and the worse answer
)

// Row is what a record holds, by its keys.
type Row struct {
	Kind Kind
	// Prompt are a conversation's messages, or those that come before the answers.
	Prompt []Message
	// Answers are the completion, or the chosen and the rejected answer.
	Answers [][]Message
	// Plain says that prompt and answers are strings, which no template touches: PromptText and AnswerTexts.
	Plain       bool
	PromptText  string
	AnswerTexts []string
	Params
}

// Params are what a template gets beside messages: the parameters of transformers' apply_chat_template.
type Params struct {
	Tools     jsontext.Value // an array of objects; nil for none
	Documents jsontext.Value // the same
	Args      []Arg          // in order; the last of a name counts
	// AddGenerationPrompt ends the text where the assistant is to speak.
	AddGenerationPrompt bool
	// ContinueFinal is the field of the last message that the text ends in: "" for none, else most often "content".
	ContinueFinal string
}

// Arg is a variable of templates.
type Arg struct {
	Name  string
	Value jsontext.Value
}

// Paths of the keys that rows have.
var (
	pathMessages      = record.MustPath("messages")
	pathConversations = record.MustPath("conversations")
	pathSystem        = record.MustPath("system")
	pathPrompt        = record.MustPath("prompt")
	pathCompletion    = record.MustPath("completion")
	pathChosen        = record.MustPath("chosen")
	pathRejected      = record.MustPath("rejected")
	pathLabel         = record.MustPath("label")
	pathTools         = record.MustPath("tools")
	pathDocuments     = record.MustPath("documents")
	pathKwargs        = record.MustPath("chat_template_kwargs")
)

// questions are keys of pairs whose answers do not hold what they answer, as in UltraFeedback's and Orca's derivatives.
var questions = []record.Path{record.MustPath("question"), record.MustPath("instruction"), record.MustPath("input")}

// kindOf says what a record is by its keys; those that are null are not there, as in rows of many shapes that were one
// table. What says more goes first: two answers and their verdict, then a list of turns, of which a prompt or a text
// beside it is a copy. A text field of another name than "text" was asked for, and goes before all.
func kindOf(r *record.Record, text record.Path) (Kind, error) {
	if text.String() != "text" && r.Has(text) {
		return Document, nil
	}
	switch {
	case holds(r, pathChosen) && holds(r, pathRejected):
		return Preference, nil
	case holds(r, pathMessages) || holds(r, pathConversations):
		return Conversation, nil
	case holds(r, pathPrompt) && holds(r, pathCompletion):
		if holds(r, pathLabel) {
			return 0, fmt.Errorf(`a row with "prompt", "completion" and "label" says of one answer whether it is good, and this version knows answers in pairs only; ` +
				`take the good ones without "label", or make pairs with "chosen" and "rejected"`)
		}
		return PromptCompletion, nil
	case r.Has(text):
		return Document, nil
	}
	return 0, fmt.Errorf(`field %q is missing, and the record is no chat ("messages", or "conversations"; "prompt" and "completion") and no pair ("chosen" and "rejected"): it has %s`,
		text.String(), keysSeen(r))
}

func holds(r *record.Record, p record.Path) bool {
	v, ok := r.Value(p)
	return ok && v[0] != 'n'
}

func keysSeen(r *record.Record) string {
	names := r.Names()
	if len(names) == 0 {
		return "no keys"
	}
	more := ""
	if len(names) > 20 {
		more = fmt.Sprintf(" and %d more", len(names)-20)
		names = names[:20]
	}
	for i, n := range names {
		names[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(names, ", ") + more
}

// Read reads a record that kindOf has named; not a document, whose text the stage reads itself.
func read(r *record.Record, kind Kind) (*Row, error) {
	row := &Row{Kind: kind}
	if err := row.readParams(r); err != nil {
		return nil, err
	}
	var err error
	switch kind {
	case Conversation:
		err = row.readConversation(r)
	case PromptCompletion:
		err = row.readAnswers(r, pathCompletion)
	default:
		err = row.readAnswers(r, pathChosen, pathRejected)
	}
	if err == nil {
		err = row.readSystem(r)
	}
	return row, err
}

func (row *Row) readConversation(r *record.Record) (err error) {
	if holds(r, pathMessages) {
		v, _ := r.Value(pathMessages)
		row.Prompt, err = readMessages(v, "messages")
	} else {
		v, _ := r.Value(pathConversations)
		row.Prompt, err = readMessages(v, "conversations")
	}
	return err
}

// readSystem reads the system's words that stand beside the turns, as in derivatives of ShareGPT and Orca: they are the
// first message, unless there is one.
func (row *Row) readSystem(r *record.Record) error {
	v, ok := r.Value(pathSystem)
	if !ok || v[0] != '"' || string(v) == `""` {
		return nil
	}
	if row.Plain {
		return &record.FieldError{Field: "system", Problem: "has no place in a prompt that is a string; put it there, or write the prompt as a list of messages"}
	}
	if len(row.Prompt) == 0 || row.Prompt[0].Role == "system" {
		return nil
	}
	s, err := text(v)
	if err != nil {
		return err
	}
	row.Prompt = append([]Message{newMessage("system", s)}, row.Prompt...)
	return nil
}

// readAnswers reads a prompt and what may follow it: both lists of messages, or both strings. A prompt of another shape
// than the answers, or none, is an implicit one: TRL's maybe_extract_prompt.
func (row *Row) readAnswers(r *record.Record, paths ...record.Path) error {
	var shape byte
	for i, p := range paths {
		v, _ := r.Value(p)
		if v[0] != '"' && v[0] != '[' || i > 0 && v[0] != shape {
			return &record.FieldError{Field: p.String(), Problem: "is neither a string nor a list of messages, or not the same as the other answer"}
		}
		shape = v[0]
		if shape == '"' {
			var s string
			if err := json.Unmarshal(v, &s); err != nil {
				return err
			}
			row.AnswerTexts = append(row.AnswerTexts, s)
			continue
		}
		m, err := readMessages(v, p.String())
		if err != nil {
			return err
		}
		row.Answers = append(row.Answers, m)
	}
	row.Plain = shape == '"'
	prompt, ok := r.Value(pathPrompt)
	if !ok || prompt[0] == 'n' || prompt[0] != shape && row.Kind == Preference && shape == '[' {
		for _, p := range questions {
			if row.Plain && holds(r, p) {
				return &record.FieldError{Field: p.String(), Problem: "is not read, and the answers do not hold the question; call it prompt"}
			}
		}
		row.extractPrompt()
		return nil
	}
	if prompt[0] != shape {
		return &record.FieldError{Field: "prompt", Problem: "must be a string where the answers are strings, and a list of messages where they are lists"}
	}
	var err error
	if row.Plain {
		err = json.Unmarshal(prompt, &row.PromptText)
	} else {
		row.Prompt, err = readMessages(prompt, "prompt")
	}
	return err
}

// extractPrompt is TRL's extract_prompt: what the answers have in common at their beginning is the prompt, but never all
// of either. A space before the difference goes to the answers. (Where the very first characters differ, TRL looks at
// the last one of chosen, and may make a prompt of what only one of them has; here there is none then.)
func (row *Row) extractPrompt() {
	if !row.Plain {
		a, b := row.Answers[0], row.Answers[1]
		n := 0
		for n < min(len(a), len(b))-1 && a[n].equal(b[n]) {
			n++
		}
		row.Prompt, row.Answers = a[:n:n], [][]Message{a[n:], b[n:]}
		return
	}
	a, b := row.AnswerTexts[0], row.AnswerTexts[1]
	n, last := 0, 0 // where the next character begins, and the one before
	for n < len(a) && n < len(b) {
		_, size := utf8.DecodeRuneInString(a[n:])
		if !strings.HasPrefix(b[n:], a[n:n+size]) {
			break
		}
		last, n = n, n+size
	}
	switch {
	case n == len(a) || n == len(b):
		n = last // the last character of the shorter one is its answer
	case n > 0 && a[last:n] == " ":
		n = last
	}
	row.PromptText, row.AnswerTexts = a[:n], []string{a[n:], b[n:]}
}

// callParameters are those of apply_chat_template that no template sees.
var callParameters = []string{"chat_template", "conversation", "max_length", "padding", "return_assistant_tokens_mask", "return_dict", "return_tensors",
	"sanitize_control_tokens", "tokenize", "tokenizer_kwargs", "truncation"}

// readParams reads tools, documents and chat_template_kwargs, of which the last wins, as in TRL's trainers.
func (row *Row) readParams(r *record.Record) (err error) {
	if v, ok := r.Value(pathTools); ok {
		if row.Tools, err = objects(v, "tools"); err != nil {
			return err
		}
	}
	if v, ok := r.Value(pathDocuments); ok {
		if row.Documents, err = objects(v, "documents"); err != nil {
			return err
		}
	}
	v, ok := r.Value(pathKwargs)
	if !ok || v[0] == 'n' {
		return nil
	}
	if v[0] != '{' {
		return &record.FieldError{Field: "chat_template_kwargs", Problem: "is not an object"}
	}
	all, err := members(v)
	if err != nil {
		return &record.FieldError{Field: "chat_template_kwargs", Problem: err.Error()}
	}
	for _, m := range all {
		where := "chat_template_kwargs." + m.Name
		switch m.Name {
		case "tools":
			row.Tools, err = objects(m.Value, where)
		case "documents":
			row.Documents, err = objects(m.Value, where)
		case "add_generation_prompt":
			row.AddGenerationPrompt = truth(m.Value)
		case "continue_final_message":
			row.ContinueFinal = ""
			if m.Value.Kind() == '"' {
				err = json.Unmarshal(m.Value, &row.ContinueFinal)
			} else if truth(m.Value) {
				row.ContinueFinal = "content"
			}
		case "messages":
			err = &record.FieldError{Field: where, Problem: "is no variable; messages stand in the row"}
		default:
			if slices.Contains(callParameters, m.Name) {
				err = &record.FieldError{Field: where, Problem: "is no variable of templates"}
			}
			row.Args = append(row.Args, m)
		}
		if err != nil {
			return err
		}
	}
	if row.Kind != Conversation && (row.AddGenerationPrompt || row.ContinueFinal != "") {
		return &record.FieldError{Field: "chat_template_kwargs", Problem: "has add_generation_prompt or continue_final_message; where there is an answer, its prompt always ends with the generation prompt"}
	}
	return nil
}

// truth is Python's bool.
func truth(v jsontext.Value) bool {
	switch s := string(v); v.Kind() {
	case 'n', 'f':
		return false
	case '0':
		return strings.ContainsAny(strings.FieldsFunc(s, func(c rune) bool { return c == 'e' || c == 'E' })[0], "123456789")
	case '"':
		return s != `""`
	case '[', '{':
		return len(bytes.TrimSpace(v[1:len(v)-1])) > 0
	}
	return true
}

// objects reads a list of objects, also one that is written as a string, as Parquet files have it (TRL parses such tools).
// null and the empty string are none.
func objects(v jsontext.Value, where string) (jsontext.Value, error) {
	if v.Kind() == '"' {
		var s string
		if err := json.Unmarshal(v, &s); err != nil {
			return nil, err
		}
		if s == "" {
			return nil, nil
		}
		v = jsontext.Value(s)
		if !v.IsValid() {
			return nil, &record.FieldError{Field: where, Problem: "is a string that is not JSON"}
		}
	}
	if v.Kind() == 'n' {
		return nil, nil
	}
	if v.Kind() != '[' {
		return nil, &record.FieldError{Field: where, Problem: "is no list of objects"}
	}
	all, err := elements(v)
	if err != nil {
		return nil, &record.FieldError{Field: where, Problem: err.Error()}
	}
	for i, e := range all {
		if e.Kind() != '{' {
			return nil, &record.FieldError{Field: fmt.Sprintf("%s[%d]", where, i), Problem: "is no object"}
		}
	}
	return v, nil
}
