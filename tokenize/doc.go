// Package tokenize turns text into the token ids of a real tokenizer, and back. It reads tokenizer.json, the file of
// HF tokenizers, and has the names of its components: added tokens (added.go), normalizer/, pretokenizer/, model/,
// postprocessor.go, decoder.go.
//
// A [Tokenizer] is a file made ready: immutable and shared. An [Encoder] is its mutable half for one goroutine. A
// [Stage] writes ids into records. Read tokenizer.go first, then encoder.go.
//
// What this version can not do exactly it refuses at [Load], naming the component.
package tokenize
