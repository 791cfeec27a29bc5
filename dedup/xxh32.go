package dedup

import (
	"encoding/binary"
	"math/bits"
)

// Primes of XXH32 (Collet, xxHash fast digest algorithm, doc/xxhash_spec.md 0.1.1).
const (
	xxh32Prime1 = 0x9E3779B1
	xxh32Prime2 = 0x85EBCA77
	xxh32Prime3 = 0xC2B2AE3D
	xxh32Prime4 = 0x27D4EB2F
	xxh32Prime5 = 0x165667B1
)

// xxh32 is XXH32 with seed 0.
func xxh32(b []byte) uint32 {
	n := uint32(len(b))
	h := uint32(xxh32Prime5)
	if len(b) >= 16 {
		v1, v2, v3, v4 := uint32((xxh32Prime1+xxh32Prime2)&0xFFFFFFFF), uint32(xxh32Prime2), uint32(0), uint32(1<<32-xxh32Prime1)
		for ; len(b) >= 16; b = b[16:] {
			v1 = xxh32Round(v1, binary.LittleEndian.Uint32(b))
			v2 = xxh32Round(v2, binary.LittleEndian.Uint32(b[4:]))
			v3 = xxh32Round(v3, binary.LittleEndian.Uint32(b[8:]))
			v4 = xxh32Round(v4, binary.LittleEndian.Uint32(b[12:]))
		}
		h = bits.RotateLeft32(v1, 1) + bits.RotateLeft32(v2, 7) + bits.RotateLeft32(v3, 12) + bits.RotateLeft32(v4, 18)
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*xxh32Prime3, 17) * xxh32Prime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*xxh32Prime5, 11) * xxh32Prime1
	}
	h ^= h >> 15
	h *= xxh32Prime2
	h ^= h >> 13
	h *= xxh32Prime3
	return h ^ h>>16
}

func xxh32Round(v, lane uint32) uint32 {
	return bits.RotateLeft32(v+lane*xxh32Prime2, 13) * xxh32Prime1
}
