package shards

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// ShuffleKey is where a document stands in the shuffle with a seed: documents are in the order of their keys, those
// with equal keys in the order of their IDs. The key is xxh64 (seed 0) of the 16 bytes seed, ID, both little-endian.
//
// So a document's place depends on the seed and its own ID alone: no record moves another past a third, any machine
// can work on any part of the documents, and sorting, which can be done on disk, is the whole shuffle.
func ShuffleKey(seed, id uint64) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], seed)
	binary.LittleEndian.PutUint64(b[8:], id)
	return xxhash.Sum64(b[:])
}

// copyKey is ShuffleKey for copy n of a document: each epoch of a source has an order of its own. That of copy 0 is
// ShuffleKey, those of others xxh64 of the 24 bytes seed, ID, n.
func copyKey(seed, id uint64, n int) uint64 {
	if n == 0 {
		return ShuffleKey(seed, id)
	}
	return digest(seed, id, uint64(n))
}

// chosenKey is the order in which documents of a source are chosen, where not all are used, and divided among the
// lengths of the schedule. It has nothing to do with the order in which they come.
func chosenKey(seed, id uint64) uint64 { return digest(seed, id, 1<<32) }

func digest(seed, id, n uint64) uint64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:8], seed)
	binary.LittleEndian.PutUint64(b[8:], id)
	binary.LittleEndian.PutUint64(b[16:], n)
	return xxhash.Sum64(b[:])
}
