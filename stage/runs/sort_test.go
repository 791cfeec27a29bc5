package runs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// cutItems gives each item of b as a slice of its own.
func cutItems(b []byte, width int) [][]byte {
	var items [][]byte
	for i := 0; i < len(b); i += width {
		items = append(items, b[i:i+width])
	}
	return items
}

// sorted is the slow way to the same bytes.
func sorted(b []byte, width int) []byte {
	items := cutItems(b, width)
	slices.SortFunc(items, bytes.Compare)
	return bytes.Join(items, nil)
}

// shapes fill items in ways that are hard for one sort or another.
func shapes(rng *rand.Rand) map[string]func(b []byte, width int) {
	random := func(b []byte, _ int) {
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
	}
	return map[string]func(b []byte, width int){
		"random":    random,
		"all equal": func(b []byte, _ int) { clear(b) },
		"two values": func(b []byte, width int) {
			for i := 0; i < len(b); i += width {
				b[i+width-1] = byte(rng.IntN(2))
			}
		},
		"common prefix": func(b []byte, width int) {
			for i := width - 1; i < len(b); i += width {
				b[i] = byte(rng.Uint32())
			}
		},
		"sorted": func(b []byte, width int) {
			random(b, width)
			copy(b, sorted(b, width))
		},
		"descending": func(b []byte, width int) {
			random(b, width)
			items := cutItems(sorted(b, width), width)
			slices.Reverse(items)
			copy(b, bytes.Join(items, nil))
		},
		"few values in each byte": func(b []byte, _ int) {
			for i := range b {
				b[i] = byte(rng.IntN(3)) * 127
			}
		},
	}
}

func TestSort(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for name, fill := range shapes(rng) {
		for _, width := range []int{1, 2, 7, 8, 16, 28} {
			for _, n := range []int{0, 1, 2, insertionMax, insertionMax + 1, 100, 3000} {
				b := make([]byte, n*width)
				fill(b, width)
				want := sorted(b, width)
				var blocks [][]byte
				for rest := b; len(rest) > 0; {
					cut := min(len(rest), width*(1+rng.IntN(200)))
					blocks = append(blocks, rest[:cut:cut])
					rest = rest[cut:]
				}
				kept := slices.Clone(b)
				if got := SortBlocks(blocks, width); !bytes.Equal(got, want) || !bytes.Equal(b, kept) {
					t.Fatalf("seed %d: %s, %d items of %d bytes in %d blocks: not sorted, or the blocks were changed", seed, name, n, width, len(blocks))
				}
				if Sort(b, width); !bytes.Equal(b, want) {
					t.Fatalf("seed %d: %s, %d items of %d bytes: not sorted", seed, name, n, width)
				}
			}
		}
	}
}

func TestSortPanics(t *testing.T) {
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "27 bytes are no items of 28 bytes") {
			t.Errorf("said %s", got)
		}
	}()
	Sort(make([]byte, 27), 28)
}

func BenchmarkSort(b *testing.B) {
	const width, n = 28, 1_000_000
	for name, fill := range shapes(rand.New(rand.NewPCG(1, 0))) {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			items := make([]byte, n*width)
			fill(items, width)
			work := make([]byte, len(items))
			b.SetBytes(int64(len(items)))
			for b.Loop() {
				b.StopTimer()
				copy(work, items)
				b.StartTimer()
				Sort(work, width)
			}
		})
	}
}
