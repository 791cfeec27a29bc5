package tokenize

import (
	"strings"
	"unicode/utf8"

	"curate/tokenize/pretokenizer"
)

// DecodeOptions of Decode.
type DecodeOptions struct {
	// SkipSpecialTokens leaves special tokens out.
	SkipSpecialTokens bool
}

// Decode is the text that ids stand for, as HF tokenizers and sentencepiece have it: ids that stand for nothing are left
// out, and bytes that are not UTF-8, as ids that do not come from a whole text may have, are U+FFFD.
func (t *Tokenizer) Decode(ids []uint32, o DecodeOptions) string {
	switch {
	case t.spm != nil:
		return string(t.decodeSPM(nil, ids, o))
	case t.byteLevel && t.info.Decoder == "ByteLevel":
		return lossy(t.appendBytes(nil, ids, o))
	}
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if t.vocab.Has(id) && !(o.SkipSpecialTokens && t.skipped(id)) {
			tokens = append(tokens, t.spelling(id))
		}
	}
	if t.decoder == nil {
		return strings.Join(tokens, " ")
	}
	return strings.Join(t.decoder.Decode(tokens), "")
}

// AppendDecoded appends the text that ids stand for, special tokens as they are written. Ids that stand for nothing
// are left out. With byte-level tokenizers, ids that do not come from a whole text may decode to bytes that are not
// UTF-8; other tokenizers have U+FFFD there.
func (t *Tokenizer) AppendDecoded(dst []byte, ids []uint32) []byte {
	if t.byteLevel && t.info.Decoder == "ByteLevel" {
		return t.appendBytes(dst, ids, DecodeOptions{})
	}
	if t.spm != nil {
		return t.decodeSPM(dst, ids, DecodeOptions{})
	}
	return append(dst, t.Decode(ids, DecodeOptions{})...)
}

func (t *Tokenizer) appendBytes(dst []byte, ids []uint32, o DecodeOptions) []byte {
	for _, id := range ids {
		if o.SkipSpecialTokens && t.skipped(id) {
			continue
		}
		if s, ok := t.spellings[id]; ok {
			dst = append(dst, s.bytes...)
		} else {
			dst = append(dst, t.vocab.Bytes(id)...)
		}
	}
	return dst
}

// skipped says whether decoding without special tokens leaves id out: if its spelling is a special token's content. A
// special token that the normalizer changes stays (decode and is_special_token in HF tokenizers 0.23.3).
func (t *Tokenizer) skipped(id uint32) bool {
	if s, ok := t.spellings[id]; ok {
		return s.special
	}
	return t.special[id]
}

// spelling is a token as the file spells it, and an added token as normalizing it has made it.
func (t *Tokenizer) spelling(id uint32) string {
	if s, ok := t.spellings[id]; ok {
		return s.text
	}
	token := t.vocab.Bytes(id)
	if t.byteLevel {
		if same, ok := t.vocab.Lookup(token); ok && same == id {
			return string(pretokenizer.AppendSpelled(nil, token))
		}
	}
	return string(token)
}

// lossy is b with U+FFFD for what is not UTF-8: one for the longest beginning of a character that stands there, or for
// a byte (the practice that the Unicode Standard recommends in 3.9 and that Rust's String::from_utf8_lossy has).
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = beginning(b)
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

// beginning is how many bytes of b, which does not begin with a character, could begin one; at least 1 (table 3-7 of
// the Unicode Standard).
func beginning(b []byte) int {
	lo, hi, more := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		more = 1
	case c >= 0xe0 && c <= 0xef:
		more = 2
		if c == 0xe0 {
			lo = 0xa0
		} else if c == 0xed {
			hi = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		more = 3
		if c == 0xf0 {
			lo = 0x90
		} else if c == 0xf4 {
			hi = 0x8f
		}
	}
	n := 1
	for ; n <= more && n < len(b) && b[n] >= lo && b[n] <= hi; n++ {
		lo, hi = 0x80, 0xbf
	}
	return n
}
