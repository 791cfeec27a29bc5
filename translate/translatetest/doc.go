// Package translatetest is a translation server that misbehaves on request, and the checker of adversarial rows: what tests
// of package translate, of the command and benchmarks share.
//
// Server answers OpenAI's chat completions over HTTP. It "translates" every run of two letters or more by a Basque word
// chosen by hash, URLs and tags too, so that whatever a caller did not mask is destroyed, and copies only placeholders.
// Engine does the same as a model in the process, with alignments.
package translatetest
