package translatetest

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Case is a row, how the server behaves, and what must come of it.
type Case struct {
	ID, Topic, Format string
	Src, Tgt          string
	Backend           string
	Options           struct {
		Timeout     string
		Retries     *int
		MaxRequests int `json:"max_requests"`
	}
	In     jsontext.Value
	Expect struct {
		Row                 string // ok, reject (quarantined or dropped), either, absent
		Exit                *int
		Reason              string
		RowsOut             int     `json:"rows_out"`
		RequestsMax         *int    `json:"requests_max"`
		RequestsSegmentsMax *int    `json:"requests_segments_max"`
		MinSeconds          float64 `json:"min_seconds"`
		MaxSeconds          float64 `json:"max_seconds"`
		KillAfterRequests   int     `json:"kill_after_requests"`
		Flag                string
	}
	Checks []Check
	Why    string
}

// Check is one thing that must hold of the row that comes out.
type Check struct {
	Path    string
	Must    string
	Value   jsontext.Value
	Words   []string
	Allow   []string
	Outside string
	Count   *int
	N       int
	PerLine []int `json:"per_line"`
}

// ReadCases reads cases, one a line.
func ReadCases(text []byte) ([]Case, error) {
	var list []Case
	for i, line := range bytes.Split(text, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var c Case
		if err := json.Unmarshal(line, &c, json.MatchCaseInsensitiveNames(true)); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// Rows are the lines that go in.
func (c *Case) Rows() ([]string, error) {
	var o struct {
		Raw  *string          `json:"__raw__"`
		Rows []jsontext.Value `json:"__rows__"`
	}
	if err := json.Unmarshal(c.In, &o); err != nil {
		return nil, err
	}
	switch {
	case o.Raw != nil:
		return []string{*o.Raw}, nil
	case o.Rows != nil:
		var list []string
		for _, r := range o.Rows {
			list = append(list, string(r))
		}
		return list, nil
	}
	return []string{string(c.In)}, nil
}

// Check says which checks the row that came out fails.
func (c *Case) Check(in, out string) []string {
	var bad []string
	i, err := parse(in)
	if err != nil {
		return []string{err.Error()}
	}
	o, err := parse(out)
	if err != nil {
		return []string{"the row that came out: " + err.Error()}
	}
	for k := range c.Checks {
		if m := &c.Checks[k]; !m.holds(i, o, out) {
			bad = append(bad, fmt.Sprintf("%s %s %s %v: %s", m.Must, m.Path, m.Value, m.Words, text(get(o, m.Path))))
		}
	}
	return bad
}

// Structural says whether the identity must pass the check: all but "translated".
func (m *Check) Structural() bool { return m.Must != "translated" }

var brokenEscape = regexp.MustCompile(`(?i)\\ud[89ab][0-9a-f]{2}(?:[^\\]|\\[^u]|\\u[^d]|\\ud[^c-f])`)

func (m *Check) holds(in, out *node, raw string) bool {
	v, w := get(out, m.Path), get(in, m.Path)
	s, isText := v.text()
	ws, _ := w.text()
	var value string
	_ = json.Unmarshal(m.Value, &value)
	var list []string
	_ = json.Unmarshal(m.Value, &list)
	switch m.Must {
	case "eq":
		want, err := parse(string(m.Value))
		return err == nil && v != nil && v.same(want)
	case "same":
		return v != nil && v.same(w)
	case "contains":
		if m.Count != nil {
			return isText && strings.Count(s, value) == *m.Count
		}
		return isText && strings.Contains(s, value)
	case "not_contains":
		return isText && !strings.Contains(s, value)
	case "translated":
		if !isText {
			return false
		}
		if m.Outside == "```" {
			s = outsideFences(s)
		}
		for _, a := range m.Allow {
			s = strings.ReplaceAll(s, a, "")
		}
		for _, word := range m.Words {
			if hasWord(s, word) {
				return false
			}
		}
		return strings.ContainsFunc(s, unicode.IsLetter)
	case "lines":
		return isText && strings.Count(s, "\n") == strings.Count(ws, "\n")
	case "line_prefixes":
		lines, source := strings.Split(s, "\n"), strings.Split(ws, "\n")
		if !isText || len(lines) != len(list) {
			return false
		}
		for k, l := range lines {
			if !strings.HasPrefix(l, list[k]) || list[k] == "" && (source[k] == "") != (l == "") {
				return false
			}
		}
		return true
	case "line_count_of":
		lines := strings.Split(s, "\n")
		if !isText || len(lines) != len(m.PerLine) {
			return false
		}
		for k, l := range lines {
			if strings.Count(l, value) != m.PerLine[k] {
				return false
			}
		}
		return true
	case "seq":
		at := -1
		for _, x := range list {
			k := strings.Index(s[at+1:], x)
			if !isText || k < 0 {
				return false
			}
			at += 1 + k
		}
		return true
	case "regex", "not_regex":
		re, err := regexp.Compile(value)
		return err == nil && isText && re.MatchString(s) == (m.Must == "regex")
	case "same_as":
		return v != nil && v.same(get(out, value))
	case "differs":
		return v != nil && !v.same(get(out, value))
	case "same_first_lines":
		other, _ := get(out, value).text()
		a, b := strings.Split(s, "\n"), strings.Split(other, "\n")
		return isText && strings.Join(a[:min(m.N, len(a))], "\n") == strings.Join(b[:min(m.N, len(b))], "\n")
	case "length":
		n, err := strconv.Atoi(string(m.Value))
		return err == nil && v != nil && v.kind == '[' && len(v.items) == n
	case "json_valid":
		_, err := parse(s)
		return isText && err == nil
	case "key_order":
		return out.keys() == in.keys()
	case "raw_contains":
		return strings.Contains(raw, value)
	case "raw_valid_utf8":
		return utf8.ValidString(raw) && !strings.Contains(raw, "\ufffd") && !brokenEscape.MatchString(raw)
	}
	return false
}

// outsideFences takes fenced blocks out, line by line.
func outsideFences(s string) string {
	var out []string
	fence := ""
	for _, l := range strings.Split(s, "\n") {
		t := strings.TrimLeft(l, " \t")
		if fence == "" {
			for _, c := range []string{"`", "~"} {
				if n := len(t) - len(strings.TrimLeft(t, c)); n >= 3 {
					fence = t[:n]
				}
			}
			if fence == "" {
				out = append(out, l)
			}
		} else if strings.HasPrefix(t, fence) && strings.Trim(t, "`~ \t") == "" {
			fence = ""
		}
	}
	return strings.Join(out, "\n")
}

// hasWord says whether s has word, in any case, not inside a longer one.
func hasWord(s, word string) bool {
	s, word = strings.ToLower(s), strings.ToLower(word)
	part := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.N, r) || r == '_'
	}
	for at := 0; ; {
		k := strings.Index(s[at:], word)
		if k < 0 {
			return false
		}
		k += at
		before, _ := utf8.DecodeLastRuneInString(s[:k])
		after, _ := utf8.DecodeRuneInString(s[k+len(word):])
		if (k == 0 || !part(before)) && (k+len(word) == len(s) || !part(after)) {
			return true
		}
		at = k + 1
	}
}

// node is a JSON value that remembers the order of keys and the spelling of numbers.
type node struct {
	kind  byte // { [ " 0 t f n
	raw   string
	names []string
	items []*node
}

func parse(s string) (*node, error) {
	d := jsontext.NewDecoder(strings.NewReader(s), jsontext.AllowDuplicateNames(true))
	n, err := value(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); err == nil {
		return nil, fmt.Errorf("something stands behind the value")
	}
	return n, nil
}

func value(d *jsontext.Decoder) (*node, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	n := &node{kind: byte(t.Kind()), raw: t.String()}
	switch n.kind {
	case '{':
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			n.names = append(n.names, name.String())
			v, err := value(d)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, v)
		}
		_, err = d.ReadToken()
	case '[':
		for d.PeekKind() != ']' {
			v, err := value(d)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, v)
		}
		_, err = d.ReadToken()
	}
	return n, err
}

func (n *node) text() (string, bool) {
	if n == nil || n.kind != '"' {
		return "", false
	}
	return n.raw, true
}

func text(n *node) string {
	if n == nil {
		return "(missing)"
	}
	if n.kind == '"' {
		return strconv.Quote(n.raw)
	}
	return n.raw
}

func (n *node) same(m *node) bool {
	if n == nil || m == nil || n.kind != m.kind || len(n.items) != len(m.items) {
		return false
	}
	if len(n.items) == 0 && n.kind != '{' && n.kind != '[' && n.raw != m.raw {
		return false
	}
	for i := range n.items {
		if n.names != nil && n.names[i] != m.names[i] || !n.items[i].same(m.items[i]) {
			return false
		}
	}
	return true
}

// keys are all names, in order, at every depth.
func (n *node) keys() string {
	var b strings.Builder
	for i, v := range n.items {
		if n.kind == '{' {
			b.WriteString(strconv.Quote(n.names[i]))
		}
		b.WriteString("(" + v.keys() + ")")
	}
	return b.String()
}

func get(n *node, pointer string) *node {
	if pointer == "" {
		return n
	}
	for _, k := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		k = strings.ReplaceAll(strings.ReplaceAll(k, "~1", "/"), "~0", "~")
		switch {
		case n == nil:
			return nil
		case n.kind == '[':
			i, err := strconv.Atoi(k)
			if err != nil || i < 0 || i >= len(n.items) {
				return nil
			}
			n = n.items[i]
		case n.kind == '{':
			var found *node
			for i, name := range n.names {
				if name == k {
					found = n.items[i]
				}
			}
			n = found
		default:
			return nil
		}
	}
	return n
}
