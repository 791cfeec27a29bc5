// Package tokenize turns text into the token ids of a real tokenizer, and back. It reads tokenizer.json, the file of HF
// tokenizers (load.go), SentencePiece models (spm.go, over package sentencepiece), tiktoken's ranks (tiktoken.go) and
// Mistral's tekken.json (tekken.go).
//
// Rooms have the names of tokenizer.json: added tokens (added.go), normalizer/, pretokenizer/ with regex/ below it,
// model/, postprocessor/, decoder/. chat/ renders chats with the templates that jinja/ runs; train/ makes vocabularies.
//
// A [Tokenizer] is a file made ready: immutable and shared. An [Encoder] is its mutable half for one goroutine, a
// [Stream] encodes a text that comes in parts, and a [Stage] writes ids into records. Read tokenizer.go first, then
// encoder.go.
//
// What this version can not do exactly it refuses at [Load], naming the component.
package tokenize
