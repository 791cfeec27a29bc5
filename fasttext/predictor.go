package fasttext

import "bytes"

// Predictor is the scratch of one goroutine. What it answers depends on the model and the text alone.
type Predictor struct {
	m      *Model
	hidden []float32 // of the text that was read last
	any    bool      // it has a row

	sum    []float32 // of a word
	row    []float32 // unpacked
	word   []byte    // in brackets
	rows   []int32
	hashes []int32 // of the words of a text, where the model has word n-grams

	out   []float32
	heap  bestHeap
	walk  []step
	path  []uint32
	cache cache
	known []branching // by inner node
	epoch uint32

	outEpoch uint32 // the text that out is of
}

// step is a node of the tree to visit, with the logarithm of the probability of coming there.
type step struct {
	node  int32
	score float32
}

// branching remembers an inner node for one text.
type branching struct {
	epoch       uint32
	left, right float32
}

// scratchLimit is what is kept between texts of lists that grow with the text.
const scratchLimit = 1 << 18

// NewPredictor makes a predictor for one goroutine.
func (m *Model) NewPredictor() *Predictor {
	dim := m.args.dim
	p := &Predictor{m: m, hidden: make([]float32, dim), sum: make([]float32, dim), row: make([]float32, dim)}
	if m.tree == nil {
		p.out = make([]float32, len(m.dict.labels))
	} else {
		p.known = make([]branching, len(m.dict.labels))
	}
	p.cache.make(dim, m.Bytes())
	return p
}

// Predict appends to dst the k most probable labels of text whose probability is at least threshold, the best
// first; none if the text has no row. All labels are asked for by k = len(Labels()).
//
// A text is one line, as the reference reads it: tokens are parted by space, tab, \v, \f, \r and 0 alone; the
// first \n, the token "</s>" or the end of text ends it, and counts as a word "</s>"; tokens that begin with
// "__label__" count for nothing. AppendLine makes a line of a text.
func (p *Predictor) Predict(dst []Prediction, text []byte, k int, threshold float32) []Prediction {
	p.Read(text)
	return p.Best(dst, k, threshold)
}

// All appends the probability of every label in the order of Labels, or nothing if the text has no row.
func (p *Predictor) All(dst []float32, text []byte) []float32 {
	if !p.Read(text) {
		return dst
	}
	if p.m.tree != nil {
		return p.allOfTree(dst)
	}
	p.outputs()
	for _, x := range p.out {
		dst = append(dst, expOf(logOf(x)))
	}
	return dst
}

// Read reads a text, about which Best and Of then answer. It is false if the text has no row: a word that is not
// in the vocabulary and has no n-grams.
func (p *Predictor) Read(text []byte) bool {
	m := p.m
	clear(p.hidden)
	p.hashes = p.hashes[:0]
	p.epoch++
	if p.epoch == 0 { // after 2^32 texts
		clear(p.known)
		p.outEpoch, p.epoch = 0, 1
	}
	count, ended := 0, false
	for i := 0; i < len(text) && !ended; {
		if separators[text[i]] {
			ended = text[i] == '\n'
			i++
			continue
		}
		start, h := i, uint32(hashStart)
		for ; i < len(text) && !separators[text[i]]; i++ {
			h = hashByte(h, text[i])
		}
		word := text[start:i]
		if ended = string(word) == eosToken; ended {
			break
		}
		id, found := m.dict.find(word, h)
		switch {
		case found && int(id) >= m.dict.nwords, !found && word[0] == '_' && bytes.HasPrefix(word, labelText):
			continue // a label
		case found && int(id) < m.summed:
			add(p.hidden, m.input.row(id, p.row))
			count += int(m.counts[id])
		default:
			if !found {
				id = -1
			}
			count += p.addWord(word, h, id)
		}
		if m.args.wordNgrams > 1 {
			p.hashes = append(p.hashes, int32(h))
		}
	}
	switch {
	case m.eos < 0:
	case int(m.eos) < m.summed:
		add(p.hidden, m.input.row(m.eos, p.row))
		count += int(m.counts[m.eos])
	default: // it has no n-grams
		add(p.hidden, m.input.row(m.eos, p.row))
		count++
	}
	if m.args.wordNgrams > 1 {
		p.hashes = append(p.hashes, int32(eosHash))
		for i := range p.hashes {
			p.rows = m.dict.wordNgrams(p.hashes[i:], m.args.wordNgrams, p.rows[:0])
			for _, r := range p.rows {
				add(p.hidden, m.input.row(r, p.row))
			}
			count += len(p.rows)
		}
		if cap(p.hashes) > scratchLimit {
			p.hashes = nil
		}
	}
	if p.any = count > 0; p.any {
		scale := float32(1 / float64(count))
		for i := range p.hidden {
			p.hidden[i] *= scale
		}
	}
	if cap(p.word) > scratchLimit || cap(p.rows) > scratchLimit {
		p.word, p.rows = nil, nil
	}
	return p.any
}

var eosHash = hashOf(eosToken)

// labelText is labelPrefix as the scanner wants it.
var labelText = []byte(labelPrefix)

// separators are the bytes that part tokens (dictionary.cc readWord); no-break space is not among them.
var separators = [256]bool{' ': true, '\n': true, '\r': true, '\t': true, '\v': true, '\f': true, 0: true}

// addWord adds the sum of a word's rows; id is -1 if it is not in the vocabulary. Whether the sum comes out of the
// cache makes no difference to a bit of it.
func (p *Predictor) addWord(word []byte, h uint32, id int32) int {
	m := p.m
	e, sum := p.cache.entry(word, h)
	if e != nil && e.is(word, h) {
		add(p.hidden, sum)
		return int(e.count)
	}
	if e == nil {
		sum = p.sum
	}
	p.rows = p.rows[:0]
	if id >= 0 {
		p.rows = append(p.rows, id)
	}
	if m.args.maxn > 0 {
		p.word = append(append(append(p.word[:0], '<'), word...), '>')
		p.rows = m.dict.subwords(p.word, p.rows)
	}
	m.input.sum(sum, p.rows, p.row)
	if e != nil {
		e.put(word, h, len(p.rows))
	}
	add(p.hidden, sum)
	return len(p.rows)
}

// Best appends to dst the k most probable labels of the text that was read last, as Predict.
func (p *Predictor) Best(dst []Prediction, k int, threshold float32) []Prediction {
	if !p.any || k < 1 {
		return dst
	}
	p.heap = p.heap[:0]
	if p.m.tree != nil {
		p.bestOfTree(k, threshold)
	} else {
		p.outputs()
		for i, x := range p.out {
			if x < threshold || len(p.heap) == k && logOf(x) < p.heap[0].score {
				continue
			}
			p.heap.add(scored{logOf(x), int32(i)}, k)
		}
	}
	p.heap.sort()
	for _, s := range p.heap {
		dst = append(dst, Prediction{int(s.label), expOf(s.score)})
	}
	return dst
}

// Of is the probability of one label of the text that was read last: what Best would say of it.
func (p *Predictor) Of(label int) float32 {
	if !p.any {
		return 0
	}
	if p.m.tree == nil {
		p.outputs()
		return expOf(logOf(p.out[label]))
	}
	return expOf(p.ofTree(label))
}
