package dedup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curate/record"
	"curate/stage/stagetest"
)

func online(o *Online, err error) func(testing.TB) *Online {
	return func(t testing.TB) *Online {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
}

func TestOnlineStage(t *testing.T) {
	for name, o := range map[string]OnlineOptions{"all": {}, "window": {Window: 7}, "window of one": {Window: 1}} {
		for _, annotate := range []bool{false, true} {
			t.Run(fmt.Sprint("exact, ", name, ", annotate ", annotate), func(t *testing.T) {
				e := mustExact(t, ExactConfig{Annotate: annotate, Verdicts: !annotate})
				stagetest.Serial(t, online(e.Online(o))(t), lines())
			})
			t.Run(fmt.Sprint("minhash, ", name, ", annotate ", annotate), func(t *testing.T) {
				m := mustMinHash(t, MinHashConfig{Annotate: annotate, Verdicts: !annotate})
				stagetest.Serial(t, online(m.Online(o))(t), mixed())
			})
		}
	}
}

func TestOnlineConfig(t *testing.T) {
	o := online(mustExact(t, ExactConfig{}).Online(OnlineOptions{Window: 5, Memory: 1}))(t)
	if got, want := fmt.Sprintf("%s", o.Spec().Config), `{"annotate":false,"field":"text","keep":"first","method":"exact","online":true,"window":5}`; got != want {
		t.Errorf("configuration %s", got)
	}
	o = online(mustMinHash(t, MinHashConfig{}).Online(OnlineOptions{}))(t)
	if got := fmt.Sprintf("%s", o.Spec().Config); strings.Contains(got, "extra_comparisons") || !strings.Contains(got, `"online":true`) || !strings.Contains(got, `"rehubs":3`) {
		t.Errorf("configuration %s", got)
	}
	if _, err := mustMinHash(t, MinHashConfig{Keep: "longest"}).Online(OnlineOptions{}); err == nil || !strings.Contains(err.Error(), `"longest"`) {
		t.Errorf("keep longest: %v", err)
	}
	if _, err := mustExact(t, ExactConfig{}).Online(OnlineOptions{Window: -1}); err == nil {
		t.Error("a window of -1 documents is none")
	}
}

// passed is what becomes of lines in one pass: of each whether it was dropped, as a duplicate of which, and how similar.
func passed(t testing.TB, o *Online, lines [][]byte) []onlineOutcome {
	t.Helper()
	rs, err := pass(t.Context(), o, lines)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

type onlineOutcome struct {
	dropped bool
	verdict string
}

func pass(ctx context.Context, o *Online, lines [][]byte) ([]onlineOutcome, error) {
	w, d := o.Key().NewWorker(), o.NewDecider()
	var rs []onlineOutcome
	for i, l := range lines {
		b := &record.Batch{}
		b.Append(record.MakeID(1, int64(i)), int64(i+1), l)
		b.Parse()
		if err := errors.Join(w.Map(ctx, b), d.Decide(ctx, b)); err != nil {
			return rs, err
		}
		r := &b.Records[0]
		v, _ := r.Value(curateDedup)
		rs = append(rs, onlineOutcome{r.Outcome == record.Drop, string(v)})
	}
	return rs, nil
}

// onlineOracle decides the obvious way: the hubs of each bucket are a list, and what is forgotten is looked for in all.
func onlineOracle(m *MinHash, texts []string, window int) (kept []int, similarity []uint32) {
	o := &oracle{m: m}
	hubs := map[uint64][]int{}
	var held []int
	for i, text := range texts {
		o.grams = append(o.grams, gramsOf(text))
		kept, similarity = append(kept, -1), append(similarity, 0)
		shingles := m.scheme.Shingles(nil, []byte(text), &Scratch{})
		if len(shingles) == 0 {
			continue
		}
		buckets := m.scheme.AppendBuckets(nil, m.scheme.Signature(nil, shingles))
		slices.Sort(buckets)
		buckets = slices.Compact(buckets)
		least := len(texts)
		for _, b := range buckets {
			for _, h := range hubs[b] {
				if h < least && o.similarity(h, i) > 0 {
					least = h
				}
			}
		}
		if least < len(texts) {
			kept[i], similarity[i] = least, o.similarity(least, i)
			continue
		}
		var open []uint64
		for _, b := range buckets {
			if len(hubs[b]) < 4 {
				open = append(open, b)
			}
		}
		if len(open) == 0 {
			continue
		}
		if window > 0 && len(held) == window {
			for b := range hubs {
				hubs[b] = slices.DeleteFunc(hubs[b], func(h int) bool { return h == held[0] })
			}
			held = held[1:]
		}
		held = append(held, i)
		for _, b := range open {
			hubs[b] = append(hubs[b], i)
		}
	}
	return kept, similarity
}

// TestOnlineOracle compares decisions with those of the obvious way, and looks for the twin of each that goes: kept,
// before it, and as similar as the threshold says by the shingles as words.
func TestOnlineOracle(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for round, window := range []int{0, 0, 1, 3, 20, 100} {
		threshold := []float64{0.8, 0.4}[round%2]
		m := mustMinHash(t, MinHashConfig{Threshold: threshold, Verdicts: true})
		if round%2 == 1 {
			m = loose(m)
		}
		texts := corpus(rng, 400)
		kept, similarity := onlineOracle(m, texts, window)
		got := passed(t, online(m.Online(OnlineOptions{Window: window}))(t), asLines(texts))
		gone := 0
		for i, r := range got {
			if r.dropped != (kept[i] >= 0) {
				t.Fatalf("window %d, document %d: dropped %v, should be like %d", window, i, r.dropped, kept[i])
			}
			if !r.dropped {
				continue
			}
			gone++
			want := fmt.Sprintf(`"duplicate_of":"%d","similarity":%s}`, record.MakeID(1, int64(kept[i])), appendSimilarity(nil, similarity[i]))
			if !strings.HasSuffix(r.verdict, want) {
				t.Fatalf("window %d, document %d: %s, want %s", window, i, r.verdict, want)
			}
			if kept[i] >= i || got[kept[i]].dropped || float64(similarity[i]) < 1e6*threshold {
				t.Fatalf("window %d, document %d: its twin %d of similarity %d is none", window, i, kept[i], similarity[i])
			}
		}
		if gone < 20 && window != 1 {
			t.Errorf("window %d: only %d documents went", window, gone)
		}
	}
}

// TestOnlineExact: all of it is what a map would do.
func TestOnlineExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, window := range []int{0, 1, 10} {
		o := online(mustExact(t, ExactConfig{Verdicts: true}).Online(OnlineOptions{Window: window}))(t)
		var lines [][]byte
		var texts []int
		for range 500 {
			n := rng.IntN(60)
			texts = append(texts, n)
			lines = append(lines, fmt.Appendf(nil, `{"text":"text %d"}`, n))
		}
		var held []int // places
		for i, r := range passed(t, o, lines) {
			like := slices.IndexFunc(held, func(h int) bool { return texts[h] == texts[i] })
			if r.dropped != (like >= 0) {
				t.Fatalf("window %d, record %d: dropped %v", window, i, r.dropped)
			}
			if like >= 0 {
				if want := fmt.Sprintf(`"duplicate_of":"%d"`, record.MakeID(1, int64(held[like]))); !strings.Contains(r.verdict, want) {
					t.Fatalf("window %d, record %d: %s, want %s", window, i, r.verdict, want)
				}
				continue
			}
			if held = append(held, i); window > 0 && len(held) > window {
				held = held[1:]
			}
		}
	}
}

// TestOnlineFull: the error says how far it went, and comes at the same record every time. With a window the same input
// goes through in the same memory.
func TestOnlineFull(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	texts := make([]string, 3000)
	for i := range texts {
		var b strings.Builder
		for range 100 {
			fmt.Fprintf(&b, "w%d ", rng.IntN(1e6))
		}
		texts[i] = b.String()
	}
	m := mustMinHash(t, MinHashConfig{})
	limits := OnlineOptions{Memory: 3 << 20}
	var at []int64
	for range 2 {
		rs, err := pass(t.Context(), online(m.Online(limits))(t), asLines(texts))
		var full *FullError
		if !errors.As(err, &full) || full.Seen != int64(len(rs)) || full.Held < 100 {
			t.Fatalf("behind %d records: %v", len(rs), err)
		}
		for _, says := range []string{"3 MiB", fmt.Sprintf("after %d records", len(rs)), "--online-window", "leave --online out"} {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%q does not say %q", err, says)
			}
		}
		at = append(at, full.Seen)
	}
	if at[0] != at[1] {
		t.Errorf("full at record %d, then at record %d", at[0], at[1])
	}
	limits.Window = int(at[0]) / 4
	passed(t, online(m.Online(limits))(t), asLines(texts))

	var lines [][]byte
	for i := range 40000 {
		lines = append(lines, fmt.Appendf(nil, `{"text":%d}`, i))
	}
	e := mustExact(t, ExactConfig{})
	if rs, err := pass(t.Context(), online(e.Online(OnlineOptions{Memory: 1 << 20}))(t), lines); !errors.As(err, new(*FullError)) || len(rs) < 1000 {
		t.Errorf("behind %d records: %v", len(rs), err)
	}
}

// TestHashTable compares with a map, also where hashes of one part fall on few places.
func TestHashTable(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for _, bits := range []int{2, 6, 64} {
		var table hashTable
		want := map[uint64][]uint32{}
		hash := func() uint64 {
			if bits == 64 {
				return rng.Uint64() | 1<<63 // a few parts at least
			}
			return rng.Uint64N(3)<<tableShift | rng.Uint64N(1<<bits)*(1+16*rng.Uint64N(4))
		}
		var live [][2]uint64
		for n := range uint32(5000) {
			h := hash()
			table.add(h, n)
			want[h] = append(want[h], n)
			live = append(live, [2]uint64{h, uint64(n)})
			for len(live) > 300 || len(live) > 0 && rng.IntN(4) == 0 {
				i := rng.IntN(len(live))
				h, d := live[i][0], uint32(live[i][1])
				table.remove(h, d)
				table.remove(h, d) // it is gone
				want[h] = slices.DeleteFunc(want[h], func(x uint32) bool { return x == d })
				live = slices.Delete(live, i, i+1)
			}
			for _, h := range []uint64{h, hash(), hash()} {
				got := table.find(nil, h)
				slices.Sort(got)
				w := slices.Clone(want[h])
				slices.Sort(w)
				if !slices.Equal(got, w) {
					t.Fatalf("%d bits, hash %x: %v, want %v", bits, h, got, w)
				}
			}
		}
	}
}

// TestOnlineNoAllocation: a document that goes, or has no shingles, costs none.
func TestOnlineNoAllocation(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	text := strings.Repeat("so many words that there are shingles ", 9)
	b := &record.Batch{}
	lines := asLines([]string{text, text + "!", "", text})
	o := online(mustMinHash(t, MinHashConfig{Verdicts: true}).Online(OnlineOptions{}))(t)
	w, d := o.Key().NewWorker(), o.NewDecider()
	run := func() {
		b.Reset()
		for i, l := range lines {
			b.Append(record.MakeID(1, int64(i)), int64(i+1), l)
		}
		b.Parse()
		if err := errors.Join(w.Map(t.Context(), b), d.Decide(t.Context(), b)); err != nil {
			t.Fatal(err)
		}
	}
	run()
	if n := testing.AllocsPerRun(50, run); n > 0 {
		t.Errorf("%v allocations a batch", n)
	}
}
