// Package record is the document model: one JSON object on one line, kept as the bytes it came in.
//
// A [Record] is parsed strictly and once; afterwards a field is a byte span of the line, decoded when
// somebody asks for it. [Record.Set] stages an edit that is spliced in when the record is written, so bytes
// that nobody edited come out as they went in: big integers, key order, escapes, unknown fields. Records
// flow in a [Batch], which owns the memory behind all of them.
//
// Read record.go first, then scan.go (strict check and spans), path.go, edit.go (splice).
package record
