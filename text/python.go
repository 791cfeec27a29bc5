package text

import "sort"

// kind is the set of flags of a character. The tables (python_table.go) are what CPython 3.11, that is Unicode
// 14.0, and the libraries of the reference answer: signatures must not change with the Unicode version of the Go
// release that builds us.
type kind uint16

const (
	kindWord      kind = 1 << iota // \w of Python's re
	kindLower                      // Python's str.lower changes it
	kindMark                       // general category Mn
	kindJoins                      // its decomposition begins with a Canonical_Combining_Class other than 0
	kindCanonical                  // NFD changes it or, though no mark, may move it
	kindDigit                      // general category Nd
	kindCased                      // derived property Cased
	kindIgnorable                  // derived property Case_Ignorable
	kindBlank                      // white space, or in datatrove's PUNCTUATION
	kindPrefix                     // spaCy splits it off the beginning of a word
	kindSuffix                     // off the end
	kindAmount                     // off the end after a digit
	kindInfix                      // out of the middle
	kindAlpha                      // spaCy's ALPHA
)

func kindOf(r rune) kind {
	if uint32(r) > 0x10FFFF {
		return 0
	}
	return pyKinds[pyBlocks[pyRows[pyTop[r>>12]][r>>6&63]][r&63]]
}

// lowerOf is the lower case of a character that has kindLower; not that of U+0130, which is two, nor of Σ, which
// depends on its place.
func lowerOf(r rune) rune {
	i := sort.Search(len(lowerCase), func(i int) bool { return lowerCase[i].hi >= r })
	if i < len(lowerCase) {
		if e := &lowerCase[i]; e.lo <= r && (r-e.lo)%e.step == 0 {
			return r + e.delta
		}
	}
	return r
}

// classOf is the Canonical_Combining_Class of a character that is no mark.
func classOf(r rune) uint8 {
	i := sort.Search(len(combiningClass), func(i int) bool { return combiningClass[i].r >= r })
	if i < len(combiningClass) && combiningClass[i].r == r {
		return combiningClass[i].class
	}
	return 0
}
