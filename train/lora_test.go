package train

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"curate/corpus/store"
	"curate/kernel"
	"curate/safetensors"
	"curate/train/model"
)

// trainedBase trains a model on the shards for a few steps and gives its folder.
func trainedBase(t testing.TB, shards, family string) string {
	t.Helper()
	c := testConfig(shards, family)
	c.Steps = 6
	return mustRun(t, c, t.TempDir(), testEnvironment(t)).Checkpoint
}

// loraConfig goes on from a model with adapters.
func loraConfig(shards, from string) Config {
	c := testConfig(shards, model.Llama)
	c.Model, c.From, c.Steps = nil, from, 7
	c.LoRA = &LoRA{Rank: 3, Alpha: 6}
	return c
}

func mustLoad(t testing.TB, dir string) *Loaded {
	t.Helper()
	l, err := Load(t.Context(), store.NewLocal(nil), dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLoRA learns, leaves everything alone that has no adapter, and writes both the sum and what it is the sum of.
func TestLoRA(t *testing.T) {
	shards := smallShards(t)
	for _, c := range []struct {
		family  string
		targets []string
		names   string // in adapter_config.json
		count   int
	}{
		{model.Llama, nil, "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj", 14},
		{model.Llama, []string{"q_proj", "mlp.down_proj"}, "q_proj mlp.down_proj", 4},
		{model.BTLM, nil, "c_attn c_proj c_fc2 c_fc", 10},
		{model.BTLM, []string{"c_attn", "mlp.c_proj"}, "c_attn mlp.c_proj", 4},
	} {
		from := trainedBase(t, shards, c.family)
		base := mustLoad(t, from)
		cfg := loraConfig(shards, from)
		cfg.Steps, cfg.LearningRate, cfg.LoRA.Targets = 30, 3e-2, c.targets
		cfg.Validation = &Validation{Shards: shards, Every: 15}
		dir := t.TempDir()
		res := mustRun(t, cfg, dir, testEnvironment(t))
		// Embedding and head of the base know next to nothing, and stay so.
		_, v := readMetrics(t, dir)
		if !(v[0].Loss-v[1].Loss > 0.005 && v[1].Loss-v[2].Loss > 0.002) {
			t.Errorf("%s %v: the losses are %v", c.family, c.targets, v)
		}
		l := mustLoad(t, dir)
		adapters := filepath.Join(res.Checkpoint, AdapterDir)
		b, err := os.ReadFile(filepath.Join(adapters, AdapterConfigFile))
		if err != nil {
			t.Fatal(err)
		}
		var config adapterConfig
		if err := json.Unmarshal(b, &config, json.RejectUnknownMembers(true)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(config.Targets, " "); got != c.names || config.Rank != 3 || config.Alpha != 6 || config.FanInOut != (c.family == model.BTLM) || config.Base != from {
			t.Errorf("%+v", config)
		}
		file, err := os.ReadFile(filepath.Join(adapters, AdapterFile))
		if err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(AdapterFile, strings.NewReader(string(file)), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for i := range l.Params.Layout.Tensors {
			w := &l.Params.Layout.Tensors[i]
			name := "base_model.model." + strings.TrimSuffix(w.Name, "weight")
			a := f.Lookup(name + "lora_A.weight")
			if a == nil {
				if !slices.Equal(l.Params.Of(i), base.Params.Of(i)) {
					t.Errorf("%s has no adapter, and was changed", w.Name)
				}
				continue
			}
			found++
			A, B := make([]float32, 3*w.Cols), make([]float32, 3*w.Rows)
			if err := f.Floats(a, 0, A); err != nil {
				t.Fatal(err)
			}
			if err := f.Floats(f.Lookup(name+"lora_B.weight"), 0, B); err != nil {
				t.Fatal(err)
			}
			for j, got := range l.Params.Of(i) {
				want := float64(base.Params.Of(i)[j])
				for k := range 3 {
					want += 2 * float64(B[j/w.Cols*3+k]) * float64(A[k*w.Cols+j%w.Cols])
				}
				if math.Abs(float64(got)-want) > 1e-6 {
					t.Fatalf("%s: %v is not W + s·B A, %v", w.Name, got, want)
				}
			}
			if slices.Max(B) == 0 {
				t.Errorf("%s: B is 0 after all steps", w.Name)
			}
		}
		if found != c.count || len(f.Tensors) != 2*found {
			t.Errorf("%s %v: %d adapters in %d tensors, want %d", c.family, c.targets, found, len(f.Tensors), c.count)
		}
		// What is trained further is the sum.
		next := testConfig(shards, c.family)
		next.Model, next.From, next.Steps, next.LearningRate = nil, dir, 1, 1e-12
		further := mustLoad(t, mustRun(t, next, t.TempDir(), testEnvironment(t)).Checkpoint)
		for i := range further.Params.Data {
			if math.Abs(float64(further.Params.Data[i]-l.Params.Data[i])) > 1e-9 {
				t.Fatal("what was trained further is not the sum")
			}
		}
	}
}

// TestLoRAFullRank: the first step of AdamW with B, where A is the unit matrix and s is 1, is that with the weights themselves.
func TestLoRAFullRank(t *testing.T) {
	shards := smallShards(t)
	from := trainedBase(t, shards, model.Llama)
	c := loraConfig(shards, from)
	c.LoRA = &LoRA{Rank: 16, Alpha: 16, Targets: []string{"q_proj", "up_proj"}}
	c.Optimizer.WeightDecay, c.Optimizer.Clip = 0, 0
	pool := newPool(t, 2)
	d, err := OpenData(t.Context(), store.NewLocal(nil), shards, 0, c.Seed, true)
	if err != nil {
		t.Fatal(err)
	}
	var b stepBatch
	if err := d.reader(40).step(t.Context(), 0, &b); err != nil {
		t.Fatal(err)
	}
	step := func(adapters bool) *model.Params {
		l := mustLoad(t, from)
		m, err := model.New(l.Config, l.Params, pool, kernel.F32)
		if err != nil {
			t.Fatal(err)
		}
		if adapters {
			a, err := model.NewAdapters(*c.LoRA.Model(), l.Params)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(a.Params.Layout.Tensors); i += 2 {
				for k := range 16 {
					a.Params.Of(i)[k*16+k] = 1
				}
			}
			if err := m.Adapt(a); err != nil {
				t.Fatal(err)
			}
		}
		o := newOptimizer(pool, &c, l.Config, m.Trained())
		for i := range b.micro {
			if _, _, err := m.Loss(&b.micro[i].Batch, float32(1/float64(b.counted)), o.grads); err != nil {
				t.Fatal(err)
			}
		}
		o.step(0, 1e-2, o.norm())
		if adapters {
			m.Merge()
		}
		return l.Params
	}
	was, all, low := mustLoad(t, from).Params, step(false), step(true)
	for i, w := range was.Layout.Tensors {
		target := strings.HasSuffix(w.Name, "q_proj.weight") || strings.HasSuffix(w.Name, "up_proj.weight")
		for j, x := range low.Of(i) {
			switch {
			case !target && x != was.Of(i)[j]:
				t.Fatalf("%s: no adapter, and %v became %v", w.Name, was.Of(i)[j], x)
			// Where a gradient is near 0, its last bits decide about the step.
			case target && math.Abs(float64(x-all.Of(i)[j])) > 2e-4:
				t.Fatalf("%s: %v became %v, and in full training %v", w.Name, was.Of(i)[j], x, all.Of(i)[j])
			}
		}
	}
}

// TestLoRAResume: the same bytes for any number of goroutines, and after a stop at every step, with noise and early stopping.
func TestLoRAResume(t *testing.T) {
	shards := smallShards(t)
	for _, family := range []string{model.Llama, model.BTLM} {
		c := loraConfig(shards, trainedBase(t, shards, family))
		c.NEFTune = 5
		c.Validation = &Validation{Shards: shards, Every: 2, Rows: 2}
		c.EarlyStopping = &EarlyStopping{Patience: 2}
		stopEverywhere(t, c)
	}
}

// TestLoRABase refuses to go on when the model that the adapters are of is another one.
func TestLoRABase(t *testing.T) {
	shards := smallShards(t)
	from := trainedBase(t, shards, model.Llama)
	c := loraConfig(shards, from)
	env := testEnvironment(t)
	dir := t.TempDir()
	res := mustRun(t, c, dir, env)
	want := tree(t, dir)
	undo := func() {
		if err := os.Remove(filepath.Join(dir, DoneFile)); err != nil {
			t.Fatal(err)
		}
	}
	undo()
	name := filepath.Join(from, WeightsFile)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(b)
	other[len(other)-1] ^= 1
	if err := os.WriteFile(name, other, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), "is not the model of that checkpoint: it was changed since the run was begun") {
		t.Error(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), "the model that the adapters are of: ") {
		t.Error(err)
	}
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	mustRun(t, c, dir, env)
	sameTree(t, "restored", tree(t, dir), want)
	// Adapters that were changed.
	undo()
	file := filepath.Join(res.Checkpoint, AdapterDir, AdapterFile)
	if b, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	b[len(b)-2] ^= 1
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), c, dir, env); err == nil || !strings.Contains(err.Error(), AdapterFile+" the file was changed") {
		t.Error(err)
	}
	// Checkpoints that are removed leave nothing behind.
	env.Restart = true
	c.KeepLast, c.CheckpointEvery = 1, 1
	mustRun(t, c, dir, env)
	if left, err := os.ReadDir(filepath.Join(dir, CheckpointsDir)); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}

func TestLoRACheck(t *testing.T) {
	for _, c := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.From, c.Model = "", &Shape{} }, `lora is given without "from"`},
		{func(c *Config) { c.Vocabulary = 100 }, "vocabulary is 100: with lora nothing but adapters is trained"},
		{func(c *Config) { c.LoRA.Rank = 0 }, "lora.rank is 0"},
		{func(c *Config) { c.LoRA.Alpha = 0 }, "lora.alpha is 0"},
		{func(c *Config) { c.LoRA.Alpha = math.NaN() }, "lora.alpha is NaN"},
		{func(c *Config) { c.LoRA.Targets = []string{} }, "lora.targets is empty"},
		{func(c *Config) { c.LoRA.Targets = []string{"q_proj", "q_proj"} }, `lora.targets has "q_proj" twice`},
		{func(c *Config) { c.NEFTune = -1 }, "neftune is -1"},
		{func(c *Config) { c.NEFTune = math.Inf(1) }, "neftune is +Inf"},
		{func(c *Config) { c.EarlyStopping = &EarlyStopping{Patience: 1} }, `early_stopping is given without "validation"`},
		{func(c *Config) {
			c.EarlyStopping, c.Validation = &EarlyStopping{}, &Validation{Shards: "x", Every: 1}
		}, "early_stopping.patience is 0"},
		{func(c *Config) {
			c.EarlyStopping, c.Validation = &EarlyStopping{Patience: 1, MinDelta: -1}, &Validation{Shards: "x", Every: 1}
		}, "early_stopping.min_delta is -1"},
	} {
		cfg := loraConfig("x", "y")
		c.change(&cfg)
		if err := cfg.Check(); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v; want %s", err, c.want)
		}
	}
	// A target that the model does not have is found when the model is.
	shards := smallShards(t)
	cfg := loraConfig(shards, trainedBase(t, shards, model.BTLM))
	cfg.LoRA.Targets = []string{"q_proj"}
	if _, err := Run(t.Context(), cfg, t.TempDir(), testEnvironment(t)); err == nil || !strings.Contains(err.Error(), `lora.targets: the model has no linear layer "q_proj" that could get an adapter; it has c_attn, c_proj, c_fc2, c_fc`) {
		t.Error(err)
	}
	// A run that says nothing of these keys has the same identity as before there were any.
	plain := testConfig("x", model.Llama)
	b, err := plain.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"lora", "neftune", "early_stopping"} {
		if strings.Contains(string(b), fmt.Sprintf("%q", key)) {
			t.Errorf("%s is written where nobody has said it", key)
		}
	}
}

// TestPEFT: with adapters that PEFT 0.21.2 saved, logits and the gradients of A and B are those of PyTorch.
func TestPEFT(t *testing.T) {
	l := mustLoad(t, "testdata/transformers-5")
	open := func(name string) *safetensors.File {
		b, err := os.ReadFile(filepath.Join("testdata", "peft", name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(name, strings.NewReader(string(b)), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	want := open("expected.safetensors")
	ids, shape := ints(t, want, "tokens")
	rows, length, v := int(shape[0]), int(shape[1]), l.Config.Vocabulary
	b := &model.Batch{Rows: rows, Length: length}
	for i, id := range ids {
		b.Tokens, b.Targets = append(b.Tokens, int32(id)), append(b.Targets, model.Ignore)
		if i%length != length-1 {
			b.Targets[i] = int32(ids[i+1])
		}
	}
	for _, set := range kernel.Names() {
		l := mustLoad(t, "testdata/transformers-5")
		a, err := model.NewAdapters(model.LoRA{Rank: 3, Alpha: 7.5}, l.Params)
		if err != nil {
			t.Fatal(err)
		}
		if err := readTensors(t.Context(), store.NewLocal(nil), "testdata/peft/"+AdapterFile, a.Params); err != nil {
			t.Fatal(err)
		}
		s, err := kernel.Named(set)
		if err != nil {
			t.Fatal(err)
		}
		pool := kernel.NewPool(s, 2)
		defer pool.Close()
		m, err := model.New(l.Config, l.Params, pool, kernel.F32)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Adapt(a); err != nil {
			t.Fatal(err)
		}
		logits, expected := make([]float32, rows*length*v), make([]float32, rows*length*v)
		if err := m.Logits(b, logits); err != nil {
			t.Fatal(err)
		}
		if err := want.Floats(want.Lookup("logits"), 0, expected); err != nil {
			t.Fatal(err)
		}
		if d := distance(logits, expected); d > 1e-6 {
			t.Errorf("%s: logits differ by %.2g of their norm", set, d)
		}
		grads := model.NewParams(a.Params.Layout)
		sum, counted, err := m.Loss(b, 1/float32(rows*(length-1)), grads)
		if err != nil || counted != rows*(length-1) || math.Abs(sum/float64(counted)-4.421740603400246) > 1e-6 {
			t.Errorf("%s: the loss is %v of %d targets, %v", set, sum, counted, err)
		}
		for i := range a.Params.Layout.Tensors {
			w := &a.Params.Layout.Tensors[i]
			if d := distance(grads.Of(i), floats(t, want, w.Name, w)); !(d < 5e-6) {
				t.Errorf("%s: %s: the gradient differs by %.2g of its norm", set, w.Name, d)
			}
		}
	}
}

// distance of two vectors, by the norm of the second.
func distance(got, want []float32) float64 {
	diff, size := 0.0, 0.0
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff, size = diff+d*d, size+float64(w)*float64(w)
	}
	return math.Sqrt(diff / size)
}

// TestLoRARates: with µP, A has the learning rate of a matrix that reads the width, and B, which reads the rank, the whole one.
func TestLoRARates(t *testing.T) {
	shards := smallShards(t)
	l := mustLoad(t, trainedBase(t, shards, model.BTLM))
	a, err := model.NewAdapters(model.LoRA{Rank: 2, Alpha: 2}, l.Params)
	if err != nil {
		t.Fatal(err)
	}
	c := loraConfig(shards, "x")
	o := newOptimizer(newPool(t, 1), &c, l.Config, a.Params)
	if l.Config.WidthScale != 0.5 || len(o.chunks) != len(a.Params.Layout.Tensors) {
		t.Fatal(l.Config.WidthScale, len(o.chunks))
	}
	for i, k := range o.chunks {
		if want := []float64{0.5, 1}[i%2]; k.rate != want || !k.decays {
			t.Errorf("%s: the rate is multiplied by %v, want %v; it decays: %v", a.Params.Layout.Tensors[i].Name, k.rate, want, k.decays)
		}
	}
}
