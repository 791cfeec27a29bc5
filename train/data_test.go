package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/shards"
	"curate/shards/format"
	"curate/train/model"
)

func TestPermutation(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 5, 16, 17, 255, 1000, 4097} {
		p := permutation{7, 1, 0}
		seen := make([]bool, n)
		fixed := 0
		for i := range n {
			to := p.of(n, i)
			if to >= n || seen[to] {
				t.Fatalf("%d of %d goes to %d, which is taken or is none", i, n, to)
			}
			if seen[to] = true; to == i {
				fixed++
			}
		}
		if n > 100 && fixed > 10 { // one on average
			t.Errorf("%d of %d rows stay where they are", fixed, n)
		}
	}
	// Pinned: a run that goes on with another version of this program has the same rows.
	var order []uint64
	for i := range uint64(10) {
		order = append(order, permutation{7, 1, 0}.of(10, i))
	}
	if want := []uint64{7, 5, 6, 1, 4, 9, 2, 8, 0, 3}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	// Where row 0 goes is spread evenly over the epochs: chi-squared of 16 bins has 15 degrees of freedom.
	var bins [16]float64
	for epoch := range uint64(1600) {
		bins[permutation{1, epoch, 0}.of(16, 0)]++
	}
	chi := 0.0
	for _, b := range bins {
		chi += (b - 100) * (b - 100) / 100
	}
	if chi > 40 {
		t.Errorf("row 0 goes to %v", bins)
	}
	large := permutation{1, 2, 3}
	if a := large.of(1<<62+1, 1<<61); a > 1<<62 {
		t.Errorf("%d", a)
	}
}

// TestOrder compares steps with the schedule, and counts rows.
func TestOrder(t *testing.T) {
	dir := makeShards(t, twoStages("megatron"), testDocuments(1, 100, 40))
	st := store.NewLocal(nil)
	schedule, err := shards.OpenSchedule(t.Context(), st, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, tokens := range []int64{0, 32, 96, 960} {
		d, err := OpenData(t.Context(), st, dir, tokens, 5, false)
		if err != nil {
			t.Fatal(err)
		}
		for step := range d.Steps() {
			p := d.place(step)
			stage, from, rows, err := schedule.Step(step, d.tokensPerStep)
			if err != nil || p != (Place{0, stage, from, rows}) {
				t.Fatalf("%d tokens: step %d is %+v, and in the schedule stage %d, %d rows from %d on: %v", tokens, step, p, stage, rows, from, err)
			}
		}
		if _, _, _, err := schedule.Step(d.Steps(), d.tokensPerStep); err == nil {
			t.Errorf("%d tokens: the schedule has more than %d steps", tokens, d.Steps())
		}
		orders := map[string]bool{}
		for epoch := range int64(3) {
			seen := [2]map[int64]bool{{}, {}}
			order := ""
			for step := epoch * d.Steps(); step < (epoch+1)*d.Steps(); step++ {
				p := d.place(step)
				for i := range p.Rows {
					row := d.Row(p, i)
					if p.Epoch != epoch || seen[p.Stage][row] || row < 0 || row >= d.stages[p.Stage].rows() {
						t.Fatalf("epoch %d, step %d: row %d comes again, or is none", epoch, step, row)
					}
					seen[p.Stage][row] = true
					order += fmt.Sprint(row, " ")
				}
			}
			for g := range seen {
				if len(seen[g]) != int(d.stages[g].rows()) {
					t.Errorf("epoch %d has %d rows of %d", epoch, len(seen[g]), d.stages[g].rows())
				}
			}
			orders[order] = true
		}
		if len(orders) != 3 {
			t.Error("two epochs have the same order")
		}
	}
	for _, c := range []struct {
		tokens int64
		want   string
	}{{48, "no whole number of rows of 32"}, {16, "no whole number of rows of 32"}} {
		if _, err := OpenData(t.Context(), st, dir, c.tokens, 5, false); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d tokens: %v", c.tokens, err)
		}
	}
}

// TestReader reads every step in order and again in any order: the same bytes, and all tokens once an epoch.
func TestReader(t *testing.T) {
	st := store.NewLocal(nil)
	for _, name := range []string{"megatron", "nanogpt", "llmc", "litdata", "parquet"} {
		for _, packing := range []string{"best-fit", ""} {
			cfg := twoStages(name)
			cfg.Packing = packing
			d, err := OpenData(t.Context(), st, makeShards(t, cfg, testDocuments(2, 120, 70)), 0, 1, false)
			if err != nil {
				t.Fatal(name, err)
			}
			a := d.readAhead(t.Context(), 0, 2*d.Steps(), 50)
			var all []string
			tokens := [2]int64{}
			for range 2 * d.Steps() {
				b, err := a.next()
				if err != nil {
					t.Fatal(name, err)
				}
				tokens[b.at.Epoch] += b.tokens
				all = append(all, written(b))
				counted := int64(0)
				for _, m := range b.micro {
					if m.Rows*m.Length != len(m.Tokens) || m.Rows*m.Length != len(m.Targets) || m.Starts != nil && len(m.Starts) != len(m.Tokens) {
						t.Fatalf("%s: %+v", name, m)
					}
					if m.Rows > 1 && m.Rows*m.Length > 50 || m.Length > max(b.length, 50) {
						t.Errorf("%s: a micro-batch of %d rows of %d", name, m.Rows, m.Length)
					}
					for i, target := range m.Targets {
						if target != model.Ignore {
							counted++
						}
						if m.Starts != nil && int(m.Starts[i]) > i%m.Length {
							t.Fatalf("%s: position %d begins at %d", name, i%m.Length, m.Starts[i])
						}
					}
				}
				if counted != b.counted {
					t.Errorf("%s: %d targets, counted %d", name, counted, b.counted)
				}
				a.free <- b
			}
			if _, err := a.next(); err == nil {
				t.Error("there are more steps")
			}
			a.close()
			want := int64(0)
			for g := range d.stages {
				want += d.stages[g].set.Manifest.Tokens
			}
			if tokens[0] != want || tokens[1] != want {
				t.Errorf("%s: %d tokens in two epochs, and twice %d in the sets", name, tokens, want)
			}
			r := d.reader(50)
			var b stepBatch
			for _, step := range rand.New(rand.NewPCG(1, 1)).Perm(len(all)) {
				if err := r.step(t.Context(), int64(step), &b); err != nil || written(&b) != all[step] {
					t.Fatalf("%s: step %d is not the same when it is read again: %v", name, step, err)
				}
			}
			if err := r.close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func written(b *stepBatch) string {
	return fmt.Sprint(b.step, b.at, b.places, b.tokens, b.counted, b.micro)
}

// TestRows has what a row becomes.
func TestRows(t *testing.T) {
	ones := func(n int) []byte { return slices.Repeat([]byte{1}, n) }
	x := int32(model.Ignore)
	two := []format.Piece{{Start: 0, ID: 1, Last: true}, {Start: 3, ID: 2}}
	for _, c := range []struct {
		name   string
		ids    []uint32
		mask   []byte
		pieces []format.Piece
		length int
		eod    int64
		across bool
		want   [][3][]int32 // rows
		tokens int64
	}{
		{"one document", []uint32{1, 2, 3, 9}, ones(4), two[:1], 8, -1, false, [][3][]int32{{{1, 2, 3}, {2, 3, 9}, {0, 0, 0}}}, 4},
		{"two documents", []uint32{1, 2, 9, 4, 5}, ones(5), two, 8, -1, false, [][3][]int32{{{1, 2, 9, 4}, {2, 9, x, 5}, {0, 0, 0, 3}}}, 5},
		{"across", []uint32{1, 2, 9, 4, 5}, ones(5), two, 8, -1, true, [][3][]int32{{{1, 2, 9, 4}, {2, 9, 4, 5}, {0, 0, 0, 3}}}, 5},
		{"across, and the first was cut", []uint32{1, 2, 3, 4, 5}, ones(5), []format.Piece{{ID: 1}, two[1]}, 8, -1, true, [][3][]int32{{{1, 2, 3, 4}, {2, 3, x, 5}, {0, 0, 0, 3}}}, 5},
		{"EOD in front", []uint32{9, 1, 2, 9, 5}, ones(5), two, 8, 9, false, [][3][]int32{{{9, 1, 2, 9}, {1, 2, 9, 5}, {0, 0, 0, 3}}}, 5},
		{"EOD in front of the next, and the first was cut", []uint32{9, 1, 2, 9, 5}, ones(5), []format.Piece{{ID: 1}, {Start: 3, ID: 2}}, 8, 9, false,
			[][3][]int32{{{9, 1, 2, 9}, {1, 2, x, 5}, {0, 0, 0, 3}}}, 5},
		{"mask of the target", []uint32{1, 2, 3, 4, 5}, []byte{0, 0, 1, 1, 0}, two[:1], 8, -1, false, [][3][]int32{{{1, 2, 3}, {x, 3, 4}, {0, 0, 0}}}, 5},
		{"nothing learnt", []uint32{1, 2, 3}, make([]byte, 3), two[:1], 8, -1, false, nil, 3},
		{"padding", []uint32{1, 2, 9, 0, 0}, []byte{1, 1, 1, 0, 0}, []format.Piece{two[0], {Start: 3, Padding: true}}, 8, -1, true,
			[][3][]int32{{{1, 2}, {2, 9}, {0, 0}}}, 3},
		{"a document that goes on", []uint32{1, 2, 3, 4, 5}, ones(5), []format.Piece{{ID: 1, From: 4, Continues: true}, {Start: 3, ID: 1, From: 7, Continues: true}}, 8, -1, false,
			[][3][]int32{{{1, 2, 3, 4}, {2, 3, 4, 5}, {0, 0, 0, 0}}}, 5},
		{"another piece of the same", []uint32{1, 2, 3, 4, 5}, ones(5), []format.Piece{{ID: 1}, {Start: 3, ID: 1, From: 9, Continues: true}}, 8, -1, false,
			[][3][]int32{{{1, 2, 3, 4}, {2, 3, x, 5}, {0, 0, 0, 3}}}, 5},
		{"longer than a row", []uint32{1, 2, 3, 4, 5, 6}, ones(6), two[:1], 2, -1, false,
			[][3][]int32{{{1, 2}, {2, 3}, {0, 0}}, {{3, 4}, {4, 5}, {0, 0}}, {{5}, {6}, {0}}}, 6},
		{"a document cut by the length", []uint32{1, 2, 3, 4, 5, 6}, ones(6), two, 4, -1, false,
			[][3][]int32{{{1, 2, 3, 4}, {2, 3, x, 5}, {0, 0, 0, 3}}, {{5}, {6}, {0}}}, 6},
		{"one token", []uint32{1}, ones(1), two[:1], 8, -1, false, nil, 1},
	} {
		b := &stepBatch{}
		b.add(&shards.Row{IDs: c.ids, Mask: c.mask, Pieces: c.pieces}, c.eod, c.across, c.length)
		var got [][3][]int32
		for _, r := range b.rows {
			got = append(got, [3][]int32{b.read.tokens[r.from:r.to], b.read.targets[r.from:r.to], b.read.starts[r.from:r.to]})
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) || b.tokens != c.tokens {
			t.Errorf("%s: %v, %d tokens; want %v, %d", c.name, got, b.tokens, c.want, c.tokens)
		}
	}
}

// TestLargeSteps: what reads ahead holds no more than it says, and no step is without bound.
func TestLargeSteps(t *testing.T) {
	dir, st := smallShards(t), store.NewLocal(nil).Scratch()
	if _, err := OpenData(t.Context(), st, dir, 1<<30, 1, true); err == nil || !strings.Contains(err.Error(), "a step has 1073741824 tokens") {
		t.Error(err)
	}
	for _, n := range []int64{0, 128, 1 << 28} {
		d, err := OpenData(t.Context(), st, dir, n, 1, true)
		if err != nil {
			t.Fatal(err)
		}
		ahead := d.readAhead(t.Context(), 0, d.Steps(), 40)
		for range d.Steps() {
			b, err := ahead.next()
			if err != nil {
				t.Fatal(err)
			}
			if got := 12 * int64(len(b.read.tokens)); 2*readAhead*got > d.ReadBytes() {
				t.Errorf("%d tokens a step: a step holds twice %d bytes, and %d of them %d", n, got, readAhead, d.ReadBytes())
			}
			ahead.free <- b
		}
		ahead.close()
	}
}

// TestGroup pads packed rows that are computed together, and puts others one behind the other.
func TestGroup(t *testing.T) {
	b := &stepBatch{}
	one := []format.Piece{{Last: true}}
	for n := range 4 {
		ids := []uint32{1, 2, 3, 4, 5}[:n+2]
		b.add(&shards.Row{IDs: ids, Mask: slices.Repeat([]byte{1}, n+2), Pieces: one}, -1, false, 8)
	}
	x := int32(model.Ignore)
	for _, c := range []struct {
		dense bool
		want  []model.Batch
	}{
		{false, []model.Batch{
			{Rows: 2, Length: 2, Tokens: []int32{1, 0, 1, 2}, Targets: []int32{2, x, 2, 3}, Starts: []int32{0, 1, 0, 0}},
			{Rows: 1, Length: 3, Tokens: []int32{1, 2, 3}, Targets: []int32{2, 3, 4}},
			{Rows: 1, Length: 4, Tokens: []int32{1, 2, 3, 4}, Targets: []int32{2, 3, 4, 5}},
		}},
		{true, []model.Batch{
			{Rows: 1, Length: 6, Tokens: []int32{1, 1, 2, 1, 2, 3}, Targets: []int32{2, 2, 3, 2, 3, 4}, Starts: []int32{0, 1, 1, 3, 3, 3}},
			{Rows: 1, Length: 4, Tokens: []int32{1, 2, 3, 4}, Targets: []int32{2, 3, 4, 5}},
		}},
	} {
		b.parts = []part{{to: 4, dense: c.dense}}
		b.group(6)
		var got []model.Batch
		for _, m := range b.micro {
			got = append(got, m.Batch)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) || b.counted != 10 || b.positions != 10 {
			t.Errorf("%v\nwant %v; %d counted, %d positions", got, c.want, b.counted, b.positions)
		}
	}
}

// TestPairRows has what a pair becomes.
func TestPairRows(t *testing.T) {
	x := int32(model.Ignore)
	for _, c := range []struct {
		name                     string
		prompt, chosen, rejected []uint32
		length                   int
		want                     model.Batch
		answers                  pair
		tokens                   int64
	}{
		{"two answers", []uint32{1, 2}, []uint32{3, 4}, []uint32{5}, 8,
			model.Batch{Rows: 1, Length: 5, Tokens: []int32{1, 2, 3, 1, 2}, Targets: []int32{x, 3, 4, x, 5}, Starts: []int32{0, 0, 0, 3, 3}},
			pair{7, span{0, 3}, span{3, 5}}, 7},
		{"cut off", []uint32{1, 2}, []uint32{3, 4, 5, 6}, []uint32{7, 8, 9}, 3,
			model.Batch{Rows: 1, Length: 6, Tokens: []int32{1, 2, 3, 1, 2, 7}, Targets: []int32{x, 3, 4, x, 7, 8}, Starts: []int32{0, 0, 0, 3, 3, 3}},
			pair{7, span{0, 3}, span{3, 6}}, 8},
		{"no prompt", nil, []uint32{3, 4}, []uint32{5}, 8,
			model.Batch{Rows: 1, Length: 1, Tokens: []int32{3}, Targets: []int32{4}}, pair{7, span{0, 1}, span{1, 1}}, 3},
		{"no rejected answer", []uint32{1, 2}, []uint32{3}, nil, 8,
			model.Batch{Rows: 1, Length: 2, Tokens: []int32{1, 2}, Targets: []int32{x, 3}}, pair{7, span{0, 2}, span{2, 2}}, 5},
		{"nothing left", []uint32{1, 2, 3}, []uint32{3}, []uint32{4}, 2, model.Batch{}, pair{}, 6},
		{"no answers", []uint32{1, 2, 3}, nil, nil, 8, model.Batch{}, pair{}, 6},
	} {
		b := &stepBatch{}
		r := &shards.Row{IDs: slices.Concat(c.prompt, c.chosen, c.rejected), Prompt: len(c.prompt), Chosen: len(c.prompt) + len(c.chosen), IsPair: true}
		b.addPair(r, 7, c.length)
		b.parts = []part{{to: len(b.rows), dense: true, pairs: true}}
		b.group(100)
		if want := map[string]int64{"cut off": 1, "nothing left": 1}[c.name]; b.cut != want {
			t.Errorf("%s: %d pairs are cut", c.name, b.cut)
		}
		if c.want.Rows == 0 {
			if len(b.micro) > 0 || b.pairs != 0 || b.tokens != c.tokens {
				t.Errorf("%s: %+v", c.name, b)
			}
			continue
		}
		if len(b.micro) != 1 || fmt.Sprint(b.micro[0].Batch) != fmt.Sprint(c.want) || b.micro[0].pairs[0] != c.answers || b.tokens != c.tokens || b.pairs != 1 || b.counted != 0 {
			t.Errorf("%s: %+v, %d tokens; want %+v", c.name, b.micro, b.tokens, c.want)
		}
	}
}

// TestDamage names file and byte.
func TestDamage(t *testing.T) {
	dir := makeShards(t, shards.Config{Format: "nanogpt", Packing: "concat", Schedule: []shards.Length{{Length: 16}}, TokensPerStep: 64}, testDocuments(1, 30, 30))
	d, err := OpenData(t.Context(), store.NewLocal(nil), dir, 0, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "length-16", d.stages[0].set.Manifest.Shards[0].Files[0].Name)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := len(b) - 100
	b[at+1-at%2] = 0xff
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	a := d.readAhead(t.Context(), 0, d.Steps(), 64)
	defer a.close()
	for {
		b, err := a.next()
		if err != nil {
			if want := fmt.Sprintf("(byte %d): id ", at-at%2); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Base(name)) {
				t.Errorf("%v; want %s", err, want)
			}
			return
		}
		a.free <- b
	}
}

// TestDocuments tells which they are, by source and place.
func TestDocuments(t *testing.T) {
	dir := makeShards(t, twoStages("megatron"), testDocuments(1, 100, 40))
	d, err := OpenData(t.Context(), store.NewLocal(nil), dir, 0, 5, false)
	if err != nil {
		t.Fatal(err)
	}
	list, err := d.Documents(t.Context(), 1, 20)
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	for _, doc := range list {
		if doc.File != 1 || doc.Offset%100 != 0 || !strings.Contains(doc.String(), ": file 1, byte ") {
			t.Errorf("%+v %s", doc, doc)
		}
	}
	if short, err := d.Documents(t.Context(), 1, 2); err != nil || !slices.Equal(short, list[:2]) {
		t.Errorf("%v of %v, %v", short, list, err)
	}
}

// TestAllocations reads steps into what there is.
func TestAllocations(t *testing.T) {
	d, err := OpenData(t.Context(), store.NewLocal(nil), makeShards(t, twoStages("megatron"), testDocuments(1, 100, 40)), 0, 5, false)
	if err != nil {
		t.Fatal(err)
	}
	r, b, step := d.reader(64), &stepBatch{}, int64(0)
	read := func() {
		if err := r.step(t.Context(), step%4+d.Steps(), b); err != nil {
			t.Fatal(err)
		}
		step++
	}
	for range 8 {
		read()
	}
	if n := testing.AllocsPerRun(20, read); n > 0 {
		t.Errorf("%v allocations a step", n)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}

// TestMaskedRows has the same targets and losses of chats in any format, packed and not: what is masked is seen, and not learnt.
func TestMaskedRows(t *testing.T) {
	docs := testChats(6, 50, 14)
	learnt := int64(0)
	for _, d := range docs {
		for i, m := range d.mask {
			if i > 0 { // nothing is before the first token
				learnt += int64(m)
			}
		}
	}
	env := testEnvironment(t)
	var first *ValidationMetrics
	for _, name := range []string{"parquet", "parquet-axolotl", "megatron", "datatrove", "llmc"} {
		for _, packing := range []string{"", "best-fit", "document"} {
			c := testConfig(smallShards(t), model.Llama)
			c.Steps, c.Across = 1, false
			cfg := shards.Config{Format: name, Packing: packing, Schedule: []shards.Length{{Length: 16}}}
			c.Validation = &Validation{Shards: makeShards(t, cfg, docs), Every: 1}
			dir := t.TempDir()
			mustRun(t, c, dir, env)
			_, validations := readMetrics(t, dir)
			v := &validations[0]
			if first == nil {
				first = v
			}
			// Between the two is whether the EOD behind a document is learnt: llmc has it in front.
			if v.Targets < learnt || v.Targets > learnt+int64(len(docs)) {
				t.Errorf("%s, packing %q: %d targets, and %d tokens are learnt", name, packing, v.Targets, learnt)
			}
			if name != "llmc" && (v.Targets != first.Targets || math.Abs(v.Loss-first.Loss) > 1e-5) {
				t.Errorf("%s, packing %q: a loss of %v on %d targets, want %v on %d", name, packing, v.Loss, v.Targets, first.Loss, first.Targets)
			}
		}
	}
}
