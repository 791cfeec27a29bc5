package protect

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// latexDelimited is \(…\), \[…\] and $$…$$, if what is between is a formula: \[citation needed\] is an escaped bracket.
func latexDelimited(s *scanner, i int) int {
	switch {
	case s.has(i, `\(`):
		return s.formulaTo(i+2, `\)`)
	case s.has(i, `\[`):
		return s.formulaTo(i+2, `\]`)
	case s.has(i, "$$") && (i == 0 || s.text[i-1] != '\\'):
		return s.formulaTo(i+2, "$$")
	}
	return 0
}

// longestFormula bounds what lies between delimiters, in bytes; more is two delimiters that do not belong together.
const longestFormula = 4096

func (s *scanner) formulaTo(i int, closer string) int {
	end := s.find(closer, i)
	if end <= i || end-i > longestFormula || strings.Contains(s.text[i:end], "\n\n") {
		return 0
	}
	inner := s.text[i:end]
	if strings.ContainsAny(inner, mathSigns) || longestWord(inner) < 2 {
		return end + len(closer)
	}
	return 0
}

// mathSigns are what tells a formula from words between dollars.
const mathSigns = `\^_{}=+<>`

// longestWord is the length in letters of the longest run of letters.
func longestWord(s string) int {
	longest, n := 0, 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
			longest = max(longest, n)
		} else {
			n = 0
		}
	}
	return longest
}

// latexDollar is $…$ by the rule that tells it from money: nothing white behind the opening dollar and before the closing one, no
// digit behind the closing one, no line feed inside, and inside a sign of mathematics or nothing but one piece such as x, 2x, f(x).
func latexDollar(s *scanner, i int) int {
	if i > 0 && (s.text[i-1] == '$' || s.text[i-1] == '\\') || s.at(i+1) == '$' || s.spaceAt(i+1) {
		return 0
	}
	end := i + 1
	for ; ; end++ {
		if end >= len(s.text) || s.text[end] == '\n' || end-i > longestFormula {
			return 0
		}
		if s.text[end] == '\\' {
			end++
		} else if s.text[end] == '$' {
			break
		}
	}
	if end == i+1 || end >= len(s.text) || classes[s.at(end+1)]&digit != 0 {
		return 0
	}
	if r, _ := utf8.DecodeLastRuneInString(s.text[:end]); unicode.IsSpace(r) {
		return 0
	}
	inner := s.text[i+1 : end]
	if strings.ContainsAny(inner, mathSigns) {
		// "$5+ and 10$" is money.
		if classes[inner[0]]&digit != 0 && !strings.ContainsAny(inner, `\^_{`) && spacedWord(inner) {
			return 0
		}
		return end + 1
	}
	if s.letterBefore(i) || s.letterAt(end+1) {
		return 0
	}
	// One piece: no white space, and no more letters together than f(x) or AB have.
	if strings.IndexFunc(inner, unicode.IsSpace) < 0 && longestWord(inner) <= 2 {
		return end + 1
	}
	return 0
}

// spacedWord says whether a word of two small letters or more stands behind a space.
func spacedWord(s string) bool {
	for i := 0; i+2 < len(s); i++ {
		if s[i] == ' ' && classes[s[i+1]] == lower && classes[s[i+2]] == lower {
			return true
		}
	}
	return false
}

// latexEnvironment is \begin{name} … \end{name}, others of the same name inside.
func latexEnvironment(s *scanner, i int) int {
	if !s.has(i, `\begin{`) {
		return 0
	}
	if s.envs == nil {
		s.envs = map[int]int{}
		open := map[string][]int{}
		for at := i; ; {
			k := strings.IndexByte(s.text[at:], '\\')
			if k < 0 {
				break
			}
			at += k
			if name, ok := braced(s.text[at:], `\begin{`); ok {
				open[name] = append(open[name], at)
			} else if name, ok := braced(s.text[at:], `\end{`); ok && len(open[name]) > 0 {
				last := len(open[name]) - 1
				s.envs[open[name][last]] = at + len(`\end{`) + len(name) + 1
				open[name] = open[name][:last]
			}
			at++
		}
	}
	return s.envs[i]
}

// braced is the name in prefix + name + "}".
func braced(s, prefix string) (string, bool) {
	if !strings.HasPrefix(s, prefix) {
		return "", false
	}
	s = s[len(prefix):min(len(s), len(prefix)+40)]
	name, _, ok := strings.Cut(s, "}")
	return name, ok && name != "" && !strings.ContainsAny(name, "{\\\n")
}

// formatting are the LaTeX commands whose argument is read as text.
var formatting = []string{
	"caption", "chapter", "emph", "footnote", "paragraph", "section", "subsection", "subsubsection", "textbf", "textit",
	"textrm", "textsc", "textsf", "texttt", "title", "underline",
}

// latexCommand is \name with its arguments in brackets. Of formatting commands only \name{ and the } are protected: what is
// between is text.
func latexCommand(s *scanner, i int) int {
	if s.text[i] == '}' {
		for n := len(s.closers); n > 0 && s.closers[n-1] <= i; n-- {
			last := s.closers[n-1]
			s.closers = s.closers[:n-1]
			if last == i {
				return i + 1
			}
		}
		return 0
	}
	if i > 0 && (s.text[i-1] == '\\' || classes[s.text[i-1]]&letter != 0) {
		return 0
	}
	end := s.run(i+1, letter, "")
	if end == i+1 {
		return 0
	}
	name := s.text[i+1 : end]
	if s.at(end) == '*' && s.at(end+1) == '{' {
		end++
	}
	if slices.Contains(formatting, name) && s.at(end) == '{' && s.partner(end) > 0 {
		if n := len(s.closers); n == 0 || s.closers[n-1] > s.partner(end) {
			s.closers = append(s.closers, s.partner(end))
			return end + 1
		}
	}
	for s.at(end) == '{' || s.at(end) == '[' {
		p := s.partner(end)
		if p == 0 {
			break
		}
		end = p + 1
	}
	// An exponent or index belongs to it: \sum_{i=1}^n.
	for s.at(end) == '_' || s.at(end) == '^' {
		if s.at(end+1) == '{' && s.partner(end+1) > 0 {
			end = s.partner(end+1) + 1
		} else if classes[s.at(end+1)]&alnum != 0 {
			end += 2
		} else {
			break
		}
	}
	return end
}

// escape is what stands for a character in strings, or several of them: \n, \x1b, \u00e9, \033.
func escape(s *scanner, i int) int {
	end := 0
	for at := i; s.at(at) == '\\'; at = end {
		next := s.escapeAt(at)
		if next == 0 || at > i && next < at {
			break
		}
		end = next
	}
	return end
}

func (s *scanner) escapeAt(i int) int {
	if i > 0 && (s.text[i-1] == '\\' || classes[s.text[i-1]]&letter != 0 && s.at(i-2) != '\\') {
		return 0
	}
	hex := 0
	switch c := s.at(i + 1); {
	case c == 'x':
		hex = 2
	case c == 'u':
		hex = 4
	case c == 'U':
		hex = 8
	case '0' <= c && c <= '7':
		return s.run(i+1, digit, "")
	case c != 0 && strings.IndexByte("abfnrtv", c) >= 0 && !s.letterAt(i+2):
		return i + 2
	}
	if hex == 0 || i+2+hex > len(s.text) || !isHex(s.text[i+2:i+2+hex]) {
		return 0
	}
	return i + 2 + hex
}

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; classes[s[i]]&digit == 0 && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
