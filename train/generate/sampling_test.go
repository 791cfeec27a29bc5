package generate

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"
)

// TestPhilox: the known answers of Random123 1.14 (tests/kat_vectors, philox4x32 10).
func TestPhilox(t *testing.T) {
	for _, v := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := philox(v.counter, v.key); got != v.want {
			t.Errorf("philox(%x, %x) is %x, want %x", v.counter, v.key, got, v.want)
		}
	}
	if got, want := (Draw{}).Uniform(), float64(0x6627e8d5e169c58d>>11)/(1<<53); got != want {
		t.Errorf("the first number is %v, want %v", got, want)
	}
	// Each of the four parts makes another number, also in its high half.
	seen := map[float64]Draw{}
	for _, d := range []Draw{{}, {Seed: 1}, {Seed: 1 << 40}, {Record: 1}, {Record: 1 << 40}, {Sample: 1}, {Position: 1}} {
		u := d.Uniform()
		if other, ok := seen[u]; ok || u < 0 || u >= 1 {
			t.Errorf("%v has %v, and so has %v", d, u, other)
		}
		seen[u] = d
	}
}

// TestTransformers: the same scores as its logits processors have.
func TestTransformers(t *testing.T) {
	b, err := os.ReadFile("testdata/sampling.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if b, err = z.DecodeAll(b, nil); err != nil {
		t.Fatal(err)
	}
	rows, kept := 0, 0
	for line := range bytes.Lines(b) {
		row := struct {
			RepetitionPenalty float64    `json:"repetition_penalty"`
			Temperature       float64    `json:"temperature"`
			TopK              int        `json:"top_k"`
			TopP              float64    `json:"top_p"`
			MinP              float64    `json:"min_p"`
			IDs               []int32    `json:"ids"`
			Logits            []float32  `json:"logits"`
			Scores            []*float32 `json:"scores"`
		}{}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		rows++
		scores := slices.Clone(row.Logits)
		c := NewChooser(Sampling{RepetitionPenalty: row.RepetitionPenalty}, len(scores))
		for _, id := range row.IDs {
			c.See(id)
		}
		if row.RepetitionPenalty > 0 {
			RepetitionPenalty(scores, c.distinct, row.RepetitionPenalty)
		}
		if row.Temperature > 0 {
			Temperature(scores, row.Temperature)
		}
		if row.TopK > 0 {
			TopK(scores, row.TopK, nil)
		}
		if row.TopP > 0 {
			TopP(scores, row.TopP, nil)
		}
		if row.MinP > 0 {
			MinP(scores, row.MinP)
		}
		for i, want := range row.Scores {
			switch {
			case want == nil:
				if scores[i] != removed {
					t.Errorf("row %d: token %d has %v, and is to be removed", rows, i, scores[i])
				}
				continue
			case scores[i] != *want:
				t.Errorf("row %d: token %d has %v, want %v", rows, i, scores[i], *want)
			}
			kept++
		}
	}
	if rows != 75 || kept < rows {
		t.Errorf("%d rows with %d scores", rows, kept)
	}
}

// TestTopProperty: top-k and top-p against sorting all, with equal scores and removed ones.
func TestTopProperty(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var largest []float32
	var order []int32
	for range 2000 {
		n := 1 + r.IntN(60)
		scores := make([]float32, n)
		spread := math.Exp(4 * r.Float64())
		for i := range scores {
			scores[i] = float32(math.Round(r.NormFloat64()*spread*2) / 2)
			if i > 0 && r.IntN(5) == 0 {
				scores[i] = removed
			}
		}
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(i)
		}
		slices.SortStableFunc(ids, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
		k := 1 + r.IntN(n)
		got := slices.Clone(scores)
		largest = TopK(got, k, largest)
		for i, s := range scores {
			if want := s >= scores[ids[k-1]]; want && got[i] != s || !want && got[i] != removed {
				t.Fatalf("top-k %d of %v is %v", k, scores, got)
			}
		}
		p := r.Float64()
		if p == 0 {
			p = 1
		}
		total, before := 0.0, 0.0
		for _, s := range scores {
			total += math.Exp(float64(s - scores[ids[0]]))
		}
		got = slices.Clone(scores)
		order = TopP(got, p, order)
		for _, id := range ids {
			// At the very edge rounding decides.
			if edge := math.Abs(before/total - p); edge > 1e-12 && (before/total < p) != (got[id] > removed) && scores[id] > removed {
				t.Fatalf("top-p %v of %v is %v at %d", p, scores, got, id)
			}
			before += math.Exp(float64(scores[id] - scores[ids[0]]))
		}
	}
}

// TestFrequencies: tokens are chosen as often as they are likely, whatever the seed.
func TestFrequencies(t *testing.T) {
	logits := []float32{1, 3, -2, 2.5, 0, 3}
	const draws, temperature = 40000, 1.5
	c := NewChooser(Sampling{RepetitionPenalty: 1, Temperature: temperature, TopP: 1}, len(logits))
	var total float64
	for _, s := range logits {
		total += math.Exp(float64(s) / temperature)
	}
	seen := make([]float64, len(logits))
	for i := range draws {
		token, err := c.Next(slices.Clone(logits), Draw{Seed: 7, Record: uint64(i / 100), Position: uint32(i % 100)})
		if err != nil {
			t.Fatal(err)
		}
		seen[token]++
	}
	for i, s := range logits {
		p := math.Exp(float64(s)/temperature) / total
		if z := (seen[i] - draws*p) / math.Sqrt(draws*p*(1-p)); math.Abs(z) > 4 {
			t.Errorf("token %d came %v times, and %v are expected: %v standard deviations", i, seen[i], draws*p, z)
		}
	}
}

func TestGreedy(t *testing.T) {
	c := NewChooser(Greedy(), 4)
	for _, v := range []struct {
		scores []float32
		want   int32
		bad    bool
	}{
		{[]float32{1, 3, 2, 3}, 1, false},
		{[]float32{-3e38, removed, removed, -3.1e38}, 0, false},
		{[]float32{removed, removed}, 0, true},
		{[]float32{1, float32(math.NaN())}, 0, true},
		{[]float32{1, float32(math.Inf(1))}, 0, true},
	} {
		got, err := c.Next(slices.Clone(v.scores), Draw{})
		if got != v.want || (err != nil) != v.bad {
			t.Errorf("of %v comes %d, %v", v.scores, got, err)
		}
	}
	// Penalties and temperatures at their limits leave numbers.
	for _, s := range []Sampling{
		{RepetitionPenalty: 1e6, Temperature: 1e-6, TopP: 1e-9, MinP: 1},
		{RepetitionPenalty: 1e-6, Temperature: 1e-6, TopK: 1, TopP: 1},
		{RepetitionPenalty: 1e-6, Temperature: 1e6, TopK: 3, TopP: .5, MinP: .1},
	} {
		if err := s.Check(func(n string) string { return n }); err != nil {
			t.Fatal(err)
		}
		c := NewChooser(s, 4)
		for i := range int32(4) {
			c.See(i)
			c.See(i)
		}
		if len(c.distinct) != 4 {
			t.Errorf("seen are %v", c.distinct)
		}
		for _, scores := range [][]float32{{3e38, -3e38, 1, 0}, {-3e38, -3e38, -3e38, -3e38}, {0, removed, 1e-30, removed}} {
			if token, err := c.Next(slices.Clone(scores), Draw{Seed: 1}); err != nil || scores[token] == removed {
				t.Errorf("%+v: of %v comes %d, %v", s, scores, token, err)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	nan := math.NaN()
	for _, s := range []Sampling{
		{RepetitionPenalty: 0, TopP: 1}, {RepetitionPenalty: nan, TopP: 1}, {RepetitionPenalty: 1, TopP: 0}, {RepetitionPenalty: 1, TopP: 1.1},
		{RepetitionPenalty: 1, TopP: 1, Temperature: -1}, {RepetitionPenalty: 1, TopP: 1, Temperature: nan}, {RepetitionPenalty: 1, TopP: 1, TopK: -1},
		{RepetitionPenalty: 1, TopP: 1, MinP: 1.5}, {RepetitionPenalty: 1, TopP: nan},
	} {
		if err := s.Check(func(n string) string { return "--" + n }); err == nil {
			t.Errorf("%+v passes", s)
		}
	}
	s := Greedy()
	if err := s.Check(nil); err != nil {
		t.Error(err)
	}
}

// TestNextAllocates nothing once it knows how much it needs.
func TestNextAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	logits, scores := make([]float32, 5000), make([]float32, 5000)
	for i := range logits {
		logits[i] = float32(3 * r.NormFloat64())
	}
	c := NewChooser(Sampling{RepetitionPenalty: 1.1, Temperature: .8, TopK: 200, TopP: .95, MinP: .01}, len(logits))
	c.See(7)
	n := uint32(0)
	if got := testing.AllocsPerRun(50, func() {
		copy(scores, logits)
		if _, err := c.Next(scores, Draw{Position: n}); err != nil {
			t.Fatal(err)
		}
		n++
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkNext(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	logits, scores := make([]float32, 50257), make([]float32, 50257)
	for i := range logits {
		logits[i] = float32(2.5 * r.NormFloat64())
	}
	for _, v := range []struct {
		name string
		s    Sampling
	}{
		{"greedy", Greedy()},
		{"temperature", Sampling{RepetitionPenalty: 1, Temperature: .8, TopP: 1}},
		{"top-k", Sampling{RepetitionPenalty: 1, Temperature: .8, TopK: 50, TopP: 1}},
		{"top-p", Sampling{RepetitionPenalty: 1, Temperature: .8, TopP: .95}},
	} {
		b.Run(v.name, func(b *testing.B) {
			c := NewChooser(v.s, len(logits))
			for i := range b.N {
				copy(scores, logits)
				if _, err := c.Next(scores, Draw{Position: uint32(i)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
