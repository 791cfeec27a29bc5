"""datatrove's MinHash deduplication, its four steps with their defaults, over the JSON Lines of a folder.

usage: datatrove_minhash.py DIR WORK_DIR

Defaults are 14 buckets of 8 values, 5-grams of English words, xxHash of 64 bits. What is kept is written to WORK_DIR
as plain JSON Lines. Prints one JSON object: the ids of what is kept, the number of each document's cluster in the order
of the input (-1: it is alone), CPU and wall seconds of the four steps and of each one. Imports and the load of the word
tokenizer are told apart, as startup_cpu; so is a second clustering, which writes the clusters down.
"""
import glob
import json
import os
import platform
import struct
import sys
import time
from importlib.metadata import version

answers = os.dup(1)  # the libraries may print what they like
os.dup2(2, 1)

from datatrove.pipeline.dedup import (  # noqa: E402
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402

WARM = "A first document, so that the tokenizer is there."


def main():
    folder, work = sys.argv[1:]
    config = MinhashConfig()
    read = lambda: JsonlReader(folder).run(rank=0, world_size=1)  # noqa: E731
    signature = MinhashDedupSignature(work + "/signatures", config=config)
    signature.get_shingles(WARM)

    startup, wall = time.process_time(), time.perf_counter()
    laps = [startup]
    signature.run(read(), 0, 1)
    laps.append(time.process_time())
    for rank in range(config.num_buckets):
        MinhashDedupBuckets(work + "/signatures", work + "/buckets", config=config).run(None, rank, config.num_buckets)
    laps.append(time.process_time())
    MinhashDedupCluster(work + "/buckets", work + "/remove", config=config).run(None, 0, 1)
    laps.append(time.process_time())
    kept = MinhashDedupFilter(work + "/remove").run(read(), 0, 1)
    for _ in JsonlWriter(work + "/kept", compression=None).run(kept, 0, 1):
        pass
    laps.append(time.process_time())
    wall = time.perf_counter() - wall

    MinhashDedupCluster(work + "/buckets", work + "/clusters", config=config, save_cluster_id=True).run(None, 0, 1)
    clusters = [-1] * sum(1 for _ in read())
    for name in glob.glob(work + "/clusters/*.clusters"):
        with open(name, "rb") as f:
            for doc, cluster in struct.iter_unpack("<2I", f.read()):
                clusters[doc] = cluster
    ids = []
    for name in sorted(glob.glob(work + "/kept/*.jsonl")):
        with open(name, encoding="utf-8") as f:
            ids += [json.loads(line)["id"] for line in f]
    answer = {
        "kept": ids, "clusters": clusters, "cpu": laps[-1] - startup, "wall": wall, "startup_cpu": startup,
        "steps_cpu": [round(b - a, 3) for a, b in zip(laps, laps[1:])],
        "version": version("datatrove"), "python": platform.python_version(),
    }
    os.write(answers, (json.dumps(answer) + "\n").encode())


main()
