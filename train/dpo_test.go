package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"curate/corpus/store"
	"curate/corpus/store/storetest"
	"curate/shards"
	"curate/train/model"
)

// preferenceShards have pairs alone: 4 a step.
func preferenceShards(t testing.TB, seed uint64, n int) string {
	return makeShards(t, shards.Config{Schedule: []shards.Length{{Length: 16}}, TokensPerStep: 128}, testPairs(seed, n))
}

// instructed trains a model for a few steps on rows, and gives its folder.
func instructed(t testing.TB, family string) string {
	c := testConfig(smallShards(t), family)
	c.Steps = 8
	return mustRun(t, c, t.TempDir(), testEnvironment(t)).Checkpoint
}

// preferenceConfig learns from pairs.
func preferenceConfig(t testing.TB, family string, pairs int) Config {
	c := testConfig(preferenceShards(t, 1, pairs), family)
	c.Model, c.From, c.LearningRate = nil, instructed(t, family), 3e-3
	return c
}

// mixedConfig learns from corpus rows, chats and pairs at once.
func mixedConfig(t testing.TB) Config {
	c := testConfig(makeShards(t, shards.Config{Schedule: []shards.Length{{Length: 16}}, TokensPerStep: 160, Format: "parquet"}, testChats(4, 40, 16)), model.Llama)
	c.Model, c.From = nil, instructed(t, model.Llama)
	c.Mix = []Mix{{Shards: smallShards(t), Share: 0.3}, {Shards: preferenceShards(t, 1, 9), Share: 0.25}}
	return c
}

// TestPreferences learns which answers are preferred, and begins where nothing is.
func TestPreferences(t *testing.T) {
	for _, family := range []string{model.Llama, model.BTLM} {
		c := preferenceConfig(t, family, 60)
		c.Epochs = 3
		c.DPO = &DPO{Beta: 0.2, NLL: 0.1, LabelSmoothing: 0.05}
		c.Validation = &Validation{Shards: preferenceShards(t, 2, 20), Every: 10}
		dir := t.TempDir()
		res := mustRun(t, c, dir, testEnvironment(t))
		steps, validations := readMetrics(t, dir)
		first, last := steps[0].DPO, steps[len(steps)-1].DPO
		if res.Steps != 45 || first == nil || first.Pairs != 4 || steps[0].Rows != 4 || steps[0].TokenLoss != nil || steps[0].Loss != first.Loss {
			t.Fatalf("%s: %+v, %+v", family, res, steps[0])
		}
		if math.Abs(first.Margin) > 1e-5 || math.Abs(first.Loss-math.Ln2) > 1 || first.LogChosen >= 0 {
			t.Errorf("%s: at the beginning %+v", family, first)
		}
		if last.Accuracy < 0.75 || last.Margin < 0.3 || math.Abs(last.Margin-(last.Chosen-last.Rejected)) > 1e-9 {
			t.Errorf("%s: in the end %+v", family, last)
		}
		end := validations[len(validations)-1]
		if v := validations[0]; math.Abs(v.DPO.Margin) > 1e-5 || v.DPO.Pairs != 20 || v.BitsPerToken != 0 || v.Targets < 20 || v.Loss != v.DPO.Loss {
			t.Errorf("%s: %+v %+v", family, v, v.DPO)
		}
		if end.DPO.Accuracy < 0.75 || !(end.Loss < validations[0].Loss) || *res.Validation != end.Loss {
			t.Errorf("%s: %+v %+v", family, end, end.DPO)
		}
	}
}

// TestReference compares what was asked with answers that are asked about one by one, and does not ask again.
func TestReference(t *testing.T) {
	c := preferenceConfig(t, model.Llama, referenceBlock+10)
	c.Steps = 18 // of 19 that would see all
	c.Validation = &Validation{Shards: preferenceShards(t, 2, 20), Every: 100, Rows: 7}
	dir := t.TempDir()
	env := testEnvironment(t)
	mustRun(t, c, dir, env)
	b, err := os.ReadFile(filepath.Join(dir, ReferenceFile))
	if err != nil {
		t.Fatal(err)
	}
	const reached = 72
	if len(b) != referenceHeader+referencePair*(reached+7) {
		t.Fatalf("%d bytes", len(b))
	}
	l, err := Load(t.Context(), env.Store, c.From)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(l.Config, l.Params, env.Pool, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{c: &c, dir: dir, st: env.Store, env: env}
	if err := r.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	never := func() (*model.Model, error) { return nil, errors.New("it is asked again") }
	if err := r.refer(t.Context(), never); err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, shards := range []struct {
		dir  string
		rows int64
	}{{c.Shards, reached}, {c.Validation.Shards, 7}} {
		d, err := OpenData(t.Context(), env.Store, shards.dir, -1, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		reader := d.reader(1)
		for i := range shards.rows {
			var b stepBatch
			if err := reader.place(t.Context(), Place{From: i, Rows: 1}, &b); err != nil {
				t.Fatal(err)
			}
			ids := reader.row.IDs
			for side, answer := range [][]uint32{ids[reader.row.Prompt:reader.row.Chosen], ids[reader.row.Chosen:]} {
				want := 0.0
				seen := append([]uint32{}, ids[:reader.row.Prompt]...)
				for _, id := range answer {
					one := model.Batch{Rows: 1, Length: len(seen), Tokens: make([]int32, len(seen)), Targets: make([]int32, len(seen))}
					for k := range seen {
						one.Tokens[k], one.Targets[k] = int32(seen[k]), model.Ignore
					}
					one.Targets[len(seen)-1] = int32(id)
					got := make([]float32, len(seen))
					if err := m.LogProbs(&one, got); err != nil {
						t.Fatal(err)
					}
					want += float64(got[len(seen)-1])
					seen = append(seen, id)
				}
				if got := r.reference[2*n+int64(side)]; !(math.Abs(got-want) < 1e-4) {
					t.Errorf("pair %d, answer %d: %v, want %v", n, side, got, want)
				}
			}
			n++
		}
		if err := reader.close(); err != nil {
			t.Error(err)
		}
	}

	// What is changed is found out, and what is lost is made again.
	undo := func() {
		if err := os.Remove(filepath.Join(dir, DoneFile)); err != nil {
			t.Fatal(err)
		}
	}
	want := tree(t, dir)
	undo()
	name := filepath.Join(dir, ReferenceFile)
	bad := bytes.Clone(b)
	bad[len(bad)-1] ^= 1
	if err := os.WriteFile(name, bad, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), "restore it, or remove it: it is made again") {
		t.Error(err)
	}
	for i, content := range [][]byte{nil, b[:len(b)-3], b[:20]} {
		if i > 0 {
			undo()
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if content != nil {
			if err := os.WriteFile(name, content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		mustRun(t, c, dir, env)
		sameTree(t, fmt.Sprint("lost from byte ", len(content), " on"), tree(t, dir), want)
	}
}

// TestResumeObjectives stops runs of every kind after some of their steps.
func TestResumeObjectives(t *testing.T) {
	chats := mixedConfig(t)
	chats.Mix = nil
	pairs := preferenceConfig(t, model.BTLM, 18)
	pairs.Validation = &Validation{Shards: preferenceShards(t, 2, 5), Every: 4}
	mixed := mixedConfig(t)
	mixed.Epochs = 1.5
	for name, c := range map[string]Config{"chats": chats, "pairs": pairs, "mixed": mixed} {
		whole := t.TempDir()
		res := mustRun(t, c, whole, testEnvironment(t))
		want := tree(t, whole)
		stop := errors.New("stopped by the test")
		for k := int64(1); k < res.Steps; k += 2 {
			dir := t.TempDir()
			ctx, cancel := context.WithCancelCause(t.Context())
			env := testEnvironment(t)
			env.Progress = func(p *Progress) {
				if p.Step == k {
					cancel(stop)
				}
			}
			if _, err := Run(ctx, c, dir, env); !errors.Is(err, stop) {
				t.Fatal(name, k, err)
			}
			env.Progress, env.Pool = nil, newPool(t, 1+int(k)%3)
			mustRun(t, c, dir, env)
			got, last := tree(t, dir), maps.Clone(want)
			for _, files := range []map[string]string{got, last} { // which are kept depends on where it was stopped
				maps.DeleteFunc(files, func(name, _ string) bool {
					return strings.HasPrefix(name, CheckpointsDir) && !strings.HasPrefix(name, CheckpointsDir+"/"+filepath.Base(res.Checkpoint))
				})
			}
			sameTree(t, fmt.Sprintf("%s, stopped after step %d", name, k), got, last)
		}
	}
}

// TestKilledPreferences lets the disk fail for good at some of its operations, while the reference is asked for, too.
func TestKilledPreferences(t *testing.T) {
	c := preferenceConfig(t, model.Llama, 2*referenceBlock+3)
	c.Steps, c.CheckpointEvery, c.Epochs = 3, 2, 0
	c.Mix = []Mix{{Shards: smallShards(t), Share: 0.25}}
	c.Validation = &Validation{Shards: preferenceShards(t, 2, 2*referenceBlock), Every: 2}
	whole := t.TempDir()
	counting := storetest.NewFaulty(unsynced{store.OS()}, 0, storetest.IO)
	env := testEnvironment(t)
	env.Store = store.NewLocal(counting)
	mustRun(t, c, whole, env)
	want := tree(t, whole)
	for n := 1; n <= counting.Ops(); n += 3 {
		dir := t.TempDir()
		disk := storetest.NewFaulty(unsynced{store.OS()}, n, storetest.Faults[n/3%len(storetest.Faults)])
		disk.Sticky = true
		env.Store = store.NewLocal(disk)
		if _, err := Run(t.Context(), c, dir, env); err == nil && disk.Fired() && n < counting.Ops()-5 {
			t.Errorf("operation %d (%s) has failed, and nobody has heard of it", n, disk.Hit())
		}
		env.Store = store.NewLocal(nil).Scratch()
		mustRun(t, c, dir, env)
		sameTree(t, fmt.Sprintf("killed at operation %d (%s)", n, disk.Hit()), tree(t, dir), want)
		if t.Failed() {
			return
		}
	}
}

// TestAsking stops while the reference is asked for.
func TestAsking(t *testing.T) {
	c := preferenceConfig(t, model.Llama, 3*referenceBlock)
	whole := t.TempDir()
	mustRun(t, c, whole, testEnvironment(t))
	dir := t.TempDir()
	env := testEnvironment(t)
	stop := errors.New("stopped by the test")
	ctx := &countdown{Context: t.Context(), left: 100, cause: stop}
	if _, err := Run(ctx, c, dir, env); err == nil {
		t.Fatal("it was not stopped")
	}
	b, err := os.ReadFile(filepath.Join(dir, ReferenceFile))
	if err != nil || len(b) != referenceHeader+referencePair*referenceBlock {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	mustRun(t, c, dir, env)
	sameTree(t, "stopped while it asked", tree(t, dir), tree(t, whole))
}

// countdown is a context that ends when it was asked so many times.
type countdown struct {
	context.Context
	left  int
	cause error
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return c.cause
	}
	return c.Context.Err()
}

// TestPreferenceBatches has nearly the same result however many pairs are computed at once.
func TestPreferenceBatches(t *testing.T) {
	c := mixedConfig(t)
	c.Steps, c.LearningRate = 4, 1e-3
	var first []StepMetrics
	for _, tokens := range []int64{500, 1, 40} {
		c.MicroBatch = tokens
		dir := t.TempDir()
		mustRun(t, c, dir, testEnvironment(t))
		steps, _ := readMetrics(t, dir)
		if first == nil {
			first = steps
		}
		for i, s := range steps {
			f := &first[i]
			if !(math.Abs(s.Loss/f.Loss-1) < 1e-6) || !(math.Abs(s.GradNorm/f.GradNorm-1) < 2e-5) || !(math.Abs(s.DPO.Margin-f.DPO.Margin) < 1e-5) || *s.TokenLoss <= 0 {
				t.Errorf("%d tokens at once: step %d: %+v %+v, want %+v %+v", tokens, i, s, s.DPO, f, f.DPO)
			}
			if want := float64(0.75**s.TokenLoss) + 0.25*s.DPO.Loss; math.Abs(s.Loss-want) > 1e-12 {
				t.Errorf("step %d: a loss of %v, want %v", i, s.Loss, want)
			}
		}
	}
}

// TestPreferenceUsage says what is wrong with a configuration.
func TestPreferenceUsage(t *testing.T) {
	good := preferenceConfig(t, model.Llama, 8)
	rows := smallShards(t)
	both := makeShards(t, twoStages("megatron"), append(testDocuments(1, 30, 30), testPairs(1, 4)...))
	for _, x := range []struct {
		change func(c *Config)
		want   string // "": none
	}{
		{func(c *Config) { c.From, c.Model = "", testConfig("", model.Llama).Model }, "preference: preferences are learnt by a model that has learnt to answer: give from"},
		{func(c *Config) { c.Shards, c.DPO = rows, &DPO{Beta: 0.1} }, "dpo is given, and there are no pairs in "},
		{func(c *Config) { c.TokensPerStep = 48 }, "tokens_per_step is 48, which is no whole number of pairs of two rows of 16 tokens"},
		{func(c *Config) { c.DPO = &DPO{} }, "dpo.beta is 0: above 0"},
		{func(c *Config) { c.DPO = &DPO{Beta: 1, NLL: -1} }, "dpo.nll is -1"},
		{func(c *Config) { c.DPO = &DPO{Beta: 1, LabelSmoothing: 0.5} }, "dpo.label_smoothing is 0.5"},
		{func(c *Config) { c.Mix = []Mix{{Shards: rows, Share: 1}} }, "mix.0.share is 1"},
		{func(c *Config) { c.Mix = []Mix{{Share: 0.5}} }, `mix.0.shards is ""`},
		{func(c *Config) { c.Mix = []Mix{{Shards: rows, Share: 0.5}, {Shards: rows, Share: 0.5}} }, "mix: the shares leave nothing to the rows of "},
		{func(c *Config) { c.Mix = []Mix{{Shards: rows, Share: 0.1}} }, "length-16: 0.1 of the 128 tokens of a step are less than one row of 16"},
		{func(c *Config) { c.Mix = []Mix{{Shards: rows, Share: 0.8}} }, "preference: 0.2 of the 128 tokens of a step are less than one pair of 32"},
		{func(c *Config) { c.Shards = both }, ""},
		{func(c *Config) { c.Shards, c.TokensPerStep = both+"/preference", 128 }, ""},
		{func(c *Config) { c.Shards, c.Validation = rows, &Validation{Shards: good.Shards, Every: 3} }, ""},
	} {
		c := good
		c.Steps = 2
		x.change(&c)
		_, err := Run(t.Context(), c, t.TempDir(), testEnvironment(t))
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%v; want %q", err, x.want)
		}
	}
}

// TestDivergedPreferences names documents of all streams.
func TestDivergedPreferences(t *testing.T) {
	c := mixedConfig(t)
	c.LearningRate, c.Schedule, c.Optimizer.WeightDecay = 1e30, Rates{Kind: Constant}, 0
	_, err := Run(t.Context(), c, t.TempDir(), testEnvironment(t))
	var d *Diverged
	if !errors.As(err, &d) || len(d.Documents) == 0 || !strings.Contains(d.Error(), ": file 1, byte ") {
		t.Fatalf("%v, %+v", err, d)
	}
}

// FuzzReference finds whole blocks, and the same ones when the rest is cut off.
func FuzzReference(f *testing.F) {
	header := []byte(referenceMagic + strings.Repeat("x", 32))
	f.Add(append(bytes.Clone(header), make([]byte, 5*referencePair)...), uint8(2), uint8(3))
	f.Add(header[:20], uint8(1), uint8(1))
	f.Add(append(bytes.Clone(header), 1), uint8(0), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, first, second uint8) {
		blocks := []referenceRows{{rows: int64(first)}, {rows: int64(second)}}
		size, done := wholeReference(b, header, blocks)
		if size > len(b) || done > 2 || size > 0 && size < referenceHeader || size == 0 && done > 0 {
			t.Fatalf("%d bytes of %d, %d blocks", size, len(b), done)
		}
		rows := int64(0)
		for _, x := range blocks[:done] {
			rows += x.rows
		}
		if size > 0 && int64(size) != int64(referenceHeader)+referencePair*rows {
			t.Fatalf("%d bytes hold %d pairs", size, rows)
		}
		if again, blocksAgain := wholeReference(b[:size], header, blocks); again != size || blocksAgain != done {
			t.Fatalf("%d bytes and %d blocks, and then %d and %d", size, done, again, blocksAgain)
		}
	})
}
