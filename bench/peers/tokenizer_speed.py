"""Ids and speed of other tokenizers on the texts of JSON Lines.

usage: tokenizer_speed.py PEER TOKENIZER.json NAME FILE

PEER is gigatoken, quicktok, tiktoken or tokenizers; NAME is what the tokenizer is called, by which quicktok finds its
own. All texts are given at once, on one thread, special tokens in them parsed or not: there are none. Prints one JSON
object: documents, ids, sha256 of all ids one behind the other as 32 bits little-endian, CPU seconds of the first call
(cold) and the least of three further ones (warm, if the peer remembers anything), and the peer's version. A peer that does not know
the tokenizer says so in "skipped". Needs the peer, and numpy.
"""
import hashlib
import json
import sys
import time
from importlib.metadata import version

import numpy

peer, file, name, data = sys.argv[1:]


def gigatoken():
    import gigatoken

    tok = gigatoken.Tokenizer(file)
    return lambda texts: tok.encode_batch(texts, parallel=False)


def quicktok():
    import quicktok

    own = {"cl100k": "cl100k_base", "gpt4o": "o200k_base", "llama31": "llama3", "qwen3": "qwen3"}
    if name not in own:
        return None
    tok = quicktok.get_encoding(own[name])
    return lambda texts: [tok.encode_batch(texts, threads=1)[0]]


def tiktoken():
    import tiktoken

    with open(file, encoding="utf-8") as f:
        d = json.load(f)
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [b for b in range(256) if b not in printable]
    byte = {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(other)}
    # Ids are ranks in these vocabularies.
    ranks = {bytes(byte[c] for c in t): i for t, i in d["model"]["vocab"].items() if all(c in byte for c in t)}
    pre = d["pre_tokenizer"]
    split = [p["pattern"]["Regex"] for p in pre.get("pretokenizers", []) if p["type"] == "Split"]
    if "ByteLevel" not in json.dumps(pre) or len(split) > 1 or d["model"]["type"] != "BPE":
        return None
    gpt2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
    tok = tiktoken.Encoding(name, pat_str=split[0] if split else gpt2, mergeable_ranks=ranks, special_tokens={})
    if d["normalizer"] is None:
        return lambda texts: tok.encode_ordinary_batch(texts, num_threads=1)
    import unicodedata

    return lambda texts: tok.encode_ordinary_batch([unicodedata.normalize("NFC", t) for t in texts], num_threads=1)


def tokenizers():
    from tokenizers import Tokenizer

    tok = Tokenizer.from_file(file)
    tok.no_truncation()
    tok.no_padding()
    return lambda texts: [e.ids for e in tok.encode_batch_fast(texts, add_special_tokens=False)]


def main():
    with open(data, encoding="utf-8", newline="\n") as f:
        texts = [json.loads(line)["text"] for line in f]
    encode = {"gigatoken": gigatoken, "quicktok": quicktok, "tiktoken": tiktoken, "tokenizers": tokenizers}[peer]()
    package = {"quicktok": "quicktok-v1"}.get(peer, peer)
    if encode is None:
        print(json.dumps({"skipped": "it has no such tokenizer", "version": version(package)}))
        return
    times = []
    for _ in range(4 if peer in ("gigatoken", "quicktok") else 1):
        began = time.process_time()
        out = encode(texts)
        times.append(time.process_time() - began)
    digest, count = hashlib.sha256(), 0
    for ids in out:
        a = numpy.asarray(ids, dtype="<u4")
        digest.update(a.tobytes())
        count += len(a)
    print(json.dumps({
        "documents": len(texts), "ids": count, "sha256": digest.hexdigest(), "cold": times[0],
        "warm": min(times[1:], default=0), "version": version(package),
    }))


main()
