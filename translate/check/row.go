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

// sameTarget finds a server that answers everything alike.
func sameTarget(c *Checker, v *view) (Finding, bool) {
	if strings.Count(v.Source, "\n") != strings.Count(v.Target, "\n") {
		return nothing, false
	}
	type group struct {
		words   map[string]struct{} // of the first source
		sources int                 // the first, and those that are not like it
	}
	groups := make(map[string]*group)
	seen := make(map[string]struct{}) // sources
	units := 0
	var best *group
	target := v.Target
	var words []word
	for source := range strings.SplitSeq(v.Source, "\n") {
		var t string
		t, target, _ = strings.Cut(target, "\n")
		words = appendWords(words[:0], source)
		if len(words) < sameTargetWords || countLetters(words) < sameTargetLetters {
			continue
		}
		key := strings.ToLower(strings.TrimSpace(source))
		if _, ok := seen[key]; ok {
			continue
		}
		seen[key] = struct{}{}
		units++
		t = strings.ToLower(strings.TrimSpace(t))
		if t == "" || sameText(t, key) {
			continue
		}
		distinct := make(map[string]struct{}, len(words))
		for _, w := range words {
			distinct[w.lower] = struct{}{}
		}
		g := groups[t]
		if g == nil {
			groups[t] = &group{words: distinct, sources: 1}
			continue
		}
		shared := 0
		for w := range distinct {
			if _, ok := g.words[w]; ok {
				shared++
			}
		}
		if float64(shared) >= alike*float64(len(distinct)+len(g.words)-shared) {
			continue
		}
		g.sources++
		if best == nil || g.sources > best.sources {
			best = g
		}
	}
	if best == nil || float64(best.sources) < c.profile.SameTargetSources || 2*best.sources <= units {
		return nothing, false
	}
	return hard(float64(best.sources), fmt.Sprintf("%d different sources have the same translation", best.sources))
}
