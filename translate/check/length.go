package check

import (
	"fmt"
	"math"
	"unicode"
)

// Sources of fewer letters say little about a ratio: from 40 on half a text lost shows by itself, from 20 on with a second
// sign, and from 200 on the spread of human translations is that of a page.
const (
	ratioLettersWeak = 20
	ratioLetters     = 40
	ratioLettersLong = 200
)

// Ratio is the length of the target in letters for one of the source, and whether the source is long enough (40 letters) to
// say it.
func Ratio(p Pair) (float64, bool) {
	s, t := countLetters(appendWords(nil, p.Source)), countLetters(appendWords(nil, p.Target))
	return float64(t) / float64(max(s, 1)), s >= ratioLetters
}

func lengthRatio(c *Checker, v *view) (Finding, bool) {
	if v.sourceLetters == 0 {
		return nothing, false
	}
	p := &c.profile
	// A short source may have a translation of any length up to what 40 letters may have.
	bounded := float64(v.targetLetters) / float64(max(v.sourceLetters, ratioLetters))
	ratio := float64(v.targetLetters) / float64(v.sourceLetters)
	low, high := p.LengthRatioMinShort, p.LengthRatioMaxShort
	if v.sourceLetters >= ratioLettersLong {
		low, high = p.LengthRatioMinLong, p.LengthRatioMaxLong
	}
	switch {
	case bounded > high && v.sourceLetters < ratioLetters:
		return hard(ratio, fmt.Sprintf("%d letters for %d, at most %.0f", v.targetLetters, v.sourceLetters, high*ratioLetters))
	case bounded > high:
		return hard(ratio, fmt.Sprintf("%.2f times as long as the source, at most %g", ratio, high))
	case v.sourceLetters < ratioLetters:
		return nothing, false
	case ratio < low:
		return hard(ratio, fmt.Sprintf("%.2f times as long as the source, at least %g", ratio, low))
	case ratio < p.LengthRatioMin:
		return soft(ratio, fmt.Sprintf("%.2f times as long as the source, rarely below %g", ratio, p.LengthRatioMin))
	case ratio > p.LengthRatioMax:
		return soft(ratio, fmt.Sprintf("%.2f times as long as the source, rarely above %g", ratio, p.LengthRatioMax))
	}
	return nothing, false
}

// galeChurchZ is the distance from the expected length in standard deviations.
func galeChurchZ(source, target int, mean, variance float64) float64 {
	s := float64(source)
	return (float64(target) - mean*s) / math.Sqrt(variance*s)
}

func galeChurch(c *Checker, v *view) (Finding, bool) {
	p := &c.profile
	if v.sourceLetters < ratioLettersWeak {
		return nothing, false
	}
	z := galeChurchZ(v.sourceLetters, v.targetLetters, p.GaleChurchMean, p.GaleChurchVariance)
	if math.Abs(z) <= p.GaleChurchMax {
		return nothing, false
	}
	return soft(z, fmt.Sprintf("length is %.1f deviations from the expected, at most %g", z, p.GaleChurchMax))
}

// emptyLetters is a source that no sign alone can stand for.
const emptyLetters = 20

func empty(_ *Checker, v *view) (Finding, bool) {
	if v.sourceLetters == 0 || v.targetLetters > 0 {
		return nothing, false
	}
	for _, r := range v.Target {
		if (unicode.IsSymbol(r) || unicode.IsDigit(r)) && v.sourceLetters < emptyLetters {
			return soft(0, "no letter")
		}
	}
	return hard(0, "no letter")
}

// truncated joins two signs, each of which a translation may have, but hardly both. A mark that stands elsewhere is not lost.
func truncated(c *Checker, v *view) (Finding, bool) {
	ratio := float64(v.targetLetters) / float64(max(v.sourceLetters, 1))
	if v.sourceLetters < ratioLettersWeak || ratio >= c.profile.LengthRatioMin {
		return nothing, false
	}
	mark := lastMark(v.Source)
	if mark == 0 || lastMark(v.Target) != 0 || endings(v.Target, mark) >= endings(v.Source, mark) {
		return nothing, false
	}
	return hard(ratio, fmt.Sprintf("%.2f times as long as the source, rarely below %g, and no mark at its end", ratio, c.profile.LengthRatioMin))
}
