// Package sentencepiece reads the .model files of SentencePiece and encodes with them as sentencepiece 0.2.3 does:
// BPE and Unigram models, with the normalizer that is compiled into the file.
//
// A text is normalized (normalize.go, charsmap.go), cut into words where no piece can reach across (encoder.go), and
// each word goes through the model (bpe.go, unigram.go) unless it is remembered (cache.go).
package sentencepiece

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"strings"
	"unicode/utf8"
)

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

// inText says whether a text can come to be made of such pieces.
func (p *Piece) inText() bool { return p.Type == Normal || p.Type == UserDefined || p.Type == Unused }

// Kind is the algorithm of a model.
type Kind uint8

// The kinds of models that can encode (TrainerSpec.ModelType).
const (
	Unigram Kind = 1
	BPE     Kind = 2
)

// Model is a .model file made ready. It is immutable and may be shared.
type Model struct {
	kind   Kind
	pieces []Piece
	index  index

	unk                int32 // the piece of type Unknown; -1 if there is none, which needs bytes
	bos, eos, pad      int32
	bytes              *[256]uint32 // ids of the byte pieces; nil: what is unknown is unk
	unkSurface         string
	stripBos, stripAll bool // of decoded text: one ▁ at its begin, or all of them

	normalizer   normalizer
	denormalizer *normalizer // nil: none

	cuts cuts

	longest int // bytes of the longest piece that merges can make
	bpe     *bpe
	unigram *unigram
}

// maxPiece is the length in bytes from which sentencepiece refuses a piece (InitializePieces of model_interface.cc).
const maxPiece = 8000

// Read reads a .model file. What it holds is in proportion to the file's size, whatever the file says: three times as
// much for usual ones, some ten times for one of very short pieces.
func Read(data []byte) (*Model, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("sentencepiece: %w", err)
	}
	m, err := f.model()
	if err != nil {
		return nil, fmt.Errorf("sentencepiece: %w", err)
	}
	return m, nil
}

// model checks what sentencepiece checks when it loads a file (InitializePieces of model_interface.cc and the
// constructors of the models), and makes the tables.
func (f *file) model() (*Model, error) {
	m := &Model{pieces: f.pieces, unk: -1}
	switch f.modelType {
	case 1, 2:
		m.kind = Kind(f.modelType)
	default:
		return nil, fmt.Errorf("trainer_spec.model_type is %s: only UNIGRAM and BPE models are read here", [...]string{3: "WORD", 4: "CHAR"}[f.modelType])
	}
	if len(m.pieces) == 0 {
		return nil, errors.New("no pieces: is this a .model file?")
	}
	var bytes [256]uint32
	var found [256]bool
	var symbols []uint32 // user-defined
	unused, inText := false, 0
	for i := range m.pieces {
		p := &m.pieces[i]
		if f.byteFallback && p.Text == "\x00" {
			p.Type = Unused // SentencePieceProcessor::Load, github.com/google/sentencepiece/issues/1308
		}
		switch {
		case p.Text == "":
			return nil, fmt.Errorf("pieces[%d] is empty", i)
		case len(p.Text) >= maxPiece:
			return nil, fmt.Errorf("pieces[%d] has %d bytes: SentencePiece takes less than %d", i, len(p.Text), maxPiece)
		case p.Text == "\x00" && p.Type == Unused:
			continue
		case strings.IndexByte(p.Text, 0) >= 0:
			return nil, fmt.Errorf("pieces[%d] %q has a null character", i, clip(p.Text))
		case m.kind == Unigram && (p.Score != p.Score || math.IsInf(float64(p.Score), 0)):
			return nil, fmt.Errorf("pieces[%d] %q: the score is %v, not a number to add up", i, clip(p.Text), p.Score)
		}
		if p.inText() {
			inText++
			m.longest = max(m.longest, len(p.Text))
		}
		switch p.Type {
		case Unknown:
			if m.unk >= 0 {
				return nil, fmt.Errorf("pieces[%d] %q: pieces[%d] is of type UNKNOWN already, and there can be one", i, clip(p.Text), m.unk)
			}
			m.unk = int32(i)
		case UserDefined:
			symbols = append(symbols, uint32(i))
		case Unused:
			unused = true
		case Byte:
			b, ok := pieceByte(p.Text)
			if !f.byteFallback || !ok {
				return nil, fmt.Errorf("pieces[%d] %q is of type BYTE, which asks for byte_fallback and the spelling <0x00> to <0xFF>", i, clip(p.Text))
			}
			bytes[b], found[b] = uint32(i), true
		}
	}
	if m.unk < 0 && !f.byteFallback {
		return nil, errors.New("no piece of type UNKNOWN, and no byte_fallback")
	}
	if f.byteFallback {
		for b, ok := range found {
			if !ok {
				return nil, fmt.Errorf("byte_fallback asks for 256 pieces of type BYTE, and <0x%02X> is missing", b)
			}
		}
		m.bytes = &bytes
	}
	if m.kind == Unigram && inText == 0 {
		return nil, errors.New("no piece that text can be made of")
	}
	var err error
	if m.index, err = newIndex(m.pieces, m.kind == Unigram); err != nil {
		return nil, err
	}
	m.bos, m.eos, m.pad = m.control(f.bosPiece, "<s>"), m.control(f.eosPiece, "</s>"), m.control(f.padPiece, "<pad>")

	m.unkSurface = f.unkSurface
	m.stripAll = f.normalizer.removeExtraWhitespaces
	m.stripBos = f.normalizer.addDummyPrefix || m.stripAll
	wellFormed := true
	if m.normalizer, err = newNormalizer("normalizer_spec", f.normalizer, f.whitespaceAsSuffix); err != nil {
		return nil, err
	}
	if m.normalizer.charsMap != nil {
		wellFormed = m.normalizer.charsMap.wellFormed
	}
	if len(f.denormalizer.charsMap) > 0 {
		d, err := newNormalizer("denormalizer_spec", f.denormalizer, false)
		if err != nil {
			return nil, err
		}
		m.denormalizer = &d
	}
	if len(symbols) > 0 {
		t, err := newTrie(m.pieces, symbols)
		if err != nil {
			return nil, err
		}
		m.normalizer.setSymbols(t)
		for _, id := range symbols {
			wellFormed = wellFormed && utf8.ValidString(m.pieces[id].Text)
		}
	}
	// What an unused piece falls apart into depends on the whole text (see bpe.go), and which spaces are at its end is
	// known there only.
	if wellFormed && f.normalizer.escapeWhitespaces && !(unused && m.kind == BPE) {
		m.cuts = findCuts(m.pieces)
	}
	if m.kind == BPE {
		m.bpe = newBPE(m, unused)
	} else if m.unigram, err = newUnigram(m.pieces, m.unk); err != nil {
		return nil, err
	}
	return m, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// pieceByte is the byte of the piece <0xHH>.
func pieceByte(s string) (byte, bool) {
	if len(s) != 6 || s[:3] != "<0x" || s[5] != '>' {
		return 0, false
	}
	const digits = "0123456789ABCDEF"
	hi, lo := strings.IndexByte(digits, s[3]), strings.IndexByte(digits, s[4])
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

func (m *Model) control(piece, otherwise string) int32 {
	if piece == "" {
		piece = otherwise
	}
	if id, ok := m.ID(piece); ok && m.pieces[id].Type == Control {
		return int32(id)
	}
	return -1
}

// Kind is the model's algorithm.
func (m *Model) Kind() Kind { return m.kind }

// Pieces is the vocabulary by id. It must not be written to.
func (m *Model) Pieces() []Piece { return m.pieces }

// ID is the id of a piece as it is spelled. Where a Unigram model has a spelling twice, it is the one that is not part
// of texts (ModelInterface::PieceToId).
func (m *Model) ID(piece string) (id uint32, ok bool) {
	return m.index.find(m.pieces, piece)
}

// Special are the ids of the pieces for what is unknown, the beginning and the end of a text, and padding; -1 where
// there is none. SentencePiece finds them by their pieces (SentencePieceProcessor::Load): the one of type Unknown, and
// the control pieces that TrainerSpec's bos_piece, eos_piece and pad_piece spell, or <s>, </s> and <pad>. What the file
// says in unk_id, bos_id, eos_id and pad_id does not count.
func (m *Model) Special() (unk, bos, eos, pad int) {
	return int(m.unk), int(m.bos), int(m.eos), int(m.pad)
}

// Memory is about what the model holds, in bytes.
func (m *Model) Memory() int64 {
	n := int64(24*len(m.pieces) + 8*len(m.index.slots) + 16<<10)
	for i := range m.pieces {
		n += int64(len(m.pieces[i].Text))
	}
	n += m.normalizer.memory()
	if m.denormalizer != nil {
		n += m.denormalizer.memory()
	}
	if m.bpe != nil {
		n += m.bpe.memory()
	}
	if m.unigram != nil {
		n += m.unigram.memory()
	}
	return n
}

// index finds pieces by their spelling: open addressing with linear probing, at most half full.
type index struct {
	seed  maphash.Seed // drawn anew for each model, so that no file and no text can aim at a slot
	slots []indexSlot
}

type indexSlot struct {
	hash uint32
	id   uint32 // plus 1; 0 is an empty slot
}

// newIndex refuses a spelling that stands twice. A Unigram model keeps the pieces that are not part of texts apart from
// the others; they are entered first, so that they are found first.
func newIndex(pieces []Piece, apart bool) (index, error) {
	size := 16
	for size < 2*len(pieces) {
		size *= 2
	}
	x := index{maphash.MakeSeed(), make([]indexSlot, size)}
	for _, inText := range []bool{false, true} {
		for i := range pieces {
			p := &pieces[i]
			if p.inText() != inText || p.Text == "\x00" {
				continue
			}
			h := uint32(maphash.String(x.seed, p.Text) >> 32)
			at := h & uint32(size-1)
			for ; x.slots[at].id != 0; at = (at + 1) & uint32(size-1) {
				if s := x.slots[at]; s.hash == h {
					if q := &pieces[s.id-1]; q.Text == p.Text && (!apart || q.inText() == inText) {
						return x, fmt.Errorf("pieces[%d] %q is pieces[%d] once more", max(i, int(s.id-1)), clip(p.Text), min(i, int(s.id-1)))
					}
				}
			}
			x.slots[at] = indexSlot{h, uint32(i) + 1}
		}
	}
	return x, nil
}

func (x *index) find(pieces []Piece, text string) (id uint32, ok bool) {
	h := uint32(maphash.String(x.seed, text) >> 32)
	mask := uint32(len(x.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := x.slots[at]
		if s.id == 0 {
			return 0, false
		}
		if s.hash == h && pieces[s.id-1].Text == text {
			return s.id - 1, true
		}
	}
}

func (x *index) findBytes(pieces []Piece, text []byte) (id uint32, ok bool) {
	h := uint32(maphash.Bytes(x.seed, text) >> 32)
	mask := uint32(len(x.slots) - 1)
	for at := h & mask; ; at = (at + 1) & mask {
		s := x.slots[at]
		if s.id == 0 {
			return 0, false
		}
		if s.hash == h && pieces[s.id-1].Text == string(text) {
			return s.id - 1, true
		}
	}
}
