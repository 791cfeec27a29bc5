"""Translations by transformers' generate().

usage: marian_transformers.py MODEL TEXTS BEAMS THREADS equal|sorted

TEXTS is a JSON list of strings. Batches have 32 texts. With `sorted`, they are made of all texts, sorted by length, and end
where the longest of a batch may: max_new_tokens is 2.5 times its source + 8. With `equal`, all sources of a batch have one length, so
that each text gets its own end, and no padding; and there are scores. Prints one JSON object: texts, tokens (without the start and
padding), with `equal` the mean log-probabilities of a text's tokens, and wall and CPU seconds of generate() alone, without tokenizing; the first batch
is made once more before.
"""
import itertools
import json
import sys
import time

import torch
import transformers

BATCH = 32


def main():
    equal = sys.argv[5] == "equal"
    folder, file = sys.argv[1:3]
    beams, threads = map(int, sys.argv[3:5])
    torch.set_num_threads(threads)
    with open(file, encoding="utf-8") as f:
        sources = json.load(f)
    tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
    model = transformers.MarianMTModel.from_pretrained(folder, dtype=torch.float32).eval()
    fixed = model.generation_config.max_length if model.generation_config.min_length else None
    ids = [tokenizer(s)["input_ids"] for s in sources]
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    groups = [order]
    if equal:
        groups = [list(g) for _, g in itertools.groupby(order, key=lambda i: len(ids[i]))]
    batches = [g[i:i + BATCH] for g in groups for i in range(0, len(g), BATCH)]
    pad = model.config.pad_token_id

    def translate(batch):
        longest = max(len(ids[i]) for i in batch)
        x = torch.tensor([ids[i] + [pad] * (longest - len(ids[i])) for i in batch])
        limit = {} if fixed else {"max_new_tokens": int(2.5 * longest) + 8}
        return model.generate(x, attention_mask=(x != pad).long(), num_beams=beams, do_sample=False, return_dict_in_generate=True, output_scores=equal, **limit)

    texts, tokens, scores, wall, cpu = [""] * len(ids), [0] * len(ids), [0.0] * len(ids), 0.0, 0.0
    with torch.inference_mode():
        translate(batches[0])
        for batch in batches:
            began, used = time.perf_counter(), time.process_time()
            out = translate(batch)
            wall += time.perf_counter() - began
            cpu += time.process_time() - used
            if equal:
                each = model.compute_transition_scores(out.sequences, out.scores, getattr(out, "beam_indices", None), normalize_logits=beams == 1)
            for k, (i, sequence) in enumerate(zip(batch, out.sequences[:, 1:])):
                texts[i] = tokenizer.decode(sequence, skip_special_tokens=True)
                tokens[i] = n = int((sequence != pad).sum())
                if equal:
                    scores[i] = float(each[k][:n].mean())
    print(json.dumps({"texts": texts, "tokens": tokens, "scores": scores, "wall": wall, "cpu": cpu,
                      "version": f"transformers {transformers.__version__}, torch {torch.__version__}", "kernels": torch.backends.cpu.get_cpu_capability()}))


main()
