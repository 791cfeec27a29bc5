package dedup

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// guarded is a slice of n values between canaries.
func guarded[T uint32 | uint64](rng *rand.Rand, n int) (whole, s []T) {
	whole = make([]T, n+32)
	for i := range whole {
		whole[i] = T(rng.Uint64())
	}
	return whole, whole[16 : 16+n : 16+n]
}

func unharmed[T uint32 | uint64](t *testing.T, before, after []T, n int) {
	t.Helper()
	if !slices.Equal(before[:16], after[:16]) || !slices.Equal(before[16+n:], after[16+n:]) {
		t.Fatal("something beside the least values was written")
	}
}

// checkSets compares all sets that this processor can run with the definitions.
func checkSets(t *testing.T, seed uint64, perms, n int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	_, a := guarded[uint64](rng, perms)
	_, b := guarded[uint64](rng, perms)
	_, hashes := guarded[uint64](rng, n)
	for i := range a {
		a[i], b[i] = a[i]%mersenne|1, b[i]%mersenne
	}
	if n > 0 && perms > 0 && seed%2 == 1 { // a product where the short remainder does not hold
		i := rng.IntN(perms)
		hashes[rng.IntN(n)] = (rng.Uint64N(9)<<61 + rng.Uint64N(32) - 16 - b[i]) * inverse(a[i])
	}
	a32, b32, h32 := make([]uint32, perms), make([]uint32, perms), make([]uint32, n)
	for i := range a {
		a32[i], b32[i] = uint32(a[i]), uint32(b[i])
	}
	for i := range hashes {
		h32[i] = uint32(hashes[i])
	}
	for s := minhashPortable; s <= minhashBest; s++ {
		whole, mins := guarded[uint64](rng, perms)
		before := slices.Clone(whole)
		s.minhash61(mins, a, b, hashes)
		unharmed(t, before, whole, perms)
		for i, m := range mins {
			if want := leastValue(a[i], b[i], hashes); m != want {
				t.Fatalf("%s, seed %d: value %d of %d permutations and %d hashes is %d, not %d", s, seed, i, perms, n, m, want)
			}
		}
		s.minhash61Low(mins, a, b, hashes)
		unharmed(t, before, whole, perms)
		for i, m := range mins {
			if want := leastLowValue(a[i], b[i], hashes); m != want {
				t.Fatalf("%s, seed %d: lower half %d of %d permutations and %d hashes is %d, not %d", s, seed, i, perms, n, m, want)
			}
		}
		whole32, mins32 := guarded[uint32](rng, perms)
		before32 := slices.Clone(whole32)
		s.minhash32(mins32, a32, b32, h32)
		unharmed(t, before32, whole32, perms)
		for i, m := range mins32 {
			want := ^uint32(0)
			for _, h := range h32 {
				want = min(want, a32[i]*h+b32[i])
			}
			if m != want {
				t.Fatalf("%s, seed %d: 32-bit value %d of %d permutations and %d hashes is %d, not %d", s, seed, i, perms, n, m, want)
			}
		}
	}
}

func TestMinHashSets(t *testing.T) {
	t.Logf("the best set here is %s", minhashBest)
	for perms := range 70 {
		for n := range 20 {
			checkSets(t, uint64(100*perms+n), perms, n)
		}
	}
	for seed := range uint64(50) {
		checkSets(t, seed, 100+int(seed), 501)
	}
}

func FuzzMinHashSets(f *testing.F) {
	f.Add(uint64(1), uint8(100), uint16(7))
	f.Add(uint64(2), uint8(0), uint16(0))
	f.Fuzz(func(t *testing.T, seed uint64, perms uint8, n uint16) { checkSets(t, seed, int(perms), int(n%600)) })
}
