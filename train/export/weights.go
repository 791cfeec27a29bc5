package export

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"curate/kernel"
	"curate/safetensors"
	"curate/train/model"
)

// Shape of a tensor in a file.
func Shape(t *model.Tensor) []int64 {
	switch {
	case t.Vector:
		return []int64{int64(t.Cols)}
	case t.Transposed:
		return []int64{int64(t.Cols), int64(t.Rows)}
	}
	return []int64{int64(t.Rows), int64(t.Cols)}
}

// WriteWeights writes all tensors in the family's names and orientation.
func WriteWeights(w io.Writer, p *model.Params, dtype safetensors.Dtype, metadata map[string]string) error {
	return WriteTensors(w, p, 0, len(p.Layout.Tensors), dtype, metadata)
}

// WriteTensors writes the tensors from from to to, without the latter: a file of several.
func WriteTensors(w io.Writer, p *model.Params, from, to int, dtype safetensors.Dtype, metadata map[string]string) error {
	tensors := p.Layout.Tensors[from:to]
	list := make([]safetensors.Tensor, len(tensors))
	for i := range tensors {
		list[i] = safetensors.Tensor{Name: tensors[i].Name, Dtype: dtype, Shape: Shape(&tensors[i])}
	}
	out, err := safetensors.NewWriter(w, list, metadata)
	if err != nil {
		return err
	}
	for i := range tensors {
		t, x := &tensors[i], p.Of(from+i)
		if err := holds(dtype, t.Name, x); err != nil {
			return err
		}
		if !t.Transposed {
			if err := out.Floats(x); err != nil {
				return err
			}
			continue
		}
		err := eachStrip(t, func(first, cols int, strip []float32) error {
			for r := range t.Rows {
				for j, v := range x[r*t.Cols+first:][:cols] {
					strip[j*t.Rows+r] = v
				}
			}
			return out.Floats(strip)
		})
		if err != nil {
			return err
		}
	}
	return out.Close()
}

// holds is an error if a dtype would make a number infinite.
func holds(dtype safetensors.Dtype, name string, x []float32) error {
	if dtype != safetensors.F16 {
		return nil
	}
	for _, v := range x {
		if v >= 65520 || v <= -65520 { // halfway from the largest to the next that there is not
			return fmt.Errorf("tensor %q has the number %v, and f16 ends at 65504; write bf16 or f32", name, v)
		}
	}
	return nil
}

// eachStrip cuts a tensor that lies transposed in its file into strips of whole columns, [Rows, cols] of memory from column
// first on and [cols, Rows] in strip, in the order of the file.
func eachStrip(t *model.Tensor, f func(first, cols int, strip []float32) error) error {
	step := max(1, min(t.Cols, (1<<18)/t.Rows))
	strip := make([]float32, step*t.Rows)
	for first := 0; first < t.Cols; first += step {
		cols := min(step, t.Cols-first)
		if err := f(first, cols, strip[:cols*t.Rows]); err != nil {
			return err
		}
	}
	return nil
}

// ReadWeights reads the tensors of a model from its files (one, or those that model.safetensors.index.json lists). A tensor that
// is missing, that nobody knows, or that has another shape is an error that names it. There is no room made for the numbers
// before all are known to be there.
func ReadWeights(c *model.Config, files []*safetensors.File) (*model.Params, error) {
	if len(files) == 0 {
		return nil, errors.New("the model has no file of weights")
	}
	layout := model.NewLayout(c)
	found, err := locate(c.Tied, layout, files)
	if err != nil {
		return nil, err
	}
	p := model.NewParams(layout)
	return p, fill(p, found)
}

// ReadTensors reads the tensors of p's layout, and no others may be there: what WriteTensors has written.
func ReadTensors(p *model.Params, file *safetensors.File) error {
	found, err := locate(false, p.Layout, []*safetensors.File{file})
	if err != nil {
		return err
	}
	return fill(p, found)
}

// ReadQuantized is ReadWeights into blocks. Tensors are read, and turned, a piece at a time, so that there is never more than some megabytes of
// them in f32. The pool shares the work of rounding.
func ReadQuantized(c *model.Config, files []*safetensors.File, format model.WeightFormat, pool *kernel.Pool) (*model.Quantized, error) {
	if len(files) == 0 {
		return nil, errors.New("the model has no file of weights")
	}
	layout := model.NewLayout(c)
	found, err := locate(c.Tied, layout, files)
	if err != nil {
		return nil, err
	}
	q := model.NewQuantized(c, format)
	var buffer, turned []float32
	for i := range layout.Tensors {
		t, in := &layout.Tensors[i], &found[i]
		switch {
		case t.Vector:
			err = in.file.Floats(in.tensor, 0, q.Vector(i))
		case t.Transposed:
			step := max(1, quantizedPiece/t.Rows/kernel.Block) * kernel.Block // columns of memory, which are rows of the file
			for first := 0; first < t.Cols && err == nil; first += step {
				cols := min(step, t.Cols-first)
				buffer, turned = slices.Grow(buffer[:0], cols*t.Rows)[:cols*t.Rows], slices.Grow(turned[:0], cols*t.Rows)[:cols*t.Rows]
				if err = in.file.Floats(in.tensor, int64(first)*int64(t.Rows), buffer); err != nil {
					break
				}
				each(pool, t.Rows, func(from, to int) {
					for j := range cols {
						for r, v := range buffer[j*t.Rows:][from:to] {
							turned[(from+r)*cols+j] = v
						}
					}
					q.Put(i, from, to-from, first, cols, turned[from*cols:], cols)
				})
			}
		default:
			step := max(1, quantizedPiece/t.Cols)
			for first := 0; first < t.Rows && err == nil; first += step {
				rows := min(step, t.Rows-first)
				buffer = slices.Grow(buffer[:0], rows*t.Cols)[:rows*t.Cols]
				if err = in.file.Floats(in.tensor, int64(first)*int64(t.Cols), buffer); err != nil {
					break
				}
				each(pool, rows, func(from, to int) {
					q.Put(i, first+from, to-from, 0, t.Cols, buffer[from*t.Cols:], t.Cols)
				})
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return q, nil
}

// quantizedPiece is how many numbers of a tensor are read at a time, but for a row, or 32 columns, at least.
const quantizedPiece = 1 << 19

// each calls f for ranges of n rows.
func each(pool *kernel.Pool, n int, f func(from, to int)) {
	const rows = 16
	pool.Each((n+rows-1)/rows, func(i, _ int) { f(i*rows, min(n, (i+1)*rows)) })
}

// fill reads tensors from where they were found.
func fill(p *model.Params, found []place) error {
	layout := p.Layout
	for i := range layout.Tensors {
		t, x, in := &layout.Tensors[i], p.Of(i), &found[i]
		if !t.Transposed {
			if err := in.file.Floats(in.tensor, 0, x); err != nil {
				return err
			}
			continue
		}
		err := eachStrip(t, func(first, cols int, strip []float32) error {
			if err := in.file.Floats(in.tensor, int64(first)*int64(t.Rows), strip); err != nil {
				return err
			}
			for r := range t.Rows {
				row := x[r*t.Cols+first:][:cols]
				for j := range row {
					row[j] = strip[j*t.Rows+r]
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// place is where a tensor lies.
type place struct {
	file   *safetensors.File
	tensor *safetensors.Tensor
}

// locate finds the tensors of a layout, in its order. tied: the head is the embedding, and may be written or not.
func locate(tied bool, layout *model.Layout, files []*safetensors.File) ([]place, error) {
	index := map[string]int{}
	for i := range layout.Tensors {
		index[layout.Tensors[i].Name] = i
	}
	found := make([]place, len(layout.Tensors))
	head := place{}
	for _, f := range files {
		for k := range f.Tensors {
			at := &f.Tensors[k]
			i, ok := index[at.Name]
			switch {
			case !ok && tied && at.Name == headName:
				head = place{f, at}
				continue
			case !ok && passedOver(at.Name):
				continue
			case !ok:
				return nil, fmt.Errorf("%s: tensor %q is none of the model that config.json describes", f.Name, at.Name)
			case found[i].file != nil:
				return nil, fmt.Errorf("tensor %q is in %s and in %s", at.Name, found[i].file.Name, f.Name)
			}
			if want := Shape(&layout.Tensors[i]); !slices.Equal(at.Shape, want) {
				return nil, fmt.Errorf("%s: tensor %q has the shape %v, and config.json wants %v", f.Name, at.Name, at.Shape, want)
			}
			found[i] = place{f, at}
		}
	}
	for i := range found {
		if t := &layout.Tensors[i]; found[i].file == nil {
			remedy := ""
			if t.Role == model.Head {
				remedy = "; if the model's head is its embedding, config.json must say tie_word_embeddings: true"
			}
			return nil, fmt.Errorf("%s: tensor %q is missing%s", files[0].Name, t.Name, remedy)
		}
		if layout.Tensors[i].Role == model.Embedding && head.file != nil {
			if err := sameNumbers(head, found[i]); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// headName is that of a head in both families. Some programs write it even though it is the embedding.
const headName = "lm_head.weight"

// sameNumbers is an error if a tied head is another one than the embedding.
func sameNumbers(head, embedding place) error {
	other := fmt.Errorf("%s: tensor %q is not the embedding, and config.json says tie_word_embeddings: true; take the tensor out, or say false", head.file.Name, headName)
	if !slices.Equal(head.tensor.Shape, embedding.tensor.Shape) {
		return other
	}
	all, err := head.tensor.Len()
	if err != nil {
		return err
	}
	a, b := make([]float32, min(all, 1<<16)), make([]float32, min(all, 1<<16))
	for at := int64(0); at < all; at += int64(len(a)) {
		a, b = a[:min(int64(len(a)), all-at)], b[:min(int64(len(b)), all-at)]
		if err := errors.Join(head.file.Floats(head.tensor, at, a), embedding.file.Floats(embedding.tensor, at, b)); err != nil {
			return err
		}
		if !slices.Equal(a, b) {
			return other
		}
	}
	return nil
}

// passedOver are tensors that older programs write beside the weights, and that follow from config.json: tables of the rotary
// embedding, slopes of ALiBi, causal masks.
func passedOver(name string) bool {
	for _, end := range []string{".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", "relative_pe.slopes"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}
