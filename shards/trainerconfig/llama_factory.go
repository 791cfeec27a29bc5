package trainerconfig

import (
	"fmt"
	"math"
	"path"
	"strings"
)

var llamaFactory = Trainer{
	Name:    "llama-factory",
	Doc:     "LLaMA-Factory: a YAML file a stage, one for DPO, and a script that makes the folders it reads",
	Formats: []string{"parquet", "parquet-axolotl"},
	Write:   writeLLaMAFactory,
}

// writeLLaMAFactory. Sources, all of LLaMA-Factory at ff6d4d12:
//
// Tables of dataset_info.json are text that it tokenizes. Rows that are tokenized it takes from tokenized_path alone, a
// folder of datasets.save_to_disk with input_ids, attention_mask and labels (data/loader.py, get_dataset), or for pairs
// chosen_input_ids and so on (data/processor/pairwise.py). tokenized.py makes such folders of the tables. Until it has
// run, the name in dataset is looked up, not found, and the run ends.
//
// With neat_packing the attention mask has the number of the document, from 1, and position_ids begin anew with each
// (data/processor/supervised.py, PackedSupervisedDatasetProcessor). It takes one from cutoff_len (hparams/data_args.py).
func writeLLaMAFactory(in *Input) ([]File, error) {
	type folder struct {
		Name  string
		Files []string
		Pairs bool
	}
	var folders []folder
	var files []File
	former := in.model()
	if len(in.Manifests) > 0 {
		all, err := in.plans(rows)
		if err != nil {
			return nil, err
		}
		for i, p := range all {
			f, err := fill(p.Name()+".yaml", llamaFactoryTemplate, map[string]any{
				"P": p, "Model": former, "Missing": in.missing(former), "Packed": p.Manifest.Packing != nil, "Longer": longer(in.Schedule, i), "Seed": seed(in.Schedule.Seed),
				"Cutoff": p.Length + 1, "Training": in.llamaFactory(p), "LoRA": in.Training != nil && in.Training.LoRA != nil,
			})
			if err != nil {
				return nil, err
			}
			files = append(files, f)
			folders = append(folders, folder{p.Name(), p.Files(".parquet"), false})
			former = path.Join("output", p.Name())
		}
	}
	if m := in.Preference; m != nil {
		table, err := in.preference()
		if err != nil {
			return nil, err
		}
		f, err := fill("preference.yaml", llamaFactoryPreference, map[string]any{
			"Model": former, "Missing": in.missing(former), "Pairs": m.Sequences, "Length": m.Length, "Seed": seed(in.Schedule.Seed), "Step": in.pairsPerStep(),
			"Training": in.llamaFactoryPairs(), "LoRA": in.Training != nil && in.Training.LoRA != nil,
		})
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		folders = append(folders, folder{"preference", table, true})
	}
	f, err := fill("tokenized.py", llamaFactoryScript, folders)
	return append(files, f), err
}

// llamaFactory are the lines of a stage's training (hparams/training_args.py, hparams/finetuning_args.py).
func (in *Input) llamaFactory(p *plan) string {
	t := in.Training
	if t == nil {
		return ""
	}
	return block(t.apart(p), t.length(p), t.hugging(p.Run), t.llamaFactoryLoRA())
}

func (t *Training) llamaFactoryLoRA() []string {
	l := t.LoRA
	if l == nil {
		return nil
	}
	targets := "all"
	if l.Targets != nil {
		targets = strings.Join(l.Targets, ",")
	}
	return []string{
		fmt.Sprintf("lora_rank: %d", l.Rank), "lora_alpha: " + number(l.Alpha), "lora_dropout: 0.0", "lora_target: " + targets, fmt.Sprintf("use_rslora: %v", l.RSLoRA),
	}
}

func (in *Input) llamaFactoryPairs() string {
	t := in.Training
	if t == nil {
		return ""
	}
	var lines []string
	if d := t.DPO; d != nil {
		lines = []string{"pref_loss: sigmoid", "pref_beta: " + number(d.Beta), "pref_ftx: " + number(d.NLL), "dpo_label_smoothing: " + number(d.LabelSmoothing)}
	}
	length, steps := in.pairsLength()
	return block(length, lines, t.hugging(steps), t.llamaFactoryLoRA())
}

// pairsPerStep are how many pairs a step has, 0 if that is not known. A pair counts as two rows.
func (in *Input) pairsPerStep() int64 {
	return in.Schedule.TokensPerStep / int64(2*max(1, in.Preference.Length))
}

// pairsLength is the line that says how long the run over pairs is, and its steps, 0 if these are not known.
func (in *Input) pairsLength() ([]string, int64) {
	t, n, step := in.Training, in.Preference.Sequences, in.pairsPerStep()
	note := "pairs are known when the shards are built"
	if n > 0 {
		note = fmt.Sprintf("pairs: %d", n)
	}
	if t.Steps > 0 {
		return []string{fmt.Sprintf("max_steps: %d # %s", t.Steps, note)}, t.Steps
	}
	steps := int64(0)
	if step > 0 {
		steps = int64(math.Ceil(t.Epochs*float64((n+step-1)/step) - 1e-6))
	}
	return []string{fmt.Sprintf("num_train_epochs: %s # %s", number(t.Epochs), note)}, steps
}

// preference gives the tables of preference pairs.
func (in *Input) preference() ([]string, error) {
	m := in.Preference
	if m.Format != preferenceFormat {
		return nil, fmt.Errorf("shards: %s is in format %s; preference pairs are read in %s", in.Schedule.Preference, m.Format, preferenceFormat)
	}
	var files []string
	if in.Planned {
		files = append(files, path.Join(in.Root, in.Schedule.Preference, "*.parquet"))
	}
	for i := range m.Shards {
		files = append(files, path.Join(in.Root, in.Schedule.Preference, m.Shards[i].Name+".parquet"))
	}
	return files, nil
}

const llamaFactoryTemplate = `# LLaMA-Factory, in this folder: python tokenized.py, once, then llamafactory-cli train {{.P.Name}}.yaml
{{- if gt .P.Number 1}}
# A run of its own, with the model of the stage before and a new optimizer.
{{- end}}
model_name_or_path: {{yaml .Model}}{{if eq .Model "choose-a-model"}} # choose{{else if .Missing}} # not there yet: put here where the step before has saved it{{end}}
stage: sft # learns what the labels have: all, or what the loss mask says
do_train: true
finetuning_type: {{if .LoRA}}lora{{else}}full{{end}}{{if not .Training}} # choose{{end}}

tokenized_path: {{yaml (printf "tokenized/%s" .P.Name)}}
dataset: run-tokenized.py-first # not read where tokenized_path is
template: empty # nor is this: the rows are tokenized
{{- if .Packed}}
cutoff_len: {{.Cutoff}} # packing takes one off
neat_packing: true # attention stays within documents
{{- else}}
cutoff_len: {{.P.Length}}
packing: false
{{- if .Longer}}
# LLaMA-Factory does not cut rows that are tokenized: documents with more tokens are {{.Longer}} in the schedule.
{{- end}}
{{- end}}
disable_shuffling: true # the order is that of the shards
output_dir: {{yaml (printf "output/%s" .P.Name)}}

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

const llamaFactoryPreference = `# LLaMA-Factory, in this folder: python tokenized.py, once, then llamafactory-cli train preference.yaml
model_name_or_path: {{yaml .Model}}{{if eq .Model "choose-a-model"}} # choose{{else if .Missing}} # not there yet: put here where the step before has saved it{{end}}
stage: dpo
do_train: true
finetuning_type: {{if .LoRA}}lora{{else}}full{{end}}{{if not .Training}} # choose{{end}}

tokenized_path: "tokenized/preference"
dataset: run-tokenized.py-first # not read where tokenized_path is
template: empty # nor is this: the pairs are tokenized
cutoff_len: {{.Length}}
disable_shuffling: true # the order is that of the shards
output_dir: "output/preference"

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

const llamaFactoryScript = `"""Makes the folders that LLaMA-Factory reads as tokenized_path, with datasets.save_to_disk, of the shards' tables."""
import datasets

IGNORED = -100  # label of a token that is not learnt


def row(r):
    ids = r["input_ids"]
    labels = r.get("labels")
    if labels is None:
        mask = r.get("assistant_masks") or [1] * len(ids)
        labels = [i if m else IGNORED for i, m in zip(ids, mask)]
    out = {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels}
    lengths = r.get("seq_lengths")
    if lengths is not None:
        out["position_ids"] = [k for n in lengths for k in range(n)]
    elif "position_ids" in r:
        out["position_ids"] = r["position_ids"]
    if "position_ids" in out:  # packed: the number of the document, from 1
        number, out["attention_mask"] = 0, []
        for k in out["position_ids"]:
            number += k == 0
            out["attention_mask"].append(number)
    return out


def pair(r):
    out = {}
    for side in ("chosen", "rejected"):
        ids = r["prompt_ids"] + r[side + "_ids"]
        out[side + "_input_ids"] = ids
        out[side + "_attention_mask"] = [1] * len(ids)
        out[side + "_labels"] = [IGNORED] * len(r["prompt_ids"]) + r[side + "_ids"]
    return out


def make(folder, make_row, files):
    table = datasets.load_dataset("parquet", data_files=files, split="train")
    table = table.map(make_row, remove_columns=table.column_names)
    datasets.DatasetDict({"train": table}).save_to_disk("tokenized/" + folder)


if __name__ == "__main__":
{{- range .}}
    make(
        {{python .Name}},
        {{if .Pairs}}pair{{else}}row{{end}},
        [
{{- range .Files}}
            {{python .}},
{{- end}}
        ],
    )
{{- end}}
`
