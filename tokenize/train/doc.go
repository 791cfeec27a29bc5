// Package train makes byte-level BPE vocabularies from text.
//
// A text is cut into pretokens by the regex of a pre-tokenizer, how often each occurs is counted, and [Train] finds
// the merges: a plain function of the counts. [New] makes the stage, a reducer: its Map side cuts each text where it
// was read, a split becomes a sorted list of pretokens with counts, and its result is a tokenizer.json, which
// [Model.AppendJSON] writes.
//
// Words of this package: a pretoken, or word, is what merges never cross; a symbol is a byte or what was merged of
// bytes; a pair is two symbols side by side.
//
// Read bpe.go first (the training), then stage.go, counts.go and sealed.go (the format between its halves), write.go.
package train
