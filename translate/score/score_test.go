package score

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"
)

// numbers are what sacrebleu gave for a metric and a segment.
type numbers struct {
	Statistics []int64 `json:"statistics"`
	Score      float64 `json:"score"`
}

type segment struct {
	Set        string   `json:"set"`
	Hypothesis string   `json:"hypothesis"`
	References []string `json:"references"`
	Tokens     string   `json:"tokens"`
	BLEU       numbers  `json:"BLEU"`
	ChrF       numbers  `json:"chrF"`
	ChrFPP     numbers  `json:"chrF++"`
}

func (s *segment) of(metric string) numbers {
	return map[string]numbers{"BLEU": s.BLEU, "chrF": s.ChrF, "chrF++": s.ChrFPP}[metric]
}

// corpus is what sacrebleu gave for sets as a whole.
type corpus struct {
	Corpora map[string]map[string]struct {
		Score     float64 `json:"score"`
		Signature string  `json:"signature"`
	} `json:"corpora"`
	Bootstrap []struct {
		A       string `json:"a"`
		B       string `json:"b"`
		Samples int    `json:"samples"`
		Metrics map[string]struct {
			P     []float64 `json:"p"`
			MeanA []float64 `json:"mean_a"`
			MeanB []float64 `json:"mean_b"`
			CIA   []float64 `json:"ci_a"`
			CIB   []float64 `json:"ci_b"`
		} `json:"metrics"`
	} `json:"bootstrap"`
}

// sacrebleu reads testdata: the segments by set, and the numbers of the sets.
var sacrebleu = sync.OnceValues(func() (map[string][]segment, corpus) {
	var whole corpus
	b, err := os.ReadFile("testdata/sacrebleu.json")
	if err == nil {
		err = json.Unmarshal(b, &whole)
	}
	if err != nil {
		panic(err)
	}
	f, err := os.Open("testdata/sacrebleu.jsonl.zst")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	d, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	defer d.Close()
	all, err := io.ReadAll(d)
	if err != nil {
		panic(err)
	}
	sets := map[string][]segment{}
	for line := range bytes.Lines(all) {
		var s segment
		if err := json.Unmarshal(line, &s); err != nil {
			panic(err)
		}
		sets[s.Set] = append(sets[s.Set], s)
	}
	sets["corrupted 200"] = sets["corrupted"][:200]
	return sets, whole
})

// near compares with sacrebleu's floats, whose sums and logarithms may differ in the last digits.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9 }

func TestTokens13a(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a..5", "a|.|.5"},
		{"1..5", "1|.|.|5"},
		{"a..b", "a|.|.|b"},
		{"3.14, 1,000-2", "3.14|,|1,000|-|2"},
		{"5.-3", "5|.|-3"},
		{"a-b -1 1--2", "a-b|-1|1|-|-2"},
		{"&amp;lt;b&quot;", `<|b|"`},
		{"don't (stop)", "don't|(|stop|)"},
		{"ab-\ncd\n", "abcd"},
		{"ab-\n", "ab-"}, // trailing white space goes before lines are joined
	} {
		if got := strings.Join(appendTokens13a(nil, c.text), "|"); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestSegmentsAsSacrebleu(t *testing.T) {
	sets, _ := sacrebleu()
	n, wrong := 0, 0
	for set, segments := range sets {
		for _, s := range segments {
			n++
			if got := strings.Join(appendTokens13a(nil, s.Hypothesis), " "); got != s.Tokens {
				t.Errorf("%s: tokens of %q: %q, want %q", set, s.Hypothesis, got, s.Tokens)
			}
			for _, m := range Metrics() {
				want := s.of(m.Name())
				got := m.Segment(s.Hypothesis, s.References)
				if score := m.Score(got); !slices.Equal(got, want.Statistics) || !near(score, want.Score) {
					if wrong++; wrong < 10 {
						t.Errorf("%s: %s of %q, %q: %v %v, want %v %v", set, m.Name(), s.Hypothesis, s.References, got, score, want.Statistics, want.Score)
					}
				}
			}
		}
	}
	if n < 3000 || wrong > 0 {
		t.Errorf("%d segments, %d numbers differ", n, wrong)
	}
}

func TestCorporaAsSacrebleu(t *testing.T) {
	sets, whole := sacrebleu()
	if len(whole.Corpora) < 20 {
		t.Fatalf("%d sets", len(whole.Corpora))
	}
	for set, want := range whole.Corpora {
		segments := sets[set]
		for _, m := range MetricsFor(len(segments[0].References)) {
			got := m.Score(sum(statistics(m, segments)))
			if !near(got, want[m.Name()].Score) || m.Signature() != want[m.Name()].Signature {
				t.Errorf("%s: %s|%s = %v, want %v", set, m.Name(), m.Signature(), got, want[m.Name()])
			}
		}
	}
}

func statistics(m Metric, segments []segment) (stats [][]int64) {
	for _, s := range segments {
		stats = append(stats, m.Segment(s.Hypothesis, s.References))
	}
	return stats
}

// What sacrebleu has no answer for, or none that is a number of ours.
func TestNothing(t *testing.T) {
	for _, m := range Metrics() {
		if a, b := m.Segment("bai eta ez", nil), m.Segment("bai eta ez", []string{""}); !slices.Equal(a, b) {
			t.Errorf("%s: %v without a reference, %v with an empty one", m.Name(), a, b)
		}
		zero := make([]int64, len(m.Segment("", nil)))
		if m.Score(zero) != 0 || m.Score(nil) != 0 {
			t.Errorf("%s of nothing: %v, %v", m.Name(), m.Score(zero), m.Score(nil))
		}
		if s := MetricsFor(0)[0].Signature(); !strings.HasPrefix(s, "nrefs:var|") {
			t.Error(s)
		}
	}
}

// Broken UTF-8, and texts that are as wide as can be, are scored like others; equal texts score 100 and nothing exceeds it.
func TestLaws(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	parts := []string{"a", "b", "etxe", " ", " ", ".", ",", "5", "-", "\xff", "\xe3\x81", "ñ", "日本", "\u3000", "&amp;", "(", "\U0001F600"}
	text := func() string {
		var b strings.Builder
		for range rng.IntN(40) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		return b.String()
	}
	for range 2000 {
		h, r, other := text(), text(), text()
		for _, m := range Metrics() {
			stats := m.Segment(h, []string{r})
			if score := m.Score(stats); !(score >= 0 && score <= 100+1e-9) {
				t.Fatalf("seed %d: %s of %q, %q: %v", seed, m.Name(), h, r, score)
			}
			same := m.Segment(h, []string{h})
			if score := m.Score(same); !near(score, 100) && score != 0 || score == 0 && len(appendTokens13a(nil, h)) >= bleuOrder {
				t.Fatalf("seed %d: %s of %q with itself: %v", seed, m.Name(), h, score)
			}
			// Another reference never takes matches away, and the same one twice changes nothing.
			if twice := m.Segment(h, []string{r, r}); !slices.Equal(twice, stats) {
				t.Fatalf("seed %d: %s of %q, %q twice: %v, once %v", seed, m.Name(), h, r, twice, stats)
			}
			two := m.Segment(h, []string{r, other})
			if _, is := m.(bleu); is {
				for n := 2; n < 2+bleuOrder; n++ {
					if two[n] < stats[n] {
						t.Fatalf("seed %d: BLEU of %q, %q, %q: %v, before %v", seed, h, r, other, two, stats)
					}
				}
			} else if m.Score(two) < m.Score(stats) {
				t.Fatalf("seed %d: %s of %q, %q, %q: %v, before %v", seed, m.Name(), h, r, other, m.Score(two), m.Score(stats))
			}
		}
	}
}

// A quarter of a megabyte in one segment is nothing special, whatever it is made of.
func TestHugeSegments(t *testing.T) {
	var different strings.Builder
	for i := range 30_000 {
		different.Write(binary.AppendUvarint([]byte(" "), uint64(0x20000+i)))
	}
	var wide strings.Builder
	for i := range 60_000 {
		wide.WriteRune(rune(0x10000 + i))
	}
	for _, text := range []string{
		strings.Repeat("a", 1<<18), strings.Repeat("a ", 1<<17), strings.Repeat(".", 1<<18), strings.Repeat("1-", 1<<17),
		strings.Repeat("&amp;", 1<<16), strings.Repeat("ab-\n", 1<<16), strings.Repeat("\u3000", 1<<16), different.String(), wide.String(),
	} {
		for _, m := range Metrics() {
			m.Segment(text, []string{text[:len(text)/2], text})
		}
	}
	many := make([]string, 10_000) // references
	for i := range many {
		many[i] = "bat bi hiru"
	}
	for _, m := range Metrics() {
		if got := m.Segment("bat bi hiru", many); !slices.Equal(got, m.Segment("bat bi hiru", many[:1])) {
			t.Errorf("%s with many references: %v", m.Name(), got)
		}
	}
}

func TestShared(t *testing.T) {
	sets, _ := sacrebleu()
	segments := sets["beam 4"]
	for _, m := range Metrics() {
		want := statistics(m, segments)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for i, got := range statistics(m, segments) {
					if !slices.Equal(got, want[i]) {
						t.Errorf("%s: %v, alone %v", m.Name(), got, want[i])
					}
				}
			})
		}
		group.Wait()
	}
}

func TestBootstrapAsSacrebleu(t *testing.T) {
	sets, whole := sacrebleu()
	mean := func(x []float64) float64 {
		total := 0.0
		for _, v := range x {
			total += v
		}
		return total / float64(len(x))
	}
	for _, pair := range whole.Bootstrap {
		for _, m := range Metrics() {
			a, b := statistics(m, sets[pair.A]), statistics(m, sets[pair.B])
			want := pair.Metrics[m.Name()]
			var p, meanA, meanB, ciA, ciB []float64
			for seed := range want.P {
				r := Paired(m, a, b, pair.Samples, uint64(seed))
				if again := Paired(m, a, b, pair.Samples, uint64(seed)); again != r {
					t.Fatalf("seed %d twice: %+v, %+v", seed, r, again)
				}
				if r.A != m.Score(sum(a)) || r.B != m.Score(sum(b)) || r.Samples != pair.Samples {
					t.Fatalf("%+v", r)
				}
				p, meanA, meanB = append(p, r.P), append(meanA, r.MeanA), append(meanB, r.MeanB)
				ciA, ciB = append(ciA, r.CI95A), append(ciB, r.CI95B)
			}
			// Six means of 1,000 samples against six: a mean's error is the deviation (half the interval / 2) / √1000, that of
			// either side's average the √6th of it. Allowed are four times the error of the difference; to the interval's width,
			// whose error is about 4 % a run, 8 %; to P, which is a share of 6,000 samples, four errors and one sample a run.
			check := func(what string, got, want []float64, allowed float64) {
				if g, w := mean(got), mean(want); math.Abs(g-w) > allowed {
					t.Errorf("%s of %s, %s: %s is %.4f on average, sacrebleu's %.4f, allowed ±%.4f", m.Name(), pair.A, pair.B, what, g, w, allowed)
				}
			}
			share := mean(want.P)
			check("p", p, want.P, 4*math.Sqrt(2*share*(1-share)/6000)+1./1001)
			check("mean A", meanA, want.MeanA, 4*mean(want.CIA)/2/math.Sqrt(1000)*math.Sqrt(2./6))
			check("mean B", meanB, want.MeanB, 4*mean(want.CIB)/2/math.Sqrt(1000)*math.Sqrt(2./6))
			check("interval A", ciA, want.CIA, .08*mean(want.CIA))
			check("interval B", ciB, want.CIB, .08*mean(want.CIB))
			t.Logf("%-6s %s, %s: p %.4f (%.4f), A %.3f ± %.3f (%.3f ± %.3f), B %.3f ± %.3f (%.3f ± %.3f)", m.Name(), pair.A, pair.B,
				mean(p), share, mean(meanA), mean(ciA), mean(want.MeanA), mean(want.CIA), mean(meanB), mean(ciB), mean(want.MeanB), mean(want.CIB))
		}
	}
}

func TestBootstrapOfLittle(t *testing.T) {
	m := Metrics()[1]
	one := [][]int64{m.Segment("bai", []string{"bai"})}
	other := [][]int64{m.Segment("ez", []string{"bai"})}
	for _, c := range []struct {
		name    string
		a, b    [][]int64
		samples int
		want    Bootstrap
	}{
		{"no samples", one, other, 0, Bootstrap{A: 100, P: 1}},
		{"no segments", nil, nil, 10, Bootstrap{P: 1}},
		{"one segment", one, other, 9, Bootstrap{A: 100, MeanA: 100, P: .1, Samples: 9}},
		{"equal systems", one, one, 9, Bootstrap{A: 100, B: 100, MeanA: 100, MeanB: 100, P: .1, Samples: 9}},
	} {
		if got := Paired(m, c.a, c.b, c.samples, 1); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("systems with other segments were compared")
		}
	}()
	Paired(m, one, nil, 1, 1)
}

func BenchmarkSegment(b *testing.B) {
	sets, _ := sacrebleu()
	segments := sets["corrupted"]
	for _, m := range Metrics() {
		b.Run(m.Name(), func(b *testing.B) {
			size := 0
			for _, s := range segments {
				size += len(s.Hypothesis) + len(s.References[0])
			}
			b.SetBytes(int64(size / len(segments)))
			b.ReportAllocs()
			for i := range b.N {
				s := &segments[i%len(segments)]
				m.Segment(s.Hypothesis, s.References)
			}
		})
	}
}

func BenchmarkPaired(b *testing.B) {
	sets, _ := sacrebleu()
	for _, m := range Metrics() {
		x, y := statistics(m, sets["corrupted"]), statistics(m, sets["source"])
		b.Run(m.Name(), func(b *testing.B) {
			for range b.N {
				Paired(m, x, y, 1000, 1)
			}
		})
	}
}
