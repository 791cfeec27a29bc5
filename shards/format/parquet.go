package format

import (
	"fmt"
	"io"

	"curate/corpus/parquet"
)

// What the formats of Parquet tables have in common: a row is a sequence, and its columns are lists of whole numbers.

const (
	// parquetRow is how many tokens a sequence may have: a Parquet row lies in one page, and the widest column has 8
	// bytes a token, so that a page is half a gigabyte at most.
	parquetRow = 1 << 26
	// parquetShard is how many tokens a shard may have. The hub of Hugging Face asks for files of less than a few
	// gigabytes, and what datasets makes of one when it is loaded is 4 to 28 bytes a token.
	parquetShard = 1 << 28
)

// StartsReader is a Reader of a format that says itself where the pieces of packed rows begin. What it says of a set
// that is not packed is that each sequence begins at 0.
type StartsReader interface {
	// AppendStarts appends the tokens of sequence i at which its pieces begin.
	AppendStarts(dst []int, i int64) ([]int, error)
}

// tableWriter is what the writers have in common.
type tableWriter struct {
	NoExtras
	name    string // of the format
	columns []parquet.Column
	out     redirected
	table   *parquet.Writer
	ids     []int32
}

// redirected is a writer that goes where the last call said.
type redirected struct{ io.Writer }

func (t *tableWriter) begin(w io.Writer) (err error) {
	t.out.Writer = w
	if t.table == nil {
		t.table, err = parquet.NewWriter(&t.out, t.columns, parquet.WriterOptions{})
	}
	return err
}

// row begins the row of s, and gives its ids.
func (t *tableWriter) row(w io.Writer, s *Sequence) ([]int32, error) {
	if n := len(s.Tokens) / Int32.Size(); n > parquetRow {
		return nil, fmt.Errorf("shards: a sequence of %d tokens cannot be written in format %s, which has at most %d in a row; pack, or leave such records out", n, t.name, parquetRow)
	}
	t.ids = appendInt32s(t.ids[:0], s.Tokens)
	return t.ids, t.begin(w)
}

func appendInt32s(dst []int32, b []byte) []int32 {
	for ; len(b) >= 4; b = b[4:] {
		dst = append(dst, int32(uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24))
	}
	return dst
}

// End implements Writer.
func (t *tableWriter) End(w io.Writer) error {
	if err := t.begin(w); err != nil {
		return err
	}
	return t.table.Close()
}

// pieceEnd is where piece k of s ends, in tokens.
func pieceEnd(s *Sequence, k, tokens int) int {
	if k+1 < len(s.Pieces) {
		return s.Pieces[k+1].Start
	}
	return tokens
}

// appendOnes appends n times the byte 1.
func appendOnes(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, 1)
	}
	return dst
}

// tableReader is what the readers have in common. It remembers the row that each column was read at last.
type tableReader struct {
	name    string
	columns []parquet.Column
	set     Set
	ends    []int64
	data    watched
	lists   *parquet.Lists
	cells   []cell
}

type cell struct {
	row    int64 // -1: none
	values []int32
}

// watched remembers why the file itself could not be read, which is no fault of what is in it.
type watched struct {
	io.ReaderAt
	err error
}

func (w *watched) ReadAt(p []byte, at int64) (int, error) {
	n, err := w.ReaderAt.ReadAt(p, at)
	if err != nil && err != io.EOF {
		w.err = fmt.Errorf("byte %d: %w", at+int64(n), err)
	}
	return n, err
}

func openTable(f File, columns []parquet.Column, s Set, ends []int64) (*tableReader, error) {
	t := &tableReader{name: f.Name, columns: columns, set: s, ends: ends, data: watched{ReaderAt: f.Data}, cells: make([]cell, len(columns))}
	for i := range t.cells {
		t.cells[i].row = -1
	}
	var err error
	if t.lists, err = parquet.OpenLists(&t.data, f.Size, columns); err != nil {
		return nil, t.failed(err)
	}
	return t, nil
}

func (t *tableReader) failed(err error) error {
	if t.data.err != nil {
		err, t.data.err = t.data.err, nil
		return fmt.Errorf("%s: %w", t.name, err)
	}
	return NewFault(t.name, -1, "%v", err)
}

// limit is how many tokens sequence i may have.
func (t *tableReader) limit(i int64) int {
	switch {
	case i < int64(len(t.ends)) && i > 0:
		return int(min(t.ends[i]-t.ends[i-1], parquetRow))
	case i < int64(len(t.ends)) && i == 0:
		return int(min(t.ends[0], parquetRow))
	case t.set.Packed:
		return MaxWidth
	}
	return parquetRow
}

// cell gives the values of a column in row i, valid until it is called for this column again.
func (t *tableReader) cell(column int, i int64) ([]int32, error) {
	c := &t.cells[column]
	if c.row == i {
		return c.values, nil
	}
	c.row = -1
	var err error
	if c.values, err = t.lists.Append(c.values[:0], column, i, t.limit(i)); err != nil {
		return nil, t.failed(err)
	}
	c.row = i
	return c.values, nil
}

// Dtype implements Reader.
func (t *tableReader) Dtype() Dtype { return Int32 }

// Sequences implements Reader.
func (t *tableReader) Sequences() int64 { return t.lists.Rows() }

// Place implements Reader: pages are compressed.
func (t *tableReader) Place(int64, int64) (string, int64) { return t.name, -1 }

// AppendTokens implements Reader for formats whose first column has the ids.
func (t *tableReader) AppendTokens(dst []uint32, i int64) ([]uint32, error) {
	ids, err := t.cell(0, i)
	return appendUint32s(dst, ids), err
}

func appendUint32s(dst []uint32, ids []int32) []uint32 {
	for _, id := range ids {
		dst = append(dst, uint32(id))
	}
	return dst
}

// fault is one of a row.
func (t *tableReader) fault(i int64, format string, args ...any) error {
	return NewFault(t.name, -1, "row %d: "+format, append([]any{i}, args...)...)
}

// rows calls f for each row, with its ids.
func (t *tableReader) rows(f func(i int64, ids []int32) error) error {
	for i := range t.lists.Rows() {
		ids, err := t.cell(0, i)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return t.fault(i, "it has no tokens")
		}
		if err := f(i, ids); err != nil {
			return err
		}
	}
	return nil
}
