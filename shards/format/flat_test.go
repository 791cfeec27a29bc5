package format

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// flatReference are the documents of testdata/reference/reference.py.
func flatReference(s Set, t Traits) []Sequence {
	var sequences []Sequence
	for k, n := range []int{3, 1, 0, 17, 40, 2} {
		var ids []uint32
		for j := range n {
			ids = append(ids, uint32((k*7919+j*104_729+5)%(s.Vocabulary-1)))
		}
		if t.EODFirst {
			ids = append([]uint32{uint32(s.EOD)}, ids...)
		} else {
			ids = append(ids, uint32(s.EOD))
		}
		piece := Piece{Last: true, ID: 3<<40 + uint64(37*k), Source: uint16(k % 3), Copy: uint16(k)}
		sequences = append(sequences, Sequence{Tokens: s.Dtype.AppendBytes(nil, ids), Pieces: []Piece{piece}})
	}
	return sequences
}

// flatUnpacked is what a gzip holds.
func flatUnpacked(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return b
}

func flatPacked(b []byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	z.Write(b)
	z.Close()
	return buf.Bytes()
}

// flatFiles are those that a reference wrote.
func flatFiles(t testing.TB, f Format, name string) (files [][]byte) {
	t.Helper()
	for _, suffix := range f.Suffixes() {
		b, err := os.ReadFile(filepath.Join("testdata/reference", f.Name()+"-"+name+suffix))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	return files
}

// TestFlatReference compares with the writers of the trainers' own tools, both ways, and finds documents without bounds.
func TestFlatReference(t *testing.T) {
	for _, c := range []struct {
		f          Format
		name       string
		vocabulary int
	}{
		{Datatrove{}, "u16", 65_536}, {Datatrove{}, "u32", 128_256},
		{LLMC{}, "u16", 65_536}, {LLMC{}, "u32", 128_256},
		{NanoGPT{}, "u16", 50_257},
		{OLMo{}, "u16", 65_536}, {OLMo{}, "u32", 128_256},
	} {
		t.Run(c.f.Name()+"-"+c.name, func(t *testing.T) {
			d, err := c.f.Dtype(c.vocabulary)
			if err != nil {
				t.Fatal(err)
			}
			s := Set{Dtype: d, Vocabulary: c.vocabulary, EOD: c.vocabulary - 1, Length: 16, Tokenizer: "sha256:0123"}
			sequences := flatReference(s, c.f.Traits())
			want, got := flatFiles(t, c.f, c.name), writtenShard(t, c.f, s, sequences)
			for i, suffix := range c.f.Suffixes() {
				w, g := want[i], got[i]
				if strings.HasSuffix(suffix, ".gz") { // the reference's has the time in it
					w, g = flatUnpacked(t, w), flatUnpacked(t, g)
				}
				if !bytes.Equal(w, g) {
					t.Errorf("%s is %q\nwant %q", suffix, g, w)
				}
			}
			for _, ends := range [][]int64{endsOf(d, sequences), nil} {
				r, err := openShard(c.f, s, want, ends)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Check(); err != nil {
					t.Error(err)
				}
				if r.Sequences() != int64(len(sequences)) || r.Dtype() != d {
					t.Fatalf("%d sequences of %v", r.Sequences(), r.Dtype())
				}
				for i := range sequences {
					if ids, err := r.AppendTokens(nil, int64(i)); err != nil || !slices.Equal(ids, idsOf(d, &sequences[i])) {
						t.Errorf("document %d is %v, %v", i, ids, err)
					}
				}
			}
		})
	}
}

// TestDatatroveMetric compares with humanize.
func TestDatatroveMetric(t *testing.T) {
	b, err := os.ReadFile("testdata/reference/humanize.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for _, line := range lines {
		number, want, _ := strings.Cut(line, "\t")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := datatroveMetric(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	if len(lines) < 100 {
		t.Errorf("%d lines", len(lines))
	}
}

// TestFlatDtypes wants the last vocabulary of two bytes, and the first of four.
func TestFlatDtypes(t *testing.T) {
	for _, f := range []Format{Datatrove{}, LLMC{}, NanoGPT{}, OLMo{}} {
		if d, err := f.Dtype(65_536); d != Uint16 || err != nil {
			t.Errorf("%s: %v, %v", f.Name(), d, err)
		}
		d, err := f.Dtype(65_537)
		if f.Name() == "nanogpt" {
			if err == nil || !strings.Contains(err.Error(), "nanoGPT reads uint16 only") {
				t.Errorf("%s: %v, %v", f.Name(), d, err)
			}
		} else if d != Uint32 || err != nil {
			t.Errorf("%s: %v, %v", f.Name(), d, err)
		}
	}
}

// TestFlatFind finds documents by their EOD, 9, across windows too.
func TestFlatFind(t *testing.T) {
	for _, c := range []struct {
		ids           []uint32
		behind, front []int64
	}{
		{nil, []int64{}, []int64{}},
		{[]uint32{1}, []int64{1}, []int64{1}},
		{[]uint32{9}, []int64{1}, []int64{1}},
		{[]uint32{9, 9}, []int64{1, 2}, []int64{1, 2}},
		{[]uint32{1, 9, 2, 3, 9}, []int64{2, 5}, []int64{1, 4, 5}},
		{[]uint32{9, 2, 3, 9, 4}, []int64{1, 4, 5}, []int64{3, 5}},
		{append(make([]uint32, 3*windowSize), 9, 1), []int64{3*windowSize + 1, 3*windowSize + 2}, []int64{3 * windowSize, 3*windowSize + 2}},
	} {
		for _, f := range []Format{NanoGPT{}, LLMC{}} {
			s := Set{Dtype: Uint16, Vocabulary: 300, EOD: 9}
			files := writtenShard(t, f, s, []Sequence{{Tokens: Uint16.AppendBytes(nil, c.ids)}})
			r, err := openShard(f, s, files, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := c.behind
			if f.Traits().EODFirst {
				want = c.front
			}
			var ends []int64
			at := int64(0)
			for i := range r.Sequences() {
				ids, err := r.AppendTokens(nil, i)
				if err != nil || !slices.Equal(ids, c.ids[at:at+int64(len(ids))]) {
					t.Errorf("%s: document %d: %v", f.Name(), i, err)
				}
				at += int64(len(ids))
				ends = append(ends, at)
			}
			if !slices.Equal(ends, want) {
				t.Errorf("%s: %.10v ends at %v, want %v", f.Name(), c.ids, ends, want)
			}
			s.EOD = NoEOD
			_, err = openShard(f, s, files, nil)
			wantFault(t, f.Name()+" without EOD", err, "x.bin", -1)
		}
	}
}

// TestFlatFaults wants the very byte.
func TestFlatFaults(t *testing.T) {
	csv := func(lines ...string) []byte { return flatPacked([]byte(strings.Join(lines, ""))) }
	const ids = "\x01\x00\x02\x00\x03\x00\x04\x00"
	const a, b, pad = "0,2,5,source-1,0\r\n", "2,4,6,source-1,0\r\n", "0,1,5,source-1,0\r\n"
	header := func(change func(h []byte)) []byte {
		h := make([]byte, llmcHeader)
		copy(h, "\x88\xd8\x34\x01\x01\x00\x00\x00\x04")
		change(h)
		return append(h, ids...)
	}
	unchanged := func([]byte) {}
	index := func(ends ...uint32) []byte {
		var b []byte
		for _, e := range ends {
			b = Uint32.AppendBytes(b, []uint32{e, 0})
		}
		return b
	}
	short := []int64{2, 4}
	for _, c := range []struct {
		what   string
		f      Format
		packed bool
		files  [][]byte
		ends   []int64
		want   string // "" for none
		at     int64
	}{
		{"nothing", NanoGPT{}, false, [][]byte{[]byte(ids)}, short, "", 0},
		{"half an id", NanoGPT{}, false, [][]byte{[]byte(ids + "\x01")}, nil, "x.bin", 8},
		{"too few sequences", NanoGPT{}, false, [][]byte{[]byte(ids)}, []int64{2}, "x.bin", 4},
		{"too many sequences", NanoGPT{}, false, [][]byte{[]byte(ids)}, []int64{2, 9}, "x.bin", 8},
		{"no sequences", NanoGPT{}, false, [][]byte{[]byte(ids)}, []int64{}, "x.bin", 0},

		{"nothing", LLMC{}, false, [][]byte{header(unchanged)}, short, "", 0},
		{"a short header", LLMC{}, false, [][]byte{header(unchanged)[:1000]}, nil, "x.bin", 1000},
		{"magic", LLMC{}, false, [][]byte{header(func(h []byte) { h[2] = 9 })}, nil, "x.bin", 0},
		{"version", LLMC{}, false, [][]byte{header(func(h []byte) { h[4] = 7 })}, nil, "x.bin", 4},
		{"tokens", LLMC{}, false, [][]byte{header(func(h []byte) { h[8] = 3 })}, nil, "x.bin", 8},
		{"a negative number of tokens", LLMC{}, false, [][]byte{header(func(h []byte) { h[11] = 0x80 })}, nil, "x.bin", 8},
		{"zeros", LLMC{}, false, [][]byte{header(func(h []byte) { h[700] = 1 })}, short, "x.bin", 700},
		{"too few sequences", LLMC{}, false, [][]byte{header(unchanged)}, []int64{3}, "x.bin", llmcHeader + 6},

		{"nothing", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 4), []byte("f|2\n4\n4.00 T")}, nil, "", 0},
		{"half an id", Datatrove{}, false, [][]byte{[]byte(ids + "\x01"), index(2, 4), []byte("f|2\n4\n4.00 T")}, nil, "x.ds", 8},
		{"half an end", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 4)[:13], []byte("f|2\n4\n4.00 T")}, nil, "x.ds.index", 8},
		{"an end behind the tokens", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 5), []byte("f|2\n4\n4.00 T")}, nil, "x.ds.index", 8},
		{"an end before the last", Datatrove{}, false, [][]byte{[]byte(ids), index(3, 2, 4), []byte("f|2\n4\n4.00 T")}, nil, "x.ds.index", 8},
		{"too few sequences", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 3), []byte("f|2\n4\n4.00 T")}, nil, "x.ds", 6},
		{"another tokenizer", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 4), []byte("g|2\n4\n4.00 T")}, nil, "x.ds.metadata", 0},
		{"another size", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 4), []byte("f|4\n4\n4.00 T")}, nil, "x.ds.metadata", 2},
		{"another number", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 4), []byte("f|2\n5\n4.00 T")}, nil, "x.ds.metadata", 4},
		{"another number for people", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 4), []byte("f|2\n4\n4.01 T")}, nil, "x.ds.metadata", 9},
		{"a line end", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 4), []byte("f|2\n4\n4.00 T\n")}, nil, "x.ds.metadata", 12},
		{"a lost line", Datatrove{}, false, [][]byte{[]byte(ids), index(2, 4), []byte("f|2\n4")}, nil, "x.ds.metadata", 5},

		{"nothing", OLMo{}, false, [][]byte{[]byte(ids), csv(a, b)}, short, "", 0},
		{"nothing, without ends", OLMo{}, false, [][]byte{[]byte(ids), csv(a, b)}, nil, "", 0},
		{"nothing, in a row", OLMo{}, true, [][]byte{[]byte(ids), csv(a, b)}, []int64{4}, "", 0},
		{"padding", OLMo{}, true, [][]byte{[]byte(ids), csv(pad, b)}, short, "", 0},
		{"padding at the end", OLMo{}, true, [][]byte{[]byte(ids), csv(a, "2,3,6,source-1,7\r\n")}, short, "", 0},
		{"half an id", OLMo{}, false, [][]byte{[]byte(ids + "\x01"), csv(a, b)}, short, "x.npy", 8},
		{"no gzip", OLMo{}, false, [][]byte{[]byte(ids), []byte(a + b)}, short, "x.csv.gz", -1},
		{"half a gzip", OLMo{}, false, [][]byte{[]byte(ids), csv(a, b)[:30]}, short, "x.csv.gz", -1},
		{"two gzips", OLMo{}, false, [][]byte{[]byte(ids), append(csv(a), csv(b)...)}, short, "x.csv.gz", -1},
		{"more behind it", OLMo{}, false, [][]byte{[]byte(ids), append(csv(a, b), 0)}, short, "x.csv.gz", -1},
		{"padding in a set of documents", OLMo{}, false, [][]byte{[]byte(ids), csv(pad, b)}, short, "x.csv.gz", -1},
		{"a piece in a set of documents", OLMo{}, false, [][]byte{[]byte(ids), csv("0,2,5,source-1,3\r\n", b)}, short, "x.csv.gz", -1},
		{"pieces in a set of documents", OLMo{}, false, [][]byte{[]byte(ids), csv(a, b)}, []int64{4}, "x.csv.gz", -1},
		{"a gap between pieces", OLMo{}, true, [][]byte{[]byte(ids), csv(pad, b)}, []int64{4}, "x.csv.gz", -1},
		{"a gap in front", OLMo{}, true, [][]byte{[]byte(ids), csv(b)}, []int64{4}, "x.csv.gz", -1},
		{"a row without a document", OLMo{}, true, [][]byte{[]byte(ids), csv(b)}, short, "x.csv.gz", -1},
		{"a last row without a document", OLMo{}, true, [][]byte{[]byte(ids), csv(a)}, short, "x.csv.gz", -1},
		{"a piece across rows", OLMo{}, true, [][]byte{[]byte(ids), csv("0,3,5,source-1,0\r\n", "3,4,6,source-1,0\r\n")}, short, "x.csv.gz", -1},
		{"a lost line", OLMo{}, false, [][]byte{[]byte(ids), csv(a)}, short, "x.csv.gz", -1},
		{"a lost line, without ends", OLMo{}, false, [][]byte{[]byte(ids), csv(a)}, nil, "x.npy", 4},
		{"a gap, without ends", OLMo{}, false, [][]byte{[]byte(ids), csv(pad, b)}, nil, "x.csv.gz", -1},
		{"an empty document", OLMo{}, true, [][]byte{[]byte(ids), csv("0,0,5,source-1,0\r\n", a, b)}, short, "x.csv.gz", -1},
		{"lines backwards", OLMo{}, true, [][]byte{[]byte(ids), csv(b, a)}, short, "x.csv.gz", -1},
		{"an end behind the tokens", OLMo{}, false, [][]byte{[]byte(ids), csv(a, "2,5,6,source-1,0\r\n")}, short, "x.csv.gz", -1},
		{"no number", OLMo{}, false, [][]byte{[]byte(ids), csv(a, "x\r\n")}, short, "x.csv.gz", -1},
		{"a negative number", OLMo{}, false, [][]byte{[]byte(ids), csv("-1,2,5,source-1,0\r\n", b)}, nil, "x.csv.gz", -1},
		{"another line end", OLMo{}, false, [][]byte{[]byte(ids), csv(a, "2,4,6,source-1,0\n")}, short, "x.csv.gz", -1},
		{"a leading zero", OLMo{}, false, [][]byte{[]byte(ids), csv(a, "2,4,06,source-1,0\r\n")}, short, "x.csv.gz", -1},
		{"another source", OLMo{}, false, [][]byte{[]byte(ids), csv(a, "2,4,6,s3://x,0\r\n")}, short, "x.csv.gz", -1},
		{"a column more", OLMo{}, false, [][]byte{[]byte(ids), csv(a, "2,4,6,source-1,0,\r\n")}, short, "x.csv.gz", -1},
		{"two columns", OLMo{}, false, [][]byte{[]byte(ids), csv("0,2\n", "2,4\n")}, short, "x.csv.gz", -1},
		{"a line without end", OLMo{}, false, [][]byte{[]byte(ids), csv(a, "2,4,", strings.Repeat("6", olmoLine))}, nil, "x.csv.gz", -1},
	} {
		r, err := openShard(c.f, Set{Dtype: Uint16, Vocabulary: 300, EOD: 2, Packed: c.packed, Tokenizer: "f"}, c.files, c.ends)
		if err == nil {
			err = r.Check()
		}
		what := fmt.Sprintf("%s: %s", c.f.Name(), c.what)
		if c.want != "" {
			wantFault(t, what, err, c.want, c.at)
		} else if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestOLMoForeign reads a table with two columns, as OLMo-core's write_document_indices makes it; only Check minds.
func TestOLMoForeign(t *testing.T) {
	ids := Uint16.AppendBytes(nil, []uint32{1, 2, 9, 9, 3, 9})
	r, err := openShard(OLMo{}, Set{Dtype: Uint16, EOD: 9}, [][]byte{ids, flatPacked([]byte("0,3\n3,4\n4,6\n"))}, nil)
	if err != nil || r.Sequences() != 3 {
		t.Fatal(r, err)
	}
	if got, err := r.AppendTokens(nil, 2); err != nil || !slices.Equal(got, []uint32{3, 9}) {
		t.Error(got, err)
	}
	wantFault(t, "the table", r.Check(), "x.csv.gz", -1)
}

// TestOLMoDevice wants an error of the device to stay one.
func TestOLMoDevice(t *testing.T) {
	ids := Uint16.AppendBytes(nil, []uint32{1, 9})
	_, err := OLMo{}.Open([]File{fileOf("x.npy", ids), {"x.csv.gz", flatBroken{}, 100}}, Set{Dtype: Uint16, EOD: 9}, nil)
	if err == nil || err.Error() != "x.csv.gz: the device is gone" {
		t.Error(err)
	}
}

type flatBroken struct{}

func (flatBroken) ReadAt([]byte, int64) (int, error) { return 0, fmt.Errorf("the device is gone") }

// TestFlatWriters refuse what their files cannot hold.
func TestFlatWriters(t *testing.T) {
	s := Set{Dtype: Uint16, Tokenizer: "a|b"}
	if err := (Datatrove{}).NewWriter(s).Side(datatroveMetadata, io.Discard); err == nil {
		t.Error("a tokenizer called a|b was written")
	}
	if err := (OLMo{}).NewWriter(s).Append(io.Discard, &Sequence{Tokens: make([]byte, 2)}); err != errPieces {
		t.Error(err)
	}
	l := &llmcWriter{dtype: Uint16, tokens: 1<<31 - 3}
	if err := l.Append(io.Discard, &Sequence{Tokens: make([]byte, 4)}); err != nil {
		t.Error(err)
	}
	if err := l.Append(io.Discard, &Sequence{Tokens: make([]byte, 2)}); err != errTooMany {
		t.Error(err)
	}
}

// TestFlatAllocates wants no allocation for a sequence that is read.
func TestFlatAllocates(t *testing.T) {
	for _, f := range []Format{Datatrove{}, LLMC{}, Megatron{}, NanoGPT{}, OLMo{}} {
		s := Set{Dtype: Uint16, Vocabulary: 300, EOD: 299}
		sequences := flatReference(s, f.Traits())
		r, err := openShard(f, s, writtenShard(t, f, s, sequences), endsOf(Uint16, sequences))
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]uint32, 0, 100)
		i := int64(0)
		if n := testing.AllocsPerRun(100, func() {
			dst, _ = r.AppendTokens(dst[:0], i%r.Sequences())
			i++
		}); n > 0 {
			t.Errorf("%s: %v allocations a sequence", f.Name(), n)
		}
	}
}
