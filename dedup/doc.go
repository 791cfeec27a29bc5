// Package dedup is the room of deduplication: shingles, signatures, candidate pairs, verification, decisions.
// It has no code yet; the pipeline reaches it with the first Reduce.
package dedup
