package pack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// rowsOf lists the lengths in each row, in the order in which they were put there.
func rowsOf(lengths []int32, row, begun []int32, order []int32) [][]int32 {
	rows := make([][]int32, len(begun))
	for _, i := range order {
		rows[row[i]] = append(rows[row[i]], lengths[i])
	}
	return rows
}

// TestBestFit has the answers of TRL's strategy bfd (pack_dataset), which an oracle that looks at every row gives, too.
func TestBestFit(t *testing.T) {
	for _, c := range []struct {
		length  int
		lengths []int32
		want    string
	}{
		{4, []int32{3, 2, 4, 1, 4, 3, 2}, "[[4] [4] [3 1] [3] [2 2]]"}, // 3, 2, 4, 1, 7, 2 with 7 cut
		{4, nil, "[]"},
		{4, []int32{4}, "[[4]]"},
		{10, []int32{6, 6, 4, 3, 4}, "[[6 4] [6 4] [3]]"},
		{10, []int32{5, 7, 3, 5}, "[[7 3] [5 5]]"},
		{128, []int32{64, 65, 63, 64}, "[[65 63] [64 64]]"},
	} {
		var p bestFit
		row, begun := p.pack(c.lengths, c.length)
		if got := fmt.Sprint(rowsOf(c.lengths, row, begun, p.order)); got != c.want {
			t.Errorf("%v into %d: %s, want %s", c.lengths, c.length, got, c.want)
		}
	}
}

// slowBestFit looks at every row for every piece.
func slowBestFit(lengths []int32, length int) (row []int32) {
	order := make([]int, len(lengths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(lengths[b] - lengths[a]) })
	row = make([]int32, len(lengths))
	type open struct{ row, space, since int }
	var rows []open
	for now, i := range order {
		n := int(lengths[i])
		best := -1
		for k, r := range rows {
			if r.space >= n && (best < 0 || r.space < rows[best].space || r.space == rows[best].space && r.since < rows[best].since) {
				best = k
			}
		}
		if best < 0 {
			best = len(rows)
			rows = append(rows, open{best, length, 0})
		}
		rows[best].space -= n
		rows[best].since = now // with equal space the row that has had it longest is taken
		row[i] = int32(best)
	}
	return row
}

func TestBestFitOracle(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	var p bestFit
	for range 300 {
		length := 2 + rng.IntN(300)
		lengths := make([]int32, rng.IntN(200))
		for i := range lengths {
			lengths[i] = 1 + int32(rng.IntN(1+rng.IntN(length)))
		}
		row, begun := p.pack(lengths, length)
		if want := slowBestFit(lengths, length); !slices.Equal(row, want) {
			t.Fatalf("seed %d: %v into %d: %v, want %v", seed, lengths, length, row, want)
		}
		for r, i := range begun {
			if row[i] != int32(r) {
				t.Fatalf("seed %d: row %d was begun by piece %d of row %d", seed, r, i, row[i])
			}
		}
	}
}

func TestPackAllocates(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	lengths := make([]int32, bufferDocuments)
	for i := range lengths {
		lengths[i] = 1 + int32(rng.IntN(2048))
	}
	var p bestFit
	p.pack(lengths, 2048)
	if n := testing.AllocsPerRun(3, func() { p.pack(lengths, 2048) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
