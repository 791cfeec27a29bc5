package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
)

// Tiles of blocks add up whole numbers and scale them, bit by bit, and touch nothing else: those for processors that are not at hand, too.
func TestBlockTiles(t *testing.T) {
	file, err := compiled(func(c *build.Context) {
		for _, u := range blockTiles {
			for rows := 1; rows <= blockTileRows; rows++ {
				tileOfBlocks(c, u, rows)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*ir.Function{}
	for _, f := range file.Functions() {
		functions[f.Name] = f
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, u := range blockTiles {
		for rows := 1; rows <= blockTileRows; rows++ {
			for turn := range 3 {
				name := fmt.Sprintf("blockTile%sx%d", u.name, rows)
				if err := blockTest(file, functions[name], u, rng, rows, 1+turn, turn); err != nil {
					t.Errorf("%s, %d blocks: %v", name, 1+turn, err)
				}
			}
		}
	}
}

// halfOne is 1 in binary16; scales of weights are 1, 2, 4, … 128.
const halfOne = 0x3c00

// In turn 0 all numbers are the largest and the smallest.
func blockTest(f *ir.File, fn *ir.Function, u blockTile, rng *rand.Rand, rows, blocks, turn int) error {
	const canary = 0x5a
	four := strings.HasPrefix(u.name, "Q4")
	ldx, ldc := blocks*blockRoom+4*turn, 8+turn
	x := bytes.Repeat([]byte{canary}, (rows-1)*ldx+blocks*blockRoom)
	b := make([]byte, blocks*8*u.bytes)
	total := make([]float32, rows*8)
	for l := range blocks {
		w := make([][32]int, 8)
		panel := b[l*8*u.bytes:][:8*u.bytes]
		for j := range w {
			le.PutUint16(panel[2*j:], uint16(halfOne+j<<10))
			for i := range 32 {
				switch {
				case turn == 0 && four:
					w[j][i] = 15 * rng.IntN(2)
				case turn == 0:
					w[j][i] = 127 - 254*rng.IntN(2)
				case four:
					w[j][i] = rng.IntN(16)
				default:
					w[j][i] = rng.IntN(256) - 128
				}
				if q := panel[16+(i%(u.bytes-2))/4*32+4*j:]; !four {
					q[i%4] = byte(w[j][i])
				} else {
					q[i%4] |= byte(w[j][i] << (i / 16 * 4))
				}
			}
		}
		for r := range rows {
			at := x[r*ldx+l*blockRoom:]
			scale, zero := float32(rng.NormFloat64()), int32(0)
			q := make([]int, 32)
			for i := range q {
				if q[i] = rng.IntN(255) - 127; turn == 0 {
					q[i] = 127 - 254*(r%2)
				}
				at[i] = byte(q[i])
				zero -= 8 * int32(q[i])
			}
			le.PutUint32(at[32:], math.Float32bits(scale))
			le.PutUint32(at[36:], uint32(zero))
			for j := range w {
				sum := 0
				for i, v := range q {
					sum += v * w[j][i]
				}
				if four {
					sum += int(zero)
				}
				total[r*8+j] += float32(float32(sum) * float32(scale*float32(int(1)<<j)))
			}
		}
	}
	c := bytes.Repeat([]byte{canary}, 4*((rows-1)*ldc+8))
	want := bytes.Clone(c)
	add := byte(turn % 2)
	for r := range rows {
		for j := range 8 {
			at := 4 * (r*ldc + j)
			v := total[r*8+j]
			if add != 0 {
				v += math.Float32frombits(le.Uint32(c[at:]))
			}
			le.PutUint32(want[at:], math.Float32bits(v))
		}
	}
	p := newProcessor(f)
	for _, v := range []uint64{uint64(blocks), p.segment(x), uint64(ldx), p.segment(b), p.segment(c), uint64(ldc)} {
		p.frame = le.AppendUint64(p.frame, v)
	}
	p.frame = append(p.frame, add)
	if err := p.call(fn); err != nil {
		return err
	}
	if !bytes.Equal(c, want) {
		return fmt.Errorf("c is\n% x\nnot\n% x", c, want)
	}
	return nil
}
