package pack

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"curate/shards/format"
)

// listed gives documents of these lengths, each token its place among all, every third with a mask that says whether
// the token is odd.
type listed struct {
	lengths []int
	width   int
	at, n   int
	mask    []byte
}

func (l *listed) dtype() format.Dtype {
	if l.width == 2 {
		return format.Uint16
	}
	return format.Int32
}

func (l *listed) Next() (Document, bool, error) {
	if l.at == len(l.lengths) {
		return Document{}, false, nil
	}
	ids := make([]uint32, l.lengths[l.at])
	l.mask = l.mask[:0]
	for i := range ids {
		ids[i] = uint32(l.n)
		l.mask = append(l.mask, byte(l.n&1))
		l.n++
	}
	d := Document{Tokens: l.dtype().AppendBytes(nil, ids), ID: uint64(l.at), Source: uint16(l.at % 3), Copy: uint16(l.at % 2)}
	if l.at%3 == 0 {
		d.Mask = l.mask
	}
	l.at++
	return d, true, nil
}

// padID is no place of a token.
const padID = 65_535

// TestMethods wants every token once, of pieces that say whose they are, in rows that are as full as the method says.
func TestMethods(t *testing.T) {
	for _, m := range methods {
		t.Run(m.Name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			for range 60 {
				in := &listed{width: []int{2, 4}[rng.IntN(2)]}
				o := Options{Row: 2 + rng.IntN(60), Width: in.width, Masked: rng.IntN(2) == 0, Pad: rng.IntN(2) == 0, PadID: padID}
				for range rng.IntN(200) {
					in.lengths = append(in.lengths, 1+rng.IntN(1+rng.IntN(5*o.Row)))
				}
				lengths := slices.Clone(in.lengths)
				seq := m.New(in, o)
				if p, ok := seq.(*bestFitRows); ok {
					p.maxDocuments, p.maxTokens = 1+rng.IntN(80), 1+rng.IntN(3000)
				}
				checkRows(t, m.Name, seq, lengths, o, in.dtype())
			}
		})
	}
}

func checkRows(t *testing.T, method string, seq Sequences, lengths []int, o Options, dtype format.Dtype) {
	t.Helper()
	begins, total := make([]int, len(lengths)), 0
	for i, n := range lengths {
		begins[i] = total
		total += n
	}
	next := make([]int, len(lengths)) // token that the next piece of each document begins with
	tokens, short := 0, 0
	for {
		s, ok, err := seq.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		ids := dtype.AppendIDs(nil, s.Tokens)
		if len(ids) == 0 || len(ids) > o.Row || o.Pad && len(ids) != o.Row || o.Masked != (s.Mask != nil) || o.Masked && len(s.Mask) != len(ids) {
			t.Fatalf("a row of %d tokens of %d, its mask of %d", len(ids), o.Row, len(s.Mask))
		}
		real := len(ids)
		for k, p := range s.Pieces {
			end := len(ids)
			if k+1 < len(s.Pieces) {
				end = s.Pieces[k+1].Start
			}
			if p.Padding {
				if k != len(s.Pieces)-1 || !o.Pad || slices.ContainsFunc(ids[p.Start:end], func(id uint32) bool { return id != padID }) {
					t.Fatalf("padding %v of %v", p, s.Pieces)
				}
				if o.Masked && bytes.IndexByte(s.Mask[p.Start:end], 1) >= 0 {
					t.Fatal("padding is learnt")
				}
				real = p.Start
				continue
			}
			d := int(p.ID)
			if int(p.From) != next[d] || p.Continues != (p.From > 0) || int(p.Source) != d%3 || int(p.Copy) != d%2 || p.Last != (next[d]+end-p.Start == lengths[d]) {
				t.Fatalf("piece %+v of document %d, which goes on with %d", p, d, next[d])
			}
			for j, id := range ids[p.Start:end] {
				if int(id) != begins[d]+next[d]+j {
					t.Fatalf("token %d of piece %+v is %d", j, p, id)
				}
				if o.Masked && s.Mask[p.Start+j] != 1 && (d%3 > 0 || id%2 == 1) || o.Masked && d%3 == 0 && id%2 == 0 && s.Mask[p.Start+j] != 0 {
					t.Fatalf("token %d of document %d has the mask %d", id, d, s.Mask[p.Start+j])
				}
			}
			next[d] += end - p.Start
			tokens += end - p.Start
			if !p.Last && end != o.Row {
				t.Fatalf("%s cuts a document where a row is not full", method)
			}
			if method == "document" && k > 0 {
				t.Fatal("two documents in a row")
			}
		}
		if real < o.Row {
			short++
		}
	}
	if tokens != total {
		t.Fatalf("%d tokens of %d", tokens, total)
	}
	if method == "concat" && short > 1 {
		t.Fatalf("%d rows are not full", short)
	}
}

// TestWhole wants documents as they are.
func TestWhole(t *testing.T) {
	in := &listed{lengths: []int{3, 1, 500}, width: 2}
	w := Whole(in, Options{Width: 2, Masked: true})
	for i, n := range []int{3, 1, 500} {
		s, ok, err := w.Next()
		if err != nil || !ok || len(s.Tokens) != 2*n || len(s.Mask) != n || len(s.Pieces) != 1 || s.Pieces[0] != (format.Piece{ID: uint64(i), Source: uint16(i), Copy: uint16(i % 2), Last: true}) {
			t.Errorf("document %d: %+v, %v, %v", i, s, ok, err)
		}
	}
	if _, ok, err := w.Next(); ok || err != nil {
		t.Errorf("behind the last: %v, %v", ok, err)
	}
}

// TestFill has documents as long as web pages are: lognormal, half of them below 250 tokens.
func TestFill(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	in := &listed{width: 4}
	for range 12_000 {
		n := 500.0
		for range 12 { // near enough to normal, and the same everywhere
			n *= 0.45 + float64(1.1*float64(rng.IntN(1000)))/1000
		}
		in.lengths = append(in.lengths, 1+int(n))
	}
	p := newBestFit(in, Options{Row: 2048, Width: 4})
	rows, tokens := 0, 0
	for {
		s, ok, err := p.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		rows++
		tokens += len(s.Tokens) / 4
	}
	if fill := float64(tokens) / float64(rows*2048); tokens != in.n || fill < 0.996 {
		t.Errorf("%d rows, fill %v", rows, fill)
	} else {
		t.Logf("%d rows, fill %v", rows, fill)
	}
}

// same gives one document again and again.
type same struct {
	d    Document
	left int
}

func (s *same) Next() (Document, bool, error) {
	s.left--
	return s.d, s.left >= 0, nil
}

func TestRowsAllocate(t *testing.T) {
	d := Document{Tokens: make([]byte, 2*300), Mask: make([]byte, 300)}
	for _, m := range methods {
		in := &same{d, 30_000}
		seq := m.New(in, Options{Row: 2048, Width: 2, Masked: true, Pad: true})
		row := func() {
			if _, ok, err := seq.Next(); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		for range 700 {
			row()
		}
		if n := testing.AllocsPerRun(700, row); n > 0.1 {
			t.Errorf("%s: %v allocations a row", m.Name, n)
		}
	}
}
