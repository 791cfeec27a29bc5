package backends

import (
	"slices"
	"strings"
	"unicode"
)

// Small models answer with one of the prompt's examples: Gemma 3 270M did so for two of ten unrelated sentences, and with a
// garbled copy for two more.
const (
	leakSimilar   = 0.8 // of the answer to an example's translation: a copy, or nearly
	leakUnrelated = 0.6 // of the source to that example's source: above, the answer may well be right
)

// PromptLeak says whether the answer is, or nearly is, the translation (or the source) of one of the examples, while the source is
// another text.
func PromptLeak(shots [][2]string, source, answer string) bool {
	return leaked(newLeaks(shots), source, answer)
}

// leak is an example to look for.
type leak struct{ from, to grams }

func newLeaks(shots [][2]string) []leak {
	var out []leak
	for _, s := range shots {
		out = append(out, leak{newGrams(s[0]), newGrams(s[1])})
	}
	return out
}

func leaked(leaks []leak, source, answer string) bool {
	if len(leaks) == 0 {
		return false
	}
	a := newGrams(answer)
	if len(a.text) == 0 {
		return false
	}
	for _, l := range leaks {
		if similarity(a, l.to) >= leakSimilar || similarity(a, l.from) >= leakSimilar {
			s := newGrams(source)
			if similarity(s, l.from) < leakUnrelated && similarity(s, l.to) < leakUnrelated {
				return true
			}
		}
	}
	return false
}

// grams of a text: its letters, and each three of them in a row, sorted.
type grams struct {
	text  string
	three []uint64
}

func newGrams(s string) grams {
	runes := letters(s)
	g := grams{text: string(runes)}
	if len(runes) >= 3 {
		g.three = make([]uint64, len(runes)-2)
		for i := range g.three {
			g.three[i] = uint64(runes[i])<<42 | uint64(runes[i+1])<<21 | uint64(runes[i+2])
		}
		slices.Sort(g.three)
	}
	return g
}

// letters of a text in lower case, with one space between words.
func letters(s string) []rune {
	out := make([]rune, 0, len(s))
	space := false
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			space = len(out) > 0
			continue
		}
		if space {
			out = append(out, ' ')
			space = false
		}
		out = append(out, unicode.ToLower(r))
	}
	return out
}

// similarity is Dice's coefficient of the multisets of three letters, 1 for equal texts. Texts whose lengths differ by more
// than a factor of two are 0.
func similarity(a, b grams) float64 {
	if a.text == b.text {
		return 1
	}
	if len(a.three) == 0 || len(b.three) == 0 || len(a.three) > 2*len(b.three) || len(b.three) > 2*len(a.three) {
		return 0
	}
	common := 0
	for i, k := 0, 0; i < len(a.three) && k < len(b.three); {
		switch x, y := a.three[i], b.three[k]; {
		case x == y:
			common++
			i++
			k++
		case x < y:
			i++
		default:
			k++
		}
	}
	return 2 * float64(common) / float64(len(a.three)+len(b.three))
}

// repeatsPrompt: a rule of the prompt stands in the answer, and not in the source.
func (p *prompt) repeatsPrompt(source, answer string) bool {
	low := strings.ToLower(answer)
	for _, line := range p.lines {
		if strings.Contains(low, line) && !strings.Contains(strings.ToLower(source), line) {
			return true
		}
	}
	return false
}

// holdsJSON: the answer holds the JSON of a question or of an answer, whole or broken, and the source does not.
func holdsJSON(r *Request, answer string) bool {
	if !strings.Contains(answer, `"segments"`) && !strings.Contains(answer, `"translations"`) {
		return false
	}
	squeezed := strings.Join(strings.Fields(answer), "")
	if !strings.Contains(squeezed, `"segments":[{"`) && !strings.Contains(squeezed, `"translations":[{"`) {
		return false
	}
	for _, s := range r.Segments {
		if strings.Contains(s, `"segments"`) || strings.Contains(s, `"translations"`) {
			return false
		}
	}
	return true
}
