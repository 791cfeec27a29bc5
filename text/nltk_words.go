package text

import (
	"bytes"
	"unicode/utf8"
)

// Words appends the words of text. NLTK turns quotation marks into ““” and “””, two characters each; here a word
// is a part of the text, so that '"' stays what it is, and opening and closing ones are alike.
func (k *NLTK) Words(dst []Span, text []byte) []Span {
	k.sentences = k.Sentences(k.sentences[:0], text)
	for _, s := range k.sentences {
		dst = k.treebank(dst, text, int(s.Lo), int(s.Hi))
	}
	return dst
}

// AppendWords appends the words of text as NLTK writes them, quotation marks as "“" and "”", with a blank between
// them, and where each stands in dst.
func (k *NLTK) AppendWords(dst []byte, spans []Span, text []byte) ([]byte, []Span) {
	k.sentences = k.Sentences(k.sentences[:0], text)
	for _, s := range k.sentences {
		k.words = k.treebank(k.words[:0], text, int(s.Lo), int(s.Hi))
		for _, w := range k.words {
			if len(dst) > 0 {
				dst = append(dst, ' ')
			}
			at := len(dst)
			switch word := w.Of(text); {
			case k.marks[w.Lo-s.Lo]&treebankOpened != 0:
				dst = append(dst, "``"...)
			case len(word) == 1 && word[0] == '"':
				dst = append(dst, "''"...)
			default:
				dst = append(dst, word...)
			}
			spans = append(spans, Span{int32(at), int32(len(dst))})
		}
	}
	return dst, spans
}

// Size is the memory held, in bytes.
func (k *NLTK) Size() int {
	return 8*(cap(k.sentences)+cap(k.words)) + cap(k.marks) + cap(k.this) + cap(k.next) + cap(k.pair)
}

// Shrink gives the memory back.
func (k *NLTK) Shrink() { *k = NLTK{} }

// Marks of a byte of a sentence. NLTK puts blanks around what is to be a word of its own, by one regular expression
// after another; here a blank before a byte is a mark.
const (
	treebankEarly  byte = 1 << iota // a blank before it that the search for opening quotation marks sees
	treebankLate                    // one that it makes, and what comes after it
	treebankLast                    // one that brackets, dashes, "*" and closing quotation marks make
	treebankOpened                  // it is of an opening quotation mark, and no longer what it was
	treebankGap    = treebankEarly | treebankLate | treebankLast
)

// Classes of bytes: what a walk over a sentence must look at.
const (
	treebankQuote  uint8 = 1 << iota // of the first walk
	treebankSign                     // of the second walk
	treebankApart                    // a word of its own, wherever it stands
	treebankPadded                   // one, too, but an apostrophe before it does not see it
)

var treebankBytes = func() (t [256]uint8) {
	for _, c := range []byte("\"'`\xC2\xE2") { // the last two begin « » “ ‘ „ ” ’
		t[c] |= treebankQuote | treebankSign
	}
	for _, c := range []byte(":,.-") {
		t[c] |= treebankSign
	}
	for _, c := range []byte(";@#$%&?!") {
		t[c] |= treebankSign | treebankApart
	}
	for _, c := range []byte("*[](){}<>") {
		t[c] |= treebankSign | treebankPadded
	}
	return t
}()

// treebank cuts the sentence text[lo:hi] as NLTKWordTokenizer.tokenize does.
func (k *NLTK) treebank(dst []Span, text []byte, lo, hi int) []Span {
	s := text[lo:hi]
	n := len(s)
	if cap(k.marks) < n+3 { // marks behind the end need no check
		k.marks = make([]byte, n+3, roomFor(n+3))
	}
	k.marks = k.marks[:n+3]
	m := k.marks
	clear(m)
	quotes := openings(s, m)
	finalStop(s, m)
	signs(s, m)
	if quotes {
		apostrophes(s, m)
		clitics(s, m, false)
		clitics(s, m, true)
	}
	// Words are what lies between marks and white space.
	for i := 0; i < n; {
		if w := SpaceAt(s, i); w > 0 {
			i += w
			continue
		}
		from := i
		for i++; i < n && m[i]&treebankGap == 0 && SpaceAt(s, i) == 0; i++ {
		}
		dst = contractions(dst, s, m, from, i, lo)
	}
	return dst
}

// blankBefore tells whether a blank stands before s[i], in the text or put there.
func blankBefore(s, m []byte, i int) bool {
	return m[i]&treebankGap != 0 || i > 0 && s[i-1] == ' '
}

// blankAt tells whether a blank follows at i, in the text or put there; one is put at the end.
func blankAt(s, m []byte, i int) bool { return i >= len(s) || m[i]&treebankGap != 0 || s[i] == ' ' }

// wide is the length of a quotation mark beyond ASCII at i, if it is one of the STARTING_QUOTES or of the
// ENDING_QUOTES.
func wide(s []byte, i int) (length int, opening bool) {
	switch {
	case s[i] == 0xC2 && i+1 < len(s):
		switch s[i+1] {
		case "«"[1]:
			return 2, true
		case "»"[1]:
			return 2, false
		}
	case s[i] == 0xE2 && i+2 < len(s) && s[i+1] == 0x80:
		switch s[i+2] {
		case "‘"[2], "“"[2], "„"[2]:
			return 3, true
		case "’"[2], "”"[2]:
			return 3, false
		}
	}
	return 0, false
}

// openings marks what STARTING_QUOTES finds, and tells whether there is an apostrophe.
func openings(s, m []byte) (quotes bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if treebankBytes[c]&treebankQuote == 0 {
			continue
		}
		switch c {
		case '`':
			end := i
			for end < len(s) && s[end] == '`' {
				if (end-i)%2 == 0 {
					m[end] |= treebankEarly
				}
				end++
			}
			m[end] |= treebankEarly
			i = end - 1
		case '"', '\'':
			quotes = quotes || c == '\''
			n := 1
			if c == '\'' && i+1 < len(s) && s[i+1] == '\'' {
				n = 2
			}
			if c == '"' && i == 0 {
				m[0] |= treebankOpened
				m[1] |= treebankEarly
			} else if (c == '"' || n == 2) && i > 0 && (m[i]&treebankEarly != 0 || bytes.IndexByte(beforeOpening, s[i-1]) >= 0) {
				m[i] |= treebankLate | treebankOpened
				m[i+n-1] |= treebankOpened
				m[i+n] |= treebankLate
				i += n - 1
			} else if c == '\'' && lonely(s[i+1:]) {
				m[i+1] |= treebankLate
			}
		default:
			if n, opening := wide(s, i); opening {
				m[i] |= treebankEarly
				m[i+n] |= treebankEarly
				i += n - 1
			}
		}
	}
	return quotes
}

var beforeOpening = []byte(" ([{<")

// lonely tells whether a word of one character begins that is not m, t, s, d or n.
func lonely(s []byte) bool {
	r, n := utf8.DecodeRune(s)
	if n == 0 || kindOf(r)&kindWord == 0 {
		return false
	}
	switch r {
	case 'm', 't', 's', 'd', 'n', 'M', 'T', 'S', 'D', 'N', 'ſ':
		return false
	}
	next, w := utf8.DecodeRune(s[n:])
	return w == 0 || kindOf(next)&kindWord == 0
}

// finalStop marks a full stop that only quotation marks, brackets and blanks follow.
func finalStop(s, m []byte) {
	end := len(TrimRight(s))
	for end > 0 {
		switch c := s[end-1]; c {
		case ']', ')', '}', '>', '"', '\'', ' ':
			if m[end-1]&treebankOpened != 0 {
				return
			}
			end--
			continue
		case '.':
			if i := end - 1; i > 0 && (m[i]&treebankGap != 0 || s[i-1] != '.') {
				m[i] |= treebankLate
				m[end] |= treebankLate
				m[len(s)] |= treebankLate
			}
			return
		}
		if end >= 2 {
			if n, opening := wide(s, end-2); n == 2 && !opening {
				end -= 2
				continue
			}
		}
		if end >= 3 {
			if n, opening := wide(s, end-3); n == 3 && !opening {
				end -= 3
				continue
			}
		}
		return
	}
}

// signs marks what PUNCTUATION, PARENS_BRACKETS, DOUBLE_DASHES and the first of ENDING_QUOTES find.
func signs(s, m []byte) {
	taken := 0 // up to here a colon or comma was looked at as what follows another
	for i := 0; i < len(s); i++ {
		c := s[i]
		class := treebankBytes[c]
		if class&treebankSign == 0 {
			continue
		}
		if class&(treebankApart|treebankPadded) != 0 {
			mark := treebankLate
			if class&treebankPadded != 0 {
				mark = treebankLast
			}
			m[i] |= mark
			m[i+1] |= mark
			continue
		}
		switch c {
		case ':', ',':
			if i+1 == len(s) {
				m[i] |= treebankLate
				m[i+1] |= treebankLate
			} else if i >= taken && m[i+1]&treebankGap != 0 {
				m[i] |= treebankLate
			} else if i >= taken {
				r, n := utf8.DecodeRune(s[i+1:])
				if !isDecimal(r) {
					m[i] |= treebankLate
					m[i+1] |= treebankLate
					taken = i + 1 + n
				}
			}
		case '.':
			end := i + 1
			for end < len(s) && s[end] == '.' {
				end++
			}
			if end-i >= 2 {
				m[i] |= treebankLate
				m[end] |= treebankLate
				i = end - 1
			}
		case '-', '\'':
			if i+1 < len(s) && s[i+1] == c && (m[i]|m[i+1])&treebankOpened == 0 {
				m[i] |= treebankLast
				m[i+2] |= treebankLast
				i++
			}
		case '"':
			if m[i]&treebankOpened == 0 {
				m[i] |= treebankLast
				m[i+1] |= treebankLast
			}
		case '`':
		default:
			if n, opening := wide(s, i); n > 0 && !opening {
				m[i] |= treebankLast
				m[i+n] |= treebankLast
				i += n - 1
			}
		}
	}
}

// apostrophes marks those before a blank, as the last but one of PUNCTUATION: brackets and closing quotation marks make
// theirs later.
func apostrophes(s, m []byte) {
	for i := 1; i < len(s); i++ {
		at := bytes.IndexByte(s[i:], '\'')
		if at < 0 {
			return
		}
		i += at
		blank := m[i+1]&(treebankEarly|treebankLate) != 0 || i+1 < len(s) && s[i+1] == ' '
		if blank && s[i-1] != '\'' && m[i]&treebankOpened == 0 {
			m[i] |= treebankLate
		}
	}
}

// clitics marks what the last but one of ENDING_QUOTES finds, 's, 'm, 'd and ' before a blank, and then the last, 'll,
// 're, 've and n't: what the first has found is followed by a blank.
func clitics(s, m []byte, last bool) {
	for i := 1; i < len(s); i++ {
		at := bytes.IndexByte(s[i:], '\'')
		if at < 0 {
			return
		}
		i += at
		if m[i]&treebankOpened != 0 || i+1 < len(s) && s[i+1] == '\'' && m[i+1]&treebankGap == 0 || blankBefore(s, m, i) || s[i-1] == '\'' {
			continue
		}
		if !last {
			if blankAt(s, m, i+1) {
				m[i] |= treebankLast
			} else if blankAt(s, m, i+2) {
				switch s[i+1] {
				case 's', 'S', 'm', 'M', 'd', 'D':
					m[i] |= treebankLast
				}
			}
			continue
		}
		if blankAt(s, m, i+1) {
			continue
		}
		if blankAt(s, m, i+2) {
			not := s[i+1] == 't' && s[i-1] == 'n' || s[i+1] == 'T' && s[i-1] == 'N'
			if not && i >= 2 && !blankBefore(s, m, i-1) && s[i-2] != '\'' {
				m[i-1] |= treebankLast
			}
		} else if blankAt(s, m, i+3) {
			switch string(s[i+1 : i+3]) {
			case "ll", "LL", "re", "RE", "ve", "VE":
				m[i] |= treebankLast
			}
		}
	}
}

// treebankPair is two words written as one.
type treebankPair struct {
	whole string // in lower case
	first int    // length of the first word
	end   bool   // white space must follow
}

// treebankContractions are CONTRACTIONS2.
var treebankContractions = []treebankPair{
	{"cannot", 3, false}, {"d'ye", 1, false}, {"gimme", 3, false}, {"gonna", 3, false}, {"gotta", 3, false},
	{"lemme", 3, false}, {"more'n", 4, false}, {"wanna", 3, true},
}

// contractions appends the word s[from:to], or what it was made of.
func contractions(dst []Span, s, m []byte, from, to, lo int) []Span {
	word := s[from:to]
	span := func(a, b int) {
		if a < b {
			dst = append(dst, Span{int32(lo + a), int32(lo + b)})
		}
	}
	at := from // what is not appended begins
	if len(word) >= 4 {
		boundary := true                            // no character of \w stands before
		tis := from == 0 || blankBefore(s, m, from) // a blank stands before, in the text or put there
		twas := tis                                 // and that behind 'tis
	walk:
		for i := 0; i+4 <= len(word); {
			c := word[i]
			if boundary {
				switch c | 0x20 {
				case 'c', 'd', 'g', 'l', 'm', 'w':
					for _, t := range treebankContractions {
						if hasContraction(word[i:], t) {
							span(at, from+i)
							span(from+i, from+i+t.first)
							i += len(t.whole)
							span(from+i-len(t.whole)+t.first, from+i)
							at, tis, twas = from+i, true, true
							continue walk // "not" ends where no character of \w follows
						}
					}
				case '\'':
					if n := itIs(word[i:], tis, twas); n > 0 {
						span(at, from+i)
						span(from+i, from+i+2)
						span(from+i+2, from+i+n)
						twas = n == len(tisWord)
						tis = false
						i += n
						at = from + i
						continue walk
					}
				}
			}
			r, n := utf8.DecodeRune(word[i:])
			boundary = kindOf(r)&kindWord == 0
			tis, twas = false, false
			i += n
		}
	}
	span(at, to)
	return dst
}

func hasContraction(word []byte, t treebankPair) bool {
	n := len(t.whole)
	if len(word) < n || !equalLower(word[:n], t.whole) {
		return false
	}
	return wordEnds(word[n:], t.end)
}

// wordEnds tells whether a word ends before rest, or before what is not of \w.
func wordEnds(rest []byte, end bool) bool {
	if len(rest) == 0 || end {
		return len(rest) == 0
	}
	r, _ := utf8.DecodeRune(rest)
	return kindOf(r)&kindWord == 0
}

func equalLower(a []byte, lower string) bool {
	for i, c := range a {
		if c >= utf8.RuneSelf || asciiLower[c] != lower[i] {
			return false
		}
	}
	return true
}

const (
	tisWord  = "'tis"
	twasWord = "'twas"
)

// itIs is the length of 'tis or 'twas at the beginning of a word, CONTRACTIONS3, or 0.
func itIs(word []byte, tis, twas bool) int {
	if tis && hasContraction(word, treebankPair{tisWord, 2, false}) {
		return len(tisWord)
	}
	if twas && hasContraction(word, treebankPair{twasWord, 2, false}) {
		return len(twasWord)
	}
	return 0
}
