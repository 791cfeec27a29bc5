package model

import (
	"fmt"
	"unicode/utf8"
)

// WordPiece cuts a piece into the longest token that it begins with, then again the longest, written with a prefix,
// that the rest begins with; a piece in which that fails somewhere is unk_token (models/wordpiece/mod.rs in HF
// tokenizers 0.23.3; BERT). It is immutable and may be shared.
type WordPiece struct {
	vocab    *Vocabulary
	unk      string
	unkID    uint32 // noID if the vocabulary has none
	maxChars int
	tokens   *trie
	inside   uint32      // the node behind the prefix
	any      bool        // there are tokens for the inside of words
	long     *longTokens // for the inside of words, without the prefix
}

// NewWordPiece makes a model. prefix is what tokens are written with that do not begin a piece, such as ##; pieces of
// more than maxChars characters are unk. unk need not be in the vocabulary: then a piece that needs it is an error.
func NewWordPiece(v *Vocabulary, unk, prefix string, maxChars int) (*WordPiece, error) {
	m := &WordPiece{vocab: v, unk: unk, unkID: lookupOr(v, unk), maxChars: maxChars, tokens: newTrie(3 * v.Len())}
	if err := eachLookup(v, m.tokens.put); err != nil {
		return nil, err
	}
	m.inside, m.any = m.tokens.walk([]byte(prefix))
	var err error
	m.long, err = newLongTokens(func(f func(token []byte, id uint32) error) error {
		return eachLookup(v, func(token []byte, id uint32) error {
			if len(token) <= len(prefix) || string(token[:len(prefix)]) != prefix {
				return nil
			}
			return f(token[len(prefix):], id)
		})
	})
	return m, err
}

// eachLookup calls f for the tokens that Lookup finds.
func eachLookup(v *Vocabulary, f func(token []byte, id uint32) error) error {
	for id := range uint32(v.Size()) {
		if !v.Has(id) {
			continue
		}
		token := v.Bytes(id)
		if found, ok := v.Lookup(token); ok && found == id {
			if err := f(token, id); err != nil {
				return err
			}
		}
	}
	for name, id := range v.aliases {
		if err := f([]byte(name), id); err != nil {
			return err
		}
	}
	return nil
}

// Type is WordPiece.
func (m *WordPiece) Type() string { return "WordPiece" }

// Vocabulary are the model's tokens, as they are written.
func (m *WordPiece) Vocabulary() *Vocabulary { return m.vocab }

// Memory is what the model holds, in bytes.
func (m *WordPiece) Memory() int64 { return m.vocab.Memory() + m.tokens.memory() + m.long.memory() }

// NewEncoder makes an encoder.
func (m *WordPiece) NewEncoder() PieceEncoder { return &wordPieceEncoder{m: m} }

type wordPieceEncoder struct {
	m      *WordPiece
	memo   memo
	tokens []Token
	states []uint32
	fair   fairText
}

// AppendPiece appends the ids of piece.
func (e *wordPieceEncoder) AppendPiece(dst []uint32, piece []byte) ([]uint32, error) {
	dst, ok := e.memo.append(dst, piece)
	if ok {
		return dst, nil
	}
	var err error
	if e.tokens, err = e.AppendTokens(e.tokens[:0], piece); err != nil {
		return dst, err
	}
	was := len(dst)
	for _, t := range e.tokens {
		dst = append(dst, t.ID)
	}
	if cap(e.tokens) > scratchKept {
		e.tokens = nil
	}
	e.memo.put(piece, dst[was:])
	return dst, nil
}

// AppendTokens appends the tokens of piece.
func (e *wordPieceEncoder) AppendTokens(dst []Token, piece []byte) ([]Token, error) {
	m, was := e.m, len(dst)
	known := len(piece) <= m.maxChars || utf8.RuneCount(piece) <= m.maxChars
	if known && utf8.Valid(piece) {
		dst, known = e.cut(dst, piece)
	} else if known {
		dst, known = e.cut(dst, e.fair.set(piece))
		e.fair.original(dst[was:])
	}
	switch {
	case known:
		return dst, nil
	case m.unkID == noID:
		return dst[:was], fmt.Errorf("%q is not made of tokens, and unk_token %q is none", excerpt(piece), m.unk)
	}
	return append(dst[:was], Token{m.unkID, 0, int32(len(piece))}), nil
}

// cut appends the tokens of text. ok is false if it is not made of tokens.
func (e *wordPieceEncoder) cut(dst []Token, text []byte) (out []Token, ok bool) {
	m := e.m
	long := m.long != nil && len(text) > shortToken
	if long {
		e.states = m.long.states(e.states, text)
	}
	for at := 0; at < len(text); {
		node, limit := uint32(0), len(text)
		if at > 0 {
			node, limit = m.inside, min(limit, at+shortToken)
		}
		id, end := uint32(noID), at
		for i := at; i < limit && (at == 0 || m.any); i++ {
			if node = m.tokens.child(node, text[i]); node == 0 {
				break
			}
			if v := m.tokens.value[node]; v != noID {
				id, end = v, i+1
			}
		}
		if long && at > 0 {
			if n := m.long.longest(e.states[at]); n != 0 {
				id, end = m.long.t.value[n], at+int(m.long.size[n])
			}
		}
		if id == noID {
			return dst, false
		}
		dst = append(dst, Token{id, int32(at), int32(end)})
		at = end
	}
	if cap(e.states) > scratchKept {
		e.states = nil
	}
	return dst, true
}
