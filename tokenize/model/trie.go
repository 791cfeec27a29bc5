package model

import (
	"fmt"
	"math/bits"
)

// trie is byte strings with a value each, to be found at the beginning of a text. Its edges are one flat open-addressed
// table: of a vocabulary's many nodes nearly all have one child, and a table a node would be mostly empty.
type trie struct {
	edges []trieEdge
	count int
	shift uint     // of the hash, so that what is left is an index
	root  []uint32 // the root's children by byte, 0 where there is none
	value []uint32 // by node, noID where no string ends; node 0 is the root
}

type trieEdge struct {
	key  uint32 // parent<<8 | byte
	node uint32 // 0 is an empty edge
}

// maxNodes bounds the nodes of a trie: the largest real vocabulary of this kind, XLM-R's, has about 800,000.
const maxNodes = 1 << 24

func newTrie(nodes int) *trie {
	t := &trie{root: make([]uint32, 256), value: make([]uint32, 1, max(min(nodes, maxNodes), 1))}
	t.value[0] = noID
	t.resize(1 << 10)
	return t
}

func (t *trie) resize(size int) {
	old := t.edges
	t.edges = make([]trieEdge, size)
	t.shift = uint(64 - bits.TrailingZeros(uint(size)))
	for _, e := range old {
		if e.node != 0 {
			*t.slot(e.key) = e
		}
	}
}

// slot is the edge of key, or the empty one where it would be.
func (t *trie) slot(key uint32) *trieEdge {
	mask := uint64(len(t.edges) - 1)
	for h := uint64(key) * mixA >> t.shift; ; h++ {
		if e := &t.edges[h&mask]; e.node == 0 || e.key == key {
			return e
		}
	}
}

// child is the node below node, 0 if there is none.
func (t *trie) child(node uint32, b byte) uint32 {
	if node == 0 {
		return t.root[b]
	}
	return t.slot(node<<8 | uint32(b)).node
}

// add makes the child of node.
func (t *trie) add(node uint32, b byte) (uint32, error) {
	if n := t.child(node, b); n != 0 {
		return n, nil
	}
	if len(t.value) == maxNodes {
		return 0, fmt.Errorf("its tokens are too many and too long: they differ in more than %d places", maxNodes)
	}
	n := uint32(len(t.value))
	t.value = append(t.value, noID)
	if node == 0 {
		t.root[b] = n
		return n, nil
	}
	if t.count++; 2*t.count > len(t.edges) {
		t.resize(2 * len(t.edges))
	}
	*t.slot(node<<8 | uint32(b)) = trieEdge{node<<8 | uint32(b), n}
	return n, nil
}

// put gives key the value. The empty key is never found.
func (t *trie) put(key []byte, value uint32) error {
	node := uint32(0)
	var err error
	for _, b := range key {
		if node, err = t.add(node, b); err != nil {
			return err
		}
	}
	if node != 0 {
		t.value[node] = value
	}
	return nil
}

// walk is the node at the end of key. ok is false if no string begins so.
func (t *trie) walk(key []byte) (node uint32, ok bool) {
	for _, b := range key {
		if node = t.child(node, b); node == 0 {
			return 0, false
		}
	}
	return node, true
}

func (t *trie) memory() int64 { return int64(8*cap(t.edges) + 4*cap(t.root) + 4*cap(t.value)) }
