package format

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// boundsOf is the file of bounds of sequences.
func boundsOf(t testing.TB, s Set, sequences []Sequence) []byte {
	t.Helper()
	w := BoundsWriter{}
	if s.Packed {
		w.Width = s.Length
	}
	for _, q := range sequences {
		if err := w.Add(q.Pieces, len(q.Tokens)/s.Dtype.Size()); err != nil {
			t.Fatal(err)
		}
	}
	var b, again bytes.Buffer
	if err := w.Write(&b); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(&again); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Fatal("bounds were written twice, and differ")
	}
	return b.Bytes()
}

// TestBoundsRoundTrip reads what was written, in any order, whether the writer held it or wrote it at once.
func TestBoundsRoundTrip(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 2))
		s := Set{Dtype: Uint16, Vocabulary: 300, EOD: 299, Length: 1 + rng.IntN(40), Packed: rng.IntN(2) == 0}
		sequences := randomSequences(rng, s, Traits{Padded: rng.IntN(2) == 0}, rng.IntN(60))
		file := boundsOf(t, s, sequences)
		b, err := OpenBounds(fileOf("x", file))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := b.Check(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if !slices.Equal(b.Ends(), endsOf(s.Dtype, sequences)) || b.Sequences() != int64(len(sequences)) || b.Width() > 0 != s.Packed {
			t.Fatalf("seed %d: width %d, ends %v", seed, b.Width(), b.Ends())
		}
		pieces := int64(0)
		for _, i := range rng.Perm(len(sequences)) {
			got, err := b.AppendPieces(nil, int64(i))
			if err != nil || !slices.Equal(got, sequences[i].Pieces) {
				t.Fatalf("seed %d: sequence %d: %v, %v, want %v", seed, i, got, err, sequences[i].Pieces)
			}
			pieces += int64(len(got))
			from, to := b.Tokens(int64(i))
			if int(to-from) != len(sequences[i].Tokens)/2 {
				t.Errorf("seed %d: sequence %d is %d to %d", seed, i, from, to)
			}
			name, at := b.Place(int64(i))
			if n := Uint32.AppendIDs(nil, file[at:][:4])[0]; name != "x" || int64(n) != to-from {
				t.Errorf("seed %d: %d stands where the tokens of sequence %d should", seed, n, i)
			}
		}
		if b.Pieces() != pieces {
			t.Errorf("seed %d: %d pieces, want %d", seed, b.Pieces(), pieces)
		}
		var head, rows, parts bytes.Buffer
		w := BoundsWriter{Width: b.Width(), Rows: &rows, Pieces: &parts}
		for _, q := range sequences {
			if err := w.Add(q.Pieces, len(q.Tokens)/2); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Head(&head); err != nil || !bytes.Equal(slices.Concat(head.Bytes(), rows.Bytes(), parts.Bytes()), file) {
			t.Errorf("seed %d: written at once the file differs", seed)
		}
	}
}

// boundsFile is a row of 6 tokens with two pieces and one of padding, and a row of 2 that goes on with the second.
func boundsFile() []byte {
	le := func(ids ...uint32) []byte { return Uint32.AppendBytes(nil, ids) }
	return slices.Concat([]byte(boundsMagic), le(2, 6), le(2, 0), le(4, 0),
		le(3, 6), le(1, 2),
		le(1<<29, 0), le(5, 1<<8), []byte{1, 0, 2, 0},
		le(2, 0), le(6, 1<<8), []byte{3, 0, 0, 0},
		le(1<<30|5, 0), le(0, 0), []byte{0, 0, 0, 0},
		le(1<<31|1<<29, 3), le(6, 1<<8), []byte{3, 0, 0, 0})
}

// TestBoundsBytes is the file by hand.
func TestBoundsBytes(t *testing.T) {
	rows := [][]Piece{
		{{Last: true, ID: 1<<40 + 5, Source: 1, Copy: 2}, {Start: 2, ID: 1<<40 + 6, Source: 3}, {Start: 5, Padding: true}},
		{{Continues: true, Last: true, From: 3, ID: 1<<40 + 6, Source: 3}},
	}
	w := BoundsWriter{Width: 6}
	for i, n := range []int{6, 2} {
		if err := w.Add(rows[i], n); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := w.Write(&b); err != nil || !bytes.Equal(b.Bytes(), boundsFile()) {
		t.Errorf("%q\nwant %q", b.Bytes(), boundsFile())
	}
	r, err := OpenBounds(fileOf("x", boundsFile()))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range rows {
		if got, err := r.AppendPieces(nil, int64(i)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("row %d: %v, %v", i, got, err)
		}
	}
}

// TestBoundsFaults wants the very byte.
func TestBoundsFaults(t *testing.T) {
	const pieces = boundsHeader + 2*boundsRow
	for _, c := range []struct {
		what string
		at   int
		put  string
		want int64
	}{
		{"magic", 1, "x", 0},
		{"version", 8, "\x01", 8},
		{"width", 14, "\x20", 12},
		{"a width of documents", 12, "\x00", pieces},
		{"a width that rows are beyond", 12, "\x05", boundsHeader + 4},
		{"sequences", 16, "\x03", 16},
		{"sequences beyond any file", 23, "\xff", 16},
		{"pieces", 24, "\x03", 16},
		{"pieces beyond any file", 31, "\x7f", 24},
		{"no pieces", boundsHeader, "\x00", boundsHeader},
		{"more pieces than tokens", boundsHeader, "\x07", boundsHeader},
		{"a piece less", boundsHeader, "\x02", 24},
		{"more tokens than a start can say", boundsHeader + 7, "\x20", boundsHeader},
		{"a first piece that is not at 0", pieces, "\x01", pieces},
		{"a second one at 0", pieces + boundsPiece, "\x00", pieces + boundsPiece},
		{"a piece behind the row", pieces + boundsPiece, "\x06", pieces + boundsPiece},
		{"a beginning that is not marked", pieces + 4, "\x01", pieces},
		{"a mark without beginning", pieces + 3, "\xa0", pieces},
		{"padding before a piece", pieces + boundsPiece + 3, "\x40", pieces + boundsPiece},
		{"padding with a record", pieces + 2*boundsPiece + 8, "\x01", pieces + 2*boundsPiece},
		{"padding that is its document's last", pieces + 2*boundsPiece + 3, "\x60", pieces + 2*boundsPiece},
		{"a row of padding", pieces + 3*boundsPiece + 3, "\x40", pieces + 3*boundsPiece},
	} {
		b := boundsFile()
		copy(b[c.at:], c.put)
		r, err := OpenBounds(fileOf("x", b))
		if err == nil {
			err = r.Check()
		}
		wantFault(t, c.what, err, "x", c.want)
	}
	for n := range boundsFile() {
		if _, err := OpenBounds(fileOf("x", boundsFile()[:n])); err == nil {
			t.Errorf("cut off after %d bytes it was read", n)
		} else {
			onlyFaults(t, err)
		}
	}
}
