package mix

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
)

type doc struct {
	class      int
	digest, id uint64
	tokens     int64
}

func eachOf(docs []doc) Each {
	return func(f func(int, uint64, uint64, int64) error) error {
		for _, d := range docs {
			if err := f(d.class, d.digest, d.id, d.tokens); err != nil {
				return err
			}
		}
		return nil
	}
}

// nearest is the contract, word by word: all sums of the documents before a border, and the nearest.
func nearest(docs []doc, class int, want int64) int64 {
	var of []doc
	for _, d := range docs {
		if d.class == class {
			of = append(of, d)
		}
	}
	slices.SortFunc(of, func(a, b doc) int { return cmp.Or(cmp.Compare(a.digest, b.digest), cmp.Compare(a.id, b.id)) })
	sum, best := int64(0), int64(0)
	for i, d := range of {
		sum += d.tokens
		if i+1 < len(of) && of[i+1].digest == d.digest && of[i+1].id == d.id {
			continue // one document
		}
		off, least := sum-want, best-want
		if max(off, -off) < max(least, -least) {
			best = sum
		}
	}
	return best
}

func before(docs []doc, class int, m Mark) (sum int64) {
	for _, d := range docs {
		if d.class == class && m.Before(d.digest, d.id) {
			sum += d.tokens
		}
	}
	return sum
}

func randomDocs(rng *rand.Rand, n, classes int) []doc {
	docs := make([]doc, n)
	ties := rng.IntN(4)
	for i := range docs {
		d := doc{rng.IntN(classes), rng.Uint64(), rng.Uint64() >> 1, 1 + rng.Int64N(2000)}
		switch ties { // where digests have few values or few bits, IDs decide, to their last bit
		case 0:
			d.digest = uint64(rng.IntN(3)) << 62
		case 1:
			d.digest, d.id = 7, uint64(i)
		case 2:
			d.digest >>= rng.IntN(64)
		}
		switch rng.IntN(40) {
		case 0:
			d.tokens = 1_000_000_000_000
		case 1:
			d.tokens = 0
		}
		docs[i] = d
	}
	if n > 0 && rng.IntN(3) == 0 { // the last of all, and the same one twice
		docs[0].digest, docs[0].id = math.MaxUint64, math.MaxInt64
		docs[n-1].class, docs[n-1].digest, docs[n-1].id = docs[n/2].class, docs[n/2].digest, docs[n/2].id
	}
	return docs
}

func TestMarks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 300 {
		classes := 1 + rng.IntN(5)
		docs := randomDocs(rng, rng.IntN(1+[]int{3, 50, 3000}[round%3]), classes)
		total := make([]int64, classes)
		for _, d := range docs {
			total[d.class] += d.tokens
		}
		wants := make([][]int64, classes)
		for c := range wants {
			for range rng.IntN(6) {
				wants[c] = append(wants[c], []int64{0, total[c], total[c] + 1, math.MaxInt64, rng.Int64N(1 + total[c]), rng.Int64N(1 + min(5000, total[c]))}[rng.IntN(6)])
			}
			slices.Sort(wants[c])
		}
		var marks [][]Mark
		for _, room := range []int{1 << 20, 0, 5000, 64 << 10} {
			rng.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
			ms, got, err := Marks(eachOf(docs), wants, room)
			if err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			if marks == nil {
				marks = ms
			}
			if !reflect.DeepEqual(ms, marks) {
				t.Fatalf("seed %d, round %d, room %d: other marks", seed, round, room)
			}
			for c := range wants {
				for k, want := range wants[c] {
					m := ms[c][k]
					if best := nearest(docs, c, want); got[c][k] != best {
						t.Fatalf("seed %d, round %d: want %d of %d: got %d, and %d is the nearest", seed, round, want, total[c], got[c][k], best)
					}
					if sum := before(docs, c, m); sum != got[c][k] {
						t.Fatalf("seed %d, round %d: %d tokens before the mark %x, told %d", seed, round, sum, m, got[c][k])
					}
					if want > 0 && want >= total[c] && m != End || want == 0 && m != (Mark{}) {
						t.Fatalf("seed %d, round %d: want %d of %d gives %x", seed, round, want, total[c], m)
					}
				}
			}
		}
	}
}

func TestMarksErrors(t *testing.T) {
	docs := []doc{{0, 1, 1, 5}, {0, 2, 2, 5}, {0, 3, 3, 5}}
	for name, wants := range map[string][][]int64{"falls": {{5, 4}}, "negative": {{-1}}, "no such class": {{}}} {
		ds := docs
		if name == "no such class" {
			ds = []doc{{1, 1, 1, 1}}
			wants = [][]int64{{1}}
		}
		if _, _, err := Marks(eachOf(ds), wants, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, d := range []doc{{0, 1, 1, -1}, {0, 1, 1, math.MaxInt64}} {
		if _, _, err := Marks(eachOf(append(docs[:3:3], d)), [][]int64{{1}}, 0); err == nil {
			t.Errorf("%d tokens: no error", d.tokens)
		}
	}
	cause := errors.New("cause")
	if _, _, err := Marks(func(func(int, uint64, uint64, int64) error) error { return cause }, [][]int64{{1}}, 0); !errors.Is(err, cause) {
		t.Errorf("the cause is lost: %v", err)
	}
	// Fewer or more documents the second time.
	for _, second := range [][]doc{nil, slices.Concat(docs, docs, docs, docs)} {
		calls := 0
		each := func(f func(int, uint64, uint64, int64) error) error {
			if calls++; calls == 1 {
				return eachOf(docs)(f)
			}
			return eachOf(second)(f)
		}
		if _, _, err := Marks(each, [][]int64{{7}}, 0); !errors.Is(err, ErrChanged) {
			t.Errorf("%d documents in the second pass: %v", len(second), err)
		}
	}
	if m, got, err := Marks(eachOf(nil), nil, 0); err != nil || len(m)+len(got) != 0 {
		t.Errorf("nothing: %v %v %v", m, got, err)
	}
}

// TestMarksMemory: a small room is kept to, and a large one needs two passes.
func TestMarksMemory(t *testing.T) {
	const n = 500_000
	passes, most := 0, uint64(0)
	each := func(f func(int, uint64, uint64, int64) error) error {
		passes++
		for i := range uint64(n) {
			if i == n/2 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			if err := f(int(i%3), mixed(i), i, 1000); err != nil {
				return err
			}
		}
		return nil
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base := m.HeapAlloc
	third := int64(n / 3 * 1000)
	wants := [][]int64{{third / 5, third / 2}, {third / 3}, {third / 7}}
	var first [][]Mark
	for _, c := range []struct {
		room, passes int
		bound        uint64
	}{{64 << 20, 2, 0}, {64 << 10, 2, 200 << 10}, {8 << 10, 4, 100 << 10}} {
		passes, most = 0, 0
		marks, _, err := Marks(each, wants, c.room)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = marks
		}
		if !reflect.DeepEqual(first, marks) {
			t.Errorf("room %d: other marks", c.room)
		}
		held := max(most, base) - base
		t.Logf("room %d: %d passes, %d bytes live", c.room, passes, held)
		if passes > c.passes {
			t.Errorf("room %d: %d passes, want at most %d", c.room, passes, c.passes)
		}
		if c.bound > 0 && held > c.bound {
			t.Errorf("room %d: %d bytes live", c.room, held)
		}
	}
}

// mixed is a digest of i: splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
func mixed(i uint64) uint64 {
	z := (i + 1) * 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
