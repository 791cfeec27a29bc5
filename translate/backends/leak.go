package backends

import (
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
	a := letters(answer)
	if len(a) == 0 {
		return false
	}
	s := letters(source)
	for _, shot := range shots {
		from, to := letters(shot[0]), letters(shot[1])
		if similarity(s, from) >= leakUnrelated || similarity(s, to) >= leakUnrelated {
			continue
		}
		if similarity(a, to) >= leakSimilar || similarity(a, from) >= leakSimilar {
			return true
		}
	}
	return false
}

// letters of a text in lower case, with one space between words.
func letters(s string) []rune {
	var out []rune
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
// than a factor of two are 0: no long text is counted for nothing.
func similarity(a, b []rune) float64 {
	if len(a) > 2*len(b) || len(b) > 2*len(a) {
		return 0
	}
	if string(a) == string(b) {
		return 1
	}
	if len(a) < 3 || len(b) < 3 {
		return 0
	}
	count := map[[3]rune]int{}
	for i := range len(a) - 2 {
		count[[3]rune(a[i:])]++
	}
	common := 0
	for i := range len(b) - 2 {
		if k := [3]rune(b[i:]); count[k] > 0 {
			count[k]--
			common++
		}
	}
	return 2 * float64(common) / float64(len(a)+len(b)-4)
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

// echoes: the answer is the question's JSON, and the source is no such thing.
func (p *prompt) echoes(r *Request, answer string) bool {
	const mark = `"segments":[{"id":`
	squeezed := strings.ReplaceAll(answer, " ", "")
	if !strings.Contains(squeezed, mark) && !strings.Contains(squeezed, `"translations":[{"id":`) {
		return false
	}
	for _, s := range r.Segments {
		if strings.Contains(s, `"segments"`) || strings.Contains(s, `"translations"`) {
			return false
		}
	}
	return true
}
