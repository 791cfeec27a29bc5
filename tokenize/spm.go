package tokenize

import (
	"errors"
	"fmt"

	"curate/sentencepiece"
	"curate/tokenize/model"
	"curate/tokenize/postprocessor"
)

// newSPM makes a tokenizer of a SentencePiece model: it encodes as SentencePiece does, which looks for no special tokens
// in the text. As Llama and Mistral do with their models, a piece for the beginning of a text is what is put before it.
func newSPM(data []byte) (*Tokenizer, error) {
	m, err := sentencepiece.Read(data)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{spm: m, vocab: new(model.Vocabulary), post: new(postprocessor.PostProcessor), special: map[uint32]bool{}}
	pieces := m.Pieces()
	if len(pieces) > model.MaxIDs {
		return nil, fmt.Errorf("%d pieces; at most %d are possible", len(pieces), model.MaxIDs)
	}
	if len(pieces) == 0 {
		return nil, errors.New("a SentencePiece model without pieces")
	}
	size := 0
	for i := range pieces {
		size += len(pieces[i].Text)
	}
	t.vocab.Grow(len(pieces), len(pieces), size)
	for id, p := range pieces {
		if err := t.vocab.AddOpaque(uint32(id), []byte(p.Text)); err != nil {
			return nil, err
		}
		if p.Type == sentencepiece.Control || p.Type == sentencepiece.Unknown {
			t.special[uint32(id)] = true
			t.info.Special = append(t.info.Special, Token{uint32(id), p.Text})
		}
	}
	if _, bos, _, _ := m.Special(); bos >= 0 {
		t.post.Before = []uint32{uint32(bos)}
	}
	t.info.Format = "SentencePiece"
	t.info.Model = map[sentencepiece.Kind]string{sentencepiece.Unigram: "Unigram", sentencepiece.BPE: "BPE"}[m.Kind()]
	t.describe()
	return t, nil
}

func (e *Encoder) spmOffsets(ids []uint32, spans []Span, text []byte) ([]uint32, []Span) {
	for _, tok := range e.spm.AppendTokens(nil, text) {
		ids = append(ids, tok.ID)
		spans = append(spans, Span{From: tok.From, To: tok.To})
	}
	return ids, spans
}

// decodeSPM leaves out what is no piece.
func (t *Tokenizer) decodeSPM(dst []byte, ids []uint32, o DecodeOptions) []byte {
	known := make([]uint32, 0, len(ids))
	for _, id := range ids {
		if t.vocab.Has(id) && !(o.SkipSpecialTokens && t.special[id]) {
			known = append(known, id)
		}
	}
	out, err := t.spm.AppendDecoded(dst, known)
	if err != nil {
		return dst // not with pieces alone
	}
	return out
}
