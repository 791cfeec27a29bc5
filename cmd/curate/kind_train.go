package main

import (
	"context"
	"math"

	"curate/kernel"
	"curate/pipeline"
	"curate/pipeline/recipe"
	"curate/train"
	"curate/train/model"
)

// trainDefaults are the values of keys and flags where nothing else is said.
var trainDefaults = train.Default()

var dpoDefaults = train.DefaultDPO()

var trainKind = recipe.Kind{
	Name:    "train",
	Summary: "trains a language model on shards, from the beginning or from an earlier model",
	Keys: []recipe.Key{
		{Name: "shards", Type: recipe.StepOrPath, Required: true, Help: "the step that made them, or their folder"},
		{Name: "tokenizer", Type: recipe.StepOrPath, Help: "the step that trained it, or its path: it is put beside the model"},
		{Name: "from", Type: recipe.StepOrPath, Help: "the step or the folder of a model to go on from; default is a new one"},
		{Name: "model", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "family", Type: recipe.Text, Default: model.Llama, Choices: []string{model.BTLM, model.Llama}, Help: "llama (RMSNorm, RoPE) or btlm (LayerNorm, ALiBi, biases)"},
			{Name: "width", Type: recipe.Integer, Required: true, Min: 1, Max: 1 << 20, Help: "numbers a token has between layers"},
			{Name: "layers", Type: recipe.Integer, Required: true, Min: 1, Max: 1 << 12, Help: "how many"},
			{Name: "heads", Type: recipe.Integer, Required: true, Min: 1, Max: 1 << 12, Help: "of attention; the width is a multiple"},
			{Name: "kv_heads", Type: recipe.Integer, Min: 1, Max: 1 << 12, Help: "heads of keys and values, which queries share; default as many as heads"},
			{Name: "ffn", Type: recipe.Integer, Min: 1, Max: 1 << 22, Help: "inner width; default 8/3 of the width, rounded up to a multiple of 256"},
			{Name: "tied", Type: recipe.Boolean, Default: false, Help: "the head is the embedding; always so in btlm"},
			{Name: "rope_theta", Type: recipe.Number, Help: "base of the rotary embedding's wavelengths; default 10000"},
			{Name: "base_width", Type: recipe.Integer, Min: 1, Max: 1 << 20, Help: "µP: width of the model on which learning rate and the like were found; default is no µP"},
			{Name: "embedding_scale", Type: recipe.Number, Help: "µP: multiplier of the embedding; default 14.6"},
			{Name: "output_alpha", Type: recipe.Number, Help: "µP: multiplier of the logits, before base_width / width; default 2.22"},
		}, Help: "shape of a new model"},
		{Name: "vocabulary", Type: recipe.Integer, Min: 1, Max: math.MaxInt32, Help: "rows that the embedding of an earlier model grows to, for a vocabulary that was extended"},
		{Name: "new_tokens", Type: recipe.Text, Help: "new_tokens.jsonl of curate tokenizer extend: what the added rows begin as"},
		{Name: "lora", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "rank", Type: recipe.Integer, Default: int64(16), Min: 1, Max: 1 << 16, Help: "of the adapters"},
			{Name: "alpha", Type: recipe.Number, Help: "they are multiplied by alpha / rank; default twice the rank"},
			{Name: "targets", Type: recipe.Texts, Help: "names of linear layers that get one, such as q_proj; default all but the head"},
			{Name: "rslora", Type: recipe.Boolean, Default: false, Help: "they are multiplied by alpha / √rank"},
		}, Help: "train adapters, and leave the weights of the earlier model as they are"},
		{Name: "neftune", Type: recipe.Number, Default: float64(0), Help: "noise on the embeddings in training, up to so much by √(tokens of the document · width); 5 is usual, 0 is none"},
		{Name: "steps", Type: recipe.Integer, Min: 1, Max: 99_999_999, Help: "how long: in steps"},
		{Name: "tokens", Type: recipe.Text, Help: "how long: in tokens, such as 10Mi"},
		{Name: "epochs", Type: recipe.Number, Help: "how long: how often all rows are seen; default 1"},
		{Name: "tokens_per_step", Type: recipe.Text, Help: "tokens of a step at every length, such as 16Ki; default that of the shards"},
		{Name: "micro_batch", Type: recipe.Text, Help: "tokens that are computed at once, in whole rows; default 4096"},
		{Name: "across", Type: recipe.Boolean, Default: trainDefaults.Across, Help: "learn the first token of a document from the EOD of the one before it in a packed row"},
		{Name: "dpo", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "beta", Type: recipe.Number, Default: dpoDefaults.Beta, Help: "how dear it is to leave the model of `from`, with which the new one is compared"},
			{Name: "nll", Type: recipe.Number, Default: dpoDefaults.NLL, Help: "weight of the likelihood of the chosen answer, a mean over its tokens"},
			{Name: "label_smoothing", Type: recipe.Number, Default: dpoDefaults.LabelSmoothing, Help: "share of pairs taken to be the wrong way round, below 0.5"},
		}, Help: "how pairs of preferences are learnt, if shards or mix have any"},
		{Name: "mix", Type: recipe.Objects, Keys: []recipe.Key{
			{Name: "shards", Type: recipe.StepOrPath, Required: true, Help: "the step that made them, or their folder"},
			{Name: "share", Type: recipe.Share, Required: true, Help: "of the tokens of each step"},
		}, Help: "further shards, whose rows are in every step: documents, chats or pairs; `shards` has what they leave"},
		{Name: "learning_rate", Type: recipe.Number, Default: trainDefaults.LearningRate, Help: "the highest"},
		{Name: "schedule", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "kind", Type: recipe.Text, Default: trainDefaults.Schedule.Kind, Choices: []string{train.Constant, train.Cosine, train.Linear, train.WSD}, Help: "how the learning rate falls"},
			{Name: "warmup", Type: recipe.Number, Default: trainDefaults.Schedule.Warmup, Help: "steps in which it rises from 0, or below 1 a share of all"},
			{Name: "end", Type: recipe.Number, Default: trainDefaults.Schedule.End, Help: "where it ends, as a ratio of the highest"},
			{Name: "decay", Type: recipe.Number, Default: trainDefaults.Schedule.Decay, Help: "wsd: last steps in which it falls, or below 1 a share of all"},
			{Name: "decay_shape", Type: recipe.Text, Default: trainDefaults.Schedule.DecayShape, Choices: []string{train.OneMinusSqrt, train.LinearDecay}, Help: "wsd: how it falls"},
		}, Help: "of the learning rate, over all lengths of rows"},
		{Name: "optimizer", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "beta1", Type: recipe.Number, Default: trainDefaults.Optimizer.Beta1, Help: "of the first moment"},
			{Name: "beta2", Type: recipe.Number, Default: trainDefaults.Optimizer.Beta2, Help: "of the second"},
			{Name: "epsilon", Type: recipe.Number, Default: trainDefaults.Optimizer.Epsilon, Help: "beside the root of the second"},
			{Name: "weight_decay", Type: recipe.Number, Default: trainDefaults.Optimizer.WeightDecay, Help: "of matrices"},
			{Name: "clip", Type: recipe.Number, Default: trainDefaults.Optimizer.Clip, Help: "highest norm of the gradient; 0 for none"},
		}, Help: "AdamW"},
		{Name: "precision", Type: recipe.Text, Default: "f32", Choices: []string{"bf16", "f32"}, Help: "of the operands of products"},
		{Name: "kernels", Type: recipe.Text, Default: kernel.Auto, Help: "name of the kernels; auto is the best that the processor can run"},
		{Name: "seed", Type: recipe.Integer, Default: int64(1), Min: 0, Max: math.MaxInt64, Help: "of first values, and of the order of later epochs"},
		{Name: "init_std", Type: recipe.Number, Help: "standard deviation of first values; default 0.02, with µP 0.073"},
		{Name: "checkpoint_every", Type: recipe.Integer, Default: trainDefaults.CheckpointEvery, Min: 0, Max: 99_999_999, Help: "steps; 0 is one at the end"},
		{Name: "keep_last", Type: recipe.Integer, Default: int64(trainDefaults.KeepLast), Min: 0, Max: math.MaxInt32, Help: "checkpoints; 0 keeps all"},
		{Name: "validation", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "shards", Type: recipe.StepOrPath, Required: true, Help: "the step that made them, or their folder"},
			{Name: "every", Type: recipe.Integer, Default: int64(100), Min: 1, Max: 99_999_999, Help: "steps"},
			{Name: "rows", Type: recipe.Integer, Default: int64(0), Min: 0, Max: math.MaxInt32, Help: "of each set, its first; 0 is all"},
		}, Help: "loss on rows that are not learnt"},
		{Name: "early_stopping", Type: recipe.Object, Keys: []recipe.Key{
			{Name: "patience", Type: recipe.Integer, Default: int64(3), Min: 1, Max: 99_999_999, Help: "validations in a row that were not better than the best, after which the run ends"},
			{Name: "min_delta", Type: recipe.Number, Default: float64(0), Help: "nats by which one has to be better"},
		}, Help: "end where the loss of the validation no longer falls; the model is then that of the best"},
		{Name: "search", Type: recipe.Texts, Help: "hyper-parameters to try instead of one run, such as learning_rate=1e-3,2e-3"},
		{Name: "trials", Type: recipe.Integer, Default: int64(0), Min: 0, Max: 10_000, Help: "of a search: so many random ones; 0 is every combination"},
	},
	Result: true,
	Check: func(v *recipe.Values) error {
		t, err := kindTraining(v)
		if err == nil {
			err = t.check()
		}
		return err
	},
	Task: func(ctx context.Context, v *recipe.Values, s recipe.Setting) (*pipeline.Task, error) {
		t, err := kindTraining(v)
		if err != nil {
			return nil, err
		}
		return t.task(ctx, s)
	},
	Seconds: func(v *recipe.Values, workers int) float64 {
		t, err := kindTraining(v)
		if err != nil {
			return 0
		}
		return t.seconds(workers)
	},
}

// kindTraining reads a recipe's keys.
func kindTraining(v *recipe.Values) (*training, error) {
	t := &training{
		tokenizer: v.Path("tokenizer"), search: v.Texts("search"), trials: int(v.Integer("trials")), kernels: v.Text("kernels"),
		config: train.Config{
			Shards: v.Path("shards"), From: v.Path("from"), Vocabulary: int(v.Integer("vocabulary")), NewTokens: v.Text("new_tokens"), Seed: uint64(v.Integer("seed")),
			InitStd: v.Number("init_std"), Steps: v.Integer("steps"), Epochs: v.Number("epochs"), Across: v.Boolean("across"),
			LearningRate: v.Number("learning_rate"), Schedule: trainDefaults.Schedule, Optimizer: trainDefaults.Optimizer,
			Precision: v.Text("precision"), CheckpointEvery: v.Integer("checkpoint_every"), KeepLast: int(v.Integer("keep_last")),
		},
	}
	c := &t.config
	for key, to := range map[string]*int64{"tokens": &c.Tokens, "tokens_per_step": &c.TokensPerStep, "micro_batch": &c.MicroBatch} {
		if !v.Given(key) {
			continue
		}
		var err error
		if *to, err = parseTokens(key, v.Text(key)); err != nil {
			return nil, v.Errorf(key, "%v", err)
		}
	}
	if m := v.Object("model"); m != nil {
		c.Model = &train.Shape{
			Family: m.Text("family"), Width: int(m.Integer("width")), Layers: int(m.Integer("layers")), Heads: int(m.Integer("heads")),
			KVHeads: int(m.Integer("kv_heads")), FFN: int(m.Integer("ffn")), Tied: m.Boolean("tied"), RopeTheta: m.Number("rope_theta"),
			BaseWidth: int(m.Integer("base_width")), EmbeddingScale: m.Number("embedding_scale"), OutputAlpha: m.Number("output_alpha"),
		}
	}
	if s := v.Object("schedule"); s != nil {
		c.Schedule = train.Rates{Kind: s.Text("kind"), Warmup: s.Number("warmup"), End: s.Number("end"), Decay: s.Number("decay"), DecayShape: s.Text("decay_shape")}
	}
	if o := v.Object("optimizer"); o != nil {
		c.Optimizer = train.Optimizer{Beta1: o.Number("beta1"), Beta2: o.Number("beta2"), Epsilon: o.Number("epsilon"), WeightDecay: o.Number("weight_decay"), Clip: o.Number("clip")}
	}
	c.NEFTune = v.Number("neftune")
	if o := v.Object("lora"); o != nil {
		c.LoRA = withAlpha(&train.LoRA{Rank: int(o.Integer("rank")), Alpha: o.Number("alpha"), Targets: o.Texts("targets"), RSLoRA: o.Boolean("rslora")})
	}
	if o := v.Object("early_stopping"); o != nil {
		c.EarlyStopping = &train.EarlyStopping{Patience: int(o.Integer("patience")), MinDelta: o.Number("min_delta")}
	}
	if o := v.Object("dpo"); o != nil {
		c.DPO = &train.DPO{Beta: o.Number("beta"), NLL: o.Number("nll"), LabelSmoothing: o.Number("label_smoothing")}
	}
	for _, m := range v.Objects("mix") {
		c.Mix = append(c.Mix, train.Mix{Shards: m.Path("shards"), Share: m.Number("share")})
	}
	if o := v.Object("validation"); o != nil {
		c.Validation = &train.Validation{Shards: o.Path("shards"), Every: o.Integer("every"), Rows: o.Integer("rows")}
	}
	return t, nil
}
