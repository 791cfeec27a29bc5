"""datatrove's JsonlReader and DocumentTokenizer, one task, batches of 1,000 documents and else its defaults: JSON Lines
of a folder, plain or .zst, to a .ds file with its index.

usage: datatrove_tokens.py DIR TOKENIZER.json EOD_ID OUT_DIR

Prints one JSON object: documents and tokens that were written, the sha256 of the sha256 of each document's ids as u32
little-endian, sorted, and CPU and wall seconds from reading to the file. Imports and loading the tokenizer are told
apart, as startup_cpu.
"""
import glob
import hashlib
import json
import os
import platform
import sys
import time
from importlib.metadata import version

answers = os.dup(1)  # the libraries may print what they like
os.dup2(2, 1)
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.tokens import DocumentTokenizer  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402


def main():
    folder, tokenizer, eod, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    step = DocumentTokenizer(out, tokenizer, eos_token=Tokenizer.from_file(tokenizer).id_to_token(eod), batch_size=1000)
    step.tokenizer  # is loaded when it is first wanted
    startup = time.process_time()
    wall = time.perf_counter()
    for _ in step.run(JsonlReader(folder).run(rank=0, world_size=1), rank=0, world_size=1) or ():
        pass
    wall = time.perf_counter() - wall
    cpu = time.process_time() - startup
    (file,) = glob.glob(out + "/*.ds")
    ids = numpy.fromfile(file, "<u2" if step.token_size == 2 else "<u4").astype("<u4")
    ends = numpy.fromfile(file + ".index", "<u8").astype(int).tolist()
    assert ends[-1] == len(ids)
    documents = sorted(hashlib.sha256(ids[first:after].tobytes()).digest() for first, after in zip([0] + ends[:-1], ends))
    answer = {
        "documents": len(ends), "tokens": len(ids), "sha256_sorted_documents": hashlib.sha256(b"".join(documents)).hexdigest(),
        "cpu": cpu, "wall": wall, "startup_cpu": startup, "version": version("datatrove"), "python": platform.python_version(),
    }
    os.write(answers, (json.dumps(answer) + "\n").encode())


main()
