// Package export reads and writes models in other people's formats: config.json and the tensors of Hugging Face's
// LlamaForCausalLM, and those of Cerebras' BTLM. It knows bytes and no folders: package train does.
//
// config.go reads and writes config.json, weights.go the tensors, fold.go makes a plain model of one with µP.
package export
