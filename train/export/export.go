// Package export reads and writes models in other people's formats: config.json and the tensors of Hugging Face's
// LlamaForCausalLM, and those of Cerebras' BTLM. It knows bytes and no folders: package train does.
package export

import (
	"io"

	"curate/safetensors"
	"curate/train/model"
)

// ReadConfig reads config.json of either family. Keys that change what the model computes and that this program does not
// know (attention_bias, a rope_scaling of another type, sliding windows, …) are errors that name them; others are passed over.
func ReadConfig(name string, b []byte) (*model.Config, error) { panic("unwritten") }

// WriteConfig writes config.json. A llama model with µP gets a model_type and an architecture of curate's own, so that no other program
// takes it for a LlamaForCausalLM: Fold makes one of it.
func WriteConfig(c *model.Config, extra Extra) ([]byte, error) { panic("unwritten") }

// Extra are values of config.json that the model does not compute with; negative ids are left out.
type Extra struct {
	BOS, EOS, Pad int
	Dtype         safetensors.Dtype
}

// Fold gives a model that computes the same without µP's multipliers: they go into the weights, and a tied head becomes an
// untied one. c and p stay as they are.
func Fold(c *model.Config, p *model.Params) (*model.Config, *model.Params, error) { panic("unwritten") }

// WriteWeights writes all tensors in the family's names and orientation.
func WriteWeights(w io.Writer, p *model.Params, dtype safetensors.Dtype, metadata map[string]string) error {
	panic("unwritten")
}

// ReadWeights reads the tensors of a model from its files (one, or those that model.safetensors.index.json lists). A tensor that is missing, that nobody
// knows, or that has another shape is an error that names it.
func ReadWeights(c *model.Config, files []*safetensors.File) (*model.Params, error) {
	panic("unwritten")
}
