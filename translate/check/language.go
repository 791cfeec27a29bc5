package check

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// tableLanguages are those with tables, in the order of their weights.
var tableLanguages = [...]string{"ca", "de", "en", "es", "eu", "fr", "gl", "it", "pt"}

type languageWeights [len(tableLanguages)]float64

// The evidence of a word that is not in the table is that of its trigrams. They overlap, so each counts for less, and the
// whole for no more than a word does.
const (
	trigramWeight = 0.4
	trigramLimit  = 6 // bits
)

// functionWordBits is what a word of functionWords has for its language at least: the table is from a manual, which says little of
// what was, and never goodbye.
const functionWordBits = 5

type languageTables struct{ words, trigrams map[string]languageWeights }

var languages = sync.OnceValue(func() languageTables {
	parse := func(table string) map[string]languageWeights {
		fields := strings.Fields(table)
		m := make(map[string]languageWeights, len(fields)/2)
		for i := 0; i+1 < len(fields); i += 2 {
			var w languageWeights
			for l := range w {
				w[l] = float64(fields[i+1][l] - '0')
			}
			m[strings.ReplaceAll(fields[i], "_", " ")] = w
		}
		return m
	}
	t := languageTables{words: parse(wordTable), trigrams: parse(trigramTable)}
	for l, language := range tableLanguages {
		for w := range strings.FieldsSeq(functionWords[language]) {
			weights := t.words[w]
			weights[l] = max(weights[l], functionWordBits)
			t.words[w] = weights
		}
	}
	return t
})

func tableIndex(language string) int {
	for i, l := range tableLanguages {
		if l == language {
			return i
		}
	}
	return -1
}

// eachTrigram calls f for the trigrams of a word with a space at either end.
func eachTrigram(w string, f func(string)) {
	s := " " + w + " "
	starts := [3]int{}
	n := 0
	for i := range s {
		if n >= 3 {
			f(s[starts[n%3]:i])
		}
		starts[n%3] = i
		n++
	}
	if n >= 3 {
		f(s[starts[n%3]:])
	}
}

// maxTrigramWord bounds what one word costs: what is longer is no word.
const maxTrigramWord = 64 // bytes

func (t *languageTables) weigh(w word) languageWeights {
	if weights, ok := t.words[w.lower]; ok {
		return weights
	}
	var sum languageWeights
	if len(w.lower) > maxTrigramWord || !utf8.ValidString(w.lower) {
		return sum
	}
	eachTrigram(w.lower, func(g string) {
		if weights, ok := t.trigrams[g]; ok {
			for l := range sum {
				sum[l] += weights[l] * trigramWeight
			}
		}
	})
	best := sum[0]
	for _, x := range sum {
		best = max(best, x)
	}
	for l := range sum {
		sum[l] = max(sum[l]-best, -trigramLimit)
	}
	return sum
}

// evidence is what the tables say of the target.
type evidence struct {
	bits    float64 // of the target language above the best other
	best    string  // the best other
	letters int     // that were looked at
}

// evidenceFor weighs the words of the target but for names and abbreviations: words with a capital that the source has too
// (behind the first word), words without a lower-case letter, words of protected spans.
func evidenceFor(v *view) evidence {
	table := languages()
	target := tableIndex(v.To)
	var sum languageWeights
	var e evidence
	for i, w := range v.target {
		if w.shout() || v.keeps(w) || i > 0 && w.capital() && v.copied(w) {
			continue
		}
		e.letters += w.letters
		weights := table.weigh(w)
		for l := range sum {
			sum[l] += weights[l]
		}
	}
	other := -1
	for l := range sum {
		if l != target && (other < 0 || sum[l] > sum[other]) {
			other = l
		}
	}
	e.best, e.bits = tableLanguages[other], sum[target]-sum[other]
	return e
}

func segmentLanguage(c *Checker, v *view) (Finding, bool) {
	return c.language(v, c.profile.LanguageLettersSegment)
}

func rowLanguage(c *Checker, v *view) (Finding, bool) {
	return c.language(v, c.profile.LanguageLettersRow)
}

// language decides by the tables where they are sure, and asks the engine, of texts with so many letters, where they are not.
func (c *Checker) language(v *view, letters float64) (Finding, bool) {
	if v.From == v.To {
		return nothing, false
	}
	p := &c.profile
	looked := v.targetLetters
	if tableIndex(v.To) >= 0 {
		e := evidenceFor(v)
		looked = e.letters
		switch {
		case e.bits >= p.LanguageSureBits:
			return nothing, false
		case e.bits <= -p.LanguageWrongBits && float64(e.letters) >= p.LanguageLettersTable:
			return hard(e.bits, fmt.Sprintf("the words are %s: %.0f bits more than for %s, at most %g", e.best, -e.bits, v.To, p.LanguageWrongBits))
		}
	}
	if c.identify == nil || float64(looked) < letters {
		return nothing, false
	}
	pa, pb := c.identify(v.Target, v.To, v.From)
	switch {
	case pb-pa > p.LanguageMargin:
		return hard(pa-pb, fmt.Sprintf("another language with %.2f and %s with %.2f: %.2f more, at most %g", pb, v.To, pa, pb-pa, p.LanguageMargin))
	case pb > pa:
		return soft(pa-pb, fmt.Sprintf("another language with %.2f rather than %s with %.2f", pb, v.To, pa))
	}
	return nothing, false
}
