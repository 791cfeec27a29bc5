package recipe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRunGrows: new files of a source are the only ones that maps read, all along the chain; what looks at all records is made anew.
func TestRunGrows(t *testing.T) {
	w := newWorld(t)
	w.text = strings.Replace(w.text, "  - {name: total", "  - {name: again, from: days, cut: {word: egun}}\n  - {name: total", 1)
	w.must(w.runner(), "clean+ days+ again+ total+")
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	var parts []string
	for _, step := range []string{"clean", "days", "again"} {
		names, err := filepath.Glob(filepath.Join(w.dir, "run", step, "part-*"))
		if err != nil || len(names) < 2 {
			t.Fatal(names, err)
		}
		parts = append(parts, names...)
	}
	for _, name := range parts {
		if err := os.Chtimes(name, long, long); err != nil {
			t.Fatal(err)
		}
	}
	// It sorts before the others, and comes behind them.
	w.input("0.jsonl", "egun on", "gau on", "bat bi")
	w.input("c.jsonl", "on da egun")
	if got := states(t, w.runner()); got != "clean grows, days follows a step that runs, again follows a step that runs, total follows a step that runs" {
		t.Error(got)
	}
	w.must(w.runner(), "clean+ days+ again+ total+")
	for _, line := range []string{"run/clean: 2 new files, 2 done before; only what is new is read", "4 new files, 6 done before, and count looks at all documents"} {
		if !strings.Contains(w.log.String(), line) {
			t.Errorf("%q is not said:\n%s", line, w.log.String())
		}
	}
	for _, name := range parts {
		if info, err := os.Stat(name); err != nil || !info.ModTime().Equal(long) {
			t.Errorf("%s was written again: %v", name, err)
		}
	}
	got := w.tree("run")
	if c := got["total/count.txt"]; c != "records 11\n" {
		t.Errorf("counted %q", c)
	}
	if !strings.Contains(got["clean/_curate/manifest.json"], `"number": 3,
      "path": "`+filepath.ToSlash(w.dir)+`/0.jsonl"`) {
		t.Error(got["clean/_curate/manifest.json"])
	}
	w.must(w.runner(), "clean= days= again= total=")
	if got := states(t, w.runner()); got != "clean done, days done, again done, total done" {
		t.Error(got)
	}
	same(t, "repeated", w.tree("run"), got)
	// The same files one behind the other, and elsewhere, have the same parts.
	w.text = strings.Replace(w.text, "*.jsonl'", "a.jsonl', '"+filepath.ToSlash(w.dir)+"/b.jsonl', '"+filepath.ToSlash(w.dir)+"/0.jsonl', '"+filepath.ToSlash(w.dir)+"/c.jsonl'", 1)
	w.text = strings.Replace(strings.Replace(w.text, "read: '", "read: ['", 1), "c.jsonl'", "c.jsonl']", 1)
	w.must(w.runner("run="+filepath.ToSlash(filepath.Join(w.dir, "other"))), "clean+ days+ again+ total+")
	other := w.tree("other")
	for name := range other {
		own := strings.Contains(name, "_curate/")
		if own && !strings.HasSuffix(name, "/ledger.json") && !strings.Contains(name, "/dropped/") {
			delete(got, name)
			delete(other, name)
		}
	}
	for name := range got {
		if strings.HasPrefix(name, "_curate/") {
			delete(got, name)
		}
	}
	same(t, "at once", other, got)
	// A file less, and a changed setting, are what they were before.
	if err := os.Remove(filepath.Join(w.dir, "c.jsonl")); err != nil {
		t.Fatal(err)
	}
	w = &world{t: t, dir: w.dir, kinds: w.kinds, text: strings.Replace(w.text, ", '"+filepath.ToSlash(w.dir)+"/c.jsonl'", "", 1)}
	if got := states(t, w.runner("run="+filepath.ToSlash(filepath.Join(w.dir, "other")))); !strings.HasPrefix(got, "clean has changed") {
		t.Error(got)
	}
}
