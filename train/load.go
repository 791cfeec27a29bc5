package train

import (
	"context"

	"curate/corpus/store"
	"curate/train/model"
)

// Loaded is a model read from its folder.
type Loaded struct {
	Dir    string // the folder that holds config.json and the weights
	Config *model.Config
	Params *model.Params
	// Tokenizer is the path of the folder's tokenizer; "" if it has none.
	Tokenizer string
	// Special tokens of config.json; -1: none.
	BOS, EOS, Pad int
}

// Load reads a model: from a folder as Hugging Face has it (config.json, model.safetensors or its index and parts), from a
// checkpoint, which is one, or from the folder of a training run, whose last checkpoint it takes.
func Load(ctx context.Context, st store.Store, dir string) (*Loaded, error) { panic("unwritten") }
