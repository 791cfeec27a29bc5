package stats

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"

	"curate/stage/runs"
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
	*runs.Reader
	grouped bool

	name   []byte // of the group in hand
	next   []byte
	counts Counts
	groups uint64
}

func newSealedReader(r io.Reader, buffer, input int, grouped bool) *sealedReader {
	return &sealedReader{Reader: runs.NewReader(r, buffer, "stats", input), grouped: grouped}
}

// advance reads the next group into name and counts. ok is false at the end of the file.
func (s *sealedReader) advance() (ok bool, err error) {
	n, err := s.Number()
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, s.End(s.groups, "groups")
	}
	if n--; n > maxValue+1 {
		return false, s.Corrupt("a name is too long")
	}
	if cap(s.next) < int(n) {
		s.next = make([]byte, n, maxValue+1)
	}
	s.next = s.next[:n]
	if err := s.Full(s.next); err != nil {
		return false, err
	}
	if !CheckGroup(s.next, s.grouped) {
		return false, s.Corrupt("the name is none of a group")
	}
	if s.groups > 0 && bytes.Compare(s.next, s.name) <= 0 {
		return false, s.Corrupt("names do not rise")
	}
	s.name, s.next = s.next, s.name
	var list [len(names)]int64
	for i := range list {
		if list[i], err = s.Below(1<<63, "is above 2^63-1"); err != nil {
			return false, err
		}
	}
	if list[0] == 0 {
		return false, s.Corrupt("a group without documents")
	}
	s.counts = fromList(list)
	s.groups++
	return true, nil
}

// merge calls put for each group of all inputs, in order, with the sums. name is valid during the call. It holds
// buffer bytes and two names of each input.
func (s *Stats) merge(in []io.Reader, buffer int, put func(name []byte, c Counts) error) error {
	// heap has the input with the least name at its root.
	heap := make([]*sealedReader, 0, len(in))
	for i, r := range in {
		sr := newSealedReader(r, buffer, i, s.grouped)
		if err := sr.Magic(magic, "stats"); err != nil {
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
				return heap[0].Corrupt(err.Error())
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
