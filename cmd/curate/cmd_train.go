package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/train"
	"curate/train/model"
)

func newTrain(env environment) *cobra.Command {
	var f stageFlags
	var c computing
	t := training{config: trainDefaults}
	var shape train.Shape
	var valid train.Validation
	var lora train.LoRA
	var stopping train.EarlyStopping
	var tokens, perStep, micro, dpo string
	var mixed []string
	cmd := &cobra.Command{
		Use:   "train SHARDS -o DIR",
		Short: "Train a language model on shards",
		Long: `Train a language model on shards, on the processor: to see within minutes whether a corpus teaches a model anything,
and which of two does it better. SHARDS is what curate shards build has made; rows come in the order of its schedule,
each length after the other, under one learning rate schedule.

A new model has --width, --layers and --heads; --from goes on with an earlier one, of this program or of Hugging Face's
LlamaForCausalLM. With --base-width (µP) the best learning rate of a narrow model is that of a wide one, too.

With --lora-rank the model of --from stays as it is, and adapters of its matrices are trained (LoRA); each checkpoint is their
sum, a model as any other, and has the adapters beside it, as PEFT reads them.

Rows with a loss mask, as chats have, are learnt where the mask says so. Pairs of preferences, which shards build puts into a folder
of their own, are learnt by DPO: --from is the model that has learnt to answer, and the one it is compared with. With --mix the rows
of further shards, of any of these kinds, are in every step.

DIR gets metrics.jsonl (a line a step), checkpoints/step-N (folders as Hugging Face has them) and train.json (every setting).
Kill it at any moment and repeat the command: it goes on from the last checkpoint, and the result is the same, bit for bit.

--search tries hyper-parameters instead: NAME=V,V,… is every combination; with --trials N, NAME=LEAST..MOST is drawn at
random, evenly by factors. DIR then has a folder for each trial, and search.tsv.`,
		Example: `  curate train shards/ -o run --width 256 --layers 6 --heads 4 --learning-rate 2e-3 --tokenizer tokenizer.json
  curate train shards.eu/ -o run.eu --from run --learning-rate 5e-4 --warmup 0.1
  curate train pairs/ -o aligned --from instructed --learning-rate 5e-6 --dpo beta=0.1,nll=0.2 --mix shards/:share=20%
  curate train shards/ -o search --width 128 --layers 4 --heads 2 --steps 200 --search learning_rate=1e-3,2e-3,4e-3,8e-3`,
		Args: oneArg("SHARDS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.given = cmd.Flags().Changed
			if f.out == "" {
				return usage("-o DIR is missing: where the model goes")
			}
			if err := f.checkLog(); err != nil {
				return err
			}
			if err := parseTraining(dpo, mixed, &t.config); err != nil {
				return err
			}
			dirs := []string{args[0], t.config.From, valid.Shards}
			for _, m := range t.config.Mix {
				dirs = append(dirs, m.Shards)
			}
			for _, dir := range dirs {
				if dir == "" {
					continue
				}
				if err := storedDir("train", dir); err != nil {
					return err
				}
			}
			if err := apart(f.out, append(dirs, t.tokenizer, t.config.NewTokens)...); err != nil {
				return err
			}
			t.config.Shards, t.kernels = args[0], c.kernels
			t.config.Precision = c.precision
			for flag, v := range map[string]struct {
				text string
				to   *int64
			}{"--tokens": {tokens, &t.config.Tokens}, "--tokens-per-step": {perStep, &t.config.TokensPerStep}, "--micro-batch": {micro, &t.config.MicroBatch}} {
				if v.text == "" {
					continue
				}
				var err error
				if *v.to, err = parseTokens(flag, v.text); err != nil {
					return err
				}
			}
			for _, flag := range []string{"family", "width", "layers", "heads", "kv-heads", "ffn", "tied", "rope-theta", "base-width", "embedding-scale", "output-alpha"} {
				if !cmd.Flags().Changed(flag) {
					continue
				}
				if t.config.From != "" {
					return usage("--%s is of a new model, and --from goes on with one that has a shape already", flag)
				}
				t.config.Model = &shape
			}
			if t.config.From == "" && (shape.Width == 0 || shape.Layers == 0 || shape.Heads == 0) {
				return usage("a new model needs --width, --layers and --heads; --from DIR goes on with an earlier one")
			}
			if valid.Shards != "" {
				t.config.Validation = &valid
			}
			for _, flag := range []string{"lora-alpha", "lora-targets", "rslora"} {
				if cmd.Flags().Changed(flag) && !cmd.Flags().Changed("lora-rank") {
					return usage("--%s is of adapters: give --lora-rank, too", flag)
				}
			}
			if cmd.Flags().Changed("lora-rank") {
				t.config.LoRA = withAlpha(&lora)
			}
			if cmd.Flags().Changed("min-delta") && !cmd.Flags().Changed("early-stopping") {
				return usage("--min-delta is of --early-stopping")
			}
			if cmd.Flags().Changed("early-stopping") {
				t.config.EarlyStopping = &stopping
			}
			if err := t.check(); err != nil {
				return usage("%v", err)
			}
			return runTraining(cmd, env, &f, &c, &t)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&f.out, "output", "o", "", "`DIR` for the model, and what there is to know about its training (required)")
	fs.StringVar(&t.tokenizer, "tokenizer", "", "`PATH` of the tokenizer that the shards were made with: it is put beside the model")
	fs.StringVar(&t.config.From, "from", "", "`DIR` of a model to go on from")
	fs.StringVar(&shape.Family, "family", model.Llama, "`llama|btlm`: RMSNorm and RoPE, or LayerNorm, ALiBi and biases")
	fs.IntVar(&shape.Width, "width", 0, "`N` numbers that a token has between layers")
	fs.IntVar(&shape.Layers, "layers", 0, "`N` layers")
	fs.IntVar(&shape.Heads, "heads", 0, "`N` heads of attention; the width is a multiple")
	fs.IntVar(&shape.KVHeads, "kv-heads", 0, "`N` heads of keys and values, which queries share; default as many as heads")
	fs.IntVar(&shape.FFN, "ffn", 0, "`N`, the inner width; default 8/3 of the width, rounded up to a multiple of 256")
	fs.BoolVar(&shape.Tied, "tied", false, "the head is the embedding; always so in btlm")
	fs.Float64Var(&shape.RopeTheta, "rope-theta", 0, "`BASE` of the rotary embedding's wavelengths; default 10000")
	fs.IntVar(&shape.BaseWidth, "base-width", 0, "`N`: µP, with the width of the model on which learning rate and the like were found")
	fs.Float64Var(&shape.EmbeddingScale, "embedding-scale", 0, "`X`: µP's multiplier of the embedding; default 14.6")
	fs.Float64Var(&shape.OutputAlpha, "output-alpha", 0, "`X`: µP's multiplier of the logits, before base width / width; default 2.22")
	fs.IntVar(&t.config.Vocabulary, "vocabulary", 0, "`N` rows that the embedding of --from grows to, for a vocabulary that was extended")
	fs.StringVar(&t.config.NewTokens, "new-tokens", "", "`PATH` of the new_tokens.jsonl of curate tokenizer extend: what the added rows begin as")
	fs.IntVar(&lora.Rank, "lora-rank", 0, "`N`: train adapters of this rank (LoRA), such as 16, and leave the weights of --from as they are")
	fs.Float64Var(&lora.Alpha, "lora-alpha", 0, "`X`: adapters are multiplied by X / rank; default twice the rank")
	fs.StringSliceVar(&lora.Targets, "lora-targets", nil, "`NAME,NAME,…` of linear layers that get adapters, such as q_proj,v_proj; default all but the head")
	fs.BoolVar(&lora.RSLoRA, "rslora", false, "adapters are multiplied by X / √rank")
	fs.Float64Var(&t.config.NEFTune, "neftune", 0, "`X`: noise on the embeddings in training, up to X / √(tokens of the document · width); 5 is usual, 0 is none")
	fs.Int64Var(&t.config.Steps, "steps", 0, "`N`: how long, in steps")
	fs.StringVar(&tokens, "tokens", "", "`N`: how long, in tokens, such as 10Mi")
	fs.Float64Var(&t.config.Epochs, "epochs", 0, "`X`: how long, as how often all rows are seen; default 1")
	fs.StringVar(&perStep, "tokens-per-step", "", "`N` tokens of a step at every length, such as 16Ki; default that of the shards")
	fs.StringVar(&micro, "micro-batch", "", "`N` tokens that are computed at once, in whole rows; default 4096")
	fs.BoolVar(&t.config.Across, "across", trainDefaults.Across, "learn the first token of a document from the EOD of the one before it in a packed row; --across=false masks it")
	fs.StringVar(&dpo, "dpo", "", "`KEY=X,…`: how pairs of preferences are learnt; "+dpoHelp)
	fs.StringArrayVar(&mixed, "mix", nil, "`SHARDS:share=X` of the tokens of each step for the rows of further shards; may be repeated")
	fs.Float64Var(&t.config.LearningRate, "learning-rate", trainDefaults.LearningRate, "`RATE`, the highest")
	r := &t.config.Schedule
	fs.StringVar(&r.Kind, "schedule", r.Kind, "`linear|cosine|wsd|constant`: how the learning rate falls, over all lengths of rows")
	fs.Float64Var(&r.Warmup, "warmup", r.Warmup, "`X` steps in which it rises from 0, or below 1 a share of all")
	fs.Float64Var(&r.End, "end", r.End, "`X`: where it ends, as a ratio of the highest")
	fs.Float64Var(&r.Decay, "decay", r.Decay, "`X` last steps of wsd in which it falls, or below 1 a share of all")
	fs.StringVar(&r.DecayShape, "decay-shape", r.DecayShape, "`1-sqrt|linear`: how it falls in wsd")
	o := &t.config.Optimizer
	fs.Float64Var(&o.Beta1, "beta1", o.Beta1, "`X` of AdamW's first moment")
	fs.Float64Var(&o.Beta2, "beta2", o.Beta2, "`X` of its second")
	fs.Float64Var(&o.Epsilon, "epsilon", o.Epsilon, "`X` beside the root of the second")
	fs.Float64Var(&o.WeightDecay, "weight-decay", o.WeightDecay, "`X`, of matrices")
	fs.Float64Var(&o.Clip, "clip", o.Clip, "`X`, the highest norm of the gradient; 0 for none")
	fs.Uint64Var(&t.config.Seed, "seed", 1, "`N`, which decides first values, and the order of later epochs")
	fs.Float64Var(&t.config.InitStd, "init-std", 0, "`X`, standard deviation of first values; default 0.02, with µP 0.073")
	fs.Int64Var(&t.config.CheckpointEvery, "checkpoint-every", trainDefaults.CheckpointEvery, "`N` steps; 0 is one at the end")
	fs.IntVar(&t.config.KeepLast, "keep-last", trainDefaults.KeepLast, "`N` checkpoints; 0 keeps all")
	fs.StringVar(&valid.Shards, "validation", "", "`SHARDS` to measure the loss on")
	fs.Int64Var(&valid.Every, "validate-every", 100, "`N` steps")
	fs.Int64Var(&valid.Rows, "validate-rows", 0, "`N` rows of each set, its first; 0 is all")
	fs.IntVar(&stopping.Patience, "early-stopping", 0, "`N`: end when N validations in a row were not better than the best; the model is then that of the best")
	fs.Float64Var(&stopping.MinDelta, "min-delta", 0, "`X` nats by which a validation has to be better")
	fs.StringArrayVar(&t.search, "search", nil, "`NAME=VALUES` of a hyper-parameter to try; may be repeated. Names: "+searchNames())
	fs.IntVar(&t.trials, "trials", 0, "`N` random trials of a search; 0 is every combination")
	fs.BoolVar(&f.restart, "restart", false, "begin anew in a directory that holds another run")
	fs.BoolVar(&t.otherKernels, "other-kernels", false, "go on with other kernels than the run was begun with: the result is then not the same, bit for bit")
	c.flags(fs)
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "warnings and errors only")
	fs.StringVar(&f.logFormat, "log", "text", "`FORMAT` of messages: text or json")
	return cmd
}

// dpoHelp says what the keys of --dpo are.
const dpoHelp = "beta (0.1) is how dear it is to leave the model of --from, nll (0) the weight of the likelihood of the chosen answer, label_smoothing (0) the share of pairs taken to be the wrong way round"

// parseTraining reads the values of --dpo and --mix.
func parseTraining(dpo string, mixed []string, c *train.Config) error {
	if dpo != "" {
		o := train.DefaultDPO()
		for _, part := range strings.Split(dpo, ",") {
			key, value, _ := strings.Cut(part, "=")
			to := map[string]*float64{"beta": &o.Beta, "nll": &o.NLL, "label_smoothing": &o.LabelSmoothing}[key]
			if to == nil {
				return usage("--dpo %q: %q is none of beta, nll and label_smoothing", dpo, key)
			}
			var err error
			if *to, err = strconv.ParseFloat(value, 64); err != nil {
				return usage("--dpo %q: %s is no number", dpo, key)
			}
		}
		c.DPO = &o
	}
	for _, text := range mixed {
		dir, share, ok := cutLast(text, ":share=")
		if !ok || dir == "" {
			return usage("--mix %q: SHARDS:share=20%%", text)
		}
		x, err := parseShare("share", share)
		if err != nil {
			return usage("--mix %q: %v", text, err)
		}
		c.Mix = append(c.Mix, train.Mix{Shards: dir, Share: x})
	}
	return nil
}

// cutLast is strings.Cut at the last place.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// runTraining runs the task of the command in its directory.
func runTraining(cmd *cobra.Command, env environment, f *stageFlags, c *computing, t *training) error {
	show := newDisplay(env.stderr, f)
	defer show.close()
	ctx := cmd.Context()
	p := &pipeline.Progress{}
	workers, memory, err := c.settle()
	if err != nil {
		return err
	}
	task, err := t.task(ctx, recipe.Setting{Dir: f.out, Workers: workers, Memory: memory, Log: show.log, Progress: p})
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	task.Program, task.Store, task.Dir, task.Log, task.Now, task.Restart = program(), storage(), f.out, show.log, time.Now, f.restart
	show.start(p, nil)
	before, err := task.Do(ctx)
	show.stop()
	switch {
	case errors.As(err, new(interrupted)):
		return fmt.Errorf("%w; repeat the command to go on", err)
	case err == nil && before:
		show.log.Info(f.out + " is finished already")
	}
	return err
}
