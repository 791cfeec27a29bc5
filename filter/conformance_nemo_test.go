package filter

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// peerRows are the answers of a peer by document, from the folder that conformanceDocs takes its documents from.
func peerRows(t *testing.T, file string) map[string]map[string]json.RawMessage {
	t.Helper()
	rows := map[string]map[string]json.RawMessage{}
	read := func(name string) error {
		return eachLine(name, func(line []byte) error {
			var row map[string]json.RawMessage
			if err := json.Unmarshal(line, &row); err != nil {
				return err
			}
			var id string
			if err := json.Unmarshal(row["id"], &id); err != nil {
				return err
			}
			rows[id] = row
			return nil
		})
	}
	if dir := os.Getenv("CURATE_CONFORMANCE"); dir != "" {
		if err := read(filepath.Join(dir, "filter-dedup", file)); err == nil && len(rows) > 0 {
			return rows
		} else if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := read(filepath.Join("testdata/filter-dedup", file)); err != nil || len(rows) == 0 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	return rows
}

// nemoSignals are the filters of the conformance folder by the rule and the signal that reproduce them.
func nemoSignals() map[string][2]string {
	m := map[string][2]string{
		"NonAlphaNumericFilter":           {"nemo_non_alpha_numeric", "nemo_non_alpha_numeric"},
		"SymbolsToWordsFilter":            {"nemo_symbols_to_words", "nemo_symbol_words"},
		"NumbersFilter":                   {"nemo_numbers", "nemo_numbers"},
		"UrlsFilter":                      {"nemo_urls", "nemo_urls"},
		"BulletsFilter":                   {"nemo_bullets", "nemo_bullet_lines"},
		"WhiteSpaceFilter":                {"nemo_white_space", "nemo_white_space"},
		"ParenthesesFilter":               {"nemo_parentheses", "nemo_parentheses"},
		"LongWordFilter":                  {"nemo_long_word", "nemo_longest_word"},
		"WordCountFilter":                 {"nemo_word_count", "nemo_words"},
		"BoilerPlateStringFilter":         {"nemo_boiler_plate_string", "nemo_boiler_plate"},
		"MeanWordLengthFilter":            {"nemo_mean_word_length", "nemo_mean_word_length"},
		"PunctuationFilter":               {"nemo_punctuation", "nemo_open_lines"},
		"EllipsisFilter":                  {"nemo_ellipsis", "nemo_ellipsis_lines"},
		"CommonEnglishWordsFilter":        {"nemo_common_english_words", "nemo_common_english_words"},
		"CommonEnglishWordsFilter_nostop": {"nemo_common_english_words", "nemo_common_english_words"},
		"WordsWithoutAlphabetsFilter":     {"nemo_words_without_alphabets", "nemo_alphabetic_words"},
		"PornographicUrlsFilter":          {"nemo_pornographic_urls", "nemo_pornographic_urls"},
		"RepeatedLinesFilter":             {"nemo_repeated_lines", "nemo_different_lines"},
		"RepeatedParagraphsFilter":        {"nemo_repeated_paragraphs", "nemo_different_paragraphs"},
		"RepeatedLinesByCharFilter":       {"nemo_repeated_lines_by_char", "nemo_different_lines_by_char"},
		"RepeatedParagraphsByCharFilter":  {"nemo_repeated_paragraphs_by_char", "nemo_different_paragraphs_by_char"},
	}
	for _, g := range topNGrams {
		n := strconv.Itoa(g.n)
		m["RepeatingTopNGrams_"+n] = [2]string{"nemo_repeating_top_n_grams", "nemo_top_" + n + "_gram"}
	}
	for _, g := range dupNGrams {
		n := strconv.Itoa(g.n)
		m["RepeatingDuplicateNGrams_"+n] = [2]string{"nemo_repeating_duplicate_n_grams", "nemo_dup_" + n + "_gram"}
	}
	return m
}

// topIsUnique tells whether one n-gram of words occurs more often than all others.
func topIsUnique(words []string, n int) bool {
	counts := map[string]int{}
	best, holders := 0, 0
	for i := 0; i+n <= len(words); i++ {
		g := strings.Join(words[i:i+n], " ")
		counts[g]++
		switch c := counts[g]; {
		case c > best:
			best, holders = c, 1
		case c == best:
			holders++
		}
	}
	return holders == 1
}

// signalOf is the value of a signal among signals.
func signalOf(signals []Signal, name string) (float64, bool) {
	for _, s := range signals {
		if s.Name == name {
			return s.Value, true
		}
	}
	return 0, false
}

// TestConformanceNemo compares every score, to 1e-6, and every decision of NeMo-Curator's heuristic filters with
// their defaults. Where its set order chooses among several most frequent n-grams, nothing is compared.
func TestConformanceNemo(t *testing.T) {
	docs, rows := conformanceDocs(t), peerRows(t, "nemo.jsonl.zst")
	filters := nemoSignals()
	var names []string
	for name := range filters {
		names = append(names, name)
	}
	sort.Strings(names)
	all, agreed, raised, tied, empty := 0, 0, 0, 0, 0
	for _, name := range names {
		rule, signal := filters[name][0], filters[name][1]
		f := only(t, rule)
		v := f.NewView()
		ran, same := 0, 0
		for _, d := range docs {
			raw, ok := rows[d.ID][name]
			if !ok {
				t.Errorf("%s: no %s", d.ID, name)
				continue
			}
			if d.Text == "" {
				empty++
				continue
			}
			if raw[0] == '"' { // it raised
				raised++
				continue
			}
			var answer [2]json.RawMessage
			var want float64
			var kept bool
			if err := json.Unmarshal(raw, &answer); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(answer[0], &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(answer[1], &kept); err != nil {
				t.Fatal(err)
			}
			signals, _, _ := f.Verdict(nil, v, []byte(d.Text), true)
			if n, found := strings.CutPrefix(name, "RepeatingTopNGrams_"); found {
				var words []string
				for _, w := range v.Fields() {
					words = append(words, string(w.Of(v.doc)))
				}
				n, _ := strconv.Atoi(n)
				if len(words) >= n && !topIsUnique(words, n) {
					tied++
					continue
				}
			}
			got, ok := signalOf(signals, signal)
			if name == "CommonEnglishWordsFilter" { // it stops counting there
				got = min(got, 2)
			}
			pass := true
			for i := range f.tests {
				if c := &f.tests[i]; c.test.Signal == signal && c.fails(got) {
					pass = false
				}
			}
			ran++
			if ok && math.Abs(got-want) <= 1e-6 && pass == kept {
				same++
			} else {
				t.Errorf("%s: %s is %v (kept: %v), NeMo-Curator %v (%v)", d.ID, name, got, pass, want, kept)
			}
		}
		t.Logf("%-32s %5d of %5d agree", name, same, ran)
		all += ran
		agreed += same
	}
	t.Logf("%d documents, %d scores compared, %d agree; %d where the reference raised, %d with several most frequent n-grams, %d about empty text", len(docs), all, agreed, raised, tied, empty)
	if all == 0 {
		t.Error("nothing was compared")
	}
}
