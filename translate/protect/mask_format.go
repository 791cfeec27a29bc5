package protect

import (
	"strings"
	"unicode"
)

// formatVerb is a verb of printf, of strftime, or of Python, Qt and Objective-C: %d, %-5.2f, %1$s, %(name)s, %1, %@. The space is
// no flag here, and a digit before it makes it a percentage: "100 % of", "5%d".
func formatVerb(s *scanner, i int) int {
	if i > 0 && (classes[s.text[i-1]]&(digit|under) != 0 || s.text[i-1] == '%' && i > 1 && s.text[i-2] != '%') {
		return 0
	}
	if s.at(i+1) == '%' {
		return i + 2
	}
	at := i + 1
	if s.at(at) == '(' || s.at(at) == '{' {
		end := s.run(at+1, ident, ".")
		if end == at+1 || s.text[at] == '(' && s.at(end) != ')' || s.text[at] == '{' && s.at(end) != '}' {
			return 0
		}
		if s.text[at] == '{' {
			return end + 1
		}
		at = end + 1
	}
	if c := s.at(at); c == '@' {
		return at + 1
	}
	if end := s.run(at, digit, ""); end > at && end-at <= 2 {
		switch {
		case s.at(end) == '$':
			at = end + 1
		case s.text[at] != '0' && !s.letterAt(end) && !(s.at(end) == '.' && classes[s.at(end+1)]&digit != 0): // Qt's %1
			return end
		}
	}
	at = s.run(at, 0, "-+#^0")
	at = s.run(at, digit, "*")
	if s.at(at) == '.' {
		at = s.run(at+1, digit, "*")
	}
	if at-i > 20 {
		return 0
	}
	at = s.run(at, 0, "hlLqjzt")
	if s.text[at-1] == 't' && strings.IndexByte(verbs, s.at(at)) < 0 { // Go's %t
		at--
	}
	c := s.at(at)
	if c == 0 || strings.IndexByte(verbs, c) < 0 {
		return 0
	}
	at++
	// "%dpx" and "%dx%d" are verbs, "%discount" and "%off" are not.
	end := at
	for end < len(s.text) && classes[s.text[end]]&letter != 0 && end < at+3 {
		end++
	}
	if end > at && (end-at > 2 || c != 'd' && c != 's' && c != 'f') {
		return 0
	}
	return at
}

// verbs of printf in C, Go and Python, and of strftime.
const verbs = "diouxXeEfFgGcsaApnvTqtrUbBYymHMSIjZwWVuRDk"

// variable is a variable of a shell, a template or Windows: $VAR, ${x}, $(command), %VAR%, #{x}.
func variable(s *scanner, i int) int {
	switch s.text[i] {
	case '%':
		end := s.run(i+1, ident, "()")
		if end > i+2 && s.at(end) == '%' && classes[s.at(i+1)]&(letter|under) != 0 && !s.letterBefore(i) {
			return end + 1
		}
	case '#':
		if s.at(i+1) == '{' {
			return s.braceEnd(i + 1)
		}
	case '$':
		switch c := s.at(i + 1); {
		case c == '{':
			return s.braceEnd(i + 1)
		case c == '(':
			if end := s.partner(i + 1); end > i+2 && end-i < 200 && strings.IndexByte(s.text[i:end], '\n') < 0 {
				return end + 1
			}
		case classes[c]&(letter|under) != 0 && !s.letterBefore(i):
			return s.run(i+1, ident, "")
		}
	}
	return 0
}

// braceEnd is the end of what begins with the brace at i, if that is one line of at most 200 bytes.
func (s *scanner) braceEnd(i int) int {
	end := s.partner(i)
	if end <= i || end-i > 200 || strings.IndexByte(s.text[i:end], '\n') >= 0 {
		return 0
	}
	return end + 1
}

// braceField is a field of a template: {name}, {0:.2f}, {user.name!r}, {a,b}. A phrase in braces is text.
func braceField(s *scanner, i int) int {
	end := s.partner(i)
	if end > 0 && end-i < 1000 && icuArgument(s.text[i+1:end]) {
		return end + 1
	}
	if end == 0 || end-i > 100 {
		return 0
	}
	inner := s.text[i+1 : end]
	name, spec, hasSpec := strings.Cut(inner, ":")
	if strings.IndexFunc(name, func(r rune) bool {
		return r >= 0x80 || classes[r] == 0 && strings.IndexByte(".[]!,*@|-'\"$#/", byte(r)) < 0
	}) >= 0 {
		return 0
	}
	if hasSpec && (len(spec) > 24 || strings.IndexFunc(spec, func(r rune) bool { return unicode.IsSpace(r) || r > 0x7F }) >= 0) {
		return 0
	}
	if inner != "" && strings.IndexFunc(inner, func(r rune) bool { return r < 0x80 && classes[r] != 0 }) < 0 && !hasSpec {
		return 0
	}
	return end + 1
}

// icuArgument says whether what stands in braces is an argument with a format: {n, number}, {n, plural, one {# file} other {# files}}.
// Its texts stay with it: how many forms of plural there are is the language's, too, and no translation of sentences knows.
func icuArgument(inner string) bool {
	name, rest, ok := strings.Cut(inner, ",")
	kind, style, more := strings.Cut(rest, ",")
	name, kind = strings.TrimSpace(name), strings.TrimSpace(kind)
	if !ok || name == "" || strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 || classes[r] == 0 }) >= 0 {
		return false
	}
	switch kind {
	case "number", "date", "time", "spellout", "ordinal", "duration":
		return !more || strings.TrimSpace(style) != ""
	case "plural", "select", "selectordinal", "choice":
		return more && strings.IndexByte(style, '{') >= 0
	}
	return false
}

// templateTag is what Jinja, Handlebars and their like write: {{x}}, {{#if x}}, {% for a in b %}, {# … #}, <% … %>.
func templateTag(s *scanner, i int) int {
	for _, c := range [...][2]string{{"{{{", "}}}"}, {"{{", "}}"}, {"{%", "%}"}, {"{#", "#}"}, {"<%", "%>"}} {
		if s.has(i, c[0]) {
			if end := s.find(c[1], i+len(c[0])); end >= 0 && end-i < 500 && strings.IndexByte(s.text[i:end], '\n') < 0 {
				return end + len(c[1])
			}
		}
	}
	return 0
}

// slot is [NAME], in capitals: something to be filled in. [NAME](…) is a link, and a phrase is text.
func slot(s *scanner, i int) int {
	at := i + 1
	if s.at(at) == '!' { // [!NOTE]
		at++
	}
	end := s.run(at, upper|digit|under, "-")
	if end-at < 2 || classes[s.at(at)]&upper == 0 || s.at(end) != ']' || s.at(end+1) == '(' || s.at(end+1) == '[' || s.letterBefore(i) {
		return 0
	}
	return end + 1
}

// jsonValue is an object or an array with a string in it, as JSON or Python write it, in one line or several.
func jsonValue(s *scanner, i int) int {
	if i < s.jsonTried {
		return 0 // inside one that is none
	}
	first := s.skipSpace(i + 1)
	if c := s.at(first); c != '"' && c != '\'' && c != '{' && c != '[' || s.letterBefore(i) {
		return 0
	}
	if s.text[i] == '{' && s.at(first) == '{' {
		return 0
	}
	var depth []byte
	colon, str, many := false, false, false
	at := i
	fail := func() int {
		s.jsonTried = at
		return 0
	}
	for ; at < len(s.text); at++ {
		switch c := s.text[at]; {
		case c == '{':
			depth = append(depth, '}')
		case c == '[':
			depth = append(depth, ']')
		case c == '}' || c == ']':
			if depth[len(depth)-1] != c {
				return fail()
			}
			if depth = depth[:len(depth)-1]; len(depth) == 0 {
				if str && (colon || s.text[i] == '[' && (many || strings.IndexByte(s.text[i:at], ' ') < 0)) {
					return at + 1
				}
				return fail()
			}
		case c == '"' || c == '\'':
			str = true
			for at++; at < len(s.text) && s.text[at] != c; at++ {
				if s.text[at] == '\\' {
					at++
				}
			}
			// Behind a string only these can follow.
			if k := s.skipSpace(at + 1); k >= len(s.text) || strings.IndexByte(",:]}", s.text[k]) < 0 {
				at = min(at, len(s.text))
				return fail()
			}
		case c == ':':
			colon = true
		case c == ',':
			many = true
		case classes[c]&letter != 0:
			end := s.run(at, ident, "")
			switch s.text[at:end] {
			case "true", "false", "null", "True", "False", "None", "NaN", "e", "E":
			default:
				return fail()
			}
			at = end - 1
		case classes[c]&digit != 0 || strings.IndexByte(", \t\r\n.+-", c) >= 0:
		default:
			return fail()
		}
	}
	return fail()
}
