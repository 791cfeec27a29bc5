package exec

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// An answer is a JSON object. What it may hold:
//
//	{"keep": true}                         the program's own decision
//	{"score": 0.7}                         a signal named score
//	{"signals": {"toxicity": 0.1, "n": 3}} others
//	{"label": "spam"}                      a class
//	{"reason": "too_toxic"}                why the record is dropped, if it is: a word, which is counted
//	{"id": "…"}                            the record's, which is checked
//
// Other members are ignored.
const (
	maxAnswer  = 1 << 20 // bytes of a line
	maxWord    = 100     // bytes of a reason or label
	maxName    = 64      // bytes of the name of a signal
	maxSignals = 100     // of an answer
)

// answer of the program about a record. Its slices are views of the line.
type answer struct {
	keep     bool
	hasKeep  bool
	hasLabel bool
	label    []byte
	reason   []byte // empty: none
	id       []byte // JSON text; nil: none
	signals  []signal
}

// scoreName is the signal that the member "score" is.
var scoreName = []byte("score")

type signal struct {
	name  []byte
	json  []byte // the number as the program wrote it
	value float64
}

func (a *answer) reset() {
	a.keep, a.hasKeep, a.hasLabel = false, false, false
	a.label, a.reason, a.id = nil, nil, nil
	a.signals = a.signals[:0]
}

// parse reads an answer. The error says what is wrong with it.
func (a *answer) parse(line []byte) error {
	a.reset()
	object := bytes.TrimSpace(line)
	switch {
	case len(object) == 0:
		return errors.New("is an empty line")
	case object[0] != '{':
		return fmt.Errorf("is no JSON object (%s)", show(object))
	case !jsontext.Value(object).IsValid():
		return fmt.Errorf("is no JSON object: %w", whyInvalid(object))
	}
	return a.members(object)
}

// whyInvalid is the error of a text that is no JSON value alone.
func whyInvalid(text []byte) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	_, err := d.ReadValue()
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok && s.Err != nil {
		return fmt.Errorf("%w at byte %d", s.Err, s.ByteOffset)
	}
	if err == nil {
		return fmt.Errorf("text behind it at byte %d", d.InputOffset())
	}
	return err
}

// members reads the members of an object that has been checked.
func (a *answer) members(object []byte) error {
	for m := (scanner{s: object, i: 1}); m.next(); {
		name, err := unquote(m.name)
		if err != nil {
			return err
		}
		switch string(name) {
		case "keep":
			a.keep, a.hasKeep = m.value[0] == 't', true
			if m.value[0] != 't' && m.value[0] != 'f' {
				return errors.New(`has a "keep" that is not true or false`)
			}
		case "score":
			if err := a.signal(scoreName, m.value); err != nil {
				return err
			}
		case "signals":
			if m.value[0] != '{' {
				return errors.New(`has "signals" that are no object`)
			}
			for s := (scanner{s: m.value, i: 1}); s.next(); {
				name, err := unquote(s.name)
				if err != nil {
					return err
				}
				if err := a.signal(name, s.value); err != nil {
					return err
				}
			}
		case "label":
			if a.label, err = word(m.value, "label"); err != nil {
				return err
			}
			a.hasLabel = true
		case "reason":
			if m.value[0] == 'n' { // null, where there is none
				continue
			}
			if a.reason, err = word(m.value, "reason"); err != nil {
				return err
			}
		case "id":
			a.id = m.value
		}
	}
	return nil
}

func (a *answer) signal(name, value []byte) error {
	if !isName(string(name)) {
		return fmt.Errorf("has a signal named %s; a name is of letters, digits and _, and of at most %d bytes", show(name), maxName)
	}
	if a.find(string(name)) != nil {
		return fmt.Errorf("has the signal %q twice", name)
	}
	if len(a.signals) == maxSignals {
		return fmt.Errorf("has more than %d signals", maxSignals)
	}
	v, ok := finite(value)
	if !ok {
		return fmt.Errorf("has a signal %q that is no number (%s)", name, show(value))
	}
	a.signals = append(a.signals, signal{name, value, v})
	return nil
}

func (a *answer) find(name string) *signal {
	for i := range a.signals {
		if string(a.signals[i].name) == name {
			return &a.signals[i]
		}
	}
	return nil
}

// word is a text that is counted: short, and without what would disturb a message.
func word(value []byte, what string) ([]byte, error) {
	if value[0] != '"' {
		return nil, fmt.Errorf("has a %q that is no text", what)
	}
	text, err := unquote(value)
	if err != nil {
		return nil, err
	}
	if !isWord(text) {
		return nil, fmt.Errorf("has a %s that is no word (%s): it is counted, and has 1 to %d bytes without control characters", what, show(text), maxWord)
	}
	return text, nil
}

func isWord(s []byte) bool {
	if len(s) == 0 || len(s) > maxWord {
		return false
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		if !unicode.IsPrint(r) || r == utf8.RuneError && n == 1 {
			return false
		}
		i += n
	}
	return true
}

func isName(s string) bool {
	if len(s) == 0 || len(s) > maxName {
		return false
	}
	for _, c := range []byte(s) {
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// finite reads a number as JSON has it.
func finite(s []byte) (float64, bool) {
	if len(s) == 0 || len(s) > 64 || s[0] != '-' && (s[0] < '0' || s[0] > '9') || bytes.ContainsAny(s, "xX_pP") {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(s), 64)
	return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}

// unquote decodes a JSON string; without escapes it is a view of it.
func unquote(quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	return jsontext.AppendUnquote(nil, quoted)
}

// show is a piece of what the program wrote, for a message.
func show(s []byte) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(string(bytes.ToValidUTF8(s[:most], nil))) + "…"
	}
	return strconv.Quote(string(s))
}

// short is the beginning of a JSON text.
func short(s []byte) []byte {
	if len(s) > 200 {
		return append(bytes.ToValidUTF8(s[:200], nil), "…"...)
	}
	return s
}

// scanner goes through the members of a JSON object that has been checked.
type scanner struct {
	s           []byte
	i           int
	name, value []byte
}

func (m *scanner) next() bool {
	m.skip()
	if m.i >= len(m.s) || m.s[m.i] == '}' {
		return false
	}
	m.name = m.take()
	m.skip() // the colon, too
	m.value = m.take()
	return true
}

// skip passes white space and what stands between members.
func (m *scanner) skip() {
	for m.i < len(m.s) {
		switch m.s[m.i] {
		case ' ', '\t', '\r', '\n', ',', ':':
			m.i++
		default:
			return
		}
	}
}

// take is the value that begins here.
func (m *scanner) take() []byte {
	lo, depth := m.i, 0
	for m.i < len(m.s) {
		switch c := m.s[m.i]; c {
		case '"':
			for m.i++; m.i < len(m.s) && m.s[m.i] != '"'; m.i++ {
				if m.s[m.i] == '\\' {
					m.i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // of the object around a number or word
				return m.s[lo:m.i]
			}
			depth--
		case ' ', '\t', '\r', '\n', ',':
			if depth == 0 {
				return m.s[lo:m.i]
			}
		}
		m.i++
		if depth == 0 {
			if c := m.s[m.i-1]; c == '"' || c == '}' || c == ']' {
				break
			}
		}
	}
	return m.s[lo:min(m.i, len(m.s))]
}

// verdict of the configuration on an answer: the reason of a drop, or "". The error says what the answer lacks.
func (e *Exec) verdict(a *answer) (reason string, err error) {
	c := &e.cfg
	if a.hasKeep && !a.keep {
		reason = "keep_false"
	}
	if len(c.KeepLabels)+len(c.DropLabels) > 0 {
		if !a.hasLabel {
			return "", errors.New(`has no "label"`)
		}
		if reason == "" && (len(c.KeepLabels) > 0 && !has(c.KeepLabels, a.label) || has(c.DropLabels, a.label)) {
			reason = "label_" + string(a.label)
		}
	}
	for i := range e.tests {
		t := &e.tests[i]
		s := a.find(t.signal)
		if s == nil {
			return "", fmt.Errorf("has no signal %q", t.signal)
		}
		if reason == "" && (t.below && s.value < t.threshold || !t.below && s.value > t.threshold) {
			reason = t.reason
		}
	}
	if !a.hasKeep && !c.Annotate && len(e.tests)+len(c.KeepLabels)+len(c.DropLabels) == 0 {
		return "", errors.New(`has no "keep", and no threshold or label is given to decide by`)
	}
	if reason != "" && len(a.reason) > 0 {
		reason = string(a.reason)
	}
	return reason, nil
}

func has(list []string, s []byte) bool {
	for _, l := range list {
		if l == string(s) {
			return true
		}
	}
	return false
}
