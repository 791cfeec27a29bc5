"""Writes tokens with a GGUF model by llama.cpp's own calls, and says how long that took.

    llamacpp_speed.py FILE THREADS PROMPT TOKENS

It needs llama_cpp (llama-cpp-python 0.3.36). Which token comes next is of no account: the same is given each time.
"""

import ctypes
import json
import resource
import sys
import time

import llama_cpp as l

path, threads, prompt, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
messages = []
listen = l.llama_log_callback(lambda _, text, __: messages.append(text.decode(errors="replace")))
l.llama_log_set(listen, ctypes.c_void_p(0))
l.llama_backend_init()
model = l.llama_model_load_from_file(path.encode(), l.llama_model_default_params())
if not model:
    raise SystemExit("".join(messages[-20:]))
params = l.llama_context_default_params()
params.n_ctx, params.n_batch, params.n_threads, params.n_threads_batch = prompt + tokens, prompt, threads, threads
ctx = l.llama_init_from_model(model, params)


def decode(n):
    ids = (l.llama_token * n)(*([7] * n))
    if l.llama_decode(ctx, l.llama_batch_get_one(ids, n)) != 0:
        raise SystemExit("llama_decode failed")
    return l.llama_get_logits(ctx)[0]  # waits until it is there


def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


began = cpu()
decode(prompt)
read = cpu() - began
began, used = time.monotonic(), cpu()
for _ in range(tokens):
    decode(1)
print(json.dumps({"wall": time.monotonic() - began, "cpu": cpu() - used, "prompt_cpu": read, "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
                  "version": l.__version__}))
