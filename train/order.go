package train

import "math/bits"

// permutation is an order of any number of rows that takes no memory: a Feistel network (Luby and Rackoff 1988) on the
// numbers of 2k bits, walked until it comes to one that there is (Black and Rogaway 2002). That is a bijection, and less than
// four steps on average. Seed, epoch and stage are its key.
type permutation struct{ seed, epoch, stage uint64 }

const feistelRounds = 6

// of is where number i of n goes.
func (p permutation) of(n, i uint64) uint64 {
	half := max(1, (bits.Len64(n-1)+1)/2)
	mask := uint64(1)<<half - 1
	key := mix64(mix64(mix64(p.seed)+p.epoch) + p.stage)
	for {
		left, right := i>>half, i&mask
		for round := range uint64(feistelRounds) {
			left, right = right, left^mix64(key+round<<32+right)&mask
		}
		if i = left<<half | right; i < n {
			return i
		}
	}
}

// mix64 is a step of SplitMix64 (Steele, Lea and Flood 2014, with the constants of Stafford's variant 13).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
