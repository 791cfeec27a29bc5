package train

import (
	"fmt"

	"curate/train/model"
)

// extend gives a model that knows more ids. Their rows in embedding and head are the mean of those that there are, so that
// the model gives them the share of an ordinary id (Hewitt 2021, "Initializing new word embeddings for pretrained language
// models"). Nothing of c and p is changed.
func extend(c *model.Config, p *model.Params, vocabulary int) (*model.Config, *model.Params, error) {
	if vocabulary < c.Vocabulary {
		return nil, nil, fmt.Errorf("vocabulary is %d, and the model has %d ids already", vocabulary, c.Vocabulary)
	}
	if vocabulary == c.Vocabulary {
		return c, p, nil
	}
	wider := *c
	wider.Vocabulary = vocabulary
	out := model.NewParams(model.NewLayout(&wider))
	for i := range p.Layout.Tensors {
		t, from, to := &p.Layout.Tensors[i], p.Of(i), out.Of(i)
		copy(to, from)
		if t.Role != model.Embedding && t.Role != model.Head {
			continue
		}
		mean := make([]float64, t.Cols)
		for r := range t.Rows {
			for j, v := range from[r*t.Cols:][:t.Cols] {
				mean[j] += float64(v)
			}
		}
		for r := t.Rows; r < vocabulary; r++ {
			for j, m := range mean {
				to[r*t.Cols+j] = float32(m / float64(t.Rows))
			}
		}
	}
	return &wider, out, nil
}
