package sentencepiece

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// CharsMap replaces character sequences: NormalizerSpec.precompiled_charsmap, a double-array trie and the
// replacements behind it. It is immutable and may be shared.
//
// The file's layout is: 4 bytes, little-endian: the size of the trie in bytes; the trie, units of 4 bytes,
// little-endian; the replacements, each ended by a zero byte (Normalizer::EncodePrecompiledCharsMap of normalizer.cc).
type CharsMap struct {
	units      []uint32
	texts      []byte
	wellFormed bool // all replacements are UTF-8
}

// A unit of the trie is (DoubleArrayUnit of darts-clone's darts.h):
//
//	bits 0-7   the byte that leads here; with bit 31, the unit is a leaf and the other bits its value
//	bit  8     there is a leaf below
//	bit  9     the offset is in steps of 256
//	bits 10-30 the offset: XOR of it, the unit's place and a byte is the place of the unit below for that byte
type unit = uint32

const leaf unit = 1 << 31

func unitOffset(u unit) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
func unitLabel(u unit) uint32  { return u & (leaf | 0xff) }
func unitHasLeaf(u unit) bool  { return u>>8&1 == 1 }

const (
	// charsMapMatches is how many of the sequences that a text begins with SentencePiece looks at
	// (Normalizer::kMaxTrieResultsSize of normalizer.h).
	charsMapMatches = 32

	// A sequence and its replacement may be this long, in bytes; our limit, so that a table of a stranger cannot make
	// a text endless. In NFKC, the longest replacement is that of U+FDFA, with 33 bytes.
	charsMapLongest = 255
)

// ReadCharsMap reads what is in a .model file, or (from base64) in the normalizer Precompiled of a tokenizer.json.
func ReadCharsMap(blob []byte) (*CharsMap, error) {
	if len(blob) <= 4 {
		return nil, fmt.Errorf("a charsmap of %d bytes: the size of its trie alone takes 4", len(blob))
	}
	size := binary.LittleEndian.Uint32(blob)
	switch {
	case uint64(size) >= uint64(len(blob)-4):
		return nil, fmt.Errorf("charsmap: a trie of %d bytes does not fit into the %d that are there", size, len(blob)-4)
	case size < 1024 || size%1024 != 0:
		return nil, fmt.Errorf("charsmap: a trie of %d bytes, not of a multiple of 1024", size)
	case blob[len(blob)-1] != 0:
		return nil, errors.New("charsmap: the last replacement is not ended by a zero byte")
	}
	c := &CharsMap{units: make([]unit, size/4), texts: bytes.Clone(blob[4+size:]), wellFormed: true}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(blob[4+4*i:])
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("charsmap: %w", err)
	}
	return c, nil
}

// validate sees to it that no walk leaves the table (as DoubleArrayImpl::validate of sentencepiece's darts.h), that
// none goes round in circles, and that no replacement is longer than it may be.
func (c *CharsMap) validate() error {
	n := uint32(len(c.units))
	if root := c.units[0]; unitLabel(root) != 0 || unitHasLeaf(root) || unitOffset(root) == 0 || unitOffset(root)|0xff >= n {
		return errors.New("unit 0 is no root")
	}
	for i, u := range c.units {
		if i == 0 {
			continue
		}
		if u&leaf != 0 {
			if u&^leaf >= uint32(len(c.texts)) {
				return fmt.Errorf("unit %d: replacement %d is behind the last one", i, u&^leaf)
			}
			continue
		}
		at := uint32(i) ^ unitOffset(u)
		if at|0xff >= n {
			return fmt.Errorf("unit %d points to unit %d of %d", i, at, n)
		}
		if !unitHasLeaf(u) {
			continue
		}
		v := c.units[at]
		if v&leaf == 0 {
			return fmt.Errorf("unit %d has no replacement", i)
		}
		if v&^leaf >= uint32(len(c.texts)) {
			continue // unit at says so
		}
		text := c.texts[v&^leaf:]
		end := bytes.IndexByte(text[:min(len(text), charsMapLongest+1)], 0)
		if end < 0 {
			return fmt.Errorf("unit %d: the replacement has more than %d bytes", i, charsMapLongest)
		}
		c.wellFormed = c.wellFormed && utf8.Valid(text[:end])
	}
	return c.measure()
}

// measure refuses walks of more than charsMapLongest bytes, circles among them. Units with the same place XOR offset
// have the same units below them; that number is the vertex of a graph with an edge for each unit.
func (c *CharsMap) measure() error {
	n := len(c.units)
	base := func(i int32) int32 { return i ^ int32(unitOffset(c.units[i])) }
	// below[b] is the first of the units below b, next[i] the one after unit i; plus 1, and 0 ends the list.
	below, next := make([]int32, n), make([]int32, n)
	for i := n - 1; i > 0; i-- {
		if u := c.units[i]; u&leaf == 0 {
			b := i ^ int(u&0xff)
			next[i], below[b] = below[b], int32(i)+1
		}
	}
	// depth is 1 plus the longest walk from a vertex; 0 is not measured, -1 on the stack.
	depth := make([]int16, n)
	type step struct {
		vertex, unit int32
		depth        int16
	}
	root := base(0)
	stack := []step{{root, below[root], 1}}
	for depth[root] = -1; len(stack) > 0; {
		s := &stack[len(stack)-1]
		if s.unit == 0 {
			done := *s
			depth[done.vertex] = done.depth
			if stack = stack[:len(stack)-1]; len(stack) > 0 {
				s = &stack[len(stack)-1] // back at the unit that led here
				s.unit, s.depth = next[s.unit-1], max(s.depth, done.depth+1)
			}
			continue
		}
		switch b := base(s.unit - 1); {
		case depth[b] < 0:
			return fmt.Errorf("unit %d leads back to where a walk comes from", s.unit-1)
		case depth[b] > 0:
			s.unit, s.depth = next[s.unit-1], max(s.depth, depth[b]+1)
		case len(stack) > charsMapLongest:
			return fmt.Errorf("a sequence of more than %d bytes", charsMapLongest)
		default:
			depth[b] = -1
			stack = append(stack, step{b, below[b], 1})
		}
	}
	if depth[root]-1 > charsMapLongest {
		return fmt.Errorf("a sequence of %d bytes, more than %d", depth[root]-1, charsMapLongest)
	}
	return nil
}

// Longest is the longest sequence that text begins with and that has a replacement; n, its length in bytes, is 0 if
// there is none.
func (c *CharsMap) Longest(text []byte) (replacement []byte, n int) {
	found, value := 0, unit(0)
	at := unitOffset(c.units[0])
	for i, b := range text {
		at ^= uint32(b)
		u := c.units[at]
		if unitLabel(u) != uint32(b) {
			break
		}
		at ^= unitOffset(u)
		if unitHasLeaf(u) {
			n, value = i+1, c.units[at]&^leaf
			if found++; found == charsMapMatches {
				break
			}
		}
	}
	if n == 0 {
		return nil, 0
	}
	return c.replacement(value), n
}

// Shortest is the shortest of them, which HF tokenizers takes (spm_precompiled's transform). A zero byte ends the text
// there.
func (c *CharsMap) Shortest(text []byte) (replacement []byte, n int) {
	at := unitOffset(c.units[0])
	for i, b := range text {
		at ^= uint32(b)
		u := c.units[at]
		if b == 0 || unitLabel(u) != uint32(b) {
			break
		}
		at ^= unitOffset(u)
		if unitHasLeaf(u) {
			return c.replacement(c.units[at] &^ leaf), i + 1
		}
	}
	return nil, 0
}

// replacement is never nil.
func (c *CharsMap) replacement(at uint32) []byte {
	end := at
	for c.texts[end] != 0 {
		end++
	}
	return c.texts[at:end:end]
}

// leads says whether a sequence that is longer than b begins with b and an ASCII character, or b is a sequence.
func (c *CharsMap) leads(b byte) bool {
	at := unitOffset(c.units[0]) ^ uint32(b)
	u := c.units[at]
	if unitLabel(u) != uint32(b) {
		return false
	}
	if unitHasLeaf(u) {
		return true
	}
	at ^= unitOffset(u)
	for next := range uint32(utf8.RuneSelf) {
		if unitLabel(c.units[at^next]) == next {
			return true
		}
	}
	return false
}
