// Package ifeval says whether answers do what can be verified of an instruction: that they have so many words or sentences,
// certain keywords, a title, no commas, the form of JSON. Its instructions, their parameters and its prompt sets are those of
// IFEval (Zhou et al. 2023, arXiv 2311.07911; google-research's instruction_following_eval), whose verdicts it gives for
// English; what is counted otherwise in other languages, and what instructions are added, docs/eval.md says.
//
// A Prompt (prompt.go) has instructions, of which each is one of the table's (rules.go). What an answer must be is in
// keywords.go, length.go, format.go, letters.go and startend.go. A Checker decides.
package ifeval

import (
	"strings"
	"unicode"

	"curate/text"
)

// Checker checks answers, for one goroutine.
type Checker struct {
	// Identify says in which language a text is, by its ISO 639-1 code; "": nobody knows.
	Identify func(text string) string

	nltk    text.NLTK
	scratch text.SpacyScratch
	spans   []text.Span
}

// Strict says of each of the prompt's instructions whether an answer follows it. An empty answer follows none.
func (c *Checker) Strict(p *Prompt, answer string) []bool {
	return c.check(p, []string{answer})
}

// Loose says of each instruction whether one of eight forms of an answer follows it: the answer without its first line, its
// last or both, and each of these without asterisks, so that neither an introduction nor bold type is held against it
// (section 2.2 of the paper).
func (c *Checker) Loose(p *Prompt, answer string) []bool {
	lines := strings.Split(answer, "\n")
	join := func(from, to int) string {
		return strings.TrimFunc(strings.Join(lines[min(from, len(lines)):max(to, min(from, len(lines)))], "\n"), isSpace)
	}
	forms := []string{answer, join(1, len(lines)), join(0, len(lines)-1), join(1, len(lines)-1)}
	for _, f := range forms[:4] {
		forms = append(forms, strings.ReplaceAll(f, "*", ""))
	}
	return c.check(p, forms)
}

// check says of each instruction whether one of the forms follows it.
func (c *Checker) check(p *Prompt, forms []string) []bool {
	follows := make([]bool, len(p.Instructions))
	for _, f := range forms {
		if strings.TrimFunc(f, isSpace) == "" {
			continue
		}
		a := &answer{text: f, lang: p.Lang, c: c}
		for i, in := range p.Instructions {
			follows[i] = follows[i] || in.check(a)
		}
	}
	return follows
}

// answer is what an instruction is checked on.
type answer struct {
	text  string
	lang  string // in which words and sentences are counted
	c     *Checker
	lower *string
}

// lowered is Python's str.lower of the text.
func (a *answer) lowered() string {
	if a.lower == nil {
		s := lower(a.text)
		a.lower = &s
	}
	return *a.lower
}

// in says whether the text is in a language. What has no letters is in all of them (LangDetectException in the reference).
func (a *answer) in(lang string) bool {
	return !text.HasLetter(a.text) || a.c.Identify != nil && a.c.Identify(a.text) == lang
}

func lower(s string) string { return string(text.AppendLower(nil, []byte(s))) }

// isSpace is Python's str.isspace, and \s of its re.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func trim(s string) string { return strings.TrimFunc(s, isSpace) }
