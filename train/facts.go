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
		n := d.stages[i].set.Manifest.Length
		r := int(min(max(1, microBatch/int64(n)), d.stages[i].perStep))
		if r*n > rows*length {
			rows, length = r, n
		}
	}
	return rows, length
}
