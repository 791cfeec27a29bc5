package filter

import (
	"bufio"
	"bytes"
	"encoding/json"
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
	f, err := build(Profile{Name: "only", Version: 1, Words: "whitespace", StopWords: gopherStopWords, Rules: []RuleUse{{rule, set}}}, Config{})
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
		{"gopher_qual_nostop", only(t, "gopher_quality", Setting{"min_stop_words", 0})},
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
