package filter

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// unique makes n different words of the given length.
func unique(from, n, length int) []string {
	words := make([]string, n)
	for i := range words {
		b := make([]byte, length)
		k := from + i
		for j := range b {
			b[j] = byte('a' + k%26)
			k /= 26
		}
		words[i] = string(b)
	}
	return words
}

func five(from, n int) string { return strings.Join(unique(from, n, 5), " ") }

// parts are `fresh` different parts of `size` words and a part of `same` words that occurs 1+again times.
func parts(sep string, fresh, size, same, again int) string {
	var p []string
	for i := range fresh {
		p = append(p, five(1000*i+1000, size))
	}
	again++
	for range again {
		p = append(p, five(0, same))
	}
	return strings.Join(p, sep)
}

// phrases are 50 times the same n words, each followed by k new ones. All words have five letters.
func phrases(n, k int) string {
	var p []string
	for i := range 50 {
		p = append(p, unique(0, n, 5)...)
		p = append(p, unique(100+i*k, k, 5)...)
	}
	return strings.Join(p, " ")
}

// with is "the of" and n-2 other words of five letters, edited.
func with(n int, edit func(words []string)) string {
	words := append([]string{"the", "of"}, unique(0, n-2, 5)...)
	if edit != nil {
		edit(words)
	}
	return strings.Join(words, " ")
}

// add puts s into the middle of the first n words.
func add(n int, s string) func([]string) {
	return func(words []string) {
		for i := range n {
			words[i+2] = words[i+2][:2] + s + words[i+2][2:]
		}
	}
}

// tenLines are ten lines of five words; mark edits the first n.
func tenLines(n int, mark func(line string) string) string {
	words := strings.Fields(with(50, nil))
	var lines []string
	for i := range 10 {
		l := strings.Join(words[i*5:i*5+5], " ")
		if i < n {
			l = mark(l)
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "\n")
}

func numbers(n int) func([]string) {
	return func(words []string) {
		for i := range n {
			words[len(words)-1-i] = fmt.Sprint(10000 + i)
		}
	}
}

// ofLength is "that have" and 48 words of which long have 11 letters, the others 10.
func ofLength(long int) string {
	return "that have " + strings.Join(unique(0, long, 11), " ") + " " + strings.Join(unique(0, 48-long, 10), " ")
}

var before = map[bool]string{true: "• ", false: " \t- "}

// ruleCases has two documents for each reason: one that is dropped for it, and one beside it, at the threshold
// where that can be met.
var ruleCases = withFineweb1(append([]ruleCase{
	{"gopher_repetition", "dup_para_frac", parts("\n\n", 6, 20, 1, 4), parts("\n\n\n", 6, 20, 1, 3)},
	{"gopher_repetition", "dup_para_char_frac", parts("\n\n", 8, 20, 100, 1), parts("\n\n", 8, 30, 30, 1)},
	{"gopher_repetition", "dup_line_frac", parts("\n", 6, 20, 1, 4), parts("\n", 6, 20, 1, 3)},
	{"gopher_repetition", "dup_line_char_frac", parts("\n", 8, 20, 100, 1), parts("\n", 8, 30, 30, 1)},
	{"gopher_repetition", "top_2_gram", phrases(2, 4), phrases(2, 9)},
	{"gopher_repetition", "top_3_gram", phrases(3, 8), phrases(3, 13)},
	{"gopher_repetition", "top_4_gram", phrases(4, 14), phrases(4, 21)},
	{"gopher_repetition", "duplicated_5_n_grams", phrases(5, 19), phrases(5, 25)},
	{"gopher_repetition", "duplicated_6_n_grams", phrases(6, 24), phrases(6, 30)},
	{"gopher_repetition", "duplicated_7_n_grams", phrases(7, 33), phrases(7, 39)},
	{"gopher_repetition", "duplicated_8_n_grams", phrases(8, 42), phrases(8, 49)},
	{"gopher_repetition", "duplicated_9_n_grams", phrases(9, 51), phrases(9, 61)},
	{"gopher_repetition", "duplicated_10_n_grams", phrases(10, 65), phrases(10, 75)},

	{"c4_paragraph", "< 3 paragraphs", paragraphs(199), paragraphs(200)},

	{"c4_quality", "lorem_ipsum", sentences(5) + "\nHere is Lorem IPSUM.", sentences(5) + "\nLorem ipsum."},
	{"c4_quality", "curly_bracket", sentences(5) + "\nif (a) { return \"b\"", sentences(5) + "\nif (a) { return b;"},
	{"c4_quality", "too_few_sentences", sentences(4), sentences(5)},

	{"fasttext_quality", "low_score", badToy, goodToy},
	{"fasttext_quality", "pareto", "The page is the one that you have opened 1 times.", "The page is the one that you have opened 4 times."},

	{"fineweb_quality", "empty", " \n\u00a0\n", "-- this line has a dot at its end."},
	{"fineweb_quality", "line_punct_ratio", endings(1), endings(2)},
	{"fineweb_quality", "short_line_ratio", short(68), short(67)},
	{"fineweb_quality", "char_dup_ratio", full(98) + "\n" + full(1), full(99) + "\n" + full(1)},
	{"fineweb_quality", "list_ratio", list(20, 7), list(20, 6)},

	{"gopher_quality", "gopher_short_doc", with(49, nil) + " !? …", with(50, nil)},
	{"gopher_quality", "gopher_long_doc", with(100001, nil), with(100000, nil)},
	{"gopher_quality", "gopher_below_avg_threshold", "the and " + strings.Join(unique(0, 48, 2), " "), "the and " + strings.Join(unique(0, 48, 3), " ")},
	{"gopher_quality", "gopher_above_avg_threshold", ofLength(13), ofLength(12)},
	{"gopher_quality", "gopher_too_many_hashes", with(50, add(6, "#")), with(50, add(5, "#"))},
	{"gopher_quality", "gopher_too_many_ellipsis", with(50, add(3, "...…")), with(50, add(5, "....."))},
	{"gopher_quality", "gopher_too_many_bullets",
		tenLines(10, func(l string) string { return before[len(l)%2 == 0] + l }), tenLines(9, func(l string) string { return "\u00a0- " + l })},
	{"gopher_quality", "gopher_too_many_end_ellipsis",
		tenLines(4, func(l string) string { return l + "… \u3000" }), tenLines(3, func(l string) string { return l + "...\r" })},
	{"gopher_quality", "gopher_below_alpha_threshold", with(50, numbers(11)), with(50, numbers(10))},
	{"gopher_quality", "gopher_enough_stop_words", with(50, func(w []string) { w[1] = "the"; w[2] = "Of" }), with(50, nil)},
}, peerCases...))

// paragraphs are two lines of 200 characters and one of n, with short ones between them.
func paragraphs(n int) string {
	var l []string
	for _, n := range []int{200, n, 200} {
		l = append(l, strings.Repeat("é", n), "short", "")
	}
	return strings.Join(l, "\n")
}

// settingCase is a document that is dropped once a parameter is set, and one beside it. Where the rule looks at a field, the texts are its.
type settingCase struct {
	rule, reason    string
	set             []Setting
	field           string
	dropped, beside string
}

var settingCases = []settingCase{
	{"pii", "pii_email", []Setting{{Param: "drop_email", Value: 1}}, "", "Idatzi jon@ehu.eus helbidera.", "Idatzi jon@example.com helbidera."},
	{"pii", "pii_ip", []Setting{{Param: "drop_ip", Value: true}}, "", "130.206.5.1 and 2a02:9130::1", "10.0.0.1 and fe80::1"},
	{"pii", "pii_phone", []Setting{{Param: "drop_phone", Value: 1}}, "", "+34 943 00 12 34", "943 00 12 34"},
	{"pii", "pii_iban", []Setting{{Param: "drop_iban", Value: 1}}, "", "ES91 2100 0418 4502 0005 1332", "ES92 2100 0418 4502 0005 1332"},
	{"pii", "pii_card", []Setting{{Param: "drop_card", Value: 1}}, "", "4111 1111 1111 1111", "4111 1111 1111 1112"},
	{"pii", "pii_spans", []Setting{{Param: "max_spans", Value: 2}}, "", "a@b.eus c@d.eus 130.206.5.1", "a@b.eus 130.206.5.1"},
	{"pii", "pii_spans", []Setting{{Param: "max_spans", Value: 1}, {Param: "scanner", Value: "dolma"}}, "", "a@b.eus c@d.eus 1.2.3.4", "a@b.eus # 130.206.5.1"},
	{"url", "domain", []Setting{{Param: "domains", Value: []string{"# a comment", "bad.co.uk"}}}, "url", "http://www.bad.co.uk/x", "http://bad.co.uk.org/x"},
	{"url", "subdomain", []Setting{{Param: "domains", Value: []string{"blog.good.org"}}}, "url", "https://user@blog.good.org:8080", "https://www.good.org/"},
	{"url", "url", []Setting{{Param: "urls", Value: []string{"http://good.org/bad "}}}, "url", "http://good.org/bad", "http://good.org/bad/"},
	{"url", "hard_blacklisted", []Setting{{Param: "banned_words", Value: []string{"Bad"}}}, "url", "http://good.org/so-bad.html", "http://good.org/Bad-badly"},
	{"url", "hard_blacklisted", []Setting{{Param: "banned_words", Value: []string{"Bad"}}, {Param: "fold_case", Value: 1}}, "url", "http://good.org/so-BAD.html", "http://good.org/badly"},
	{"url", "soft_blacklisted", []Setting{{Param: "soft_banned_words", Value: []string{"so", "bad"}}}, "url", "http://good.org/so/so-bad", "http://good.org/so/so-so"},
	{"url", "blacklisted_subword", []Setting{{Param: "banned_subwords", Value: []string{"very bad", "worst"}}}, "url", "http://good.org/?q=Ve-ry+b_adly", "http://good.org/ver/bad/wors"},
}

func TestRuleSettings(t *testing.T) {
	for _, c := range settingCases {
		f := only(t, c.rule, c.set...)
		v := f.NewView()
		ask := func(s string) (string, string) {
			if c.field == "" {
				return f.Check(v, []byte(s))
			}
			v.Reset([]byte("A text."))
			v.SetField(c.field, []byte(s))
			return f.decide(v, false)
		}
		if rule, reason := ask(c.dropped); rule != c.rule || reason != c.reason {
			t.Errorf("%s %s: dropped for %s %q", c.rule, c.reason, rule, reason)
		}
		if _, reason := ask(c.beside); reason != "" {
			t.Errorf("%s %s: the document beside it is dropped for %q", c.rule, c.reason, reason)
		}
		if c.field != "" {
			if _, reason := f.Check(v, []byte("A text.")); reason != "" {
				t.Errorf("%s %s: a document without the field is dropped for %q", c.rule, c.reason, reason)
			}
		}
	}
}

// sentences are n lines of five words and a full stop.
func sentences(n int) string {
	var l []string
	for i := range n {
		l = append(l, five(1000+10*i, 5)+".")
	}
	return strings.Join(l, "\n")
}

// full are n lines of seven words and a full stop.
func full(n int) string {
	var l []string
	for i := range n {
		l = append(l, five(1000+10*i, 7)+".")
	}
	return strings.Join(l, "\n")
}

// endings are ten lines, of which n end with a full stop and none is short.
func endings(n int) string {
	var l []string
	for i := range 10 {
		end := "…"
		if i < n {
			end = "。"
		}
		l = append(l, five(1000+10*i, 7)+end)
	}
	return strings.Join(l, "\n\n")
}

// short are 100 lines with a full stop, of which n have 30 characters and the others 31.
func short(n int) string {
	var l []string
	for i := range 100 {
		words := five(1000+10*i, 5)
		if i < n {
			l = append(l, words+".")
		} else {
			l = append(l, words+"é.")
		}
	}
	return strings.Join(l, "\n")
}

// list is a line of words and one of the same words, n line feeds apart.
func list(words, n int) string {
	return five(1000, words/2) + "." + strings.Repeat("\n", n) + five(2000, words-words/2) + "."
}

func TestRules(t *testing.T) {
	for _, c := range ruleCases {
		needed := settingsFor(c.rule, c.reason)
		f := only(t, c.rule, needed...)
		v := f.NewView()
		if rule, reason := f.Check(v, []byte(c.dropped)); rule != c.rule || reason != c.reason {
			t.Errorf("%s %s: dropped for %s %q", c.rule, c.reason, rule, reason)
		}
		if _, reason := f.Check(v, []byte(c.beside)); reason != "" {
			t.Errorf("%s %s: the document beside it is dropped for %q", c.rule, c.reason, reason)
		}
		// A threshold of 0 switches the test off where the rule says so.
		r, _ := ruleNamed(c.rule)
		off := slices.Clone(needed)
		still := false // it can be dropped for the reason
		found := false
		for i := range r.Tests {
			if test := &r.Tests[i]; test.Reason == c.reason {
				found = true
				if test.Param == "" {
					still = true
					continue
				}
				off = append(off, Setting{Param: test.Param, Value: 0})
				still = still || !(test.ZeroOff || test.Compare == Found || test.Compare == Below || test.Compare == AtOrBelow) // nothing is below 0
			}
		}
		if !found {
			t.Errorf("rule %s has no reason %q", c.rule, c.reason)
		}
		g := only(t, c.rule, off...)
		if _, reason := g.Check(g.NewView(), []byte(c.dropped)); (reason == c.reason) != still {
			t.Errorf("%s %s: with a threshold of 0 the answer is %q", c.rule, c.reason, reason)
		}
	}
}

// TestRegistry holds what every rule and profile must have.
func TestRegistry(t *testing.T) {
	reason := regexp.MustCompile(`^[A-Za-z0-9_<>= .-]+$`)  // what a reference says needs no escape either
	name := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`) // needs no escape in JSON
	if !slices.IsSortedFunc(rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table of rules is not sorted by name")
	}
	seen := map[string]bool{}
	once := func(kind, s string) {
		if seen[kind+s] {
			t.Errorf("%s %q is there twice", kind, s)
		}
		seen[kind+s] = true
	}
	measures := map[string]string{}
	for _, r := range Rules() {
		once("rule", r.Name)
		if !name.MatchString(r.Name) || r.Version < 1 || r.Summary == "" || r.Source == "" || len(r.Tests) == 0 && r.Edit == nil {
			t.Errorf("rule %q lacks a good name, a version, a summary, a source or tests", r.Name)
		}
		used := map[string]bool{}
		for _, c := range r.Tests {
			once("reason of "+r.Name+": ", c.Reason+" "+string(c.Compare)) // a number may be too small or too large
			used[c.Param] = true
			if !reason.MatchString(c.Reason) || !name.MatchString(c.Signal) || c.Measure == "" || c.Value == nil || !slices.Contains([]Comparison{Above, Below, AtOrAbove, AtOrBelow, Found}, c.Compare) {
				t.Errorf("rule %s, reason %q: incomplete or badly named", r.Name, c.Reason)
			}
			if m, ok := measures[c.Signal]; ok && m != c.Measure {
				t.Errorf("signal %s is described in two ways: %q, %q", c.Signal, m, c.Measure)
			}
			measures[c.Signal] = c.Measure
			if !slices.ContainsFunc(ruleCases, func(k ruleCase) bool {
				return k.rule == r.Name && k.reason == c.Reason
			}) && !slices.ContainsFunc(settingCases, func(k settingCase) bool { return k.rule == r.Name && k.reason == c.Reason }) {
				t.Errorf("no row of ruleCases or settingCases meets %s %s", r.Name, c.Reason)
			}
		}
		for _, p := range r.Params {
			once("parameter of "+r.Name, p.Name)
			if !name.MatchString(p.Name) || p.Unit == "" || p.Source == "" || used[p.Name] == p.Inside {
				t.Errorf("rule %s, parameter %q: without unit or source, badly named, or not used", r.Name, p.Name)
			}
		}
	}
	if !slices.IsSortedFunc(profiles, func(a, b *Profile) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table of profiles is not sorted by name")
	}
	for _, p := range Profiles() {
		once("profile", p.Name)
		if p.Version < 1 || p.Summary == "" || p.Reproduces == "" || p.Language == "" {
			t.Errorf("profile %q lacks a version, a summary, a language or what it reproduces", p.Name)
		}
		if _, err := wordCutNamed(p.Words); err != nil {
			t.Errorf("profile %s: %v", p.Name, err)
		}
		if _, err := New(Config{Profile: p.Name}); err != nil && !needsMore(p) {
			t.Error(err)
		}
	}
}

// needsMore is whether a profile cannot be used before a list or a model is given.
func needsMore(p Profile) bool {
	for i := range p.Rules {
		if v, err := p.Rules[i].values(); err == nil && v.missing() != nil {
			return true
		}
	}
	return false
}

// FuzzCheck: no bytes make a rule fail, and asking for all signals never changes the decision.
func FuzzCheck(f *testing.F) {
	for _, c := range ruleCases {
		if len(c.dropped) < 1000 {
			f.Add([]byte(c.dropped))
		}
	}
	f.Add([]byte(" \n\n \u2028\xff\xe2\x80"))
	f.Add([]byte("One sentence ends here.\x8aAnother one follows at once。Again"))
	var filters []*Filter
	for _, p := range Profiles() {
		if needsMore(p) {
			continue
		}
		filters = append(filters, mustNew(f, Config{Profile: p.Name}))
	}
	for _, unit := range []string{"document", "paragraph", "sentence"} {
		filters = append(filters, only(f, "fasttext_quality", quality(Setting{Param: "unit", Value: unit})...))
	}
	filters = append(filters, only(f, "fineweb_quality"), // so that short texts come that far
		only(f, "c4_quality", Setting{Param: "min_num_sentences", Value: 0}, Setting{Param: "min_words_per_line", Value: 0}),
		only(f, "c4_quality", Setting{Param: "min_num_sentences", Value: 1}, Setting{Param: "split_paragraph", Value: 0}))
	f.Fuzz(func(t *testing.T, doc []byte) {
		for i, g := range filters {
			v := g.NewView()
			rule, reason := g.Check(v, doc)
			edited := bytes.Clone(v.Text())
			most := 1
			switch {
			case i == len(filters)-1: // sentences that touched are joined by a space
				most = 2
			case len(g.tests) > 0 && g.tests[0].rule == piiRule.Name: // a placeholder may be longer than what it stands for
				most = 10
			case len(g.tests) > 0 && g.tests[0].rule == textRepair.Name: // so may the composed form of a character
				most = 3
			}
			if utf8.Valid(doc) && !utf8.Valid(edited) || len(edited) > most*len(doc) {
				t.Errorf("%q: edited to %q", doc, edited)
			}
			signals, allRule, allReason := g.Verdict(nil, v, doc, true)
			if rule != allRule || reason != allReason {
				t.Errorf("%q: %s %s, with all signals %s %s", doc, rule, reason, allRule, allReason)
			}
			if reason == "" && !bytes.Equal(edited, v.Text()) {
				t.Errorf("%q: edited to %q, with all signals to %q", doc, edited, v.Text())
			}
			for _, s := range signals {
				if !(s.Value >= 0) {
					t.Errorf("%q: %s is %v", doc, s.Name, s.Value)
				}
			}
		}
	})
}

func TestAppendLower(t *testing.T) {
	for _, s := range []string{"", "A", "[@Z`{z", "JAVASCRIPT and Lorem IPSUM", "use coo\u212aies \u212a", "ÀÉ ABCDEFGHIJKLMNOPQRSTUVWXYZ é", "\u2129X\u212b", "\u212a\u212aX\u212a"} {
		want := strings.Map(func(r rune) rune {
			if r == 0x212A {
				return 'k'
			}
			if r >= 'A' && r <= 'Z' {
				return r | 0x20
			}
			return r
		}, s)
		if got := string(appendLower([]byte("X"), []byte(s))); got != "X"+want {
			t.Errorf("%q: %q, want %q", s, got, "X"+want)
		}
	}
	// 12 MB of nothing else: half an hour, if each moved all that follow it.
	if got := appendLower(nil, bytes.Repeat(kelvinSign, 4<<20)); len(got) != 4<<20 || bytes.Trim(got, "k") != nil {
		t.Errorf("%d bytes of Kelvin signs, want %d of k", len(got), 4<<20)
	}
}

// TestPhrases: a line is looked at for a phrase in any case, and for one that a citation had torn apart.
func TestPhrases(t *testing.T) {
	f := only(t, "c4_quality", Setting{Param: "min_num_sentences", Value: 1})
	v := f.NewView()
	for _, c := range []struct{ name, text, reason, left string }{
		{"script", "You need JavaScript here.\nThis line stays here.", "", "This line stays here."},
		{"script torn", "You need java[12]script here.\nThis line stays here.", "", "This line stays here."},
		{"policy", "Our Terms of Use apply.\nThis line stays here.", "", "This line stays here."},
		{"policy with a Kelvin sign", "We use coo\u212aies a lot.\nThis line stays here.", "", "This line stays here."},
		{"privacy", "See the PRIVACY POLICY now.\nThis line stays here.", "", "This line stays here."},
		{"cookies alone", "These cookies are good.\nThis line stays here.", "", "These cookies are good.\nThis line stays here."},
		{"lorem torn", "Here is lorem[]  ipsum.\nHere is lorem[edit] ipsum.", "lorem_ipsum", ""},
		{"citations", "One[1] two[] three[edit] four[citation needed] [a] [٣].", "", "One two three four [a] ."},
		{"long word", strings.Repeat("é", 1001) + " is too long.\n" + strings.Repeat("é", 1000) + " is not.", "", strings.Repeat("é", 1000) + " is not."},
		{"ends", "Is it this?\nNo it isn't...\nHe said \"so.\"\nWithout an end\nYes it is!", "", "Is it this?\nHe said \"so.\"\nYes it is!"},
		{"separators are white space", "a\x1fb\x1fc d.\nonly two.", "", "a\x1fb\x1fc d."},
	} {
		_, reason := f.Check(v, []byte(c.text))
		if reason != c.reason || reason == "" && string(v.Text()) != c.left {
			t.Errorf("%s: %q, %q; want %q, %q", c.name, reason, v.Text(), c.reason, c.left)
		}
	}
}
