package format

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// Megatron is Megatron-LM's indexed dataset: a .bin of nothing but ids, and an .idx. docs/formats/megatron.md shows
// both. Source: megatron/core/datasets/indexed_dataset.py at d98e8a64 (_IndexReader, _IndexWriter, DType).
type Megatron struct{}

const (
	megatronMagic   = "MMIDIDX\x00\x00"
	megatronVersion = 1
	megatronHeader  = 9 + 8 + 1 + 8 + 8 // magic, version, dtype code, sequences, document indices

	// Codes of DType. Others that it knows (1 uint8, 2 int8, 3 int16, 5 int64, 6 and 7 floats) nobody writes for ids.
	megatronInt32  = 4
	megatronUint16 = 8

	// megatronUint16Below is DType.optimal_dtype: from so many ids on they are int32. (It is not 65,536.)
	megatronUint16Below = 65_500
)

var errTooLong = errors.New("shards: a sequence of more than 2^31-1 tokens cannot be written in format megatron")

// Name implements Format.
func (Megatron) Name() string { return "megatron" }

// Suffixes implements Format.
func (Megatron) Suffixes() []string { return []string{".bin", ".idx"} }

// Doc implements Format.
func (Megatron) Doc() string { return "Megatron-LM's indexed dataset: .bin and .idx" }

// Traits implements Format.
func (Megatron) Traits() Traits { return Traits{Mask: ".loss"} }

// Dtype implements Format.
func (Megatron) Dtype(vocabulary int) (Dtype, error) {
	if vocabulary < megatronUint16Below {
		return Uint16, nil
	}
	return Int32, nil
}

// Index implements Format.
func (Megatron) Index(Set, []Shard) ([]byte, error) { return nil, nil }

// NewWriter implements Format.
func (Megatron) NewWriter(s Set) Writer { return &megatronWriter{dtype: s.Dtype} }

// megatronWriter holds 4 bytes a sequence: all else that the index says follows from the lengths.
type megatronWriter struct {
	NoExtras
	dtype   Dtype
	lengths []uint32 // tokens
}

// Append implements Writer.
func (m *megatronWriter) Append(w io.Writer, s *Sequence) error {
	n := len(s.Tokens) / m.dtype.Size()
	if n > math.MaxInt32 {
		return errTooLong
	}
	m.lengths = append(m.lengths, uint32(n))
	_, err := w.Write(s.Tokens)
	return err
}

// Side implements Writer.
func (m *megatronWriter) Side(_ string, w io.Writer) error {
	bw := bufio.NewWriterSize(w, windowSize)
	code := byte(megatronInt32)
	if m.dtype == Uint16 {
		code = megatronUint16
	}
	head := append(make([]byte, 0, megatronHeader), megatronMagic...)
	head = binary.LittleEndian.AppendUint64(head, megatronVersion)
	head = append(head, code)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(m.lengths)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(m.lengths))+1)
	bw.Write(head) // an error of the buffer is that of Flush
	var b [8]byte
	for _, n := range m.lengths {
		binary.LittleEndian.PutUint32(b[:4], n)
		bw.Write(b[:4])
	}
	at := uint64(0)
	for _, n := range m.lengths {
		binary.LittleEndian.PutUint64(b[:], at)
		bw.Write(b[:])
		at += uint64(n) * uint64(m.dtype.Size())
	}
	for i := range uint64(len(m.lengths)) + 1 {
		binary.LittleEndian.PutUint64(b[:], i)
		bw.Write(b[:])
	}
	return bw.Flush()
}

// Open implements Format.
func (Megatron) Open(files []File, _ Set, _ []int64) (Reader, error) {
	bin, idx := files[0], files[1]
	r := &megatronReader{
		bin: window{File: bin}, lengths: window{File: idx}, offsets: window{File: idx}, documents: window{File: idx},
	}
	if idx.Size < megatronHeader {
		return nil, NewFault(idx.Name, idx.Size, "the file ends within its header of %d bytes", megatronHeader)
	}
	head, err := r.lengths.bytes(0, megatronHeader)
	if err != nil {
		return nil, err
	}
	if string(head[:9]) != megatronMagic {
		return nil, NewFault(idx.Name, 0, "this is no index of Megatron: it begins with %q and not with %q", head[:9], megatronMagic)
	}
	if v := binary.LittleEndian.Uint64(head[9:]); v != megatronVersion {
		return nil, NewFault(idx.Name, 9, "version %d of the index; only 1 is known", v)
	}
	switch head[17] {
	case megatronUint16:
		r.dtype = Uint16
	case megatronInt32:
		r.dtype = Int32
	default:
		return nil, NewFault(idx.Name, 17, "dtype code %d; token ids are 8 (uint16) or 4 (int32)", head[17])
	}
	sequences, documents := binary.LittleEndian.Uint64(head[18:]), binary.LittleEndian.Uint64(head[26:])
	// Each product fits: both are compared with the size first.
	body := uint64(idx.Size - megatronHeader)
	if sequences > body/12 {
		return nil, NewFault(idx.Name, 18, "%d sequences need more than the %d bytes that follow", sequences, body)
	}
	if documents < 1 || documents > body/8 {
		return nil, NewFault(idx.Name, 26, "%d document indices do not fit into the %d bytes that follow", documents, body)
	}
	if need := 12*sequences + 8*documents; need != body {
		return nil, NewFault(idx.Name, 18, "%d sequences and %d document indices take %d bytes, and %d follow", sequences, documents, need, body)
	}
	r.sequences, r.indices = int64(sequences), int64(documents)
	r.offsetsAt = megatronHeader + 4*r.sequences
	r.documentsAt = megatronHeader + 12*r.sequences
	return r, nil
}

type megatronReader struct {
	dtype                       Dtype
	sequences, indices          int64
	offsetsAt, documentsAt      int64 // in the .idx
	bin                         window
	lengths, offsets, documents window
}

// Dtype implements Reader.
func (r *megatronReader) Dtype() Dtype { return r.dtype }

// Sequences implements Reader.
func (r *megatronReader) Sequences() int64 { return r.sequences }

// span says where sequence i lies in the .bin, in bytes.
func (r *megatronReader) span(i int64) (at, size int64, err error) {
	lengthAt, offsetAt := megatronHeader+4*i, r.offsetsAt+8*i
	n, err := r.lengths.uint32(lengthAt)
	if err != nil {
		return 0, 0, err
	}
	if n > math.MaxInt32 {
		return 0, 0, NewFault(r.lengths.Name, lengthAt, "sequence %d has %d tokens", i, int32(n))
	}
	offset, err := r.offsets.uint64(offsetAt)
	if err != nil {
		return 0, 0, err
	}
	size = int64(n) * int64(r.dtype.Size())
	if offset > uint64(r.bin.Size) || size > r.bin.Size-int64(offset) {
		return 0, 0, NewFault(r.offsets.Name, offsetAt, "sequence %d lies at byte %d with %d bytes, and %s has %d", i, offset, size, r.bin.Name, r.bin.Size)
	}
	return int64(offset), size, nil
}

// AppendTokens implements Reader.
func (r *megatronReader) AppendTokens(dst []uint32, i int64) ([]uint32, error) {
	at, size, err := r.span(i)
	if err != nil {
		return dst, err
	}
	for size > 0 {
		n := min(size, windowSize)
		b, err := r.bin.bytes(at, int(n))
		if err != nil {
			return dst, err
		}
		dst = r.dtype.AppendIDs(dst, b)
		at, size = at+n, size-n
	}
	return dst, nil
}

// Place implements Reader.
func (r *megatronReader) Place(i, k int64) (string, int64) {
	at, _, err := r.span(i)
	if err != nil {
		return r.bin.Name, -1
	}
	return r.bin.Name, at + k*int64(r.dtype.Size())
}

// Check implements Reader.
func (r *megatronReader) Check() error {
	end := int64(0)
	for i := range r.sequences {
		at, size, err := r.span(i)
		if err != nil {
			return err
		}
		if at != end {
			return NewFault(r.offsets.Name, r.offsetsAt+8*i, "sequence %d begins at byte %d of %s, and the one before ends at %d", i, at, r.bin.Name, end)
		}
		end += size
	}
	if end != r.bin.Size {
		return NewFault(r.bin.Name, min(end, r.bin.Size), "the file has %d bytes, and the sequences of %s take %d", r.bin.Size, r.lengths.Name, end)
	}
	if r.indices != r.sequences+1 {
		return NewFault(r.lengths.Name, 26, "%d document indices for %d sequences; one more than sequences are right, since each is a document", r.indices, r.sequences)
	}
	for i := range r.indices {
		at := r.documentsAt + 8*i
		v, err := r.documents.uint64(at)
		if err != nil {
			return err
		}
		if v != uint64(i) {
			return NewFault(r.documents.Name, at, "document %d begins with sequence %d; each sequence is a document", i, v)
		}
	}
	return nil
}
