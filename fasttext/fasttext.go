// Package fasttext reads supervised models of fastText and predicts with them.
//
// A [Model] is a file .bin or .ftz (quantised), read once by [Read] and shared by any number of goroutines; each
// has a [Predictor] of its own, which allocates nothing for a text. Labels are those of the reference,
// facebookresearch/fastText 0.9.2, and probabilities are its to about 1e-6: sums run in another order here.
//
// Words: a row is a line of the input matrix, of which every word of the vocabulary has one and every bucket of
// n-grams one; the hidden vector of a text is the mean of the rows of its words, their character n-grams and its
// word n-grams; a loss turns it into a probability for each label.
//
// Read this file first, then read.go (the format), dictionary.go (from bytes to rows), predictor.go, loss.go.
// line.go has the ways in which others turn a text into the one line that a model is asked about.
package fasttext

// Model is a supervised model. It is immutable.
type Model struct {
	args    args
	dict    dictionary
	input   matrix // the rows of summed words hold the sum of all rows of the word
	output  matrix // a row a label, or with hierarchical softmax an inner node of the tree
	tree    *tree  // of hierarchical softmax, else nil
	sigmoid [sigmoidSteps + 1]float32

	// summed is how many words of the vocabulary, the most frequent, have their rows summed in input.
	summed int
	counts []int32 // of rows in such a sum
	eos    int32   // the word </s>, or -1
}

// Labels are the labels as they stand in the file, "__label__eu", in its order: the most frequent in training
// first. A Prediction names one by its index. The slice is the model's.
func (m *Model) Labels() []string { return m.dict.labels }

// Dim is the length of a row.
func (m *Model) Dim() int { return m.args.dim }

// Loss is the loss that the model was trained with: "hs", "ns", "softmax" or "ova".
func (m *Model) Loss() string { return lossNames[m.args.loss] }

// Bytes is about what the model takes in memory.
func (m *Model) Bytes() int64 {
	return m.dict.bytes() + m.input.bytes() + m.output.bytes() + int64(len(m.counts))*4
}

// Prediction is a label with its probability.
type Prediction struct {
	Label       int // index in Labels
	Probability float32
}

// sumWords makes one vector of each of the most frequent words, in the place of their own rows, which nothing
// else refers to. A predictor would sum the same rows in the same order, so results do not depend on how many
// words have been summed here.
func (m *Model) sumWords() {
	m.eos = -1
	if id, ok := m.dict.find([]byte(eosToken), hashOf(eosToken)); ok && int(id) < m.dict.nwords {
		m.eos = id
	}
	if m.input.dense == nil {
		return
	}
	n := min(m.dict.nwords, maxSummed)
	m.counts = make([]int32, n)
	sum, row := make([]float32, m.args.dim), make([]float32, m.args.dim)
	var buf []byte
	var rows []int32
	for i := range n {
		word := m.dict.word(int32(i))
		if len(word) > maxSummedWord {
			n = i // those behind it are rare
			break
		}
		rows = append(rows[:0], int32(i))
		if m.args.maxn > 0 && int32(i) != m.eos {
			buf = append(append(append(buf[:0], '<'), word...), '>')
			rows = m.dict.subwords(buf, rows)
		}
		m.input.sum(sum, rows, row)
		copy(m.input.row(int32(i), row), sum)
		m.counts[i] = int32(len(rows))
	}
	m.summed, m.counts = n, m.counts[:n]
}

const (
	// maxSummed bounds the time that summing takes: files of word vectors know millions of words, of which texts
	// hold mostly the first ten thousand.
	maxSummed = 1 << 17
	// maxSummedWord, in bytes: longer words are not language.
	maxSummedWord = 256
)
