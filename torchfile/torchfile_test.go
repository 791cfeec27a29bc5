package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/safetensors"
)

func open(t testing.TB, name string) (*File, error) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return Open(name, bytes.NewReader(b), int64(len(b)))
}

// TestReference reads files that PyTorch wrote: testdata/reference.py.
func TestReference(t *testing.T) {
	var files map[string][]struct {
		Name    string    `json:"name"`
		Shape   []int64   `json:"shape"`
		Numbers []float64 `json:"numbers"` // nil: no floating ones
	}
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &files); err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 {
		t.Fatalf("%d files", len(files))
	}
	for name, tensors := range files {
		f, err := open(t, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Tensors) != len(tensors) {
			t.Errorf("%s: %d tensors, want %d", name, len(f.Tensors), len(tensors))
		}
		for i, want := range tensors {
			got := f.Lookup(want.Name)
			if got == nil || got != &f.Tensors[i] || got.Name != want.Name || !slices.Equal(got.Shape, want.Shape) {
				t.Fatalf("%s: %s is %+v", name, want.Name, got)
			}
			numbers := make([]float32, got.Len())
			err := f.Floats(got, 0, numbers)
			if want.Numbers == nil {
				if err == nil || !strings.Contains(err.Error(), "and floating ones are wanted") {
					t.Errorf("%s: %s: %v", name, want.Name, err)
				}
				continue
			}
			if err != nil || len(numbers) != len(want.Numbers) {
				t.Fatalf("%s: %s: %d numbers, %v", name, want.Name, len(numbers), err)
			}
			for j, v := range want.Numbers {
				if math.Float32bits(numbers[j]) != math.Float32bits(float32(v)) {
					t.Errorf("%s: %s[%d] is %v, want %v", name, want.Name, j, numbers[j], v)
				}
			}
			// Any part is the same.
			for from := range numbers {
				for to := from; to <= len(numbers); to++ {
					part := make([]float32, to-from)
					if err := f.Floats(got, int64(from), part); err != nil || !slices.Equal(part, numbers[from:to]) {
						t.Fatalf("%s: %s[%d:%d] is %v, %v", name, want.Name, from, to, part, err)
					}
				}
			}
			if err := f.Floats(got, 1, make([]float32, len(numbers))); err == nil && len(numbers) > 0 {
				t.Errorf("%s: %s: numbers behind its end", name, want.Name)
			}
		}
		if f.Lookup("x") != nil {
			t.Error("a tensor that is not there was found")
		}
	}
	if f, _ := open(t, "views.bin"); f.Lookup("f64").Dtype != safetensors.F64 || f.Lookup("bool").Dtype != safetensors.Bool {
		t.Error("dtypes")
	}
}

// TestRefused checks that what is no file of weights is refused with the reason. reference.py makes them.
func TestRefused(t *testing.T) {
	for name, want := range map[string]string{
		"program.bin":       `program.bin: data.pkl (byte 174): it asks for "posix system", which is none of the few names that weights need`,
		"module-object.bin": `it asks for "torch.nn.modules.container Sequential"`,
		"tensor.bin":        "it holds a tensor, and should hold a dictionary of tensors",
		"nested.bin":        "no tensor stands in its dictionary",
		"legacy.bin":        "legacy.bin (byte 0): the file is of torch.save before PyTorch 1.6",
		"complex.bin":       `it asks for "torch ComplexFloatStorage"`,
		"sparse.bin":        `it asks for "torch._utils _rebuild_sparse_tensor"`,
		"script.bin":        "the file is a TorchScript program",
		"reference.json":    "reference.json (byte 0): the file is no zip archive",
	} {
		_, err := open(t, name)
		if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Error(), want) || !strings.Contains(e.Error(), "model.safetensors") {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	b, err := os.ReadFile("testdata/views.bin")
	if err != nil {
		t.Fatal(err)
	}
	// Cut anywhere, the directory at the end is gone.
	for n := range len(b) {
		if _, err := Open("x", bytes.NewReader(b[:n]), int64(n)); err == nil {
			t.Fatalf("%d of %d bytes were read", n, len(b))
		}
	}
	// A file that becomes shorter behind our back.
	f, err := Open("x", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	f.r = bytes.NewReader(b[:100])
	if err := f.Floats(f.Lookup("same"), 0, make([]float32, 24)); err == nil || !strings.HasPrefix(err.Error(), `x: data/0: tensor "same": `) {
		t.Error(err)
	}
}

// archived is a zip file of entries, in the order given: name, content.
func archived(t testing.TB, method uint16, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: entries[i], Method: method})
		if err == nil {
			_, err = w.Write([]byte(entries[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Parts of pickles. storageOf is a storage of floats in data/0; tensorOf a tensor in it.
const head = "\x80\x02"

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}
func integer(n int32) string {
	return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n)))
}
func storageOf(class string, count int32) string {
	return "(" + text("storage") + "c" + class + "\n" + text("0") + text("cpu") + integer(count) + "tQ"
}
func tensorOf(storage string, offset int32, shape, strides string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + integer(offset) + shape + strides + "\x89ccollections\nOrderedDict\n)RtR"
}
func ints(n ...int32) string {
	s := "("
	for _, n := range n {
		s += integer(n)
	}
	return s + "t"
}

const floatClass = "torch\nFloatStorage"

// TestPickle reads pickles that are written by hand. "" for an error is success with a tensor w of what stands behind.
func TestPickle(t *testing.T) {
	four := storageOf(floatClass, 4)
	dictOf := func(tensor string) string { return head + "}" + text("w") + tensor + "s." }
	for _, c := range []struct {
		name, pickle, want string
		numbers            []float32
	}{
		{"plain", dictOf(tensorOf(four, 0, ints(2, 2), ints(2, 1))), "", []float32{1, 2, 3, 4}},
		{"transposed", dictOf(tensorOf(four, 0, ints(2, 2), ints(1, 2))), "", []float32{1, 3, 2, 4}},
		{"any stride of a dimension of one", dictOf(tensorOf(four, 1, ints(1, 3), ints(77, 1))), "", []float32{2, 3, 4}},
		{"repeated", dictOf(tensorOf(four, 3, ints(3), ints(0))), "", []float32{4, 4, 4}},
		{"one name twice", head + "}(" + text("w") + tensorOf(four, 0, ints(1), ints(1)) + text("w") + tensorOf(four, 1, ints(1), ints(1)) + "u.", "", []float32{2}},
		{"by memo", head + "}q\x05" + text("w") + tensorOf(four, 2, ints(1), ints(1)) + "s0h\x05.", "", []float32{3}},
		{"parameter", dictOf("ctorch._utils\n_rebuild_parameter\n" + tensorOf(four, 0, ints(1), ints(1)) + "\x88N\x87R"), "", []float32{1}},
		{"stack global", "\x80\x04\x95" + strings.Repeat("\x00", 8) + "}\x94" + text("w") + strings.Replace(tensorOf(four, 0, ints(1), ints(1)), "ctorch._utils\n_rebuild_tensor_v2\n", text("torch._utils")+"\x8c\x12_rebuild_tensor_v2\x93", 1) + "s.", "", []float32{1}},
		{"a longer number", head + "}" + text("w") + strings.Replace(tensorOf(four, 0, ints(1), ints(1)), integer(0), "\x8a\x01\x03", 1) + "s.", "", []float32{4}},
		{"state", head + "}" + text("w") + tensorOf(four, 0, ints(1), ints(1)) + "s}" + text("_metadata") + "}sb.", "", []float32{1}},

		{"one number too many", dictOf(tensorOf(four, 1, ints(4), ints(1))), "does not fit into data/0, which has 4", nil},
		{"a stride too long", dictOf(tensorOf(four, 0, ints(2, 2), ints(3, 1))), "does not fit into data/0", nil},
		{"a stride beyond everything", dictOf(tensorOf(four, 0, ints(math.MaxInt32, 2), "(\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x01t")), "does not fit into data/0", nil},
		{"more numbers than can be", dictOf(tensorOf(four, 0, ints(math.MaxInt32, math.MaxInt32, math.MaxInt32), ints(0, 0, 0))), "more numbers than can be", nil},
		{"behind the end", dictOf(tensorOf(four, 4, ints(1), ints(1))), "does not fit into data/0", nil},
		{"far behind the end", dictOf(tensorOf(four, 5, ints(0), ints(1))), "begins at number 5 of data/0, which has 4", nil},
		{"before the begin", dictOf(tensorOf(four, -1, ints(1), ints(1))), "begins at number -1", nil},
		{"backwards", dictOf(tensorOf(four, 3, ints(2), ints(-1))), "a tensor of shape [2] has strides [-1]", nil},
		{"a negative shape", dictOf(tensorOf(four, 0, ints(-1), ints(1))), "a tensor of shape [-1]", nil},
		{"another number of strides", dictOf(tensorOf(four, 0, ints(1), ints())), "1 dimensions has 0 strides", nil},
		{"too many dimensions", dictOf(tensorOf(four, 0, ints(make([]int32, 17)...), ints(make([]int32, 17)...))), "that are not storage, offset, shape and strides", nil},
		{"another count", dictOf(tensorOf(storageOf(floatClass, 5), 0, ints(1), ints(1))), "data/0 has 16 bytes, and should have 5 numbers of F32", nil},
		{"another class", dictOf(tensorOf(storageOf("torch\nDoubleStorage", 4), 0, ints(1), ints(1))), "data/0 has 16 bytes, and should have 4 numbers of F64", nil},
		{"two classes", head + four + "0" + storageOf("torch\nIntStorage", 4) + ".", "data/0 has 4 numbers of I32, and 4 of F32 elsewhere", nil},
		{"no such entry", head + strings.Replace(four, text("0"), text("7"), 1) + ".", "data/7: the zip archive has no such entry", nil},
		{"a storage without a class", head + strings.Replace(four, "c"+floatClass+"\n", "N", 1) + ".", "does not say its class", nil},
		{"no storage", head + "NQ.", "it refers to a None outside of it", nil},
		{"a builtin", head + "cbuiltins\neval\n(" + text("1") + "tR.", `it asks for "builtins eval"`, nil},
		{"calling a storage", head + "c" + floatClass + "\n)R.", "it calls a class torch FloatStorage with a tuple", nil},
		{"calling a text", head + text("x") + ")R.", "it calls a string with a tuple", nil},
		{"calling with a text", head + "ccollections\nOrderedDict\n" + text("x") + "R.", "with a string", nil},
		{"a dictionary of something", head + "ccollections\nOrderedDict\nN\x85R.", "an OrderedDict of 1 arguments", nil},
		{"a parameter of nothing", head + "ctorch._utils\n_rebuild_parameter\nN\x85R.", "a parameter of 1 arguments", nil},
		{"the state of a tensor", head + tensorOf(four, 0, ints(1), ints(1)) + "}b.", "it sets the state of a tensor", nil},
		{"an object", head + "ccopyreg\n_reconstructor\n.", `it asks for "copyreg _reconstructor"`, nil},
		{"an instance", head + "(itorch\nx\n.", "opcode 0x69 is none that weights need", nil},
		{"protocol 0", "(dp0\n.", "opcode 0x64", nil},
		{"protocol 6", "\x80\x06N.", "protocol 6; 2 to 5 are read here", nil},
		{"an extension", head + "\x82\x01.", "opcode 0x82", nil},
		{"nothing", "", "the entry ends where 1 more bytes should be", nil},
		{"no end", head + "}", "(byte 3): the entry ends where 1 more bytes should be", nil},
		{"two values", head + "NN.", "it ends with 2 values", nil},
		{"a mark", head + "(.", "it holds a mark", nil},
		{"no value", head + "0.", "it takes a value, and there is none", nil},
		{"across a mark", head + "N(0.", "it takes a value, and there is none", nil},
		{"no mark", head + "t.", "it takes all values behind a mark", nil},
		{"an odd number", head + "}(NNNu.", "it puts 3 values into a dictionary", nil},
		{"into a number", head + "K\x01Na.", "it puts 1 values into a int64", nil},
		{"never put", head + "h\x01.", "by number 1 was not put there", nil},
		{"a long text", head + "X\xff\xff\xff\xffabc", "the entry ends where 4294967295 more bytes", nil},
		{"a longer text", head + "\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc", "the entry ends where 18446744073709551615 more bytes", nil},
		{"a text of bytes", head + "X\x01\x00\x00\x00\xff.", "a text that is not UTF-8", nil},
		{"a number of numbers", head + "\x8a\x09123456789.", "a whole number of 9 bytes", nil},
		{"a name without an end", head + "ctorch", "a name without an end", nil},
		{"a name that is no text", "\x80\x04NN\x93.", "a name that is no text", nil},
	} {
		b := archived(t, zip.Store, "x/data.pkl", c.pickle, "x/byteorder", "little", "x/data/0", floats(1, 2, 3, 4), "x/version", "3\n")
		f, err := Open("f", bytes.NewReader(b), int64(len(b)))
		if c.want != "" {
			if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Error(), c.want) || !strings.HasPrefix(e.Error(), "f: data") {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := make([]float32, len(c.numbers))
		if len(f.Tensors) != 1 || f.Lookup("w").Len() != int64(len(got)) {
			t.Errorf("%s: %+v", c.name, f.Tensors)
		} else if err := f.Floats(f.Lookup("w"), 0, got); err != nil || !slices.Equal(got, c.numbers) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.numbers)
		}
	}
}

func floats(x ...float32) string {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}

// TestArchive checks what is refused of the zip archive itself.
func TestArchive(t *testing.T) {
	pickle := head + "}" + text("w") + tensorOf(storageOf(floatClass, 1), 0, ints(1), ints(1)) + "s."
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"good", "", archived(t, zip.Store, "a/data.pkl", pickle, "a/data/0", "\x00\x00\x80?")},
		{"empty", "the file is no zip archive", nil},
		{"no entry", "data.pkl: the zip archive has no such entry", archived(t, zip.Store)},
		{"another archive", "data.pkl: the zip archive has no such entry", archived(t, zip.Store, "a/b", "c")},
		{"another folder", "data/0: the zip archive has no such entry", archived(t, zip.Store, "a/data.pkl", pickle, "b/data/0", "\x00\x00\x80?")},
		{"compressed", "data.pkl: the entry is compressed", archived(t, zip.Deflate, "a/data.pkl", pickle, "a/data/0", "\x00\x00\x80?")},
		{"twice", "data/0: the entry stands twice", archived(t, zip.Store, "a/data.pkl", pickle, "a/data/0", "\x00\x00\x80?", "a/data/0", "\x00\x00\x00\x00")},
		{"another byte order", `byteorder: "big": only numbers of little-endian machines`, archived(t, zip.Store, "a/data.pkl", pickle, "a/byteorder", "big", "a/data/0", "?\x80\x00\x00")},
		{"a long pickle", "data.pkl: the entry has 2097153 bytes; at most 2097152 are read", archived(t, zip.Store, "a/data.pkl", strings.Repeat("N", maxPickle+1))},
	} {
		f, err := Open("f", bytes.NewReader(c.file), int64(len(c.file)))
		if c.want == "" {
			x := make([]float32, 1)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if err := f.Floats(f.Lookup("w"), 0, x); err != nil || x[0] != 1 {
				t.Errorf("%s: %v, %v", c.name, x, err)
			}
		} else if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	names, err := filepath.Glob("testdata/*.bin")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { read(t, b) })
}

// FuzzPickle gives a pickle to the machine, in an archive that is good.
func FuzzPickle(f *testing.F) {
	four := storageOf(floatClass, 4)
	f.Add([]byte(head + "}" + text("w") + tensorOf(four, 0, ints(2, 2), ints(1, 2)) + "s."))
	f.Add([]byte(head + "}(" + text("w") + tensorOf(four, 3, ints(3), ints(0)) + "u}" + text("_metadata") + "}sb."))
	f.Add([]byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94" + text("torch._utils") + "\x8c\x12_rebuild_tensor_v2\x93."))
	f.Add([]byte(head + "]q\x01(K\x01h\x01e2N\x85\x88a0."))
	f.Fuzz(func(t *testing.T, pickle []byte) {
		read(t, archived(t, zip.Store, "x/data.pkl", string(pickle), "x/data/0", floats(1, 2, 3, 4)))
	})
}

// read reads all that a file has, as far as it is no more than a little.
func read(t *testing.T, b []byte) {
	file, err := Open("f", bytes.NewReader(b), int64(len(b)))
	if err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Fatalf("%v", err)
		}
		return
	}
	for i := range file.Tensors {
		x := &file.Tensors[i]
		if !x.Dtype.Floating() {
			continue
		}
		// Whatever its shape, first and last number can be read.
		n := min(x.Len(), 1000)
		if err := file.Floats(x, 0, make([]float32, n)); err != nil {
			t.Fatal(err)
		}
		if err := file.Floats(x, x.Len()-n, make([]float32, n)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMemory checks that what a hostile pickle makes is in proportion to its length, as maxPickle counts on.
func TestMemory(t *testing.T) {
	const most = 150 // bytes allocated, those that were given back too, per byte of the pickle
	four := "q\x01h\x01h\x01"
	for name, part := range map[string]string{
		"dictionaries": "}", "memos": "}\x94", "marks": "(", "tuples": "(t", "nested": "\x85", "copies": "2", "lists": "](Ne0", "numbers": "K\x01", "memo": "h\x01",
		"names": "ccollections\nOrderedDict\n", "calls": "ccollections\nOrderedDict\n)R", "tensors": "h\x02h\x03R",
	} {
		begin := head
		switch name {
		case "nested", "copies", "memo":
			begin += "N" + four
		case "tensors": // each of maxDims dimensions
			begin += "ctorch._utils\n_rebuild_tensor_v2\nq\x020(" + storageOf(floatClass, 4) + integer(0) + ints(slices.Repeat([]int32{1}, maxDims)...) + "q\x042\x89Ntq\x030"
		}
		pickle := begin + strings.Repeat(part, (256<<10)/len(part))
		b := archived(t, zip.Store, "x/data.pkl", pickle, "x/data/0", floats(1, 2, 3, 4))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open("f", bytes.NewReader(b), int64(len(b)))
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		per := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(pickle))
		t.Logf("%s: %.0f bytes a byte; %v", name, per, err)
		if per > most {
			t.Errorf("%s: %.0f bytes were allocated for each of the pickle", name, per)
		}
	}
}
