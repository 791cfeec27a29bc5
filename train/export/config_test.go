package export

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"curate/safetensors"
	"curate/train/model"
)

func plain(c model.Config) model.Config {
	c.EmbeddingScale, c.LogitScale, c.WidthScale, c.AlibiSlopeScale = 1, 1, 1, 1
	return c
}

// TestTransformers reads configurations that transformers 4.57.6 and 5.24.0 wrote (save_pretrained), and their like.
func TestTransformers(t *testing.T) {
	llama3 := plain(model.Config{
		Family: model.Llama, Vocabulary: 40, Width: 16, Layers: 2, Heads: 4, KVHeads: 2, HeadSize: 4, FFN: 24, Context: 256,
		NormEpsilon: 1e-5, RopeTheta: 500000, RopeScaling: &model.RopeScaling{Factor: 8, Low: 1, High: 4, Original: 64},
	})
	tied := plain(model.Config{
		Family: model.Llama, Vocabulary: 40, Width: 16, Layers: 2, Heads: 4, KVHeads: 1, HeadSize: 6, FFN: 24, Context: 64, Tied: true,
		NormEpsilon: 1e-6, RopeTheta: 10000,
	})
	for _, c := range []struct {
		name  string
		want  model.Config
		extra Extra
	}{
		{"transformers-4-llama3", llama3, Extra{BOS: 1, EOS: 2, MoreEOS: []int{5}, Pad: -1, Dtype: safetensors.BF16}},
		{"transformers-4-tied", tied, Extra{BOS: 3, EOS: 4, Pad: -1, Dtype: safetensors.F32}},
		{"transformers-5-llama3", llama3, Extra{BOS: 1, EOS: 2, MoreEOS: []int{5}, Pad: -1, Dtype: safetensors.BF16}},
		{"transformers-5-tied", tied, Extra{BOS: 3, EOS: 4, Pad: -1, Dtype: safetensors.F32}},
	} {
		b, err := os.ReadFile("testdata/" + c.name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		got, extra, err := ReadConfig(c.name, b)
		if err != nil {
			t.Error(err)
			continue
		}
		if !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, *got, c.want)
		}
		if !reflect.DeepEqual(extra, c.extra) {
			t.Errorf("%s: %+v, want %+v", c.name, extra, c.extra)
		}
	}
}

const (
	small = `"model_type":"llama","vocab_size":40,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,"num_attention_heads":4`
	btlm  = `"model_type":"btlm","vocab_size":40,"n_embd":16,"n_inner":24,"n_layer":2,"n_head":4,"activation_function":"swiglu","position_embedding_type":"alibi"`
)

// TestDefaults: what is not said is what the reference chooses.
func TestDefaults(t *testing.T) {
	base := plain(model.Config{Family: model.Llama, Vocabulary: 40, Width: 16, Layers: 2, Heads: 4, KVHeads: 4, HeadSize: 4, FFN: 24, Context: 2048, NormEpsilon: 1e-6, RopeTheta: 10000})
	with := func(f func(*model.Config)) model.Config {
		c := base
		f(&c)
		return c
	}
	gpt := plain(model.Config{Family: model.BTLM, Vocabulary: 40, Width: 16, Layers: 2, Heads: 4, KVHeads: 4, HeadSize: 4, FFN: 24, Context: 1024, Tied: true, NormEpsilon: 1e-5})
	gptWith := func(f func(*model.Config)) model.Config {
		c := gpt
		f(&c)
		return c
	}
	alpha, width := 2.22, 0.1 // no constants, whose product would be exact
	scaling := `"factor":2,"low_freq_factor":1,"high_freq_factor":4`
	for _, c := range []struct {
		text string
		want model.Config
	}{
		{small, base},
		{small + `,"num_key_value_heads":null,"head_dim":null,"rope_scaling":null,"sliding_window":null,"attention_bias":null,"pad_token_id":-1`, base},
		{small + `,"attention_bias":false,"hidden_act":"silu","attention_dropout":0.1,"somebody_elses":{"a":[1]},"partial_rotary_factor":1.0`, base},
		{small + `,"rope_theta":7`, with(func(c *model.Config) { c.RopeTheta = 7 })},
		{small + `,"rope_theta":7,"rope_parameters":{"rope_type":"default"}`, with(func(c *model.Config) { c.RopeTheta = 7 })},
		{small + `,"rope_theta":7,"rope_parameters":{"rope_theta":9}`, with(func(c *model.Config) { c.RopeTheta = 9 })},
		{small + `,"rope_scaling":{"type":"default"}`, base},
		{small + `,"rope_parameters":{},"rope_scaling":{"type":"llama3",` + scaling + `}`, with(func(c *model.Config) { c.RopeScaling = &model.RopeScaling{Factor: 2, Low: 1, High: 4, Original: 2048} })},
		{small + `,"rope_scaling":{},"rope_parameters":{"rope_type":"llama3",` + scaling + `,"original_max_position_embeddings":8}`, with(func(c *model.Config) { c.RopeScaling = &model.RopeScaling{Factor: 2, Low: 1, High: 4, Original: 8} })},
		{btlm, gpt},
		{btlm + `,"tie_word_embeddings":false`, gptWith(func(c *model.Config) { c.Tied = false })},
		{btlm + `,"alibi_scaling":{"type":"linear","factor":4.0}`, gptWith(func(c *model.Config) { c.AlibiSlopeScale = 0.25 })},
		{strings.Replace(btlm, `"n_inner":24`, `"n_inner":null`, 1), gptWith(func(c *model.Config) { c.FFN = 64 })},
		{btlm + `,"mup_width_scale":0.1,"mup_output_alpha":2.22,"mup_embeddings_scale":14.6,"mup_scale_qk_dot_by_d":true`,
			gptWith(func(c *model.Config) {
				c.WidthScale, c.LogitScale, c.EmbeddingScale, c.ScaleByHead = width, alpha*width, 14.6, true
			})},
	} {
		got, _, err := ReadConfig("x", []byte("{"+c.text+"}"))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.text, *got, c.want)
		}
	}
}

// TestRefused: keys that change what the model computes are named, with their value.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`"model_type":"mistral"`, `model_type: it is "mistral"`},
		{`"vocab_size":3`, `model_type: it is ""`},
		{`"model_type":"llama"`, `vocab_size: the key is missing`},
		{strings.Replace(small, "40", "-40", 1), `vocab_size is -40`},
		{strings.Replace(small, "40", "40.5", 1), `vocab_size: it is 40.5, and should be a whole number`},
		{strings.Replace(small, "40", "1e300", 1), `vocab_size: it is 1e300, and should be a whole number`},
		{strings.Replace(small, `"num_attention_heads":4`, `"num_attention_heads":3`, 1), `hidden_size: 16 is no multiple of num_attention_heads, 3`},
		{strings.Replace(small, `"num_attention_heads":4`, `"num_attention_heads":0`, 1), `num_attention_heads is 0`},
		{small + `,"num_key_value_heads":3`, `num_key_value_heads, 3`},
		{small + `,"attention_bias":true`, `attention_bias: it is true`},
		{small + `,"mlp_bias":true`, `mlp_bias: it is true`},
		{small + `,"mlp_bias":"no"`, `mlp_bias: it is "no", and should be true or false`},
		{small + `,"hidden_act":"gelu"`, `hidden_act: it is gelu`},
		{small + `,"sliding_window":4096`, `sliding_window: it is 4096`},
		{small + `,"quantization_config":{"bits":4}`, `quantization_config: it is {"bits":4}`},
		{small + `,"partial_rotary_factor":0.5`, `partial_rotary_factor: it is 0.5`},
		{small + `,"rope_scaling":{"rope_type":"yarn","factor":4}`, `rope_scaling: rope_type: it is "yarn"`},
		{small + `,"rope_scaling":{"type":"linear","factor":4}`, `rope_scaling: rope_type: it is "linear"`},
		{small + `,"rope_parameters":{"rope_type":"longrope"}`, `rope_parameters: rope_type: it is "longrope"`},
		{small + `,"rope_parameters":{"partial_rotary_factor":0.5}`, `rope_parameters: partial_rotary_factor: it is 0.5`},
		{small + `,"rope_parameters":{"rope_type":"llama3","factor":8}`, `rope_parameters: low_freq_factor: the key is missing`},
		{small + `,"rope_scaling":4`, `rope_scaling: it is 4, and should be an object`},
		{small + `,"rope_theta":0`, `rope_theta is 0`},
		{small + `,"eos_token_id":[1,"a"]`, `eos_token_id: it is [1,"a"]`},
		{small + `,"vocab_size":41`, `duplicate`},
		{small + `}x{`, `x`},
		{strings.Replace(btlm, "swiglu", "gelu", 1), `activation_function: it is gelu`},
		{strings.Replace(btlm, `,"activation_function":"swiglu"`, "", 1), `activation_function: it is gelu_new`},
		{strings.Replace(btlm, `"alibi"`, `"learned"`, 1), `position_embedding_type: it is learned`},
		{btlm + `,"scale_attn_weights":false`, `scale_attn_weights: it is false`},
		{btlm + `,"scale_attn_by_inverse_layer_idx":true`, `scale_attn_by_inverse_layer_idx: it is true`},
		{btlm + `,"alibi_scaling":{"type":"linear","train_seq_len":8192}`, `alibi_scaling: train_seq_len: it is 8192`},
		{btlm + `,"alibi_scaling":{"factor":2.0}`, `alibi_scaling: type`},
		{btlm + `,"alibi_scaling":{"type":"linear","factor":0}`, `alibi_scaling: factor: it is 0`},
		{btlm + `,"mup_width_scale":0`, `mup_width_scale`},
	} {
		_, _, err := ReadConfig("dir/config.json", []byte("{"+c.text+"}"))
		if err == nil || !strings.HasPrefix(err.Error(), "dir/config.json: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n gives %v\n want  %s", c.text, err, c.want)
		}
	}
}

// configs are of every kind that is written.
func configs() []model.Config {
	list := []model.Config{
		plain(model.Config{Family: model.Llama, Vocabulary: 30, Width: 8, Layers: 2, Heads: 4, KVHeads: 2, HeadSize: 4, FFN: 12, Context: 64, NormEpsilon: 1e-5, RopeTheta: 10000}),
		plain(model.Config{Family: model.Llama, Vocabulary: 30, Width: 16, Layers: 1, Heads: 2, KVHeads: 1, HeadSize: 8, FFN: 12, Context: 64, Tied: true, NormEpsilon: 0.1 + 0.2, RopeTheta: 123456.7,
			RopeScaling: &model.RopeScaling{Factor: 8, Low: 1, High: 4, Original: 16}}),
		plain(model.Config{Family: model.BTLM, Vocabulary: 30, Width: 12, Layers: 2, Heads: 3, KVHeads: 3, HeadSize: 4, FFN: 10, Context: 64, Tied: true, NormEpsilon: 1e-5}),
	}
	for _, c := range list[:3] {
		c.EmbeddingScale, c.WidthScale, c.ScaleByHead = 14.6, 256.0/768, true
		c.LogitScale = 2.22 * c.WidthScale
		list = append(list, c)
		c.LogitScale, c.WidthScale, c.ScaleByHead, c.AlibiSlopeScale = 0.12345678901234567, 0.1, false, 1/49.0
		if c.Family == model.Llama {
			c.AlibiSlopeScale = 1
		}
		list = append(list, c)
	}
	untied := list[2]
	untied.Tied = false
	return append(list, untied)
}

// TestRoundTrip: a configuration is read as it was written, to the last bit: a run that goes on computes the same.
func TestRoundTrip(t *testing.T) {
	var all bytes.Buffer
	for _, c := range configs() {
		for _, extra := range []Extra{{BOS: -1, EOS: 0, Pad: -1, Dtype: safetensors.F32}, {BOS: 3, EOS: 1, MoreEOS: []int{2, 7}, Pad: 5, Dtype: safetensors.F16}} {
			b, err := WriteConfig(&c, extra)
			if err != nil {
				t.Fatal(err)
			}
			if extra.Pad < 0 {
				all.Write(b)
			}
			got, gotExtra, err := ReadConfig("x", b)
			if err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			if !reflect.DeepEqual(*got, c) || !reflect.DeepEqual(gotExtra, extra) {
				t.Errorf("%+v %+v\nbecame %+v %+v\n%s", c, extra, *got, gotExtra, b)
			}
		}
	}
	golden := "testdata/written.golden"
	if *update {
		if err := os.WriteFile(golden, all.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(want, all.Bytes()) {
		t.Errorf("other configurations than those in %s (%v); -update rewrites it", golden, err)
	}
	bad := configs()[0]
	bad.Heads = 3
	if _, err := WriteConfig(&bad, Extra{}); err == nil {
		t.Error("a configuration that fits nothing was written")
	}
}

// TestJais: a Jais is a btlm with another name, and the first ones have older names of µP's multipliers.
func TestJais(t *testing.T) {
	jais := strings.Replace(btlm, `"btlm"`, `"jais"`, 1)
	for _, x := range []struct {
		keys                         string
		embedding, logits, optimiser float64
		byHead                       bool
	}{
		{"", 1, 1, 1, false},
		{`,"mup_embeddings_scale":14.6,"mup_output_alpha":2.5,"mup_width_scale":0.125,"mup_scale_qk_dot_by_d":true`, 14.6, 0.3125, 0.125, true},
		{`,"embeddings_scale":9,"width_scale":0.25,"scale_qk_dot_by_d":true`, 9, 0.25, 1, true},
	} {
		c, extra, err := ReadConfig("x", []byte("{"+jais+x.keys+"}"))
		if err != nil {
			t.Fatal(err)
		}
		if c.Family != model.BTLM || !extra.Jais || c.EmbeddingScale != x.embedding || c.LogitScale != x.logits || c.WidthScale != x.optimiser || c.ScaleByHead != x.byHead {
			t.Errorf("%s: %+v %+v", x.keys, *c, extra)
		}
		b, err := WriteConfig(c, extra)
		if err != nil || !bytes.Contains(b, []byte(`"JAISLMHeadModel"`)) || !bytes.Contains(b, []byte(`"model_type": "jais"`)) {
			t.Errorf("%v: %s", err, b)
		}
		if again, e, err := ReadConfig("x", b); err != nil || !reflect.DeepEqual(again, c) || !e.Jais {
			t.Errorf("%+v became %+v, %v", *c, *again, err)
		}
	}
}

func FuzzReadConfig(f *testing.F) {
	for _, text := range []string{"", small, btlm, small + `,"rope_scaling":{"rope_type":"llama3","factor":2,"low_freq_factor":1,"high_freq_factor":4}`, btlm + `,"alibi_scaling":{"type":"linear","factor":4.0},"mup_width_scale":0.1`, small + `,"eos_token_id":[1,2]`} {
		f.Add([]byte("{" + text + "}"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, extra, err := ReadConfig("x", b)
		if err != nil {
			return
		}
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		out, err := WriteConfig(c, extra)
		if err != nil {
			t.Fatal(err)
		}
		if again, _, err := ReadConfig("x", out); err != nil || !reflect.DeepEqual(again, c) && !nearlyAlibi(again, c) {
			t.Fatalf("%+v became %+v, %v", c, again, err)
		}
	})
}

// nearlyAlibi: of a number and one over it, not every pair of roundings fits.
func nearlyAlibi(a, b *model.Config) bool {
	x := *a
	if d := x.AlibiSlopeScale/b.AlibiSlopeScale - 1; d > 1e-15 || d < -1e-15 {
		return false
	}
	x.AlibiSlopeScale = b.AlibiSlopeScale
	return reflect.DeepEqual(&x, b)
}
