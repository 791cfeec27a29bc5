package trainerconfig

import (
	"fmt"
	"path"
	"strings"
)

var axolotl = Trainer{
	Name:    "axolotl",
	Doc:     "axolotl: a YAML file a stage for axolotl train",
	Formats: []string{"parquet-axolotl"},
	Write:   writeAxolotl,
}

// writeAxolotl. Sources, all of axolotl at 067b021c:
//
// Tables with input_ids, attention_mask and labels are taken as they are, whatever type says (utils/data/wrappers.py,
// _is_dataset_already_tokenized). A folder with data_files is read with ds_type; without them it is taken for one of
// datasets.save_to_disk (utils/data/shared.py, _load_from_local_path).
//
// sample_packing packs documents that stand alone, and numbers them for attention. It also makes the trainer leave the
// attention mask out (core/trainers/base.py, compute_loss), without which attention goes by position_ids; with a mask only
// transformers' flash attention does, and only if nothing is masked. So packed rows have it too, and with it
// skip_prepare_dataset: the preparation would overwrite position_ids, which say where their documents begin
// (utils/trainer.py, add_position_ids).
//
// Preference pairs it takes as text only (utils/data/rl.py).
func writeAxolotl(in *Input) ([]File, error) {
	all, err := in.plans(rows)
	if err != nil {
		return nil, err
	}
	var files []File
	former := in.model()
	for i, p := range all {
		f, err := fill(p.Name()+".yaml", axolotlTemplate, map[string]any{
			"P": p, "Files": p.Files(".parquet"), "Model": former, "Missing": in.missing(former), "Packed": p.Manifest.Packing != nil, "Longer": longer(in.Schedule, i),
			"Tokenizer": in.Tokenizer, "Seed": seed(in.Schedule.Seed), "Training": in.axolotl(p), "BF16": in.Training == nil || in.Training.BF16,
			"Length": in.axolotlLength(p),
		})
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		former = path.Join("output", p.Name())
	}
	return files, nil
}

// axolotl are the lines of a stage's training (utils/schemas/training.py, peft.py, config.py). Schedules are transformers', but that
// the end of a cosine has a key of its own (core/trainers/mixins/scheduler.py).
func (in *Input) axolotl(p *plan) string {
	t := in.Training
	if t == nil {
		return ""
	}
	var lines []string
	for _, l := range t.hugging(p.Run) {
		key, value, _ := strings.Cut(l, ": ")
		switch key {
		case "lr_scheduler_type":
			if t.Schedule.Kind == "cosine" {
				value = "cosine"
			}
			l = "lr_scheduler: " + value
		case "lr_scheduler_kwargs":
			if t.Schedule.Kind == "cosine" {
				l = "cosine_min_lr_ratio: " + number(t.Schedule.End)
			}
		case "warmup_steps":
			if stepsOf(t.Schedule.Warmup, p.Run) == 0 && t.Schedule.Warmup > 0 {
				l = "warmup_ratio: " + number(t.Schedule.Warmup)
			}
		case "optim":
			l = "optimizer: " + value
		case "bf16":
			continue
		}
		lines = append(lines, l)
	}
	if l := t.LoRA; l != nil {
		lines = append(lines, "adapter: lora", fmt.Sprintf("lora_r: %d", l.Rank), "lora_alpha: "+number(l.Alpha), "lora_dropout: 0.0")
		if l.Targets == nil {
			lines = append(lines, "lora_target_linear: true")
		} else {
			lines = append(lines, "lora_target_modules: ["+strings.Join(l.Targets, ", ")+"]")
		}
		lines = append(lines, fmt.Sprintf("peft_use_rslora: %v", l.RSLoRA))
	}
	return block(t.apart(p), lines)
}

func (in *Input) axolotlLength(p *plan) string {
	if in.Training == nil {
		return ""
	}
	return strings.Replace(block(in.Training.length(p)), "num_train_epochs", "num_epochs", 1)
}

const axolotlTemplate = `# axolotl: axolotl train {{.P.Name}}.yaml
{{- if gt .P.Number 1}}
# A run of its own, with the model of the stage before and a new optimizer.
{{- end}}
base_model: {{yaml .Model}}{{if eq .Model "choose-a-model"}} # choose{{else if .Missing}} # not there yet: put here where the step before has saved it{{end}}
{{- if .Tokenizer}}
tokenizer_config: {{yaml .Tokenizer}}
{{- end}}
datasets:
  - path: {{yaml .P.Dir}}
    ds_type: parquet
    split: train
    data_files:
{{- range .Files}}
      - {{yaml .}}
{{- end}}
    type: # none: the rows are tokenized
dataset_prepared_path: {{yaml (printf "prepared/%s" .P.Name)}}
val_set_size: 0
output_dir: {{yaml (printf "output/%s" .P.Name)}}

sequence_len: {{.P.Length}}
{{- if .Packed}}
# Rows are packed, and position_ids begin anew with each document. With sample_packing attention goes by them, one row at a
# time; without skip_prepare_dataset axolotl would number rows anew, and documents would see those before them.
sample_packing: true
skip_prepare_dataset: true
pad_to_sequence_len: false
{{- else}}
sample_packing: true # by axolotl, which keeps attention within documents
{{- if .Longer}}
# Longer ones axolotl leaves out: documents with more tokens are {{.Longer}} in the schedule. Build with pack to keep them.
{{- end}}
{{- end}}
attn_implementation: flash_attention_2
bf16: {{if .BF16}}auto{{else}}false{{end}}

# The order is that of the shards.
shuffle_merged_datasets: false
curriculum_sampling: true

# A step has micro_batch_size × gradient_accumulation_steps × devices rows{{if not .Packed}}, as axolotl packs them{{end}}.
micro_batch_size: 1
gradient_accumulation_steps: {{.P.Rows}}{{if not .P.Known}} # choose: the shards were built without tokens a step{{end}}
{{- if .Training}}
{{.Length}}
seed: {{.Seed}}

{{.Training}}
{{- else}}
num_epochs: 1 # {{if .Packed}}rows: {{.P.Samples}}; full steps: {{.P.Steps}}{{else}}documents: {{.P.Samples}}{{end}}
seed: {{.Seed}}

# Choose how the model is trained.
optimizer: adamw_torch_fused
learning_rate: 2.0e-5
lr_scheduler: cosine
{{- end}}
`
