package model

// ByteLevel is a BPE as a [Model]. Who knows where all pieces of a text begin and end gets them faster from its
// [BPE.NewEncoder].
type ByteLevel struct{ *BPE }

// Type is BPE.
func (m ByteLevel) Type() string { return "BPE" }

// NewEncoder makes an encoder.
func (m ByteLevel) NewEncoder() PieceEncoder { return m.BPE.NewEncoder() }

// AppendPiece appends the ids of piece. It knows no errors: every byte has a token.
func (e *Encoder) AppendPiece(dst []uint32, piece []byte) ([]uint32, error) {
	return e.Append(dst, piece, nil), nil
}

// AppendTokens appends the tokens of piece. A token stands for as many bytes as it has.
func (e *Encoder) AppendTokens(dst []Token, piece []byte) ([]Token, error) {
	var few [64]uint32
	at := int32(0)
	for _, id := range e.Append(few[:0], piece, nil) {
		n := int32(len(e.m.vocab.Bytes(id)))
		dst = append(dst, Token{id, at, at + n})
		at += n
	}
	return dst, nil
}
