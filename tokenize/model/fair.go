package model

import "unicode/utf8"

// fairText is a piece with U+FFFD for each byte that is not UTF-8, which is what models of characters see of one.
type fairText struct {
	b  []byte
	of []Token // for each byte of b which of the piece it stands for
}

func (f *fairText) set(piece []byte) []byte {
	f.b, f.of = f.b[:0], f.of[:0]
	for i := 0; i < len(piece); {
		r, n := utf8.DecodeRune(piece[i:])
		was := len(f.b)
		f.b = utf8.AppendRune(f.b, r)
		for k := range len(f.b) - was {
			at := int32(i + min(k, n-1))
			f.of = append(f.of, Token{From: at, To: at + 1})
		}
		i += n
	}
	return f.b
}

// original turns places in the text into places in the piece.
func (f *fairText) original(tokens []Token) {
	last := int32(len(f.of) - 1)
	for i := range tokens {
		t := &tokens[i]
		t.From, t.To = f.of[min(t.From, last)].From, f.of[min(max(t.To-1, 0), last)].To
	}
}
