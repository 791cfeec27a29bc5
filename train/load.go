package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/safetensors"
	"curate/train/export"
	"curate/train/model"
)

// Files of a model's folder, as Hugging Face has them. docs/formats/model.md is their page.
const (
	ModelConfigFile = "config.json"
	WeightsFile     = "model.safetensors"
	WeightsIndex    = "model.safetensors.index.json"
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
	Params *model.Params
	// Tokenizer is the path of a tokenizer: the folder itself if there is one in it; "" if there is none.
	Tokenizer string
	// Special tokens of config.json; -1: none.
	BOS, EOS, Pad int
	MoreEOS       []int // other ids that end a text
	// Generation is generation_config.json as it was found; nil: there was none.
	Generation []byte

	// What Save has copied: a run's checkpoint may be gone by the time of the next one.
	tokenizer     []tokenizerFile
	tokenizerPath string
}

// ModelDir finds the folder with config.json and weights: dir itself, or the checkpoint of the training run in it that is its model:
// the one that DoneFile names, and the last while there is no such file.
func ModelDir(ctx context.Context, st store.Store, dir string) (string, error) {
	dir = path.Clean(dir)
	if info, err := st.Stat(ctx, dir); err == nil {
		return "", fmt.Errorf("%s: it is a file; name the folder of a model, which holds %s", info.Name, ModelConfigFile)
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

// Load reads a model: from a folder as Hugging Face has it (config.json, model.safetensors or its index and parts), from a
// checkpoint, which is one, or from the folder of a training run, whose model it takes.
func Load(ctx context.Context, st store.Store, dir string) (*Loaded, error) {
	c, extra, dir, err := ReadModelConfig(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	l := &Loaded{Dir: dir, Config: c, BOS: extra.BOS, EOS: extra.EOS, Pad: extra.Pad, MoreEOS: extra.MoreEOS}
	names, err := weightFiles(ctx, st, dir)
	if err != nil {
		return nil, err
	}
	var files []*safetensors.File
	var open []store.ReaderAt
	defer func() {
		for _, f := range open {
			f.Close()
		}
	}()
	for _, name := range names {
		name = path.Join(dir, name)
		r, size, err := st.OpenAt(ctx, name)
		if err != nil {
			return nil, err
		}
		open = append(open, r)
		f, err := safetensors.Open(name, r, size)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if l.Params, err = export.ReadWeights(c, files); err != nil {
		return nil, err
	}
	l.Generation, err = readFile(ctx, st, path.Join(dir, generationFile), 1<<20)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range []string{"tokenizer.json", "tokenizer.model", "tekken.json"} {
		_, err := st.Stat(ctx, path.Join(dir, name))
		if err == nil {
			l.Tokenizer = dir
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return l, nil
}

// weightFiles are the files with the weights. Where there are both, transformers takes the single one.
func weightFiles(ctx context.Context, st store.Store, dir string) ([]string, error) {
	_, err := st.Stat(ctx, path.Join(dir, WeightsFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return []string{WeightsFile}, err
	}
	name := path.Join(dir, WeightsIndex)
	b, err := readFile(ctx, st, name, 256<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is neither %s nor %s; weights in another format have to be written as safetensors first, by transformers' save_pretrained", dir, WeightsFile, WeightsIndex)
	}
	if err != nil {
		return nil, err
	}
	return indexed(name, b)
}

// indexed are the files that an index names, sorted.
func indexed(name string, b []byte) ([]string, error) {
	var index struct {
		Weights map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	files := map[string]bool{}
	for _, tensor := range slices.Sorted(maps.Keys(index.Weights)) {
		file := index.Weights[tensor]
		if file == "" || strings.HasPrefix(file, ".") || strings.ContainsAny(file, "/\\:\x00") {
			return nil, fmt.Errorf("%s: weight_map: tensor %q is in %q, which is no file of this folder", name, tensor, file)
		}
		files[file] = true
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: weight_map names no file", name)
	}
	return slices.Sorted(maps.Keys(files)), nil
}
