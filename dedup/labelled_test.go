package dedup

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"curate/record"
)

// labelled is a corpus with the similarity of its pairs: word 5-grams of \w+, lower-cased.
type labelled struct {
	name  string
	lines [][]byte
	pairs map[[2]int]float64 // places of lines, the smaller first
	least float64            // all pairs from this similarity on are there
}

func eachLine(t testing.TB, file string, do func(line []byte)) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	r := bufio.NewReader(z)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 1 {
			do(line[:len(line)-1])
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// readLabelled reads the folder of the reference's cases.
func readLabelled(t testing.TB, dir string) labelled {
	t.Helper()
	l := labelled{name: "labelled", pairs: map[[2]int]float64{}, least: 0.2}
	place := map[string]int{}
	eachLine(t, filepath.Join(dir, "labelled.jsonl.zst"), func(line []byte) {
		var d struct{ ID string }
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		place[d.ID] = len(l.lines)
		l.lines = append(l.lines, line)
	})
	eachLine(t, filepath.Join(dir, "pairs.jsonl.zst"), func(line []byte) {
		var p struct {
			A, B string
			J    float64
		}
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		a, okA := place[p.A]
		b, okB := place[p.B]
		if !okA || !okB || a == b {
			t.Fatalf("no such pair: %s", line)
		}
		l.pairs[[2]int{min(a, b), max(a, b)}] = p.J
	})
	return l
}

// injected are pages with edited copies of some, labelled by counting grams.
func injected(t testing.TB) labelled {
	t.Helper()
	rng := rand.New(rand.NewPCG(6, 6))
	all, _ := pages(t)
	l := labelled{name: "pages with edited copies", pairs: map[[2]int]float64{}, least: 0.2}
	var texts []string
	for _, line := range all[:min(len(all), 600)] {
		var d struct{ Text string }
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, d.Text)
		for range rng.IntN(4) {
			words := strings.Fields(d.Text)
			for range int(float64(len(words)) * 0.12 * rng.Float64() * rng.Float64()) {
				words[rng.IntN(len(words))] = fmt.Sprint("edit", rng.IntN(1000))
			}
			texts = append(texts, strings.Join(words, " "))
		}
	}
	rng.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	with := map[string][]int{}
	var size []int
	for i, text := range texts {
		line, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		l.lines = append(l.lines, line)
		grams := gramsOf(text)
		size = append(size, len(grams))
		for g := range grams {
			with[g] = append(with[g], i)
		}
	}
	common := map[[2]int]int{}
	for _, ds := range with {
		for i, a := range ds {
			for _, b := range ds[i+1:] {
				common[[2]int{min(a, b), max(a, b)}]++
			}
		}
	}
	for p, n := range common {
		if j := float64(n) / float64(size[p[0]]+size[p[1]]-n); j >= l.least {
			l.pairs[p] = j
		}
	}
	return l
}

// TestConformanceLabelled removes near-duplicates of labelled corpora at 0.8. Precision: of the pairs of a dropped and a kept
// document, how many are that similar. Recall: of the pairs that are that similar, of how many one goes.
func TestConformanceLabelled(t *testing.T) {
	cases := []labelled{injected(t)}
	if root := os.Getenv("CURATE_CONFORMANCE"); root == "" {
		t.Log("CURATE_CONFORMANCE is not set: only pages with edited copies")
	} else {
		cases = append(cases, readLabelled(t, filepath.Join(root, "filter-dedup", "labelled")))
	}
	for _, l := range cases {
		for _, keep := range []string{"first", "longest"} {
			m := mustMinHash(t, MinHashConfig{Keep: keep})
			d := decisionsOf(t, m, l.lines, rand.New(rand.NewPCG(1, 1)))
			c, gone := d.NewCursor(), map[int]bool{}
			right, wrong := 0, 0
			for i := range l.lines {
				found, known, err := c.Lookup(record.MakeID(1, int64(i)))
				if err != nil {
					t.Fatal(err)
				}
				k := int(found.Kept.Offset())
				if !known || k == i {
					continue
				}
				gone[i] = true
				// Labels have six digits, and so has a similarity.
				if j := l.pairs[[2]int{min(i, k), max(i, k)}]; j >= 0.8-5e-7 {
					right++
					if s := float64(found.Similarity) / million; s-j > 1e-6 || j-s > 1e-6 {
						t.Errorf("%s, keep %s: lines %d and %d: similarity %v, labelled %v", l.name, keep, i, k, s, j)
					}
				} else {
					wrong++
				}
			}
			similar, met := 0, 0
			for p, j := range l.pairs {
				if j >= 0.8 {
					similar++
					if gone[p[0]] || gone[p[1]] {
						met++
					}
				}
			}
			precision, recall := float64(right)/float64(max(1, right+wrong)), float64(met)/float64(max(1, similar))
			t.Logf("%s, keep %s: %d documents, %d similar pairs; %d dropped, precision %.4f; %d pairs met, recall %.4f",
				l.name, keep, len(l.lines), similar, len(gone), precision, met, recall)
			if similar < 100 || precision < 0.999 || recall < 0.99 {
				t.Errorf("%s, keep %s: below what is promised", l.name, keep)
			}
		}
	}
}
