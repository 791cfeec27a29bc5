"""rustbpe on the texts of JSON Lines, with the regex of `curate tokenizer train`'s default pre-tokenizer.

usage: rustbpe_train.py VOCAB_SIZE FILE…

FILE is JSON Lines, plain or .zst. Prints one JSON object: entries, and sha256 of the tokens in the order of their ranks,
each as hexadecimal digits on a line; CPU and wall seconds from reading to the trained ranks. Imports are left out.
Needs rustbpe, and zstandard for .zst.
"""
import hashlib
import io
import json
import sys
import time
from importlib.metadata import version

import rustbpe
import zstandard

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
    tok = rustbpe.Tokenizer()
    tok.train_from_iterator(texts(sys.argv[2:]), vocab_size=int(sys.argv[1]), pattern=LLAMA3)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    ranks = sorted(tok.get_mergeable_ranks(), key=lambda r: r[1])
    digest = hashlib.sha256("".join(bytes(token).hex() + "\n" for token, _ in ranks).encode()).hexdigest()
    print(json.dumps({"entries": len(ranks), "sha256": digest, "cpu": cpu, "wall": wall, "version": version("rustbpe")}))


main()
