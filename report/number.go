package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// rounded is x to six decimals: what is written is the same on every machine.
func rounded(x float64) float64 { return math.Round(float64(x*1e6)) / 1e6 }

// share is n of all, to six decimals; 0 of nothing.
func share(n, all int64) float64 {
	if all == 0 {
		return 0
	}
	return rounded(float64(n) / float64(all))
}

// percent is a share in words; "" of nothing.
func percent(n, all int64) string {
	if all == 0 {
		return ""
	}
	return percentOf(share(n, all))
}

func percentOf(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// group writes 8412 as 8,412.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number writes a value as short as it is: 0.25, 31, 100,000.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return group(int64(v))
	}
	return strconv.FormatFloat(rounded(v), 'g', -1, 64)
}

// short writes a value to three digits, for the ends of an axis.
func short(v float64) string {
	f, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		f = v
	}
	return number(f)
}

// printable keeps a name from the data from moving the cursor of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
