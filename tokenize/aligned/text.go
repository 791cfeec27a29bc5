// Package aligned is a text that normalizers and pre-tokenizers change, with where each of its bytes came from: what
// HF tokenizers calls NormalizedString (tokenizer/normalizer.rs).
package aligned

import (
	"slices"
	"unicode/utf8"
)

// Span is the bytes [From, To) of the original text.
type Span struct{ From, To int32 }

// Text is a text on its way from its original form to what a model sees. The zero value is empty and ready. It keeps
// its memory between texts, so that changing one allocates nothing in the long run.
//
// It is changed from left to right by one edit at a time: [Text.Begin], then [Text.Keep], [Text.Skip], [Text.Replace]
// and [Text.Insert] as often as need be, then [Text.End], which keeps what is left. Without an edit it is read only.
type Text struct {
	// B is the text as it stands. Nobody writes into it.
	B []byte
	// Of has for each byte of B what it stands for. All bytes of a character have the same. nil if nobody asks for
	// offsets, and then it stays so.
	Of []Span

	aligned bool
	base    int32
	first   int    // how many bytes of B stand for the original's first character: B begins with them
	at      int    // in B: what of it the edit in hand has consumed
	b       []byte // what the edit has written
	bFirst  int    // of it, as first
	of      []Span
	mine    [2][]byte // B is one of them, or the caller's; an edit writes the other
	mineOf  [2][]Span
	now     int // which of them B is; 1 for the caller's
}

// Set makes t the text whose first byte is the byte base of the original. Bytes that are not UTF-8 are characters of
// one byte. text is not copied and must not change before the next Set. With offsets, base+len(text) is at most 2 GiB.
func (t *Text) Set(text []byte, base int, offsets bool) {
	t.B, t.Of, t.aligned, t.base, t.now = text, nil, offsets, int32(base), 1
	t.first = 0
	if base == 0 && len(text) > 0 {
		_, t.first = utf8.DecodeRune(text)
	}
	if !offsets {
		return
	}
	of := slices.Grow(t.mineOf[1][:0], len(text))
	for i := 0; i < len(text); {
		_, n := utf8.DecodeRune(text[i:])
		s := Span{int32(base + i), int32(base + i + n)}
		for range n {
			of = append(of, s)
		}
		i += n
	}
	t.mineOf[1], t.Of = of, of
}

// SetPart makes t the bytes [from, to) of src, which must not change before the next Set.
func (t *Text) SetPart(src *Text, from, to int) {
	t.B, t.Of, t.aligned, t.base, t.now = src.B[from:to], nil, src.aligned, src.base, 1
	t.first = max(0, min(src.first-from, to-from))
	if src.aligned {
		t.Of = src.Of[from:to]
		t.base = src.Original(from, to).From
	}
}

// Shrink lets go of memory if there is more of it than for a text of limit bytes. The text is gone.
func (t *Text) Shrink(limit int) {
	if max(cap(t.mine[0]), cap(t.mine[1]), cap(t.mineOf[0]), cap(t.mineOf[1])) > limit {
		*t = Text{}
	}
}

// Aligned says whether offsets are asked for.
func (t *Text) Aligned() bool { return t.aligned }

// AtStart says whether the byte i of B stands for the original's first character, or for the empty place before it. It
// is known without offsets too.
func (t *Text) AtStart(i int) bool { return i < t.first }

// Original is what the bytes [from, to) of B stand for: from where the first begins to where the last ends. An empty
// range stands for the empty place where it is.
func (t *Text) Original(from, to int) Span {
	switch {
	case from < to:
		return Span{t.Of[from].From, t.Of[to-1].To}
	case from > 0:
		return Span{t.Of[from-1].To, t.Of[from-1].To}
	}
	return Span{t.base, t.base}
}

// Begin begins an edit. The bytes of B stay as they are until End.
func (t *Text) Begin() {
	t.at, t.bFirst = 0, 0
	t.b = slices.Grow(t.mine[1-t.now][:0], len(t.B)) // most edits change the length little, if at all
	if t.of = t.mineOf[1-t.now][:0]; t.aligned {
		t.of = slices.Grow(t.of, len(t.B))
	}
}

// Rest is what the edit has not consumed.
func (t *Text) Rest() []byte { return t.B[t.at:] }

// Keep lets the next n bytes, whole characters, stand.
func (t *Text) Keep(n int) {
	if t.bFirst == len(t.b) {
		t.bFirst += max(0, min(t.first-t.at, n))
	}
	t.b = append(t.b, t.B[t.at:t.at+n]...)
	if t.aligned {
		t.of = append(t.of, t.Of[t.at:t.at+n]...)
	}
	t.at += n
}

// Skip takes the next n bytes, whole characters, out.
func (t *Text) Skip(n int) { t.at += n }

// Replace puts s, usually one character, in the place of the next n bytes, whole characters. It stands for what the
// first of them stood for.
func (t *Text) Replace(n int, s string) {
	if t.bFirst == len(t.b) && t.at < t.first {
		t.bFirst += len(s)
	}
	t.b = append(t.b, s...)
	if t.aligned {
		of := t.Of[t.at]
		for range len(s) {
			t.of = append(t.of, of)
		}
	}
	t.at += n
}

// Insert puts s in. It stands for what the byte consumed last, kept or not, stood for; before any, for the empty place
// at the beginning.
func (t *Text) Insert(s string) {
	if t.bFirst == len(t.b) && (t.at > 0 && t.at <= t.first || t.at == 0 && t.base == 0) {
		t.bFirst += len(s)
	}
	t.b = append(t.b, s...)
	if t.aligned {
		of := Span{t.base, t.base}
		if t.at > 0 {
			of = t.Of[t.at-1]
		}
		for range len(s) {
			t.of = append(t.of, of)
		}
	}
}

// Written is how many bytes the edit has written: where in the changed text the next ones will stand.
func (t *Text) Written() int { return len(t.b) }

// End ends the edit.
func (t *Text) End() {
	t.Keep(len(t.B) - t.at)
	t.now, t.first = 1-t.now, t.bFirst
	t.mine[t.now], t.mineOf[t.now] = t.b, t.of
	t.B = t.b
	if t.aligned {
		t.Of = t.of
	}
}
