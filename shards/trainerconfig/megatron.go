package trainerconfig

import (
	"path"

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
		decay += p.Steps * p.Rows
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
			"Train": p.Steps * p.Rows, "Rest": p.Samples - p.Steps*p.Rows, "Packed": p.Manifest.Packing != nil,
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

const megatronTemplate = `#!/usr/bin/env bash
# Arguments of Megatron-LM's pretrain_gpt.py for {{.P.Name}}.
# In a checkout of Megatron-LM: TORCHRUN="torchrun --nproc-per-node 8" bash {{.P.Name}}.sh [more arguments, which win]
{{- with .Former}}
# It goes on where {{.Name}}.sh ended.
{{- end}}
args=(
  # The shards, without weights: each sample once. Megatron shuffles samples within the stage.
  --data-path
{{- range .Prefixes}}
    {{shell .}}
{{- end}}
  --split 100,0,0
  --eval-iters 0
  --dataloader-type single
  --seed {{.Seed}}

  # Ids are given: no text is tokenized.
  --tokenizer-type NullTokenizer
  --vocab-size {{.Vocabulary}}
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
  --train-samples {{.Train}} # steps: {{.P.Steps}}{{if .Rest}}; {{.Rest}} samples that do not fill a step are left over{{end}}
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

  # Choose the model and how it is trained; these are small.
  --num-layers 12
  --hidden-size 768
  --num-attention-heads 12
  --lr 3e-4
  --bf16

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
{{- else}}
args+=(--load "$own") # for after a break; at first there is none
{{- end}}
exec ${TORCHRUN:-torchrun} pretrain_gpt.py "${args[@]}" "$@"
`
