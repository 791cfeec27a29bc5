// Package text cuts text: words, lines, paragraphs, and finds what repeats in it. It holds no threshold and
// no policy, and imports nothing of ours.
//
// Text is valid UTF-8 in a []byte. A cut is a list of [Span], appended to a slice of the caller's, so that
// nothing is allocated in steady state. Where two definitions of white space exist, the comment says which:
// the Unicode property White_Space, or Python's str.isspace, which also holds U+001C to U+001F and which the
// reference implementations of the field mean when they strip and split lines.
//
// Forms of a text in which texts are compared are appended to a []byte, their words with one space between them, so
// that each n-gram of words is one piece: lower.go, simplify.go. What they know of characters (python.go) is pinned to
// Unicode 14.0: it must not change with the Go release.
//
// Read span.go first, then words.go, lines.go, and repeats.go for n-grams; spacy.go cuts words as spaCy does, which
// sentences.go puts together to sentences; words_wc.go counts as wc does.
package text
