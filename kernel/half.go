package kernel

import "math"

// Half rounds to IEEE 754's binary16, to nearest, half to even; what is too large becomes infinite, and a NaN stays one.
func Half(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		return sign | 0x7e00
	case b >= 0x477ff000: // rounds to 65536, or is infinite
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: denormal, a multiple of 2^-24
		v := math.Float32frombits(b) * (1 << 24) // exact
		return sign | uint16(math.RoundToEven(float64(v)))
	}
	b += 0xfff + b>>13&1
	return sign | uint16((b-0x38000000)>>13)
}

// FromHalf is the number that a binary16 is.
func FromHalf(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10&31), uint32(h&0x3ff)
	switch exponent {
	case 0:
		return math.Float32frombits(math.Float32bits(float32(fraction)/(1<<24)) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
