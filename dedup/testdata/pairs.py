"""Writes the committed pairs: pages of docs.jsonl.zst edited at random, and their exact similarities.

    python3.11 dedup/testdata/pairs.py dedup/testdata/filter-dedup

A gram is five words \\w+ of the lower-cased text joined by a space, or all words where they are fewer; na and nb
count the different grams of a and b, inter those in both, j is inter over those in either. Needs the program zstd.
"""
import itertools
import json
import os
import random
import re
import subprocess
import sys

folder = sys.argv[1]


def read(name):
    out = subprocess.run(["zstd", "-dc", f"{folder}/{name}"], capture_output=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def write(name, rows):
    os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
    text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
    subprocess.run(["zstd", "-19", "-q", "-f", "-o", f"{folder}/{name}"], input=text.encode(), check=True)


def grams(text):
    words = re.findall(r"\w+", text.lower())
    if len(words) < 5:
        return {" ".join(words)} if words else set()
    return {" ".join(words[i : i + 5]) for i in range(len(words) - 4)}


def edit(text, share):
    words = text.split(" ")
    for _ in range(max(1, int(len(words) * share))):
        i = rng.randrange(len(words))
        words[i] = rng.choice([words[i].upper(), words[i] + ",", "ΟΔΟΣ", "", words[rng.randrange(len(words))]])
    return " ".join(words)


rng = random.Random(20260101)
pages = [d for d in read("docs.jsonl.zst") if "/lohelp/" in d["id"]]
rows, pairs = [], []
for n, d in enumerate(rng.sample(pages, 30)):
    group = [{"id": f"P{n}-0", "text": d["text"]}]
    group += [{"id": f"P{n}-{k}", "text": edit(d["text"], s)} for k, s in enumerate((0.01, 0.03, 0.08), 1)]
    rows += group
    for a, b in itertools.combinations(group, 2):
        ga, gb = grams(a["text"]), grams(b["text"])
        inter = len(ga & gb)
        pairs.append({"a": a["id"], "b": b["id"], "j": round(inter / len(ga | gb), 6), "inter": inter, "na": len(ga), "nb": len(gb)})
write("labelled/labelled.jsonl.zst", rows)
write("labelled/pairs.jsonl.zst", pairs)
