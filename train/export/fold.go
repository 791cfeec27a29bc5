package export

import (
	"math"
	"strings"

	"curate/train/model"
)

// Fold gives a model that computes the same without µP's multipliers: they go into the weights, and a tied head becomes an
// untied one where it is no longer the embedding. c and p stay as they are.
//
//	embedding' = EmbeddingScale · embedding
//	head'      = LogitScale · head
//	queries'   = queries / √HeadSize, as q·k / HeadSize = (q / √HeadSize)·k / √HeadSize; a rotation commutes with it
//
// The optimiser's WidthScale is gone with them: whoever trains the result on gives all matrices the same learning rate.
func Fold(c *model.Config, p *model.Params) (*model.Config, *model.Params, error) {
	out := *c
	out.EmbeddingScale, out.LogitScale, out.WidthScale, out.ScaleByHead = 1, 1, 1, false
	out.Tied = c.Tied && c.EmbeddingScale == 1 && c.LogitScale == 1
	if err := out.Check(); err != nil {
		return nil, nil, err
	}
	folded := model.NewParams(model.NewLayout(&out))
	from := map[string]int{}
	embedding := 0
	for i := range p.Layout.Tensors {
		t := &p.Layout.Tensors[i]
		from[t.Name] = i
		if t.Role == model.Embedding {
			embedding = i
		}
	}
	for i := range folded.Layout.Tensors {
		t := &folded.Layout.Tensors[i]
		source, ok := from[t.Name]
		if !ok { // the head that was tied
			source = embedding
		}
		by, first := 1.0, t.Len() // and so many of its numbers are multiplied
		switch {
		case t.Role == model.Embedding:
			by = c.EmbeddingScale
		case t.Role == model.Head:
			by = c.LogitScale
		case c.ScaleByHead:
			by, first = 1/math.Sqrt(float64(c.HeadSize)), queries(c, t)
		}
		to, x := folded.Of(i), p.Of(source)
		for j, v := range x[:first] {
			to[j] = float32(float64(v) * by)
		}
		copy(to[first:], x[first:])
	}
	return &out, folded, nil
}

// queries says how many numbers of a tensor make the queries: they come first where keys and values share the tensor.
func queries(c *model.Config, t *model.Tensor) int {
	q := c.Heads * c.HeadSize
	switch {
	case strings.HasSuffix(t.Name, ".q_proj.weight"), strings.HasSuffix(t.Name, ".attn.c_attn.weight"):
		return q * t.Cols
	case strings.HasSuffix(t.Name, ".attn.c_attn.bias"):
		return q
	}
	return 0
}
