package runs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

const (
	// bufferSize is what is read of a run at a time, in bytes, where the caller says nothing.
	bufferSize = 64 << 10
	// minBuffer is the least: below it the calls cost more than the bytes.
	minBuffer = 4 << 10
)

// Merge writes the items of all runs in order to w. It holds 64 KiB of each run. A run that is not whole items in
// order is an error that names its place in runs, from 0.
func Merge(w io.Writer, width int, runs []io.Reader) error {
	return copyItems(w, NewIterator(runs, width, nil), make([]byte, 0, bufferSize))
}

// copyItems writes what is left of it, through the memory of out.
func copyItems(w io.Writer, it *Iterator, out []byte) error {
	out = out[:0]
	for it.Next() {
		if len(out)+it.width > cap(out) && len(out) > 0 {
			if _, err := w.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
		out = append(out, it.Item()...)
	}
	if it.Err() != nil || len(out) == 0 {
		return it.Err()
	}
	_, err := w.Write(out)
	return err
}

// Iterator gives the items of several runs in order. It is for one goroutine.
//
// It is a tournament: each run stands at a leaf with its next item, tree[0] is the winner, the smallest of all,
// and tree[i] the loser of the match at inner node i. After the winner's run has moved on, only the matches on its
// way up are played again: log2(runs) comparisons an item (Knuth, TAOCP 3, 5.4.1).
type Iterator struct {
	width int
	in    []source
	tree  []int32
	begun bool
	err   error
}

// NewIterator reads runs of items of width bytes. space is memory to read into, of which each run gets an equal
// part of at most 64 KiB; with nil, or too little of it, memory is made.
func NewIterator(runs []io.Reader, width int, space []byte) *Iterator {
	it := newIterator(len(runs), width, space)
	for i := range it.in {
		it.in[i].r, it.in[i].left = runs[i], -1
	}
	return it
}

func newIterator(n, width int, space []byte) *Iterator {
	mustFit(0, width)
	it := &Iterator{width: width, in: make([]source, n), tree: make([]int32, n)}
	if n == 0 {
		return it
	}
	each := bufferSize
	if space != nil {
		each = min(each, len(space)/n)
	}
	if each = max(each, minBuffer, 2*width); each*n > len(space) {
		space = make([]byte, each*n)
	}
	for i := range it.in {
		it.in[i].buf = space[i*each : (i+1)*each : (i+1)*each]
	}
	return it
}

// Next moves to the next item, the first at the first call. It is false at the end and after an error.
func (it *Iterator) Next() bool {
	if it.err != nil || len(it.in) == 0 {
		return false
	}
	if !it.begun {
		it.begun = true
		for i := range it.in {
			if !it.advance(i) {
				return false
			}
		}
		it.tree[0] = it.play(1)
	} else {
		at := it.tree[0]
		if it.in[at].done || !it.advance(int(at)) {
			return false
		}
		for i := (int(at) + len(it.in)) / 2; i > 0; i /= 2 {
			if it.less(it.tree[i], at) {
				it.tree[i], at = at, it.tree[i]
			}
		}
		it.tree[0] = at
	}
	return !it.in[it.tree[0]].done
}

// play plays the matches below node and returns the winner; leaf i is node len(in)+i.
func (it *Iterator) play(node int) int32 {
	if n := len(it.in); node >= n {
		return int32(node - n)
	}
	a, b := it.play(2*node), it.play(2*node+1)
	if it.less(b, a) {
		a, b = b, a
	}
	it.tree[node] = b
	return a
}

func (it *Iterator) less(a, b int32) bool {
	x, y := &it.in[a], &it.in[b]
	if x.key != y.key {
		return x.key < y.key
	}
	if x.done || y.done {
		return !x.done
	}
	return bytes.Compare(x.item(it.width), y.item(it.width)) < 0
}

// Item is the current item, after Next was true. It is valid until the next call of Next.
func (it *Iterator) Item() []byte { return it.in[it.tree[0]].item(it.width) }

// Err is what ended the items early.
func (it *Iterator) Err() error { return it.err }

func (it *Iterator) advance(i int) bool {
	if err := it.in[i].advance(it.width); err != nil {
		it.err = fmt.Errorf("run %d: %w", i, err)
		return false
	}
	return true
}

// source is one run.
type source struct {
	r       io.Reader
	left    int64  // bytes that must still come; -1 if nobody knows
	items   int64  // read so far
	buf     []byte // the item before the others, then items
	at, end int    // the current item and the end of the items in buf
	key     uint64 // the current item's first 8 bytes: most comparisons need no more
	done    bool
}

func (s *source) item(width int) []byte { return s.buf[s.at : s.at+width] }

func (s *source) advance(width int) error {
	if s.at += width; s.at >= s.end {
		if err := s.fill(width); err != nil || s.done {
			return err
		}
	}
	item := s.item(width)
	key := first8(item)
	if s.items++; s.items > 1 && (key < s.key || key == s.key && bytes.Compare(item, s.buf[s.at-width:s.at]) < 0) {
		return fmt.Errorf("item %d is smaller than the one before it", s.items-1)
	}
	s.key = key
	return nil
}

func (s *source) fill(width int) error {
	if s.end > 0 {
		copy(s.buf[:width], s.buf[s.end-width:s.end])
	}
	room := s.buf[width:]
	room = room[:len(room)-len(room)%width]
	if s.left >= 0 {
		room = room[:min(int64(len(room)), s.left)]
	}
	n := 0
	for n < len(room) {
		m, err := s.r.Read(room[n:])
		n += m
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if s.left >= 0 && n < len(room) {
		return fmt.Errorf("ends %d bytes early: %w", s.left-int64(n), io.ErrUnexpectedEOF)
	}
	if n%width != 0 {
		return fmt.Errorf("%d bytes are left behind the last item of %d bytes", n%width, width)
	}
	if s.left >= 0 {
		s.left -= int64(n)
	}
	s.at, s.end = width, width+n
	if n == 0 {
		s.done, s.key = true, math.MaxUint64
	}
	return nil
}

// first8 is a number that orders as the first 8 bytes do.
func first8(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var k [8]byte
	copy(k[:], b)
	return binary.BigEndian.Uint64(k[:])
}
