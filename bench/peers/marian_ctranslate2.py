"""Translations by CTranslate2, the model converted to 8 bits.

usage: marian_ctranslate2.py MODEL CONVERTED TEXTS BEAMS THREADS WAYS

MODEL is converted into the folder CONVERTED unless that is there. TEXTS is a JSON list of strings. WAYS, with commas, are ways to
use the threads, TRANSLATORSxTHREADSxBATCH: translators at a time, threads of each, tokens a batch. Prints one JSON object: for the
fastest way (by the clock) texts, tokens, mean log-probabilities, wall and CPU seconds of translate_batch alone, without
tokenizing; and the wall seconds of every way. Where the length of targets is forced, texts lack the last token, in whose place
transformers puts an end.
"""
import json
import os
import sys
import time

import ctranslate2
import transformers


def main():
    folder, converted, file = sys.argv[1:4]
    beams = int(sys.argv[4])
    ways = sys.argv[6].split(",")
    if not os.path.exists(converted):
        ctranslate2.converters.TransformersConverter(folder).convert(converted, quantization="int8")
    with open(file, encoding="utf-8") as f:
        sources = json.load(f)
    tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
    pieces = [tokenizer.convert_ids_to_tokens(tokenizer(s)["input_ids"]) for s in sources]
    with open(os.path.join(folder, "generation_config.json"), encoding="utf-8") as f:
        generation = json.load(f)
    if generation.get("min_length"):
        limits = {"min_decoding_length": generation["min_length"] - 1, "max_decoding_length": generation["max_length"] - 1}
    else:
        limits = {"max_decoding_length": int(2.5 * max(map(len, pieces))) + 8}
    last = generation["max_length"] - 2 if generation.get("min_length") else None
    best, walls = None, {}
    for way in ways:
        translators, threads, batch = map(int, way.split("x"))
        t = ctranslate2.Translator(converted, device="cpu", compute_type="int8", inter_threads=translators, intra_threads=threads)
        options = {"beam_size": beams, "max_batch_size": batch, "batch_type": "tokens", "return_scores": True, "return_end_token": True, **limits}
        t.translate_batch(pieces[:32 * translators], **options)
        wall, cpu = time.perf_counter(), time.process_time()
        out = t.translate_batch(pieces, **options)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        walls[way] = wall
        if best is None or wall < best["wall"]:
            best = {"tokens": [len(o.hypotheses[0]) for o in out], "scores": [o.scores[0] for o in out], "wall": wall, "cpu": cpu, "way": way,
                    "texts": [tokenizer.decode(tokenizer.convert_tokens_to_ids(o.hypotheses[0][:last]), skip_special_tokens=True) for o in out]}
        del t
    print(json.dumps({**best, "walls": walls, "version": f"ctranslate2 {ctranslate2.__version__}", "kernels": os.environ.get("CT2_FORCE_CPU_ISA", "auto")}))


main()
