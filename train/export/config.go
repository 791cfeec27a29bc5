package export

import (
	"fmt"
	"math"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/safetensors"
	"curate/train/model"
)

// Extra are values of config.json that the model does not compute with.
type Extra struct {
	BOS, EOS, Pad int // ids of special tokens; negative: none
	Dtype         safetensors.Dtype
}

// Values of model_type. mupType is ours: no other program reads the multipliers of a llama with µP, and so none may take it for
// a LlamaForCausalLM.
const (
	llamaType = "llama"
	btlmType  = "btlm"
	mupType   = "curate-llama-mup"
)

// keys reads the members of config.json. The first error stays.
type keys struct {
	members map[string]jsontext.Value
	err     error
}

func (k *keys) fail(key, format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...))
	}
}

// has says whether a key is there and not null.
func (k *keys) has(key string) bool {
	v, ok := k.members[key]
	return ok && v.Kind() != 'n'
}

func (k *keys) read(key string, into any, what string) {
	if v, ok := k.members[key]; ok && v.Kind() != 'n' {
		if json.Unmarshal(v, into) != nil {
			k.fail(key, "it is %s, and should be %s", short(v), what)
		}
	}
}

func (k *keys) integer(key string, otherwise int) int {
	n := otherwise
	k.read(key, &n, "a whole number")
	return n
}

func (k *keys) number(key string, otherwise float64) float64 {
	x := otherwise
	k.read(key, &x, "a number")
	return x
}

func (k *keys) boolean(key string, otherwise bool) bool {
	b := otherwise
	k.read(key, &b, "true or false")
	return b
}

func (k *keys) text(key, otherwise string) string {
	s := otherwise
	k.read(key, &s, "a text")
	return s
}

// id is that of a special token; of several the first counts. Negative: none.
func (k *keys) id(key string) int {
	v, ok := k.members[key]
	if !ok || v.Kind() == 'n' {
		return -1
	}
	var list []int
	if json.Unmarshal(v, &list) == nil && len(list) > 0 {
		return list[0]
	}
	return k.integer(key, -1)
}

// required is a whole number that must be there.
func (k *keys) required(key string) int {
	if !k.has(key) {
		k.fail(key, "the key is missing")
	}
	return k.integer(key, 0)
}

// only refuses another value than those that this program computes.
func (k *keys) only(key string, is any, ok bool, want string) {
	if k.has(key) && !ok {
		k.fail(key, "it is %v, and this program knows only %s", is, want)
	}
}

func short(v jsontext.Value) string {
	const most = 60
	if len(v) > most {
		return string(v[:most]) + "…"
	}
	return string(v)
}

// ReadConfig reads config.json of either family; name is for messages. Keys that change what the model computes and that this
// program does not know are errors that name them; others are passed over.
func ReadConfig(name string, b []byte) (*model.Config, Extra, error) {
	k := &keys{}
	if err := json.Unmarshal(b, &k.members); err != nil {
		return nil, Extra{}, fmt.Errorf("%s: %w", name, err)
	}
	var c *model.Config
	switch t := k.text("model_type", ""); t {
	case llamaType, mupType:
		c = k.llama()
		if t == mupType {
			k.mup(c)
		}
	case btlmType:
		c = k.btlm()
	default:
		k.fail("model_type", "it is %q, and this program knows %s, %s and %s", t, llamaType, btlmType, mupType)
	}
	if k.err == nil {
		k.err = c.Check()
	}
	extra := Extra{BOS: k.id("bos_token_id"), EOS: k.id("eos_token_id"), Pad: k.id("pad_token_id"), Dtype: dtypeNamed(k.text("dtype", k.text("torch_dtype", "float32")))}
	if k.err != nil {
		return nil, Extra{}, fmt.Errorf("%s: %w", name, k.err)
	}
	return c, extra, nil
}

// llama reads the keys of transformers' LlamaConfig, versions 4 and 5.
func (k *keys) llama() *model.Config {
	k.only("hidden_act", k.text("hidden_act", "silu"), k.text("hidden_act", "silu") == "silu", "silu")
	for _, key := range []string{"attention_bias", "mlp_bias"} {
		k.only(key, true, !k.boolean(key, false), "false")
	}
	for _, key := range []string{"sliding_window", "quantization_config", "layer_types", "logits_soft_cap", "final_logit_softcapping", "attn_logit_softcapping", "embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling", "num_local_experts"} {
		k.only(key, short(k.members[key]), false, "models without it")
	}
	c := &model.Config{
		Family: model.Llama, Vocabulary: k.required("vocab_size"), Width: k.required("hidden_size"), Layers: k.required("num_hidden_layers"),
		Heads: k.required("num_attention_heads"), FFN: k.required("intermediate_size"), Context: k.integer("max_position_embeddings", 2048),
		Tied: k.boolean("tie_word_embeddings", false), NormEpsilon: k.number("rms_norm_eps", 1e-6),
		EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
	}
	c.KVHeads = k.integer("num_key_value_heads", c.Heads)
	if c.Heads > 0 {
		c.HeadSize = k.integer("head_dim", c.Width/c.Heads)
		if !k.has("head_dim") && c.Width%c.Heads != 0 {
			k.fail("hidden_size", "%d is no multiple of num_attention_heads, %d", c.Width, c.Heads)
		}
	}
	// Version 5 has all of it in rope_parameters, version 4 theta at the top and the rest in rope_scaling.
	rope := &keys{}
	where := "rope_scaling"
	if k.has("rope_parameters") {
		where = "rope_parameters"
	}
	k.read(where, &rope.members, "an object")
	c.RopeTheta = rope.number("rope_theta", k.number("rope_theta", 10000))
	switch t := rope.text("rope_type", rope.text("type", "default")); t {
	case "default":
	case "llama3":
		c.RopeScaling = &model.RopeScaling{
			Factor: rope.number("factor", 0), Low: rope.number("low_freq_factor", 0), High: rope.number("high_freq_factor", 0),
			Original: rope.integer("original_max_position_embeddings", 0),
		}
	default:
		rope.fail("rope_type", "it is %q, and this program knows default and llama3", t)
	}
	if rope.err != nil && k.err == nil {
		k.err = fmt.Errorf("%s: %w", where, rope.err)
	}
	return c
}

// btlm reads the keys of Cerebras' BTLMConfig.
func (k *keys) btlm() *model.Config {
	act := k.text("activation_function", "swiglu")
	k.only("activation_function", act, act == "swiglu", "swiglu")
	pos := k.text("position_embedding_type", "alibi")
	k.only("position_embedding_type", pos, pos == "alibi", "alibi")
	for _, key := range []string{"scale_attn_by_inverse_layer_idx", "add_cross_attention"} {
		k.only(key, true, !k.boolean(key, false), "false")
	}
	k.only("scale_attn_weights", false, k.boolean("scale_attn_weights", true), "true")
	k.only("tie_word_embeddings", false, k.boolean("tie_word_embeddings", true), "true")
	c := &model.Config{
		Family: model.BTLM, Vocabulary: k.required("vocab_size"), Width: k.required("n_embd"), Layers: k.required("n_layer"), Heads: k.required("n_head"),
		FFN: k.integer("n_inner", 0), Context: k.integer("n_positions", 0), Tied: true, NormEpsilon: k.number("layer_norm_epsilon", 1e-5), AlibiSlopeScale: 1,
	}
	c.KVHeads = c.Heads
	if c.FFN == 0 {
		c.FFN = 4 * c.Width // as in GPT-2
	}
	if c.Heads > 0 {
		c.HeadSize = c.Width / c.Heads
	}
	k.mup(c)
	// {"factor": F} divides all slopes; {"type": "linear", "train_seq_len": N} does so with rows longer than N only, which is for
	// whoever evaluates those.
	if k.has("alibi_scaling") {
		alibi := &keys{}
		k.read("alibi_scaling", &alibi.members, "an object")
		if alibi.has("factor") {
			c.AlibiSlopeScale = 1 / alibi.number("factor", 1)
		}
		if t := alibi.text("type", "linear"); t != "linear" {
			alibi.fail("type", "it is %q, and this program knows linear", t)
		}
		if alibi.err != nil && k.err == nil {
			k.err = fmt.Errorf("alibi_scaling: %w", alibi.err)
		}
	}
	return c
}

// mup reads the multipliers of µP.
func (k *keys) mup(c *model.Config) {
	c.EmbeddingScale, c.WidthScale = k.number("mup_embeddings_scale", 1), k.number("mup_width_scale", 1)
	c.LogitScale = k.number("mup_logits_scale", k.number("mup_output_alpha", 1)*c.WidthScale)
	c.ScaleByHead = k.boolean("mup_scale_qk_dot_by_d", false)
}

// member is a key of config.json with its value.
type member struct {
	key   string
	value any
}

// WriteConfig writes config.json. A llama with µP gets a model_type and an architecture of curate's own, so that no other
// program takes it for a LlamaForCausalLM: Fold makes one of it.
func WriteConfig(c *model.Config, extra Extra) ([]byte, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	var list []member
	add := func(key string, value any) { list = append(list, member{key, value}) }
	context := func(key string) {
		if c.Context > 0 {
			add(key, c.Context)
		}
	}
	if c.Family == model.BTLM {
		add("model_type", btlmType)
		add("architectures", []string{"BTLMLMHeadModel"})
		add("vocab_size", c.Vocabulary)
		add("n_embd", c.Width)
		add("n_layer", c.Layers)
		add("n_head", c.Heads)
		add("n_inner", c.FFN)
		context("n_positions")
		add("layer_norm_epsilon", c.NormEpsilon)
		add("activation_function", "swiglu")
		add("position_embedding_type", "alibi")
		if c.AlibiSlopeScale != 1 {
			add("alibi_scaling", map[string]float64{"factor": 1 / c.AlibiSlopeScale})
		}
		list = append(list, mupMembers(c)...)
		add("tie_word_embeddings", true)
	} else {
		kind, class := llamaType, "LlamaForCausalLM"
		if !neutral(c) {
			kind, class = mupType, "CurateLlamaMuPForCausalLM"
		}
		add("model_type", kind)
		add("architectures", []string{class})
		add("vocab_size", c.Vocabulary)
		add("hidden_size", c.Width)
		add("intermediate_size", c.FFN)
		add("num_hidden_layers", c.Layers)
		add("num_attention_heads", c.Heads)
		add("num_key_value_heads", c.KVHeads)
		add("head_dim", c.HeadSize)
		context("max_position_embeddings")
		add("rms_norm_eps", c.NormEpsilon)
		add("rope_theta", c.RopeTheta)
		if s := c.RopeScaling; s != nil {
			add("rope_scaling", map[string]any{"rope_type": "llama3", "factor": s.Factor, "low_freq_factor": s.Low, "high_freq_factor": s.High, "original_max_position_embeddings": s.Original})
		} else {
			add("rope_scaling", nil)
		}
		add("hidden_act", "silu")
		add("attention_bias", false)
		add("mlp_bias", false)
		if kind == mupType {
			list = append(list, mupMembers(c)...)
		}
		add("tie_word_embeddings", c.Tied)
	}
	for _, id := range []struct {
		key string
		is  int
	}{{"bos_token_id", extra.BOS}, {"eos_token_id", extra.EOS}, {"pad_token_id", extra.Pad}} {
		if id.is >= 0 {
			add(id.key, id.is)
		} else {
			add(id.key, nil) // transformers would choose ids of its own
		}
	}
	add("use_cache", true)
	add("torch_dtype", dtypeName(extra.Dtype))
	return object(list)
}

// neutral says whether the multipliers of µP do nothing. WidthScale is the optimiser's: it matters to whoever trains on.
func neutral(c *model.Config) bool {
	return c.EmbeddingScale == 1 && c.LogitScale == 1 && c.WidthScale == 1 && !c.ScaleByHead
}

// mupMembers write the multipliers so that mup reads the same numbers.
func mupMembers(c *model.Config) []member {
	alpha := c.LogitScale / c.WidthScale
	for _, a := range []float64{math.Nextafter(alpha, 0), math.Nextafter(alpha, math.Inf(1))} {
		if alpha*c.WidthScale != c.LogitScale && a*c.WidthScale == c.LogitScale {
			alpha = a
		}
	}
	list := []member{{"mup_embeddings_scale", c.EmbeddingScale}, {"mup_output_alpha", alpha}, {"mup_width_scale", c.WidthScale}, {"mup_scale_qk_dot_by_d", c.ScaleByHead}}
	if alpha*c.WidthScale != c.LogitScale { // between two roundings
		list = append(list, member{"mup_logits_scale", c.LogitScale})
	}
	return list
}

// object writes members in their order.
func object(list []member) ([]byte, error) {
	b := []byte{'{'}
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = jsontext.AppendQuote(b, m.key); err != nil {
			return nil, err
		}
		v, err := json.Marshal(m.value, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.key, err)
		}
		b = append(append(b, ':'), v...)
	}
	v := jsontext.Value(append(b, '}'))
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		return nil, err
	}
	return append(v, '\n'), nil
}

func dtypeName(d safetensors.Dtype) string {
	switch d {
	case safetensors.BF16:
		return "bfloat16"
	case safetensors.F16:
		return "float16"
	}
	return "float32"
}

func dtypeNamed(name string) safetensors.Dtype {
	switch name {
	case "bfloat16":
		return safetensors.BF16
	case "float16":
		return safetensors.F16
	}
	return safetensors.F32
}
