package runs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// CorruptError is a sealed file that no Seal or Merge has written.
type CorruptError struct {
	Stage  string
	Input  int   // which of those that were read together, from 0
	Offset int64 // byte after what could not be used
	Cause  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: sealed file %d is damaged before byte %d: %s; remove it and run again", e.Stage, e.Input, e.Offset, e.Cause)
}

// Reader reads a sealed file that is no run of items but has a format of its own, piece by piece, and knows where it is.
// What ends too early is a *CorruptError; an error of reading stays what it is.
type Reader struct {
	r      *bufio.Reader
	stage  string
	input  int
	offset int64
}

// NewReader reads r through a buffer of so many bytes. stage and input are for messages.
func NewReader(r io.Reader, buffer int, stage string, input int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, buffer), stage: stage, input: input}
}

// Reset goes on with r, which begins at that byte of the file.
func (s *Reader) Reset(r io.Reader, offset int64) {
	s.r.Reset(r)
	s.offset = offset
}

// Offset is how many bytes of the file come before what is read next.
func (s *Reader) Offset() int64 { return s.offset }

// Read implements io.Reader.
func (s *Reader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.offset += int64(n)
	return n, err
}

// Input is the number of the file among those that are read together.
func (s *Reader) Input() int { return s.input }

// Corrupt is the error for what no Seal or Merge has written, before the place that has been reached.
func (s *Reader) Corrupt(cause string) error {
	return &CorruptError{s.stage, s.input, s.offset, cause}
}

// Fail makes an end of the file a damage; an error of reading stays what it is.
func (s *Reader) Fail(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.Corrupt("it ends too early")
	}
	return err
}

// Magic reads what a file begins with. of says whose it should be, for the message.
func (s *Reader) Magic(magic, of string) error {
	head := make([]byte, len(magic))
	if err := s.Full(head); err != nil {
		return err
	}
	if string(head) != magic {
		return s.Corrupt("it is no sealed file of " + of)
	}
	return nil
}

// Full fills b.
func (s *Reader) Full(b []byte) error {
	n, err := io.ReadFull(s.r, b)
	if s.offset += int64(n); err != nil {
		return s.Fail(err)
	}
	return nil
}

// Byte reads one.
func (s *Reader) Byte() (byte, error) {
	c, err := s.ReadByte()
	if err != nil {
		return 0, s.Fail(err)
	}
	return c, nil
}

// Skip passes over n bytes.
func (s *Reader) Skip(n int64) error {
	for n > 0 {
		k, err := s.r.Discard(int(min(n, 1<<30)))
		if s.offset += int64(k); err != nil {
			return s.Fail(err)
		}
		n -= int64(k)
	}
	return nil
}

// ReadByte implements io.ByteReader for varints.
func (s *Reader) ReadByte() (byte, error) {
	c, err := s.r.ReadByte()
	if err == nil {
		s.offset++
	}
	return c, err
}

// Number reads a varint (encoding/binary) in its shortest form, so that equal content has equal bytes.
func (s *Reader) Number() (uint64, error) {
	before := s.offset
	v, err := binary.ReadUvarint(s)
	if err != nil {
		if s.offset-before >= binary.MaxVarintLen64 {
			return 0, s.Corrupt("a number above 2^64-1")
		}
		return 0, s.Fail(err)
	}
	if n := s.offset - before; n > 1 && v>>(7*(n-1)) == 0 {
		return 0, s.Corrupt("a number with leading zeros")
	}
	return v, nil
}

// Below reads a number that is less than limit; what says of what, for the message.
func (s *Reader) Below(limit uint64, what string) (int64, error) {
	n, err := s.Number()
	if err == nil && n >= limit {
		err = s.Corrupt(fmt.Sprintf("%d %s", n, what))
	}
	return int64(n), err
}

// End reads the last number, which says how many there were, and wants the file to end with it.
func (s *Reader) End(count uint64, what string) error {
	n, err := s.Number()
	if err != nil {
		return err
	}
	if n != count {
		return s.Corrupt(fmt.Sprintf("it tells of %d %s and holds %d", n, what, count))
	}
	switch _, err := s.r.ReadByte(); {
	case err == nil:
		return s.Corrupt("bytes after the end")
	case err != io.EOF:
		return err
	}
	return nil
}
