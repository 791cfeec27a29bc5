package trainerconfig

import (
	"fmt"
	"path"
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
	former := choose
	if len(in.Manifests) > 0 {
		all, err := in.plans(rows)
		if err != nil {
			return nil, err
		}
		for i, p := range all {
			f, err := fill(p.Name()+".yaml", llamaFactoryTemplate, map[string]any{
				"P": p, "Model": former, "Packed": p.Manifest.Packing != nil, "Longer": longer(in.Schedule, i), "Seed": seed(in.Schedule.Seed),
				"Cutoff": p.Length + 1,
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
			"Model": former, "Pairs": m.Sequences, "Length": m.Length, "Seed": seed(in.Schedule.Seed),
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

// preference gives the tables of preference pairs.
func (in *Input) preference() ([]string, error) {
	m := in.Preference
	if m.Format != preferenceFormat {
		return nil, fmt.Errorf("shards: %s is in format %s; preference pairs are read in %s", in.Schedule.Preference, m.Format, preferenceFormat)
	}
	var files []string
	for i := range m.Shards {
		files = append(files, path.Join(in.Root, in.Schedule.Preference, m.Shards[i].Name+".parquet"))
	}
	return files, nil
}

const llamaFactoryTemplate = `# LLaMA-Factory, in this folder: python tokenized.py, once, then llamafactory-cli train {{.P.Name}}.yaml
{{- if gt .P.Number 1}}
# A run of its own, with the model of the stage before and a new optimizer.
{{- end}}
model_name_or_path: {{yaml .Model}}{{if eq .P.Number 1}} # choose{{end}}
stage: sft # learns what the labels have: all, or what the loss mask says
do_train: true
finetuning_type: full # choose

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
num_train_epochs: 1 # rows: {{.P.Samples}}; full steps: {{.P.Steps}}
seed: {{.Seed}}
`

const llamaFactoryPreference = `# LLaMA-Factory, in this folder: python tokenized.py, once, then llamafactory-cli train preference.yaml
model_name_or_path: {{yaml .Model}}{{if eq .Model "choose-a-model"}} # choose{{end}}
stage: dpo
do_train: true
finetuning_type: full # choose

tokenized_path: "tokenized/preference"
dataset: run-tokenized.py-first # not read where tokenized_path is
template: empty # nor is this: the pairs are tokenized
cutoff_len: {{.Length}}
disable_shuffling: true # the order is that of the shards
output_dir: "output/preference"

per_device_train_batch_size: 1
gradient_accumulation_steps: 1 # choose
num_train_epochs: 1 # pairs: {{.Pairs}}
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
