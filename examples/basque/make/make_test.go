package main

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func TestHeldOut(t *testing.T) {
	held := 0
	for k := range 1000 {
		path := fmt.Sprintf("swriter/guide/page%d", k)
		// The last decimal digit of the number, worked out byte by byte.
		rest := 0
		for _, b := range sha1.Sum([]byte(path)) {
			rest = (rest*256 + int(b)) % 10
		}
		for _, id := range []string{path, "lohelp/eu/" + path, "lohelp/pt/" + path, path + "#hd_id1", "lohelp/eu/" + path + "#exact-1"} {
			if heldOut(id) != (rest == 0) {
				t.Fatalf("heldOut(%q) = %v, the number's last digit is %d", id, heldOut(id), rest)
			}
		}
		if rest == 0 {
			held++
		}
	}
	if held < 70 || held > 130 {
		t.Errorf("%d of 1000 paths are held out", held)
	}
}

func TestCopyID(t *testing.T) {
	used := map[string]bool{}
	for k := range 200 {
		id := fmt.Sprintf("lohelp/eu/scalc/%d", k/4)
		c := copyID(id, "exact", used)
		if !strings.HasPrefix(c, id+"#exact-") {
			t.Errorf("copy of %s: %s", id, c)
		}
		if divisibleByTen(strings.TrimPrefix(c, "lohelp/eu/")) {
			t.Errorf("%s looks held out to who does not cut at #", c)
		}
	}
	if len(used) != 200 {
		t.Errorf("%d ids for 200 copies", len(used))
	}
}

func TestJaccard(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"", "", 1},
		{"", "bat", 0},
		{"bat bi", "Bat, BI!", 1},
		{"bat bi", "bat bi hiru", 0},
		{"a b c d e", "a b c d e", 1},
		{"a b c d e f", "a b c d e g", 1. / 3},
		{"a b c d e a b c d e", "a b c d e a b c d", 1}, // sets: five rotations each
		{"x_1 b c d e f g", "x-1 b c d e f g", 2. / 5},
		{"ñandú ŝ 二 b c", "ÑANDÚ Ŝ 二 B C", 1},
	} {
		if got := jaccard(grams(c.a), grams(c.b)); got != c.want {
			t.Errorf("%q, %q: %v, want %v", c.a, c.b, got, c.want)
		}
		if got := jaccard(grams(c.b), grams(c.a)); got != c.want {
			t.Errorf("%q, %q: %v, want %v", c.b, c.a, got, c.want)
		}
	}
}

func TestLonely(t *testing.T) {
	sets := []map[string]bool{grams("a b c d e f"), grams("a b c d e g"), grams("h i j k l m")}
	if got := lonely(sets, 1./3); !slices.Equal(got, []bool{false, false, true}) {
		t.Error(got)
	}
	if got := lonely(sets, .34); !slices.Equal(got, []bool{true, true, true}) {
		t.Error(got)
	}
}

func TestTokens(t *testing.T) {
	for _, text := range []string{"", "a", " ", "bat, bi\n", "«Ñ»_1", "\xff"} {
		runs, at := tokens(text)
		if strings.Join(runs, "") != text {
			t.Errorf("%q: %q", text, runs)
		}
		var w []string
		for _, k := range at {
			w = append(w, strings.ToLower(runs[k]))
		}
		if !slices.Equal(w, words(text)) {
			t.Errorf("%q: words %q, want %q", text, w, words(text))
		}
	}
}

// A text of distinct words: one word more or less is a known step, so that an edit must come close to its target.
func TestEdits(t *testing.T) {
	var text strings.Builder
	from := &material{}
	for k := range 400 {
		fmt.Fprintf(&text, "Hitza%d%s", k, []string{" ", ", ", ".\n"}[k%3])
		from.words = append(from.words, fmt.Sprintf("beste%d", k))
		from.lines = append(from.lines, fmt.Sprintf("lerro%d eta%d gero%d (amaiera%d)", k, k, k, k))
	}
	for _, e := range edits {
		for _, target := range defaultPlan().targets[:14] {
			for seed := range uint64(5) {
				made := e.make(text.String(), target, from, rand.New(rand.NewPCG(seed, 1)))
				if got := jaccard(grams(text.String()), grams(made)); math.Abs(got-target) > .012 {
					t.Errorf("%s, seed %d: similarity %.4f, aimed at %.2f", e.kind, seed, got, target)
				}
				if again := e.make(text.String(), target, from, rand.New(rand.NewPCG(seed, 1))); again != made {
					t.Errorf("%s, seed %d: twice, two texts", e.kind, seed)
				}
			}
		}
	}
	for seed := range uint64(20) {
		made := reformat(text.String(), rand.New(rand.NewPCG(seed, 1)))
		if made == text.String() || jaccard(grams(text.String()), grams(made)) != 1 {
			t.Errorf("seed %d: reformatted text is the same, or has other words", seed)
		}
	}
}

// The corpus depends on pages, plan and seed alone, and the plan is kept.
func TestBuild(t *testing.T) {
	pages := map[string][]page{}
	for _, lang := range []string{basque, "en"} {
		name := filepath.Join("..", "..", "pages", lang+".jsonl.zst")
		lines, err := readLines(name)
		if err != nil {
			t.Fatal(err)
		}
		if pages[lang], err = parsePages(name, lines); err != nil {
			t.Fatal(err)
		}
	}
	p := plan{noise: 50, targets: []float64{.5, .8, 1}, pairs: 6, off: .02, families: 10, stop: .35, words: [2]int{90, 600}, alone: .15, files: 3}
	var packed [3][]byte
	for k, seed := range []uint64{1, 1, 2} {
		c, err := build(pages, p, seed)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := write(dir, c); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(dir, "raw", "*.zst"))
		if err != nil || len(names) != 3 {
			t.Fatal(names, err)
		}
		for _, name := range append(names, filepath.Join(dir, "truth.jsonl.zst")) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			packed[k] = append(packed[k], b...)
		}
		if c.counts["pages of en"] != 50 || c.counts["pages of eu"] != len(pages[basque]) || c.counts["copies"] != len(c.truth) {
			t.Error(c.counts)
		}
		pairs := map[string]int{}
		for _, line := range c.truth {
			if line.Set == "pair" {
				pairs[line.A]++
			}
		}
		if len(pairs) != 18 {
			t.Errorf("%d pages have pairs, want 18", len(pairs))
		}
	}
	if !bytes.Equal(packed[0], packed[1]) {
		t.Error("the same seed gave other bytes")
	}
	if bytes.Equal(packed[0], packed[2]) {
		t.Error("another seed gave the same bytes")
	}
}

// committed reads the raw files: the records, and the lines that are none.
func committed(t *testing.T) (texts map[string]string, broken int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "raw", "*.jsonl.zst"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in raw/: %v", err)
	}
	texts = map[string]string{}
	for _, name := range names {
		lines, err := readLines(name)
		if err != nil {
			t.Fatal(err)
		}
		for k, line := range lines {
			if len(line) == 0 {
				continue
			}
			var r struct {
				ID   string            `json:"id"`
				Text *string           `json:"text"`
				Meta map[string]string `json:"meta"`
			}
			if json.Unmarshal(line, &r) != nil {
				broken++
				continue
			}
			if _, twice := texts[r.ID]; twice || r.Text == nil || r.Meta["lang"] == "" || r.Meta["url"] == "" {
				t.Errorf("%s:%d: %s: twice, or a field is missing", name, k+1, r.ID)
				continue
			}
			texts[r.ID] = *r.Text
		}
	}
	return texts, broken
}

func TestCommittedFiles(t *testing.T) {
	texts, broken := committed(t)
	if broken != 6 {
		t.Errorf("%d broken lines, want 6", broken)
	}
	copies := 0
	for id := range texts {
		if heldOut(id) || divisibleByTen(strings.SplitN(id, "/", 3)[2]) {
			t.Errorf("%s is held out", id)
		}
		if strings.Contains(id, "#") {
			copies++
		}
	}
	total := int64(0)
	err := filepath.WalkDir("..", func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if strings.HasSuffix(name, ".zst") && !slices.Contains(translationFiles, filepath.Base(name)) {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if total > 4_000_000 {
		t.Errorf("%d bytes, may be 4,000,000", total)
	}

	lines, err := readLines(filepath.Join("..", "truth.jsonl.zst"))
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != copies || copies == 0 {
		t.Errorf("%d truths for %d copies", len(lines), copies)
	}
	// The measure once more, by other means.
	word := regexp.MustCompile(`[\p{L}\p{N}_]+`)
	shingles := func(text string) map[string]bool {
		w := word.FindAllString(strings.ToLower(text), -1)
		set := map[string]bool{}
		for k := 4; k < len(w); k++ {
			set[fmt.Sprint(w[k-4:k+1])] = true
		}
		return set
	}
	target := map[float64]int{}
	seen := map[string]bool{}
	for k, line := range lines {
		var tr truth
		if err := json.Unmarshal(line, &tr, json.RejectUnknownMembers(true)); err != nil {
			t.Fatalf("truth:%d: %v", k+1, err)
		}
		a, known := texts[tr.A]
		b, alsoKnown := texts[tr.B]
		if !known || !alsoKnown {
			t.Fatalf("truth:%d: %s or %s is not in raw/", k+1, tr.A, tr.B)
		}
		inA, both := shingles(a), 0
		inB := shingles(b)
		for g := range inA {
			if inB[g] {
				both++
			}
		}
		if got := float64(both) / float64(len(inA)+len(inB)-both); math.Abs(got-tr.Similarity) > 1e-6 {
			t.Errorf("truth:%d: %s, %s: similarity %v, the files say %v", k+1, tr.A, tr.B, tr.Similarity, got)
		}
		if tr.Set == "pair" {
			if seen[tr.A] {
				t.Errorf("truth:%d: %s is in two pairs", k+1, tr.A)
			}
			seen[tr.A] = true
			target[math.Round(tr.Similarity*20)/20]++
		}
	}
	for _, s := range defaultPlan().targets {
		if target[s] != defaultPlan().pairs {
			t.Errorf("%d pairs at similarity %g, want %d", target[s], s, defaultPlan().pairs)
		}
	}
}
