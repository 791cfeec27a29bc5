// Package score compares translations with references, as sacrebleu 2.6.0 does: BLEU (tokenizer 13a), chrF and chrF++, and
// paired bootstrap resampling.
//
// A metric counts n-grams: how many the hypothesis has, how many the reference has, and how many of them match. These
// statistics are integers and add up, so that the score of a corpus, or of a resample of it, needs no text.
//
// Read score.go first, then bleu.go, chrf.go, tokenize13a.go, ngrams.go (the counting), bootstrap.go.
package score

import "strconv"

// Metric scores a corpus from the statistics of its segments, which add up. It is immutable and may be shared by goroutines.
type Metric interface {
	Name() string      // "BLEU", "chrF", "chrF++"
	Signature() string // as sacrebleu prints it
	// Segment gives the statistics of one segment: integers that may be added up with other segments'. Their number depends
	// on the metric alone. No reference is as one empty reference.
	Segment(hypothesis string, references []string) []int64
	// Score is 0 to 100. The statistics of no segment (zeros, or nil) give 0.
	Score(sum []int64) float64
}

// Metrics are BLEU, chrF and chrF++, with signatures for one reference a segment.
func Metrics() []Metric { return MetricsFor(1) }

// MetricsFor are the same with signatures for another number of references, 0 if it varies. The number is in the signature
// alone: Segment takes as many as it gets.
func MetricsFor(references int) []Metric {
	n := "var"
	if references > 0 {
		n = strconv.Itoa(references)
	}
	return []Metric{bleu{references: n}, chrf{references: n}, chrf{references: n, wordOrder: 2}}
}

// version is sacrebleu's whose numbers these are.
const version = "2.6.0"
