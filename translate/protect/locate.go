package protect

import (
	"cmp"
	"index/suffixarray"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Locate makes the template of a translation whose protected spans are known: each of values must occur in text exactly as
// often as in values. It says so if they do not. It is for parallel corpora and corrections. Longer values are looked for first, and
// a value is not found inside a longer one, nor behind a letter, nor before one if it ends in a digit: a suffix may be glued to a
// name, but 12 does not stand in 120.
func Locate(text string, values []string) (Template, bool) {
	if len(values) == 0 {
		return Template{Text: []string{text}}, true
	}
	holes := make(map[string][]int, len(values))
	var distinct []string
	for k, v := range values {
		if v == "" {
			return Template{}, false
		}
		if holes[v] == nil {
			distinct = append(distinct, v)
		}
		holes[v] = append(holes[v], k)
	}
	slices.SortFunc(distinct, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	find := finder(text, len(distinct))
	type place struct{ at, end, hole int }
	var places []place
	taken := make([]bool, len(text))
	for _, v := range distinct {
		var at []int
		next := 0
		for _, k := range find(v) {
			// Taken bytes are whole places, none longer than v is inside v: its ends tell.
			if k < next || taken[k] || taken[k+len(v)-1] || !apart(text, k, k+len(v)) {
				continue
			}
			at = append(at, k)
			next = k + len(v)
		}
		if len(at) != len(holes[v]) {
			return Template{}, false
		}
		for n, k := range at {
			for i := k; i < k+len(v); i++ {
				taken[i] = true
			}
			places = append(places, place{k, k + len(v), holes[v][n]})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.at, b.at) })
	t := Template{Holes: make([]int, len(places)), Text: make([]string, len(places)+1)}
	end := 0
	for k, p := range places {
		t.Text[k], t.Holes[k] = text[end:p.at], p.hole
		end = p.end
	}
	t.Text[len(places)] = text[end:]
	return t, true
}

// finder gives the positions of a string in text, in order, overlapping ones too. For many strings, or a long text, it is indexed,
// so that not each of them reads it all.
func finder(text string, strs int) func(string) []int {
	if strs <= 16 && len(text) <= 4096 {
		return func(v string) (at []int) {
			for from := 0; ; {
				k := strings.Index(text[from:], v)
				if k < 0 {
					return at
				}
				at = append(at, from+k)
				from += k + 1
			}
		}
	}
	index := suffixarray.New([]byte(text))
	return func(v string) []int {
		at := index.Lookup([]byte(v), -1)
		slices.Sort(at)
		return at
	}
}

// apart says whether text[at:end] can be a whole span: it does not begin in the middle of a word, nor end in that of a number.
func apart(text string, at, end int) bool {
	first, _ := utf8.DecodeRuneInString(text[at:end])
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	if at > 0 && isWordRune(first) && (isWordRune(before) && (before < utf8.RuneSelf || latin(before))) {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(text[at:end])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return end == len(text) || !unicode.IsDigit(last) || !unicode.IsDigit(after)
}

// Locate makes the template of a translation of the text that m was: m.Before and m.After must stand around it, white space apart,
// and the values in it.
func (m Masked) Locate(translation string) (Template, bool) {
	s := strings.TrimSpace(translation)
	s, begins := strings.CutPrefix(s, strings.TrimSpace(m.Before))
	s, ends := strings.CutSuffix(s, strings.TrimSpace(m.After))
	if !begins || !ends {
		return Template{}, false
	}
	return Locate(strings.TrimSpace(s), m.Values)
}
