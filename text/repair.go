package text

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Repairs are what a [Repairer] mends.
type Repairs uint8

const (
	// RepairMojibake mends UTF-8 that was read as Latin-1 or Windows-1252 (mojibake.go), and C1 control characters, which are signs of
	// Windows-1252.
	RepairMojibake Repairs = 1 << iota
	// RepairControls takes out what ftfy 6.3.1 does (fixes.py, remove_control_chars and remove_terminal_escapes): U+0000 to U+0008, U+000B,
	// U+000E to U+001F, U+007F, U+206A to U+206F, U+FEFF, U+FFF9 to U+FFFC, and the escape sequences of terminals.
	RepairControls
	// RepairNFC puts the text into normalization form C.
	RepairNFC
	// RepairZeroWidth takes out U+200B, U+180E and U+2060 to U+2064. The joiners U+200C and U+200D stay: words and emoji need them.
	RepairZeroWidth
	// RepairBidi takes out the marks that set the direction of text: U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069.
	RepairBidi
	// RepairSoftHyphens takes out U+00AD.
	RepairSoftHyphens
	// RepairLineEnds makes line feeds of CR LF, CR, U+0085, U+2028 and U+2029.
	RepairLineEnds
)

// Repairer mends texts. It holds memory, and serves one goroutine.
type Repairer struct {
	mend mender
	bufs [2][]byte
}

// repairRounds is how often a text is mended again: what was taken out may have stood between the two halves of a character.
const repairRounds = 4

// Append appends text with the repairs made.
func (m *Repairer) Append(dst, text []byte, what Repairs) []byte {
	for round := range repairRounds {
		if !needsRepair(text) {
			break
		}
		out := m.once(m.bufs[round&1][:0], text, what)
		m.bufs[round&1] = out
		if bytes.Equal(out, text) {
			break
		}
		text = out
	}
	return append(dst, text...)
}

// Size is the memory held, in bytes.
func (m *Repairer) Size() int {
	n := cap(m.bufs[0]) + cap(m.bufs[1]) + cap(m.mend.raw) + cap(m.mend.spare) + cap(m.mend.line)
	for i := range m.mend.levels {
		n += cap(m.mend.levels[i][0]) + cap(m.mend.levels[i][1])
	}
	return n
}

// needsRepair is false for most texts: ASCII without control characters.
func needsRepair(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf || c < ' ' && c != '\n' && c != '\t' || c == 0x7F {
			return true
		}
	}
	return false
}

func (m *Repairer) once(dst, text []byte, what Repairs) []byte {
	if what&RepairMojibake != 0 {
		m.mend.line = m.mend.appendLines(m.mend.line[:0], text)
		text = m.mend.line
	}
	lo := len(dst)
	if what&^(RepairMojibake|RepairNFC) != 0 {
		dst = appendStripped(dst, text, what)
	} else {
		dst = append(dst, text...)
	}
	if what&RepairNFC == 0 || norm.NFC.IsNormal(dst[lo:]) {
		return dst
	}
	m.mend.line = append(m.mend.line[:0], dst[lo:]...)
	return norm.NFC.Append(dst[:lo], m.mend.line...)
}

// appendLines appends text with each line mended by itself: lines may have come by different ways.
func (m *mender) appendLines(dst, text []byte) []byte {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		text = text[len(line):]
		dst = m.appendMended(dst, line, 0)
	}
	return dst
}

// appendStripped appends text without the characters that the repairs take out.
func appendStripped(dst, text []byte, what Repairs) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			switch {
			case c >= ' ' && c != 0x7F || c == '\n' || c == '\t' || c == '\f':
				dst = append(dst, c)
			case c == '\r':
				switch {
				case what&RepairLineEnds == 0:
					dst = append(dst, c)
				case i+1 < len(text) && text[i+1] == '\n': // the line feed follows
				default:
					dst = append(dst, '\n')
				}
			case what&RepairControls == 0:
				dst = append(dst, c)
			case c == 0x1B:
				i += max(escapeLength(text[i:]), 1)
				continue
			}
			i++
			continue
		}
		r, w := utf8.DecodeRune(text[i:])
		switch {
		case what&RepairLineEnds != 0 && (r == 0x85 || r == 0x2028 || r == 0x2029):
			dst = append(dst, '\n')
		case what&RepairControls != 0 && (0x206A <= r && r <= 0x206F || r == 0xFEFF || 0xFFF9 <= r && r <= 0xFFFC),
			what&RepairZeroWidth != 0 && (r == 0x200B || r == 0x180E || 0x2060 <= r && r <= 0x2064),
			what&RepairBidi != 0 && (r == 0x61C || r == 0x200E || r == 0x200F || 0x202A <= r && r <= 0x202E || 0x2066 <= r && r <= 0x2069),
			what&RepairSoftHyphens != 0 && r == 0xAD:
		default:
			dst = append(dst, text[i:i+w]...)
		}
		i += w
	}
	return dst
}

// escapeLength is the length of the escape sequence at the start of b, as those that set colours (ECMA-48, section 5.4): ESC [, digits and
// semicolons, a letter; or 0.
func escapeLength(b []byte) int {
	if len(b) < 3 || b[1] != '[' {
		return 0
	}
	for i := 2; i < len(b); i++ {
		switch c := b[i]; {
		case c-'0' < 10 || c == ';':
		case c|0x20-'a' < 26:
			return i + 1
		default:
			return 0
		}
	}
	return 0
}
