package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"curate/corpus/store"
	"curate/kernel"
	"curate/train/export"
	"curate/train/model"
)

// Files of a model's folder, as Hugging Face has them. docs/formats/model.md is their page.
const (
	ModelConfigFile = "config.json"
	WeightsFile     = "model.safetensors"
	WeightsIndex    = "model.safetensors.index.json"
	TorchFile       = "pytorch_model.bin"
	TorchIndex      = "pytorch_model.bin.index.json"
	generationFile  = "generation_config.json"
)

// tokenizerFiles are copied from a tokenizer's folder to a model's, as they are.
var tokenizerFiles = []string{
	"added_tokens.json", "chat_template.jinja", "chat_template.json", "merges.txt", "special_tokens_map.json", "tekken.json",
	"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
}

// Loaded is a model read from its folder.
type Loaded struct {
	Dir    string // the folder that holds config.json and the weights
	Config *model.Config
	Params *model.Params // nil: there is Quantized
	// Quantized are the weights in blocks, if LoadFor has read them.
	Quantized *model.Quantized
	// Tokenizer is the path of a tokenizer: the folder itself if there is one in it; "" if there is none.
	Tokenizer string
	// Special tokens of config.json; -1: none.
	BOS, EOS, Pad int
	MoreEOS       []int // other ids that end a text
	Jais          bool  // config.json calls a btlm a jais
	// Generation is generation_config.json as it was found; nil: there was none.
	Generation []byte

	// What Save has copied: a run's checkpoint may be gone by the time of the next one.
	tokenizer     []tokenizerFile
	tokenizerPath string
}

// ModelDir finds the folder with config.json and weights: dir itself, or the checkpoint of the training run in it that is its model:
// the one that DoneFile names, and the last while there is no such file. A GGUF file is a model by itself.
func ModelDir(ctx context.Context, st store.Store, dir string) (string, error) {
	dir = path.Clean(dir)
	if info, err := st.Stat(ctx, dir); err == nil {
		if path.Ext(dir) == ggufExt {
			return dir, nil
		}
		return "", fmt.Errorf("%s: it is a file; name the folder of a model, which holds %s, or a file *%s", info.Name, ModelConfigFile, ggufExt)
	} else if !errors.Is(err, store.ErrIsDir) {
		return "", err
	}
	_, err := st.Stat(ctx, path.Join(dir, ModelConfigFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	steps, err := Checkpoints(ctx, st, dir)
	if err != nil {
		return "", err
	}
	if len(steps) == 0 {
		if _, err := st.Stat(ctx, path.Join(dir, ConfigFile)); err == nil {
			return "", fmt.Errorf("%s: its training has not come to a checkpoint yet", dir)
		}
		return "", fmt.Errorf("%s: no model here: neither %s nor %s; name a model's folder, or that of a training run", dir, ModelConfigFile, path.Join(CheckpointsDir, stepPrefix+"…"))
	}
	if step, err := readDone(ctx, st, dir); err == nil && slices.Contains(steps, step) {
		return stepDir(dir, step), nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return stepDir(dir, steps[len(steps)-1]), nil
}

// ReadModelConfig reads config.json of a model's folder, or of a training run (see ModelDir), and says which folder it was.
func ReadModelConfig(ctx context.Context, st store.Store, dir string) (*model.Config, export.Extra, string, error) {
	dir, err := ModelDir(ctx, st, dir)
	if err != nil {
		return nil, export.Extra{}, "", err
	}
	if isGGUF(ctx, st, dir) {
		c, extra, _, done, err := openGGUF(ctx, st, dir)
		if err == nil {
			done()
		}
		return c, extra, dir, err
	}
	c, extra, err := ReadModelConfigFile(ctx, st, path.Join(dir, ModelConfigFile))
	return c, extra, dir, err
}

// ReadModelConfigFile reads a file as config.json, whatever its name and what lies beside it.
func ReadModelConfigFile(ctx context.Context, st store.Store, name string) (*model.Config, export.Extra, error) {
	b, err := readFile(ctx, st, name, 16<<20)
	if err != nil {
		return nil, export.Extra{}, err
	}
	return export.ReadConfig(name, b)
}

// Load reads a model: from a folder as Hugging Face has it (config.json; model.safetensors, pytorch_model.bin, or an index and its
// parts), from a checkpoint, which is one, or from the folder of a training run, whose model it takes.
func Load(ctx context.Context, st store.Store, dir string) (*Loaded, error) {
	return load(ctx, st, dir, func(l *Loaded, files []*export.File) (err error) {
		l.Params, err = export.ReadWeights(l.Config, files)
		return err
	})
}

// LoadFor is Load for a model that is only to be run, with its matrices in a format: those in blocks are never there as a whole in f32.
func LoadFor(ctx context.Context, st store.Store, dir string, format model.WeightFormat, pool *kernel.Pool) (*Loaded, error) {
	if format == model.WeightsF32 {
		return Load(ctx, st, dir)
	}
	return load(ctx, st, dir, func(l *Loaded, files []*export.File) (err error) {
		l.Quantized, err = export.ReadQuantized(l.Config, files, format, pool)
		return err
	})
}

// Model makes a model of the weights, which it shares with others that were made of them. c is Config, or differs from it in what
// the weights do not depend on, such as the slopes of ALiBi.
func (l *Loaded) Model(c *model.Config, pool *kernel.Pool, precision kernel.Precision) (*model.Model, error) {
	if l.Quantized != nil {
		return model.NewOfQuantized(c, l.Quantized, pool, precision)
	}
	return model.New(c, l.Params, pool, precision)
}

func load(ctx context.Context, st store.Store, dir string, read func(l *Loaded, files []*export.File) error) (*Loaded, error) {
	c, extra, dir, err := ReadModelConfig(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	l := &Loaded{Dir: dir, Config: c, BOS: extra.BOS, EOS: extra.EOS, Pad: extra.Pad, MoreEOS: extra.MoreEOS, Jais: extra.Jais}
	files, done, err := openWeights(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := read(l, files); err != nil {
		return nil, err
	}
	if isGGUF(ctx, st, dir) {
		return l, nil
	}
	l.Generation, err = readFile(ctx, st, path.Join(dir, generationFile), 1<<20)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l.Tokenizer, err = TokenizerIn(ctx, st, dir)
	return l, err
}

// TokenizerIn is dir if there is a tokenizer in it, and "" otherwise.
func TokenizerIn(ctx context.Context, st store.Store, dir string) (string, error) {
	if isGGUF(ctx, st, dir) {
		return "", nil
	}
	for _, name := range []string{"tokenizer.json", "tokenizer.model", "tekken.json"} {
		_, err := st.Stat(ctx, path.Join(dir, name))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}
