#!/usr/bin/env python3
"""Writes what sentencepiece (0.2.3) answers for random models and texts, for TestReference:

    reference.py --seed 1 --models 150 --texts 8 | zstd -19 > reference.jsonl.zst

To compare with other ones: CURATE_SENTENCEPIECE_REFERENCE=FILE go test -run TestReference

Lines are models (name of a file here, or its bytes) with cases. Bytes are strings of the characters U+0000 to U+00FF.
"""

import argparse
import io
import json
import pathlib
import random
import struct
import sys

import sentencepiece
import zstandard

HERE = pathlib.Path(__file__).parent
SPACE = "▁"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def block(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def fields(data):
    """The fields of a message: numbers, or bytes."""
    i = 0

    def read():
        nonlocal i
        n = shift = 0
        while True:
            b = data[i]
            i += 1
            n |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return n

    while i < len(data):
        tag = read()
        if tag & 7 == 0:
            yield tag >> 3, read()
        elif tag & 7 == 2:
            n = read()
            yield tag >> 3, data[i : i + n]
            i += n
        else:
            assert tag & 7 == 5
            yield tag >> 3, data[i : i + 4]
            i += 4


def charsmap(rules):
    """A charsmap that sentencepiece compiles."""
    import tempfile

    with tempfile.TemporaryDirectory() as tmp:
        tsv = pathlib.Path(tmp) / "rules.tsv"
        tsv.write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in rules.items()))
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d e f"] * 10), model_writer=model, model_type="char", vocab_size=9, hard_vocab_limit=False,
            normalization_rule_tsv=str(tsv), minloglevel=3)
        for field, value in fields(model.getvalue()):
            if field == 3:
                for f, v in fields(value):
                    if f == 2:
                        return v


ALPHABETS = ["ab", "abc ", "ab" + SPACE, "aé", "aあい", "a\n1", "ab😀", "xyz<>/"]


def random_charsmap(r):
    letters = "abcé あ\t\u3000" + SPACE
    rules = {}
    for _ in range(r.randint(1, 12)):
        a = "".join(r.choice(letters) for _ in range(r.choice([1, 1, 1, 2, 3])))
        b = "".join(r.choice(letters) for _ in range(r.choice([0, 1, 1, 2, 4])))
        if a != b:
            rules[a] = b
    return charsmap(rules)


def random_model(r, maps):
    kind = r.choice([1, 2])
    letters = r.choice(ALPHABETS) + r.choice(["", SPACE, SPACE, SPACE])
    unicode_only = r.random() < 0.9
    pieces = []
    byte_fallback = r.random() < 0.3
    seen = set()

    def add(text, type_, score=None):
        if isinstance(text, str):
            text = text.encode()
        if text in seen and r.random() < 0.9999:
            return
        seen.add(text)
        if score is None:
            score = r.choice(scores)
        pieces.append((text, struct.unpack("<f", struct.pack("<f", score))[0], type_))

    scores = r.choice([
        [-1.0, -2.0, -3.0], [-float(i) / 7 for i in range(50)], [0.0, -0.0, 1.5, -1.5], [-1.0],
        [-20000.0, -30000.0, -1.25], [-3.1e7, 2.5e6], [r.uniform(-15, 0) for _ in range(40)], [1.0, 2.0, 3.0],
    ])
    add(r.choice(["<unk>", "<unk>", "<unk>", "a"]), UNKNOWN, 0.0)
    if r.random() < 0.8:
        add("<s>", r.choice([CONTROL, CONTROL, NORMAL]), 0.0)
        add("</s>", CONTROL, 0.0)
    if byte_fallback:
        for b in range(256):
            add(f"<0x{b:02X}>", BYTE, 0.0)
    if r.random() < 0.1:
        add(r.choice(letters), CONTROL)
    types = [NORMAL] * 20
    if r.random() < 0.3:
        types += [USER_DEFINED] * r.choice([1, 5])
    if r.random() < 0.25:
        types += [UNUSED] * r.choice([1, 8])
    # Marks at the begin, at the end or anywhere.
    shape = r.choice(["begin", "begin", "end", "any"])
    for _ in range(r.choice([3, 20, 60, 150])):
        text = "".join(r.choice(letters) for _ in range(r.choice([1, 1, 2, 2, 3, 4, 6])))
        if shape != "any" and r.random() < 0.97:
            text = text.replace(SPACE, "")
            if r.random() < 0.3 or text == "":
                marks = SPACE * r.choice([1, 1, 1, 2, 3])
                text = marks + text if shape == "begin" else text + marks
        text = text.encode()
        if not unicode_only and r.random() < 0.1:
            text = text[: r.randint(1, len(text))] + bytes([r.randrange(1, 256)])
        add(text, r.choice(types))
    if kind == 2 and r.random() < 0.8:
        # Every piece can be reached.
        for text, _, _ in list(pieces):
            try:
                s = text.decode()
            except UnicodeDecodeError:
                continue
            for i in range(1, len(s)):
                add(s[:i], r.choice(types))
    if r.random() < 0.02:
        add("\0", NORMAL)
    head = pieces[:1]
    rest = pieces[1:]
    if r.random() < 0.5:
        r.shuffle(rest)
    out = bytearray()
    for text, score, type_ in head + rest:
        out += block(1, block(1, text) + varint(2 << 3 | 5) + struct.pack("<f", score) + (number(3, type_) if type_ != NORMAL or r.random() < 0.5 else b""))
    trainer = number(3, kind) + number(24, r.random() < 0.2 or shape == "end") + number(35, byte_fallback)
    if r.random() < 0.2:
        trainer += block(44, r.choice(["", "?", " ? "]).encode())
    if r.random() < 0.1:
        trainer += block(46, r.choice(letters).encode())
    out += block(2, trainer)
    normalizer = b""
    if r.random() < 0.5:
        normalizer += block(2, r.choice(maps))
    for field in 3, 4, 5:
        if r.random() < 0.6:
            normalizer += number(field, r.random() < (0.9 if field == 5 else 0.5))
    out += block(3, normalizer)
    if r.random() < 0.1:
        out += block(5, block(2, r.choice(maps)) + number(3, r.random() < 0.3) + number(4, r.random() < 0.5) + number(5, r.random() < 0.3))
    return bytes(out), letters


EXTRA = ["é", "e\u0301", "Å", "A\u030a", "ﬁ", "ｱﾞ", "①", "\u00a0", "\u3000", "\u200b", "\ufeff", "<s>", "</s>", "<unk>", "<0x41>", "\0", "\r\n",
         "\t", "한국어", "日本語", "😀", "👩‍👩‍👧", "\u2581", " ", "  ", "...", "2026", "ﷺ", "\U0010ffff", "\x7f", "क्षि", "ا"]


def random_text(r, letters):
    how = r.random()
    n = r.choice([0, 1, 2, 5, 12, 30, 60])
    if how < 0.6:
        pool = letters + " " * r.choice([0, 1, 1, 3])
        text = "".join(r.choice(pool) for _ in range(n)).encode()
    elif how < 0.8:
        text = "".join(r.choice(EXTRA + list(letters)) for _ in range(n)).encode()
    elif how < 0.9:
        text = bytes(r.choice(b"ab \xff\xc3\xa9\xe2\x96\x81\xed\xa0\x80\xf0\x9f\x98\xc0\0") for _ in range(n))
    else:
        text = "".join(chr(r.choice([r.randrange(0x20, 0x250), r.randrange(0x300, 0x3100), r.randrange(0xF900, 0x10000), r.randrange(0x1D400, 0x1F700)])) for _ in range(n))
        text = text.encode()
    if r.random() < 0.1:
        text = b" " * r.randint(1, 3) + text + b" " * r.randint(1, 3)
    if r.random() < 0.03:
        text = text * 40
    return text


def case(sp, text, r):
    ids = sp.encode(text)
    tokens = []
    for field, value in fields(sp.encode(text, return_type="serialized_proto")):
        if field == 2:
            piece = dict(fields(value))
            tokens.append((piece.get(2, 0), piece.get(4, 0), piece.get(5, 0)))
    assert [t[0] for t in tokens] == ids, (text, tokens, ids)
    any_ids = [r.randrange(sp.get_piece_size()) for _ in range(r.randint(0, 12))]
    return {
        "text": text.decode("latin-1"),
        "ids": ids,
        "at": [x for t in tokens for x in t[1:]],
        "decoded": sp.decode(ids, return_type=bytes).decode("latin-1") if ids else "",
        "any": any_ids,
        "any_decoded": sp.decode(any_ids, return_type=bytes).decode("latin-1") if any_ids else "",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", type=int, default=150)
    parser.add_argument("--texts", type=int, default=8)
    args = parser.parse_args()
    r = random.Random(args.seed)
    maps = [random_charsmap(r) for _ in range(8)]
    for name in "test_model.model.zst", "test_ja_model.model.zst":
        data = zstandard.ZstdDecompressor().decompress((HERE / name).read_bytes())
        sp = sentencepiece.SentencePieceProcessor(model_proto=data)
        letters = "abc dehilnorstu " if name.startswith("test_model") else "日本語のをはあい"
        print(json.dumps({"file": name, "special": [sp.unk_id(), sp.bos_id(), sp.eos_id(), sp.pad_id()],
                          "cases": [case(sp, random_text(r, letters), r) for _ in range(25 * args.texts)]}, ensure_ascii=False))
    for _ in range(args.models):
        data, letters = random_model(r, maps)
        line = {"model": data.decode("latin-1")}
        try:
            sp = sentencepiece.SentencePieceProcessor(model_proto=data)
        except Exception:
            line["refused"] = True
        else:
            line["special"] = [sp.unk_id(), sp.bos_id(), sp.eos_id(), sp.pad_id()]
            line["cases"] = [case(sp, random_text(r, letters), r) for _ in range(args.texts)]
        print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    main()
