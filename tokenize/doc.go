// Package tokenize is the room of tokenizers, with the component names of tokenizer.json. It has no code yet.
package tokenize
