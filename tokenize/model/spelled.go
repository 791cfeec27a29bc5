package model

import (
	"fmt"
	"unicode/utf8"
)

// spelled is a model of characters behind a component ByteLevel, such as CLIP's BPE with its suffix for the ends of
// words, or one that lacks some bytes: it sees bytes in the alphabet of byte-level tokenizers, and its callers see
// bytes.
type spelled struct {
	Model                          // its vocabulary is written in the alphabet
	vocab   *Vocabulary            // the same as bytes
	letters [256][utf8.UTFMax]byte // the character of each byte
	lengths [256]uint8
}

func newSpelled(path string, m Model, decode func(dst, name []byte) ([]byte, bool)) (Model, error) {
	s := &spelled{Model: m, vocab: new(Vocabulary)}
	var letter [utf8.UTFMax]byte
	var token []byte
	for r := rune(0); r < 1<<9; r++ { // the alphabet ends below U+0144
		n := utf8.EncodeRune(letter[:], r)
		if out, ok := decode(token[:0], letter[:n]); ok && len(out) == 1 {
			token = out
			s.letters[out[0]], s.lengths[out[0]] = letter, uint8(n)
		}
	}
	old := m.Vocabulary()
	for id := range uint32(old.Size()) {
		if !old.Has(id) {
			continue
		}
		name := old.Bytes(id)
		bytes, ok := decode(token[:0], name)
		token = bytes
		if _, known := s.vocab.Lookup(bytes); known {
			ok = false // only Unigram has the same token twice: the one that is looked up counts
		}
		if counts, _ := old.Lookup(name); ok && counts == id {
			if err := s.vocab.Add(id, bytes); err != nil {
				return nil, fmt.Errorf("%s.vocab: %w", path, err)
			}
		} else if err := s.vocab.AddOpaque(id, name); err != nil {
			return nil, fmt.Errorf("%s.vocab: %w", path, err)
		}
	}
	for name, id := range old.aliases {
		if bytes, ok := decode(token[:0], []byte(name)); ok {
			s.vocab.addAlias(id, bytes)
		}
	}
	return s, nil
}

// Vocabulary are the model's tokens, as bytes.
func (s *spelled) Vocabulary() *Vocabulary { return s.vocab }

// Memory is what the model holds, in bytes.
func (s *spelled) Memory() int64 { return s.Model.Memory() + s.vocab.Memory() }

// Merges is the number of merges, 0 if the model has none.
func (s *spelled) Merges() int {
	if m, ok := s.Model.(interface{ Merges() int }); ok {
		return m.Merges()
	}
	return 0
}

// NewEncoder makes an encoder.
func (s *spelled) NewEncoder() PieceEncoder { return &spelledEncoder{s: s, e: s.Model.NewEncoder()} }

type spelledEncoder struct {
	s    *spelled
	e    PieceEncoder
	text []byte
}

func (e *spelledEncoder) spell(piece []byte) []byte {
	if cap(e.text) > scratchKept {
		e.text = nil
	}
	text := e.text[:0]
	for _, b := range piece {
		text = append(text, e.s.letters[b][:e.s.lengths[b]]...)
	}
	e.text = text
	return text
}

// AppendPiece appends the ids of piece, which is bytes.
func (e *spelledEncoder) AppendPiece(dst []uint32, piece []byte) ([]uint32, error) {
	return e.e.AppendPiece(dst, e.spell(piece))
}

// AppendTokens appends the tokens of piece, which is bytes, with where they stand among these.
func (e *spelledEncoder) AppendTokens(dst []Token, piece []byte) ([]Token, error) {
	text := e.spell(piece)
	was := len(dst)
	dst, err := e.e.AppendTokens(dst, text)
	if err != nil {
		return dst, err
	}
	// Tokens stand one behind the other, or several at one place: a walk forwards finds both ends of each.
	at, from := 0, int32(0) // from is how far it is in piece, at in text
	for i := was; i < len(dst); i++ {
		t := &dst[i]
		for at < int(t.From) && int(from) < len(piece) {
			at += int(e.s.lengths[piece[from]])
			from++
		}
		to, end := from, at
		for end < int(t.To) && int(to) < len(piece) {
			end += int(e.s.lengths[piece[to]])
			to++
		}
		if at > int(t.From) { // it begins inside a character: a byte of a token of bytes
			t.From = max(from-1, 0)
		} else {
			t.From = from
		}
		t.To = to
	}
	return dst, nil
}
