package shards

import (
	"encoding/binary"
	"fmt"
	"io"
	"sort"
	"strings"
)

// Dtype is how a token id is stored. Both are little-endian, and since no id is above 2^31-1, the bytes of an int32
// are those of a uint32.
type Dtype uint8

const (
	Uint16 Dtype = 1 + iota
	Int32
)

// Size of an id in bytes.
func (d Dtype) Size() int {
	if d == Uint16 {
		return 2
	}
	return 4
}

func (d Dtype) String() string {
	switch d {
	case Uint16:
		return "uint16"
	case Int32:
		return "int32"
	}
	return fmt.Sprintf("Dtype(%d)", uint8(d))
}

// dtypeNamed is the other half of String.
func dtypeNamed(name string) (Dtype, bool) {
	for _, d := range []Dtype{Uint16, Int32} {
		if d.String() == name {
			return d, true
		}
	}
	return 0, false
}

// AppendIDs appends the ids whose bytes b are; a rest that is no whole id is left alone.
func (d Dtype) AppendIDs(dst []uint32, b []byte) []uint32 {
	if d == Uint16 {
		for ; len(b) >= 2; b = b[2:] {
			dst = append(dst, uint32(binary.LittleEndian.Uint16(b)))
		}
		return dst
	}
	for ; len(b) >= 4; b = b[4:] {
		dst = append(dst, binary.LittleEndian.Uint32(b))
	}
	return dst
}

// AppendBytes appends the bytes of ids, each of which fits.
func (d Dtype) AppendBytes(dst []byte, ids []uint32) []byte {
	if d == Uint16 {
		for _, id := range ids {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(id))
		}
		return dst
	}
	for _, id := range ids {
		dst = binary.LittleEndian.AppendUint32(dst, id)
	}
	return dst
}

// count is how often id occurs in b.
func (d Dtype) count(b []byte, id uint32) (n int64) {
	if d == Uint16 {
		for ; len(b) >= 2; b = b[2:] {
			if uint32(binary.LittleEndian.Uint16(b)) == id {
				n++
			}
		}
		return n
	}
	for ; len(b) >= 4; b = b[4:] {
		if binary.LittleEndian.Uint32(b) == id {
			n++
		}
	}
	return n
}

// Format is a layout of shards: a file of tokens and, beside it, files that say where sequences lie. A Format is a
// value without state, and its writer and reader stand in one file of this package.
type Format interface {
	// Name is what users and manifests call it.
	Name() string
	// Dtype is what ids below vocabulary are stored as; vocabulary is 1 to 2^31-1.
	Dtype(vocabulary int) Dtype
	// Suffixes are those of a shard's files, the file of tokens first.
	Suffixes() []string
	// NewWriter begins a shard.
	NewWriter(d Dtype) FormatWriter
	// Open reads a shard. files are those of Suffixes, in that order; none is closed. What a file claims is checked
	// against its size before anything is allocated. An error of the content is a *Fault.
	Open(files []File) (FormatReader, error)
}

// FormatWriter writes one shard from one goroutine.
type FormatWriter interface {
	// Append writes a sequence, ids in the shard's Dtype, to the file of tokens.
	Append(w io.Writer, tokens []byte) error
	// Side writes a file beside it, after the last Append. It may be called again.
	Side(suffix string, w io.Writer) error
}

// FormatReader reads one shard from one goroutine. Its errors of content are *Fault.
type FormatReader interface {
	Dtype() Dtype
	Sequences() int64
	// AppendTokens appends the ids of sequence i, from 0. Going from one sequence to the next is fast.
	AppendTokens(dst []uint32, i int64) ([]uint32, error)
	// Place says where token k of sequence i lies: the file's name and the byte in it.
	Place(i, k int64) (file string, offset int64)
	// Check compares all that the files beside the tokens say with one another and with the sizes; ids are not looked
	// at. One sequence is one document, as this package writes it.
	Check() error
}

// File is an open file of known size.
type File struct {
	Name string // for messages
	Data io.ReaderAt
	Size int64
}

// formats in the order of their names.
var formats = []Format{
	megatron{},
}

// Formats are the names that Config.Format may have.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.Name()
	}
	return names
}

// FormatNamed finds a format.
func FormatNamed(name string) (Format, error) {
	i := sort.Search(len(formats), func(i int) bool { return formats[i].Name() >= name })
	if i < len(formats) && formats[i].Name() == name {
		return formats[i], nil
	}
	return nil, fmt.Errorf("shards: no format is called %q; there are: %s", name, strings.Join(Formats(), ", "))
}

// Fault is what is wrong with a file of a shard set.
type Fault struct {
	File    string
	Offset  int64 // byte; -1 where the fault has no place
	Problem string
}

func (f *Fault) Error() string {
	if f.Offset < 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Problem)
	}
	return fmt.Sprintf("%s (byte %d): %s", f.File, f.Offset, f.Problem)
}

func fault(file string, offset int64, format string, args ...any) *Fault {
	return &Fault{file, offset, fmt.Sprintf(format, args...)}
}

// windowSize is what is read of a file at a time, in bytes.
const windowSize = 64 << 10

// window reads a file near where it has read before.
type window struct {
	File
	buf    []byte
	at     int64 // where buf[:filled] lies
	filled int
}

// bytes gives n bytes from at on, at most windowSize, valid until the next call. The range must lie within the file.
func (w *window) bytes(at int64, n int) ([]byte, error) {
	if at >= w.at && at+int64(n) <= w.at+int64(w.filled) {
		return w.buf[at-w.at:][:n], nil
	}
	if w.buf == nil {
		w.buf = make([]byte, min(windowSize, w.Size))
	}
	want := int(min(int64(len(w.buf)), w.Size-at))
	w.at, w.filled = at, 0
	if n > want {
		return nil, fault(w.Name, w.Size, "the file ends here; %d bytes more were expected", at+int64(n)-w.Size)
	}
	got, err := w.Data.ReadAt(w.buf[:want], at)
	if got < want {
		if err == io.EOF || err == nil {
			return nil, fault(w.Name, at+int64(got), "the file ends here; it had %d bytes when it was opened", w.Size)
		}
		return nil, fmt.Errorf("%s (byte %d): %w", w.Name, at+int64(got), err)
	}
	w.filled = want
	return w.buf[:n], nil
}

func (w *window) uint32(at int64) (uint32, error) {
	b, err := w.bytes(at, 4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (w *window) uint64(at int64) (uint64, error) {
	b, err := w.bytes(at, 8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}
