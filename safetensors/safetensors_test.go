package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"curate/kernel"
)

// TestReference reads a file that the Python package wrote (safetensors 0.8.0, save_file).
func TestReference(t *testing.T) {
	b, err := os.ReadFile("testdata/reference.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open("reference", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Metadata["format"] != "pt" || f.Metadata["ñ"] != `"x"` {
		t.Errorf("metadata %v", f.Metadata)
	}
	x := []float32{0, float32(math.Copysign(0, -1)), 1.5, 3.1415927, -65504, 1e-7}
	for name, round := range map[string]func(float32) float32{
		"a.f32":  func(v float32) float32 { return v },
		"b.f16":  func(v float32) float32 { return kernel.FromHalf(kernel.Half(v)) },
		"c.bf16": func(v float32) float32 { return math.Float32frombits(uint32(toBF16(v)) << 16) },
		"d.f64":  func(v float32) float32 { return float32(float64(v) * (1 + 0x1p-40)) },
	} {
		tensor := f.Lookup(name)
		if tensor == nil || !slices.Equal(tensor.Shape, []int64{2, 3}) {
			t.Fatalf("%s is %v", name, tensor)
		}
		got := make([]float32, 6)
		if err := f.Floats(tensor, 0, got); err != nil {
			t.Fatal(err)
		}
		for i, v := range x {
			if math.Float32bits(got[i]) != math.Float32bits(round(v)) {
				t.Errorf("%s[%d] is %v, want %v", name, i, got[i], round(v))
			}
		}
		part := make([]float32, 2)
		if err := f.Floats(tensor, 3, part); err != nil || part[0] != got[3] || part[1] != got[4] {
			t.Errorf("%s[3:5] is %v, %v", name, part, err)
		}
		if err := f.Floats(tensor, 5, part); err == nil {
			t.Errorf("%s has no seventh number", name)
		}
	}
	for name, want := range map[string][]int64{"e.i32": {-1, math.MaxInt32}, "f.u8": {255, 0}, "g.bool": {1, 0}, "j.i64": {-1 << 62}} {
		got := make([]int64, len(want))
		if err := f.Ints(f.Lookup(name), 0, got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	scalar := make([]float32, 1)
	if err := f.Floats(f.Lookup("h.scalar"), 0, scalar); err != nil || scalar[0] != 2.5 || len(f.Lookup("h.scalar").Shape) != 0 {
		t.Errorf("scalar %v, %v", scalar, err)
	}
	if n, err := f.Lookup("i.empty").Len(); n != 0 || err != nil {
		t.Error(n, err)
	}
	if f.Lookup("x") != nil {
		t.Error("a tensor that is not there was found")
	}
	if err := f.Floats(f.Lookup("e.i32"), 0, scalar); err == nil {
		t.Error("integers were read as floating numbers")
	}
	if err := f.Ints(f.Lookup("a.f32"), 0, make([]int64, 1)); err == nil {
		t.Error("floating numbers were read as integers")
	}
}

func write(t *testing.T, tensors []Tensor, metadata map[string]string, numbers ...[]float32) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, tensors, metadata)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range numbers {
		if err := w.Floats(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWrite(t *testing.T) {
	many := make([]float32, 100_000)
	for i := range many {
		many[i] = float32(i) - 3.25
	}
	for _, d := range []Dtype{F32, F64, BF16, F16} {
		tensors := []Tensor{{Name: "nothing", Dtype: d, Shape: []int64{0, 3}}, {Name: `a "b"`, Dtype: F32, Shape: []int64{3}}, {Name: "many", Dtype: d, Shape: []int64{100, 1000}}, {Name: "end", Dtype: d, Shape: []int64{0}}}
		b := write(t, tensors, map[string]string{"format": "pt"}, []float32{1, 2}, append([]float32{3}, many[:7]...), many[7:])
		if n := binary.LittleEndian.Uint64(b); n%8 != 0 {
			t.Errorf("a header of %d bytes", n)
		}
		f, err := Open("x", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(many))
		if err := f.Floats(f.Lookup("many"), 0, got); err != nil {
			t.Fatal(err)
		}
		want := make([]float32, len(many))
		d.Floats(want, appendFloats(nil, d, many))
		if !slices.Equal(got, want) || d == F32 && !slices.Equal(got, many) {
			t.Errorf("%s is not what was written", d)
		}
		if err := f.Floats(f.Lookup(`a "b"`), 0, got[:3]); err != nil || !slices.Equal(got[:3], []float32{1, 2, 3}) {
			t.Errorf("%v, %v", got[:3], err)
		}
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, []Tensor{{Name: "a", Dtype: F32, Shape: []int64{2}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Floats([]float32{1}); err != nil || w.Close() == nil {
		t.Errorf("a file with a number too few is whole: %v", err)
	}
	if err := w.Floats([]float32{1, 2}); err == nil {
		t.Error("a number too many was taken")
	}
	for _, bad := range [][]Tensor{
		{{Name: "a", Dtype: F32, Shape: []int64{1}}, {Name: "a", Dtype: F32}},
		{{Name: "__metadata__", Dtype: F32}},
		{{Name: "a", Dtype: I32, Shape: []int64{1}}},
		{{Name: "a", Dtype: F32, Shape: []int64{-1}}},
		{{Name: "a", Dtype: F32, Shape: []int64{1 << 40, 1 << 40}}},
		{{Name: "\xff", Dtype: F32, Shape: []int64{1}}},
	} {
		if _, err := NewWriter(&b, bad, nil); err == nil {
			t.Errorf("%v was written", bad)
		}
	}
}

func file(header string, data int) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), make([]byte, data)...)
}

func TestCorrupt(t *testing.T) {
	for _, c := range []struct {
		name, want string
		b          []byte
	}{
		{"short", "take 8", []byte{1, 2}},
		{"long header", "100000000", binary.LittleEndian.AppendUint64(nil, 1<<40)},
		{"cut header", "ends in its header", file("{}", 0)[:9]},
		{"no object", "does not begin", file("[]", 0)},
		{"empty", "does not begin", file("", 0)},
		{"no JSON", "no JSON", file(`{"a":`, 0)},
		{"behind", "behind it", file(`{} {}`, 0)},
		{"twice", "duplicate", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2)},
		{"no shape", "shape is missing", file(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1)},
		{"fraction", "no JSON", file(`{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}`, 1)},
		{"huge dimension", "no JSON", file(`{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}}`, 1)},
		{"metadata", "no JSON", file(`{"__metadata__":{"a":1}}`, 0)},
		{"narrow dtype", `"F4" is narrower`, file(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}`, 1)},
		{"unknown dtype", `"F7"`, file(`{"a":{"dtype":"F7","shape":[2],"data_offsets":[0,1]}}`, 1)},
		{"size", "takes 2 numbers", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4)},
		{"overflow", "more numbers", file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,0]}}`, 0)},
		{"negative", "negative", file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}`, 0)},
		{"backwards", "from byte 4 to 0", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4)},
		{"one offset", "two numbers", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}`, 4)},
		{"hole", "ends at 0", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8)},
		{"overlap", "begins at byte 0", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8)},
		{"cut data", "the file has 3", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 3)},
		{"more data", "the file has 5", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5)},
	} {
		_, err := Open("x.safetensors", bytes.NewReader(c.b), int64(len(c.b)))
		var corrupt *Corrupt
		if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// A key that is not known is nothing to stumble over; the reference does not.
	if f, err := Open("x", bytes.NewReader(file(`{"a":{"dtype":"F8_E4M3FNUZ","shape":[1],"data_offsets":[0,1],"x":1}}`, 1)), int64(8+len(`{"a":{"dtype":"F8_E4M3FNUZ","shape":[1],"data_offsets":[0,1],"x":1}}`)+1)); err != nil || len(f.Tensors) != 1 {
		t.Error(err)
	}
	// Spaces pad the header; nothing at all is a file, too.
	if f, err := Open("x", bytes.NewReader(file("{}      ", 0)), 16); err != nil || len(f.Tensors) != 0 {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	b, err := os.ReadFile("testdata/reference.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(file("{}", 0))
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open("x", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		total := int64(0)
		for i := range file.Tensors {
			tensor := &file.Tensors[i]
			n, err := tensor.Len()
			if err != nil {
				t.Fatal(err)
			}
			total += tensor.To - tensor.From
			if tensor.Dtype.Floating() {
				if err := file.Floats(tensor, 0, make([]float32, n)); err != nil {
					t.Fatal(err)
				}
			}
			if file.Lookup(tensor.Name) != tensor {
				t.Fatalf("%q is not found", tensor.Name)
			}
		}
		if total > int64(len(b)) {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(b))
		}
	})
}
