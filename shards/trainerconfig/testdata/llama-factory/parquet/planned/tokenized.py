"""Makes the folders that LLaMA-Factory reads as tokenized_path, with datasets.save_to_disk, of the shards' tables."""
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
    make(
        "pretrain-1-length-512",
        row,
        [
            "/data/shards/length-512/*.parquet",
        ],
    )
    make(
        "pretrain-2-length-2048",
        row,
        [
            "/data/shards/length-2048/*.parquet",
        ],
    )
