package model

import (
	"math/rand/v2"
	"testing"

	"curate/kernel"
)

// BenchmarkLoss is a forward and backward pass of a model of nine million parameters on 1024 tokens, on one goroutine. It says
// how many floating-point operations a second that is, by three times FLOPs.
func BenchmarkLoss(b *testing.B) {
	for _, family := range []string{Llama, BTLM} {
		b.Run(family, func(b *testing.B) {
			c, err := (&Shape{Family: family, Vocabulary: 8192, Width: 256, Layers: 6, Heads: 4, FFN: 704}).New()
			if err != nil {
				b.Fatal(err)
			}
			p := NewParams(NewLayout(c))
			p.Init(c, 0.02, 1)
			m, err := New(c, p, newPool(b, kernel.Auto, 1), kernel.F32)
			if err != nil {
				b.Fatal(err)
			}
			batch := randomBatch(rand.New(rand.NewPCG(25, 26)), c, 4, 256, false)
			copy(batch.Targets, batch.Tokens[1:])
			grads := NewParams(p.Layout)
			m.Loss(batch, 1e-3, grads)
			for b.Loop() {
				m.Loss(batch, 1e-3, grads)
			}
			tokens := float64(b.N) * 1024 / b.Elapsed().Seconds()
			b.ReportMetric(tokens, "tokens/s")
			b.ReportMetric(tokens*3*c.FLOPs(256)/1e9, "GFLOP/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
