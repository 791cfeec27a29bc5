package stats

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed file is a list of groups:
//
//	┌──────────┬─────────────────────────┬───┬─────────────┐
//	│ magic 8B │ group, again and again  │ 0 │ groups uv   │
//	└──────────┴─────────────────────────┴───┴─────────────┘
//	group:  length+1 uv │ name │ documents uv │ bytes uv │ characters uv │ words uv │ lines uv
//
// uv is an unsigned varint of encoding/binary. Names (group.go) rise bytewise, and no two are the same; each has
// one document at least, and numbers fit into an int64. The last number is how many groups there were, and the
// file ends with it: a file cut short is told from a whole one.
const magic = "stats\x00\x00\x01"

// CorruptError is a sealed file that no Seal or Merge has written.
type CorruptError struct {
	Input  int   // which of those that were merged, from 0
	Offset int64 // byte after what could not be used
	Cause  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("stats: sealed file %d is damaged before byte %d: %s; remove it and run again", e.Input, e.Offset, e.Cause)
}

type sealedWriter struct {
	w      *bufio.Writer
	buf    []byte
	groups uint64
}

// newSealedWriter begins a file; an error of the writer is that of end.
func newSealedWriter(w io.Writer) *sealedWriter {
	sw := &sealedWriter{w: bufio.NewWriter(w)}
	sw.w.WriteString(magic)
	return sw
}

func (sw *sealedWriter) put(name []byte, c Counts) error {
	b := binary.AppendUvarint(sw.buf[:0], uint64(len(name))+1)
	b = append(b, name...)
	for _, n := range c.list() {
		b = binary.AppendUvarint(b, uint64(n))
	}
	sw.buf = b
	sw.groups++
	_, err := sw.w.Write(b)
	return err
}

func (sw *sealedWriter) end() error {
	sw.w.Write(binary.AppendUvarint([]byte{0}, sw.groups))
	return sw.w.Flush()
}

// sealedReader reads one file, a group at a time, and checks all that the format promises.
type sealedReader struct {
	r       *bufio.Reader
	offset  int64
	input   int
	grouped bool

	name   []byte // of the group in hand
	next   []byte
	counts Counts
	groups uint64
}

func newSealedReader(r io.Reader, buffer, input int, grouped bool) *sealedReader {
	return &sealedReader{r: bufio.NewReaderSize(r, buffer), input: input, grouped: grouped}
}

func (s *sealedReader) corrupt(cause string) error { return &CorruptError{s.input, s.offset, cause} }

// fail makes an end of the file a damage; an error of reading stays what it is.
func (s *sealedReader) fail(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.corrupt("it ends too early")
	}
	return err
}

func (s *sealedReader) begin() error {
	var head [len(magic)]byte
	n, err := io.ReadFull(s.r, head[:])
	s.offset += int64(n)
	if err != nil {
		return s.fail(err)
	}
	if string(head[:]) != magic {
		return s.corrupt("it is no sealed file of stats")
	}
	return nil
}

// number reads a varint in its shortest form, so that equal groups have equal bytes.
func (s *sealedReader) number() (uint64, error) {
	var v uint64
	for shift := uint(0); shift < 63; shift += 7 {
		c, err := s.r.ReadByte()
		if err != nil {
			return 0, s.fail(err)
		}
		s.offset++
		v |= uint64(c&0x7F) << shift
		if c < 0x80 {
			if c == 0 && shift > 0 {
				return 0, s.corrupt("a number with leading zeros")
			}
			return v, nil
		}
	}
	return 0, s.corrupt("a number above 2^63-1")
}

// advance reads the next group into name and counts. ok is false at the end of the file.
func (s *sealedReader) advance() (ok bool, err error) {
	n, err := s.number()
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, s.end()
	}
	if n--; n > maxValue+1 {
		return false, s.corrupt("a name is too long")
	}
	if cap(s.next) < int(n) {
		s.next = make([]byte, n, maxValue+1)
	}
	s.next = s.next[:n]
	k, err := io.ReadFull(s.r, s.next)
	s.offset += int64(k)
	if err != nil {
		return false, s.fail(err)
	}
	if !checkName(s.next, s.grouped) {
		return false, s.corrupt("the name is none of a group")
	}
	if s.groups > 0 && bytes.Compare(s.next, s.name) <= 0 {
		return false, s.corrupt("names do not rise")
	}
	s.name, s.next = s.next, s.name
	var list [len(names)]int64
	for i := range list {
		v, err := s.number()
		if err != nil {
			return false, err
		}
		list[i] = int64(v)
	}
	if list[0] == 0 {
		return false, s.corrupt("a group without documents")
	}
	s.counts = fromList(list)
	s.groups++
	return true, nil
}

func (s *sealedReader) end() error {
	n, err := s.number()
	if err != nil {
		return err
	}
	if n != s.groups {
		return s.corrupt(fmt.Sprintf("it tells of %d groups and holds %d", n, s.groups))
	}
	switch _, err := s.r.ReadByte(); {
	case err == nil:
		return s.corrupt("bytes after the end")
	case err != io.EOF:
		return err
	}
	return nil
}

// merge calls put for each group of all inputs, in order, with the sums. name is valid during the call. It holds
// buffer bytes and two names of each input.
func (s *Stats) merge(in []io.Reader, buffer int, put func(name []byte, c Counts) error) error {
	// heap has the input with the least name at its root.
	heap := make([]*sealedReader, 0, len(in))
	for i, r := range in {
		sr := newSealedReader(r, buffer, i, s.grouped)
		if err := sr.begin(); err != nil {
			return err
		}
		ok, err := sr.advance()
		if err != nil {
			return err
		}
		if ok {
			heap = append(heap, sr)
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	var name []byte
	for groups := 0; len(heap) > 0; groups++ {
		if groups >= s.maxGroups {
			return s.tooMany()
		}
		name = append(name[:0], heap[0].name...)
		var sum Counts
		for len(heap) > 0 && bytes.Equal(heap[0].name, name) {
			if err := sum.add(heap[0].counts); err != nil {
				return heap[0].corrupt(err.Error())
			}
			ok, err := heap[0].advance()
			if err != nil {
				return err
			}
			if !ok {
				last := len(heap) - 1
				heap[0] = heap[last]
				heap = heap[:last]
			}
			sink(heap, 0)
		}
		if err := put(name, sum); err != nil {
			return err
		}
	}
	return nil
}

// sink moves element i down to where it is not above its children.
func sink(heap []*sealedReader, i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(heap); c++ {
			if bytes.Compare(heap[c].name, heap[least].name) < 0 {
				least = c
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}
