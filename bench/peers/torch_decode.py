"""Greedy text of a llama in PyTorch, one token at a time, with keys and values kept.

usage: torch_decode.py FOLDER TOKENS PROMPT N THREADS

The first PROMPT numbers of TOKENS, raw int32, are the prompt. Prints one JSON object: the N tokens that follow, the logit of
each, and wall and CPU seconds of all but the first, which the prompt gives.
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
    prompt, n, threads = map(int, sys.argv[3:6])
    torch.set_num_threads(threads)
    tokens = torch.from_numpy(numpy.fromfile(file, "<i4", prompt).astype("int64"))[None]
    ids, logits = [], []
    with torch.inference_mode():
        model = torch_llama.Llama(folder, prompt + n)
        caches, position = model.caches(prompt + n), 0
        for i in range(n):
            if i == 1:
                wall, cpu = time.perf_counter(), time.process_time()
            out = model(tokens, caches, position)[0, -1]
            position += tokens.shape[1]
            best = out.argmax()
            ids.append(best.item())
            logits.append(out[best].item())
            tokens = best.view(1, 1)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"ids": ids, "logits": logits, "wall": wall, "cpu": cpu, **torch_llama.about()}))


main()
