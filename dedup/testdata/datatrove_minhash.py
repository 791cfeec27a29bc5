"""Runs datatrove's own MinHash deduplication, all four steps, one task an input file, and notes the digests of what it writes.

    python dedup/testdata/datatrove_minhash.py dedup/testdata/datatrove-minhash FILES

The folder has inputs.jsonl.zst, whose lines have a rank, an id and a text; "inputs" as a third argument makes it anew, from
filter-dedup/docs.jsonl.zst beside it. For each configuration below it gets NAME.sha256: the digest of every file of signatures/,
buckets/ and remove_ids/, and of the ids that are kept of each rank, a line each, as kept/RANK. The files themselves are left in
FILES/NAME. Needs datatrove[processing] 0.10 and the program zstd.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys

CONFIGS = {
    # the hash, its bits, n_grams, buckets, hashes a bucket, seed, workers a bucket
    "xxh64": ("xxhash", 64, 5, 14, 8, 1, 1),
    "xxh32": ("xxhash", 32, 5, 14, 8, 1, 1),
    "sha1-64": ("sha1", 64, 5, 14, 8, 1, 3),
    "sha1-32": ("sha1", 32, 3, 9, 5, 42, 2),
    "loose": ("xxhash", 64, 2, 20, 2, 4294967295, 1),
}
RANKS = 4  # of which the last has no documents


def zstd(*args, data=None):
    return subprocess.run(["zstd", "-q", *args], input=data, capture_output=True, check=True).stdout


def make_inputs(folder):
    rng = random.Random(11)
    rows = zstd("-dc", os.path.join(folder, "../filter-dedup/docs.jsonl.zst")).splitlines()
    texts = [t for t in (json.loads(row)["text"] for row in rows) if len(t) < 1500]
    for text in list(texts):
        if rng.random() < 0.5:
            for _ in range(rng.randrange(1, 5)):  # a chain of edits, or copies
                words = text.split(" ")
                for _ in range(int(len(words) * 0.1 * rng.random())):
                    words[rng.randrange(len(words))] = f"edit{rng.randrange(1000)}"
                text = " ".join(words)
                texts.append(text)
    texts += ["", "   ", "!!! ...", "a b c", "one two three four five", "One, two, three: four five!"] * 3
    rng.shuffle(texts)
    lines = []
    for i, text in enumerate(texts):
        rank = i * (RANKS - 1) // len(texts)
        lines.append(json.dumps({"rank": rank, "id": f"{rank}-{i}", "text": text}, ensure_ascii=False) + "\n")
    zstd("-19", "-f", "-o", os.path.join(folder, "inputs.jsonl.zst"), data="".join(lines).encode())


def run(inputs, output, config):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig

    hash_fc, precision, n_grams, buckets, hashes, seed, workers = config
    config = MinhashConfig(n_grams=n_grams, num_buckets=buckets, hashes_per_bucket=hashes, seed=seed,
                           hash_config=HashConfig(precision=precision, hash_fc=hash_fc))
    folder = lambda name: os.path.join(output, name)
    reader = lambda: JsonlReader(inputs)

    def step(name, tasks, *blocks):
        LocalPipelineExecutor(list(blocks), tasks=tasks, workers=1, logging_dir=folder("logs/" + name)).run()

    ranks = len(os.listdir(inputs))
    step("1", ranks, reader(), MinhashDedupSignature(folder("signatures"), config))
    step("2", buckets * workers, MinhashDedupBuckets(folder("signatures"), folder("buckets"), config=config))
    step("3", 1, MinhashDedupCluster(folder("buckets"), folder("remove_ids"), config=config, save_cluster_id=True, save_cluster_size=True))
    step("4", ranks, reader(), MinhashDedupFilter(folder("remove_ids")), JsonlWriter(folder("kept"), "${rank}.jsonl", compression=None))
    shutil.rmtree(folder("logs"))


def main():
    folder, out = sys.argv[1], sys.argv[2]
    if sys.argv[3:] == ["inputs"]:
        make_inputs(folder)
    inputs = os.path.join(out, "inputs")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(inputs)
    files = [open(os.path.join(inputs, f"{rank}.jsonl"), "wb") for rank in range(RANKS)]
    for line in zstd("-dc", os.path.join(folder, "inputs.jsonl.zst")).splitlines(keepends=True):
        files[json.loads(line)["rank"]].write(line)
    for f in files:
        f.close()
    for name, config in CONFIGS.items():
        output = os.path.join(out, name)
        run(inputs, output, config)
        digests = {}
        for part in ("signatures", "buckets", "remove_ids"):
            for where, _, names in os.walk(os.path.join(output, part)):
                for n in names:
                    path = os.path.join(where, n)
                    with open(path, "rb") as f:
                        digests[os.path.relpath(path, output)] = hashlib.sha256(f.read()).hexdigest()
        for rank in range(RANKS):
            path, kept = os.path.join(output, f"kept/{rank}.jsonl"), b""
            if os.path.exists(path):  # none for a rank without documents
                with open(path, "rb") as f:
                    kept = b"".join(json.loads(line)["id"].encode() + b"\n" for line in f)
            digests[f"kept/{rank}"] = hashlib.sha256(kept).hexdigest()
        with open(os.path.join(folder, name + ".sha256"), "w") as f:
            f.writelines(f"{digest}  {path}\n" for path, digest in sorted(digests.items()))


if __name__ == "__main__":
    main()
