#!/usr/bin/env python3
"""Hands shards of the formats parquet and parquet-preference to TRL's own trainers, and trains a step.

    python3 -m venv VENV && VENV/bin/pip install trl datasets transformers pyarrow accelerate torch
    VENV/bin/python bench/trl_rows.py DIR_OR_FILE…

The files are loaded with datasets, SFTTrainer (or DPOTrainer) prepares them as it does for anybody, its collator makes
batches, and a random model of two layers takes one step on the CPU. One JSON line says what came out: rows, tokens,
sha256 of all tokens as u32 little-endian, learnt tokens, the loss. It ends with 1 if what the trainer was given differs
from what is in the files, if the tokens that are learnt depend on completion_only_loss, or if a piece of a packed row can
see the one before it.
"""
import glob, hashlib, json, math, os, struct, sys, tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import torch, transformers, trl
from datasets import disable_progress_bars, load_dataset
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer


def files(paths):
    out = []
    for p in paths:
        out += sorted(glob.glob(os.path.join(p, "*.parquet"))) if os.path.isdir(p) else [p]
    return out


class Digest:
    def __init__(self):
        self.hash, self.tokens = hashlib.sha256(), 0

    def add(self, ids):
        self.hash.update(struct.pack(f"<{len(ids)}I", *ids))
        self.tokens += len(ids)


def model(top):
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=top + 1, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=1 << 15, pad_token_id=0, bos_token_id=None, eos_token_id=1))


def tokenizer():
    t = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1, "<unk>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


class Tokenized(DPOTrainer):
    """DPOTrainer tokenizes whatever it is given, so rows that are tokenized have to pass its preparation by."""

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset


def first_loss(trainer):
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return next(h for h in trainer.state.log_history if "loss" in h)["loss"]


def isolated(m, batch):
    """Whether the logits of the second piece stay the same when the first becomes another, and would not without
    positions."""
    m.eval()
    starts = (batch["position_ids"][0] == 0).nonzero().flatten().tolist()
    ends = starts[1:] + [batch["input_ids"].shape[1]]
    a, b = starts[1], ends[1]
    other = batch["input_ids"].clone()
    other[0, :a] = (other[0, :a] + 1) % m.config.vocab_size

    def same(positions):
        with torch.no_grad():
            x = m(input_ids=batch["input_ids"], position_ids=positions).logits
            y = m(input_ids=other, position_ids=positions).logits
        return torch.allclose(x[0, a:b], y[0, a:b], atol=1e-6)

    return same(batch["position_ids"]) and not same(torch.arange(other.shape[1])[None])


MASKS = ("completion_mask", "assistant_masks")


def rows(data, out, tmp):
    packed, masked = "seq_lengths" in data.column_names, "completion_mask" in data.column_names
    top = max(max(r["input_ids"]) for r in data)
    raw, learnt, starts, wrong, want = Digest(), 0, 0, [], []
    for r in data:
        raw.add(r["input_ids"])
        mask = r["completion_mask"] if masked else [1] * len(r["input_ids"])
        if masked and mask != r["assistant_masks"]:
            wrong.append("the two masks differ")
        learnt += sum(mask)
        starts += len(r["seq_lengths"]) if packed else 0
        want.append([t if m else -100 for t, m in zip(r["input_ids"], mask, strict=True)])
    out.update(trainer="SFTTrainer", packed=packed, masked=masked, rows=len(data), tokens=raw.tokens,
               sha256=raw.hash.hexdigest(), learnt=learnt)
    if masked != all(c in data.column_names for c in MASKS):
        wrong.append("one mask of two")
    # The same tokens are learnt whatever completion_only_loss says.
    for only in (None, True, False) if masked else (None,):
        got, bad = trained(data, raw, want, starts, top, packed, only, os.path.join(tmp, str(only)))
        out["completion_only_loss" if only is None else f"completion_only_loss={only}"] = got
        wrong += [f"{w} with completion_only_loss={only}" for w in bad]
    out["loss"] = out["completion_only_loss"]["loss"]
    if any(v["loss"] != out["loss"] for k, v in out.items() if k.startswith("completion_only_loss")):
        wrong.append("losses differ")
    return wrong


def trained(data, raw, want, starts, top, packed, only, tmp):
    """One trainer: what it made of the data, and what is wrong with that."""
    learnt, given, labels, begins, wrong = sum(l != -100 for w in want for l in w), Digest(), 0, 0, []
    config = SFTConfig(
        output_dir=tmp, max_length=None, packing=False, padding_free=packed, completion_only_loss=only, per_device_train_batch_size=2,
        max_steps=1, logging_steps=1, use_cpu=True, bf16=False, report_to="none", save_strategy="no", disable_tqdm=True,
        gradient_checkpointing=False)
    trainer = SFTTrainer(model=model(top), args=config, train_dataset=data, processing_class=tokenizer())
    prepared = trainer.train_dataset
    if "labels" in prepared.column_names and [r["labels"] for r in prepared] != want:
        wrong.append("labels")
    columns = ("input_ids", "labels", "seq_lengths") + MASKS
    kept = prepared.select_columns([c for c in prepared.column_names if c in columns])
    for i in range(0, len(kept), 2):
        part = range(i, min(i + 2, len(kept)))
        batch = trainer.data_collator([kept[k] for k in part])
        if packed:
            if "attention_mask" in batch:
                wrong.append("a batch without padding has an attention mask")
            given.add(batch["input_ids"][0].tolist())
            begins += int((batch["position_ids"] == 0).sum())
            if batch["position_ids"][0].tolist() != [n for k in part for l in kept[k]["seq_lengths"] for n in range(l)]:
                wrong.append(f"positions of rows {i}, {i + 1}")
            # TRL leaves out the first token of each piece, which nothing before it predicts.
            first = (batch["position_ids"][0] == 0).tolist()
            expected = [-100 if f else l for f, l in zip(first, [l for k in part for l in want[k]], strict=True)]
            if batch["labels"][0].tolist() != expected:
                wrong.append(f"labels of rows {i}, {i + 1}")
        else:
            for ids, mask, l, k in zip(batch["input_ids"], batch["attention_mask"], batch["labels"], part, strict=True):
                given.add(ids[mask == 1].tolist())
                if l[mask == 1].tolist() != want[k] or (l[mask == 0] != -100).any():
                    wrong.append(f"labels of row {k}")
        labels += int((batch["labels"] != -100).sum())
    out = {"prepared_rows": len(prepared), "learnt_in_batches": labels}
    if packed:
        out.update(pieces=starts, pieces_in_batches=begins)
        out["isolated"] = isolated(trainer.model, trainer.data_collator([kept[k] for k in range(2)]))
        if starts != begins or not out["isolated"]:
            wrong.append("pieces")
    if given.hash.digest() != raw.hash.digest():
        wrong.append("tokens")
    if not packed and labels != learnt or packed and not learnt - starts <= labels <= learnt:
        wrong.append("learnt tokens")
    trainer.model.train()
    out["loss"] = first_loss(trainer)
    return out, wrong


def pairs(data, out, tmp):
    columns = ["prompt_ids", "chosen_ids", "rejected_ids"]
    raw, learnt, top, wrong = Digest(), 0, 0, []
    for r in data:
        raw.add([t for c in columns for t in r[c]])
        learnt += len(r["chosen_ids"]) + len(r["rejected_ids"])
        top = max([top] + [t for c in columns for t in r[c]])
    def config():
        return DPOConfig(
            output_dir=tmp, max_length=None, per_device_train_batch_size=2, max_steps=1, logging_steps=1, use_cpu=True,
            bf16=False, report_to="none", save_strategy="no", disable_tqdm=True, gradient_checkpointing=False)
    try:
        DPOTrainer(model=model(top), ref_model=model(top), args=config(), train_dataset=data, processing_class=tokenizer())
        out["as_it_is"] = "accepted"
    except Exception as e:  # what DPOTrainer says of tokenized rows, if it does not take them
        out["as_it_is"] = f"{type(e).__name__}: {e}"
    trainer = Tokenized(model=model(top), ref_model=model(top), args=config(), train_dataset=data, processing_class=tokenizer())
    completions = 0
    for i in range(0, len(data), 2):
        part = [data[k] for k in range(i, min(i + 2, len(data)))]
        batch = trainer.data_collator(part)
        completions += int(batch["completion_mask"].sum())
        got = [ids[mask == 1].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"])]
        if got != [r["prompt_ids"] + r[c] for c in columns[1:] for r in part]:
            wrong.append(f"tokens of rows {i}, {i + 1}")
    out.update(trainer="DPOTrainer", rows=len(data), tokens=raw.tokens, sha256=raw.hash.hexdigest(), learnt=learnt,
               learnt_in_batches=completions)
    if completions != learnt:
        wrong.append("learnt tokens")
    out["loss"] = first_loss(trainer)
    if abs(out["loss"] - math.log(2)) > 1e-3:  # the model is its own reference at the first step
        wrong.append("loss")
    return wrong


def main():
    disable_progress_bars()
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as tmp:
        data = load_dataset("parquet", data_files=files(sys.argv[1:]), split="train", cache_dir=os.path.join(tmp, "cache"))
        out = {"columns": {n: str(f) for n, f in data.features.items()}, "trl": trl.__version__}
        wrong = (pairs if "chosen_ids" in data.column_names else rows)(data, out, tmp)
    if not math.isfinite(out["loss"]):
        wrong.append("loss")
    out["wrong"] = wrong
    print(json.dumps(out))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
