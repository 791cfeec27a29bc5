package decoder

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// ByteFallback makes text of tokens like <0x61>, one behind the other; where they are not UTF-8, each of them is U+FFFD
// (decoders/byte_fallback.rs).
type ByteFallback struct{}

// Type is "ByteFallback".
func (ByteFallback) Type() string { return "ByteFallback" }

// Decode implements [Decoder].
func (ByteFallback) Decode(tokens []string) []string {
	if !slices.ContainsFunc(tokens, func(t string) bool { _, ok := byteOf(t); return ok }) {
		return tokens
	}
	out := tokens[:0] // never ahead of what is read
	var run []byte
	flush := func() {
		switch {
		case len(run) == 0:
		case utf8.Valid(run):
			out = append(out, string(run))
		default:
			for range run {
				out = append(out, "\ufffd")
			}
		}
		run = run[:0]
	}
	for _, token := range tokens {
		if b, ok := byteOf(token); ok {
			run = append(run, b)
			continue
		}
		flush()
		out = append(out, token)
	}
	flush()
	return out
}

// byteOf is the byte that token, like <0x61>, spells.
func byteOf(token string) (b byte, ok bool) {
	if len(token) != 6 || !strings.HasPrefix(token, "<0x") || token[5] != '>' {
		return 0, false
	}
	high, ok := hex(token[3])
	if token[3] == '+' { // u8::from_str_radix takes a sign
		high, ok = 0, true
	}
	low, okLow := hex(token[4])
	return high<<4 | low, ok && okLow
}

func hex(c byte) (v byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
