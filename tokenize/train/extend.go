package train

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/pretokenizer"
)

// ExtendConfig is how a tokenizer is extended.
type ExtendConfig struct {
	// Add is how many new tokens there shall be.
	Add int
	// MinFrequency is how often a pair must occur at least to be merged. 0 is 1.
	MinFrequency uint64
	// MaxTokenLength is the length in bytes that no new token exceeds, 0 for none.
	MaxTokenLength int
}

func (c *ExtendConfig) check(b *Base) error {
	switch {
	case c.Add < 1:
		return fmt.Errorf("%d new tokens; at least 1", c.Add)
	case c.Add > maxIDs-b.Size():
		return fmt.Errorf("%d new tokens, and the tokenizer has ids up to %d; at most %d", c.Add, b.Size()-1, maxIDs-b.Size())
	case c.MinFrequency > maxFrequency:
		return fmt.Errorf("pairs that occur %d times; at most %d", c.MinFrequency, uint64(maxFrequency))
	case c.MaxTokenLength < 0 || c.MaxTokenLength == 1:
		return fmt.Errorf("a longest token of %d bytes; at least 2, or 0 for any length", c.MaxTokenLength)
	}
	return nil
}

// Extension is what a tokenizer is extended with.
type Extension struct {
	// Tokens are the new ones, in the order of their ids, which follow the base's largest.
	Tokens []NewToken
	// Merges come behind the base's, in their order. There may be more than Tokens: one may make a token that the base
	// has, and that its own merges do not lead to.
	Merges []NewMerge
	// Words are the pretokens, Bytes what they have, and Before and After the tokens that they become with the base and
	// with the extension, each as often as it occurs.
	Words, Bytes, Before, After uint64

	base  *Base
	vocab []string // by id
}

// NewToken is one that the base does not have.
type NewToken struct {
	ID    int32
	Token string // spelled in the alphabet
	Count uint64 // how often the words have it, as they are encoded with the extension
	merge int32  // that makes it
}

// NewMerge joins two tokens to a third.
type NewMerge struct{ Left, Right, Made int32 }

// extender is a trainer whose words begin as the base encodes them.
//
// New merges come behind all others, so that in encoding they join what the base's have left. What the trainer has of a
// word is therefore, at any time, what the base with the merges found so far makes of it, as long as each merge makes
// a token that is new. Where it makes one of the base's, merges of the base may go on from there. That is rare, and then
// the words that have it are encoded anew and all pairs are counted again.
//
// Where the base has ignore_merges, a new token that is a word as well is that word's encoding whatever merges say; but
// they say the same. What becomes one token within a word does so alone: no merge has crossed its bounds, so those
// within are the same, in the same order.
type extender struct {
	trainer
	*Extension
	words *Words
	late  pairTable // the rank of new merges, from 0
	piece encoding
	again int64 // bytes that counting takes
	spell []byte
}

// Extend finds merges on words as [Train] does, from the base's tokens on. Of pairs that occur equally often, the one
// with the lower id on the left goes first, then the one with the lower id on the right. No merge makes an added token.
// The result depends on the words and their counts alone. step is as in Train.
func (b *Base) Extend(words *Words, cfg ExtendConfig, step func(merges int, bytes int64) error) (*Extension, error) {
	x, err := b.extend(words, cfg, step)
	if err != nil {
		return nil, err
	}
	return x.Extension, nil
}

func (b *Base) extend(words *Words, cfg ExtendConfig, step func(merges int, bytes int64) error) (*extender, error) {
	if err := cfg.check(b); err != nil {
		return nil, err
	}
	if step == nil {
		step = func(int, int64) error { return nil }
	}
	size := b.Size() + cfg.Add
	own := int64(size) * 28
	if err := step(0, layBytes(words.Len(), len(words.text))+own); err != nil {
		return nil, err
	}
	x := &extender{Extension: &Extension{base: b, Bytes: words.total, Words: words.occurrences()}, words: words}
	x.counts = words.counts
	x.limits(cfg.MinFrequency, cfg.MaxTokenLength)
	x.model.Vocab = append(make([]string, 0, size), b.spelled...)
	x.length = append(make([]uint32, 0, size), b.length...)[:size]
	x.leftward, x.rightward = make([]int32, size), make([]int32, size)
	x.lay()
	check := func() error { return step(len(x.Merges), words.Bytes()+own+x.bytes()+x.again) }
	for x.recount(); len(x.Tokens) < cfg.Add; {
		best, ok := x.best()
		if !ok {
			break
		}
		x.join(best)
		if err := check(); err != nil {
			return nil, err
		}
	}
	x.vocab = x.model.Vocab
	x.tally()
	return x, nil
}

// word is a word's bytes.
func (w *Words) word(i uint32) []byte {
	from := uint32(0)
	if i > 0 {
		from = w.ends[i-1]
	}
	return w.text[from:w.ends[i]]
}

// at is the node where a word begins: one before the first word and one behind each are borders.
func (x *extender) at(word uint32) int {
	from := uint32(0)
	if word > 0 {
		from = x.words.ends[word-1]
	}
	return int(from) + int(word) + 1
}

// lay encodes the words with the base.
func (x *extender) lay() {
	x.nodes = make([]node, len(x.words.text)+x.words.Len()+1)
	x.nodes[0].symbol = border
	for w := range uint32(x.words.Len()) {
		x.Before += x.counts[w] * uint64(x.encode(w))
		end := x.at(w) + len(x.words.word(w))
		x.nodes[end] = node{symbol: border, begin: uint32(end)}
	}
}

// encode puts the symbols of a word, with all merges that there are, into its nodes, and says how many they are.
func (x *extender) encode(word uint32) int {
	text, at := x.words.word(word), x.at(word)
	ids := x.whole(text)
	if ids == nil {
		ids = x.piece.encode(x, text)
	}
	for i := range text {
		x.nodes[at+i] = node{symbol: border, word: word}
	}
	for _, id := range ids {
		x.nodes[at].symbol = id
		end := at + int(x.length[id])
		x.nodes[end-1].begin = uint32(at)
		at = end
	}
	return len(ids)
}

// whole is the token that a whole word is if the base has ignore_merges; nil if it is none.
func (x *extender) whole(text []byte) []int32 {
	if !x.base.ignoreMerges {
		return nil
	}
	x.spell = pretokenizer.AppendSpelled(x.spell[:0], text)
	id, ok := x.base.ids[string(x.spell)]
	if !ok {
		return nil
	}
	x.piece.out = append(x.piece.out[:0], id)
	return x.piece.out
}

// recount finds all pairs anew.
func (x *extender) recount() {
	table := &wordPairs{}
	x.first(table)
	x.again = table.index.bytes() + int64(cap(table.list))*tallySize
}

const tallySize = 32

// join merges a pair that best has taken from the queue.
func (x *extender) join(index int32) {
	p := &x.pairs[index]
	left, right := p.left, p.right
	spelled := x.model.Vocab[left] + x.model.Vocab[right]
	id, known := x.base.ids[spelled]
	switch {
	case known && x.base.added[id]:
		x.drop(index)
	case known:
		x.found(left, right, id)
		var words []uint32
		for _, at := range p.at { // rising, and so are words
			if n := &x.nodes[at]; n.pair == index && (len(words) == 0 || words[len(words)-1] != n.word) {
				words = append(words, n.word)
			}
		}
		for _, w := range words {
			x.encode(w)
		}
		x.recount()
	default:
		id := int32(len(x.model.Vocab))
		x.found(left, right, id)
		x.Tokens = append(x.Tokens, NewToken{ID: id, Token: spelled, merge: int32(len(x.Merges) - 1)})
		x.merge(index)
		x.model.Merges = x.model.Merges[:0] // they are in Merges, with what they make
	}
}

// found notes a merge.
func (x *extender) found(left, right, made int32) {
	x.late.put(left, right, int32(len(x.Merges)))
	x.Merges = append(x.Merges, NewMerge{left, right, made})
}

// tally counts what the words have become.
func (x *extender) tally() {
	first := int32(x.base.Size())
	for at := 1; at < len(x.nodes); {
		n := &x.nodes[at]
		if n.symbol == border {
			at++
			continue
		}
		count := x.counts[n.word]
		x.After += count
		if n.symbol >= first {
			x.Tokens[n.symbol-first].Count += count
		}
		at += int(x.length[n.symbol])
	}
}

// AppendInit appends the ids of the base's tokens that the token number i of Tokens was made of. Its embedding row
// begins as the mean of theirs.
//
// That is Fast Vocabulary Transfer (Gee, Zugarini, Rigutini, Torroni, "Fast Vocabulary Transfer for Language Model
// Compression", EMNLP 2022 Industry Track, section 3), there with the base's encoding of the token's text. It is the
// same, but for what new merges have made of the base's own tokens.
func (e *Extension) AppendInit(dst []int32, i int) []int32 {
	first := int32(e.base.Size())
	stack := []int32{e.Tokens[i].ID}
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if id < first {
			dst = append(dst, id)
			continue
		}
		m := e.Merges[e.Tokens[id-first].merge]
		stack = append(stack, m.Right, m.Left)
	}
	return dst
}

// AppendTokens appends the new tokens as JSON Lines. Counts are divided by unit.
func (e *Extension) AppendTokens(dst []byte, unit uint64) ([]byte, error) {
	var init []int32
	var errs []error
	quote := func(s string) {
		var err error
		if dst, err = jsontext.AppendQuote(dst, s); err != nil {
			errs = append(errs, err)
		}
	}
	for i := range e.Tokens {
		t := &e.Tokens[i]
		text := unspelled(t.Token)
		dst = fmt.Appendf(dst, `{"id":%d,"token":`, t.ID)
		quote(t.Token)
		dst = append(dst, `,"text":`...)
		if utf8.Valid(text) {
			quote(string(text))
		} else {
			dst = append(dst, "null"...)
		}
		dst = fmt.Appendf(dst, `,"bytes":%d,"count":%d,"init":[`, len(text), t.Count/unit)
		init = e.AppendInit(init[:0], i)
		for k, id := range init {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = fmt.Appendf(dst, "%d", id)
		}
		dst = append(dst, "]}\n"...)
	}
	return dst, errors.Join(errs...)
}

// encoding merges a word, as a BPE model does, in O(n log n).
type encoding struct {
	ids        []int32 // at a symbol's first byte
	next, prev []int32
	heap       []uint64 // rank<<32 | place, the least first
	out        []int32
}

// rank is the place of a merge among all, and what it makes.
func (x *extender) rank(left, right int32) (rank, made int32, ok bool) {
	if r, ok := x.base.ranks.get(left, right); ok {
		return r, x.base.merged[r], true
	}
	if r, ok := x.late.get(left, right); ok {
		return int32(len(x.base.merged)) + r, x.Merges[r].Made, true
	}
	return 0, 0, false
}

func (e *encoding) encode(x *extender, text []byte) []int32 {
	n := len(text)
	e.ids, e.next, e.prev, e.heap = e.ids[:0], e.next[:0], e.prev[:0], e.heap[:0]
	for i, b := range text {
		e.ids = append(e.ids, x.base.symbols[b])
		e.next = append(e.next, int32(i+1))
		e.prev = append(e.prev, int32(i-1))
	}
	push := func(at int32) {
		if at < 0 || int(e.next[at]) >= n {
			return
		}
		if r, _, ok := x.rank(e.ids[at], e.ids[e.next[at]]); ok {
			e.push(uint64(r)<<32 | uint64(at))
		}
	}
	for i := range n {
		push(int32(i))
	}
	for len(e.heap) > 0 {
		r, at := int32(e.heap[0]>>32), int32(uint32(e.heap[0]))
		e.pop()
		if e.ids[at] < 0 || int(e.next[at]) >= n {
			continue
		}
		right := e.next[at]
		// Symbols only grow: a pair at this place with this rank is the one that was put there.
		now, made, ok := x.rank(e.ids[at], e.ids[right])
		if !ok || now != r {
			continue
		}
		e.ids[at], e.ids[right] = made, -1
		e.next[at] = e.next[right]
		if int(e.next[at]) < n {
			e.prev[e.next[at]] = at
		}
		push(at)
		push(e.prev[at])
	}
	e.out = e.out[:0]
	for at := int32(0); int(at) < n; at = e.next[at] {
		e.out = append(e.out, e.ids[at])
	}
	return e.out
}

func (e *encoding) push(v uint64) {
	h := append(e.heap, v)
	i := len(h) - 1
	for ; i > 0 && h[(i-1)/2] > v; i = (i - 1) / 2 {
		h[i] = h[(i-1)/2]
	}
	h[i] = v
	e.heap = h
}

func (e *encoding) pop() {
	last := len(e.heap) - 1
	v := e.heap[last]
	h := e.heap[:last]
	e.heap = h
	if last == 0 {
		return
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if h[c] >= v {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = v
}
