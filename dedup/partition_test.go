package dedup

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func mustPartition(t testing.TB, seed uint64, parts []Part) *Partition {
	t.Helper()
	p, err := NewPartition(seed, parts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPartitionLine holds who has which piece of the line, in tenths.
func TestPartitionLine(t *testing.T) {
	for _, c := range []struct{ parts, want string }{
		{"", "train 10"},
		{"a 0.2", "a 2 train 10"},
		{"a 0.2 b 0.1", "a 2 train 9 b 10"},
		{"a 0 b 0.1", "train 9 b 10"},
		{"a 0.1 b 0.1 c 0.1 d 0.1", "a 1 train 4 d 5 c 6 train 9 b 10"},
		{"a 0.1 b 0.1 c 0.1 d 0.1 e 0.1 f 0.1", "a 1 train 1.5 f 2.5 e 3.5 train 4 d 5 c 6 train 9 b 10"},
		{"a 0.6 b 0.1 c 0.1", "a 6 c 7 train 9 b 10"},
		{"a 0.6 b 0.1 c 0 d 0.1", "a 6 train 8 d 9 b 10"}, // it has nothing below the middle, and goes on from the end
		{"a 0.1 b 0.6 c 0.1", "a 1 c 2 train 4 b 10"},
		{"a 0.3 b 0.3 c 0.3", "a 3 c 4 train 5 c 7 b 10"},
		{"a 0.3 b 0.3 c 0 d 0.35", "a 3 d 5 train 5.5 d 7 b 10"},
	} {
		var parts []Part
		for f := strings.Fields(c.parts); len(f) > 0; f = f[2:] {
			var share float64
			if _, err := fmt.Sscan(f[1], &share); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, Part{f[0], share})
		}
		var got []string
		for _, s := range mustPartition(t, 1, parts).spans {
			got = append(got, fmt.Sprintf("%s %v", s.name, math.Round(float64(s.end)/lineEnd*1e9)/1e8))
		}
		if is := strings.Join(got, " "); is != c.want {
			t.Errorf("%s: %s, want %s", c.parts, is, c.want)
		}
	}
}

func TestPartitionErrors(t *testing.T) {
	for _, c := range []struct {
		want  string
		parts []Part
	}{
		{"take 100 % of the documents, and leave nothing to train", []Part{{"validation", 1}}},
		{"take 110 %", []Part{{"a", 0.5}, {"b", 0.6}}},
		{"no share from 0 to 1", []Part{{"a", -0.1}}},
		{"no share from 0 to 1", []Part{{"a", math.NaN()}}},
		{"no share from 0 to 1", []Part{{"a", math.Inf(1)}}},
		{"there anyway", []Part{{"train", 0.1}}},
		{"there anyway", []Part{{"held_out", 0.1}}},
		{"there twice", []Part{{"a", 0.1}, {"a", 0.1}}},
		{"small letters", []Part{{"", 0.1}}},
		{"small letters", []Part{{"../a", 0.1}}},
		{"small letters", []Part{{"_curate", 0.1}}},
		{"small letters", []Part{{"A", 0.1}}},
	} {
		if _, err := NewPartition(1, c.parts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.parts, err, c.want)
		}
	}
}

// TestPartitionKnown holds the part of some texts, so that none moves with a new version. Python says the same:
// xxhash.xxh64("text 0".encode(), seed=1).intdigest() >> 11, over 2**53.
func TestPartitionKnown(t *testing.T) {
	p := mustPartition(t, 1, []Part{{"validation", 0.2}, {"test", 0.2}})
	got := ""
	for i := range 24 {
		got += p.Part(fmt.Appendf(nil, "text %d", i))[1:2]
	}
	if want := "rrrrarrrarrrrrrrarreeaaa"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestPartitionShares: what values get is within five standard deviations of what parts ask for, for every seed; the
// line has exactly their sizes.
func TestPartitionShares(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const n = 20_000
	for range 20 {
		parts := randomParts(rng)
		p := mustPartition(t, rng.Uint64(), parts)
		size := map[string]uint64{}
		for i, s := range p.spans {
			size[s.name] += s.end - line(p.spans).start(i)
		}
		count := map[string]int{}
		for i := range n {
			count[p.Part(fmt.Appendf(nil, "%d: a document", i))]++
		}
		rest := 1.0
		for _, part := range append(parts, Part{Name: TrainPart}) {
			if part.Name == TrainPart {
				part.Share = rest
			}
			rest -= part.Share
			if d := float64(size[part.Name])/lineEnd - part.Share; math.Abs(d) > 1e-14 {
				t.Errorf("%v: %s has %v more of the line than it asks for", parts, part.Name, d)
			}
			if d := float64(count[part.Name]) - n*part.Share; math.Abs(d) > 1+5*math.Sqrt(n*part.Share*(1-part.Share)) {
				t.Errorf("%v: %s has %d of %d values", parts, part.Name, count[part.Name], n)
			}
		}
	}
}

// randomParts leave something to train; most are small, and some have nothing.
func randomParts(rng *rand.Rand) []Part {
	var parts []Part
	left := 1.0
	for i := range rng.IntN(7) {
		share := left * []float64{0, 0.01, 0.1, 0.9}[rng.IntN(4)] * rng.Float64()
		parts = append(parts, Part{fmt.Sprintf("p%d", i), share})
		left -= share
	}
	return parts
}

// TestPartitionNested: raising shares, or adding a part, takes values from train alone; always with two parts, and
// with up to eight as long as none has more than an eighth.
func TestPartitionNested(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 60 {
		n, most := 2, 1.0
		if round%2 == 1 {
			n, most = 3+rng.IntN(6), 1.0/8
		}
		var small, large []Part
		left := 0.999
		for i := range n {
			more := min(most, left) * rng.Float64()
			left -= more
			name := fmt.Sprintf("p%d", i)
			large = append(large, Part{name, more})
			if i < n-1 || round%3 > 0 { // else the last one is added
				small = append(small, Part{name, more * rng.Float64()})
			}
		}
		hash := rng.Uint64()
		before, after := mustPartition(t, hash, small), mustPartition(t, hash, large)
		for i := range 5000 {
			value := fmt.Appendf(nil, "value %d", i)
			if was, is := before.Part(value), after.Part(value); was != is && was != TrainPart {
				t.Fatalf("%v, then %v: %q went from %s to %s", small, large, value, was, is)
			}
		}
	}
}
