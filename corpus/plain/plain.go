// Package plain reads text files: each line is a document.
package plain

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/split"
	"curate/record"
)

// Codec of plain text. A line becomes the object {"text": LINE}; the name is that of the text field.
var Codec = split.Codec{
	Name:       "text",
	Extensions: []string{".text", ".txt"},
	Doc:        "text: one document a line",
	Open:       split.NewLines,
	Decode:     decode,
}

func decode(c *split.Chunk, at split.Cursor, b *record.Batch, maxRecords, maxBytes int, field string) split.Cursor {
	var lines []byte // backs the objects of this batch
	n := 0
	return split.EachLine(c, at, func(id record.ID, lineNo int64, line []byte, full int64) bool {
		if full > int64(c.MaxRecord) {
			split.AppendTooLong(b, id, lineNo, line, full)
		} else if !utf8.Valid(line) {
			b.Append(id, lineNo, line).QuarantineFor(&record.SyntaxError{Cause: "invalid UTF-8", Offset: int64(validPrefix(line))})
		} else {
			lo := len(lines)
			lines = append(lines, '{')
			lines, _ = jsontext.AppendQuote(lines, field)
			lines = append(lines, ':')
			lines, _ = jsontext.AppendQuote(lines, line) // valid UTF-8, as checked above
			lines = append(lines, '}')
			b.Append(id, lineNo, lines[lo:len(lines):len(lines)])
		}
		n += len(line) + 1
		return len(b.Records) < maxRecords && n < maxBytes
	})
}

func validPrefix(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}
