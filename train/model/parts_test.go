package model

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestExact(t *testing.T) {
	ulps := func(got, want float64) float64 {
		return math.Abs(got-want) / (math.Nextafter(math.Abs(want), math.Inf(1)) - math.Abs(want))
	}
	for x := -700.0; x < 700; x += 0.37 {
		if d := ulps(exp(x), math.Exp(x)); d > 2 {
			t.Errorf("exp(%v) is wrong by %v units in the last place", x, d)
		}
	}
	for x := 0.0; x < 1e6; x = x*1.001 + 0.013 {
		sin, cos := sincos(x)
		wantSin, wantCos := math.Sincos(x)
		if d := max(math.Abs(sin-wantSin), math.Abs(cos-wantCos)); d > 3e-16 {
			t.Errorf("sincos(%v) is wrong by %v", x, d)
		}
	}
	for x := 0.0; x < 1; x += 1. / 128 {
		for z := 0.0; z <= 2; z += 1. / 64 {
			if want := math.Exp(-z); below(x, z) != (x < want) && math.Abs(x-want) > 1e-15 {
				t.Errorf("%v < e^-%v is said to be %v", x, z, below(x, z))
			}
		}
	}
}

func TestAlibiSlopes(t *testing.T) {
	for _, c := range []struct {
		heads int
		scale float64
		want  []float32
	}{
		{1, 1, []float32{1. / 256}},
		{2, 1, []float32{1. / 16, 1. / 256}},
		{4, 0.25, []float32{1. / 16, 1. / 64, 1. / 256, 1. / 1024}},
		{6, 1, []float32{1. / 4, 1. / 16, 1. / 64, 1. / 256, 1. / 2, 1. / 8}},
		{8, 1, []float32{1. / 2, 1. / 4, 1. / 8, 1. / 16, 1. / 32, 1. / 64, 1. / 128, 1. / 256}},
		{12, 1, []float32{0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625,
			math.Sqrt2 / 2, math.Sqrt2 / 4, math.Sqrt2 / 8, math.Sqrt2 / 16}},
	} {
		if got := alibiSlopes(c.heads, c.scale); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d heads: %v, want %v", c.heads, got, c.want)
		}
	}
}

func TestRopeFrequencies(t *testing.T) {
	c := &Config{HeadSize: 128, RopeTheta: 500000, RopeScaling: &RopeScaling{Factor: 8, Low: 1, High: 4, Original: 8192}}
	for i, got := range ropeFrequencies(c) {
		f := math.Pow(500000, -float64(i)/64)
		switch w := 2 * math.Pi / f; {
		case w < 8192/4.:
		case w > 8192:
			f /= 8
		default:
			k := (8192/w - 1) / 3
			f = (1-k)*f/8 + k*f
		}
		if math.Abs(got/f-1) > 1e-14 {
			t.Errorf("frequency %d is %v, want %v", i, got, f)
		}
	}
	table := newRopeTable(&Config{HeadSize: 4, RopeTheta: 10000}, 3)
	want := []float32{1, 1, float32(math.Cos(1)), float32(math.Cos(0.01)), float32(math.Cos(2)), float32(math.Cos(0.02))}
	if !reflect.DeepEqual(table.cos, want) {
		t.Errorf("cosines are %v, want %v", table.cos, want)
	}
}

func TestLayout(t *testing.T) {
	show := func(c *Config) string {
		var b strings.Builder
		at := 0
		for _, x := range NewLayout(c).Tensors {
			if x.Offset != at {
				t.Errorf("%s lies at %d, not at %d", x.Name, x.Offset, at)
			}
			at += x.Len()
			shape := fmt.Sprintf("%d×%d", x.Rows, x.Cols)
			if x.Vector {
				shape = fmt.Sprint(x.Cols)
			}
			if x.Transposed {
				shape += "T"
			}
			fmt.Fprintln(&b, x.Name, x.Layer, []string{"embedding", "head", "hidden", "residual", "norm", "bias"}[x.Role], shape)
		}
		if l := NewLayout(c); l.Len != at {
			t.Errorf("the layout has %d numbers, its tensors %d", l.Len, at)
		}
		return b.String()
	}
	llama := &Config{Family: Llama, Vocabulary: 9, Width: 4, Layers: 1, Heads: 2, KVHeads: 1, HeadSize: 2, FFN: 5}
	if got, want := show(llama), `model.embed_tokens.weight -1 embedding 9×4
model.layers.0.input_layernorm.weight 0 norm 4
model.layers.0.self_attn.q_proj.weight 0 hidden 4×4
model.layers.0.self_attn.k_proj.weight 0 hidden 2×4
model.layers.0.self_attn.v_proj.weight 0 hidden 2×4
model.layers.0.self_attn.o_proj.weight 0 residual 4×4
model.layers.0.post_attention_layernorm.weight 0 norm 4
model.layers.0.mlp.gate_proj.weight 0 hidden 5×4
model.layers.0.mlp.up_proj.weight 0 hidden 5×4
model.layers.0.mlp.down_proj.weight 0 residual 4×5
model.norm.weight -1 norm 4
lm_head.weight -1 head 9×4
`; got != want {
		t.Errorf("layout is\n%swant\n%s", got, want)
	}
	btlm := &Config{Family: BTLM, Vocabulary: 9, Width: 4, Layers: 1, Heads: 2, KVHeads: 2, HeadSize: 2, FFN: 5, Tied: true}
	if got, want := show(btlm), `transformer.wte.weight -1 embedding 9×4
transformer.h.0.ln_1.weight 0 norm 4
transformer.h.0.ln_1.bias 0 bias 4
transformer.h.0.attn.c_attn.weight 0 hidden 12×4T
transformer.h.0.attn.c_attn.bias 0 bias 12
transformer.h.0.attn.c_proj.weight 0 residual 4×4T
transformer.h.0.attn.c_proj.bias 0 bias 4
transformer.h.0.ln_2.weight 0 norm 4
transformer.h.0.ln_2.bias 0 bias 4
transformer.h.0.mlp.c_fc2.weight 0 hidden 5×4T
transformer.h.0.mlp.c_fc.weight 0 hidden 5×4T
transformer.h.0.mlp.c_fc2.bias 0 bias 5
transformer.h.0.mlp.c_fc.bias 0 bias 5
transformer.h.0.mlp.c_proj.weight 0 residual 4×5T
transformer.h.0.mlp.c_proj.bias 0 bias 4
transformer.ln_f.weight -1 norm 4
transformer.ln_f.bias -1 bias 4
`; got != want {
		t.Errorf("layout is\n%swant\n%s", got, want)
	}
}

func TestInit(t *testing.T) {
	c, err := (&Shape{Family: Llama, Vocabulary: 3000, Width: 128, Layers: 8, Heads: 4, BaseWidth: 32}).New()
	if err != nil {
		t.Fatal(err)
	}
	p := NewParams(NewLayout(c))
	for i := range p.Data {
		p.Data[i] = 77
	}
	p.Init(c, 0.073, 5)
	// Moments of a standard normal distribution that is cut at ±2: variance 1 - 4φ(2)/(2Φ(2)-1), and the fourth.
	phi, mass := math.Exp(-2)/math.Sqrt(2*math.Pi), math.Erf(math.Sqrt2)
	variance := 1 - 4*phi/mass
	fourth := 3*variance - 16*phi/mass
	for i, w := range p.Layout.Tensors {
		std := 0.073
		switch w.Role {
		case Norm:
			for _, v := range p.Of(i) {
				if v != 1 {
					t.Fatalf("%s is %v", w.Name, v)
				}
			}
			continue
		case Hidden:
			std *= 0.5
		case Residual:
			std *= 0.5 / 4
		}
		var m1, m2, m4, most float64
		for _, v := range p.Of(i) {
			z := float64(v) / std
			m1 += z
			m2 += z * z
			m4 += z * z * z * z
			most = max(most, math.Abs(z))
		}
		n := float64(w.Len())
		// Five standard errors, of which those of z², z⁴ are below 1 and 4.
		if e := 5 / math.Sqrt(n); math.Abs(m1/n) > e || math.Abs(m2/n-variance) > e || math.Abs(m4/n-fourth) > 4*e || most > 2 || most < 1.99 {
			t.Errorf("%s: mean %v, variance %v (want %v), fourth moment %v (want %v), largest %v", w.Name, m1/n, m2/n, variance, m4/n, fourth, most)
		}
	}

	// The values are a function of seed, name and place: other tensors do not matter.
	other := *c
	other.Layers, other.Vocabulary, other.Tied = 2, 17, true
	q := NewParams(NewLayout(&other))
	q.Init(&other, 0.073, 5)
	if a, b := p.Of(0)[16*128], q.Of(0)[16*128]; a != b {
		t.Errorf("a number of the embedding depends on what else there is: %v and %v", a, b)
	}
	if p.Of(2)[0] == p.Of(3)[0] || p.Of(2)[0] == p.Of(2)[1] {
		t.Error("numbers come twice")
	}
	q.Init(&other, 0.073, 6)
	if p.Of(0)[0] == q.Of(0)[0] {
		t.Error("seeds do not matter")
	}

	b, err := (&Shape{Family: BTLM, Vocabulary: 7, Width: 8, Layers: 1, Heads: 2, FFN: 5}).New()
	if err != nil {
		t.Fatal(err)
	}
	p = NewParams(NewLayout(b))
	p.Init(b, 1, 1)
	got := fmt.Sprintf("%x", p.Of(0)[:4])
	if want := goldenInit; got != want {
		t.Errorf("the first numbers are %s, want %s", got, want)
	}
	for i, w := range p.Layout.Tensors {
		if w.Role == Bias && norm64(p.Of(i)) != 0 {
			t.Errorf("%s is not 0", w.Name)
		}
	}
}

const goldenInit = "[-0x1.ae4fbap-01 0x1.54b78p-01 0x1.54cf72p+00 -0x1.4d37cp-04]"

func TestShape(t *testing.T) {
	for _, c := range []struct {
		shape Shape
		want  Config
	}{
		{
			Shape{Family: Llama, Vocabulary: 32000, Width: 768, Layers: 12, Heads: 12},
			Config{Family: Llama, Vocabulary: 32000, Width: 768, Layers: 12, Heads: 12, KVHeads: 12, HeadSize: 64, FFN: 2048,
				NormEpsilon: 1e-5, RopeTheta: 10000, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1},
		},
		{
			Shape{Family: BTLM, Vocabulary: 50257, Width: 2560, Layers: 32, Heads: 32, Context: 8192, BaseWidth: 256},
			Config{Family: BTLM, Vocabulary: 50257, Width: 2560, Layers: 32, Heads: 32, KVHeads: 32, HeadSize: 80, FFN: 6912,
				Context: 8192, Tied: true, NormEpsilon: 1e-5, EmbeddingScale: 14.6, LogitScale: 0.22200000000000003, WidthScale: 0.1,
				ScaleByHead: true, AlibiSlopeScale: 1},
		},
		{
			Shape{Family: BTLM, Vocabulary: 100, Width: 96, Layers: 1, Heads: 6, FFN: 100},
			Config{Family: BTLM, Vocabulary: 100, Width: 96, Layers: 1, Heads: 6, KVHeads: 6, HeadSize: 16, FFN: 100,
				Tied: true, NormEpsilon: 1e-5, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1},
		},
		{
			Shape{Family: Llama, Vocabulary: 100, Width: 96, Layers: 1, Heads: 6, KVHeads: 2, Tied: true, RopeTheta: 5e5, BaseWidth: 48, EmbeddingScale: 10, OutputAlpha: 3},
			Config{Family: Llama, Vocabulary: 100, Width: 96, Layers: 1, Heads: 6, KVHeads: 2, HeadSize: 16, FFN: 256, RopeTheta: 5e5,
				Tied: true, NormEpsilon: 1e-5, EmbeddingScale: 10, LogitScale: 1.5, WidthScale: 0.5, ScaleByHead: true, AlibiSlopeScale: 1},
		},
	} {
		got, err := c.shape.New()
		if err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%+v gives %+v, want %+v: %v", c.shape, got, c.want, err)
		}
	}
	for _, c := range []struct {
		shape Shape
		want  string
	}{
		{Shape{}, "the width, 0, must be a multiple of the heads, 0"},
		{Shape{Width: 10, Heads: 3}, "the width, 10,"},
		{Shape{Family: "gpt2", Width: 12, Heads: 3}, `family "gpt2" is unknown; there are btlm and llama`},
		{Shape{Family: Llama, Width: 12, Heads: 3, Vocabulary: 3}, "num_hidden_layers is 0"},
		{Shape{Family: Llama, Width: 15, Heads: 3, Vocabulary: 3, Layers: 1}, "head_dim is 5"},
		{Shape{Family: Llama, Width: 12, Heads: 3, Vocabulary: 3, Layers: 1, OutputAlpha: 2}, "wants a base width"},
		{Shape{Family: Llama, Width: 12, Heads: 3, Vocabulary: 3, Layers: 1, BaseWidth: -2}, "base width, -2"},
		{Shape{Family: BTLM, Width: 12, Heads: 3, Vocabulary: 3, Layers: 1, RopeTheta: 1}, "no rotary embedding"},
		{Shape{Family: BTLM, Width: 12, Heads: 3, KVHeads: 1, Vocabulary: 3, Layers: 1}, "as many heads"},
		{Shape{Family: Llama, Width: math.MaxInt &^ 3, Heads: 4, Vocabulary: 3, Layers: 1}, "hidden_size is"},
	} {
		if got, err := c.shape.New(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v gives %v, error %v, want %s", c.shape, got, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		family string
		change func(c *Config)
		want   string
	}{
		{Llama, func(c *Config) { c.Vocabulary = 0 }, "vocab_size is 0; it must be from 1 to"},
		{BTLM, func(c *Config) { c.Width = -1 }, "n_embd is -1"},
		{Llama, func(c *Config) { c.Layers = 1 << 30 }, "num_hidden_layers is"},
		{BTLM, func(c *Config) { c.Layers = 0 }, "n_layer is 0"},
		{Llama, func(c *Config) { c.Heads = 0 }, "num_attention_heads is 0"},
		{Llama, func(c *Config) { c.KVHeads = 0 }, "num_key_value_heads is 0"},
		{Llama, func(c *Config) { c.KVHeads = 3 }, "no multiple of num_key_value_heads, 3"},
		{Llama, func(c *Config) { c.KVHeads = 8 }, "no multiple of num_key_value_heads, 8"},
		{Llama, func(c *Config) { c.HeadSize = 7 }, "head_dim is 7"},
		{Llama, func(c *Config) { c.Heads, c.KVHeads, c.HeadSize = 1<<13, 1, 1<<13 }, "too wide"},
		{BTLM, func(c *Config) { c.HeadSize = 2 }, "n_embd is 12, which is not"},
		{BTLM, func(c *Config) { c.KVHeads = 1 }, "as many heads"},
		{BTLM, func(c *Config) { c.FFN = 0 }, "n_inner is 0"},
		{Llama, func(c *Config) { c.FFN = math.MaxInt }, "intermediate_size is"},
		{Llama, func(c *Config) { c.Context = -1 }, "max_position_embeddings is -1"},
		{Llama, func(c *Config) { c.NormEpsilon = 0 }, "rms_norm_eps is 0"},
		{Llama, func(c *Config) { c.NormEpsilon = 1e-60 }, "rms_norm_eps is 1e-60"},
		{BTLM, func(c *Config) { c.NormEpsilon = nan }, "layer_norm_epsilon is NaN"},
		{Llama, func(c *Config) { c.RopeTheta = 0 }, "rope_theta is 0"},
		{Llama, func(c *Config) { c.RopeTheta = inf }, "rope_theta is +Inf"},
		{BTLM, func(c *Config) { c.EmbeddingScale = -1 }, "mup_embeddings_scale is -1"},
		{Llama, func(c *Config) { c.LogitScale = 0 }, "mup_output_alpha * mup_width_scale is 0"},
		{Llama, func(c *Config) { c.WidthScale = 1e300 }, "mup_width_scale is 1e+300"},
		{BTLM, func(c *Config) { c.AlibiSlopeScale = 0 }, "alibi_scaling is 0"},
		{BTLM, func(c *Config) { c.RopeScaling = &RopeScaling{} }, "no rotary embedding"},
		{Llama, func(c *Config) { c.RopeScaling = &RopeScaling{} }, "factor is 0"},
		{Llama, func(c *Config) { c.RopeScaling = &RopeScaling{Factor: nan} }, "factor is NaN"},
		{Llama, func(c *Config) { c.RopeScaling = &RopeScaling{Factor: 8, Low: 1, High: 1} }, "low_freq_factor is 1 and high_freq_factor 1"},
		{Llama, func(c *Config) { c.RopeScaling = &RopeScaling{Factor: 8, High: 1} }, "low_freq_factor is 0"},
		{Llama, func(c *Config) { c.RopeScaling = &RopeScaling{Factor: 8, Low: 1, High: 4} }, "original_max_position_embeddings is 0"},
		{Llama, func(c *Config) { c.Vocabulary, c.Width, c.Layers, c.FFN = 1<<24, 1<<18, 1<<14, 1<<20 }, ""},
	} {
		x := &Config{
			Family: Llama, Vocabulary: 37, Width: 12, Layers: 2, Heads: 4, KVHeads: 2, HeadSize: 6, FFN: 11, NormEpsilon: 1e-5,
			RopeTheta: 100, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
		}
		if c.family == BTLM {
			asBTLM(x)
		}
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
		c.change(x)
		switch err := x.Check(); {
		case c.want == "": // the largest of all: whatever Check says, products must not have overflowed
			if n := x.numbers(); n < 1e15 || err != nil && !strings.Contains(err.Error(), "more than this machine") {
				t.Errorf("%v parameters: %v", n, err)
			}
		case err == nil || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: error is %v, want %s", c.family, err, c.want)
		}
	}
}

func TestSize(t *testing.T) {
	for _, v := range variants {
		c := &Config{
			Family: Llama, Vocabulary: 37, Width: 12, Layers: 2, Heads: 4, KVHeads: 2, HeadSize: 6, FFN: 11, NormEpsilon: 1e-5,
			RopeTheta: 100, EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
		}
		v.change(c)
		l := NewLayout(c)
		all, embedding := c.Parameters()
		if int(all) != l.Len || int(embedding) != 37*12 {
			t.Errorf("%s: %d parameters, %d of the embedding", v.name, all, embedding)
		}
		matrices := 0
		for _, w := range l.Tensors {
			if !w.Vector && (w.Role != Embedding || c.Tied) {
				matrices += w.Len()
			}
		}
		if got, want := c.FLOPs(99), float64(2*matrices+4*c.Layers*c.Heads*c.HeadSize*50); got != want {
			t.Errorf("%s: %v operations, want %v", v.name, got, want)
		}
		if got, want := c.CacheBytes(10, 2), int64(2*10*2*c.Layers*c.KVHeads*c.HeadSize); got != want {
			t.Errorf("%s: the cache is %d, want %d", v.name, got, want)
		}
		if c.TrainingBytes(4, 99, true) != c.TrainingBytes(1, 99, false) || c.TrainingBytes(4, 99, true) >= c.TrainingBytes(4, 99, false) {
			t.Errorf("%s: rows one at a time take as much as together", v.name)
		}
		if c.numbers() < float64(all) {
			t.Errorf("%s: numbers are %v, parameters %d", v.name, c.numbers(), all)
		}
	}
	// BTLM-3B has 2,646 million parameters (arXiv 2309.11568, table 1, and its configuration).
	c, _ := (&Shape{Family: BTLM, Vocabulary: 50257, Width: 2560, Layers: 32, Heads: 32, FFN: 6826, BaseWidth: 256}).New()
	if all, _ := c.Parameters(); all/1e6 != 2646 {
		t.Errorf("BTLM-3B has %d parameters", all)
	}
}
