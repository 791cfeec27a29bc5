package model

import "fmt"

// WordLevel makes one token of each piece: the one that is the piece, or unk_token (models/wordlevel/mod.rs in HF
// tokenizers 0.23.3). It is immutable and may be shared.
type WordLevel struct {
	vocab *Vocabulary
	unk   string
	unkID uint32 // noID if the vocabulary has none
}

// NewWordLevel makes a model. unk need not be in the vocabulary: then a piece that is not either is an error.
func NewWordLevel(v *Vocabulary, unk string) *WordLevel {
	return &WordLevel{v, unk, lookupOr(v, unk)}
}

// lookupOr is the id of token, or noID.
func lookupOr(v *Vocabulary, token string) uint32 {
	if id, ok := v.Lookup([]byte(token)); ok {
		return id
	}
	return noID
}

// Type is WordLevel.
func (m *WordLevel) Type() string { return "WordLevel" }

// Vocabulary are the model's tokens.
func (m *WordLevel) Vocabulary() *Vocabulary { return m.vocab }

// Memory is what the model holds, in bytes.
func (m *WordLevel) Memory() int64 { return m.vocab.Memory() }

// NewEncoder makes an encoder.
func (m *WordLevel) NewEncoder() PieceEncoder { return &wordLevelEncoder{m: m} }

type wordLevelEncoder struct {
	m    *WordLevel
	fair fairText
}

func (e *wordLevelEncoder) token(piece []byte) (uint32, error) {
	if id, ok := e.m.vocab.Lookup(piece); ok {
		return id, nil
	}
	if id, ok := e.m.vocab.Lookup(e.fair.set(piece)); ok {
		return id, nil
	}
	if e.m.unkID == noID {
		return 0, fmt.Errorf("%q is no token, and neither is unk_token %q", excerpt(piece), e.m.unk)
	}
	return e.m.unkID, nil
}

// AppendPiece appends the id of piece.
func (e *wordLevelEncoder) AppendPiece(dst []uint32, piece []byte) ([]uint32, error) {
	id, err := e.token(piece)
	if err != nil {
		return dst, err
	}
	return append(dst, id), nil
}

// AppendTokens appends the token of piece, which stands for all of it.
func (e *wordLevelEncoder) AppendTokens(dst []Token, piece []byte) ([]Token, error) {
	id, err := e.token(piece)
	if err != nil {
		return dst, err
	}
	return append(dst, Token{id, 0, int32(len(piece))}), nil
}
