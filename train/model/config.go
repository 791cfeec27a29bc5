package model

import (
	"fmt"
	"math"
)

// Families of models.
const (
	Llama = "llama" // RMSNorm, RoPE, grouped queries, SwiGLU, no biases: LlamaForCausalLM
	BTLM  = "btlm"  // LayerNorm, ALiBi, SwiGLU, biases, tied head, µP (arXiv 2309.11568)
)

// Config says what a model is made of. Check fills nothing in: New configurations come from Shape.
type Config struct {
	Family     string
	Vocabulary int // rows of the embedding
	Width      int // d, of the residual stream
	Layers     int
	Heads      int
	KVHeads    int // llama; Heads is a multiple of it. btlm: Heads
	HeadSize   int // usually Width/Heads
	FFN        int // width of the gate and of what it lets through
	Context    int // longest row that it was trained on; 0: none yet
	Tied       bool
	// NormEpsilon is added to the mean square, or to the variance.
	NormEpsilon float64

	// llama
	RopeTheta   float64
	RopeScaling *RopeScaling // nil: none

	// µP, as Cerebras does it (BTLM-3B's configuration; arXiv 2304.03208, appendix G). Without µP the first three are 1.
	EmbeddingScale float64 // the embedding's output is multiplied by it
	LogitScale     float64 // the logits are: mup_output_alpha · mup_width_scale
	WidthScale     float64 // base width / Width: the learning rate of hidden matrices is multiplied by it
	ScaleByHead    bool    // scores are q·k / HeadSize and not / √HeadSize

	// AlibiSlopeScale multiplies the slopes of ALiBi: 1, or less to reach beyond Context (arXiv 2310.13017).
	AlibiSlopeScale float64
}

// RopeScaling is the rope_scaling of type "llama3": wavelengths above Original/Low are stretched by Factor, those below
// Original/High are left alone, and those between go over smoothly.
type RopeScaling struct {
	Factor, Low, High float64
	Original          int // context that the model was trained with at first
}

// Check finds what does not fit together, so that nothing later divides by zero or runs out of its slices. The error names
// the field in words of config.json.
func (c *Config) Check() error {
	btlm := c.Family == BTLM
	if !btlm && c.Family != Llama {
		return fmt.Errorf("family %q is unknown; there are %s and %s", c.Family, BTLM, Llama)
	}
	key := func(llama, gpt2 string) string {
		if btlm {
			return gpt2
		}
		return llama
	}
	// The limits are far beyond any model and keep the products of three of them within 63 bits.
	for _, n := range []struct {
		key   string
		value int
		limit int
	}{
		{"vocab_size", c.Vocabulary, 1 << 24},
		{key("hidden_size", "n_embd"), c.Width, 1 << 18},
		{key("num_hidden_layers", "n_layer"), c.Layers, 1 << 14},
		{key("num_attention_heads", "n_head"), c.Heads, 1 << 14},
		{key("num_key_value_heads", "n_head"), c.KVHeads, 1 << 14},
		{key("head_dim", "n_embd / n_head"), c.HeadSize, 1 << 14},
		{key("intermediate_size", "n_inner"), c.FFN, 1 << 20},
	} {
		if n.value < 1 || n.value > n.limit {
			return fmt.Errorf("%s is %d; it must be from 1 to %d", n.key, n.value, n.limit)
		}
	}
	if c.Context < 0 {
		return fmt.Errorf("%s is %d; it must not be negative", key("max_position_embeddings", "n_positions"), c.Context)
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("num_attention_heads is %d, which is no multiple of num_key_value_heads, %d", c.Heads, c.KVHeads)
	}
	if c.Heads*c.HeadSize > 1<<20 {
		return fmt.Errorf("%d heads of %d are too wide; %d in all is the limit", c.Heads, c.HeadSize, 1<<20)
	}
	if numbers := c.numbers(); numbers > float64(math.MaxInt/8) {
		return fmt.Errorf("%.0f parameters are more than this machine can address", numbers)
	}
	scales := []struct {
		key   string
		value float64
	}{
		{key("rms_norm_eps", "layer_norm_epsilon"), c.NormEpsilon},
		{"mup_embeddings_scale", c.EmbeddingScale},
		{"mup_output_alpha * mup_width_scale", c.LogitScale},
		{"mup_width_scale", c.WidthScale},
	}
	if btlm {
		if c.KVHeads != c.Heads {
			return fmt.Errorf("a btlm has as many heads of keys as of queries, not %d and %d", c.KVHeads, c.Heads)
		}
		if c.Heads*c.HeadSize != c.Width {
			return fmt.Errorf("n_embd is %d, which is not n_head, %d, times the width of a head, %d", c.Width, c.Heads, c.HeadSize)
		}
		if c.RopeScaling != nil {
			return fmt.Errorf("rope_scaling is given, but a btlm has no rotary embedding")
		}
		scales = append(scales, struct {
			key   string
			value float64
		}{"alibi_scaling", c.AlibiSlopeScale})
	} else {
		if c.HeadSize%2 != 0 {
			return fmt.Errorf("head_dim is %d; the rotary embedding turns pairs and wants an even number", c.HeadSize)
		}
		scales = append(scales, struct {
			key   string
			value float64
		}{"rope_theta", c.RopeTheta})
	}
	for _, x := range scales {
		// As float32, in which they are used, they must not become 0 or infinite either.
		if f := float32(x.value); !(f >= minNormal) || math.IsInf(float64(f), 0) {
			return fmt.Errorf("%s is %v; it must be a positive number", x.key, x.value)
		}
	}
	if s := c.RopeScaling; s != nil {
		if !(s.Factor >= 1) || s.Factor > 1e9 {
			return fmt.Errorf("rope_scaling: factor is %v; it must be at least 1", s.Factor)
		}
		if !(s.Low > 0) || !(s.High > s.Low) || s.High > 1e9 {
			return fmt.Errorf("rope_scaling: low_freq_factor is %v and high_freq_factor %v; the first must be positive and less than the second", s.Low, s.High)
		}
		if s.Original < 1 {
			return fmt.Errorf("rope_scaling: original_max_position_embeddings is %d; it must be at least 1", s.Original)
		}
	}
	return nil
}

// minNormal is the smallest normal float32.
const minNormal = 0x1p-126

// numbers is about how many parameters there are: a product that cannot overflow.
func (c *Config) numbers() float64 {
	d, q, kv := float64(c.Width), float64(c.Heads*c.HeadSize), float64(c.KVHeads*c.HeadSize)
	return 2*float64(c.Vocabulary)*d + float64(c.Layers)*((2*q+2*kv+3*float64(c.FFN)+16)*d+2*q+2*kv+2*float64(c.FFN)) + 2*d
}

// qkv is how many numbers the queries, keys and values of a token have.
func (c *Config) qkv() int { return (c.Heads + 2*c.KVHeads) * c.HeadSize }

// layerNorm says that norms are LayerNorms with biases, and not RMSNorms.
func (c *Config) layerNorm() bool { return c.Family == BTLM }

// Shape is what a user says about a new model; zero is "choose".
type Shape struct {
	Family     string
	Vocabulary int
	Width      int
	Layers     int
	Heads      int
	KVHeads    int
	FFN        int // 0: 8/3 of Width, rounded up to a multiple of 256, so that 4-bit formats can cut its rows into blocks
	Context    int
	Tied       bool
	RopeTheta  float64
	// MuP: the width of the proxy model on which hyper-parameters were found; 0: no µP.
	BaseWidth                   int
	EmbeddingScale, OutputAlpha float64 // with µP; 0: BTLM's 14.6 and 2.22
}

// New makes the configuration of a new model.
func (s *Shape) New() (*Config, error) {
	if s.Heads < 1 || s.Width%s.Heads != 0 {
		return nil, fmt.Errorf("the width, %d, must be a multiple of the heads, %d", s.Width, s.Heads)
	}
	c := &Config{
		Family: s.Family, Vocabulary: s.Vocabulary, Width: s.Width, Layers: s.Layers, Heads: s.Heads, KVHeads: s.KVHeads,
		HeadSize: s.Width / s.Heads, FFN: s.FFN, Context: s.Context, Tied: s.Tied, NormEpsilon: 1e-5,
		EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
	}
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	if c.FFN == 0 && s.Width > 0 && s.Width <= 1<<18 {
		// SwiGLU has three matrices where GELU has two, and so 2/3 of four times the width (arXiv 2002.05202, section 3).
		c.FFN = ((8*s.Width+2)/3 + 255) / 256 * 256
	}
	switch s.Family {
	case BTLM:
		if s.RopeTheta != 0 {
			return nil, fmt.Errorf("a btlm has no rotary embedding, and so no theta")
		}
		c.Tied = true
	default:
		c.RopeTheta = s.RopeTheta
		if c.RopeTheta == 0 {
			c.RopeTheta = 10000 // arXiv 2104.09864, section 3.3
		}
	}
	if s.BaseWidth < 0 {
		return nil, fmt.Errorf("the base width, %d, must not be negative", s.BaseWidth)
	}
	if s.BaseWidth > 0 {
		// mup_base_hidden_size, embeddings_scale, output_logits_alpha and scale_qk_dot_by_d of Cerebras' modelzoo,
		// models/nlp/btlm/configs/params_btlm_2p7b_8k.yaml; the rules are those of arXiv 2304.03208, appendix G.
		c.WidthScale = float64(s.BaseWidth) / float64(s.Width)
		c.EmbeddingScale = 14.6
		if s.EmbeddingScale != 0 {
			c.EmbeddingScale = s.EmbeddingScale
		}
		alpha := 2.22
		if s.OutputAlpha != 0 {
			alpha = s.OutputAlpha
		}
		c.LogitScale = alpha * c.WidthScale
		c.ScaleByHead = true
	} else if s.EmbeddingScale != 0 || s.OutputAlpha != 0 {
		return nil, fmt.Errorf("a scale of embeddings or logits is for µP, which wants a base width")
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	return c, nil
}
