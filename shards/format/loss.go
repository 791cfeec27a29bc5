package format

import (
	"encoding/binary"
	"math/bits"
)

// A file of the loss mask stands beside each shard of a masked set whose format has no place for it: one byte a token, in
// the order of the tokens, 1 for one that is learnt. It is what datatrove calls .ds.loss, and what OLMo-core takes as a
// bool array (label_mask_paths).

// LossSuffix is that of the file where no trainer has a name for it.
const LossSuffix = ".loss"

// Loss reads such a file from one goroutine. Its errors of content are *Fault.
type Loss struct{ file window }

// OpenLoss checks the size against the tokens of the shard; nothing is closed.
func OpenLoss(f File, tokens int64) (*Loss, error) {
	if f.Size != tokens {
		return nil, NewFault(f.Name, min(f.Size, tokens), "the file has %d bytes for %d tokens", f.Size, tokens)
	}
	return &Loss{window{File: f}}, nil
}

// Append appends the mask of tokens from to to.
func (l *Loss) Append(dst []byte, from, to int64) ([]byte, error) {
	for from < to {
		n := min(to-from, windowSize)
		b, err := l.file.bytes(from, int(n))
		if err != nil {
			return dst, err
		}
		if k := indexAbove1(b); k >= 0 {
			return dst, NewFault(l.file.Name, from+int64(k), "token %d has the mask %d; 0 and 1 are right", from+int64(k), b[k])
		}
		dst = append(dst, b...)
		from += n
	}
	return dst, nil
}

// indexAbove1 is where the first byte that is neither 0 nor 1 stands, or -1.
func indexAbove1(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if v := binary.LittleEndian.Uint64(b[i:]) &^ 0x0101010101010101; v != 0 {
			return i + bits.TrailingZeros64(v)/8
		}
	}
	for ; i < len(b); i++ {
		if b[i] > 1 {
			return i
		}
	}
	return -1
}
