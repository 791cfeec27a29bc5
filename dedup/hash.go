package dedup

import (
	"crypto/sha1"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"
)

// hashing is a hash function of shingles. One of 32 bits leaves the upper ones 0.
type hashing struct {
	name string
	sum  func(gram []byte) uint64
}

// hashes is sorted by name.
var hashes = []hashing{
	{"sha1-32", sha1Low32},
	{"sha1-32-mixed", func(b []byte) uint64 { return uint64(mix32(uint32(sha1Low32(b)))) }},
	{"sha1-64", sha1Low64},
	{"sha1-64-mixed", func(b []byte) uint64 { return mix64(sha1Low64(b)) }},
	{"xxh3-32", func(b []byte) uint64 { return xxh3.HashSeed(b, 42) & 0xFFFFFFFF }}, // text-dedup's seed
	{"xxh32", func(b []byte) uint64 { return uint64(xxh32(b)) }},
	{"xxh64", xxhash.Sum64},
}

func sha1Low32(b []byte) uint64 {
	d := sha1.Sum(b)
	return uint64(binary.LittleEndian.Uint32(d[:]))
}

func sha1Low64(b []byte) uint64 {
	d := sha1.Sum(b)
	return binary.LittleEndian.Uint64(d[:])
}

// mix32 and mix64 are the finalisers of Appleby's MurmurHash3, with which datasketch 2.0.0 (minhash.py, _fmix) mixes a
// hash once before its affine functions.
func mix32(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85EBCA6B
	h ^= h >> 13
	h *= 0xC2B2AE35
	return h ^ h>>16
}

func mix64(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xFF51AFD7ED558CCD
	h ^= h >> 33
	h *= 0xC4CEB9FE1A85EC53
	return h ^ h>>33
}
