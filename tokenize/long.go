package tokenize

import (
	"unicode"
	"unicode/utf8"

	"curate/tokenize/aligned"
	"curate/tokenize/model"
	"curate/tokenize/pretokenizer"
)

// longWay encodes through all components, one behind the other, with or without offsets: added tokens, normalizer,
// added tokens of normalized text, pre-tokenizer, model (extract_and_normalize and do_tokenize in HF tokenizers
// 0.23.3).
type longWay struct {
	t          *Tokenizer
	specials   bool // found in the text
	normalized aligned.Text
	pieces     pretokenizer.Pieces
	encoder    model.PieceEncoder
	tokens     []model.Token

	original []byte
	put      func(piece []byte) // instead of encoding; nil otherwise
	// What is appended to.
	ids     []uint32
	spans   []Span
	offsets bool
	first   int  // length of ids at the beginning
	around  bool // special tokens are put around the text
}

func newLongWay(t *Tokenizer, o Options) *longWay {
	w := &longWay{t: t, specials: !o.SpecialsAsText, around: o.AddSpecialTokens}
	if t.short != nil { // beside a short way, for the texts that need it
		w.encoder = t.short.NewEncoderWithin(o.Memory / 8)
	} else if m, ok := t.model.(model.ByteLevel); ok {
		w.encoder = m.BPE.NewEncoderWithin(o.Memory / 4 * 3)
	} else {
		w.encoder = t.model.NewEncoder()
	}
	return w
}

func (w *longWay) append(ids []uint32, text []byte) ([]uint32, error) {
	w.ids, w.spans, w.offsets, w.first = ids, nil, false, len(ids)
	err := w.text(text)
	ids, w.ids = w.ids, nil
	return ids, err
}

func (w *longWay) appendOffsets(ids []uint32, spans []Span, text []byte) ([]uint32, []Span, error) {
	w.ids, w.spans, w.offsets, w.first = ids, spans, true, len(ids)
	err := w.text(text)
	ids, spans, w.ids, w.spans = w.ids, w.spans, nil, nil
	return ids, spans, err
}

func (w *longWay) eachPiece(text []byte, put func(piece []byte)) error {
	w.put, w.offsets = put, false
	err := w.text(text)
	w.put, w.ids = nil, w.ids[:0]
	return err
}

func (w *longWay) text(text []byte) error {
	w.original = text
	c := cutter{m: w.t.exact, text: text, specials: w.specials}
	at := 0
	for {
		before, id, ok := c.next()
		if len(before) > 0 {
			if err := w.between(before, at); err != nil {
				return err
			}
		}
		if !ok {
			break
		}
		w.added(id, Span{From: int32(c.at), To: int32(c.done)}, text[c.at:c.done])
		at = c.done
	}
	w.original = nil
	w.normalized.Shrink(scratchLimit)
	w.pieces.Shrink(scratchLimit)
	if cap(w.tokens) > scratchLimit/8 {
		w.tokens = nil
	}
	return nil
}

// between encodes text, which begins at the byte base and has no added tokens but those of normalized text.
func (w *longWay) between(text []byte, base int) error {
	t := w.t
	whole := &w.pieces.Text
	if t.normalized != nil {
		whole = &w.normalized
	}
	whole.Set(text, base, w.offsets)
	if t.normalizer != nil {
		if err := t.normalizer.Normalize(whole); err != nil {
			return err
		}
	}
	if t.normalized == nil {
		return w.split()
	}
	c := cutter{m: t.normalized, text: whole.B, specials: w.specials}
	at := 0
	for {
		before, id, ok := c.next()
		if len(before) > 0 {
			w.pieces.Text.SetPart(whole, at, at+len(before))
			if err := w.split(); err != nil {
				return err
			}
		}
		if !ok {
			return nil
		}
		var of Span
		if w.offsets {
			of = whole.Original(c.at, c.done)
		}
		w.added(id, of, whole.B[c.at:c.done])
		at = c.done
	}
}

// split encodes what is in w.pieces.Text.
func (w *longWay) split() error {
	p := &w.pieces
	if len(p.Text.B) == 0 {
		return nil
	}
	p.Ends = append(p.Ends[:0], len(p.Text.B))
	p.InAlphabet = w.t.spelled
	if w.t.pre != nil {
		if err := w.t.pre.Split(p); err != nil {
			return err
		}
	}
	// HF's Unigram has the text itself for an unknown token, the other models the token's name.
	var unk uint32
	unknown := false
	if w.offsets && len(w.t.post.Trims) > 0 && w.t.info.Model == "Unigram" {
		unk, unknown = w.t.Unknown()
	}
	from := 0
	var err error
	for _, end := range p.Ends {
		piece := p.Text.B[from:end]
		if w.put != nil {
			w.put(piece)
			from = end
			continue
		}
		if !w.offsets {
			if w.ids, err = w.encoder.AppendPiece(w.ids, piece); err != nil {
				return err
			}
			from = end
			continue
		}
		if w.tokens, err = w.encoder.AppendTokens(w.tokens[:0], piece); err != nil {
			return err
		}
		for _, tok := range w.tokens {
			// Bytes that a model adds at a piece's end, such as a suffix, are not in the text.
			n := int32(len(piece))
			of := p.Text.Original(from+int(min(tok.From, n)), from+int(min(tok.To, n)))
			leading, trailing := 0, 0
			if len(w.t.post.Trims) > 0 {
				token := w.t.vocab.Bytes(tok.ID)
				if unknown && tok.ID == unk {
					token = piece[tok.From:tok.To]
				}
				leading, trailing = w.t.spaces(token)
			}
			w.emit(tok.ID, of, leading, trailing)
		}
		from = end
	}
	return nil
}

// added appends an added token, found as text.
func (w *longWay) added(id uint32, of Span, text []byte) {
	leading, trailing := 0, 0
	if w.offsets && len(w.t.post.Trims) > 0 {
		leading, trailing = spelledSpaces(text)
	}
	w.emit(id, of, leading, trailing)
}

// emit appends an id. Its spelling begins and ends with so many spaces.
func (w *longWay) emit(id uint32, of Span, leading, trailing int) {
	if w.offsets {
		for _, trim := range w.t.post.Trims {
			first := of.From == 0 || len(w.ids) == w.first && !(trim.Around && w.around)
			if leading != 1 || !trim.PrefixSpace || !first { // else the pre-tokenizer has put it there
				for n := leading; n > 0 && of.From < of.To; n-- {
					_, size := utf8.DecodeRune(w.original[of.From:of.To])
					of.From += int32(size)
				}
			}
			if trailing > 0 && int(of.To) < trailing*utf8.UTFMax && utf8.RuneCount(w.original[:of.To]) < trailing {
				continue // it is left alone there
			}
			for n := trailing; n > 0 && of.From < of.To; n-- {
				_, size := utf8.DecodeLastRune(w.original[of.From:of.To])
				of.To -= int32(size)
			}
		}
		w.spans = append(w.spans, of)
	}
	w.ids = append(w.ids, id)
}

// spaces is how many spaces a token begins and ends with.
func (t *Tokenizer) spaces(token []byte) (leading, trailing int) {
	if !t.byteLevel {
		return spelledSpaces(token)
	}
	for leading < len(token) && token[leading] == ' ' {
		leading++
	}
	for trailing < len(token) && token[len(token)-1-trailing] == ' ' {
		trailing++
	}
	return leading, trailing
}

// spelledSpaces are those of a token as vocabularies spell it: Ġ is a space too.
func spelledSpaces(token []byte) (leading, trailing int) {
	isSpace := func(r rune) bool { return r == 'Ġ' || unicode.IsSpace(r) }
	for b := token; len(b) > 0; leading++ {
		r, n := utf8.DecodeRune(b)
		if !isSpace(r) {
			break
		}
		b = b[n:]
	}
	for b := token; len(b) > 0; trailing++ {
		r, n := utf8.DecodeLastRune(b)
		if !isSpace(r) {
			break
		}
		b = b[:len(b)-n]
	}
	return leading, trailing
}
