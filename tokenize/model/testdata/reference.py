# Models of tokenizer.json and what HF tokenizers makes of pieces of text with them: gen.py SEED MODELS > FILE
import json, os, random, sys
from tokenizers import Tokenizer

seed, count = int(sys.argv[1]), int(sys.argv[2])
rnd = random.Random(seed)

def alphabet():
    bs = list(range(33, 127)) + list(range(0xa1, 0xad)) + list(range(0xae, 0x100))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b); cs.append(256 + n); n += 1
    return dict(zip(bs, map(chr, cs)))
ALPHABET = alphabet()
def spell(b): return "".join(ALPHABET[x] for x in b)

CHARS = "ab▁éz漢\n 🙂<>04x\x00\ufffd"
STRANGE = "Üü字😀q\u0301"
BYTES = [f"<0x{b:02X}>" for b in range(256)]

def pick_text(chars, words, n):
    out = []
    while sum(map(len, out)) < n:
        k = rnd.random()
        if k < .35 and words: out.append(rnd.choice(words))
        elif k < .45: out.append(rnd.choice(STRANGE) * rnd.randint(1, 3))
        elif k < .55: out.append(rnd.choice(chars) * rnd.randint(1, 12))
        else: out.append(rnd.choice(chars))
    return "".join(out)

def with_bytes(vocab, some):
    kind = rnd.choice(["all", "all", "some"]) if some else "all"
    for t in BYTES:
        if (kind == "all" or rnd.random() < .7) and t not in vocab: vocab.append(t)

def bpe(level):
    chars = list(dict.fromkeys(rnd.sample(CHARS, rnd.randint(2, len(CHARS)))))
    if level:
        chars = [spell(c.encode()) for c in chars]
        chars = list(dict.fromkeys("".join(chars)))
    prefix = suffix = None
    if rnd.random() < .25: prefix = rnd.choice(["##", "▁", "a", ""]) if not level else rnd.choice(["##", ""])
    if rnd.random() < .3: suffix = rnd.choice(["</w>", "b", ""])
    pre, suf = prefix or "", suffix or ""
    vocab = []
    for c in chars:
        for t in {c, pre + c, c + suf, pre + c + suf}:
            if t not in vocab and rnd.random() < .95: vocab.append(t)
    unk = rnd.choice([None, "<unk>", "<unk>", "<unk>", "a", "gone"])
    if unk == "<unk>": vocab.append(unk)
    fallback = rnd.random() < .5
    if fallback: with_bytes(vocab, True)
    odd = rnd.random() < .25 # merges of what is no character
    live = [t for t in vocab if odd or len(t) <= 1 + len(pre) + len(suf)]
    merges = []
    for _ in range(rnd.choice([0, 3, 10, 40, 150])):
        a, b = rnd.choice(live), rnd.choice(live)
        if len(b) < len(pre) or pre and not b.startswith(pre) and rnd.random() < .9: continue
        new = a + b[len(pre):]
        if len(new) > 14: continue
        if new not in vocab:
            vocab.append(new); live.append(new)
        elif rnd.random() < .5: live.append(new)
        merges.append([a, b])
    if merges and rnd.random() < .3: merges += rnd.sample(merges, max(1, len(merges) // 5)) # twice
    for _ in range(rnd.randint(0, 3)): # tokens that no merge makes
        t = "".join(rnd.choices(chars, k=rnd.randint(2, 8)))
        if t not in vocab: vocab.append(t)
    if not vocab: vocab.append("a")
    rnd.shuffle(vocab)
    ids = list(range(len(vocab)))
    if rnd.random() < .1: ids[rnd.randrange(len(ids))] = rnd.choice(ids) # one id for two
    if rnd.random() < .2: ids = [3 * i + 1 for i in ids]
    legacy = rnd.random() < .3 and not any(" " in t for m in merges for t in m)
    m = {"type": "BPE", "dropout": rnd.choice([None, None, 0.0]), "unk_token": unk, "continuing_subword_prefix": prefix,
         "end_of_word_suffix": suffix, "fuse_unk": rnd.random() < .5, "byte_fallback": fallback,
         "ignore_merges": rnd.random() < .2, "vocab": dict(zip(vocab, ids)),
         "merges": [" ".join(x) for x in merges] if legacy else merges}
    if not pre and rnd.random() < .1: del m["type"] # with a prefix, what HF refuses as BPE could become a WordLevel
    return m, chars, vocab

def wordpiece():
    chars = list(dict.fromkeys(rnd.sample(CHARS, rnd.randint(2, len(CHARS)))))
    prefix = rnd.choice(["##", "##", "##", "▁", ""])
    vocab = []
    words = [""]
    for _ in range(rnd.choice([5, 30, 120])):
        t = "".join(rnd.choices(chars, k=rnd.randint(1, 4)))
        if rnd.random() < .1: t = rnd.choice(chars) * rnd.choice([60, 64, 65, 66, 70, 90, 130])
        if rnd.random() < .6: t = prefix + t
        if t not in vocab: vocab.append(t)
    for c in chars:
        for t in {c, prefix + c}:
            if t not in vocab and rnd.random() < .8: vocab.append(t)
    unk = rnd.choice(["[UNK]", "[UNK]", "[UNK]", "a", "gone"])
    if unk == "[UNK]": vocab.append(unk)
    rnd.shuffle(vocab)
    m = {"type": "WordPiece", "unk_token": unk, "continuing_subword_prefix": prefix,
         "max_input_chars_per_word": rnd.choice([100, 100, 10, 1000, 0]), "vocab": {t: i for i, t in enumerate(vocab)}}
    if rnd.random() < .1: del m["type"]
    return m, chars, [t.removeprefix(prefix) for t in vocab]

def wordlevel():
    vocab = list({"".join(rnd.choices(CHARS, k=rnd.randint(1, 3))) for _ in range(30)} | {"<unk>"})
    m = {"type": "WordLevel", "unk_token": rnd.choice(["<unk>", "gone"]), "vocab": {t: i for i, t in enumerate(vocab)}}
    if rnd.random() < .1: del m["type"]
    return m, CHARS, vocab

def unigram():
    chars = list(dict.fromkeys(rnd.sample(CHARS, rnd.randint(2, len(CHARS)))))
    vocab = ["<unk>"]
    for _ in range(rnd.choice([3, 20, 80])):
        t = "".join(rnd.choices(chars, k=rnd.randint(1, 5)))
        if rnd.random() < .08: t = rnd.choice(chars) * rnd.choice([60, 64, 65, 66, 70, 90, 130])
        if rnd.random() < .05: t = rnd.choice(STRANGE) * 2
        if t not in vocab or rnd.random() < .2: vocab.append(t)
    vocab += [c for c in chars if c not in vocab and rnd.random() < .8]
    fallback = rnd.random() < .5
    if fallback: with_bytes(vocab, True)
    rnd.shuffle(vocab)
    ties = rnd.random() < .4
    score = lambda t: -float(rnd.randint(1, 3)) if ties else -rnd.random() * 12 if rnd.random() < .9 else rnd.random()
    m = {"type": "Unigram", "unk_id": rnd.choice([vocab.index("<unk>")] * 4 + [None, rnd.randrange(len(vocab))]),
         "byte_fallback": fallback, "vocab": [[t, score(t)] for t in vocab]}
    if rnd.random() < .1: del m["type"]
    return m, chars, vocab

kinds = [lambda: bpe(False)] * 5 + [lambda: bpe(True)] * 2 + [wordpiece] * 3 + [wordlevel] + [unigram] * 4
for number in range(count):
    # HF tokenizers aborts on some: each model is a process of its own.
    if pid := os.fork():
        os.waitpid(pid, 0)
        continue
    rnd = random.Random(f"{seed} {number}")
    kind = number % len(kinds)
    level = kind in (5, 6) or kind == 11 and rnd.random() < .3
    m, chars, words = kinds[kind]()
    text = json.dumps(m, ensure_ascii=rnd.random() < .5)
    f = json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
         "pre_tokenizer": None, "post_processor": None, "decoder": None})[:-1] + ',"model":' + text + "}"
    try:
        tok = Tokenizer.from_str(f)
    except BaseException as e:
        print(json.dumps({"model": text, "byte_level": level, "error": str(e)}), flush=True)
        os._exit(0)
    words = [w for w in words if w]
    cases = []
    for _ in range(24):
        n = rnd.choice([1, 1, 2, 3, 5, 8, 15, 40, 40, 150, 400])
        piece = rnd.choice(words) if words and rnd.random() < .1 else pick_text(chars, words, n)
        if level:
            # chars are of the alphabet; pieces are bytes
            raw = bytes(k for c in piece for k, v in ALPHABET.items() if v == c) or b"a"
            piece = spell(raw)
        c = {"piece": raw.hex() if level else piece}
        try:
            t = tok.model.tokenize(piece)
        except BaseException as e:
            c["error"] = str(e)
            cases.append(c)
            continue
        c["ids"] = [x.id for x in t]
        off = [x.offsets for x in t]
        if level: # bytes of the spelled piece to bytes
            at = []
            for i, ch in enumerate(piece): at += [i] * len(ch.encode())
            last = len(at) - 1
            off = [(at[a] if a <= last else len(piece), at[min(b - 1, last)] + 1) for a, b in off]
        c["off"] = [x for o in off for x in o]
        cases.append(c)
    print(json.dumps({"model": text, "byte_level": level, "cases": cases}, ensure_ascii=False), flush=True)
    os._exit(0)
