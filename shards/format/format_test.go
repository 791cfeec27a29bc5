package format

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func fileOf(name string, b []byte) File { return File{name, bytes.NewReader(b), int64(len(b))} }

// onlyFaults fails on an error that is no *Fault: nothing but the content can be wrong here.
func onlyFaults(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.As(err, new(*Fault)) {
		t.Errorf("%v is no fault", err)
	}
}

// wantFault wants a *Fault in the file, at the byte.
func wantFault(t *testing.T, what string, err error, file string, at int64) {
	t.Helper()
	var f *Fault
	if !errors.As(err, &f) || f.File != file || f.Offset != at {
		t.Errorf("%s: %v, want a fault in %s at byte %d", what, err, file, at)
	}
}

// randomSequences makes n sequences of a set as the format wants them: documents with their EOD, or rows of pieces,
// padded where its trainer counts tokens.
func randomSequences(rng *rand.Rand, s Set, t Traits, n int) []Sequence {
	id := func() uint32 { return uint32(rng.IntN(s.Vocabulary)) }
	sequences := make([]Sequence, n)
	for i := range sequences {
		var ids []uint32
		var pieces []Piece
		piece := func(tokens int) {
			p := Piece{Start: len(ids), ID: rng.Uint64(), Source: uint16(rng.Uint32()), Copy: uint16(rng.IntN(4))}
			p.Last = !s.Packed || rng.IntN(4) > 0
			if s.Packed && rng.IntN(4) == 0 {
				p.From, p.Continues = 1+uint32(rng.IntN(1e9)), true
			}
			pieces = append(pieces, p)
			for range tokens {
				ids = append(ids, id())
			}
			switch {
			case s.EOD == NoEOD:
			case t.EODFirst && !p.Continues:
				ids[p.Start] = uint32(s.EOD)
			case !t.EODFirst && p.Last:
				ids[len(ids)-1] = uint32(s.EOD)
			}
		}
		if s.Packed {
			width := s.Length + t.Extra
			for left := width; left > 0 && (len(pieces) == 0 || rng.IntN(4) > 0); left = width - len(ids) {
				piece(1 + rng.IntN(left))
			}
			if left := width - len(ids); t.Padded && left > 0 {
				pieces = append(pieces, Piece{Start: len(ids), Padding: true})
				ids = append(ids, slices.Repeat([]uint32{uint32(max(s.EOD, 0))}, left)...)
			}
		} else {
			piece(1 + rng.IntN(3*s.Length))
		}
		sequences[i] = Sequence{Tokens: s.Dtype.AppendBytes(nil, ids), Pieces: pieces}
		if s.Masked {
			for range ids {
				sequences[i].Mask = append(sequences[i].Mask, byte(rng.IntN(2)))
			}
		}
	}
	return sequences
}

// endsOf are where sequences end, in tokens.
func endsOf(d Dtype, sequences []Sequence) []int64 {
	ends := []int64{}
	n := int64(0)
	for _, s := range sequences {
		n += int64(len(s.Tokens) / d.Size())
		ends = append(ends, n)
	}
	return ends
}

// writtenShard is a shard's files in the order of Suffixes.
func writtenShard(t testing.TB, f Format, s Set, sequences []Sequence) [][]byte {
	t.Helper()
	w := f.NewWriter(s)
	var body, lead bytes.Buffer
	for i := range sequences {
		if err := w.Append(&body, &sequences[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(&body); err != nil {
		t.Fatal(err)
	}
	if err := w.Lead(&lead); err != nil {
		t.Fatal(err)
	}
	files := [][]byte{append(lead.Bytes(), body.Bytes()...)}
	for _, suffix := range f.Suffixes()[1:] {
		var side, again bytes.Buffer
		if err := errors.Join(w.Side(suffix, &side), w.Side(suffix, &again)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(side.Bytes(), again.Bytes()) {
			t.Errorf("%s: %s was written twice, and differs", f.Name(), suffix)
		}
		files = append(files, side.Bytes())
	}
	return files
}

// openShard gives the files the names x and their suffix.
func openShard(f Format, s Set, files [][]byte, ends []int64) (Reader, error) {
	var open []File
	for i, suffix := range f.Suffixes() {
		open = append(open, fileOf("x"+suffix, files[i]))
	}
	return f.Open(open, s, ends)
}

// idsOf are the ids of a sequence.
func idsOf(d Dtype, s *Sequence) []uint32 { return d.AppendIDs(nil, s.Tokens) }

// TestNames wants the table sorted, and found by name.
func TestNames(t *testing.T) {
	if !slices.IsSortedFunc(All(), func(a, b Format) int { return bytes.Compare([]byte(a.Name()), []byte(b.Name())) }) {
		t.Error("formats are not sorted by name")
	}
	for _, f := range All() {
		if got, err := Named(f.Name()); err != nil || got != f {
			t.Errorf("%s: %v, %v", f.Name(), got, err)
		}
	}
	if _, err := Named("megatrn"); err == nil {
		t.Error("megatrn was found")
	}
}

// TestRoundTrip is the law of Writer and Reader, for every format that holds documents: what is written is read, by
// sequence in any order, and each token stands where Place says.
func TestRoundTrip(t *testing.T) {
	for _, f := range All() {
		if f.Traits().Pairs {
			continue
		}
		t.Run(f.Name(), func(t *testing.T) {
			for seed := range uint64(30) {
				roundTrip(t, f, seed)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func roundTrip(t *testing.T, f Format, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 8))
	tr := f.Traits()
	s := Set{
		Vocabulary: []int{300, 65_536, 128_000}[rng.IntN(3)], Length: 1 + rng.IntN(40),
		Packed: rng.IntN(2) == 0, Masked: rng.IntN(2) == 0, Tokenizer: []string{"", "sha256:0123"}[rng.IntN(2)],
	}
	var err error
	if s.Dtype, err = f.Dtype(s.Vocabulary); err != nil {
		return
	}
	s.EOD = rng.IntN(s.Vocabulary)
	if !tr.Padded && rng.IntN(3) == 0 {
		s.EOD = NoEOD
	}
	sequences := randomSequences(rng, s, tr, []int{0, 1, 2, 40}[rng.IntN(4)])
	if rng.IntN(8) == 0 { // more than a window holds
		big := s
		big.Packed, big.Length = false, windowSize
		if !s.Packed {
			sequences = append(sequences, randomSequences(rng, big, tr, 2)...)
		}
	}
	files := writtenShard(t, f, s, sequences)
	if again := writtenShard(t, f, s, sequences); !slices.EqualFunc(files, again, bytes.Equal) {
		t.Error("the same sequences were written twice, and the files differ")
	}
	r, err := openShard(f, s, files, endsOf(s.Dtype, sequences))
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	if err := r.Check(); err != nil {
		t.Errorf("%+v: %v", s, err)
	}
	if r.Dtype() != s.Dtype || r.Sequences() != int64(len(sequences)) {
		t.Fatalf("%v and %d sequences, want %v and %d", r.Dtype(), r.Sequences(), s.Dtype, len(sequences))
	}
	order := rng.Perm(len(sequences))
	for i := range sequences {
		order = append(order, i)
	}
	var got []uint32
	for _, i := range order {
		want := idsOf(s.Dtype, &sequences[i])
		if got, err = r.AppendTokens(got[:0], int64(i)); err != nil || !slices.Equal(got, want) {
			t.Fatalf("sequence %d: %v, %v, want %v", i, got, err, want)
		}
		k := rng.IntN(len(want))
		name, at := r.Place(int64(i), int64(k))
		if which := slices.Index(f.Suffixes(), name[1:]); at >= 0 {
			if id := s.Dtype.AppendIDs(nil, files[which][at:][:s.Dtype.Size()]); id[0] != want[k] {
				t.Errorf("token %d of sequence %d is %d, and %d stands where it should lie, %s, byte %d", k, i, want[k], id[0], name, at)
			}
		} else if which < 0 {
			t.Errorf("token %d of sequence %d lies in %q", k, i, name)
		}
		if m, ok := r.(MaskReader); ok && s.Masked {
			if mask, err := m.AppendMask(nil, int64(i)); err != nil || !bytes.Equal(mask, sequences[i].Mask) {
				t.Errorf("sequence %d has the mask %v, %v, want %v", i, mask, err, sequences[i].Mask)
			}
		} else if s.Masked && tr.Mask == "" {
			t.Errorf("there is no place for a mask")
		}
	}
	truncated(t, f, s, files, endsOf(s.Dtype, sequences), rng)
}

// truncated cuts a file off, and wants the shard refused, by faults alone.
func truncated(t *testing.T, f Format, s Set, files [][]byte, ends []int64, rng *rand.Rand) {
	which := rng.IntN(len(files))
	if len(files[which]) == 0 {
		return
	}
	files = slices.Clone(files)
	files[which] = files[which][:rng.IntN(len(files[which]))]
	r, err := openShard(f, s, files, ends)
	if err == nil {
		err = r.Check()
		for i := range r.Sequences() {
			_, err := r.AppendTokens(nil, i)
			onlyFaults(t, err)
			r.Place(i, 0)
		}
	}
	onlyFaults(t, err)
	if err == nil {
		t.Errorf("%s was cut off after %d bytes, and nobody noticed", f.Suffixes()[which], len(files[which]))
	}
}

// TestFormats is what holds for all of them.
func TestFormats(t *testing.T) {
	for _, f := range All() {
		tr := f.Traits()
		if f.Name() == "" || f.Doc() == "" || len(f.Suffixes()) == 0 || tr.Single && tr.Name == "" {
			t.Errorf("%q: %q, %v, %+v", f.Name(), f.Doc(), f.Suffixes(), tr)
		}
		if slices.Contains(f.Suffixes(), tr.Mask) || slices.Contains(f.Suffixes(), BoundsSuffix) || tr.Mask == BoundsSuffix {
			t.Errorf("%s: suffixes %v, mask %q", f.Name(), f.Suffixes(), tr.Mask)
		}
		d, err := f.Dtype(300)
		if err != nil || fmt.Sprint(d) == "" {
			t.Errorf("%s: %v, %v", f.Name(), d, err)
		}
	}
}

// TestDtype wants each type's ids back from their bytes.
func TestDtype(t *testing.T) {
	for _, d := range []Dtype{Uint16, Int32, Uint32} {
		ids := []uint32{0, 1, 7, 65_535, 7}
		if d != Uint16 {
			ids = append(ids, 65_536, 1<<31-1)
		}
		b := d.AppendBytes(nil, ids)
		if got := d.AppendIDs(nil, append(slices.Clone(b), 9)); len(b) != d.Size()*len(ids) || !slices.Equal(got, ids) {
			t.Errorf("%v: %v, want %v", d, got, ids)
		}
		if n := d.Count(b, 7); n != 2 {
			t.Errorf("%v: 7 occurs %d times", d, n)
		}
		if again, ok := DtypeNamed(d.String()); !ok || again != d {
			t.Errorf("%v is found as %v", d, again)
		}
	}
	if _, ok := DtypeNamed("uint8"); ok {
		t.Error("uint8 was found")
	}
}

// TestWindow reads ranges in any order, and says where a file ends that was longer when it was opened.
func TestWindow(t *testing.T) {
	b := make([]byte, 3*windowSize+5)
	for i := range b {
		b[i] = byte(i * 7)
	}
	w := window{File: fileOf("x", b)}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		at := rng.IntN(len(b))
		n := rng.IntN(min(windowSize, len(b)-at) + 1)
		if got, err := w.bytes(int64(at), n); err != nil || !bytes.Equal(got, b[at:at+n]) {
			t.Fatalf("%d bytes from %d on: %v", n, at, err)
		}
	}
	_, err := w.bytes(int64(len(b)-3), 4)
	wantFault(t, "beyond the end", err, "x", int64(len(b)))
	w = window{File: File{"x", bytes.NewReader(b[:10]), 20}}
	_, err = w.bytes(8, 4)
	wantFault(t, "a file that shrank", err, "x", 10)
}
