package eval

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"curate/kernel"
	"curate/train/model"
)

// oracle is a scorer that can be worked out by hand: log p of a target depends on which tokens it is predicted from, and on
// nothing else of the batch. It fails on batches that a model would refuse.
type oracle struct {
	t       *testing.T
	batches int
}

func (o *oracle) LogProbs(b *model.Batch, dst []float32) error {
	o.batches++
	n := b.Rows * b.Length
	if len(b.Tokens) != n || len(b.Targets) != n || len(b.Starts) != n || len(dst) != n {
		o.t.Fatalf("%d rows of %d tokens have %d tokens, %d targets, %d starts, %d results", b.Rows, b.Length, len(b.Tokens), len(b.Targets), len(b.Starts), len(dst))
	}
	for i := range n {
		row := i / b.Length * b.Length
		dst[i] = 0
		if b.Targets[i] == model.Ignore {
			continue
		}
		dst[i] = logProb(b.Tokens[row+int(b.Starts[i]):i+1], b.Targets[i])
	}
	return nil
}

// logProb is some number for a context and a target, with few bits, so that sums are exact.
func logProb(context []int32, target int32) float32 {
	h := uint64(target) + 7
	for _, c := range context {
		h = h*31 + uint64(c)
	}
	return -float32(next(&h)>>54) / 64
}

func naive(s *sequence) float64 {
	sum := 0.0
	var ids []int32
	for _, id := range s.ids {
		ids = append(ids, int32(id))
	}
	for k := s.from; k < len(ids); k++ {
		if s.learnt == nil || s.learnt[k] != 0 {
			sum += float64(logProb(ids[:k], ids[k]))
		}
	}
	return sum
}

func randomSequences(rng *rand.Rand, n, longest, vocabulary int) []sequence {
	var list []sequence
	for range n {
		s := sequence{from: 1}
		for range 2 + rng.IntN(longest-1) {
			s.ids = append(s.ids, rng.Uint32N(uint32(vocabulary)))
		}
		s.from += rng.IntN(len(s.ids) - 1)
		if rng.IntN(4) == 0 {
			for range s.ids {
				s.learnt = append(s.learnt, byte(rng.IntN(2)))
			}
		}
		list = append(list, s)
		if rng.IntN(5) == 0 {
			list = append(list, s) // equals
		}
	}
	return list
}

func TestQueue(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 9))
		list := randomSequences(rng, 1+rng.IntN(60), 2+rng.IntN(200), 50)
		for _, budget := range []int{1, 40, 128, 1000, 4096} {
			o := &oracle{t: t}
			q := newQueue(&Subject{Scorer: o, Batch: budget})
			for range 2 { // a queue is used again
				for _, s := range list {
					q.add(s)
				}
				got, err := q.score(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				for i := range list {
					if want := naive(&list[i]); got[i] != want {
						t.Fatalf("seed %d, %d tokens at once: sequence %d has %v, not %v", seed, budget, i, got[i], want)
					}
				}
				q.clear()
			}
			if budget == 4096 && o.batches > 2*(1+len(list)*200/2048) {
				t.Errorf("seed %d: %d sequences took %d batches", seed, len(list), o.batches)
			}
		}
	}
	if _, err := newQueue(&Subject{}).score(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestModelQueue: in a real model, several in a row are what they are one by one, for any number of goroutines.
func TestModelQueue(t *testing.T) {
	for _, family := range []string{model.Llama, model.BTLM} {
		t.Run(family, func(t *testing.T) {
			shape := model.Shape{Family: family, Vocabulary: 64, Width: 32, Layers: 2, Heads: 2, FFN: 64, Context: 64, Tied: true}
			c, err := shape.New()
			if err != nil {
				t.Fatal(err)
			}
			p := model.NewParams(model.NewLayout(c))
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range p.Data {
				p.Data[i] = float32(rng.NormFloat64() * 0.2)
			}
			set, err := kernel.Named(kernel.Auto)
			if err != nil {
				t.Fatal(err)
			}
			list := randomSequences(rng, 60, 100, 64)
			twice := len(list)
			list = append(list, list...)
			run := func(workers, budget int) []float64 {
				pool := kernel.NewPool(set, workers)
				defer pool.Close()
				m, err := model.New(c, p, pool, kernel.F32)
				if err != nil {
					t.Fatal(err)
				}
				q := newQueue(&Subject{Scorer: m, Batch: budget})
				for _, s := range list {
					q.add(s)
				}
				sums, err := q.score(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				return slices.Clone(sums)
			}
			single, packed := run(1, 1), run(1, 700)
			for i := range single {
				if d := math.Abs(single[i] - packed[i]); d > 1e-6*math.Max(1, math.Abs(single[i])) {
					t.Errorf("sequence %d: %v alone, %v among others", i, single[i], packed[i])
				}
			}
			if !slices.Equal(packed[:twice], packed[twice:]) {
				t.Error("equal sequences differ")
			}
			if got := run(3, 700); !slices.Equal(got, packed) {
				t.Error("the result depends on the number of goroutines")
			}
		})
	}
}

// TestWindows: every token is predicted once, from at most so many, as get_rolling_token_windows has it.
func TestWindows(t *testing.T) {
	for n := range 40 {
		ids := make([]uint32, n+1)
		for i := range ids {
			ids[i] = uint32(i)
		}
		learnt := bytes.Repeat([]byte{1}, n+1)
		for most := 1; most < 12; most++ {
			for stride := 1; stride <= most; stride++ {
				predicted := 0
				windows(ids, learnt, most, stride, func(s sequence) {
					if s.inputs() > most || len(s.learnt) != len(s.ids) {
						t.Fatalf("%d inputs, of %d", s.inputs(), most)
					}
					for _, id := range s.ids[s.from:] {
						if predicted++; int(id) != predicted {
							t.Fatalf("%d tokens, %d at most, stride %d: token %d comes where %d is due", n, most, stride, id, predicted)
						}
					}
				})
				if predicted != n {
					t.Fatalf("%d tokens, %d at most, stride %d: %d predicted", n, most, stride, predicted)
				}
			}
		}
	}
	// get_rolling_token_windows(range(1, 11), 0, 4, 2): inputs, and how many of their targets count.
	var got []string
	windows([]uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, nil, 4, 3, func(s sequence) {
		got = append(got, fmt.Sprint(s.ids[:s.inputs()], len(s.ids)-s.from))
	})
	if want := []string{"[0 1 2 3] 4", "[3 4 5 6] 3", "[6 7 8 9] 3"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestStatistics(t *testing.T) {
	xs := []float64{3, 1, 4, 1, 5, 9, 2, 6}
	var m mean
	var r, one ratio
	for i, x := range xs {
		m.add(x)
		r.add(x, float64(i+1))
		one.add(x, 1)
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %v, not %v", what, got, want)
		}
	}
	near("mean", m.at, 3.875)
	near("its error", m.stderr(), math.Sqrt(52.875/7/8)) // Σ(x-mean)² = 173 - 8·3.875²
	near("ratio", r.value(), 31.0/36)
	near("ratio by ones", one.value(), m.at)
	near("its error", one.stderr(), m.stderr())
	square := 0.0
	for i, x := range xs {
		square += math.Pow(x-31.0/36*float64(i+1), 2)
	}
	near("the ratio's error", r.stderr(), math.Sqrt(8.0/7*square)/36)
	s := share{}
	for i := range 40 {
		s.add(i < 11)
	}
	near("share", s.value(), 0.275)
	near("its error", s.stderr(), 0.0714995069016527) // lm-eval's acc_stderr of testdata/choice.jsonl
	if !math.IsNaN((&mean{n: 1}).stderr()) || !math.IsNaN((&share{n: 1}).stderr()) || !math.IsNaN((&ratio{}).value()) {
		t.Error("there is an error of one number")
	}
	for _, c := range []struct {
		right, n int64
		at       bool
	}{{50, 100, true}, {59, 100, true}, {61, 100, false}, {39, 100, false}, {1, 1, true}, {100, 100, false}} {
		if got := accuracy("acc", &share{n: c.n, right: c.right}, 0.5); got.AtChance != c.at {
			t.Errorf("%d of %d: within two standard errors of chance: %v", c.right, c.n, got.AtChance)
		}
	}
}

func TestWords(t *testing.T) {
	// len(re.split(r"\s+", text)) in Python 3.11
	for text, want := range map[string]int64{"": 1, " ": 2, "a": 1, "a b": 2, " a\u00a0\t b\n": 4, "a\x1fb\u0085": 3, "a\u0085b\u2003c\u200bd": 3, "a\x1c\x1d\x1eb": 2} {
		if got := words([]byte(text)); got != want {
			t.Errorf("%q has %d words, not %d", text, got, want)
		}
	}
}

func TestDraw(t *testing.T) {
	p := &Pool{}
	for i := range 10 {
		p.rows = append(p.rows, &choiceRow{question: fmt.Sprint(i % 9), choices: []string{"a", "b"}}) // 0 is there twice
	}
	counts := map[*choiceRow]int{}
	for number := range uint64(2000) {
		got, err := p.draw(p.rows[0], 3, 5, number)
		if err != nil || len(got) != 3 || got[0] == got[1] || got[1] == got[2] || got[0] == got[2] {
			t.Fatalf("%v %v", got, err)
		}
		again, _ := p.draw(p.rows[0], 3, 5, number)
		if !slices.Equal(got, again) {
			t.Fatal("it depends on more than seed and number")
		}
		for _, r := range got {
			if r.question == "0" {
				t.Fatal("a row is an example of itself")
			}
			counts[r]++
		}
	}
	for r, n := range counts { // 2000·3/8 = 750 ± 5 standard deviations
		if n < 640 || n > 860 {
			t.Errorf("row %s was drawn %d times", r.question, n)
		}
	}
	if _, err := p.draw(p.rows[0], 9, 5, 0); err == nil {
		t.Error("nine others were found among eight")
	}
}
