package check

import (
	"fmt"
	"strings"
)

const (
	sameTargetWords   = 2
	sameTargetLetters = 10
)

// sameTarget finds a server that answers everything alike. Two sources that share a word, "Thank you." and "Thank you so
// much.", may well have one translation.
func sameTarget(c *Checker, v *view) (Finding, bool) {
	if strings.Count(v.Source, "\n") != strings.Count(v.Target, "\n") {
		return nothing, false
	}
	type group struct {
		words   map[string]struct{}
		sources int // that share no word with the others
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
		g := groups[t]
		if g == nil {
			g = &group{words: make(map[string]struct{})}
			groups[t] = g
		}
		shared := false
		for _, w := range words {
			if w.letters >= 4 {
				_, had := g.words[w.lower]
				shared = shared || had
			}
		}
		if shared {
			continue
		}
		for _, w := range words {
			if w.letters >= 4 {
				g.words[w.lower] = struct{}{}
			}
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
