package url

import "unsafe"

// trie finds any of many words in a text in one pass: Aho and Corasick 1975 (CACM 18/6). The children of a node are a list, so that a
// node is small; there are 36 letters at most.
type trie struct{ nodes []node }

type node struct {
	child, next int32 // first child, next sibling; 0 is none
	fail        int32 // the node of the longest proper suffix that is in the trie
	letter      byte
	end         bool // a word ends here, or at a suffix
}

const nodeSize = int(unsafe.Sizeof(node{}))

func (t *trie) add(word []byte) {
	if len(t.nodes) == 0 {
		t.nodes = append(t.nodes, node{})
	}
	at := int32(0)
	for _, c := range word {
		n := t.child(at, c)
		if n == 0 {
			n = int32(len(t.nodes))
			t.nodes = append(t.nodes, node{letter: c, next: t.nodes[at].child})
			t.nodes[at].child = n
		}
		at = n
	}
	t.nodes[at].end = true
}

func (t *trie) child(at int32, c byte) int32 {
	for n := t.nodes[at].child; n != 0; n = t.nodes[n].next {
		if t.nodes[n].letter == c {
			return n
		}
	}
	return 0
}

// step is where the letter leads from a node.
func (t *trie) step(at int32, c byte) int32 {
	for {
		if n := t.child(at, c); n != 0 || at == 0 {
			return n
		}
		at = t.nodes[at].fail
	}
}

// link sets fail and end, nearer nodes first.
func (t *trie) link() {
	if len(t.nodes) == 0 {
		return
	}
	queue := make([]int32, 1, len(t.nodes)) // of the root
	for i := 0; i < len(queue); i++ {
		at := queue[i]
		for n := t.nodes[at].child; n != 0; n = t.nodes[n].next {
			if at != 0 {
				f := t.step(t.nodes[at].fail, t.nodes[n].letter)
				t.nodes[n].fail = f
				t.nodes[n].end = t.nodes[n].end || t.nodes[f].end
			}
			queue = append(queue, n)
		}
	}
}

func (t *trie) in(url []byte) bool {
	if len(t.nodes) == 0 {
		return false
	}
	at := int32(0)
	for _, c := range url {
		if c = normal(c); c == 0 {
			continue
		}
		if at = t.step(at, c); t.nodes[at].end {
			return true
		}
	}
	return false
}
