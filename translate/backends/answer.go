package backends

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// translation is one entry of an answer.
type translation struct {
	text       string
	start, end int // in the content, of the entry, for log-probabilities
	there      bool
}

var (
	errNoJSON = errors.New("no JSON object")
	errBroken = errors.New("JSON that ends too early")
	errEcho   = errors.New("the question itself")
	errShape  = errors.New("JSON of another shape")
)

// parseAnswer reads n translations from what a model wrote: the object that was asked for, or what models make of it, in a
// code fence, after thinking aloud, between two sentences. Entries that are missing, doubtful or of another kind are not
// there. cut: the answer ended at a limit, so that JSON which breaks off is read as far as its entries are whole, and JSON
// that does not break off is not what it seems.
func parseAnswer(content string, n int, cut bool) ([]translation, error) {
	from, thought := afterThinking(content)
	if !thought {
		return nil, errNoJSON
	}
	found := errNoJSON
	for range 16 { // each attempt is linear
		i := strings.IndexAny(content[from:], "{[")
		if i < 0 {
			break
		}
		start := from + i
		v, err := jsontext.NewDecoder(strings.NewReader(content[start:]), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)).ReadValue()
		if err != nil {
			from = start + 1
			if breaksOff(err) {
				if found == errNoJSON {
					found = errBroken
				}
				if cut {
					if t := wholeEntries(content, start, n); t != nil {
						return t, nil
					}
				}
			}
			continue
		}
		t, err := shapes(content, start, v, n)
		if err == nil {
			if cut {
				return nil, errBroken
			}
			return t, nil
		}
		if found == errNoJSON || err == errEcho {
			found = err
		}
		from = start + len(v)
	}
	return nil, found
}

// afterThinking is where the answer begins; false: it does not.
func afterThinking(content string) (int, bool) {
	for _, tag := range []string{"think", "thinking"} {
		if i := strings.LastIndex(content, "</"+tag+">"); i >= 0 && !strings.ContainsAny(content[:i], "{") {
			return i + len(tag) + 3, true
		} else if trimmed := strings.TrimLeft(content, " \n"); strings.HasPrefix(trimmed, "<"+tag+">") {
			// Thoughts may hold JSON too; then the end of the first thought counts.
			if i := strings.Index(content, "</"+tag+">"); i >= 0 {
				return i + len(tag) + 3, true
			}
			return 0, false
		}
	}
	return 0, true
}

// breaksOff says whether the text ended in the middle of its JSON.
func breaksOff(err error) bool {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	return ok && errors.Is(syntax.Err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// member of an object, and where its value stands.
type member struct {
	name  string
	value jsontext.Value
	at    int
}

// members of an object, elements of an array (without names). at is where v stands.
func members(v jsontext.Value, at int) []member {
	dec := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	open, err := dec.ReadToken()
	if err != nil {
		return nil
	}
	var out []member
	for k := dec.PeekKind(); k != '}' && k != ']' && k != 0; k = dec.PeekKind() {
		var m member
		if open.Kind() == '{' {
			name, err := dec.ReadToken()
			if err != nil {
				break
			}
			m.name = name.String()
		}
		value, err := dec.ReadValue()
		if err != nil {
			break
		}
		m.value = value.Clone()
		m.at = at + int(dec.InputOffset()) - len(value)
		out = append(out, m)
	}
	return out
}

func named(ms []member, names ...string) (member, bool) {
	for _, name := range names {
		for _, m := range ms {
			if strings.EqualFold(m.name, name) {
				return m, true
			}
		}
	}
	return member{}, false
}

// shapes reads the forms that stand for an answer.
func shapes(content string, at int, v jsontext.Value, n int) ([]translation, error) {
	if v.Kind() == '[' {
		return entries(members(v, at), n)
	}
	ms := members(v, at)
	if m, ok := named(ms, "translations", "translation", "translated", "results"); ok {
		switch m.value.Kind() {
		case '[':
			return entries(members(m.value, m.at), n)
		case '{': // {"translations":{"0":"…"}} or a single entry
			inner := members(m.value, m.at)
			if t, err := byName(inner, n); err == nil {
				return t, nil
			}
			return entries([]member{m}, n)
		case '"':
			if n == 1 {
				return entries([]member{m}, n)
			}
		}
		return nil, errShape
	}
	if _, ok := named(ms, "segments"); ok {
		return nil, errEcho
	}
	if t, err := byName(ms, n); err == nil {
		return t, nil
	}
	if _, ok := named(ms, "text"); ok && n == 1 {
		return entries([]member{{value: v, at: at}}, n)
	}
	return nil, errShape
}

// byName reads {"0":"…","1":"…"}.
func byName(ms []member, n int) ([]translation, error) {
	if len(ms) == 0 {
		return nil, errShape
	}
	list := make([]entry, len(ms))
	for i, m := range ms {
		id, err := strconv.Atoi(m.name)
		text, ok := stringOf(m.value)
		if err != nil || !ok {
			return nil, errShape
		}
		list[i] = entry{translation{text, m.at, m.at + len(m.value), true}, id, true}
	}
	return place(list, n)
}

// entry is a translation with its id, if it has one.
type entry struct {
	translation
	id    int
	hasID bool
}

// entries reads an array of {"id","text"}, or of strings.
func entries(ms []member, n int) ([]translation, error) {
	list := make([]entry, 0, len(ms))
	for _, m := range ms {
		list = append(list, readEntry(m))
	}
	return place(list, n)
}

func readEntry(m member) entry {
	e := entry{translation: translation{start: m.at, end: m.at + len(m.value)}}
	switch m.value.Kind() {
	case '"':
		e.text, e.there = stringOf(m.value)
	case '{':
		ms := members(m.value, m.at)
		if x, ok := named(ms, "text", "translation", "target"); ok {
			e.text, e.there = stringOf(x.value)
		}
		if x, ok := named(ms, "id"); ok {
			e.hasID = true
			e.id = -1
			s, isText := stringOf(x.value)
			if !isText {
				s = string(x.value)
			}
			if f, ok := number(s); ok && f >= 0 && f < 1e6 && f == float64(int(f)) {
				e.id = int(f)
			}
		}
	}
	return e
}

func stringOf(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil || len(b) > 0
}

// place puts entries where they belong. Ids that are out of range are nobody's; two different texts for an id are none.
func place(list []entry, n int) ([]translation, error) {
	out := make([]translation, n)
	with := 0
	low, high := 0, 0
	seen := map[int]bool{}
	for i, e := range list {
		if e.hasID {
			with++
			if i == 0 || e.id < low {
				low = e.id
			}
			high = max(high, e.id)
			seen[e.id] = true
		}
	}
	switch {
	case with == 0:
		// Without ids order is all there is, and it says something only if the number is right.
		if len(list) != n {
			return nil, errShape
		}
		for i := range list {
			list[i].id = i
		}
	case with < len(list):
		return nil, errShape
	case low == 1 && high == n && len(seen) == n && len(list) == n: // counted from one
		for i := range list {
			list[i].id--
		}
	}
	twice := map[int]bool{}
	for _, e := range list {
		if e.id < 0 || e.id >= n || !e.there {
			continue
		}
		if out[e.id].there && out[e.id].text != e.text {
			twice[e.id] = true
		}
		out[e.id] = e.translation
	}
	for i := range out {
		if twice[i] || strings.TrimSpace(out[i].text) == "" {
			out[i] = translation{}
		}
	}
	return out, nil
}

var entryStart = regexp.MustCompile(`\{\s*"id"\s*:`)

// wholeEntries reads the entries that are closed in JSON that breaks off.
func wholeEntries(content string, start, n int) []translation {
	var list []entry
	for {
		m := entryStart.FindStringIndex(content[start:])
		if m == nil {
			break
		}
		at := start + m[0]
		var v jsontext.Value
		if err := json.UnmarshalRead(firstValue(content[at:]), &v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
			break
		}
		list = append(list, readEntry(member{value: v, at: at}))
		start = at + len(v)
	}
	if len(list) == 0 {
		return nil
	}
	t, err := place(list, n)
	if err != nil {
		return nil
	}
	return t
}

// firstValue is the object at the beginning of s, up to the brace that closes it; all of s if none does.
func firstValue(s string) *strings.Reader {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return strings.NewReader(s[:i+1])
			}
		}
	}
	return strings.NewReader(s)
}

// fenced takes the code fence from around a plain answer, and the thoughts from before it.
func plainAnswer(content string) (string, bool) {
	if strings.Contains(content, "</think") || strings.HasPrefix(strings.TrimSpace(content), "<think") {
		at := strings.LastIndex(content, "</think>")
		if at < 0 {
			return "", false
		}
		content = content[at+len("</think>"):]
	}
	content = strings.TrimSpace(content)
	if rest, ok := strings.CutPrefix(content, "```"); ok && strings.HasSuffix(rest, "```") && len(rest) > 3 {
		rest = strings.TrimSuffix(rest, "```")
		if _, body, ok := strings.Cut(rest, "\n"); ok && !strings.Contains(body, "```") {
			content = strings.TrimSpace(body)
		}
	}
	return content, true
}

// refusing is a model that declines in prose where JSON was asked for. English only: models refuse in the prompt's language.
var refusing = regexp.MustCompile(`(?i)^\W*(i['’]m sorry|i am sorry|sorry,|i can(no|['’])t|i cannot|i['’]m unable|i am unable|as an ai)`)

// meanLogProbs gives each translation the mean over the tokens that stand in its entry.
func meanLogProbs(t []translation, offsets []int, logprobs []float64) []float64 {
	out := make([]float64, len(t))
	for i := range t {
		n := 0
		for k := range logprobs {
			if t[i].there && offsets[k] >= t[i].start && offsets[k] < t[i].end {
				out[i] += logprobs[k]
				n++
			}
		}
		if n > 0 {
			out[i] /= float64(n)
		}
	}
	return out
}
