package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"curate/gguf"
	"curate/safetensors"
	"curate/train/model"
)

// located are the weights of a model as a file of safetensors has them.
func located(t *testing.T, c *model.Config, p *model.Params) *Weights {
	t.Helper()
	var b bytes.Buffer
	if err := WriteWeights(&b, p, safetensors.F32, nil); err != nil {
		t.Fatal(err)
	}
	w, err := Locate(c, []*File{opened(t, "model.safetensors", b.Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// written writes a model as GGUF and opens it.
func written(t *testing.T, c *model.Config, w *Weights, o GGUFOptions) *gguf.File {
	t.Helper()
	var b bytes.Buffer
	if err := WriteGGUF(&b, c, w, o); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open("model.gguf", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestGGUF: a model that was written as GGUF computes the same when it is read, with µP and without. From such a file it is written
// again, byte for byte.
func TestGGUF(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	b := &model.Batch{Rows: 2, Length: 20}
	for range b.Rows * b.Length {
		b.Tokens = append(b.Tokens, int32(r.IntN(30)))
	}
	for k, c := range configs() {
		p := random(&c, uint64(k))
		w := located(t, &c, p)
		if c.AlibiSlopeScale != 1 {
			if err := WriteGGUF(&bytes.Buffer{}, &c, w, GGUFOptions{}); err == nil || !strings.Contains(err.Error(), "alibi_scaling") {
				t.Errorf("slopes that GGUF cannot say: %v", err)
			}
			c.AlibiSlopeScale = 1
		}
		f := written(t, &c, w, GGUFOptions{Type: gguf.F32, Name: "x"})
		got, _, file, err := ReadGGUF(f)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ReadWeights(got, []*File{file})
		if err != nil {
			t.Fatal(err)
		}
		want, have := logits(t, &c, p, b), logits(t, got, q, b)
		worst, largest := 0.0, 0.0
		for i := range want {
			worst = max(worst, math.Abs(float64(want[i]-have[i])))
			largest = max(largest, math.Abs(float64(want[i])))
		}
		if worst > 1e-5*max(1, largest) || largest < 0.1 {
			t.Errorf("%+v: logits of up to %v differ by %v", c, largest, worst)
		}
		var again bytes.Buffer
		again2, err := Locate(got, []*File{file})
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteGGUF(&again, got, again2, GGUFOptions{Type: gguf.F32, Name: "x"}); err != nil {
			t.Fatal(err)
		}
		second := written(t, got, again2, GGUFOptions{Type: gguf.F32, Name: "x"})
		if fmt.Sprint(second.Metadata) != fmt.Sprint(f.Metadata) || fmt.Sprint(second.Tensors) != fmt.Sprint(f.Tensors) {
			t.Errorf("%v\n%v\nbecame\n%v\n%v", f.Metadata, f.Tensors, second.Metadata, second.Tensors)
		}
		for i := range f.Tensors {
			if a, b := tensorBytes(t, f, i), tensorBytes(t, second, i); !bytes.Equal(a, b) {
				t.Errorf("tensor %s is another", f.Tensors[i].Name)
			}
		}
	}
}

func tensorBytes(t *testing.T, f *gguf.File, i int) []byte {
	t.Helper()
	n, err := f.Tensors[i].Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if err := f.Read(&f.Tensors[i], 0, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGGUFTypes: matrices get the type, vectors stay F32, and rows that are no whole blocks become F16.
func TestGGUFTypes(t *testing.T) {
	c := wideConfigs()["llama"]
	c.FFN = 48
	w := located(t, &c, random(&c, 1))
	for _, matrices := range []gguf.Type{gguf.F16, gguf.Q8_0, gguf.Q4_0} {
		f := written(t, &c, w, GGUFOptions{Type: matrices})
		for _, tensor := range f.Tensors {
			want := matrices
			switch {
			case len(tensor.Shape) == 1:
				want = gguf.F32
			case tensor.Shape[1] == 48 && matrices != gguf.F16:
				want = gguf.F16
			}
			if tensor.Type != want {
				t.Errorf("%s: %s is %s", matrices, tensor.Name, tensor.Type)
			}
		}
	}
	p := random(&c, 1)
	p.Of(2)[5] = 1e10
	for _, matrices := range []gguf.Type{gguf.F16, gguf.Q8_0, gguf.Q4_0} {
		if err := WriteGGUF(&bytes.Buffer{}, &c, located(t, &c, p), GGUFOptions{Type: matrices}); err == nil || !strings.Contains(err.Error(), "self_attn.q_proj.weight\" has a number that") {
			t.Errorf("%s took 1e10: %v", matrices, err)
		}
	}
	if err := WriteGGUF(&bytes.Buffer{}, &c, w, GGUFOptions{Type: gguf.BF16}); err == nil {
		t.Error("BF16 was written")
	}
}

// wideConfigs are models whose rows are whole blocks.
func wideConfigs() map[string]model.Config {
	all := model.Config{Vocabulary: 30, Width: 32, Layers: 2, Heads: 4, HeadSize: 8, FFN: 32, Context: 64, NormEpsilon: 1e-5, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1}
	llama := all
	llama.Family, llama.KVHeads, llama.RopeTheta = model.Llama, 2, 500000
	llama.RopeScaling = &model.RopeScaling{Factor: 8, Low: 1, High: 4, Original: 32}
	btlm := all
	btlm.Family, btlm.KVHeads, btlm.Tied = model.BTLM, 4, true
	btlm.EmbeddingScale, btlm.LogitScale, btlm.WidthScale, btlm.ScaleByHead = 14.6, 0.555, 0.25, true
	twelve := btlm
	twelve.Heads, twelve.KVHeads, twelve.HeadSize, twelve.Width, twelve.ScaleByHead, twelve.Tied = 12, 12, 2, 24, false, false
	return map[string]model.Config{"llama": llama, "btlm": btlm, "btlm-12-heads": twelve}
}

// llamaCPP is what llama.cpp computes with a file.
type llamaCPP struct {
	Tokens []int32   `json:"tokens"`
	Logits []float32 `json:"logits"` // [tokens, vocabulary]
}

// TestLlamaCPP: the files in testdata are what WriteGGUF writes, and llama.cpp (llama-cpp-python 0.3.36, keys and values in float32) has
// computed the logits beside them, which are the models'. testdata/README.md says how they were made.
func TestLlamaCPP(t *testing.T) {
	for name, c := range wideConfigs() {
		p := random(&c, 7)
		for i := range p.Data { // smaller, so that no logit is large
			p.Data[i] *= 0.5
		}
		var b bytes.Buffer
		if err := WriteGGUF(&b, &c, located(t, &c, p), GGUFOptions{Type: gguf.F16}); err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name + ".gguf"
		if *update {
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue // and llama.cpp has to compute its logits again
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s is another; if that is meant, run with -update and have llama.cpp compute its logits again", file)
		}
		f, err := gguf.Open(file, bytes.NewReader(want), int64(len(want)))
		if err != nil {
			t.Fatal(err)
		}
		got, _, weights, err := ReadGGUF(f)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ReadWeights(got, []*File{weights})
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile("testdata/" + name + ".llamacpp.json")
		if err != nil {
			t.Fatal(err)
		}
		var theirs llamaCPP
		if err := json.Unmarshal(text, &theirs); err != nil {
			t.Fatal(err)
		}
		ours := logits(t, got, q, &model.Batch{Rows: 1, Length: len(theirs.Tokens), Tokens: theirs.Tokens})
		if len(ours) != len(theirs.Logits) {
			t.Fatalf("%d logits, and %d of llama.cpp", len(ours), len(theirs.Logits))
		}
		worst, largest := 0.0, 0.0
		for i, v := range ours {
			worst = max(worst, math.Abs(float64(v-theirs.Logits[i])))
			largest = max(largest, math.Abs(float64(v)))
		}
		// llama.cpp multiplies matrices in 16 bits with activations that it rounds to 16 bits, so 2^-11 at each of a few layers.
		if worst > 5e-3*max(1, largest) || largest < 0.1 {
			t.Errorf("%s: logits of up to %v differ by %v", name, largest, worst)
		}
		t.Logf("%s: logits of up to %v differ by %v", name, largest, worst)
	}
}

// TestWrongGGUF: a file of another model, or one that lacks something, is refused with what is wrong.
func TestWrongGGUF(t *testing.T) {
	c := wideConfigs()["llama"]
	f := written(t, &c, located(t, &c, random(&c, 1)), GGUFOptions{Type: gguf.F32})
	change := func(key string, value any) *gguf.File {
		var pairs []gguf.Pair
		for _, p := range f.Metadata {
			if p.Key != key {
				pairs = append(pairs, p)
			}
		}
		if value != nil {
			pairs = append(pairs, gguf.Pair{Key: key, Value: value})
		}
		return rewritten(t, f, pairs, f.Tensors)
	}
	for _, x := range []struct {
		want string
		file *gguf.File
	}{
		{"", change("general.name", "other")},
		{"", change("llama.attention.head_count_kv", int32(2))},
		{"", change("llama.expert_count", uint32(0))},
		{`general.architecture: it is "qwen2"`, change("general.architecture", "qwen2")},
		{`general.architecture: it is ""`, change("general.architecture", uint32(1))},
		{"llama.block_count: the key is missing", change("llama.block_count", nil)},
		{"llama.block_count: it is string", change("llama.block_count", "2")},
		{"llama.block_count: it is 18446744073709551615", change("llama.block_count", int32(-1))},
		{"llama.block_count: it is 16000, and the file has 22 tensors", change("llama.block_count", uint32(16000))},
		{"no multiple of num_key_value_heads", change("llama.attention.head_count_kv", uint32(3))},
		{"llama.attention.layer_norm_rms_epsilon: the key is missing", change("llama.attention.layer_norm_rms_epsilon", nil)},
		{"llama.rope.scaling.type: it is yarn", change("llama.rope.scaling.type", "yarn")},
		{"llama.expert_count: it is 8", change("llama.expert_count", uint32(8))},
		{"rope_freqs.weight: factor", change(ropeKeys+"original_context_length", uint32(8))},
		{"rope.dimension_count: it is 8, and this program", change("llama.attention.key_length", uint32(1<<31-1))},
		{"the model is in 2 files", change("split.count", uint16(2))},
		{`has the shape [32 32], and config.json wants [64 32]`, change("llama.feed_forward_length", uint32(64))},
		{`"model.layers.2.input_layernorm.weight" is missing`, change("llama.block_count", uint32(3))},
		{"there is no such matrix", rewritten(t, f, f.Metadata, f.Tensors[1:])},
		{`tensor "blk.1.ffn_down.bias" is none of the model`, rewritten(t, f, f.Metadata, append(slices.Clone(f.Tensors), gguf.Tensor{Name: "blk.1.ffn_down.bias", Shape: []int64{32}}))},
		{"its numbers are Q6_K", rewritten(t, f, f.Metadata, append(slices.Clone(f.Tensors[:len(f.Tensors)-1]), gguf.Tensor{Name: "output.weight", Type: 14, Shape: []int64{1, 256}}))},
	} {
		got, _, file, err := ReadGGUF(x.file)
		if err == nil {
			_, err = Locate(got, []*File{file})
		}
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), "model.gguf") && !strings.Contains(err.Error(), "x.gguf")) {
			t.Errorf("%v, want %q", err, x.want)
		}
	}
}

// rewritten is a file with other keys and tensors, those of f as they are and others of zeros.
func rewritten(t *testing.T, f *gguf.File, pairs []gguf.Pair, tensors []gguf.Tensor) *gguf.File {
	t.Helper()
	var b bytes.Buffer
	w, err := gguf.NewWriter(&b, pairs, slices.Clone(tensors))
	if err != nil {
		t.Fatal(err)
	}
	for i := range tensors {
		n, err := tensors[i].Bytes()
		if err != nil {
			t.Fatal(err)
		}
		x := make([]byte, n)
		if at := f.Tensor(tensors[i].Name); at != nil && at.Type == tensors[i].Type {
			if err := f.Read(at, 0, x); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Write(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := gguf.Open("x.gguf", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzReadGGUF: whatever a file says of its model, it is refused, or its tensors can be read.
func FuzzReadGGUF(f *testing.F) {
	for name := range wideConfigs() {
		b, err := os.ReadFile("testdata/" + name + ".gguf")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := gguf.Open("x", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		c, _, stored, err := ReadGGUF(file)
		if err != nil {
			return
		}
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadWeights(c, []*File{stored}); err != nil && !strings.Contains(err.Error(), "tensor") {
			t.Fatal(err)
		}
	})
}
