package model

import "math"

// alibiSlopes are the slopes of ALiBi by head (arXiv 2108.12409, section 3): 2^(-8(h+1)/n) if the number n of heads is a power
// of two. For other numbers the authors' code (ofirpress/attention_with_linear_biases, get_slopes) takes the slopes of the
// power below, and then every other one of twice that power. scale multiplies them.
func alibiSlopes(heads int, scale float64) []float32 {
	power := 1
	for 2*power <= heads {
		power *= 2
	}
	slopes := make([]float32, heads)
	for h := range slopes {
		e := 8 * float64(h+1) / float64(power)
		if h >= power {
			e = 4 * float64(2*(h-power)+1) / float64(power)
		}
		whole := math.Floor(e)
		slopes[h] = float32(math.Ldexp(exp(float64((whole-e)*math.Ln2)), -int(whole)) * scale)
	}
	return slopes
}
