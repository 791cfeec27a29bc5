package normalizer

import (
	"unicode/utf8"

	"curate/tokenize/aligned"
)

// edit is an edit of t that begins with the first change: without one the text is not copied.
type edit struct {
	t     *aligned.Text
	kept  int // bytes to keep that t has not been told of
	begun bool
}

func (e *edit) keep(n int) { e.kept += n }

// change is what goes before each change.
func (e *edit) change() {
	if !e.begun {
		e.begun = true
		e.t.Begin()
	}
	e.t.Keep(e.kept)
	e.kept = 0
}

func (e *edit) skip(n int) {
	e.change()
	e.t.Skip(n)
}

func (e *edit) replace(n int, s string) {
	e.change()
	e.t.Replace(n, s)
}

func (e *edit) replaceRune(n int, r rune) {
	var b [utf8.UTFMax]byte
	e.replace(n, string(b[:utf8.EncodeRune(b[:], r)]))
}

func (e *edit) insert(s string) {
	e.change()
	e.t.Insert(s)
}

func (e *edit) insertRune(r rune) {
	var b [utf8.UTFMax]byte
	e.insert(string(b[:utf8.EncodeRune(b[:], r)]))
}

// end ends the edit. What was not consumed stays.
func (e *edit) end() {
	if e.begun {
		e.t.End()
	}
}

// visible is how many bytes text begins with that are ASCII from space to tilde.
func visible(text []byte) int {
	for i, b := range text {
		if b-' ' > '~'-' ' {
			return i
		}
	}
	return len(text)
}

// ascii is how many bytes of ASCII text begins with.
func ascii(text []byte) int {
	for i, b := range text {
		if b >= utf8.RuneSelf {
			return i
		}
	}
	return len(text)
}
