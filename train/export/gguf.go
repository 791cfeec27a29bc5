package export

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"curate/gguf"
	"curate/kernel"
	"curate/train/model"
)

// Architectures of GGUF, which are graphs of llama.cpp (src/models/llama.cpp and jais.cpp, as in llama-cpp-python 0.3.36).
const (
	ggufLlama = "llama"
	ggufJais  = "jais" // LayerNorm with biases, fused queries, keys and values, ALiBi, SwiGLU; scores are q·k / (width of a head)
)

// maxALiBi is attention.max_alibi_bias: slopes begin at 2^(-8/heads) (arXiv 2108.12409, section 3).
const maxALiBi = 8

// GGUFOptions say what WriteGGUF writes.
type GGUFOptions struct {
	Type gguf.Type // of matrices: F32, F16, Q8_0 or Q4_0. Vectors are F32, and matrices whose rows are no whole blocks F16
	Name string    // general.name; "": none
	// Tokenizer are the keys under tokenizer., as Vocabulary gives them; nil: the file has ids alone.
	Tokenizer []gguf.Pair
}

// fileTypes are values of general.file_type (llama_ftype).
var fileTypes = map[gguf.Type]uint32{gguf.F32: 0, gguf.F16: 1, gguf.Q4_0: 2, gguf.Q8_0: 7}

// ggufNames are the names of tensors in GGUF (gguf-py's tensor_mapping.py): what stands behind the layer's number, or the whole.
var ggufNames = map[string]string{
	"model.embed_tokens.weight":       "token_embd.weight",
	"model.norm.weight":               "output_norm.weight",
	"lm_head.weight":                  "output.weight",
	"input_layernorm.weight":          "attn_norm.weight",
	"self_attn.q_proj.weight":         "attn_q.weight",
	"self_attn.k_proj.weight":         "attn_k.weight",
	"self_attn.v_proj.weight":         "attn_v.weight",
	"self_attn.o_proj.weight":         "attn_output.weight",
	"post_attention_layernorm.weight": "ffn_norm.weight",
	"mlp.gate_proj.weight":            "ffn_gate.weight",
	"mlp.up_proj.weight":              "ffn_up.weight",
	"mlp.down_proj.weight":            "ffn_down.weight",

	"transformer.wte.weight":  "token_embd.weight",
	"transformer.ln_f.weight": "output_norm.weight",
	"transformer.ln_f.bias":   "output_norm.bias",
	"ln_1.weight":             "attn_norm.weight",
	"ln_1.bias":               "attn_norm.bias",
	"attn.c_attn.weight":      "attn_qkv.weight",
	"attn.c_attn.bias":        "attn_qkv.bias",
	"attn.c_proj.weight":      "attn_output.weight",
	"attn.c_proj.bias":        "attn_output.bias",
	"ln_2.weight":             "ffn_norm.weight",
	"ln_2.bias":               "ffn_norm.bias",
	"mlp.c_fc2.weight":        "ffn_gate.weight",
	"mlp.c_fc2.bias":          "ffn_gate.bias",
	"mlp.c_fc.weight":         "ffn_up.weight",
	"mlp.c_fc.bias":           "ffn_up.bias",
	"mlp.c_proj.weight":       "ffn_down.weight",
	"mlp.c_proj.bias":         "ffn_down.bias",
}

// ggufName is a tensor's name in GGUF.
func ggufName(t *model.Tensor) string {
	if t.Layer < 0 {
		return ggufNames[t.Name]
	}
	number := fmt.Sprintf(".%d.", t.Layer)
	_, rest, _ := strings.Cut(t.Name, number)
	return "blk" + number + ggufNames[rest]
}

// ropeFreqs is the tensor of the factors by which a llama's frequencies are divided.
const ropeFreqs = "rope_freqs.weight"

// ropeKeys begin the keys that say what made these factors. They are ours: llama.cpp takes the factors.
const ropeKeys = "curate.rope_scaling."

// ggufTensor is a tensor with what it is made of.
type ggufTensor struct {
	gguf.Tensor
	from  int // of the layout; -1: factors of the rotary embedding
	by    float64
	first int // so many of its numbers are multiplied by it
	heads int // above 0: its rows are so many heads, whose component i and i + half become neighbours
}

// WriteGGUF writes a model as llama.cpp reads it, tensor by tensor, so that memory holds a part of one at a time, or the largest
// one where a file has its matrices as [in, out]. µP's multipliers go into the weights, as in Fold: of a jais all but that of
// the scores, which the graph has itself.
func WriteGGUF(w io.Writer, c *model.Config, weights *Weights, o GGUFOptions) error {
	pairs, err := ggufPairs(c, o)
	if err != nil {
		return err
	}
	list := ggufTensors(c, weights.Layout, o.Type)
	tensors := make([]gguf.Tensor, len(list))
	for i := range list {
		tensors[i] = list[i].Tensor
	}
	out, err := gguf.NewWriter(w, pairs, tensors)
	if err != nil {
		return err
	}
	for i := range list {
		if err := writeGGUFTensor(out, c, weights, &list[i]); err != nil {
			return err
		}
	}
	return out.Close()
}

// ggufPairs are the keys of an architecture and of the whole (ggml's docs/gguf.md).
func ggufPairs(c *model.Config, o GGUFOptions) ([]gguf.Pair, error) {
	fileType, ok := fileTypes[o.Type]
	if !ok {
		return nil, fmt.Errorf("matrices of type %s are not written here", o.Type)
	}
	if c.Context == 0 {
		return nil, fmt.Errorf("max_position_embeddings (n_positions) of config.json is 0, and GGUF needs the length of the longest rows; set it to that of the training's rows")
	}
	arch := ggufLlama
	if c.Family == model.BTLM {
		if arch = ggufJais; c.AlibiSlopeScale != 1 {
			return nil, fmt.Errorf("alibi_scaling: slopes that are multiplied by %v cannot be said in GGUF; take it out of config.json, which changes nothing for rows up to n_positions as they were trained", c.AlibiSlopeScale)
		}
	}
	pairs := []gguf.Pair{{Key: "general.architecture", Value: arch}, {Key: "general.type", Value: "model"}}
	if o.Name != "" {
		pairs = append(pairs, gguf.Pair{Key: "general.name", Value: o.Name})
	}
	pairs = append(pairs, gguf.Pair{Key: "general.file_type", Value: fileType}, gguf.Pair{Key: "general.quantization_version", Value: uint32(2)})
	add := func(key string, value any) { pairs = append(pairs, gguf.Pair{Key: arch + "." + key, Value: value}) }
	whole := func(key string, n int) { add(key, uint32(n)) }
	whole("vocab_size", c.Vocabulary)
	whole("context_length", c.Context)
	whole("embedding_length", c.Width)
	whole("block_count", c.Layers)
	whole("feed_forward_length", c.FFN)
	whole("attention.head_count", c.Heads)
	if c.Family == model.BTLM {
		add("attention.layer_norm_epsilon", float32(c.NormEpsilon))
		add("attention.max_alibi_bias", float32(maxALiBi))
	} else {
		whole("attention.head_count_kv", c.KVHeads)
		add("attention.layer_norm_rms_epsilon", float32(c.NormEpsilon))
		if c.Heads*c.HeadSize != c.Width {
			whole("attention.key_length", c.HeadSize)
			whole("attention.value_length", c.HeadSize)
		}
		whole("rope.dimension_count", c.HeadSize)
		add("rope.freq_base", float32(c.RopeTheta))
		if s := c.RopeScaling; s != nil {
			pairs = append(pairs, gguf.Pair{Key: ropeKeys + "factor", Value: float32(s.Factor)}, gguf.Pair{Key: ropeKeys + "low_freq_factor", Value: float32(s.Low)},
				gguf.Pair{Key: ropeKeys + "high_freq_factor", Value: float32(s.High)}, gguf.Pair{Key: ropeKeys + "original_context_length", Value: uint32(s.Original)})
		}
	}
	if o.Tokenizer == nil {
		return append(pairs, gguf.Pair{Key: "tokenizer.ggml.model", Value: "none"}), nil
	}
	return append(pairs, o.Tokenizer...), nil
}

// ggufTensors lists what the file has, in the order of the layout.
func ggufTensors(c *model.Config, layout *model.Layout, matrices gguf.Type) []ggufTensor {
	// What llama.cpp multiplies the scores by, against what the model does.
	scores := 1 / math.Sqrt(float64(c.HeadSize))
	if c.Family == model.BTLM {
		scores = 1 / float64(c.HeadSize)
	}
	ours := 1 / math.Sqrt(float64(c.HeadSize))
	if c.ScaleByHead {
		ours = 1 / float64(c.HeadSize)
	}
	var list []ggufTensor
	add := func(i int, name string, scale float64) {
		t := &layout.Tensors[i]
		g := ggufTensor{Tensor: gguf.Tensor{Name: name, Type: matrices, Shape: []int64{int64(t.Rows), int64(t.Cols)}}, from: i, by: scale, first: t.Len()}
		if t.Vector {
			g.Type, g.Shape = gguf.F32, g.Shape[1:]
		}
		if block, _ := matrices.Block(); int64(t.Cols)%block != 0 && !t.Vector {
			g.Type = gguf.F16
		}
		if n := queries(c, t); n > 0 && ours != scores {
			g.by, g.first = ours/scores, n
		}
		switch {
		case strings.HasSuffix(t.Name, ".q_proj.weight"):
			g.heads = c.Heads
		case strings.HasSuffix(t.Name, ".k_proj.weight"):
			g.heads = c.KVHeads
		}
		list = append(list, g)
	}
	embedding := 0
	for i := range layout.Tensors {
		switch t := &layout.Tensors[i]; t.Role {
		case model.Embedding:
			embedding = i
			add(i, ggufName(t), c.EmbeddingScale)
			if c.RopeScaling != nil {
				list = append(list, ggufTensor{Tensor: gguf.Tensor{Name: ropeFreqs, Type: gguf.F32, Shape: []int64{int64(c.HeadSize / 2)}}, from: -1})
			}
		case model.Head:
			add(i, ggufName(t), c.LogitScale)
		default:
			add(i, ggufName(t), 1)
		}
	}
	// A llama without a head of its own has its embedding for one; a jais must have one.
	if c.Tied && (c.Family == model.BTLM || c.EmbeddingScale != 1 || c.LogitScale != 1) {
		add(embedding, ggufNames[headName], c.LogitScale)
	}
	return list
}

// piece is how many numbers are held at a time, about.
const piece = 1 << 20

func writeGGUFTensor(w io.Writer, c *model.Config, weights *Weights, g *ggufTensor) error {
	if g.from < 0 {
		b, _ := appendNumbers(nil, g.Type, ropeFactors(c))
		_, err := w.Write(b)
		return err
	}
	t := &weights.Layout.Tensors[g.from]
	step := max(1, piece/t.Cols)
	if g.heads > 0 {
		step = max(1, step/c.HeadSize) * c.HeadSize
	}
	at := 0
	var turned []float32
	var b []byte
	return weights.eachRows(g.from, step, func(rows []float32) error {
		for i := range rows[:min(len(rows), max(0, g.first-at))] {
			rows[i] = float32(float64(rows[i]) * g.by)
		}
		at += len(rows)
		if g.heads > 0 {
			turned = append(turned[:0], rows...)
			interleave(rows, turned, c.HeadSize, t.Cols)
		}
		var ok bool
		if b, ok = appendNumbers(b[:0], g.Type, rows); !ok {
			return fmt.Errorf("tensor %q has a number that %s cannot hold, or that is none; write f32", t.Name, g.Type)
		}
		_, err := w.Write(b)
		return err
	})
}

// interleave puts component i and i + half of each head side by side: llama.cpp's rotary embedding turns neighbours (conversion/llama.py,
// permute), transformers' and ours those that are half a head apart. A component is a row of cols numbers.
func interleave(dst, src []float32, headSize, cols int) {
	half := headSize / 2
	for row := range len(src) / cols {
		head, i := row/headSize*headSize, row%headSize
		to := head + 2*(i%half) + i/half
		copy(dst[to*cols:][:cols], src[row*cols:][:cols])
	}
}

// ropeFactors divide the frequencies of a rotary embedding, [HeadSize/2]: those of rope_type "llama3" (conversion/llama.py,
// generate_extra_tensors).
func ropeFactors(c *model.Config) []float32 {
	s := c.RopeScaling
	f := make([]float32, c.HeadSize/2)
	for i := range f {
		frequency := math.Pow(c.RopeTheta, -float64(2*i)/float64(c.HeadSize))
		turns := float64(s.Original) * frequency / (2 * math.Pi) // of the pair within the original context
		switch {
		case turns > s.High:
			f[i] = 1
		case turns < s.Low:
			f[i] = float32(s.Factor)
		default:
			smooth := (turns - s.Low) / (s.High - s.Low)
			f[i] = float32(1 / (float64((1-smooth)/s.Factor) + smooth))
		}
	}
	return f
}

// appendNumbers appends x, whole blocks, in a type. ok is false if a number is none or beyond what the type holds; F32 holds all.
func appendNumbers(dst []byte, t gguf.Type, x []float32) (_ []byte, ok bool) {
	switch t {
	case gguf.Q8_0:
		return appendBlocks(dst, kernel.Q8_0, x)
	case gguf.Q4_0:
		return appendBlocks(dst, kernel.Q4_0, x)
	case gguf.F16:
		ok = true
		for _, v := range x {
			h := kernel.Half(v)
			ok = ok && h&0x7c00 != 0x7c00
			dst = binary.LittleEndian.AppendUint16(dst, h)
		}
		return dst, ok
	}
	for _, v := range x {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	}
	return dst, true
}

func appendBlocks(dst []byte, f kernel.BlockFormat, x []float32) (_ []byte, ok bool) {
	at, n := len(dst), len(x)/kernel.Block*f.Bytes()
	dst = slices.Grow(dst, n)[:at+n]
	f.Quantize(dst[at:], x)
	for ; at < len(dst); at += f.Bytes() {
		if dst[at+1]&0x7c == 0x7c { // a scale that is none: a number is, or is too large
			return dst, false
		}
	}
	return dst, true
}
