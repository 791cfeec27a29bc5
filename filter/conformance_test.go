package filter

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
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

// answer is the reason, empty for kept.
func (d *doc) answer(t *testing.T, key string) string {
	raw := d.Filters[key]
	if string(raw) == "true" {
		return ""
	}
	var reason string
	if err := json.Unmarshal(raw, &reason); err != nil || reason == "" {
		t.Fatalf("%s: filters[%q] = %s: neither true nor a reason", d.ID, key, raw)
	}
	return reason
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
	t.Helper()
	f, err := build(Profile{Name: "only", Version: 1, Words: "whitespace", Rules: []RuleUse{{rule, set}}}, Config{})
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

// TestConformanceDatatroveGopher compares decisions and reasons with those of datatrove's two Gopher filters.
// With the reference's own words every answer must agree. With white-space words, which profile "gopher" has,
// the agreement is a number to know: punctuation is no word of its own then.
func TestConformanceDatatroveGopher(t *testing.T) {
	docs := conformanceDocs(t)
	filters := []struct {
		key string // after the language
		f   *Filter
	}{
		{"gopher_rep", only(t, "gopher_repetition")},
		{"gopher_qual", only(t, "gopher_quality")},
		{"gopher_qual_nostop", only(t, "gopher_quality", Setting{Param: "min_stop_words", Value: 0})},
	}
	type tally struct{ ran, agreed, noWords, spaceRan, spaceAgreed, spaceDecisions int }
	tallies := map[string]*tally{}
	empty := 0
	for _, c := range filters {
		v := c.f.NewView()
		for _, d := range docs {
			for key := range d.Filters {
				lang, name, _ := strings.Cut(key, ".")
				if name != c.key {
					continue
				}
				n := tallies[key]
				if n == nil {
					n = &tally{}
					tallies[key] = n
				}
				want := d.answer(t, key)
				if d.Text == "" {
					// The reference's quality filter calls it short, its repetition filter "empty"; here it
					// is a rule of its own.
					if rule, reason := c.f.Check(v, nil); rule != EmptyRule || reason != EmptyReason || want == "" {
						t.Errorf("%s: %s %s, datatrove %q", d.ID, rule, reason, want)
					}
					empty++
					continue
				}
				if words, ok := d.wordsOf(t, lang); ok {
					n.ran++
					if _, reason := c.f.CheckWords(v, []byte(d.Text), locate(t, d, words)); reason == want {
						n.agreed++
					} else {
						t.Errorf("%s: %s is %q, datatrove %q", d.ID, key, reason, want)
					}
				} else {
					n.noWords++
				}
				_, reason := c.f.Check(v, []byte(d.Text))
				n.spaceRan++
				if reason == want {
					n.spaceAgreed++
				}
				if (reason == "") == (want == "") {
					n.spaceDecisions++
				}
			}
		}
	}
	var keys []string
	for k := range tallies {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var sum tally
	for _, k := range keys {
		n := tallies[k]
		t.Logf("%-23s %5d of %5d agree (%d without words); at white space: %.1f %% of reasons, %.1f %% of decisions",
			k, n.agreed, n.ran, n.noWords, percent(n.spaceAgreed, n.spaceRan), percent(n.spaceDecisions, n.spaceRan))
		sum.ran += n.ran
		sum.agreed += n.agreed
		sum.spaceRan += n.spaceRan
		sum.spaceAgreed += n.spaceAgreed
	}
	t.Logf("%d documents; %d answers compared, %d agreed; %d about empty text; at white space %d of %d", len(docs), sum.ran, sum.agreed, empty, sum.spaceAgreed, sum.spaceRan)
	if sum.ran == 0 {
		t.Error("no document has the reference's words")
	}
}

func percent(a, b int) float64 { return 100 * float64(a) / float64(max(b, 1)) }

// TestConformanceDatatroveLines compares decisions, reasons and resulting texts with those of datatrove's
// C4QualityFilter and FineWebQualityFilter for English. The first needs no words of the profile, and its sentences are
// the reference's: every answer and every text must agree.
func TestConformanceDatatroveLines(t *testing.T) {
	docs := conformanceDocs(t)
	for _, c := range []struct {
		key   string
		words bool // the reference's are needed
		f     *Filter
	}{
		{"eng.c4_default", false, only(t, "c4_quality")},
		{"eng.c4_fineweb", false, only(t, "c4_quality", Setting{Param: "filter_no_terminal_punct", Value: 0})},
		{"eng.c4_sentences", false, only(t, "c4_quality", Setting{Param: "split_paragraph", Value: 0})},
		{"eng.fineweb", true, only(t, "fineweb_quality")},
	} {
		v := c.f.NewView()
		ran, agreed, edited, spaceRan, spaceAgreed, empty := 0, 0, 0, 0, 0, 0
		for _, d := range docs {
			raw, ok := d.Filters[c.key]
			if !ok {
				continue
			}
			reason, text, sum := lineAnswer(t, d, raw)
			if d.Text == "" {
				// The reference's own words for it are "too_few_sentences" and "empty".
				if rule, got := c.f.Check(v, nil); rule != EmptyRule || got != EmptyReason || reason == "" {
					t.Errorf("%s: %s %s, datatrove %q", d.ID, rule, got, reason)
				}
				empty++
				continue
			}
			if c.words {
				_, got := c.f.Check(v, []byte(d.Text))
				spaceRan++
				if got == reason {
					spaceAgreed++
				}
				words, ok := d.wordsOf(t, "eng")
				if !ok {
					continue
				}
				_, got = c.f.CheckWords(v, []byte(d.Text), locate(t, d, words))
				ran++
				if got == reason {
					agreed++
				} else {
					t.Errorf("%s: %s is %q, datatrove %q", d.ID, c.key, got, reason)
				}
				continue
			}
			_, got := c.f.Check(v, []byte(d.Text))
			ran++
			switch {
			case got != reason:
				t.Errorf("%s: %s is %q, datatrove %q", d.ID, c.key, got, reason)
			case reason == "" && text == "" && sum == "" && string(v.Text()) != d.Text:
				t.Errorf("%s: %s edits the text, datatrove does not: %q", d.ID, c.key, v.Text())
			case reason == "" && (text != "" && string(v.Text()) != text || sum != "" && digest16(v.Text()) != sum):
				t.Errorf("%s: %s leaves another text than datatrove: %q", d.ID, c.key, v.Text())
			default:
				agreed++
				if reason == "" && string(v.Text()) != d.Text {
					edited++
				}
			}
		}
		t.Logf("%-16s %5d of %5d agree, %d of them with an edited text; %d about empty text", c.key, agreed, ran, edited, empty)
		if c.words {
			t.Logf("%-16s at white space %d of %d", c.key, spaceAgreed, spaceRan)
		}
		if ran == 0 {
			t.Errorf("%s: no case", c.key)
		}
	}
}

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
