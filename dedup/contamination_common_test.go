package dedup

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

func mustCommon(t testing.TB, cfg DecontaminatorConfig) *CommonNgrams {
	t.Helper()
	c, err := NewCommonNgrams(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCommonNgramsStage runs the laws of Reducers.
func TestCommonNgramsStage(t *testing.T) {
	set := benchmarksOf(t, BenchmarksConfig{Match: []string{MatchNgram}}, textItem("fox", "the quick brown fox jumps over the lazy dog"), textItem("own", "a dog that is lazy does not jump over any fox"))
	lines := [][]byte{[]byte(`{"n":1}`), []byte(`{"text":null}`), []byte(`{"text":"a dog that is lazy does not jump over any fox","curate":3}`), []byte(`no json`)}
	for i := range 24 {
		lines = append(lines, fmt.Appendf(nil, `{"text":"%sdocument %d","id":%d}`, []string{"", "a dog that is lazy does not jump over any fox ", "so the quick brown fox jumps over the lazy dog "}[min(i%8, 2)], i, i))
	}
	stagetest.Reducer(t, mustCommon(t, DecontaminatorConfig{Benchmarks: set, Mode: CutMode, MostDocuments: 5, Verdicts: true}), lines)
}

// fewWords are n of eight.
func fewWords(rng *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "w%d ", rng.IntN(8))
	}
	return b.String()
}

// TestCommonNgrams compares what is dropped with a count of strings.
func TestCommonNgrams(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 7))
	dropped, spared := 0, 0
	for round := range 40 {
		cfg := BenchmarksConfig{Match: []string{MatchNgram}, Ngram: 2 + round%2}
		var items []Item
		var passages []string
		for i := range 6 {
			passages = append(passages, fewWords(rng, 4+rng.IntN(6)))
			items = append(items, textItem(fmt.Sprint(i), passages[i]))
		}
		var texts []string
		for range 40 {
			texts = append(texts, fewWords(rng, 1+rng.IntN(8)))
		}
		grams := func(text string) map[string]bool {
			m := map[string]bool{}
			words := strings.Fields(strings.ToLower(text))
			for i := 0; i+cfg.Ngram <= len(words); i++ {
				m[strings.Join(words[i:i+cfg.Ngram], " ")] = true
			}
			return m
		}
		in := map[string]int{}
		for _, text := range texts {
			for g := range grams(text) {
				in[g]++
			}
		}
		most := 1 + rng.IntN(4)
		c := mustCommon(t, DecontaminatorConfig{Benchmarks: benchmarksOf(t, cfg, items...), MostDocuments: most})
		// Two splits, one of them in two parts, then merged.
		var sealed []io.Reader
		var batches []*record.Batch
		for lo := 0; lo < len(texts); lo += 10 {
			b := &record.Batch{}
			for i, text := range texts[lo : lo+10] {
				b.Append(record.MakeID(1, int64(lo+i)), int64(lo+i+1), fmt.Appendf(nil, `{"text":%q}`, text))
			}
			b.Parse()
			if err := c.Key().NewWorker().Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			p := c.NewPartial()
			var out bytes.Buffer
			if err := p.Add(b); err != nil {
				t.Fatal(err)
			}
			if err := p.Seal(&out); err != nil {
				t.Fatal(err)
			}
			sealed, batches = append(sealed, &out), append(batches, b)
		}
		var merged bytes.Buffer
		if err := c.Merge(&merged, sealed[1:]); err != nil {
			t.Fatal(err)
		}
		m, err := c.Finish(t.Context(), []stage.Sealed{sealedBytes(sealed[0].(*bytes.Buffer).Bytes()), sealedBytes(merged.Bytes())}, stagetest.NewWorkspace(1<<20, 1))
		if err != nil {
			t.Fatal(err)
		}
		w := m.NewWorker()
		for k, b := range batches {
			if err := w.Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for i := range b.Records {
				own := grams(texts[10*k+i])
				rare, any := false, false
				for _, p := range passages {
					for g := range grams(p) {
						any = any || own[g]
						rare = rare || own[g] && in[g] <= most
					}
				}
				if is := b.Records[i].Outcome == record.Drop; is != rare {
					t.Fatalf("round %d: %q is dropped: %v, want %v", round, texts[10*k+i], is, rare)
				}
				if rare {
					dropped++
				} else if any {
					spared++
				}
			}
		}
	}
	if dropped < 50 || spared < 50 {
		t.Errorf("%d are dropped and %d are spared, too few to show anything", dropped, spared)
	}
	// Two benchmarks of other n-grams: numbers run through both.
	set := benchmarksOf(t, BenchmarksConfig{Match: []string{MatchNgram}}, textItem("a", "one two three four five six seven eight nine"))
	if n := set.gramCount(); n != uint32(len(set.grams[0].index.keys)) {
		t.Errorf("%d n-grams", n)
	}
	for _, bad := range []DecontaminatorConfig{
		{Benchmarks: set},
		{Benchmarks: benchmarksOf(t, BenchmarksConfig{Match: []string{MatchExact}}, textItem("a", "one")), MostDocuments: 3},
		{Benchmarks: benchmarksOf(t, BenchmarksConfig{Convention: DatatroveConvention}, textItem("a", "one")), MostDocuments: 3},
	} {
		if _, err := NewCommonNgrams(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	damaged := slices.Concat(appendCommon(nil, 0, 1), appendCommon(nil, 1<<31, 1))
	if _, err := mustCommon(t, DecontaminatorConfig{Benchmarks: set, MostDocuments: 3}).Finish(t.Context(), []stage.Sealed{sealedBytes(damaged)}, stagetest.NewWorkspace(1<<20, 1)); err == nil || !strings.Contains(err.Error(), "n-gram 2147483648") {
		t.Errorf("a number that there is not: %v", err)
	}
}
