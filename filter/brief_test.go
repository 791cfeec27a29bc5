package filter

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBrief: where nobody asks for signals, rule, reason and what is left of the text are those of the signals themselves. Documents are
// the conformance cases, and mixtures of their lines in which lines and words come again.
func TestBrief(t *testing.T) {
	var docs [][]byte
	for _, d := range testdata(t) {
		docs = append(docs, []byte(d.Text))
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, d := range slices.Clone(docs) {
		lines := bytes.Split(d, lineFeed)
		words := bytes.Fields(d)
		if len(words) < 20 {
			continue
		}
		var mixed [][]byte
		for range 2 + rng.IntN(20) {
			mixed = append(mixed, lines[rng.IntN(len(lines))])
			lo := rng.IntN(len(words) - 12)
			for range 1 + rng.IntN(3) {
				mixed = append(mixed, bytes.Join(words[lo:lo+1+rng.IntN(12)], []byte(" ")))
			}
		}
		docs = append(docs, bytes.Join(mixed, lineFeed))
	}
	for _, p := range Profiles() {
		if needsMore(p) || !slices.ContainsFunc(p.Rules, func(u RuleUse) bool { return u.Rule == gopherRepetition.Name || u.Rule == c4Quality.Name }) {
			continue // no rule of it answers briefly
		}
		for _, cut := range slices.Compact([]string{p.Words, "whitespace"}) {
			p := p
			p.Words = cut
			f, err := NewOf(p, Config{})
			if err != nil {
				t.Fatal(err)
			}
			brief, v := f.NewView(), f.NewView()
			kept, reasons := 0, map[string]bool{}
			for _, d := range docs {
				rule, reason := f.Check(brief, d)
				v.Reset(d)
				wantRule, wantReason := f.decide(v, false)
				if rule != wantRule || reason != wantReason {
					t.Fatalf("%s, %s: %s %s, by its signals %s %s: %q", p.Name, cut, rule, reason, wantRule, wantReason, d)
				}
				if reason == "" && !bytes.Equal(brief.Text(), v.Text()) {
					t.Fatalf("%s, %s: edited to %q, by its signals to %q", p.Name, cut, brief.Text(), v.Text())
				}
				if reasons[reason] = true; reason == "" {
					kept++
				}
			}
			t.Logf("%s, %s: %d of %d kept, %d reasons", p.Name, cut, kept, len(docs), len(reasons)-1)
		}
	}
}
