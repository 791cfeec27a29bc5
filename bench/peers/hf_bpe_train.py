"""Merges that Hugging Face's BpeTrainer finds: the cases of tokenize/train's conformance test.

usage: hf_bpe_train.py OUT.jsonl.zst FOLDER

FOLDER holds eu.jsonl.zst and en.jsonl.zst (examples/pages). Writes one JSON object a case: corpus, settings in
curate's words, and the merges as "a b". The largest token of BpeTrainer is shorter than its max_token_length.
Needs tokenizers and zstandard.
"""
import io
import json
import sys
from importlib.metadata import version

import zstandard
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
# o200k_base, tiktoken_ext/openai_public.py of tiktoken.
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END = "<|endoftext|>"
CASES = [
    dict(corpus="eu", pre_tokenizer="llama3", vocab_size=4096, min_frequency=2, max_token_length=0, special=[END]),
    dict(corpus="eu", pre_tokenizer="gpt2", vocab_size=4096, min_frequency=2, max_token_length=0, special=[END]),
    dict(corpus="en", pre_tokenizer="llama3", vocab_size=2048, min_frequency=2, max_token_length=0, special=[]),
    dict(corpus="en", pre_tokenizer="gpt2", vocab_size=100000, min_frequency=5, max_token_length=0, special=[END]),
    dict(corpus="eu", pre_tokenizer="llama3", vocab_size=100000, min_frequency=1, max_token_length=0, special=[END]),
    dict(corpus="eu", pre_tokenizer="llama3", vocab_size=3000, min_frequency=3, max_token_length=4, special=[END]),
    dict(corpus="eu", pre_tokenizer="gpt2", vocab_size=700, min_frequency=2, max_token_length=2, special=[END]),
    # "kak" and "..." are spelled by merges too, and share their ids.
    dict(corpus="eu", pre_tokenizer="llama3", vocab_size=3000, min_frequency=2, max_token_length=0,
         special=["<s>", "kak", "...", "</s>"]),
    dict(corpus="en", pre_tokenizer="o200k", vocab_size=1500, min_frequency=2, max_token_length=0, special=[END]),
    dict(corpus="eu", pre_tokenizer="qwen2", vocab_size=1500, min_frequency=2, max_token_length=0, special=[END]),
    dict(corpus="eu", pre_tokenizer="llama3", vocab_size=1500, min_frequency=2, max_token_length=0, special=[END], seen_bytes=True),
    dict(corpus="eu", pre_tokenizer="llama3", vocab_size=1500, min_frequency=2, max_token_length=0, special=[END], seen_bytes=True,
         limit_alphabet=30),
]


def texts(name):
    with open(name, "rb") as f:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(f), encoding="utf-8", newline="\n"):
            yield json.loads(line)["text"]


def merges(folder, case):
    tok = Tokenizer(BPE())
    if case["pre_tokenizer"] == "gpt2":
        tok.pre_tokenizer = ByteLevel(add_prefix_space=False)
    else:
        pattern = {"llama3": LLAMA3, "o200k": O200K, "qwen2": QWEN2}[case["pre_tokenizer"]]
        split = Split(Regex(pattern), "isolated", invert=False)
        tok.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    if case["pre_tokenizer"] == "qwen2":
        tok.normalizer = NFC()
    tok.train_from_iterator(texts(f"{folder}/{case['corpus']}.jsonl.zst"), BpeTrainer(
        vocab_size=case["vocab_size"], min_frequency=case["min_frequency"], special_tokens=case["special"],
        max_token_length=case["max_token_length"] + 1 if case["max_token_length"] else None,
        initial_alphabet=[] if case.get("seen_bytes") else ByteLevel.alphabet(), show_progress=False,
        **{key: case[key] for key in ["limit_alphabet"] if key in case},
    ))
    model = json.loads(tok.to_str())["model"]
    return [m if isinstance(m, str) else " ".join(m) for m in model["merges"]], len(model["vocab"])


def main():
    out = io.BytesIO()
    for case in CASES:
        found, entries = merges(sys.argv[2], case)
        row = dict(case, tokenizers=version("tokenizers"), entries=entries, merges=found)
        out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    with open(sys.argv[1], "wb") as f:
        f.write(zstandard.ZstdCompressor(level=19).compress(out.getvalue()))


main()
