// Package train makes byte-level BPE vocabularies from text, and extends those that there are.
//
// A text is cut into pretokens by a pre-tokenizer, how often each occurs is counted, and [Train] finds the merges: a
// plain function of the counts. [New] makes the stage, a reducer: its Map side cuts each text where it was read, a split
// becomes a sorted list of pretokens with counts, and its result is a tokenizer.json, which [Model.AppendJSON] writes.
// [Base.Extend] goes on with an existing tokenizer, and [NewExtender] is its stage.
//
// Words of this package: a pretoken, or word, is what merges never cross; a symbol is a byte or what was merged of
// bytes; a pair is two symbols side by side.
//
// Read bpe.go first (the training), then counter.go, counts.go and sealed.go (counting, and the format between its
// halves), choose.go (which words), stage.go, write.go; then base.go and extend.go.
package train
