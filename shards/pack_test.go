package shards

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

// listed gives documents of these lengths, each token its place among all.
type listed struct {
	lengths []int
	at, n   int
}

func (l *listed) next() ([]byte, bool, error) {
	if l.at == len(l.lengths) {
		return nil, false, nil
	}
	ids := make([]uint32, l.lengths[l.at])
	for i := range ids {
		ids[i] = uint32(l.n)
		l.n++
	}
	l.at++
	return Int32.AppendBytes(nil, ids), true, nil
}

// TestPacked wants every token once, pieces whole and in order, and no two rows of a buffer that fit into one.
func TestPacked(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		length := 2 + rng.IntN(60)
		in := &listed{}
		var begins []int // of documents
		total := 0
		for range rng.IntN(300) {
			n := 1 + rng.IntN(1+rng.IntN(5*length))
			in.lengths = append(in.lengths, n)
			begins = append(begins, total)
			total += n
		}
		p := newPacked(in, length, 4)
		p.maxDocuments, p.maxTokens = 1+rng.IntN(80), 1+rng.IntN(3000)
		seen := make([]bool, total)
		n := 0
		for {
			s, ok, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			ids := Int32.AppendIDs(nil, s.tokens)
			if len(ids) == 0 || len(ids) > length || s.pieces[0].start != 0 {
				t.Fatalf("seed %d: a row of %d tokens (of %d) with pieces %v", seed, len(ids), length, s.pieces)
			}
			for k, pc := range s.pieces {
				end := len(ids)
				if k+1 < len(s.pieces) {
					end = int(s.pieces[k+1].start)
				}
				part := ids[pc.start:end]
				_, isBegin := slices.BinarySearch(begins, int(part[0]))
				if isBegin == pc.continues {
					t.Fatalf("seed %d: token %d, continues %v", seed, part[0], pc.continues)
				}
				if pc.continues && !seen[part[0]-1] {
					t.Fatalf("seed %d: token %d comes before the piece in front of it", seed, part[0])
				}
				for j, id := range part {
					if id != part[0]+uint32(j) || seen[id] {
						t.Fatalf("seed %d: a piece %v", seed, part)
					}
					seen[id] = true
					n++
				}
				if next := int(part[len(part)-1]) + 1; next < total && len(part) < length {
					if _, ends := slices.BinarySearch(begins, next); !ends {
						t.Fatalf("seed %d: a document is cut after a piece of %d tokens", seed, len(part))
					}
				}
			}
		}
		if n != total {
			t.Fatalf("seed %d: %d tokens of %d", seed, n, total)
		}
	}
}

// TestFill has documents as long as web pages are: lognormal, half of them below 250 tokens.
func TestFill(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	in := &listed{}
	for range 12_000 {
		n := 500.0
		for range 12 { // near enough to normal, and the same everywhere
			n *= 0.45 + float64(1.1*float64(rng.IntN(1000)))/1000
		}
		in.lengths = append(in.lengths, 1+int(n))
	}
	const length = 2048
	p := newPacked(in, length, 4)
	rows, tokens := 0, 0
	for {
		s, ok, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		rows++
		tokens += len(s.tokens) / 4
	}
	if fill := fillShare(int64(tokens), int64(rows), length); tokens != in.n || fill < 0.996 {
		t.Errorf("%d rows, fill %v", rows, fill)
	} else {
		t.Logf("%d rows, fill %v", rows, fill)
	}
}

func TestPackAllocates(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	lengths := make([]int32, packDocuments)
	for i := range lengths {
		lengths[i] = 1 + int32(rng.IntN(2048))
	}
	var p bestFit
	p.pack(lengths, 2048)
	if n := testing.AllocsPerRun(3, func() { p.pack(lengths, 2048) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
