package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/kernel"
)

// embedded gives what a batch's first block reads.
func embedded(t testing.TB, m *Model, b *Batch) []float32 {
	t.Helper()
	m.reserve(b.Rows, b.Length, false)
	var x []float32
	m.watch = func(what string, y []float32) {
		if what == "embedding" {
			x = slices.Clone(y)
		}
	}
	defer func() { m.watch = nil }()
	if _, _, err := m.Loss(b, 1, nil); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestNoise(t *testing.T) {
	for _, change := range []func(*Config){func(*Config) {}, asBTLM} {
		r := rand.New(rand.NewPCG(51, 52))
		m := tiny(t, r, kernel.Auto, 2, change)
		c := m.Config
		const rows, length = 6, 300
		b := randomBatch(r, c, rows, length, false)
		quiet := embedded(t, m, b)
		b.Noise = &Noise{Key: 7, Amplitude: slices.Repeat([]float32{0.25}, rows*length)}
		for i := range 100 {
			b.Noise.Amplitude[i] = 0
		}
		loud := embedded(t, m, b)
		mean, square, most := 0.0, 0.0, 0.0
		n := float64((rows*length - 100) * c.Width)
		seen := map[float32]int{}
		for i := range loud {
			x := (float64(loud[i]) - float64(quiet[i])) / c.EmbeddingScale
			if i < 100*c.Width && x != 0 {
				t.Fatalf("token %d has noise of amplitude 0: %v", i/c.Width, x)
			}
			mean, square, most = mean+x/n, square+x*x/n, max(most, math.Abs(x))
			seen[float32(x)]++
		}
		if math.Abs(mean) > 0.005 || math.Abs(square*3/0.25/0.25-1) > 0.03 || most > 0.25001 || most < 0.249 || len(seen) < int(n)/10 {
			t.Errorf("mean %v, mean square %v, up to %v, %d values of %v", mean, square, most, len(seen), n)
		}
		// Rows have their own, wherever they stand in a batch; and nothing else decides.
		last := (rows - 1) * length
		alone := &Batch{Rows: 1, Length: length, Tokens: b.Tokens[last:], Targets: b.Targets[last:], Noise: &Noise{Key: 7, FirstRow: rows - 1, Amplitude: b.Noise.Amplitude[last:]}}
		if got := embedded(t, with(t, m, kernel.Auto, 1, kernel.F32), alone); !slices.Equal(got, loud[last*c.Width:]) {
			t.Error("a row has other noise alone than among others")
		}
		for name, other := range map[string]Noise{"key": {Key: 8, FirstRow: rows - 1}, "row": {Key: 7}} {
			other.Amplitude = alone.Noise.Amplitude
			changed := *alone
			changed.Noise = &other
			if got := embedded(t, m, &changed); slices.Equal(got, loud[last*c.Width:]) {
				t.Errorf("the %s does not matter", name)
			}
		}
		// Training sees it, and the gradient is that of the perturbed loss.
		grads := NewParams(m.Params.Layout)
		sum, _, err := m.Loss(b, 1, grads)
		if err != nil {
			t.Fatal(err)
		}
		if same, _, _ := m.Loss(b, 1, nil); same != sum {
			t.Errorf("the loss is %v with gradients, and %v without", sum, same)
		}
		e := m.places.embedding
		checkGradient(t, r, "embedding", func() float64 { sum, _, _ := m.Loss(b, 1, nil); return sum }, e.of(m.Params), e.of(grads), 3)
		b.Noise.Amplitude = b.Noise.Amplitude[1:]
		if _, _, err := m.Loss(b, 1, nil); err == nil || !strings.Contains(err.Error(), "has 1799 amplitudes of noise") {
			t.Error(err)
		}
	}
}
