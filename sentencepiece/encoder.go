package sentencepiece

import (
	"fmt"
	"math"
	"slices"
)

// Encoder encodes texts for one goroutine. It keeps its memory between texts.
type Encoder struct {
	m     *Model
	words cache
	text  []byte  // what is normalized and not encoded yet, and the word before
	from  []int32 // where its bytes come from
	score float32 // Unigram: of the best way up to here
	// Whether the last piece is what is unknown: the next one is part of it then.
	unknown bool

	segments []segment
	ids      []uint32
	bpe      bpeScratch
	nodes    []pathNode
	leads    [][2]float64
}

// NewEncoder makes an encoder. It takes up to [EncoderMemory].
func (m *Model) NewEncoder() *Encoder {
	return &Encoder{m: m, words: newCache()}
}

// EncoderMemory is the most that an encoder holds between texts, in bytes.
const EncoderMemory = 16 << 20

const (
	// block is how many bytes are normalized at a time: enough to be worth it, and few enough to stay in the cache.
	block = 16 << 10
	// keptScratch is up to what size, in entries, buffers are kept between texts: with the largest entry, the sum of
	// all of them and of the words that are remembered stays below EncoderMemory.
	keptScratch = 8 * block / 2
)

// MaxText is how long a text may be, in bytes. Places in it have 31 bits, and a normalized text can be longer than the
// text.
const MaxText = 1 << 29

// Append appends the ids of text, as SentencePieceProcessor.encode does: nothing is put around them. Bytes that are not
// UTF-8 are U+FFFD, each of them. A text longer than [MaxText] is a programming error.
func (e *Encoder) Append(dst []uint32, text []byte) []uint32 {
	r := e.begin(text)
	for r.next(e, nil) {
		i, n := r.at, r.end-r.at
		x := e.find(i, n)
		if x != nil && !x.unknown() {
			if x.n == 1 { // most of them
				dst = append(dst, x.ids[0])
			} else {
				dst = append(dst, e.words.of(x)...)
			}
			e.unknown = false
			continue
		}
		for _, s := range e.segmentsOf(x, i, n) {
			dst = e.m.appendIDs(dst, e.text[i:i+int(s.n)], s.id, e.unknown)
			e.unknown = e.m.isUnknown(s.id)
			i += int(s.n)
		}
	}
	e.trim()
	return dst
}

// reading is a text that is cut into words.
type reading struct {
	normalizing
	at, end int  // of the word, in Encoder.text
	all     bool // that was the last block
}

func (e *Encoder) begin(text []byte) reading {
	if len(text) > MaxText {
		panic(fmt.Sprintf("sentencepiece: a text of %d bytes, more than %d", len(text), MaxText))
	}
	e.text, e.from, e.score, e.unknown = e.text[:0], e.from[:0], 0, false
	return reading{normalizing: normalizing{n: &e.m.normalizer, text: text}}
}

// next goes to the next word. If from is given, that is Encoder.from, it is filled as well.
func (r *reading) next(e *Encoder, from *[]int32) bool {
	r.at = r.end
	for {
		if r.end = e.m.cuts.wordEnd(e.text, r.at); r.end >= 0 {
			return true
		}
		if r.all {
			r.end = len(e.text)
			return r.at < r.end
		}
		// What is left goes to the front. As long as it is one word, there is room for twice as much each time, so
		// that a long word is looked at a few times only.
		e.text = e.text[:copy(e.text, e.text[r.at:])]
		if from != nil {
			*from = (*from)[:copy(*from, (*from)[r.at:])]
		}
		r.at = 0
		size := max(block, 2*len(e.text))
		if e.m.cuts.at == cutNowhere {
			size = math.MaxInt
		}
		e.text, r.all = r.normalizing.next(e.text, from, size)
	}
}

// find is the word at e.text[i:i+n] if it is remembered and what is remembered holds here.
func (e *Encoder) find(i, n int) *word {
	if n > longestWord || e.m.cuts.at == cutNowhere {
		return nil
	}
	x := e.words.find(e.text, i, n)
	if x == nil || e.m.kind == BPE {
		return x
	}
	if !x.holds(e.score) {
		return nil
	}
	// The sums have to round as they would have.
	u := e.m.unigram
	for _, id := range e.words.of(x) {
		if int(id) < len(u.scores) {
			e.score += u.scores[id]
		} else { // -1
			e.score += u.unk
		}
	}
	return x
}

// miss are the pieces of the word at e.text[i:i+n]. It is remembered if it can be.
func (e *Encoder) miss(i, n int) []segment {
	m := e.m
	w := e.text[i : i+n]
	e.segments = e.segments[:0]
	before := e.score
	if m.kind == BPE {
		e.segments = m.merges(e.segments, &e.bpe, w)
	} else {
		e.nodes = slices.Grow(e.nodes[:0], n+1)[:n+1]
		e.score = m.paths(e.nodes, w, e.score)
		e.segments = backtrack(e.segments, e.nodes)
	}
	if n > longestWord || m.cuts.at == cutNowhere {
		return e.segments
	}
	var x word
	if m.kind == Unigram {
		e.leads = slices.Grow(e.leads[:0], n+1)[:n+1]
		x.limit = m.safe(w, e.leads)
		if !x.holds(before) || e.words.find(e.text, i, n) != nil {
			return e.segments // these may not be the best elsewhere; or what is remembered did not hold here
		}
	}
	e.ids = e.ids[:0]
	for _, s := range e.segments {
		e.ids = append(e.ids, uint32(s.id))
		if m.isUnknown(s.id) {
			x.n |= hasUnknown
		}
	}
	e.words.add(e.text, i, n, e.ids, x)
	return e.segments
}

func (m *Model) isUnknown(id int32) bool { return id < 0 || m.pieces[id].Type == Unknown }

// appendIDs appends the ids of a piece that stands for w: SentencePieceProcessor::EncodeOptimized of
// sentencepiece_processor.cc. Several in a row that are unknown have one id.
func (m *Model) appendIDs(dst []uint32, w []byte, id int32, afterUnknown bool) []uint32 {
	unknown := m.isUnknown(id)
	switch {
	case unknown && m.bytes != nil:
		for _, b := range w {
			dst = append(dst, m.bytes[b])
		}
	case !unknown || !afterUnknown:
		dst = append(dst, uint32(id))
	}
	return dst
}

// Token is an id and the bytes [From, To) of the text as it was given that it stands for
// (SentencePieceText.begin and end).
type Token struct {
	ID       uint32
	From, To int32
}

// AppendTokens appends the ids with where they stand in the text.
func (e *Encoder) AppendTokens(dst []Token, text []byte) []Token {
	return e.AppendSpelled(dst, text, nil)
}

// AppendSpelled is AppendTokens; of a token that is unknown, which has no spelling by its id, it hands spelling its place in dst
// and the normalized text that it stands for: one character a call, those of one place after another. The bytes are lent. So a
// caller who knows pieces by spelling (SentencePieceProcessor.encode with out_type=str) finds what only its vocabulary has.
func (e *Encoder) AppendSpelled(dst []Token, text []byte, spelling func(at int, normalized []byte)) []Token {
	r := e.begin(text)
	for r.next(e, &e.from) {
		i, n := r.at, r.end-r.at
		for _, s := range e.segmentsOf(e.find(i, n), i, n) {
			dst = e.appendToken(dst, s, i)
			if spelling != nil && e.unknown && e.m.bytes == nil {
				spelling(len(dst)-1, e.text[i:i+int(s.n)])
			}
			i += int(s.n)
		}
	}
	e.trim()
	return dst
}

// segmentsOf are the pieces of the word at e.text[i:i+n], which is remembered as x unless that is nil.
func (e *Encoder) segmentsOf(x *word, i, n int) []segment {
	if x == nil {
		return e.miss(i, n)
	}
	e.segments = e.segments[:0]
	for _, id := range e.words.of(x) {
		s := segment{id: int32(id)}
		if e.m.isUnknown(s.id) {
			s.n = int32(charLen(e.text, i))
		} else {
			s.n = int32(len(e.m.pieces[id].Text))
		}
		e.segments = append(e.segments, s)
		i += int(s.n)
	}
	return e.segments
}

// appendToken appends a piece that stands at e.text[i]: SentencePieceProcessor::PopulateSentencePieceText of
// sentencepiece_processor.cc.
func (e *Encoder) appendToken(dst []Token, s segment, i int) []Token {
	m := e.m
	from, to := e.from[i], e.from[i+int(s.n)]
	before := e.unknown
	e.unknown = m.isUnknown(s.id)
	switch {
	case !e.unknown && m.pieces[s.id].Type == Control:
		return append(dst, Token{uint32(s.id), from, from})
	case e.unknown && m.bytes != nil:
		for _, b := range e.text[i : i+int(s.n)] {
			dst = append(dst, Token{m.bytes[b], from, from})
		}
		dst[len(dst)-1].To = to
		return dst
	case e.unknown && before:
		dst[len(dst)-1].To = to
		return dst
	}
	return append(dst, Token{uint32(s.id), from, to})
}

// trim gives back what a long text needed.
func (e *Encoder) trim() {
	e.text, e.from = trimmed(e.text), trimmed(e.from)
	e.segments, e.ids, e.nodes, e.leads = trimmed(e.segments), trimmed(e.ids), trimmed(e.nodes), trimmed(e.leads)
	b := &e.bpe
	b.at, b.ids, b.prev, b.next, b.heap = trimmed(b.at), trimmed(b.ids), trimmed(b.prev), trimmed(b.next), trimmed(b.heap)
	if len(b.parts) > keptScratch/16 {
		b.parts = nil
	}
}

func trimmed[T any](s []T) []T {
	if cap(s) > keptScratch {
		return nil
	}
	return s[:0]
}

// AppendNormalized appends text as the model's normalizer makes it: what Append encodes.
func (m *Model) AppendNormalized(dst, text []byte) []byte {
	return m.normalizer.appendAll(dst, text)
}
