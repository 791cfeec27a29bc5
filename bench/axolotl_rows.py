#!/usr/bin/env python3
"""Hands shards of the format parquet-axolotl to axolotl's own loader, collator and trainer, and trains a step.

    python3 -m venv VENV && VENV/bin/pip install axolotl
    VENV/bin/python bench/axolotl_rows.py DIR_OR_FILE…

axolotl pins what it needs; on a machine without a GPU, `pip install --no-deps axolotl` and trl in the version that it
asks for, with datasets, transformers, peft, accelerate and torch, are enough for this. What is run is what `axolotl
train` runs: validate_config, prepare_datasets, setup_trainer, train, with a random model of two layers on the CPU; rows
that are not packed go once as they are and once through axolotl's own packing; those that are packed go as
shards/trainerconfig says, and without each of the two settings that keep attention within pieces. One JSON line says what came out: rows,
tokens, sha256 of all tokens as u32 little-endian, learnt tokens, losses. It ends with 1 if what the trainer was given
differs from what is in the files, or if a piece of a packed row can see the one before it.
"""
import glob, hashlib, json, logging, math, os, struct, sys, tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("AXOLOTL_DO_NOT_TRACK", "1")
os.environ.setdefault("WANDB_MODE", "disabled")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch, transformers
from datasets import disable_progress_bars, load_dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from axolotl.monkeypatch.data.batch_dataset_fetcher import apply_multipack_dataloader_patch, remove_multipack_dataloader_patch
from axolotl.utils.config import validate_config
from axolotl.utils.data import prepare_datasets
from axolotl.utils.dict import DictDefault
from axolotl.utils.trainer import setup_trainer


def files(paths):
    out = []
    for p in paths:
        out += sorted(glob.glob(os.path.join(p, "*.parquet"))) if os.path.isdir(p) else [p]
    return out


def model(top):
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=top + 1, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=1 << 15, pad_token_id=0, bos_token_id=None, eos_token_id=1))


def tokenizer():
    t = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1, "<unk>": 2, "kaixo": 3}, unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def summary(data):
    """Digest, tokens and learnt tokens of a dataset, and what its columns say that the ids do not."""
    digest, tokens, learnt, wrong = hashlib.sha256(), 0, 0, []
    for i, r in enumerate(data):
        ids, labels = r["input_ids"], r["labels"]
        digest.update(struct.pack(f"<{len(ids)}I", *ids))
        tokens += len(ids)
        learnt += sum(l != -100 for l in labels)
        if any(l not in (-100, t) for l, t in zip(labels, ids, strict=True)) or r["attention_mask"] != [1] * len(ids):
            wrong.append(f"row {i}")
    return digest.hexdigest(), tokens, learnt, wrong


def isolated(m, batch):
    """Whether the logits of the second piece stay the same when the first becomes another, and would not without
    positions. The model is given what the trainer gives it."""
    m.eval()
    given = {k: v for k, v in batch.items() if k in ("input_ids", "attention_mask", "position_ids")}
    a, b = ((given["position_ids"][0] == 0).nonzero().flatten().tolist() + [given["input_ids"].shape[1]])[1:3]
    other = given["input_ids"].clone()
    other[0, :a] = (other[0, :a] + 1) % m.config.vocab_size

    def same(x):
        with torch.no_grad():
            return torch.allclose(m(**x).logits[0, a:b], m(**{**x, "input_ids": other}).logits[0, a:b], atol=1e-6)

    out = same(given) and not same({**given, "position_ids": torch.arange(other.shape[1])[None]})
    m.train()
    return out


def run(paths, width, top, tmp, name, extra, **settings):
    """What `axolotl train` does, up to a step; gives the dataset, the first batch and the loss."""
    base = os.path.join(tmp, "model")
    model(top).save_pretrained(base)
    tokenizer().save_pretrained(base)
    cfg = validate_config(DictDefault({
        "base_model": base,
        "datasets": [{"path": os.path.dirname(os.path.abspath(paths[0])), "data_files": paths, "ds_type": "parquet",
                      "type": "completion", "split": "train"}] + extra,
        "dataset_prepared_path": os.path.join(tmp, name, "prepared"), "output_dir": os.path.join(tmp, name, "out"),
        "sequence_len": width, "attn_implementation": "sdpa", "micro_batch_size": 1, "gradient_accumulation_steps": 1,
        "num_epochs": 1, "max_steps": 1, "optimizer": "adamw_torch", "learning_rate": 1e-4, "lr_scheduler": "constant",
        "bf16": False, "fp16": False, "val_set_size": 0, "use_cpu": True, "logging_steps": 1,
        "report_to": "none", "save_strategy": "no", "gradient_checkpointing": False, "seed": 1,
        "dataloader_num_workers": 0, "dataloader_pin_memory": False, **settings}))
    cfg.batch_size, cfg.world_size, cfg.model_config_type = 1, 1, "llama"
    cfg.dataset_num_proc = None  # in this process: datasets starts others, which import all of this, even for one
    # What PatchManager does before a model is loaded.
    apply_multipack_dataloader_patch() if cfg.sample_packing else remove_multipack_dataloader_patch()
    data, _, steps, _ = prepare_datasets(cfg, tokenizer())
    trainer = setup_trainer(cfg, data, None, model(top), tokenizer(), None, steps)
    for callback in (transformers.PrinterCallback, transformers.ProgressCallback):
        trainer.remove_callback(callback)
    batches = list(trainer.get_train_dataloader())
    several = next((b for b in batches if "position_ids" in b and (b["position_ids"][0] == 0).sum() > 1), None)
    ok = isolated(trainer.model, several) if several else None
    trainer.train()
    return data, batches, ok, next(h for h in trainer.state.log_history if "loss" in h)["loss"]


def seen(batches):
    """The sequences of all batches, as a set: tokens of a piece, with the labels of those that are learnt."""
    out = set()
    for b in batches:
        positions = b.get("position_ids")
        for k, ids in enumerate(b["input_ids"]):
            labels = b["labels"][k].tolist()
            ids = ids.tolist()
            starts = [0] if positions is None else (positions[k] == 0).nonzero().flatten().tolist()
            for a, e in zip(starts, starts[1:] + [len(ids)]):
                if positions is None and "attention_mask" in b:
                    e = int(b["attention_mask"][k].sum())
                if positions is not None and not any(ids[a:e]):  # padding is a piece of its own
                    continue
                out.add((tuple(ids[a:e]), tuple(labels[a:e])))
    return out


def main():
    disable_progress_bars()
    logging.disable(logging.INFO)
    transformers.logging.set_verbosity_error()
    paths = [os.path.abspath(f) for f in files(sys.argv[1:])]
    wrong = []
    with tempfile.TemporaryDirectory() as tmp:
        raw = load_dataset("parquet", data_files=paths, split="train", cache_dir=os.path.join(tmp, "cache"))
        packed = "position_ids" in raw.column_names
        digest, tokens, learnt, bad = summary(raw)
        wrong += bad
        width, top = max(len(r["input_ids"]) for r in raw), max(max(r["input_ids"]) for r in raw)
        want = set()
        for r in raw:
            starts = [k for k, p in enumerate(r["position_ids"]) if p == 0] if packed else [0]
            for a, e in zip(starts, starts[1:] + [len(r["input_ids"])]):
                want.add((tuple(r["input_ids"][a:e]), tuple(r["labels"][a:e])))
        out = {"columns": {n: str(f) for n, f in raw.features.items()}, "packed": packed, "rows": len(raw),
               "tokens": tokens, "sha256": digest, "learnt": learnt, "pieces": len(want)}
        # The first is what shards/trainerconfig writes; the others show what each of its settings is for.
        runs = {"packed": {"sample_packing": True, "skip_prepare_dataset": True},
                "no sample_packing": {"sample_packing": False}, "no skip_prepare_dataset": {"sample_packing": True}} if packed else {
            "rows": {"sample_packing": False}, "sample_packing": {"sample_packing": True}}
        for name, settings in runs.items():
            data, batches, ok, loss = run(paths, width, top, tmp, name, [], shuffle_merged_datasets=False, curriculum_sampling=True,
                                           pad_to_sequence_len=False, **settings)
            got, _, given, bad = summary(data)
            pieces = seen(batches)
            out[name] = {"columns": data.column_names, "learnt": given, "batches": len(batches), "in_batch": sorted(batches[0]),
                         "pieces_in_batches": len(pieces & want), "strange_pieces": len(pieces - want), "isolated": ok, "loss": loss, "row_a_batch_in_order":
                         [b["input_ids"][0].tolist() for b in batches] == [r["input_ids"] for r in raw]}
            if packed and name != "packed":
                if ok:  # it would not need what the other has
                    wrong.append(name)
                continue
            # The sampler may leave out a last batch that is not full (dataloader_drop_last).
            if got != digest or given != learnt or bad or ok is False or settings["sample_packing"] and not ok or pieces - want or len(pieces) < 0.8 * len(want) or not math.isfinite(loss):
                wrong.append(name)
        if not packed:
            text = os.path.join(tmp, "text.jsonl")
            with open(text, "w") as f:
                f.write(json.dumps({"text": "kaixo kaixo"}) + "\n")
            data, _, _, loss = run(paths, width, top, tmp, "joined", [{"path": text, "ds_type": "json", "type": "completion", "split": "train"}],
                                   sample_packing=False, shuffle_merged_datasets=False)
            out["joined_with_text"] = len(data) - len(raw)
            if len(data) != len(raw) + 1:
                wrong.append("joined")
    out["wrong"] = wrong
    print(json.dumps(out))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
