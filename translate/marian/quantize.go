package marian

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"curate/kernel"
	"curate/safetensors"
)

// Quantize writes the model in the folder from, with its matrices in 8 bits, into the folder to, which it makes: each row has a scale
// of its own, its largest magnitude / 127, in a tensor NAME_scale; vectors stay as they are, in f32. All other files that Open reads
// are copied. It is for the caller to see to it that an unfinished folder is not taken for a model.
func Quantize(ctx context.Context, from, to string) (err error) {
	c, err := readConfig(from)
	if err != nil {
		return err
	}
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		return err
	}
	t, err := openTensors(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	recorded := &recorder{tensors: t}
	if _, err := load(&loader{set: set, t: recorded, float: true}, c); err != nil { // what is wrong with the model is said now
		return err
	}
	if err := os.Mkdir(to, 0o777); err != nil {
		return err
	}
	for _, name := range files {
		if name == safeName || name == torchName {
			continue
		}
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return writeQuantized(ctx, t, recorded.names, filepath.Join(to, safeName))
}

// recorder notes which tensors a model is made of: a file may hold others, such as copies of shared embeddings.
type recorder struct {
	tensors
	names []string
}

func (r *recorder) floats(name string, from int64, dst []float32) error {
	if !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
	}
	return r.tensors.floats(name, from, dst)
}

// isMatrix says whether a tensor is quantised: the weights of a linear layer or of embeddings.
func isMatrix(name string, shape []int64) bool {
	return len(shape) == 2 && strings.HasSuffix(name, ".weight")
}

func writeQuantized(ctx context.Context, t tensors, names []string, name string) (err error) {
	names = slices.Sorted(slices.Values(names))
	var list []safetensors.Tensor
	for _, n := range names {
		shape, _ := t.shape(n)
		if isMatrix(n, shape) {
			list = append(list, safetensors.Tensor{Name: n, Dtype: safetensors.I8, Shape: shape}, safetensors.Tensor{Name: scaleName(n), Dtype: safetensors.F32, Shape: shape[:1]})
		} else {
			list = append(list, safetensors.Tensor{Name: n, Dtype: safetensors.F32, Shape: shape})
		}
	}
	// The widest dtypes have the first places, as in the reference's files.
	slices.SortStableFunc(list, func(a, b safetensors.Tensor) int { return int(b.Dtype.Size() - a.Dtype.Size()) })
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffer := bufio.NewWriterSize(f, 1<<20)
	w, err := safetensors.NewWriter(buffer, list, map[string]string{"format": "pt", "quantization": "int8, symmetric, a scale for each row"})
	if err != nil {
		return err
	}
	for _, part := range list {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		base, isScale := strings.CutSuffix(part.Name, scaleName(""))
		shape, _ := t.shape(base)
		if isScale = isScale && isMatrix(base, shape); !isScale {
			base = part.Name
			shape = part.Shape
		}
		n := int64(1)
		for _, s := range shape {
			n *= s
		}
		x := make([]float32, n)
		if err := t.floats(base, 0, x); err != nil {
			return err
		}
		if !isScale && part.Dtype == safetensors.F32 {
			if err := w.Floats(x); err != nil {
				return err
			}
			continue
		}
		q, scale := make([]int8, n), make([]float32, shape[0])
		kernel.Quantize8(int(shape[0]), int(shape[1]), x, int(shape[1]), q, scale)
		if isScale {
			err = w.Floats(scale)
		} else {
			err = w.Int8s(q)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(w.Close(), buffer.Flush(), f.Sync()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
