package segment

import (
	"strings"
	"unicode/utf8"
)

// frontMatter is the line behind the YAML (---) or TOML (+++) that begins the text, or 0.
func (x *lexer) frontMatter() int {
	if len(x.lines) == 0 {
		return 0
	}
	mark := x.trimmed(0)
	if mark != "---" && mark != "+++" {
		return 0
	}
	keys := false
	for i := 1; i < len(x.lines); i++ {
		s := x.trimmed(i)
		switch {
		case s == mark || s == "..." && mark == "---":
			if keys {
				return i + 1
			}
			return 0
		case s == "" || s[0] == '#' || s[0] == '-':
		default:
			n := 0
			for n < len(s) && (isWord(s[n]) || s[n] == '-' || s[n] == '.' || s[n] == '"') {
				n++
			}
			indented := x.text[x.lines[i].start] == ' ' || x.text[x.lines[i].start] == '\t'
			t := strings.TrimLeft(s[n:], " ")
			if n > 0 && t != "" && (t[0] == ':' || t[0] == '=') {
				keys = true
			} else if !indented && s[0] != '[' && s[0] != ']' && s[0] != '}' {
				return 0
			}
		}
	}
	return 0
}

// jsonBudget is how many bytes may be looked at in vain for JSON, for each byte of the text. Ordinary texts need less than
// one; without it a text of nothing but "[" lines would take quadratic time.
const jsonBudget = 4

// data is the line behind the JSON object or array that begins in line i and ends at the end of a line, or i. What programs
// write instead of JSON counts, too: names without quotes, single quotes, trailing commas, comments, True, None, NaN.
func (x *lexer) data(i int) int {
	l := x.lines[i]
	at := skipSpace(x.text, l.start, l.end)
	if at == l.end || x.text[at] != '{' && x.text[at] != '[' || x.budget <= 0 {
		return i
	}
	end, ok := jsonValue(x.text, at)
	if ok {
		j := i
		for x.lines[j].end < end {
			j++
		}
		rest := strings.TrimSpace(x.text[end:x.lines[j].end])
		slot := j == i && !strings.ContainsAny(x.text[at:end], "\"':0123456789") // "[None]"
		if !slot && (rest == "" || rest == "," || rest == ";") {
			return j + 1
		}
	}
	x.budget -= end - at
	return i
}

// tailData is where JSON begins at the end of a line of prose, "Output: {", and the line behind the one that it ends with;
// or -1.
func (x *lexer) tailData(i, lo, hi int) (at, next int) {
	at = hi - 1
	if at <= lo || x.text[at] != '{' && x.text[at] != '[' || x.budget <= 0 {
		return -1, -1
	}
	end, ok := jsonValue(x.text, at)
	if ok {
		for i++; x.lines[i].end < end; i++ {
		}
		if skipSpace(x.text, end, x.lines[i].end) == x.lines[i].end {
			return at, i + 1
		}
	}
	x.budget -= end - at
	return -1, -1
}

// objects appends the JSON objects, and arrays of them, that stand wholly in text[lo:hi].
func objects(dst []Span, text string, lo, hi int) []Span {
	for tries := 0; tries < 16; tries++ { // each may go to the end of the line in vain
		n := strings.IndexAny(text[lo:hi], "{[")
		if n < 0 {
			break
		}
		lo += n
		inner := strings.TrimLeft(text[lo+1:min(hi, lo+8)], "[{ ")
		if strings.IndexByte("\"'", (inner + " ")[0]) < 0 {
			lo++
			tries--
			continue
		}
		end, ok := jsonValue(text[:hi], lo)
		if ok && strings.IndexByte(text[lo:end], ':') > 0 {
			dst = append(dst, Span{lo, end})
			lo = end
			continue
		}
		lo++
	}
	return dst
}

// jsonValue reads the object or array at text[at:]: where it ends, or where it ceases to be one.
func jsonValue(text string, at int) (end int, ok bool) {
	var open []byte // brackets
	const (         // what may come
		value = iota
		member
		colon
		comma
	)
	want := value
	for i := at; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '/' && i+1 < len(text) && text[i+1] == '/' && len(open) > 0:
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				return len(text), false
			}
			i += n
			continue
		case c == '}' || c == ']':
			// After a comma "member" and "value" may be missing, before the first one, too.
			if len(open) == 0 || open[len(open)-1] != c || want == colon || want == value && c == '}' {
				return i, false
			}
			open = open[:len(open)-1]
			i++
			if len(open) == 0 {
				return i, true
			}
			want = comma
			continue
		case want == colon:
			if c != ':' {
				return i, false
			}
			want = value
			i++
			continue
		case want == comma:
			if c != ',' {
				return i, false
			}
			if want = value; open[len(open)-1] == '}' {
				want = member
			}
			i++
			continue
		case c == '{' || c == '[':
			if want == member {
				return i, false
			}
			if c == '{' {
				open, want = append(open, '}'), member
			} else {
				open, want = append(open, ']'), value
			}
			i++
			continue
		}
		n := 0
		switch {
		case c == '"' || c == '\'':
			n = quotedString(text[i:])
		case want == member:
			for i+n < len(text) && (isWord(text[i+n]) || text[i+n] == '-' || text[i+n] == '$') {
				n++
			}
		default:
			n = literal(text[i:])
		}
		if n == 0 {
			return i, false
		}
		i += n
		if want == member {
			want = colon
		} else {
			want = comma
		}
	}
	return len(text), false
}

// quotedString is the length of the string at the start of s, or 0. JSON's hold no line end.
func quotedString(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return i + 1
		case '\\':
			i++
		case '\n':
			return 0
		}
	}
	return 0
}

// literal is the length of a number or a name of a constant at the start of s, or 0.
func literal(s string) int {
	n := 0
	for n < len(s) && n < 400 && (isWord(s[n]) || s[n] == '+' || s[n] == '-' || s[n] == '.') {
		n++
	}
	switch s[:n] {
	case "true", "false", "null", "True", "False", "None", "NaN", "Infinity", "-Infinity", "undefined", "...":
		return n
	}
	digits := false
	for i := 0; i < n; i++ {
		c := s[i]
		digits = digits || c-'0' < 10
		if !(c-'0' < 10 || c == '+' || c == '-' || c == '.' || (c|0x20 == 'e' || c|0x20 == 'x') && digits) {
			return 0
		}
	}
	if !digits {
		return 0
	}
	return n
}

// csv is the line behind a run of at least three lines of as many commas, two or more, without white space behind any of them;
// or i. It is kept as it is: what its columns mean is not known, and a name in it may be a key elsewhere.
func (x *lexer) csv(i int) int {
	want := commas(x.trimmed(i))
	if want < 2 {
		return i
	}
	j := i + 1
	for j < len(x.lines) && commas(x.trimmed(j)) == want {
		j++
	}
	if j < i+3 {
		return i
	}
	return j
}

// commas is how many commas of a line of CSV stand outside of quotes, -1 if it is none.
func commas(s string) int {
	n := 0
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case ',':
			if quoted {
				continue
			}
			n++
			if i+1 < len(s) {
				if r, _ := utf8.DecodeRuneInString(s[i+1:]); isSpace(r) {
					return -1
				}
			}
		case '.', '!', '?':
			if !quoted && i+1 == len(s) {
				return -1
			}
		}
	}
	if quoted {
		return -1
	}
	return n
}
