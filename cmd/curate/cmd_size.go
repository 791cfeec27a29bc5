package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"curate/train"
	"curate/train/model"
)

func newSize(environment) *cobra.Command {
	var s model.Shape
	var lengths, rows []int
	var lora int
	var asJSON bool
	shapeFlags := []string{"family", "width", "layers", "heads", "kv-heads", "ffn", "vocabulary", "tied"}
	cmd := &cobra.Command{
		Use:   "size MODEL | size --width N --layers N --heads N --vocabulary N",
		Short: "Say how large a model is, and what it takes to run and to train",
		Long: `Say how many parameters a model has, or one would have, by what they are for; the bytes of its weights as f32, bf16, int8
(GGUF's Q8_0) and 4 bits (Q4_0); its cache of keys and values, the memory of curate generate with one text, operations a
token, and the memory of training, by length.

MODEL is a folder as Hugging Face has it, of which config.json is read and nothing else, that file alone, a checkpoint, or
the folder of a training run. Without one, flags say the shape of a new model, as those of curate train do.

The formulas are in docs/size.md. Formats of blocks want rows of a multiple of 32 weights; a matrix whose rows are not
stays f16, and the table says which.`,
		Example: `  curate size runs/base
  curate size --width 512 --layers 8 --heads 8 --vocabulary 16384 --tied
  curate size --width 4096 --layers 32 --heads 32 --kv-heads 8 --ffn 14336 --vocabulary 128256 --length 131072 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, n := range append(append([]int{}, lengths...), rows...) {
				if n < 1 || n > 1<<24 {
					return usage("--length or --rows %d: from 1 to %d", n, 1<<24)
				}
			}
			if lora < 0 || lora > 1<<16 {
				return usage("--lora-rank %d: from 1 to %d", lora, 1<<16)
			}
			given := slices.DeleteFunc(slices.Clone(shapeFlags), func(f string) bool { return !cmd.Flags().Changed(f) })
			var c *model.Config
			switch {
			case len(args) == 1 && len(given) > 0:
				return usage("%s and --%s: name a model, or the shape of a new one", args[0], given[0])
			case len(args) == 1:
				var err error
				if c, err = sizeConfig(cmd.Context(), args[0]); err != nil {
					return err
				}
			default:
				for _, need := range []string{"width", "layers", "heads", "vocabulary"} {
					if !slices.Contains(given, need) {
						if len(given) == 0 {
							return usage("MODEL is missing; or give the shape of a new one: --width, --layers, --heads and --vocabulary")
						}
						return usage("--%s N is missing: a new model needs --width, --layers, --heads and --vocabulary", need)
					}
				}
				var err error
				if c, err = s.New(); err != nil {
					return usage("%v", err)
				}
			}
			z, err := sizeOf(c, lengths, rows, lora)
			if err != nil {
				return err
			}
			if asJSON {
				b, err := json.Marshal(z, json.Deterministic(true), jsontext.WithIndent("  "))
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(append(b, '\n'))
				return err
			}
			return z.table(cmd.OutOrStdout())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&s.Family, "family", model.Llama, "`FAMILY` of a new model: llama or btlm")
	fs.IntVar(&s.Width, "width", 0, "`N` numbers that a token has between layers")
	fs.IntVar(&s.Layers, "layers", 0, "`N` layers")
	fs.IntVar(&s.Heads, "heads", 0, "`N` heads of attention")
	fs.IntVar(&s.KVHeads, "kv-heads", 0, "`N` heads of keys and values, which queries share; default as many as heads")
	fs.IntVar(&s.FFN, "ffn", 0, "`N` inner width; default 8/3 of the width, rounded up to a multiple of 256")
	fs.IntVar(&s.Vocabulary, "vocabulary", 0, "`N` tokens")
	fs.BoolVar(&s.Tied, "tied", false, "the head is the embedding; always so in btlm")
	fs.IntSliceVar(&lengths, "length", nil, "`N` tokens of a further length")
	fs.IntSliceVar(&rows, "rows", []int{1, 4, 16}, "`N` rows that are trained at once; separate several with commas")
	fs.IntVar(&lora, "lora-rank", 0, "`N`: also the memory of training adapters of this rank (LoRA) of all linear layers")
	fs.BoolVar(&asJSON, "json", false, "print JSON, and no table")
	return cmd
}

// sizeConfig reads config.json: of a model's folder, or that file, which is all that one needs of a model that is elsewhere.
func sizeConfig(ctx context.Context, name string) (c *model.Config, err error) {
	st := storage()
	if info, err := st.Stat(ctx, filepath.ToSlash(name)); err == nil && info.Size >= 0 && !isGGUF(name) {
		c, _, err = train.ReadModelConfigFile(ctx, st, filepath.ToSlash(name))
		return c, err
	}
	if err := storedModel("size", name); err != nil {
		return nil, err
	}
	c, _, _, err = train.ReadModelConfig(ctx, st, filepath.ToSlash(name))
	return c, err
}

// modelSize is what a model takes. Numbers are bytes where nothing else is said.
type modelSize struct {
	Family     string           `json:"family"`
	Width      int              `json:"width"`
	Layers     int              `json:"layers"`
	Heads      int              `json:"heads"`
	KVHeads    int              `json:"kv_heads"`
	HeadSize   int              `json:"head_size"`
	FFN        int              `json:"ffn"`
	Vocabulary int              `json:"vocabulary"`
	Tied       bool             `json:"tied"`
	Context    int              `json:"context,omitzero"`
	Parameters parameters       `json:"parameters"`
	Weights    []weightsSize    `json:"weights"`
	CacheToken map[string]int64 `json:"kv_cache_per_token"`
	LoRARank   int              `json:"lora_rank,omitzero"`
	Adapters   int64            `json:"lora_parameters,omitzero"`
	Lengths    []lengthSize     `json:"lengths"`
}

type parameters struct {
	All     int64            `json:"all"`
	Without int64            `json:"without_embedding"`
	ByRole  map[string]int64 `json:"by_role"`
}

type weightsSize struct {
	Format string  `json:"format"`
	Bytes  int64   `json:"bytes"`
	Bits   float64 `json:"bits_per_weight"`
	// Of formats of blocks: what it would be if all rows could be cut into them, and what stays f16 instead.
	IfAll int64         `json:"bytes_if_all_rows_could,omitzero"`
	Kept  []keptTensors `json:"kept_as_f16,omitzero"`
}

// keptTensors are those of one name, over all layers.
type keptTensors struct {
	Name    string `json:"name"`
	Count   int    `json:"count"`
	Row     int    `json:"row"` // weights of a row
	Weights int64  `json:"weights"`
}

type lengthSize struct {
	Length   int              `json:"length"`
	Cache    map[string]int64 `json:"kv_cache"`
	Forward  float64          `json:"forward_flops_per_token"`
	Training float64          `json:"training_flops_per_token"`
	Writing  []writingSize    `json:"writing"`
	Memory   []trainingSize   `json:"training"`
}

// writingSize is the memory of curate generate with one text of a length.
type writingSize struct {
	Weights string `json:"weights"`
	Cache   string `json:"cache"`
	Bytes   int64  `json:"bytes"`
}

// writingBesides is what the process has of its own: program, runtime, a tokenizer of some ten thousand tokens.
const writingBesides = 36 << 20

// writingSizes are those of all ways to hold weights and cache.
func writingSizes(c *model.Config, length int) (list []writingSize) {
	for _, f := range []model.WeightFormat{model.WeightsF32, model.WeightsInt8, model.Weights4Bit} {
		for _, cache := range []string{"f32", "int8"} {
			list = append(list, writingSize{f.String(), cache, c.WritingBytes(f, length, length) + int64(length)*c.CacheTokenBytes(cache == "int8") + writingBesides})
		}
	}
	return list
}

type trainingSize struct {
	Rows  int   `json:"rows"`
	Bytes int64 `json:"bytes"`
	LoRA  int64 `json:"lora_bytes,omitzero"`
}

// cacheFormats are those in which runtimes keep keys and values, with the bytes of a number. The last two have blocks of 32:
// a scale of two bytes, and a byte or half of one each (block_q8_0 and block_q4_0 in llama.cpp's ggml-common.h).
var cacheFormats = [...]struct {
	name  string
	bytes float64
}{{"f32", 4}, {"f16", 2}, {"q8_0", 34.0 / 32}, {"q4_0", 18.0 / 32}}

// sizeBlock is how many weights of a row Q8_0 and Q4_0 put together.
const sizeBlock = 32

// sizeLengths are those that are shown of every model.
var sizeLengths = [...]int{2048, 8192, 32768}

// roleNames are the roles of parameters, in the order of the table.
var roleNames = [...]struct {
	role model.Role
	name string
}{
	{model.Embedding, "embedding"}, {model.Head, "head"}, {model.Hidden, "hidden"}, {model.Residual, "residual"}, {model.Norm, "norm"}, {model.Bias, "bias"},
}

// sizeOf computes all; loraRank 0 is without adapters.
func sizeOf(c *model.Config, lengths, rows []int, loraRank int) (*modelSize, error) {
	z := &modelSize{
		Family: c.Family, Width: c.Width, Layers: c.Layers, Heads: c.Heads, KVHeads: c.KVHeads, HeadSize: c.HeadSize, FFN: c.FFN,
		Vocabulary: c.Vocabulary, Tied: c.Tied, Context: c.Context, CacheToken: map[string]int64{},
	}
	all, embedding := c.Parameters()
	z.Parameters = parameters{All: all, Without: all - embedding, ByRole: map[string]int64{}}
	layout := model.NewLayout(c)
	for _, r := range roleNames {
		for i := range layout.Tensors {
			if t := &layout.Tensors[i]; t.Role == r.role {
				z.Parameters.ByRole[r.name] += int64(t.Len())
			}
		}
	}
	z.Weights = append(z.Weights, plainSize("f32", all, 4), plainSize("bf16", all, 2), blockSize(c, all, "q8_0", 34), blockSize(c, all, "q4_0", 18))
	for _, f := range cacheFormats {
		z.CacheToken[f.name] = c.CacheBytes(1, f.bytes)
	}
	var lora *model.LoRA
	if loraRank > 0 {
		lora = &model.LoRA{Rank: loraRank, Alpha: float64(loraRank)}
		z.LoRARank = loraRank
		var err error
		if z.Adapters, err = lora.Parameters(c); err != nil {
			return nil, err
		}
	}
	lengths = slices.Concat(sizeLengths[:], lengths)
	slices.Sort(lengths)
	for _, n := range slices.Compact(lengths) {
		l := lengthSize{Length: n, Cache: map[string]int64{}, Forward: c.FLOPs(n), Training: 3 * c.FLOPs(n)}
		for _, f := range cacheFormats {
			l.Cache[f.name] = c.CacheBytes(n, f.bytes)
		}
		l.Writing = writingSizes(c, n)
		for _, r := range rows {
			size := trainingSize{Rows: r, Bytes: c.TrainingBytes(r, n, false)}
			if lora != nil {
				var err error
				if size.LoRA, err = c.LoRABytes(lora, r, n); err != nil {
					return nil, err
				}
			}
			l.Memory = append(l.Memory, size)
		}
		z.Lengths = append(z.Lengths, l)
	}
	return z, nil
}

func plainSize(name string, all, bytes int64) weightsSize {
	return weightsSize{Format: name, Bytes: all * bytes, Bits: float64(8 * bytes)}
}

// blockSize is the size in a format of blocks with so many bytes each.
func blockSize(c *model.Config, all int64, name string, bytes int) weightsSize {
	w := weightsSize{Format: name}
	size, ifAll, rest := c.BlockBytes(sizeBlock, bytes)
	w.Bytes, w.Bits = size, 8*float64(size)/float64(all)
	for i := range rest {
		t := &rest[i]
		name := t.Name
		if t.Layer >= 0 {
			name = strings.Replace(name, fmt.Sprintf(".%d.", t.Layer), ".*.", 1)
		}
		k := slices.IndexFunc(w.Kept, func(k keptTensors) bool { return k.Name == name })
		if k < 0 {
			k = len(w.Kept)
			w.Kept = append(w.Kept, keptTensors{Name: name, Row: t.Cols})
		}
		w.Kept[k].Count++
		w.Kept[k].Weights += int64(t.Len())
		w.IfAll = ifAll
	}
	return w
}
