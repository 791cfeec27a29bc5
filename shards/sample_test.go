package shards

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage"
	"curate/stage/stagetest"
)

// wordCount is a stage that takes bytes between spaces for tokens.
type wordCount struct{}

func (wordCount) Spec() stage.Spec {
	return stage.Spec{Name: "words", Version: 1, Config: struct{}{}, Needs: []record.Path{record.MustPath("text")}}
}
func (wordCount) NewWorker() stage.Worker { return &wordCountWorker{} }

type wordCountWorker struct{ scratch []byte }

func (w *wordCountWorker) Map(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Outcome != record.Keep {
			continue
		}
		text, err := r.Text(record.MustPath("text"), &w.scratch)
		if err != nil {
			r.QuarantineFor(err)
			continue
		}
		r.SetTokens(make([]uint32, len(bytes.Fields(text))))
	}
	return ctx.Err()
}

func sampler(t testing.TB, cfg SampleConfig) *Sampler {
	t.Helper()
	s, err := NewSampler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sampleLines(n int) (lines [][]byte) {
	rng := rand.New(rand.NewPCG(2, 2))
	groups := []string{`"eu"`, `"en"`, `"e\u0073"`, `5`, `null`, `true`, `"null"`}
	for i := range n {
		text := strings.Repeat("hitz ", rng.IntN(40))
		if i%50 == 7 {
			text = strings.Repeat("hitz ", 4000)
		}
		lines = append(lines, fmt.Appendf(nil, `{"n":%d,"text":%q,"meta":{"lang":%s}}`, i, text, groups[rng.IntN(len(groups))]))
	}
	return append(lines, []byte(`{"text":"a b"}`), []byte(`{"text":"a b","meta":{"lang":[1]}}`), []byte(`{"text":"a b","meta":{"lang":{}}}`),
		[]byte(`{"text":12}`), []byte(`{"meta":{"lang":"eu"}}`), []byte(`no json`), []byte(`{"text":"x","curate":5}`),
		fmt.Appendf(nil, `{"text":"long","meta":{"lang":%q}}`, strings.Repeat("x", 257)))
}

var byLanguage = record.MustPath("meta.lang")

func TestSamplerLaws(t *testing.T) {
	for name, cfg := range map[string]SampleConfig{
		"tokens":    {Tokens: 900, Count: wordCount{}, Seed: 3},
		"bytes":     {Bytes: 3000, By: byLanguage},
		"documents": {Documents: 4, By: byLanguage, PerGroup: true, Verdicts: true},
		"share":     {Share: 0.3, Annotate: true},
	} {
		t.Run(name, func(t *testing.T) { stagetest.Reducer(t, sampler(t, cfg), sampleLines(60)) })
	}
}

// draw runs the stage on lines, in batches and splits of random size, and says which are kept.
func draw(t testing.TB, rng *rand.Rand, s *Sampler, lines [][]byte) (kept []bool, tallies map[string]int64) {
	t.Helper()
	batch := func(from, to int) *record.Batch {
		b := &record.Batch{}
		for i := from; i < to; i++ {
			b.Append(record.MakeID(1, int64(i)), 0, lines[i])
		}
		b.Parse()
		return b
	}
	key := s.Key().NewWorker()
	var sealed []stage.Sealed
	usable := make([]bool, len(lines))
	for at := 0; at < len(lines); {
		p := s.NewPartial()
		for range 1 + rng.IntN(4) {
			to := min(len(lines), at+1+rng.IntN(200))
			b := batch(at, to)
			if err := key.Map(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for i := range b.Records {
				usable[at+i] = b.Records[i].Outcome == record.Keep
			}
			if err := p.Add(b); err != nil {
				t.Fatal(err)
			}
			at = to
		}
		var out bytes.Buffer
		if err := p.Seal(&out); err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, sealedSample(out.Bytes()))
	}
	m, err := s.Finish(t.Context(), sealed, stagetest.NewWorkspace(64<<20, 2))
	if err != nil {
		t.Fatal(err)
	}
	w := m.NewWorker()
	tallies = map[string]int64{}
	for at := 0; at < len(lines); {
		to := min(len(lines), at+1+rng.IntN(300))
		b := batch(at, to)
		for i := range b.Records {
			if !usable[at+i] {
				b.Records[i].QuarantineFor(errors.New("was before"))
			}
		}
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			r := &b.Records[i]
			if kept = append(kept, r.Outcome == record.Keep); r.Outcome == record.Drop && (r.Rule != SampleRule || r.Reason != SampleReason) {
				t.Fatalf("dropped for %s:%s", r.Rule, r.Reason)
			}
		}
		for _, ta := range b.TakeTallies() {
			tallies[ta.Name] += ta.N
		}
		at = to
	}
	return kept, tallies
}

type sampleData struct{ *bytes.Reader }

func (sampleData) Close() error { return nil }

func sealedSample(b []byte) stage.Sealed {
	return stage.Sealed{Size: int64(len(b)), Data: sampleData{bytes.NewReader(b)}}
}

// TestSample compares with the documents in order, taken until the next would be further from the budget, and wants the
// sample of a larger budget to contain that of a smaller one.
func TestSample(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const n = 3000
	var lines [][]byte
	words, group := make([]int64, n), make([]string, n)
	for i := range n {
		words[i], group[i] = rng.Int64N(30), string(rune('a'+rng.IntN(3)))
		if rng.IntN(100) == 0 {
			words[i] = 5000
		}
		lines = append(lines, fmt.Appendf(nil, `{"text":%q,"meta":{"lang":%q}}`, strings.Repeat("ab ", int(words[i])), group[i]))
	}
	for round := range 12 {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		shuffle := rng.Uint64()
		id := func(i int) uint64 { return uint64(record.MakeID(1, int64(i))) }
		slices.SortFunc(order, func(i, k int) int {
			a, b := ShuffleKey(shuffle, id(i)), ShuffleKey(shuffle, id(k))
			if a < b {
				return -1
			}
			return 1
		})
		perGroup := round%2 == 0
		size := func(i int, unit string) int64 {
			switch unit {
			case "documents":
				return 1
			case "tokens":
				return words[i]
			}
			return 3 * words[i]
		}
		var before []bool
		budgets := []int64{1 + rng.Int64N(100), 100 + rng.Int64N(1000), 1000 + rng.Int64N(100_000), math.MaxInt32}
		for b, budget := range budgets {
			unit := []string{"tokens", "bytes", "documents"}[round%3]
			if unit == "documents" {
				budget = min(budget, n/4*int64(b+1))
			}
			cfg := SampleConfig{Seed: shuffle, By: byLanguage, PerGroup: perGroup}
			switch unit {
			case "tokens":
				cfg.Tokens, cfg.Count = budget, wordCount{}
			case "bytes":
				cfg.Bytes = budget
			case "documents":
				cfg.Documents = budget
			}
			kept, tallies := draw(t, rng, sampler(t, cfg), lines)
			got, all, documents := map[string]int64{}, map[string]int64{}, map[string]int64{}
			for i := range lines {
				g := ""
				if perGroup {
					g = group[i]
				}
				if all[g] += size(i, unit); kept[i] {
					got[g] += size(i, unit)
					documents[group[i]]++
				}
				if before != nil && before[i] && !kept[i] {
					t.Fatalf("seed %d: %d %s: record %d is in a smaller sample, and not in this one", seed, budget, unit, i)
				}
			}
			before = kept
			for g, total := range all { // kept are the first in order, and as nearly the budget as can be
				sum, best := int64(0), int64(0)
				ended := false
				for _, i := range order {
					if perGroup && group[i] != g {
						continue
					}
					sum += size(i, unit)
					if abs(sum-budget) < abs(best-budget) {
						best = sum
					}
					if ended && kept[i] && size(i, unit) > 0 {
						t.Fatalf("seed %d: %d %s: a later document is kept and an earlier one is not", seed, budget, unit)
					}
					ended = ended || !kept[i] && size(i, unit) > 0
				}
				if got[g] != best || budget >= total && got[g] != total {
					t.Fatalf("seed %d: %d %s of group %q: got %d of %d, and %d is as near as can be", seed, budget, unit, g, got[g], total, best)
				}
			}
			for g, d := range documents {
				if tallies[TallySampled+"documents:"+g] != d || unit == "tokens" && perGroup && tallies[TallySampled+"tokens:"+g] != got[g] {
					t.Fatalf("seed %d: tallies %v, and group %s has %d documents, %v", seed, tallies, g, d, got)
				}
			}
		}
	}
	// A share is exact, in all and in groups.
	for _, share := range []float64{0.001, 0.25, 1.0 / 3, 1} {
		kept, tallies := draw(t, rng, sampler(t, SampleConfig{Share: share}), lines)
		count := int64(0)
		for _, k := range kept {
			if k {
				count++
			}
		}
		if want := int64(math.Round(share * n)); count != want || tallies[TallySampled+"documents"] != count || tallies[TallyAvailable+"documents"] != n {
			t.Errorf("share %v: %d documents, want %d; tallies %v", share, count, want, tallies)
		}
	}
}

func abs(n int64) int64 { return max(n, -n) }

func TestSampleConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  SampleConfig
		want string
	}{
		{SampleConfig{}, "sample: how much of it? Set tokens, bytes, documents or a share"},
		{SampleConfig{Tokens: 1, Share: 0.5}, "sample: tokens, bytes, documents and a share: leave all but one of them out"},
		{SampleConfig{Bytes: -1}, "sample: -1 bytes: a number from 1 to 2^62"},
		{SampleConfig{Share: 1.5}, "sample: a share of 1.5: a number above 0, at most 1"},
		{SampleConfig{Share: math.NaN()}, "sample: a share of NaN: a number above 0, at most 1"},
		{SampleConfig{Share: 0.5, Count: wordCount{}}, "sample: a tokenizer is of use only for a number of tokens; leave it out"},
		{SampleConfig{Share: 0.5, PerGroup: true}, "sample: a sample of each group, and no field that says the group; set it"},
	} {
		if _, err := NewSampler(c.cfg); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	// Tokens that nobody has noted are the run's fault, not the record's.
	b := &record.Batch{}
	b.Append(1, 0, []byte(`{"text":"a"}`))
	b.Parse()
	if err := sampler(t, SampleConfig{Tokens: 5}).Key().NewWorker().Map(t.Context(), b); err == nil {
		t.Error("records without tokens are sampled by tokens")
	}
	// What draws other samples is another step.
	same := map[string]string{}
	for name, cfg := range map[string]SampleConfig{
		"seed": {Documents: 1, Seed: 1 << 60}, "seed+1": {Documents: 1, Seed: 1<<60 + 1}, "tokens": {Tokens: 1 << 60}, "tokens+1": {Tokens: 1<<60 + 1},
		"count": {Tokens: 1 << 60, Count: wordCount{}}, "by": {Documents: 1, By: byLanguage}, "group": {Documents: 1, By: byLanguage, PerGroup: true},
	} {
		id := fmt.Sprintf("%+v", sampler(t, cfg).Spec().Config)
		if other, ok := same[id]; ok {
			t.Errorf("%s and %s have the same configuration %s", name, other, id)
		}
		same[id] = name
	}
}

func TestSampleGroups(t *testing.T) {
	s := sampler(t, SampleConfig{Documents: 1, By: record.MustPath("id"), PerGroup: true})
	many := func(from, to int) stage.Partial {
		b := &record.Batch{}
		for i := from; i < to; i++ {
			b.Append(record.MakeID(1, int64(i)), 0, fmt.Appendf(nil, `{"id":%d}`, i))
		}
		b.Parse()
		p := s.NewPartial()
		if err := errors.Join(s.Key().NewWorker().Map(t.Context(), b), p.Add(b)); err != nil && to-from <= maxSampleGroups {
			t.Fatal(err)
		} else if err == nil && to-from > maxSampleGroups {
			t.Error("a batch of too many groups is taken")
		}
		return p
	}
	many(0, 1001)
	a, b := many(0, 600), many(500, 1100)
	var sealed [2]bytes.Buffer
	for i, p := range []stage.Partial{many(0, 600), many(500, 1100)} {
		if err := p.Seal(&sealed[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Join(b); !errors.Is(err, errSampleGroups) {
		t.Errorf("Join of too many groups: %v", err)
	}
	if err := s.Merge(io.Discard, []io.Reader{&sealed[0], &sealed[1]}); !errors.Is(err, errSampleGroups) {
		t.Errorf("Merge of too many groups: %v", err)
	}
}

// FuzzSampleSealed: no file makes Merge or Finish panic or take what it claims; what Merge accepts it gives back.
func FuzzSampleSealed(f *testing.F) {
	for _, by := range []record.Path{{}, byLanguage} {
		s := sampler(f, SampleConfig{Documents: 3, By: by, PerGroup: by.String() != ""})
		b := &record.Batch{}
		for i, l := range sampleLines(5) {
			b.Append(record.MakeID(1, int64(i)), 0, l)
		}
		b.Parse()
		p := s.NewPartial()
		var out bytes.Buffer
		if err := errors.Join(s.Key().NewWorker().Map(context.Background(), b), p.Add(b), p.Seal(&out)); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
		f.Add(out.Bytes()[:out.Len()/2])
	}
	f.Add(append([]byte(sampleMagic), 0, 0))
	huge := binary.AppendUvarint(append([]byte(sampleMagic), 1), math.MaxInt64/sampleWidth)
	f.Add(append(huge, 1, 2, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, by := range []record.Path{{}, byLanguage} {
			s := sampler(t, SampleConfig{Documents: 3, By: by, PerGroup: by.String() != ""})
			var out bytes.Buffer
			err := s.Merge(&out, []io.Reader{bytes.NewReader(b)})
			if err == nil && !bytes.Equal(out.Bytes(), b) {
				t.Fatalf("%x becomes %x", b, out.Bytes())
			}
			m, err2 := s.Finish(t.Context(), []stage.Sealed{sealedSample(b)}, stagetest.NewWorkspace(1<<20, 1))
			if err == nil && err2 == nil {
				m.NewWorker()
			}
		}
	})
}

func TestSampleNoAllocation(t *testing.T) {
	s := sampler(t, SampleConfig{Bytes: 300, By: byLanguage})
	w := s.Key().NewWorker()
	b := &record.Batch{}
	lines := sampleLines(200)[:200]
	work := func() {
		b.Reset()
		for i, l := range lines {
			b.Append(record.MakeID(1, int64(i)), 0, l)
		}
		b.Parse()
		if err := w.Map(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	work()
	if n := testing.AllocsPerRun(20, work); n > 0 {
		t.Errorf("Key: %v allocations for %d records in steady state", n, len(lines))
	}
}
