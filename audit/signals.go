package audit

import "curate/stage"

// The signals, in the order of the table below.
const (
	sigCharacters = iota
	sigDigits
	sigLines
	sigLongest
	sigOthers
	sigPunctuation
	sigUpper
	numSignals
)

// signals are the numbers of a document, sorted by name. Ratios are held in millionths.
var signals = [numSignals]struct {
	name  string
	ratio bool
	about string
}{
	{"characters", false, "characters of the text"},
	{"digit_ratio", true, "digits among the characters that are no white space"},
	{"lines", false, "lines that are not blank"},
	{"longest_line", false, "characters of the longest line"},
	{"non_letter_ratio", true, "characters that are no letters among those that are no white space"},
	{"punctuation_ratio", true, "punctuation and symbols among the characters that are no white space"},
	{"upper_ratio", true, "upper case among the letters"},
}

// none is the value of a ratio of nothing.
const none = -1

const million = 1_000_000

// ratio is n of all in millionths, rounded half up. Neither is negative, and both are less than 2^43.
func ratio(n, all int64) int64 {
	if all == 0 {
		return none
	}
	return (2*n*million + all) / (2 * all)
}

// real is the value of a signal as a number.
func real(signal int, v int64) float64 {
	if signals[signal].ratio {
		return float64(v) / million
	}
	return float64(v)
}

// Outliers are told by Tukey's outer fences (Exploratory Data Analysis, 1977, chapter 2): what lies farther than three
// times the distance of the quartiles beyond one of them. Lengths and ratios are spread over orders of magnitude, so
// quartiles, distances and fences are counted in bins of stage.Bin, which are logarithmic. Zeros, which have no
// logarithm, are left out, and are no outliers.
const (
	fence = 3
	// leastSpread is the least distance of the quartiles, in bins: a quarter of an octave. Where half of all documents
	// are equal to a bin, what differs by a bin is no outlier yet.
	leastSpread = 2
)

// spread is how the values of a signal lie.
type spread struct {
	documents, zeros int64
	q1, median, q3   int // bins
	low, high        int // the least and the last bin within the fences
	below, above     int64
}

// spreadOf reads a histogram.
func spreadOf(bins *[stage.Bins]int64) spread {
	var s spread
	s.zeros = bins[0]
	var n int64
	for _, k := range bins[1:] {
		n += k
	}
	s.documents = n + s.zeros
	if n == 0 {
		return s
	}
	at := func(rank int64) int {
		sum := int64(0)
		for b := 1; b < stage.Bins; b++ {
			if sum += bins[b]; sum >= rank {
				return b
			}
		}
		return stage.Bins - 1
	}
	part := func(quarters int64) int64 { // the rank, from 1, of the value that so many quarters are not above
		return max(1, n/4*quarters+(n%4*quarters+3)/4)
	}
	s.q1, s.median, s.q3 = at(part(1)), at(part(2)), at(part(3))
	wide := max(s.q3-s.q1, leastSpread)
	s.low, s.high = s.q1-fence*wide, s.q3+fence*wide
	for b := 1; b < stage.Bins; b++ {
		switch {
		case b < s.low:
			s.below += bins[b]
		case b > s.high:
			s.above += bins[b]
		}
	}
	return s
}
