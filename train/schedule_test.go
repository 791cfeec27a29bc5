package train

import (
	"math"
	"strings"
	"testing"
)

func TestRates(t *testing.T) {
	for _, c := range []struct {
		r     Rates
		steps int64
		want  map[int64]float64
	}{
		{Rates{Kind: Linear, Warmup: 10, End: 0.1}, 100, map[int64]float64{0: 0, 1: 0.1, 9: 0.9, 10: 1, 55: 0.55, 99: 1 - 0.9*89/90}},
		{Rates{Kind: Linear}, 4, map[int64]float64{0: 1, 1: 0.75, 2: 0.5, 3: 0.25}},
		// BTLM-3B-8K: 95 steps up to 0.012, then down to 0.00010198 at step 159,636.
		{Rates{Kind: Linear, Warmup: 95, End: 0.0084983}, 159_636, map[int64]float64{94: 94.0 / 95, 95: 1, 159_635: 0.0085045}},
		{Rates{Kind: Cosine, Warmup: 0.1, End: 0.1}, 110, map[int64]float64{10: 10.0 / 11, 11: 1, 60: 0.1 + 0.45*(1+math.Cos(math.Pi*49/99))}},
		{Rates{Kind: WSD, Warmup: 2, Decay: 0.5, DecayShape: LinearDecay}, 20, map[int64]float64{1: 0.5, 2: 1, 10: 1, 11: 0.9, 19: 0.1}},
		{Rates{Kind: WSD, Decay: 16, DecayShape: OneMinusSqrt, End: 0.5}, 20, map[int64]float64{0: 1, 4: 1, 8: 0.75, 13: 0.625}},
		{Rates{Kind: WSD, Decay: 0, DecayShape: OneMinusSqrt}, 20, map[int64]float64{0: 1, 19: 1}},
		{Rates{Kind: Constant, Warmup: 4, End: 0.3}, 8, map[int64]float64{0: 0, 3: 0.75, 4: 1, 7: 1}},
		{Rates{Kind: Linear, Warmup: 20}, 10, map[int64]float64{5: 0.25, 9: 0.45}}, // a run that ends within its warm-up
	} {
		if err := c.r.check(); err != nil {
			t.Errorf("%+v: %v", c.r, err)
		}
		r := c.r
		r.resolve(c.steps)
		again := r
		if again.resolve(c.steps); again != r {
			t.Errorf("%+v resolved twice is %+v", r, again)
		}
		for step, want := range c.want {
			if got := r.Ratio(step, c.steps); !(math.Abs(got-want) < 1e-6) {
				t.Errorf("%+v: step %d of %d: %v, want %v", c.r, step, c.steps, got, want)
			}
		}
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.Shards = "" }, "shards is"},
		{func(c *Config) { c.From = "x" }, "model is given beside"},
		{func(c *Config) { c.Model = nil }, "model is missing"},
		{func(c *Config) { c.Vocabulary = 10 }, "vocabulary is 10"},
		{func(c *Config) { c.InitStd = -1 }, "init_std is -1"},
		{func(c *Config) { c.Steps, c.Epochs = 1, 1 }, "more than one"},
		{func(c *Config) { c.Steps = -1 }, "steps is -1"},
		{func(c *Config) { c.Steps = 1e9 }, "steps is 1000000000"},
		{func(c *Config) { c.Epochs = math.NaN() }, "epochs is NaN"},
		{func(c *Config) { c.LearningRate = 0 }, "learning_rate is 0"},
		{func(c *Config) { c.LearningRate = math.Inf(1) }, "learning_rate is +Inf"},
		{func(c *Config) { c.Optimizer.Epsilon = 1e-50 }, "optimizer.epsilon is 1e-50"},
		{func(c *Config) { c.Optimizer.Beta2 = 1 - 1e-9 }, "optimizer.beta2 is 0.999999999"},
		{func(c *Config) { c.Optimizer.Beta2 = 1 }, "optimizer.beta2 is 1"},
		{func(c *Config) { c.Optimizer.WeightDecay = 2000 }, "optimizer.weight_decay is 2000"},
		{func(c *Config) { c.Optimizer.Clip = -1 }, "optimizer.clip is -1"},
		{func(c *Config) { c.Precision = "f16" }, "precision is f16"},
		{func(c *Config) { c.Schedule.Kind = "x" }, "schedule.kind is"},
		{func(c *Config) { c.Schedule.Warmup = 1.5 }, "schedule.warmup is 1.5"},
		{func(c *Config) { c.Schedule.Warmup = math.NaN() }, "schedule.warmup is NaN"},
		{func(c *Config) { c.Schedule.End = 2 }, "schedule.end is 2"},
		{func(c *Config) { c.Schedule.Kind, c.Schedule.Decay = WSD, -1 }, "schedule.decay is -1"},
		{func(c *Config) { c.Schedule.Kind, c.Schedule.DecayShape = WSD, "" }, "schedule.decay_shape is"},
		{func(c *Config) { c.Validation = &Validation{Shards: "x"} }, "validation.every is 0"},
		{func(c *Config) { c.Validation = &Validation{Every: 1} }, "validation.shards is"},
	} {
		cfg := Default()
		cfg.Shards, cfg.Model = "shards", &Shape{}
		c.change(&cfg)
		err := cfg.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v; want %s", err, c.want)
		}
	}
}

func TestDifferences(t *testing.T) {
	was := Default()
	was.Model = &Shape{Width: 3}
	is := was
	is.Seed, is.LearningRate, is.Model, is.From, is.KeepLast = 1<<63+1, 2e-3, nil, "x", 9
	list, err := differences(&was, &is)
	want := `from was "" and is "x"; learning_rate was 0.001 and is 0.002; model.base_width`
	if got := strings.Join(list, "; "); err != nil || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "model.width was 3 and is not there; seed was 0 and is 9223372036854775809") {
		t.Errorf("%s, %v", got, err)
	}
	b, err := was.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadConfig("x", b)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := differences(&was, back); err != nil || len(list) > 0 {
		t.Errorf("read back: %v, %v", list, err)
	}
}
