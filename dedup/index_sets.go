package dedup

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// A set of shingles in an index: how many there are, and then pieces of at most indexPiece of them. Hashes are as good
// as random, so that of n values of 64 bits log2 n bits can be saved each and hardly more. A piece has each value's
// difference to what the least could be, cut in two as Elias and Fano did: the lower bytes as they are, and the rest in
// unary as a bit for each value behind a zero for each step up. A set of 500 shingles takes 7.2 bytes a shingle where they have 64
// bits, and 3.2 where they have 32.
const indexPiece = 4096

// pieceBits is the length of the bit field of n values below 1<<8*low whose largest is last; ok is false where it is too
// long to be of use.
func pieceBits(n int, last uint64, low int) (bits int, ok bool) {
	top := uint64(0)
	if low < 8 {
		top = last >> (8 * low)
	}
	if top > 64*uint64(n)+64 {
		return 0, false
	}
	return n + int(top), true
}

// appendIndexSet appends a set; it ascends, and none is there twice.
func appendIndexSet(dst []byte, set []uint64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(set)))
	base := uint64(0)
	for len(set) > 0 {
		piece := set[:min(len(set), indexPiece)]
		set = set[len(piece):]
		last := piece[len(piece)-1] - base
		low, bits, least := 8, 0, 0
		for l := 8; l >= 0; l-- {
			if b, ok := pieceBits(len(piece), last, l); ok {
				if cost := len(piece)*l + (b+7)/8; l == 8 || cost < least {
					low, bits, least = l, b, cost
				}
			}
		}
		dst = binary.AppendUvarint(dst, uint64(len(piece)))
		dst = append(dst, byte(low))
		dst = binary.AppendUvarint(dst, uint64(bits))
		at := len(dst)
		dst = slices.Grow(dst, least)[:at+(bits+7)/8]
		field := dst[at:]
		clear(field)
		for i, v := range piece {
			bit := uint64(i)
			if low < 8 {
				bit += (v - base) >> (8 * low)
			}
			field[bit/8] |= 1 << (bit % 8)
		}
		for _, v := range piece {
			x := v - base
			for range low {
				dst = append(dst, byte(x))
				x >>= 8
			}
		}
		base = piece[len(piece)-1] + 1 // wraps only behind the last one there can be
	}
	return dst
}

// indexSet reads a set, a piece at a time.
type indexSet struct {
	r     *bufio.Reader
	count int // of the set
	left  int
	base  uint64
	piece []uint64
	raw   []byte
}

func badSet(what string) error { return fmt.Errorf("a set of shingles %s: %w", what, ErrIndex) }

// open reads how many there are.
func (s *indexSet) open(r *bufio.Reader) error {
	n, err := readUvarint(r, 1<<28)
	if err != nil {
		return err
	}
	s.r, s.count, s.left, s.base = r, int(n), int(n), 0
	return nil
}

// readUvarint reads a number up to most.
func readUvarint(r io.ByteReader, most uint64) (uint64, error) {
	n, err := binary.ReadUvarint(r)
	switch {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return 0, badSet("ends early")
	case err == nil && n > most, err != nil && err.Error() == "binary: varint overflows a 64-bit integer":
		return 0, badSet("has a number that cannot be")
	}
	return n, err
}

// next is the next piece, or nothing at the end. It is valid until the next call.
func (s *indexSet) next() ([]uint64, error) {
	if s.left == 0 {
		return nil, nil
	}
	count, err := readUvarint(s.r, uint64(min(s.left, indexPiece)))
	if err != nil {
		return nil, err
	}
	n := int(count)
	low, err := readUvarint(s.r, 8)
	if err != nil {
		return nil, err
	}
	bits, err := readUvarint(s.r, 65*uint64(n)+64)
	if err != nil {
		return nil, err
	}
	if n == 0 || bits < count {
		return nil, badSet("has a piece without values")
	}
	size := int(bits+7)/8 + n*int(low)
	s.raw = slices.Grow(s.raw[:0], size)[:size]
	if _, err := io.ReadFull(s.r, s.raw); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, badSet("ends early")
	} else if err != nil {
		return nil, err
	}
	field, lows := s.raw[:(bits+7)/8], s.raw[(bits+7)/8:]
	s.piece = s.piece[:0]
	begun, last := s.left < s.count, s.base-1
	for bit := uint64(0); bit < bits; bit++ {
		if field[bit/8]>>(bit%8)&1 == 0 {
			continue
		}
		i := len(s.piece)
		if i == n {
			return nil, badSet("has more values than it says")
		}
		x := uint64(0)
		for k := range int(low) {
			x |= uint64(lows[i*int(low)+k]) << (8 * k)
		}
		if low < 8 {
			top := bit - uint64(i)
			if top<<(8*low)>>(8*low) != top {
				return nil, badSet("has a value that cannot be")
			}
			x |= top << (8 * low)
		}
		v := s.base + x
		if v < s.base || begun && v <= last {
			return nil, badSet("has values out of order")
		}
		begun, last = true, v
		s.piece = append(s.piece, v)
	}
	if len(s.piece) < n {
		return nil, badSet("has fewer values than it says")
	}
	if s.left -= n; s.left > 0 && last == 1<<64-1 {
		return nil, badSet("has values behind the last one there can be")
	}
	s.base = last + 1
	return s.piece, nil
}
