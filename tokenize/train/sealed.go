package train

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"math"

	"curate/stage/runs"
)

// A sealed file is a list of pretokens with their counts:
//
//	┌──────────┬────────────────────────────┬───┬───┬──────────────┐
//	│ magic 8B │ pretoken, again and again  │ 0 │ 0 │ pretokens uv │
//	└──────────┴────────────────────────────┴───┴───┴──────────────┘
//	pretoken:  shared uv │ rest uv │ rest of them │ count uv
//
// uv is an unsigned varint of encoding/binary. A pretoken is the first shared bytes of the one before it and the
// rest; it shares as many as there are, rises bytewise, has 1 to maxPretoken bytes, and a count of 1 to 2^63-1. The
// last number is how many there were, and the file ends with it: a file cut short is told from a whole one.
const magic = "bpewrds\x01"

type sealedWriter struct {
	w     *bufio.Writer
	buf   []byte
	last  []byte
	count uint64
}

// newSealedWriter begins a file; an error of the writer is that of end.
func newSealedWriter(w io.Writer) *sealedWriter {
	sw := &sealedWriter{w: bufio.NewWriter(w)}
	sw.w.WriteString(magic)
	return sw
}

func (sw *sealedWriter) put(pretoken []byte, count uint64) error {
	shared := commonPrefix(sw.last, pretoken)
	b := binary.AppendUvarint(sw.buf[:0], uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(pretoken)-shared))
	b = append(b, pretoken[shared:]...)
	b = binary.AppendUvarint(b, count)
	sw.buf = b
	sw.last = append(sw.last[:shared], pretoken[shared:]...)
	sw.count++
	_, err := sw.w.Write(b)
	return err
}

func (sw *sealedWriter) end() error {
	sw.w.Write(binary.AppendUvarint([]byte{0, 0}, sw.count))
	return sw.w.Flush()
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// sealedReader reads one file, a pretoken at a time, and checks all that the format promises.
type sealedReader struct {
	*runs.Reader
	pretoken []byte // in hand
	count    uint64
	read     uint64
}

func newSealedReader(r io.Reader, buffer, input int) *sealedReader {
	return &sealedReader{Reader: runs.NewReader(r, buffer, "tokenizer", input)}
}

func (s *sealedReader) number() (uint64, error) {
	n, err := s.Below(1<<63, "is above 2^63-1")
	return uint64(n), err
}

// advance reads the next pretoken and its count. ok is false at the end of the file.
func (s *sealedReader) advance() (ok bool, err error) {
	shared, err := s.number()
	if err != nil {
		return false, err
	}
	rest, err := s.number()
	if err != nil {
		return false, err
	}
	switch {
	case shared == 0 && rest == 0:
		return false, s.End(s.read, "pretokens")
	case shared > uint64(len(s.pretoken)):
		return false, s.Corrupt("a pretoken shares more than there was before it")
	case rest == 0:
		return false, s.Corrupt("pretokens do not rise")
	case shared+rest > maxPretoken: // the first is small, so there is no overflow
		return false, s.Corrupt("a pretoken is too long")
	}
	old := -1 // the byte behind what is shared
	if shared < uint64(len(s.pretoken)) {
		old = int(s.pretoken[shared])
	}
	n := int(shared + rest)
	if cap(s.pretoken) < n {
		s.pretoken = append(make([]byte, 0, min(2*n, maxPretoken)), s.pretoken...)
	}
	s.pretoken = s.pretoken[:n]
	if err := s.Full(s.pretoken[shared:]); err != nil {
		return false, err
	}
	if int(s.pretoken[shared]) <= old {
		return false, s.Corrupt("pretokens do not rise, or share more than they say")
	}
	if s.count, err = s.number(); err != nil {
		return false, err
	}
	if s.count == 0 {
		return false, s.Corrupt("a pretoken that never occurred")
	}
	s.read++
	return true, nil
}

// mergeSealed calls put for each pretoken of all inputs, in order, with the sum of its counts. pretoken is valid
// during the call. It holds buffer bytes and a pretoken of each input.
func mergeSealed(in []io.Reader, buffer int, put func(pretoken []byte, count uint64) error) error {
	// heap has the input with the least pretoken at its root.
	heap := make([]*sealedReader, 0, len(in))
	for i, r := range in {
		sr := newSealedReader(r, buffer, i)
		if err := sr.Magic(magic, "pretokens"); err != nil {
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
	var pretoken []byte
	for len(heap) > 0 {
		pretoken = append(pretoken[:0], heap[0].pretoken...)
		var sum uint64
		for len(heap) > 0 && bytes.Equal(heap[0].pretoken, pretoken) {
			if heap[0].count > math.MaxInt64-sum {
				return heap[0].Corrupt(errOverflow.Error())
			}
			sum += heap[0].count
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
		if err := put(pretoken, sum); err != nil {
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
			if bytes.Compare(heap[c].pretoken, heap[least].pretoken) < 0 {
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
