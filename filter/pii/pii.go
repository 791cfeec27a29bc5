// Package pii finds personal data in text: e-mail addresses, public IP addresses, telephone numbers, IBANs and
// numbers of payment cards. It only finds and replaces; what is done about a document is decided in package filter.
//
// A scanner is a plain function that appends the spans of one [Kind], in order, and allocates nothing once the
// slice is large enough. Each looks for one rare byte (an @, a colon, a plus sign, a digit) and reads around it, so
// text without any costs little more than a look at its bytes, and time is linear in the length of the text.
//
// Read pii.go, then email.go. Two files hold what other tools find, to the byte: datatrove.go and dolma.go.
package pii

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"curate/text"
)

// Kind of personal data.
type Kind uint8

const (
	Email Kind = iota
	IPv4
	IPv6
	Phone
	IBAN
	Card
	Kinds // how many there are
)

// names are in the order of the constants.
var names = [Kinds]string{"email", "ipv4", "ipv6", "phone", "iban", "card"}

func (k Kind) String() string { return names[k] }

// Set of kinds.
type Set uint8

// Of is the set that holds these kinds.
func Of(kinds ...Kind) (s Set) {
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// Has says whether the kind is in the set.
func (s Set) Has(k Kind) bool { return s>>k&1 != 0 }

// Span of a text that is personal data of a kind.
type Span struct {
	text.Span
	Kind Kind
}

// Finder holds the memory of Find. It serves one goroutine.
type Finder struct {
	part []text.Span
	all  []Span
}

// Find gives the spans of the kinds in the set, in order and without overlaps: where two would share a byte, the one that
// begins earlier stays, or the longer one of two that begin together. The slice is valid until the next call.
func (f *Finder) Find(doc []byte, kinds Set) []Span {
	f.all = f.all[:0]
	for k := Kind(0); k < Kinds; k++ {
		if kinds.Has(k) {
			f.part = scanners[k](f.part[:0], doc)
			f.add(k)
		}
	}
	f.order()
	return f.all
}

// Size is the memory held, in bytes.
func (f *Finder) Size() int { return 8*cap(f.part) + 12*cap(f.all) }

func (f *Finder) add(k Kind) {
	for _, s := range f.part {
		f.all = append(f.all, Span{s, k})
	}
}

// order sorts the spans and drops those that begin inside another one.
func (f *Finder) order() {
	if len(f.all) < 2 {
		return
	}
	slices.SortFunc(f.all, func(a, b Span) int {
		if a.Lo != b.Lo {
			return int(a.Lo) - int(b.Lo)
		}
		if a.Hi != b.Hi {
			return int(b.Hi) - int(a.Hi)
		}
		return int(a.Kind) - int(b.Kind)
	})
	kept, end := f.all[:0], int32(0)
	for _, s := range f.all {
		if s.Lo >= end {
			kept = append(kept, s)
			end = s.Hi
		}
	}
	f.all = kept
}

// scanners are in the order of the kinds.
var scanners = [Kinds]func([]text.Span, []byte) []text.Span{Emails, IPv4s, IPv6s, Phones, IBANs, Cards}

// AppendReplaced appends doc with texts[kind] in the place of each span. Spans are in order and do not overlap.
func AppendReplaced(dst, doc []byte, spans []Span, texts *[Kinds]string) []byte {
	at := int32(0)
	for _, s := range spans {
		dst = append(dst, doc[at:s.Lo]...)
		dst = append(dst, texts[s.Kind]...)
		at = s.Hi
	}
	return append(dst, doc[at:]...)
}

// AppendCycled appends doc with the texts in turn, the first one first, in the place of the spans.
func AppendCycled(dst, doc []byte, spans []text.Span, texts []string) []byte {
	at, next := int32(0), 0
	for _, s := range spans {
		dst = append(dst, doc[at:s.Lo]...)
		dst = append(dst, texts[next]...)
		if next++; next == len(texts) {
			next = 0
		}
		at = s.Hi
	}
	return append(dst, doc[at:]...)
}

func isDigit(c byte) bool { return c-'0' < 10 }
func isUpper(c byte) bool { return c-'A' < 26 }
func isAlnum(c byte) bool { return c-'0' < 10 || c|0x20-'a' < 26 }

const (
	each = 0x0101010101010101
	low7 = 0x7F * each
	high = 0x80 * each
)

// nextDigit is the place of the first ASCII digit from i on, or len(doc).
func nextDigit(doc []byte, i int) int {
	for i+8 <= len(doc) {
		v := binary.LittleEndian.Uint64(doc[i:])
		l := v & low7 // sums carry into the high bit of their own byte and no further
		if m := (l + (0x80-'0')*each) &^ (l + (0x80-'9'-1)*each) &^ v & high; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(doc) && !isDigit(doc[i]) {
		i++
	}
	return i
}

// letterBefore says whether a letter or digit, or a byte beyond ASCII, stands before i.
func letterBefore(doc []byte, i int) bool {
	return i > 0 && (isAlnum(doc[i-1]) || doc[i-1] >= 0x80 && !blankBefore(doc, i))
}

// blankBefore says whether a character beyond ASCII that is no letter ends at i: a no-break space, or general
// punctuation such as a dash or a quotation mark.
func blankBefore(doc []byte, i int) bool {
	if i >= 2 && doc[i-2] == 0xC2 { // U+0080 to U+00BF; of them ª µ º are letters
		return doc[i-1] != 0xAA && doc[i-1] != 0xB5 && doc[i-1] != 0xBA
	}
	if i >= 3 && doc[i-3] == 0xE2 && doc[i-2] >= 0x80 && doc[i-2] <= 0x8A { // U+2000 to U+22BF
		return true
	}
	return i >= 3 && (doc[i-3] == 0xE3 && doc[i-2] == 0x80 || doc[i-3] == 0xEF && doc[i-2] == 0xBC) // CJK and full-width punctuation
}

// letterAt says whether a letter or digit, or a letter beyond ASCII, begins at i.
func letterAt(doc []byte, i int) bool {
	if i >= len(doc) {
		return false
	}
	c := doc[i]
	if c < 0x80 {
		return isAlnum(c)
	}
	// Letters of the Latin, Greek, Cyrillic scripts and those behind them; CJK text has no spaces, so that what follows
	// there belongs to the next word.
	return c >= 0xC3 && c <= 0xDF
}
