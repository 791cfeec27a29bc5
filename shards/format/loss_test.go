package format

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLoss reads any ranges of a mask, across windows too.
func TestLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	mask := make([]byte, 3*windowSize+11)
	for i := range mask {
		mask[i] = byte(rng.IntN(2))
	}
	l, err := OpenLoss(fileOf("x", mask), int64(len(mask)))
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		from := rng.IntN(len(mask) + 1)
		to := from + rng.IntN(len(mask)+1-from)
		if got, err := l.Append([]byte{7}, int64(from), int64(to)); err != nil || got[0] != 7 || !bytes.Equal(got[1:], mask[from:to]) {
			t.Fatalf("%d to %d: %v", from, to, err)
		}
	}
	for _, tokens := range []int64{int64(len(mask)) - 1, int64(len(mask)) + 1} {
		_, err := OpenLoss(fileOf("x", mask), tokens)
		wantFault(t, "another number of tokens", err, "x", min(tokens, int64(len(mask))))
	}
}

// TestLossFaults finds each value above 1 in each place, the first of several.
func TestLossFaults(t *testing.T) {
	for n := range 40 {
		for k := range n {
			for _, v := range []byte{2, 3, 0x80, 0xc3, 0xff} {
				mask := slices.Repeat([]byte{1}, n)
				mask[k] = v
				if k+3 < n {
					mask[k+3] = 9
				}
				l, err := OpenLoss(fileOf("x", mask), int64(n))
				if err != nil {
					t.Fatal(err)
				}
				_, err = l.Append(nil, 0, int64(n))
				wantFault(t, "the mask", err, "x", int64(k))
				if got, err := l.Append(nil, 0, int64(k)); err != nil || len(got) != k {
					t.Errorf("before it: %v, %v", got, err)
				}
			}
		}
	}
}

func BenchmarkLoss(b *testing.B) {
	mask := make([]byte, 16*windowSize)
	l, err := OpenLoss(fileOf("x", mask), int64(len(mask)))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(mask)))
	dst := make([]byte, 0, 2048)
	for b.Loop() {
		for at := int64(0); at < int64(len(mask)); at += 2048 {
			if dst, err = l.Append(dst[:0], at, at+2048); err != nil {
				b.Fatal(err)
			}
		}
	}
}
