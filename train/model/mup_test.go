package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"curate/kernel"
)

// coordinates are mean absolute activations of a model: what is seen, and how far it went since the first step.
type coordinates map[string]float64

// trained trains a model of a width for some steps on one batch and measures its activations.
func trained(t *testing.T, family string, width, base int, rate float64) coordinates {
	s := Shape{Family: family, Vocabulary: 128, Width: width, Layers: 2, Heads: width / 16, FFN: 2 * width, BaseWidth: base}
	c, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	std := 0.073 // BTLM's, for embeddings of 14.6 times that
	p := NewParams(NewLayout(c))
	p.Init(c, std, 1)
	if base == 0 {
		// The standard parametrisation starts hidden matrices with 1/√width as well; what it lacks are the multipliers and the
		// learning rates.
		proper := *c
		proper.WidthScale = 64 / float64(width)
		p.Init(&proper, std, 1)
	}
	m, err := New(c, p, newPool(t, kernel.Auto, 2), kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	b := randomBatch(rand.New(rand.NewPCG(23, 24)), c, 1, 32, false)
	look := func() map[string][]float32 {
		seen := map[string][]float32{}
		blocks := 0
		m.watch = func(what string, x []float32) {
			if what == "block" {
				blocks++
				what = fmt.Sprint("block ", blocks)
			}
			seen[what] = append(seen[what], x...)
		}
		if err := m.Logits(b, make([]float32, 32*128)); err != nil {
			t.Fatal(err)
		}
		m.watch = nil
		return seen
	}
	first := look()
	x := newTrainer(m, rate)
	for range 4 {
		x.step(t, b)
	}
	out := coordinates{}
	for what, now := range look() {
		size, way := 0.0, 0.0
		for i, v := range now {
			size += math.Abs(float64(v))
			way += math.Abs(float64(v - first[what][i]))
		}
		out[what] = size / float64(len(now))
		out["change of "+what] = way / float64(len(now))
	}
	return out
}

// TestMuP is the coordinate check of arXiv 2203.03466, appendix D.1: with µP, activations and their changes in training do
// not depend on the width; with the standard parametrisation they do.
func TestMuP(t *testing.T) {
	widths := []int{64, 128, 256, 512}
	if len(kernel.Names()) == 1 {
		widths = widths[:3] // the portable set needs ten seconds for the last
	}
	for _, family := range []string{Llama, BTLM} {
		for _, base := range []int{64, 0} {
			var all []coordinates
			for _, w := range widths {
				all = append(all, trained(t, family, w, base, 0.01))
			}
			for what := range all[0] {
				// Least squares of log2 size over log2 width.
				slope, squares, middle := 0.0, 0.0, float64(len(widths)-1)/2
				for i := range widths {
					x := float64(i) - middle
					slope += x * math.Log2(all[i][what])
					squares += x * x
				}
				slope /= squares
				t.Logf("%s, base %d: %s: slope %.3f, %.3g to %.3g", family, base, what, slope, all[0][what], all[len(all)-1][what])
				switch {
				case what == "logits": // at first they are of order 1/√width, and what is learnt comes to them
				case base > 0 && math.Abs(slope) > 0.1:
					t.Errorf("%s: with µP the %s grows with the width to the power of %.3f", family, what, slope)
				case base == 0 && what != "embedding" && what != "change of embedding" && slope < 0.5:
					t.Errorf("%s: without µP the %s grows with the width to the power of %.3f only", family, what, slope)
				}
			}
		}
	}
}
