package marian

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Config is what config.json says of a model, checked. Keys that are not there have the values that MarianConfig of
// transformers 5.24.0 gives them (configuration_marian.py).
type Config struct {
	Vocab, DecoderVocab, Width   int // DecoderVocab is Vocab where the embeddings are shared; Width is d_model
	EncoderLayers, DecoderLayers int
	EncoderHeads, DecoderHeads   int
	EncoderFFN, DecoderFFN       int
	Activation                   string // swish, relu, gelu (exact, by erf) or gelu_new (by tanh)
	Positions                    int    // max_position_embeddings
	ScaleEmbedding               bool   // embeddings are multiplied by the root of Width
	ShareEmbeddings              bool   // share_encoder_decoder_embeddings
	Pad, End, DecoderStart       int    // ids; DecoderStart begins each target
	ForcedEnd                    int    // the id that a target of the largest length ends with; -1: none
	Generation                   Generation
}

// Generation is what generate() of transformers goes by. It is read from generation_config.json and, only where that file does
// not exist, from config.json, as transformers does; the ids of the end and of the start are looked for in both.
type Generation struct {
	Beams             int     // num_beams, 1 if nothing says
	LengthPenalty     float64 // length_penalty: a score is the sum of log-probabilities / length^LengthPenalty
	EarlyStopping     EarlyStopping
	MaxLength         int       // max_length, the start counted; 0 if nothing says, where transformers makes 20 new tokens
	MaxNewTokens      int       // max_new_tokens, which goes before MaxLength; 0: not said
	MinLength         int       // min_length, the start counted
	NoRepeatNgram     int       // no_repeat_ngram_size; 0: any may come again
	RepetitionPenalty float64   // repetition_penalty; 1: none
	BadWords          [][]int32 // bad_words_ids: sequences that no target may have
	Renormalize       bool      // renormalize_logits: after all of the above
	Ends              []int     // eos_token_id: any of them ends a target; Config.End is the first
}

// EarlyStopping is when a beam search ends that has as many finished targets as beams.
type EarlyStopping string

const (
	StopByScore EarlyStopping = "false" // when the best running one cannot become better with the length that it has
	StopAtOnce  EarlyStopping = "true"
	StopNever   EarlyStopping = "never" // when no running one can become better with any length
)

// activations are the names of transformers' ACT2FN (activations.py) for the functions that are computed here.
var activations = map[string]string{
	"gelu":              "gelu",
	"gelu_accurate":     "gelu_new",
	"gelu_fast":         "gelu_new",
	"gelu_new":          "gelu_new",
	"gelu_python":       "gelu",
	"gelu_python_tanh":  "gelu_new",
	"gelu_pytorch_tanh": "gelu_new",
	"relu":              "relu",
	"silu":              "swish",
	"swish":             "swish",
}

// Limits of what a configuration may ask for. They are far above any model of this family, and low enough that no product of
// them overflows; whether a file has that many weights is for the reader of the weights to say (Config.weights).
const (
	maxWidth     = 1 << 16
	maxLayers    = 1 << 10
	maxVocab     = 1 << 24
	maxPositions = 1 << 16 // a table of them is made for the model's width
	maxBeams     = 256
	maxConfig    = 16 << 20 // bytes of a configuration file
)

// readConfig reads config.json and generation_config.json of a folder. Errors name file, key and reason.
func readConfig(dir string) (*Config, error) {
	name := filepath.Join(dir, "config.json")
	b, err := readFile(name, maxConfig)
	if err != nil {
		return nil, err
	}
	generation := filepath.Join(dir, "generation_config.json")
	g, err := readFile(generation, maxConfig)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return parseConfig(name, b, generation, g)
}

// readFile reads a file of at most most bytes.
func readFile(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such file, and a MarianMT model in Hugging Face's layout has one: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s: it has more than %d bytes, which no such file of a MarianMT model has", name, most)
	}
	return b, nil
}

// parseConfig reads the two files; generation is nil if there is none.
func parseConfig(name string, config []byte, generationName string, generation []byte) (*Config, error) {
	k, err := readKeys(name, config)
	if err != nil {
		return nil, err
	}
	g := k
	if generation != nil {
		if g, err = readKeys(generationName, generation); err != nil {
			return nil, err
		}
	}
	c := k.architecture()
	c.special(k, g)
	g.generation(c)
	if err := cmp.Or(k.err, g.err); err != nil {
		return nil, err
	}
	return c, nil
}

func (k *keys) architecture() *Config {
	only(k, "model_type", k.text("model_type", "marian"), "marian", "only MarianMT models are read here")
	only(k, "is_encoder_decoder", k.boolean("is_encoder_decoder", true), true, "a decoder alone translates nothing")
	only(k, "is_decoder", k.boolean("is_decoder", false), false, "a decoder alone translates nothing")
	const wrong = "the model would be computed wrongly"
	only(k, "normalize_embedding", k.boolean("normalize_embedding", false), false, "embeddings are not normalised here: "+wrong)
	only(k, "normalize_before", k.boolean("normalize_before", false), false, "layers are normalised behind the sum here (post-norm): "+wrong)
	only(k, "add_final_layer_norm", k.boolean("add_final_layer_norm", false), false, "no norm stands behind the last layer here: "+wrong)
	only(k, "static_position_embeddings", k.boolean("static_position_embeddings", true), true, "positions are sinusoids here, and not learnt: "+wrong)
	only(k, "tie_word_embeddings", k.boolean("tie_word_embeddings", true), true, "the output layer is the decoder's embeddings here: "+wrong)
	only(k, "tie_encoder_decoder", k.boolean("tie_encoder_decoder", false), false, "encoder and decoder have their own layers here: "+wrong)
	if heads := k.members["pruned_heads"]; k.has("pruned_heads") && string(bytes.Join(bytes.Fields(heads), nil)) != "{}" {
		k.fail("pruned_heads", "heads were taken out (%s), and all are computed here", short(heads))
	}

	c := &Config{
		Vocab:           k.size("vocab_size", 58101, maxVocab),
		Width:           k.size("d_model", k.size("hidden_size", 1024, maxWidth), maxWidth),
		EncoderLayers:   k.size("encoder_layers", k.size("num_hidden_layers", 12, maxLayers), maxLayers),
		DecoderLayers:   k.size("decoder_layers", 12, maxLayers),
		EncoderHeads:    k.size("encoder_attention_heads", k.size("num_attention_heads", 16, maxWidth), maxWidth),
		DecoderHeads:    k.size("decoder_attention_heads", 16, maxWidth),
		EncoderFFN:      k.size("encoder_ffn_dim", 4096, maxWidth),
		DecoderFFN:      k.size("decoder_ffn_dim", 4096, maxWidth),
		Positions:       k.size("max_position_embeddings", 1024, maxPositions),
		ScaleEmbedding:  k.boolean("scale_embedding", false),
		ShareEmbeddings: k.boolean("share_encoder_decoder_embeddings", true),
	}
	// transformers knows three sizes by another name as well (attribute_map); older files have both.
	k.same("hidden_size", c.Width, "d_model")
	k.same("num_hidden_layers", c.EncoderLayers, "encoder_layers")
	k.same("num_attention_heads", c.EncoderHeads, "encoder_attention_heads")
	c.DecoderVocab = c.Vocab
	if !c.ShareEmbeddings && k.integer("decoder_vocab_size", 0) != 0 { // 0 is as null for MarianConfig
		c.DecoderVocab = k.size("decoder_vocab_size", 0, maxVocab)
	}
	if k.err != nil {
		return c
	}
	for _, h := range []struct {
		key   string
		heads int
	}{{"encoder_attention_heads", c.EncoderHeads}, {"decoder_attention_heads", c.DecoderHeads}} {
		if c.Width%h.heads != 0 {
			k.fail(h.key, "%d heads do not divide d_model, which is %d", h.heads, c.Width)
		}
	}
	if c.Width%2 != 0 {
		k.fail("d_model", "%d is odd, and half of a position's numbers are sines, half cosines", c.Width)
	}
	name := k.text("activation_function", "gelu")
	if c.Activation = activations[name]; c.Activation == "" {
		k.fail("activation_function", "%q is not known here; swish, relu, gelu and gelu_new are", short([]byte(name)))
	}
	return c
}

// special reads the ids of special tokens, from g before k where generate() takes them from there.
func (c *Config) special(k, g *keys) {
	from := func(key string) *keys {
		if g.has(key) {
			return g
		}
		return k
	}
	c.Pad = k.id("pad_token_id", 58100, min(c.Vocab, c.DecoderVocab))
	c.DecoderStart = from("decoder_start_token_id").id("decoder_start_token_id", 58100, c.DecoderVocab)
	// A file without an end means that transformers never ends before the largest length. No model is meant so, and MarianConfig
	// has the end 0.
	c.Generation.Ends = from("eos_token_id").ids("eos_token_id", []int{0}, c.DecoderVocab)
	if len(c.Generation.Ends) > 0 {
		c.End = c.Generation.Ends[0]
	}
	// Without generation_config.json, MarianConfig's default counts for nothing: transformers reads the file again.
	c.ForcedEnd = -1
	if forced := g.ids("forced_eos_token_id", nil, c.DecoderVocab); len(forced) == 1 {
		c.ForcedEnd = forced[0]
	} else if len(forced) > 1 {
		g.fail("forced_eos_token_id", "%d ids; one is forced here", len(forced))
	}
}

// generation reads what generate() goes by, and refuses what would change a target and is not computed here.
func (k *keys) generation(c *Config) {
	g := &c.Generation
	g.Beams = k.integer("num_beams", 1)
	k.within("num_beams", g.Beams, 1, maxBeams)
	g.LengthPenalty = k.number("length_penalty", 1)
	g.MaxLength = k.integer("max_length", 0)
	k.within("max_length", g.MaxLength, 0, math.MaxInt32)
	g.MaxNewTokens = k.integer("max_new_tokens", 0)
	k.within("max_new_tokens", g.MaxNewTokens, 0, math.MaxInt32)
	g.MinLength = k.integer("min_length", 0)
	k.within("min_length", g.MinLength, 0, math.MaxInt32)
	g.NoRepeatNgram = k.integer("no_repeat_ngram_size", 0)
	k.within("no_repeat_ngram_size", g.NoRepeatNgram, 0, math.MaxInt32)
	g.RepetitionPenalty = k.number("repetition_penalty", 1)
	if !(g.RepetitionPenalty > 0) {
		k.fail("repetition_penalty", "%v is not above 0", g.RepetitionPenalty)
	}
	g.Renormalize = k.boolean("renormalize_logits", false)
	switch v := k.members["early_stopping"]; v.Kind() {
	case jsontext.KindInvalid, 'n', 'f':
		g.EarlyStopping = StopByScore
	case 't':
		g.EarlyStopping = StopAtOnce
	default:
		if k.text("early_stopping", "") != string(StopNever) {
			k.fail("early_stopping", `it is %s, and should be true, false or "never"`, short(v))
		}
		g.EarlyStopping = StopNever
	}
	k.read("bad_words_ids", &g.BadWords, "lists of ids")
	for _, word := range g.BadWords {
		if len(word) == 0 || slices.ContainsFunc(word, func(id int32) bool { return id < 0 || int(id) >= c.DecoderVocab }) {
			k.fail("bad_words_ids", "%v is no sequence of ids below %d", word[:min(len(word), 8)], c.DecoderVocab)
			break
		}
	}

	const unlike = "its targets would be others than transformers'; take the key out to go without it"
	only(k, "do_sample", k.boolean("do_sample", false), false, "targets are searched for here, and not drawn")
	only(k, "num_beam_groups", k.integer("num_beam_groups", 1), 1, unlike)
	only(k, "diversity_penalty", k.number("diversity_penalty", 0), 0, unlike)
	only(k, "encoder_no_repeat_ngram_size", k.integer("encoder_no_repeat_ngram_size", 0), 0, unlike)
	only(k, "encoder_repetition_penalty", k.number("encoder_repetition_penalty", 1), 1, unlike)
	only(k, "min_new_tokens", k.integer("min_new_tokens", 0), 0, unlike)
	for _, key := range []string{"begin_suppress_tokens", "constraints", "exponential_decay_length_penalty", "force_words_ids",
		"forced_bos_token_id", "guidance_scale", "sequence_bias", "stop_strings", "suppress_tokens", "watermarking_config"} {
		if v := k.members[key]; k.has(key) && string(bytes.Join(bytes.Fields(v), nil)) != "[]" {
			k.fail(key, "it is %s, and generation without it is all that is computed here: %s", short(v), unlike)
		}
	}
}

// weights is how many numbers a model of this configuration has, positions not counted.
func (c *Config) weights() int64 {
	width := int64(c.Width)
	attention := 4*width*(width+1) + 2*width // four projections and the norm behind
	ffn := func(inner int) int64 { return 2*width*int64(inner) + int64(inner) + width + 2*width }
	n := int64(c.EncoderLayers)*(attention+ffn(c.EncoderFFN)) + int64(c.DecoderLayers)*(2*attention+ffn(c.DecoderFFN))
	n += int64(c.Vocab)*width + int64(c.DecoderVocab) // the last are final_logits_bias
	if !c.ShareEmbeddings {
		n += int64(c.DecoderVocab) * width
	}
	return n
}

// keys reads the members of a configuration. The first error stays.
type keys struct {
	name    string
	members map[string]jsontext.Value
	err     error
}

func readKeys(name string, b []byte) (*keys, error) {
	k := &keys{name: name}
	if err := json.Unmarshal(b, &k.members); err != nil {
		return nil, fmt.Errorf("%s: it is no JSON object as it should be: %w", name, err)
	}
	return k, nil
}

func (k *keys) fail(key, format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf("%s: %s: %s", k.name, key, fmt.Sprintf(format, args...))
	}
}

// has says whether a key is there and not null.
func (k *keys) has(key string) bool {
	v, ok := k.members[key]
	return ok && v.Kind() != 'n'
}

func (k *keys) read(key string, into any, what string) {
	if k.has(key) && json.Unmarshal(k.members[key], into) != nil {
		k.fail(key, "it is %s, and should be %s", short(k.members[key]), what)
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

// size is a dimension: 1 to most.
func (k *keys) size(key string, otherwise, most int) int {
	n := k.integer(key, otherwise)
	k.within(key, n, 1, most)
	return n
}

func (k *keys) within(key string, n, least, most int) {
	if n < least || n > most {
		k.fail(key, "%d is not within %d and %d", n, least, most)
	}
}

// ids is an id or a list of them, each below vocab.
func (k *keys) ids(key string, otherwise []int, vocab int) []int {
	list := otherwise
	if k.has(key) {
		list = nil
		if k.members[key].Kind() == '[' {
			k.read(key, &list, "an id, or a list of them")
		} else {
			list = []int{k.integer(key, 0)}
		}
		if len(list) == 0 {
			k.fail(key, "it is an empty list")
		}
	}
	for _, id := range list {
		if id < 0 || id >= vocab {
			k.fail(key, "%d is no id of a vocabulary of %d", id, vocab)
		}
	}
	return list
}

func (k *keys) id(key string, otherwise, vocab int) int {
	id := k.integer(key, otherwise)
	if id < 0 || id >= vocab {
		k.fail(key, "%d is no id of a vocabulary of %d", id, vocab)
	}
	return id
}

// only refuses another value than the one that is computed here.
func only[T comparable](k *keys, key string, is, want T, why string) {
	if is != want {
		k.fail(key, "it is %v, and should be %v: %s", is, want, why)
	}
}

// same refuses a second name of a key that says something else.
func (k *keys) same(alias string, is int, key string) {
	if n := k.integer(alias, is); n != is {
		k.fail(alias, "it is %d, and %s, which means the same, is %d", n, key, is)
	}
}

func short(v []byte) string {
	const most = 60
	if len(v) > most {
		return string(v[:most]) + "…"
	}
	return string(v)
}
