"""Trains the small classifier of this folder, and writes what the references answer about the documents beside it.

    python make_golden.py ../filter-dedup/docs.jsonl.zst .

Needs fasttext-numpy2 0.10.4 and datatrove 0.10.1 with spaCy. What NeMo-Curator's FastTextQualityFilter does with a text
before and after the model is two lines, which stand here again: the package does not install without a GPU's.
"""

import hashlib, json, subprocess, sys, tempfile

import fasttext
from datatrove.data import Document
from datatrove.pipeline.filters import FastTextClassifierFilter

docs_file, out = sys.argv[1:3]
raw = subprocess.run(["zstd", "-dc", docs_file], check=True, capture_output=True).stdout
docs = [json.loads(line) for line in raw.decode().split("\n") if line]

# A toy: hq is what looks like English, cc what looks like Basque, zz the rest.
# Each of the reference's threads fills a tenth of its matrix (densematrix.cc, uniform), and with fewer than ten the rest is
# what the memory was. So the model is another each time.
with tempfile.NamedTemporaryFile("w", suffix=".txt") as train:
    for d in docs:
        if d["lang"] == "edge":
            continue
        label = {"en": "hq", "eu": "cc"}.get(d["lang"], "zz")
        for line in d["text"].split("\n")[:20]:
            words = line.split()[:12]
            if len(words) >= 4:
                train.write(f"__label__{label} {' '.join(words)}\n")
    train.flush()
    model = fasttext.train_supervised(train.name, dim=4, minn=2, maxn=3, bucket=600, minCount=20, epoch=60, lr=0.5, thread=12, verbose=0)
model.save_model(f"{out}/quality.bin")

MIN = 0.5
FastTextClassifierFilter._requires_dependencies = []  # it looks for a wheel of another name


def nemo(text):
    text = text.replace("\n", " ").replace("__label__", " ")
    label, score = model.predict([text])
    score = score[0][0].item()
    return 1 - score if label[0][0] != "__label__hq" else score


answers = []
for d in docs:
    a = {"id": d["id"]}
    for unit in "DOCUMENT", "PARAGRAPH", "SENTENCE":
        f = FastTextClassifierFilter(f"{out}/quality.bin", keep_labels=[("hq", MIN)], filter_mode=unit)
        doc = Document(d["text"], d["id"])
        try:
            keep = f.filter(doc)
        except Exception as e:
            a[unit.lower()] = {"error": f"{type(e).__name__}"}
            continue
        a[unit.lower()] = {"keep": keep, "mean": doc.metadata.get("__label__hq"), "text": hashlib.sha256(doc.text.encode("utf-8", "surrogatepass")).hexdigest()[:16]}
    try:
        a["nemo"] = nemo(d["text"])
    except Exception as e:
        a["nemo"] = None
    answers.append(a)
data = "".join(json.dumps(a) + "\n" for a in answers).encode()
subprocess.run(["zstd", "-19", "-q", "-f", "-o", f"{out}/golden.jsonl.zst"], input=data, check=True)
print(len(answers), sum(a["document"].get("keep") or 0 for a in answers), len(data))
