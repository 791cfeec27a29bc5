package dedup

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
)

func sha(values ...[]uint64) string {
	h := sha256.New()
	for _, list := range values {
		for _, v := range list {
			h.Write(binary.LittleEndian.AppendUint64(nil, v))
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestPermutationsAreNumpys: values of numpy's RandomState(1).randint, and the digest of all of them.
func TestPermutationsAreNumpys(t *testing.T) {
	p := drawPermutations(1, 112)
	a := []uint64{775169054918279404, 1758426461858698313, 2109959069025162, 965365488286768774}
	b := []uint64{1062448801025099917, 1324811268927594100, 1217488311597731462, 100775521383383736}
	if !slices.Equal(p.a[:4], a) || !slices.Equal(p.b[:4], b) || p.a[111] != 223865076026037746 || p.b[111] != 1097409548522419201 {
		t.Errorf("a = %d ... %d, b = %d ... %d", p.a[:4], p.a[111], p.b[:4], p.b[111])
	}
	if got, want := sha(p.a, p.b), "3b8ce0e5ff06d6950b72f62ef5ff619cfa984cd0c52ce62b94ae10ded4e80c8d"; got != want {
		t.Errorf("sha256 of a and b is %s, not %s", got, want)
	}
	q := drawPermutations(1, 100) // another length is another point where b begins in the same stream
	if !slices.Equal(q.a, p.a[:100]) || q.b[0] != p.a[100]-1 {
		t.Errorf("100 permutations: a[99] = %d, b[0] = %d", q.a[99], q.b[0])
	}
}

// TestSignatureGolden: datatrove 0.10.1's signature of nine words, that is five shingles.
func TestSignatureGolden(t *testing.T) {
	s, err := LookupScheme("datatrove")
	if err != nil {
		t.Fatal(err)
	}
	var sc Scratch
	shingles := s.Shingles(nil, []byte("The quick, brown fox jumps over the lazy dog!"), &sc)
	if len(shingles) != 5 || shingles[0] != 7797000677988824208 {
		t.Fatalf("shingles %d", shingles)
	}
	sig := s.Signature([]uint64{7}, shingles)
	if len(sig) != 1+112 || sig[0] != 7 {
		t.Fatalf("%d values appended to one that is now %d", len(sig)-1, sig[0])
	}
	bucket := []uint64{85330943174081874, 663359892825767826, 302227827184868053, 34440879854629237,
		1270900061947546662, 117899488208280896, 922286648869847700, 204404170303891102}
	if !slices.Equal(sig[1:9], bucket) {
		t.Errorf("bucket 0 is %d", sig[1:9])
	}
	if got := sha(sig[1:])[:16]; got != "5fccf7ba60a836cb" {
		t.Errorf("sha256 of the signature begins with %s", got)
	}
}

func TestSchemes(t *testing.T) {
	for i, s := range Schemes() {
		if i > 0 && Schemes()[i-1].Name >= s.Name {
			t.Errorf("scheme %q comes after %q", s.Name, Schemes()[i-1].Name)
		}
		if n := len(s.permutations().a); n != s.Values || n < s.Bands*s.Rows || n > MaxValues || s.Rows > maxRows {
			t.Errorf("scheme %q has %d permutations for %d values, %d bands of %d", s.Name, n, s.Values, s.Bands, s.Rows)
		}
		if !slices.Contains(ShortPolicies(), s.Short) {
			t.Errorf("scheme %q has the policy %q", s.Name, s.Short)
		}
		if got, err := LookupScheme(s.Name); got != s || err != nil {
			t.Errorf("LookupScheme(%q) = %v, %v", s.Name, got, err)
		}
	}
	if s, err := LookupScheme(DefaultScheme); err != nil || s.Bands != 20 || s.Rows != 5 {
		t.Errorf("the default is %+v, %v", s, err)
	}
	if _, err := LookupScheme("datatrov"); err == nil || err.Error() != `no MinHash scheme is called "datatrov"; did you mean "datatrove"?` {
		t.Errorf("error %v", err)
	}
}

func TestShingles(t *testing.T) {
	tests := []struct {
		scheme, text string
		grams        []string
	}{
		{"words", "", nil},
		{"words", " ... \u0301", nil},
		{"words", "ΟΔΟΣ!", []string{"οδος"}},
		{"words", "One, two-THREE\nx_4", []string{"one two three x_4"}},
		{"words", "a b c d e", []string{"a b c d e"}},
		{"words", "a b c d e f A.B", []string{"a b c d e", "b c d e f", "c d e f a", "d e f a b"}},
		{"words", "a a a a a a", []string{"a a a a a", "a a a a a"}},
		{"datatrove", "", nil},
		{"datatrove", "One, two, three, four", nil},
		{"datatrove", "You can't: 1.5km", []string{"you can t 0 km"}},
		{"datatrove", "Dont do 3,5 km!", []string{"do nt do 0 km"}},
		{"datatrove", "©é 7kg x", []string{"© e 0 kg x"}},
	}
	var sc Scratch
	for _, c := range tests {
		s, err := LookupScheme(c.scheme)
		if err != nil {
			t.Fatal(err)
		}
		want := []uint64{1}
		for _, g := range c.grams {
			want = append(want, xxhash.Sum64String(g))
		}
		if got := s.Shingles([]uint64{1}, []byte(c.text), &sc); !slices.Equal(got, want) {
			t.Errorf("%s of %q: %d hashes, not those of %q", c.scheme, c.text, len(got)-1, c.grams)
		}
	}
}

// inverse is 1/a mod 2^64 of an odd a (Newton's iteration doubles the right bits).
func inverse(a uint64) uint64 {
	x := a
	for range 6 {
		x *= 2 - a*x
	}
	return x
}

// TestKernelAtItsEdges: products on both sides of where the kernel's short remainder does not hold.
func TestKernelAtItsEdges(t *testing.T) {
	p := drawPermutations(1, 64)
	for i := range p.a {
		p.a[i] |= 1
	}
	rng := rand.New(rand.NewPCG(1, 2))
	mins := make([]uint64, len(p.a))
	for q := range uint64(9) {
		for d := range uint64(32) {
			product := q<<61 + d - 16
			for i := range p.a {
				hashes := []uint64{(product - p.b[i]) * inverse(p.a[i]), rng.Uint64(), rng.Uint64()}
				if p.a[i]*hashes[0]+p.b[i] != product {
					t.Fatal("the test does not make the product that it wants")
				}
				for _, hashes := range [][]uint64{hashes, hashes[:1]} {
					for s := minhashPortable; s <= minhashBest; s++ {
						s.minhash61(mins, p.a, p.b, hashes)
						for j := range mins {
							if want := leastValue(p.a[j], p.b[j], hashes); mins[j] != want {
								t.Fatalf("%s, product %#x: value %d is %d, not %d", s, product, j, mins[j], want)
							}
						}
					}
				}
			}
		}
	}
}

// TestSignatureOfSets: order and repeats make no difference, and the signature of a union is the minimum of two.
func TestSignatureOfSets(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, s := range Schemes() {
		var union []uint64
		var sigs [2][]uint64
		for k := range sigs {
			hashes := make([]uint64, 1+rng.IntN(300))
			for i := range hashes {
				hashes[i] = rng.Uint64()
			}
			union = append(union, hashes...)
			sigs[k] = s.Signature(nil, hashes)
			hashes = append(hashes, hashes[:len(hashes)/2]...)
			rng.Shuffle(len(hashes), func(i, j int) { hashes[i], hashes[j] = hashes[j], hashes[i] })
			if !slices.Equal(sigs[k], s.Signature(nil, hashes)) {
				t.Errorf("%s: another signature in another order (seed %d)", s.Name, seed)
			}
		}
		for i, v := range s.Signature(nil, union) {
			if v != min(sigs[0][i], sigs[1][i]) {
				t.Errorf("%s: value %d of a union is %d (seed %d)", s.Name, i, v, seed)
			}
		}
	}
}

func TestSetAndIntersection(t *testing.T) {
	a, b := Set([]uint64{5, 1, 5, 3, 1}), Set([]uint64{3, 9, 5, 2})
	if !slices.Equal(a, []uint64{1, 3, 5}) {
		t.Errorf("the set is %d", a)
	}
	if n, m := Intersection(a, b), Intersection(b, a); n != 2 || m != 2 {
		t.Errorf("the intersections are %d and %d", n, m)
	}
	if n := Intersection(a, Set(nil)); n != 0 {
		t.Errorf("with nothing in common: %d", n)
	}
}

// TestSetSorts compares it with slices.Sort, on hashes spread evenly and not at all.
func TestSetSorts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	draw := map[string]func() uint64{
		"even":          rng.Uint64,
		"32 bits":       func() uint64 { return uint64(rng.Uint32()) },
		"few":           func() uint64 { return rng.Uint64N(5) },
		"one":           func() uint64 { return 1 << 63 },
		"zero":          func() uint64 { return 0 },
		"one bucket":    func() uint64 { return 1<<60 + rng.Uint64N(1000) },
		"mostly one":    func() uint64 { return rng.Uint64() * (rng.Uint64N(10) / 9) },
		"end":           func() uint64 { return math.MaxUint64 - rng.Uint64N(3) },
		"few and large": func() uint64 { return rng.Uint64N(20) << 59 },
	}
	for name, next := range draw {
		for _, n := range []int{0, 1, setLeast - 1, setLeast, setLeast + 1, 63, 64, 65, 1000, 4096, setMost, setMost + 1} {
			v := make([]uint64, n)
			for i := range v {
				v[i] = next()
			}
			want := slices.Clone(v)
			slices.Sort(want)
			if got := Set(v); !slices.Equal(got, slices.Compact(want)) {
				t.Errorf("%s, %d hashes: not what slices.Sort makes (seed %d)", name, n, seed)
			}
		}
	}
}

func TestMinHashAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("pools forget under the race detector")
	}
	texts, _ := pageTexts(t, "eu")
	for _, s := range Schemes() {
		var sc Scratch
		var shingles, set, sig []uint64
		work := func() {
			for _, b := range texts[:100] {
				shingles = s.Shingles(shingles[:0], b, &sc)
				if len(shingles) == 0 {
					continue
				}
				sig = s.Signature(sig[:0], shingles)
				set = Set(append(set[:0], shingles...))
			}
		}
		work()
		if n := testing.AllocsPerRun(5, work); n > 0 {
			t.Errorf("%s: %v allocations for 100 documents in steady state", s.Name, n)
		}
	}
}
