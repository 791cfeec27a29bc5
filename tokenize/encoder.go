package tokenize

import (
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
}

// Encoder encodes texts for one goroutine.
type Encoder struct {
	t          *Tokenizer
	o          Options
	model      *model.Encoder
	normalized []byte
	spaced     []byte
}

// NewEncoder makes an encoder. It takes up to [EncoderMemory].
func (t *Tokenizer) NewEncoder(o Options) *Encoder {
	return &Encoder{t: t, o: o, model: t.bpe.NewEncoder()}
}

// Span is the bytes [From, To) of a text.
type Span = aligned.Span

// AppendOffsets appends the ids of text, the same as Append's, and for each of them what of the text it stands for, as
// HF tokenizers has it, but in bytes; what is put around the text stands for [0, 0).
func (e *Encoder) AppendOffsets(ids []uint32, spans []Span, text []byte) ([]uint32, []Span, error) {
	panic("unwritten")
}

// Append appends the ids of text, which is UTF-8. Bytes that are not are encoded as they are by byte-level models, and
// are U+FFFD to others. An error is about the text: a regex of the tokenizer that takes too long on it, or a character
// for which the tokenizer has no token at all.
func (e *Encoder) Append(dst []uint32, text []byte) ([]uint32, error) {
	if e.o.AddSpecialTokens {
		dst = append(dst, e.t.prefix...)
	}
	c := cutter{m: e.t.exact, text: text, specials: !e.o.SpecialsAsText}
	for {
		before, id, ok := c.next()
		dst = e.between(dst, before)
		if !ok {
			break
		}
		dst = append(dst, id)
	}
	if e.o.AddSpecialTokens {
		dst = append(dst, e.t.suffix...)
	}
	return dst, nil
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
	return e.model.Append(dst, text, e.t.scanner)
}
