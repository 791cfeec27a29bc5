package decoder

import (
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"curate/tokenize/component"
)

// ByteLevel makes bytes of characters that stand for them; a token that has any others is text already. What is not
// UTF-8 then is U+FFFD (pre_tokenizers/byte_level.rs).
type ByteLevel struct{}

// readByteLevel reads what has a meaning for the pre-tokenizer of that name alone.
func readByteLevel(path string, v jsontext.Value) (Decoder, error) {
	var c struct {
		Type           string `json:"type"`
		AddPrefixSpace *bool  `json:"add_prefix_space"`
		TrimOffsets    *bool  `json:"trim_offsets"`
		UseRegex       *bool  `json:"use_regex"`
	}
	if err := component.Decode(path, v, &c); err != nil {
		return nil, err
	}
	switch {
	case c.AddPrefixSpace == nil:
		return nil, component.Missing(path, "add_prefix_space")
	case c.TrimOffsets == nil:
		return nil, component.Missing(path, "trim_offsets")
	}
	return ByteLevel{}, nil
}

// Type is "ByteLevel".
func (ByteLevel) Type() string { return "ByteLevel" }

// Decode implements [Decoder].
func (ByteLevel) Decode(tokens []string) []string {
	n := 0
	for _, token := range tokens {
		n += len(token)
	}
	text := make([]byte, 0, n)
	for _, token := range tokens {
		start := len(text)
		for _, r := range token {
			b, ok := byteFor(r)
			if !ok {
				text = append(text[:start], token...)
				break
			}
			text = append(text, b)
		}
	}
	return append(tokens[:0], lossy(text))
}

// byteFor is the byte that r spells in the alphabet of GPT-2 (bytes_to_unicode in its encoder.py): bytes that Latin-1
// has a character for that is seen are that character, the others, in order, those behind U+00FF.
func byteFor(r rune) (b byte, ok bool) {
	switch {
	case '!' <= r && r <= '~', 0xa1 <= r && r <= 0xac, 0xae <= r && r <= 0xff:
		return byte(r), true
	case 0x100 <= r && r <= 0x120:
		return byte(r - 0x100), true
	case 0x121 <= r && r <= 0x142:
		return byte(r - 0x121 + 0x7f), true
	case r == 0x143:
		return 0xad, true
	}
	return 0, false
}

// lossy is text with U+FFFD for what is not UTF-8: one for each longest part that begins a character, and one for
// each other byte (String::from_utf8_lossy of Rust; The Unicode Standard, section 3.9, U+FFFD substitution of maximal
// subparts).
func lossy(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	out := make([]byte, 0, len(text)+len(text)/2)
	for len(text) > 0 {
		if r, n := utf8.DecodeRune(text); r != utf8.RuneError || n > 1 {
			out = append(out, text[:n]...)
			text = text[n:]
			continue
		}
		out = append(out, "\ufffd"...)
		text = text[begun(text):]
	}
	return string(out)
}

// begun is how many bytes of text, which does not begin with a character, are the beginning of one; at least 1.
func begun(text []byte) int {
	low, high, more := byte(0x80), byte(0xbf), 0
	switch b := text[0]; {
	case b == 0xe0:
		low, more = 0xa0, 1
	case b == 0xed:
		high, more = 0x9f, 1
	case 0xe1 <= b && b <= 0xef:
		more = 1
	case b == 0xf0:
		low, more = 0x90, 2
	case b == 0xf4:
		high, more = 0x8f, 2
	case 0xf1 <= b && b <= 0xf3:
		more = 2
	}
	n := 1
	for n < len(text) && n <= more && low <= text[n] && text[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}
