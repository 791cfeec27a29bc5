package dedup

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// behind is a Reducer with the marks of the one before it in front of its Key, as phases run them.
type behind struct {
	stage.Reducer
	marks stage.Mapper
}

func (b behind) Key() stage.Mapper { return behindKey{b.Reducer.Key(), b.marks} }

type behindKey struct {
	stage.Mapper
	marks stage.Mapper
}

func (k behindKey) NewWorker() stage.Worker {
	return bothWorkers{k.marks.NewWorker(), k.Mapper.NewWorker()}
}

func mustClusterSplit(t testing.TB, cfg SplitConfig) *ClusterSplit {
	t.Helper()
	c, err := NewClusterSplit(cfg, MinHashConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// clusterStages are the Reducers of a split, each behind what those before made of lines, and the last Mapper.
func clusterStages(t testing.TB, c *ClusterSplit, lines [][]byte, rng *rand.Rand) (reducers []stage.Reducer, last stage.Mapper) {
	t.Helper()
	for _, st := range c.Stages() {
		r := st.(stage.Reducer)
		if last != nil {
			r = behind{r, last}
		}
		reducers = append(reducers, r)
		var err error
		if last, err = r.Finish(t.Context(), sealedOf(t, r, lines, rng), stagetest.NewWorkspace(64<<20, 1+rng.IntN(4))); err != nil {
			t.Fatal(err)
		}
	}
	return reducers, last
}

var halves = SplitConfig{Parts: []Part{{"test", 0.5}}, Annotate: true}

func TestClusterSplitLaws(t *testing.T) {
	for _, name := range []string{"normal", "tight"} {
		t.Run(name, func(t *testing.T) {
			c := mustClusterSplit(t, halves)
			lines := mixed()
			if name == "tight" { // it makes many files, and is killed at each
				tight(c.m)
				c.rangeSize, c.spillSize = 256, 4*pairWidth
				lines = lines[:40]
			}
			reducers, _ := clusterStages(t, c, lines, rand.New(rand.NewPCG(1, 1)))
			if name == "normal" { // else it is TestVerificationStage's
				stagetest.Reducer(t, reducers[1], lines)
			}
			stagetest.Reducer(t, reducers[2], lines)
		})
	}
}

// partsOf are the parts of texts by cluster.
func partsOf(t testing.TB, texts []string, rng *rand.Rand) []string {
	t.Helper()
	lines := asLines(texts)
	_, last := clusterStages(t, mustClusterSplit(t, halves), lines, rng)
	b := &record.Batch{}
	for i, line := range lines {
		b.Append(record.MakeID(1, int64(i)), int64(i+1), line)
	}
	b.Parse()
	if err := last.NewWorker().Map(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var parts []string
	for i := range b.Records {
		v, _ := b.Records[i].Value(record.MustPath("curate.split.part"))
		parts = append(parts, strings.Trim(string(v), `"`))
	}
	return parts
}

// TestClusterSplit compares parts with those of the clusters that MinHash has found.
func TestClusterSplit(t *testing.T) {
	moved := 0
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 0))
		texts := corpus(rng, 60+rng.IntN(100))
		cursor := decisionsOf(t, mustMinHash(t, MinHashConfig{}), asLines(texts), rng).NewCursor()
		partition := mustClusterSplit(t, halves).s.partition
		parts := partsOf(t, texts, rng)
		for i, text := range texts {
			id, first := record.MakeID(1, int64(i)), i
			found, known, err := cursor.Lookup(id)
			if err != nil {
				t.Fatal(err)
			}
			if known {
				first = int(found.Cluster.Offset())
			}
			if want := partition.Part([]byte(texts[first])); parts[i] != want {
				t.Fatalf("seed %d: text %d is in %s, and the first of its cluster, %d, in %s", seed, i, parts[i], first, want)
			}
			if parts[i] != partition.Part([]byte(text)) {
				moved++
			}
		}
	}
	if moved < 50 {
		t.Errorf("only %d texts are elsewhere than without clusters", moved)
	}
}

// TestClusterSplitGrows adds documents behind others: alone or to a cluster, they move none.
func TestClusterSplitGrows(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	var texts []string
	for i := range 40 {
		var words []string
		for k := range 30 {
			words = append(words, fmt.Sprintf("w%dx%d", i/4, k)) // ten clusters of four
		}
		words[0] = fmt.Sprint("first", i)
		texts = append(texts, strings.Join(words, " "))
	}
	before := partsOf(t, texts[:20], rng)
	after := partsOf(t, texts, rng)
	if !slices.Equal(before, after[:20]) {
		t.Errorf("%v\nbecame %v", before, after[:20])
	}
	for i := range texts {
		if after[i] != after[i/4*4] {
			t.Errorf("text %d is not where the first of its cluster is", i)
		}
	}
}

// TestNearHeldOut compares with Jaccard's similarity of all pairs.
func TestNearHeldOut(t *testing.T) {
	hits := 0
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 9))
		texts := corpus(rng, 150)
		threshold := []float64{0.3, 0.5, 0.8, 1}[rng.IntN(4)]
		b, err := NewNearHeldOutBuilder(DefaultScheme, threshold)
		if err != nil {
			t.Fatal(err)
		}
		held := texts[:40]
		var grams []map[string]bool
		for _, text := range texts {
			grams = append(grams, gramsOf(text))
		}
		for _, text := range held {
			b.Add([]byte(text))
		}
		h := b.Set()
		var w nearScratch
		for i, text := range texts[40:] {
			want := false
			for k := range held {
				ga, gb := grams[40+i], grams[k]
				common := 0
				for g := range ga {
					if gb[g] {
						common++
					}
				}
				want = want || common > 0 && millionths(common, len(ga), len(gb)) >= uint32(threshold*million)
			}
			if is := h.has([]byte(text), &w); is != want {
				t.Fatalf("seed %d, threshold %v: %q: %t, want %t", seed, threshold, text, is, want)
			}
			if want {
				hits++
			}
		}
	}
	if hits < 100 {
		t.Errorf("only %d are similar to what is held out", hits)
	}
}

// TestCarried: a record that was dropped comes back as it was.
func TestCarried(t *testing.T) {
	c, err := NewCarried("test")
	if err != nil {
		t.Fatal(err)
	}
	lines := [][]byte{
		[]byte(`{"text":"a"}`), []byte(` { "text" : "b" , "n":1.0 } `), []byte(`{"curate":{},"text":"c"}`), []byte(`{"text":"d","curate": {"split":{"part":"x"},"was":1} , "z":0}`),
		[]byte(`{"text":"e","in":{"curate":{"split":{"part":"test"}}}}`), []byte(`{"text":"f\",\"curate\":{\"split\":{\"part\":\"test\"}}"}` + "\r"),
		[]byte(`{"text":"g","curate":3}`),
	}
	for _, part := range []string{"test", "validation"} {
		b := &record.Batch{}
		for i, line := range lines {
			b.Append(record.MakeID(1, int64(i)), int64(i+1), line)
		}
		b.Parse()
		s := splitWorker{s: mustSplitter(t, SplitConfig{Parts: []Part{{part, 0.5}}, Carry: true})}
		for i := range b.Records {
			r := &b.Records[i]
			bad := s.decide(r, part)
			if (bad != nil) != (i == len(lines)-1) {
				t.Fatalf("%s: %v", lines[i], bad)
			}
			if bad != nil {
				continue
			}
			dropped := bytes.TrimSuffix(r.AppendDropped(nil), []byte("\n"))
			again := &record.Batch{}
			again.Append(record.MakeID(1, 0), 1, dropped)
			again.Parse()
			if err := c.NewWorker().Map(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			q := &again.Records[0]
			if part != "test" {
				if q.Outcome != record.Drop || q.Reason != part {
					t.Errorf("%s: %v %s", dropped, q.Outcome, q.Reason)
				}
				continue
			}
			if is := q.AppendLine(nil); q.Outcome != record.Keep || string(is) != string(lines[i])+"\n" {
				t.Errorf("%s became %s, and then %s (%v)", lines[i], dropped, is, q.Err)
			}
		}
	}
	var carried [][]byte
	for i := range 30 {
		carried = append(carried, fmt.Appendf(nil, `{"text":"%d","curate":{"split":{"part":"%s"}}}`, i, []string{"test", "validation"}[i%2]))
	}
	carried = append(carried, []byte(`{"text":"x"}`), []byte(`{"curate":{"split":{"part":"test"}},"text":"moved"}`), []byte(`{"text":"y","curate":{"split":{"part":"test"},"was":{"x":1}}}`))
	stagetest.Mapper(t, c, carried)
}
