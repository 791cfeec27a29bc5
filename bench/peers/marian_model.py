"""A random MarianMT model of the size of OPUS-MT's: 6 + 6 layers, d 512, feed-forward 2048, 8 heads, swish, one vocabulary.

usage: marian_model.py MODEL OUT VOCABULARY LENGTH

MODEL is a folder as MarianTokenizer saves it, whose source.spm and target.spm are taken. vocab.json has its first pieces, or
all of them and further ones that no text has, and <pad> behind: VOCABULARY entries. All targets have LENGTH tokens behind
the start, so that whoever decodes does the same work. Prints one JSON object: how many parameters there are.
"""
import json
import os
import shutil
import sys

import torch
from transformers import GenerationConfig, MarianConfig, MarianMTModel


def main():
    model, out = sys.argv[1:3]
    n, length = map(int, sys.argv[3:5])
    with open(os.path.join(model, "vocab.json"), encoding="utf-8") as f:
        pieces = sorted((i, p) for p, i in json.load(f).items() if p != "<pad>")
    pieces = [p for _, p in pieces][:n - 1]
    pieces += [f"<more{i}>" for i in range(len(pieces), n - 1)]
    vocabulary = {p: i for i, p in enumerate(pieces + ["<pad>"])}
    torch.manual_seed(11)
    config = MarianConfig(
        vocab_size=n, decoder_vocab_size=n, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, max_position_embeddings=512, activation_function="swish",
        scale_embedding=True, share_encoder_decoder_embeddings=True, tie_word_embeddings=True, static_position_embeddings=True,
        pad_token_id=n - 1, decoder_start_token_id=n - 1, eos_token_id=vocabulary["</s>"], forced_eos_token_id=vocabulary["</s>"], bos_token_id=None)
    m = MarianMTModel(config)
    with torch.no_grad():  # with what training begins with all texts get the same target
        for name, p in m.model.named_parameters():
            if "layers." in name and p.dim() == 2:
                p *= 5
    m.generation_config = GenerationConfig(
        min_length=length + 1, max_length=length + 1, pad_token_id=n - 1, decoder_start_token_id=n - 1, eos_token_id=config.eos_token_id,
        forced_eos_token_id=config.eos_token_id)
    m.save_pretrained(out)
    with open(os.path.join(out, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump(vocabulary, f, ensure_ascii=False)
    for name in "source.spm", "target.spm":
        shutil.copy(os.path.join(model, name), out)
    with open(os.path.join(model, "tokenizer_config.json"), encoding="utf-8") as f:
        tokenizer = json.load(f)
    tokenizer.pop("added_tokens_decoder", None)  # numbers of another vocabulary
    with open(os.path.join(out, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump(tokenizer, f)
    print(json.dumps({"parameters": sum(p.numel() for p in m.parameters() if p.requires_grad)}))


main()
