package filter

import (
	"bytes"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// distribution is what a profile's signals are on real pages, and what the profile does to them:
// testdata/distribution/PROFILE.json, which docs/filter.md shows. The test with -update makes it of
// $CURATE_DATA/LANGUAGE.jsonl.zst; the texts themselves are not in this repository.
type distribution struct {
	Profile  string          `json:"profile"`
	Version  int             `json:"version"`
	Language string          `json:"language"`
	Source   string          `json:"source"`
	Pages    int             `json:"pages"`
	Signals  []signalSpread  `json:"signals"`
	Fails    []failShare     `json:"fails"`
	Kept     []languageShare `json:"kept"`
}

type signalSpread struct {
	Signal      string    `json:"signal"`
	Percentiles []float64 `json:"percentiles"` // by percents
}

// failShare is the share of pages that fail a test, whatever the others say.
type failShare struct {
	Reason string  `json:"reason"`
	Share  float64 `json:"share"`
}

type languageShare struct {
	Language string         `json:"language"`
	Pages    int            `json:"pages"`
	Kept     int            `json:"kept"`
	Words    float64        `json:"share_of_words_kept"`
	Reasons  map[string]int `json:"reasons"` // of the first test that fails
}

var percents = []int{1, 5, 25, 50, 75, 95, 99}

// languagesOfPages are the files of the sample: the profile's own language first.
var languagesOfPages = []string{"eu", "ca", "de", "en", "es", "fr", "gl", "it", "pt"}

// heldOut says that a page is kept apart for evaluation: sha1 of its path, as one number, is a multiple of ten.
func heldOut(id string) bool {
	page := id
	if parts := strings.SplitN(id, "/", 3); len(parts) == 3 {
		page = parts[2]
	}
	sum := sha1.Sum([]byte(page))
	return new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), big.NewInt(10)).Sign() == 0
}

type page struct{ ID, Text string }

func pagesOf(t *testing.T, file string) (pages []page) {
	t.Helper()
	err := eachLine(file, func(line []byte) error {
		var p page
		if err := json.Unmarshal(line, &p); err != nil {
			return err
		}
		if !heldOut(p.ID) {
			pages = append(pages, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func round4(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// measure makes the distribution; a language without a file is left out.
func measure(t *testing.T, profile, root string) *distribution {
	f := mustNew(t, Config{Profile: profile})
	p, err := Lookup(profile)
	if err != nil {
		t.Fatal(err)
	}
	d := &distribution{Profile: profile, Version: p.Version, Language: languagesOfPages[0], Source: "pages of the LibreOffice 7.4 help without the held-out tenth"}
	v := f.NewView()
	for i, lang := range languagesOfPages {
		file := filepath.Join(root, lang+".jsonl.zst")
		if _, err := os.Stat(file); err != nil {
			continue
		}
		values := map[string][]float64{}
		fails := make([]int, len(f.tests))
		share := languageShare{Language: lang, Reasons: map[string]int{}}
		guides := languageShare{Language: lang + ", guides alone", Reasons: map[string]int{}}
		words, kept, guideWords, guideKept := 0, 0, 0, 0
		for _, p := range pagesOf(t, file) {
			signals, _, reason := f.Verdict(nil, v, []byte(p.Text), true)
			share.Pages++
			n := len(strings.Fields(p.Text))
			words += n
			if reason == "" {
				share.Kept++
				kept += n
			} else {
				share.Reasons[reason]++
			}
			if strings.Contains(p.ID, "/guide/") {
				guides.Pages++
				guideWords += n
				if reason == "" {
					guides.Kept++
					guideKept += n
				} else {
					guides.Reasons[reason]++
				}
			}
			for _, s := range signals {
				values[s.Name] = append(values[s.Name], s.Value)
			}
			for k := range f.tests {
				c := &f.tests[k]
				if s := v.values[c.signal]; s.known && s.ok && !c.off && c.fails(s.v) {
					fails[k]++
				}
			}
		}
		share.Words = round4(float64(kept) / float64(words))
		d.Kept = append(d.Kept, share)
		if i > 0 {
			continue
		}
		// The guides are the pages that are prose; the others are reference: menus, functions, tables.
		guides.Words = round4(float64(guideKept) / float64(max(guideWords, 1)))
		d.Kept = append(d.Kept, guides)
		d.Pages = share.Pages
		for k := range f.tests {
			d.Fails = append(d.Fails, failShare{f.tests[k].test.Reason, round4(float64(fails[k]) / float64(share.Pages))})
		}
		for _, name := range f.names {
			all := values[name]
			slices.Sort(all)
			s := signalSpread{Signal: name}
			for _, p := range percents {
				s.Percentiles = append(s.Percentiles, round4(all[min(len(all)-1, p*len(all)/100)]))
			}
			d.Signals = append(d.Signals, s)
		}
	}
	return d
}

const distributions = "testdata/distribution"

func readDistribution(t *testing.T, profile string) *distribution {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(distributions, profile+".json"))
	if err != nil {
		t.Fatal(err)
	}
	d := &distribution{}
	if err := json.Unmarshal(raw, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDistribution measures the pages of CURATE_DATA again. Without them it measures the third of the Basque pages
// that lies in examples/, which must look like the whole.
func TestDistribution(t *testing.T) {
	const profile = "basque"
	if root := os.Getenv("CURATE_DATA"); root != "" {
		d := measure(t, profile, root)
		raw, err := json.MarshalIndent(d, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, '\n')
		file := filepath.Join(distributions, profile+".json")
		if *update {
			if err := os.MkdirAll(distributions, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, raw, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, raw) {
			t.Errorf("%s is not what the pages in CURATE_DATA give: go test ./filter -run TestDistribution -update", file)
		}
		return
	}
	t.Log("CURATE_DATA is not set: measuring examples/pages")
	all, some := readDistribution(t, profile), measure(t, profile, "../examples/pages")
	if all.Version != some.Version || len(all.Signals) != len(some.Signals) || len(all.Fails) != len(some.Fails) {
		t.Fatalf("%s/%s.json was made with another version of the profile", distributions, profile)
	}
	for i, s := range some.Signals {
		a := all.Signals[i]
		// The median of a third lies between the quartiles of the whole.
		if m := s.Percentiles[3]; s.Signal != a.Signal || m < a.Percentiles[2] || m > a.Percentiles[4] {
			t.Errorf("signal %s: median %v; the whole has %s %v", s.Signal, m, a.Signal, a.Percentiles)
		}
	}
	for i, s := range some.Fails {
		if a := all.Fails[i]; s.Reason != a.Reason || math.Abs(s.Share-a.Share) > 0.03 {
			t.Errorf("%s: %v of the pages fail; the whole has %s %v", s.Reason, s.Share, a.Reason, a.Share)
		}
	}
	eu, guides, en := some.Kept[0], some.Kept[1], some.Kept[2]
	if guides.Pages == 0 || float64(guides.Kept) < 0.85*float64(guides.Pages) {
		t.Errorf("%d of %d guides kept", guides.Kept, guides.Pages)
	}
	if float64(eu.Kept) < 0.6*float64(eu.Pages) || en.Language != "en" || en.Kept > 0 {
		t.Errorf("%d of %d Basque pages kept, %d of %d English ones", eu.Kept, eu.Pages, en.Kept, en.Pages)
	}
}

// markdown is the part of docs/filter.md.
func (d *distribution) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## What profile %s does to real pages\n\n", d.Profile)
	fmt.Fprintf(&b, "Measured on %d %s pages: %s. Each column is a percentile of the signal.\n\n| signal |", d.Pages, d.Language, d.Source)
	for _, p := range percents {
		fmt.Fprintf(&b, " %d %% |", p)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(percents)) + "\n")
	for _, s := range d.Signals {
		fmt.Fprintf(&b, "| `%s` |", s.Signal)
		for _, v := range s.Percentiles {
			fmt.Fprintf(&b, " %s |", number(v))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\nShare of the pages beyond each threshold, whatever the other tests say (those that no page meets are left out):\n\n| reason | fails when | pages |\n|---|---|---:|\n")
	p, err := Lookup(d.Profile)
	if err != nil {
		panic(err)
	}
	k := 0
	for i := range p.Rules {
		values := mustValues(&p.Rules[i])
		rule := values.rule
		for n := range rule.Tests {
			if s := d.Fails[k].Share; s > 0 {
				fmt.Fprintf(&b, "| `%s` | `%s` | %.1f %% |\n", d.Fails[k].Reason, rule.Tests[n].condition(values), 100*s)
			}
			k++
		}
	}
	b.WriteString("\nWhat is kept of these pages (the guides are the ones that are prose; the others are reference: menus, functions, tables) and of the same pages in other languages:\n\n| language | pages | kept | words kept | most frequent reasons |\n|---|---:|---:|---:|---|\n")
	for _, l := range d.Kept {
		reasons := slices.SortedFunc(maps.Keys(l.Reasons), func(x, y string) int {
			if n := l.Reasons[y] - l.Reasons[x]; n != 0 {
				return n
			}
			return strings.Compare(x, y)
		})
		var top []string
		for _, r := range reasons[:min(4, len(reasons))] {
			top = append(top, fmt.Sprintf("`%s` %d", r, l.Reasons[r]))
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %.1f %% | %s |\n", l.Language, l.Pages, l.Kept, 100*l.Words, strings.Join(top, ", "))
	}
	return b.String()
}
