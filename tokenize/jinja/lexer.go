package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tEnd tokenKind = iota
	tData
	tVariableBegin
	tVariableEnd
	tBlockBegin
	tBlockEnd
	tName
	tString
	tNumber
	tOperator
)

type token struct {
	kind  tokenKind
	line  int
	text  string // of data, names, strings and operators
	value Value  // of numbers
}

// lexer cuts a template into tokens, as jinja2's lexer.py does with trim_blocks and lstrip_blocks.
type lexer struct {
	source string
	pos    int
	line   int
	// state is what the lexer is in: tEnd for text, or tVariableBegin or tBlockBegin.
	state tokenKind
	// lineStart says that what was read last ended with a newline.
	lineStart bool
	open      []byte // the closing brackets that are still to come
	pending   []token
}

func newLexer(source string) *lexer {
	if strings.Contains(source, "\r") {
		source = strings.ReplaceAll(source, "\r\n", "\n")
		source = strings.ReplaceAll(source, "\r", "\n")
	}
	// One newline at the end of a template is not part of it.
	return &lexer{source: strings.TrimSuffix(source, "\n"), line: 1, lineStart: true}
}

func (l *lexer) next() token {
	for {
		if len(l.pending) > 0 {
			t := l.pending[0]
			l.pending = l.pending[1:]
			return t
		}
		if l.state != tEnd {
			if t, ok := l.inside(); ok {
				return t
			}
			continue
		}
		if l.pos >= len(l.source) {
			return token{kind: tEnd, line: l.line}
		}
		l.root()
	}
}

// advance moves behind n bytes.
func (l *lexer) advance(n int) string {
	s := l.source[l.pos : l.pos+n]
	l.pos += n
	l.line += strings.Count(s, "\n")
	if n > 0 {
		l.lineStart = s[n-1] == '\n'
	}
	return s
}

// data takes n bytes of text in front of a tag; sign is what the tag says about whitespace, and lstrip whether the
// tag is one that takes the blanks in front of it along when it stands first in its line.
func (l *lexer) data(n int, sign byte, lstrip bool) {
	line, start := l.line, l.lineStart
	t := l.advance(n)
	switch {
	case sign == '-':
		t = strings.TrimRightFunc(t, isSpace)
	case sign != '+' && lstrip:
		from := strings.LastIndexByte(t, '\n') + 1
		if (from > 0 || start) && from < len(t) && strings.TrimLeftFunc(t[from:], isSpace) == "" {
			t = t[:from]
		}
	}
	if t != "" {
		l.pending = append(l.pending, token{kind: tData, line: line, text: t})
	}
}

func signAt(s string) byte {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[0]
	}
	return 0
}

// root reads text up to the next tag, and the tag's beginning.
func (l *lexer) root() {
	rest := l.source[l.pos:]
	for from := 0; ; {
		i := strings.IndexByte(rest[from:], '{')
		if i < 0 || from+i+1 >= len(rest) {
			l.data(len(rest), '+', false)
			return
		}
		at := from + i
		tag := rest[at+2:]
		sign := signAt(tag)
		switch rest[at+1] {
		case '%':
			if n := rawTag(rest[at:], "raw"); n > 0 {
				l.data(at, sign, true)
				l.advance(n)
				l.raw()
				return
			}
			l.data(at, sign, true)
			l.begin(tBlockBegin, sign)
			return
		case '{':
			l.data(at, sign, false)
			l.begin(tVariableBegin, sign)
			return
		case '#':
			l.data(at, sign, true)
			l.advance(2)
			if sign != 0 {
				l.advance(1)
			}
			l.comment()
			return
		}
		from = at + 1
	}
}

func (l *lexer) begin(kind tokenKind, sign byte) {
	l.pending = append(l.pending, token{kind: kind, line: l.line})
	l.advance(2)
	if sign != 0 {
		l.advance(1)
	}
	l.state = kind
}

// spaces is how many bytes of whitespace s starts with.
func spaces(s string) int { return len(s) - len(strings.TrimLeftFunc(s, isSpace)) }

// rawTag is the length of the tag {% name %} that s starts with, or 0. The tag raw does not take the newline behind
// it along.
func rawTag(s, name string) int {
	i := 2
	if signAt(s[i:]) != 0 {
		i++
	}
	i += spaces(s[i:])
	if !strings.HasPrefix(s[i:], name) {
		return 0
	}
	i += len(name)
	i += spaces(s[i:])
	switch {
	case strings.HasPrefix(s[i:], "-%}"):
		i += 3
		return i + spaces(s[i:])
	case strings.HasPrefix(s[i:], "+%}") && name == "endraw":
		return i + 3
	case strings.HasPrefix(s[i:], "%}"):
		i += 2
		if name == "endraw" && strings.HasPrefix(s[i:], "\n") {
			i++
		}
		return i
	}
	return 0
}

// raw reads up to and with {% endraw %}.
func (l *lexer) raw() {
	rest := l.source[l.pos:]
	for from := 0; ; {
		i := strings.Index(rest[from:], "{%")
		if i < 0 {
			raise(l.line, "Missing end of raw directive")
		}
		at := from + i
		if n := rawTag(rest[at:], "endraw"); n > 0 {
			l.data(at, signAt(rest[at+2:]), true)
			l.advance(n)
			return
		}
		from = at + 2
	}
}

func (l *lexer) comment() {
	rest := l.source[l.pos:]
	i := strings.Index(rest, "#}")
	if i < 0 {
		raise(l.line, "Missing end of comment tag")
	}
	n := i + 2
	switch {
	case i > 0 && rest[i-1] == '-':
		n += spaces(rest[n:])
	case i > 0 && rest[i-1] == '+':
	case strings.HasPrefix(rest[n:], "\n"):
		n++
	}
	l.advance(n)
}

// inside reads one token of a tag; it is not ok where there was only whitespace.
func (l *lexer) inside() (token, bool) {
	rest := l.source[l.pos:]
	if len(l.open) == 0 {
		if n, ok := l.tagEnd(rest); ok {
			kind := tVariableEnd
			if l.state == tBlockBegin {
				kind = tBlockEnd
			}
			t := token{kind: kind, line: l.line}
			l.advance(n)
			l.state = tEnd
			return t, true
		}
	}
	if rest == "" {
		l.state = tEnd
		return token{}, false
	}
	if n := spaces(rest); n > 0 {
		l.advance(n)
		return token{}, false
	}
	line := l.line
	if n, isFloat := l.number(rest); n > 0 {
		return token{kind: tNumber, line: line, value: numeral(line, l.advance(n), isFloat)}, true
	}
	c, _ := utf8.DecodeRuneInString(rest)
	if isWord(c) {
		n := len(rest)
		if i := strings.IndexFunc(rest, func(c rune) bool { return !isWord(c) }); i >= 0 {
			n = i
		}
		name := l.advance(n)
		if !isIdentifier(name) {
			raise(line, "Invalid character in identifier")
		}
		return token{kind: tName, line: line, text: name}, true
	}
	if c == '\'' || c == '"' {
		for i := 1; i < len(rest); i++ {
			if rest[i] == '\\' {
				i++
			} else if rest[i] == byte(c) {
				body := unescape(line, rest[1:i])
				l.advance(i + 1)
				return token{kind: tString, line: line, text: body}, true
			}
		}
	}
	return l.operator(rest, line), true
}

// tagEnd is the length of the end of the tag the lexer is in, with the whitespace that goes along with it.
func (l *lexer) tagEnd(rest string) (int, bool) {
	if l.state == tVariableBegin {
		switch {
		case strings.HasPrefix(rest, "-}}"):
			return 3 + spaces(rest[3:]), true
		case strings.HasPrefix(rest, "}}"):
			return 2, true
		}
		return 0, false
	}
	switch {
	case strings.HasPrefix(rest, "+%}"):
		return 3, true
	case strings.HasPrefix(rest, "-%}"):
		return 3 + spaces(rest[3:]), true
	case strings.HasPrefix(rest, "%}\n"):
		return 3, true
	case strings.HasPrefix(rest, "%}"):
		return 2, true
	}
	return 0, false
}

func (l *lexer) operator(rest string, line int) token {
	n := 0
	if len(rest) > 1 {
		switch rest[:2] {
		case "//", "**", "==", "!=", ">=", "<=":
			n = 2
		}
	}
	if n == 0 && strings.IndexByte("+-/*%~[](){}><=.:|,;", rest[0]) >= 0 {
		n = 1
	}
	if n == 0 {
		c, _ := utf8.DecodeRuneInString(rest)
		raise(line, "unexpected char %q", c)
	}
	op := l.advance(n)
	switch op {
	case "(":
		l.open = append(l.open, ')')
	case "[":
		l.open = append(l.open, ']')
	case "{":
		l.open = append(l.open, '}')
	case ")", "]", "}":
		if len(l.open) == 0 {
			raise(line, "unexpected '%s'", op)
		}
		if want := l.open[len(l.open)-1]; want != op[0] {
			raise(line, "unexpected '%s', expected '%c'", op, want)
		}
		l.open = l.open[:len(l.open)-1]
	}
	return token{kind: tOperator, line: line, text: op}
}

// digitRun is the length of digits with single underscores between them.
func digitRun(s string, is func(c byte) bool) int {
	n := 0
	for n < len(s) {
		switch {
		case is(s[n]):
			n++
		case s[n] == '_' && n > 0 && n+1 < len(s) && is(s[n+1]):
			n += 2
		default:
			return n
		}
	}
	return n
}

func isDecimal(c byte) bool { return c >= '0' && c <= '9' }

// number is the length of the number that s starts with, or 0.
func (l *lexer) number(s string) (n int, isFloat bool) {
	whole := digitRun(s, isDecimal)
	if whole == 0 {
		return 0, false
	}
	if l.pos == 0 || l.source[l.pos-1] != '.' {
		n := whole
		if n+1 < len(s) && s[n] == '.' {
			if k := digitRun(s[n+1:], isDecimal); k > 0 {
				n += 1 + k
			}
		}
		if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
			k := n + 1
			if k < len(s) && (s[k] == '+' || s[k] == '-') {
				k++
			}
			if m := digitRun(s[k:], isDecimal); m > 0 {
				return k + m, true
			}
		}
		if n > whole {
			return n, true
		}
	}
	if s[0] == '0' {
		if len(s) > 1 {
			var is func(c byte) bool
			switch s[1] | 0x20 {
			case 'b':
				is = func(c byte) bool { return c == '0' || c == '1' }
			case 'o':
				is = func(c byte) bool { return c >= '0' && c <= '7' }
			case 'x':
				is = func(c byte) bool { return isDecimal(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
			}
			if is != nil {
				from := 2
				if len(s) > 2 && s[2] == '_' {
					from = 3
				}
				if k := digitRun(s[from:], is); k > 0 {
					return from + k, false
				}
			}
		}
		// A zero with zeros behind it; other digits are the next number, and then the template is wrong.
		return digitRun(s, func(c byte) bool { return c == '0' }), false
	}
	return whole, false
}

func numeral(line int, s string, isFloat bool) Value {
	s = strings.ReplaceAll(s, "_", "")
	if isFloat {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !isRange(err) {
			raise(line, "%q is no number", s)
		}
		return float(f)
	}
	if len(s) > maxIntDigits {
		raise(line, "an integer of more than %d digits", maxIntDigits)
	}
	if strings.Trim(s, "0") == "" {
		s = "0"
	}
	n, ok := new(big.Int).SetString(s, 0)
	if !ok {
		raise(line, "%q is no number", s)
	}
	return bigInt(n)
}

// isWord says whether a character may stand in a name, as far as the lexer cares: \w of Python and what joins words.
func isWord(c rune) bool {
	if c < utf8.RuneSelf {
		return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	}
	return c == '·' || unicode.IsLetter(c) || unicode.IsNumber(c) || unicode.IsMark(c)
}

func isIdentifier(s string) bool {
	for i, c := range s {
		if c == '_' || isLetter(c) || unicode.Is(unicode.Nl, c) {
			continue
		}
		if i == 0 || !unicode.In(c, unicode.Nd, unicode.Mn, unicode.Mc, unicode.Pc) && c != '·' {
			return false
		}
	}
	return s != ""
}

// unescape is the text of a string literal: Python's unicode-escape codec over the ASCII form that has \x, \u and \U
// for all other characters.
func unescape(line int, s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for s != "" {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			b = append(b, s...)
			break
		}
		b = append(b, s[:i]...)
		s = s[i+1:]
		c, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		switch c {
		case '\n':
		case '\\', '\'', '"':
			b = append(b, byte(c))
		case 'a':
			b = append(b, '\a')
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'v':
			b = append(b, '\v')
		case '0', '1', '2', '3', '4', '5', '6', '7':
			code := c - '0'
			for k := 0; k < 2 && s != "" && s[0] >= '0' && s[0] <= '7'; k++ {
				code = code*8 + rune(s[0]-'0')
				s = s[1:]
			}
			b = utf8.AppendRune(b, code)
		case 'x', 'u', 'U':
			digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c]
			if len(s) < digits {
				raise(line, "truncated \\%c escape", c)
			}
			code, err := strconv.ParseUint(s[:digits], 16, 32)
			if err != nil || s[0] == '+' || s[0] == '-' {
				raise(line, "truncated \\%c escape", c)
			}
			if code > unicode.MaxRune {
				raise(line, "illegal Unicode character")
			}
			if code >= 0xd800 && code < 0xe000 {
				raise(line, "\\%c%s is half a surrogate pair, which is no text", c, s[:digits])
			}
			b = utf8.AppendRune(b, rune(code))
			s = s[digits:]
		case 'N':
			raise(line, "names of characters (\\N{...}) are not supported; write the character")
		default:
			b = append(b, '\\')
			if c < utf8.RuneSelf {
				b = append(b, byte(c))
			} else {
				// In the ASCII form, which Python decodes, the \ has eaten that of the character's own escape.
				b = append(b, appendRuneEscape(nil, c)[1:]...)
			}
		}
	}
	return string(b)
}
