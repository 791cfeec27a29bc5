package normalizer

import (
	"unicode/utf8"

	"curate/tokenize/aligned"
)

// ByteLevel spells each byte as one of 256 characters that are seen (normalizers/byte_level.rs; bytes_to_unicode in
// GPT-2's encoder.py).
type ByteLevel struct{}

// Type is "ByteLevel".
func (ByteLevel) Type() string { return "ByteLevel" }

// Normalize implements [Normalizer].
func (ByteLevel) Normalize(t *aligned.Text) error {
	text := t.B
	e := edit{t: t}
	for i := 0; i < len(text); {
		if b := text[i]; b < utf8.RuneSelf {
			j := i
			for j < len(text) && text[j]-'!' <= '~'-'!' {
				j++
			}
			if j > i {
				e.keep(j - i)
				i = j
				continue
			}
			e.replaceRune(1, spelled(b))
			i++
			continue
		}
		_, n := utf8.DecodeRune(text[i:])
		e.replaceRune(n, spelled(text[i]))
		for _, b := range text[i+1 : i+n] {
			e.insertRune(spelled(b))
		}
		i += n
	}
	e.end()
	return nil
}

// spelled is the character for b: itself where Latin-1 has one that is seen, otherwise the next one behind U+00FF.
func spelled(b byte) rune {
	switch {
	case b <= ' ':
		return 0x100 + rune(b)
	case 0x7f <= b && b <= 0xa0:
		return 0x121 + rune(b-0x7f)
	case b == 0xad:
		return 0x143
	}
	return rune(b)
}
