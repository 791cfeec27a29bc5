package model

import "fmt"

// NewRanks makes a byte-level BPE of tiktoken's ranks: the tokens of v with the n ids from first on, in the order of their
// ranks. Two neighbours become one token whenever what they spell together is a token, the one of lowest rank first and of several
// that become the same the leftmost, whatever its parts; a piece that is a token is that token
// (_byte_pair_merge and CoreBPE in src/lib.rs@openai/tiktoken).
func NewRanks(v *Vocabulary, first, n int) (*BPE, error) {
	if n > MaxMerges {
		return nil, fmt.Errorf("%d ranks; at most %d are possible", n, MaxMerges)
	}
	m := &BPE{vocab: v, ignoreMerges: true}
	if err := m.setBytes(); err != nil {
		return nil, err
	}
	ranked := func(token []byte) (uint32, bool) {
		id, ok := v.Lookup(token)
		return id, ok && id >= uint32(first) && id-uint32(first) < uint32(n)
	}
	pairs := 0
	each := func(f func(a, b, rank uint32)) {
		for rank := range uint32(n) {
			token := v.Bytes(uint32(first) + rank)
			if len(token) > maxRankToken {
				continue
			}
			for k := 1; k < len(token); k++ {
				if a, ok := ranked(token[:k]); ok {
					if b, ok := ranked(token[k:]); ok {
						f(a, b, rank)
					}
				}
			}
		}
	}
	each(func(a, b, rank uint32) { pairs++ })
	m.merges = newMerges(pairs)
	m.merged = make([]uint32, n)
	each(func(a, b, rank uint32) {
		m.merged[rank] = uint32(first) + rank
		m.put(a, b, rank)
		if x, y := v.Bytes(a), v.Bytes(b); len(x) == 1 && len(y) == 1 {
			m.first[int(x[0])<<8|int(y[0])] = rank
		}
	})
	m.count = pairs
	return m, nil
}

// maxRankToken is how long a token may be that merges lead to, in bytes. The longest of public ranks has 128 (o200k).
// Each takes time in the square of its length here.
const maxRankToken = 1 << 10
