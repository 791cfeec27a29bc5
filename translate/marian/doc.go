// Package marian translates texts with MarianMT models in this process, as transformers' MarianMTModel.generate does it: text in, text
// and alignment out. It knows no rows and no masks.
//
// Read engine.go first (what waits, batches, cores), then a text's way: tokenizer.go, encoder.go, search.go (which hypotheses go on)
// with rules.go (what may come next), decoder.go (what comes next, and from where). model.go has what they share, weights.go and
// config.go read a folder, quantize.go writes one with weights of 8 bits. Models of another kind are a reader of their configuration
// beside config.go, and names of tensors beside load in weights.go.
package marian
