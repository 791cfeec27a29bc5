package model

// longTokens finds very long tokens in a text. Walking down a trie from every place of a text is quick because tokens
// are short; from a stranger's file a token may have 100 kB, and a text may begin it everywhere. So tokens of more than
// shortToken bytes are found by an automaton that reads each byte of the text once (Aho and Corasick 1975), from the
// last to the first: then its states say which tokens begin at a place.
type longTokens struct {
	t       *trie    // of the tokens written backwards
	fail    []uint32 // the longest other string of the trie that ends like this node's
	shorter []uint32 // the next node on the way of fail that is a token, 0 if there is none
	size    []uint32 // of a node's string, in bytes
}

// shortToken is the longest token, in bytes, that a trie looks for. In real vocabularies few are longer: runs of spaces
// or dashes.
const shortToken = 64

// newLongTokens is nil if there are none.
func newLongTokens(each func(f func(token []byte, id uint32) error) error) (*longTokens, error) {
	var l *longTokens
	var parent []uint32
	var label []byte
	err := each(func(token []byte, id uint32) error {
		if len(token) <= shortToken {
			return nil
		}
		if l == nil {
			l = &longTokens{t: newTrie(0), size: []uint32{0}}
			parent, label = []uint32{0}, []byte{0}
		}
		node := uint32(0)
		for i := len(token) - 1; i >= 0; i-- {
			n, err := l.t.add(node, token[i])
			if err != nil {
				return err
			}
			if int(n) == len(parent) {
				parent, label = append(parent, node), append(label, token[i])
				l.size = append(l.size, l.size[node]+1)
			}
			node = n
		}
		l.t.value[node] = id
		return nil
	})
	if l == nil || err != nil {
		return nil, err
	}
	// By size, so that all shorter strings are ready: a counting sort.
	deepest := uint32(0)
	for _, n := range l.size {
		deepest = max(deepest, n)
	}
	starts := make([]uint32, deepest+2)
	for _, n := range l.size {
		starts[n+1]++
	}
	for i := range deepest + 1 {
		starts[i+1] += starts[i]
	}
	order := make([]uint32, len(l.size))
	for node, n := range l.size {
		order[starts[n]] = uint32(node)
		starts[n]++
	}
	l.fail, l.shorter = make([]uint32, len(order)), make([]uint32, len(order))
	for _, node := range order[1:] {
		if up := parent[node]; up != 0 {
			l.fail[node] = l.step(l.fail[up], label[node])
		}
		if f := l.fail[node]; l.t.value[f] != noID {
			l.shorter[node] = f
		} else {
			l.shorter[node] = l.shorter[f]
		}
	}
	return l, nil
}

// step is the state behind state and b.
func (l *longTokens) step(state uint32, b byte) uint32 {
	for {
		if n := l.t.child(state, b); n != 0 {
			return n
		}
		if state == 0 {
			return 0
		}
		state = l.fail[state]
	}
}

// states are for each place in text the node that tells which tokens begin there: see longest and next.
func (l *longTokens) states(dst []uint32, text []byte) []uint32 {
	if cap(dst) < len(text) {
		dst = make([]uint32, len(text))
	}
	dst = dst[:len(text)]
	state := uint32(0)
	for i := len(text) - 1; i >= 0; i-- {
		state = l.step(state, text[i])
		dst[i] = state
	}
	return dst
}

// longest is the longest token of a state, 0 if there is none: then l.shorter has the others, the longest first.
func (l *longTokens) longest(state uint32) uint32 {
	if l.t.value[state] != noID {
		return state
	}
	return l.shorter[state]
}

func (l *longTokens) memory() int64 {
	if l == nil {
		return 0
	}
	return l.t.memory() + int64(4*(cap(l.fail)+cap(l.shorter)+cap(l.size)))
}
