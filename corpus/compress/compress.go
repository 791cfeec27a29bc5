// Package compress turns compressed bytes into bytes and back, for the four formats a corpus comes in. It
// knows no files and no records.
//
// The unit is the frame: a zstd frame, a gzip member, a bzip2 or xz stream. A file is one or more of them, one
// after the other, and NewReader reads them all as one text. AppendFrame writes one that depends on nothing
// before it, so that frames may be made on any goroutine, joined in order, and decoded one by one.
// Read reader.go, then encoder.go; xz.go is the container of xz around the LZMA2 decoder of a library.
package compress

import (
	"fmt"
	"strings"
)

// Kind is a compression format. The zero value is none.
type Kind uint8

// The formats that are read; only None, Zstd (ZstdFast) and Gzip are written.
const (
	None Kind = iota
	Zstd
	Gzip
	Bzip2
	Xz
	// ZstdFast is Zstd written at its fastest level, for files that live as long as a run.
	ZstdFast
)

// String returns the format's name, as users type it.
func (k Kind) String() string {
	switch k {
	case None:
		return "none"
	case Zstd, ZstdFast:
		return "zstd"
	case Gzip:
		return "gzip"
	case Bzip2:
		return "bzip2"
	case Xz:
		return "xz"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// SniffLen is how many bytes Sniff looks at, at most: the length of the longest magic, that of xz.
const SniffLen = 6

// Sniff tells the format of a file by its first bytes. Fewer than SniffLen are enough if the file is shorter.
// Every magic holds a byte or a letter that cannot begin JSON; bzip2 alone is printable, "BZh1" to "BZh9".
func Sniff(head []byte) Kind {
	has := func(magic string) bool { return len(head) >= len(magic) && string(head[:len(magic)]) == magic }
	switch {
	case has("\x28\xb5\x2f\xfd"): // RFC 8878 section 3.1.1
		return Zstd
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18": // skippable frame, section 3.1.2
		return Zstd
	case has("\x1f\x8b\x08"): // RFC 1952 section 2.3.1, with the only method there is
		return Gzip
	case has("BZh") && len(head) >= 4 && '1' <= head[3] && head[3] <= '9':
		return Bzip2
	case has(xzMagic):
		return Xz
	}
	return None
}

// ByName tells the format of a file by the end of its name, and the name without it. Case does not matter.
func ByName(name string) (kind Kind, stem string) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return None, name
	}
	switch strings.ToLower(name[dot:]) {
	case ".zst", ".zstd":
		kind = Zstd
	case ".gz":
		kind = Gzip
	case ".bz2":
		kind = Bzip2
	case ".xz":
		kind = Xz
	default:
		return None, name
	}
	return kind, name[:dot]
}
