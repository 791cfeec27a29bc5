// Package model holds the models of tokenizers, which make tokens of a piece of text (a pretoken): the component model
// of tokenizer.json.
//
// vocabulary.go is tokens and their ids. bpe.go is BPE over bytes and cache.go remembers its pieces; symbols.go is BPE
// over characters, and cut.go finds where a text may be cut for it; wordpiece.go, wordlevel.go and unigram.go are the
// others, with memo.go to remember their pieces, trie.go to find tokens in a text and long.go for very long tokens.
// read.go reads them all. Read model.go first.
package model

import (
	"bytes"
	"fmt"
)

// MaxIDs is one more than the largest id that a token may have. Real vocabularies have up to about 260,000.
const MaxIDs = 1<<21 - 1

// Vocabulary is tokens, as bytes, with their ids. Ids may have gaps.
type Vocabulary struct {
	arena []byte
	spans [][2]uint32 // by id: from, to in arena
	known []bool      // by id
	table []uint32    // id+1 at the hash of its bytes, 0 where there is none; open addressing
	count int
	// aliases are tokens whose id has another name.
	aliases map[string]uint32
}

// Grow makes room for n tokens, ids up to size, with together so many bytes.
func (v *Vocabulary) Grow(n, size, bytes int) {
	if v.arena == nil {
		v.arena = make([]byte, 0, bytes)
		v.spans = make([][2]uint32, 0, size)
		v.known = make([]bool, 0, size)
		v.rehash(n)
	}
}

func (v *Vocabulary) rehash(n int) {
	size := 64
	for size < 2*n {
		size *= 2
	}
	old := v.table
	v.table = make([]uint32, size)
	for _, e := range old {
		if e != 0 {
			h := hashBytes(v.Bytes(e-1)) & uint64(size-1)
			for v.table[h] != 0 {
				h = (h + 1) & uint64(size-1)
			}
			v.table[h] = e
		}
	}
}

// Add gives token the id. Both must be new.
func (v *Vocabulary) Add(id uint32, token []byte) error {
	if id >= MaxIDs {
		return fmt.Errorf("id %d of %q: above %d", id, token, MaxIDs-1)
	}
	if v.Has(id) {
		return fmt.Errorf("id %d stands for both %q and %q", id, v.Bytes(id), token)
	}
	if 2*v.count >= len(v.table) {
		v.rehash(2*v.count + 32)
	}
	mask := uint64(len(v.table) - 1)
	h := hashBytes(token) & mask
	for ; v.table[h] != 0; h = (h + 1) & mask {
		if old := v.table[h] - 1; bytes.Equal(v.Bytes(old), token) {
			return fmt.Errorf("%q has both id %d and %d", token, old, id)
		}
	}
	v.table[h] = id + 1
	v.set(id, token)
	return nil
}

// AddOpaque gives an id to bytes that no text can become: they can only be decoded.
func (v *Vocabulary) AddOpaque(id uint32, token []byte) error {
	if id >= MaxIDs {
		return fmt.Errorf("id %d of %q: above %d", id, token, MaxIDs-1)
	}
	if v.Has(id) {
		return fmt.Errorf("id %d stands for both %q and %q", id, v.Bytes(id), token)
	}
	v.set(id, token)
	return nil
}

// addAlias gives token, which must be new, an id that has a name already. It is looked up like any other.
func (v *Vocabulary) addAlias(id uint32, token []byte) {
	if v.aliases == nil {
		v.aliases = map[string]uint32{}
	}
	v.aliases[string(token)] = id
}

func (v *Vocabulary) set(id uint32, token []byte) {
	if n := int(id) + 1 - len(v.spans); n > 0 {
		v.spans = append(v.spans, make([][2]uint32, n)...)
		v.known = append(v.known, make([]bool, n)...)
	}
	lo := len(v.arena)
	v.arena = append(v.arena, token...)
	v.spans[id] = [2]uint32{uint32(lo), uint32(len(v.arena))}
	v.known[id] = true
	v.count++
}

// Lookup is the id of token.
func (v *Vocabulary) Lookup(token []byte) (id uint32, ok bool) {
	if len(v.table) == 0 {
		return 0, false
	}
	mask := uint64(len(v.table) - 1)
	for h := hashBytes(token) & mask; ; h = (h + 1) & mask {
		e := v.table[h]
		if e == 0 {
			if v.aliases != nil {
				id, ok = v.aliases[string(token)]
			}
			return id, ok
		}
		if s := v.spans[e-1]; bytes.Equal(v.arena[s[0]:s[1]], token) {
			return e - 1, true
		}
	}
}

// Has says whether id stands for a token.
func (v *Vocabulary) Has(id uint32) bool { return int(id) < len(v.known) && v.known[id] }

// Bytes are the token's; none if there is no such id. They must not be written to.
func (v *Vocabulary) Bytes(id uint32) []byte {
	if !v.Has(id) {
		return nil
	}
	s := v.spans[id]
	return v.arena[s[0]:s[1]:s[1]]
}

// Length is how many bytes the token of id has; 0 if there is no such id.
func (v *Vocabulary) Length(id uint32) int {
	if !v.Has(id) {
		return 0
	}
	s := &v.spans[id]
	return int(s[1] - s[0])
}

// Size is the largest id + 1.
func (v *Vocabulary) Size() int { return len(v.spans) }

// Len is the number of tokens.
func (v *Vocabulary) Len() int { return v.count }

// Memory is what the vocabulary holds, in bytes.
func (v *Vocabulary) Memory() int64 {
	n := int64(cap(v.arena) + 8*cap(v.spans) + cap(v.known) + 4*cap(v.table))
	for name := range v.aliases {
		n += int64(len(name)) + 48 // about what a map takes for an entry
	}
	return n
}
