package protect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Form is how a hole is written for a backend: "[[P0]]", "XQ0".
type Form struct {
	Name        string // "[[P0]]": how hole 0 is written
	open, close string
	survived    string // see forms; "" if not measured
}

// forms in order of preference. survived is how often two of them in a sentence came out exactly once each, byte for byte, in 200
// real sentences of 8 to 24 words through a small en-pt student (Mozilla's tiny model, in Marian): what is not in its vocabulary
// is lost, and another model knows other pieces. That is why the form is chosen for each backend by trying. Large language models
// copy all of them, ASCII in brackets best.
var forms = []Form{
	{"[[P0]]", "[[P", "]]", ""},
	{"XQ0", "XQ", "", "98.5 %"},
	{"[CODE_0]", "[CODE_", "]", "98.5 %"},
	{"PH_0", "PH_", "", "98.0 %"},
	{"X0", "X", "", "96.5 %"},
	{"[[0]]", "[[", "]]", "58.0 %"},
	{"__PH_0__", "__PH_", "__", "42.0 %"}, // mostly one underscore is lost, which Parse mends
	{"⟦0⟧", "⟦", "⟧", "0 %"},
	{"〘0〙", "〘", "〙", "0 %"},
	{`<x id="0"/>`, `<x id="`, `"/>`, "0 %"},
	{"{0}", "{", "}", "0 %"},
	{"@@0@@", "@@", "@@", "0 %"},
	{"§0§", "§", "§", "0 %"},
}

// aligned is no form that a model sees: who is asked in it takes the holes out of the text, and puts each back where its
// neighbours went. The marks are of the private use area, which texts hardly hold.
var aligned = Form{"aligned", "\uE000", "\uE001", ""}

// Forms are those that are written for a model, the first is the default for language models.
func Forms() []Form { return slices.Clone(forms) }

// Aligned is the form for backends that know which word became which. It is not among Forms.
func Aligned() Form { return aligned }

// FormNamed finds one of Forms, or Aligned.
func FormNamed(name string) (Form, error) {
	names := make([]string, 0, len(forms)+1)
	for _, f := range append(Forms(), aligned) {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Form{}, fmt.Errorf("no placeholder form %q; known are %s", name, strings.Join(names, ", "))
}

// Hole is how hole n is written.
func (f Form) Hole(n int) string { return f.open + strconv.Itoa(n) + f.close }

// Render writes the template with its holes in form f.
func (t Template) Render(f Form) string {
	return t.join(func(b []byte, hole int) []byte {
		b = append(b, f.open...)
		b = strconv.AppendInt(b, int64(hole), 10)
		return append(b, f.close...)
	})
}

// Read is the template of a text that Render wrote in form f. Nothing is mended: whoever is asked in a form reads what was
// written for them.
func (f Form) Read(text string) Template {
	m := newMatcher(f)
	t := Template{}
	end := 0
	for at := 0; ; {
		k := strings.Index(text[at:], f.open)
		if k < 0 {
			break
		}
		at += k
		h, ok := m.strict(text, at, end)
		if !ok {
			at++
			continue
		}
		t.Text = append(t.Text, text[end:h.start])
		t.Holes = append(t.Holes, h.hole)
		at, end = h.end, h.end
	}
	t.Text = append(t.Text, text[end:])
	return t
}

// Clashes says whether the template, written in form f, would not be read as itself: its text holds something that Parse would
// take for a hole, or stands so close to one that it hides it ("fooXQ0", "XQ0" before "5").
func (f Form) Clashes(t Template) bool {
	n := len(t.Holes)
	for _, h := range t.Holes {
		n = max(n, h+1)
	}
	got, fault := Parse(t.Render(f), f, n)
	return fault.Repaired || len(fault.Foreign) > 0 || !slices.Equal(got.Holes, t.Holes) || !slices.Equal(got.Text, t.Text)
}

// Fault is what is wrong with the holes of an answer.
type Fault struct {
	Lost, Repeated, Foreign []int // holes, ascending, each once
	Repaired                bool  // white space or case inside a hole was mended: no fault
}

// OK says whether each hole stands there exactly once, and no other.
func (f Fault) OK() bool { return len(f.Lost)+len(f.Repeated)+len(f.Foreign) == 0 }

// String says it in words: "placeholder 1 is lost". It is "" if nothing is wrong.
func (f Fault) String() string {
	var parts []string
	for _, w := range []struct {
		holes []int
		what  string
	}{{f.Lost, "lost"}, {f.Repeated, "repeated"}, {f.Foreign, "foreign"}} {
		if len(w.holes) == 0 {
			continue
		}
		s := "placeholder "
		is := " is "
		if len(w.holes) > 1 {
			s, is = "placeholders ", " are "
		}
		for k, h := range w.holes {
			if k > 0 {
				s += ", "
			}
			s += strconv.Itoa(h)
		}
		parts = append(parts, s+is+w.what)
	}
	return strings.Join(parts, "; ")
}

// found is a hole in an answer: text[start:end].
type found struct {
	start, end, hole int
}

// Parse reads an answer in form f to a template with n holes. First the holes that are written as they were sent are found; then,
// in what is between, those that a model has touched: other case, white space or backslashes inside, full-width characters, a
// bracket or underscore too few. A suffix may be glued to a hole ("XQ0ren"), a letter before it makes it part of a word
// ("MAX10"). Foreign holes, n or above, are left in the text.
func Parse(answer string, f Form, n int) (Template, Fault) {
	holes, repaired := f.find(answer)
	t := Template{}
	fault := Fault{Repaired: repaired}
	count := make([]int, n)
	end := 0
	for _, h := range holes {
		if h.hole >= n {
			fault.Foreign = append(fault.Foreign, h.hole)
			continue
		}
		count[h.hole]++
		t.Text = append(t.Text, answer[end:h.start])
		t.Holes = append(t.Holes, h.hole)
		end = h.end
	}
	t.Text = append(t.Text, answer[end:])
	for h, c := range count {
		if c == 0 {
			fault.Lost = append(fault.Lost, h)
		} else if c > 1 {
			fault.Repeated = append(fault.Repeated, h)
		}
	}
	slices.Sort(fault.Foreign)
	fault.Foreign = slices.Compact(fault.Foreign)
	return t, fault
}

// find gives the holes of an answer in order, and whether one had to be mended.
func (f Form) find(answer string) (holes []found, repaired bool) {
	m := newMatcher(f)
	end := 0
	gap := func(stop int) {
		for at := end; at < stop; {
			h, ok := m.match(answer[:stop], at, end, answer[stop:])
			if !ok {
				_, size := utf8.DecodeRuneInString(answer[at:])
				at += size
				continue
			}
			holes = append(holes, h)
			repaired = true
			at = h.end
			end = at
		}
	}
	for at := 0; ; {
		k := strings.Index(answer[at:], f.open)
		if k < 0 {
			break
		}
		at += k
		h, ok := m.strict(answer, at, end)
		if !ok {
			at++
			continue
		}
		gap(at)
		holes = append(holes, h)
		at, end = h.end, h.end
	}
	gap(len(answer))
	return holes, repaired
}

// matcher finds holes of one form.
type matcher struct {
	f           Form
	open, close []element
	word        bool // it begins with a letter, so that it must not stand behind one
	closed      bool // something must stand behind the number
}

// element is a character of a form, and how many of it an answer may have.
type element struct {
	r        rune
	min, max int
}

// mostDigits bounds the number of a hole.
const mostDigits = 7

func newMatcher(f Form) matcher {
	letters := 0
	for _, r := range f.open {
		if classOf(r)&letter != 0 {
			letters++
		}
	}
	elements := func(s string) (es []element) {
		for _, r := range s {
			if r = foldRune(r); r == ' ' {
				continue // white space is passed over anyway
			}
			if n := len(es); n > 0 && es[n-1].r == r && classOf(r)&letter == 0 {
				es[n-1].min++
				es[n-1].max++
				continue
			}
			es = append(es, element{r, 1, 1})
		}
		for k, e := range es {
			switch {
			case classOf(e.r)&letter != 0 || letters == 0:
			case e.r == '_' || e.r == '"' || e.r == '=' || e.r == '/', letters > 2 && (e.r == '[' || e.r == ']'):
				es[k].min = 0 // CODE0 is unlike anything else
			default:
				es[k].min = 1
			}
			if e.max > 1 {
				es[k].max = 3
			}
		}
		return es
	}
	m := matcher{f: f, open: elements(f.open), close: elements(f.close)}
	first, _ := utf8.DecodeRuneInString(f.open)
	m.word = first == '_' || classOf(first)&letter != 0
	for _, e := range m.close {
		m.closed = m.closed || e.min > 0
	}
	return m
}

func classOf(r rune) uint8 {
	if r < utf8.RuneSelf {
		return classes[r]
	}
	return 0
}

// strict matches the form as it was written at i. Before end nothing counts: a hole has ended there.
func (m *matcher) strict(s string, i, end int) (found, bool) {
	if m.word && i > end && behindWord(s, i) {
		return found{}, false
	}
	at := i + len(m.f.open)
	digits := at
	for at < len(s) && classes[s[at]]&digit != 0 {
		at++
	}
	if at == digits || at-digits > mostDigits || s[digits] == '0' && at-digits > 1 || !strings.HasPrefix(s[at:], m.f.close) {
		return found{}, false
	}
	hole, _ := strconv.Atoi(s[digits:at])
	at += len(m.f.close)
	if m.f.close == "" && digitAt(s, at) {
		return found{}, false
	}
	return found{i, at, hole}, true
}

// behindWord says whether a Latin letter, digit or underscore stands before i. Other scripts have no spaces, or prefixes.
func behindWord(s string, i int) bool {
	r, _ := utf8.DecodeLastRuneInString(s[:i])
	if r < utf8.RuneSelf {
		return i > 0 && classes[r] != 0
	}
	return latin(r)
}

func digitAt(s string, i int) bool {
	r, _ := utf8.DecodeRuneInString(s[i:])
	return unicode.IsDigit(r)
}

// match matches at i of s a hole that was touched. rest is what follows s.
func (m *matcher) match(s string, i, end int, rest string) (found, bool) {
	r, size := utf8.DecodeRuneInString(s[i:])
	start := i
	if r == '\\' { // an escape before a bracket
		i += size
		if r, _ = utf8.DecodeRuneInString(s[i:]); i == len(s) || classOf(r)&alnum != 0 {
			return found{}, false
		}
	}
	if f := foldRune(r); !m.begins(f) || classOf(f)&ident != 0 && i > end && behindWord(s, i) {
		return found{}, false
	}
	at := i
	spaced, pairs := true, 0 // white space stood between all characters
	bracket := false
	for _, e := range m.open {
		n := 0
		for n < e.max {
			next := at
			if at > i {
				next = skipIgnorable(s, at)
			}
			r, size := utf8.DecodeRuneInString(s[next:])
			if next == len(s) || !e.is(foldRune(r)) {
				break
			}
			if at > i {
				pairs++
				spaced = spaced && next > at
			}
			at = next + size
			n++
			bracket = bracket || e.r == '['
		}
		if n < e.min {
			return found{}, false
		}
	}
	spaced = spaced && pairs > 0
	at = skipIgnorable(s, at)
	if m.f.close == "" && len(m.f.open) > 1 && at < len(s) && (s[at] == '-' || s[at] == '_') {
		at = skipIgnorable(s, at+1) // XQ-0
	}
	hole, digits := 0, 0
	for at < len(s) {
		next := at
		if digits > 0 && (spaced || m.closed) {
			next = skipIgnorable(s, at)
		}
		r, size := utf8.DecodeRuneInString(s[next:])
		d := digitValue(r)
		if d < 0 || next == len(s) {
			break
		}
		if digits == 1 && hole == 0 || digits == mostDigits {
			return found{}, false
		}
		hole = 10*hole + d
		digits++
		at = next + size
	}
	if digits == 0 {
		return found{}, false
	}
	for _, e := range m.close {
		n := 0
		for n < e.max {
			next := at
			if m.closed || spaced || bracket && e.r == ']' {
				next = skipIgnorable(s, at)
			}
			r, size := utf8.DecodeRuneInString(s[next:])
			if next == len(s) || !e.is(foldRune(r)) {
				break
			}
			at = next + size
			n++
		}
		if n < e.min {
			return found{}, false
		}
	}
	if digitAt(s, at) || at == len(s) && digitAt(rest, 0) {
		return found{}, false
	}
	return found{start, at, hole}, true
}

// begins says whether a hole can begin with r.
func (m *matcher) begins(r rune) bool {
	for _, e := range m.open {
		if e.is(r) {
			return true
		}
		if e.min > 0 {
			return false
		}
	}
	return false
}

func (e element) is(r rune) bool {
	return r == e.r || e.r == '_' && r == '-' || e.r == '"' && (r == '\'' || r == '“' || r == '”' || r == '«' || r == '»')
}

// skipIgnorable passes at most three characters of white space, backslashes that escape, and characters without width.
func skipIgnorable(s string, i int) int {
	for range 3 {
		r, size := utf8.DecodeRuneInString(s[i:])
		if i == len(s) || !unicode.IsSpace(r) && r != '\\' && r != 0x200B && r != 0x200C && r != 0x200D && r != 0x2060 && r != 0xFEFF {
			break
		}
		i += size
	}
	return i
}

// foldRune makes full-width characters ASCII, capitals small, and the brackets of other scripts square.
func foldRune(r rune) rune {
	if r >= 0xFF01 && r <= 0xFF5E {
		r -= 0xFF01 - '!'
	}
	switch r {
	case '【', '〔', '［':
		return '['
	case '】', '〕', '］':
		return ']'
	case '〚':
		return '⟦'
	case '〛':
		return '⟧'
	}
	if r < utf8.RuneSelf && classes[r]&upper != 0 {
		return r + 'a' - 'A'
	}
	return r
}

// digitValue is the value of a decimal digit: ASCII, full-width, Arabic, Persian, Devanagari, Bengali, Thai; -1 of anything else.
func digitValue(r rune) int {
	for _, zero := range [...]rune{'0', 0xFF10, 0x660, 0x6F0, 0x966, 0x9E6, 0xE50} {
		if r >= zero && r <= zero+9 {
			return int(r - zero)
		}
	}
	return -1
}
