package train

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Words are distinct pretokens with how often each occurs. The zero value is empty.
type Words struct {
	text   []byte
	ends   []uint32 // in text, behind each word
	counts []uint64
	total  uint64 // of bytes: the sum of lengths times counts
}

// errTooMany and errOverflow are the limits of the numbers below: positions are 32 bits, weights 64.
var (
	errTooMany  = errors.New("the distinct pretokens are longer than 4 GiB together; train on a sample of the corpus")
	errOverflow = errors.New("pretokens occur more than 2^63-1 bytes together")
)

// Add takes in a word that was not added before, and its count. word is copied. It fails where there are more
// words than Train can number.
func (w *Words) Add(word []byte, count uint64) error {
	if len(word) == 0 || count == 0 {
		return nil
	}
	// One position more a word, and one before the first.
	if uint64(len(w.text))+uint64(len(word))+uint64(len(w.ends))+2 > math.MaxUint32 {
		return errTooMany
	}
	if count > (math.MaxInt64-w.total)/uint64(len(word)) {
		return errOverflow
	}
	w.total += count * uint64(len(word))
	w.text = append(w.text, word...)
	w.ends = append(w.ends, uint32(len(w.text)))
	w.counts = append(w.counts, count)
	return nil
}

// Len is the number of words.
func (w *Words) Len() int { return len(w.ends) }

// occurrences is how many pretokens there were, each as often as it occurred.
func (w *Words) occurrences() uint64 {
	n := uint64(0)
	for _, c := range w.counts {
		n += c
	}
	return n
}

// Bytes is about how much memory the words take, in bytes.
func (w *Words) Bytes() int64 {
	return int64(cap(w.text)) + 4*int64(cap(w.ends)) + 8*int64(cap(w.counts))
}

// Config of Train.
type Config struct {
	// VocabSize is how many entries the vocabulary shall have: special tokens, the 256 bytes and merges.
	VocabSize int
	// MinFrequency is how often a pair must occur at least to be merged. 0 is 1: a pair must occur.
	MinFrequency uint64
	// MaxTokenLength is the length in bytes that no merged token exceeds, 0 for none. A pair of single bytes is
	// always allowed.
	MaxTokenLength int
	// Special are the tokens with the first ids, distinct, in their order. Nothing of the text becomes one of them,
	// unless merges happen to spell it: then that merge makes no new entry.
	Special []string
	// Ties names the rule for pairs that occur equally often, and with it the order of the bytes' ids: one of [Ties],
	// DefaultTies if empty.
	Ties string
	// SeenBytes leaves those bytes out of the vocabulary that do not occur in the words, as BpeTrainer of Hugging Face's
	// tokenizers does without an initial_alphabet. A text with one of them cannot be encoded without loss.
	SeenBytes bool
	// LimitAlphabet is how many bytes of those that occur are tokens at most, the most frequent ones, and of equally
	// frequent ones those with lower ids; 0 is no limit. It needs SeenBytes. Where the others stand in words, they are
	// taken out, and what stood beside them become neighbours, as with BpeTrainer's limit_alphabet. (BpeTrainer leaves
	// out any of those that are equally frequent.)
	LimitAlphabet int
}

// check refuses what cannot be meant.
func (c *Config) check() error {
	for i, s := range c.Special {
		switch {
		case s == "":
			return errors.New("a special token is empty")
		case !utf8.ValidString(s):
			return fmt.Errorf("the special token %q is not UTF-8", s)
		case slices.Contains(c.Special[:i], s):
			return fmt.Errorf("the special token %q is given twice", s)
		case byteOf(s) >= 0:
			return fmt.Errorf("the special token %q is how the vocabulary spells the byte 0x%02X; give one of two characters at least", s, byteOf(s))
		}
	}
	if _, err := tiesNamed(c.Ties); err != nil {
		return err
	}
	switch {
	case c.LimitAlphabet < 0 || c.LimitAlphabet > 256:
		return fmt.Errorf("an alphabet of %d bytes; 1 to 256, or 0 for no limit", c.LimitAlphabet)
	case c.LimitAlphabet > 0 && !c.SeenBytes:
		return errors.New("a limit of the alphabet is of the bytes that occur in the text, and all 256 are asked for")
	}
	alphabet := 256
	if c.SeenBytes {
		alphabet = c.LimitAlphabet // what occurs is known later
	}
	if least := len(c.Special) + alphabet; c.VocabSize < least {
		return fmt.Errorf("a vocabulary of %d entries has no room for %d special tokens and %d bytes; at least %d", c.VocabSize, len(c.Special), alphabet, least)
	}
	if c.VocabSize > maxVocab {
		return fmt.Errorf("a vocabulary of %d entries is larger than any model's; at most %d", c.VocabSize, maxVocab)
	}
	if c.MaxTokenLength < 0 || c.MaxTokenLength == 1 {
		return fmt.Errorf("a longest token of %d bytes; at least 2, or 0 for any length", c.MaxTokenLength)
	}
	return nil
}

// maxVocab keeps ids, and what is kept for each, small. The largest vocabulary in use has 262,145 entries (Gemma 3).
const maxVocab = 1 << 24

// Model is a vocabulary and the merges that make it.
type Model struct {
	// Vocab has the entry of each id: special tokens as they are, then the 256 bytes and what was merged of them,
	// spelled in the alphabet of byte-level BPE.
	Vocab []string
	// Special is how many of Vocab are special tokens: the first.
	Special int
	// Bytes is how many single bytes are tokens: those behind the special ones.
	Bytes int
	// Merges are pairs of ids in the order in which they were found, which is the order in which they apply.
	Merges [][2]int32
}

// Train finds the merges of byte-pair encoding (Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words
// with Subword Units", 2016, algorithm 1) on bytes (Radford et al., "Language Models are Unsupervised Multitask
// Learners", 2019, 2.2): again and again the pair of neighbours that occurs most often becomes a token, until the
// vocabulary is full or no pair occurs MinFrequency times.
//
// Of pairs that occur equally often, the one with the lower id on the left goes first, then the one with the lower
// id on the right. Ids: special tokens, then bytes in the order of the rule [Config].Ties, then merges. A pair within a
// run of one symbol is counted at each of its positions, overlapping ones too (aaa has aa twice), and merged from the
// left. The result depends on the words and their counts alone, not on their order.
//
// step, which may be nil, is called before much memory is taken and after each merge, with the number of merges so
// far and about how many bytes are held; its error ends Train.
func Train(words *Words, cfg Config, step func(merges int, bytes int64) error) (*Model, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if step == nil {
		step = func(int, int64) error { return nil }
	}
	t := &trainer{counts: words.counts}
	t.limits(cfg.MinFrequency, cfg.MaxTokenLength)
	if err := step(0, layBytes(words.Len(), len(words.text))); err != nil {
		return nil, err
	}
	t.vocabulary(&cfg, words)
	t.lay(words)
	t.first(newBytePairs(int32(t.model.Special)))
	for len(t.model.Vocab) < cfg.VocabSize {
		best, ok := t.best()
		if !ok {
			break
		}
		t.merge(best)
		if err := step(len(t.model.Merges), words.Bytes()+t.bytes()); err != nil {
			return nil, err
		}
	}
	return &t.model, nil
}

// layBytes is about how much memory training on n words of so many bytes takes at its beginning, them included.
func layBytes(n, text int) int64 {
	return int64(text) + 12*int64(n) + int64(n+text+1)*(nodeSize+positionSize)
}

func (t *trainer) limits(minFrequency uint64, maxTokenLength int) {
	t.least, t.longest = max(1, minFrequency), math.MaxUint32
	if maxTokenLength > 0 {
		t.longest = uint32(min(maxTokenLength, math.MaxUint32))
	}
}

// node is a byte of a word, or the border behind a word. What is said of a symbol is said at its first byte, but
// for begin.
type node struct {
	symbol int32  // its id; border
	begin  uint32 // at the last byte of a symbol: where that begins
	pair   int32  // what begins here, an index of pairs or fresh (as ^index); 0 for a pair that is not followed
	word   uint32
}

const (
	border = -1

	// What they take, in bytes.
	nodeSize       = 16
	positionSize   = 4
	pairSize       = 40
	freshSize      = 56
	occurrenceSize = 8
	candidateSize  = 24
)

// pair is two symbols that stand side by side somewhere. It is followed while it may yet be merged.
type pair struct {
	left, right int32
	count       uint64   // of occurrences now
	at          []uint32 // where it began when it was found, rising; it may be gone from there
}

// freshPair is one that the merge in hand has made.
type freshPair struct {
	left, right int32
	count       uint64
	found       uint32 // positions
	at          []uint32
	index       int32 // in pairs
}

type occurrence struct {
	fresh int32
	at    uint32
}

// trainer keeps for each position which pair begins there, so that the neighbours of a merge are counted down
// without looking anything up. A pair has an id that is new, except at the start, so all its occurrences are found
// by the merge that makes that id, and their list never grows afterwards.
type trainer struct {
	least   uint64
	longest uint32
	counts  []uint64 // by word
	model   Model
	special map[string]int32
	symbols [256]int32 // the bytes' ids; border for one that is left out
	length  []uint32   // of each id, in bytes
	nodes   []node
	pairs   []pair // the first is for all that are not followed
	queue   queue
	lists   int64 // bytes of all positions that are kept

	fresh     []freshPair
	met       []occurrence
	leftward  []int32 // by id: the fresh pair of that id and the new one, plus 1
	rightward []int32 // by id: the fresh pair of the new one and that id, plus 1
}

func (t *trainer) bytes() int64 {
	return int64(len(t.nodes))*nodeSize + t.lists + int64(cap(t.pairs))*pairSize + int64(cap(t.queue))*candidateSize +
		int64(cap(t.met))*occurrenceSize + int64(cap(t.fresh))*freshSize
}

func (t *trainer) vocabulary(cfg *Config, words *Words) {
	t.model.Vocab = append(make([]string, 0, cfg.VocabSize), cfg.Special...)
	t.model.Special = len(cfg.Special)
	t.special = map[string]int32{}
	for id, s := range cfg.Special {
		t.special[s] = int32(id)
	}
	size := max(cfg.VocabSize, len(cfg.Special)+256)
	t.length = make([]uint32, size)
	t.leftward, t.rightward = make([]int32, size), make([]int32, size)
	for i := range t.symbols {
		t.symbols[i] = border
	}
	for _, b := range alphabet(cfg, words) {
		id := len(t.model.Vocab)
		t.symbols[b], t.length[id] = int32(id), 1
		t.model.Vocab = append(t.model.Vocab, spelling(b))
		t.model.Bytes++
	}
}

// alphabet is the bytes that are tokens, in the order of their ids.
func alphabet(cfg *Config, words *Words) []byte {
	rule, err := tiesNamed(cfg.Ties)
	if err != nil {
		panic(err) // it was checked
	}
	order := rule.bytes()
	if !cfg.SeenBytes {
		return order
	}
	var seen [256]uint64
	from := uint32(0)
	for w, end := range words.ends {
		for _, b := range words.text[from:end] {
			seen[b] += words.counts[w] // at most words.total
		}
		from = end
	}
	order = slices.DeleteFunc(order, func(b byte) bool { return seen[b] == 0 })
	if cfg.LimitAlphabet > 0 && len(order) > cfg.LimitAlphabet {
		kept := slices.Clone(order)
		slices.SortStableFunc(kept, func(a, b byte) int { return cmp.Compare(seen[b], seen[a]) })
		kept = kept[:cfg.LimitAlphabet]
		order = slices.DeleteFunc(order, func(b byte) bool { return !slices.Contains(kept, b) })
	}
	return order
}

// lay puts the words' bytes, as symbols, into nodes.
func (t *trainer) lay(words *Words) {
	t.nodes = make([]node, 1, len(words.text)+words.Len()+1)
	t.nodes[0].symbol = border
	from := uint32(0)
	for w, end := range words.ends {
		for _, b := range words.text[from:end] {
			if s := t.symbols[b]; s != border {
				t.nodes = append(t.nodes, node{symbol: s, begin: uint32(len(t.nodes)), word: uint32(w)})
			}
		}
		t.nodes = append(t.nodes, node{symbol: border, begin: uint32(len(t.nodes))})
		from = end
	}
}

// tally is what first finds of a pair.
type tally struct {
	left, right int32
	count       uint64
	found       uint32
	index       int32 // in pairs
}

// tallies are those of all pairs that there are.
type tallies interface {
	// of is the tally of a pair. It is valid until the next call.
	of(left, right int32) *tally
	// all are the tallies, in an order that depends on nothing but the calls of of.
	all() []tally
}

// bytePairs are the tallies of pairs of bytes: a table.
type bytePairs struct {
	base int32 // the first byte's id
	list []tally
}

func newBytePairs(base int32) *bytePairs { return &bytePairs{base, make([]tally, 1<<16)} }

func (p *bytePairs) of(left, right int32) *tally {
	t := &p.list[(left-p.base)<<8|(right-p.base)]
	t.left, t.right = left, right
	return t
}

func (p *bytePairs) all() []tally { return p.list }

// first finds the pairs of the symbols that there are.
func (t *trainer) first(table tallies) {
	each := func(f func(at uint32, y *tally)) {
		for at := 1; at < len(t.nodes); {
			l := t.nodes[at].symbol
			if l == border {
				at++
				continue
			}
			next := at + int(t.length[l])
			if r := t.nodes[next].symbol; r != border {
				f(uint32(at), table.of(l, r))
			} else {
				t.nodes[at].pair = 0
			}
			at = next
		}
	}
	each(func(at uint32, y *tally) {
		y.count += t.counts[t.nodes[at].word]
		y.found++
	})
	t.pairs, t.queue = append(t.pairs[:0], pair{}), t.queue[:0]
	size := 0
	all := table.all()
	for i := range all {
		if y := &all[i]; y.count >= t.least && uint64(t.length[y.left])+uint64(t.length[y.right]) <= uint64(t.longest) {
			y.index = int32(len(t.pairs))
			t.pairs = append(t.pairs, pair{left: y.left, right: y.right, count: y.count})
			size += int(y.found)
		}
	}
	lists := make([]uint32, size)
	t.lists = int64(size) * positionSize
	for i := range all {
		if y := &all[i]; y.index > 0 {
			p := &t.pairs[y.index]
			p.at, lists = lists[:0:y.found], lists[y.found:]
			t.queue = append(t.queue, candidate{p.count, ordered(p.left, p.right), y.index})
		}
	}
	t.queue.order()
	each(func(at uint32, y *tally) {
		if t.nodes[at].pair = y.index; y.index > 0 {
			p := &t.pairs[y.index]
			p.at = append(p.at, at)
		}
	})
}

// best takes the pair to merge next from the queue. A candidate whose count has gone down since is put back.
func (t *trainer) best() (index int32, ok bool) {
	for len(t.queue) > 0 {
		c := t.queue[0]
		now := t.pairs[c.index].count
		switch {
		case now == c.count:
			t.queue.pop()
			return c.index, true
		case now >= t.least:
			t.queue[0].count = now
			t.queue.sink(0)
		default:
			t.drop(c.index)
			t.queue.pop()
		}
	}
	return 0, false
}

// drop forgets where a pair is.
func (t *trainer) drop(index int32) {
	p := &t.pairs[index]
	t.lists -= int64(len(p.at)) * positionSize
	p.at = nil
}

// merge makes a token of a pair, wherever that is.
func (t *trainer) merge(index int32) {
	left, right := t.pairs[index].left, t.pairs[index].right
	at := t.pairs[index].at
	made := t.token(left, right)
	t.model.Merges = append(t.model.Merges, [2]int32{left, right})
	leftLength, length := t.length[left], t.length[made]
	for _, p := range at {
		if t.nodes[p].pair != index {
			continue
		}
		n := &t.nodes[p]
		weight := t.counts[n.word]
		if l := t.nodes[p-1].begin; t.nodes[l].symbol != border {
			before := &t.nodes[l]
			t.lose(before.pair, weight)
			before.pair = t.find(t.leftward, before.symbol, before.symbol, made, l, weight)
		}
		inner, after := &t.nodes[p+leftLength], &t.nodes[p+length]
		n.symbol, n.pair = made, 0
		if after.symbol != border {
			t.lose(inner.pair, weight)
			n.pair = t.find(t.rightward, after.symbol, made, after.symbol, p, weight)
		}
		inner.pair = 0
		t.nodes[p+length-1].begin = p
	}
	t.drop(index)
	t.settle()
}

// token gives the id of what a pair becomes.
func (t *trainer) token(left, right int32) int32 {
	s := t.model.Vocab[left] + t.model.Vocab[right]
	id, ok := t.special[s]
	if !ok {
		id = int32(len(t.model.Vocab))
		t.model.Vocab = append(t.model.Vocab, s)
	}
	t.length[id] = t.length[left] + t.length[right]
	return id
}

// lose takes weight off what is noted of a pair at a position.
func (t *trainer) lose(pair int32, weight uint64) {
	if pair >= 0 {
		t.pairs[pair].count -= weight // the first's count means nothing
	} else {
		t.fresh[^pair].count -= weight
	}
}

// find notes a fresh pair, which by has under key, at a position, and returns what is to be noted there.
func (t *trainer) find(by []int32, key, left, right int32, at uint32, weight uint64) int32 {
	if uint64(t.length[left])+uint64(t.length[right]) > uint64(t.longest) {
		return 0
	}
	i := by[key] - 1
	if i < 0 {
		i = int32(len(t.fresh))
		by[key] = i + 1
		t.fresh = append(t.fresh, freshPair{left: left, right: right})
	}
	t.fresh[i].count += weight
	t.met = append(t.met, occurrence{i, at})
	return ^i
}

// settle makes pairs of the fresh ones that occur often enough. The others are not followed: a count only falls.
func (t *trainer) settle() {
	size := 0
	for _, o := range t.met {
		if f := &t.fresh[o.fresh]; f.count >= t.least && t.nodes[o.at].pair == ^o.fresh {
			f.found++
			size++
		}
	}
	lists := make([]uint32, size)
	t.lists += int64(size) * positionSize
	for i := range t.fresh {
		f := &t.fresh[i]
		t.leftward[f.left], t.rightward[f.right] = 0, 0
		if f.count >= t.least {
			f.index = int32(len(t.pairs))
			f.at, lists = lists[:f.found:f.found], lists[f.found:]
			t.pairs = append(t.pairs, pair{f.left, f.right, f.count, f.at})
			t.queue.push(candidate{f.count, ordered(f.left, f.right), f.index})
			f.at = f.at[:0]
		}
	}
	for _, o := range t.met {
		if n := &t.nodes[o.at]; n.pair == ^o.fresh {
			f := &t.fresh[o.fresh]
			if n.pair = f.index; f.index > 0 {
				f.at = append(f.at, o.at)
			}
		}
	}
	clear(t.fresh)
	t.fresh, t.met = t.fresh[:0], t.met[:0]
}

// candidate is a pair in the queue, with the count it had when it was put there.
type candidate struct {
	count uint64
	order uint64
	index int32
}

// ordered is a number that orders pairs by their left id, then by the right one.
func ordered(left, right int32) uint64 { return uint64(left)<<32 | uint64(right) }

// before says which of two goes first.
func (c *candidate) before(d *candidate) bool {
	if c.count != d.count {
		return c.count > d.count
	}
	return c.order < d.order
}

// queue is a heap with the candidate that goes first at its root and four children a node.
type queue []candidate

func (q *queue) push(c candidate) {
	*q = append(*q, c)
	h := *q
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !c.before(&h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = c
}

func (q *queue) pop() {
	h := *q
	last := len(h) - 1
	h[0] = h[last]
	*q = h[:last]
	if last > 0 {
		q.sink(0)
	}
}

// sink moves element i down to where it goes before its children.
func (q *queue) sink(i int) {
	h := *q
	c := h[i]
	for {
		child := 4*i + 1
		if child >= len(h) {
			break
		}
		first := child
		for k := child + 1; k < min(child+4, len(h)); k++ {
			if h[k].before(&h[first]) {
				first = k
			}
		}
		if !h[first].before(&c) {
			break
		}
		h[i] = h[first]
		i = first
	}
	h[i] = c
}

// order makes a heap of any candidates.
func (q *queue) order() {
	for i := (len(*q) - 2) / 4; i >= 0 && len(*q) > 1; i-- {
		q.sink(i)
	}
}
