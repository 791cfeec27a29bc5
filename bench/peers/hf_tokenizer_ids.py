"""The ids that Hugging Face's tokenizers gives the texts of JSON Lines.

usage: hf_tokenizer_ids.py TOKENIZER.json FILE…

FILE is JSON Lines, plain or .zst; each text is encoded alone, without adding special tokens, as `curate tokenize`
does. Prints one JSON object: documents, ids, sha256 of all ids one behind the other as 32 bits little-endian, how
many texts did not decode to themselves, CPU seconds of encoding: one by one, and in batches of 256 by
encode_batch_fast, which makes no offsets. Needs tokenizers, and zstandard for .zst.
"""
import array
import hashlib
import io
import json
import sys
import time
from importlib.metadata import version

from tokenizers import Tokenizer


def texts(name):
    with open(name, "rb") as f:
        if name.endswith(".zst"):
            import zstandard

            f = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True)
        for line in io.TextIOWrapper(f, encoding="utf-8", newline="\n"):
            if line.strip():
                yield json.loads(line)["text"]


def packed(ids):
    a = array.array("I", ids)
    if sys.byteorder == "big":
        a.byteswap()
    return a.tobytes()


def main():
    tok = Tokenizer.from_file(sys.argv[1])
    tok.no_truncation()
    tok.no_padding()
    digest, documents, count, differ, cpu, batch_cpu, batch = hashlib.sha256(), 0, 0, 0, 0.0, 0.0, []

    def batches():
        nonlocal batch_cpu
        began = time.process_time()
        found = tok.encode_batch_fast([text for text, _ in batch], add_special_tokens=False)
        batch_cpu += time.process_time() - began
        if [e.ids for e in found] != [ids for _, ids in batch]:
            sys.exit("encode_batch_fast and encode differ")
        batch.clear()

    for name in sys.argv[2:]:
        for text in texts(name):
            began = time.process_time()
            ids = tok.encode(text, add_special_tokens=False).ids
            cpu += time.process_time() - began
            differ += tok.decode(ids, skip_special_tokens=False) != text
            digest.update(packed(ids))
            documents += 1
            count += len(ids)
            batch.append((text, ids))
            if len(batch) == 256:
                batches()
    batches()
    print(json.dumps({
        "documents": documents, "ids": count, "sha256": digest.hexdigest(), "not_round_trip": differ, "cpu": round(cpu, 3),
        "batch_cpu": round(batch_cpu, 3), "version": version("tokenizers"),
    }))


main()
