"""Greedy texts of a llama in PyTorch, one token of each at a time, with keys and values kept.

usage: torch_decode.py FOLDER TOKENS PROMPT N THREADS TEXTS

The first PROMPT numbers of TOKENS, raw int32, are the first text's prompt, the next those of the next. Prints one JSON
object: the N tokens that follow each, one text behind the other, the logit of each, and wall and CPU seconds of all but the
first tokens, which the prompts give.
"""
import json
import sys
import time

import numpy
import torch

sys.dont_write_bytecode = True
import torch_llama  # noqa: E402


def main():
    folder, file = sys.argv[1:3]
    prompt, n, threads, texts = map(int, sys.argv[3:7])
    torch.set_num_threads(threads)
    tokens = torch.from_numpy(numpy.fromfile(file, "<i4", texts * prompt).astype("int64").reshape(texts, prompt))
    ids, logits = [], []
    with torch.inference_mode():
        model = torch_llama.Llama(folder, prompt + n)
        caches, position = model.caches(texts, prompt + n), 0
        for i in range(n):
            if i == 1:
                wall, cpu = time.perf_counter(), time.process_time()
            out = model(tokens, caches, position)[:, -1]
            position += tokens.shape[1]
            best = out.max(-1)
            ids.append(best.indices)
            logits.append(best.values)
            tokens = best.indices.view(texts, 1)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    ids, logits = (torch.stack(x, 1).flatten().tolist() for x in (ids, logits))
    print(json.dumps({"ids": ids, "logits": logits, "wall": wall, "cpu": cpu, **torch_llama.about()}))


main()
