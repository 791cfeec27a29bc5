package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mmcloughlin/avo/ir"
)

// Tiles of 8 bits make the product and scale it, bit by bit, with numbers of every size, and touch nothing else.
func TestInt8Tiles(t *testing.T) {
	file, err := compiled(int8Tiles)
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*ir.Function{}
	for _, f := range file.Functions() {
		functions[f.Name] = f
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, u := range units8 {
		for rows := 1; rows <= u.rows; rows++ {
			for turn := range 4 {
				panels, groups := 1+turn%3, unroll8*(1+turn)
				name := fmt.Sprintf("int8Tile%sx%d", u.name, rows)
				if err := int8Test(file, functions[name], u, rng, rows, panels, groups, turn); err != nil {
					t.Errorf("%s, %d panels, %d groups of steps: %v", name, panels, groups, err)
				}
			}
		}
	}
}

// In turn 0 all numbers are the largest and the smallest, and there is no bias.
func int8Test(f *ir.File, fn *ir.Function, u unit8, rng *rand.Rand, rows, panels, groups, turn int) error {
	cols, k, m := u.size/2, groups*u.group, rows*panels
	const canary = 0x5a
	gap, ldc := 4*turn, cols+turn // of rows of a in bytes, of c in numbers
	number := func() int {
		if turn == 0 {
			return 127 - 254*rng.IntN(2)
		}
		return rng.IntN(255) - 127
	}
	var a, b, from, scaleA, scaleB, bias, c, want []byte
	float := func(n int) (x []float32, y []byte) {
		for range n {
			x = append(x, float32(rng.NormFloat64()))
			y = le.AppendUint32(y, math.Float32bits(x[len(x)-1]))
		}
		return x, y
	}
	as, bs, begin := make([]int, m*k), make([]int, cols*k), make([]int32, cols)
	for i := range as {
		as[i] = number()
		if u.param == "int16" {
			a = le.AppendUint16(a, uint16(as[i]))
		} else {
			a = append(a, byte(as[i]+128))
		}
		if i%k == k-1 && i < len(as)-1 {
			a = append(a, bytes.Repeat([]byte{canary}, gap)...)
		}
	}
	for i := range bs { // by groups of k, then by columns
		bs[i] = number()
		b = append(b, byte(bs[i]))
		if u.param == "uint8" {
			begin[i/u.group%cols] -= 128 * int32(bs[i])
		}
	}
	for i := range begin {
		from = le.AppendUint32(from, uint32(begin[i]))
	}
	sa, scaleA := float(m)
	sb, scaleB := float(cols)
	added, bias := float(cols)
	for y := range m {
		for x := range ldc {
			if x >= cols {
				if y < m-1 {
					want = le.AppendUint32(want, 0x01010101*canary)
				}
				continue
			}
			sum := 0
			for l := range k {
				sum += as[y*k+l] * bs[l/u.group*u.group*cols+x*u.group+l%u.group]
			}
			v := float32(float32(sum) * float32(sa[y]*sb[x]))
			if turn > 0 {
				v += added[x]
			}
			want = le.AppendUint32(want, math.Float32bits(v))
		}
	}
	c = bytes.Repeat([]byte{canary}, len(want))
	p := newProcessor(f)
	row := len(a) // of the only one
	if m > 1 {
		row = (len(a) + gap) / m
	}
	add := p.segment(bias)
	if turn == 0 {
		add = 0
	}
	for _, v := range []uint64{
		uint64(groups), uint64(panels), p.segment(a), uint64(row), p.segment(b), p.segment(from),
		p.segment(scaleA), p.segment(scaleB), add, p.segment(c), uint64(ldc),
	} {
		p.frame = le.AppendUint64(p.frame, v)
	}
	if err := p.call(fn); err != nil {
		return err
	}
	if !bytes.Equal(c, want) {
		return fmt.Errorf("c is\n% x\nnot\n% x", c, want)
	}
	return nil
}
