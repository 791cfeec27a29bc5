// Package format has the layouts of training shards that trainers read, each in one file with its writer and its reader,
// and the files that stand beside them: bounds and loss mask.
//
// A format knows sequences of token ids. What they are made of (documents, mixed, shuffled and packed), the manifest
// and the digests are package shards'.
package format

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"sort"
	"strings"
)

// Dtype is how a token id is stored. Both are little-endian, and since no id is above 2^31-1, the bytes of an int32
// are those of a uint32.
type Dtype uint8

const (
	Uint16 Dtype = 1 + iota
	Int32
	Uint32
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
	case Uint32:
		return "uint32"
	}
	return fmt.Sprintf("Dtype(%d)", uint8(d))
}

// DtypeNamed is the other half of String.
func DtypeNamed(name string) (Dtype, bool) {
	for _, d := range []Dtype{Uint16, Int32, Uint32} {
		if d.String() == name {
			return d, true
		}
	}
	return 0, false
}

// AppendIDs appends the ids whose bytes b are; a rest that is no whole id is left alone.
func (d Dtype) AppendIDs(dst []uint32, b []byte) []uint32 {
	at, n := len(dst), len(b)/d.Size()
	dst = slices.Grow(dst, n)[:at+n]
	ids := dst[at:]
	if d == Uint16 {
		for i := range ids {
			ids[i] = uint32(binary.LittleEndian.Uint16(b[2*i:]))
		}
		return dst
	}
	for i := range ids {
		ids[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return dst
}

// AppendBytes appends the bytes of ids, each of which fits.
func (d Dtype) AppendBytes(dst []byte, ids []uint32) []byte {
	at, n := len(dst), len(ids)*d.Size()
	dst = slices.Grow(dst, n)[:at+n]
	b := dst[at:]
	if d == Uint16 {
		for ; len(ids) >= 4 && len(b) >= 8; ids, b = ids[4:], b[8:] { // the second is for the compiler
			v := uint64(uint16(ids[0])) | uint64(uint16(ids[1]))<<16 | uint64(uint16(ids[2]))<<32 | uint64(uint16(ids[3]))<<48
			binary.LittleEndian.PutUint64(b, v)
		}
		for i, id := range ids {
			binary.LittleEndian.PutUint16(b[2*i:], uint16(id))
		}
		return dst
	}
	for i, id := range ids {
		binary.LittleEndian.PutUint32(b[4*i:], id)
	}
	return dst
}

// At is id i of b, counted from 0.
func (d Dtype) At(b []byte, i int) uint32 {
	if d == Uint16 {
		return uint32(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return binary.LittleEndian.Uint32(b[4*i:])
}

// Count is how often id occurs in b.
func (d Dtype) Count(b []byte, id uint32) (n int64) {
	if d == Uint16 {
		if id > math.MaxUint16 {
			return 0
		}
		const ones, low = 0x0001_0001_0001_0001, 0x7FFF_7FFF_7FFF_7FFF
		for all := uint64(id) * ones; len(b) >= 8; b = b[8:] { // four at a time
			v := binary.LittleEndian.Uint64(b) ^ all // 0 where it is the id
			v = (v&low + low) | v | low              // the highest bit of each that is not 0
			n += int64(bits.OnesCount64(^v))
		}
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

// Set is what a format must know of the shard set that a shard belongs to.
type Set struct {
	Dtype      Dtype
	Vocabulary int // ids are below it
	EOD        int // id that ends (or, Traits.EODFirst, begins) each document; NoEOD without
	Length     int // tokens of a row: the trainer's context
	// Packed says that sequences are rows of at most Width tokens; else each is a document.
	Packed bool
	// Masked says that the set has a loss mask.
	Masked bool
	// Tokenizer is its fingerprint.
	Tokenizer string
}

// NoEOD is the Set.EOD of documents that nothing is appended to.
const NoEOD = -1

// Sequence is what a trainer takes as one unit: a document, a packed row, or a preference pair.
type Sequence struct {
	Tokens []byte // ids in the set's Dtype
	// Mask says which tokens are learnt, 1 or 0, a byte each; nil if all are. It is nil if the set is not Masked.
	Mask   []byte
	Pieces []Piece
	// Prompt and Chosen are where the tokens of a pair's prompt and chosen answer end, in tokens; what follows is the
	// rejected answer. 0, 0 if it is no pair.
	Prompt, Chosen int
}

// Piece of a document in a sequence.
type Piece struct {
	Start     int    // token of the sequence that it begins with
	Continues bool   // it does not begin its document: From is not 0
	Last      bool   // it ends its document
	Padding   bool   // it is no document's, but fills the row: ID, Source, Copy and From are 0
	From      uint32 // token of the document that it begins with
	ID        uint64 // of the document's record: file << 40 | offset (record.ID)
	Source    uint16 // number in the manifest's sources
	Copy      uint16 // epoch of the source that it belongs to, from 0
}

// Traits are what a format can and cannot do.
type Traits struct {
	// Unindexed formats do not say where sequences lie: only the bounds beside them do.
	Unindexed bool
	// EODFirst formats have the EOD in front of each document, and not behind it.
	EODFirst bool
	// Mask is the suffix of the file that holds the loss mask of a masked set, one byte a token, 1 or 0, in the order of
	// the tokens; "" for a format that has a place for it in the file of tokens.
	Mask string
	// Lead says that the file of tokens begins with something that is known only at its end.
	Lead bool
	// Padded formats are cut into rows by counting tokens, so that packed rows are padded to Length + Extra.
	Padded bool
	// Extra is how many tokens more than the trainer's context its reader takes at a time: 1 where the labels are the
	// same window shifted by one.
	Extra int
	// Rows formats hold rows of tables: a chat ends there as its template has it, and no EOD is put behind it.
	Rows bool
	// Pairs formats hold preference pairs, and nothing else.
	Pairs bool
	// MaxTokens of a shard, 0 for any number; MaxBytes of its sequences.
	MaxTokens, MaxBytes int64
	// Name of the shards, "shard" if empty. Single formats have one shard a set, called just that, without a number.
	Name   string
	Single bool
	// Index is the name of a file of the whole set, such as "index.json"; "" without.
	Index string
}

// Format is a layout of shards: a file of tokens and, beside it, files that say where sequences lie. A Format is a
// value without state, and its writer and reader stand in one file of this package.
type Format interface {
	// Name is what users and manifests call it.
	Name() string
	// Doc is a line for help.
	Doc() string
	Traits() Traits
	// Dtype is what ids below vocabulary (1 to 2^31-1) are stored as, or why the format cannot hold them.
	Dtype(vocabulary int) (Dtype, error)
	// Suffixes are those of a shard's files, the file of tokens first. The mask's is not among them.
	Suffixes() []string
	// NewWriter begins a shard.
	NewWriter(s Set) Writer
	// Open reads a shard. files are those of Suffixes, in that order; none is closed. What a file claims is checked
	// against its size before anything is allocated. ends are where each sequence ends, in tokens, counted through the
	// shard; only Unindexed formats look at them, and nil lets those find documents by s.EOD. An error of the content is
	// a *Fault.
	Open(files []File, s Set, ends []int64) (Reader, error)
	// Index makes the file Traits.Index, of all shards; it is the same bytes at every call. nil without.
	Index(s Set, shards []Shard) ([]byte, error)
}

// Shard is what an index says of a shard.
type Shard struct {
	Name      string
	Sequences int64
	Tokens    int64   // with padding
	Sizes     []int64 // bytes of the files of Suffixes
}

// Writer writes one shard from one goroutine: Append for each sequence, End, then Lead and Side in any order, each
// perhaps several times.
type Writer interface {
	// Append writes a sequence to the file of tokens. Nothing of s is kept.
	Append(w io.Writer, s *Sequence) error
	// End writes what stands behind the last sequence, such as a footer.
	End(w io.Writer) error
	// Lead writes what stands in front of the first sequence, for formats with Traits.Lead.
	Lead(w io.Writer) error
	// Side writes a file beside it.
	Side(suffix string, w io.Writer) error
	// Size is how many bytes the file of tokens would have with one more sequence of so many tokens; 0 where
	// Traits.MaxBytes is.
	Size(tokens int) int64
}

// Reader reads one shard from one goroutine. Its errors of content are *Fault.
type Reader interface {
	Dtype() Dtype
	Sequences() int64
	// AppendTokens appends the ids of sequence i, from 0. Going from one sequence to the next is fast.
	AppendTokens(dst []uint32, i int64) ([]uint32, error)
	// Place says where token k of sequence i lies: the file's name and the byte in it, or -1 where that has no place,
	// as in a compressed page.
	Place(i, k int64) (file string, offset int64)
	// Check compares all that the files say with one another and with the sizes; ids are not looked at. What it accepts
	// is written as this package's writer writes it, byte for byte, but for what the caller's digests cover.
	Check() error
}

// MaskReader is a Reader of a format that has a place for the mask.
type MaskReader interface {
	// AppendMask appends the mask of sequence i, 1 or 0 a token.
	AppendMask(dst []byte, i int64) ([]byte, error)
}

// PairReader is a Reader of a format with Traits.Pairs. AppendTokens gives prompt, chosen and rejected answer in a row.
type PairReader interface {
	// Pair is where the tokens of the prompt and of the chosen answer end.
	Pair(i int64) (prompt, chosen int, err error)
}

// NoExtras is what most writers have of Lead, Side, End and Size: nothing.
type NoExtras struct{}

func (NoExtras) End(io.Writer) error          { return nil }
func (NoExtras) Lead(io.Writer) error         { return nil }
func (NoExtras) Side(string, io.Writer) error { return nil }
func (NoExtras) Size(int) int64               { return 0 }

// File is an open file of known size.
type File struct {
	Name string // for messages
	Data io.ReaderAt
	Size int64
}

// formats in the order of their names.
var formats = []Format{
	Datatrove{},
	LitData{},
	LLMC{},
	MDS{},
	Megatron{},
	NanoGPT{},
	OLMo{},
	Parquet{},
	ParquetAxolotl{},
	ParquetPreference{},
}

// Names of the formats that hold documents and chats.
func Names() []string {
	var names []string
	for _, f := range formats {
		if !f.Traits().Pairs {
			names = append(names, f.Name())
		}
	}
	return names
}

// All formats, sorted by name.
func All() []Format { return slices.Clone(formats) }

// Named finds a format.
func Named(name string) (Format, error) {
	i := sort.Search(len(formats), func(i int) bool { return formats[i].Name() >= name })
	if i < len(formats) && formats[i].Name() == name {
		return formats[i], nil
	}
	return nil, fmt.Errorf("shards: no format is called %q; there are: %s", name, strings.Join(Names(), ", "))
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

// NewFault makes one of a format string and its arguments.
func NewFault(file string, offset int64, format string, args ...any) *Fault {
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
		return nil, NewFault(w.Name, w.Size, "the file ends here; %d bytes more were expected", at+int64(n)-w.Size)
	}
	got, err := w.Data.ReadAt(w.buf[:want], at)
	if got < want {
		if err == io.EOF || err == nil {
			return nil, NewFault(w.Name, at+int64(got), "the file ends here; it had %d bytes when it was opened", w.Size)
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
