package train

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/train/model"
)

// NewTokens are tokens that a tokenizer has got, by id, with the ids of the old tokens that each of them was made of.
type NewTokens map[int][]int

// ReadNewTokens reads the new_tokens.jsonl that "curate tokenizer extend" writes; name is for messages.
func ReadNewTokens(name string, b []byte) (NewTokens, error) {
	list := NewTokens{}
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for line := 1; ; line++ {
		var t struct {
			ID   *int  `json:"id"`
			Init []int `json:"init"`
		}
		err := json.UnmarshalDecode(d, &t)
		switch {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, fmt.Errorf("%s: token %d: %w", name, line, err)
		case t.ID == nil || *t.ID < 0 || len(t.Init) == 0:
			return nil, fmt.Errorf("%s: token %d has no id, or no old tokens under \"init\"; give the file that curate tokenizer extend has written", name, line)
		case list[*t.ID] != nil:
			return nil, fmt.Errorf("%s: token %d has the id %d, as one before it", name, line, *t.ID)
		}
		list[*t.ID] = t.Init
	}
}

// Extend gives a model that knows vocabulary ids. A new token's rows in embedding and head are the mean of those of the old tokens
// that it was made of (Gee and others, "Fast Vocabulary Transfer for Language Model Compression", EMNLP 2022 Industry Track,
// section 3). Rows that fill up an embedding wider than the tokenizer may get one, too. All other ids that the model did not have
// begin as the mean of its rows, so that it gives them the share of an ordinary one (Hewitt 2021, "Initializing new word
// embeddings for pretrained language models"). Nothing of c and p is changed.
func Extend(c *model.Config, p *model.Params, vocabulary int, tokens NewTokens) (*model.Config, *model.Params, error) {
	if vocabulary < c.Vocabulary {
		return nil, nil, fmt.Errorf("vocabulary is %d, and the model has %d ids already", vocabulary, c.Vocabulary)
	}
	if vocabulary == c.Vocabulary && len(tokens) == 0 {
		return c, p, nil
	}
	ids := slices.Sorted(maps.Keys(tokens))
	for _, id := range ids {
		if id >= vocabulary {
			return nil, nil, fmt.Errorf("the new token %d is none of a vocabulary of %d; make that %d", id, vocabulary, ids[len(ids)-1]+1)
		}
		for _, old := range tokens[id] {
			if old < 0 || old >= c.Vocabulary || tokens[old] != nil {
				return nil, nil, fmt.Errorf("the new token %d is made of %d, which is no old token: the model has %d ids", id, old, c.Vocabulary)
			}
		}
	}
	wider := *c
	wider.Vocabulary = vocabulary
	if err := wider.Check(); err != nil {
		return nil, nil, err
	}
	out := model.NewParams(model.NewLayout(&wider))
	for i := range p.Layout.Tensors {
		t, from, to := &p.Layout.Tensors[i], p.Of(i), out.Of(i)
		copy(to, from)
		if t.Role != model.Embedding && t.Role != model.Head {
			continue
		}
		row := func(id int) []float32 { return to[id*t.Cols:][:t.Cols] }
		if vocabulary > c.Vocabulary {
			mean := newMean(t.Cols)
			for id := range c.Vocabulary {
				mean.add(from[id*t.Cols:][:t.Cols])
			}
			for id := c.Vocabulary; id < vocabulary; id++ {
				mean.put(row(id))
			}
		}
		mean := newMean(t.Cols)
		for _, id := range ids {
			mean.clear()
			for _, old := range tokens[id] {
				mean.add(from[old*t.Cols:][:t.Cols])
			}
			mean.put(row(id))
		}
	}
	return &wider, out, nil
}

// mean of rows, in their order.
type mean struct {
	sum  []float64
	rows int
}

func newMean(cols int) *mean { return &mean{sum: make([]float64, cols)} }

func (m *mean) clear() { clear(m.sum); m.rows = 0 }

func (m *mean) add(row []float32) {
	for j, v := range row {
		m.sum[j] += float64(v)
	}
	m.rows++
}

func (m *mean) put(row []float32) {
	for j, s := range m.sum {
		row[j] = float32(s / float64(m.rows))
	}
}
