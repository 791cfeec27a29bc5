package trainerconfig

import (
	"curate/shards"
	"errors"
)

var nanotron = Trainer{
	Name:    "nanotron",
	Doc:     "nanotron: a YAML file a stage for run_train.py",
	Formats: []string{"datatrove"},
	Write:   writeNanotron,
}

// nanotronSamples: datatrove's DatatroveFileDataset cuts a file into windows of the length and one token, and leaves out
// the rest.
func nanotronSamples(m *shards.Manifest, s *shards.ShardRecord) (int64, error) {
	n, err := storedTokens(m, s)
	return n / int64(m.Length+1), err
}

// writeNanotron. Sources, all of nanotron at 2411b022:
//
// A file a stage, although data_stages holds several with lengths of their own (config/config.py, DatasetStageArgs): the
// batch and the length that a run trains with are those of tokens, and get_dataloader of run_train.py trains the last
// stage only. A later stage's file therefore has the earlier ones in data_stages too, and resumes their checkpoint: its
// start_training_step must be the step after.
//
// NanosetDatasetsArgs.__post_init__ reads the first .metadata of the folder. With a tokenizer_name it compares it with
// the name there; without, it loads the tokenizer of that name, which for our shards is a fingerprint. Config.__post_init__
// wants the same name as tokenizer_name_or_path.
func writeNanotron(in *Input) ([]File, error) {
	if in.Training != nil {
		return nil, errors.New("shards: how a model is trained is not written for nanotron; leave that out, and choose in the file")
	}
	all, err := in.plans(nanotronSamples)
	if err != nil {
		return nil, err
	}
	name := in.Schedule.Tokenizer
	if name == "" {
		name = "Unknown Tokenizer" // what the metadata of such shards have
	}
	var files []File
	for i, p := range all {
		size, err := tokenSize(p.Manifest)
		if err != nil {
			return nil, err
		}
		f, err := fill(p.Name()+".yaml", nanotronTemplate, map[string]any{
			"P": p, "Stages": all[:i+1], "Tokenizer": name, "Path": comment(in.Tokenizer), "Size": size, "Total": lastStep(all),
			"Rest":       p.Samples - p.Steps*p.Rows,
			"Vocabulary": in.Schedule.Vocabulary, "EOD": in.Schedule.EOD, "Seed": seed(in.Schedule.Seed), "Longest": longest(all),
		})
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

const nanotronTemplate = `# nanotron: torchrun --nproc-per-node 8 run_train.py --config-file {{.P.Name}}.yaml
#
# nanotron opens the tokenizer by the name in the shards' .metadata, and that is its fingerprint. Where nanotron runs:
#   ln -s {{if .Path}}{{shell .Path}}{{else}}FOLDER-OF-THE-TOKENIZER{{end}} {{shell .Tokenizer}}
general:
  project: curate
  run: {{.P.Name}}
  seed: {{.Seed}}
data_stages:
{{- range .Stages}}
  - name: {{.Name}}
    start_training_step: {{.First}}
    sequence_length: {{.Length}}
    data:
      dataset:
        dataset_folder: {{yaml .Dir}}
        tokenizer_name: {{yaml $.Tokenizer}}
        token_size_in_bytes: {{$.Size}}
        vocab_size: {{$.Vocabulary}}
        return_positions: true # positions begin anew behind each EOD
        shuffle_files: false
      num_loading_workers: 1
      seed: {{$.Seed}}
{{- end}}
tokens:
  # A step has micro_batch_size × batch_accumulation_per_replica × dp rows.
  sequence_length: {{.P.Length}}
  micro_batch_size: 1
  batch_accumulation_per_replica: {{.P.Rows}}{{if not .P.Known}} # choose: the shards were built without tokens a step{{end}}
  train_steps: {{.P.Last}} # of this stage and those before{{if .Rest}}; {{.Rest}} rows that do not fill a step are left over{{end}}
tokenizer:
  tokenizer_name_or_path: {{yaml .Tokenizer}}
checkpoints:
  checkpoints_path: checkpoints # the same for all stages
  checkpoint_interval: 1000
  resume_checkpoint_path: checkpoints{{if gt .P.Number 1}} # of the stage before, or of this one after a break{{else}} # after a break; there is none at first{{end}}
  save_final_state: true
logging:
  iteration_step_info_interval: 1

# Choose the model and how it is trained; these are small.
model:
  dtype: bfloat16
  init_method:
    std: 0.02
  make_vocab_size_divisible_by: 1
  model_config:
    is_qwen2_config: true
    hidden_size: 768
    intermediate_size: 2048
    num_hidden_layers: 12
    num_attention_heads: 12
    num_key_value_heads: 12
    max_position_embeddings: {{.Longest}}
    vocab_size: {{.Vocabulary}}
{{- if .EOD}}
    eos_token_id: {{.EOD}}
{{- end}}
    _attn_implementation: flash_attention_2
    _use_doc_masking: true # attention stays within documents
optimizer:
  accumulate_grad_in_fp32: true
  clip_grad: 1.0
  weight_decay: 0.01
  zero_stage: 0
  optimizer_factory:
    name: adamW
    adam_beta1: 0.9
    adam_beta2: 0.95
    adam_eps: 1.0e-8
    torch_adam_is_fused: true
  learning_rate_scheduler:
    learning_rate: 3.0e-4
    lr_warmup_steps: 0
    lr_warmup_style: linear
    lr_decay_style: cosine
    lr_decay_steps: {{.Total}} # of all stages, so that they are on one curve
    min_decay_lr: 3.0e-5
parallelism:
  dp: 1
  pp: 1
  tp: 1
`
