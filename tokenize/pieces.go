package tokenize

import (
	"errors"

	"curate/tokenize/normalizer"
)

// Pieces calls put for each piece of text that the model would see, in order: the text between added tokens,
// normalized and cut by the pre-tokenizer, as bytes. A piece is valid during the call, and is never empty. Errors are
// those of Append. Vocabularies are trained on it, and what they are extended with.
func (e *Encoder) Pieces(text []byte, put func(piece []byte)) error {
	switch {
	case e.spm != nil:
		return errors.New("a SentencePiece model does not cut text into pieces")
	case e.short == nil:
		return e.long.eachPiece(text, put)
	}
	c := cutter{m: e.t.exact, text: text, specials: !e.o.SpecialsAsText}
	for {
		before, _, ok := c.next()
		e.normalizedPieces(before, put)
		if !ok {
			break
		}
	}
	if cap(e.normalized) > scratchLimit || cap(e.spaced) > scratchLimit {
		e.normalized, e.spaced = nil, nil
	}
	return nil
}

func (e *Encoder) normalizedPieces(text []byte, put func(piece []byte)) {
	if e.t.nfc {
		if out, same := normalizer.AppendNFC(e.normalized[:0], text); !same {
			e.normalized = out
			text = out
		}
	}
	c := cutter{m: e.t.normalized, text: text, specials: !e.o.SpecialsAsText}
	for {
		before, _, ok := c.next()
		if e.t.prefixSpace && len(before) > 0 && before[0] != ' ' {
			e.spaced = append(append(e.spaced[:0], ' '), before...)
			before = e.spaced
		}
		for at := 0; at < len(before); {
			end := len(before)
			if e.t.scanner != nil {
				end = e.t.scanner.Next(before, at)
			}
			put(before[at:end])
			at = end
		}
		if !ok {
			return
		}
	}
}
