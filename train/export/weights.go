package export

import (
	"fmt"
	"io"
	"slices"
	"strings"

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
	return WriteTensors(w, []Part{{"", p}}, 0, len(p.Layout.Tensors), dtype, metadata)
}

// Part are numbers of a layout under a prefix of their names.
type Part struct {
	Prefix string
	Params *model.Params
}

// WriteTensors writes tensors from to to, without it, of each part.
func WriteTensors(w io.Writer, parts []Part, from, to int, dtype safetensors.Dtype, metadata map[string]string) error {
	var list []safetensors.Tensor
	for _, part := range parts {
		for i := from; i < to; i++ {
			t := &part.Params.Layout.Tensors[i]
			list = append(list, safetensors.Tensor{Name: part.Prefix + t.Name, Dtype: dtype, Shape: Shape(t)})
		}
	}
	out, err := safetensors.NewWriter(w, list, metadata)
	if err != nil {
		return err
	}
	var row []float32
	for _, part := range parts {
		for i := from; i < to; i++ {
			t, x := &part.Params.Layout.Tensors[i], part.Params.Of(i)
			if !t.Transposed {
				if err := out.Floats(x); err != nil {
					return err
				}
				continue
			}
			row = slices.Grow(row[:0], t.Rows)[:t.Rows]
			for c := range t.Cols {
				for r := range t.Rows {
					row[r] = x[r*t.Cols+c]
				}
				if err := out.Floats(row); err != nil {
					return err
				}
			}
		}
	}
	return out.Close()
}

// ReadWeights reads the tensors of a model from its files (one, or those that model.safetensors.index.json lists). A tensor that
// is missing, that nobody knows, or that has another shape is an error that names it.
func ReadWeights(c *model.Config, files []*safetensors.File) (*model.Params, error) {
	p := model.NewParams(model.NewLayout(c))
	return p, ReadTensors([]Part{{"", p}}, files)
}

// ReadTensors fills the numbers of all parts.
func ReadTensors(parts []Part, files []*safetensors.File) error {
	if len(files) == 0 {
		return fmt.Errorf("the model has no file of weights")
	}
	known := map[string]bool{}
	for _, part := range parts {
		for i := range part.Params.Layout.Tensors {
			name := part.Prefix + part.Params.Layout.Tensors[i].Name
			known[name] = true
			if err := readTensor(part.Params, i, name, files); err != nil {
				return err
			}
		}
	}
	for _, f := range files {
		for i := range f.Tensors {
			if name := f.Tensors[i].Name; !known[name] && !passedOver(name) {
				return fmt.Errorf("%s: tensor %q is none of a model that config.json describes", f.Name, name)
			}
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

func readTensor(p *model.Params, i int, name string, files []*safetensors.File) error {
	t := &p.Layout.Tensors[i]
	var in *safetensors.File
	var at *safetensors.Tensor
	for _, f := range files {
		found := f.Lookup(name)
		switch {
		case found == nil:
		case at != nil:
			return fmt.Errorf("tensor %q is in %s and in %s", name, in.Name, f.Name)
		default:
			in, at = f, found
		}
	}
	if at == nil {
		return fmt.Errorf("%s: the tensor %q is missing", files[0].Name, name)
	}
	if want := Shape(t); !slices.Equal(at.Shape, want) {
		return fmt.Errorf("%s: tensor %q has the shape %v, and config.json wants %v", in.Name, name, at.Shape, want)
	}
	x := p.Of(i)
	if !t.Transposed {
		return in.Floats(at, 0, x)
	}
	row := make([]float32, t.Rows)
	for c := range t.Cols {
		if err := in.Floats(at, int64(c)*int64(t.Rows), row); err != nil {
			return err
		}
		for r, v := range row {
			x[r*t.Cols+c] = v
		}
	}
	return nil
}
