package tokenize

import "curate/tokenize/pretokenizer"

// appendBytes appends the bytes that name is written for in the alphabet of byte-level tokenizers. ok is false if it is
// not written in it.
func appendBytes(dst, name []byte) (out []byte, ok bool) { return pretokenizer.AppendBytes(dst, name) }
