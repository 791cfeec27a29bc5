"""The loop of Megatron-LM's tools/preprocess_data.py in one process: JSON Lines of a folder, plain or .zst, to .bin and
.idx. Each line goes through json.loads and Hugging Face's tokenizers, gets the EOD, and is given to megatron-core's own
IndexedDatasetBuilder. (The script is not in megatron-core's package, and wraps the tokenizer in transformers.)

usage: megatron_tokens.py DIR TOKENIZER.json EOD_ID OUT_PREFIX

Prints one JSON object: documents and tokens that were written, read again as megatron_read.py does, and CPU and wall
seconds of the loop. Imports and loading the tokenizer are told apart, as startup_cpu.
"""
import glob
import io
import json
import os
import platform
import sys
import time
from importlib.metadata import version

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy  # noqa: E402
import zstandard  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

import megatron_read  # noqa: E402


def lines(folder):
    for name in sorted(glob.glob(folder + "/*.jsonl*")):
        with open(name, "rb") as f:
            if name.endswith(".zst"):
                f = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True)
            yield from io.TextIOWrapper(f, encoding="utf-8", newline="\n")


def main():
    folder, tokenizer, eod, prefix = sys.argv[1], Tokenizer.from_file(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    dataset, _ = megatron_read.indexed_dataset()
    module = sys.modules[dataset.__module__]
    builder = module.IndexedDatasetBuilder(prefix + ".bin", dtype=module.DType.optimal_dtype(tokenizer.get_vocab_size()))
    startup = time.process_time()
    wall = time.perf_counter()
    for line in lines(folder):
        ids = tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids
        if ids:
            ids.append(eod)
            builder.add_document(ids, [len(ids)])
    builder.finalize(prefix + ".idx")
    wall = time.perf_counter() - wall
    cpu = time.process_time() - startup
    d = dataset(prefix, multimodal=False, mmap=True)
    print(json.dumps({
        "documents": len(d.document_indices) - 1, "tokens": int(numpy.sum(d.index.sequence_lengths)),
        "cpu": cpu, "wall": wall, "startup_cpu": startup, "version": version("megatron-core"), "python": platform.python_version(),
    }))


main()
