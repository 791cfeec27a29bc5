"""Writes a GGUF file of random weights in Q4_0, of BTLM-3B's shape as llama.cpp's architecture jais has it, for the measurement of speed.

    gguf_random.py FILE LAYERS

Rows of the FFN have 6,848 weights in place of 6,826, which are no whole blocks: as many as curate reads for them. It needs gguf 0.19 and numpy.
"""

import sys

import gguf
import numpy as np

out, layers = sys.argv[1], int(sys.argv[2])
width, heads, ffn, vocabulary = 2560, 32, 6848, 50257
rng = np.random.default_rng(1)
w = gguf.GGUFWriter(out, "jais", use_temp_file=False)
w.add_context_length(8192)
w.add_embedding_length(width)
w.add_feed_forward_length(ffn)
w.add_block_count(layers)
w.add_head_count(heads)
w.add_layer_norm_eps(1e-5)
w.add_max_alibi_bias(8.0)
w.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
w.add_tokenizer_model("no_vocab")
w.add_vocab_size(vocabulary)

Q4 = gguf.GGMLQuantizationType.Q4_0


def blocks(rows, cols):
    b = rng.integers(0, 256, (rows, cols // 32, 18), dtype=np.uint8)
    b[:, :, :2] = np.frombuffer(np.float16(0.005).tobytes(), np.uint8)  # the scale
    return b.reshape(rows, -1)


def shapes():
    yield "token_embd.weight", (vocabulary, width)
    yield "output_norm.weight", (width,)
    yield "output_norm.bias", (width,)
    for i in range(layers):
        b = f"blk.{i}."
        for norm in ("attn_norm", "ffn_norm"):
            yield b + norm + ".weight", (width,)
            yield b + norm + ".bias", (width,)
        for name, rows, cols in (("attn_qkv", 3 * width, width), ("attn_output", width, width), ("ffn_gate", ffn, width), ("ffn_up", ffn, width), ("ffn_down", width, ffn)):
            yield b + name + ".weight", (rows, cols)
            yield b + name + ".bias", (rows,)
    yield "output.weight", (vocabulary, width)


for name, shape in shapes():
    if len(shape) == 2:
        rows, cols = shape
        w.add_tensor_info(name, (rows, cols // 32 * 18), np.dtype(np.uint8), rows * (cols // 32) * 18, raw_dtype=Q4)
    else:
        w.add_tensor_info(name, shape, np.dtype(np.float32), shape[0] * 4)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_ti_data_to_file()
for name, shape in shapes():
    if len(shape) == 2:
        w.write_tensor_data(blocks(*shape))
    else:
        w.write_tensor_data(np.full(shape, 1 if name.endswith("norm.weight") else 0, np.float32))
w.close()
