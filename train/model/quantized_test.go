package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/kernel"
)

// quantizedOf is a model in blocks, and one in f32 whose matrices are what those stand for.
func quantizedOf(t testing.TB, c *Config, f WeightFormat, workers int) (small, whole *Model) {
	m := cacheModel(t, c, workers)
	q := Quantize(c, m.Params, f, m.pool)
	small, err := NewOfQuantized(c, q, m.pool, kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	p := NewParams(m.Params.Layout)
	for i := range p.Layout.Tensors {
		tensor, x := &p.Layout.Tensors[i], p.Of(i)
		copy(x, m.Params.Of(i))
		if tensor.Vector {
			continue
		}
		at := q.places[i]
		for r := range tensor.Rows {
			q.matrices[at.matrix].Row(at.at+r, x[r*tensor.Cols:][:tensor.Cols])
		}
	}
	if whole, err = New(c, p, m.pool, kernel.F32); err != nil {
		t.Fatal(err)
	}
	return small, whole
}

func randomTokens(r *rand.Rand, c *Config, n int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = r.Int32N(int32(c.Vocabulary))
	}
	return tokens
}

// off is the root of the mean square of a difference, as a share of that of the numbers wanted.
func off(got, want []float32) float64 {
	var d, w float64
	for i := range want {
		d += math.Pow(float64(got[i]-want[i]), 2)
		w += math.Pow(float64(want[i]), 2)
	}
	return math.Sqrt(d / w)
}

// A model in blocks computes what one in f32 of the same weights does, but for activations in 8 bits; and whatever calls a sequence is
// divided into, it gives nearly the same, with a cache in f32 and in 8 bits.
func TestQuantized(t *testing.T) {
	for name, c := range cacheConfigs() {
		for _, f := range []WeightFormat{WeightsInt8, Weights4Bit} {
			t.Run(name+" "+f.String(), func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 8))
				small, whole := quantizedOf(t, c, f, 2)
				const length = 60
				tokens := randomTokens(r, c, length)
				got, want := make([]float32, length*c.Vocabulary), make([]float32, length*c.Vocabulary)
				for _, err := range []error{small.Logits(&Batch{Rows: 1, Length: length, Tokens: tokens}, got), whole.Logits(&Batch{Rows: 1, Length: length, Tokens: tokens}, want)} {
					if err != nil {
						t.Fatal(err)
					}
				}
				if d := off(got, want); !(d > 0 && d < 0.03) {
					t.Errorf("logits are off by %g of theirs", d)
				}
				for _, small.Int8Cache = range []bool{false, true} {
					cache := small.NewCache(length)
					for cache.Len() < length {
						n := 1 + r.IntN(min(20, length-cache.Len()))
						at := cache.Len() + n - 1
						logits, err := small.Extend(cache, tokens[cache.Len():][:n])
						if err != nil {
							t.Fatal(err)
						}
						if d := off(logits, got[at*c.Vocabulary:][:c.Vocabulary]); d > 0.05 {
							t.Errorf("cache in 8 bits %v: logits of token %d are off by %g", small.Int8Cache, at, d)
						}
					}
				}
				// In f32 nothing but the order of sums differs, and a cache in 8 bits costs little.
				for _, whole.Int8Cache = range []bool{false, true} {
					cache := whole.NewCache(length)
					logits, err := whole.Extend(cache, tokens)
					if err != nil {
						t.Fatal(err)
					}
					if d, most := off(logits, want[(length-1)*c.Vocabulary:]), map[bool]float64{false: 1e-5, true: 0.03}[whole.Int8Cache]; d > most || whole.Int8Cache && d == 0 {
						t.Errorf("f32, cache in 8 bits %v: logits are off by %g", whole.Int8Cache, d)
					}
				}
			})
		}
	}
}

// Several sequences at once, copies of caches, and what follows forgotten tokens give the bits of one sequence by itself; so do any number
// of workers.
func TestQuantizedExtendEach(t *testing.T) {
	for name, c := range cacheConfigs() {
		r := rand.New(rand.NewPCG(7, 7))
		for _, int8Cache := range []bool{false, true} {
			one, _ := quantizedOf(t, c, Weights4Bit, 1)
			m, _ := quantizedOf(t, c, Weights4Bit, 3)
			one.Int8Cache, m.Int8Cache = int8Cache, int8Cache
			const sequences = 9
			var caches []*Cache
			var next []int32
			var want []float32
			for range sequences {
				prompt := randomTokens(r, c, 2+r.IntN(30))
				next = append(next, r.Int32N(int32(c.Vocabulary)))
				alone := one.NewCache(40)
				if _, err := one.Extend(alone, prompt); err != nil {
					t.Fatal(err)
				}
				logits, err := one.Extend(alone, next[len(next)-1:])
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, logits...)
				alone.Free()

				cache, from := m.NewCache(35), m.NewCache(64)
				if _, err := m.Extend(from, prompt); err != nil {
					t.Fatal(err)
				}
				if _, err := m.Extend(from, next[len(next)-1:]); err != nil { // and is forgotten
					t.Fatal(err)
				}
				from.Truncate(len(prompt))
				if err := cache.Copy(from, len(prompt)); err != nil {
					t.Fatal(err)
				}
				from.Free()
				caches = append(caches, cache)
			}
			got := make([]float32, len(want))
			if err := m.ExtendEach(caches, next, got); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, cache in 8 bits %v: logits of several sequences are others", name, int8Cache)
			}
			if _, err := m.Extend(func() *Cache { c := m.NewCache(9); c.Free(); return c }(), []int32{1}); err == nil || !strings.Contains(err.Error(), "has room for 0") {
				t.Errorf("a cache that was given back: %v", err)
			}
			m.Int8Cache = !int8Cache
			if err := m.NewCache(35).Copy(caches[0], 1); err != errOtherModel {
				t.Errorf("a cache of another kind is copied: %v", err)
			}
		}
	}
}

// There is no training in blocks, and no model of another configuration.
func TestQuantizedErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	configs := cacheConfigs()
	small, _ := quantizedOf(t, configs["llama"], WeightsInt8, 1)
	b := randomBatch(r, small.Config, 2, 9, false)
	if _, _, err := small.Loss(b, 1, NewParams(NewLayout(small.Config))); err == nil || !strings.Contains(err.Error(), "trained in f32") {
		t.Errorf("a gradient in blocks: %v", err)
	}
	if _, n, err := small.Loss(b, 1, nil); err != nil || n == 0 {
		t.Errorf("a loss without gradient: %d, %v", n, err)
	}
	if _, err := NewOfQuantized(configs["btlm"], small.quantized, small.pool, kernel.F32); err != errOtherLayout {
		t.Errorf("another configuration: %v", err)
	}
	if _, err := ParseWeightFormat("int4"); err == nil || !strings.Contains(err.Error(), "4bit") {
		t.Errorf("int4: %v", err)
	}
}

// WeightBytes is what there is.
func TestQuantizedBytes(t *testing.T) {
	for name, c := range cacheConfigs() {
		for _, f := range []WeightFormat{WeightsInt8, Weights4Bit} {
			if got, want := NewQuantized(c, f).Bytes(), c.WeightBytes(f); got != want {
				t.Errorf("%s %v: %d bytes, and WeightBytes says %d", name, f, got, want)
			}
		}
	}
}
