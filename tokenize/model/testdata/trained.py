# Models trained on lohelp, and what HF tokenizers makes of pieces of it: train.py FOLDER_OF_LOHELP > FILE
import io, json, random, sys
import zstandard
from tokenizers import Tokenizer, models, trainers, pre_tokenizers

rnd = random.Random(1)
def pages(lang):
    with open(f"{sys.argv[1]}/{lang}.jsonl.zst", "rb") as f:
        return [json.loads(l)["text"] for l in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(f), encoding="utf8")]
texts = pages("eu")[:400] + pages("en")[:400]
held = pages("eu")[400:430] + pages("en")[400:430] + pages("de")[:20] + pages("fr")[:10]
spm = lambda t: "▁" + t.replace(" ", "▁")

def bpe():
    m = models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    t = Tokenizer(m)
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=3000, special_tokens=["<unk>"] + [f"<0x{b:02X}>" for b in range(256)], show_progress=False, limit_alphabet=80))
    return t, [spm(x) for x in held]
def unigram(fallback):
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>"] + ([f"<0x{b:02X}>" for b in range(256)] if fallback else [])
    t.train_from_iterator(texts, trainers.UnigramTrainer(vocab_size=2500, unk_token="<unk>", special_tokens=special, show_progress=False))
    j = json.loads(t.to_str())
    j["model"]["byte_fallback"] = fallback
    t = Tokenizer.from_str(json.dumps(j))
    return t, [spm(x) for x in held[::8]] + [w for x in held[::3] for w, _ in t.pre_tokenizer.pre_tokenize_str(x)][:600]
def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=3000, special_tokens=["[UNK]"], show_progress=False, limit_alphabet=80))
    return t, [w for x in held for w, _ in t.pre_tokenizer.pre_tokenize_str(x)][::5][:1500]

for t, pieces in (bpe(), unigram(False), unigram(True), wordpiece()):
    model = json.dumps(json.loads(t.to_str())["model"], ensure_ascii=False)
    cases = []
    for p in dict.fromkeys(pieces):
        got = t.model.tokenize(p)
        cases.append({"piece": p, "ids": [x.id for x in got], "off": [o for x in got for o in x.offsets]})
    print(json.dumps({"model": model, "byte_level": False, "cases": cases}, ensure_ascii=False))
