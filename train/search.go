package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/corpus/store"
)

// Search trains with many values of hyper-parameters: all combinations of their lists, or Trials taken at random. Trial N is
// the run in the folder trial-NNN. A search that is repeated goes on where it was; trials that are done are not run again.
type Search struct {
	Base Config
	// Over says what is varied. Of a grid, the last one varies fastest.
	Over []Range
	// Trials taken at random; 0: the grid of all lists.
	Trials int
	Seed   uint64 // of what is taken at random
}

// Range is what a hyper-parameter goes through: a list of values, or with Trials any value from Low to High.
type Range struct {
	Name   string    `json:"name"`
	Values []float64 `json:"values"`
	Low    float64   `json:"low,omitzero"`
	High   float64   `json:"high,omitzero"`
	Log    bool      `json:"log,omitzero"` // the logarithm is uniform
}

// Trial is one of a search.
type Trial struct {
	N          int      `json:"trial"`
	Dir        string   `json:"dir"`
	Values     []Value  `json:"values"`
	Loss       *float64 `json:"loss"`            // mean over the last tenth of the steps; null: it has diverged
	Validation *float64 `json:"validation_loss"` // null: it has diverged, or none was asked for
	DivergedAt int64    `json:"diverged_at,omitzero"`
}

// Value of a hyper-parameter.
type Value struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Names in the folder of a search.
const (
	SearchFile   = "search.json"
	SearchTable  = "search.tsv"
	divergedFile = "diverged.json" // in the folder of a trial
)

const maxTrials = 1000 // three digits

// hyperparameter is what a search can vary.
type hyperparameter struct {
	name  string
	whole bool
	doc   string
	set   func(c *Config, x float64) error
}

// hyperparameters by name.
var hyperparameters = []hyperparameter{
	{"beta1", false, "of AdamW", func(c *Config, x float64) error { c.Optimizer.Beta1 = x; return nil }},
	{"beta2", false, "of AdamW", func(c *Config, x float64) error { c.Optimizer.Beta2 = x; return nil }},
	{"clip", false, "highest norm of the gradients", func(c *Config, x float64) error { c.Optimizer.Clip = x; return nil }},
	{"dpo_beta", false, "of pairs of preferences", setBeta},
	{"end", false, "last learning rate, as a ratio of the highest", func(c *Config, x float64) error { c.Schedule.End = x; return nil }},
	{"init_std", false, "standard deviation of the first values", func(c *Config, x float64) error { c.InitStd = x; return nil }},
	{"layers", true, "of the model", ofShape(func(s *Shape, x float64) error { s.Layers = int(x); return nil })},
	{"learning_rate", false, "the highest", func(c *Config, x float64) error { c.LearningRate = x; return nil }},
	{"neftune", false, "noise on embeddings", func(c *Config, x float64) error { c.NEFTune = x; return nil }},
	{"seed", true, "of first values and order", func(c *Config, x float64) error { c.Seed = uint64(x); return nil }},
	{"steps", true, "of the run", func(c *Config, x float64) error { c.Steps, c.Tokens, c.Epochs = int64(x), 0, 0; return nil }},
	{"tokens_per_step", true, "a multiple of each length", func(c *Config, x float64) error { c.TokensPerStep = int64(x); return nil }},
	{"warmup", false, "steps, or below 1 a share of them", func(c *Config, x float64) error { c.Schedule.Warmup = x; return nil }},
	{"weight_decay", false, "of AdamW", func(c *Config, x float64) error { c.Optimizer.WeightDecay = x; return nil }},
	{"width", true, "of the model, with as wide heads as before: their number and the FFN grow with it", ofShape(setWidth)},
}

// Hyperparameters gives the names of all that a search can vary, and what they are.
func Hyperparameters() (names, docs []string) {
	for i := range hyperparameters {
		names, docs = append(names, hyperparameters[i].name), append(docs, hyperparameters[i].doc)
	}
	return names, docs
}

func ofShape(set func(s *Shape, x float64) error) func(c *Config, x float64) error {
	return func(c *Config, x float64) error {
		if c.Model == nil {
			return errors.New("the shape of a model that exists cannot be varied")
		}
		shape := *c.Model
		c.Model = &shape
		return set(c.Model, x)
	}
}

func setBeta(c *Config, x float64) error {
	o := DefaultDPO()
	if c.DPO != nil {
		o = *c.DPO
	}
	o.Beta = x
	c.DPO = &o
	return nil
}

func setWidth(s *Shape, x float64) error {
	width := int(x)
	for _, n := range []struct {
		name  string
		value *int
	}{{"heads", &s.Heads}, {"kv_heads", &s.KVHeads}, {"ffn", &s.FFN}} {
		if s.Width < 1 || *n.value*width%s.Width != 0 {
			return fmt.Errorf("%d %s for a width of %d are no whole number for %d", *n.value, n.name, s.Width, width)
		}
		*n.value = *n.value * width / s.Width
	}
	s.Width = width
	return nil
}

func lookupHyperparameter(name string) (*hyperparameter, error) {
	i := sort.Search(len(hyperparameters), func(i int) bool { return hyperparameters[i].name >= name })
	if i < len(hyperparameters) && hyperparameters[i].name == name {
		return &hyperparameters[i], nil
	}
	names, _ := Hyperparameters()
	return nil, fmt.Errorf("there is no hyper-parameter %q; a search can vary %s", name, strings.Join(names, ", "))
}

// Check finds what is wrong with the ranges and with the configuration of any trial.
func (s *Search) Check() error {
	if len(s.Over) == 0 {
		return errors.New("the search varies nothing; name hyper-parameters and their values")
	}
	for i := range s.Over {
		r := &s.Over[i]
		if _, err := lookupHyperparameter(r.Name); err != nil {
			return err
		}
		isRange := r.Low != 0 || r.High != 0
		switch {
		case slices.ContainsFunc(s.Over[:i], func(o Range) bool { return o.Name == r.Name }):
			return fmt.Errorf("%s: it is named twice", r.Name)
		case isRange == (len(r.Values) > 0):
			return fmt.Errorf("%s: give either a list of values or a range", r.Name)
		case isRange && s.Trials == 0:
			return fmt.Errorf("%s: a range is for values taken at random: say how many trials, or give a list", r.Name)
		case isRange && !(r.Low < r.High) || r.Log && isRange && !(r.Low > 0) || math.IsInf(r.High-r.Low, 0):
			return fmt.Errorf("%s: no range from %v to %v; the first is lower, and above 0 if logarithms are taken", r.Name, r.Low, r.High)
		}
	}
	if n := s.count(); s.Trials < 0 || n > maxTrials {
		return fmt.Errorf("%d trials; at most %d are possible", n, maxTrials)
	}
	for n := range s.count() {
		if _, _, err := s.trial(n); err != nil {
			return err
		}
	}
	return nil
}

func (s *Search) count() int {
	if s.Trials != 0 {
		return s.Trials
	}
	n := 1
	for i := range s.Over {
		if n *= len(s.Over[i].Values); n > maxTrials {
			return n
		}
	}
	return n
}

// trial gives the values of a trial and the configuration that they make.
func (s *Search) trial(n int) ([]Value, Config, error) {
	c := s.Base
	values := make([]Value, len(s.Over))
	left := n
	for i := len(s.Over) - 1; i >= 0; i-- {
		r := &s.Over[i]
		var x float64
		switch {
		case s.Trials > 0:
			x = r.random(mix64(mix64(mix64(s.Seed)+uint64(n))+uint64(i)), isWhole(r.Name))
		default:
			x = r.Values[left%len(r.Values)]
			left /= len(r.Values)
		}
		values[i] = Value{r.Name, x}
	}
	for _, v := range values {
		h, err := lookupHyperparameter(v.Name)
		if err == nil && (h.whole && (v.Value != math.Trunc(v.Value) || v.Value < 0 || v.Value > 1<<53)) {
			err = errors.New("a whole number is needed")
		}
		if err == nil {
			err = h.set(&c, v.Value)
		}
		if err != nil {
			return nil, c, fmt.Errorf("%s %v: %w", v.Name, v.Value, err)
		}
	}
	if err := c.Check(); err != nil {
		return nil, c, fmt.Errorf("trial %d (%s): %w", n, describe(values), err)
	}
	return values, c, nil
}

// Configs are those of the trials, in their order.
func (s *Search) Configs() ([]Config, error) {
	list := make([]Config, s.count())
	for n := range list {
		var err error
		if _, list[n], err = s.trial(n); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func isWhole(name string) bool {
	h, err := lookupHyperparameter(name)
	return err == nil && h.whole
}

// random takes a value; those of a range have four digits, so that people can read them.
func (r *Range) random(key uint64, whole bool) float64 {
	if len(r.Values) > 0 {
		return r.Values[key%uint64(len(r.Values))]
	}
	u := float64(key>>11) / (1 << 53)
	x := r.Low + float64(u*(r.High-r.Low))
	if r.Log {
		x = math.Exp(math.Log(r.Low) + float64(u*(math.Log(r.High)-math.Log(r.Low))))
	}
	if whole {
		return math.Round(x)
	}
	x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64) // its own output
	return x
}

func describe(values []Value) string {
	var list []string
	for _, v := range values {
		list = append(list, fmt.Sprintf("%s %v", v.Name, v.Value))
	}
	return strings.Join(list, ", ")
}

// RunSearch runs the trials that are not done in the folder dir, and gives the table of all, best first: by the loss of the
// validation where there is one, or else by that of the training. One that diverges has lost and is no error. begin is called
// before each trial; it may be nil.
func RunSearch(ctx context.Context, s *Search, dir string, env *Environment, begin func(n, of int, values []Value)) ([]Trial, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if env.Lock != nil {
		release, err := env.Lock(path.Join(dir, "lock"))
		if err != nil {
			return nil, err
		}
		defer release()
	}
	var table []Trial
	for n := range s.count() {
		values, c, err := s.trial(n)
		if err != nil {
			return nil, err
		}
		if begin != nil {
			begin(n, s.count(), values)
		}
		t := Trial{N: n, Dir: fmt.Sprintf("trial-%03d", n), Values: values}
		if err := runTrial(ctx, c, path.Join(dir, t.Dir), env, &t); err != nil {
			return nil, fmt.Errorf("trial %d (%s): %w", n, describe(values), err)
		}
		table = append(table, t)
		sortTrials(table)
		if err := writeTrials(ctx, env.Store, dir, s, table); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// divergence is what a trial's divergedFile holds.
type divergence struct {
	Config string `json:"config_sha256"`
	Step   int64  `json:"step"`
}

func runTrial(ctx context.Context, c Config, dir string, env *Environment, t *Trial) error {
	name := path.Join(dir, divergedFile)
	r := &run{c: &c, dir: dir, env: env, st: env.Store}
	if err := r.open(ctx); err != nil {
		return err
	}
	b, err := readFile(ctx, env.Store, name, 1<<16)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var was divergence
	if err == nil && json.Unmarshal(b, &was) == nil && was.Config == r.digest && !env.Restart {
		t.DivergedAt = was.Step
		return nil
	}
	res, err := Run(ctx, c, dir, env)
	var d *Diverged
	if errors.As(err, &d) {
		t.DivergedAt = d.Step
		b, err := json.Marshal(&divergence{r.digest, d.Step})
		if err != nil {
			return err
		}
		return writeFile(ctx, env.Store, name, append(b, '\n'))
	}
	if err != nil {
		return err
	}
	t.Loss, t.Validation = &res.Loss, res.Validation
	return nil
}

// score is what trials are sorted by.
func (t *Trial) score() float64 {
	switch {
	case t.Validation != nil:
		return *t.Validation
	case t.Loss != nil:
		return *t.Loss
	}
	return math.Inf(1)
}

func sortTrials(table []Trial) {
	slices.SortFunc(table, func(a, b Trial) int {
		switch x, y := a.score(), b.score(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return a.N - b.N
	})
}

// writeTrials writes the table as JSON and as a text of tabs.
func writeTrials(ctx context.Context, st store.Store, dir string, s *Search, table []Trial) error {
	b, err := json.Marshal(&struct {
		Over   []Range `json:"over"`
		Random int     `json:"random_trials"`
		Seed   uint64  `json:"seed"`
		Trials []Trial `json:"trials"`
	}{s.Over, s.Trials, s.Seed, table}, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	if err := writeFile(ctx, st, path.Join(dir, SearchFile), append(b, '\n')); err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("trial")
	for _, r := range s.Over {
		text.WriteString("\t" + r.Name)
	}
	text.WriteString("\tloss\tvalidation_loss\n")
	number := func(x *float64) string {
		if x == nil {
			return ""
		}
		return strconv.FormatFloat(*x, 'f', 6, 64)
	}
	for _, t := range table {
		fmt.Fprintf(&text, "%d", t.N)
		for _, v := range t.Values {
			fmt.Fprintf(&text, "\t%v", v.Value)
		}
		loss := number(t.Loss)
		if t.Loss == nil {
			loss = "inf"
		}
		fmt.Fprintf(&text, "\t%s\t%s\n", loss, number(t.Validation))
	}
	return writeFile(ctx, st, path.Join(dir, SearchTable), []byte(text.String()))
}
