package serve

import (
	"errors"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/train/generate"
)

// TestParameters: the table is sorted, as the search in it needs.
func TestParameters(t *testing.T) {
	for i := range parameters[1:] {
		if parameters[i].name >= parameters[i+1].name {
			t.Errorf("%s stands before %s", parameters[i].name, parameters[i+1].name)
		}
	}
}

// FuzzRequest: a body is refused with an error of the API, or is a request that keeps all limits.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"prompt":"a","max_tokens":3,"temperature":0.5,"top_p":0.9,"top_k":5,"seed":1,"stop":["x"],"n":2,"stream":true,"logprobs":1,"echo":true,"stream_options":{"include_usage":true}}`,
		`{"prompt":["a","b"]}`, `{"prompt":[1,2]}`, `{"prompt":[[1],[2]],"best_of":1}`, `{"messages":[{"role":"user","content":"q"}],"logprobs":true,"top_logprobs":2}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":null}],"chat_template_kwargs":{"a":1,"continue_final_message":true}}`,
		`{"messages":[{"from":"human","value":"q"}]}`, `{"prompt":"a","logit_bias":{ }}`, `{"model":"tiny"}`, `{"prompt":[`, `[]`, ``, `{"prompt":"a"}x`, `{"n":-0}`,
	} {
		f.Add([]byte(body), true)
		f.Add([]byte(body), false)
	}
	c, _ := config(f, generate.Options{})
	s := New(c)
	f.Fuzz(func(t *testing.T, body []byte, chat bool) {
		on := onCompletions
		if chat {
			on = onChat
		}
		a, err := s.parse(on, body)
		if err == nil {
			err = s.encode(a)
		}
		if err != nil {
			var p *problem
			if !errors.As(err, &p) || p.message == "" || p.code == "" || p.status != 0 && p.status/100 != 4 {
				t.Fatalf("%#v", err)
			}
			if !jsontext.Value(p.json()).IsValid() {
				t.Fatalf("%s", p.json())
			}
			return
		}
		if err := a.sampling.Check(func(name string) string { return name }); err != nil {
			t.Error(err)
		}
		if a.samples < 1 || a.samples > maxSamples || a.top < 0 || a.top > maxTop || len(a.prompts) < 1 || len(a.prompts) > maxPrompts || len(a.stops) > maxStops || a.cost() < 0 {
			t.Errorf("%+v", a)
		}
		for _, p := range a.prompts {
			if len(p.ids) == 0 || p.most < 0 || len(p.ids)+p.most > s.Context || p.head > len(p.ids) || slices.Max(p.ids) >= uint32(s.Vocabulary) {
				t.Errorf("%+v", p)
			}
			if b, err := json.Marshal(p.text); err != nil {
				t.Errorf("%s: %v", b, err)
			}
		}
	})
}
