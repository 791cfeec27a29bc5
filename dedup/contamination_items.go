package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Passage is what of a benchmark's item can stand in a document as one text.
type Passage struct {
	// Query is what is asked, a turn each; nothing where the passage is a text of its own.
	Query []string
	// Label is the answer, or the text.
	Label string
	// Wrong says that this is no answer that the benchmark takes for right, such as the worse one of a pair. It is looked for
	// like any other, but not by datatrove's convention, which knows golds alone.
	Wrong bool
}

// Item is a row of a benchmark. It is found in a document when one of its passages is.
type Item struct {
	ID       string
	Passages []Passage
}

// Conventions of n-grams.
const (
	GPT3Convention      = "gpt3"      // Brown et al. 2020, appendix C
	DatatroveConvention = "datatrove" // datatrove 0.10.1, pipeline/decont/n_grams.py
)

// Methods by which items are found, in the order of their strength.
const (
	MatchExact = "exact"
	MatchNgram = "ngram"
	MatchNear  = "near"
)

// Measures of nearness.
const (
	Containment = "containment" // of the item's shingles in the document
	Jaccard     = "jaccard"     // of both sets of shingles
)

// Constants of the conventions.
const (
	// gpt3Least and gpt3Most bound N, the 5th percentile of a benchmark's items' words (GPT-3, appendix C: "Due to spurious
	// collisions at lower values of N, we use a minimum value of 8", "we set a maximum value of 13 for all tasks").
	gpt3Least, gpt3Most = 8, 13
	// datatroveNgram is n_grams of NGramsDecontConfig.
	datatroveNgram = 12
	// nearWords is the shingle of near, that of DefaultScheme.
	nearWords = 5
	// MaxNgram bounds n.
	MaxNgram = 64
)

// BenchmarksConfig says how items are looked for.
type BenchmarksConfig struct {
	// Match are the methods: MatchExact, MatchNgram, MatchNear. Exact and ngram by default.
	Match []string
	// Convention of n-grams: GPT3Convention by default, or DatatroveConvention.
	Convention string
	// Ngram is how many words an n-gram has. 0 is 12 of datatrove, and of GPT-3 the 5th percentile of the lengths of a
	// benchmark's items, from 8 to 13.
	Ngram int
	// MinShare of a passage's different n-grams must be in a document, from 0 to 1; one at least.
	MinShare float64
	// QueryNgrams also looks for datatrove's n-grams within a query (find_query_ngrams).
	QueryNgrams bool
	// LeastWords is how many words a passage, or a part of it, must have to be looked for within documents by exact and near;
	// 8 by default, GPT-3's least N.
	LeastWords int
	// Measure of near, Containment by default, and its Threshold, DefaultThreshold by default.
	Measure   string
	Threshold float64
}

func (c *BenchmarksConfig) resolve() error {
	if len(c.Match) == 0 {
		c.Match = []string{MatchExact, MatchNgram}
	}
	all := []string{MatchExact, MatchNgram, MatchNear}
	for _, m := range c.Match {
		if !slices.Contains(all, m) {
			return fmt.Errorf("match %q is not possible; exact, ngram and near are", m)
		}
	}
	c.Match = slices.DeleteFunc(all, func(m string) bool { return !slices.Contains(c.Match, m) })
	switch c.Convention {
	case "":
		c.Convention = GPT3Convention
	case GPT3Convention, DatatroveConvention:
	default:
		return fmt.Errorf("convention %q is not known; gpt3 and datatrove are", c.Convention)
	}
	if c.Ngram < 0 || c.Ngram == 1 || c.Ngram > MaxNgram {
		return fmt.Errorf("an n-gram of %d words: give 2 to %d", c.Ngram, MaxNgram)
	}
	if c.Convention == DatatroveConvention && c.Ngram == 0 {
		c.Ngram = datatroveNgram
	}
	if !(c.MinShare >= 0 && c.MinShare <= 1) {
		return fmt.Errorf("a share of %v: it lies between 0 and 1", c.MinShare)
	}
	if c.LeastWords == 0 {
		c.LeastWords = gpt3Least
	}
	if c.LeastWords < 1 || c.LeastWords > MaxNgram {
		return fmt.Errorf("passages of at least %d words: give 1 to %d", c.LeastWords, MaxNgram)
	}
	switch c.Measure {
	case "":
		c.Measure = Containment
	case Containment, Jaccard:
	default:
		return fmt.Errorf("measure %q is not known; containment and jaccard are", c.Measure)
	}
	if c.Threshold == 0 {
		c.Threshold = DefaultThreshold
	}
	if !(c.Threshold >= 1.0/million && c.Threshold <= 1) {
		return fmt.Errorf("threshold %v is no similarity; it lies above 0 and is at most 1", c.Threshold)
	}
	return nil
}

func (c *BenchmarksConfig) has(method string) bool { return slices.Contains(c.Match, method) }

// Benchmarks are the items that must not be trained on, ready to be looked for. They are immutable, and serve any number
// of goroutines.
type Benchmarks struct {
	cfg      BenchmarksConfig
	list     []benchmark
	items    []benchmarkItem
	passages []benchmarkPassage

	wholes  *postings // of whole passages, by the hash of all words
	anchors *postings // of targets, by the hash of their first LeastWords words
	targets []target
	grams   []gramIndex // of n-grams, one an N
	near    *nearSets
}

type benchmark struct {
	name      string
	ngram     int // words
	items     int // rows
	short     int // items that no method looks for within documents
	sum       string
	documents string // names of its tallies
	cutBytes  string
}

type benchmarkItem struct {
	benchmark uint32
	id        string
	tally     string
	short     bool // no method looks for it within documents
}

type benchmarkPassage struct {
	item  uint32
	grams int // different ones
}

// target is a run of words that a document may contain.
type target struct {
	passage uint32
	words   int
	hash    uint64
}

// gramIndex has the n-grams of the benchmarks that have this n.
type gramIndex struct {
	n     int
	index *postings
	first uint32 // number of its first n-gram, through all indexes
}

// gramCount is how many different n-grams there are.
func (b *Benchmarks) gramCount() uint32 {
	if len(b.grams) == 0 {
		return 0
	}
	last := &b.grams[len(b.grams)-1]
	return last.first + uint32(len(last.index.keys))
}

// Names of the stage's tallies: ITEM of a benchmark, documents in which an item of it was found, bytes cut.
const (
	tallyItem      = "item:"
	tallyDocuments = "documents:"
	tallyCutBytes  = "bytes_cut:"
)

// passageBytes and wordBytes are what a passage, and a word of it, take while the indexes are made, in bytes: a word is a hash,
// an n-gram with its posting, a shingle with one, and the table above each.
const (
	itemBytes    = 160
	passageBytes = 256
	wordBytes    = 96
)

// BenchmarksBuilder collects items. It is for one goroutine.
type BenchmarksBuilder struct {
	b     *Benchmarks
	limit int64
	size  int64
	ids   map[string]bool // of the benchmark at hand
	sum   hash.Hash
	plain plainWords
	words Scratch
	held  []heldPassage
}

// heldPassage is one whose n-grams wait for the benchmark's N.
type heldPassage struct {
	words []uint64 // plain words
	query int      // of them in Query
	parts []int    // where each turn of it ends
	grams []uint64 // datatrove's
}

// NewBenchmarksBuilder begins. limit is how many bytes of memory the items may take.
func NewBenchmarksBuilder(cfg BenchmarksConfig, limit int64) (*BenchmarksBuilder, error) {
	if err := cfg.resolve(); err != nil {
		return nil, err
	}
	return &BenchmarksBuilder{b: &Benchmarks{cfg: cfg}, limit: limit}, nil
}

// Begin begins a benchmark. Its name is the reason of what is dropped for it.
func (b *BenchmarksBuilder) Begin(name string) error {
	if name == "" || len(name) > 100 {
		return fmt.Errorf("the benchmark %q: a name has 1 to 100 bytes", name)
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == ':' || c == '"' || c == '\\' || c == 0x7F {
			return fmt.Errorf("the benchmark %q: a name has no colons, quotation marks, backslashes or control characters", name)
		}
	}
	for i := range b.b.list {
		if b.b.list[i].name == name {
			return fmt.Errorf("the benchmark %q is there twice", name)
		}
	}
	b.end()
	b.b.list = append(b.b.list, benchmark{name: name, documents: tallyDocuments + name, cutBytes: tallyCutBytes + name})
	b.ids, b.sum = map[string]bool{}, sha256.New()
	return nil
}

// end ends the benchmark at hand.
func (b *BenchmarksBuilder) end() {
	if n := len(b.b.list); n > 0 {
		b.b.list[n-1].sum = hex.EncodeToString(b.sum.Sum(nil))
	}
}

// Size is about how much memory the items take, in bytes.
func (b *BenchmarksBuilder) Size() int64 { return b.size }

// Add takes in an item of the benchmark that was begun last. An id that is empty, or there already, gets the item's number
// behind a "#", from 1.
func (b *BenchmarksBuilder) Add(item Item) error {
	set := b.b
	last := &set.list[len(set.list)-1]
	last.items++
	id := item.ID
	if id == "" || b.ids[id] {
		id = fmt.Sprintf("%s#%d", id, last.items)
	}
	b.ids[id] = true
	b.write(id)
	b.size += itemBytes + int64(3*len(id)+len(last.name))
	set.items = append(set.items, benchmarkItem{benchmark: uint32(len(set.list) - 1), id: id, tally: tallyItem + last.name + ":" + id})
	found := false
	for i := range item.Passages {
		p := &item.Passages[i]
		for _, q := range p.Query {
			b.write(q)
		}
		b.write("\x00" + p.Label)
		words := b.add(p)
		found = found || words >= set.cfg.LeastWords
	}
	if !found {
		last.short++
		set.items[len(set.items)-1].short = true
	}
	if b.size > b.limit || len(set.passages) >= math.MaxUint32/2 {
		return fmt.Errorf("the benchmarks take more than %s of memory; what holds their items was given no more", mebibytes(b.limit))
	}
	return nil
}

// write makes a string part of the benchmark's identity.
func (b *BenchmarksBuilder) write(s string) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
	b.sum.Write(n[:])
	b.sum.Write([]byte(s))
}

// add takes in a passage, and says how many words it has.
func (b *BenchmarksBuilder) add(p *Passage) int {
	set := b.b
	h := heldPassage{}
	for _, q := range p.Query {
		h.words = b.appendWords(h.words, q)
		h.parts = append(h.parts, len(h.words))
	}
	h.query = len(h.words)
	h.words = b.appendWords(h.words, p.Label)
	if set.cfg.has(MatchNgram) && set.cfg.Convention == DatatroveConvention && !p.Wrong {
		h.grams = b.datatroveGrams(p)
		b.size += int64(len(h.grams)) * wordBytes
	}
	set.passages = append(set.passages, benchmarkPassage{item: uint32(len(set.items) - 1)})
	b.held = append(b.held, h)
	b.size += passageBytes + int64(len(h.words))*wordBytes
	return len(h.words)
}

func (b *BenchmarksBuilder) appendWords(dst []uint64, s string) []uint64 {
	b.plain.cut([]byte(s))
	for i := range b.plain.words {
		dst = append(dst, b.plain.words[i].hash)
	}
	return dst
}

// datatroveGrams are the hashes of compute_hashes: of the label's n-grams, if asked for of the query's, and of those that
// have words of both.
func (b *BenchmarksBuilder) datatroveGrams(p *Passage) []uint64 {
	n := b.b.cfg.Ngram
	cut := func(s string) ([]byte, []int32) {
		simplifiedNormal(&b.words, []byte(s))
		return slices.Clone(b.words.words), slices.Clone(b.words.ends)
	}
	label, labelEnds := cut(p.Label)
	grams := appendJoinedGrams(nil, label, labelEnds, n)
	if len(p.Query) == 0 {
		return grams
	}
	joined := p.Query[0]
	for _, q := range p.Query[1:] {
		joined += "\n" + q
	}
	query, queryEnds := cut(joined)
	if b.b.cfg.QueryNgrams {
		grams = appendJoinedGrams(grams, query, queryEnds, n)
	}
	// i+1 words of the label behind n-1-i of the query.
	for i := 0; i < n-1 && i < len(labelEnds); i++ {
		if from := len(queryEnds) - (n - 1 - i); from >= 0 {
			lo := 0
			if from > 0 {
				lo = int(queryEnds[from-1]) + 1
			}
			gram := append(slices.Clone(query[lo:]), ' ')
			grams = append(grams, xxhash.Sum64(append(gram, label[:labelEnds[i]]...)))
		}
	}
	return grams
}

// appendJoinedGrams appends the XXH64 of n words with a space between them, which is how they lie there.
func appendJoinedGrams(dst []uint64, words []byte, ends []int32, n int) []uint64 {
	lo := 0
	for i := n - 1; i < len(ends); i++ {
		dst = append(dst, xxhash.Sum64(words[lo:ends[i]]))
		lo = int(ends[i-n+1]) + 1
	}
	return dst
}

// Set is what was collected. The builder is used up.
func (b *BenchmarksBuilder) Set() *Benchmarks {
	b.end()
	set := b.b
	b.lengths()
	least := set.cfg.LeastWords
	power := gramPower(least)
	var wholes, anchors []posting
	grams := map[int][]posting{}
	var sets []uint64
	var ends []int
	var sums []uint64
	for i := range b.held {
		h := &b.held[i]
		passage := &set.passages[i]
		number := uint32(i)
		sums = appendSums(sums[:0], h.words)
		all := len(h.words)
		if set.cfg.has(MatchExact) && all > 0 {
			wholes = append(wholes, posting{sums[all], number})
			add := func(lo, hi int) bool {
				if hi-lo < least {
					return false
				}
				anchors = append(anchors, posting{windowOf(sums, lo, least, power), uint32(len(set.targets))})
				set.targets = append(set.targets, target{number, hi - lo, windowOf(sums, lo, hi-lo, gramPower(hi-lo))})
				return true
			}
			lo, any := 0, false
			for _, hi := range h.parts {
				any = add(lo, hi) || any
				lo = hi
			}
			if any = add(h.query, all) || any; !any {
				add(0, all)
			}
		}
		if set.cfg.has(MatchNgram) {
			n := set.list[set.items[passage.item].benchmark].ngram
			from := len(grams[n])
			list := grams[n]
			if set.cfg.Convention == DatatroveConvention {
				for _, g := range h.grams {
					list = append(list, posting{g, number})
				}
			} else {
				power := gramPower(n)
				for k := 0; k+n <= all; k++ {
					list = append(list, posting{windowOf(sums, k, n, power), number})
				}
			}
			own := make([]uint64, 0, len(list)-from)
			for _, p := range list[from:] {
				own = append(own, p.key)
			}
			passage.grams = len(Set(own))
			grams[n] = list
		}
		if set.cfg.has(MatchNear) {
			from := len(sets)
			if all >= least {
				sets = appendWindows(sets, sums, nearWords)
				sets = sets[:from+len(Set(sets[from:]))]
			}
			ends = append(ends, len(sets))
		}
		h.words, h.grams = nil, nil
	}
	set.wholes, set.anchors = newPostings(wholes), newPostings(anchors)
	for n, list := range grams {
		set.grams = append(set.grams, gramIndex{n: n, index: newPostings(list)})
	}
	slices.SortFunc(set.grams, func(a, b gramIndex) int { return a.n - b.n })
	for k := range set.grams[min(len(set.grams), 1):] {
		before := &set.grams[k]
		set.grams[k+1].first = before.first + uint32(len(before.index.keys))
	}
	if set.cfg.has(MatchNear) {
		set.near = newNearSets(sets, ends, uint32(math.Round(set.cfg.Threshold*million)), set.cfg.Measure == Jaccard)
	}
	*b = BenchmarksBuilder{}
	return set
}

// appendWindows appends the hashes of all windows of n words; of fewer words, that of all of them.
func appendWindows(dst, sums []uint64, n int) []uint64 {
	all := len(sums) - 1
	if all == 0 {
		return dst
	}
	n = min(n, all)
	power := gramPower(n)
	for k := 0; k+n <= all; k++ {
		dst = append(dst, windowOf(sums, k, n, power))
	}
	return dst
}

// lengths settles each benchmark's N: the 5th percentile (nearest rank) of its passages' words, from 8 to 13.
func (b *BenchmarksBuilder) lengths() {
	set := b.b
	words := make([][]int, len(set.list))
	for i := range b.held {
		k := set.items[set.passages[i].item].benchmark
		words[k] = append(words[k], len(b.held[i].words))
	}
	for k := range set.list {
		n := set.cfg.Ngram
		if n == 0 {
			n = gpt3Most
			if w := words[k]; len(w) > 0 {
				slices.Sort(w)
				n = min(gpt3Most, max(gpt3Least, w[(len(w)-1)/20]))
			}
		}
		set.list[k].ngram = n
	}
}

// Names of the benchmarks, in their order.
func (s *Benchmarks) Names() []string {
	names := make([]string, len(s.list))
	for i := range s.list {
		names[i] = s.list[i].name
	}
	return names
}

// Len is how many items there are.
func (s *Benchmarks) Len() int { return len(s.items) }
