package format

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// streamWrite makes a shard as shards does: the sequences into a spool, and Lead in front of them. Before each it compares
// Size with what the file comes to.
func streamWrite(t testing.TB, f Format, s Set, sequences []Sequence) []byte {
	t.Helper()
	w := f.NewWriter(s)
	var spool bytes.Buffer
	for i := range sequences {
		size := w.Size(len(sequences[i].Tokens) / s.Dtype.Size())
		if err := w.Append(&spool, &sequences[i]); err != nil {
			t.Fatal(err)
		}
		var lead bytes.Buffer
		if err := w.Lead(&lead); err != nil {
			t.Fatal(err)
		}
		if got := int64(lead.Len() + spool.Len()); got != size {
			t.Fatalf("with sequence %d the file has %d bytes; Size said %d", i, got, size)
		}
	}
	if err := w.End(&spool); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := w.Lead(&out); err != nil {
		t.Fatal(err)
	}
	out.Write(spool.Bytes())
	return out.Bytes()
}

// streamOpen opens what must be right.
func streamOpen(t testing.TB, f Format, s Set, b []byte) Reader {
	t.Helper()
	r, err := f.Open([]File{fileOf("x"+f.Suffixes()[0], b)}, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	return r
}

// streamCompare compares sequence i with what was written.
func streamCompare(t *testing.T, r Reader, s Set, file []byte, i int, want Sequence) {
	t.Helper()
	ids, err := r.AppendTokens([]uint32{7}, int64(i))
	if err != nil {
		t.Fatal(err)
	}
	if ids[0] != 7 || !bytes.Equal(s.Dtype.AppendBytes(nil, ids[1:]), want.Tokens) {
		t.Fatalf("sequence %d was written with %d tokens and is read as %d others", i, len(want.Tokens)/s.Dtype.Size(), len(ids)-1)
	}
	if m, ok := r.(MaskReader); ok {
		mask := want.Mask
		if mask == nil {
			mask = bytes.Repeat([]byte{1}, len(ids)-1)
		}
		if got, err := m.AppendMask([]byte{7}, int64(i)); err != nil || got[0] != 7 || !bytes.Equal(got[1:], mask) {
			t.Fatalf("the mask of sequence %d is read as another, %v", i, err)
		}
	}
	k := len(ids) - 2
	_, at := r.Place(int64(i), int64(k))
	if got := s.Dtype.AppendIDs(nil, file[at:][:s.Dtype.Size()]); got[0] != ids[k+1] {
		t.Fatalf("token %d of sequence %d is %d, and Place says byte %d, where %d stands", k, i, ids[k+1], at, got[0])
	}
}

// streamRandom makes sequences of any length, or rows of width tokens.
func streamRandom(rng *rand.Rand, s Set, n, width int) []Sequence {
	out := make([]Sequence, n)
	for i := range out {
		tokens := 1 + rng.IntN(600)
		if rng.IntN(20) == 0 {
			tokens = 1 + rng.IntN(80_000)
		}
		if width > 0 {
			tokens = width
		}
		ids := make([]uint32, tokens)
		for k := range ids {
			ids[k] = rng.Uint32N(uint32(s.Vocabulary))
		}
		out[i].Tokens = s.Dtype.AppendBytes(nil, ids)
		if s.Masked && rng.IntN(4) > 0 {
			out[i].Mask = make([]byte, tokens)
			for k := range out[i].Mask {
				out[i].Mask[k] = byte(rng.IntN(2))
			}
		}
		if width > 0 { // padding, which nobody learns
			from := rng.IntN(width)
			clear(out[i].Tokens[from*s.Dtype.Size():])
			if out[i].Mask != nil {
				clear(out[i].Mask[from:])
			}
		}
	}
	return out
}

// streamRoundTrip writes random sequences and reads them in order, and then anywhere.
func streamRoundTrip(t *testing.T, f Format) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, vocabulary := range []int{256, 65_536, 65_537, 1<<31 - 1} {
		for _, masked := range []bool{false, true} {
			for _, width := range []int{0, 1, 129} {
				d, err := f.Dtype(vocabulary)
				if err != nil {
					t.Fatal(err)
				}
				s := Set{Dtype: d, Vocabulary: vocabulary, Packed: width > 0, Length: width, Masked: masked}
				sequences := streamRandom(rng, s, rng.IntN(40), width)
				file := streamWrite(t, f, s, sequences)
				r := streamOpen(t, f, s, file)
				if r.Dtype() != d || r.Sequences() != int64(len(sequences)) {
					t.Fatalf("%d sequences of %v were written, and %d of %v are read", len(sequences), d, r.Sequences(), r.Dtype())
				}
				for i := range sequences {
					streamCompare(t, r, s, file, i, sequences[i])
				}
				for range min(len(sequences), 10) {
					i := rng.IntN(len(sequences))
					streamCompare(t, r, s, file, i, sequences[i])
				}
			}
		}
	}
}

// streamGolden is what a reference wrote (testdata/streams.py).
func streamGolden(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.LimitReader(z, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// streamSequences are those of testdata/streams.py.
func streamSequences(s Set) []Sequence {
	var out []Sequence
	for j, n := range []int{1, 255, 256, 3, 65_535, 65_536} {
		var q Sequence
		ids := make([]uint32, n)
		for k := range ids {
			ids[k] = uint32((j*1009 + k%97*601) % s.Vocabulary)
		}
		q.Tokens = s.Dtype.AppendBytes(nil, ids)
		if s.Masked {
			for k := range n {
				q.Mask = append(q.Mask, byte(min(1, (j+k)%3)))
			}
		}
		out = append(out, q)
	}
	return out
}

// streamHurt changes single bytes of a shard, at those places, in all eight bits: opening or checking it must say so,
// and any error must be a fault.
func streamHurt(t *testing.T, f Format, s Set, file []byte, places func(at int) bool) {
	t.Helper()
	for at := range file {
		for bit := range 8 {
			hurt := bytes.Clone(file)
			hurt[at] ^= 1 << bit
			r, err := f.Open([]File{fileOf("x", hurt)}, s, nil)
			if err == nil {
				err = r.Check()
			}
			if places(at) && !errors.As(err, new(*Fault)) {
				t.Errorf("byte %d, bit %d was changed, and the answer is %v", at, bit, err)
			}
		}
	}
	for n := range file {
		for _, hurt := range [][]byte{file[:n], append(bytes.Clone(file), make([]byte, n+1)...)} {
			r, err := f.Open([]File{fileOf("x", hurt)}, s, nil)
			if err == nil {
				err = r.Check()
			}
			if !errors.As(err, new(*Fault)) {
				t.Errorf("the file has %d bytes instead of %d, and the answer is %v", len(hurt), len(file), err)
			}
		}
	}
}

// streamFuzz reads any shard. What passes Check is written again as it was.
func streamFuzz(t *testing.T, f Format, s Set, in []byte) {
	r, err := f.Open([]File{fileOf("x", in)}, s, nil)
	if err != nil {
		onlyFaults(t, err)
		return
	}
	checked := r.Check()
	onlyFaults(t, checked)
	m, masks := r.(MaskReader)
	s.Dtype = r.Dtype()
	w := f.NewWriter(s)
	var spool bytes.Buffer
	var q Sequence
	var ids []uint32
	for i := range min(r.Sequences(), 1000) {
		r.Place(i, 3)
		ids, err = r.AppendTokens(ids[:0], i)
		onlyFaults(t, err)
		q.Tokens = s.Dtype.AppendBytes(q.Tokens[:0], ids)
		if masks {
			if q.Mask, err = m.AppendMask(q.Mask[:0], i); err != nil {
				onlyFaults(t, err)
				return // Check does not look at masks
			}
		}
		if checked != nil {
			continue
		}
		if err := w.Append(&spool, &q); err != nil {
			t.Fatal(err)
		}
	}
	if checked != nil || r.Sequences() > 1000 {
		return
	}
	var out bytes.Buffer
	if err := w.Lead(&out); err != nil {
		t.Fatal(err)
	}
	out.Write(spool.Bytes())
	if !bytes.Equal(out.Bytes(), in) {
		t.Errorf("%q was read, and is written as %q", in, out.Bytes())
	}
}

func TestOffsetsTooLarge(t *testing.T) {
	for _, f := range []Format{LitData{}, MDS{}} {
		w := f.NewWriter(Set{Dtype: Int32})
		size := w.Size(1<<30 - 1)
		if size <= math.MaxUint32 {
			t.Fatalf("%s: Size is %d", f.Name(), size)
		}
	}
	o := offsetsWriter{format: "mds", config: "{}"}
	lead := int64(4*(1+2) + len(o.config))
	if err := o.add(math.MaxUint32 - lead + 1); err == nil || !strings.Contains(err.Error(), "mds") || len(o.ends) != 0 {
		t.Errorf("2^32 bytes: %v", err)
	}
	if err := o.add(math.MaxUint32 - lead); err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := o.write(&b); err != nil || binary.LittleEndian.Uint32(b.Bytes()[8:]) != math.MaxUint32 {
		t.Errorf("%x, %v", b.Bytes(), err)
	}
	if err := o.add(0); err == nil {
		t.Error("the next offset makes the shard too large")
	}
}

// TestOffsetsFaults has what a header can claim. Nothing of the size that it claims is allocated.
func TestOffsetsFaults(t *testing.T) {
	words := func(v ...uint32) (b []byte) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return b
	}
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "x (byte 0): the file ends within its header of 8 bytes", nil},
		{"count", "x (byte 0): 4294967295 sequences need more than the 8 bytes that follow", words(math.MaxUint32, 12, 12)},
		{"first in table", "x (byte 4): the first sequence begins at byte 8; the offsets end at 12, and the file at 16", words(1, 8, 16, 0)},
		{"first behind", "x (byte 4): the first sequence begins at byte 4294967295; the offsets end at 12, and the file at 16", words(1, math.MaxUint32, 16, 0)},
		{"gap", "x (byte 4): the first sequence begins at byte 16, and the offsets end at 12", words(1, 16, 16, 0)},
		{"falls", "x (byte 8): sequence 1 lies from byte 20 to 16; the first begins at 16, and the file has 20", words(2, 16, 20, 16, 0)},
		{"odd", "x (byte 4): sequence 0 has 3 bytes, and a token of int32 has 4", words(1, 12, 15, 0)},
		{"rest", "x (byte 8): the last sequence ends at byte 12, and the file has 16", words(1, 12, 12, 0)},
	} {
		r, err := LitData{}.Open([]File{fileOf("x", c.file)}, Set{Dtype: Int32}, nil)
		if err == nil {
			err = r.Check()
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v; %s", c.name, err, c.want)
		}
	}
	if _, err := (LitData{}).Open([]File{{"x", bytes.NewReader(words(0, 8)), 1 << 40}}, Set{Dtype: Int32}, nil); err == nil {
		t.Error("a file of 1 TiB has no offsets of 32 bits")
	}
}

// TestStreamAllocations: neither writing nor reading allocates for each sequence.
func TestStreamAllocations(t *testing.T) {
	for _, f := range []Format{LitData{}, MDS{}} {
		s := Set{Dtype: Uint16, Vocabulary: 1000, Masked: true}
		sequences := streamRandom(rand.New(rand.NewPCG(1, 2)), s, 64, 300)
		r := streamOpen(t, f, s, streamWrite(t, f, s, sequences))
		w := f.NewWriter(s)
		write := func() {
			for i := range sequences {
				if err := w.Append(io.Discard, &sequences[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		write() // the offsets grow now and then: 20 × 64 of them less than 20 times
		if n := testing.AllocsPerRun(20, write); n > 1 {
			t.Errorf("%s: writing 64 sequences allocates %v times", f.Name(), n)
		}
		var ids []uint32
		var mask []byte
		read := func() {
			for i := range r.Sequences() {
				var err error
				if ids, err = r.AppendTokens(ids[:0], i); err != nil {
					t.Fatal(err)
				}
				if m, ok := r.(MaskReader); ok {
					if mask, err = m.AppendMask(mask[:0], i); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		read()
		if n := testing.AllocsPerRun(20, read); n > 0 {
			t.Errorf("%s: reading 64 sequences allocates %v times", f.Name(), n)
		}
	}
}
