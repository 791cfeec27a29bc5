package marian

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/kernel"
)

// tinyEngine is the tiny model with kernels and precision, without workers.
func tinyEngine(t testing.TB, kernels, precision string) *Engine {
	t.Helper()
	dir := tinyModel(t)
	c, err := readConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := kernel.Named(kernels)
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{workers: 1}
	e.some.L = &e.mu
	if e.m, err = openModel(dir, c, set, precision); err != nil {
		t.Fatal(err)
	}
	if e.t, err = readTokenizer(dir, c); err != nil {
		t.Fatal(err)
	}
	if e.q, err = newSearch(c, 0); err != nil {
		t.Fatal(err)
	}
	return e
}

// searched translates ids in one batch, and gives all targets that are done, of at most most tokens with the start.
func searched(e *Engine, q search, most int, list ...[]int32) [][]finished {
	defer func(own search) { e.q = own }(e.q)
	e.q = q
	w := &worker{e: e, room: e.m.newRoom(len(list)*q.beams, 1), cache: newCache(len(e.m.decoder), e.m.cfg.Width)}
	c := &call{ctx: context.Background(), out: make([]Translation, len(list)), left: len(list) + 1}
	var texts []*text
	for i, ids := range list {
		texts = append(texts, &text{call: c, i: i, ids: ids, pieces: make([]Piece, len(ids))})
	}
	w.begin(slices.Clone(texts))
	for _, t := range texts {
		t.s.most = most
	}
	for len(w.active) > 0 {
		w.step()
	}
	if n := len(w.cache.free); n != int(w.cache.slots) {
		panic("slots were lost")
	}
	var out [][]finished
	for _, t := range texts {
		out = append(out, t.s.done)
	}
	return out
}

// settings are the arguments of generate() as golden.json has them.
func settings(t testing.TB, e *Engine, kw map[string]any) search {
	t.Helper()
	c := *e.m.cfg
	g := &c.Generation
	beams := 1
	for name, v := range kw {
		n, _ := v.(float64)
		switch name {
		case "num_beams":
			beams = int(n)
		case "length_penalty":
			g.LengthPenalty = n
		case "early_stopping":
			g.EarlyStopping = StopAtOnce
		case "no_repeat_ngram_size":
			g.NoRepeatNgram = int(n)
		case "repetition_penalty":
			g.RepetitionPenalty = n
		case "num_return_sequences":
		default:
			t.Fatalf("argument %s", name)
		}
	}
	q, err := newSearch(&c, beams)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// goldenLength is max_length in golden.json.
const goldenLength = 40

// Every target of transformers 5.24, token for token, with its score, in every set of kernels.
func TestSearchGolden(t *testing.T) {
	for _, name := range kernel.Names() {
		t.Run(name, func(t *testing.T) {
			e := tinyEngine(t, name, "f32")
			for _, g := range goldens(t) {
				q := settings(t, e, g.Kw)
				done := searched(e, q, goldenLength, g.InputIDs)[0]
				for i, want := range g.Sequences {
					for want[len(want)-1] == q.start { // several have the length of the longest
						want = want[:len(want)-1]
					}
					if !slices.Equal(done[i].tokens, want[1:]) {
						t.Fatalf("%v %q: target %d is %v, want %v", g.Kw, g.Src, i, done[i].tokens, want[1:])
					}
					if g.Scores != nil && !(math.Abs(float64(done[i].score)-g.Scores[i]) <= 1e-4) {
						t.Errorf("%v %q: the score of target %d is %v, want %v", g.Kw, g.Src, i, done[i].score, g.Scores[i])
					}
				}
			}
		})
	}
}

// The states and logits of the padded batch in golden.json, without padding here.
func TestStates(t *testing.T) {
	var all []jsontext.Value
	if err := json.Unmarshal(unpacked(t, "tiny/golden.json.zst"), &all); err != nil {
		t.Fatal(err)
	}
	var g struct {
		InputIDs [][]int32     `json:"input_ids"`
		Mask     [][]int       `json:"attention_mask"`
		Logits   [][][]float64 `json:"logits_first8"`
		Encoder  [][][]float64 `json:"encoder_first4"`
	}
	if err := json.Unmarshal(all[len(all)-1], &g); err != nil {
		t.Fatal(err)
	}
	if len(g.InputIDs) < 2 {
		t.Fatal("no batch")
	}
	e := tinyEngine(t, kernel.Auto, "f32")
	d := e.m.cfg.Width
	var ids []int32
	var ends []int
	for i, list := range g.InputIDs {
		for j, id := range list {
			if g.Mask[i][j] == 1 {
				ids = append(ids, id)
			}
		}
		ends = append(ends, len(ids))
	}
	near := func(what string, got float32, want float64) {
		t.Helper()
		if !(math.Abs(float64(got)-want) <= 1e-4) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	var r room
	states := slices.Clone(e.m.encode(&r, ids, ends))
	cache := newCache(len(e.m.decoder), d)
	from := 0
	for i, end := range ends {
		var source, slots []int32
		for j := from; j < end; j++ {
			source = append(source, cache.take())
			for k, want := range g.Encoder[i][j-from] {
				near("state", states[j*d+k], want)
			}
		}
		e.m.remember(&r, cache, states[from*d:end*d], source)
		for at, token := range []int32{int32(e.m.cfg.DecoderStart), 5, 9} {
			slots = append(slots, cache.take())
			logits := e.m.decode(&r, cache, []row{{token: token, position: at, slots: slots, source: source}})
			for k, want := range g.Logits[i][at] {
				near("logit", logits[k], want)
			}
		}
		from = end
	}
}

// What comes out for a text does not depend on the others in its batch, to the bit.
func TestAlone(t *testing.T) {
	for _, precision := range []string{"f32", "int8"} {
		for _, beams := range []int{1, 4} {
			e := tinyEngine(t, kernel.Auto, precision)
			q, err := newSearch(e.m.cfg, beams)
			if err != nil {
				t.Fatal(err)
			}
			var list [][]int32
			for _, g := range goldens(t)[:16] {
				list = append(list, g.InputIDs)
			}
			together := searched(e, q, goldenLength, list...)
			for i, ids := range list {
				alone := searched(e, q, goldenLength, ids)[0]
				if len(alone) != len(together[i]) {
					t.Fatalf("%s, %d beams: %d targets alone, %d together", precision, beams, len(alone), len(together[i]))
				}
				for j := range alone {
					if !slices.Equal(alone[j].tokens, together[i][j].tokens) || alone[j].sum != together[i][j].sum {
						t.Errorf("%s, %d beams, text %d: %v %v alone, %v %v together", precision, beams, i, alone[j].tokens, alone[j].sum, together[i][j].tokens, together[i][j].sum)
					}
				}
			}
		}
	}
}

// The picks are the best of all, in order, ties by place, whatever the blocks.
func TestPicks(t *testing.T) {
	set, err := kernel.Named(kernel.Auto)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		beams, n, keep := 1+rng.IntN(4), 1+rng.IntN(700), 1+rng.IntN(10)
		var want []candidate
		var w picks
		w.begin(keep)
		for b := range beams {
			l := make([]float32, n)
			for i := range l {
				l[i] = float32(rng.IntN(12)) // with many that are equal
				if rng.IntN(20) == 0 {
					l[i] = never
				}
			}
			sum, lse := float32(-rng.IntN(3)), float32(rng.IntN(3))
			w.take(set, l, lse, sum, b)
			for i, v := range l {
				if v != never {
					want = append(want, candidate{b, int32(i), v - lse + sum})
				}
			}
		}
		slices.SortStableFunc(want, func(a, b candidate) int {
			switch {
			case a.sum > b.sum:
				return -1
			case a.sum < b.sum:
				return 1
			}
			return 0
		})
		if want = want[:min(keep, len(want))]; !slices.Equal(w.list, want) {
			t.Fatalf("got  %v\nwant %v", w.list, want)
		}
	}
}

// The rules, each against what transformers' processor does, by hand.
func TestRules(t *testing.T) {
	set, err := kernel.Named("portable")
	if err != nil {
		t.Fatal(err)
	}
	inf := never
	tests := []struct {
		name   string
		r      rules
		tokens []int32
		most   int
		in     []float32
		want   []float32 // log-probabilities or logits; NaN: as it was
	}{
		{"none", rules{repetition: 1}, []int32{1}, 9, []float32{1, 2}, []float32{1, 2}},
		{"repetition, the start too", rules{repetition: 2}, []int32{1, 1}, 9, []float32{-1, 2, 3, -4}, []float32{-1, 1, 3, -8}},
		{"no repeated pair", rules{repetition: 1, ngram: 2}, []int32{1, 2, 1}, 9, []float32{0, 0, 0, 0}, []float32{0, 0, inf, 0}},
		{"no repeated pair, with the start", rules{repetition: 1, ngram: 2}, []int32{1, 3}, 9, []float32{0, 0, 0, 0}, []float32{0, inf, 0, 0}},
		{"no repeated token", rules{repetition: 1, ngram: 1}, []int32{2}, 9, []float32{0, 0, 0, 0}, []float32{0, 0, inf, inf}},
		{"too short for a triple", rules{repetition: 1, ngram: 3}, []int32{2}, 9, []float32{0, 0, 0, 0}, []float32{0, 0, 0, 0}},
		{"bad words", rules{repetition: 1, bad: [][]int32{{0}, {2, 1}, {1, 2}, {3, 2, 3}}}, []int32{2}, 9, []float32{0, 0, 0, 0}, []float32{inf, inf, 0, inf}},
		{"least", rules{repetition: 1, least: 3, ends: []int32{0}}, []int32{2}, 9, []float32{0, 0, 0, 0}, []float32{inf, 0, 0, 0}},
		{"long enough", rules{repetition: 1, least: 3, ends: []int32{0}}, []int32{2, 2}, 9, []float32{0, 0, 0, 0}, []float32{0, 0, 0, 0}},
		{"forced end", rules{repetition: 1, forced: []int32{1}}, []int32{2, 2}, 4, []float32{5, 6, 7, 8}, []float32{inf, 0, inf, inf}},
	}
	for _, tt := range tests {
		got := slices.Clone(tt.in)
		tt.r.applyRaw(got, 3, tt.tokens, tt.most)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if tt.r.any(len(tt.tokens), tt.most) != (tt.name != "none" && tt.name != "long enough") && !slices.Equal(tt.in, tt.want) {
			t.Errorf("%s: any is wrong", tt.name)
		}
	}
	r := rules{repetition: 1, ngram: 1, renormalize: true}
	l := []float32{1, 1, 1, 1}
	if !r.apply(set, l, set.LogSumExp(l), 3, []int32{0}, 9) {
		t.Error("not log-probabilities")
	}
	for i, want := range []float64{math.Inf(-1), -math.Ln2, -math.Ln2, math.Inf(-1)} {
		if !(math.Abs(float64(l[i])-want) < 1e-6 || l[i] == float32(want)) {
			t.Errorf("renormalised: %v", l)
		}
	}
}
