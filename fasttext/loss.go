package fasttext

import (
	"math"
	"slices"
)

// loss.cc of facebookresearch/fastText v0.9.2. A probability is reported as exp(log(p + 1e-5)): a little above p.

// logOf is the reference's std_log.
func logOf(p float32) float32 { return float32(math.Log(float64(p) + 1e-5)) }

func expOf(score float32) float32 { return float32(math.Exp(float64(score))) }

const (
	sigmoidSteps = 512
	sigmoidMost  = 8
)

// sigmoids fills the table by which the reference computes the probabilities of "ova" and "ns".
func (m *Model) sigmoids() {
	for i := range m.sigmoid {
		x := float32(i*2*sigmoidMost)/sigmoidSteps - sigmoidMost
		m.sigmoid[i] = float32(1 / (1 + math.Exp(float64(-x))))
	}
}

func (m *Model) sigmoidOf(x float32) float32 {
	switch {
	case x < -sigmoidMost:
		return 0
	case x > sigmoidMost:
		return 1
	case x != x:
		return x
	}
	return m.sigmoid[int((x+sigmoidMost)*sigmoidSteps/sigmoidMost/2)]
}

// softmax turns scores into probabilities.
func softmax(out []float32) {
	top := out[0]
	for _, x := range out {
		top = max(top, x)
	}
	var sum float32
	for i, x := range out {
		e := float32(math.Exp(float64(x - top)))
		out[i] = e
		sum += e
	}
	for i := range out {
		out[i] /= sum
	}
}

// tree is the Huffman tree of hierarchical softmax. Nodes below the number of labels are leaves, in the order of
// the labels; the last is the root. Inner node i has row i - labels of the output matrix, whose sigmoid is the
// probability of going right.
type tree struct {
	labels int
	left   []int32 // of the inner nodes
	right  []int32
	up     []uint32 // of all nodes: the parent, with wentRight for a right child; 0 for the root
}

const (
	unborn    = 1_000_000_000_000_000 // the count of a node that does not exist yet
	wentRight = 1 << 31
)

// newTree builds the tree over counts, whose sum is below unborn.
func newTree(counts []int64) *tree {
	n := len(counts)
	t := &tree{labels: n, left: make([]int32, n-1), right: make([]int32, n-1), up: make([]uint32, 2*n-1)}
	all := make([]int64, 2*n-1)
	copy(all, counts)
	for i := n; i < len(all); i++ {
		all[i] = unborn
	}
	leaf, inner := n-1, n
	next := func() int {
		if leaf >= 0 && all[leaf] < all[inner] {
			leaf--
			return leaf + 1
		}
		inner++
		return inner - 1
	}
	for i := n; i < len(all); i++ {
		l, r := next(), next()
		all[i] = all[l] + all[r]
		t.left[i-n], t.right[i-n] = int32(l), int32(r)
		t.up[l], t.up[r] = uint32(i), uint32(i)|wentRight
	}
	return t
}

// bestOfTree puts the k labels with the greatest probabilities into the heap, depth first as the reference: what is
// pruned on the way decides which of several with equal scores are found.
func (p *Predictor) bestOfTree(k int, threshold float32) {
	t, least := p.m.tree, logOf(threshold)
	p.walk = append(p.walk[:0], step{int32(2*t.labels - 2), 0})
	for len(p.walk) > 0 {
		s := p.walk[len(p.walk)-1]
		p.walk = p.walk[:len(p.walk)-1]
		if s.score < least || len(p.heap) == k && s.score < p.heap[0].score {
			continue
		}
		if int(s.node) < t.labels {
			p.heap.add(scored{s.score, s.node}, k)
			continue
		}
		left, right := p.branch(s.node - int32(t.labels))
		p.walk = append(p.walk, step{t.right[int(s.node)-t.labels], s.score + right}, step{t.left[int(s.node)-t.labels], s.score + left})
	}
}

// branch has the logarithms of the probabilities of going left and right at an inner node.
func (p *Predictor) branch(inner int32) (left, right float32) {
	f := float32(1 / (1 + math.Exp(float64(-p.m.output.dot(inner, p.hidden, p.row)))))
	return logOf(float32(1 - float64(f))), logOf(f)
}

// outputs computes the probabilities of all labels of a loss without a tree, before logOf, once for a text.
func (p *Predictor) outputs() {
	if p.outEpoch == p.epoch {
		return
	}
	p.outEpoch = p.epoch
	for i := range p.out {
		p.out[i] = p.m.output.dot(int32(i), p.hidden, p.row)
	}
	if p.m.args.loss == lossSoftmax {
		softmax(p.out)
		return
	}
	for i, x := range p.out {
		p.out[i] = p.m.sigmoidOf(x)
	}
}

// allOfTree appends the probability of every label.
func (p *Predictor) allOfTree(dst []float32) []float32 {
	t, at := p.m.tree, len(dst)
	dst = slices.Grow(dst, t.labels)[:at+t.labels]
	p.walk = append(p.walk[:0], step{int32(2*t.labels - 2), 0})
	for len(p.walk) > 0 {
		s := p.walk[len(p.walk)-1]
		p.walk = p.walk[:len(p.walk)-1]
		if int(s.node) < t.labels {
			dst[at+int(s.node)] = expOf(s.score)
			continue
		}
		left, right := p.branch(s.node - int32(t.labels))
		p.walk = append(p.walk, step{t.right[int(s.node)-t.labels], s.score + right}, step{t.left[int(s.node)-t.labels], s.score + left})
	}
	return dst
}

// ofTree is the logarithm of the probability of one label: summed from the root down, as the others sum it.
func (p *Predictor) ofTree(label int) float32 {
	t := p.m.tree
	p.path = p.path[:0]
	for at := label; at < 2*t.labels-2; {
		p.path = append(p.path, t.up[at])
		at = int(t.up[at] &^ wentRight)
	}
	var score float32
	for i := len(p.path) - 1; i >= 0; i-- {
		inner := int(p.path[i]&^wentRight) - t.labels
		b := &p.known[inner]
		if b.epoch != p.epoch {
			b.epoch = p.epoch
			b.left, b.right = p.branch(int32(inner))
		}
		if p.path[i]&wentRight != 0 {
			score += b.right
		} else {
			score += b.left
		}
	}
	return score
}
