#!/usr/bin/env python3
"""Asks curate serve with lm-evaluation-harness's local-completions.

    python3 -m venv VENV && VENV/bin/pip install 'lm_eval[api]==0.4.13' transformers
    VENV/bin/python bench/lm_eval_serve.py BASE_URL NAME TOKENIZER MAX_LENGTH BATCH CONCURRENT CHOICE.jsonl PAIRS.jsonl TEXTS.jsonl

One JSON line says what came out: the version, and of each task its metrics (those of choices and pairs are accuracies, those of
texts bits a byte and perplexities) and, row by row, the log-probabilities that they were made from.
"""
import json, os, sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

import lm_eval
from lm_eval.models.openai_completions import LocalCompletionsAPI

url, name, tokenizer, length, batch, concurrent, choice, pairs, texts = sys.argv[1:]


def task(name, file, **more):
    return {
        "task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": os.path.abspath(file)}}, "test_split": "test",
        "metadata": {"version": 1}, **more,
    }


lists = [
    task("choice", choice, output_type="multiple_choice", doc_to_text="{{question}}", doc_to_choice="{{choices}}", doc_to_target="answer",
         metric_list=[{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm")]),
    task("pairs", pairs, output_type="multiple_choice", doc_to_text="", doc_to_choice="{{[good, bad]}}", doc_to_target=0, target_delimiter="",
         metric_list=[{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]),
    task("bits", texts, output_type="loglikelihood_rolling", doc_to_text="", doc_to_target="{{text}}",
         metric_list=[{"metric": m} for m in ("bits_per_byte", "byte_perplexity", "word_perplexity")]),
]
model = LocalCompletionsAPI(
    base_url=url + "/completions", model=name, tokenizer=tokenizer, tokenizer_backend="huggingface", max_length=int(length) + 1,
    batch_size=int(batch), num_concurrent=int(concurrent), max_retries=1,
)
out = lm_eval.simple_evaluate(model, tasks=lists, log_samples=True, bootstrap_iters=0)
results = {
    t: {k.split(",")[0]: v for k, v in r.items() if isinstance(v, float) and "stderr" not in k} for t, r in out["results"].items()
}


def numbers(resps):
    """lm-eval's lists of lists of (log p, greedy), or of log p, as one list of log p."""
    for r in resps:
        if isinstance(r, (list, tuple)):
            if len(r) == 2 and isinstance(r[0], float) and isinstance(r[1], bool):
                yield r[0]
            else:
                yield from numbers(r)
        else:
            yield float(r)


rows = {t: [list(numbers(s["resps"])) for s in sorted(samples, key=lambda s: s["doc_id"])] for t, samples in out["samples"].items()}
print(json.dumps({"version": lm_eval.__version__, "results": results, "log_probs": rows}))
