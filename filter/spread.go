package filter

import "math"

// spread is how the values of a signal are spread: a histogram with 1,024 bins an octave, in which each bin knows its
// least and greatest value, so that a quantile is a value that occurred and what lies beyond it is counted exactly.
// Memory: 24 KiB for an octave that has values.
type spread struct {
	n           int64
	sum, square float64
	zero        bin // of what is not above 2^-32
	octaves     [octaves]*[1024]bin
}

const (
	octaves     = 96
	leastOctave = -32
)

type bin struct {
	n           int64
	least, most float64
}

func (b *bin) add(v float64) {
	if b.n == 0 || v < b.least {
		b.least = v
	}
	if b.n == 0 || v > b.most {
		b.most = v
	}
	b.n++
}

func (s *spread) add(v float64) {
	if v != v || math.IsInf(v, 0) {
		return
	}
	s.n++
	s.sum += v
	s.square += float64(v * v)
	if v <= math.Ldexp(1, leastOctave) {
		s.zero.add(v)
		return
	}
	b := math.Float64bits(v)
	octave := min(int(b>>52)-1023-leastOctave, octaves-1)
	if s.octaves[octave] == nil {
		s.octaves[octave] = new([1024]bin)
	}
	s.octaves[octave][b>>42&1023].add(v)
}

// each calls f for the bins that have values, from the least on or from the greatest, until it says no.
func (s *spread) each(fromGreatest bool, f func(*bin) bool) {
	if !fromGreatest && s.zero.n > 0 && !f(&s.zero) {
		return
	}
	for i := range octaves {
		if fromGreatest {
			i = octaves - 1 - i
		}
		if s.octaves[i] == nil {
			continue
		}
		for k := range s.octaves[i] {
			if fromGreatest {
				k = len(s.octaves[i]) - 1 - k
			}
			if b := &s.octaves[i][k]; b.n > 0 && !f(b) {
				return
			}
		}
	}
	if fromGreatest && s.zero.n > 0 {
		f(&s.zero)
	}
}

// tail is the value beyond which at most a share of the values lies, above it or below it, and how many do.
func (s *spread) tail(share float64, above bool) (at float64, beyond int64) {
	allowed := int64(math.Floor(float64(share*float64(s.n)) + 1e-9))
	s.each(above, func(b *bin) bool {
		if at = b.most; !above {
			at = b.least
		}
		if beyond+b.n > allowed {
			return false
		}
		beyond += b.n
		return true
	})
	if beyond == s.n { // only if all are allowed
		beyond = 0
	}
	return at, beyond
}

// median is a value of the middle bin.
func (s *spread) median() float64 {
	at := 0.0
	left := (s.n + 1) / 2
	s.each(false, func(b *bin) bool {
		at = b.least
		left -= b.n
		return left > 0
	})
	return at
}

func (s *spread) meanStd() (mean, std float64) {
	if s.n == 0 {
		return 0, 0
	}
	mean = s.sum / float64(s.n)
	return mean, math.Sqrt(math.Max(0, s.square/float64(s.n)-float64(mean*mean)))
}
