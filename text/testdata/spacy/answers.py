"""Prints texts that meet many rules and the words that spaCy's blank tokenizers cut them into, as JSON lines.

    python3.11 text/testdata/spacy/answers.py SEED NUMBER | gzip -9n > text/testdata/spacy/answers.jsonl.gz

Needs what tables.py needs. A word is its length in characters, the white space before it a negative number.
"""
import json
import random
import sys

import spacy
from spacy.lang.char_classes import LIST_CURRENCY, LIST_UNITS

LANGUAGES = ["ca", "de", "en", "es", "eu", "it", "pt", "xx"]
nlps = {lang: spacy.blank(lang) for lang in LANGUAGES}
for nlp in nlps.values():
    nlp.add_pipe("sentencizer")
rng = random.Random(int(sys.argv[1]))
specials = sorted({s for nlp in nlps.values() for s in nlp.tokenizer.rules})
letters = "abAzZéÉñçàd'lLnsStmx"
signs = ".,:;!?()[]{}<>_#*&'\"`“”‘’«»—–-~+=/^%°²³$€£…·¿¡|\\@§"
words = "the del pal 10 2019 3.5 US x-ray www.example.com http://a.b/c?d=e me@mail.org 10.0.0.1 8.8.8.8:80/x l'home dell'art. dir-se-ia -la -se'n R$ 20° '68 id its dont Foo-Co. EE. UU. S.A. a.m. z.B. !!! ... …… -- --- (e.g. [x] {y}".split()
characters = [c for c in range(0x21, 0x110000) if not 0xD800 <= c < 0xE000]


def piece():
    k = rng.random()
    if k < 0.02:
        return chr(rng.choice(characters))
    if k < 0.05:
        return chr(rng.randint(0x21, 0x3100))
    if k < 0.2:
        return rng.choice(specials)
    if k < 0.25:
        return rng.choice("0123") + rng.choice(LIST_UNITS + LIST_CURRENCY).replace("\\", "")
    if k < 0.45:
        return rng.choice(words)
    if k < 0.7:
        return rng.choice(signs)
    if k < 0.95:
        return "".join(rng.choice(letters) for _ in range(rng.randint(1, 3)))
    return rng.choice(["\n", "\t", "\u00a0", "\x1f", "  "])


def cut(nlp, text):
    with nlp.memory_zone():
        out, at, doc = [], 0, nlp(text)
        for t in doc:
            if t.text.strip():
                assert t.text == t.text.strip()
                if t.idx > at:
                    out.append(at - t.idx)
                out.append(len(t.text))
                at = t.idx + len(t.text)
        return out, [s.end_char for s in doc.sents]


for _ in range(int(sys.argv[2])):
    text = "".join(piece() + rng.choice(["", "", "", " ", " "]) for _ in range(rng.randint(1, 40)))
    answers = {lang: cut(nlp, text) for lang, nlp in nlps.items()}
    row = {"text": text, "words": {}, "ends": {}}
    for lang, (w, e) in answers.items():
        if lang == "xx" or w != answers["xx"][0]:
            row["words"][lang] = w
        if lang == "xx" or e != answers["xx"][1]:
            row["ends"][lang] = e
    print(json.dumps(row, ensure_ascii=False))
