package main

import (
	"cmp"
	"runtime/debug"

	"github.com/spf13/pflag"

	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/train/model"
)

// inferring is how commands that run a model without training it keep its weights, and its keys and values.
type inferring struct {
	weights, cache string
	format         model.WeightFormat
	int8Cache      bool
}

// flagsWeights are those of commands that keep no keys and values.
func (n *inferring) flagsWeights(fs *pflag.FlagSet) {
	fs.StringVar(&n.weights, "weights", "f32", "hold weights as `f32|int8|4bit`: 32, 8.5 or 4.5 bits each, in blocks of 32 (GGUF's Q8_0 and Q4_0)")
}

func (n *inferring) flags(fs *pflag.FlagSet) {
	n.flagsWeights(fs)
	fs.StringVar(&n.cache, "cache", "f32", "hold keys and values as `f32|int8`")
}

// The same as keys of a recipe.
var (
	weightsKey = recipe.Key{Name: "weights", Type: recipe.Text, Default: "f32", Choices: []string{"4bit", "f32", "int8"}, Help: "in which weights are held"}
	cacheKey   = recipe.Key{Name: "cache", Type: recipe.Text, Default: "f32", Choices: []string{"f32", "int8"}, Help: "in which keys and values are held"}
)

// settle reads what was given; name is what a setting is called where that was.
func (n *inferring) settle(name setting) (err error) {
	if n.format, err = model.ParseWeightFormat(cmp.Or(n.weights, "f32")); err != nil {
		return usage("%s: %v", name("weights"), err)
	}
	switch n.cache {
	case "", "f32":
	case "int8":
		n.int8Cache = true
	default:
		return usage("%s %q: f32 or int8", name("cache"), n.cache)
	}
	return nil
}

// unlessF32 is what the identity of a step has of a setting: nothing, where it is the default.
func unlessF32(value string) string {
	if value == "f32" {
		return ""
	}
	return value
}

// collectorSlack is what the collector is left beside what is counted: for the tokenizer, and for records.
const collectorSlack = 64 << 20

// leaveOutside lowers the collector's limit by what lies outside of its heap, to least at the least, and gives how to undo it.
func leaveOutside(memory, outside, least int64) (undo func()) {
	before := debug.SetMemoryLimit(max(memory-pipeline.NotHeap-outside, least))
	return func() { debug.SetMemoryLimit(before) }
}
