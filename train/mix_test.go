package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"curate/corpus/store"
	"curate/shards"
)

// TestMix gives every stream its share of the tokens, to a row, at any step, and each of its rows once an epoch.
func TestMix(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	two := smallShards(t)
	pairs := preferenceShards(t, 1, 23)
	whole := makeShards(t, shards.Config{Schedule: []shards.Length{{Length: 16}}}, testChats(4, 40, 16))
	for range 20 {
		c := Config{Shards: two, TokensPerStep: 320 + rng.Int64N(400), Seed: seed, Mix: []Mix{{Shards: pairs, Share: 0.1 + 0.2*rng.Float64()}, {Shards: whole, Share: 0.05 + 0.3*rng.Float64()}}}
		d, err := OpenTraining(t.Context(), store.NewLocal(nil), &c)
		if err != nil {
			t.Fatal(err)
		}
		left := 1.0
		for i, m := range c.Mix {
			if got := float64(d.streams[i+1].share) / millionths; math.Abs(got-m.Share) > 1e-6 {
				t.Errorf("a share of %v, want %v", got, m.Share)
			}
			left -= m.Share
		}
		n := int64(40)
		got := make([]float64, 3)
		counts := map[string]int{} // of a row in an epoch
		for step := range n {
			at, places := d.Places(nil, step)
			for _, p := range places {
				s := &d.stages[p.Stage]
				k := map[bool]int{p.Stage == 2: 1, p.Stage == 3: 2}[true]
				if p.Rows < 1 || p.From+p.Rows > s.rows() {
					t.Fatalf("step %d: %+v of %d", step, p, s.rows())
				}
				got[k] += float64(p.Rows * s.tokens)
				for i := range p.Rows {
					counts[fmt.Sprint(p.Epoch, " ", p.Stage, " ", d.Row(p, i))]++
				}
			}
			if first := places[0]; first.Stage < 2 && (first.Epoch < at.Epoch || first.Epoch == at.Epoch && first.Stage < at.Stage) {
				t.Errorf("step %d: the first rows are at %+v, and the stream stands at %+v", step, first, at)
			}
			for k, share := range []float64{left, c.Mix[0].Share, c.Mix[1].Share} {
				want := share * float64(c.TokensPerStep*(step+1))
				if row := []float64{32, 32, 16}[k]; math.Abs(got[k]-want) > row+1 {
					t.Fatalf("after step %d stream %d has %v tokens, want %v", step, k, got[k], want)
				}
			}
			_, again := d.Places(nil, step)
			if !slices.Equal(again, places) {
				t.Errorf("step %d: %+v, and again %+v", step, places, again)
			}
			// What a run reaches is what it sees in the first epoch, or all.
			reached := d.reached(step + 1)
			for g, rows := range reached {
				seen := int64(0)
				for i := range d.stages[g].rows() {
					seen += int64(counts[fmt.Sprint("0 ", g, " ", i)])
				}
				if seen != rows {
					t.Fatalf("after step %d stage %d has seen %d rows, and reached %d", step, g, seen, rows)
				}
			}
		}
		for row, n := range counts {
			if n != 1 {
				t.Errorf("epoch, stage and row %s: %d times", row, n)
			}
		}
		// An epoch is one of the first stream.
		e := d.Steps()
		for g := range 2 {
			if rows := d.reached(e)[g]; rows != d.stages[g].rows() {
				t.Errorf("%d rows of stage %d in %d steps", rows, g, e)
			}
		}
		if d.reached(e - 1)[1] == d.stages[1].rows() {
			t.Errorf("an epoch of %d steps has one too many", e)
		}
	}
	// One stream: its steps end where its stages do.
	d, err := OpenData(t.Context(), store.NewLocal(nil), two, 0, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	sum := make([]int64, 2)
	for step := range 2 * d.Steps() {
		p := d.place(step)
		if p.Epoch == 0 {
			sum[p.Stage] += p.Rows
		}
		if got := d.reached(step + 1); !slices.Equal(got, sum) {
			t.Fatalf("after step %d rows %v are reached, want %v", step, got, sum)
		}
	}
}

// TestMixReader reads a mix in any order of steps, into what there is.
func TestMixReader(t *testing.T) {
	c := Config{Shards: smallShards(t), TokensPerStep: 300, Mix: []Mix{{Shards: preferenceShards(t, 1, 23), Share: 0.3}}}
	d, err := OpenTraining(t.Context(), store.NewLocal(nil), &c)
	if err != nil {
		t.Fatal(err)
	}
	r := d.reader(50)
	var b stepBatch
	var all []string
	for step := range 3 * d.Steps() {
		if err := r.step(t.Context(), step, &b); err != nil {
			t.Fatal(err)
		}
		if got := 12 * int64(len(b.read.tokens)); 2*readAhead*got > d.ReadBytes() {
			t.Errorf("a step holds twice %d bytes, and %d of them %d", got, readAhead, d.ReadBytes())
		}
		if b.pairs == 0 || b.counted == 0 {
			t.Errorf("step %d has %d pairs and %d targets", step, b.pairs, b.counted)
		}
		rows, length := d.Largest(50)
		for _, m := range b.micro {
			if m.Rows*m.Length > rows*length {
				t.Errorf("a batch of %d rows of %d; the largest has %d of %d", m.Rows, m.Length, rows, length)
			}
		}
		all = append(all, written(&b)+fmt.Sprint(b.pairs))
	}
	for _, step := range rand.New(rand.NewPCG(1, 1)).Perm(len(all)) {
		if err := r.step(t.Context(), int64(step), &b); err != nil || written(&b)+fmt.Sprint(b.pairs) != all[step] {
			t.Fatalf("step %d is not the same when it is read again: %v", step, err)
		}
	}
	step := int64(0)
	if n := testing.AllocsPerRun(20, func() {
		if err := r.step(t.Context(), step%3, &b); err != nil {
			t.Fatal(err)
		}
		step++
	}); n > 30 { // of lists in Parquet
		t.Errorf("%v allocations a step", n)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}
