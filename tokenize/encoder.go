package tokenize

import (
	"fmt"
	"math"
	"unicode/utf8"

	"curate/sentencepiece"
	"curate/tokenize/aligned"
	"curate/tokenize/model"
	"curate/tokenize/normalizer"
)

// Options of an encoder.
type Options struct {
	// AddSpecialTokens puts around each text what the post-processor says, such as <s>: also around an empty one.
	AddSpecialTokens bool
	// SpecialsAsText takes special tokens that stand in the text for the characters they are written with. Added
	// tokens that are not special are always found.
	SpecialsAsText bool
	// Memory is how many bytes the encoder may keep of what it remembers between texts, from [LeastEncoderMemory] on; 0 is
	// [EncoderMemory]. It never changes an answer: less is slower.
	Memory int64
}

// Span is the bytes [From, To) of a text.
type Span = aligned.Span

// Encoder encodes texts for one goroutine. There are three ways: the short one of byte-level BPE with a scanner
// written by hand (here), the long one through all components (long.go), and SentencePiece's own.
type Encoder struct {
	t          *Tokenizer
	o          Options
	short      *model.Encoder
	long       *longWay
	spm        *sentencepiece.Encoder
	normalized []byte
	spaced     []byte
}

// NewEncoder makes an encoder.
func (t *Tokenizer) NewEncoder(o Options) *Encoder {
	if o.Memory == 0 {
		o.Memory = EncoderMemory
	}
	e := &Encoder{t: t, o: o}
	switch {
	case t.spm != nil:
		e.spm = t.spm.NewEncoder()
	case t.short != nil:
		e.short = t.short.NewEncoderWithin(o.Memory / 4 * 3)
	default:
		e.long = newLongWay(t, o)
	}
	return e
}

// Append appends the ids of text, which is UTF-8. Bytes that are not are encoded as they are by byte-level models, and
// are U+FFFD to others. An error is about the text: a regex of the tokenizer that takes too long on it, or a character
// for which the tokenizer has no token at all. dst is then as it was.
func (e *Encoder) Append(dst []uint32, text []byte) ([]uint32, error) {
	was := len(dst)
	if e.o.AddSpecialTokens {
		dst = append(dst, e.t.post.Before...)
	}
	dst, err := e.body(dst, text)
	if err != nil {
		return dst[:was], err
	}
	if e.o.AddSpecialTokens {
		dst = append(dst, e.t.post.After...)
	}
	return dst, nil
}

// body appends the ids of text without anything around them.
func (e *Encoder) body(dst []uint32, text []byte) ([]uint32, error) {
	switch {
	case e.short != nil:
		return e.appendShort(dst, text), nil
	case e.spm != nil:
		if len(text) > sentencepiece.MaxText {
			return dst, fmt.Errorf("a text of %d bytes; SentencePiece models take up to %d", len(text), sentencepiece.MaxText)
		}
		return e.spm.Append(dst, text), nil
	case len(text) > math.MaxInt32:
		return dst, fmt.Errorf("a text of %d bytes; this tokenizer takes up to %d", len(text), math.MaxInt32)
	}
	return e.long.append(dst, text)
}

func (e *Encoder) appendShort(dst []uint32, text []byte) []uint32 {
	c := cutter{m: e.t.exact, text: text, specials: !e.o.SpecialsAsText}
	for {
		before, id, ok := c.next()
		dst = e.between(dst, before)
		if !ok {
			return dst
		}
		dst = append(dst, id)
	}
}

// between encodes a text in which there are no added tokens but those of normalized text.
func (e *Encoder) between(dst []uint32, text []byte) []uint32 {
	if e.t.nfc {
		if out, same := normalizer.AppendNFC(e.normalized[:0], text); !same {
			e.normalized = out
			text = out
		}
	}
	c := cutter{m: e.t.normalized, text: text, specials: !e.o.SpecialsAsText}
	for {
		before, id, ok := c.next()
		dst = e.pieces(dst, before)
		if !ok {
			break
		}
		dst = append(dst, id)
	}
	if cap(e.normalized) > scratchLimit || cap(e.spaced) > scratchLimit {
		e.normalized, e.spaced = nil, nil
	}
	return dst
}

// scratchLimit is the longest text, in bytes, for which an encoder keeps memory.
const scratchLimit = 1 << 20

func (e *Encoder) pieces(dst []uint32, text []byte) []uint32 {
	if e.t.prefixSpace && len(text) > 0 && text[0] != ' ' {
		e.spaced = append(append(e.spaced[:0], ' '), text...)
		text = e.spaced
	}
	return e.short.Append(dst, text, e.t.scanner)
}

// AppendOffsets appends the ids of text, the same as Append's, and for each of them what of the text it stands for, as
// HF tokenizers has it, but in bytes: all tokens of a character that is cut stand for the whole of it. What is put
// around the text stands for [0, 0). On an error both are as they were.
func (e *Encoder) AppendOffsets(ids []uint32, spans []Span, text []byte) ([]uint32, []Span, error) {
	if limit := e.maxOffsets(); len(text) > limit {
		return ids, spans, fmt.Errorf("a text of %d bytes; offsets are for up to %d", len(text), limit)
	}
	wasIDs, wasSpans := len(ids), len(spans)
	around := func(more []uint32) {
		if e.o.AddSpecialTokens {
			ids = append(ids, more...)
			for range more {
				spans = append(spans, Span{})
			}
		}
	}
	around(e.t.post.Before)
	var err error
	switch {
	case e.spm != nil:
		ids, spans = e.spmOffsets(ids, spans, text)
	case e.short != nil && e.shortOffsets(&ids, &spans, text):
	default:
		if e.long == nil {
			e.long = newLongWay(e.t, e.o)
		}
		if ids, spans, err = e.long.appendOffsets(ids, spans, text); err != nil {
			return ids[:wasIDs], spans[:wasSpans], err
		}
	}
	around(e.t.post.After)
	return ids, spans, nil
}

// maxOffsets is the longest text, in bytes, of which offsets can be given.
func (e *Encoder) maxOffsets() int {
	if e.spm != nil {
		return sentencepiece.MaxText
	}
	return math.MaxInt32
}

// shortOffsets is the way for texts that nothing changes before the model sees them: then the bytes of the tokens are
// the text's, one behind the other. It is false, with nothing appended, where that is not so.
func (e *Encoder) shortOffsets(ids *[]uint32, spans *[]Span, text []byte) bool {
	t := e.t
	if t.prefixSpace || t.normalized != nil || len(t.post.Trims) > 0 {
		return false
	}
	if t.nfc {
		out, same := normalizer.AppendNFC(e.normalized[:0], text)
		if e.normalized = out; cap(out) > scratchLimit {
			e.normalized = nil
		}
		if !same {
			return false
		}
	}
	c := cutter{m: t.exact, text: text, specials: !e.o.SpecialsAsText}
	at := 0
	for {
		before, id, ok := c.next()
		was := len(*ids)
		*ids = e.short.Append(*ids, before, t.scanner)
		for _, id := range (*ids)[was:] {
			end := at + t.vocab.Length(id)
			*spans = append(*spans, wholeCharacters(text, at, end))
			at = end
		}
		if !ok {
			return true
		}
		*ids = append(*ids, id)
		*spans = append(*spans, Span{From: int32(c.at), To: int32(c.done)})
		at = c.done
	}
}

// wholeCharacters is text[from:to], which is not empty, with the rest of the characters at its ends.
func wholeCharacters(text []byte, from, to int) Span {
	if !utf8.RuneStart(text[from]) {
		for i := from - 1; i >= max(0, from-utf8.UTFMax+1); i-- {
			if _, n := utf8.DecodeRune(text[i:]); n > from-i {
				from = i
				break
			}
		}
	}
	if to < len(text) && !utf8.RuneStart(text[to]) {
		for i := to - 1; i >= max(0, to-utf8.UTFMax+1); i-- {
			if _, n := utf8.DecodeRune(text[i:]); n > to-i {
				to = i + n
				break
			}
		}
	}
	return Span{From: int32(from), To: int32(to)}
}
