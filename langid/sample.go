package langid

import (
	"unicode"
	"unicode/utf8"
)

// Bounds of a sample, in bytes of letters.
const (
	MinSample = 20
	MaxSample = 3000
	// DefaultSample: three pieces, from the beginning, the middle and the end (docs/langid.md compares sizes).
	DefaultSample = 300
	// pieceBytes is the longest piece. lingua-go v1.4.0 (detector.go, ComputeLanguageConfidenceValues) looks at
	// n-grams of one to five letters and divides their log probabilities by the number of letters it knows as
	// long as a text has fewer than 120 letters; from 120 on it sums those of trigrams alone, undivided, and its
	// confidence is 1.0000 for nearly every text, rightly or wrongly. 100 bytes are never that many letters.
	pieceBytes = 100
)

// Sample is a bounded part of a text: pieces of words, each word a run of letters, with a space between.
type Sample struct {
	text []byte
	ends []int // of the pieces
	used [len(scripts)]int
}

// Pieces is how many there are.
func (s *Sample) Pieces() int { return len(s.ends) }

// Piece is the ith of them: words of one script, at most pieceBytes bytes of letters. It is valid until the next
// Take.
func (s *Sample) Piece(i int) []byte {
	lo := 0
	if i > 0 {
		lo = s.ends[i-1]
	}
	return s.text[lo:s.ends[i]:s.ends[i]]
}

// Take cuts the sample of doc, which is valid UTF-8: all its words, or where their letters have more than limit
// bytes, words from evenly spaced places, the beginning first. Words are whole but for those longer than a
// piece, which are cut between characters. Only the words of the script with the most letters stay (in order of
// the table, where two have as many): a name in another script says nothing about the language, and lingua-go
// v1.4.0 chooses between scripts that have as many words by the order of a Go map.
//
// The result depends on doc and limit alone. No letter in it means no piece.
func (s *Sample) Take(doc []byte, limit int) {
	s.text, s.ends = s.text[:0], s.ends[:0]
	total := 0
	for i := 0; i < len(doc) && total <= limit; {
		_, letters, after := nextWord(doc, i)
		total += letters
		i = after
	}
	n := (min(total, limit) + pieceBytes - 1) / pieceBytes
	if total <= limit {
		for i := 0; i < len(doc); {
			// Equal pieces; what a piece of whole words lacks goes to the next, which may make one more.
			i = s.piece(doc, i, len(doc), (total+n-1)/max(n, 1))
		}
	} else {
		for k := range n {
			lo, hi := k*len(doc)/n, (k+1)*len(doc)/n
			s.piece(doc, wordStart(doc, lo), hi, limit/n)
		}
	}
	s.oneScript()
}

// piece appends a piece of at most size bytes of letters, of the words that begin in doc[i:end]. It returns the
// offset behind the last.
func (s *Sample) piece(doc []byte, i, end, size int) int {
	began, letters := len(s.text), 0
	for i < end {
		start, n, after := nextWord(doc, i)
		if n == 0 || start >= end {
			i = end
			break
		}
		if letters+n > size {
			if letters > 0 {
				break
			}
			n = size // a word longer than a piece
			for n > 0 && !utf8.RuneStart(doc[start+n]) {
				n--
			}
			after = start + n
		}
		if letters > 0 {
			s.text = append(s.text, ' ')
		}
		s.text = append(s.text, doc[start:start+n]...)
		letters += n
		i = after
		if letters == size {
			break
		}
	}
	if len(s.text) > began {
		s.ends = append(s.ends, len(s.text))
	}
	return i
}

// nextWord finds the first run of letters at or behind i: where it starts, its length in bytes, and the offset
// behind it. The length is 0 where there is none.
func nextWord(doc []byte, i int) (start, n, after int) {
	for i < len(doc) {
		letter, size := letterAt(doc, i)
		if letter {
			break
		}
		i += size
	}
	start = i
	for i < len(doc) {
		letter, size := letterAt(doc, i)
		if !letter {
			break
		}
		i += size
	}
	return start, i - start, i
}

// tells says whether a text has anything that tells its language: two letters, or one of a script whose letters are
// words or syllables. Of "a", "1." or "x = 1" an engine says something all the same, which is what it says of nothing.
func tells(doc []byte) bool {
	letters := 0
	for i := 0; i < len(doc); {
		letter, size := letterAt(doc, i)
		if letter {
			if letters++; letters == 2 {
				return true
			}
			if r, _ := utf8.DecodeRune(doc[i:]); r >= utf8.RuneSelf && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
				return true
			}
		}
		i += size
	}
	return false
}

func letterAt(doc []byte, i int) (bool, int) {
	if c := doc[i]; c < utf8.RuneSelf {
		c |= 0x20
		return 'a' <= c && c <= 'z', 1
	}
	r, size := utf8.DecodeRune(doc[i:])
	return unicode.IsLetter(r), size
}

// wordStart moves i to the next character, and behind the word that it lies in; a run of letters longer than a
// piece (of a script without spaces) may be entered anywhere.
func wordStart(doc []byte, i int) int {
	for i < len(doc) && !utf8.RuneStart(doc[i]) {
		i++
	}
	if i == 0 || i == len(doc) {
		return i
	}
	before := i - 1
	for before > 0 && !utf8.RuneStart(doc[before]) {
		before--
	}
	if letter, _ := letterAt(doc, before); !letter {
		return i
	}
	for j := i; j < len(doc) && j-i <= pieceBytes; {
		letter, size := letterAt(doc, j)
		if !letter {
			return j
		}
		j += size
	}
	return i
}

// oneScript removes the words of all scripts but the one with the most letters.
func (s *Sample) oneScript() {
	ascii := true
	for _, c := range s.text {
		if c >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return
	}
	clear(s.used[:])
	lo := 0
	for _, end := range s.ends {
		for i := lo; i < end; {
			start, n, after := nextWord(s.text[:end], i)
			if k := scriptOf(s.text[start : start+n]); k >= 0 {
				s.used[k] += utf8.RuneCount(s.text[start : start+n])
			}
			i = after
		}
		lo = end
	}
	best, scriptsUsed := 0, 0
	for k, n := range s.used {
		if n > s.used[best] {
			best = k
		}
		if n > 0 {
			scriptsUsed++
		}
	}
	out, ends := s.text[:0], s.ends[:0]
	lo = 0
	for _, end := range s.ends {
		began := len(out)
		for i := lo; i < end; {
			start, n, after := nextWord(s.text[:end], i)
			if word := s.text[start : start+n]; n > 0 && scriptOf(word) == best && scriptsUsed > 0 {
				if len(out) > began {
					out = append(out, ' ')
				}
				out = append(out, word...)
			}
			i = after
		}
		if len(out) > began {
			ends = append(ends, len(out))
		}
		lo = end
	}
	s.text, s.ends = out, ends
}

// scripts are what words are told apart by. Chinese characters and kana are one, since Japanese is written in
// all of them at once. The last is every other script: no language of lingua is written in it.
var scripts = [...]struct {
	name   string
	tables []*unicode.RangeTable
}{
	{"Latin", []*unicode.RangeTable{unicode.Latin}},
	{"Arabic", []*unicode.RangeTable{unicode.Arabic}},
	{"Armenian", []*unicode.RangeTable{unicode.Armenian}},
	{"Bengali", []*unicode.RangeTable{unicode.Bengali}},
	{"Cyrillic", []*unicode.RangeTable{unicode.Cyrillic}},
	{"Devanagari", []*unicode.RangeTable{unicode.Devanagari}},
	{"Georgian", []*unicode.RangeTable{unicode.Georgian}},
	{"Greek", []*unicode.RangeTable{unicode.Greek}},
	{"Gujarati", []*unicode.RangeTable{unicode.Gujarati}},
	{"Gurmukhi", []*unicode.RangeTable{unicode.Gurmukhi}},
	{"Han and kana", []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana}},
	{"Hangul", []*unicode.RangeTable{unicode.Hangul}},
	{"Hebrew", []*unicode.RangeTable{unicode.Hebrew}},
	{"Tamil", []*unicode.RangeTable{unicode.Tamil}},
	{"Telugu", []*unicode.RangeTable{unicode.Telugu}},
	{"Thai", []*unicode.RangeTable{unicode.Thai}},
	{"other", nil},
}

// scriptOf is the script of a word: that of its first letter that belongs to one script (modifier letters belong
// to several). -1 where none does.
func scriptOf(word []byte) int {
	for i := 0; i < len(word); {
		if c := word[i]; c < utf8.RuneSelf {
			return 0
		}
		r, size := utf8.DecodeRune(word[i:])
		if !unicode.In(r, unicode.Common, unicode.Inherited) {
			for k := range scripts {
				if unicode.In(r, scripts[k].tables...) {
					return k
				}
			}
			return len(scripts) - 1
		}
		i += size
	}
	return -1
}
