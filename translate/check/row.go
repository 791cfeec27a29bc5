package check

import (
	"fmt"
	"strings"
)

const (
	sameTargetWords   = 2
	sameTargetLetters = 10
)

// alike is the share of two sources' words that both have from which on they may well have one translation: "Thank you very
// much." and "Thank you, friend." have 2 of 5.
const alike = 0.3

// sameTargetShort is how many sources, short ones with them, must have one target of two words and 10 letters: "Yes." and "Right."
// may well be one word in another language.
const sameTargetShort = 3

// sameTarget finds a server that answers everything alike.
func sameTarget(c *Checker, v *view) (Finding, bool) {
	if strings.Count(v.Source, "\n") != strings.Count(v.Target, "\n") {
		return nothing, false
	}
	type group struct {
		words   map[string]struct{} // of the first source
		sources int                 // the first, and those that are not like it
		short   int                 // sources that are too short for that
	}
	groups := make(map[string]*group)
	seen := make(map[string]struct{}) // sources
	units, short := 0, 0
	target := v.Target
	var words []word
	for source := range strings.SplitSeq(v.Source, "\n") {
		var t string
		t, target, _ = strings.Cut(target, "\n")
		words = appendWords(words[:0], source)
		key := strings.ToLower(strings.TrimSpace(source))
		if _, ok := seen[key]; ok || len(words) == 0 {
			continue
		}
		seen[key] = struct{}{}
		long := len(words) >= sameTargetWords && countLetters(words) >= sameTargetLetters
		if long {
			units++
		} else {
			short++
		}
		t = sentencesOnce(strings.ToLower(t))
		if t == "" || sameText(t, key) {
			continue
		}
		g := groups[t]
		if g == nil {
			g = &group{}
			groups[t] = g
		}
		if !long {
			g.short++
			continue
		}
		distinct := make(map[string]struct{}, len(words))
		for _, w := range words {
			distinct[w.lower] = struct{}{}
		}
		if g.words == nil {
			g.words, g.sources = distinct, 1
			continue
		}
		shared := 0
		for w := range distinct {
			if _, ok := g.words[w]; ok {
				shared++
			}
		}
		if float64(shared) < alike*float64(len(distinct)+len(g.words)-shared) {
			g.sources++
		}
	}
	most := 0
	for t, g := range groups {
		if float64(g.sources) >= c.profile.SameTargetSources && 2*g.sources > units {
			most = max(most, g.sources)
		}
		if all := g.sources + g.short; all > most && all >= sameTargetShort && 2*all > units+short {
			if words = appendWords(words[:0], t); len(words) >= sameTargetWords && countLetters(words) >= sameTargetLetters {
				most = all
			}
		}
	}
	if most == 0 {
		return nothing, false
	}
	return hard(float64(most), fmt.Sprintf("%d different sources have the same translation", most))
}

// sentencesOnce is text with each of its sentences once: what was cut at its protected spans may have the same answer to each piece.
func sentencesOnce(text string) string {
	var list []string
	var seen map[string]struct{}
	for s := range strings.FieldsFuncSeq(text, sentenceEnd) {
		s = strings.TrimFunc(s, notWord)
		if _, ok := seen[s]; ok || s == "" {
			continue
		}
		if seen == nil {
			seen = make(map[string]struct{})
		}
		seen[s] = struct{}{}
		list = append(list, s)
	}
	return strings.Join(list, ". ")
}
