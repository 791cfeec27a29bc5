// Package postprocessor puts special tokens around a text's ids and trims offsets: the component post_processor of
// tokenizer.json.
package postprocessor
