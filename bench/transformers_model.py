#!/usr/bin/env python3
"""Reads a model's folder with Hugging Face's transformers, or makes one.

    python3 -m venv VENV && VENV/bin/pip install torch transformers
    VENV/bin/python bench/transformers_model.py read MODEL TOKENS.json LOGITS N
    VENV/bin/python bench/transformers_model.py make CONFIG.json DIR SEED DTYPE SHARD_BYTES

read loads MODEL with AutoModelForCausalLM in float32 and runs the rows of TOKENS.json (a list of lists of equal length) through it.
The logits go to the file LOGITS, float32, little-endian, [rows, length, vocabulary]. One JSON line says what came out: the
version, the class, the digest of the logits, the N tokens that greedy decoding adds to each row, the special tokens of the
generation's configuration, keys of the weights that were missing or that nobody wanted, and all that was logged as a warning.

make saves a LlamaForCausalLM of random weights with save_pretrained.
"""
import hashlib, json, logging, os, sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import torch, transformers

torch.set_num_threads(1)


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def read(model, tokens, logits, n):
    heard = Warnings()
    transformers.utils.logging.get_logger("transformers").addHandler(heard)
    m, info = transformers.AutoModelForCausalLM.from_pretrained(model, torch_dtype=torch.float32, output_loading_info=True)
    m.eval()
    with open(tokens) as f:
        rows = torch.tensor(json.load(f))
    with torch.no_grad():
        raw = m(rows).logits.float().numpy().astype("<f4").tobytes()
        greedy = rows
        for _ in range(n):  # by hand: generate() stops at an end of text
            greedy = torch.cat([greedy, m(greedy).logits[:, -1:].argmax(-1)], 1)
    with open(logits, "wb") as f:
        f.write(raw)
    g = m.generation_config
    print(json.dumps({
        "version": transformers.__version__, "class": type(m).__name__, "sha256": hashlib.sha256(raw).hexdigest(),
        "greedy": greedy[:, rows.shape[1]:].tolist(), "bos": g.bos_token_id, "eos": g.eos_token_id,
        "missing": sorted(info["missing_keys"]), "unexpected": sorted(info["unexpected_keys"]), "mismatched": [str(k) for k in info["mismatched_keys"]],
        "tied": m.get_output_embeddings().weight is m.get_input_embeddings().weight,
        "warnings": [w for w in heard.lines if "torch_dtype" not in w],  # this script's own
    }))


def make(config, folder, seed, dtype, shard):
    torch.manual_seed(seed)
    with open(config) as f:
        c = transformers.LlamaConfig(**json.load(f))
    m = transformers.LlamaForCausalLM(c)
    with torch.no_grad():
        for p in m.parameters():
            p.copy_(torch.randn_like(p) * (0.3 if p.dim() > 1 else 0.1) + (0 if p.dim() > 1 else 1))
    m.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)
    print(json.dumps({"version": transformers.__version__, "files": sorted(os.listdir(folder))}))


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    if what == "read":
        read(args[0], args[1], args[2], int(args[3]))
    else:
        make(args[0], args[1], int(args[2]), args[3], int(args[4]))
