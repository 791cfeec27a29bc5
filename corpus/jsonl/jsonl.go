// Package jsonl reads JSON Lines: one object a line, each line kept as its bytes.
package jsonl

import "curate/corpus/split"

// Codec of JSON Lines. It only finds the lines; record.Batch.Parse checks them.
var Codec = split.Codec{
	Name:       "jsonl",
	Extensions: []string{".json", ".jsonl", ".ndjson"},
	Doc:        "JSON Lines: one object a line",
	Open:       split.NewLines,
	Decode:     split.DecodeLines,
}
