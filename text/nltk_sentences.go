package text

import (
	"bytes"
	_ "embed"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NLTK cuts sentences and words as NLTK 3.8.1 does for English: sent_tokenize (tokenize/punkt.py with the model of
// nltk_table.go) and word_tokenize (tokenize/destructive.py on those sentences). It keeps its memory; one goroutine at
// a time uses it.
type NLTK struct {
	sentences []Span // of Words
	words     []Span // of a sentence
	marks     []byte // of the sentence that Words cuts
	this      []byte // types of two tokens, in lower case
	next      []byte
	pair      []byte
}

// Sentences appends the sentences of text. White space between them belongs to none.
func (k *NLTK) Sentences(dst []Span, text []byte) []Span {
	first := len(dst)
	last := 0 // where the sentence begins that has not ended
	emit := func(lo, hi int) { dst = append(dst, Span{int32(lo), int32(hi)}) }

	// Of the marks within one word the last decides, so each waits for the next (_match_potential_end_contexts).
	waits, start, stop, white := false, 0, 0, 0
	decide := func() {
		next, end := punktAfter(text, stop+1)
		if !k.breaks(text[start:end]) {
			return
		}
		emit(last, stop+1)
		last = stop + 1
		if next > stop+1 {
			last = next
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if punktBytes[c]&(punktWhite|punktEnd) == 0 {
			continue
		}
		if punktBytes[c]&punktWhite != 0 {
			white = i
			continue
		}
		if !punktMayEnd(text, i+1) {
			continue
		}
		from := start
		if white > stop {
			from = white + 1
		}
		if waits && stop <= from {
			decide()
		}
		waits, start, stop = true, from, i
	}
	if waits {
		decide()
	}
	emit(last, len(TrimRight(text)))
	return realign(dst, first, text)
}

// realign moves quotation marks and brackets that a sentence begins with to the one before it (_realign_boundaries),
// and leaves out empty sentences.
func realign(dst []Span, first int, text []byte) []Span {
	to, moved := first, 0
	for i := first; i < len(dst); i++ {
		s := dst[i]
		s.Lo += int32(moved)
		moved = 0
		if i+1 < len(dst) && dst[i+1].Lo < dst[i+1].Hi {
			next := dst[i+1].Of(text)
			if n, all := closers(next); n > 0 {
				s.Hi = dst[i+1].Lo + int32(n)
				moved = all
				dst[to] = s
				to++
				continue
			}
		}
		if s.Lo < s.Hi {
			dst[to] = s
			to++
		}
	}
	return dst[:to]
}

// closers is how many quotation marks and brackets a sentence begins with, and their length with the white space
// after them; 0 if something else follows than white space, "--" or the end (re_boundary_realignment).
func closers(s []byte) (n, all int) {
	for n < len(s) {
		switch s[n] {
		case '"', '\'', ')', ']', '}':
		default:
			return 0, 0
		}
		n++
		if all = n + len(s[n:]) - len(TrimLeft(s[n:])); all > n || n == len(s) || bytes.HasPrefix(s[n:], dashes) {
			return n, all
		}
	}
	return 0, 0
}

var dashes = []byte("--")

// Classes of bytes.
const (
	punktWhite  uint8 = 1 << iota // string.whitespace
	punktEnd                      // sent_end_chars
	punktApart                    // _re_non_word_chars
	punktInside                   // what no word begins with (_re_word_start)
)

var punktBytes = func() (t [256]uint8) {
	for _, set := range []struct {
		class uint8
		chars string
	}{{punktWhite, " \t\n\r\v\f"}, {punktEnd, ".?!"}, {punktApart, ")\";}]*:@'({[?!"}, {punktInside, "(\"`{[:;&#*@)}]-,"}} {
		for _, c := range []byte(set.chars) {
			t[c] |= set.class
		}
	}
	return t
}()

// punktMayEnd tells whether what stands at i lets a sentence end before it: punctuation, or white space and more.
func punktMayEnd(text []byte, i int) bool {
	if i >= len(text) {
		return false
	}
	if punktBytes[text[i]]&punktApart != 0 {
		return true
	}
	return SpaceAt(text, i) > 0 && len(TrimLeft(text[i:])) > 0
}

// punktAfter is where the next token begins after white space at i, or i, and where the context ends.
func punktAfter(text []byte, i int) (next, end int) {
	if punktBytes[text[i]]&punktApart != 0 {
		return i, i + 1
	}
	next = len(text) - len(TrimLeft(text[i:]))
	for end = next; end < len(text) && SpaceAt(text, end) == 0; end++ {
	}
	return next, end
}

// punktToken is a token of a context.
type punktToken struct {
	text                []byte
	ends, abbr, ellipse bool
}

func (t *punktToken) stops() bool { return t.text[len(t.text)-1] == '.' }

// breaks tells whether a sentence ends within the context, after a token that is not its last (text_contains_sentbreak).
func (k *NLTK) breaks(context []byte) bool {
	var one, two punktToken
	have := false
	for more := true; more; {
		var line []byte
		line, context, more = bytes.Cut(context, newLine)
		for len(line) > 0 {
			if n := SpaceAt(line, 0); n > 0 {
				line = line[n:]
				continue
			}
			n := punktTokenEnd(line)
			two = punktToken{text: line[:n]}
			line = line[n:]
			k.firstPass(&two)
			if have {
				k.secondPass(&one, &two)
				if one.ends {
					return true
				}
			}
			one, have = two, true
		}
	}
	return false
}

var newLine = []byte("\n")

// punktTokenEnd is where the token ends that begins a line (_word_tokenize_fmt).
func punktTokenEnd(s []byte) int {
	if n := punktSigns(s); n > 0 {
		return n
	}
	_, n := utf8.DecodeRune(s)
	if punktBytes[s[0]]&punktInside != 0 {
		return n
	}
	for !punktWordEnds(s, n) {
		n++ // bytes of one character stay together: no later one is of a class
	}
	return n
}

// punktSigns is the length of hyphens, of full stops, or of full stops with white space between them, or 0.
func punktSigns(s []byte) int {
	n := 0
	switch s[0] {
	case '-':
		for n < len(s) && s[n] == '-' {
			n++
		}
	case '.':
		for n < len(s) && s[n] == '.' {
			n++
		}
		if n >= 2 {
			break
		}
		stops, i := 0, 0
		for i < len(s) && s[i] == '.' {
			if stops >= 2 {
				n = i + 1
			}
			w := 0
			if i+1 < len(s) {
				w = SpaceAt(s, i+1)
			}
			if w == 0 {
				break
			}
			stops++
			i += 1 + w
		}
	}
	if n < 2 {
		return 0
	}
	return n
}

// punktWordEnds tells whether a word that began before i may end there.
func punktWordEnds(s []byte, i int) bool {
	if i >= len(s) {
		return true
	}
	c := s[i]
	if c >= utf8.RuneSelf {
		return SpaceAt(s, i) > 0
	}
	if c == ',' {
		if i+1 >= len(s) {
			return true
		}
		i++
		c = s[i]
	}
	return punktBytes[c]&punktApart != 0 || SpaceAt(s, i) > 0 || (c == '-' || c == '.') && punktSignsAhead(s[i:])
}

// punktSignsAhead is punktSigns without going to their end.
func punktSignsAhead(s []byte) bool {
	if len(s) > 1 && s[1] == s[0] {
		return true
	}
	if s[0] != '.' {
		return false
	}
	for range 2 {
		if len(s) < 2 || s[0] != '.' {
			return false
		}
		w := SpaceAt(s, 1)
		if w == 0 {
			return false
		}
		s = s[1+w:]
	}
	return len(s) > 0 && s[0] == '.'
}

// firstPass decides by the token alone (_first_pass_annotation).
func (k *NLTK) firstPass(t *punktToken) {
	s := t.text
	switch {
	case len(s) == 1 && punktBytes[s[0]]&punktEnd != 0:
		t.ends = true
	case len(s) >= 2 && len(bytes.Trim(s, ".")) == 0:
		t.ellipse = true
	case t.stops() && s[len(s)-2] != '.':
		k.this = AppendLower(k.this[:0], s[:len(s)-1])
		word := k.this
		part := word[bytes.LastIndexByte(word, '-')+1:]
		t.abbr = string(word) == ". . " || sorted(punktAbbreviations, word) || sorted(punktAbbreviations, part)
		t.ends = !t.abbr
	}
}

// sorted looks a word up in a list.
func sorted(list []string, word []byte) bool {
	i := sort.Search(len(list), func(i int) bool { return list[i] >= string(word) })
	return i < len(list) && list[i] == string(word)
}

// typeOf appends the type of a token: its lower case, or that it is a number; without its full stop if asked.
func typeOf(dst []byte, t *punktToken, stop bool) []byte {
	if isPunktNumber(t.text) {
		return append(dst, "##number##"...)
	}
	dst = AppendLower(dst, t.text)
	if !stop && len(dst) > 1 && dst[len(dst)-1] == '.' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// isPunktNumber is _RE_NUMERIC: a sign, one stop or comma, a digit; then digits, commas, stops and hyphens.
func isPunktNumber(s []byte) bool {
	if len(s) > 0 && s[0] == '-' {
		s = s[1:]
	}
	if len(s) > 0 && (s[0] == '.' || s[0] == ',') {
		s = s[1:]
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		if !isDecimal(r) && (i == 0 || r != ',' && r != '.' && r != '-') {
			return false
		}
		i += n
	}
	return len(s) > 0
}

func isDecimal(r rune) bool {
	return r-'0' < 10 && r >= '0' || r >= utf8.RuneSelf && kindOf(r)&kindDigit != 0
}

// secondPass decides by the token after it, too (_second_pass_annotation).
func (k *NLTK) secondPass(one, two *punktToken) {
	if !one.stops() {
		return
	}
	k.this, k.next = typeOf(k.this[:0], one, false), typeOf(k.next[:0], two, !two.ends)
	r, n := utf8.DecodeRune(one.text)
	initial := n+1 == len(one.text) && kindOf(r)&kindWord != 0 && !isDecimal(r)
	number := string(k.this) == "##number##"
	if number || len(k.this) == 1 {
		k.pair = append(append(append(k.pair[:0], k.this...), ' '), k.next...)
		if sorted(punktCollocations, k.pair) {
			one.ends, one.abbr = false, true
			return
		}
	}
	first, _ := utf8.DecodeRune(two.text)
	upper := unicode.IsUpper(first) || unicode.Is(unicode.Other_Uppercase, first)
	if (one.abbr || one.ellipse) && !initial {
		if k.begins(two, upper, first) == begins || upper && sorted(punktStarters, k.next) {
			one.ends = true
			return
		}
	}
	if initial || number {
		switch k.begins(two, upper, first) {
		case beginsNot:
			one.ends, one.abbr = false, true
		case unknown:
			if initial && upper {
				if lower, _, _ := punktContext(k.next); !lower {
					one.ends, one.abbr = false, true
				}
			}
		}
	}
}

// Answers of the orthographic heuristic.
type orthography uint8

const (
	unknown orthography = iota
	begins
	beginsNot
)

// begins tells by its case whether a token, whose type is in k.next, begins a sentence (_ortho_heuristic).
func (k *NLTK) begins(t *punktToken, upper bool, first rune) orthography {
	if len(t.text) == 1 && strings.IndexByte(";:,.!?", t.text[0]) >= 0 {
		return beginsNot
	}
	lower, insideUpper, onlyBegin := punktContext(k.next)
	if upper && lower && !insideUpper {
		return begins
	}
	if (unicode.IsLower(first) || unicode.Is(unicode.Other_Lowercase, first)) && !onlyBegin {
		return beginsNot
	}
	return unknown
}

// punktWords are the types that the model has met in lower case, a line each, sorted by bytes. Behind a tab stands m if
// it was met in upper case within a sentence, too, and v if it was never met in upper case but at the beginning of a
// sentence in lower case. About all other types the heuristic says the same as about one that it has never met.
//
//go:embed nltk_english.txt
var punktWords string

// punktContext is what the model knows of a type: that it was met in lower case, in upper case within a sentence, and
// never in upper case but at the beginning of a sentence in lower case.
func punktContext(typ []byte) (lower, insideUpper, onlyBegin bool) {
	lo, hi := 0, len(punktWords) // of lines
	for lo < hi {
		at := lo + (hi-lo)/2
		at = lo + strings.LastIndexByte(punktWords[lo:at], '\n') + 1
		end := at + strings.IndexByte(punktWords[at:], '\n')
		word, mark, _ := strings.Cut(punktWords[at:end], "\t")
		switch {
		case word < string(typ):
			lo = end + 1
		case word > string(typ):
			hi = at
		default:
			return true, mark == "m", mark == "v"
		}
	}
	return false, false, false
}
