package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"
)

type helpPair struct {
	ID string `json:"id"`
	EN string `json:"en"`
	EU string `json:"eu"`
}

func (p helpPair) pair() Pair { return Pair{From: "en", To: "eu", Source: p.EN, Target: p.EU} }
func (p helpPair) page() string {
	page, _, _ := strings.Cut(p.ID, "#")
	return page
}
func (p helpPair) calibrates() bool {
	n := len(strings.Fields(p.EN))
	return p.EN != p.EU && n >= 8 && n <= 60
}

type helpLine struct {
	Language string `json:"language"`
	Text     string `json:"text"`
}

// evenly takes n of a list, evenly spaced.
func evenly[T any](list []T, n int) (out []T) {
	for i := range min(n, len(list)) {
		out = append(out, list[i*len(list)/n])
	}
	return out
}

func writeRows[T any](t *testing.T, file string, rows []T) {
	t.Helper()
	var b []byte
	for _, row := range rows {
		line, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, line...), '\n')
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, w.EncodeAll(b, nil), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestSamples(t *testing.T) {
	if *update && *lohelp != "" {
		var pairs []helpPair
		for _, p := range readRows[helpPair](t, filepath.Join(*lohelp, "parallel.en-eu.jsonl.zst")) {
			if heldOut(p.page()) && p.calibrates() {
				pairs = append(pairs, p)
			}
		}
		writeRows(t, "testdata/pairs.jsonl.zst", evenly(pairs, 300))
		english := make(map[string]bool)
		for _, p := range readRows[helpPage](t, filepath.Join(*lohelp, "en.jsonl.zst")) {
			for line := range strings.SplitSeq(p.Text, "\n") {
				english[line] = true
			}
		}
		var lines []helpLine
		for _, l := range tableLanguages {
			var list []helpLine
			for _, p := range readRows[helpPage](t, filepath.Join(*lohelp, l+".jsonl.zst")) {
				if !heldOut(p.path()) {
					continue
				}
				for line := range strings.SplitSeq(p.Text, "\n") {
					if (l == "en" || !english[line]) && countLetters(appendWords(nil, line)) >= 30 {
						list = append(list, helpLine{l, line})
					}
				}
			}
			lines = append(lines, evenly(list, 40)...)
		}
		writeRows(t, "testdata/lines.jsonl.zst", lines)
	}
	pairs := readRows[helpPair](t, "testdata/pairs.jsonl.zst")
	if len(pairs) != 300 {
		t.Errorf("%d pairs", len(pairs))
	}
	for _, p := range pairs {
		if !heldOut(p.page()) || !p.calibrates() {
			t.Errorf("%s is no pair for this sample", p.ID)
		}
	}
	if n := len(readRows[helpLine](t, "testdata/lines.jsonl.zst")); n != 40*len(tableLanguages) {
		t.Errorf("%d lines", n)
	}
}

// TestMeasure prints how often each signal is raised on human translations, and their percentiles. It needs the corpus.
func TestMeasure(t *testing.T) {
	if *lohelp == "" {
		t.Skip("needs -lohelp FOLDER with parallel.en-eu.jsonl.zst")
	}
	c := checkerFor(t, "en", "eu")
	pairs := readRows[helpPair](t, filepath.Join(*lohelp, "parallel.en-eu.jsonl.zst"))
	var fit Fit
	for _, held := range []bool{true, false} {
		n, anyHard, anySoft := 0, 0, 0
		hard, soft := map[string]int{}, map[string]int{}
		examples := map[string][]string{}
		for _, p := range pairs {
			if p.EN == p.EU || heldOut(p.page()) != held {
				continue
			}
			if !held && p.calibrates() {
				fit.Add(p.pair())
			}
			n++
			h, s := 0, 0
			for _, f := range c.Segment(nil, p.pair()) {
				if f.Hard {
					h = 1
					hard[f.Check]++
					examples[f.Check] = append(examples[f.Check], fmt.Sprintf("%s\n\t\t%.200s\n\t\t%.200s", f.Detail, p.EN, p.EU))
				} else {
					s = 1
					soft[f.Check]++
				}
			}
			anyHard += h
			anySoft += s
		}
		t.Logf("held out %v: %d pairs, hard %d (%.2f %%), soft %d (%.2f %%)", held, n, anyHard, 100*float64(anyHard)/float64(n), anySoft, 100*float64(anySoft)/float64(n))
		if float64(anyHard) > 0.01*float64(n) {
			t.Errorf("more than 1 %% of human translations are rejected")
		}
		for _, s := range signals {
			t.Logf("  %-14s hard %5d %.3f %%  soft %5d %.3f %%", s.Name, hard[s.Name], 100*float64(hard[s.Name])/float64(n), soft[s.Name], 100*float64(soft[s.Name])/float64(n))
			for _, e := range evenly(examples[s.Name], 8) {
				t.Log("    ", e)
			}
		}
	}
	mean, variance := fit.galeChurch()
	t.Logf("%d pairs of 8 to 60 words that are not held out; mean %.3f, variance %.2f", fit.pairs(), mean, variance)
	percentiles := fit.Percentiles()
	names := make([]string, 0, len(percentiles))
	for name := range percentiles {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Logf("  %-14s %.3f", name, percentiles[name])
	}
	p, err := fit.Profile("fit")
	t.Logf("%+v %v", p, err)
}

func checkerFor(t testing.TB, from, to string) *Checker {
	t.Helper()
	c, err := New(ProfileFor(from, to), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestMeasureLanguage prints how often the tables decide on segments of held-out pages.
func TestMeasureLanguage(t *testing.T) {
	if *lohelp == "" {
		t.Skip("needs -lohelp FOLDER with LANG.jsonl.zst")
	}
	tell := func(name string, v []*view) {
		p := ProfileFor("en", "eu")
		for _, letters := range []int{0, 20, 60} {
			n, sure, wrong := 0, 0, 0
			for _, v := range v {
				e := evidenceFor(v)
				if e.letters < max(letters, 1) {
					continue
				}
				n++
				switch {
				case e.bits >= p.LanguageSureBits:
					sure++
				case e.bits <= -p.LanguageWrongBits && float64(e.letters) >= p.LanguageLettersTable:
					wrong++
				}
			}
			t.Logf("%s, %d letters or more: %d, sure %d (%.2f %%), wrong %d (%.2f %%), doubt %d", name, letters, n, sure, 100*float64(sure)/float64(n), wrong, 100*float64(wrong)/float64(n), n-sure-wrong)
		}
	}
	var human []*view
	for _, p := range readRows[helpPair](t, filepath.Join(*lohelp, "parallel.en-eu.jsonl.zst")) {
		if p.EN != p.EU && heldOut(p.page()) {
			human = append(human, newView(p.pair()))
		}
	}
	tell("human Basque", human)
	english := make(map[string]map[string]bool)
	for _, p := range readRows[helpPage](t, filepath.Join(*lohelp, "en.jsonl.zst")) {
		english[p.path()] = make(map[string]bool)
		for line := range strings.SplitSeq(p.Text, "\n") {
			english[p.path()][line] = true
		}
	}
	for _, l := range tableLanguages {
		var basque, own []*view
		for _, p := range readRows[helpPage](t, filepath.Join(*lohelp, l+".jsonl.zst")) {
			if !heldOut(p.path()) {
				continue
			}
			for line := range strings.SplitSeq(p.Text, "\n") {
				if l == "en" || !english[p.path()][line] {
					basque = append(basque, newView(Pair{From: "en", To: "eu", Target: line}))
					own = append(own, newView(Pair{From: "en", To: l, Target: line}))
				}
			}
		}
		tell(l+" as eu", basque)
		tell(l+" as "+l, own)
	}
}

type helpRow struct {
	ID       string `json:"id"`
	Messages []struct {
		Content string `json:"content"`
	} `json:"messages"`
}

func (r helpRow) units() string {
	var units []string
	for _, m := range r.Messages {
		for line := range strings.SplitSeq(m.Content, "\n") {
			if line != "" {
				units = append(units, line)
			}
		}
	}
	return strings.Join(units, "\n")
}

// TestMeasureRows prints what is found in an instruction set, in tasks, and in echoes.
func TestMeasureRows(t *testing.T) {
	if *lohelp == "" {
		t.Skip("needs -lohelp FOLDER with instruct.en.jsonl.zst and instruct.eu-reference.jsonl.zst")
	}
	c := checkerFor(t, "en", "eu")
	source := readRows[helpRow](t, filepath.Join(*lohelp, "instruct.en.jsonl.zst"))
	target := readRows[helpRow](t, filepath.Join(*lohelp, "instruct.eu-reference.jsonl.zst"))
	found, left := map[string]int{}, 0
	sure, bound, constant := 0, 0, 0
	for i := range source {
		p := Pair{From: "en", To: "eu", Source: source[i].units(), Target: target[i].units()}
		for _, f := range c.Row(nil, p) {
			found[fmt.Sprintf("%s hard %v", f.Check, f.Hard)]++
		}
		if evidenceFor(newView(p)).bits >= c.profile.LanguageSureBits {
			sure++
		}
		p.Target = p.Source
		if _, bad := rowLanguage(c, newView(p)); bad {
			left++
		}
		lines := strings.Count(p.Source, "\n") + 1
		p.Target = strings.TrimSuffix(strings.Repeat("Bai, berehala.\n", lines), "\n")
		if _, bad := sameTarget(c, newView(p)); bad {
			constant++
		}
		if got := Tasks(source[i].Messages[0].Content, []string{source[i].Messages[1].Content}); len(got) > 0 {
			bound++
			t.Logf("%v: %s", got, source[i].Messages[0].Content)
		}
	}
	t.Logf("%d rows: surely Basque %d, findings %v; left in English: %d rejected; one answer to everything: %d rejected; tasks: %d", len(source), sure, found, left, constant, bound)
	neighbours, alikes := 0, 0
	var last helpPair
	for _, p := range readRows[helpPair](t, filepath.Join(*lohelp, "parallel.en-eu.jsonl.zst")) {
		if p.EN == p.EU {
			continue
		}
		if p.page() == last.page() && p.EN != last.EN {
			neighbours++
			if f, bad := sameTarget(c, newView(Pair{From: "en", To: "eu", Source: last.EN + "\n" + p.EN, Target: last.EU + "\n" + p.EU})); bad {
				alikes++
				t.Logf("%v: %s | %s", f, last.EN, p.EN)
			}
		}
		last = p
	}
	t.Logf("%d neighbouring paragraphs with different sources: same_target in %d", neighbours, alikes)
	same, echoes := 0, 0
	var heard []string
	for _, p := range readRows[helpPair](t, filepath.Join(*lohelp, "parallel.en-eu.jsonl.zst")) {
		if p.EN == p.EU {
			same++
			if f, ok := echo(c, newView(p.pair())); ok && f.Hard {
				echoes++
				heard = append(heard, p.EN)
			}
		}
	}
	t.Logf("%d texts that are the same in English and Basque, %d of them echoes", same, echoes)
	for _, s := range evenly(heard, 40) {
		t.Logf("  %.120s", s)
	}
}
