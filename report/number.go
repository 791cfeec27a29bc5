package report

import (
	"math"
	"strconv"

	"curate/internal/human"
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
	return human.Percent(share(n, all))
}

// number writes a value as short as it is: 0.25, 31, 100,000.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return human.Thousands(int64(v))
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
