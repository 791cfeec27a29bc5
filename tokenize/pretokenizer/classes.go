package pretokenizer

import (
	"sync"
	"unicode/utf8"
)

// A class is what the regexes of real models ask of a code point, as a set of bits.
type class uint8

const (
	isLetter  class = 1 << iota // \p{L}
	isNumber                    // \p{N}
	isSpace                     // \s: White_Space
	isNewline                   // [\r\n]
	isUpper                     // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
	isLower                     // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
	isSign                      // [\p{P}\p{S}]
	isCJK                       // [一-龥぀-ゟ゠-ヿ], as DeepSeek-V3 has it
)

// kind is c as unicode16.go has it.
func (c class) kind() class { return c &^ (isSign | isCJK) }

// The classes that exist.
const (
	other    class = 0
	upper          = isLetter | isUpper // Lu, Lt
	lower          = isLetter | isLower // Ll
	caseless       = isLetter | isUpper | isLower
	mark           = isUpper | isLower
	number         = isNumber
	space          = isSpace
	newline        = isSpace | isNewline
)

// isWord are the bits that punctuation, [^\s\p{L}\p{N}], has none of.
const isWord = isLetter | isNumber | isSpace

type classRun struct {
	first rune
	class class
}

const pageSize = 256

// classes maps a code point to its class in two steps, since most of the 4352 pages are alike.
type classes struct {
	ascii [128]class   // page 0's first half, and
	two   [0x800]class // what UTF-8 has in two bytes, again: no index is needed there
	page  [(utf8.MaxRune + 1) / pageSize]uint8
	pages [][pageSize]class
}

// theClasses are made on first use: most commands never tokenize.
var theClasses = sync.OnceValue(func() *classes {
	t := new(classes)
	seen := map[[pageSize]class]uint8{}
	signs := set(`[\p{P}\p{S}]`)
	run := 0
	var page [pageSize]class
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if run+1 < len(classRuns) && r == classRuns[run+1].first {
			run++
		}
		c := classRuns[run].class
		if c == other && signs.Has(r) {
			c |= isSign
		}
		if r >= 0x3040 && r <= 0x30ff || r >= 0x4e00 && r <= 0x9fa5 {
			c |= isCJK
		}
		page[r%pageSize] = c
		if r%pageSize == pageSize-1 {
			n, ok := seen[page]
			if !ok {
				n = uint8(len(t.pages)) // 0..255: TestClasses looks at all code points
				seen[page] = n
				t.pages = append(t.pages, page)
			}
			t.page[r/pageSize] = n
		}
	}
	for r := range t.two {
		t.two[r] = t.rune(rune(r))
	}
	copy(t.ascii[:], t.two[:])
	return t
})

func (t *classes) rune(r rune) class {
	return t.pages[t.page[r/pageSize]][r%pageSize]
}

// at is the class of the code point at text[i] and its width in bytes. A byte that is not UTF-8 is U+FFFD, one
// byte wide.
func (t *classes) at(text []byte, i int) (class, int) {
	if b := text[i]; b < utf8.RuneSelf {
		return t.ascii[b], 1
	}
	return t.multi(text, i)
}

func (t *classes) multi(text []byte, i int) (class, int) {
	// Well-formed sequences of two and three bytes (The Unicode Standard, table 3-7) are most of what there is.
	if b := text[i]; b >= 0xc2 && b < 0xe0 {
		if i+1 < len(text) && text[i+1]&0xc0 == 0x80 {
			return t.two[int(b&0x1f)<<6|int(text[i+1]&0x3f)], 2
		}
	} else if b > 0xe0 && b < 0xed && i+2 < len(text) && text[i+1]&0xc0 == 0x80 && text[i+2]&0xc0 == 0x80 {
		return t.pages[t.page[b&0x0f<<4|text[i+1]>>2&0x0f]][text[i+1]<<6|text[i+2]&0x3f], 3
	}
	r, n := utf8.DecodeRune(text[i:])
	return t.rune(r), n
}

// run is the end of the code points from i on that have any of the bits.
func (t *classes) run(text []byte, i int, bits class) int {
	for i < len(text) {
		if b := text[i]; b < utf8.RuneSelf {
			if t.ascii[b]&bits == 0 {
				break
			}
			i++
			continue
		}
		c, n := t.multi(text, i)
		if c&bits == 0 {
			break
		}
		i += n
	}
	return i
}

// punctuation is the end of [^\s\p{L}\p{N}]* from i on.
func (t *classes) punctuation(text []byte, i int) int {
	for i < len(text) {
		c, n := t.at(text, i)
		if c&isWord != 0 {
			break
		}
		i += n
	}
	return i
}

// newlines is the end of [\r\n]* from i on.
func newlines(text []byte, i int) int {
	for i < len(text) && (text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// spaces is the end of \s+(?!\S)|\s+ at i, where a white space stands: the whole run before the end of the text,
// else all of it but its last code point, which goes with what follows it, unless it is alone.
func (t *classes) spaces(text []byte, i int) int {
	j, last := i, i
	for j < len(text) {
		c, n := t.at(text, j)
		if c&isSpace == 0 {
			if last > i {
				return last
			}
			return j
		}
		last = j
		j += n
	}
	return j
}

// lines is the end of \s*[\r\n]+|\s+(?!\S)|\s+ at i, where a white space stands: what ends with the run's last
// \r or \n, else as spaces.
func (t *classes) lines(text []byte, i int) int { return t.linesWithin(text, i, 0) }

// linesWithin is lines in a part that ends before a code point that has any of the bits of ends.
func (t *classes) linesWithin(text []byte, i int, ends class) int {
	j, last, line := i, i, i
	for j < len(text) {
		c, n := t.at(text, j)
		if c&isSpace == 0 {
			if c&ends != 0 {
				last = i // it is the end
			}
			break
		}
		last = j
		j += n
		if c&isNewline != 0 {
			line = j
		}
	}
	switch {
	case line > i:
		return line
	case j < len(text) && last > i:
		return last
	}
	return j
}
