package train

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"curate/corpus/store"
	"curate/train/model"
)

// TestAmplitudes: a document has α/√(L·width) for its L tokens in the row.
func TestAmplitudes(t *testing.T) {
	f := &neftune{alpha: 5, width: 16, seed: 3}
	micro := []microBatch{
		{Batch: model.Batch{Rows: 2, Length: 4, Tokens: make([]int32, 8), Starts: []int32{0, 0, 0, 3, 0, 1, 1, 3}}},
		{Batch: model.Batch{Rows: 1, Length: 5, Tokens: make([]int32, 5)}},
	}
	for range 2 { // the second time in used room
		f.perturb(9, micro)
		of := func(l float64) float32 { return float32(5 / math.Sqrt(l*16)) }
		for i, want := range [][]float32{
			{of(3), of(3), of(3), of(1), of(1), of(2), of(2), of(1)},
			slices.Repeat([]float32{of(5)}, 5),
		} {
			n := micro[i].Noise
			if !slices.Equal(n.Amplitude, want) || n.FirstRow != 2*i || n.Key != micro[0].Noise.Key {
				t.Errorf("%+v; want %v", n, want)
			}
		}
	}
	key := micro[0].Noise.Key
	f.perturb(10, micro)
	if micro[0].Noise.Key == key {
		t.Error("all steps have the same noise")
	}
}

// TestNEFTune: training sees noise, which does not depend on micro-batches, and validation does not.
func TestNEFTune(t *testing.T) {
	shards := smallShards(t)
	run := func(change func(c *Config)) (string, []StepMetrics, []ValidationMetrics) {
		c := testConfig(shards, model.Llama)
		c.Steps, c.NEFTune, c.LearningRate = 4, 5, 1e-3
		c.Validation = &Validation{Shards: shards, Every: 2, Rows: 4}
		change(&c)
		dir := t.TempDir()
		mustRun(t, c, dir, testEnvironment(t))
		steps, validations := readMetrics(t, dir)
		return dir, steps, validations
	}
	_, loud, loudValid := run(func(c *Config) {})
	_, cut, _ := run(func(c *Config) { c.MicroBatch = 1 })
	_, quiet, quietValid := run(func(c *Config) { c.NEFTune = 0 })
	_, tiny, _ := run(func(c *Config) { c.NEFTune = 1e-30 })
	if loud[0].Loss == quiet[0].Loss || tiny[0].Loss != quiet[0].Loss {
		t.Errorf("losses are %v with noise, %v with next to none and %v without", loud[0].Loss, tiny[0].Loss, quiet[0].Loss)
	}
	if loudValid[0].Loss != quietValid[0].Loss {
		t.Errorf("a validation is %v with noise in training, and %v without", loudValid[0].Loss, quietValid[0].Loss)
	}
	for i := range loud {
		if math.Abs(loud[i].Loss/cut[i].Loss-1) > 1e-6 {
			t.Errorf("step %d: %v, and a row at a time %v", i, loud[i].Loss, cut[i].Loss)
		}
	}
	// The model of another seed is the same here, and its noise is not.
	_, other, _ := run(func(c *Config) {
		c.Model, c.From, c.Seed = nil, trainedBase(t, shards, model.Llama), 12
	})
	_, again, _ := run(func(c *Config) {
		c.Model, c.From, c.Seed = nil, trainedBase(t, shards, model.Llama), 13
	})
	if other[0].Loss == again[0].Loss {
		t.Error("the seed does not matter")
	}
	// Bytes do not depend on the number of goroutines.
	c := testConfig(shards, model.BTLM)
	c.Steps, c.NEFTune = 3, 15
	var want map[string]string
	for _, workers := range []int{1, 3} {
		dir := filepath.Join(t.TempDir(), "run")
		mustRun(t, c, dir, &Environment{Store: store.NewLocal(nil).Scratch(), Pool: newPool(t, workers)})
		if want == nil {
			want = tree(t, dir)
		}
		sameTree(t, "workers", tree(t, dir), want)
	}
}
