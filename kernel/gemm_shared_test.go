package kernel

import (
	"testing"
	"time"
)

// TestGemmShared makes products that have several ranges of columns and several steps of k, with more workers than cores: a
// piece may be late when the next range's is done already.
func TestGemmShared(t *testing.T) {
	s, err := Named(Auto)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPool(s, 8)
	defer p.Close()
	const m, n, k = 128, 2304, 768
	a, b, c, want := make([]float32, m*k), make([]float32, n*k), make([]float32, m*n), make([]float32, m*n)
	for i := range a {
		a[i] = float32(i%7) - 3
	}
	for i := range b {
		b[i] = float32(i%5) - 2
	}
	s.Gemm(&Scratch{}, F32, NT, m, n, k, a, k, b, k, false, want, n)
	done := make(chan int)
	go func() {
		defer close(done)
		for i := range 400 {
			p.Gemm(F32, NT, m, n, k, a, k, b, k, false, c, n)
			for j := range c {
				if c[j] != want[j] {
					t.Errorf("product %d: number %d is %v, %v want", i, j, c[j], want[j])
					return
				}
			}
			done <- i
		}
	}()
	for last := -1; ; {
		select {
		case i, ok := <-done:
			if !ok {
				return
			}
			last = i
		case <-time.After(20 * time.Second):
			t.Fatalf("product %d does not end", last+1)
		}
	}
}
