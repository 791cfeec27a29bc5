package tokenize

import (
	"bytes"
	"strings"
)

// Stream encodes one text that comes in parts, for one goroutine. It holds what may yet change by what follows: of
// running text a line, and everything where the tokenizer does not say where a text can be cut.
type Stream struct {
	e    *Encoder
	text []byte // what has come and is not encoded
	seen int    // of text: no cut before
	part bool   // something was encoded
	cuts bool
}

// NewStream begins a text. The encoder must not be used for another until Close.
func (e *Encoder) NewStream() *Stream { return &Stream{e: e, cuts: e.t.cutsBehindLines()} }

// cutsBehindLines says whether a text can be cut between a line feed, before which something visible stands, and an ASCII
// letter, and its parts encoded alone: no scanner written by hand puts both into one piece, and one that looks ahead
// from white space does so to leave some of it to what follows, of which there is none. No added token takes both.
// Nothing composes with a line feed.
func (t *Tokenizer) cutsBehindLines() bool {
	if t.short == nil || t.scanner == nil || t.prefixSpace {
		return false
	}
	for _, a := range t.added {
		if a.lstrip || a.rstrip || a.single || strings.Contains(a.content+a.spelling, "\n") {
			return false
		}
	}
	return true
}

// Write takes the next part of the text and appends the ids that are certain. part may be cut anywhere, in a character
// too.
func (s *Stream) Write(dst []uint32, part []byte) ([]uint32, error) {
	s.text = append(s.text, part...)
	if !s.cuts {
		return dst, nil
	}
	cut := 0
	for i := len(s.text) - 1; i > s.seen; i-- {
		n := bytes.LastIndexByte(s.text[s.seen:i], '\n')
		if n < 0 {
			break
		}
		i = s.seen + n + 1
		if i >= 2 && s.text[i-2] > ' ' && s.text[i-2] < 0x7f && isASCIILetter(s.text[i]) {
			cut = i
			break
		}
	}
	s.seen = max(0, len(s.text)-1-cut) // a line feed may be the last
	if cut == 0 {
		return dst, nil
	}
	dst, err := s.encode(dst, s.text[:cut])
	s.text = s.text[:copy(s.text, s.text[cut:])]
	return dst, err
}

func isASCIILetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// Close ends the text and appends the ids of what is left. The stream is then ready for another text.
func (s *Stream) Close(dst []uint32) ([]uint32, error) {
	dst, err := s.encode(dst, s.text)
	if s.e.o.AddSpecialTokens && err == nil {
		dst = append(dst, s.e.t.post.After...)
	}
	s.text, s.seen, s.part = s.text[:0], 0, false
	if cap(s.text) > scratchLimit {
		s.text = nil
	}
	return dst, err
}

func (s *Stream) encode(dst []uint32, text []byte) ([]uint32, error) {
	if s.e.o.AddSpecialTokens && !s.part {
		dst = append(dst, s.e.t.post.Before...)
	}
	s.part = true
	return s.e.body(dst, text)
}
