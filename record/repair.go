package record

import (
	"bytes"
	"fmt"
	"strings"
)

// Repairs are what Parse may mend in a line that is no strict JSON, if it is asked to. A line that is strict is never touched.
type Repairs uint8

const (
	// RepairNaN makes null of NaN, Infinity and -Infinity, which Python's json writes for floats that JSON cannot hold.
	RepairNaN Repairs = 1 << iota
	// RepairSurrogates makes \ufffd of a \uD800 to \uDFFF that is no half of a pair.
	RepairSurrogates
)

// repairNames are in the order of the bits.
var repairNames = []string{"nan", "surrogates"}

// ParseRepairs reads a list of names.
func ParseRepairs(names []string) (what Repairs, err error) {
next:
	for _, name := range names {
		for i, n := range repairNames {
			if name == n {
				what |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("%q: there are %s", name, strings.Join(repairNames, " and "))
	}
	return what, nil
}

// Names are those that ParseRepairs reads.
func (what Repairs) Names() []string {
	names := []string{}
	for i, n := range repairNames {
		if what>>i&1 != 0 {
			names = append(names, n)
		}
	}
	return names
}

// String is the names with commas between; empty for none.
func (what Repairs) String() string { return strings.Join(what.Names(), ",") }

// repair puts a mended line in the place of the record's if that one is strict JSON.
func (b *Batch) repair(r *Record) bool {
	lo := len(b.mended)
	var changed bool
	if b.mended, changed = appendRepaired(b.mended, r.Line, b.Repair); !changed {
		b.mended = b.mended[:lo]
		return false
	}
	read := r.Line
	r.Line = b.mended[lo:len(b.mended):len(b.mended)]
	if b.parse(r) != nil {
		r.Line, b.mended = read, b.mended[:lo]
		return false
	}
	r.read = read
	return true
}

// Raw is the line as it was read, where Line may have been repaired.
func (r *Record) Raw() []byte {
	if r.read != nil {
		return r.read
	}
	return r.Line
}

var notNumbers = [][]byte{[]byte("NaN"), []byte("Infinity"), []byte("-Infinity")}

// appendRepaired appends line, which need be no JSON, with the repairs made.
func appendRepaired(dst, line []byte, what Repairs) (out []byte, changed bool) {
	for i := 0; i < len(line); {
		c := line[i]
		if c == '"' {
			j := skipString(line, i)
			if what&RepairSurrogates != 0 {
				var mended bool
				dst, mended = appendPaired(dst, line[i:j])
				changed = changed || mended
			} else {
				dst = append(dst, line[i:j]...)
			}
			i = j
			continue
		}
		if what&RepairNaN != 0 && (c == 'N' || c == 'I' || c == '-') {
			if n := notNumber(line[i:]); n > 0 {
				dst = append(dst, "null"...)
				changed = true
				i += n
				continue
			}
		}
		dst = append(dst, c)
		i++
	}
	return dst, changed
}

// notNumber is the length of the word at the start of b, if it stands for no number, or 0.
func notNumber(b []byte) int {
	for _, w := range notNumbers {
		if bytes.HasPrefix(b, w) && (len(b) == len(w) || strings.IndexByte(",]} \t\r\n", b[len(w)]) >= 0) {
			return len(w)
		}
	}
	return 0
}

// appendPaired appends a string with \ufffd for each surrogate that is no half of a pair.
func appendPaired(dst, s []byte) (out []byte, changed bool) {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return append(dst, s...), changed
		}
		dst = append(dst, s[:i]...)
		s = s[i:]
		n := 2
		if u, ok := surrogate(s); ok {
			n = 6
			low, isToo := surrogate(s[n:])
			switch {
			case u < 0xDC00 && isToo && low >= 0xDC00:
				n = 12
			default:
				dst = append(dst, `\ufffd`...)
				s, changed = s[n:], true
				continue
			}
		}
		dst = append(dst, s[:n]...)
		s = s[n:]
	}
}

// surrogate is the surrogate whose escape s begins with.
func surrogate(s []byte) (u uint32, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' || s[2]|0x20 != 'd' {
		return 0, false
	}
	for _, c := range s[2:6] {
		if c-'0' >= 10 && c|0x20-'a' >= 6 {
			return 0, false
		}
	}
	u = hex4(s[2:])
	return u, u >= 0xD800 && u <= 0xDFFF
}
