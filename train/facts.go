package train

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// Vocabulary is how many ids there are: those of the rows are below it.
func (d *Data) Vocabulary() int { return d.vocabulary }

// Tokenizer is the fingerprint of the one that the ids are of.
func (d *Data) Tokenizer() string { return d.tokenizer }

// ReadBytes is the memory of the steps that are read ahead, and of the reference.
func (d *Data) ReadBytes() int64 {
	most, pairs := int64(0), int64(0)
	for i := range d.stages {
		s := &d.stages[i]
		if s.pairs {
			pairs += s.rows()
		}
		n := min(s.perStep, s.rows()) * s.tokens
		if len(d.streams) > 1 { // a step has some of all
			most += min(n+s.tokens, s.rows()*s.tokens)
		} else {
			most = max(most, n)
		}
	}
	return readAhead*24*most + 2*referencePair*pairs
}

// Digest tells these shards from others: it is made of the digests of their manifests.
func (d *Data) Digest() string {
	h := sha256.New()
	for i := range d.stages {
		io.WriteString(h, d.stages[i].sha256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Largest is the largest batch that is computed at once with a micro-batch of so many tokens (0: the usual), in rows and their
// length.
func (d *Data) Largest(microBatch int64) (rows, length int) {
	if microBatch == 0 {
		microBatch = defaultMicroBatch
	}
	for i := range d.stages {
		s := &d.stages[i]
		n := int(s.tokens)
		r := int(min(max(1, microBatch/s.tokens), s.perStep))
		if s.dense() { // in a single row
			n, r = int(max(s.tokens, min(microBatch, s.perStep*s.tokens))), 1
		}
		if r*n > rows*length {
			rows, length = r, n
		}
	}
	return rows, length
}
