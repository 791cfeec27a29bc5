#!/usr/bin/env python3
"""Makes .model files from vocabularies that llama.cpp ships as GGUF, for the conformance tests:

    pip install gguf
    bench/sentencepiece_models.py DIR
    CURATE_TOKENIZERS=DIR CURATE_CONFORMANCE=... go test ./sentencepiece -run Conformance -v

DIR gets llama2_real/tokenizer.model, the vocabulary of Llama 2 (under its community licence), and
xlmr/sentencepiece.model, that of nomic-bert-moe, which is XLM-R's with the ids of transformers. Both come out of the
source package of llama-cpp-python, which pip fetches (77 MB) unless it is given with --sdist.
"""

import argparse
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "llama-cpp-python==0.3.36"
FOLDER = "vendor/llama.cpp/models/"

UNIGRAM, BPE = 1, 2  # TrainerSpec.ModelType of sentencepiece_model.proto


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


def model(gguf_file, kind, byte_fallback, remove_extra_whitespaces):
    import gguf

    fields = gguf.GGUFReader(gguf_file).fields

    def get(name, otherwise=None):
        return fields["tokenizer.ggml." + name].contents() if "tokenizer.ggml." + name in fields else otherwise

    out = bytearray()
    # The types of GGUF are those of ModelProto.SentencePiece.Type.
    for text, score, type_ in zip(get("tokens"), get("scores"), get("token_type"), strict=True):
        piece = block(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score)
        out += block(1, piece + (number(3, type_) if type_ != 1 else b""))
    trainer = number(3, kind) + number(4, len(get("tokens"))) + number(35, byte_fallback)
    for field, name in (40, "unknown"), (41, "bos"), (42, "eos"), (43, "padding"):
        trainer += number(field, get(name + "_token_id", -1))
    out += block(2, trainer)
    charsmap = bytes(bytearray(get("precompiled_charsmap", [])))
    normalizer = block(1, b"nmt_nfkc" if charsmap else b"identity") + block(2, charsmap)
    normalizer += number(3, 1) + number(4, remove_extra_whitespaces) + number(5, 1)
    out += block(3, normalizer)
    return bytes(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--sdist", help="llama_cpp_python-0.3.36.tar.gz, if it is there already")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        sdist = args.sdist
        if sdist is None:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", tmp]
            subprocess.run(command + [PACKAGE], check=True)
            (sdist,) = pathlib.Path(tmp).glob("*.tar.gz")
        for vocabulary, file, *options in (
            ("llama-spm", "llama2_real/tokenizer.model", BPE, True, False),
            ("nomic-bert-moe", "xlmr/sentencepiece.model", UNIGRAM, False, True),
        ):
            with tarfile.open(sdist) as tar:
                name = f"ggml-vocab-{vocabulary}.gguf"
                member = next(m for m in tar if m.name.endswith(FOLDER + name))
                source = pathlib.Path(tmp) / name
                source.write_bytes(tar.extractfile(member).read())
            out = args.dir / file
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(model(source, *options))
            print(out)


if __name__ == "__main__":
    main()
