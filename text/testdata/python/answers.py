"""Prints digests of what the reference answers for each character: TestEachCharacter compares them.

    python3.11 text/testdata/python/answers.py

Needs what tables.py needs. Planes without characters are left out; characters are taken 64 at a time, and an
incomplete last block is left out. It takes some minutes.
"""
import hashlib
import re

import spacy
from datatrove.utils.text import simplify_text

nlp = spacy.blank("en")
digests = {name: hashlib.sha256() for name in ("lower", "lower words", "simplified", "simplified words")}


def words(text):  # word_tokenize of datatrove's SpaCyTokenizer
    with nlp.memory_zone():
        return [w for w in (token.text.strip() for token in nlp(text)) if w]


def answer(text):
    simplified = simplify_text(text)
    for name, value in (
        ("lower", text.lower()),
        ("lower words", " ".join(re.findall(r"\w+", text.lower()))),
        ("simplified", simplified),
        ("simplified words", " ".join(words(simplified))),
    ):
        digests[name].update((value + "\n").encode())


block = []
for c in range(0x110000):
    if 0xD800 <= c < 0xE000 or 0x30000 < c < 0xE0000 or c > 0xE0200:
        continue
    s = chr(c)
    block.append(f"{s} a{s} {s}b a{s}b 0{s} 0{s}0 AΣ{s}b A{s}Σ")
    if len(block) == 64:
        answer("\n".join(block))
        block = []
for name, digest in digests.items():
    print(name, digest.hexdigest())
