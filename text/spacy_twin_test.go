package text

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The twin of Spacy: the expressions and special cases of spaCy itself (testdata/spacy/tables.py), run by an engine
// that knows only what they are written with, over code points, without cache or tables.

type twin struct {
	prefix, suffix, infix, url expression
	specials                   map[string][]string
	torn                       map[string]bool // tokens, joined by NUL
	longest                    int             // tokens of a torn case
}

var twins = sync.OnceValues(func() (map[string]*twin, error) {
	f, err := os.Open("testdata/spacy/rules.json.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var rules map[string]struct {
		Prefix, Suffix, Infix, URL string
		Specials                   map[string][]string
	}
	if err := json.NewDecoder(z).Decode(&rules); err != nil {
		return nil, err
	}
	all := map[string]*twin{}
	for lang, r := range rules {
		w := &twin{compile(r.Prefix), compile(r.Suffix), compile(r.Infix), compile(r.URL), nil, map[string]bool{}, 0}
		for s := range r.Specials {
			t := []rune(s)
			if w.find(w.prefix, t) > 0 || w.find(w.suffix, t) > 0 || len(w.finditer(t)) > 0 || strings.Contains(s, " ") {
				tokens := texts(w.affixes(s))
				w.torn[strings.Join(tokens, "\x00")] = true
				w.longest = max(w.longest, len(tokens))
			}
		}
		w.specials = r.Specials
		all[lang] = w
	}
	return all, nil
})

// token with the place where it begins.
type token struct {
	at   int
	text string
}

func texts(tokens []token) (out []string) {
	for _, t := range tokens {
		out = append(out, t.text)
	}
	return out
}

// words are the tokens of a text that are not white space.
func (w *twin) words(text string) (out []token) {
	for _, t := range w.mend(text, w.affixes(text)) {
		if s := strings.TrimFunc(t.text, isPySpace); s != "" {
			out = append(out, t)
		}
	}
	return out
}

// affixes is Tokenizer._tokenize_affixes; without special cases while w has none.
func (w *twin) affixes(text string) (out []token) {
	start := 0
	flush := func(end int) {
		if start < end {
			out = w.tokenize(out, start, text[start:end])
		}
	}
	inside := false
	for i, r := range text {
		if i == 0 {
			inside = isPySpace(r)
		} else if isPySpace(r) != inside {
			flush(i)
			start = i
			if r == ' ' {
				start = i + 1
			}
			inside = !inside
		}
	}
	flush(len(text))
	return out
}

func (w *twin) tokenize(out []token, at int, chunk string) []token {
	if pieces, ok := w.specials[chunk]; ok {
		return appendPieces(out, at, pieces)
	}
	t := []rune(chunk)
	var suffixes []string
	emit := func(s string) {
		out = append(out, token{at, s})
		at += len(s)
	}
	special := func(t []rune) bool { return len(t) > 0 && w.specials[string(t)] != nil }
	for last := -1; len(t) > 0 && len(t) != last && !special(t); {
		last = len(t)
		pre := w.find(w.prefix, t)
		if pre > 0 && special(t[pre:]) {
			emit(string(t[:pre]))
			t = t[pre:]
			break
		}
		suf := w.find(w.suffix, t[pre:])
		rest, cut := t[:len(t)-suf], t[len(t)-suf:]
		if suf > 0 && special(rest) {
			t = rest
			suffixes = append(suffixes, string(cut))
			break
		}
		if suf > 0 {
			suffixes = append(suffixes, string(cut))
		}
		if pre > 0 {
			emit(string(t[:pre]))
		}
		t = rest[pre:]
	}
	switch {
	case len(t) == 0:
	case special(t):
		out = appendPieces(out, at, w.specials[string(t)])
		at += len(string(t))
	case w.find(w.url, t) > 0:
		emit(string(t))
	default:
		start := 0
		for _, m := range w.finditer(t) {
			if m[0] == 0 {
				continue
			}
			if start < m[0] {
				emit(string(t[start:m[0]]))
			}
			if m[0] < m[1] {
				emit(string(t[m[0]:m[1]]))
			}
			start = m[1]
		}
		if start < len(t) {
			emit(string(t[start:]))
		}
	}
	slices.Reverse(suffixes)
	for _, s := range suffixes {
		emit(s)
	}
	return out
}

func appendPieces(out []token, at int, pieces []string) []token {
	for _, p := range pieces {
		out = append(out, token{at, p})
		at += len(p)
	}
	return out
}

// mend is Tokenizer._apply_special_cases.
func (w *twin) mend(text string, tokens []token) (out []token) {
	type match struct{ lo, hi int }
	var matches, kept []match
	for i := range tokens {
		for n := 1; n <= w.longest && i+n <= len(tokens); n++ {
			if w.torn[strings.Join(texts(tokens[i:i+n]), "\x00")] {
				matches = append(matches, match{i, i + n})
			}
		}
	}
	slices.SortFunc(matches, func(a, b match) int {
		if a.hi-a.lo != b.hi-b.lo {
			return (b.hi - b.lo) - (a.hi - a.lo)
		}
		return a.lo - b.lo
	})
	seen := map[int]bool{}
	for _, m := range matches {
		if !seen[m.lo] && !seen[m.hi-1] {
			kept = append(kept, m)
		}
		for i := m.lo; i < m.hi; i++ {
			seen[i] = true
		}
	}
	for i := 0; i < len(tokens); i++ {
		k := slices.IndexFunc(kept, func(m match) bool { return m.lo == i })
		if k < 0 {
			out = append(out, tokens[i])
			continue
		}
		m := kept[k]
		last := tokens[m.hi-1]
		if pieces, ok := w.specials[text[tokens[i].at:last.at+len(last.text)]]; ok {
			out = appendPieces(out, tokens[i].at, pieces)
		} else {
			out = append(out, tokens[m.lo:m.hi]...)
		}
		i = m.hi - 1
	}
	return out
}

// find is the length of re.search's match.
func (w *twin) find(e expression, t []rune) int {
	for i := range t {
		end := -1
		if e(t, i, func(j int) bool { end = j; return true }) {
			return end - i
		}
	}
	return 0
}

func (w *twin) finditer(t []rune) (all [][2]int) {
	at, advance := 0, false
	for i := 0; i <= len(t); i++ {
		end := -1
		if w.infix(t, i, func(j int) bool { end = j; return !(advance && i == at && j == i) }) {
			all = append(all, [2]int{i, end})
			at, advance = end, end == i
			i = end - 1
		}
	}
	return all
}

// expression matches t from i on and hands over where it ends, until then says that this end will do.
type expression func(t []rune, i int, then func(int) bool) bool

func compile(pattern string) expression {
	c := &compiler{[]rune(strings.TrimPrefix(pattern, "(?u)")), 0}
	e := c.alternatives()
	if c.at < len(c.p) {
		panic("what is " + string(c.p[c.at:]))
	}
	return e
}

type compiler struct {
	p  []rune
	at int
}

func (c *compiler) is(s string) bool {
	if strings.HasPrefix(string(c.p[c.at:min(len(c.p), c.at+len(s))]), s) {
		c.at += len([]rune(s))
		return true
	}
	return false
}

func (c *compiler) alternatives() expression {
	all := []expression{c.sequence()}
	for c.is("|") {
		all = append(all, c.sequence())
	}
	return func(t []rune, i int, then func(int) bool) bool {
		for _, e := range all {
			if e(t, i, then) {
				return true
			}
		}
		return false
	}
}

func (c *compiler) sequence() expression {
	e := expression(func(t []rune, i int, then func(int) bool) bool { return then(i) })
	for c.at < len(c.p) && c.p[c.at] != '|' && c.p[c.at] != ')' {
		e = both(e, c.repeated())
	}
	return e
}

func both(a, b expression) expression {
	return func(t []rune, i int, then func(int) bool) bool {
		return a(t, i, func(j int) bool { return b(t, j, then) })
	}
}

func (c *compiler) repeated() expression {
	e := c.atom()
	least, most := 1, 1
	switch {
	case c.is("*"):
		least, most = 0, 1<<30
	case c.is("+"):
		most = 1 << 30
	case c.is("?"):
		least = 0
	case c.is("{"):
		end := slices.Index(c.p[c.at:], '}')
		lo, hi, more := strings.Cut(string(c.p[c.at:c.at+end]), ",")
		c.at += end + 1
		least, _ = strconv.Atoi(lo)
		most = least
		if more {
			if most, _ = strconv.Atoi(hi); hi == "" {
				most = 1 << 30
			}
		}
	}
	if least == 1 && most == 1 {
		return e
	}
	var times func(t []rune, i, n int, then func(int) bool) bool
	times = func(t []rune, i, n int, then func(int) bool) bool {
		if n < most && e(t, i, func(j int) bool { return j > i && times(t, j, n+1, then) }) {
			return true
		}
		return n >= least && then(i)
	}
	return func(t []rune, i int, then func(int) bool) bool { return times(t, i, 0, then) }
}

func (c *compiler) atom() expression {
	look := func(behind, want bool) expression {
		e := c.alternatives()
		c.at++ // )
		return func(t []rune, i int, then func(int) bool) bool {
			found := false
			if !behind {
				found = e(t, i, func(int) bool { return true })
			}
			for j := i; behind && j >= 0 && j > i-4 && !found; j-- {
				found = e(t, j, func(end int) bool { return end == i })
			}
			return found == want && then(i)
		}
	}
	switch {
	case c.is("(?="):
		return look(false, true)
	case c.is("(?!"):
		return look(false, false)
	case c.is("(?<="):
		return look(true, true)
	case c.is("(?:"), c.is("("):
		e := c.alternatives()
		c.at++
		return e
	case c.is("^"):
		return func(t []rune, i int, then func(int) bool) bool { return i == 0 && then(i) }
	case c.is("$"):
		return func(t []rune, i int, then func(int) bool) bool {
			return (i == len(t) || i == len(t)-1 && t[i] == '\n') && then(i)
		}
	}
	var is func(rune) bool
	if c.is("[") {
		is = c.class()
	} else {
		one, r := c.character()
		if is = one; is == nil {
			is = func(x rune) bool { return x == r }
		}
	}
	return func(t []rune, i int, then func(int) bool) bool { return i < len(t) && is(t[i]) && then(i+1) }
}

// character is a class such as \w, or one character.
func (c *compiler) character() (class func(rune) bool, r rune) {
	r = c.p[c.at]
	c.at++
	if r != '\\' {
		return nil, r
	}
	r = c.p[c.at]
	c.at++
	hex := func(n int) rune {
		v, err := strconv.ParseUint(string(c.p[c.at:c.at+n]), 16, 32)
		if err != nil {
			panic(err)
		}
		c.at += n
		return rune(v)
	}
	switch r {
	case 'u':
		return nil, hex(4)
	case 'U':
		return nil, hex(8)
	case 'w':
		return isWord, 0
	case 'd':
		return func(r rune) bool { return spacyClassOf(r)&spacyDigit != 0 }, 0
	case 'S':
		return func(r rune) bool { return !isPySpace(r) }, 0
	}
	if r|0x20 >= 'a' && r|0x20 <= 'z' {
		panic("what is \\" + string(r))
	}
	return nil, r
}

func (c *compiler) class() func(rune) bool {
	var classes []func(rune) bool
	var ranges [][2]rune
	for c.p[c.at] != ']' {
		class, lo := c.character()
		if class != nil {
			classes = append(classes, class)
			continue
		}
		hi := lo
		if c.p[c.at] == '-' && c.p[c.at+1] != ']' {
			c.at++
			_, hi = c.character()
		}
		ranges = append(ranges, [2]rune{lo, hi})
	}
	c.at++
	return func(r rune) bool {
		for _, x := range ranges {
			if r >= x[0] && r <= x[1] {
				return true
			}
		}
		for _, is := range classes {
			if is(r) {
				return true
			}
		}
		return false
	}
}

func twinOf(t testing.TB, lang string) *twin {
	t.Helper()
	all, err := twins()
	if err != nil {
		t.Fatal(err)
	}
	return all[lang]
}
