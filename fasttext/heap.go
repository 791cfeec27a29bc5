package fasttext

// scored is a label with the logarithm of its probability.
type scored struct {
	score float32
	label int32
}

// bestHeap keeps the k best with the worst on top. Of labels with equal scores, which "ova" gives to every label
// beyond its table, the reference keeps and orders some by the way in which its heap moves (std::push_heap and
// std::pop_heap of libstdc++); this one moves in the same way.
type bestHeap []scored

// add adds s and takes the worst away if there are more than k.
func (h *bestHeap) add(s scored, k int) {
	*h = append(*h, s)
	h.rise(len(*h)-1, s)
	if len(*h) > k {
		h.pop(len(*h))
		*h = (*h)[:len(*h)-1]
	}
}

// rise places s at i or above, where no parent is better.
func (h *bestHeap) rise(i int, s scored) {
	for i > 0 {
		parent := (i - 1) / 2
		if !((*h)[parent].score > s.score) {
			break
		}
		(*h)[i] = (*h)[parent]
		i = parent
	}
	(*h)[i] = s
}

// pop moves the worst of the first n to their end: the hole it leaves goes down to a leaf, along the worse of two
// children (the right one of equals), and what stood at the end rises from there.
func (h *bestHeap) pop(n int) {
	if n < 2 {
		return
	}
	last := (*h)[n-1]
	(*h)[n-1] = (*h)[0]
	n--
	hole := 0
	for {
		child := 2*hole + 2
		switch {
		case child < n:
			if (*h)[child].score > (*h)[child-1].score {
				child--
			}
		case child == n: // a left child alone
			child--
		default:
			h.rise(hole, last)
			return
		}
		(*h)[hole] = (*h)[child]
		hole = child
	}
}

// sort orders from the best to the worst.
func (h *bestHeap) sort() {
	for n := len(*h); n > 1; n-- {
		h.pop(n)
	}
}
