package format

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// OLMo is what dolma's tokens command writes and OLMo-core reads: ids as a raw array, in spite of its suffix without
// numpy's header, and a table of the documents. docs/formats/olmo.md shows both. Source: python/dolma/tokenizer/
// memmap_writer.py (MemmapWriter) of dolma at 669f5348; src/olmo_core/data/numpy_dataset.py (NumpyFSLDataset) and
// data/utils.py (iter_document_indices) of OLMo-core at fa6c5014.
type OLMo struct{}

const (
	olmoSource  = "source-" // in front of the number of a source
	olmoNewline = "\r\n"    // of Python's csv.writer, which MemmapWriter uses
	olmoPiece   = 4 + 4 + 8 + 2
	olmoPadding = 1 << 31
	olmoLine    = windowSize // bytes of a line, at most
)

var errPieces = errors.New("shards: a sequence without pieces cannot be written in format olmo, whose table lists them")

// Name implements Format.
func (OLMo) Name() string { return "olmo" }

// Suffixes implements Format.
func (OLMo) Suffixes() []string { return []string{".npy", ".csv.gz"} }

// Doc implements Format.
func (OLMo) Doc() string { return "OLMo's raw .npy, and .csv.gz that lists the documents in it" }

// Traits implements Format. The table lists pieces of documents: which of them are a row it does not say.
func (OLMo) Traits() Traits { return Traits{Unindexed: true, Mask: ".loss.npy", Padded: true} }

// Dtype implements Format.
func (OLMo) Dtype(vocabulary int) (Dtype, error) {
	if vocabulary <= uint16IDs {
		return Uint16, nil
	}
	return Uint32, nil
}

// Index implements Format.
func (OLMo) Index(Set, []Shard) ([]byte, error) { return nil, nil }

// NewWriter implements Format.
func (OLMo) NewWriter(s Set) Writer { return &olmoWriter{dtype: s.Dtype} }

// olmoWriter holds 18 bytes a piece: u32 tokens, with olmoPadding if they are no document's, u32 from, u64 id, u16 source.
type olmoWriter struct {
	NoExtras
	dtype  Dtype
	pieces []byte
}

// Append implements Writer.
func (o *olmoWriter) Append(w io.Writer, s *Sequence) error {
	if len(s.Pieces) == 0 {
		return errPieces
	}
	for i, p := range s.Pieces {
		end := len(s.Tokens) / o.dtype.Size()
		if i+1 < len(s.Pieces) {
			end = s.Pieces[i+1].Start
		}
		n := uint32(end - p.Start)
		if p.Padding {
			n |= olmoPadding
		}
		b := binary.LittleEndian.AppendUint32(o.pieces, n)
		b = binary.LittleEndian.AppendUint32(b, p.From)
		b = binary.LittleEndian.AppendUint64(b, p.ID)
		o.pieces = binary.LittleEndian.AppendUint16(b, p.Source)
	}
	_, err := w.Write(s.Tokens)
	return err
}

// Side implements Writer. The gzip has neither a time nor a name.
func (o *olmoWriter) Side(_ string, w io.Writer) error {
	z := gzip.NewWriter(w)
	line := make([]byte, 0, 128)
	at := uint64(0)
	for p := o.pieces; len(p) > 0; p = p[olmoPiece:] {
		n := binary.LittleEndian.Uint32(p)
		end := at + uint64(n&^olmoPadding)
		if n&olmoPadding == 0 {
			line = appendOLMoLine(line[:0], at, end, binary.LittleEndian.Uint64(p[8:]),
				uint64(binary.LittleEndian.Uint16(p[16:])), uint64(binary.LittleEndian.Uint32(p[4:])))
			if _, err := z.Write(line); err != nil {
				return err
			}
		}
		at = end
	}
	return z.Close()
}

// appendOLMoLine appends MemmapMetadata: start, end, id, src, loc.
func appendOLMoLine(dst []byte, start, end, id, source, from uint64) []byte {
	dst = append(strconv.AppendUint(dst, start, 10), ',')
	dst = append(strconv.AppendUint(dst, end, 10), ',')
	dst = append(strconv.AppendUint(dst, id, 10), ',')
	dst = append(strconv.AppendUint(append(dst, olmoSource...), source, 10), ',')
	return append(strconv.AppendUint(dst, from, 10), olmoNewline...)
}

// Open implements Format. Without ends each line of the table is a sequence; it holds 8 bytes for each.
func (OLMo) Open(files []File, s Set, ends []int64) (Reader, error) {
	d := Uint16
	if s.Dtype != Uint16 {
		d = Uint32
	}
	f, err := newFlat(files[0], d, 0)
	if err != nil {
		return nil, err
	}
	table := olmoTable{files[1], f.tokens}
	if ends == nil {
		ends = []int64{}
		last := int64(0)
		err := table.each(func(_ []byte, number, start, end int64) error {
			if start != last {
				return NewFault(table.file.Name, -1, "line %d begins at token %d, and the one before ends at %d: without a file of bounds nothing says what lies between them", number, start, last)
			}
			last = end
			ends = append(ends, end)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	u, err := newUnindexed(f, s, false, ends)
	if err != nil {
		return nil, err
	}
	return &olmoReader{u, table, s.Packed}, nil
}

type olmoReader struct {
	*unindexed
	table  olmoTable
	packed bool
}

// Check implements Reader.
func (r *olmoReader) Check() error {
	var want []byte
	sequence, at, pieces := int64(0), int64(0), 0 // pieces of this sequence so far
	next := func() { sequence++; pieces = 0 }
	fault := func(number int64, format string, args ...any) error {
		return NewFault(r.table.file.Name, -1, "line %d "+format, append([]any{number}, args...)...)
	}
	err := r.table.each(func(line []byte, number, start, end int64) error {
		id, source, from, ok := olmoFields(line)
		if !ok {
			return fault(number, "is %q; it should be start,end,id,%sN,loc in decimal numbers", line, olmoSource)
		}
		want = appendOLMoLine(want[:0], uint64(start), uint64(end), id, source, from)
		if !bytes.Equal(line, want) {
			return fault(number, "is %q; it is written as %q", line, want)
		}
		if r.packed && pieces > 0 && start == r.ends[sequence] {
			at = start // padding lies between them
			next()
		}
		switch {
		case start != at:
			return fault(number, "begins at token %d, and %d is right", start, at)
		case sequence >= r.Sequences():
			return fault(number, "begins at token %d, behind the last sequence", start)
		case end > r.ends[sequence]:
			return fault(number, "ends at token %d, and sequence %d at %d", end, sequence, r.ends[sequence])
		case !r.packed && (end != r.ends[sequence] || from != 0):
			return fault(number, "is a piece of sequence %d, and the set is not packed: sequences are documents", sequence)
		}
		at = end
		if pieces++; at == r.ends[sequence] {
			next()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.packed && pieces > 0 {
		next() // padding ends the file
	}
	if sequence != r.Sequences() {
		return NewFault(r.table.file.Name, -1, "the table ends at token %d, and sequence %d ends at %d", at, sequence, r.ends[sequence])
	}
	return nil
}

// olmoTable reads a .csv.gz.
type olmoTable struct {
	file   File
	tokens int64
}

// olmoSourceFile tells errors of the device from those of the content.
type olmoSourceFile struct {
	r   io.Reader
	err error
}

func (f *olmoSourceFile) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// each gives the lines, with their first two columns: where a document begins and ends, in tokens. They rise and lie
// within the tokens, and none is empty: so there are not more lines than tokens, whatever the file unpacks to.
func (t olmoTable) each(f func(line []byte, number, start, end int64) error) error {
	source := &olmoSourceFile{r: io.NewSectionReader(t.file.Data, 0, t.file.Size)}
	packed := bufio.NewReaderSize(source, windowSize)
	broken := func(err error) error {
		if source.err != nil {
			return fmt.Errorf("%s: %w", t.file.Name, source.err)
		}
		return NewFault(t.file.Name, -1, "this is no whole gzip: %v", err)
	}
	z, err := gzip.NewReader(packed)
	if err != nil {
		return broken(err)
	}
	z.Multistream(false)
	lines := bufio.NewReaderSize(z, olmoLine)
	last := int64(0)
	for number := int64(1); ; number++ {
		line, err := lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			return NewFault(t.file.Name, -1, "line %d has more than %d bytes", number, olmoLine)
		}
		if err != nil && err != io.EOF {
			return broken(err)
		}
		if len(line) == 0 {
			break
		}
		start, end, ok := olmoSpan(line)
		if !ok || start < last || end <= start || end > t.tokens {
			return NewFault(t.file.Name, -1, "line %d is %.80q; it should begin with the tokens where a document begins, %d or later, and ends, %d at most", number, line, last, t.tokens)
		}
		last = end
		if err := f(line, number, start, end); err != nil {
			return err
		}
	}
	if _, err := packed.ReadByte(); err == nil {
		return NewFault(t.file.Name, -1, "there are bytes behind the end of the gzip")
	} else if source.err != nil {
		return broken(err)
	}
	return nil
}

// olmoSpan takes the first two columns.
func olmoSpan(line []byte) (start, end int64, ok bool) {
	line = bytes.TrimRight(line, "\r\n")
	first, rest, _ := bytes.Cut(line, []byte(","))
	second, _, _ := bytes.Cut(rest, []byte(","))
	start, err := strconv.ParseInt(string(first), 10, 64)
	if err != nil || start < 0 {
		return 0, 0, false
	}
	end, err = strconv.ParseInt(string(second), 10, 64)
	return start, end, err == nil
}

// olmoFields takes the other three.
func olmoFields(line []byte) (id, source, from uint64, ok bool) {
	fields := bytes.SplitN(bytes.TrimRight(line, "\r\n"), []byte(","), 6)
	if len(fields) != 5 {
		return 0, 0, 0, false
	}
	src, ok := bytes.CutPrefix(fields[3], []byte(olmoSource))
	if !ok {
		return 0, 0, 0, false
	}
	id, err := strconv.ParseUint(string(fields[2]), 10, 64)
	if err != nil {
		return 0, 0, 0, false
	}
	source, err = strconv.ParseUint(string(src), 10, 16)
	if err != nil {
		return 0, 0, 0, false
	}
	from, err = strconv.ParseUint(string(fields[4]), 10, 32)
	return id, source, from, err == nil
}
