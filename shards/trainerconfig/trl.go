package trainerconfig

import (
	"fmt"
	"path"
	"strings"

	"curate/shards"
)

var trl = Trainer{
	Name:    "trl",
	Doc:     "TRL: a YAML file a stage for trl sft, and one for DPO",
	Formats: []string{"parquet"},
	Write:   writeTRL,
}

// preferenceFormat is the one of preference pairs that trl and llama-factory take.
const preferenceFormat = "parquet-preference"

// writeTRL. Sources, all of TRL at f2cd5771:
//
// Rows with input_ids are not tokenized again (trainer/sft_trainer.py, _prepare_dataset). With packing TRL would take
// input_ids and labels only and pack them anew, so that packed rows are given padding_free, which makes positions of
// seq_lengths; and since SFTTrainer refuses that together with max_length, it gets none: no row is longer.
//
// trl dpo always tokenizes prompt, chosen and rejected (trainer/dpo_trainer.py, _prepare_dataset); its collator takes what
// comes of that, prompt_ids and so on, and those our pairs have. preference.py is trl/scripts/dpo.py without that step.
func writeTRL(in *Input) ([]File, error) {
	var files []File
	former := in.model()
	if len(in.Manifests) > 0 {
		all, err := in.plans(rows)
		if err != nil {
			return nil, err
		}
		for i, p := range all {
			f, err := fill(p.Name()+".yaml", trlTemplate, map[string]any{
				"P": p, "Files": p.Files(".parquet"), "Model": former, "Missing": in.missing(former), "Packed": p.Manifest.Packing != nil, "Longer": longer(in.Schedule, i),
				"Tokenizer": in.Tokenizer, "Seed": seed(in.Schedule.Seed), "Training": in.trl(p),
			})
			if err != nil {
				return nil, err
			}
			files = append(files, f)
			former = path.Join("output", p.Name())
		}
	}
	if m := in.Preference; m != nil {
		table, err := in.preference()
		if err != nil {
			return nil, err
		}
		f, err := fill("preference.yaml", trlPreference, map[string]any{
			"Files": table, "Model": former, "Missing": in.missing(former), "Pairs": m.Sequences, "Seed": seed(in.Schedule.Seed), "Step": in.pairsPerStep(), "Training": in.trlPairs(),
		})
		if err != nil {
			return nil, err
		}
		files = append(files, f, File{"preference.py", []byte(trlPreferenceScript)})
	}
	return files, nil
}

// trl are the lines of a stage's training (trl/trainer/base_config.py, transformers' TrainingArguments; adapters: trl/trainer/
// model_config.py).
func (in *Input) trl(p *plan) string {
	t := in.Training
	if t == nil {
		return ""
	}
	return block(t.apart(p), t.length(p), t.hugging(p.Run), t.trlLoRA())
}

func (t *Training) trlLoRA() []string {
	l := t.LoRA
	if l == nil {
		return nil
	}
	targets := "all-linear"
	if l.Targets != nil {
		targets = "[" + strings.Join(l.Targets, ", ") + "]"
	}
	return []string{
		"use_peft: true", fmt.Sprintf("lora_r: %d", l.Rank), "lora_alpha: " + number(l.Alpha), "lora_dropout: 0.0", "lora_target_modules: " + targets,
		fmt.Sprintf("use_rslora: %v", l.RSLoRA),
	}
}

// trlPairs are those of pairs (trl/trainer/dpo_config.py). Its loss sigmoid has no label smoothing, and robust another one.
func (in *Input) trlPairs() string {
	t := in.Training
	if t == nil {
		return ""
	}
	var lines []string
	if d := t.DPO; d != nil {
		lines = append(lines, "beta: "+number(d.Beta))
		if d.NLL > 0 {
			lines = append(lines, "loss_type: [sigmoid, sft]", fmt.Sprintf("loss_weights: [1.0, %s]", number(d.NLL)))
		} else {
			lines = append(lines, "loss_type: [sigmoid]")
		}
		if d.LabelSmoothing > 0 {
			lines = append(lines, fmt.Sprintf("# Label smoothing of %s is left out: TRL has it in its loss robust alone, which is another one.", number(d.LabelSmoothing)))
		}
	}
	length, steps := in.pairsLength()
	return block(length, lines, t.hugging(steps), t.trlLoRA())
}

// longer is how many documents have more tokens than a row of stage i.
func longer(s *shards.Schedule, i int) int64 {
	if i < len(s.Longer) {
		return s.Longer[i]
	}
	return 0
}

const trlTemplate = `# TRL: trl sft --config {{.P.Name}}.yaml
{{- if gt .P.Number 1}}
# A run of its own: TRL's script cannot go on with the optimizer of the stage before, only with its model.
{{- end}}
model_name_or_path: {{yaml .Model}}{{if eq .Model "choose-a-model"}} # choose{{else if .Missing}} # not there yet: put here where the step before has saved it{{end}}
{{- if .Tokenizer}}
# The rows were made with the tokenizer in {{yaml .Tokenizer}}: the model must have the same.
{{- end}}
datasets:
  - path: parquet
    split: train
    data_files:
{{- range .Files}}
      - {{yaml .}}
{{- end}}
output_dir: {{yaml (printf "output/%s" .P.Name)}}

# Rows are tokenized{{if .Packed}} and packed, and none is longer than {{.P.Length}} tokens{{end}}. The order is that of the shards.
packing: false
{{- if .Packed}}
padding_free: true # attention stays within documents, by seq_lengths; it needs flash attention
attn_implementation: flash_attention_2
max_length: null
{{- else}}
max_length: {{.P.Length}}{{if .Longer}} # longer ones are cut off: documents with more tokens are {{.Longer}} in the schedule{{end}}
{{- end}}
shuffle_dataset: false
train_sampling_strategy: sequential

# A step has per_device_train_batch_size × gradient_accumulation_steps × devices rows.
per_device_train_batch_size: 1
gradient_accumulation_steps: {{.P.Rows}}{{if not .P.Known}} # choose: the shards were built without tokens a step{{end}}
{{- if .Training}}
{{.Training}}
{{- else}}
num_train_epochs: 1 # rows: {{.P.Samples}}; full steps: {{.P.Steps}}
{{- end}}
seed: {{.Seed}}
`

const trlPreference = `# TRL: python preference.py --config preference.yaml
model_name_or_path: {{yaml .Model}}{{if eq .Model "choose-a-model"}} # choose{{else if .Missing}} # not there yet: put here where the step before has saved it{{end}}
datasets:
  - path: parquet
    split: train
    data_files:
{{- range .Files}}
      - {{yaml .}}
{{- end}}
output_dir: "output/preference"

max_length: null # no pair is cut off
train_sampling_strategy: sequential
per_device_train_batch_size: 1
{{- if .Training}}
gradient_accumulation_steps: {{if .Step}}{{.Step}} # pairs of a step{{else}}1 # choose{{end}}
{{.Training}}
{{- else}}
gradient_accumulation_steps: 1 # choose
num_train_epochs: 1 # pairs: {{.Pairs}}
{{- end}}
seed: {{.Seed}}
`

const trlPreferenceScript = `"""trl dpo for pairs that are tokenized: prompt_ids, chosen_ids, rejected_ids.

TRL's own script, without the step that makes these of text.
"""
from trl import DPOTrainer
from trl.scripts import dpo


def prepared(self, dataset, *args, **kwargs):
    return dataset


if __name__ == "__main__":
    DPOTrainer._prepare_dataset = prepared
    dpo.main(*dpo.make_parser().parse_args_and_config(fail_with_unknown_args=False))
`
