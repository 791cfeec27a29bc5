package model

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

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
