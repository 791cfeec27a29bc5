package train

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/kernel"
	"curate/safetensors"
	"curate/train/model"
)

var update = flag.Bool("update", false, "rewrite golden files")

// expected is what transformers computed with a model that it saved (bench/transformers_model.py).
type expected struct {
	Version string    `json:"version"`
	Tokens  [][]int32 `json:"tokens"`
	Greedy  [][]int32 `json:"greedy"`
	Logits  []float32 `json:"logits"`
}

// TestTorchFiles reads two files that torch 2.15 saved, with their index: the numbers of transformers-4.
func TestTorchFiles(t *testing.T) {
	st := store.NewLocal(nil).Scratch()
	want, err := Load(t.Context(), st, "testdata/transformers-4")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(t.Context(), st, "testdata/torch")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Params.Data, want.Params.Data) {
		t.Error("the weights of torch's files are others")
	}
}

// TestTransformers reads models that transformers 4 and 5 saved, in bfloat16 and two files, and in float16 and one, and computes
// the same logits and the same greedy text; and again after they were written and read.
func TestTransformers(t *testing.T) {
	st := store.NewLocal(nil).Scratch()
	for name, more := range map[string][]int{"transformers-4": {5}, "transformers-5": nil} {
		dir := "testdata/" + name
		b, err := os.ReadFile(dir + "/expected.json")
		if err != nil {
			t.Fatal(err)
		}
		var want expected
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		l, err := Load(t.Context(), st, dir)
		if err != nil {
			t.Fatal(err)
		}
		if l.Dir != dir || l.BOS < 1 || l.EOS < 2 || l.Pad != -1 || !slices.Equal(l.MoreEOS, more) || l.Tokenizer != "" || l.Generation == nil {
			t.Errorf("%s: %+v", name, *l)
		}
		l.computes(t, want)
		for _, o := range []SaveOptions{{}, {MaxShard: 5000}, {Dtype: safetensors.F16}} {
			if o.Dtype != "" && name == "transformers-4" {
				continue // F16 does not hold BF16
			}
			saved := filepath.ToSlash(t.TempDir()) + "/saved"
			if err := Save(t.Context(), st, saved, l, o); err != nil {
				t.Fatal(err)
			}
			again, err := Load(t.Context(), st, saved)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(again.Params.Data, l.Params.Data) || again.BOS != l.BOS || again.EOS != l.EOS || !slices.Equal(again.MoreEOS, l.MoreEOS) || !bytes.Equal(again.Generation, l.Generation) {
				t.Errorf("%s: saved with %+v it is another model", name, o)
			}
			again.computes(t, want)
			files := slices.Sorted(slicesOf(tree(t, saved)))
			parts := 0
			for _, f := range files {
				if strings.HasPrefix(f, "model-0000") {
					parts++
				}
			}
			if (o.MaxShard > 0) != (parts > 2) || (o.MaxShard > 0) == slices.Contains(files, WeightsFile) {
				t.Errorf("%s: with %+v there are %v", name, o, files)
			}
		}
	}
}

func slicesOf(files map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range files {
			if !yield(name) {
				return
			}
		}
	}
}

func (l *Loaded) computes(t *testing.T, want expected) {
	t.Helper()
	m, err := model.New(l.Config, l.Params, newPool(t, 1), kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	b := &model.Batch{Rows: len(want.Tokens), Length: len(want.Tokens[0])}
	for _, row := range want.Tokens {
		b.Tokens = append(b.Tokens, row...)
	}
	got := make([]float32, len(want.Logits))
	if err := m.Logits(b, got); err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for i, v := range got {
		worst = max(worst, math.Abs(float64(v-want.Logits[i])))
	}
	if worst > 1e-5 {
		t.Errorf("%s: logits differ by %v from those of transformers %s", l.Dir, worst, want.Version)
	}
	for r, row := range want.Tokens {
		c := m.NewCache(len(row) + len(want.Greedy[r]))
		var text []int32
		for next := row; len(text) < len(want.Greedy[r]); {
			logits, err := m.Extend(c, next)
			if err != nil {
				t.Fatal(err)
			}
			best := 0
			for i, v := range logits {
				if v > logits[best] {
					best = i
				}
			}
			next = []int32{int32(best)}
			text = append(text, int32(best))
		}
		if !slices.Equal(text, want.Greedy[r]) {
			t.Errorf("%s: the text goes on with %v, and that of transformers %s with %v", l.Dir, text, want.Version, want.Greedy[r])
		}
	}
}

// tinyModel has numbers of its own.
func tinyModel(t testing.TB, family string) *Loaded {
	t.Helper()
	s := model.Shape{Family: family, Vocabulary: 20, Width: 8, Layers: 1, Heads: 2, FFN: 8, Context: 32, BaseWidth: 4}
	c, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	p := model.NewParams(model.NewLayout(c))
	p.Init(c, 0.3, 7)
	return &Loaded{Config: c, Params: p, BOS: -1, EOS: 3, Pad: -1}
}

func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestTokenizerFiles: what belongs to a tokenizer goes along as it is, once read for all checkpoints.
func TestTokenizerFiles(t *testing.T) {
	st := store.NewLocal(nil).Scratch()
	dir := filepath.ToSlash(t.TempDir())
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "README.md", "model.bin"} {
		put(t, dir+"/from/"+name, name+" as it is")
	}
	put(t, dir+"/own.json", "its own")
	put(t, dir+"/own.model", "pieces")
	put(t, dir+"/none/README.md", "nothing")
	beside := []string{"chat_template.jinja", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"}
	for i, c := range []struct {
		path  string
		files []string
		first string
	}{
		{"", nil, ""},
		{"/from", beside, "chat_template.jinja as it is"},
		{"/from/tokenizer.json", beside, "chat_template.jinja as it is"},
		{"/own.json", []string{"tokenizer.json"}, "its own"},
		{"/own.model", []string{"tokenizer.model"}, "pieces"},
	} {
		l := tinyModel(t, model.Llama)
		if c.path != "" {
			l.Tokenizer = dir + c.path
		}
		to := dir + "/to" + string(rune('a'+i))
		if err := Save(t.Context(), st, to, l, SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		got := tree(t, to)
		want := append([]string{ModelConfigFile, generationFile, WeightsFile}, c.files...)
		slices.Sort(want)
		if files := slices.Sorted(slicesOf(got)); !slices.Equal(files, want) {
			t.Errorf("%q: %v, want %v", c.path, files, want)
		}
		if len(c.files) > 0 && got[c.files[0]] != c.first {
			t.Errorf("%q: %s has %q", c.path, c.files[0], got[c.files[0]])
		}
		again, err := Load(t.Context(), st, to)
		if err != nil || (again.Tokenizer != "") != (c.path != "") {
			t.Errorf("%q: the tokenizer of the copy is %v, %v", c.path, again, err)
		}
	}
	for path, want := range map[string]string{"/none": "no tokenizer in this folder", "/nowhere": "nowhere"} {
		l := tinyModel(t, model.Llama)
		l.Tokenizer = dir + path
		if err := Save(t.Context(), st, dir+"/never", l, SaveOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Stat(dir + "/never/" + ModelConfigFile); err == nil {
			t.Error("it looks like a model")
		}
	}
	// A run that goes on from a checkpoint takes the tokenizer from there, and may remove that checkpoint.
	l := tinyModel(t, model.BTLM)
	l.Tokenizer = dir + "/from"
	if err := Save(t.Context(), st, dir+"/1", l, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir + "/from"); err != nil {
		t.Fatal(err)
	}
	if err := Save(t.Context(), st, dir+"/2", l, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	sameTree(t, "the second", tree(t, dir+"/2"), tree(t, dir+"/1"))
}

// TestSaved compares the folders of two models, byte for byte. Other tests read them, too.
func TestSaved(t *testing.T) {
	st := store.NewLocal(nil).Scratch()
	for name, l := range map[string]*Loaded{"llama-mup": tinyModel(t, model.Llama), "btlm": tinyModel(t, model.BTLM)} {
		dir := "testdata/" + name
		if *update {
			if err := Save(t.Context(), st, dir, l, SaveOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		got := filepath.ToSlash(t.TempDir())
		if err := Save(t.Context(), st, got, l, SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		sameTree(t, name, tree(t, got), tree(t, dir))
	}
}

// TestInfinite: a number that f16 does not have is not written as infinite.
func TestInfinite(t *testing.T) {
	l := tinyModel(t, model.Llama)
	l.Params.Data[5] = -70000
	st := store.NewLocal(nil).Scratch()
	dir := filepath.ToSlash(t.TempDir())
	err := Save(t.Context(), st, dir, l, SaveOptions{Dtype: safetensors.F16})
	if err == nil || !strings.Contains(err.Error(), `"model.embed_tokens.weight" has the number -70000`) || len(tree(t, dir)) > 0 {
		t.Error(err, tree(t, dir))
	}
	l.Params.Data[5] = 65519
	if err := Save(t.Context(), st, dir, l, SaveOptions{Dtype: safetensors.F16}); err != nil {
		t.Error(err)
	}
}

// TestLoadRun takes the last checkpoint that is whole.
func TestLoadRun(t *testing.T) {
	st := store.NewLocal(nil).Scratch()
	dir := filepath.ToSlash(t.TempDir())
	put(t, dir+"/"+ConfigFile, "{}")
	if _, err := Load(t.Context(), st, dir); err == nil || !strings.Contains(err.Error(), "not come to a checkpoint yet") {
		t.Error(err)
	}
	for step, eos := range map[string]int{"step-00000009": 1, "step-00000010": 2, "step-00000011": 4} {
		l := tinyModel(t, model.BTLM)
		l.EOS = eos
		if err := Save(t.Context(), st, dir+"/checkpoints/"+step, l, SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		if eos < 4 { // the last was being written
			put(t, dir+"/checkpoints/"+step+"/"+StateFile, "{}")
		}
	}
	l, err := Load(t.Context(), st, dir)
	if err != nil {
		t.Fatal(err)
	}
	if l.EOS != 2 || l.Dir != dir+"/checkpoints/step-00000010" || !slices.Equal(l.Params.Data, tinyModel(t, model.BTLM).Params.Data) || *l.Config != *tinyModel(t, model.BTLM).Config {
		t.Errorf("%+v", *l)
	}
}

func TestLoadErrors(t *testing.T) {
	st := store.NewLocal(nil).Scratch()
	dir := filepath.ToSlash(t.TempDir())
	save := func(to string, o SaveOptions) {
		if err := Save(t.Context(), st, dir+to, tinyModel(t, model.Llama), o); err != nil {
			t.Fatal(err)
		}
	}
	save("/file", SaveOptions{})
	put(t, dir+"/empty/README.md", "")
	save("/noweights", SaveOptions{})
	os.Remove(dir + "/noweights/" + WeightsFile)
	save("/cut", SaveOptions{})
	b, err := os.ReadFile(dir + "/cut/" + WeightsFile)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/cut/"+WeightsFile, string(b[:len(b)-1]))
	save("/part", SaveOptions{MaxShard: 1000})
	parts, err := filepath.Glob(dir + "/part/model-0*.safetensors")
	if err != nil || len(parts) < 2 || os.Remove(parts[1]) != nil {
		t.Fatal(parts, err)
	}
	save("/config", SaveOptions{})
	put(t, dir+"/config/"+ModelConfigFile, `{"model_type":"gpt2"}`)
	save("/outside", SaveOptions{})
	os.Remove(dir + "/outside/" + WeightsFile)
	put(t, dir+"/outside/"+WeightsIndex, `{"weight_map":{"a":"../file/model.safetensors"}}`)
	for name, want := range map[string]string{
		"/nowhere":                "nowhere",
		"/file/model.safetensors": "it is a file; name the folder of a model",
		"/empty":                  "no model here: neither config.json nor checkpoints/step-",
		"/noweights":              "there is none of model.safetensors, model.safetensors.index.json, pytorch_model.bin",
		"/cut":                    "cut/model.safetensors (byte ",
		"/part":                   "model-00002-of-0000",
		"/config":                 `config/config.json: model_type: it is "gpt2"`,
		"/outside":                `outside/model.safetensors.index.json: weight_map: tensor "a" is in "../file/model.safetensors"`,
	} {
		if _, err := Load(t.Context(), st, dir+name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func FuzzIndex(f *testing.F) {
	for _, text := range []string{`{"metadata":{"total_size":1},"weight_map":{"a":"model-00001-of-00001.safetensors"}}`, `{"weight_map":{"a":".."}}`, `{"weight_map":{}}`, `{"weight_map":null}`, `[`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := indexed("x", b)
		if err == nil && len(files) == 0 || !slices.IsSorted(files) {
			t.Fatal(files, err)
		}
		for _, name := range files {
			if !filepath.IsLocal(name) || filepath.Base(name) != name || strings.HasPrefix(name, ".") {
				t.Fatalf("%q", name)
			}
		}
	})
}
