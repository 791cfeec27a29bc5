#!/usr/bin/env python3
"""Reads a GGUF file with llama.cpp (llama-cpp-python).

    python3 -m venv VENV && VENV/bin/pip install llama-cpp-python      # compiles llama.cpp
    VENV/bin/python bench/llamacpp_model.py MODEL.gguf TOKENS.json LOGITS N [TEXTS.json]

It runs the rows of TOKENS.json (a list of lists of equal length) through the model, on one thread, with keys and values in float32.
The logits go to the file LOGITS, float32, little-endian, [rows, length, vocabulary]. One JSON line says what came out: the version,
the N tokens that greedy decoding adds to each row, the ids of each text of TEXTS.json without and with special tokens around it and in
it, the model's special tokens and its metadata's keys.
"""
import json, sys

import llama_cpp
import numpy as np

name, tokens, logits, n = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
with open(tokens) as f:
    rows = json.load(f)
m = llama_cpp.Llama(name, n_ctx=len(rows[0]) + n, n_batch=len(rows[0]) + n, logits_all=True, n_threads=1, n_threads_batch=1, type_k=0, type_v=0, flash_attn=False, verbose=False)
out, greedy = [], []
for row in rows:
    m.reset()
    m.eval(row)
    out.append(m.scores[: len(row)].copy())
    text = []
    while len(text) < n:
        text.append(int(m.scores[m.n_tokens - 1].argmax()))
        m.eval(text[-1:])
    greedy.append(text)
np.stack(out).astype("<f4").tofile(logits)
texts = []
if len(sys.argv) > 5:
    with open(sys.argv[5]) as f:
        texts = json.load(f)
print(json.dumps({
    "version": llama_cpp.__version__, "greedy": greedy, "vocabulary": m.n_vocab(),
    "ids": [m.tokenize(t.encode(), add_bos=False, special=False) for t in texts],
    "special_ids": [m.tokenize(t.encode(), add_bos=True, special=True) for t in texts],
    "bos": m.token_bos(), "eos": m.token_eos(), "keys": sorted(m.metadata), "template": m.metadata.get("tokenizer.chat_template", ""),
}))
