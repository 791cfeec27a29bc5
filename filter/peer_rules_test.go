package filter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"curate/text"
)

// caseSettings are what a rule, or a reason of it, needs beside its defaults to be met.
var caseSettings = map[string][]Setting{
	"c4_badwords":                               {{Param: "badwords", Value: []string{"darn", "bad word"}}},
	"dolma_c4 has_naughty_word":                 {{Param: "naughty_words", Value: []string{"darn", "bad word"}}},
	"dolma_c4 line_count":                       {{Param: "max_line_count", Value: 2}},
	"dolma_c4 min_text_length":                  {{Param: "min_text_length", Value: 1}},
	"dolma_gopher character_count":              {{Param: "min_character_count", Value: 294}},
	"dolma_c4 lines_with_too_few_words":         {{Param: "max_lines_with_too_few_words", Value: 1}},
	"dolma_c4 lines_with_no_ending_punctuation": {{Param: "max_lines_with_no_ending_punctuation", Value: 1}},
}

func settingsFor(rule, reason string) []Setting {
	family := strings.TrimSuffix(strings.TrimSuffix(rule, "_v1"), "_v2")
	return slices.Concat(caseSettings[family], caseSettings[family+" "+reason])
}

// linesOf are n lines of which `different` are so; the others repeat the first.
func linesOf(n, different int, joint string) string {
	var l []string
	for i := range n {
		if i >= different {
			i = 0
		}
		l = append(l, five(100*i, 3))
	}
	return strings.Join(l, joint)
}

// twice is a phrase of 100 words that occurs twice, in twice n words.
func twice(n int) string {
	return "the of " + five(0, 100) + " " + five(1000, n-100) + " " + five(0, 100) + " " + five(5000, n-100)
}

func a(n int) string { return strings.Repeat("a", n) }

type ruleCase = struct{ rule, reason, dropped, beside string }

var peerCases = slices.Concat([]ruleCase{
	{"c4_badwords", "document_removed_with_badwords", "Oh DARN, it", "darned badwords"},

	{"nemo_non_alpha_numeric", "alpha_numeric", a(74) + strings.Repeat("é", 26), a(75) + strings.Repeat("-", 25)},
	{"nemo_symbols_to_words", "symbol_to_word", five(1, 17) + " #1# …", five(1, 18) + " # […]"},
	{"nemo_numbers", "numbers_ratio", a(84) + strings.Repeat("1", 16), a(85) + strings.Repeat("1", 15)},
	{"nemo_urls", "urls_ratio", "http://%41 " + a(38), "http://abc " + a(39)},
	{"nemo_white_space", "white_space", a(74) + strings.Repeat(" ", 26), a(75) + strings.Repeat("\t", 25)},
	{"nemo_parentheses", "parentheses_ratio", a(89) + strings.Repeat("⟩", 11), a(90) + strings.Repeat("[)", 5)},
	{"nemo_boiler_plate_string", "boilerplate_string_ratio", "Terms of Use\n\nuse cooKies\n\nprivacy & cookies policy\n\na\n\nb", "PRIVACY overview\n\nuses cookies\n\na cookie\n\na\n\nb"},
	{"nemo_repeated_lines", "repeated_lines", linesOf(10, 6, "\n"), linesOf(10, 7, "\n \n")},
	{"nemo_repeated_lines_by_char", "repeated_lines_char", linesOf(10, 7, "\n"), linesOf(10, 8, "\n")},
	{"nemo_repeated_paragraphs", "repeated_paragraphs", linesOf(10, 6, "\n\n"), linesOf(10, 7, "\n\n")},
	{"nemo_repeated_paragraphs_by_char", "repeated_paragraphs_char", linesOf(10, 7, "\n\n"), linesOf(10, 8, "\n\n")},
	{"nemo_word_count", "word_count", five(0, 49), five(0, 50)},
	{"nemo_word_count", "word_count", five(0, 100001), five(0, 100000)},
	{"nemo_punctuation", "punctuation", strings.Repeat("a\n", 6) + "b!", strings.Repeat("a\n", 17) + strings.Repeat("b' \n", 3)},
	{"nemo_words_without_alphabets", "words_without_alphabets", with(50, numbers(11)), with(50, numbers(10))},
	{"nemo_common_english_words", "common_english_words", "the The", "the the"},
	{"nemo_mean_word_length", "mean_word_length", "aaa bb", "aaa ééé"},
	{"nemo_mean_word_length", "mean_word_length", a(11), a(10)},
	{"nemo_long_word", "max_word_length", a(1001), strings.Repeat("é", 1000)},
	{"nemo_ellipsis", "ellipsis", tenLines(4, func(l string) string { return l + " Read More \t" }), tenLines(3, func(l string) string { return l + "-»" })},
	{"nemo_pornographic_urls", "pornographic_urls", "see https://x.porn/", "porn at http://x.y"},
	{"nemo_bullets", "bullet_ratio", tenLines(10, func(l string) string { return " ⦿ " + l }), tenLines(9, func(l string) string { return "◘" + l })},
	{"nemo_repeating_top_n_grams", "repeating_top_2grams", phrases(2, 4), phrases(2, 9)},
	{"nemo_repeating_top_n_grams", "repeating_top_3grams", phrases(3, 8), phrases(3, 13)},
	{"nemo_repeating_top_n_grams", "repeating_top_4grams", phrases(4, 14), phrases(4, 21)},
	{"nemo_repeating_duplicate_n_grams", "repeating_dup_5gram", phrases(5, 19), phrases(5, 28)},
	{"nemo_repeating_duplicate_n_grams", "repeating_dup_6gram", phrases(6, 33), phrases(6, 36)},
	{"nemo_repeating_duplicate_n_grams", "repeating_dup_7gram", phrases(7, 42), phrases(7, 46)},
	{"nemo_repeating_duplicate_n_grams", "repeating_dup_8gram", phrases(8, 53), phrases(8, 58)},
	{"nemo_repeating_duplicate_n_grams", "repeating_dup_9gram", phrases(9, 66), phrases(9, 73)},
	{"nemo_repeating_duplicate_n_grams", "repeating_dup_10gram", phrases(10, 82), phrases(10, 90)},

	{"slimpajama_short", "short", "  " + a(100) + " \n . " + a(98) + "...\n", a(100) + " .\n" + a(99)},
	{"dolma_c4_v1", "has_javascript", "Needs JavaScript here.", "Needs javascript, here."},
	{"dolma_c4_v2", "has_javascript", "Needs xjavaScripts here.", "Needs java script here."},

	{"fineweb1_quality", "line_punct_ratio", quoted(100, 12), quoted(100, 13)},
	{"fineweb1_quality", "short_line_ratio", short(67), short(66)},
	{"fineweb1_quality", "char_dup_ratio", full(99) + "\n" + full(1), full(100) + "\n" + full(1)},
	{"fineweb1_quality", "list_ratio", rows(10), quoted(10, 10)},
}, dolmaCases("v1"), dolmaCases("v2"))

// quoted are n lines of seven words, of which the first end with a quotation mark.
func quoted(n, ends int) string {
	var l []string
	for i := range n {
		line := five(1000+10*i, 7)
		if i < ends {
			line += `"`
		}
		l = append(l, line)
	}
	return strings.Join(l, "\n")
}

// withFineweb1 adds the cases of the Gopher rules for those of FineWeb's generation.
func withFineweb1(cases []ruleCase) []ruleCase {
	for _, c := range cases {
		if !strings.HasPrefix(c.rule, "gopher_") {
			continue
		}
		c.rule = "fineweb1_" + c.rule
		switch c.reason {
		case "gopher_enough_stop_words":
			c.dropped = with(50, func(w []string) { w[1] = "Of" })
			c.beside = with(50, func(w []string) { w[1] = "the" })
		case "dup_para_frac", "dup_para_char_frac": // empty lines repeat each other
			c.beside = parts("\n", 8, 30, 30, 1)
		}
		cases = append(cases, c)
	}
	return cases
}

// rows are lines of two words of twenty letters and a full stop.
func rows(n int) string {
	var l []string
	for i := range n {
		l = append(l, strings.Join(unique(100*i, 2, 20), " ")+".")
	}
	return strings.Join(l, "\n")
}

func dolmaCases(version string) []ruleCase {
	g, c := "dolma_gopher_"+version, "dolma_c4_"+version
	cases := []ruleCase{
		{g, "character_count", with(50, nil)[:293], with(50, nil)},
		{g, "word_count", with(49, nil), with(50, nil)},
		{g, "word_count", with(100001, nil), with(100000, nil)},
		{g, "median_word_length", "the and " + strings.Join(unique(0, 48, 2), " "), "the and " + strings.Join(unique(0, 48, 3), " ")},
		{g, "median_word_length", ofLength(25), ofLength(24)},
		{g, "symbol_to_word_ratio", with(50, add(6, "…")), with(50, add(5, "##"))},
		{g, "fraction_of_words_with_alpha_character", with(50, numbers(11)), with(50, numbers(10))},
		{g, "required_word_count", with(50, func(w []string) { w[1] = "Of" }), with(50, func(w []string) { w[1] = "the" })},
		{g, "fraction_of_lines_starting_with_bullet_point", tenLines(10, func(l string) string { return "* " + l }), tenLines(9, func(l string) string { return "- " + l })},
		{g, "fraction_of_lines_ending_with_ellipsis", tenLines(4, func(l string) string { return l + "…" }), tenLines(3, func(l string) string { return l + "…" })},
		{g, "fraction_of_duplicate_lines", "the of\n" + parts("\n", 6, 20, 1, 4), "the of\n" + parts("\n", 6, 20, 1, 1)},
		{g, "fraction_of_characters_in_duplicate_lines", "the of\n" + parts("\n", 8, 20, 100, 1), "the of\n" + parts("\n", 8, 60, 30, 1)},
		{g, "fraction_of_characters_in_most_common_2grams", "the of " + phrases(2, 4), "the of " + phrases(2, 9)},
		{g, "fraction_of_characters_in_most_common_3grams", "the of " + phrases(3, 8), "the of " + phrases(3, 14)},
		{g, "fraction_of_characters_in_most_common_4grams", "the of " + phrases(4, 14), "the of " + phrases(4, 22)},
		{c, "has_curly_brace", "a { b", "a ( b"},
		{c, "has_lorem_ipsum", "Lorem Ipsum", "lorem\nipsum"},
		{c, "has_naughty_word", "so DARN\u00a0it", "so darned"},
		{c, "lines_with_no_ending_punctuation", "a.\nb\n", "a.\nb"},
		{c, "lines_with_too_few_words", "a b c\nd e.\n", "a b c\nd e."},
		{c, "line_count", "a\n\nb", "a\nb"},
		{c, "min_text_length", "a\nb c.", "a b c."},
	}
	for i, n := range []int{600, 660, 700, 750, 800, 870} { // the n-gram before it stays below its threshold
		cases = append(cases, ruleCase{g, fmt.Sprintf("fraction_of_characters_in_duplicate_%dgrams", 5+i), twice(n), twice(1000)})
	}
	return cases
}

// TestPhrasesSlowly compares the automaton with strings.Index.
func TestPhrasesSlowly(t *testing.T) {
	lists := [][]string{
		{},
		{"a"},
		{"he", "she", "his", "hers", "she sells"},
		{"aa", "aaa", "aaaa", "b a"},
		{"é", "éa", "女の子", "の", "ab ab", "b ab a"},
		{"", "a b", "b", "ba", "a b a b c"},
	}
	texts := []string{"", "a", "ushers", "she", "his hers", "aaaa aa b a", "xaaax", "女の子é", "ab ab ab a", "éaé a", "a b a b a b", "c a b a b c", "ab\u00a0ab", "the_he he's", "1he he2 é he"}
	for _, list := range lists {
		for _, beside := range []bound{unbound, spaceless, wordless} {
			p, err := newPhrases(list, func(string) bound { return beside })
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range texts {
				if got, want := p.in([]byte(s)), slowly(list, beside, s); got != want {
					t.Errorf("%q in %q with bound %d: %v, want %v", list, s, beside, got, want)
				}
			}
		}
	}
}

func slowly(list []string, beside bound, s string) bool {
	for _, p := range list {
		for at := 0; p != "" && at < len(s); at++ {
			if strings.HasPrefix(s[at:], p) && beside.holds([]byte(s[:at]), []byte(s[at+len(p):])) {
				return true
			}
		}
	}
	return false
}

func FuzzPhrases(f *testing.F) {
	f.Add("he\nshe\nhis\nhers", "ushers", uint8(0))
	f.Add("aa\naaa\n\nb a", "xaaab a", uint8(2))
	f.Fuzz(func(t *testing.T, lines, s string, kind uint8) {
		list, beside := strings.Split(lines, "\n"), bound(kind%3)
		p, err := newPhrases(list, func(string) bound { return beside })
		if err != nil {
			return
		}
		if got, want := p.in([]byte(s)), slowly(list, beside, s); got != want {
			t.Errorf("%q in %q with bound %d: %v, want %v", list, s, beside, got, want)
		}
	})
}

func TestNemoURLs(t *testing.T) {
	for _, c := range []struct {
		text  string
		found nemoFound
	}{
		{"", nemoFound{}},
		{"://http", nemoFound{}},
		{"http:// a", nemoFound{}},
		{"xhttp://a b", nemoFound{8, false}},
		{"https://a%4g", nemoFound{9, false}},
		{"https://a%4Gporn", nemoFound{9, false}},
		{"http://%4aporn#é", nemoFound{15, true}},
		{"http://a.b/http://porn ftp://c https://d", nemoFound{22 + 9, true}},
		{"httpss://a http://é http://https://%", nemoFound{7 + 8, false}},
	} {
		if got := findNemoURLs([]byte(c.text)); got != c.found {
			t.Errorf("%q: %v, want %v", c.text, got, c.found)
		}
	}
}

func TestCleanedPoints(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{"", 0}, {" . ", 0}, {"a", 1}, {"a . b", 3}, {".a.b.", 2}, {"\u00a0İ\u2003\x1fé“", 5}, {"İ", 2}, {"a\u200bb", 3}, {"_a-b\n", 2}, {"\x7f", 1},
	} {
		if got := cleanedPoints([]byte(c.text)); got != c.want {
			t.Errorf("%q: %d, want %d", c.text, got, c.want)
		}
	}
	f := only(t, "slimpajama_short", Setting{Param: "threshold", Value: 3})
	v := f.NewView()
	if _, reason := f.Check(v, []byte("e\u0301 o\u0308")); reason != "" || string(v.Text()) != "é ö" {
		t.Errorf("%q %q", v.Text(), reason)
	}
	if _, reason := f.Check(v, []byte("e\u0301o\u0308")); reason != "short" {
		t.Errorf("combining characters are counted: %q %q", v.Text(), reason)
	}
}

func TestDolmaRounded(t *testing.T) {
	for _, c := range [][2]float64{{0, 0}, {3, 3}, {1.0 / 3, 0.33333}, {0.300004, 0.3}, {0.3000051, 0.30001}, {0.000005, 0.00001}, {2.5, 2.5}} {
		if got, _ := dolmaRounded(c[0], true); got != c[1] {
			t.Errorf("%v: %v, want %v", c[0], got, c[1])
		}
	}
}

// TestPeersAllocateNothing holds what package filter promises for every profile.
func TestPeersAllocateNothing(t *testing.T) {
	doc := []byte(strings.Repeat("The quick café — of that (1) http://x.y/z — have it.\n\nRead more\n", 20) + twice(200))
	for _, p := range []string{"nemo-curator/english", "dolma/gopher-v1", "dolma/gopher-v2", "dolma/c4-v1", "dolma/c4-v2", "slimpajama", "fineweb@1"} {
		f := mustNew(t, Config{Profile: p})
		v := f.NewView()
		var signals []Signal
		check := func() { signals, _, _ = f.Verdict(signals[:0], v, doc, true) }
		check()
		check()
		if n := testing.AllocsPerRun(20, check); n != 0 {
			t.Errorf("%s: %v allocations a document", p, n)
		}
	}
}

// TestFieldGrams: n-grams are of Python's words, whichever the profile's are.
func TestFieldGrams(t *testing.T) {
	doc := []byte("a\x1fb a\x1fb a b")
	f := only(t, "nemo_repeating_top_n_grams")
	v := f.NewView()
	v.Reset(doc)
	if at, count := v.fieldGrams().MostFrequentAt(2, text.Space); at != 0 || count != 3 || len(v.Words()) != 4 {
		t.Errorf("the most frequent one is at %d, %d times; %d words", at, count, len(v.Words()))
	}
}
