"""Makes tokenizer.jsonl: texts and ids by MarianTokenizer, to be compared with.

    python tokenizer.py DIR > tokenizer.jsonl        (DIR: the files of tiny/, decompressed)

Made with transformers 5.24.0 and sentencepiece 0.2.3. A line is a variant of the tiny model's tokenizer ({"variant": name, "files":
{name: content}, "binary": {name: base64}, "config": {key: value}}, all of it in place of the files that DIR has; null: none), or a
case of the last variant: {"text", "ids"} of encoding, {"decode", "text"} of decoding with skip_special_tokens.
"""

import base64
import io
import json
import os
import random
import shutil
import sys
import tempfile
import warnings

import sentencepiece
from transformers import MarianTokenizer

warnings.filterwarnings("ignore")
source = sys.argv[1]
random.seed(12)
vocab = json.load(open(os.path.join(source, "vocab.json")))
config = json.load(open(os.path.join(source, "tokenizer_config.json")))
size = len(vocab)

texts = ["", " ", "  ", "\t", "\n", " \n\t ", "a", " a", "a ", " a  b ", "\u00a0", "\u3000x\u3000", "a\u00a0b", "a\tb\nc\r\nd", "\r", "\v\f", "\x1c\x1d\x1e\x1f",
    "\x00", "a\x00b", "\x01\x02\x7f", "\x85", "\u2028\u2029", "\u200b", "a\u200bb", "\u200d\u200c\ufeff", "\ufeffStart", "\u00ad", "soft\u00adhyphen",
    "▁", "▁▁", "▁a", "a▁b", "a ▁ b", " ▁", "▁ ", "a▁",
    "😀", "a😀b", "👩‍👩‍👧‍👦 family", "🇪🇺", "👍🏽", "😀😀😀", "x 😀 y 😀 z", "❤️",
    "e\u0301", "n\u0303o", "a\u0308\u0304", "\u0301", "a\u0301\u0301\u0301\u0301", "Å Å Å", "ﬁ ﬂ ﬃ", "①②③", "㍿", "株㍿会", "㌔", "ｶﾞ", "㎏", "½ ¼", "x²", "™ © ®", "…", "ǆ", "ﷺ",
    "Ｆｕｌｌ　ｗｉｄｔｈ", "１２３", "漢字", "漢字 kanji", "日本語のテキスト", "한국어", "العربية", "עברית", "ไทย", "हिन्दी", "Ελληνικά", "Русский язык", "ñandú ÑANDÚ", "çedilla",
    ">>eu<<", ">>eu<< text", ">>eu<<text", " >>eu<< text", "a >>b<< c", ">>b<<>>c<< d", ">>", "<<", ">><<", ">><<a", ">> <<", ">>a", ">>a<", ">>a<b<<c", ">>a<<b<<c", ">>>a<<", ">>a>>b<<c",
    ">>\n<<x", ">>eu<<\n", ">>eu<<  two spaces", ">>eu<<>>eu<<", "x>>eu<<", ">>es<< Open the file.", ">>漢<<x", ">>e u<< x",
    "</s>", "<unk>", "<pad>", "a</s>b", "a </s> b", "</s></s>", "</s> </s>", "<unk><pad></s>", "<<unk>>", "<</s>", "</s", "< /s>", "</S>", "<pad", "<UNK>", "x <unk> y <pad> z </s>",
    "</s>>>eu<< x", "<pad>>>a<<b<<c", ">>a</s><<b", ">>a<<</s>", " <pad> ", "\n</s>\n", "<s>", "<s>a", "<eop>", "<eod> x", "<mask>", "<special>", "a<special>b", "<spec", "<specials>",
    "a" * 300, "supercalifragilisticexpialidocious" * 5, "x" * 63, "y" * 64, "Donaudampfschiffahrtsgesellschaftskapitän", "-" * 100, "." * 50, "漢" * 40, "😀" * 20, " " * 50 + "a", "a" + " " * 50,
    "1234567890", "3.14159", "1,000,000.00", "192.168.0.1", "2026-11-27T11:00:00Z", "$5.00", "100%", "C:\\Users\\x\\y.txt", "/usr/bin/env", "https://example.org/a?b=c&d=e#f", "me@example.org",
    "<b>bold</b>", "<img src=\"a.png\"/>", "&amp; &lt;", "{\"a\": [1, 2]}", "if (x < 3 && y > 4) { z(); }", "`code`", "**bold** _it_", "| a | b |", "$x^2$", "\\frac{1}{2}", "[[P0]]", "XQ0", "{0}", "⟦0⟧", "__PH_0__", "@@0@@",
    "\"quoted\"", "“curly” ‘single’", "«guillemets»", "it's", "it 's", "don't", "do n't", "Hello , world !", "a . b ? c ! d", " ' ", "I 'm we 've they 're",
    "Moves one sheet to the left.", "Opens a dialog.", "THE FILE", "The the THE tHe", "Click Insert - Object.", "Ezkerrera joaten da orri bat."]
words = [w for t in ["Choose Tools and then select the option that you want to use in the current document of the table",
    "Hautatu dokumentua eta gorde fitxategia taulan beste izen batekin leihoa ixteko"] for w in t.split()]
marks = ["", "", "", " ", "  ", "\t", "\n", ".", ",", "!", "'", "▁", "漢", "😀", "\u0301", "\u200b", "\u00a0", "<", ">", "<<", ">>", "</s>", "<unk>", "<pad>", ">>eu<<", ">>xx<<", "①", "ﬁ", "Ａ", "\x00", "\ufffd", "é", "é", "ß", "<special>", "</custom>"]
while len(texts) < 500:
    t = random.choice(["", "", ">>eu<< ", ">>xx<<", "</s>", " "])
    for _ in range(random.randint(1, 9)):
        t += random.choice(marks) + random.choice(words) + random.choice(marks + [" "] * 20)
    texts.append(t)
assert len(set(texts)) > 490


def sequences(n):
    ids = range(size)
    short = [i for p, i in vocab.items() if len(p) < 3]
    for i in range(n):
        yield [random.choice([random.choice(ids), random.choice(short), random.choice([0, 1, 2, 5, size - 1])]) for _ in range(random.randint(0, 12))]


def emit(**line):
    print(json.dumps(line, ensure_ascii=True))


def variant(name, texts, count, files={}, binary={}, config={}, decodes=()):
    emit(variant=name, files=files, binary={k: base64.b64encode(v).decode() for k, v in binary.items()}, config=config)
    with tempfile.TemporaryDirectory() as dir:
        for f in ["source.spm", "target.spm", "vocab.json", "tokenizer_config.json"]:
            shutil.copy(os.path.join(source, f), dir)
        for f, content in files.items():
            if content is None:
                os.remove(os.path.join(dir, f))
            else:
                open(os.path.join(dir, f), "w").write(content)
        for f, content in binary.items():
            open(os.path.join(dir, f), "wb").write(content)
        t = MarianTokenizer.from_pretrained(dir)
        for x in texts:
            emit(text=x, ids=t(x).input_ids)
        for ids in list(decodes) + list(sequences(count)):
            emit(decode=ids, text=t.decode(ids, skip_special_tokens=True))


variant("tiny", texts, 150)

some = random.sample(texts, 100)
variant("older files", some[:30], 10, files={"tokenizer_config.json": None})
variant("clean_up_tokenization_spaces", some[:5], 0, files={"tokenizer_config.json": json.dumps(config | {"clean_up_tokenization_spaces": True})},
    decodes=[[vocab[p] for p in "▁ . ▁ ? ▁ ! ▁ , ▁ ' ▁".split()], [vocab[p] for p in "n ▁ ' m ▁ ' s ▁ n ' t ▁ ' v e ▁ ' r e ▁ ▁ . . ▁".split()]] +
    [[vocab[p] for p in random.choices("▁ ▁ ▁ . ? ! , ' n t m s v r e".split(), k=random.randint(1, 14))] for _ in range(60)])

# Codes and pieces that only the vocabulary has, and pieces that it has not.
other = dict(vocab)
for old, new in [("▁and", ">>eu<<"), ("▁is", ">>a</s><<"), ("▁in", "漢字"), ("s", "株株式会社会"), ("ing", "<special>"), ("▁to", "</custom>"), (":", "😀")]:
    other[new] = other.pop(old)
variant("other vocabulary", texts, 100, files={"vocab.json": json.dumps(other)})
variant("special tokens", texts, 100, files={"vocab.json": json.dumps(other), "tokenizer_config.json": json.dumps({"source_lang": "en", "target_lang": "eu"}),
    "special_tokens_map.json": json.dumps({"eos_token": "</s>", "unk_token": {"content": "<unk>", "lstrip": False, "rstrip": False, "normalized": True, "single_word": False}, "pad_token": "<pad>", "additional_special_tokens": ["<special>"]}),
    "added_tokens.json": json.dumps({"</custom>": other["</custom>"]})})
variant("split_special_tokens", some, 0, files={"tokenizer_config.json": json.dumps(config | {"split_special_tokens": True})})

# Vocabularies of their own, in which special tokens have the same ids.
models = {}
for name in ["source", "target"]:
    m = sentencepiece.SentencePieceProcessor(model_file=os.path.join(source, name + ".spm"))
    pieces = [m.id_to_piece(i) for i in range(m.get_piece_size())]
    models[name] = {"</s>": 0, "<unk>": 1} | {p: i + 2 for i, p in enumerate(p for p in pieces if p not in ("</s>", "<unk>", "<s>", "<pad>"))}
n = min(len(models["source"]), len(models["target"]))
for m in models.values():
    m.update({p: i for p, i in list(m.items())})
    for p in [p for p, i in m.items() if i >= n]:
        del m[p]
    m["<pad>"] = n
separate = {k: v for k, v in config.items() if k != "added_tokens_decoder"} | {"separate_vocabs": True}
size, joint, vocab = n + 1, vocab, models["target"]
variant("separate_vocabs", texts[:250], 100, config={"vocab_size": size, "decoder_vocab_size": size, "share_encoder_decoder_embeddings": False, "pad_token_id": n, "decoder_start_token_id": n},
    files={"vocab.json": json.dumps(models["source"]), "target_vocab.json": json.dumps(models["target"]), "tokenizer_config.json": json.dumps(separate)})

# A model that spells what it does not know in bytes.
out = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter([t for t in texts if t.isascii() and t.strip()] * 3), model_writer=out, vocab_size=420, byte_fallback=True,
    hard_vocab_limit=False, minloglevel=2, num_threads=1, bos_id=-1)
m = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
vocab = {m.id_to_piece(i): i for i in range(m.get_piece_size())}
vocab["<pad>"] = len(vocab)
size = len(vocab)
bytes_ = [vocab["<0x%02X>" % b] for b in range(256)]
fallback = {k: v for k, v in config.items() if k != "added_tokens_decoder"}
variant("byte_fallback", texts[:250], 60, config={"vocab_size": size, "decoder_vocab_size": size, "pad_token_id": size - 1, "decoder_start_token_id": size - 1},
    files={"vocab.json": json.dumps(vocab), "tokenizer_config.json": json.dumps(fallback)}, binary={"source.spm": out.getvalue(), "target.spm": out.getvalue()},
    decodes=[[bytes_[b] for b in s] for s in ["漢字".encode(), "漢字".encode()[:4], b"\xff\xfe", b"a\x80b", "é".encode() + b"\xc3", b"\xe6\xbc", b"  a  ", b"\xf0\x9f\x98\x80"]] +
    [[random.choice([random.choice(bytes_), random.choice(range(size)), bytes_[random.choice("é漢a ".encode())]]) for _ in range(random.randint(1, 10))] for _ in range(150)])
