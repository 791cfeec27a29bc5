package main

import (
	"context"
	"path/filepath"

	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/stage"
)

var exportKind = recipe.Kind{
	Name:    "export",
	Summary: "writes a model as transformers or llama.cpp reads it: the folder model, or the file model.gguf",
	Keys: []recipe.Key{
		{Name: "model", Type: recipe.StepOrPath, Required: true, Help: "the step that trained it, or its folder"},
		{Name: "tokenizer", Type: recipe.StepOrPath, Help: "the step that trained it, or its path; default that beside the model"},
		{Name: "format", Type: recipe.Text, Default: "hf", Choices: []string{"gguf", "hf", "jais"}, Help: "a folder of Hugging Face, one of a Jais, or a file of llama.cpp"},
		{Name: "dtype", Type: recipe.Text, Default: "f32", Choices: []string{"bf16", "f16", "f32"}, Help: "of the weights, with hf and jais"},
		{Name: "type", Type: recipe.Text, Default: "f16", Choices: []string{"f16", "f32", "q4_0", "q8_0"}, Help: "of the matrices, with gguf"},
		{Name: "fold", Type: recipe.Boolean, Default: false, Help: "put the multipliers of µP into the weights of a btlm, too"},
	},
	Result: true,
	Check:  func(v *recipe.Values) error { return kindExporting(v).check() },
	Task: func(_ context.Context, v *recipe.Values, s recipe.Setting) (*pipeline.Task, error) {
		return kindExporting(v).asTask(s), nil
	},
}

// exportShard is how many bytes a file of weights has at most, as transformers has it.
const exportShard = 5_000_000_000

// kindExporting reads a recipe's keys.
func kindExporting(v *recipe.Values) *exporting {
	return &exporting{
		from: v.Path("model"), tokenizer: v.Path("tokenizer"), format: v.Text("format"), dtype: v.Text("dtype"), kind: v.Text("type"),
		shard: exportShard, fold: v.Boolean("fold"), name: func(name string) string { return name },
	}
}

// asTask makes the export a step.
func (x *exporting) asTask(s recipe.Setting) *pipeline.Task {
	config := struct {
		Model     string `json:"model"`
		Tokenizer string `json:"tokenizer"`
		Format    string `json:"format"`
		Dtype     string `json:"dtype,omitzero"`
		Type      string `json:"type,omitzero"`
		Fold      bool   `json:"fold,omitzero"`
	}{x.from, x.tokenizer, x.format, x.dtype, x.kind, x.fold}
	out, made := filepath.Join(s.Dir, "model"), "model/"
	if config.Type = ""; x.format == "gguf" {
		config.Type, config.Dtype = x.kind, ""
		out += ".gguf"
		made = "model.gguf"
	}
	return &pipeline.Task{
		Spec:  stage.Spec{Name: "export", Version: 1, Config: config},
		Makes: []string{made},
		Run: func(ctx context.Context) error {
			if err := removeAll(ctx, out); err != nil { // what a killed run has left of it
				return err
			}
			return x.write(ctx, storage(), out, func(line string) { s.Log.Info(line) })
		},
	}
}
