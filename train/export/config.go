package export

import (
	"bytes"
	"fmt"
	"math"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/safetensors"
	"curate/train/model"
)

// Extra are values of config.json that the model does not compute with.
type Extra struct {
	BOS, EOS, Pad int   // ids of special tokens; negative: none
	MoreEOS       []int // others that end a text, such as the end of a turn
	Dtype         safetensors.Dtype
	Jais          bool // a btlm under the name of Jais, which has the same tensors and is known to more programs
}

// Values of model_type. mupType is ours: no other program reads the multipliers of a llama with µP, and so none may take it for
// a LlamaForCausalLM.
const (
	llamaType = "llama"
	btlmType  = "btlm"
	jaisType  = "jais" // of inceptionai's Jais: BTLM's keys, and in the first models older names of some
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

// id is that of a special token; negative: none. A list of them is possible, too.
func (k *keys) id(key string) (id int, more []int) {
	if v := k.members[key]; v.Kind() != '[' {
		return k.integer(key, -1), nil
	}
	var list []int
	if k.read(key, &list, "a whole number, or a list of them"); len(list) == 0 {
		return -1, nil
	}
	return list[0], list[1:]
}

// required is a whole number that must be there.
func (k *keys) required(key string) int {
	if !k.has(key) {
		k.fail(key, "the key is missing")
	}
	return k.integer(key, 0)
}

// only refuses another value than the one that this program computes; without the key it is the one that the reference chooses.
func only[T comparable](k *keys, key string, is, want T) {
	if is != want {
		k.fail(key, "it is %v, and this program computes only %v", is, want)
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
	case btlmType, jaisType:
		c = k.btlm()
	default:
		k.fail("model_type", "it is %q, and this program knows %s, %s, %s and %s", t, llamaType, btlmType, jaisType, mupType)
	}
	if k.err == nil {
		k.err = c.Check()
	}
	extra := Extra{Jais: k.text("model_type", "") == jaisType, Dtype: dtypeNamed(k.text("dtype", k.text("torch_dtype", "float32")))}
	extra.BOS, _ = k.id("bos_token_id")
	extra.EOS, extra.MoreEOS = k.id("eos_token_id")
	extra.Pad, _ = k.id("pad_token_id")
	if k.err != nil {
		return nil, Extra{}, fmt.Errorf("%s: %w", name, k.err)
	}
	return c, extra, nil
}

// otherModels are keys of models that are llamas but for what these add.
var otherModels = [...]string{
	"attention_multiplier", "attn_logit_softcapping", "embedding_multiplier", "final_logit_softcapping", "layer_types", "logits_scaling",
	"logits_soft_cap", "num_local_experts", "quantization_config", "residual_multiplier", "sliding_window",
}

// llama reads the keys of transformers' LlamaConfig, versions 4 and 5 (models/llama/configuration_llama.py); where a key is
// missing, its default.
func (k *keys) llama() *model.Config {
	only(k, "hidden_act", k.text("hidden_act", "silu"), "silu")
	only(k, "attention_bias", k.boolean("attention_bias", false), false)
	only(k, "mlp_bias", k.boolean("mlp_bias", false), false)
	only(k, "partial_rotary_factor", k.number("partial_rotary_factor", 1), 1)
	for _, key := range otherModels {
		if k.has(key) {
			k.fail(key, "it is %s, and this program computes only models without it", short(k.members[key]))
		}
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
	k.rope(c)
	return c
}

// rope reads what turns queries and keys: in version 4 theta at the top and the rest in rope_scaling, in version 5 all in
// rope_parameters. Version 5 takes a rope_scaling that says anything for rope_parameters (modeling_rope_utils.py,
// convert_rope_params_to_dict).
func (k *keys) rope(c *model.Config) {
	r, where := &keys{}, "rope_scaling"
	if k.read(where, &r.members, "an object"); len(r.members) == 0 {
		where = "rope_parameters"
		k.read(where, &r.members, "an object")
	}
	c.RopeTheta = r.number("rope_theta", k.number("rope_theta", 10000))
	only(r, "partial_rotary_factor", r.number("partial_rotary_factor", 1), 1)
	switch t := r.text("rope_type", r.text("type", "default")); t {
	case "default":
	case "llama3":
		s := &model.RopeScaling{Original: r.integer("original_max_position_embeddings", c.Context)}
		for _, x := range []struct {
			key string
			to  *float64
		}{{"factor", &s.Factor}, {"low_freq_factor", &s.Low}, {"high_freq_factor", &s.High}} {
			if !r.has(x.key) {
				r.fail(x.key, "the key is missing")
			}
			*x.to = r.number(x.key, 0)
		}
		c.RopeScaling = s
	default:
		r.fail("rope_type", "it is %q, and this program computes only default and llama3", t)
	}
	if r.err != nil && k.err == nil {
		k.err = fmt.Errorf("%s: %w", where, r.err)
	}
}

// btlm reads the keys of Cerebras' BTLMConfig (configuration_btlm.py beside BTLM-3B-8K), which Jais' JAISConfig has, too; without a key its default, which for the
// activation and the positions is GPT-2's.
func (k *keys) btlm() *model.Config {
	only(k, "activation_function", k.text("activation_function", "gelu_new"), "swiglu")
	only(k, "position_embedding_type", k.text("position_embedding_type", "learned"), "alibi")
	only(k, "scale_attn_weights", k.boolean("scale_attn_weights", true), true)
	only(k, "scale_attn_by_inverse_layer_idx", k.boolean("scale_attn_by_inverse_layer_idx", false), false)
	only(k, "add_cross_attention", k.boolean("add_cross_attention", false), false)
	c := &model.Config{
		Family: model.BTLM, Vocabulary: k.required("vocab_size"), Width: k.required("n_embd"), Layers: k.required("n_layer"), Heads: k.required("n_head"),
		FFN: k.integer("n_inner", 0), Context: k.integer("n_positions", 1024), Tied: k.boolean("tie_word_embeddings", true), NormEpsilon: k.number("layer_norm_epsilon", 1e-5), AlibiSlopeScale: 1,
	}
	c.KVHeads = c.Heads
	if c.FFN == 0 {
		c.FFN = 4 * c.Width // as in GPT-2
	}
	if c.Heads > 0 {
		c.HeadSize = c.Width / c.Heads
	}
	k.mup(c)
	k.alibi(c)
	return c
}

// alibi reads a factor by which all slopes are divided. With "train_seq_len" instead, the reference divides them by a number that
// depends on the row.
func (k *keys) alibi(c *model.Config) {
	if !k.has("alibi_scaling") {
		return
	}
	a := &keys{}
	k.read("alibi_scaling", &a.members, "an object")
	only(a, "type", a.text("type", ""), "linear")
	if a.has("train_seq_len") {
		a.fail("train_seq_len", "it is %s, and this program computes no slopes that depend on a row's length; take alibi_scaling out, which changes nothing for rows up to that length", short(a.members["train_seq_len"]))
	}
	if f := a.number("factor", 1); f > 0 {
		c.AlibiSlopeScale = 1 / f
	} else {
		a.fail("factor", "it is %v; it must be above 0", f)
	}
	if a.err != nil && k.err == nil {
		k.err = fmt.Errorf("alibi_scaling: %w", a.err)
	}
}

// mup reads the multipliers of µP. The first Jais models have embeddings_scale, width_scale, which multiplies the logits and says
// nothing of the optimiser, and scale_qk_dot_by_d; vLLM (model_executor/models/jais.py) takes them before the others, as here.
func (k *keys) mup(c *model.Config) {
	c.EmbeddingScale, c.WidthScale = k.number("embeddings_scale", k.number("mup_embeddings_scale", 1)), k.number("mup_width_scale", 1)
	c.LogitScale = k.number("mup_logits_scale", k.number("width_scale", k.number("mup_output_alpha", 1)*c.WidthScale))
	c.ScaleByHead = k.boolean("scale_qk_dot_by_d", k.boolean("mup_scale_qk_dot_by_d", false))
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
		kind, class := btlmType, "BTLMLMHeadModel"
		if extra.Jais {
			kind, class = jaisType, "JAISLMHeadModel"
		}
		add("model_type", kind)
		add("architectures", []string{class})
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
			factor := nearby(1/c.AlibiSlopeScale, func(f float64) bool { return 1/f == c.AlibiSlopeScale })
			add("alibi_scaling", map[string]any{"type": "linear", "factor": factor})
		}
		list = append(list, mupMembers(c)...)
		add("tie_word_embeddings", c.Tied)
	} else {
		kind, class := llamaType, "LlamaForCausalLM"
		if !Neutral(c) {
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
		switch {
		case id.is < 0:
			add(id.key, nil) // transformers would choose ids of its own
		case id.key == "eos_token_id" && len(extra.MoreEOS) > 0:
			add(id.key, append([]int{id.is}, extra.MoreEOS...))
		default:
			add(id.key, id.is)
		}
	}
	add("use_cache", true)
	add("torch_dtype", dtypeName(extra.Dtype))
	return object(list)
}

// Neutral says whether the multipliers of µP do nothing. WidthScale is the optimiser's: it matters to whoever trains on.
func Neutral(c *model.Config) bool {
	return c.EmbeddingScale == 1 && c.LogitScale == 1 && c.WidthScale == 1 && !c.ScaleByHead
}

// mupMembers write the multipliers so that mup reads the same numbers.
func mupMembers(c *model.Config) []member {
	alpha := nearby(c.LogitScale/c.WidthScale, func(a float64) bool { return a*c.WidthScale == c.LogitScale })
	list := []member{{"mup_embeddings_scale", c.EmbeddingScale}, {"mup_output_alpha", alpha}, {"mup_width_scale", c.WidthScale}, {"mup_scale_qk_dot_by_d", c.ScaleByHead}}
	if alpha*c.WidthScale != c.LogitScale { // between two roundings
		list = append(list, member{"mup_logits_scale", c.LogitScale})
	}
	return list
}

// nearby is x, or a number a rounding from it that fits where x does not.
func nearby(x float64, fits func(float64) bool) float64 {
	for _, y := range []float64{x, math.Nextafter(x, 0), math.Nextafter(x, math.Inf(1))} {
		if fits(y) {
			return y
		}
	}
	return x
}

// withPoint writes floating numbers so that Python reads them as such: transformers 4 warns of a factor 8 that is no 8.0.
func withPoint(e *jsontext.Encoder, x float64) error {
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if !bytes.ContainsAny(b, ".e") {
		b = append(b, ".0"...)
	}
	return e.WriteValue(b)
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
		v, err := json.Marshal(m.value, json.Deterministic(true), json.WithMarshalers(json.MarshalToFunc(withPoint)))
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
