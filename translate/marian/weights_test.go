package marian

import (
	"archive/zip"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// asTorch writes the weights of a folder as pytorch_model.bin, in the form in which torch.save writes a dictionary of tensors, and
// takes the others away.
func asTorch(t *testing.T, dir string) {
	t.Helper()
	in, err := openSafe(filepath.Join(dir, safeName))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f, err := os.Create(filepath.Join(dir, torchName))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	entry := func(name string, b []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "archive/" + name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text := func(b []byte, s string) []byte {
		return append(binary.LittleEndian.AppendUint32(append(b, 'X'), uint32(len(s))), s...)
	}
	number := func(b []byte, n int64) []byte { return binary.LittleEndian.AppendUint32(append(b, 'J'), uint32(n)) }
	tuple := func(b []byte, list []int64) []byte {
		b = append(b, '(')
		for _, n := range list {
			b = number(b, n)
		}
		return append(b, 't')
	}
	p := []byte("\x80\x02}(")
	for i, tensor := range in.(*safeFile).Tensors {
		n, err := tensor.Len()
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, n)
		if err := in.floats(tensor.Name, 0, x); err != nil {
			t.Fatal(err)
		}
		var b []byte
		for _, v := range x {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		entry(fmt.Sprint("data/", i), b)
		strides, stride := make([]int64, len(tensor.Shape)), int64(1)
		for d := len(strides) - 1; d >= 0; d-- {
			strides[d] = stride
			stride *= tensor.Shape[d]
		}
		p = append(text(p, tensor.Name), "ctorch._utils\n_rebuild_tensor_v2\n(("...)
		p = append(text(p, "storage"), "ctorch\nFloatStorage\n"...)
		p = append(number(text(text(p, fmt.Sprint(i)), "cpu"), n), "tQ"...)
		p = tuple(tuple(number(p, 0), tensor.Shape), strides)
		p = append(p, "\x89ccollections\nOrderedDict\n)RtR"...)
	}
	entry("data.pkl", append(p, "u."...))
	entry("version", []byte("3\n"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, safeName)); err != nil {
		t.Fatal(err)
	}
}

// A model whose weights are PyTorch's translates alike, and is quantised alike.
func TestTorch(t *testing.T) {
	sources, targets := tinyTexts(t)
	dir, to := tinyModel(t), filepath.Join(t.TempDir(), "int8")
	asTorch(t, dir)
	e, err := Open(dir, Options{Beams: 4, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out, err := e.Translate(context.Background(), sources, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if o.Text != targets[i] {
			t.Errorf("%q: %q, want %q", sources[i], o.Text, targets[i])
		}
	}
	if err := Quantize(context.Background(), dir, to); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "int8")
	if err := Quantize(context.Background(), tinyModel(t), other); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(filepath.Join(to, safeName))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(other, safeName))
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Error("the quantised weights differ")
	}
}
