package shards

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cespare/xxhash/v2"
)

// ShuffleKey is where a document stands in the shuffle with a seed: documents are in the order of their keys, those
// with equal keys in the order of their IDs. The key is xxh64 (seed 0) of the 16 bytes seed, ID, both little-endian.
//
// So a document's place depends on the seed and its own ID alone: no record moves another past a third, any machine
// can work on any part of the documents, and sorting, which can be done on disk, is the whole shuffle.
func ShuffleKey(seed, id uint64) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], seed)
	binary.LittleEndian.PutUint64(b[8:], id)
	return xxhash.Sum64(b[:])
}

// A sealed file holds documents in the order of the shuffle:
//
//	┌──────────┬──────────┬────────────────────────────┬───┬──────────────┐
//	│ magic 8B │ width u8 │ document, again and again  │ 0 │ documents uv │
//	└──────────┴──────────┴────────────────────────────┴───┴──────────────┘
//	document:  tokens uv, at least 1 │ key u64 │ ID u64 │ tokens × width bytes
//
// uv is an unsigned varint of encoding/binary; key and ID are big-endian; tokens are as they will lie in the shard
// (little-endian, width 2 or 4), EOD included, so that they are only copied from here on. (key, ID) rises. The last
// number is how many documents there were, and the file ends with it.
const (
	sealedMagic  = "curshuf\x01"
	sealedHeader = len(sealedMagic) + 1
)

// CorruptError is a sealed file that no Seal or Merge has written.
type CorruptError struct {
	Input  int   // which of those that were read together, from 0
	Offset int64 // byte after what could not be used
	Cause  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("shards: sealed file %d is damaged before byte %d: %s; remove it and run again", e.Input, e.Offset, e.Cause)
}

type sealedWriter struct {
	w         *bufio.Writer
	width     int
	head      [binary.MaxVarintLen64 + 16]byte
	documents uint64
}

// newSealedWriter begins a file; an error of the writer is that of end.
func newSealedWriter(w io.Writer, width int) *sealedWriter {
	sw := &sealedWriter{w: bufio.NewWriterSize(w, windowSize), width: width}
	sw.w.WriteString(sealedMagic)
	sw.w.WriteByte(byte(width))
	return sw
}

func (sw *sealedWriter) put(key, id uint64, tokens []byte) error {
	b := binary.AppendUvarint(sw.head[:0], uint64(len(tokens)/sw.width))
	b = binary.BigEndian.AppendUint64(b, key)
	b = binary.BigEndian.AppendUint64(b, id)
	sw.w.Write(b)
	sw.documents++
	_, err := sw.w.Write(tokens)
	return err
}

func (sw *sealedWriter) end() error {
	sw.w.Write(binary.AppendUvarint([]byte{0}, sw.documents))
	return sw.w.Flush()
}

// sealedReader reads one file a document at a time: advance its head, then body its tokens.
type sealedReader struct {
	r         *bufio.Reader
	input     int
	offset    int64
	width     int
	tokens    int64 // of the document in hand
	key, id   uint64
	documents uint64
}

// openSealed reads the header.
func openSealed(r io.Reader, buffer, input, width int) (*sealedReader, error) {
	s := &sealedReader{r: bufio.NewReaderSize(r, buffer), input: input, width: width}
	var head [sealedHeader]byte
	n, err := io.ReadFull(s.r, head[:])
	s.offset += int64(n)
	switch {
	case err != nil:
		return nil, s.fail(err)
	case string(head[:len(sealedMagic)]) != sealedMagic:
		return nil, s.corrupt("it does not begin as such a file does")
	case int(head[len(sealedMagic)]) != width:
		return nil, s.corrupt(fmt.Sprintf("tokens of %d bytes instead of %d", head[len(sealedMagic)], width))
	}
	return s, nil
}

func (s *sealedReader) corrupt(cause string) error { return &CorruptError{s.input, s.offset, cause} }

// fail makes an end of the file a damage; an error of reading stays what it is.
func (s *sealedReader) fail(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.corrupt("it ends too early")
	}
	return err
}

// ReadByte counts what a varint takes.
func (s *sealedReader) ReadByte() (byte, error) {
	c, err := s.r.ReadByte()
	if err == nil {
		s.offset++
	}
	return c, err
}

// number reads a varint in its shortest form, so that equal documents have equal bytes.
func (s *sealedReader) number() (uint64, error) {
	before := s.offset
	v, err := binary.ReadUvarint(s)
	if err != nil {
		if s.offset-before >= binary.MaxVarintLen64 {
			return 0, s.corrupt("a number above 2^64-1")
		}
		return 0, s.fail(err)
	}
	if n := s.offset - before; n > 1 && v>>(7*(n-1)) == 0 {
		return 0, s.corrupt("a number with leading zeros")
	}
	return v, nil
}

// advance reads the head of the next document. ok is false at the end of the file.
func (s *sealedReader) advance() (ok bool, err error) {
	n, err := s.number()
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, s.end()
	}
	if n > math.MaxInt32 {
		return false, s.corrupt("a document of more than 2^31-1 tokens")
	}
	var head [16]byte
	k, err := io.ReadFull(s.r, head[:])
	s.offset += int64(k)
	if err != nil {
		return false, s.fail(err)
	}
	key, id := binary.BigEndian.Uint64(head[:8]), binary.BigEndian.Uint64(head[8:])
	if s.documents > 0 && (key < s.key || key == s.key && id <= s.id) {
		return false, s.corrupt("documents are not in order")
	}
	s.tokens, s.key, s.id = int64(n), key, id
	s.documents++
	return true, nil
}

func (s *sealedReader) end() error {
	n, err := s.number()
	if err != nil {
		return err
	}
	if n != s.documents {
		return s.corrupt(fmt.Sprintf("it tells of %d documents and holds %d", n, s.documents))
	}
	switch _, err := s.r.ReadByte(); {
	case err == nil:
		return s.corrupt("bytes after the end")
	case err != io.EOF:
		return err
	}
	return nil
}

// body appends the tokens of the document in hand. Memory grows with what is there, not with what is claimed.
func (s *sealedReader) body(dst []byte) ([]byte, error) {
	for left := s.tokens * int64(s.width); left > 0; {
		n := int(min(left, windowSize))
		at := len(dst)
		dst = append(dst, make([]byte, n)...)
		k, err := io.ReadFull(s.r, dst[at:])
		s.offset += int64(k)
		if err != nil {
			return dst[:at], s.fail(err)
		}
		left -= int64(n)
	}
	return dst, nil
}

// scratchLimit is what is kept between documents, in bytes. Nearly all need less.
const scratchLimit = 4 << 20

// merger gives the documents of several sealed files in the order of the shuffle. It holds a buffer of each file and
// one document.
type merger struct {
	heap   []*sealedReader // the file with the next document is at the root
	begun  bool
	tokens []byte
}

func newMerger(in []io.Reader, buffer, width int) (*merger, error) {
	m := &merger{}
	for i, r := range in {
		s, err := openSealed(r, buffer, i, width)
		if err != nil {
			return nil, err
		}
		ok, err := s.advance()
		if err != nil {
			return nil, err
		}
		if ok {
			m.heap = append(m.heap, s)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// next gives the next document; tokens are valid until the call after. ok is false at the end.
func (m *merger) next() (key, id uint64, tokens []byte, ok bool, err error) {
	if m.begun {
		s := m.heap[0]
		more, err := s.advance()
		if err != nil {
			return 0, 0, nil, false, err
		}
		if !more {
			last := len(m.heap) - 1
			m.heap[0] = m.heap[last]
			m.heap = m.heap[:last]
		}
		m.sink(0)
	}
	if m.begun = len(m.heap) > 0; !m.begun {
		return 0, 0, nil, false, nil
	}
	s := m.heap[0]
	if cap(m.tokens) > scratchLimit && s.tokens*int64(s.width) < scratchLimit {
		m.tokens = nil
	}
	if m.tokens, err = s.body(m.tokens[:0]); err != nil {
		return 0, 0, nil, false, err
	}
	return s.key, s.id, m.tokens, true, nil
}

func (m *merger) less(i, j int) bool {
	a, b := m.heap[i], m.heap[j]
	return a.key < b.key || a.key == b.key && a.id < b.id
}

// sink moves element i down to where it is not above its children.
func (m *merger) sink(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(m.heap); c++ {
			if m.less(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}
