package segment

import "strings"

// verbatim are the tags whose content is no text to translate: what tools are asked and answer (the forms of Hermes, Qwen,
// Llama and Claude), and the elements of HTML that hold code or formulas.
var verbatim = [...]string{
	"code", "function_call", "function_calls", "function_results", "functions", "invoke", "math", "pre", "script", "style",
	"svg", "tool_call", "tool_calls", "tool_output", "tool_response", "tool_responses", "tool_result", "tool_results", "tools",
	"tool_code",
}

// isCall says of a tag that it is of tools: it may begin within a line, and one that is never closed reaches to the end.
func isCall(name string) bool { return strings.ContainsRune(name, '_') || name == "tools" }

// tag is what a tag is, from "<" to ">".
type tag struct {
	name  string // in lower case, if it is one of verbatim
	close bool
	n     int // its length; 0 if this is no tag
}

// readTag reads a tag or comment at the start of s: "</?" name (white space and attributes) "/?>", "<!…>", "<?…?>".
func readTag(s string) tag {
	if len(s) < 3 || s[0] != '<' {
		return tag{}
	}
	if strings.HasPrefix(s, "<!--") {
		if n := strings.Index(s, "-->"); n > 0 {
			return tag{n: n + 3}
		}
		return tag{}
	}
	t := tag{close: s[1] == '/'}
	i := 1
	if t.close || s[1] == '!' || s[1] == '?' {
		i++
	}
	lo := i
	for i < len(s) && (isWord(s[i]) || i > lo && strings.IndexByte("-:.", s[i]) >= 0) {
		i++
	}
	if i == lo || i == len(s) || s[lo]-'0' < 10 {
		return tag{}
	}
	if i-lo <= 20 {
		for _, v := range verbatim {
			if strings.EqualFold(s[lo:i], v) {
				t.name = v
			}
		}
	}
	switch s[i] {
	case ' ', '\t', '/', '>', '=':
	default:
		return tag{}
	}
	// A ">" in the quotes of an attribute does not end the tag.
	var quote byte
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			t.n = i + 1
			return t
		case c == '<':
			return tag{}
		case (c == '"' || c == '\'') && s[i-1] == '=':
			quote = c
		}
	}
	return tag{}
}

func isWord(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c-'0' < 10 || c == '_'
}

// tagged is the end of the block of a verbatim tag that opens at text[at:], or -1.
func (x *lexer) tagged(i, at int) int {
	t := readTag(x.text[at:x.lines[i].end])
	if t.name == "" || t.close {
		return -1
	}
	if x.text[at+t.n-2] == '/' { // <tool_call/>
		return -1
	}
	raw := x.text[at+1 : at+1+len(t.name)]
	if raw != t.name && raw != strings.ToUpper(t.name) {
		return -1
	}
	f := x.tags[raw]
	if f == nil {
		f = &finder{text: x.text, want: "</" + raw + ">"}
		x.tags[raw] = f
	}
	if end := f.from(at + t.n); end >= 0 {
		return end + len(f.want)
	}
	if isCall(t.name) {
		return len(x.text)
	}
	return -1
}

// tailCall is where a call of a tool begins within a line of prose that goes on in the next, and where it ends; or -1.
func (x *lexer) tailCall(i, lo, hi int) (at, end int) {
	for at = lo; ; at++ {
		n := strings.IndexByte(x.text[at:hi], '<')
		if n < 0 {
			return -1, -1
		}
		at += n
		t := readTag(x.text[at:min(hi, at+200)])
		if t.name == "" || t.close || !isCall(t.name) {
			continue
		}
		if behind := skipSpace(x.text, at+t.n, hi); behind < hi && x.text[behind] != '{' && x.text[behind] != '<' {
			continue
		}
		end = x.tagged(i, at)
		if end > hi && strings.Contains(x.text[at:min(end, at+200)], "{") {
			return at, end
		}
		if end < 0 || end > hi {
			continue
		}
		at = end - 1
	}
}

// calls appends the calls of tools that stand wholly in text[lo:hi].
func calls(dst []Span, text string, lo, hi int) []Span {
	for at := lo; ; {
		n := strings.IndexByte(text[at:hi], '<')
		if n < 0 {
			return dst
		}
		at += n
		t := readTag(text[at:min(hi, at+200)])
		if t.name == "" || t.close || !isCall(t.name) {
			at++
			continue
		}
		end := strings.Index(text[at:hi], "</"+t.name+">")
		if end < 0 {
			return dst
		}
		end += at + len(t.name) + 3
		dst = append(dst, Span{at, end})
		at = end
	}
}

// onlyTags says whether text[lo:hi] is made of tags, comments, entities and white space.
func onlyTags(text string, lo, hi int) bool {
	any := false
	for at := skipSpace(text, lo, hi); at < hi; at = skipSpace(text, at, hi) {
		s := text[at:hi]
		if t := readTag(s); t.n > 0 && !isSlot(s[:t.n]) {
			at += t.n
			any = true
			continue
		}
		if n := entity(s); n > 0 {
			at += n
			continue
		}
		return false
	}
	return any
}

// isSlot says of "<User Profile>": no tag, but words to be replaced.
func isSlot(s string) bool {
	return s[1] >= 'A' && s[1] <= 'Z' && s[2] >= 'a' && strings.IndexByte(s, ' ') > 0 && strings.IndexByte(s, '=') < 0
}

// entity is the length of "&name;" or "&#0;" at the start of s.
func entity(s string) int {
	if s[0] != '&' {
		return 0
	}
	for i := 1; i < len(s) && i < 34; i++ {
		if s[i] == ';' && i > 1 {
			return i + 1
		}
		if !isWord(s[i]) && s[i] != '#' {
			break
		}
	}
	return 0
}

// markup is the line behind the markup that begins in line i with text[at:], and the place where prose goes on in the line
// before it (-1 if nowhere). It is i if there is none.
func (x *lexer) markup(i, at int) (next, rest int) {
	l := x.lines[i]
	at = skipSpace(x.text, at, l.end)
	if at == l.end {
		return i, -1
	}
	if x.text[at] == '[' && linkDefinition(x.text[at:l.end]) {
		return i + 1, -1
	}
	if x.text[at] != '<' {
		return i, -1
	}
	if onlyTags(x.text, at, l.end) {
		return i + 1, -1
	}
	if strings.HasPrefix(x.text[at:l.end], "<!--") && !strings.Contains(x.text[at:l.end], "-->") {
		if end := x.comments.from(at); end >= 0 {
			return x.lineOf(i, end+3)
		}
		return i, -1
	}
	// A tag whose attributes go on in the next lines.
	s := x.text[at:l.end]
	n := 1
	for n < len(s) && (isWord(s[n]) || s[n] == '-') {
		n++
	}
	if n == 1 || s[1]-'0' < 10 || strings.ContainsAny(s[1:], "<>") || n < len(s) && strings.IndexByte(s, '=') < 0 {
		return i, -1
	}
	for j := i + 1; j < len(x.lines) && j <= i+16 && !x.blank(j); j++ {
		t := x.text[x.lines[j].start:x.lines[j].end]
		if k := strings.IndexAny(t, "<>"); k >= 0 {
			if t[k] == '<' {
				break
			}
			return x.lineOf(i, x.lines[j].start+k+1)
		}
		if strings.IndexByte(t, '=') < 0 {
			break
		}
	}
	return i, -1
}

// linkDefinition says of "[label]: target" (CommonMark 0.31, 4.7).
func linkDefinition(s string) bool {
	n := strings.Index(s[:min(len(s), 200)], "]:")
	if n < 2 || s[1] == '^' || strings.IndexByte(s[1:n], '[') >= 0 {
		return false
	}
	f := strings.Fields(s[n+2:])
	if len(f) == 0 || len(f) > 1 && strings.IndexByte("\"'(", f[1][0]) < 0 {
		return false
	}
	return strings.Contains(f[0], "://") || strings.IndexByte("<#./", f[0][0]) >= 0
}

// lineOf is the line behind the one that holds the place end, and end if letters follow it there (else -1). i is a line at or
// before it.
func (x *lexer) lineOf(i, end int) (next, rest int) {
	for x.lines[i].end < end && i+1 < len(x.lines) {
		i++
	}
	if l := x.lines[i]; end < l.end && hasLetter(x.text[end:l.end]) {
		return i + 1, end
	}
	return i + 1, -1
}
