//go:build noasm || !amd64

package dedup

// minhashSet is an implementation of the permutation loops.
type minhashSet uint8

const (
	minhashPortable minhashSet = iota
	minhashBest                = minhashPortable
)

func (minhashSet) String() string { return "portable" }

func (minhashSet) shortLeast(mins, a, b, hashes []uint64)    { shortLeast(mins, a, b, hashes) }
func (minhashSet) shortLeastLow(mins, a, b, hashes []uint64) { shortLeastLow(mins, a, b, hashes) }
func (minhashSet) least32(mins, a, b, hashes []uint32)       { minhash32Generic(mins, a, b, hashes) }
