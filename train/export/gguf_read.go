package export

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"curate/gguf"
	"curate/kernel"
	"curate/safetensors"
	"curate/train/model"
)

// ggufKeys reads keys of a GGUF file. The first error stays.
type ggufKeys struct {
	file *gguf.File
	arch string
	err  error
}

func (k *ggufKeys) fail(key, format string, args ...any) {
	if k.err == nil {
		k.err = fmt.Errorf("%s: %s: %s", k.file.Name, key, fmt.Sprintf(format, args...))
	}
}

// whole is a whole number that is not negative, of an architecture's key or a tokenizer's; required as otherwise: it must be there.
// Converters have written it in several widths.
func (k *ggufKeys) whole(key string, otherwise int) int {
	if !strings.HasPrefix(key, "tokenizer.") {
		key = k.arch + "." + key
	}
	var n uint64
	switch v := k.file.Lookup(key).(type) {
	case nil:
		if otherwise == required {
			k.fail(key, "the key is missing")
		}
		return otherwise
	case uint8:
		n = uint64(v)
	case uint16:
		n = uint64(v)
	case uint32:
		n = uint64(v)
	case uint64:
		n = v
	case int32:
		n = uint64(int64(v))
	case int64:
		n = uint64(v)
	default:
		k.fail(key, "it is %T, and should be a whole number, the same for all layers", v)
	}
	if n > math.MaxInt32 {
		k.fail(key, "it is %d; at most %d is possible", n, math.MaxInt32)
		return 0
	}
	return int(n)
}

// required is no default: the key must be there. none is that of ids.
const (
	required = -2
	none     = -1
)

func (k *ggufKeys) number(key string, otherwise float64) float64 {
	key = k.arch + "." + key
	switch v := k.file.Lookup(key).(type) {
	case nil:
		if otherwise == required {
			k.fail(key, "the key is missing")
		}
		return otherwise
	case float32:
		// The number with the fewest digits that it is the nearest of: 0.00001 and not 0.0000099999997.
		x, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
		return x
	case float64:
		return v
	default:
		k.fail(key, "it is %T, and should be a number", v)
	}
	return 0
}

// ReadGGUF gives the model of a GGUF file of the architectures llama and jais: what WriteGGUF writes, and others' like it. Its
// matrices may be F32, F16, BF16, Q8_0 and Q4_0. The tokenizer is not read.
func ReadGGUF(f *gguf.File) (*model.Config, Extra, *File, error) {
	k := &ggufKeys{file: f}
	arch, _ := f.Lookup("general.architecture").(string)
	if k.arch = arch; arch != ggufLlama && arch != ggufJais {
		k.fail("general.architecture", "it is %q, and this program knows %s and %s", arch, ggufLlama, ggufJais)
	}
	if n, _ := f.Lookup("split.count").(uint16); n > 1 {
		k.fail("split.count", "the model is in %d files; llama.cpp's llama-gguf-split --merge makes one of them", n)
	}
	c := &model.Config{
		Family: model.Llama, Width: k.whole("embedding_length", required), Layers: k.whole("block_count", required), Heads: k.whole("attention.head_count", required),
		FFN: k.whole("feed_forward_length", required), Context: k.whole("context_length", required),
		EmbeddingScale: 1, LogitScale: 1, WidthScale: 1, AlibiSlopeScale: 1,
	}
	if c.Layers > len(f.Tensors) { // before there is a list of what they have
		k.fail(arch+".block_count", "it is %d, and the file has %d tensors", c.Layers, len(f.Tensors))
	}
	c.KVHeads = k.whole("attention.head_count_kv", c.Heads)
	if e := f.Tensor(ggufNames["model.embed_tokens.weight"]); e != nil && len(e.Shape) == 2 {
		c.Vocabulary = int(e.Shape[0])
	} else {
		k.fail("token_embd.weight", "there is no such matrix")
	}
	if c.Heads > 0 {
		c.HeadSize = c.Width / c.Heads
	}
	c.Tied = f.Tensor(ggufNames[headName]) == nil
	if arch == ggufJais {
		c.Family, c.ScaleByHead = model.BTLM, true
		c.NormEpsilon = k.number("attention.layer_norm_epsilon", required)
		if most := k.number("attention.max_alibi_bias", required); most != maxALiBi {
			k.fail(arch+".attention.max_alibi_bias", "it is %v, and this program computes only %d", most, maxALiBi)
		}
	} else {
		c.HeadSize = k.whole("attention.key_length", c.HeadSize)
		c.NormEpsilon = k.number("attention.layer_norm_rms_epsilon", required)
		c.RopeTheta = k.number("rope.freq_base", 10000)
		for _, key := range []string{"rope.dimension_count", "attention.value_length"} {
			if n := k.whole(key, c.HeadSize); n != c.HeadSize {
				k.fail(arch+"."+key, "it is %d, and this program computes only models where it is the width of a head, %d", n, c.HeadSize)
			}
		}
		for _, key := range []string{"rope.scaling.type", "expert_count", "attention.sliding_window"} {
			if v := f.Lookup(arch + "." + key); v != nil && v != "none" && v != uint32(0) {
				k.fail(arch+"."+key, "it is %v, and this program computes only models without it", v)
			}
		}
		if t := f.Tensor(ropeFreqs); t != nil {
			k.ropeScaling(c, t)
		}
	}
	if k.err == nil {
		if err := c.Check(); err != nil {
			k.err = fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	extra := Extra{BOS: k.whole("tokenizer.ggml.bos_token_id", none), EOS: k.whole("tokenizer.ggml.eos_token_id", none), Pad: k.whole("tokenizer.ggml.padding_token_id", none), Dtype: safetensors.F32}
	if id := k.whole("tokenizer.ggml.eot_token_id", none); id >= 0 && id != extra.EOS {
		extra.MoreEOS = []int{id}
	}
	if k.err != nil {
		return nil, Extra{}, nil, k.err
	}
	out, err := storedGGUF(c, f)
	return c, extra, out, err
}

// ropeScaling finds out what made the table of factors: the numbers that WriteGGUF adds, or else Llama 3's own. If they do not give the
// table, nothing does.
func (k *ggufKeys) ropeScaling(c *model.Config, t *gguf.Tensor) {
	if t.Type != gguf.F32 || len(t.Shape) != 1 || t.Shape[0] != int64(c.HeadSize/2) || c.HeadSize < 2 {
		k.fail(ropeFreqs, "its shape is %v of %s, and should be [%d] of F32", t.Shape, t.Type, c.HeadSize/2)
		return
	}
	table := make([]float32, c.HeadSize/2)
	b := make([]byte, 4*len(table))
	if err := k.file.Read(t, 0, b); err != nil {
		k.err = err
		return
	}
	numbers(gguf.F32, table, b)
	original := 8192 // of all Llamas from 3.1 to 3.3, whose low and high are these, too
	if v, ok := k.file.Lookup(ropeKeys + "original_context_length").(uint32); ok {
		original = int(min(v, math.MaxInt32))
	}
	number := func(key string, otherwise float64) float64 {
		if v, ok := k.file.Lookup(ropeKeys + key).(float32); ok {
			return float64(v)
		}
		return otherwise
	}
	c.RopeScaling = &model.RopeScaling{Factor: number("factor", float64(table[len(table)-1])), Low: number("low_freq_factor", 1), High: number("high_freq_factor", 4), Original: original}
	for i, f := range ropeFactors(c) {
		if !(math.Abs(float64(f-table[i])) <= 1e-5*float64(f)) { // others compute it in float32
			k.fail(ropeFreqs, "factor %d of the rotary embedding's frequencies is %v, and no rope_scaling known here gives that; take the model as safetensors", i, table[i])
			return
		}
	}
}

// storedGGUF are a file's tensors under the names of the family.
func storedGGUF(c *model.Config, f *gguf.File) (*File, error) {
	out := &File{Name: f.Name}
	names := map[string]*model.Tensor{}
	layout := model.NewLayout(c)
	for i := range layout.Tensors {
		names[ggufName(&layout.Tensors[i])] = &layout.Tensors[i]
	}
	for i := range f.Tensors {
		g := &f.Tensors[i]
		if g.Name == ropeFreqs && c.RopeScaling != nil {
			continue // ropeScaling has read it
		}
		t := names[g.Name]
		if t == nil {
			out.Tensors = append(out.Tensors, Stored{Name: g.Name, Shape: g.Shape}) // what Locate complains of
			continue
		}
		switch g.Type {
		case gguf.F32, gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q4_0:
		default:
			return nil, fmt.Errorf("%s: tensor %q: its numbers are %s; F32, F16, BF16, Q8_0 and Q4_0 are read here", f.Name, g.Name, g.Type)
		}
		r := &ggufRows{f: f, g: g, cols: g.Shape[len(g.Shape)-1]}
		if strings.HasSuffix(g.Name, ".attn_q.weight") || strings.HasSuffix(g.Name, ".attn_k.weight") {
			r.headSize = int64(c.HeadSize)
		}
		out.Tensors = append(out.Tensors, Stored{Name: t.Name, Shape: g.Shape, asInMemory: true, floats: r.floats})
	}
	return out, nil
}

// ggufRows are the numbers of a tensor.
type ggufRows struct {
	f        *gguf.File
	g        *gguf.Tensor
	cols     int64
	headSize int64 // above 0: components of a head that are half of it apart lie side by side
}

func (r *ggufRows) floats(from int64, dst []float32) error {
	block, size := r.g.Type.Block()
	if r.headSize == 0 && from%block == 0 && int64(len(dst))%block == 0 {
		for len(dst) > 0 {
			n := min(int64(len(dst)), piece)
			b := make([]byte, n/block*size)
			if err := r.f.Read(r.g, from/block*size, b); err != nil {
				return err
			}
			numbers(r.g.Type, dst[:n], b)
			from, dst = from+n, dst[n:]
		}
		return nil
	}
	row := make([]float32, r.cols)
	b := make([]byte, r.cols/block*size)
	for len(dst) > 0 {
		at, skip := from/r.cols, from%r.cols
		if r.headSize > 0 { // interleave, the other way round
			head, i, half := at/r.headSize*r.headSize, at%r.headSize, r.headSize/2
			at = head + 2*(i%half) + i/half
		}
		if err := r.f.Read(r.g, at*int64(len(b)), b); err != nil {
			return err
		}
		numbers(r.g.Type, row, b)
		n := copy(dst, row[skip:])
		from, dst = from+int64(n), dst[n:]
	}
	return nil
}

// numbers reads whole blocks.
func numbers(t gguf.Type, dst []float32, b []byte) {
	switch t {
	case gguf.Q8_0:
		kernel.Q8_0.Dequantize(dst, b)
	case gguf.Q4_0:
		kernel.Q4_0.Dequantize(dst, b)
	case gguf.F16:
		safetensors.F16.Floats(dst, b)
	case gguf.BF16:
		safetensors.BF16.Floats(dst, b)
	default:
		safetensors.F32.Floats(dst, b)
	}
}
