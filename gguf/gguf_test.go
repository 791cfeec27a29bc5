package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestReference reads a file that gguf-py 0.19 wrote (GGUFWriter), and writes it again, byte for byte.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("testdata/gguf-py.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open("gguf-py.gguf", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Pair{
		{"general.architecture", "llama"}, {"a.u8", uint8(200)}, {"a.i8", int8(-100)}, {"a.u16", uint16(60000)}, {"a.i16", int16(-30000)},
		{"a.u32", uint32(4000000000)}, {"a.i32", int32(-2000000000)}, {"a.f32", float32(0.1)}, {"a.u64", uint64(1<<63 + 1)}, {"a.i64", int64(-1 << 62)},
		{"a.f64", 0.1}, {"a.bool", true}, {"a.text", "▁euskara"}, {"b.texts", []string{"<s>", "▁", "", "ñ"}}, {"b.ints", []int32{1, -2, 3}},
		{"b.floats", []float32{0.5, -1.5}}, {"b.bools", []bool{true, false}},
	}
	if !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("%#v", f.Metadata)
	}
	tensors := []Tensor{{"one", F32, []int64{3, 64}, 0}, {"half", F16, []int64{5}, 768}, {"eight", Q8_0, []int64{3, 64}, 800}, {"four", Q4_0, []int64{3, 64}, 1024}}
	if !reflect.DeepEqual(f.Tensors, tensors) {
		t.Errorf("%#v", f.Tensors)
	}
	if f.Lookup("a.text") != "▁euskara" || f.Lookup("a.none") != nil || f.Tensor("four") != &f.Tensors[3] || f.Tensor("none") != nil {
		t.Error("keys and tensors are not found")
	}
	number := make([]byte, 4)
	if err := f.Read(f.Tensor("one"), 4*100, number); err != nil || math.Float32frombits(binary.LittleEndian.Uint32(number)) != 10/float32(7) {
		t.Error(err, number)
	}
	var again bytes.Buffer
	w, err := NewWriter(&again, f.Metadata, slices.Clone(f.Tensors))
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Tensors {
		n, err := f.Tensors[i].Bytes()
		if err != nil {
			t.Fatal(err)
		}
		x := make([]byte, n)
		if err := f.Read(&f.Tensors[i], 0, x); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || !bytes.Equal(again.Bytes(), b) {
		t.Errorf("what was written again differs: %v", err)
	}
}

// values are one of each kind.
var values = []any{
	uint8(1), int8(-1), uint16(2), int16(-2), uint32(3), int32(-3), uint64(4), int64(-4), float32(0.5), 0.25, true, "x",
	[]uint8{1}, []int8{-1, 2}, []uint16{2}, []int16{-2}, []uint32{3}, []int32{-3}, []uint64{4}, []int64{-4}, []float32{0.5}, []float64{0.25}, []bool{false}, []string{"", "y"},
}

func TestValues(t *testing.T) {
	var pairs []Pair
	for i, v := range values {
		pairs = append(pairs, Pair{string(rune('a' + i)), v})
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, pairs, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open("x", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || !reflect.DeepEqual(f.Metadata, pairs) {
		t.Errorf("%v %v", err, f)
	}
}

func TestWrongWrites(t *testing.T) {
	one := []Tensor{{Name: "a", Type: F32, Shape: []int64{2}}}
	for _, c := range []struct {
		want    string
		pairs   []Pair
		tensors []Tensor
	}{
		{"two keys", []Pair{{"a", true}, {"a", true}}, nil},
		{"no value", []Pair{{"a", 1}}, nil},
		{"cannot be chosen", []Pair{{AlignmentKey, uint32(64)}}, nil},
		{"two tensors", nil, slices.Concat(one, one)},
		{"no whole blocks of Q4_0, which have 32", nil, []Tensor{{Name: "a", Type: Q4_0, Shape: []int64{4, 48}}}},
		{"not known", nil, []Tensor{{Name: "a", Type: 4, Shape: []int64{4}}}},
		{"at most 63", nil, []Tensor{{Name: strings.Repeat("a", 64), Type: F32, Shape: []int64{4}}}},
		{"dimensions", nil, []Tensor{{Name: "a", Type: F32}}},
	} {
		if _, err := NewWriter(&bytes.Buffer{}, c.pairs, c.tensors); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q is none: %v", c.want, err)
		}
	}
	w, err := NewWriter(&bytes.Buffer{}, nil, one)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil {
		t.Error("a tensor without its bytes was closed")
	}
	if n, err := w.Write(make([]byte, 9)); n != 8 || err == nil {
		t.Errorf("%d bytes of 8: %v", n, err)
	}
}

// header makes the bytes in front of the tensors, with counts that need not be true.
func header(tensors, pairs uint64, rest ...any) []byte {
	b := []byte("GGUF\x03\x00\x00\x00")
	b = binary.LittleEndian.AppendUint64(b, tensors)
	b = binary.LittleEndian.AppendUint64(b, pairs)
	for _, v := range rest {
		b = appendValue(b, v)
	}
	return b
}

// hostile are files that announce more than they have, or nonsense.
var hostile = []struct {
	want string
	file []byte
}{
	{"ends before", nil},
	{"does not begin with GGUF", []byte("GGMLxxxxxxxxxxxxxxxxxxxxxxxx")},
	{"highest byte first", []byte("GGUF\x00\x00\x00\x03xxxxxxxxxxxxxxxx")},
	{"version 1", []byte("GGUF\x01\x00\x00\x00xxxxxxxxxxxxxxxx")},
	{"ends before", header(0, 1<<60)},
	{"ends before", header(1<<60, 0)},
	{"ends before", header(0, 1, uint64(1<<62), "aaaaaaaaaaaaaaa")},
	{"ends before", header(0, 1, "key", uint32(kindString), uint64(math.MaxUint64), "x")},
	{"ends before", header(0, 1, "key", uint32(kindArray), uint32(kindString), uint64(1<<61), "x")},
	{"ends before", header(0, 1, "key", uint32(kindArray), uint32(kindFloat64), uint64(1<<61), "x")},
	{"of which there are no arrays", header(0, 1, "key", uint32(kindArray), uint32(kindArray), uint64(1), "x")},
	{"of which there are no arrays", header(0, 1, "key", uint32(kindArray), uint32(99), uint64(1), "x")},
	{"a value of kind 13", header(0, 1, "key", uint32(13), uint64(1))},
	{"must be 0 or 1", header(0, 1, "key", uint32(kindBool), uint8(2))},
	{"stands twice", header(0, 2, "k", uint32(kindBool), uint8(1), "k", uint32(kindBool), uint8(1))},
	{"must be a power of two", header(0, 1, AlignmentKey, uint32(kindUint32), uint32(48))},
	{"must be a power of two", header(0, 1, AlignmentKey, uint32(kindUint64), uint64(32))},
	{"has 0 dimensions", header(1, 0, "t", uint32(0), uint32(0), uint64(0), uint64(0))},
	{"has 5 dimensions", header(1, 0, "t", uint32(5), uint64(1), uint64(1), uint64(1))},
	{"number 4, which is not known", header(1, 0, "t", uint32(1), uint64(1), uint32(4), uint64(0))},
	{"no whole blocks", header(1, 0, "t", uint32(1), uint64(31), uint32(Q8_0), uint64(0))},
	{"negative dimension", header(1, 0, "t", uint32(1), uint64(1<<63), uint32(0), uint64(0))},
	{"more numbers than can be", header(1, 0, "t", uint32(2), uint64(1<<40), uint64(1<<40), uint32(0), uint64(0))},
	{"should at 0", header(1, 0, "t", uint32(1), uint64(1), uint32(0), uint64(32))},
	{"stands twice", header(2, 0, "t", uint32(1), uint64(1), uint32(0), uint64(0), "t", uint32(1), uint64(1), uint32(0), uint64(32))},
	{"ends in its tensors", header(1, 0, "t", uint32(1), uint64(1<<50), uint32(0), uint64(0))},
}

// TestHostile: such files are refused, without room for what they announce.
func TestHostile(t *testing.T) {
	for i, c := range hostile {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open("x.gguf", bytes.NewReader(c.file), int64(len(c.file)))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.gguf (byte ") {
			t.Errorf("%d: %q is none: %v", i, c.want, err)
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 1<<20 {
			t.Errorf("%d: %d bytes were allocated for a file of %d", i, made, len(c.file))
		}
	}
}

// endless is a file of zeros that is as long as it is said to be.
type endless struct{ head []byte }

func (e endless) ReadAt(b []byte, at int64) (int, error) {
	clear(b)
	if at < int64(len(e.head)) {
		copy(b, e.head[at:])
	}
	return len(b), nil
}

// TestLongHeader: a long file does not make room for a header beyond the limit.
func TestLongHeader(t *testing.T) {
	head := header(0, 1, "key", uint32(kindString), uint64(MaxHeader))
	if _, err := Open("x", endless{head}, 1<<50); err == nil || !strings.Contains(err.Error(), "longer than 128 MiB") {
		t.Error(err)
	}
}

// FuzzOpen: whatever the bytes are, a file that is opened can be read to its end, and written again as it says.
func FuzzOpen(f *testing.F) {
	for _, c := range hostile {
		f.Add(c.file)
	}
	b, err := os.ReadFile("testdata/gguf-py.gguf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open("x", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for i := range file.Tensors {
			n, err := file.Tensors[i].Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if err := file.Read(&file.Tensors[i], 0, make([]byte, n)); err != nil {
				t.Fatal(err)
			}
		}
		if file.Lookup(AlignmentKey) != nil || slices.ContainsFunc(file.Tensors, func(t Tensor) bool { return len(t.Name) > MaxName }) {
			return
		}
		var again bytes.Buffer
		if _, err := NewWriter(&again, file.Metadata, slices.Clone(file.Tensors)); err != nil {
			t.Fatal(err)
		}
		again.Write(make([]byte, len(b)))
		second, err := Open("y", bytes.NewReader(again.Bytes()), int64(again.Len()))
		if err != nil || !reflect.DeepEqual(shown(second), shown(file)) {
			t.Fatalf("%v: %v became %v", err, shown(file), shown(second))
		}
	})
}

// shown is what a file says, with numbers as their bits: a NaN is like itself.
func shown(f *File) []byte {
	var b []byte
	for _, p := range f.Metadata {
		b = appendValue(append(b, p.Key...), p.Value)
	}
	for _, t := range f.Tensors {
		b = appendValue(append(b, t.Name...), t.Shape)
		b = append(b, byte(t.Type))
	}
	return b
}
