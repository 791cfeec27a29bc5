// Package human writes numbers and names as people read them, in tables and messages.
package human

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Thousands writes 8412 as 8,412.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Percent writes 0.1234 as 12.3 %.
func Percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + " %" }

// Printable has U+FFFD for what could move the cursor of a terminal or turn a line around.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}
