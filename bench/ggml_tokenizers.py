"""Writes DIR/ggml-NAME/tokenizer.json from the vocabularies of llama.cpp (models/ggml-vocab-NAME.gguf, MIT), which the
source distribution of llama-cpp-python has:

    pip download --no-deps --no-binary :all: llama-cpp-python==0.3.36
    python3 ggml_tokenizers.py llama_cpp_python-0.3.36.tar.gz DIR [GOLDENS]     (or the folder it was unpacked to)

With GOLDENS, a folder of llama.cpp's ggml-vocab-NAME.gguf.inp and .out, each file is checked with HF tokenizers.
Those of the kinds BPE and WordPiece are written; llama-spm and phi-3 are sentencepiece models.
"""

import json
import os
import re
import struct
import sys
import tarfile

SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}  # GGUF's types


class Gguf:
    """The metadata of a GGUF file (ggml/docs/gguf.md)."""

    def __init__(self, data):
        self.data, self.at = data, 0
        magic, version, tensors, keys = self.take("<4sIQQ")
        assert magic == b"GGUF" and version in (2, 3)
        self.keys = {}
        for _ in range(keys):
            key = self.string()
            self.keys[key] = self.value(self.take("<I")[0])

    def take(self, form):
        out = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return out

    def string(self):
        n = self.take("<Q")[0]
        self.at += n
        return self.data[self.at - n:self.at].decode("utf-8", "replace")

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            kind, n = self.take("<IQ")
            if kind in SIZES:
                return list(self.take("<%d%s" % (n, SIZES[kind])))
            return [self.value(kind) for _ in range(n)]
        return self.take("<" + SIZES[kind])[0]


def split(regex, behavior="Isolated"):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": False}


def byte_level(use_regex):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def digits(individual):
    return {"type": "Digits", "individual_digits": individual}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


# As the models' own tokenizer.json have it; llama-vocab.cpp (llm_tokenizer_bpe) has the same as regexes.
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CJK = "[一-龥ࠀ-一가-퟿]+"


def pre_tokenizers(letters):
    return {
        "command-r": sequence(digits(True), byte_level(True)),
        "deepseek-coder": sequence(split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CJK), digits(True), byte_level(False)),
        "deepseek-llm": sequence(split("[\r\n]"), split(letters), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"), split(CJK), digits(True), byte_level(False)),
        "falcon": sequence({"type": "Punctuation", "behavior": "Contiguous"}, byte_level(True), digits(False), split("[0-9][0-9][0-9]")),
        "gemma-4": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "gpt-2": byte_level(True),
        "llama-bpe": sequence(split(LLAMA3), byte_level(False)),
        "mpt": byte_level(True),
        "qwen2": sequence(split(QWEN2), byte_level(False)),
        "qwen35": sequence(split(QWEN35), byte_level(False)),
        "refact": sequence(digits(True), byte_level(True)),
        "starcoder": sequence(digits(True), byte_level(True)),
    }


NFC = {"type": "NFC"}
NORMALIZERS = {
    "command-r": NFC, "mpt": NFC, "qwen2": NFC,  # qwen35's strings have decomposed letters and its ids leave them so
    "gemma-4": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
}


def tokenizer(name, keys, pre_tokenizer):
    tokens, kinds, merges = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"], keys["tokenizer.ggml.merges"]
    fallback = name == "gemma-4"
    # 3 is a control token and special, 4 is one of the user, 2 is the unknown one (llama_token_attr).
    added = [
        {"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": kinds[i] != 4}
        for i, t in enumerate(tokens) if kinds[i] in (2, 3, 4) and t
    ]
    skip = {a["id"] for a in added} if not fallback else set()
    vocab = {t: i for i, t in enumerate(tokens) if i not in skip and (kinds[i] != 5 or fallback)}
    # An added token that merges use is in the vocabulary as well.
    parts = [tuple(m.split(" ", 1)) if m.count(" ") == 1 else tuple(m.rsplit(" ", 1)) for m in merges]
    used = {p for m in parts for p in m} | {"".join(m) for m in parts}
    for i in skip:
        if tokens[i] in used:
            vocab[tokens[i]] = i
    parts = [m for m in parts if m[0] in vocab and m[1] in vocab and "".join(m) in vocab]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": NORMALIZERS.get(name), "pre_tokenizer": pre_tokenizer, "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True} if not fallback else
        {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>" if fallback else None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": fallback, "byte_fallback": fallback, "ignore_merges": name == "llama-bpe",
            "vocab": vocab, "merges": [list(m) for m in parts] if fallback else [" ".join(m) for m in parts],
        },
    }


def wordpiece(keys):
    """GGUF writes ▁ before what begins a word, and nothing where the vocabulary has ##."""
    tokens, kinds = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
    names = [t if kinds[i] != 1 else t[1:] if t.startswith("▁") else "##" + t for i, t in enumerate(tokens)]
    added = [
        {"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, t in enumerate(names) if kinds[i] in (2, 3) and t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": None, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": {t: i for i, t in enumerate(names)},
        },
    }


def check(path, inp, out):
    import tokenizers

    t = tokenizers.Tokenizer.from_file(path)
    texts = open(inp, encoding="utf-8", newline="").read().split("\n__ggml_vocab_test__\n")
    rows = open(out).read().split("\n")
    if len(texts) > 1 and texts[-1] == "":
        texts.pop()
    wrong = []
    for text, row in zip(texts, rows):
        ids = t.encode(text, add_special_tokens=False).ids
        if ids != [int(x) for x in row.split()]:
            wrong.append((text, ids, row))
    return len(texts), wrong


def reader(source):
    """Reads the file whose name ends so, of the archive or of the folder that it was unpacked to."""
    if os.path.isdir(source):
        names = [os.path.join(d, f) for d, _, files in os.walk(source) for f in files]
        return lambda end: open(next(n for n in names if n.endswith(end)), "rb").read()
    tar = tarfile.open(source)
    members = tar.getmembers()
    return lambda end: tar.extractfile(next(m for m in members if m.name.endswith(end))).read()


def main():
    read, folder = reader(sys.argv[1]), sys.argv[2]
    text = read("/src/llama-vocab.cpp").decode()
    part = text[text.index("case LLAMA_VOCAB_PRE_TYPE_DEEPSEEK_LLM:"):]
    letters = re.search(r'"(\\\\s\?\[A-Za-z.*?)",\n', part).group(1).replace("\\\\", "\\")
    for name, pre in [("bert-bge", None), *pre_tokenizers(letters).items()]:
        keys = Gguf(read("/models/ggml-vocab-%s.gguf" % name)).keys
        target = os.path.join(folder, "ggml-" + name)
        os.makedirs(target, exist_ok=True)
        path = os.path.join(target, "tokenizer.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(tokenizer(name, keys, pre) if pre else wordpiece(keys), f, ensure_ascii=False)
        print(name, len(keys["tokenizer.ggml.tokens"]), "tokens", end="")
        if len(sys.argv) > 3:
            golden = os.path.join(sys.argv[3], "ggml-vocab-%s.gguf" % name)
            n, wrong = check(path, golden + ".inp", golden + ".out")
            print("; %d of %d strings wrong" % (len(wrong), n), end="")
            for text, ids, row in wrong[:3]:
                print("\n  %r\n  got  %s\n  want %s" % (text[:60], ids[:20], row[:100]), end="")
        print(flush=True)


if __name__ == "__main__":
    main()
