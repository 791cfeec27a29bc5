package kernel

import (
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fenced copies x to where memory ends, or begins: to touch what lies beyond is a crash.
func fenced(t *testing.T, x []float32, end bool) []float32 {
	page := os.Getpagesize()
	size := (4*len(x) + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	})
	for _, fence := range [][]byte{m[:page], m[page+size:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	from := page
	if end {
		from = page + size - 4*len(x)
	}
	y := unsafe.Slice((*float32)(unsafe.Pointer(&m[from])), len(x))
	copy(y, x)
	return y
}

// Nothing outside of operands is read or written.
func TestGemmFenced(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(11, 12))
		everyProduct(func(prec Precision, op Op, add bool) {
			for i := range 40 {
				size := func() int { return gemmSizes[1+rng.IntN(len(gemmSizes)-4)] }
				g := newGemmCase(rng, prec, op, size(), size(), size(), add)
				if i%8 == 0 {
					g = newGemmCase(rng, prec, op, 1, 16+g.n, 4*g.k, add)
				}
				want := g.set(s, new(Scratch))
				g.a, g.b, g.c = fenced(t, g.a, i%2 == 0), fenced(t, g.b, i%2 == 0), fenced(t, g.c, i%2 == 0)
				s.Gemm(new(Scratch), g.prec, g.op, g.m, g.n, g.k, g.a, g.lda, g.b, g.ldb, g.add, g.c, g.ldc)
				if !sameBits(g.c, want) {
					t.Fatalf("%v: another result at the border of memory", g)
				}
			}
		})
	})
}

func TestPackedFenced(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(13, 14))
		for i := range 80 {
			size := func() int { return gemmSizes[1+rng.IntN(len(gemmSizes)-4)] }
			g := newGemmCase(rng, F32, NT, size(), size(), size(), i%3 == 0)
			want := g.set(s, new(Scratch))
			g.a, g.b, g.c = fenced(t, g.a, i%2 == 0), fenced(t, g.b, i%2 == 0), fenced(t, g.c, i%2 == 0)
			s.GemmPacked(new(Scratch), g.m, g.a, g.lda, s.Pack(g.n, g.k, g.b, g.ldb), g.add, g.c, g.ldc)
			if !sameBits(g.c, want) {
				t.Fatalf("%v: another result at the border of memory", g)
			}
		}
	})
}

func TestInt8Fenced(t *testing.T) {
	onSets(t, func(t *testing.T, s *Set) {
		rng := rand.New(rand.NewPCG(15, 16))
		for i := range 80 {
			size := func() int { return gemmSizes[1+rng.IntN(len(gemmSizes)-4)] }
			g := newInt8Case(rng, size(), size(), size(), int8Usual)
			want := g.plain()
			g.a, g.c = fenced(t, g.a, i%2 == 0), fenced(t, g.c, i%2 == 0)
			if g.bias != nil {
				g.bias = fenced(t, g.bias, i%2 == 0)
			}
			s.GemmInt8(new(Scratch), g.m, g.a, g.lda, s.PackInt8(g.n, g.k, g.q, g.ldq, g.scale), g.bias, g.c, g.ldc)
			if !sameBits(g.c, want) {
				t.Fatalf("%v: another result at the border of memory", g)
			}
		}
	})
}
