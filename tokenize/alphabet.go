package tokenize

import "unicode/utf8"

// Byte-level tokenizers write tokens in an alphabet of 256 printable characters, one a byte (bytes_to_unicode in
// encoder.py@openai/gpt-2): a byte that is printable in Latin-1 is itself, the others are U+0100 and up in their order.

// byteOf is 1 + the byte that each character of the alphabet is, 0 for characters outside it.
var byteOf = alphabet()

func alphabet() (a [256 + 68]uint16) {
	next := 256
	for b := range 256 {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			a[b] = uint16(b) + 1
		} else {
			a[next] = uint16(b) + 1
			next++
		}
	}
	return a
}

// appendBytes appends the bytes that name is written for. ok is false if it is not written in the alphabet.
func appendBytes(dst, name []byte) (out []byte, ok bool) {
	for i := 0; i < len(name); {
		r, n := rune(name[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(name[i:])
		}
		if int(r) >= len(byteOf) || byteOf[r] == 0 {
			return dst, false
		}
		dst = append(dst, byte(byteOf[r]-1))
		i += n
	}
	return dst, true
}

// characters is the alphabet's character of each byte.
var characters = func() (c [256]rune) {
	for r, b := range byteOf {
		if b != 0 {
			c[b-1] = rune(r)
		}
	}
	return c
}()

// appendSpelled appends token, bytes, as the alphabet writes it.
func appendSpelled(dst, token []byte) []byte {
	for _, b := range token {
		dst = utf8.AppendRune(dst, characters[b])
	}
	return dst
}
