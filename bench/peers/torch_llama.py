"""A llama in PyTorch, for torch_train.py and torch_decode.py: RMSNorm, RoPE in Hugging Face's order, causal attention by
scaled_dot_product_attention, SwiGLU, an untied head, no biases. Matrices that have one input (queries, keys and values; gate
and up) are one product, as curate has them.
"""
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Block(nn.Module):
    def __init__(self, weights, prefix, heads, epsilon):
        super().__init__()
        w = lambda *names: nn.Parameter(torch.cat([weights[prefix + n + ".weight"] for n in names]))
        self.norm1, self.norm2 = w("input_layernorm"), w("post_attention_layernorm")
        self.qkv = w("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
        self.out = w("self_attn.o_proj")
        self.gates = w("mlp.gate_proj", "mlp.up_proj")
        self.down = w("mlp.down_proj")
        self.heads, self.epsilon = heads, epsilon

    def forward(self, x, cos, sin, cache, position):
        """x is [rows, length, width]; cache, if any, two tensors [rows, heads, capacity, head size]."""
        rows, length, width = x.shape
        h = F.rms_norm(x, (width,), self.norm1, self.epsilon)
        qkv = F.linear(h, self.qkv).view(rows, length, 3, self.heads, width // self.heads)
        q, k, v = (t.transpose(1, 2) for t in qkv.unbind(2))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            cache[0][:, :, position : position + length] = k
            cache[1][:, :, position : position + length] = v
            k, v = (c[:, :, : position + length] for c in cache)
        # One token sees all that are in the cache; several at once begin with an empty one.
        a = F.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
        x = x + F.linear(a.transpose(1, 2).reshape(rows, length, width), self.out)
        h = F.rms_norm(x, (width,), self.norm2, self.epsilon)
        gate, up = F.linear(h, self.gates).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, self.down)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    turned = torch.cat((-b, a), -1)
    return (x * cos + turned * sin).to(x.dtype)


class Llama(nn.Module):
    """The model in a folder as Hugging Face has it, for rows of at most length tokens."""

    def __init__(self, folder, length):
        super().__init__()
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            c = json.load(f)
        if c["model_type"] != "llama" or c.get("tie_word_embeddings") or c.get("num_key_value_heads") != c["num_attention_heads"] or c.get("rope_scaling"):
            raise SystemExit(f"{folder}: not the plain untied llama that this script knows")
        w = load_file(os.path.join(folder, "model.safetensors"))
        heads, self.epsilon = c["num_attention_heads"], c["rms_norm_eps"]
        self.embedding = nn.Parameter(w["model.embed_tokens.weight"])
        self.blocks = nn.ModuleList(
            Block(w, f"model.layers.{i}.", heads, self.epsilon) for i in range(c["num_hidden_layers"])
        )
        self.norm, self.head = nn.Parameter(w["model.norm.weight"]), nn.Parameter(w["lm_head.weight"])
        size = c["hidden_size"] // heads
        theta = c["rope_theta"] if "rope_theta" in c else c["rope_parameters"]["rope_theta"]
        angles = theta ** (torch.arange(0, size, 2, dtype=torch.float64) / -size)
        angles = torch.arange(length, dtype=torch.float64)[:, None] * torch.cat((angles, angles))
        self.register_buffer("cos", angles.cos().float())
        self.register_buffer("sin", angles.sin().float())
        self.size, self.heads_of = size, heads

    def forward(self, tokens, caches=None, position=0):
        """Logits, [rows, length, vocabulary]; with caches those of the last token alone."""
        x = F.embedding(tokens, self.embedding)
        length = tokens.shape[1]
        cos, sin = self.cos[position : position + length], self.sin[position : position + length]
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin, caches[i] if caches is not None else None, position)
        if caches is not None:
            x = x[:, -1:]
        return F.linear(F.rms_norm(x, (x.shape[-1],), self.norm, self.epsilon), self.head)

    def caches(self, rows, capacity):
        empty = lambda: torch.zeros(rows, self.heads_of, capacity, self.size)
        return [(empty(), empty()) for _ in self.blocks]


def about():
    """What torch is made of, for the raw run."""
    return {
        "version": torch.__version__,
        "kernels": torch.backends.cpu.get_cpu_capability() + ", MKL " + ("yes" if torch.backends.mkl.is_available() else "no"),
    }
