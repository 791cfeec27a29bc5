package marian

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// tinyConfig is testdata/tiny's.
func tinyConfig() *Config {
	return &Config{
		Vocab: 3599, DecoderVocab: 3599, Width: 96, EncoderLayers: 2, DecoderLayers: 2, EncoderHeads: 4, DecoderHeads: 4, EncoderFFN: 192, DecoderFFN: 192,
		Activation: "swish", Positions: 128, ScaleEmbedding: true, ShareEmbeddings: true, Pad: 3598, DecoderStart: 3598,
		Generation: Generation{Beams: 1, LengthPenalty: 1, EarlyStopping: StopByScore, RepetitionPenalty: 1, Ends: []int{0}},
	}
}

// opus is a config.json as the older models have it, with what generate() goes by in it.
const opus = `{
  "_name_or_path": "/tmp/x", "_num_labels": 3, "activation_dropout": 0.0, "activation_function": "swish", "add_bias_logits": false, "add_final_layer_norm": false,
  "architectures": ["MarianMTModel"], "attention_dropout": 0.0, "bad_words_ids": [[65000]], "bos_token_id": 0, "classif_dropout": 0.0, "classifier_dropout": 0.0,
  "d_model": 512, "decoder_attention_heads": 8, "decoder_ffn_dim": 2048, "decoder_layerdrop": 0.0, "decoder_layers": 6, "decoder_start_token_id": 65000,
  "decoder_vocab_size": 65001, "dropout": 0.1, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048, "encoder_layerdrop": 0.0, "encoder_layers": 6, "eos_token_id": 0,
  "extra_pos_embeddings": 65001, "forced_eos_token_id": 0, "id2label": {"0": "LABEL_0"}, "init_std": 0.02, "is_encoder_decoder": true, "max_length": 512,
  "max_position_embeddings": 512, "model_type": "marian", "normalize_before": false, "normalize_embedding": false, "num_beams": 6, "num_hidden_layers": 6,
  "pad_token_id": 65000, "scale_embedding": true, "static_position_embeddings": true, "torch_dtype": "float16", "use_cache": true, "vocab_size": 65001}`

func opusConfig() *Config {
	return &Config{
		Vocab: 65001, DecoderVocab: 65001, Width: 512, EncoderLayers: 6, DecoderLayers: 6, EncoderHeads: 8, DecoderHeads: 8, EncoderFFN: 2048, DecoderFFN: 2048,
		Activation: "swish", Positions: 512, ScaleEmbedding: true, ShareEmbeddings: true, Pad: 65000, DecoderStart: 65000,
		Generation: Generation{Beams: 6, LengthPenalty: 1, EarlyStopping: StopByScore, MaxLength: 512, RepetitionPenalty: 1, BadWords: [][]int32{{65000}}, Ends: []int{0}},
	}
}

func TestConfig(t *testing.T) {
	c, err := readConfig(tinyModel(t))
	if err != nil || !reflect.DeepEqual(c, tinyConfig()) {
		t.Errorf("tiny: %+v, %v", c, err)
	}
	// The tiny model's weights, as its file has them.
	if n := c.weights(); n != 723_119 {
		t.Errorf("tiny has %d weights", n)
	}
	edited := func(base *Config, edit func(*Config)) *Config {
		edit(base)
		return base
	}
	for _, test := range []struct {
		name, config, generation string
		want                     *Config
	}{
		{"older, alone", opus, "", opusConfig()},
		{"older, with a file that goes before it", opus, `{"num_beams": 4, "eos_token_id": [2, 0], "decoder_start_token_id": 65000, "forced_eos_token_id": [0], "early_stopping": "never",
			"length_penalty": 0.6, "max_new_tokens": 7, "min_length": 3, "no_repeat_ngram_size": 3, "repetition_penalty": 1.2, "bad_words_ids": [[65000], [4, 5]], "renormalize_logits": true}`,
			edited(opusConfig(), func(c *Config) {
				c.End = 2
				c.Generation = Generation{Beams: 4, LengthPenalty: 0.6, EarlyStopping: StopNever, MaxNewTokens: 7, MinLength: 3, NoRepeatNgram: 3, RepetitionPenalty: 1.2,
					BadWords: [][]int32{{65000}, {4, 5}}, Renormalize: true, Ends: []int{2, 0}}
			})},
		{"a file that says nothing", opus, `{"early_stopping": true}`, edited(opusConfig(), func(c *Config) {
			c.ForcedEnd = -1 // as transformers: what config.json forces counts only without the other file
			c.Generation = Generation{Beams: 1, LengthPenalty: 1, EarlyStopping: StopAtOnce, RepetitionPenalty: 1, Ends: []int{0}}
		})},
		{"nothing said", `{}`, "", &Config{
			Vocab: 58101, DecoderVocab: 58101, Width: 1024, EncoderLayers: 12, DecoderLayers: 12, EncoderHeads: 16, DecoderHeads: 16, EncoderFFN: 4096, DecoderFFN: 4096,
			Activation: "gelu", Positions: 1024, ShareEmbeddings: true, Pad: 58100, DecoderStart: 58100, ForcedEnd: -1,
			Generation: Generation{Beams: 1, LengthPenalty: 1, EarlyStopping: StopByScore, RepetitionPenalty: 1, Ends: []int{0}},
		}},
		{"vocabularies of their own", strings.NewReplacer(`"decoder_vocab_size": 65001`, `"decoder_vocab_size": 65002, "share_encoder_decoder_embeddings": false`,
			`"swish"`, `"silu"`).Replace(opus), "", edited(opusConfig(), func(c *Config) { c.DecoderVocab, c.ShareEmbeddings = 65002, false })},
	} {
		var generation []byte
		if test.generation != "" {
			generation = []byte(test.generation)
		}
		c, err := parseConfig("config.json", []byte(test.config), "generation_config.json", generation)
		if err != nil || !reflect.DeepEqual(c, test.want) {
			t.Errorf("%s:\n%+v, %v, want\n%+v", test.name, c, err, test.want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, test := range []struct{ key, value, want string }{
		{"model_type", `"bart"`, "model_type: it is bart, and should be marian"},
		{"normalize_embedding", "true", "normalize_embedding: it is true, and should be false: embeddings are not normalised here"},
		{"normalize_before", "true", "normalize_before"},
		{"add_final_layer_norm", "true", "add_final_layer_norm"},
		{"static_position_embeddings", "false", "static_position_embeddings: it is false, and should be true: positions are sinusoids"},
		{"tie_word_embeddings", "false", "tie_word_embeddings"},
		{"tie_encoder_decoder", "true", "tie_encoder_decoder"},
		{"is_encoder_decoder", "false", "is_encoder_decoder"},
		{"is_decoder", "true", "is_decoder"},
		{"pruned_heads", `{"0": [1]}`, "pruned_heads"},
		{"activation_function", `"quick_gelu"`, `activation_function: "quick_gelu" is not known here`},
		{"d_model", "90", "encoder_attention_heads: 4 heads do not divide d_model, which is 90"},
		{"d_model", `"96"`, `d_model: it is "96", and should be a whole number`},
		{"d_model", "1e3", "d_model: it is 1e3, and should be a whole number"},
		{"d_model", "4611686018427387904", "d_model: 4611686018427387904 is not within 1 and 65536"},
		{"d_model", "0", "d_model: 0 is not within"},
		{"encoder_layers", "-1", "encoder_layers: -1 is not within 1 and 1024"},
		{"encoder_attention_heads", "0", "encoder_attention_heads: 0 is not within"},
		{"hidden_size", "97", "hidden_size: it is 97, and d_model, which means the same, is 96"},
		{"vocab_size", "100000000", "vocab_size: 100000000 is not within"},
		{"pad_token_id", "3599", "pad_token_id: 3599 is no id of a vocabulary of 3599"},
		{"decoder_start_token_id", "-1", "decoder_start_token_id: -1 is no id"},
		{"eos_token_id", "[]", "eos_token_id: it is an empty list"},
		{"eos_token_id", "[0, 3599]", "eos_token_id: 3599 is no id"},
		{"forced_eos_token_id", "[0, 2]", "forced_eos_token_id: 2 ids; one is forced here"},
		{"num_beams", "0", "num_beams: 0 is not within 1 and 256"},
		{"num_beams", "1000000", "num_beams"},
		{"max_length", "-1", "max_length"},
		{"repetition_penalty", "0", "repetition_penalty: 0 is not above 0"},
		{"early_stopping", `"always"`, `early_stopping: it is "always", and should be true, false or "never"`},
		{"bad_words_ids", "[[]]", "bad_words_ids: [] is no sequence of ids below 3599"},
		{"bad_words_ids", "[[3599]]", "bad_words_ids: [3599] is no sequence"},
		{"bad_words_ids", "[3]", "bad_words_ids: it is [3], and should be lists of ids"},
		{"do_sample", "true", "do_sample: it is true, and should be false: targets are searched for here"},
		{"num_beam_groups", "2", "num_beam_groups"},
		{"encoder_no_repeat_ngram_size", "3", "encoder_no_repeat_ngram_size"},
		{"forced_bos_token_id", "5", "forced_bos_token_id: it is 5"},
		{"suppress_tokens", "[5]", "suppress_tokens: it is [5]"},
		{"exponential_decay_length_penalty", "[5, 1.1]", "exponential_decay_length_penalty"},
	} {
		dir := tinyFiles(t, "config.json")
		file := filepath.Join(dir, "config.json")
		setKeys(t, file, map[string]jsontext.Value{test.key: jsontext.Value(test.value)})
		if _, err := readConfig(dir); err == nil || !strings.HasPrefix(err.Error(), file+": "+test.want) {
			t.Errorf("%s %s: %v, want %s", test.key, test.value, err, test.want)
		}
	}
	if _, err := readConfig(t.TempDir()); err == nil {
		t.Error("an empty folder is a model")
	}
	if _, err := parseConfig("c", []byte("{"), "g", nil); err == nil || !strings.HasPrefix(err.Error(), "c: it is no JSON object") {
		t.Error(err)
	}
	if _, err := parseConfig("c", []byte(opus), "g", []byte("[]")); err == nil || !strings.HasPrefix(err.Error(), "g: it is no JSON object") {
		t.Error(err)
	}
	if _, err := parseConfig("c", []byte(opus), "g", []byte(`{"num_beams": 0}`)); err == nil || !strings.HasPrefix(err.Error(), "g: num_beams") {
		t.Error(err)
	}
}

// FuzzConfig checks that whatever is accepted is within the limits that loading and computing count on.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(opus), []byte(nil))
	f.Add([]byte(opus), []byte(`{"num_beams": 4, "bad_words_ids": [[1, 2]], "early_stopping": "never", "eos_token_id": [0, 2], "forced_eos_token_id": 0}`))
	f.Add([]byte(`{"d_model": 8, "vocab_size": 9, "pad_token_id": 8, "decoder_start_token_id": 8, "share_encoder_decoder_embeddings": false, "decoder_vocab_size": 7}`), []byte("{}"))
	f.Add([]byte(`{"num_hidden_layers": null, "pruned_heads": {}}`), []byte("null"))
	f.Fuzz(func(t *testing.T, config, generation []byte) {
		c, err := parseConfig("config.json", config, "generation_config.json", generation)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "config.json: ") && !strings.HasPrefix(err.Error(), "generation_config.json: ") {
				t.Fatalf("%v does not say the file", err)
			}
			return
		}
		for _, n := range []int{c.Vocab, c.DecoderVocab, c.Width, c.EncoderLayers, c.DecoderLayers, c.EncoderHeads, c.DecoderHeads, c.EncoderFFN, c.DecoderFFN, c.Positions, c.Generation.Beams} {
			if n < 1 || n > maxVocab {
				t.Fatalf("%+v", c)
			}
		}
		if c.weights() <= 0 || c.Width%c.EncoderHeads != 0 || c.Width%c.DecoderHeads != 0 {
			t.Fatalf("%+v", c)
		}
		for _, id := range append([]int{c.DecoderStart, c.End, max(c.ForcedEnd, 0)}, c.Generation.Ends...) {
			if id < 0 || id >= c.DecoderVocab {
				t.Fatalf("%+v", c)
			}
		}
		if c.Pad < 0 || c.Pad >= min(c.Vocab, c.DecoderVocab) || len(c.Generation.Ends) == 0 || !(c.Generation.RepetitionPenalty > 0) {
			t.Fatalf("%+v", c)
		}
	})
}
