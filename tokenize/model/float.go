package model

import (
	"math"
	"strconv"
	"sync"
)

// serdeFloat reads a JSON number as serde_json does without its feature float_roundtrip (f64_from_parts in its de.rs),
// which is how HF tokenizers reads scores: of a number with 16 or 17 digits, the result may be one of the neighbours of
// the closest float64. ok is false if it is too large.
func serdeFloat(raw []byte) (f float64, ok bool) {
	negative := len(raw) > 0 && raw[0] == '-'
	if negative {
		raw = raw[1:]
	}
	var digits uint64 // as many as fit
	exponent, full, fraction := 0, false, false
	i := 0
	for ; i < len(raw); i++ {
		c := raw[i]
		if c == '.' {
			fraction, full = true, false
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		d := uint64(c - '0')
		if !full && (digits > math.MaxUint64/10 || digits == math.MaxUint64/10 && d > math.MaxUint64%10) {
			full = true
		}
		switch {
		case !full:
			digits = digits*10 + d
			if fraction {
				exponent--
			}
		case !fraction:
			exponent++
		}
	}
	if i < len(raw) { // e or E
		i++
		sign := 1
		if i < len(raw) && (raw[i] == '+' || raw[i] == '-') {
			if raw[i] == '-' {
				sign = -1
			}
			i++
		}
		n := 0
		for ; i < len(raw); i++ {
			if n = 10*n + int(raw[i]-'0'); n > math.MaxInt32 {
				if digits != 0 && sign > 0 {
					return 0, false
				}
				digits, n = 0, 0
				break
			}
		}
		exponent += sign * n
	}
	f = float64(digits)
	for f != 0 || exponent >= 0 {
		if exponent >= 0 {
			if exponent > 308 {
				if f != 0 {
					return 0, false
				}
				break
			}
			if f *= powersOfTen()[exponent]; math.IsInf(f, 0) {
				return 0, false
			}
			break
		}
		if exponent >= -308 {
			f /= powersOfTen()[-exponent]
			break
		}
		f /= 1e308
		exponent += 308
	}
	if negative {
		f = -f
	}
	return f, true
}

// powersOfTen are the float64s closest to 10^0 to 10^308.
var powersOfTen = sync.OnceValue(func() *[309]float64 {
	var p [309]float64
	for i := range p {
		p[i], _ = strconv.ParseFloat("1e"+strconv.Itoa(i), 64)
	}
	return &p
})
