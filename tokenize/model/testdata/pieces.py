# The pieces of 4 MB of lohelp for BenchmarkReal: pieces.py FOLDER_OF_LOHELP FOLDER NAME...
# FOLDER/NAME.json is a tokenizer.json; written are FOLDER/NAME.pieces, each piece behind its length in 4 bytes, and
# FOLDER/NAME.sha256, of all ids as 32-bit little-endian words.
import hashlib, io, json, struct, sys
import zstandard
from tokenizers import Tokenizer

lohelp, folder, *names = sys.argv[1:]
pages = {}
for lang in "ca de en es eu fr gl it".split():
    with open(f"{lohelp}/{lang}.jsonl.zst", "rb") as f:
        pages[lang] = [json.loads(l)["text"] for l in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(f), encoding="utf8")][::2]
texts, size, k = [], 0, 0
while size < 4_000_000:
    for lang in pages:
        if k < len(pages[lang]):
            texts.append(pages[lang][k])
            size += len(texts[-1].encode())
    k += 1
for name in names:
    t = Tokenizer.from_file(f"{folder}/{name}.json")
    ids = hashlib.sha256()
    with open(f"{folder}/{name}.pieces", "wb") as out:
        for x in texts:
            if t.normalizer: x = t.normalizer.normalize_str(x)
            for p in [p for p, _ in t.pre_tokenizer.pre_tokenize_str(x)] if t.pre_tokenizer else [x]:
                out.write(struct.pack("<I", len(p.encode())) + p.encode())
                for y in t.model.tokenize(p): ids.update(struct.pack("<I", y.id))
    with open(f"{folder}/{name}.sha256", "w") as out:
        out.write(ids.hexdigest())
    print(name, len(texts), "texts,", size, "bytes")
