package sentencepiece

import "math"

// unigram is what the search for the best path needs beside the pieces.
type unigram struct {
	trie   *trie
	scores []float32 // by id
	unk    float32   // of a character that is no piece
	most   float64   // the largest of all these scores, without its sign
}

func newUnigram(pieces []Piece, unk int32) (*unigram, error) {
	u := &unigram{scores: make([]float32, len(pieces))}
	lowest := float32(math.MaxFloat32)
	var ids []uint32
	for i := range pieces {
		p := &pieces[i]
		u.scores[i] = p.Score
		switch p.Type {
		case Normal:
			lowest = min(lowest, p.Score)
		case UserDefined:
			u.scores[i] = float32(0.1 * float64(len(p.Text)-1)) // GetUserDefinedScore of unigram_model.cc
		default:
			continue
		}
		ids = append(ids, uint32(i))
		u.most = max(u.most, math.Abs(float64(u.scores[i])))
	}
	const penalty = 10 // kUnkPenalty of unigram_model.cc
	u.unk = lowest - penalty
	if unk >= 0 {
		u.scores[unk] = u.unk
	}
	u.most = max(u.most, math.Abs(float64(u.unk)))
	if len(ids) == 0 { // all are unused
		u.trie = emptyTrie()
		return u, nil
	}
	var err error
	u.trie, err = newTrie(pieces, ids)
	return u, err
}

func (u *unigram) memory() int64 { return u.trie.memory() + int64(4*len(u.scores)) }

// pathNode is the best way to a place in the text.
type pathNode struct {
	score float32
	from  int32 // where its last piece begins; -1: no way
	id    int32
}

// resetScore is where a sum is taken back to 0, so that it does not lose its precision (kScoreResetThreshold of
// unigram_model.cc).
const resetScore = 100000

// paths finds the best way through a word, and returns its score: Model::EncodeOptimized of unigram_model.cc, in its
// arithmetic, since sums that round alike decide between pieces. score is that of the text before the word.
func (m *Model) paths(nodes []pathNode, w []byte, score float32) float32 {
	u := m.unigram
	units, root := u.trie.units, u.trie.root()
	for i := range nodes {
		nodes[i].from = -1
	}
	nodes[0].score = score
	frontier := 0
	for at := 0; at < len(w); {
		till := nodes[at].score
		if till < -resetScore || till > resetScore {
			for i := at; i <= max(at, frontier); i++ {
				if i == at || nodes[i].from >= 0 {
					nodes[i].score -= till
				}
			}
			till = 0
		}
		char := charLen(w, at)
		alone := false // the character is a piece
		base := root
		for i := at; i < len(w); {
			x := units[base^uint32(w[i])]
			if x.link&(1<<labelBits-1) != uint32(w[i]) {
				break
			}
			base = x.link >> labelBits
			i++
			if x.id < 0 {
				continue
			}
			alone = alone || i-at == char
			if i > frontier {
				frontier = i
			}
			s := u.scores[x.id] + till
			if n := &nodes[i]; n.from < 0 || s > n.score {
				*n = pathNode{s, int32(at), x.id}
			}
		}
		if !alone {
			i := at + char
			frontier = max(frontier, i)
			s := u.unk + till
			if n := &nodes[i]; n.from < 0 || s > n.score {
				*n = pathNode{s, int32(at), m.unk}
			}
		}
		at += char
	}
	return nodes[len(w)].score
}

// backtrack appends the pieces of the best way.
func backtrack(dst []segment, nodes []pathNode) []segment {
	start := len(dst)
	for i := int32(len(nodes) - 1); i > 0; i = nodes[i].from {
		dst = append(dst, segment{nodes[i].id, i - nodes[i].from})
	}
	for i, j := start, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	return dst
}

// safe is how large, without its sign, the score of the text before a word may be for the best way through the word to
// stay what it is. The score decides how sums round, and so which of two ways of nearly the same score wins.
//
// Let k be the number of characters, M the largest sum anywhere on any way. A way has at most k sums, each rounded by
// M/2^24 at most, so what is computed for it is off by k*M/2^24. If the best way leads by more than twice that, it is
// the best as computed, too: rounding is monotonic, so the way that is found has at least the computed score of the
// best. The sums of a word are at most k times the largest score away from the score before. Above resetScore, sums
// change in another way.
func (m *Model) safe(w []byte, leads [][2]float64) float32 {
	u := m.unigram
	units, root := u.trie.units, u.trie.root()
	none := math.Inf(-1)
	for i := range leads {
		leads[i] = [2]float64{none, none}
	}
	leads[0][0] = 0
	// A way to i with the score of one of the two best ways to at, and one piece more.
	reach := func(at, i int, score float64) {
		x, a, b := &leads[i], leads[at][0]+score, leads[at][1]+score
		switch {
		case a > x[0]:
			x[0], x[1] = a, max(x[0], b)
		case a > x[1]:
			x[1] = a
		}
	}
	chars := 0
	for at := 0; at < len(w); chars++ {
		char := charLen(w, at)
		alone := false
		base := root
		for i := at; i < len(w); {
			x := units[base^uint32(w[i])]
			if x.link&(1<<labelBits-1) != uint32(w[i]) {
				break
			}
			base = x.link >> labelBits
			i++
			if x.id >= 0 {
				alone = alone || i-at == char
				reach(at, i, float64(u.scores[x.id]))
			}
		}
		if !alone {
			reach(at, at+char, float64(u.unk))
		}
		at += char
	}
	end := leads[len(w)]
	largest := min(resetScore, (end[0]-end[1])*(1<<23)/float64(chars))
	return float32(0.999*largest - float64(chars)*u.most) // 0.999: for the rounding of these sums themselves
}
