// Package parquet reads and writes Apache Parquet. Read, each row becomes a JSON object on a line, written from the
// columns' values, so that what follows sees the same records as from JSON Lines. docs/formats/parquet.md says what
// becomes of each type.
//
// Its words are the format's: a file is cut into row groups, a row group has a chunk for each column, a chunk is
// cut into pages. Read reader.go first, then rows.go (rows from columns), column.go (a column from pages),
// encoding.go (values from a page), footer.go (where everything lies).
//
// Writing begins with records.go (JSON Lines to rows) or writer.go (rows to columns), then page_writer.go (columns to
// pages).
//
// Everything that reads here reads bytes that may be wrong. No length is believed before as many bytes were seen as it needs:
// memory is a page and a dictionary a column, and grows with what is in the file, not with what a header claims.
package parquet

import "curate/corpus/split"

const magic = "PAR1"

// Codec of Parquet. Its records' IDs hold row numbers, from 0.
var Codec = split.Codec{
	Name:       "parquet",
	Extensions: []string{".parquet", ".pq"},
	Doc:        "Parquet: each row becomes a JSON object",
	OpenAt:     openAt,
	Magic:      magic,
	Decode:     split.DecodeLines,
}
