#!/usr/bin/env python3
"""MB of text per second of one core's time that sentencepiece encodes, on the texts of BenchmarkEncode of ./sentencepiece:

    bench/sentencepiece_speed.py DATA/lohelp MODEL...
"""

import glob
import json
import pathlib
import resource
import sys

import sentencepiece
import zstandard


def processor_seconds():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime


def main():
    size, texts, n = 4 << 20, [], 0
    files = sorted(glob.glob(sys.argv[1] + "/??.jsonl.zst"))
    for i, file in enumerate(files):
        share = size * (i + 1) // len(files)
        for line in zstandard.open(file, "rt", encoding="utf-8"):
            if n >= share:
                break
            texts.append(json.loads(line)["text"])
            n += len(texts[-1].encode())
    for model in sys.argv[2:]:
        sp = sentencepiece.SentencePieceProcessor(model_file=model)
        for run in "first", "second":
            start = processor_seconds()
            tokens = sum(len(sp.encode(text)) for text in texts)
            print(f"{pathlib.Path(model).name} {run}: {n / 1e6 / (processor_seconds() - start):.1f} MB/cpu-s, {tokens} tokens")


if __name__ == "__main__":
    main()
