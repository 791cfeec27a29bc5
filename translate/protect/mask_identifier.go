package protect

import (
	"slices"
	"strings"
)

// identifier is a name of a programming language: snake_case, CONSTANT_NAME, camelCase, GetParameterName, obj.method,
// com.sun.star.util.X, a::b, a->b, f(). Two capitals in a word (LibreOffice, JavaScript) make a product as often as an identifier,
// and capitals alone (API) an acronym: these are text.
func identifier(s *scanner, i int, w word) int {
	if w.class&other != 0 || s.latinBefore(i) {
		return 0
	}
	end, sure := i, false
	if e, ok := s.dottedAt(i, w); e > 0 {
		end, sure = e, ok
	} else if i < s.dotted && i != s.dottedStart {
		return 0
	} else {
		end, sure = w.end, isIdentifier(s.text[i:w.end])
	}
	name := s.text[i:end]
	if s.at(end) == '(' {
		if e := s.call(i, end, sure); e > 0 {
			return s.members(e)
		}
		if sure || s.signature(name) {
			return end
		}
		return 0
	}
	if !sure {
		return 0
	}
	return end
}

// dottedAt is the end of a run of names joined by ., :: and ->, and whether that is surely a name of a program. Each run is looked
// at once, from its beginning.
func (s *scanner) dottedAt(i int, w word) (end int, sure bool) {
	if i < s.dotted {
		return 0, false
	}
	end = w.end
	parts, strong := 1, false
	for {
		next := end
		switch {
		case s.at(end) == '.' && s.at(end+1) != '.':
			next++
		case s.has(end, "::"):
			next, strong = next+2, true
		case s.has(end, "->"):
			next, strong = next+2, true
		}
		if next == end || classes[s.at(next)]&(letter|under) == 0 && !(classes[s.at(next)]&digit != 0 && classes[s.text[i]]&letter != 0) {
			break
		}
		v := s.wordAt(next)
		if v.class&other != 0 {
			break
		}
		end = v.end
		parts++
	}
	if parts == 1 {
		return 0, false
	}
	s.dottedStart, s.dotted = i, end
	return end, strong && classes[s.text[i]]&letter != 0 || isDotted(s.text[i:end], s.at(end) == '(')
}

// isDotted says whether names joined by full stops are a name of a program and not the end of a sentence without a space behind
// it ("end.Next"), an abbreviation ("e.g", "U.S.A"), or a number.
func isDotted(name string, call bool) bool {
	labels := strings.Split(name, ".")
	if len(labels) > 64 {
		return true
	}
	single, capitals, strong := 0, 0, false
	for k, l := range labels {
		switch {
		case classes[l[0]]&digit != 0 && k == 0:
			return false
		case len(l) == 1:
			single++
		}
		if l == strings.ToUpper(l) {
			capitals++
		}
		strong = strong || isIdentifier(l) && !(k == 0 && len(labels) == 2 && !call && classes[labels[1][0]]&upper != 0)
	}
	first, last := labels[0], labels[len(labels)-1]
	switch {
	case single == len(labels):
		return false
	case strong || call:
		return true
	case slices.Contains(abbreviations, strings.ToLower(first)):
		return false
	case capitals == len(labels): // GAMMA.INV, NORM.S.DIST
		return len(first) > 1 && (len(last) > 1 || len(labels) > 2)
	case single > 0:
		return false
	case len(labels) > 2:
		return true
	}
	// foo.bar, System.out; but neither end.Next nor Yes.No.
	return classes[last[0]]&lower != 0
}

// abbreviations that end in a full stop, behind which a space was forgotten.
var abbreviations = []string{
	"al", "approx", "apt", "ca", "cf", "ch", "co", "corp", "dept", "dr", "ed", "eds", "eg", "eq", "esp", "etc", "ext", "fig", "ie", "inc",
	"jr", "ltd", "mr", "mrs", "ms", "no", "nr", "op", "p", "par", "pp", "prof", "resp", "sec", "sr", "st", "viz", "vol", "vs",
}

// isIdentifier says whether one word is a name of a program by its shape.
func isIdentifier(w string) bool {
	inner := strings.Trim(w, "_")
	if inner == "" {
		return false
	}
	if strings.IndexByte(inner, '_') >= 0 {
		return strings.IndexFunc(inner, func(r rune) bool { return classes[byte(r)]&letter != 0 }) >= 0
	}
	if w != inner && strings.HasPrefix(w, "__") && strings.HasSuffix(w, "__") {
		return dunder[inner]
	}
	// Humps: a capital behind a small letter.
	humps, lowers := 0, 0
	for k := 1; k < len(inner); k++ {
		if classes[inner[k]]&upper != 0 && classes[inner[k-1]]&lower != 0 {
			humps++
		}
	}
	for k := range len(inner) {
		if classes[inner[k]]&lower != 0 {
			lowers++
		}
	}
	if classes[inner[0]]&lower != 0 {
		if humps == 1 && (inner[0] == 'i' || inner[0] == 'e') && classes[inner[1]]&upper != 0 {
			return false // iPhone, eBook
		}
		return humps > 0 && len(inner) > 3 && lowers > 1
	}
	// ExecuteBasicScript; LibreOffice and iPhone are fewer.
	return humps > 1 && lowers > 3
}

// dunder are names of Python between double underscores, which Markdown would take for bold.
var dunder = func() map[string]bool {
	t := map[string]bool{}
	for _, n := range strings.Fields(`add all author bool call class contains copy del delitem dict doc enter eq exit file format
		future ge getattr getitem gt hash init iter le len lt main missing module mul name ne new next package path post_init pycache
		reduce repr reversed setattr setitem slots str sub version`) {
		t[n] = true
	}
	return t
}()

// members is the end of what is called on the value of a call that ends at i: f().name, f().g(x).
func (s *scanner) members(i int) int {
	for s.at(i) == '.' && classes[s.at(i+1)]&(letter|under) != 0 {
		next := s.run(i+1, ident, "")
		i = next
		if s.at(next) == '(' {
			e := s.call(next, next, true)
			if e == 0 {
				break
			}
			i = e
		}
	}
	return i
}

// signature says whether a name that parentheses follow is one of a function although the parentheses hold text: SUM(Number; Count).
func (s *scanner) signature(name string) bool {
	return len(name) > 1 && strings.IndexFunc(name, func(r rune) bool { return classes[byte(r)]&(lower|under) != 0 }) < 0 &&
		strings.IndexFunc(name, func(r rune) bool { return classes[byte(r)]&upper != 0 }) >= 0
}

// longestCall bounds what stands between the parentheses of a call, in bytes.
const longestCall = 400

// call is the end of name(…) if nothing between the parentheses is to be translated: literals, names of programs, cells, single
// letters. sure says that name is a name of a program anyway; "word(s)" is a word, so that others need a reason.
func (s *scanner) call(i, open int, sure bool) int {
	end := s.partner(open)
	if end == 0 || end-open > longestCall {
		return 0
	}
	if end == open+1 {
		return end + 1 // f()
	}
	if open < s.prose && s.prose < end {
		return 0
	}
	reason := sure || s.signature(s.text[i:open])
	for at := open + 1; at < end; {
		c := s.text[at]
		switch {
		case c == '"' || c == '\'':
			k := strings.IndexByte(s.text[at+1:end], c)
			if k < 0 {
				return 0
			}
			reason = true
			at += k + 2
		case classes[c]&(letter|under) != 0:
			v := s.wordAt(at)
			w := s.text[at:min(v.end, end)]
			switch {
			case v.class&other != 0:
				s.prose = at
				return 0
			case isIdentifier(w) || v.class&digit != 0:
				reason = true
			case len(w) == 1 || isLiteral(w) || s.at(v.end) == '(' || s.at(v.end) == '=' || s.at(v.end) == '.' && classes[s.at(v.end+1)]&letter != 0 || i > 0 && v.end-at > 1 && s.text[at-1] == '.':
			default:
				s.prose = at
				return 0
			}
			at = v.end
		case c == ',' || c == ';' || c == '=':
			reason = true
			at++
		case c >= 0x80:
			s.prose = at
			return 0
		default:
			at++
		}
	}
	if !reason {
		return 0
	}
	return end + 1
}

func isLiteral(w string) bool {
	switch w {
	case "true", "false", "null", "nil", "none", "self", "this", "True", "False", "None", "TRUE", "FALSE", "NULL", "str", "int", "bool":
		return true
	}
	return false
}

// methodCall is .name(…), a method without its object.
func methodCall(s *scanner, i int) int {
	if s.letterBefore(i) || i > 0 && strings.IndexByte(".)]", s.text[i-1]) >= 0 || classes[s.at(i+1)]&(letter|under) == 0 {
		return 0
	}
	end := s.run(i+1, ident, "")
	if s.at(end) != '(' {
		return 0
	}
	return s.call(i+1, end, true)
}

// option is an option of a command line, --name or --name=value, or letters behind one hyphen: -x, -xzf.
func option(s *scanner, i int) int {
	if classes[s.at(i+1)]&letter != 0 {
		return s.letters(i)
	}
	if s.at(i+1) != '-' || classes[s.at(i+2)]&letter == 0 || s.letterBefore(i) || i > 0 && s.text[i-1] == '-' {
		return 0
	}
	end := s.run(i+2, alnum, "-_")
	if s.text[end-1] == '-' {
		return 0 // "he --as ever-- left"
	}
	if s.at(end) == '=' && s.letterAt(end+1) {
		end = s.pathEnd(end + 1)
	}
	return end
}

// letters is -x or -xzf behind white space: one or two letters, or up to five without a vowel, that are no word. "He left -as ever-"
// has none.
func (s *scanner) letters(i int) int {
	if i > 0 && !s.spaceAt(i-1) {
		return 0
	}
	end := s.run(i+1, letter, "")
	name := strings.ToLower(s.text[i+1 : end])
	if len(name) > 5 || len(name) > 2 && strings.ContainsAny(name, "aeiou") || s.letterAt(end) || s.at(end) == '-' || s.at(end) == '_' || slices.Contains(shortWords, name) {
		return 0
	}
	return end
}

// shortWords may stand behind a hyphen that is meant as a dash.
var shortWords = []string{
	"a", "ah", "am", "an", "as", "at", "be", "by", "do", "go", "he", "hi", "i", "if", "in", "is", "it", "me", "my", "no", "of", "oh", "ok", "on", "or",
	"so", "to", "up", "us", "we", "ye",
	"d", "de", "el", "en", "es", "et", "eu", "il", "la", "le", "lo", "ne", "o", "os", "se", "si", "su", "te", "tu", "un", "y",
}

// assignment is name=value and a formula written without spaces: x=5, y=a*ln(x)+b, size="two words", n+=1.
func assignment(s *scanner, i int, w word) int {
	if classes[s.text[i]]&digit != 0 || s.latinBefore(i) || i > 0 && strings.IndexByte("<&?/=.", s.text[i-1]) >= 0 {
		return 0
	}
	at := s.run(w.end, 0, "+-*/")
	if at-w.end > 1 || s.at(at) != '=' {
		return 0
	}
	for at++; s.at(at) == '='; at++ {
	}
	start := at
	if s.at(start) == '>' || strings.IndexByte("\"'({[-+$%#<", s.at(start)) < 0 && !s.letterAt(start) {
		return 0
	}
scan:
	for at < len(s.text) && !s.spaceAt(at) {
		switch c := s.text[at]; c {
		case '(', '[', '{':
			end := s.partner(at)
			if end == 0 || end-at > longestCall || strings.IndexByte(s.text[at:end], '\n') >= 0 {
				break scan
			}
			at = end
		case ')', ']', '}', '<', '|', '`':
			break scan
		case '"', '\'':
			end := strings.IndexByte(s.text[at+1:min(len(s.text), at+longestCall)], c)
			if end < 0 {
				break scan
			}
			if at += end + 1; !s.letterAt(at + 1) {
				return at + 1
			}
		}
		at++
	}
	if at = s.trim(start, at); at == start {
		return 0
	}
	return at
}

// formula is a formula of a spreadsheet: =SUM(A1:B2), =A1*2. Its strings are part of it.
func formula(s *scanner, i int) int {
	if s.letterBefore(i) || i > 0 && strings.IndexByte("=<>!:+-*/)]", s.text[i-1]) >= 0 {
		return 0
	}
	end, cells := i+1, false
	for end < len(s.text) {
		c := s.text[end]
		switch {
		case c == '(' || c == '{':
			p := s.partner(end)
			if p == 0 || p-i > 1000 {
				return 0
			}
			if c == '(' && end > i+1 && classes[s.text[end-1]]&(upper|digit) != 0 || c == '{' {
				cells = true
			}
			end = p
		case classes[c]&(upper|digit) != 0:
			v := s.wordAt(end)
			if classes[c]&upper != 0 && v.class&^(upper|digit) == 0 && v.class&digit != 0 {
				cells = true
			}
			end = v.end - 1
		case classes[c] != 0 || strings.IndexByte("$+-*/^&<>=:.!;%\"", c) >= 0:
		default:
			goto out
		}
		end++
	}
out:
	for end = s.trim(i+1, end); end > i+1 && strings.IndexByte("=+-*/^&<>$%", s.text[end-1]) >= 0; end-- {
	}
	if !cells || end == i+1 {
		return 0
	}
	return end
}

// cells are references to cells of a spreadsheet: A1:B2, $A$1, $Sheet1.$B$3:$B$14. One relative cell alone (A1) looks like a
// size of paper, a key, a road.
func cells(s *scanner, i int) int {
	if s.letterBefore(i) {
		return 0
	}
	end := i
	for n := 0; n < 2; n++ {
		at := end
		if n == 1 {
			if s.at(at) != ':' {
				break
			}
			at++
		}
		// The sheet.
		k := s.dollar(at)
		for k-at < 60 && classes[s.at(k)] != 0 {
			k++
		}
		if s.at(k) == '.' && (s.at(k+1) == '$' || classes[s.at(k+1)]&upper != 0) {
			at = k + 1
		}
		column := s.dollar(at)
		k = column
		for k-column < 4 && classes[s.at(k)]&upper != 0 {
			k++
		}
		row := s.dollar(k)
		stop := row
		for stop-row < 8 && classes[s.at(stop)]&digit != 0 {
			stop++
		}
		if k == column || k-column > 3 || stop == row || s.letterAt(stop) {
			break
		}
		end = stop
	}
	if end == i || s.text[i] != '$' && strings.IndexByte(s.text[i:end], ':') < 0 { // A$6 is money of Australia
		return 0
	}
	return end
}

// dollar is i behind the dollar there, if there is one.
func (s *scanner) dollar(i int) int {
	if s.at(i) == '$' {
		return i + 1
	}
	return i
}

func cellWord(s *scanner, i int, w word) int {
	if classes[s.text[i]]&upper == 0 || w.class&other != 0 || strings.IndexByte(":.$", s.at(w.end)) < 0 || s.at(w.end) == 0 {
		return 0
	}
	return cells(s, i)
}

// cellError is what a spreadsheet shows in place of a value.
func cellError(s *scanner, i int) int {
	for _, e := range [...]string{"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"} {
		if s.has(i, e) {
			return i + len(e)
		}
	}
	return 0
}
