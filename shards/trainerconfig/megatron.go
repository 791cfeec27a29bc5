package trainerconfig

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"curate/shards"
)

var megatron = Trainer{
	Name:    "megatron",
	Doc:     "Megatron-LM: a shell script a stage that runs pretrain_gpt.py",
	Formats: []string{"megatron"},
	Write:   writeMegatron,
}

// megatronSamples: GPTDataset joins the documents of a shard and cuts the stream into windows of the length and one
// token, which overlap by that token (megatron/core/datasets/gpt_dataset.py, _build_document_sample_shuffle_indices).
func megatronSamples(m *shards.Manifest, s *shards.ShardRecord) (int64, error) {
	n, err := storedTokens(m, s)
	return max(0, (n-1)/int64(m.Length)), err
}

// writeMegatron. Sources, all of Megatron-LM at d98e8a64:
//
// Paths without weights: BlendedMegatronDatasetBuilder then builds one epoch of each shard and blends them by their sizes.
// With weights it builds 0.5 % more of each than it needs, and so a second epoch of some of them, shuffled among the first:
// of 296 samples in four shards, 293 were different ones.
//
// The second stage needs the optimizer and the learning rate of the first, but not its place in the data: load_checkpoint
// (training/checkpointing.py) takes consumed_train_samples from the checkpoint, and MegatronPretrainingSampler would leave
// out so many samples of the new shards. --finetune starts at 0, but loads no optimizer. --phase-transition-iterations
// wants the same global batch in all stages (check_checkpoint_args), and ours has fewer rows as they grow longer.
// --override-ckpt-iteration 0 puts the place to 0 and loads the rest. --use-checkpoint-opt_param-scheduler then lets
// OptimizerParamScheduler.load_state_dict go on where it was, on the curve of the first stage; --override-opt_param-scheduler
// would put it to consumed_train_samples, which is 0, and so to the beginning of the warm-up.
//
// That scheduler counts samples, so that training is in samples too: --lr-decay-samples of the first stage are those of
// all stages.
func writeMegatron(in *Input) ([]File, error) {
	all, err := in.plans(megatronSamples)
	if err != nil {
		return nil, err
	}
	var decay int64
	for _, p := range all {
		decay += p.Run * p.Rows
	}
	if decay == 0 {
		return nil, errors.New("shards: Megatron counts samples, and how many there are is known when the shards are built, or where the run says its steps: build them, or give steps in the place of epochs")
	}
	var files []File
	for i, p := range all {
		var prefixes []string
		for k := range p.Manifest.Shards {
			s := &p.Manifest.Shards[k]
			// Of a shard without a sample the dataset cannot be built.
			if n, _ := megatronSamples(p.Manifest, s); n > 0 {
				prefixes = append(prefixes, path.Join(p.Dir, s.Name))
			}
		}
		var former *plan
		if i > 0 {
			former = all[i-1]
		}
		f, err := fill(p.Name()+".sh", megatronTemplate, map[string]any{
			"P": p, "Former": former, "Prefixes": prefixes, "Longest": longest(all), "Decay": decay,
			"Vocabulary": in.Schedule.Vocabulary, "EOD": in.Schedule.EOD, "Pad": padding(p.Manifest), "Seed": seed(in.Schedule.Seed),
			"Train": p.Run * p.Rows, "Rest": max(0, p.Samples-p.Run*p.Rows), "Packed": p.Manifest.Packing != nil,
			"Planned": in.Planned, "Training": in.megatron(all), "Base": i == 0 && in.model() != choose, "Model": in.model(),
		})
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// padding is the id that Megatron may leave out of the loss wherever it stands: not the EOD, which is to be learnt.
func padding(m *shards.Manifest) *int {
	if m.PadID != nil && m.EOD != nil && *m.PadID == *m.EOD {
		return nil
	}
	return m.PadID
}

// megatron are the arguments of the training, the same in all stages (megatron/training/arguments.py, training/config/
// training_config.py for the schedule, core/transformer/transformer_config.py for µP). Schedules count samples: of warm-up and decay in
// steps, those of the first and of the last stage.
func (in *Input) megatron(all []*plan) string {
	t := in.Training
	if t == nil {
		return ""
	}
	lines := []string{""}
	add := func(format string, args ...any) { lines = append(lines, "  "+fmt.Sprintf(format, args...)) }
	if m := t.Shape; m == nil {
		add("# Choose the model's shape, which is that of %s; this is small.", comment(in.model()))
		add("--num-layers 12")
		add("--hidden-size 768")
		add("--num-attention-heads 12")
	} else {
		add("# The model.")
		add("--num-layers %d", m.Layers)
		add("--hidden-size %d", m.Width)
		add("--num-attention-heads %d", m.Heads)
		if m.KVHeads != m.Heads && m.KVHeads > 0 {
			add("--group-query-attention")
			add("--num-query-groups %d", m.KVHeads)
		}
		add("--ffn-hidden-size %d", m.FFN)
		add("--swiglu")
		if !m.Tied && !m.ALiBi {
			add("--untie-embeddings-and-output-weights")
		}
		if m.ALiBi {
			add("--normalization LayerNorm")
			add("--position-embedding-type none # Megatron has no ALiBi: a model with it needs an attention of your own")
		} else {
			add("--normalization RMSNorm")
			add("--disable-bias-linear")
			add("--position-embedding-type rope")
			add("--rotary-base %.0f", m.RopeTheta)
			if m.RopeScaled {
				add("--use-rope-scaling")
			}
		}
		add("--attention-dropout 0")
		add("--hidden-dropout 0")
		if m.InitStd > 0 {
			add("--init-method-std %s", number(m.InitStd))
		}
		if m.BaseWidth > 0 {
			add("--use-mup")
			add("--mup-base-hidden-size %d", m.BaseWidth)
			add("--mup-embedding-mult %s", number(m.EmbeddingScale))
			add("--mup-output-mult %s # %s × base width / width", number(m.OutputAlpha*float64(m.BaseWidth)/float64(m.Width)), number(m.OutputAlpha))
		}
	}
	lines = append(lines, "")
	add("# How it is trained.")
	r, first, last := &t.Schedule, all[0], all[len(all)-1]
	steps := last.Before + last.Run
	add("--lr %s", number(t.LearningRate))
	if r.Kind != "constant" {
		add("--min-lr %s", number(r.End*t.LearningRate))
	}
	style := r.Kind
	if style == "wsd" {
		style = "WSD"
	}
	add("--lr-decay-style %s", style)
	if r.Kind == "wsd" {
		add("--lr-wsd-decay-style %s", map[string]string{"1-sqrt": "minus_sqrt", "linear": "linear"}[r.DecayShape])
		add("--lr-wsd-decay-samples %d", stepsOf(r.Decay, steps)*last.Rows)
	}
	add("--lr-warmup-samples %d # steps: %d", stepsOf(r.Warmup, steps)*first.Rows, stepsOf(r.Warmup, steps))
	add("--adam-beta1 %s", number(t.Beta1))
	add("--adam-beta2 %s", number(t.Beta2))
	add("--adam-eps %s", number(t.Epsilon))
	add("--weight-decay %s", number(t.WeightDecay))
	add("--clip-grad %s", number(t.Clip))
	if t.BF16 {
		add("--bf16")
	}
	if t.LoRA != nil || t.NEFTune > 0 || t.DPO != nil {
		add("# Adapters, noise on embeddings and preference pairs are not of pretrain_gpt.py: take another trainer for these.")
	}
	return strings.Join(lines, "\n")
}

const megatronTemplate = `#!/usr/bin/env bash
# Arguments of Megatron-LM's pretrain_gpt.py for {{.P.Name}}.
# In a checkout of Megatron-LM: TORCHRUN="torchrun --nproc-per-node 8" bash {{.P.Name}}.sh [more arguments, which win]
{{- with .Former}}
# It goes on where {{.Name}}.sh ended.
{{- end}}
{{- if .Planned}}
shards=({{shell .P.Dir}}/*.idx)
{{- end}}
args=(
  # The shards, without weights: each sample once. Megatron shuffles samples within the stage.
{{- if .Planned}}
  # They are not built yet; these are all that there will be.
  --data-path "${shards[@]%.idx}"
{{- else}}
  --data-path
{{- range .Prefixes}}
    {{shell .}}
{{- end}}
{{- end}}
  --split 100,0,0
  --eval-iters 0
  --dataloader-type single
  --seed {{.Seed}}

  # Ids are given: no text is tokenized.
  --tokenizer-type NullTokenizer
{{- if .Vocabulary}}
  --vocab-size {{.Vocabulary}}
{{- else}}
  --vocab-size "${VOCABULARY:?the size of the tokenizer, which was not here}"
{{- end}}
{{- if .EOD}}
  --null-tokenizer-eod-id {{.EOD}}
{{- end}}
{{- if .Pad}}
  --null-tokenizer-pad-id {{.Pad}} # not learnt
{{- end}}

  --seq-length {{.P.Length}}
  --max-position-embeddings {{.Longest}}
  --micro-batch-size 1
{{- if .P.Known}}
  --global-batch-size {{.P.Rows}}
{{- else}}
  --global-batch-size {{.P.Rows}} # choose: the shards were built without tokens a step
{{- end}}
  --train-samples {{.Train}} # steps: {{.P.Run}}{{if .Rest}}; {{.Rest}} samples that do not fill a step are left over{{end}}
  --lr-decay-samples {{.Decay}} # of all stages
{{- if .EOD}}
{{- if .Packed}}

  # Documents of a packed row end with the EOD. To keep attention within them (needs the mask, which only these kernels
  # look at): --reset-position-ids --reset-attention-mask --eod-mask-loss
  #           --transformer-impl local --no-masked-softmax-fusion
{{- else}}

  # To keep attention within documents (needs Transformer Engine):
  #   --dataloader-inter-document-masking --reset-position-ids --eod-mask-loss
{{- end}}
{{- end}}

{{- if .Training}}
{{.Training}}
{{- else}}

  # Choose the model and how it is trained; these are small.
  --num-layers 12
  --hidden-size 768
  --num-attention-heads 12
  --lr 3e-4
  --bf16
{{- end}}

  --save "${CHECKPOINTS:-checkpoints}/{{.P.Name}}"
  --save-interval 1000
)
own="${CHECKPOINTS:-checkpoints}/{{.P.Name}}"
{{- if .Former}}
if [ -e "$own/latest_checkpointed_iteration.txt" ]; then # after a break: where it was
  args+=(--load "$own")
else # the model, the optimizer and the learning rate of the stage before, and the data from their beginning
  args+=(--load "${CHECKPOINTS:-checkpoints}/{{.Former.Name}}" --override-ckpt-iteration 0)
fi
args+=(--use-checkpoint-opt_param-scheduler)
{{- else if .Base}}
if [ -e "$own/latest_checkpointed_iteration.txt" ]; then # after a break: where it was
  args+=(--load "$own")
else # {{.Model}}, as a checkpoint of Megatron's: tools/checkpoint/convert.py makes one
  args+=(--load "${BASE:?the folder of the base model as a checkpoint of Megatron}" --finetune)
fi
{{- else}}
args+=(--load "$own") # for after a break; at first there is none
{{- end}}
exec ${TORCHRUN:-torchrun} pretrain_gpt.py "${args[@]}" "$@"
`
