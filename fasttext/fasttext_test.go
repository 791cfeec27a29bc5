package fasttext

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestAgree: Best, All and Of say the same of a text.
func TestAgree(t *testing.T) {
	for name, b := range smallModels(t) {
		m := mustRead(t, b)
		p, q := m.NewPredictor(), m.NewPredictor()
		for _, text := range []string{"Gorde fitxategia", "the file menu", "12", "", "zzz qqq"} {
			all := p.All(nil, []byte(text))
			got := p.Predict(nil, []byte(text), len(m.Labels()), 0)
			// Hierarchical softmax gives up what is below log(1e-5), which is the threshold 0.
			if len(all) != len(m.Labels()) || len(got) != len(all) && m.tree == nil {
				t.Errorf("%s, %q: %d labels of %d", name, text, len(got), len(all))
				continue
			}
			q.Read([]byte(text))
			for _, x := range got {
				if x.Probability != all[x.Label] || q.Of(x.Label) != x.Probability {
					t.Errorf("%s, %q: label %d has %v, %v, %v", name, text, x.Label, x.Probability, all[x.Label], q.Of(x.Label))
				}
			}
			if !slices.IsSortedFunc(got, func(a, b Prediction) int { return int(math.Copysign(1, float64(b.Probability-a.Probability))) }) {
				// equal ones may stand in any order; only a rise is wrong
				for i := 1; i < len(got); i++ {
					if got[i].Probability > got[i-1].Probability {
						t.Errorf("%s, %q: not sorted: %v", name, text, got)
					}
				}
			}
		}
	}
}

// TestOrder: what was asked before, and how many words were summed when reading, changes no bit of an answer.
func TestOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	models := smallModels(t)
	models["lid"] = nil
	for name, b := range models {
		var m *Model
		if b == nil {
			m = lid(t)
		} else {
			m = mustRead(t, b)
		}
		var texts []string
		for _, g := range goldenRows(t, "testdata/lid.jsonl.zst")[:120] {
			texts = append(texts, g.Text)
		}
		want := make([][]float32, len(texts))
		for i, text := range texts {
			want[i] = m.NewPredictor().All(nil, []byte(text))
		}
		p := m.NewPredictor()
		p.cache.mask &= 15 // so that words drive each other out
		for range 300 {
			i := rng.IntN(len(texts))
			if got := p.All(nil, []byte(texts[i])); !slices.Equal(got, want[i]) {
				t.Fatalf("%s: %.60q depends on what was asked before", name, texts[i])
			}
		}
	}
}

func TestShared(t *testing.T) {
	m := lid(t)
	rows := goldenRows(t, "testdata/lid.jsonl.zst")
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			p := m.NewPredictor()
			for i := w; i < len(rows); i += 3 {
				if diff := compare(m, &rows[i], p.Predict(nil, []byte(rows[i].Text), 3, 0)); diff != "" {
					t.Errorf("%.60q: %s", rows[i].Text, diff)
				}
			}
		})
	}
	wg.Wait()
}

func TestAllocatesNothing(t *testing.T) {
	text := []byte(strings.Repeat("Euskal Herriko Unibertsitateak corpus handi bat argitaratu du, ñ. ", 30))
	models := smallModels(t)
	for name, b := range models {
		m := mustRead(t, b)
		p := m.NewPredictor()
		dst := p.Predict(nil, text, 3, 0)
		all := p.All(nil, text)
		p.Of(0)
		if n := testing.AllocsPerRun(50, func() {
			dst = p.Predict(dst[:0], text, 3, 0)
			all = p.All(all[:0], text)
			p.Of(1)
		}); n > 0 {
			t.Errorf("%s: %v allocations a text", name, n)
		}
	}
}

func TestText(t *testing.T) {
	m := lid(t)
	p := m.NewPredictor()
	first := func(text string) []Prediction { return p.Predict(nil, []byte(text), 2, 0) }
	for _, c := range [][2]string{
		{"kaixo mundua\nhello", "kaixo mundua"},
		{"kaixo mundua </s> hello", "kaixo mundua"},
		{"kaixo __label__en mundua", "kaixo mundua"},
		{"  kaixo\t\tmundua \r", "kaixo mundua"},
		{"\nhello", ""},
	} {
		if a, b := first(c[0]), first(c[1]); !slices.Equal(a, b) {
			t.Errorf("%q is %v, %q %v", c[0], a, c[1], b)
		}
	}
	if a, b := first("kaixo\u00a0mundua"), first("kaixo mundua"); slices.Equal(a, b) {
		t.Error("a no-break space parts words")
	}
	if got := p.Predict(nil, []byte("kaixo"), 0, 0); len(got) != 0 {
		t.Errorf("%v of k 0", got)
	}
	if got := p.Predict(nil, []byte("kaixo"), 5, 0.99); len(got) != 0 {
		t.Errorf("%v above 0.99", got)
	}
	// A model of words alone without </s> says nothing of a text that it knows no word of.
	m = mustRead(t, build(func(b *builder) { b.words = []string{"kaixo"} }))
	p = m.NewPredictor()
	if got := p.Predict(nil, []byte("hello"), 1, 0); len(got) != 0 || p.Of(0) != 0 || p.All(nil, []byte("x")) != nil {
		t.Errorf("%v", got)
	}
	if got := p.Predict(nil, []byte("kaixo"), 1, 0); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestAppendLine(t *testing.T) {
	const text = " \u00a0Kaixo,\nmundua!\r\n\n__label__eu __label__\n"
	for rule, want := range map[LineRule]string{
		Spaces:     " \u00a0Kaixo, mundua!\r  __label__eu __label__ ",
		Joined:     " \u00a0Kaixo,mundua!\r__label__eu __label__",
		Stripped:   "Kaixo, mundua!\r  __label__eu __label__",
		Unlabelled: " \u00a0Kaixo, mundua!\r   eu   ",
	} {
		if got := string(AppendLine([]byte("\n"), []byte(text), rule)); got != "\n"+want {
			t.Errorf("rule %d: %q, want %q", rule, got, "\n"+want)
		}
	}
}

// builder writes small files, right or wrong.
type builder struct {
	version                                         int32
	dim, wordNgrams, loss, kind, bucket, minn, maxn int32
	words, labels                                   []string
	nwords                                          int32 // if not len(words)
	count                                           int64 // of a label
	pruned                                          [][2]int32
	prunedSize                                      int64
	input, output                                   [2]int64 // rows, columns
	quantised                                       bool
	parts, width, last                              int32
	tail                                            []byte
}

func build(change func(*builder)) []byte {
	b := &builder{version: 12, dim: 3, wordNgrams: 1, loss: lossSoftmax, kind: kindSupervised, words: []string{"</s>", "kaixo"}, labels: []string{"__label__eu", "__label__en"}, count: 3, prunedSize: -1, nwords: -1}
	b.parts, b.width, b.last = 2, 2, 1
	change(b)
	if b.nwords < 0 {
		b.nwords = int32(len(b.words))
	}
	if b.input == [2]int64{} {
		b.input = [2]int64{int64(len(b.words)) + int64(b.bucket), int64(b.dim)}
	}
	if b.output == [2]int64{} {
		b.output = [2]int64{int64(len(b.labels)), int64(b.dim)}
	}
	if b.pruned != nil {
		b.prunedSize = int64(len(b.pruned))
	}
	var out []byte
	put := func(vs ...any) {
		for _, v := range vs {
			out, _ = binary.Append(out, binary.LittleEndian, v) // fails for types without a size alone
		}
	}
	put(int32(magic), b.version, b.dim, int32(5), int32(5), int32(1), int32(5), b.wordNgrams, b.loss, b.kind, b.bucket, b.minn, b.maxn, int32(100), 1e-4)
	put(b.nwords+int32(len(b.labels)), b.nwords, int32(len(b.labels)), int64(9), b.prunedSize)
	for _, w := range b.words {
		put([]byte(w), byte(0), int64(7), byte(0))
	}
	for _, l := range b.labels {
		put([]byte(l), byte(0), b.count, byte(1))
	}
	put(b.pruned)
	put(b.quantised)
	floats := func(n int64) {
		for i := range n {
			put(float32(i%7) - 3)
		}
	}
	if b.quantised {
		put(false, b.input, int32(b.input[0])*b.parts, make([]byte, b.input[0]*int64(b.parts)))
		put(b.dim, b.parts, b.width, b.last)
		floats(int64(b.dim) * 256)
	} else {
		put(b.input)
		floats(b.input[0] * b.input[1])
	}
	put(false, b.output)
	floats(b.output[0] * b.output[1])
	return append(out, b.tail...)
}

// TestWrong: what is wrong is said with its place.
func TestWrong(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*builder)
		at     int64
		want   string
	}{
		{"version", func(b *builder) { b.version = 13 }, 4, "version 13 of the format; known are those up to 12"},
		{"vectors", func(b *builder) { b.kind = 2 }, 36, "a model of word vectors (skipgram)"},
		{"kind", func(b *builder) { b.kind = 9 }, 36, "a model of kind 9"},
		{"dim", func(b *builder) { b.dim = 0 }, 8, "0 dimensions"},
		{"loss", func(b *builder) { b.loss = 7 }, 32, "loss 7"},
		{"word n-grams", func(b *builder) { b.wordNgrams = 1000 }, 28, "n-grams of 1000 words"},
		{"n-grams", func(b *builder) { b.maxn = 1000 }, 48, "n-grams of 1000 characters"},
		{"no buckets", func(b *builder) { b.maxn = 3 }, 40, "0 buckets"},
		{"no labels", func(b *builder) { b.labels = nil }, 72, "no labels"},
		{"words", func(b *builder) { b.nwords = 3 }, 141, "entry 2 is of kind 1; 3 words (kind 0) come first"},
		{"count", func(b *builder) { b.count = -3 }, 0, "a label that was seen -3 times"},
		{"pruned", func(b *builder) { b.pruned = [][2]int32{{1, 0}}; b.bucket = 5; b.maxn = 2 }, 0, "n-grams are pruned, and the input matrix is not quantised"},
		{"row", func(b *builder) {
			b.pruned, b.bucket, b.maxn, b.quantised = [][2]int32{{1, 9}}, 5, 2, true
		}, 0, "refer to 12"},
		{"negative row", func(b *builder) { b.pruned = [][2]int32{{-1, 0}} }, 0, "n-gram -1 has row 0"},
		{"columns", func(b *builder) { b.input = [2]int64{2, 4} }, 0, "4 columns, and the model 3 dimensions"},
		{"rows", func(b *builder) { b.input = [2]int64{1, 3} }, 0, "1 rows; words and n-grams refer to 2"},
		{"output", func(b *builder) { b.output = [2]int64{3, 3} }, 0, "output matrix is 3 x 3; 2 labels of 3 dimensions"},
		{"parts", func(b *builder) { b.quantised, b.last = true, 2 }, 0, "2 parts of 2 numbers, the last of 2, for 3 columns"},
		{"tail", func(b *builder) { b.tail = []byte{0} }, 0, "the model ends here, and the file does not"},
	} {
		b := build(c.change)
		_, err := Read(bytes.NewReader(b), int64(len(b)))
		var fe *FormatError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.want) || c.at > 0 && fe.Offset != c.at {
			t.Errorf("%s: %v, want %q at byte %d", c.name, err, c.want, c.at)
		}
	}
	if _, err := Read(strings.NewReader("word2vec"), 8); err == nil || !strings.Contains(err.Error(), "byte 0: no fastText model") {
		t.Errorf("%v", err)
	}
	mustRead(t, build(func(*builder) {}))
	mustRead(t, build(func(b *builder) { b.quantised = true }))
}

// TestCut: a file that ends too early is an error at every length.
func TestCut(t *testing.T) {
	for _, b := range [][]byte{build(func(*builder) {}), build(func(b *builder) { b.loss = lossHS }), smallModels(t)["softmax.pruned.ftz"]} {
		for n := 0; n < len(b); n += 1 + n/100 {
			if _, err := Read(bytes.NewReader(b[:n]), int64(n)); err == nil {
				t.Fatalf("%d of %d bytes are a model", n, len(b))
			}
			// A size that promises more than there is.
			if _, err := Read(bytes.NewReader(b[:n]), int64(len(b))); err == nil {
				t.Fatalf("%d of %d bytes are a model", n, len(b))
			}
		}
	}
}

// TestMemory: what a file says of itself is not believed.
func TestMemory(t *testing.T) {
	good := build(func(b *builder) { b.loss = lossHS })
	for at := 0; at+8 <= len(good); at++ {
		for _, n := range []uint64{1 << 30, 1 << 40, 1<<30 | 1<<62, 1<<31 - 1} {
			b := bytes.Clone(good)
			binary.LittleEndian.PutUint64(b[at:], n)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Read(bytes.NewReader(b), int64(len(b)))
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
				t.Fatalf("%d at byte %d of %d: %d bytes allocated (%v)", n, at, len(b), took, err)
			}
		}
	}
}

func TestDivisor(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		n := 1 + rng.Uint32()>>rng.IntN(32)
		d := newDivisor(n)
		for _, a := range []uint32{0, 1, n - 1, n, n + 1, math.MaxUint32, rng.Uint32(), rng.Uint32()} {
			if got := d.mod(a); got != a%n {
				t.Fatalf("%d mod %d is %d", a, n, got)
			}
		}
	}
}

// TestHeap compares with sorting, where no two are equal.
func TestHeap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		n, k := 1+rng.IntN(40), 1+rng.IntN(12)
		perm := rng.Perm(n)
		var h bestHeap
		for i, x := range perm {
			h.add(scored{float32(x), int32(i)}, k)
		}
		h.sort()
		if len(h) != min(n, k) {
			t.Fatalf("%d of %d", len(h), min(n, k))
		}
		for i, s := range h {
			if int(s.score) != n-1-i || perm[s.label] != n-1-i {
				t.Fatalf("%v of %v", h, perm)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(build(func(*builder) {}), "kaixo mundua")
	f.Add(build(func(b *builder) { b.loss, b.count = lossHS, 0; b.labels = strings.Split("abcdefgh", "") }), "kaixo")
	f.Add(build(func(b *builder) { b.loss, b.bucket, b.maxn, b.wordNgrams = lossOVA, 4, 3, 2 }), "kaixo mundua bat")
	f.Add(build(func(b *builder) { b.quantised, b.bucket, b.maxn, b.pruned = true, 9, 2, [][2]int32{{3, 1}, {7, 0}} }), "kaixo")
	f.Add(build(func(b *builder) { b.dim, b.parts, b.width, b.last, b.quantised = 40, 1, 40, 40, true }), "kaixo")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Read(bytes.NewReader(b), int64(len(b)))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20+100*uint64(len(b)) {
			t.Fatalf("%d bytes allocated for a file of %d", took, len(b))
		}
		if err != nil {
			return
		}
		if len(text) > 1000 {
			text = text[:1000]
		}
		p := m.NewPredictor()
		all := p.All(nil, []byte(text))
		got := p.Predict(nil, []byte(text), 2, 0)
		if len(all) > 0 && len(all) != len(m.Labels()) || len(got) > 2 {
			t.Fatalf("%v, %v", all, got)
		}
	})
}

func FuzzText(f *testing.F) {
	m := lid(f)
	var small []*Model
	for _, b := range smallModels(f) {
		small = append(small, mustRead(f, b))
	}
	for _, s := range []string{"", "Kaixo, mundua!", "</s> a", "__label__x", "\xff\x80\x80", "\x80", "é\xc3", strings.Repeat("ab\xa0 ", 90)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 5000 {
			return
		}
		for _, m := range append(small, m) {
			a, b := m.NewPredictor(), m.NewPredictor()
			first := a.Predict(nil, text, 3, 0)
			b.Predict(nil, []byte("bestelako testua"), 3, 0)
			if again := b.Predict(nil, text, 3, 0); !slices.Equal(first, again) {
				t.Fatalf("%v, then %v", first, again)
			}
			for _, p := range first {
				if !(p.Probability >= 0 && p.Probability < 1.001) {
					t.Fatalf("%v", first)
				}
			}
		}
	})
}
