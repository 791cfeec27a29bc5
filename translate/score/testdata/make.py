"""Makes sacrebleu.jsonl.zst and sacrebleu.json: texts, and the numbers that sacrebleu 2.6.0 gives for them.

    python3 -m venv V && V/bin/pip install sacrebleu==2.6.0 zstandard
    V/bin/python make.py DATA GOLDEN

DATA holds LANG.jsonl.zst (pages of LibreOffice's help, {"id","text"}) and parallel.en-eu.jsonl.zst (aligned paragraphs);
GOLDEN is a file of machine translations, {"src","beam1","beam4","ref"} a line. Seeded: the same files give the same bytes.
"""

import hashlib
import io
import json
import logging
import os
import random
import sys

import zstandard
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

logging.disable(logging.CRITICAL)
data, golden = sys.argv[1:]
rng = random.Random(20260)


def lines(name):
    with open(f"{data}/{name}.jsonl.zst", "rb") as f:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(f), encoding="utf-8", newline="\n"):
            yield json.loads(line)


def held_out(id):
    page = id.split("#")[0].removeprefix("lohelp/")
    if id.startswith("lohelp/"):
        page = page.split("/", 1)[1]
    return int.from_bytes(hashlib.sha1(page.encode()).digest(), "big") % 10 == 0


def shuffled(text):
    words = text.split(" ")
    rng.shuffle(words)
    return " ".join(words)


def corrupted(text):
    """Words lost, doubled, misspelt, or with their punctuation gone."""
    out = []
    for w in text.split(" "):
        k = rng.random()
        if k < 0.08:
            continue
        if k < 0.12:
            out.append(w)
        if 0.12 <= k < 0.2 and len(w) > 2:
            i = rng.randrange(len(w) - 1)
            w = w[:i] + w[i + 1] + w[i] + w[i + 2:]
        if 0.2 <= k < 0.26:
            w = w.strip('.,:;"()')
        out.append(w)
    return " ".join(out)


# A set is a list of (hypothesis, references), with as many references each.
sets = {}

# Real paragraphs of held-out pages.
pairs = [r for r in lines("parallel.en-eu") if held_out(r["id"]) and r["en"] != r["eu"] and len(r["eu"].split()) >= 2]
pairs = rng.sample(pairs, 500)
refs = [r["eu"] for r in pairs]
sets["source"] = [(r["en"], [r["eu"]]) for r in pairs]
sets["shuffled"] = [(shuffled(e), [e]) for e in refs[:200]]
sets["corrupted"] = [(corrupted(e), [e]) for e in refs]
sets["corrupted 200"] = sets["corrupted"][:200]
sets["half"] = [(e[: len(e) // 2], [e]) for e in refs[:200]]
sets["others"] = [(refs[i - 1], [e]) for i, e in enumerate(refs[:200])]
sets["same"] = [(e, [e]) for e in refs[:100]]
# Several references: the human one, a corrupted one, and one that is as good as none.
several = [[e, corrupted(e), rng.choice(["", e[: len(e) // 3], refs[i - 1]])] for i, e in enumerate(refs[:200])]
for r in several:
    rng.shuffle(r)
sets["three references"] = [(corrupted(e), r) for e, r in zip(refs, several)]

# The same lines in other languages, from pages that have as many lines in all of them.
text = {l: {r["id"].split("/", 2)[2]: r["text"].split("\n") for r in lines(l) if held_out(r["id"])} for l in ("eu", "es", "fr", "de")}
same = []
for page, eu in text["eu"].items():
    if all(len(text[l].get(page, [])) == len(eu) for l in text):
        same += [(page, i) for i, t in enumerate(eu) if 4 <= len(t.split()) <= 40]
same = rng.sample(same, 150)
for l in ("es", "fr", "de"):
    sets[l] = [(text[l][p][i], [text["eu"][p][i]]) for p, i in same]

# A small Marian model's translations.
machine = [json.loads(l) for l in open(golden, encoding="utf-8")]
sets["greedy"] = [(r["beam1"], [r["ref"]]) for r in machine]
sets["beam 4"] = [(r["beam4"], [r["ref"]]) for r in machine]

# Small and nasty.
spaces = "".join(chr(c) for c in range(0x3001) if chr(c).isspace())
hand = [
    "", " ", "\n", "a", ".", ",", "-", "&", "a.", ".a", "..", "...", "a..", "a..b", "a..5", "5..a", "1..5", "1...5", "1.,5", "1.,.5",
    "3.14", "3,14", "3.", ".3", "1,000.50", "1,a", "a,1", "1.a", "1 . 2", "v1.2.3-4", "1-2-3", "1--2", "a-1", "-1", "5.-3", "5-.3", "1-a", "a-b",
    "-\n", "a-\nb", "a -\n b", "1-\n2", "a\nb", "a\r\nb", "-\n-\n", "--\n\n", "<skipped>", "a<skipped>b", "<skip<skipped>ped>", "-<skipped>\n",
    "&quot;", "&amp;", "&amp;lt;", "&amp;quot;", "&amp;amp;lt;", "&lt;skipped&gt;", "&quot", "a&b", "&lt;&gt;", "AT&amp;T", "&apos;",
    "(hi)", "(hi", "hi)", "((hi))", "()", "(.)", "'tis", "don't", "don't.", "\"quoted\"", "¿qué?", "«hola»", "..a..", "!a", "a!", "!", "!!", "!!!",
    "{|}~", "[\\]^_`", "!\"#$%&'()*+,-./", ":;<=>?@", "\x7f", "a\x7fb", "\x00", "a\x00b", "\x1c", "a\x1cb", "a\x1fb", "a\x1bb", "\x85", "a\x85b",
    "a\u00a0b", "a\u3000b", "a\u200bb", "\u2028", "a\u180eb", "\ufeffa", "a\u2060b", spaces, spaces + "a" + spaces + "b" + spaces, ".\u00a0.", "1\u00a0.5",
    "ñ.", ".ñ", "ñ,5", "5,ñ", "é", "e\u0301", "日本語", "日本語。", "日.本", "٣.١٤", "३.१", "😀", "😀.😀", "👩‍👩‍👧", "a 😀!", "ŝ", "İ", "ß",
    "the the the the the the the", "the cat is on the mat", "a a", "a a a", "a b", "a b c", "a b c d", "a b c d e", "b a", "d c b a", "e d c b a",
    "aaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaa", "aaaaa", "ab", "abc", "abcdef", "abcdefg", "fedcba", "ababab", "ab ab ab", "a.b.c", "U.S.A.", "e.g., i.e.",
    "50%", "$5.00", "5€", "1/2", "C++", "C#", "x=y", "a_b", "a@b.org", "https://a.org/b?c=1,2", "#tag", "`code`", "{name}", "<b>a</b>", "%s", "\\n",
]
alphabet = ["a", "b", "5", "0", ".", ",", "-", "\n", " ", " ", "&", "&amp;", "&lt;", "<skipped>", "(", "'", "\u00a0", "\u3000", "ñ", "😀", "\x1d", "\t", "!", "ab"]
nasty = [(h, [rng.choice(hand)]) for h in hand] + [(h, [h]) for h in hand]
while len(nasty) < 480:
    h = [rng.choice(alphabet) for _ in range(rng.randrange(14))]
    r = [rng.choice(alphabet) if rng.random() < 0.2 else c for c in h]
    nasty.append(("".join(h), ["".join(r)]))
sets["nasty"] = nasty
sets["nasty, two references"] = [(h, [r[0], rng.choice(hand)]) for h, r in nasty]
sets["empty"] = [("", [r]) for r in refs[:20]]
sets["to nothing"] = [(r, [""]) for r in refs[:20]]
sets["nothing to nothing"] = [("", [""])]
sets["no match"] = [("xyzzy plugh", [r]) for r in refs[:20]]
sets["words, no pair"] = [("eta", ["eta zer"])] * 3
sets["orders 1 and 2"] = [("a b x y z", ["a b c d e f"])] * 3
sets["one token"] = [("bai", ["bai"]), ("ez", ["bai"])]

metrics = {"BLEU": BLEU(), "chrF": CHRF(), "chrF++": CHRF(word_order=2)}
tokenize = metrics["BLEU"].tokenizer
corpora, out = {}, []
for name, segments in sets.items():
    hyps = [h for h, _ in segments]
    streams = [list(s) for s in zip(*(r for _, r in segments))]
    corpora[name] = {}
    for m, metric in metrics.items():
        corpora[name][m] = {"score": metric.corpus_score(hyps, streams).score, "signature": str(metric.get_signature())}
    if name == "corrupted 200":
        continue
    for h, r in segments:
        row = {"set": name, "hypothesis": h, "references": r, "tokens": tokenize(h.rstrip())}
        for m, metric in metrics.items():
            s = metric._extract_corpus_statistics([h], [[x] for x in r])[0]
            row[m] = {"statistics": s, "score": metric.sentence_score(h, r).score}
        out.append(row)

# Resampling: the generator is numpy's, so each comparison is made with six seeds to show how far they differ.
bootstrap = []
for a, b in (("greedy", "beam 4"), ("corrupted 200", "shuffled"), ("es", "fr"), ("fr", "de"), ("beam 4", "beam 4")):
    streams = [[r[0] for _, r in sets[a]]]
    runs = {m: {"p": [], "mean_a": [], "mean_b": [], "ci_a": [], "ci_b": []} for m in metrics}
    for seed in range(1, 7):
        os.environ["SACREBLEU_SEED"] = str(seed)
        _, scores = PairedTest([(a, [h for h, _ in sets[a]]), (b, [h for h, _ in sets[b]])], metrics, streams, test_type="bs", n_samples=1000)()
        for m, key in (("BLEU", "BLEU"), ("chrF", "chrF2"), ("chrF++", "chrF2++")):
            ra, rb = scores[key]
            for k, v in (("p", rb.p_value), ("mean_a", ra.mean), ("mean_b", rb.mean), ("ci_a", ra.ci), ("ci_b", rb.ci)):
                runs[m][k].append(round(float(v), 6))
    bootstrap.append({"a": a, "b": b, "samples": 1000, "metrics": runs})

with open("sacrebleu.json", "w") as f:
    json.dump({"corpora": corpora, "bootstrap": bootstrap}, f, indent=1)
    f.write("\n")
body = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in out).encode()
with open("sacrebleu.jsonl.zst", "wb") as f:
    f.write(zstandard.ZstdCompressor(level=19).compress(body))
print(len(out), "segments,", len(body), "bytes")
