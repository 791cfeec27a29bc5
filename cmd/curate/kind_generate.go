package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"

	"curate/kernel"
	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/stage"
	"curate/train/generate"
)

// samplesFile is what a step of kind generate makes.
const samplesFile = "samples.jsonl"

var generateKind = recipe.Kind{
	Name:    "generate",
	Summary: "lets a language model go on from prompts",
	Keys: []recipe.Key{
		{Name: "model", Type: recipe.StepOrPath, Required: true, Help: "the step that trained it, or its folder"},
		{Name: "tokenizer", Type: recipe.StepOrPath, Help: "the step that trained it, or its path; default that beside the model"},
		{Name: "prompts", Type: recipe.Texts, Help: "what the model goes on from; default one that is empty"},
		{Name: "max_tokens", Type: recipe.Integer, Default: int64(generateDefaults.MaxTokens), Min: 1, Max: math.MaxInt32, Help: "of a completion"},
		{Name: "temperature", Type: recipe.Number, Default: generateDefaults.Temperature, Help: "that scores are divided by; 0 takes the likeliest token"},
		{Name: "top_k", Type: recipe.Integer, Default: int64(0), Min: 0, Max: math.MaxInt32, Help: "likeliest tokens to draw from; 0 is all"},
		{Name: "top_p", Type: recipe.Number, Default: generateDefaults.TopP, Help: "probability of the likeliest tokens to draw from; 1 is all"},
		{Name: "min_p", Type: recipe.Number, Default: generateDefaults.MinP, Help: "draw from tokens at least so many times as likely as the likeliest; 0 is all"},
		{Name: "repetition_penalty", Type: recipe.Number, Default: generateDefaults.RepetitionPenalty, Help: "of tokens that were there before; 1 is none"},
		{Name: "seed", Type: recipe.Integer, Default: int64(generateDefaults.Seed), Min: 0, Max: math.MaxInt64, Help: "of the draws"},
		weightsKey, cacheKey,
		{Name: "precision", Type: recipe.Text, Default: "f32", Choices: []string{"bf16", "f32"}, Help: "of the operands of products"},
		{Name: "kernels", Type: recipe.Text, Default: kernel.Auto, Help: "name of the kernels; auto is the best that the processor can run"},
	},
	Result: true,
	Check: func(v *recipe.Values) error {
		if _, err := kernel.Named(v.Text("kernels")); err != nil {
			return v.Errorf("kernels", "%v", err)
		}
		return kindGenerating(v).check()
	},
	Task: func(_ context.Context, v *recipe.Values, s recipe.Setting) (*pipeline.Task, error) {
		g := kindGenerating(v)
		if err := g.settle(g.name); err != nil {
			return nil, err
		}
		c := &computing{kernels: v.Text("kernels"), precision: v.Text("precision"), workers: s.Workers}
		prompts := v.Texts("prompts")
		if len(prompts) == 0 {
			prompts = []string{""}
		}
		return g.asTask(c, prompts, s), nil
	},
}

// kindGenerating reads a recipe's keys.
func kindGenerating(v *recipe.Values) *generating {
	g := &generating{
		model: v.Path("model"), tokenizer: v.Path("tokenizer"), options: generateDefaults, samples: 1, chats: chatSettings{truncate: "none"},
		name: func(name string) string { return name },
	}
	g.weights, g.cache = v.Text("weights"), v.Text("cache")
	o := &g.options
	o.MaxTokens, o.Temperature, o.TopK, o.TopP = int(v.Integer("max_tokens")), v.Number("temperature"), int(v.Integer("top_k")), v.Number("top_p")
	o.MinP, o.RepetitionPenalty, o.Seed = v.Number("min_p"), v.Number("repetition_penalty"), uint64(v.Integer("seed"))
	return g
}

// asTask makes the writing a step: its folder gets a line for each prompt.
func (g *generating) asTask(c *computing, prompts []string, s recipe.Setting) *pipeline.Task {
	o := &g.options
	config := struct {
		Model       string   `json:"model"`
		Tokenizer   string   `json:"tokenizer"`
		Prompts     []string `json:"prompts"`
		MaxTokens   int      `json:"max_tokens"`
		Temperature float64  `json:"temperature"`
		TopK        int      `json:"top_k"`
		TopP        float64  `json:"top_p"`
		MinP        float64  `json:"min_p"`
		Penalty     float64  `json:"repetition_penalty"`
		Seed        uint64   `json:"seed"`
		Precision   string   `json:"precision"`
		Kernels     string   `json:"kernels"`
		Weights     string   `json:"weights,omitzero"`
		Cache       string   `json:"cache,omitzero"`
	}{
		g.model, g.tokenizer, prompts, o.MaxTokens, o.Temperature, o.TopK, o.TopP, o.MinP, o.RepetitionPenalty, o.Seed, c.precision, c.kernels, unlessF32(g.weights), unlessF32(g.cache),
	}
	var now atomic.Pointer[generator]
	s.Progress.Tell = func() string {
		if w := now.Load(); w != nil {
			return count(w.tokens.Load(), "token") + " written"
		}
		return "opening the model"
	}
	return &pipeline.Task{
		Spec:  stage.Spec{Name: "generate", Version: 1, Config: config},
		Makes: []string{samplesFile},
		Run: func(ctx context.Context) error {
			pool, precision, err := c.pool()
			if err != nil {
				return err
			}
			defer pool.Close()
			st := storage()
			w, err := g.open(ctx, st, pool, precision, s.Memory)
			if err != nil {
				return err
			}
			defer w.close()
			s.Progress.Total.Store(int64(len(prompts)))
			now.Store(w)
			var lines strings.Builder
			given := 0
			err = w.each(ctx, func(bool) (*generate.Job, error) {
				if given == len(prompts) {
					return nil, io.EOF
				}
				i, prompt := given, prompts[given]
				given++
				ids, err := w.prompts.Encode([]byte(prompt))
				if err != nil {
					return nil, fmt.Errorf("prompt %d: %w", i+1, err)
				}
				return &generate.Job{Prompt: ids, Record: uint64(i), Name: fmt.Sprintf("prompt %d", i+1), Done: func(list []generate.Completion, err error) error {
					if err != nil {
						return fmt.Errorf("prompt %d: %w", i+1, err)
					}
					s.Log.Info(fmt.Sprintf("%q → %q", shortened(prompt, 30), shortened(list[0].Text, 70)))
					s.Progress.Consumed.Add(1)
					return writeSample(&lines, prompt, list[0].Text)
				}}, nil
			})
			if err != nil {
				return err
			}
			s.Log.Info(w.summary())
			return writeText(ctx, st, path.Join(filepath.ToSlash(s.Dir), samplesFile), lines.String())
		},
	}
}

// shortened is the beginning of a text, for messages.
func shortened(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
