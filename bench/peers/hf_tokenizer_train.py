"""Hugging Face's BpeTrainer on the texts of JSON Lines, with the settings of `curate tokenizer train`'s defaults.

usage: hf_tokenizer_train.py VOCAB_SIZE FILE…

FILE is JSON Lines, plain or .zst. Prints one JSON object: entries, number of merges and sha256 of them, a line "a b"
each; CPU and wall seconds from reading to the trained model. Imports are left out. Needs tokenizers, and zstandard for
.zst.
"""
import hashlib
import io
import json
import sys
import time
from importlib.metadata import version

import zstandard
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

# Llama 3's pre-tokenizer, from its tokenizer.json.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def texts(names):
    for name in names:
        with open(name, "rb") as f:
            if name.endswith(".zst"):
                f = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True)
            for line in io.TextIOWrapper(f, encoding="utf-8", newline="\n"):
                if line.strip():
                    yield json.loads(line)["text"]


def main():
    cpu, wall = time.process_time(), time.perf_counter()
    tok = Tokenizer(BPE())
    split = Split(Regex(LLAMA3), "isolated", invert=False)
    tok.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.train_from_iterator(texts(sys.argv[2:]), BpeTrainer(
        vocab_size=int(sys.argv[1]), min_frequency=2, special_tokens=["<|endoftext|>"],
        initial_alphabet=ByteLevel.alphabet(), show_progress=False,
    ))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    model = json.loads(tok.to_str())["model"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    digest = hashlib.sha256("".join(m + "\n" for m in merges).encode()).hexdigest()
    print(json.dumps({
        "entries": len(model["vocab"]), "merges": len(merges), "sha256": digest, "cpu": cpu, "wall": wall,
        "version": version("tokenizers"),
    }))


main()
