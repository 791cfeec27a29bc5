"""Training steps of a llama in PyTorch on the CPU: forward, cross-entropy, backward, clip_grad_norm_, fused AdamW.

usage: torch_train.py FOLDER TOKENS ROWS LENGTH STEPS THREADS f32|bf16 [compile]

FOLDER holds config.json and model.safetensors. TOKENS is raw int32, little-endian: for each step ROWS rows of LENGTH + 1
tokens, of which the first LENGTH are read and the last LENGTH predicted. bf16 is torch.autocast. With compile the model goes
through torch.compile. Prints one JSON object: of each step the loss, the norm of the gradients before they are clipped,
and wall and CPU seconds, that of all threads; and tokens a second, best and median, without the first two steps. Imports
and loading the model are in none.
"""
import json
import statistics
import sys
import time

import numpy
import torch
import torch.nn.functional as F

sys.dont_write_bytecode = True
import torch_llama  # noqa: E402

RATE, BETAS, EPSILON, DECAY, CLIP = 1e-3, (0.9, 0.95), 1e-8, 0.1, 1.0  # bench/train.go has the same
WARM = 2


def main():
    folder, file, rows, length, steps, threads, precision = sys.argv[1:8]
    rows, length, steps = int(rows), int(length), int(steps)
    torch.set_num_threads(int(threads))
    tokens = torch.from_numpy(numpy.fromfile(file, "<i4").astype("int64").reshape(-1, rows, length + 1))
    model = torch_llama.Llama(folder, length)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.dim() == 2], "weight_decay": DECAY},
            {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
        ],
        lr=RATE, betas=BETAS, eps=EPSILON, fused=True,
    )
    forward = torch.compile(model) if "compile" in sys.argv[8:] else model
    answer = {"losses": [], "norms": [], "wall": [], "cpu": [], **torch_llama.about()}
    for step in range(steps):
        wall, cpu = time.perf_counter(), time.process_time()
        inputs, targets = tokens[step, :, :-1], tokens[step, :, 1:]
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = forward(inputs)
            loss = F.cross_entropy(logits.view(rows * length, -1).float(), targets.reshape(-1))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        answer["losses"].append(loss.item())
        answer["norms"].append(norm.item())
        answer["wall"].append(time.perf_counter() - wall)
        answer["cpu"].append(time.process_time() - cpu)
    times = answer["wall"][WARM:] or answer["wall"]
    answer["tokens_per_s_best"] = rows * length / min(times)
    answer["tokens_per_s_median"] = rows * length / statistics.median(times)
    print(json.dumps(answer))


main()
