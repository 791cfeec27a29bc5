package eval

import (
	"errors"
	"math"
	"slices"
	"unicode"
	"unicode/utf8"

	"curate/tokenize"
)

// Text is what is counted of texts without a tokenizer.
type Text struct {
	Documents  int64 `json:"documents"`
	Bytes      int64 `json:"bytes"`      // of the decoded text as UTF-8
	Characters int64 `json:"characters"` // code points
	Words      int64 `json:"words"`      // what white space separates
}

// Tokens is what is counted of them with one.
type Tokens struct {
	Tokens int64 `json:"tokens"`
	// Continued is how many words are cut: more than one token has a part of them.
	Continued int64 `json:"continued"`
	// Unknown is how many tokens are the one for what the tokenizer does not know.
	Unknown int64 `json:"unknown"`
}

var errOverflow = errors.New("counts add up to more than 2^63-1")

func add(to *int64, n int64) error {
	if *to > math.MaxInt64-n {
		return errOverflow
	}
	*to += n
	return nil
}

func (t *Text) add(u *Text) error {
	return errors.Join(add(&t.Documents, u.Documents), add(&t.Bytes, u.Bytes), add(&t.Characters, u.Characters), add(&t.Words, u.Words))
}

func (t *Tokens) add(u *Tokens) error {
	return errors.Join(add(&t.Tokens, u.Tokens), add(&t.Continued, u.Continued), add(&t.Unknown, u.Unknown))
}

// counter counts one text after the other, for one goroutine.
type counter struct {
	words []tokenize.Span
	parts []uint32 // tokens that have a part of each word
	ids   []uint32
	spans []tokenize.Span
}

// cut finds the words of a text.
func (c *counter) cut(text []byte) Text {
	t := Text{Documents: 1, Bytes: int64(len(text))}
	c.words = c.words[:0]
	start := -1
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch space := unicode.IsSpace(r); {
		case space && start >= 0:
			c.words = append(c.words, tokenize.Span{From: int32(start), To: int32(i)})
			start = -1
		case !space && start < 0:
			start = i
		}
		t.Characters++
		i += n
	}
	if start >= 0 {
		c.words = append(c.words, tokenize.Span{From: int32(start), To: int32(len(text))})
	}
	t.Words = int64(len(c.words))
	return t
}

// count encodes the text that was cut last. unknown is the id of the token for what the tokenizer does not know, or -1.
func (c *counter) count(e *tokenize.Encoder, text []byte, unknown int64) (t Tokens, err error) {
	// Of a giant text each growth would hold the old and the new.
	c.ids, c.spans = slices.Grow(c.ids[:0], len(text)/4), slices.Grow(c.spans[:0], len(text)/4)
	if c.ids, c.spans, err = e.AppendOffsets(c.ids, c.spans, text); err != nil {
		return t, err
	}
	t.Tokens = int64(len(c.ids))
	if cap(c.parts) < len(c.words) {
		c.parts = make([]uint32, len(c.words), len(c.words)+len(c.words)/4)
	}
	parts := c.parts[:len(c.words)]
	clear(parts)
	w := 0
	for i, s := range c.spans {
		if int64(c.ids[i]) == unknown {
			t.Unknown++
		}
		for w > 0 && c.words[w-1].To > s.From { // spans may go back a little
			w--
		}
		for w < len(c.words) && c.words[w].To <= s.From {
			w++
		}
		for k := w; k < len(c.words) && c.words[k].From < s.To; k++ {
			parts[k]++
		}
	}
	for _, n := range parts {
		if n > 1 {
			t.Continued++
		}
	}
	return t, nil
}

// shrink lets go of what only giant documents need.
func (c *counter) shrink(limit int) {
	if 8*max(cap(c.words), cap(c.spans)) > limit {
		*c = counter{}
	}
}
