package fasttext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// golden is a row of what the reference predicts (testdata/make_golden.py).
type golden struct {
	Model     string    `json:"model"`
	Text      string    `json:"text"`
	K         int       `json:"k"`
	Threshold float32   `json:"threshold"`
	Labels    []string  `json:"labels"`
	P         []float64 `json:"p"`
}

func unpacked(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func goldenRows(t testing.TB, name string) []golden {
	t.Helper()
	var rows []golden
	for line := range bytes.Lines(unpacked(t, name)) {
		var g golden
		if err := json.Unmarshal(line, &g); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, g)
	}
	if len(rows) < 100 {
		t.Fatalf("%s has %d rows", name, len(rows))
	}
	return rows
}

func mustRead(t testing.TB, b []byte) *Model {
	t.Helper()
	m, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// lid is the model of which package langid has the file.
func lid(t testing.TB) *Model {
	t.Helper()
	b, err := os.ReadFile("../langid/models/lid.176.ftz")
	if err != nil {
		t.Fatal(err)
	}
	return mustRead(t, b)
}

// smallModels by the name of their file.
func smallModels(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.[bf][it][nz].zst")
	if err != nil || len(names) < 14 {
		t.Fatalf("%v, %v", names, err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		all[filepath.Base(name[:len(name)-len(".zst")])] = unpacked(t, name)
	}
	return all
}

// tolerance of probabilities: the reference's own print precision.
const tolerance = 5e-5

// compare is what differs between the reference and what is predicted, if anything does.
func compare(m *Model, g *golden, got []Prediction) string {
	if len(got) != len(g.Labels) {
		return fmt.Sprintf("%d predictions, want %d", len(got), len(g.Labels))
	}
	for i, p := range got {
		if math.Abs(float64(p.Probability)-g.P[i]) > tolerance {
			return fmt.Sprintf("%d: probability %v, want %v", i, p.Probability, g.P[i])
		}
		if label := m.Labels()[p.Label]; label != g.Labels[i] {
			// Two that are as good as equal may change places, but for the first.
			j := slices.Index(g.Labels, label)
			if i == 0 || j >= 0 && math.Abs(g.P[j]-g.P[i]) > 2e-6 || j < 0 && i < len(got)-1 {
				return fmt.Sprintf("%d: label %s, want %s", i, label, g.Labels[i])
			}
		}
	}
	return ""
}

func TestGolden(t *testing.T) {
	models := map[string]*Model{"": lid(t)}
	for name, b := range smallModels(t) {
		models[name] = mustRead(t, b)
	}
	worst, seen := 0.0, map[string]int{}
	for _, g := range append(goldenRows(t, "testdata/lid.jsonl.zst"), goldenRows(t, "testdata/small.jsonl.zst")...) {
		m := models[g.Model]
		if m == nil {
			t.Fatalf("no model %q", g.Model)
		}
		seen[g.Model]++
		p := m.NewPredictor()
		for range 2 { // the second time out of the cache
			got := p.Predict(nil, []byte(g.Text), g.K, g.Threshold)
			if diff := compare(m, &g, got); diff != "" {
				t.Errorf("%s, %.80q, k %d, threshold %v: %s\n%v, want %v %v", g.Model, g.Text, g.K, g.Threshold, diff, got, g.Labels, g.P)
				break
			}
			for i, x := range got {
				worst = max(worst, math.Abs(float64(x.Probability)-g.P[i]))
			}
		}
	}
	for name := range models {
		if seen[name] == 0 {
			t.Errorf("no golden row of %q", name)
		}
	}
	t.Logf("greatest difference of a probability: %.2g", worst)
}

// TestLidPublished holds the values that C++ prints, without any file of ours but the model.
func TestLidPublished(t *testing.T) {
	p := lid(t).NewPredictor()
	for text, want := range map[string]string{
		"Kaixo, mundua!": "pt .7323 br .1335 eu .0334",
		"Euskal Herriko Unibertsitateak corpus handi bat argitaratu du.": "eu .6800 nl .0473 es .0315",
		"The quick brown fox jumps over the lazy dog.":                   "en .6975 es .0462 pt .0252",
		"O neno come unha mazá na casa.":                                 "gl .9225 lt .0242 uk .0142",
		"東京は日本の首都です。":                                                    "ja .9988 uk .0010 ru .0001",
		"":                                                               "en .1245 ca .0859 de .0803",
	} {
		got := ""
		for _, x := range p.Predict(nil, []byte(text), 3, 0) {
			got += fmt.Sprintf(" %s %s", p.m.Labels()[x.Label][len(labelPrefix):], fmt.Sprintf("%.4f", x.Probability)[1:])
		}
		if got != " "+want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
