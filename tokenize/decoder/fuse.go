package decoder

import "strings"

// Fuse joins all tokens (decoders/fuse.rs).
type Fuse struct{}

// Type is "Fuse".
func (Fuse) Type() string { return "Fuse" }

// Decode implements [Decoder].
func (Fuse) Decode(tokens []string) []string {
	return append(tokens[:0], strings.Join(tokens, ""))
}
