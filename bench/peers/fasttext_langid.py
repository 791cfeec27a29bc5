"""What the reference fastText says of texts, and how long it takes.

usage: fasttext_langid.py MODEL TEXTS.jsonl

TEXTS has a JSON string a line. Prints one JSON object: the first label of each text and its probability, CPU and wall seconds of
predicting alone, and the version. As datatrove asks it: line feeds become spaces.
"""
import json
import sys
import time
from importlib.metadata import PackageNotFoundError, version

import fasttext

fasttext.FastText.eprint = lambda *args: None
model = fasttext.load_model(sys.argv[1])
with open(sys.argv[2], encoding="utf-8") as f:
    texts = [json.loads(line).replace("\n", " ") for line in f]
model.predict(texts[0])
cpu, wall = time.process_time(), time.perf_counter()
answers = [model.predict(text) for text in texts]
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
name = "fasttext"
for package in ("fasttext-wheel", "fasttext-numpy2", "fasttext"):
    try:
        name = package + " " + version(package)
        break
    except PackageNotFoundError:
        pass
print(json.dumps({
    "labels": [a[0][0].removeprefix("__label__") for a in answers],
    "probabilities": [float(a[1][0]) for a in answers],
    "cpu": cpu, "wall": wall, "version": name,
}))
