package train

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"curate/kernel"
	"curate/train/model"
)

// ConfigFile lies in the folder of a run and holds its Config with every choice made.
const ConfigFile = "train.json"

// Config says all that decides what a run computes. Zero is "choose" where the comment says what is chosen then; what
// Default gives is a value otherwise. The file of a run is a Config that gives the same run again.
type Config struct {
	// Shards is the folder of a schedule and its sets, or of one set.
	Shards string `json:"shards"`
	// From is the folder of the model to go on from; "" for a new one.
	From string `json:"from"`
	// Model is the shape of a new one; nil with From. Vocabulary 0 is that of the shards, Context 0 the longest length.
	Model *Shape `json:"model"`
	// Vocabulary of a model that goes on: rows are added to its embedding, and its head, for ids that it did not have. 0:
	// as it is.
	Vocabulary int `json:"vocabulary"`
	// NewTokens is the new_tokens.jsonl of "curate tokenizer extend": rows that Vocabulary adds begin as the mean of those of the
	// tokens that a new one was made of. "": all begin as the mean of all.
	NewTokens string `json:"new_tokens"`
	// Seed of a new model's first values, and of the order of rows from the second epoch on.
	Seed uint64 `json:"seed"`
	// InitStd is the standard deviation of a new model's first values; 0: 0.02, and 0.073 with µP (BTLM-3B-8K's).
	InitStd float64 `json:"init_std"`

	// At most one says how long the run is; none: every row once. Tokens are counted as TokensPerStep for each step.
	Steps  int64   `json:"steps"`
	Tokens int64   `json:"tokens"`
	Epochs float64 `json:"epochs"`

	// TokensPerStep is the same at every length, and a multiple of each; 0: that of the schedule.
	TokensPerStep int64 `json:"tokens_per_step"`
	// MicroBatch is how many tokens are computed at once: whole rows, at least one. The sums of a step are made micro-batch
	// by micro-batch, so that the last bits of a result depend on it. 0: 4,096.
	MicroBatch int64 `json:"micro_batch"`
	// Across says that the first token of a document is learnt from the EOD that ends the one before it in the row, which sees
	// that document: so a model knows how texts begin, and what to write behind an EOD. Without it such targets are masked, as
	// attention ends at the document.
	Across bool `json:"across"`

	LearningRate float64   `json:"learning_rate"` // the highest
	Schedule     Rates     `json:"schedule"`
	Optimizer    Optimizer `json:"optimizer"`

	// LoRA trains adapters of low rank and leaves the weights of From as they are; nil: all weights are trained.
	LoRA *LoRA `json:"lora,omitzero"`
	// NEFTune is α of the noise on embeddings in training, which is uniform with a bound of α/√(L·width) for the tokens of a
	// document of L (Jain et al. 2023, arXiv 2310.05914, who take 5, 10 or 15); 0: none.
	NEFTune float64 `json:"neftune,omitzero"`
	// EarlyStopping ends the run where the loss of the validation no longer falls; nil: it has all its steps.
	EarlyStopping *EarlyStopping `json:"early_stopping,omitzero"`

	Precision string `json:"precision"` // of products: "f32" or "bf16"; "": f32
	// Kernels is the name of the kernel set, filled in by Run. Another set gives other last bits.
	Kernels string `json:"kernels"`

	// These two decide nothing about the result and may change when a run goes on.
	CheckpointEvery int64 `json:"checkpoint_every"` // steps; 0: only at the end
	KeepLast        int   `json:"keep_last"`        // checkpoints; 0: all

	Validation *Validation `json:"validation"` // nil: none

	// DPO is how pairs of preferences are learnt; nil: as DefaultDPO says, if there are any.
	DPO *DPO `json:"dpo,omitzero"`
	// Mix are further shards, whose rows are in every step beside those of Shards.
	Mix []Mix `json:"mix,omitzero"`

	// Data is what lies in Shards, filled in by Run: other shards in the same folder are another run.
	Data []DataSet `json:"data"`
}

// Shape is model.Shape as it is written.
type Shape struct {
	Family         string  `json:"family"`
	Vocabulary     int     `json:"vocabulary"`
	Width          int     `json:"width"`
	Layers         int     `json:"layers"`
	Heads          int     `json:"heads"`
	KVHeads        int     `json:"kv_heads"`
	FFN            int     `json:"ffn"`
	Context        int     `json:"context"`
	Tied           bool    `json:"tied"`
	RopeTheta      float64 `json:"rope_theta"`
	BaseWidth      int     `json:"base_width"`
	EmbeddingScale float64 `json:"embedding_scale"`
	OutputAlpha    float64 `json:"output_alpha"`
}

// Optimizer is AdamW.
type Optimizer struct {
	Beta1   float64 `json:"beta1"`
	Beta2   float64 `json:"beta2"`
	Epsilon float64 `json:"epsilon"`
	// WeightDecay of matrices: norms and biases do not decay.
	WeightDecay float64 `json:"weight_decay"`
	// Clip is the highest norm of all gradients together; 0: they are not clipped.
	Clip float64 `json:"clip"`
}

// LoRA is model.LoRA as it is written.
type LoRA struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`
	Targets []string `json:"targets"` // ends of names, such as q_proj; null: all linear layers but the head
	RSLoRA  bool     `json:"rslora"`  // adapters are multiplied by alpha/√rank, and not by alpha/rank
}

// EarlyStopping looks at the validations after at least one step. One is better if its loss lies more than MinDelta below that of
// the best before it. The run ends when Patience of them in a row were not better. Its model is that of the best.
type EarlyStopping struct {
	Patience int     `json:"patience"`
	MinDelta float64 `json:"min_delta"` // nats a token
}

// Validation measures the loss on rows that are not learnt.
type Validation struct {
	Shards string `json:"shards"` // a folder as Config.Shards
	Every  int64  `json:"every"`  // steps; it is also measured before the first and after the last
	Rows   int64  `json:"rows"`   // of each set, its first; 0: all

	Data []DataSet `json:"data"` // filled in by Run
}

// DPO is model.DPO as it is written.
type DPO struct {
	Beta           float64 `json:"beta"`
	NLL            float64 `json:"nll"`
	LabelSmoothing float64 `json:"label_smoothing"`
}

// DefaultDPO has TRL's β, which is also that of most of the experiments of the paper (arXiv 2305.18290, appendix B), and neither of
// the other terms.
func DefaultDPO() DPO { return DPO{Beta: 0.1} }

func (o *DPO) check() error {
	switch {
	case !(o.Beta > 0) || math.IsInf(o.Beta, 0):
		return fmt.Errorf("dpo.beta is %v: above 0", o.Beta)
	case !(o.NLL >= 0) || math.IsInf(o.NLL, 0):
		return fmt.Errorf("dpo.nll is %v: at least 0, the weight of the likelihood of the chosen answer", o.NLL)
	case !(o.LabelSmoothing >= 0 && o.LabelSmoothing < 0.5):
		return fmt.Errorf("dpo.label_smoothing is %v: at least 0, below 0.5, the share of pairs that are taken to be the wrong way round", o.LabelSmoothing)
	}
	return nil
}

// DataSet is a shard set that a run reads.
type DataSet struct {
	Dir    string `json:"dir"` // below the folder of the shards, "." for itself
	Length int    `json:"length"`
	Rows   int64  `json:"rows"`
	Tokens int64  `json:"tokens"`
	SHA256 string `json:"sha256"` // of its manifest, and so of every file
}

// Default is a Config with the usual values (BTLM-3B-8K's optimiser; its warm-up and end of the rate).
func Default() Config {
	return Config{
		LearningRate:    1e-3,
		Schedule:        Rates{Kind: Linear, Warmup: 0.01, End: 0.1, Decay: 0.2, DecayShape: OneMinusSqrt},
		Optimizer:       Optimizer{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1, Clip: 1},
		Across:          true,
		CheckpointEvery: 1000,
		KeepLast:        2,
	}
}

const (
	defaultMicroBatch = 4096
	defaultStd        = 0.02
	defaultStdMuP     = 0.073
	maxSteps          = 99_999_999 // eight digits, so that checkpoints sort by name
	maxTokensPerStep  = 1 << 28
)

// Check finds what is wrong without a look at the files. The error names the key.
func (c *Config) Check() error {
	positive := func(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
	share := func(x float64) bool { return x >= 0 && float32(x) < 1 } // it is used as a float32
	lengths := 0
	for _, given := range []bool{c.Steps != 0, c.Tokens != 0, c.Epochs != 0} {
		if given {
			lengths++
		}
	}
	o := &c.Optimizer
	for _, rule := range []struct {
		ok  bool
		key string
		is  any
		say string
	}{
		{c.Shards != "", "shards", `""`, "give the folder of the shards"},
		{(c.From != "") != (c.Model != nil), "model", modelSays(c), `give either "from", a model to go on from, or "model", the shape of a new one`},
		{c.Vocabulary >= 0 && (c.Vocabulary == 0 || c.From != ""), "vocabulary", c.Vocabulary, `it adds rows to the model of "from"; a new one has "model.vocabulary"`},
		{c.NewTokens == "" || c.Vocabulary > 0, "new_tokens", c.NewTokens, "they are rows that are added: give vocabulary, too"},
		{c.InitStd >= 0 && c.InitStd <= 10, "init_std", c.InitStd, "a standard deviation such as 0.02"},
		{lengths <= 1, "steps, tokens, epochs", "more than one of them", "one says how long the run is"},
		{c.Steps >= 0 && c.Steps <= maxSteps, "steps", c.Steps, fmt.Sprintf("at least 1, at most %d", maxSteps)},
		{c.Tokens >= 0, "tokens", c.Tokens, "at least 1"},
		{c.Epochs == 0 || positive(c.Epochs), "epochs", c.Epochs, "above 0"},
		{c.TokensPerStep >= 0 && c.TokensPerStep <= maxTokensPerStep, "tokens_per_step", c.TokensPerStep, fmt.Sprintf("at least 1, at most %d", maxTokensPerStep)},
		{c.MicroBatch >= 0 && c.MicroBatch <= maxTokensPerStep, "micro_batch", c.MicroBatch, fmt.Sprintf("at least 1 token, at most %d", maxTokensPerStep)},
		{positive(c.LearningRate), "learning_rate", c.LearningRate, "above 0"},
		{share(o.Beta1), "optimizer.beta1", o.Beta1, "at least 0, below 1"},
		{share(o.Beta2), "optimizer.beta2", o.Beta2, "at least 0, below 1"},
		{positive(o.Epsilon) && float32(o.Epsilon) > 0, "optimizer.epsilon", o.Epsilon, "above 0, as a float32: 0/0 is no step"},
		{o.WeightDecay >= 0 && o.WeightDecay*c.LearningRate < 1, "optimizer.weight_decay", o.WeightDecay, "at least 0, and below 1 times the learning rate: more would turn weights around"},
		{o.Clip == 0 || positive(o.Clip), "optimizer.clip", o.Clip, "above 0, or 0 for no clipping"},
		{c.Precision == "" || c.Precision == "f32" || c.Precision == "bf16", "precision", c.Precision, "f32 or bf16"},
		{c.LoRA == nil || c.From != "", "lora", "given without \"from\"", "adapters are those of a model that exists"},
		{c.LoRA == nil || c.Vocabulary == 0, "vocabulary", c.Vocabulary, "with lora nothing but adapters is trained, and new rows would stay as they begin; train them first"},
		{c.NEFTune == 0 || positive(c.NEFTune) && float32(c.NEFTune) > 0, "neftune", c.NEFTune, "above 0, such as 5, or 0 for no noise"},
		{c.EarlyStopping == nil || c.Validation != nil, "early_stopping", "given without \"validation\"", "it goes by the loss of the validation"},
		{c.CheckpointEvery >= 0, "checkpoint_every", c.CheckpointEvery, "steps, or 0 for only one at the end"},
		{c.KeepLast >= 0, "keep_last", c.KeepLast, "checkpoints, or 0 for all"},
	} {
		if !rule.ok {
			return fmt.Errorf("%s is %v: %s", rule.key, rule.is, rule.say)
		}
	}
	if v := c.Validation; v != nil {
		switch {
		case v.Shards == "":
			return errors.New(`validation.shards is "": give the folder of the shards to measure on`)
		case v.Every < 1:
			return fmt.Errorf("validation.every is %d: steps, at least 1", v.Every)
		case v.Rows < 0:
			return fmt.Errorf("validation.rows is %d: rows of each set, or 0 for all", v.Rows)
		}
	}
	if l := c.LoRA; l != nil {
		if err := l.check(); err != nil {
			return err
		}
	}
	if e := c.EarlyStopping; e != nil {
		switch {
		case e.Patience < 1:
			return fmt.Errorf("early_stopping.patience is %d: validations, at least 1", e.Patience)
		case !(e.MinDelta >= 0) || math.IsInf(e.MinDelta, 0):
			return fmt.Errorf("early_stopping.min_delta is %v: nats a token, at least 0", e.MinDelta)
		}
	}
	if c.DPO != nil {
		if err := c.DPO.check(); err != nil {
			return err
		}
	}
	for i := range c.Mix {
		switch m := &c.Mix[i]; {
		case m.Shards == "":
			return fmt.Errorf(`mix.%d.shards is "": give the folder of the shards`, i)
		case !(m.Share >= 1e-6 && m.Share < 1):
			return fmt.Errorf("mix.%d.share is %v: above 0 and below 1, of the tokens of each step", i, m.Share)
		}
	}
	return c.Schedule.check()
}

func modelSays(c *Config) string {
	if c.Model == nil {
		return "missing"
	}
	return `given beside "from"`
}

func (c *Config) precision() kernel.Precision {
	if c.Precision == "bf16" {
		return kernel.BF16
	}
	return kernel.F32
}

// resolve makes every choice that is left open. The Config is Check'ed; data are its shards and validation's, the latter
// nil without.
func (c *Config) resolve(data, validation *Data, kernels string) error {
	c.Data = data.sets(0)
	c.Mix = slices.Clone(c.Mix)
	for i := range c.Mix {
		c.Mix[i].Data = data.sets(i + 1)
	}
	pairs := data.HasPairs() || validation != nil && validation.HasPairs()
	switch {
	case data.HasPairs() && c.From == "":
		return fmt.Errorf("%s: preferences are learnt by a model that has learnt to answer: give from, which is also what it is compared with", data.pairDir())
	case c.DPO == nil && pairs:
		o := DefaultDPO()
		c.DPO = &o
	case c.DPO != nil && !pairs:
		return fmt.Errorf("dpo is given, and there are no pairs in %s; where a folder has both, name the one of the pairs, which its schedule.json calls preference", c.Shards)
	}
	if c.TokensPerStep = data.tokensPerStep; c.MicroBatch == 0 {
		c.MicroBatch = defaultMicroBatch
	}
	if c.Precision == "" {
		c.Precision = "f32"
	}
	c.Kernels = kernels
	steps, err := c.length(data.Steps())
	if err != nil {
		return err
	}
	c.Steps, c.Tokens, c.Epochs = steps, 0, 0
	if c.Validation != nil {
		v := *c.Validation
		v.Data, c.Validation = validation.sets(0), &v
	}
	c.Schedule.resolve(c.Steps)
	if c.Model == nil {
		c.InitStd = 0
		return nil
	}
	shape := *c.Model
	c.Model = &shape
	if shape.Vocabulary == 0 {
		shape.Vocabulary = data.vocabulary
	}
	if shape.Context == 0 {
		shape.Context = data.longest
	}
	m, err := c.newModel()
	if err != nil {
		return err
	}
	shape.FFN, shape.KVHeads, shape.RopeTheta = m.FFN, m.KVHeads, m.RopeTheta
	if c.InitStd == 0 {
		if c.InitStd = defaultStd; shape.BaseWidth > 0 {
			c.InitStd = defaultStdMuP
		}
	}
	return nil
}

// newModel is the configuration of a new model.
func (c *Config) newModel() (*model.Config, error) {
	shape := model.Shape(*c.Model)
	m, err := shape.New()
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return m, nil
}

// length of the run in steps, of which an epoch has so many.
func (c *Config) length(epoch int64) (int64, error) {
	steps := float64(epoch)
	switch {
	case c.Steps > 0:
		steps = float64(c.Steps)
	case c.Tokens > 0:
		steps = math.Ceil(float64(c.Tokens) / float64(c.TokensPerStep))
	case c.Epochs > 0:
		steps = math.Ceil(c.Epochs*float64(epoch) - 1e-6) // 0.1 of 30 is 3, whatever binary fractions say
	}
	if steps < 1 || steps > maxSteps {
		return 0, fmt.Errorf("the run has %v steps of %d tokens; at least 1 and at most %d are possible", steps, c.TokensPerStep, maxSteps)
	}
	return int64(steps), nil
}

// Encode writes the file.
func (c *Config) Encode() ([]byte, error) {
	b, err := json.Marshal(c, json.FormatNilSliceAsNull(true), jsontext.WithIndent("  "))
	return append(b, '\n'), err
}

// ReadConfig reads the file of a run; name is for messages. Unknown keys are errors.
func ReadConfig(name string, b []byte) (*Config, error) {
	c := &Config{}
	if err := json.Unmarshal(b, c, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// identity is the Config without what may change when a run goes on: the kernels have a rule of their own.
func (c Config) identity() *Config {
	c.CheckpointEvery, c.KeepLast, c.Kernels = 0, 0, ""
	return &c
}

// digest of what decides the result, in hex.
func (c *Config) digest() (string, error) {
	b, err := c.identity().Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// differences of two resolved Configs by key, sorted: "learning_rate was 0.001 and is 0.002".
func differences(was, is *Config) ([]string, error) {
	a, err := flatten(was.identity())
	if err != nil {
		return nil, err
	}
	b, err := flatten(is.identity())
	if err != nil {
		return nil, err
	}
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var list []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if a[key] != b[key] {
			list = append(list, fmt.Sprintf("%s was %s and is %s", key, orNone(a[key]), orNone(b[key])))
		}
	}
	return list, nil
}

func orNone(s string) string {
	if s == "" {
		return "not there"
	}
	return s
}

// flatten gives each value of the Config by its dotted key.
func flatten(c *Config) (map[string]string, error) {
	b, err := c.Encode()
	if err != nil {
		return nil, err
	}
	flat := map[string]string{}
	var walk func(key string, v jsontext.Value) error
	walk = func(key string, v jsontext.Value) error {
		switch v.Kind() {
		case '{':
			var members map[string]jsontext.Value
			if err := json.Unmarshal(v, &members); err != nil {
				return err
			}
			for k, v := range members {
				if err := walk(key+"."+k, v); err != nil {
					return err
				}
			}
		case '[':
			var elements []jsontext.Value
			if err := json.Unmarshal(v, &elements); err != nil {
				return err
			}
			for i, v := range elements {
				if err := walk(fmt.Sprintf("%s.%d", key, i), v); err != nil {
					return err
				}
			}
		case 'n': // as if it were not there
		default:
			flat[key[1:]] = string(v)
		}
		return nil
	}
	return flat, walk("", b)
}
