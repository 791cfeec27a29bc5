package pretokenizer

import (
	"sync"
	"unicode/utf8"

	"curate/tokenize/aligned"
)

// Byte-level tokenizers write tokens in an alphabet of 256 printable characters, one a byte (bytes_to_unicode in
// encoder.py@openai/gpt-2): a byte that is printable in Latin-1 is itself, the others are U+0100 and up in their order.

const alphabetEnd = 256 + 68

// byteOf is 1 + the byte that each character of the alphabet is, 0 for characters outside it.
var byteOf = alphabet()

func alphabet() (a [alphabetEnd]uint16) {
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

// AppendBytes appends the bytes that name is written for. ok is false if it is not written in the alphabet.
func AppendBytes(dst, name []byte) (out []byte, ok bool) {
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

// Letter is the character of the alphabet for b.
func Letter(b byte) rune {
	switch {
	case byteOf[b] != 0:
		return rune(b)
	case b <= ' ':
		return 256 + rune(b)
	case b <= 0xa0:
		return 256 + rune(b) - 0x7f + 33
	}
	return alphabetEnd - 1 // U+00AD
}

// letters are the letters of all bytes.
var letters = sync.OnceValue(func() *[256]string {
	var l [256]string
	for b := range l {
		l[b] = string(Letter(byte(b)))
	}
	return &l
})

// toAlphabet spells the bytes.
func (p *Pieces) toAlphabet() {
	letters := letters()
	p.edit(func(t *aligned.Text, rest []byte) int {
		n := 1
		if rest[0] >= utf8.RuneSelf {
			_, n = utf8.DecodeRune(rest)
		}
		t.Replace(n, letters[rest[0]])
		for _, b := range rest[1:n] {
			t.Insert(letters[b])
		}
		return n
	})
	p.InAlphabet = true
}

// toBytes spells them back.
func (p *Pieces) toBytes() {
	if !p.InAlphabet {
		return
	}
	p.edit(func(t *aligned.Text, rest []byte) int {
		r, n := utf8.DecodeRune(rest)
		if int(r) < len(byteOf) && byteOf[r] != 0 {
			t.Replace(n, bytesOfAll[byteOf[r]-1:byteOf[r]])
		} else { // what Metaspace has put in
			t.Keep(n)
		}
		return n
	})
	p.InAlphabet = false
}

// edit puts something in the place of each character: change does that with the first one of rest, and says how wide it
// is.
func (p *Pieces) edit(change func(t *aligned.Text, rest []byte) int) {
	p.Text.Begin()
	at := 0
	for i, end := range p.Ends {
		for at < end {
			at += change(&p.Text, p.Text.B[at:end])
		}
		p.Ends[i] = p.Text.Written()
	}
	p.Text.End()
}

// bytesOfAll are all bytes.
const bytesOfAll = "" +
	"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f" +
	"\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f\x30\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f" +
	"\x40\x41\x42\x43\x44\x45\x46\x47\x48\x49\x4a\x4b\x4c\x4d\x4e\x4f\x50\x51\x52\x53\x54\x55\x56\x57\x58\x59\x5a\x5b\x5c\x5d\x5e\x5f" +
	"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f\x70\x71\x72\x73\x74\x75\x76\x77\x78\x79\x7a\x7b\x7c\x7d\x7e\x7f" +
	"\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f" +
	"\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf" +
	"\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xcb\xcc\xcd\xce\xcf\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd\xde\xdf" +
	"\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff"

// AppendSpelled appends bytes as the alphabet writes them.
func AppendSpelled(dst, bytes []byte) []byte {
	for _, b := range bytes {
		dst = utf8.AppendRune(dst, Letter(b))
	}
	return dst
}
