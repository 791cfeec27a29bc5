package segment

import "strings"

// misnested says what of a line's links and tags ends before it begins; "" if nothing does. A translation may move words, and
// what is protected with them, but a link whose target stands before its text is none.
func misnested(s string) string {
	if !strings.Contains(s, "](") && !strings.Contains(s, "][") && !strings.Contains(s, "</") {
		return ""
	}
	code := codeSpans(s)
	brackets, tags := 0, map[string]int{}
	for i := 0; i < len(s); i++ {
		if len(code) > 0 && i == code[0].Start {
			i = code[0].End - 1
			code = code[1:]
			continue
		}
		switch s[i] {
		case '\\':
			i++
			for len(code) > 0 && code[0].Start <= i { // the backslash hides no backticks
				code = code[1:]
			}
		case '[':
			brackets++
		case ']':
			if brackets == 0 && i+1 < len(s) && (s[i+1] == '(' || s[i+1] == '[') {
				return `has "` + s[i:i+2] + `" before its "["`
			}
			brackets = max(0, brackets-1)
		case '<':
			t := readTag(s[i:min(len(s), i+solidLimit)])
			if t.n == 0 {
				continue
			}
			whole := s[i : i+t.n]
			i += t.n - 1
			name := strings.TrimLeft(whole, "</")
			n := 0
			for n < len(name) && (isWord(name[n]) || name[n] == '-') {
				n++
			}
			name = strings.ToLower(name[:n])
			switch {
			case t.close && tags[name] == 0:
				return `has "</` + name + `>" before its "<` + name + `>"`
			case t.close:
				tags[name]--
			default:
				tags[name]++
			}
		}
	}
	return ""
}
