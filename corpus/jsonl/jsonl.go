// Package jsonl reads JSON Lines: one object a line, each line kept as its bytes.
package jsonl

import (
	"curate/corpus/split"
	"curate/record"
)

// Codec of JSON Lines. It only finds the lines; record.Batch.Parse checks them.
var Codec = split.Codec{
	Name:       "jsonl",
	Extensions: []string{".json", ".jsonl", ".ndjson"},
	Doc:        "JSON Lines: one object a line",
	Open:       split.NewLines,
	Decode:     decode,
}

func decode(c *split.Chunk, at split.Cursor, b *record.Batch, maxRecords, maxBytes int, _ string) split.Cursor {
	n := 0
	return split.EachLine(c, at, func(id record.ID, lineNo int64, line []byte, full int64) bool {
		if full > int64(c.MaxRecord) {
			split.AppendTooLong(b, id, lineNo, line, full)
		} else {
			b.Append(id, lineNo, line)
		}
		n += len(line) + 1
		return len(b.Records) < maxRecords && n < maxBytes
	})
}
