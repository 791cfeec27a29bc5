"""datatrove's exact deduplication, its three steps with their defaults, over the JSON Lines of a folder.

usage: datatrove_exact.py DIR WORK_DIR

Prints one JSON object: how many documents are kept and a digest of their ids in order, CPU and wall seconds of the
three steps, from reading to deciding. Imports are told apart, as startup_cpu. What is kept is not written.
"""
import hashlib
import json
import os
import platform
import sys
import time
from importlib.metadata import version

answers = os.dup(1)  # the libraries may print what they like
os.dup2(2, 1)

from datatrove.data import Document  # noqa: E402
from datatrove.pipeline.dedup import ExactDedupConfig, ExactDedupFilter, ExactDedupSignature, ExactFindDedups  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402


def content(doc: Document) -> bytes:
    return doc.text.encode()


def main():
    work = sys.argv[2]
    config = ExactDedupConfig(content_getter=content)
    read = lambda: JsonlReader(sys.argv[1]).run(rank=0, world_size=1)  # noqa: E731
    startup = time.process_time()
    wall = time.perf_counter()
    ExactDedupSignature(work + "/signatures", config).run(read())
    ExactFindDedups(work + "/signatures", work + "/duplicates", config).run()
    kept, ids = 0, hashlib.sha256()
    for doc in ExactDedupFilter(work + "/duplicates", config).run(read()):
        kept += 1
        ids.update((doc.id + "\n").encode())
    wall = time.perf_counter() - wall
    cpu = time.process_time() - startup
    answer = {
        "kept": kept, "ids": ids.hexdigest(), "cpu": cpu, "wall": wall, "startup_cpu": startup,
        "version": version("datatrove"), "python": platform.python_version(),
    }
    os.write(answers, (json.dumps(answer) + "\n").encode())


main()
