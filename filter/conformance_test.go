package filter

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/text"
)

// doc is one document of the conformance folder with what datatrove answered.
type doc struct {
	ID      string                     `json:"id"`
	Lang    string                     `json:"lang"`
	Text    string                     `json:"text"`
	Filters map[string]json.RawMessage `json:"filters"`
	Words   map[string]json.RawMessage `json:"words"`
}

// wordsOf are the reference's words for a language; ok is false where there are none.
func (d *doc) wordsOf(t *testing.T, lang string) (words []string, ok bool) {
	raw, ok := d.Words[lang]
	if !ok {
		return nil, false
	}
	if raw[0] == '"' { // "same as eng"
		var other string
		if err := json.Unmarshal(raw, &other); err != nil {
			t.Fatal(err)
		}
		return d.wordsOf(t, strings.TrimPrefix(other, "same as "))
	}
	if err := json.Unmarshal(raw, &words); err != nil {
		t.Fatalf("%s: words.%s: %v", d.ID, lang, err)
	}
	return words, true
}

func eachLine(file string, f func(line []byte) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		return err
	}
	defer z.Close()
	lines := bufio.NewReaderSize(z, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := f(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func readDocs(dir string) ([]*doc, error) {
	var docs []*doc
	byID := map[string]*doc{}
	err := eachLine(filepath.Join(dir, "docs.jsonl.zst"), func(line []byte) error {
		d := &doc{}
		docs = append(docs, d)
		err := json.Unmarshal(line, d)
		byID[d.ID] = d
		return err
	})
	if err != nil {
		return nil, err
	}
	err = eachLine(filepath.Join(dir, "datatrove.jsonl.zst"), func(line []byte) error {
		var d doc
		if err := json.Unmarshal(line, &d); err != nil {
			return err
		}
		if to := byID[d.ID]; to != nil {
			to.Filters, to.Words = d.Filters, d.Words
		}
		return nil
	})
	return slices.DeleteFunc(docs, func(d *doc) bool { return d.Filters == nil }), err
}

// testdataDocs are the committed documents.
var testdataDocs = sync.OnceValues(func() ([]*doc, error) { return readDocs("testdata/filter-dedup") })

func testdata(t testing.TB) []*doc {
	t.Helper()
	docs, err := testdataDocs()
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func conformanceDocs(t *testing.T) []*doc {
	t.Helper()
	if dir := os.Getenv("CURATE_CONFORMANCE"); dir == "" {
		t.Log("CURATE_CONFORMANCE is not set: running the copies under testdata/")
	} else if docs, err := readDocs(filepath.Join(dir, "filter-dedup")); err == nil && len(docs) > 0 {
		return docs
	} else if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	} else {
		t.Logf("%s has no cases in filter-dedup: running the copies under testdata/", dir)
	}
	docs := testdata(t)
	if len(docs) == 0 {
		t.Fatal("neither CURATE_CONFORMANCE nor testdata/ has cases")
	}
	return docs
}

// only is a filter of one rule, as the reference's class is one filter.
func only(t testing.TB, rule string, set ...Setting) *Filter {
	return onlyOn(t, "whitespace", rule, set...)
}

func onlyOn(t testing.TB, words, rule string, set ...Setting) *Filter {
	t.Helper()
	f, err := build(Profile{Name: "only", Version: 1, Words: words, Rules: []RuleUse{{rule, slices.Concat(neededBy[rule], set)}}}, Config{Open: openFile})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// locate finds the words in the text one after another.
func locate(t *testing.T, d *doc, words []string) []text.Span {
	var spans []text.Span
	at := 0
	for _, w := range words {
		i := strings.Index(d.Text[at:], w)
		if i < 0 {
			t.Fatalf("%s: word %q is not in the text from byte %d on", d.ID, w, at)
		}
		spans = append(spans, text.Span{Lo: int32(at + i), Hi: int32(at + i + len(w))})
		at += i + len(w)
	}
	return spans
}

// TestConformanceDatatrove compares decisions, reasons and resulting texts with those of datatrove's filters, each for
// each language that they were run for. Words are cut by our own rules; where the reference's are known they are given,
// too. White-space words, which other profiles have, are compared as well: their agreement is a number to know.
func TestConformanceDatatrove(t *testing.T) {
	docs := conformanceDocs(t)
	words := map[string]string{"eng": "spacy-en", "eus": "spacy-eu", "spa": "spacy-es"}
	filters := map[string]struct {
		rule string
		set  []Setting
	}{
		"gopher_rep":         {"gopher_repetition", nil},
		"gopher_qual":        {"gopher_quality", nil},
		"gopher_qual_nostop": {"gopher_quality", []Setting{{Param: "min_stop_words", Value: 0}}},
		"c4_default":         {"c4_quality", nil},
		"c4_fineweb":         {"c4_quality", []Setting{{Param: "filter_no_terminal_punct", Value: 0}}},
		"c4_sentences":       {"c4_quality", []Setting{{Param: "split_paragraph", Value: 0}}},
		"c4_paragraph":       {"c4_paragraph", nil},
		"fineweb":            {"fineweb_quality", nil},
	}
	// The profile of each filter is the same as it with English words.
	for name, profile := range map[string]string{
		"gopher_rep": "datatrove/gopher-repetition", "gopher_qual": "datatrove/gopher-quality", "c4_default": "datatrove/c4-quality",
		"c4_paragraph": "datatrove/c4-paragraph", "fineweb": "datatrove/fineweb-quality",
	} {
		p, err := Lookup(profile)
		if err != nil || p.Words != words["eng"] || len(p.Rules) != 1 || p.Rules[0].Rule != filters[name].rule || len(p.Rules[0].Set) != 0 {
			t.Errorf("profile %s is not the filter %s: %+v, %v", profile, name, p, err)
		}
	}
	keys := map[string]int{}
	for _, d := range docs {
		for key := range d.Filters {
			keys[key]++
		}
	}
	all, allAgreed := 0, 0
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		lang, name, _ := strings.Cut(key, ".")
		c, ok := filters[name]
		if !ok {
			t.Fatalf("the reference's filter %q is not known here", key)
		}
		f, space := onlyOn(t, words[lang], c.rule, c.set...), only(t, c.rule, c.set...)
		v, spaceView := f.NewView(), space.NewView()
		ran, agreed, edited, given, givenAgreed, spaceAgreed, spaceDecisions := 0, 0, 0, 0, 0, 0, 0
		for _, d := range docs {
			raw, ok := d.Filters[key]
			if !ok {
				continue
			}
			want, left, sum := lineAnswer(t, d, raw)
			if d.Text == "" {
				// Its quality filter calls it short, the others have other words; here it is a rule of its own.
				if rule, reason := f.Check(v, nil); rule != EmptyRule || reason != EmptyReason || want == "" {
					t.Errorf("%s: %s %s, datatrove %q", d.ID, rule, reason, want)
				}
				continue
			}
			_, reason := f.Check(v, []byte(d.Text))
			ran++
			switch {
			case reason != want:
				t.Errorf("%s: %s is %q, datatrove %q", d.ID, key, reason, want)
			case reason == "" && left == "" && sum == "" && string(v.Text()) != d.Text:
				t.Errorf("%s: %s edits the text, datatrove does not: %q", d.ID, key, v.Text())
			case reason == "" && (left != "" && string(v.Text()) != left || sum != "" && digest16(v.Text()) != sum):
				t.Errorf("%s: %s leaves another text than datatrove: %q", d.ID, key, v.Text())
			default:
				agreed++
				if reason == "" && string(v.Text()) != d.Text {
					edited++
				}
			}
			if theirs, ok := d.wordsOf(t, lang); ok {
				given++
				if _, reason := f.CheckWords(v, []byte(d.Text), locate(t, d, theirs)); reason == want {
					givenAgreed++
				} else {
					t.Errorf("%s: %s is %q with datatrove's words, datatrove %q", d.ID, key, reason, want)
				}
			}
			_, reason = space.Check(spaceView, []byte(d.Text))
			if reason == want {
				spaceAgreed++
			}
			if (reason == "") == (want == "") {
				spaceDecisions++
			}
		}
		all += ran
		allAgreed += agreed
		t.Logf("%-22s %5d of %5d agree, %4d with an edited text; with its words %5d of %5d; at white space %.1f %% of reasons, %.1f %% of decisions",
			key, agreed, ran, edited, givenAgreed, given, percent(spaceAgreed, ran), percent(spaceDecisions, ran))
		if ran == 0 || percent(agreed, ran) < 99.5 {
			t.Errorf("%s: %d of %d agree", key, agreed, ran)
		}
	}
	t.Logf("%d documents, %d of %d answers agree", len(docs), allAgreed, all)
}

func percent(a, b int) float64 { return 100 * float64(a) / float64(max(b, 1)) }

// lineAnswer is a reason, or what is known of the text of a kept document that was edited.
func lineAnswer(t *testing.T, d *doc, raw json.RawMessage) (reason, text, sum string) {
	switch {
	case string(raw) == "true":
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &reason); err != nil {
			t.Fatal(err)
		}
	default:
		var e struct {
			R    json.RawMessage `json:"r"`
			Text string          `json:"text"`
			Sum  string          `json:"text_sha256_16"`
		}
		if err := json.Unmarshal(raw, &e); err != nil || string(e.R) != "true" {
			t.Fatalf("%s: %s: %v", d.ID, raw, err)
		}
		text, sum = e.Text, e.Sum
	}
	return reason, text, sum
}

func digest16(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b))[:16] }
