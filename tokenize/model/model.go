package model

// Model is a component model of tokenizer.json. It is immutable and may be shared.
type Model interface {
	// Type is the component's type as the file names it.
	Type() string
	// Vocabulary are the model's tokens.
	Vocabulary() *Vocabulary
	// Memory is what the model holds, in bytes, its vocabulary included.
	Memory() int64
	// NewEncoder makes an encoder for one goroutine. It takes up to PieceEncoderMemory, and one of byte-level BPE up to
	// EncoderMemory.
	NewEncoder() PieceEncoder
}

// PieceEncoder encodes pieces for one goroutine. What it remembers of earlier ones never changes an answer.
type PieceEncoder interface {
	// AppendPiece appends the ids of piece, which is not empty.
	AppendPiece(dst []uint32, piece []byte) ([]uint32, error)
	// AppendTokens appends them with where they stand. It may be slower.
	AppendTokens(dst []Token, piece []byte) ([]Token, error)
}

// Token is an id and the bytes [From, To) of the piece that it is for.
type Token struct {
	ID       uint32
	From, To int32
}
