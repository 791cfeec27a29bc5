package kernel

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// TestBlocksReference compares with what gguf-py writes and reads: testdata/blocks.bin has 64 rows of numbers, ties, zeros
// and tiny ones among them, and the rows as Q8_0 and as Q4_0, which its quants.py has made of them (gguf 0.19).
func TestBlocksReference(t *testing.T) {
	b, err := os.ReadFile("testdata/blocks.bin")
	if err != nil {
		t.Fatal(err)
	}
	const n = 64 * BlockLen
	x, want8, want4 := make([]float32, n), b[4*n:4*n+n/BlockLen*Q8Bytes], b[4*n+n/BlockLen*Q8Bytes:]
	for i := range x {
		x[i] = math.Float32frombits(uint32(b[4*i]) | uint32(b[4*i+1])<<8 | uint32(b[4*i+2])<<16 | uint32(b[4*i+3])<<24)
	}
	if got, ok := AppendQ8(nil, x); !ok || !bytes.Equal(got, want8) {
		t.Errorf("Q8_0 is another: %v", ok)
	}
	if got, ok := AppendQ4(nil, x); !ok || !bytes.Equal(got, want4) {
		t.Errorf("Q4_0 is another: %v", ok)
	}
}

// TestBlocks: what was read is within half a step of what was written, and becomes the same again.
func TestBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x, y := make([]float32, 40*BlockLen), make([]float32, 40*BlockLen)
	for i := range x {
		x[i] = float32(r.NormFloat64() * math.Exp2(float64(i/BlockLen-20)/2))
	}
	for _, f := range []struct {
		name   string
		bytes  int
		append func([]byte, []float32) ([]byte, bool)
		from   func([]float32, []byte)
		steps  float64 // from 0 to the farthest
		within float64 // steps
	}{
		{"Q8_0", Q8Bytes, AppendQ8, FromQ8, 127, 0.5},
		{"Q4_0", Q4Bytes, AppendQ4, FromQ4, 8, 1}, // the side away from the farthest has a step less
	} {
		b, ok := f.append([]byte("x"), x)
		if !ok || b[0] != 'x' || len(b) != 1+len(x)/BlockLen*f.bytes {
			t.Fatal(f.name, ok, len(b))
		}
		f.from(y, b[1:])
		for at := 0; at < len(x); at += BlockLen {
			most := 0.0
			for _, v := range x[at : at+BlockLen] {
				most = max(most, math.Abs(float64(v)))
			}
			for i := at; i < at+BlockLen; i++ {
				// The scale itself is rounded to 11 bits, or to a multiple of 2^-24.
				if d := math.Abs(float64(x[i] - y[i])); d > most/f.steps*f.within*1.001+most*0x1p-11+f.steps*0x1p-25 {
					t.Errorf("%s: %v became %v in a block of up to %v", f.name, x[i], y[i], most)
				}
			}
		}
		zeros := make([]float32, BlockLen)
		z, ok := f.append(nil, zeros)
		f.from(y[:BlockLen], z)
		for _, v := range y[:BlockLen] {
			if v != 0 || !ok {
				t.Errorf("%s: 0 became %v", f.name, v)
			}
		}
		zeros[3] = 1e-42 // its inverse is infinite
		z, ok = f.append(nil, zeros)
		if f.from(y[:BlockLen], z); y[3] != 0 || !ok {
			t.Errorf("%s: 1e-42 became %v", f.name, y[3])
		}
		for _, wrong := range []float32{float32(math.NaN()), float32(math.Inf(-1)), float32(math.Inf(1)), 1e9} {
			zeros[7] = wrong
			if _, ok := f.append(nil, zeros); ok {
				t.Errorf("%s takes %v", f.name, wrong)
			}
		}
	}
}
