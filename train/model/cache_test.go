package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/kernel"
)

func cacheConfigs() map[string]*Config {
	llama := func() *Config {
		return &Config{
			Family: Llama, Vocabulary: 50, Width: 24, Layers: 2, Heads: 4, KVHeads: 2, HeadSize: 6, FFN: 40, NormEpsilon: 1e-5,
			RopeTheta: 10000, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
		}
	}
	wide := llama() // heads that are wider together than the model
	wide.HeadSize, wide.KVHeads, wide.Tied = 16, 4, true
	stretched := llama()
	stretched.KVHeads, stretched.RopeScaling = 1, &RopeScaling{Factor: 8, Low: 1, High: 4, Original: 64}
	btlm := llama()
	btlm.Family, btlm.KVHeads, btlm.Tied, btlm.ScaleByHead, btlm.AlibiSlopeScale = BTLM, 4, true, true, 0.7
	btlm.EmbeddingScale, btlm.LogitScale, btlm.WidthScale = 3, 0.5, 0.25
	three := llama()
	*three = *btlm
	three.Heads, three.KVHeads, three.HeadSize = 3, 3, 8
	return map[string]*Config{"llama": llama(), "llama wide": wide, "llama stretched": stretched, "btlm": btlm, "btlm 3 heads": three}
}

func cacheModel(t testing.TB, c *Config, workers int) *Model {
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernel.NewPool(set, workers)
	t.Cleanup(pool.Close)
	p := NewParams(NewLayout(c))
	p.Init(c, 0.3, 5)
	m, err := New(c, p, pool, kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Whatever calls a sequence is divided into, and after tokens were forgotten, logits are those of the whole sequence at once.
func TestExtend(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	const length = 350
	for name, c := range cacheConfigs() {
		t.Run(name, func(t *testing.T) {
			m := cacheModel(t, c, 2)
			tokens := make([]int32, length)
			for i := range tokens {
				tokens[i] = r.Int32N(int32(c.Vocabulary))
			}
			want := make([]float32, length*c.Vocabulary)
			if err := m.Logits(&Batch{Rows: 1, Length: length, Tokens: tokens}, want); err != nil {
				t.Fatal(err)
			}
			// A model that has not seen a batch yet has to make its room.
			m = cacheModel(t, c, 2)
			cache := m.NewCache(length)
			worst, largest := 0.0, max(1, float64(m.set.Max(want)))
			check := func(n int) {
				from := cache.Len()
				got, err := m.Extend(cache, tokens[from:from+n])
				if err != nil {
					t.Fatal(err)
				}
				if cache.Len() != from+n || len(got) != c.Vocabulary {
					t.Fatalf("%d tokens and %d logits after %d and %d", cache.Len(), len(got), from, n)
				}
				for i, x := range got {
					d := math.Abs(float64(x - want[(from+n-1)*c.Vocabulary+i]))
					worst = max(worst, d)
					if !(d <= 1e-5*largest) {
						t.Fatalf("seed %d: %d tokens after %d: logit %d is off by %g", seed, n, from, i, d)
					}
				}
			}
			check(length)
			for _, most := range []int{1, 3, 40, 300} {
				cache.Truncate(r.IntN(length)) // what was after it must leave no trace
				for calls := 0; calls < 40 && cache.Len() < length; calls++ {
					check(1 + r.IntN(min(most, length-cache.Len())))
				}
			}
			t.Logf("largest difference %.2g of logits up to %.2g", worst, largest)
		})
	}
}

// TestExtendSeen: the logits after each token are those of the whole sequence, also where a part of the tokens is cached already, and
// where their rows do not fit into the room for logits.
func TestExtendSeen(t *testing.T) {
	const length = 300
	for name, c := range cacheConfigs() {
		for _, vocabulary := range []int{c.Vocabulary, 1 << 16} {
			if vocabulary > c.Vocabulary && name != "llama" { // that is the head's alone
				continue
			}
			c.Vocabulary = vocabulary
			m := cacheModel(t, c, 2)
			tokens := make([]int32, length)
			for i := range tokens {
				tokens[i] = int32(i * 7919 % c.Vocabulary)
			}
			n := length
			if vocabulary > 1<<12 {
				n = 80 // more than logitRows
			}
			want := make([]float32, n*c.Vocabulary)
			if err := m.Logits(&Batch{Rows: 1, Length: n, Tokens: tokens[:n]}, want); err != nil {
				t.Fatal(err)
			}
			m = cacheModel(t, c, 2)
			largest := max(1, float64(m.set.Max(want)))
			cache := m.NewCache(n)
			last := make([]float32, c.Vocabulary)
			for _, part := range [][2]int{{0, 5}, {5, n}} {
				seen := part[0]
				got, err := m.ExtendSeen(cache, tokens[part[0]:part[1]], func(at int, logits []float32) {
					if at+part[0] != seen || len(logits) != c.Vocabulary {
						t.Fatalf("%s: %d logits after token %d of the call, and token %d is next", name, len(logits), at, seen)
					}
					for i, x := range logits {
						if d := math.Abs(float64(x - want[seen*c.Vocabulary+i])); !(d <= 1e-5*largest) {
							t.Fatalf("%s: after token %d logit %d is off by %g", name, seen, i, d)
						}
					}
					copy(last, logits)
					seen++
				})
				if err != nil || seen != part[1] || !slices.Equal(got, last) {
					t.Fatalf("%s: %d of %d tokens are seen, and the last as it is given: %v, %v", name, seen, part[1], slices.Equal(got, last), err)
				}
			}
			// log p by them is what LogProbs has.
			p := make([]float32, 1)
			if err := m.LogProbs(&Batch{Rows: 1, Length: 1, Tokens: tokens[:1], Targets: []int32{9}}, p); err != nil {
				t.Fatal(err)
			}
			cache.Truncate(0)
			logits, err := m.Extend(cache, tokens[:1])
			if err != nil || math.Abs(float64(logits[9]-m.LogSumExp(logits)-p[0])) > 1e-5*largest {
				t.Errorf("%s: log p %v, want %v; %v", name, logits[9]-m.LogSumExp(logits), p[0], err)
			}
		}
	}
}

func TestExtendErrors(t *testing.T) {
	configs := cacheConfigs()
	m := cacheModel(t, configs["llama"], 1)
	cache := m.NewCache(4)
	first, err := m.Extend(cache, []int32{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	before := append([]float32(nil), first...)
	other := cacheModel(t, configs["btlm"], 1).NewCache(4)
	for _, c := range []struct {
		cache  *Cache
		tokens []int32
		want   string
	}{
		{cache, nil, "at least one"},
		{cache, []int32{1, 2, 3}, "room for 4"},
		{cache, []int32{3, 50}, "position 3: token 50 is none of the vocabulary's 50"},
		{cache, []int32{-1}, "position 2: token -1"},
		{other, []int32{1}, "another configuration"},
		{m.NewCache(-3), []int32{1}, "room for 0"},
	} {
		n := c.cache.Len()
		if _, err := m.Extend(c.cache, c.tokens); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want one of %q", c.tokens, err, c.want)
		}
		if c.cache.Len() != n {
			t.Errorf("%v: %d tokens after the error, %d before", c.tokens, c.cache.Len(), n)
		}
	}
	cache.Truncate(-1)
	if cache.Len() != 0 {
		t.Fatalf("%d tokens are left", cache.Len())
	}
	again, err := m.Extend(cache, []int32{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range again {
		if math.Float32bits(x) != math.Float32bits(before[i]) {
			t.Fatalf("logit %d is %g and was %g", i, x, before[i])
		}
	}
}

// A token of a model of 25 million parameters, after 500 others.
func BenchmarkExtend(b *testing.B) {
	c := &Config{
		Family: Llama, Vocabulary: 8192, Width: 512, Layers: 8, Heads: 8, KVHeads: 2, HeadSize: 64, FFN: 1408, NormEpsilon: 1e-5,
		RopeTheta: 10000, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1, Tied: true,
	}
	m := cacheModel(b, c, 1)
	cache := m.NewCache(501)
	if _, err := m.Extend(cache, make([]int32, 500)); err != nil {
		b.Fatal(err)
	}
	token := []int32{1}
	b.SetBytes(int64(4 * len(m.Params.Data)))
	b.ReportAllocs()
	for b.Loop() {
		cache.Truncate(500)
		if _, err := m.Extend(cache, token); err != nil {
			b.Fatal(err)
		}
	}
}

// Several sequences at once have, bit for bit, the logits that each has alone, whatever their number and lengths.
func TestExtendEach(t *testing.T) {
	seed := rand.Uint64()
	for _, name := range kernel.Names() {
		set, _ := kernel.Named(name)
		for kind, c := range cacheConfigs() {
			for _, prec := range []kernel.Precision{kernel.F32, kernel.BF16} {
				r := rand.New(rand.NewPCG(seed, 2))
				pool := kernel.NewPool(set, 1+r.IntN(3))
				p := NewParams(NewLayout(c))
				p.Init(c, 0.3, 5)
				m, err := New(c, p, pool, prec)
				if err != nil {
					t.Fatal(err)
				}
				const most = 37
				token := func() int32 { return r.Int32N(int32(c.Vocabulary)) }
				var alone, together []*Cache
				for range most {
					prompt := make([]int32, 1+r.IntN([]int{4, 330}[r.IntN(2)]))
					for i := range prompt {
						prompt[i] = token()
					}
					a, b := m.NewCache(len(prompt)+9), m.NewCache(len(prompt)+5+r.IntN(5))
					if _, err := m.Extend(a, prompt); err != nil {
						t.Fatal(err)
					}
					if err := b.Copy(a, len(prompt)); err != nil {
						t.Fatal(err)
					}
					alone, together = append(alone, a), append(together, b)
				}
				for range 5 {
					n := 1 + r.IntN(most)
					// Some of them, in any order.
					var caches []*Cache
					var tokens []int32
					order := r.Perm(most)[:n]
					for _, i := range order {
						if together[i].Len() == together[i].capacity {
							t.Fatal("no room")
						}
						caches, tokens = append(caches, together[i]), append(tokens, token())
					}
					dst := make([]float32, n*c.Vocabulary)
					if err := m.ExtendEach(caches, tokens, dst); err != nil {
						t.Fatal(err)
					}
					for k, i := range order {
						want, err := m.Extend(alone[i], tokens[k:k+1])
						if err != nil {
							t.Fatal(err)
						}
						if got := dst[k*c.Vocabulary : (k+1)*c.Vocabulary]; !slices.Equal(got, want) {
							t.Fatalf("seed %d: %s, %s, precision %v: sequence %d of %d, of %d tokens, is another one than alone", seed, name, kind, prec, k, n, alone[i].Len())
						}
					}
				}
				pool.Close()
			}
		}
	}
}

// More sequences than have room at once, of a large vocabulary.
func TestExtendEachMany(t *testing.T) {
	c := cacheConfigs()["llama"]
	c.Vocabulary = 40_000
	m := cacheModel(t, c, 2)
	n := headRows(extendTokens, c.Vocabulary) + 3
	var caches []*Cache
	tokens := make([]int32, n)
	for i := range tokens {
		caches, tokens[i] = append(caches, m.NewCache(1)), int32(i*7)
	}
	dst := make([]float32, n*c.Vocabulary)
	if err := m.ExtendEach(caches, tokens, dst); err != nil {
		t.Fatal(err)
	}
	for i := range tokens {
		want, err := m.Extend(m.NewCache(1), tokens[i:i+1])
		if err != nil || !slices.Equal(want, dst[i*c.Vocabulary:(i+1)*c.Vocabulary]) {
			t.Fatalf("sequence %d of %d is another one than alone; %v", i, n, err)
		}
	}
}

func TestExtendEachErrors(t *testing.T) {
	configs := cacheConfigs()
	m := cacheModel(t, configs["llama"], 1)
	one, two, full := m.NewCache(4), m.NewCache(4), m.NewCache(0)
	other := cacheModel(t, configs["btlm"], 1).NewCache(4)
	for _, c := range []struct {
		caches []*Cache
		tokens []int32
		rows   int
		want   string
	}{
		{[]*Cache{one}, []int32{1, 2}, 1, "do not go with 1 sequences"},
		{[]*Cache{one, two}, []int32{1, 2}, 1, "2 tokens and room for 50 logits"},
		{[]*Cache{one, full}, []int32{1, 2}, 2, "sequence 1: 1 tokens are too many"},
		{[]*Cache{one, two}, []int32{1, 50}, 2, "sequence 1: position 0: token 50 is none"},
		{[]*Cache{one, other}, []int32{1, 2}, 2, "sequence 1: the cache is of a model of another configuration"},
		{[]*Cache{one, two, one}, []int32{1, 2, 3}, 3, "sequence 2: its cache is another one's, too"},
	} {
		if err := m.ExtendEach(c.caches, c.tokens, make([]float32, c.rows*50)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.want, err)
		}
	}
	if one.Len()+two.Len() != 0 {
		t.Error("a cache has grown")
	}
	if _, err := m.Extend(one, []int32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		to   *Cache
		n    int
		want string
	}{
		{two, 4, "of a cache that holds 3"}, {two, -1, "cannot be copied"}, {m.NewCache(2), 3, "room for 2"}, {other, 2, "another configuration"},
	} {
		if err := c.to.Copy(one, c.n); err == nil || !strings.Contains(err.Error(), c.want) || c.to.Len() != 0 {
			t.Errorf("%v: %v", c.want, err)
		}
	}
	if err := one.Copy(one, 2); err != nil || one.Len() != 2 {
		t.Error("a cache is not copied to itself:", err)
	}
}

// BenchmarkExtendEach is a token each of several sequences, by the token.
func BenchmarkExtendEach(b *testing.B) {
	c := cacheConfigs()["llama"]
	c.Vocabulary, c.Width, c.Layers, c.Heads, c.KVHeads, c.HeadSize, c.FFN = 8192, 256, 6, 4, 4, 64, 704
	for _, n := range []int{1, 4, 16, 32, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := cacheModel(b, c, 1)
			caches, tokens, dst := make([]*Cache, n), make([]int32, n), make([]float32, n*c.Vocabulary)
			for i := range caches {
				caches[i] = m.NewCache(128)
				if _, err := m.Extend(caches[i], make([]int32, 100)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			done := 0
			for b.Loop() {
				for _, x := range caches {
					x.Truncate(100)
				}
				if err := m.ExtendEach(caches, tokens, dst); err != nil {
					b.Fatal(err)
				}
				done += n
			}
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}
