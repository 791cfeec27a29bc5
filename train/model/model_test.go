package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/kernel"
)

// step is Loss with fresh gradients.
func step(t testing.TB, m *Model, b *Batch, scale float32) (sum float64, grads *Params) {
	t.Helper()
	grads = NewParams(m.Params.Layout)
	sum, _, err := m.Loss(b, scale, grads)
	if err != nil {
		t.Fatal(err)
	}
	return sum, grads
}

// with is the same model on another pool.
func with(t testing.TB, m *Model, set string, workers int, prec kernel.Precision) *Model {
	t.Helper()
	other, err := New(m.Config, m.Params, newPool(t, set, workers), prec)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func TestWorkers(t *testing.T) {
	for _, v := range variants {
		for _, set := range kernel.Names() {
			for _, prec := range []kernel.Precision{kernel.F32, kernel.BF16} {
				r := rand.New(rand.NewPCG(5, 6))
				first := with(t, tiny(t, r, set, 1, v.change), set, 1, prec)
				b := randomBatch(r, first.Config, 3, 71, true)
				sum, grads := step(t, first, b, 0.1)
				for _, workers := range []int{2, 3, 5} {
					m := with(t, first, set, workers, prec)
					for range 2 { // the second time in used buffers
						sum2, grads2 := step(t, m, b, 0.1)
						if sum2 != sum || !slices.Equal(grads2.Data, grads.Data) {
							t.Errorf("%s, %s: %d goroutines give another result than 1", v.name, set, workers)
						}
					}
				}
			}
		}
	}
}

// TestAccumulate: a batch of eight rows is eight batches of one row, and rows do not see one another.
func TestAccumulate(t *testing.T) {
	for _, v := range variants {
		for _, set := range kernel.Names() {
			t.Run(v.name+"/"+set, func(t *testing.T) {
				r := rand.New(rand.NewPCG(7, 8))
				m := tiny(t, r, set, 2, v.change)
				b := randomBatch(r, m.Config, 8, 33, true)
				sum, want := step(t, m, b, 1./200)
				got, total := NewParams(m.Params.Layout), 0.0
				for row := range b.Rows {
					from, to := row*b.Length, (row+1)*b.Length
					s, _, err := m.Loss(&Batch{
						Rows: 1, Length: b.Length, Tokens: b.Tokens[from:to], Targets: b.Targets[from:to],
						Starts: b.Starts[from:to], Weights: b.Weights[from:to],
					}, 1./200, got)
					if err != nil {
						t.Fatal(err)
					}
					total += s
				}
				if math.Abs(total-sum) > 1e-6*math.Abs(sum) {
					t.Errorf("losses are %v in all, together %v", total, sum)
				}
				for i, w := range m.Params.Layout.Tensors {
					size := norm64(want.Of(i))
					diff := slices.Clone(got.Of(i))
					for j := range diff {
						diff[j] -= want.Of(i)[j]
					}
					if d := norm64(diff); !(d <= 1e-6*size) {
						t.Errorf("%s: gradients differ by %.2g of their norm", w.Name, d/size)
					}
				}
			})
		}
	}
}

// TestDocuments: a row of documents is worth as much as the documents alone. RoPE and ALiBi know distances only.
func TestDocuments(t *testing.T) {
	for _, v := range variants {
		r := rand.New(rand.NewPCG(9, 10))
		m := tiny(t, r, kernel.Auto, 2, v.change)
		b := randomBatch(r, m.Config, 1, 90, false)
		lengths := []int{1, 40, 7, 42}
		alone := 0.0
		for _, n := range lengths {
			from := len(b.Starts)
			for range n {
				b.Starts = append(b.Starts, int32(from))
			}
			s, _, err := m.Loss(&Batch{Rows: 1, Length: n, Tokens: b.Tokens[from : from+n], Targets: b.Targets[from : from+n]}, 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			alone += s
		}
		sum, _, err := m.Loss(b, 1, nil)
		if err != nil || math.Abs(sum-alone) > 1e-5*alone {
			t.Errorf("%s: loss of the row is %v, of its documents %v: %v", v.name, sum, alone, err)
		}
		b.Starts = nil
		if other, _, _ := m.Loss(b, 1, nil); math.Abs(other-sum) < 1e-4*sum {
			t.Errorf("%s: without bounds of documents the loss is the same", v.name)
		}
	}
}

// TestViews: the loss with and without gradients, LogProbs and Logits say the same.
func TestViews(t *testing.T) {
	for _, v := range variants {
		r := rand.New(rand.NewPCG(11, 12))
		m := tiny(t, r, kernel.Auto, 2, v.change)
		c := m.Config
		b := randomBatch(r, c, 3, 40, true)
		quiet, counted, err := m.Loss(b, 1, nil) // before there is room for a backward pass
		if err != nil || m.trained > 0 {
			t.Fatal(err, m.trained)
		}
		sum, _ := step(t, m, b, 1)
		again, _, _ := m.Loss(b, 1, nil)
		if quiet != sum || again != sum {
			t.Errorf("%s: without gradients the loss is %v or %v, with them %v", v.name, quiet, again, sum)
		}
		p, logits := make([]float32, 120), make([]float32, 120*c.Vocabulary)
		if err := m.LogProbs(b, p); err != nil {
			t.Fatal(err)
		}
		if err := m.Logits(b, logits); err != nil {
			t.Fatal(err)
		}
		total, n := 0.0, 0
		for i, target := range b.Targets {
			if target == Ignore {
				if p[i] != 0 {
					t.Errorf("%s: log p of a target that is not counted is %v", v.name, p[i])
				}
				continue
			}
			n++
			total -= float64(b.Weights[i]) * float64(p[i])
			row, z := logits[i*c.Vocabulary:(i+1)*c.Vocabulary], 0.0
			for _, x := range row {
				z += math.Exp(float64(x))
			}
			if want := float64(row[target]) - math.Log(z); math.Abs(want-float64(p[i])) > 1e-5 {
				t.Errorf("%s: log p is %v, of the logits %v", v.name, p[i], want)
			}
		}
		if n != counted || total != sum {
			t.Errorf("%s: log p of %d targets are %v in all, the loss of %d is %v", v.name, n, total, counted, sum)
		}
	}
}

// TestCounted: weights of 1 are no weights, twice the scale is twice the gradient, and gradients are added to what is there.
func TestCounted(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	m := tiny(t, r, kernel.Auto, 2, asBTLM)
	b := randomBatch(r, m.Config, 2, 40, false)
	sum, grads := step(t, m, b, 0.5)
	b.Weights = slices.Repeat([]float32{1}, 80)
	if sum1, grads1 := step(t, m, b, 0.5); sum1 != sum || !slices.Equal(grads1.Data, grads.Data) {
		t.Error("weights of 1 change the result")
	}
	b.Weights = slices.Repeat([]float32{-2}, 80)
	sum2, grads2 := step(t, m, b, 1)
	if sum2 != -2*sum {
		t.Errorf("weights of -2 make %v of %v", sum2, sum)
	}
	for i, g := range grads2.Data {
		if g != -4*grads.Data[i] {
			t.Fatalf("gradient %d is %v with four times the weight, and was %v", i, g, grads.Data[i])
		}
	}
	for i := range b.Targets {
		b.Targets[i] = Ignore
	}
	before := slices.Clone(grads.Data)
	if sum, n, err := m.Loss(b, 1, grads); sum != 0 || n != 0 || err != nil || !slices.Equal(before, grads.Data) {
		t.Error("a batch without targets has loss", sum, n, err)
	}
}

func TestBF16(t *testing.T) {
	for _, v := range variants {
		r := rand.New(rand.NewPCG(15, 16))
		m := tiny(t, r, kernel.Auto, 2, v.change)
		b := randomBatch(r, m.Config, 2, 40, false)
		sum, grads := step(t, m, b, 1)
		rough, roughGrads := step(t, with(t, m, kernel.Auto, 2, kernel.BF16), b, 1)
		if d := math.Abs(rough/sum - 1); d == 0 || d > 0.02 {
			t.Errorf("%s: rounded operands change the loss by %v", v.name, d)
		}
		cos := dot64(grads.Data, roughGrads.Data) / norm64(grads.Data) / norm64(roughGrads.Data)
		if cos < 0.99 || cos > 1-1e-8 {
			t.Errorf("%s: rounded operands turn the gradient: cosine %v", v.name, cos)
		}
	}
}

func TestBatchErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	m := tiny(t, r, kernel.Auto, 1, func(*Config) {})
	for _, c := range []struct {
		change func(b *Batch)
		want   string
	}{
		{func(b *Batch) { b.Tokens[13] = 37 }, "row 1, position 3: token 37 is none of the vocabulary's 37"},
		{func(b *Batch) { b.Tokens[9] = -1 }, "row 0, position 9: token -1 "},
		{func(b *Batch) { b.Targets[10] = 1 << 30 }, "row 1, position 0: target 1073741824 "},
		{func(b *Batch) { b.Targets[0] = -100 }, "row 0, position 0: target -100 "},
		{func(b *Batch) { b.Starts = make([]int32, 20); b.Starts[12] = 3 }, "row 1, position 2: its document cannot begin at position 3"},
		{func(b *Batch) { b.Starts = make([]int32, 20); b.Starts[12] = -1 }, "cannot begin at position -1"},
		{func(b *Batch) { b.Starts = make([]int32, 19) }, "has 19 starts"},
		{func(b *Batch) { b.Weights = make([]float32, 2) }, "has 2 weights"},
		{func(b *Batch) { b.Targets = nil }, "has 0 targets"},
		{func(b *Batch) { b.Rows = 3 }, "3 rows of 10 tokens has 20 tokens"},
		{func(b *Batch) { b.Rows = 0 }, "empty"},
		{func(b *Batch) { b.Length = -10; b.Rows = -2 }, "empty"},
		{func(b *Batch) { b.Length = math.MaxInt / 2; b.Rows = 4 }, "too large"},
	} {
		b := randomBatch(r, m.Config, 2, 10, false)
		c.change(b)
		grads := NewParams(m.Params.Layout)
		_, _, err := m.Loss(b, 1, grads)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want %s", err, c.want)
		}
		if norm64(grads.Data) != 0 {
			t.Errorf("%s: something was computed", c.want)
		}
		if err := m.LogProbs(b, make([]float32, 20)); err == nil {
			t.Errorf("%s: LogProbs does not mind", c.want)
		}
	}
	b := randomBatch(r, m.Config, 2, 10, false)
	if err := m.LogProbs(b, make([]float32, 19)); err == nil {
		t.Error("LogProbs wrote 20 numbers into 19")
	}
	if err := m.Logits(b, make([]float32, 20*37+1)); err == nil {
		t.Error("Logits did not mind a number too many")
	}
	b.Targets = nil
	if err := m.Logits(b, make([]float32, 20*37)); err != nil {
		t.Error("Logits wants targets:", err)
	}
	other := tiny(t, r, kernel.Auto, 1, asBTLM)
	if _, err := New(m.Config, other.Params, newPool(t, kernel.Auto, 1), kernel.F32); err == nil {
		t.Error("New takes parameters of another model")
	}
	if _, _, err := m.Loss(b, 1, other.Params); err == nil {
		t.Error("Loss takes gradients of another model")
	}
}

// TestReserve: batches of all sizes in turn, with and without gradients, give what a new model gives.
func TestReserve(t *testing.T) {
	for _, v := range variants {
		r := rand.New(rand.NewPCG(27, 28))
		m := tiny(t, r, kernel.Auto, 2, v.change)
		for range 12 {
			b := randomBatch(r, m.Config, 1+r.IntN(4), 1+r.IntN(90), true)
			fresh := with(t, m, kernel.Auto, 2, kernel.F32)
			if r.IntN(2) == 0 {
				sum, _, _ := m.Loss(b, 1, nil)
				if want, _, _ := fresh.Loss(b, 1, nil); sum != want {
					t.Errorf("%s: %d×%d: loss is %v, of a new model %v", v.name, b.Rows, b.Length, sum, want)
				}
				continue
			}
			sum, grads := step(t, m, b, 1)
			if want, wantGrads := step(t, fresh, b, 1); sum != want || !slices.Equal(grads.Data, wantGrads.Data) {
				t.Errorf("%s: %d×%d: loss is %v, of a new model %v", v.name, b.Rows, b.Length, sum, want)
			}
		}
		// A larger batch without gradients needs one layer's room only.
		before := len(m.kept[0].x1)
		m.Loss(randomBatch(r, m.Config, 9, 90, false), 1, nil)
		if len(m.kept[0].x1) != before || len(m.kept[0].qkv) != 9*90*m.Config.qkv() {
			t.Errorf("%s: room for %d and %d numbers", v.name, len(m.kept[0].x1), len(m.kept[0].qkv))
		}
	}
}
