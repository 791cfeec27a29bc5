package stage

import "math"

// A histogram of a stage's signal is a set of tallies (record.Batch.Tally) named SIGNAL@BIN. The bins are the same
// for every signal, so that histograms of different splits, machines and versions add up: eight an octave, evenly
// spaced within it, as HdrHistogram has them (https://hdrhistogram.org): a value is known to an eighth of its octave at
// worst. What is not above zero is in bin 0.

const (
	binsPerOctave = 8
	leastExponent = -20 // 2^-20 is 1e-6, and less than that is nothing
	mostExponent  = 43
	// Bins is how many there are.
	Bins = 1 + (mostExponent-leastExponent)*binsPerOctave
)

// Bin is the number of the bin that v is in, from 0 to Bins-1.
func Bin(v float64) int {
	if !(v > 0) {
		return 0
	}
	if v >= 1<<mostExponent { // infinity, too
		return Bins - 1
	}
	frac, exp := math.Frexp(v) // v = frac * 2^exp, frac in [1/2, 1)
	exp--                      // v = 2*frac * 2^exp, 2*frac in [1, 2)
	if exp < leastExponent {
		return 0
	}
	return 1 + (exp-leastExponent)*binsPerOctave + int((2*frac-1)*binsPerOctave)
}

// BinEdge is the least value in a bin above 0; that of bin 0 is 0.
func BinEdge(bin int) float64 {
	if bin <= 0 {
		return 0
	}
	bin = min(bin, Bins) - 1
	return math.Ldexp(1+float64(bin%binsPerOctave)/binsPerOctave, leastExponent+bin/binsPerOctave)
}
