// Package shards makes training shards of tokenized documents and reads them back: a deterministic global shuffle,
// packing into rows, the formats that trainers read, a manifest, and a verifier that believes nothing.
//
// A document is the token ids of one record, ended by the end-of-document token (EOD). A sequence is what a trainer
// takes as one unit: a document, or with packing a row of at most Length tokens that holds pieces of documents. A
// shard is a few files with the same name, and a shard set is one folder of shards with manifest.json and done.
//
//	documents ─▶ shuffle (sealed, merged) ─▶ pack ─▶ format writer ─▶ shard-00000.bin .idx .bounds …
//
// Read config.go first, then build.go (the stage), sealed.go, plan.go, order.go, finish.go and set_writer.go; set.go and
// verify.go read what those wrote. Rows are made in package pack, mixtures in mix, and layouts are in format.
package shards

// windowSize is what is read or written of a file at a time, in bytes.
const windowSize = 64 << 10
