// Package dedup finds records that say the same as another, or nearly so, and lets one of each group stay.
//
// A method is one or more [stage.Reducer]s. The Map side makes a key of each record; keys with the records' IDs are
// sealed split by split, sorted; Finish reads all keys in order and finds groups. What it has found out is one file,
// sorted by ID ([Decisions]), and the last Mapper looks each record up in it. The text itself never moves, and
// nothing of all records needs to fit into memory.
//
// Three methods:
//
//   - [Exact], in exact.go, which is where to begin: the key is a digest of a field, or of a form of it (forms.go, urls.go),
//     equal keys are a group, and all but the first go. Below it lie digest.go (what "the same" means), decide.go (from keys to the file),
//     decisions.go (the file) and apply.go (the last Mapper).
//   - [MinHash], in minhash.go: documents whose sets of shingles are similar. A [Scheme] (scheme.go) cuts a text into
//     shingles (shingle.go) and makes a signature of them (signature.go), whose bands are buckets. The first Reducer
//     finds the documents that share a bucket with another, candidates (candidates.go). The second gets the sets of
//     those alone (sets.go), numbers them (documents.go), compares each with its bucket's first, the hub, in a few
//     rounds (rounds.go, verify.go), links what is similar to clusters (components.go) and decides in each
//     (cluster.go). apply_minhash.go is the last Mapper. [Ranks], in ranks.go, is the same in steps that many processes
//     share.
//   - [Units], in units.go: lines, paragraphs or sentences that recur are cut out of texts. A key for each of them
//     (cut.go, fences.go), a file of what goes (cuts.go), and the last Mapper that takes it out (apply_units.go).
//
// Which of the duplicates stays is keep.go. Beside the decision both methods make findings (findings.go, findings_exact.go,
// findings_minhash.go): evidence, clusters, and a summary by source (sources.go), which lie in the output directory.
//
// Both can decide in one pass, too, by what was kept before and is remembered: [Online] (online.go, remembered.go).
//
// [Datatrove] makes datatrove's files (datatrove.go, datatrove_files.go, datatrove_clusters.go), [DatatroveRemoval] drops
// documents by them.
//
// Parts of a corpus are kept apart here, too, since they must not share a document: a [Splitter] (split.go) keeps what a
// [Partition] puts into one part (partition.go), or what is [HeldOut] (heldout.go) or like it (heldout_near.go); a [ClusterSplit]
// (split_cluster.go) keeps near-duplicates together. A [Decontaminator] (contamination.go) looks for the items of [Benchmarks]
// (contamination_items.go) in documents: contamination_words.go is what a word is, contamination_match.go how items are found, through
// contamination_index.go, and contamination_cut.go takes them out.
package dedup
