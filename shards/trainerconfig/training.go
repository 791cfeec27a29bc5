package trainerconfig

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Training is how a model is trained, which shards do not say: what a run, or a step of a recipe, says beside them. It is written in
// the place of what stands under "choose".
type Training struct {
	// Model is the folder of the model that the first stage begins with, "" for a new one.
	Model string
	// Missing says that there is no such folder yet: an earlier step is to make the model.
	Missing bool
	// Shape is that of the model, nil if it is not known.
	Shape *Shape
	// Steps of all lengths together; if it is 0, Epochs says how often each row is seen.
	Steps  int64
	Epochs float64

	LearningRate float64 // the highest
	Schedule     Rates
	Beta1, Beta2 float64
	Epsilon      float64
	WeightDecay  float64 // of matrices
	Clip         float64 // highest norm of the gradient; 0: none
	BF16         bool

	DPO      *DPO  // nil: none
	LoRA     *LoRA // nil: all weights are trained
	NEFTune  float64
	Patience int // of early stopping, in validations; 0: none
}

// Shape of a model, in the words of its config.json.
type Shape struct {
	ALiBi                                bool // LayerNorm, biases and ALiBi; otherwise RMSNorm and RoPE without biases
	Width, Layers, Heads, KVHeads, FFN   int
	Tied                                 bool
	RopeTheta                            float64
	RopeScaled                           bool // as Llama 3.1
	BaseWidth                            int  // of µP; 0: none
	EmbeddingScale, OutputAlpha, InitStd float64
}

// Rates is the schedule of the learning rate.
type Rates struct {
	Kind       string  // constant, cosine, linear, wsd
	Warmup     float64 // steps, or below 1 a share of all
	End        float64 // ratio of the highest
	Decay      float64 // wsd: steps, or below 1 a share of all
	DecayShape string  // wsd: 1-sqrt, linear
}

// DPO is the objective of preference pairs (arXiv 2305.18290).
type DPO struct{ Beta, NLL, LabelSmoothing float64 }

// LoRA are adapters (arXiv 2106.09685).
type LoRA struct {
	Rank    int
	Alpha   float64
	Targets []string // nil: all linear layers
	RSLoRA  bool
}

// number writes a number as YAML and argparse read it alike: 1e-05 would be a text to YAML 1.1, 1.0e-05 is not.
func number(x float64) string {
	s := strconv.FormatFloat(x, 'g', 12, 64) // so that products such as 2.22 × 0.1 look like what they are
	if mantissa, exponent, ok := strings.Cut(s, "e"); ok && !strings.Contains(mantissa, ".") {
		s = mantissa + ".0e" + exponent
	}
	return s
}

// stepsOf a share or a number of steps, 0 if that is a share and nobody knows of how many.
func stepsOf(x float64, all int64) int64 {
	if x >= 1 {
		return int64(x)
	}
	return int64(math.Ceil(x*float64(all) - 1e-6))
}

// run is how many steps of each stage are made: those of all rows once, or what the training says. known says whether the number of
// rows is.
func (t *Training) run(all []*plan, known bool) error {
	switch {
	case !known && t.Steps > 0: // in the shares of the schedule
		left := t.Steps
		for i, p := range all {
			p.Run = min(left, int64(math.Round(p.Share*float64(t.Steps))))
			if i == len(all)-1 {
				p.Run = left
			}
			left -= p.Run
		}
	case !known:
		for _, p := range all {
			p.Run = 0
		}
	case len(all) == 1 && t.Steps > 0:
		all[0].Run = t.Steps
	case len(all) == 1:
		all[0].Run = int64(math.Ceil(t.Epochs*float64(all[0].Steps) - 1e-6))
	case t.Steps > 0:
		left := t.Steps
		for _, p := range all {
			p.Run = min(left, p.Steps)
			left -= p.Run
		}
		if left > all[len(all)-1].Rest {
			return fmt.Errorf("shards: the run has %d steps, %d more than all rows once: a second epoch would go back to rows of the first length, which no configuration of several stages can say; give the run fewer steps",
				t.Steps, left)
		}
	case t.Epochs != 1:
		return errors.New("shards: several epochs of several lengths would go back to rows of the first length, which no configuration of several stages can say; give the run one epoch")
	}
	var before int64
	for _, p := range all {
		p.Before = before
		before += p.Run
	}
	return nil
}

// hugging are the lines of transformers' TrainingArguments (training_args.py and optimization.py of transformers 5.8), which TRL's and
// LLaMA-Factory's are made of. all are the steps of the run, 0 if they are not known.
func (t *Training) hugging(all int64) []string {
	r := &t.Schedule
	lines := []string{"learning_rate: " + number(t.LearningRate)}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch {
	case r.Kind == "constant":
		add("lr_scheduler_type: constant_with_warmup")
	case r.Kind == "cosine" && r.End == 0, r.Kind == "linear" && r.End == 0:
		add("lr_scheduler_type: %s # to 0", r.Kind)
	case r.Kind == "cosine":
		add("lr_scheduler_type: cosine_with_min_lr")
		add("lr_scheduler_kwargs: {min_lr_rate: %s}", number(r.End))
	case r.Kind == "linear":
		add("lr_scheduler_type: polynomial # of power 1: linear, with an end")
		add("lr_scheduler_kwargs: {lr_end: %s, power: 1.0}", number(r.End*t.LearningRate))
	case r.Kind == "wsd":
		add("lr_scheduler_type: warmup_stable_decay")
		if n := stepsOf(r.Decay, all); n > 0 {
			add("lr_scheduler_kwargs: {num_decay_steps: %d, decay_type: %s, min_lr_ratio: %s}", n, r.DecayShape, number(r.End))
		} else {
			add("lr_scheduler_kwargs: {num_decay_steps: 1, decay_type: %s, min_lr_ratio: %s} # choose: %s of the steps, which are not known", r.DecayShape, number(r.End), number(r.Decay))
		}
	}
	if n := stepsOf(r.Warmup, all); n > 0 || r.Warmup == 0 {
		add("warmup_steps: %d", n)
	} else {
		add("warmup_steps: %s # a share of the steps, from transformers 5 on; before, it is called warmup_ratio", number(r.Warmup))
	}
	add("optim: adamw_torch_fused")
	add("adam_beta1: %s", number(t.Beta1))
	add("adam_beta2: %s", number(t.Beta2))
	add("adam_epsilon: %s", number(t.Epsilon))
	add("weight_decay: %s", number(t.WeightDecay))
	add("max_grad_norm: %s", number(t.Clip))
	add("bf16: %v", t.BF16)
	if t.NEFTune > 0 {
		add("neftune_noise_alpha: %s", number(t.NEFTune))
	}
	if t.Patience > 0 {
		add("# The run stops early, after %d validations that were not better: that needs rows to validate on, which are not here.", t.Patience)
	}
	return lines
}

// length are the lines that say how long a stage is.
func (t *Training) length(p *plan) []string {
	note := "rows and steps are known when the shards are built"
	if p.Samples > 0 {
		note = fmt.Sprintf("rows: %d; steps of all once: %d", p.Samples, p.Steps)
	}
	if t.Steps > 0 || p.Run > 0 && p.Of > 1 {
		return []string{fmt.Sprintf("max_steps: %d # %s", p.Run, note)}
	}
	return []string{fmt.Sprintf("num_train_epochs: %s # %s", number(t.Epochs), note)}
}

// apart warns where trainers begin a stage as a run of its own.
func (t *Training) apart(p *plan) []string {
	if p.Of == 1 {
		return nil
	}
	return []string{fmt.Sprintf("# The learning rate was meant for all %d lengths together. This trainer begins each anew: choose.", p.Of)}
}

// block joins lines.
func block(lists ...[]string) string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return strings.Join(all, "\n")
}
