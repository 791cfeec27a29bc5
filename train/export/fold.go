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
	if c.Family == model.BTLM && out.Tied != c.Tied {
		// The format of a btlm knows tied heads only, and has keys for all multipliers.
		return c, p, nil
	}
	if err := out.Check(); err != nil {
		return nil, nil, err
	}
	folded := model.NewParams(model.NewLayout(&out))
	from := map[string]int{}
	for i := range p.Layout.Tensors {
		from[p.Layout.Tensors[i].Name] = i
	}
	embedding := 0
	for i := range p.Layout.Tensors {
		if p.Layout.Tensors[i].Role == model.Embedding {
			embedding = i
		}
	}
	for i := range folded.Layout.Tensors {
		t := &folded.Layout.Tensors[i]
		source, ok := from[t.Name]
		if !ok { // the head that was tied
			source = embedding
		}
		by := 1.0
		switch {
		case t.Role == model.Embedding:
			by = c.EmbeddingScale
		case t.Role == model.Head:
			by = c.LogitScale
		case c.ScaleByHead && strings.HasSuffix(t.Name, ".q_proj.weight"):
			by = 1 / math.Sqrt(float64(c.HeadSize))
		}
		to, x := folded.Of(i), p.Of(source)
		for j, v := range x {
			to[j] = float32(float64(v) * by)
		}
	}
	return &out, folded, nil
}
