package model

import "math"

// Init sets first values: normal with the given standard deviation, cut at two of them, for embedding and head; times
// √WidthScale for hidden matrices, and divided by √(2·Layers) besides for those that write to the residual stream; 1 for
// norms and 0 for biases. The numbers are a function of seed, tensor and place in it alone, so that a tensor's values do not
// depend on those before it.
func (p *Params) Init(c *Config, std float64, seed uint64) {
	hidden := std * math.Sqrt(c.WidthScale)
	for i := range p.Layout.Tensors {
		t, x := &p.Layout.Tensors[i], p.Of(i)
		s := 0.0
		switch t.Role {
		case Embedding, Head:
			s = std
		case Hidden:
			s = hidden
		case Residual:
			s = hidden / math.Sqrt(float64(2*c.Layers))
		case Norm:
			for j := range x {
				x[j] = 1
			}
			continue
		case Bias:
			clear(x)
			continue
		}
		key := nameKey(seed, t.Name)
		for j := range x {
			x[j] = float32(s * cutNormal(key, uint64(j)))
		}
	}
}

// nameKey is the key of the stream of numbers that a tensor gets.
func nameKey(seed uint64, name string) uint64 {
	key := mix(seed + golden)
	for _, b := range []byte(name) {
		key = mix(key ^ uint64(b))
	}
	return key
}

// symmetric is number i of a stream that is uniform between -1 and 1: odd multiples of 2^-23, exact in 32 bits, whose mean is 0.
func symmetric(key, i uint64) float32 {
	return float32(2*int32(mix(key+(i+1)*golden)>>41)+1-1<<23) * (1.0 / (1 << 23))
}

// golden is 2^64 divided by the golden ratio: the step of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, OOPSLA 2014).
const golden = 0x9e3779b97f4a7c15

// mix is the output function of SplitMix64, variant 13 of Stafford's mixers.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// cutNormal is number i of a stream of normal numbers between -2 and 2: a uniform one is taken with probability e^(-z²/2), or
// else the next.
func cutNormal(key, i uint64) float64 {
	state := mix(key + i*golden)
	for {
		state += golden
		z := float64(mix(state)>>11)*(4.0/(1<<53)) - 2 // exact
		state += golden
		u := float64(mix(state)>>11) * (1.0 / (1 << 53))
		if below(u, float64(z*z)/2) {
			return z
		}
	}
}

// below says whether u < e^-t, for t from 0 to 2. The partial sums of the series lie below and above e^-t by turns, so that two
// or three terms are mostly enough; the first need no division.
func below(u, t float64) bool {
	sum, term := 1-t, float64(t*t)/2
	for n := 3.0; n < 25; n += 2 {
		if u < sum {
			return true
		}
		sum += term
		if u >= sum {
			return false
		}
		term = float64(term*t) / n
		sum -= term
		term = float64(term*t) / (n + 1)
	}
	return u < sum
}
