// Package split cuts the uncompressed bytes of a file into chunks of whole records that never cross a split,
// and says what a codec is. Split k of a file holds the records whose first byte lies in [k·S, (k+1)·S);
// it is the unit of resume and of output parts.
package split

import (
	"context"
	"io"

	"curate/record"
)

// Chunk is a run of whole records of one split, as bytes, or (Last) the mark that a split has ended.
type Chunk struct {
	File   int   // number in the manifest
	Split  int   // number in the file
	Offset int64 // of Buf[0] in the uncompressed file
	End    int64 // offset after the chunk: where the next record begins
	LineNo int64 // of the first line, from 1
	Lines  int64 // lines in Buf; the last one of a file may lack its line feed
	Buf    []byte
	// IDs of the lines of Buf, where they are not file and offset of the line: a format with rows, whose IDs are
	// row numbers and whose lines were made of them, or the parts of an earlier phase. Offset and End are then
	// in the same unit as the IDs', LineNo is 0, and Buf has neither blank lines nor a byte order mark.
	IDs []record.ID
	// LineNos go with IDs where the lines stood in a file of lines: the parts of an earlier phase. 0 is none.
	LineNos []int64
	// BOM says that Buf begins with a byte order mark, which is no part of the first record.
	BOM bool
	// MaxRecord is the reader's; a longer line of Buf becomes a quarantined record.
	MaxRecord int
	// Skipped is the length of a line that is so long that Buf holds only its first bytes. 0 otherwise.
	Skipped int64
	// Last marks the end of split Split; such a chunk holds no bytes. EOF marks that of the file, too.
	Last, EOF bool
}

// Position is a border between splits, from which a killed run goes on.
type Position struct {
	Offset int64 // of the next record in the uncompressed file
	Lines  int64 // lines before it
}

// Options of a reader.
type Options struct {
	File      int
	SplitSize int64
	ChunkSize int // bytes of a chunk, more only for a single longer record
	MaxRecord int // bytes of a line without its line feed; a longer one is truncated
	From      Position
	// Columns are the fields that are wanted, for a format that can leave out others; nil means all.
	Columns []record.Path
	// MaxHeld is how many bytes of the file a reader may hold beside the chunk, in all columns, compressed and not; a
	// file that needs more is an error that says so. 0 is no bound.
	MaxHeld int64
	// Grow is asked before a chunk grows beyond ChunkSize, and blocks until there is memory for a record of
	// MaxRecord bytes. nil allows it.
	Grow func(ctx context.Context) error
}

// Reader cuts one file.
type Reader interface {
	// Next fills c, using the memory of c.Buf, or other memory in its place, which is then the caller's; it keeps
	// neither. After the chunk with EOF set it returns io.EOF.
	Next(ctx context.Context, c *Chunk) error
}

// Pauser is a source that can tell that no more bytes have come for a while, so that what is there flows on.
type Pauser interface{ Paused() bool }

// Codec reads one format. The table of them is corpus/codecs.go.
type Codec struct {
	Name       string
	Extensions []string // ".jsonl"
	Doc        string   // one line for help
	// Open reads the uncompressed bytes of a file from o.From.Offset on.
	Open func(r io.Reader, o Options) Reader
	// OpenAt is there instead of Open for a format that cannot be read from front to back. size is the file's, in
	// bytes. The reader does not close r.
	OpenAt func(ctx context.Context, r io.ReaderAt, size int64, o Options) (Reader, error)
	// Magic is what every file of the format begins with, if anything: it counts more than the name.
	Magic string
	// Decode appends records of c to b, beginning with byte `from` of c.Buf, until b holds maxRecords or
	// about maxBytes of lines. field is the name of the text field, for formats that have no names.
	Decode func(c *Chunk, at Cursor, b *record.Batch, maxRecords, maxBytes int, field string) Cursor
}

// Cursor is how far a chunk has been decoded.
type Cursor struct {
	Byte  int   // in Buf
	Line  int64 // lines before it in the chunk
	Blank int64 // blank lines among them
}

// Bytes is how much of the uncompressed input the chunk is: for rows, the length of the lines made of them.
func (c *Chunk) Bytes() int64 {
	if c.IDs != nil {
		return int64(len(c.Buf))
	}
	return c.End - c.Offset
}

// Done says whether the whole chunk is decoded.
func (c *Chunk) Done(at Cursor) bool { return at.Byte >= len(c.Buf) }
