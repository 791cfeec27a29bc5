// Package sentencepiece reads the .model files of SentencePiece and encodes with them as sentencepiece 0.2.3 does:
// BPE and Unigram models, with the normalizer that is compiled into the file.
package sentencepiece

// Type is what a piece is for (ModelProto.SentencePiece.Type in sentencepiece_model.proto).
type Type uint8

// The types of pieces.
const (
	Normal      Type = 1
	Unknown     Type = 2
	Control     Type = 3
	UserDefined Type = 4
	Unused      Type = 5
	Byte        Type = 6
)

// Piece is an entry of the vocabulary. Its id is its place.
type Piece struct {
	Text  string // as it is spelled, with ▁ for a space
	Score float32
	Type  Type
}

// Kind is the algorithm of a model.
type Kind uint8

// The kinds of models that can encode (TrainerSpec.ModelType).
const (
	Unigram Kind = 1
	BPE     Kind = 2
)

// Model is a .model file made ready. It is immutable and may be shared.
type Model struct{}

// Read reads a .model file. It holds a few times the file's size at most, whatever the file says.
func Read(data []byte) (*Model, error) { panic("unwritten") }

// Kind is the model's algorithm.
func (m *Model) Kind() Kind { panic("unwritten") }

// Pieces is the vocabulary by id. It must not be written to.
func (m *Model) Pieces() []Piece { panic("unwritten") }

// ID is the id of a piece as it is spelled.
func (m *Model) ID(piece string) (id uint32, ok bool) { panic("unwritten") }

// Special are the ids of the pieces for what is unknown, the beginning and the end of a text, and padding; -1 where
// there is none (TrainerSpec's unk_id, bos_id, eos_id, pad_id; where the file does not say, by their pieces).
func (m *Model) Special() (unk, bos, eos, pad int) { panic("unwritten") }

// Memory is about what the model holds, in bytes.
func (m *Model) Memory() int64 { panic("unwritten") }

// AppendNormalized appends text as the model's normalizer makes it: what Append encodes.
func (m *Model) AppendNormalized(dst, text []byte) []byte { panic("unwritten") }

// AppendDecoded appends the text that ids stand for, as SentencePieceProcessor.decode does. Ids that are no piece are an
// error.
func (m *Model) AppendDecoded(dst []byte, ids []uint32) ([]byte, error) { panic("unwritten") }

// Encoder encodes texts for one goroutine. It keeps its memory between texts.
type Encoder struct{}

// NewEncoder makes an encoder. It takes up to [EncoderMemory].
func (m *Model) NewEncoder() *Encoder { panic("unwritten") }

// EncoderMemory is the most that an encoder holds between texts, in bytes.
const EncoderMemory = 16 << 20

// Append appends the ids of text, as SentencePieceProcessor.encode does: nothing is put around them. Bytes that are not
// UTF-8 are U+FFFD, each of them.
func (e *Encoder) Append(dst []uint32, text []byte) []uint32 { panic("unwritten") }

// Token is an id and the bytes [From, To) of the text as it was given that it stands for
// (SentencePieceText.begin and end).
type Token struct {
	ID       uint32
	From, To int32
}

// AppendTokens appends the ids with where they stand in the text.
func (e *Encoder) AppendTokens(dst []Token, text []byte) []Token { panic("unwritten") }

// CharsMap replaces character sequences: NormalizerSpec.precompiled_charsmap, a double-array trie and the
// replacements behind it. It is immutable and may be shared.
type CharsMap struct{}

// ReadCharsMap reads what is in a .model file, or (from base64) in the normalizer Precompiled of a tokenizer.json.
func ReadCharsMap(blob []byte) (*CharsMap, error) { panic("unwritten") }

// Longest is the longest sequence that text begins with and that has a replacement; n, its length in bytes, is 0 if
// there is none.
func (c *CharsMap) Longest(text []byte) (replacement []byte, n int) { panic("unwritten") }

// Shortest is the shortest of them, which HF tokenizers takes (spm_precompiled's transform).
func (c *CharsMap) Shortest(text []byte) (replacement []byte, n int) { panic("unwritten") }
