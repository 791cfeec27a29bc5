package model

import (
	"encoding/binary"
	"math/bits"
)

// Odd constants with well-mixed bits: 2^64 divided by the golden ratio, and one of SplitMix64's (Steele, Lea,
// Flood 2014). Only speed depends on them.
const (
	mixA = 0x9e3779b97f4a7c15
	mixB = 0xbf58476d1ce4e5b9
)

// hash2 mixes two words by the folded product that wyhash and others are built on.
func hash2(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^mixA, b^mixB)
	return hi ^ lo
}

func hashBytes(p []byte) uint64 {
	h := uint64(len(p)) * mixB
	for len(p) >= 8 {
		h = hash2(h, binary.LittleEndian.Uint64(p))
		p = p[8:]
	}
	var tail uint64
	for i, c := range p {
		tail |= uint64(c) << (8 * i)
	}
	return hash2(h, tail)
}
