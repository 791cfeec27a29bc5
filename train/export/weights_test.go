package export

import (
	"bytes"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/kernel"
	"curate/safetensors"
	"curate/train/model"
)

var update = flag.Bool("update", false, "rewrite golden files")

// random gives a model's numbers: all different from 0 and 1, biases and norms, too.
func random(c *model.Config, seed uint64) *model.Params {
	p := model.NewParams(model.NewLayout(c))
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range p.Layout.Tensors {
		x := p.Of(i)
		for j := range x {
			x[j] = float32(r.NormFloat64() * 0.3)
			if p.Layout.Tensors[i].Role == model.Norm {
				x[j] += 1
			}
		}
	}
	return p
}

func opened(t *testing.T, name string, b []byte) *File {
	t.Helper()
	f, err := safetensors.Open(name, bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return Safetensors(f)
}

// TestWeights: weights are read as they were written, from one file or several; in narrower types as the nearest there is.
func TestWeights(t *testing.T) {
	for k, c := range configs() {
		p := random(&c, uint64(k))
		for _, dtype := range []safetensors.Dtype{safetensors.F32, safetensors.BF16, safetensors.F16} {
			var b bytes.Buffer
			if err := WriteWeights(&b, p, dtype, map[string]string{"format": "pt"}); err != nil {
				t.Fatal(err)
			}
			whole := opened(t, "whole", b.Bytes())
			got, err := ReadWeights(&c, []*File{whole})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range p.Data {
				ulp := map[safetensors.Dtype]float64{safetensors.F32: 0, safetensors.BF16: 0x1p-8, safetensors.F16: 0x1p-11}[dtype]
				if d := math.Abs(float64(got.Data[i] - v)); d > max(ulp*math.Abs(float64(v)), ulp*0x1p-14) { // F16 has steps of 2^-24 below 2^-14
					t.Fatalf("%s, number %d: %v became %v", dtype, i, v, got.Data[i])
				}
			}
			var files []*File
			n := len(p.Layout.Tensors)
			for _, cut := range [][2]int{{0, 1}, {1, n / 2}, {n / 2, n}} {
				var b bytes.Buffer
				if err := WriteTensors(&b, p, cut[0], cut[1], dtype, nil); err != nil {
					t.Fatal(err)
				}
				files = append(files, opened(t, "part", b.Bytes()))
			}
			slices.Reverse(files)
			parts, err := ReadWeights(&c, files)
			if err != nil || !slices.Equal(parts.Data, got.Data) {
				t.Errorf("%s: three files hold another model: %v", dtype, err)
			}
		}
	}
}

// TestOrientation: a btlm's matrices lie in the file as [in, out].
func TestOrientation(t *testing.T) {
	c := configs()[2]
	p := random(&c, 9)
	var b bytes.Buffer
	if err := WriteWeights(&b, p, safetensors.F32, nil); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open("x", bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Layout.Tensors, func(t model.Tensor) bool { return t.Name == "transformer.h.1.mlp.c_fc.weight" })
	at := f.Lookup(p.Layout.Tensors[i].Name)
	if !slices.Equal(at.Shape, []int64{12, 10}) {
		t.Fatal(at.Shape)
	}
	x := make([]float32, 120)
	if err := f.Floats(at, 0, x); err != nil {
		t.Fatal(err)
	}
	for in := range 12 {
		for out := range 10 {
			if x[in*10+out] != p.Of(i)[out*12+in] {
				t.Fatalf("%d to %d", in, out)
			}
		}
	}
}

// TestStrips: matrices that need several strips.
func TestStrips(t *testing.T) {
	w := model.Tensor{Rows: 700, Cols: 1000, Transposed: true}
	next, seen := 0, 0
	err := eachStrip(&w, func(first, cols int, strip []float32) error {
		if first != next || len(strip) != cols*700 || len(strip) > 1<<18 {
			t.Errorf("columns %d to %d in %d numbers", first, first+cols, len(strip))
		}
		next += cols
		seen++
		return nil
	})
	if err != nil || next != 1000 || seen < 3 {
		t.Error(err, next, seen)
	}
}

func TestWrongWeights(t *testing.T) {
	tied := configs()[1]
	p := random(&tied, 1)
	untied := tied
	untied.Tied = false
	wider := tied
	wider.FFN++
	deeper := tied
	deeper.Layers++
	var b, head bytes.Buffer
	if err := WriteWeights(&b, p, safetensors.F32, nil); err != nil {
		t.Fatal(err)
	}
	f := opened(t, "a.safetensors", b.Bytes())
	extra := func(name string, shape []int64, numbers []float32) *File {
		head.Reset()
		w, err := safetensors.NewWriter(&head, []safetensors.Tensor{{Name: name, Dtype: safetensors.F32, Shape: shape}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Floats(numbers); err != nil {
			t.Fatal(err)
		}
		return opened(t, "b.safetensors", bytes.Clone(head.Bytes()))
	}
	embedding := p.Of(0)
	other := slices.Clone(embedding)
	other[len(other)-1]++
	shape := []int64{30, 16}
	for _, c := range []struct {
		name   string
		config model.Config
		files  []*File
		want   string // "": none
	}{
		{"whole", tied, []*File{f}, ""},
		{"no file", tied, nil, "no file"},
		{"no head", untied, []*File{f}, `a.safetensors: tensor "lm_head.weight" is missing; if the model's head is its embedding`},
		{"shape", wider, []*File{f}, `has the shape [12 16], and config.json wants [13 16]`},
		{"layer", deeper, []*File{f}, `tensor "model.layers.1.input_layernorm.weight" is missing`},
		{"twice", tied, []*File{f, f}, "is in a.safetensors and in a.safetensors"},
		{"stranger", tied, []*File{f, extra("model.layers.0.self_attn.q_proj.bias", []int64{1}, []float32{1})}, `b.safetensors: tensor "model.layers.0.self_attn.q_proj.bias" is none of the model`},
		{"table", tied, []*File{f, extra("model.layers.0.self_attn.rotary_emb.inv_freq", []int64{1}, []float32{1})}, ""},
		{"same head", tied, []*File{extra("lm_head.weight", shape, embedding), f}, ""},
		{"other head", tied, []*File{f, extra("lm_head.weight", shape, other)}, "is not the embedding"},
		{"short head", tied, []*File{f, extra("lm_head.weight", []int64{16}, other[:16])}, "is not the embedding"},
	} {
		_, err := ReadWeights(&c.config, c.files)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// A configuration that claims more than the files hold is found out before there is room for it.
	huge := tied
	huge.Vocabulary, huge.Width, huge.FFN = 1<<24, 1<<14, 1<<20
	if _, err := ReadWeights(&huge, []*File{f}); err == nil {
		t.Error("a model of 2^38 numbers was read from a small file")
	}
}

func logits(t *testing.T, c *model.Config, p *model.Params, b *model.Batch) []float32 {
	t.Helper()
	set, err := kernel.Named("portable")
	if err != nil {
		t.Fatal(err)
	}
	pool := kernel.NewPool(set, 1)
	defer pool.Close()
	m, err := model.New(c, p, pool, kernel.F32)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, b.Rows*b.Length*c.Vocabulary)
	if err := m.Logits(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFold: a folded model computes the same, and what was there stays as it was.
func TestFold(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	b := &model.Batch{Rows: 2, Length: 20}
	for range b.Rows * b.Length {
		b.Tokens = append(b.Tokens, int32(r.IntN(30)))
	}
	for k, c := range configs() {
		p := random(&c, uint64(k))
		before := slices.Clone(p.Data)
		folded, q, err := Fold(&c, p)
		if err != nil {
			t.Fatal(err)
		}
		if !Neutral(folded) || folded.AlibiSlopeScale != c.AlibiSlopeScale || folded.Tied != (c.Tied && c.EmbeddingScale == 1 && c.LogitScale == 1) {
			t.Errorf("%+v was folded to %+v", c, *folded)
		}
		if !slices.Equal(before, p.Data) || &q.Data[0] == &p.Data[0] {
			t.Error("the model was changed")
		}
		want, got := logits(t, &c, p, b), logits(t, folded, q, b)
		worst, largest := 0.0, 0.0
		for i := range want {
			worst = max(worst, math.Abs(float64(want[i]-got[i])))
			largest = max(largest, math.Abs(float64(want[i])))
		}
		if worst > 1e-5*max(1, largest) || largest < 0.1 {
			t.Errorf("%+v: logits of up to %v differ by %v", c, largest, worst)
		}
		if Neutral(&c) && !slices.Equal(q.Data, p.Data) {
			t.Error("there was nothing to fold, and the numbers are others")
		}
		// What was folded is what other programs read.
		text, err := WriteConfig(folded, Extra{BOS: -1, EOS: -1, Pad: -1})
		if err != nil || c.Family == model.Llama && !bytes.Contains(text, []byte(`"LlamaForCausalLM"`)) {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// TestReadQuantized: what is read into blocks, a piece at a time, is what becomes of the weights as a whole; of every type, from several files,
// and whoever shares the work.
func TestReadQuantized(t *testing.T) {
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernel.NewPool(set, 3)
	defer pool.Close()
	list := configs()
	// One whose tensors are read in several pieces, of which the last are not whole.
	wide, err := (&model.Shape{Family: model.BTLM, Vocabulary: 3000, Width: 272, Layers: 1, Heads: 4, FFN: 2100, BaseWidth: 256}).New()
	if err != nil {
		t.Fatal(err)
	}
	for k, c := range append(list, *wide) {
		p := random(&c, uint64(k))
		for _, dtype := range []safetensors.Dtype{safetensors.F32, safetensors.BF16} {
			var files []*File
			for _, cut := range [][2]int{{0, 1}, {1, len(p.Layout.Tensors)}} {
				var b bytes.Buffer
				if err := WriteTensors(&b, p, cut[0], cut[1], dtype, nil); err != nil {
					t.Fatal(err)
				}
				files = append(files, opened(t, "part", b.Bytes()))
			}
			whole, err := ReadWeights(&c, files)
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range []model.WeightFormat{model.WeightsInt8, model.Weights4Bit} {
				read, err := ReadQuantized(&c, files, format, pool)
				if err != nil {
					t.Fatal(err)
				}
				tokens := []int32{1, 2, 3, 5, 8, 13, 1}
				logits := func(q *model.Quantized) []float32 {
					m, err := model.NewOfQuantized(&c, q, pool, kernel.F32)
					if err != nil {
						t.Fatal(err)
					}
					x := make([]float32, len(tokens)*c.Vocabulary)
					if err := m.Logits(&model.Batch{Rows: 1, Length: len(tokens), Tokens: tokens}, x); err != nil {
						t.Fatal(err)
					}
					return x
				}
				if !slices.Equal(logits(read), logits(model.Quantize(&c, whole, format, pool))) {
					t.Errorf("configuration %d, %s as %v: other logits", k, dtype, format)
				}
			}
			if _, err := ReadQuantized(&c, files[1:], model.Weights4Bit, pool); err == nil || !strings.Contains(err.Error(), "is missing") {
				t.Errorf("half of the files: %v", err)
			}
		}
	}
}
