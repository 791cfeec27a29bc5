package model

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// Unigram makes of a piece the tokens whose scores, logarithms of their frequencies, have the largest sum (Kudo 2018;
// encode_optimized in models/unigram/model.rs of HF tokenizers 0.23.3, which is not sentencepiece's to the last tie). It
// is immutable and may be shared.
type Unigram struct {
	vocab        *Vocabulary
	scores       []float64 // by id
	unkID        uint32    // noID if there is none
	unkScore     float64
	byteFallback bool
	bytes        [256]uint32 // the token of each byte, or noID
	tokens       *trie
	long         *longTokens
}

// unkPenalty is how much worse than the worst token an unknown character is (K_UNK_PENALTY in model.rs).
const unkPenalty = 10

// NewUnigram makes a model of tokens and scores, by id; of a token that stands there twice, the later one counts. unk
// is the id that stands for unknown characters, or -1: then a text that has such is an error. With byteFallback, they
// are spelled by the tokens <0x00> to <0xFF>, if there are all that they need.
func NewUnigram(tokens [][]byte, scores []float64, unk int, byteFallback bool) (*Unigram, error) {
	switch {
	case unk >= 0 && len(tokens) == 0:
		return nil, errors.New("the vocabulary is empty, and unk_id is a token of it")
	case unk >= len(tokens):
		return nil, fmt.Errorf("unk_id %d; there are %d tokens", unk, len(tokens))
	case len(tokens) > MaxIDs:
		return nil, fmt.Errorf("%d tokens; at most %d are possible", len(tokens), MaxIDs)
	}
	m := &Unigram{vocab: new(Vocabulary), scores: scores, unkID: noID, byteFallback: byteFallback}
	if unk >= 0 {
		m.unkID = uint32(unk)
	}
	size := 0
	for _, t := range tokens {
		size += len(t)
	}
	m.vocab.Grow(len(tokens), len(tokens), size)
	worst := math.Inf(1)
	for id := len(tokens) - 1; id >= 0; id-- {
		add := m.vocab.Add
		if _, ok := m.vocab.Lookup(tokens[id]); ok {
			add = m.vocab.AddOpaque
		}
		if err := add(uint32(id), tokens[id]); err != nil {
			return nil, err
		}
		worst = min(worst, scores[id])
	}
	m.unkScore = worst - unkPenalty
	for b := range m.bytes {
		m.bytes[b] = lookupOr(m.vocab, fmt.Sprintf("<0x%02X>", b))
	}
	m.tokens = newTrie(3 * len(tokens))
	each := func(f func(token []byte, id uint32) error) error { return eachLookup(m.vocab, f) }
	err := each(func(token []byte, id uint32) error {
		if len(token) > shortToken {
			return nil
		}
		return m.tokens.put(token, id)
	})
	if err == nil {
		m.long, err = newLongTokens(each)
	}
	return m, err
}

type unigramJSON struct {
	Type         string         `json:"type"`
	UnkID        *uint32        `json:"unk_id"`
	ByteFallback bool           `json:"byte_fallback"`
	Vocab        jsontext.Value `json:"vocab"`
}

func readUnigram(path string, v jsontext.Value) (Model, error) {
	var f unigramJSON
	if err := component.Decode(path, v, &f); err != nil {
		return nil, err
	}
	tokens, scores, err := readScores(path+".vocab", f.Vocab)
	if err != nil {
		return nil, err
	}
	unk := -1
	if f.UnkID != nil {
		unk = int(*f.UnkID)
	}
	m, err := NewUnigram(tokens, scores, unk, f.ByteFallback)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// readScores reads [["a", -1.5], …].
func readScores(path string, v jsontext.Value) (tokens [][]byte, scores []float64, err error) {
	if v.Kind() != '[' {
		return nil, nil, fmt.Errorf("%s: want an array of tokens and scores", path)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := dec.ReadToken(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	for dec.PeekKind() != ']' {
		pair, err := dec.ReadValue()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		token, score, err := readScore(pair)
		if err != nil {
			return nil, nil, fmt.Errorf("%s[%d]: %w", path, len(scores), err)
		}
		tokens, scores = append(tokens, token), append(scores, score)
		if len(tokens) > MaxIDs {
			return nil, nil, fmt.Errorf("%s: more than %d tokens", path, MaxIDs)
		}
	}
	return tokens, scores, nil
}

func readScore(pair jsontext.Value) (token []byte, score float64, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(pair))
	want := fmt.Errorf("%q; want a token and its score", excerpt(pair))
	if pair.Kind() != '[' {
		return nil, 0, want
	}
	if _, err := dec.ReadToken(); err != nil || dec.PeekKind() != '"' {
		return nil, 0, want
	}
	raw, err := dec.ReadValue()
	if err == nil {
		token, err = jsontext.AppendUnquote(nil, raw)
	}
	if err != nil {
		return nil, 0, err
	}
	if dec.PeekKind() != '0' {
		return nil, 0, want
	}
	if raw, err = dec.ReadValue(); err != nil {
		return nil, 0, err
	}
	score, ok := serdeFloat(raw) // raw is gone with the next look at dec
	if !ok {
		return nil, 0, fmt.Errorf("the score %s is too large", excerpt(raw))
	}
	if dec.PeekKind() != ']' {
		return nil, 0, want
	}
	return token, score, nil
}

// Type is Unigram.
func (m *Unigram) Type() string { return "Unigram" }

// Vocabulary are the model's tokens, as they are written.
func (m *Unigram) Vocabulary() *Vocabulary { return m.vocab }

// Memory is what the model holds, in bytes.
func (m *Unigram) Memory() int64 {
	return m.vocab.Memory() + int64(8*cap(m.scores)) + m.tokens.memory() + m.long.memory()
}

// NewEncoder makes an encoder.
func (m *Unigram) NewEncoder() PieceEncoder { return &unigramEncoder{m: m} }

type unigramEncoder struct {
	m      *Unigram
	memo   memo
	tokens []Token
	best   []pathEnd
	states []uint32
	fair   fairText
}

// pathEnd is the best way to a place in the text.
type pathEnd struct {
	score float64
	from  int32 // where its last token begins, -1 if there is no way yet
	id    uint32
}

var errNoUnk = errors.New("a character has no token, and the model has no unk_id to stand for it")

// AppendPiece appends the ids of piece.
func (e *unigramEncoder) AppendPiece(dst []uint32, piece []byte) ([]uint32, error) {
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

// AppendTokens appends the tokens of piece. Those of bytes stand for all of the unknown characters that they spell.
func (e *unigramEncoder) AppendTokens(dst []Token, piece []byte) ([]Token, error) {
	text, valid := piece, utf8.Valid(piece)
	if !valid {
		text = e.fair.set(piece)
	}
	was := len(dst)
	err := e.search(text)
	if err == nil {
		dst = e.path(dst, text)
		if !valid {
			e.fair.original(dst[was:])
		}
	}
	if len(text) > scratchKept {
		e.best, e.states, e.fair = nil, nil, fairText{}
	}
	return dst, err
}

// search finds the best way to each place of text: e.best.
func (e *unigramEncoder) search(text []byte) error {
	m := e.m
	if cap(e.best) <= len(text) {
		e.best = make([]pathEnd, len(text)+1)
	}
	best := e.best[:len(text)+1]
	e.best = best
	for i := range best {
		best[i] = pathEnd{from: -1}
	}
	long := m.long != nil && len(text) > shortToken
	if long {
		e.states = m.long.states(e.states, text)
	}
	for at := 0; at < len(text); {
		here := best[at].score
		size := 1
		if text[at] >= utf8.RuneSelf {
			_, size = utf8.DecodeRune(text[at:])
		}
		single := false // the character is a token
		node := uint32(0)
		for i := at; i < len(text); i++ {
			if node = m.tokens.child(node, text[i]); node == 0 {
				break
			}
			if id := m.tokens.value[node]; id != noID {
				best[i+1].offer(m.scores[id]+here, at, id)
				single = single || i+1 == at+size
			}
		}
		if long {
			for n := m.long.longest(e.states[at]); n != 0; n = m.long.shorter[n] {
				id := m.long.t.value[n]
				best[at+int(m.long.size[n])].offer(m.scores[id]+here, at, id)
			}
		}
		if !single && best[at+size].offer(m.unkScore+here, at, m.unkID) && m.unkID == noID {
			return errNoUnk
		}
		at += size
	}
	return nil
}

// offer takes a way if it is better: of equals, the one whose last token is longer comes first and stays.
func (p *pathEnd) offer(score float64, from int, id uint32) bool {
	if p.from >= 0 && !(score > p.score) {
		return false
	}
	*p = pathEnd{score, int32(from), id}
	return true
}

// path appends the tokens on the way to the end of text.
func (e *unigramEncoder) path(dst []Token, text []byte) []Token {
	// From the end to the beginning, turned round: from becomes the place where the next token ends.
	end := int32(len(text))
	for at, next := end, int32(-1); ; {
		p := &e.best[at]
		from := p.from
		p.from = next
		if at == 0 {
			break
		}
		at, next = from, at
	}
	for at := int32(0); at < end; {
		to := e.best[at].from
		id := e.best[to].id
		if id == e.m.unkID {
			for to < end && e.best[e.best[to].from].id == id {
				to = e.best[to].from
			}
			dst = e.unknown(dst, text, at, to)
		} else {
			dst = append(dst, Token{id, at, to})
		}
		at = to
	}
	return dst
}

// unknown appends what stands for unknown characters, all that are adjacent in one: HF looks for a token of them.
func (e *unigramEncoder) unknown(dst []Token, text []byte, from, to int32) []Token {
	m := e.m
	if id, ok := m.vocab.Lookup(text[from:to]); ok {
		return append(dst, Token{id, from, to})
	}
	was := len(dst)
	if m.byteFallback {
		for _, b := range text[from:to] {
			if m.bytes[b] == noID {
				return append(dst[:was], Token{m.unkID, from, to})
			}
			dst = append(dst, Token{m.bytes[b], from, to})
		}
		return dst
	}
	return append(dst, Token{m.unkID, from, to})
}
