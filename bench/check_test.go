package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dedupedFiles writes an input of texts, the ids being their places, and a --dropped file of lines.
func dedupedFiles(t *testing.T, texts []string, dropped ...string) (in, gone string) {
	t.Helper()
	dir := t.TempDir()
	in, gone = filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "dropped.jsonl")
	var b strings.Builder
	for i, text := range texts {
		fmt.Fprintf(&b, "{\"id\":\"%d\",\"text\":%q}\n", i, text)
	}
	if err := os.WriteFile(in, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(gone, []byte(strings.Join(dropped, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	return in, gone
}

func TestSound(t *testing.T) {
	texts := []string{"a b c d e f g h i", "A b c d e, f g h j", "other words of another text", "a b c d e f g h i"}
	at := func(i int) (place int64) {
		place = 1 << 40
		for k, text := range texts[:i] {
			place += int64(len(fmt.Sprintf("{\"id\":\"%d\",\"text\":%q}\n", k, text)))
		}
		return place
	}
	drop := func(id, of int, similarity float64) string {
		return fmt.Sprintf(`{"id":"%d","curate":{"dedup":{"duplicate_of":"%d","similarity":%v}}}`, id, at(of), similarity)
	}
	// 0 and 1 have four of six grams in common.
	for _, c := range []struct {
		name      string
		threshold float64
		dropped   []string
		fail      string
	}{
		{"right", 0.6, []string{drop(1, 0, 0.666667), drop(3, 0, 1)}, ""},
		{"below the threshold", 0.8, []string{drop(1, 0, 0.666667), drop(3, 0, 1)}, "their similarity is 0.666667"},
		{"wrong similarity", 0.6, []string{drop(1, 0, 0.8), drop(3, 0, 1)}, "reported as 0.8"},
		{"twin that went", 0.6, []string{drop(1, 0, 0.666667), drop(0, 3, 1)}, "which went itself"},
		{"no twin", 0.6, []string{drop(2, 0, 0.9), drop(3, 0, 1)}, "their similarity is 0.000000"},
		{"the same text twice", 0.6, []string{drop(1, 0, 0.666667)}, "the same text and stay both"},
	} {
		in, gone := dedupedFiles(t, texts, c.dropped...)
		res, err := soundTask(task{Files: []string{in}, With: gone, Arg: "words", Threshold: c.threshold})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		failures := strings.Join(res.Check.Failures, "\n")
		if c.fail == "" && failures != "" || !strings.Contains(failures, c.fail) {
			t.Errorf("%s: failures %q, expected %q", c.name, failures, c.fail)
		}
	}
}

func TestAnotherPassIsNotAlike(t *testing.T) {
	first := `{"id":"x","text":"` + strings.Repeat("one two three four five six seven eight nine. ", 1) +
		`ten eleven twelve thirteen fourteen (fifteen) sixteen seventeen eighteen nineteen twenty\n","meta":{"lang":"en"}}` + "\n"
	var texts []string
	for pass := range 3 {
		line := []byte(first)
		if pass > 0 {
			var err error
			if line, err = another([]byte(first), pass); err != nil {
				t.Fatal(err)
			}
		}
		var doc struct {
			ID, Text string
			Meta     struct{ Lang string }
		}
		if err := json.Unmarshal(line, &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Meta.Lang != "en" || pass > 0 && doc.ID != fmt.Sprintf("x~%d", pass) {
			t.Errorf("pass %d: %s", pass, line)
		}
		texts = append(texts, doc.Text)
	}
	for i := range texts {
		for j := range i {
			in, gone := dedupedFiles(t, []string{texts[i], texts[j]})
			d, err := readDeduped([]string{in}, gone, "words")
			if err != nil {
				t.Fatal(err)
			}
			if s, _ := d.jaccard(0, 1); s > 0.1 {
				t.Errorf("passes %d and %d: similarity %.3f\n%s\n%s", i, j, s, texts[i], texts[j])
			}
		}
	}
}
