package model

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"curate/kernel"
)

var update = flag.Bool("update", false, "write the golden files anew")

// trainer trains a model with AdamW, with the learning rates of the roles.
type trainer struct {
	*Model
	rate        float64
	grads, m, v *Params
	steps       int
}

func newTrainer(m *Model, rate float64) *trainer {
	l := m.Params.Layout
	return &trainer{m, rate, NewParams(l), NewParams(l), NewParams(l), 0}
}

// step makes a step and gives the mean loss before it.
func (x *trainer) step(t *testing.T, b *Batch) float64 {
	clear(x.grads.Data)
	counted := 0
	for _, target := range b.Targets {
		if target != Ignore {
			counted++
		}
	}
	sum, _, err := x.Loss(b, 1/float32(counted), x.grads)
	if err != nil {
		t.Fatal(err)
	}
	x.steps++
	o := kernel.AdamW{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, Scale: 1}
	b1, b2 := float32(1), float32(1)
	for range x.steps {
		b1, b2 = float32(b1*o.Beta1), float32(b2*o.Beta2)
	}
	o.Correction1, o.Correction2 = 1-b1, 1-b2
	for i, w := range x.Params.Layout.Tensors {
		o.Rate, o.Decay = float32(x.rate), 0.1
		switch w.Role {
		case Hidden, Residual:
			o.Rate = float32(x.rate * x.Config.WidthScale)
		case Norm, Bias:
			o.Decay = 0
		}
		x.set.AdamW(&o, x.Params.Of(i), x.grads.Of(i), x.m.Of(i), x.v.Of(i))
	}
	return sum / float64(counted)
}

// TestCurve: with the portable kernels the losses of a training run are the same bits on every machine.
func TestCurve(t *testing.T) {
	var b strings.Builder
	for _, v := range variants {
		c := &Config{
			Family: Llama, Vocabulary: 61, Width: 24, Layers: 2, Heads: 4, KVHeads: 2, HeadSize: 6, FFN: 40, NormEpsilon: 1e-5,
			RopeTheta: 10000, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
		}
		v.change(c)
		p := NewParams(NewLayout(c))
		p.Init(c, 0.08, 3)
		m, err := New(c, p, newPool(t, "portable", 2), kernel.F32)
		if err != nil {
			t.Fatal(err)
		}
		x := newTrainer(m, 0.01)
		batch := randomBatch(rand.New(rand.NewPCG(21, 22)), c, 3, 45, false)
		fmt.Fprintf(&b, "%s:", v.name)
		var losses []float64
		for range 5 {
			losses = append(losses, x.step(t, batch))
			fmt.Fprintf(&b, " %x", losses[len(losses)-1])
		}
		fmt.Fprintln(&b)
		if math.Abs(losses[0]-math.Log(61)) > 1 || losses[4] > losses[0]-0.05 {
			t.Errorf("%s: losses are %v", v.name, losses)
		}
	}
	const file = "testdata/curve.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("losses are\n%swant\n%s", b.String(), want)
	}
}
