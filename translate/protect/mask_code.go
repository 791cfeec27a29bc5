package protect

import (
	"strings"
	"unicode/utf8"
)

// uuid is 8-4-4-4-12 hexadecimal digits (RFC 9562).
func uuid(s *scanner, i int, w word) int {
	if w.end-i != 8 || s.at(w.end) != '-' || s.letterBefore(i) || i+36 > len(s.text) {
		return 0
	}
	for k := 0; k < 36; k++ {
		c := s.text[i+k]
		if k == 8 || k == 13 || k == 18 || k == 23 {
			if c != '-' {
				return 0
			}
		} else if !isHex(s.text[i+k : i+k+1]) {
			return 0
		}
	}
	if s.letterAt(i + 36) {
		return 0
	}
	return i + 36
}

// hexNumber is 16 hexadecimal digits or more, letters and digits among them, or 0x and any.
func hexNumber(s *scanner, i int, w word) int {
	if s.letterBefore(i) || w.class&digit == 0 || w.class&(under|other) != 0 {
		return 0
	}
	t := s.text[i:w.end]
	if len(t) > 2 && t[0] == '0' && t[1]|0x20 == 'x' && isHex(t[2:]) {
		return w.end
	}
	if len(t) < 16 || w.class&letter == 0 || !isHex(t) {
		return 0
	}
	return w.end
}

// base64Run is 40 characters of base64 or more (RFC 4648, both alphabets), capitals, small letters and digits among them.
func base64Run(s *scanner, i int, w word) int {
	if i < s.base64 || w.class&other != 0 || s.letterBefore(i) || i > 0 && strings.IndexByte("/+-", s.text[i-1]) >= 0 {
		return 0
	}
	end := s.run(i, ident, "+/-")
	s.base64 = end
	for s.at(end) == '=' && end < s.base64+2 {
		end++
	}
	if end-i < 40 {
		return 0
	}
	class, piece, longest := uint8(0), 0, 0
	for k := i; k < s.base64; k++ {
		class |= classes[s.text[k]]
		if classes[s.text[k]]&alnum != 0 {
			piece++
			longest = max(longest, piece)
		} else {
			piece = 0
		}
	}
	if class&lower == 0 || class&upper == 0 || class&digit == 0 || longest < 16 {
		return 0
	}
	return end
}

// address is an IP address with its port or mask, or a MAC address. 12:30:45 is none.
func address(s *scanner, i int, w word) int {
	if w.class&^(digit|letter) != 0 || s.letterBefore(i) || i > 0 && strings.IndexByte(".:", s.text[i-1]) >= 0 {
		return 0
	}
	switch s.at(w.end) {
	case '.':
		end := s.octets(i)
		if end == 0 || s.at(end) == '.' && classes[s.at(end+1)]&digit != 0 || s.letterAt(end) {
			return 0
		}
		if c := s.at(end); (c == ':' || c == '/') && classes[s.at(end+1)]&digit != 0 {
			end = s.run(end+1, digit, "")
		}
		return end
	case ':':
		return s.colonAddress(i)
	}
	return 0
}

// octets is the end of four numbers up to 255 with dots between, at i.
func (s *scanner) octets(i int) int {
	at := i
	for n := range 4 {
		if n > 0 {
			if s.at(at) != '.' {
				return 0
			}
			at++
		}
		end := s.run(at, digit, "")
		if end == at || end-at > 3 {
			return 0
		}
		v := 0
		for _, c := range s.text[at:end] {
			v = v*10 + int(c-'0')
		}
		if v > 255 {
			return 0
		}
		at = end
	}
	return at
}

func colonAddress(s *scanner, i int) int {
	if s.at(i+1) != ':' || s.letterBefore(i) || i > 0 && s.text[i-1] == ':' {
		return 0
	}
	return s.colonAddress(i)
}

// colonAddress is IPv6 (RFC 4291 §2.2), with :: or all eight groups, or MAC: six pairs.
func (s *scanner) colonAddress(i int) int {
	groups, double, pairs, digits := 0, false, true, false
	at := i
	for at < len(s.text) && at-i < 46 {
		if s.has(at, "::") {
			if double {
				return 0
			}
			double = true
			at += 2
			continue
		}
		if s.at(at) == ':' {
			if groups == 0 || !s.letterAt(at+1) {
				break
			}
			at++
		}
		end := s.run(at, alnum, "")
		if end == at {
			break
		}
		if end-at > 4 || !isHex(s.text[at:end]) {
			return 0
		}
		for _, c := range s.text[at:end] {
			digits = digits || c <= '9'
		}
		pairs = pairs && end-at == 2
		groups++
		at = end
	}
	switch {
	case s.letterAt(at) || at < len(s.text) && s.text[at] == '_':
		return 0
	case double && groups > 0 && groups < 8 && digits, groups == 8 && !double, groups == 6 && pairs && !double:
		if s.at(at) == '/' && classes[s.at(at+1)]&digit != 0 {
			at = s.run(at+1, digit, "")
		}
		return at
	}
	return 0
}

// version is three numbers or more with dots between, or two behind a v, with what may follow: 1.2.3-rc1. 1.000.000 is a number of
// many languages, and 31.12.2024 a date.
func version(s *scanner, i int, w word) int {
	if s.letterBefore(i) || i > 0 && strings.IndexByte(".-", s.text[i-1]) >= 0 {
		return 0
	}
	at, need := i, 2
	if c := s.text[i]; c == 'v' || c == 'V' {
		at, need = i+1, 1
	}
	start := at
	if end := s.run(at, digit, ""); end == at || end-at > 5 {
		return 0
	} else {
		at = end
	}
	dots, thousands := 0, true
	for s.at(at) == '.' && classes[s.at(at+1)]&digit != 0 && dots < 8 {
		end := s.run(at+1, digit, "")
		thousands = thousands && end-at == 4
		dots++
		at = end
	}
	if dots < need {
		return 0
	}
	if need == 2 && (thousands || isDate(s.text[start:at])) {
		return 0
	}
	for _, tail := range [...]byte{'-', '+'} {
		if s.at(at) == tail {
			end := s.run(at+1, alnum, ".-")
			for s.text[end-1] == '.' || s.text[end-1] == '-' {
				end--
			}
			// -rc1, -beta.2, +build5; in "-ren" a suffix is glued to it.
			if end > at+1 && (tail == '+' || strings.ContainsAny(s.text[at:end], "0123456789") || isRelease(s.text[at+1:end])) {
				at = end
			}
		}
	}
	if end := s.run(at, alnum, ""); end > at && end-at <= 4 && strings.ContainsAny(s.text[at:end], "0123456789") {
		at = end // 1.2.0rc1
	}
	if s.letterAt(at) {
		return 0
	}
	return at
}

func isRelease(s string) bool {
	switch strings.ToLower(s) {
	case "alpha", "beta", "rc", "dev", "pre", "preview", "snapshot", "nightly", "final", "release":
		return true
	}
	return false
}

// isDate says whether three numbers are day, month and year in some order.
func isDate(t string) bool {
	p := strings.Split(t, ".")
	if len(p) != 3 {
		return false
	}
	year := func(s string) bool { return len(s) == 4 && (s[:2] == "19" || s[:2] == "20") }
	small := func(s string) bool { return len(s) <= 2 && (len(s) == 1 || s <= "31") }
	return small(p[0]) && small(p[1]) && (year(p[2]) || len(p[2]) == 2 && len(p[0])+len(p[1]) == 4) || year(p[0]) && small(p[1]) && small(p[2])
}

// number is a number of two digits or more, with separators between digits. It is protected on request only: translators change
// the separators, and words for their sake.
func number(s *scanner, i int, w word) int {
	if !s.o.Numbers || classes[s.text[i]]&digit == 0 || w.class != digit || s.letterBefore(i) {
		return 0
	}
	at, digits := w.end, w.end-i
	for at < len(s.text) {
		sep := 0
		switch c := s.text[at]; {
		case c == '.' || c == ',' || c == '\'' || c == ':' || c == '/' || c == '-':
			sep = 1
		case c >= utf8.RuneSelf && (s.has(at, "\u00a0") || s.has(at, "\u202f") || s.has(at, "\u2009")):
			_, sep = utf8.DecodeRuneInString(s.text[at:])
		}
		end := s.run(at+sep, digit, "")
		if sep == 0 || end == at+sep {
			break
		}
		digits += end - at - sep
		at = end
	}
	if digits < 2 || at < len(s.text) && (s.letterAt(at) || s.text[at] == '_') {
		return 0
	}
	return at
}

// placeholder is what looks like a hole, of one of our forms or of other tools: text about placeholders must survive too.
func placeholder(s *scanner, i int) int {
	for _, p := range [...][2]string{{"⟦", "⟧"}, {"〘", "〙"}, {"[[", "]]"}, {"@@", "@@"}, {"§", "§"}, {"[", "]"}, {"{", "}"}, {"<x", ">"}, {"<", "/>"}} {
		if !s.has(i, p[0]) {
			continue
		}
		extra := ""
		switch p[0] {
		case "<x":
			extra = ` id="'/`
		case "[", "<":
			extra = "#"
		}
		end := s.run(i+len(p[0]), ident, extra)
		if p[0] == "<x" && s.text[end-1] != '/' {
			continue
		}
		inner := strings.Trim(s.text[i+len(p[0]):end], extra)
		if end-i > 40 || !s.has(end, p[1]) || inner == "" || classes[inner[len(inner)-1]]&(digit|under) == 0 || p[0] == "[" && classes[inner[0]]&upper == 0 {
			continue
		}
		return end + len(p[1])
	}
	return 0
}

// placeholderWord is XQ0, X0, PH0; with an underscore (PH_0, __PH_0__) it is an identifier too.
func placeholderWord(s *scanner, i int, w word) int {
	if w.class&digit == 0 || w.class&^(upper|digit|under) != 0 || s.latinBefore(i) {
		return 0
	}
	t := strings.Trim(s.text[i:w.end], "_")
	for _, stem := range [...]string{"CODE_", "PH_", "PH", "XQ", "X"} {
		if rest, ok := strings.CutPrefix(t, stem); ok && rest != "" && strings.Trim(rest, "0123456789") == "" {
			return w.end
		}
	}
	return 0
}
