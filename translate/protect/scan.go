package protect

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// span is text[start:end], which is protected as kinds[kind].
type span struct{ start, end, kind int }

// word is a run of ASCII letters, digits and underscores, and of Latin letters beyond ASCII. Letters of other scripts end it:
// in Chinese a URL follows a letter without a space.
type word struct {
	end   int
	class uint8 // or of all its bytes' classes
	humps int   // places where a capital follows a small letter or a digit
}

// Classes of bytes. Bytes beyond ASCII have none but other.
const (
	lower uint8 = 1 << iota
	upper
	digit
	under
	other // a Latin letter beyond ASCII, in word.class only
)

const (
	letter = lower | upper
	alnum  = lower | upper | digit
	ident  = lower | upper | digit | under
)

var classes = func() (t [256]uint8) {
	for c := range t {
		switch {
		case 'a' <= c && c <= 'z':
			t[c] = lower
		case 'A' <= c && c <= 'Z':
			t[c] = upper
		case '0' <= c && c <= '9':
			t[c] = digit
		case c == '_':
			t[c] = under
		}
	}
	return t
}()

// scanner goes through a text once, from left to right. What a kind must know about the text ahead is found once and kept here,
// so that no kind looks at a byte more often than a small constant number of times, whatever the text.
type scanner struct {
	text string
	o    Options

	runs     map[int]int // start of a run of backticks -> end of the code span that it opens
	brackets []int32     // position of ( [ { -> position of its partner, 0 if it has none
	envs     map[int]int // start of \begin{x} -> end of its \end{x}
	closers  []int       // positions of the } of formatting commands, which are protected by themselves; the last is the next
	schemes  cursor      // of "://"
	ats      cursor      // of "@"
	atStart  int         // where the local part before that "@" begins
	finds    map[string]*cursor

	// Up to here a run was looked at as a whole: it is not looked at again from a word in its middle.
	dotted, chunk, path, base64 int
	dottedStart, chunkStart     int
	spaces                      cursor // of white space
	jsonTried                   int    // up to here something was no JSON
	prose                       int    // a position inside parentheses that holds an ordinary word
}

// cursor keeps where a string is found next, for positions that grow. from is -1 before the first search.
type cursor struct{ from, at int }

func (s *scanner) next(c *cursor, sub string, i int) int {
	if c.from >= 0 && c.from <= i && (c.at < 0 || i <= c.at) {
		return c.at
	}
	if c.from > i { // looked for from further on: only what is between is new
		if k := strings.Index(s.text[i:min(len(s.text), c.from+len(sub)-1)], sub); k >= 0 {
			c.at = i + k
		}
		c.from = i
		return c.at
	}
	c.from, c.at = i, strings.Index(s.text[i:], sub)
	if c.at >= 0 {
		c.at += i
	}
	return c.at
}

// find is next for strings that are looked for rarely.
func (s *scanner) find(sub string, i int) int {
	c := s.finds[sub]
	if c == nil {
		if s.finds == nil {
			s.finds = map[string]*cursor{}
		}
		c = &cursor{from: -1}
		s.finds[sub] = c
	}
	return s.next(c, sub, i)
}

// spans appends the protected spans of text to dst: they do not overlap, at each place the longest wins, and of equally long
// ones that which stands first in the table.
func spans(dst []span, text string, o Options) []span {
	s := scanner{text: text, o: o, schemes: cursor{from: -1}, ats: cursor{from: -1}, spaces: cursor{from: -1}, atStart: -1, prose: -1}
	for i := 0; i < len(text); {
		c := text[i]
		k, end, step := -1, i, 1
		switch {
		case classes[c] != 0:
			w := s.wordAt(i)
			k, end = s.tryWord(i, w)
			step = w.end - i
		case c < utf8.RuneSelf:
			if len(bySymbol[c]) > 0 {
				k, end = s.trySymbol(i, bySymbol[c])
			}
		default:
			r, size := utf8.DecodeRuneInString(text[i:])
			step = size
			if latin(r) {
				w := s.wordAt(i)
				k, end = s.tryWord(i, w)
				step = w.end - i
				break
			}
			if unicode.IsLetter(r) {
				if o.Glossary != nil && !s.letterBefore(i) {
					k, end = s.tryGlossary(i)
				}
				break
			}
			k, end = s.trySymbol(i, byRune)
		}
		if k < 0 {
			i += step
			continue
		}
		dst = append(dst, span{i, end, k})
		i = end
	}
	return dst
}

func (s *scanner) trySymbol(i int, kinds []int) (kind, end int) {
	kind, end = -1, i
	for _, k := range kinds {
		if e := table[k].symbol(s, i); e > end {
			kind, end = k, e
		}
	}
	return kind, end
}

func (s *scanner) tryWord(i int, w word) (kind, end int) {
	kind, end = -1, i
	if s.o.Glossary != nil && !s.letterBefore(i) {
		kind, end = s.tryGlossary(i)
	}
	if s.ordinary(i, w) {
		return kind, end
	}
	for _, k := range byWord {
		if e := table[k].word(s, i, w); e > end {
			kind, end = k, e
		}
	}
	return kind, end
}

// ordinary says quickly of most words that no kind can begin with them: nothing but letters, of which at most the first is a
// capital, and behind them nothing that joins.
func (s *scanner) ordinary(i int, w word) bool {
	if w.class&(digit|under) != 0 || w.humps > 0 {
		return false
	}
	if at := s.at(w.end); at != 0 && strings.IndexByte(joiners, at) >= 0 {
		if at == '.' || at == '-' || at == ':' {
			// The end of a sentence, a hyphen, a colon: only what follows it directly can make a name of it.
			return classes[s.at(w.end+1)] == 0 && strings.IndexByte(`\/:>+%{?@`, s.at(w.end+1)) < 0
		}
		return false
	}
	return w.end-i < 40 // base64 without a digit
}

// joiners are what makes one name of two words, or a name of a word.
const joiners = `./\:@(-=+%$`

// at is the byte at i, 0 beyond the text.
func (s *scanner) at(i int) byte {
	if uint(i) < uint(len(s.text)) {
		return s.text[i]
	}
	return 0
}

// has says whether sub stands at i.
func (s *scanner) has(i int, sub string) bool { return strings.HasPrefix(s.text[i:], sub) }

func (s *scanner) wordAt(i int) word {
	w := word{end: i}
	var last uint8
	for w.end < len(s.text) {
		c := s.text[w.end]
		k := classes[c]
		size := 1
		if k == 0 {
			if c < utf8.RuneSelf {
				break
			}
			var r rune
			if r, size = utf8.DecodeRuneInString(s.text[w.end:]); !latin(r) {
				break
			}
			k = other
		}
		if k == upper && last&(lower|digit) != 0 {
			w.humps++
		}
		w.class |= k
		last = k
		w.end += size
	}
	return w
}

// latin says whether r beyond ASCII is a letter of Latin script, or an accent on one.
func latin(r rune) bool {
	switch {
	case r < 0x250:
		return r >= 0xC0 && r != 0xD7 && r != 0xF7 || r == 0xAA || r == 0xBA
	case r < 0x1E00:
		return 0x300 <= r && r < 0x370
	}
	return r < 0x1F00
}

// letterBefore says whether a letter, digit or underscore stands directly before i.
func (s *scanner) letterBefore(i int) bool {
	if i == 0 {
		return false
	}
	if c := s.text[i-1]; c < utf8.RuneSelf {
		return classes[c] != 0
	}
	r, _ := utf8.DecodeLastRuneInString(s.text[:i])
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
}

// latinBefore is letterBefore without the letters of scripts that are written without spaces between words and names.
func (s *scanner) latinBefore(i int) bool {
	if i == 0 {
		return false
	}
	if c := s.text[i-1]; c < utf8.RuneSelf {
		return classes[c] != 0
	}
	r, _ := utf8.DecodeLastRuneInString(s.text[:i])
	return latin(r)
}

// letterAt says whether a letter or digit stands at i.
func (s *scanner) letterAt(i int) bool {
	if i >= len(s.text) {
		return false
	}
	if c := s.text[i]; c < utf8.RuneSelf {
		return classes[c]&alnum != 0
	}
	r, _ := utf8.DecodeRuneInString(s.text[i:])
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

func (s *scanner) spaceAt(i int) bool {
	if i >= len(s.text) {
		return false
	}
	if c := s.text[i]; c < utf8.RuneSelf {
		return c == ' ' || '\t' <= c && c <= '\r'
	}
	r, _ := utf8.DecodeRuneInString(s.text[i:])
	return unicode.IsSpace(r)
}

// run is the end of the longest run at i of ASCII bytes whose class is in mask or that are in extra.
func (s *scanner) run(i int, mask uint8, extra string) int {
	for i < len(s.text) && (classes[s.text[i]]&mask != 0 || extra != "" && strings.IndexByte(extra, s.text[i]) >= 0) {
		i++
	}
	return i
}

// partner is the position of the bracket that closes the one at i, 0 if none does. Brackets of the three sorts are paired each by
// themselves; those behind a backslash are none.
func (s *scanner) partner(i int) int {
	if s.brackets == nil {
		s.brackets = make([]int32, len(s.text))
		var open [3][]int32
		for i := 0; i < len(s.text); i++ {
			c := s.text[i]
			if c == '\\' {
				i++
				continue
			}
			if k := strings.IndexByte("([{", c); k >= 0 {
				open[k] = append(open[k], int32(i))
			} else if k := strings.IndexByte(")]}", c); k >= 0 && len(open[k]) > 0 {
				last := len(open[k]) - 1
				s.brackets[open[k][last]] = int32(i)
				open[k] = open[k][:last]
			}
		}
	}
	return int(s.brackets[i])
}
