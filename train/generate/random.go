package generate

import "math/bits"

// Draw names a random number: that which chooses the token at Position, counted from 0, of a sample of a record.
type Draw struct {
	Seed, Record     uint64
	Sample, Position uint32
}

// Uniform is the number, in [0, 1): the first 53 of the bits that Philox4x32-10 makes of the counter (Position, Sample,
// Record's low and high half) with the key (Seed's low and high half).
func (d Draw) Uniform() float64 {
	r := philox([4]uint32{d.Position, d.Sample, uint32(d.Record), uint32(d.Record >> 32)}, [2]uint32{uint32(d.Seed), uint32(d.Seed >> 32)})
	return float64(uint64(r[0])<<21|uint64(r[1])>>11) * 0x1p-53
}

// philox is Philox4x32 with 10 rounds: a bijection of 128 bits that a key of 64 bits chooses (Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3; multipliers and Weyl constants are table 2's and section
// 3.3's).
func philox(c [4]uint32, k [2]uint32) [4]uint32 {
	for range 10 {
		hi0, lo0 := bits.Mul32(0xD2511F53, c[0])
		hi1, lo1 := bits.Mul32(0xCD9E8D57, c[2])
		c = [4]uint32{hi1 ^ c[1] ^ k[0], lo1, hi0 ^ c[3] ^ k[1], lo0}
		k[0] += 0x9E3779B9
		k[1] += 0xBB67AE85
	}
	return c
}
