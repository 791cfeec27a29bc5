"""Trains the small models of this folder and writes what the reference predicts.

    python3 -m venv v && v/bin/pip install fasttext-wheel==0.9.2 "numpy<2" && v/bin/python make_golden.py LID.FTZ LOHELP .

LID.FTZ is lid.176.ftz, LOHELP a folder of XX.jsonl.zst with pages of the LibreOffice help.
"""

import hashlib, json, os, re, subprocess, sys

import fasttext

lid, lohelp, out = sys.argv[1:4]
LANGS = "ca de en es eu fr gl it pt".split()


def pages(lang):
    raw = subprocess.run(["zstd", "-dc", f"{lohelp}/{lang}.jsonl.zst"], check=True, capture_output=True).stdout
    return [json.loads(l) for l in raw.decode().splitlines()]


def own_lines():
    """By language: the lines that stand in no other language, so that they are surely in this one."""
    seen, by = {}, {}
    for lang in LANGS:
        by[lang] = []
        for p in pages(lang):
            for line in p["text"].split("\n"):
                line = line.strip()
                if len(line) >= 20 and sum(c.isalpha() for c in line) >= 0.6 * len(line):
                    by[lang].append(line)
                    seen.setdefault(line, set()).add(lang)
    return {l: list(dict.fromkeys(x for x in by[l] if len(seen[x]) == 1)) for l in LANGS}


def pick(items, n, salt):
    return sorted(items, key=lambda x: hashlib.sha1((salt + x).encode()).digest())[:n]


def pieces(lines):
    for lang in LANGS:
        own = lines[lang]
        for x in pick([l for l in own if 20 <= len(l) <= 200], 14, "sentence"):
            yield x
        for size, n in (100, 12), (500, 8), (2000, 5):
            starts = pick([str(i) for i in range(len(own) - 100)], n, f"{lang}{size}")
            for s in starts:
                yield " ".join(own[int(s) : int(s) + 100])[:size]


EDGE = [
    "", " ", "   ", "a", "12345 67890", "Kaixo, mundua!", "gehitu\tfitxa berria", "東京は日本の首都です。", "Привет, мир!",
    "</s>", "kaixo </s> mundua", "</s> kaixo", "kaixo </s>. mundua", "__label__eu", "__label__eu kaixo", "kaixo __label__xx mundua", "__label__",
    "x__label__eu", "_label_ __ _", "a\u00a0b", "kaixo\u2028mundua", "kaixo\rmundua", "kaixo\x0bmundua\x0cbat", "kaixo\x00mundua", "\x00", "\t\t",
    "a" * 300, "kaixo " * 200, "é" * 40, "\u0301", "a\u0301 e\u0301", "🙂🙂 🙂", "漢" * 50, "kaixomundua" * 30, "of", "de la", "the", ". , ; :", "<kaixo>", "<", ">", "< >",
    "Je ne sais pas où il est allé.", "Das Wetter ist heute schön.", "O neno come unha mazá na casa.", "El gato duerme en la cocina.",
    "Euskal Herriko Unibertsitateak corpus handi bat argitaratu du.", "The quick brown fox jumps over the lazy dog.",
    "Ez dago zalantzarik: fitxategia gorde egin da.", "\ufeffkaixo", "\x7f\x01\x1b", "ﬁ ﬂ", "ｋａｉｘｏ", "ß ẞ", "İstanbul ıssız",
]


def ask(model, text, k, threshold):
    labels, ps = model.predict(text, k, threshold)
    return {"text": text, "k": k, "threshold": threshold, "labels": list(labels), "p": [round(float(p), 7) for p in ps]}


def write(name, rows):
    data = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode()
    subprocess.run(["zstd", "-19", "-q", "-f", "-o", f"{out}/{name}"], input=data, check=True)


def small(lines):
    """Name -> how to train it, and how to quantise it."""
    tmp = f"{out}/train.txt"
    with open(tmp, "w") as f:
        chosen = {lang: pick(lines[lang], 120, "train") for lang in LANGS[:6]}
        for i in range(120):
            for lang in LANGS[:6]:
                f.write(f"__label__{lang} {chosen[lang][i][:60]}\n")
    many = f"{out}/many.txt"
    with open(many, "w") as f:
        for i, line in enumerate(pick(lines["eu"], 1040, "many")):
            x = line.split()[:3]
            f.write(f"__label__n{i % 260} {' '.join(x)} w{i % 260}\n")
    base = dict(dim=6, epoch=8, lr=0.5, minCount=4, bucket=300, minn=2, maxn=3, thread=1, verbose=0)
    yield "softmax", tmp, dict(base, loss="softmax"), None
    yield "softmax.wordngrams", tmp, dict(base, loss="softmax", wordNgrams=2), None
    yield "softmax.words", tmp, dict(base, loss="softmax", minn=0, maxn=0), None
    yield "softmax.wordngrams3.words", tmp, dict(base, loss="softmax", minn=0, maxn=0, wordNgrams=3, bucket=250), None
    yield "ns", tmp, dict(base, loss="ns"), None
    yield "ova", tmp, dict(base, loss="ova", lr=0.8, epoch=40), None
    yield "hs", tmp, dict(base, loss="hs", minn=1, maxn=4), None
    yield "hs.many", many, dict(base, loss="hs", minCount=40, bucket=256, dim=4), None
    yield "softmax.quantised", tmp, dict(base, loss="softmax"), dict(dsub=2)
    yield "softmax.qnorm", tmp, dict(base, loss="softmax", wordNgrams=2, dim=5), dict(dsub=2, qnorm=True)
    yield "softmax.qout", many, dict(base, loss="softmax", minCount=1, minn=0, maxn=0, dim=4), dict(dsub=2, qout=True, qnorm=True)
    yield "softmax.pruned", tmp, dict(base, loss="softmax", bucket=600, dim=4), dict(dsub=2, cutoff=300, qnorm=True)
    yield "hs.pruned", tmp, dict(base, loss="hs", bucket=600, wordNgrams=2, dim=4), dict(dsub=4, cutoff=280)
    yield "ova.pruned.words", tmp, dict(base, loss="ova", minn=0, maxn=0, minCount=1, dim=4), dict(dsub=2, cutoff=260)


lines = own_lines()
lid_model = fasttext.load_model(lid)
write("lid.jsonl.zst", [ask(lid_model, t, 3, 0.0) for t in [*EDGE, *pieces(lines)]])

texts = [*EDGE[:60], *[x[:80] for lang in LANGS for x in pick(lines[lang], 5, "small")]]
rows = []
for name, data, train, quantise in small(lines):
    m = fasttext.train_supervised(input=data, **train)
    if quantise:
        m.quantize(input=data, **quantise)
    path = f"{out}/{name}.{'ftz' if quantise else 'bin'}"
    m.save_model(path)
    n = len(m.get_labels())
    m = fasttext.load_model(path)
    for t in texts:
        for k, threshold in (1, 0.0), (2, 0.3), (n if n < 10 else 7, 0.0):
            rows.append({"model": os.path.basename(path), **ask(m, t, k, threshold)})
    subprocess.run(["zstd", "-19", "-q", "-f", "--rm", path], check=True)
write("small.jsonl.zst", rows)
os.remove(f"{out}/train.txt")
os.remove(f"{out}/many.txt")
