package kernel

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var blockFormats = []BlockFormat{Q8_0, Q4_0}

// reference is a product from the definitions: blocks in the format of files, activations rounded in float64, whole integers.
func blocksReference(f BlockFormat, m, n, k int, a []float32, lda int, w []float32, add bool, c []float32, ldc int) []float32 {
	out := slices.Clone(c)
	deep := (k + Block - 1) / Block
	padded := func(x []float32) []float32 { return append(slices.Clone(x), make([]float32, deep*Block-len(x))...) }
	rows := make([][]byte, n)
	for j := range rows {
		rows[j] = make([]byte, deep*f.Bytes())
		f.Quantize(rows[j], padded(w[j*k:][:k]))
	}
	for i := range m {
		x := padded(a[i*lda:][:k])
		for j := range n {
			var total float32
			for l := range deep {
				q, scale := quantised(x[l*Block:][:Block])
				b := rows[j][l*f.Bytes():][:f.Bytes()]
				var sum int64
				for t := range Block {
					v := int64(0)
					switch {
					case f == Q8_0:
						v = int64(int8(b[2+t]))
					case t < Block/2:
						v = int64(b[2+t]&15) - 8
					default:
						v = int64(b[2+t-Block/2]>>4) - 8
					}
					sum += q[t] * v
				}
				total += float32(float32(sum) * float32(scale*FromHalf(binary.LittleEndian.Uint16(b))))
			}
			if add {
				out[i*ldc+j] += total
			} else {
				out[i*ldc+j] = total
			}
		}
	}
	return out
}

// All sets multiply as the definition says, bit for bit, for any shape and number of workers, and write nowhere else.
func TestGemmBlocks(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		for _, workers := range []int{1, 3} {
			pool := NewPool(s, workers)
			defer pool.Close()
			rng := rand.New(rand.NewPCG(5, uint64(workers)))
			for turn := range 120 {
				f := blockFormats[turn%2]
				m, n, k := 1+rng.IntN(15), 1+rng.IntN(40), 1+rng.IntN(200)
				switch turn {
				case 10, 11: // more rows than are multiplied at a time
					m, n, k = 83, 9, 4100
				case 12, 13: // rows of a multiple of 4096 bytes
					m, n, k = 7, 20, 4096*Block/8
				case 14, 15:
					m, n, k = 3, 100, 2560
				}
				lda, ldc := k+rng.IntN(3), n+rng.IntN(3)
				a, w, c := matrix(rng, m, k, lda), matrix(rng, n, k, k), matrix(rng, m, n, ldc)
				switch turn % 8 {
				case 2: // the largest sums
					for i := range a {
						a[i] = 1
					}
					for i := range w {
						w[i] = []float32{3, -3}[i/k%2]
					}
				case 3:
					for i := range a {
						a[i] = []float32{0, 1, -1, 1e-38, 1e-45, 1e38}[rng.IntN(6)] * a[i]
					}
					for i := range w {
						w[i] *= []float32{0, 1, 1e-7, 1e4}[i/k%4]
					}
				}
				add := rng.IntN(2) == 0
				want := blocksReference(f, m, n, k, a, lda, w, add, c, ldc)
				b := NewBlocks(f, n, k)
				// In pieces of rows and columns.
				for row := 0; row < n; {
					rows := min(n-row, 1+rng.IntN(n))
					for col := 0; col < k; {
						cols := min(k-col, Block*(1+rng.IntN(4)))
						b.Put(row, rows, col, cols, w[row*k+col:], k)
						col += cols
					}
					row += rows
				}
				pool.GemmBlocks(m, a, lda, b, add, c, ldc)
				for i := range want {
					if math.Float32bits(c[i]) != math.Float32bits(want[i]) && (c[i] == c[i] || want[i] == want[i]) { // which NaN is open
						t.Fatalf("%s, [%d, %d] over %d, add %v, %d workers: number %d is %v, want %v", f.Name(), m, n, k, add, workers, i, c[i], want[i])
					}
				}
				row := make([]float32, k)
				j := rng.IntN(n)
				b.Row(j, row)
				packed := make([]byte, (k+Block-1)/Block*f.Bytes())
				f.Quantize(packed, append(slices.Clone(w[j*k:][:k]), make([]float32, (Block-k%Block)%Block)...))
				whole := make([]float32, (k+Block-1)/Block*Block)
				f.Dequantize(whole, packed)
				if !slices.Equal(row, whole[:k]) {
					t.Fatalf("%s: row %d of [%d, %d] is %v, want %v", f.Name(), j, n, k, row, whole[:k])
				}
			}
		}
	})
}

// What is not finite makes its row NaN, and no other.
func TestGemmBlocksNotFinite(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		pool := NewPool(s, 1)
		defer pool.Close()
		const m, n, k = 7, 16, 96
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			for _, f := range blockFormats {
				rng := rand.New(rand.NewPCG(1, 1))
				a, w, c := matrix(rng, m, k, k), matrix(rng, n, k, k), make([]float32, m*n)
				a[2*k+40], w[5*k+95] = bad, bad
				b := NewBlocks(f, n, k)
				b.Put(0, n, 0, k, w, k)
				pool.GemmBlocks(m, a, k, b, false, c, n)
				for i, v := range c {
					if (v != v) != (i/n == 2 || i%n == 5) {
						t.Errorf("%s, %v: number %d, %d is %v", f.Name(), bad, i/n, i%n, v)
					}
				}
			}
		}
	})
}

// What was rounded is not further away than the format must have it.
func TestBlockFormats(t *testing.T) {
	for _, f := range blockFormats {
		rng := rand.New(rand.NewPCG(9, 9))
		for range 200 {
			x, y := matrix(rng, 1, 64, 64), make([]float32, 64)
			b := make([]byte, 2*f.Bytes())
			f.Quantize(b, x)
			f.Dequantize(y, b)
			for l := 0; l < 64; l += Block {
				top := 0.0
				for _, v := range x[l:][:Block] {
					top = math.Max(top, math.Abs(float64(v)))
				}
				// Half a step, and what the scale in 11 bits adds; the numbers of Q4_0 end a step before the greatest on the other side.
				most := map[BlockFormat]float64{Q8_0: top / 127 * 0.5, Q4_0: top / 8}[f]*1.001 + top/2000
				for i, v := range x[l:][:Block] {
					if d := math.Abs(float64(v - y[l+i])); d > most {
						t.Fatalf("%s: %v became %v, and the greatest is %v", f.Name(), v, y[l+i], top)
					}
				}
			}
		}
	}
}

// FuzzBlocks: whatever the numbers, blocks have their size and what was made of finite ones is finite, or too large for a scale in 16 bits.
func FuzzBlocks(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 0, 192})
	f.Add([]byte{1, 0, 0, 0, 255, 255, 127, 127})
	f.Fuzz(func(t *testing.T, in []byte) {
		var x [Block]float32
		finite, top := true, 0.0
		for i := range x {
			if len(in) >= 4 {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(in))
				in = in[4:]
			}
			v := float64(x[i])
			finite = finite && !math.IsNaN(v) && !math.IsInf(v, 0)
			top = math.Max(top, math.Abs(v))
		}
		for _, format := range blockFormats {
			b, y := make([]byte, format.Bytes()), make([]float32, Block)
			format.Quantize(b, x[:])
			format.Dequantize(y, b)
			for i, v := range y {
				isFinite := v == v && abs32(v) <= math.MaxFloat32
				if !finite && v == v {
					t.Fatalf("%s hides that a number is not finite: %v", format.Name(), y)
				}
				if finite && top < 65504 && (!isFinite || math.Abs(float64(v)) > top*1.01+1e-5) { // scales below 2^-14 have steps of 2^-24
					t.Fatalf("%s: %v became %v", format.Name(), x[i], v)
				}
			}
		}
	})
}

func TestScaleInt8(t *testing.T) {
	everySet(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(3, 9))
		for _, size := range []int{1, 7, 8, 16, 64, 80, 128} {
			for _, rows := range []int{1, 2, 5} {
				q, scale, dst := make([]int8, rows*size), matrix(rng, 1, rows, rows), make([]float32, rows*size+1)
				dst[rows*size] = 7
				for i := range q {
					q[i] = int8(rng.IntN(255) - 127)
				}
				s.ScaleInt8(dst, q, scale, size)
				for i, v := range q {
					if want := float32(v) * scale[i/size]; dst[i] != want {
						t.Fatalf("%d rows of %d: number %d is %v, want %v", rows, size, i, dst[i], want)
					}
				}
				if dst[rows*size] != 7 {
					t.Fatalf("%d rows of %d: something was written behind the end", rows, size)
				}
			}
		}
	})
}

// All numbers of 16 bits go through float32 and back.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		h := uint16(h)
		v := FromHalf(h)
		if back := Half(v); back != h && v == v {
			t.Fatalf("%#04x is %v, which is %#04x", h, v, back)
		}
		if (v != v) != (h&0x7c00 == 0x7c00 && h&0x3ff != 0) {
			t.Fatalf("%#04x is %v", h, v)
		}
	}
	for _, c := range []struct {
		x    float32
		want uint16
	}{{1, 0x3c00}, {-2, 0xc000}, {65504, 0x7bff}, {65519.996, 0x7bff}, {65520, 0x7c00}, {0x1p-24, 1}, {0x1p-25, 0}, {0x1.8p-25, 1}, {1 + 0x1p-11, 0x3c00}, {1 + 0x3p-11, 0x3c02}} {
		if got := Half(c.x); got != c.want {
			t.Errorf("%v is %#04x, want %#04x", c.x, got, c.want)
		}
	}
}

func BenchmarkGemmBlocks(b *testing.B) {
	for _, name := range Names() {
		s, _ := Named(name)
		pool := NewPool(s, 1)
		for _, f := range blockFormats {
			for _, m := range []int{1, 2, 6, 64} {
				const n, k = 7680, 2560
				if name == "portable" && m > 1 {
					continue
				}
				b.Run(fmt.Sprintf("%s/%s/%d", name, f.Name(), m), func(b *testing.B) {
					w := NewBlocks(f, n, k)
					rng := rand.New(rand.NewPCG(1, 1))
					row := matrix(rng, 1, k, k)
					for j := range n {
						w.Put(j, 1, 0, k, row, k)
					}
					a, c := matrix(rng, m, k, k), make([]float32, m*n)
					b.SetBytes(int64(BlocksBytes(f, n, k)))
					for b.Loop() {
						pool.GemmBlocks(m, a, k, w, false, c, n)
					}
					b.ReportMetric(float64(m)*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gmul/s")
				})
			}
		}
		pool.Close()
	}
}

// The bytes and what becomes of them are those that gguf 0.19.0 has made (gguf.quants, which is ggml's reference in Python), of 64 blocks
// that are of very different sizes.
func TestBlockFormatsOfGGUF(t *testing.T) {
	x := make([]float32, 64*Block)
	for i := range x {
		z := uint64(i + 1) // the output function of SplitMix64
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		x[i] = (float32(z>>40)/(1<<23) - 1) * float32(math.Ldexp(1, i/Block%13-6)) // exact
	}
	for _, c := range []struct {
		f              BlockFormat
		bytes, numbers string
	}{
		{Q8_0, "ae1efd4b551bb50d3c2682cc820ac41c82bcd8f4503c29b200e8797cc428f62a", "e688bc7272d6d99077ce121eeb5835d833d267921762c9cb6c37d2a376e853d2"},
		{Q4_0, "a485d2595c0431e2d4c6775cba9c65ff945e2b424a5d8ee74ad47501b3c59430", "01f685900dcd22a07e52e007014f9ed44ffa2afd9750d6edd04e4124c0d00d26"},
	} {
		b, y := make([]byte, 64*c.f.Bytes()), make([]float32, len(x))
		c.f.Quantize(b, x)
		c.f.Dequantize(y, b)
		var numbers []byte
		for _, v := range y {
			numbers = binary.LittleEndian.AppendUint32(numbers, math.Float32bits(v))
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != c.bytes {
			t.Errorf("%s: the bytes are %s, and begin with % x", c.f.Name(), got, b[:c.f.Bytes()])
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(numbers)); got != c.numbers {
			t.Errorf("%s: the numbers are %s", c.f.Name(), got)
		}
	}
}

func BenchmarkQuantizeBlocks(b *testing.B) {
	for _, f := range blockFormats {
		b.Run(f.Name(), func(b *testing.B) {
			x := matrix(rand.New(rand.NewPCG(1, 1)), 64, 256, 256)
			p := NewBlocks(f, 64, 256)
			b.SetBytes(4 * int64(len(x)))
			for b.Loop() {
				p.Put(0, 64, 0, 256, x, 256)
			}
		})
	}
}
