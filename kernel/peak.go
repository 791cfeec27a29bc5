package kernel

import "time"

// Peak measures, for about d, how many floating-point operations a second this core does at most, in f32 and with the
// instructions of the set's products: multiplications and additions of registers alone. It is what a product's speed is
// a share of.
func (s *Set) Peak(d time.Duration) float64 {
	loop, per := peakPortable, 2.0*8
	if t := s.tiles; t != nil {
		loop, per = t.peak, 2*float64(t.rows*t.cols)
	}
	const n = 1 << 14 // 50 µs or so
	var best float64
	for start := time.Now(); ; {
		begin := time.Now()
		loop(n)
		end := time.Now()
		// The fastest of many short measurements is one that nobody disturbed.
		if t := end.Sub(begin); t > 0 {
			best = max(best, n*per/t.Seconds())
		}
		if end.Sub(start) >= d {
			return best
		}
	}
}

func peakPortable(n int) {
	var x, y, s0, s1, s2, s3, s4, s5, s6, s7 float32 = 1, 1, 0, 0, 0, 0, 0, 0, 0, 0
	for range n {
		s0 += float32(x * y)
		s1 += float32(x * y)
		s2 += float32(x * y)
		s3 += float32(x * y)
		s4 += float32(x * y)
		s5 += float32(x * y)
		s6 += float32(x * y)
		s7 += float32(x * y)
	}
	if s0+s1+s2+s3+s4+s5+s6+s7 < 0 {
		panic("a sum of ones is negative") // it is used
	}
}
