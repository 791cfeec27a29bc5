// Package score compares translations with references, as sacrebleu 2.6.0 does: BLEU (tokenizer 13a), chrF and chrF++, and
// paired bootstrap resampling.
//
// Read score.go first, then bleu.go, chrf.go, tokenize13a.go, bootstrap.go.
package score

// Metric scores a corpus from the statistics of its segments, which add up.
type Metric interface {
	Name() string      // "BLEU", "chrF", "chrF++"
	Signature() string // as sacrebleu prints it
	// Segment gives the statistics of one segment: integers that may be added up with other segments'.
	Segment(hypothesis string, references []string) []int64
	// Score is 0 to 100.
	Score(sum []int64) float64
}

// Metrics are BLEU, chrF and chrF++.
func Metrics() []Metric { panic("unwritten") }

// Bootstrap compares two systems on the same segments by paired resampling (Koehn 2004, as sacrebleu's significance.py).
type Bootstrap struct {
	A, B         float64 // scores on the whole
	MeanA, MeanB float64
	CI95A, CI95B float64 // half the width
	P            float64 // of the difference being chance
	Samples      int
}

// Paired resamples the segments' statistics; the seed makes it repeatable.
func Paired(m Metric, a, b [][]int64, samples int, seed uint64) Bootstrap { panic("unwritten") }
