package train

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/train/model"
)

// TestExtend looks at every row of embedding and head, and that the rest stays.
func TestExtend(t *testing.T) {
	for _, tied := range []bool{false, true} {
		c := tinyModel(t, model.Llama).Config
		c.Tied = tied
		p := model.NewParams(model.NewLayout(c))
		r := rand.New(rand.NewPCG(1, 2))
		for i := range p.Data {
			p.Data[i] = float32(r.IntN(64)) / 4 // sums are exact
		}
		before := slices.Clone(p.Data)
		tokens := NewTokens{18: {1, 2}, 21: {3, 3, 0, 5}, 22: {17}}
		wider, q, err := Extend(c, p, 24, tokens)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before, p.Data) || wider.Vocabulary != 24 || c.Vocabulary != 20 {
			t.Error("the model was changed")
		}
		seen := 0
		for i := range q.Layout.Tensors {
			tensor := &q.Layout.Tensors[i]
			if tensor.Role != model.Embedding && tensor.Role != model.Head {
				if !slices.Equal(q.Of(i), p.Of(i)) {
					t.Errorf("%s was changed", tensor.Name)
				}
				continue
			}
			seen++
			row := func(of *model.Params, id int) []float32 { return of.Of(i)[id*c.Width:][:c.Width] }
			for id := range 24 {
				from := tokens[id]
				switch {
				case from != nil:
				case id < 20:
					from = []int{id}
				default:
					for old := range 20 {
						from = append(from, old)
					}
				}
				for j, got := range row(q, id) {
					sum := 0.0
					for _, old := range from {
						sum += float64(row(p, old)[j])
					}
					if want := float32(sum / float64(len(from))); got != want {
						t.Errorf("%s, row %d: %v, want %v", tensor.Name, id, got, want)
					}
				}
			}
		}
		if want := map[bool]int{false: 2, true: 1}[tied]; seen != want {
			t.Errorf("%d tensors have rows by id, want %d", seen, want)
		}
	}
}

func TestExtendErrors(t *testing.T) {
	l := tinyModel(t, model.Llama)
	for _, c := range []struct {
		vocabulary int
		tokens     NewTokens
		want       string
	}{
		{19, nil, "20 ids already"},
		{20, NewTokens{20: {1}}, "make that 21"},
		{21, NewTokens{20: {20}}, "no old token"},
		{22, NewTokens{20: {1}, 21: {20}}, "no old token"},
		{22, NewTokens{18: {1}, 21: {18}}, "no old token"},
		{21, NewTokens{20: {-1}}, "no old token"},
		{1 << 25, nil, "vocab_size"},
	} {
		if _, _, err := Extend(l.Config, l.Params, c.vocabulary, c.tokens); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d, %v: %v, want %q", c.vocabulary, c.tokens, err, c.want)
		}
	}
	if c, p, err := Extend(l.Config, l.Params, 20, nil); err != nil || c != l.Config || p != l.Params {
		t.Error("nothing was to be done, and something was")
	}
}

func TestReadNewTokens(t *testing.T) {
	// Two lines of a file that "curate tokenizer extend" wrote.
	got, err := ReadNewTokens("x", []byte(`{"id":262,"token":"Ġeta","text":" eta","bytes":4,"count":12,"init":[220,68,83,64]}
{"id":263,"token":"ak","text":"ak","bytes":2,"count":3,"init":[64,74]}
`))
	if err != nil || len(got) != 2 || !slices.Equal(got[262], []int{220, 68, 83, 64}) || !slices.Equal(got[263], []int{64, 74}) {
		t.Error(got, err)
	}
	for text, want := range map[string]string{
		`{"id":1,"init":[]}`:   "token 1 has no id, or no old tokens",
		`{"init":[1]}`:         "token 1 has no id",
		`{"id":-1,"init":[1]}`: "token 1 has no id",
		"{\"id\":1,\"init\":[2]}\n{\"id\":1,\"init\":[2]}": "token 2 has the id 1, as one before it",
		`{"id":1,"init":[1.5]}`:                            "x: token 1",
		`{"id":`:                                           "x: token 1",
	} {
		if _, err := ReadNewTokens("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if got, err := ReadNewTokens("x", nil); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}

func FuzzReadNewTokens(f *testing.F) {
	f.Add([]byte(`{"id":1,"init":[2,3]}` + "\n" + `{"id":4,"init":[2]}`))
	f.Add([]byte(`{"id":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tokens, err := ReadNewTokens("x", b)
		if err != nil {
			return
		}
		for id, from := range tokens {
			if id < 0 || len(from) == 0 {
				t.Fatal(id, from)
			}
		}
	})
}
