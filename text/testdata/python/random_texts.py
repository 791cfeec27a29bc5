"""Prints random texts that meet many rules, and what the reference makes of them, as JSON lines.

    python3.11 text/testdata/python/random_texts.py SEED NUMBER | gzip -9n > text/testdata/python/random.jsonl.gz

Needs what tables.py needs.
"""
import json
import random
import re
import sys

import spacy
from datatrove.utils.text import simplify_text
from spacy.lang.char_classes import LIST_UNITS

nlp = spacy.blank("en")
specials = list(nlp.tokenizer.rules)
rng = random.Random(int(sys.argv[1]))
characters = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
pools = [
    "ab 0dont ims€©‘s°",
    "ΣσsA.'\u0345ʰ:İi\u0307 ",
    "0123456789٣.,،٫ a-",
    "⌘©®→€£₽‘`;<=>\u037e\u2260\u226e\u226f\u1fef\u1fbd«»·§¿। ",
    "\u0300\u0323\u0301\u302e\u302f\u1b44\ua953\u0f71\u0f72\u0f73\u034f\U0001d15e\U0001d165\U0001d16e\U0001d160 a0각한",
]


def piece():
    k = rng.random()
    if k < 0.15:
        return chr(rng.choice(characters))
    if k < 0.3:
        return chr(rng.randint(0x20, 0x3100))
    if k < 0.4:
        return rng.choice(specials)
    if k < 0.5:
        return rng.choice("0123") + rng.choice(LIST_UNITS)
    if k < 0.9:
        return "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 5)))
    return " "


for _ in range(int(sys.argv[2])):
    text = "".join(piece() + rng.choice(["", "", " "]) for _ in range(rng.randint(1, 30)))
    simplified = simplify_text(text)
    with nlp.memory_zone():
        words = [w for w in (token.text.strip() for token in nlp(simplified)) if w]
    row = {"text": text, "lower": text.lower(), "lower_words": re.findall(r"\w+", text.lower()), "simplified": simplified, "simplified_words": words}
    print(json.dumps(row, ensure_ascii=False))
