#!/usr/bin/env python3
"""Adapters of Hugging Face's PEFT, beside those of curate train.

    python3 -m venv VENV && VENV/bin/pip install torch transformers peft
    VENV/bin/python bench/peft_model.py make MODEL DIR RANK ALPHA SEED
    VENV/bin/python bench/peft_model.py read MODEL CHECKPOINT

make gives all linear layers of MODEL (a LlamaForCausalLM) adapters of random numbers, saves them with save_pretrained, and writes
expected.safetensors beside them: tokens, logits in float64 rounded to float32, and the gradients of A and B for the mean
cross-entropy of the next token.

read loads CHECKPOINT/adapter on top of MODEL with PeftModel.from_pretrained and compares its logits, in float64, with those of the
merged model in CHECKPOINT; then it has PEFT merge the adapters and compares the weights. One JSON line says how far they are apart.
"""
import json, os, sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import peft, torch, transformers
from safetensors.torch import save_file

torch.set_num_threads(1)


def load(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float64)


def tokens(m, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, m.config.vocab_size, (3, 20), generator=g)


def make(folder, out, rank, alpha, seed):
    torch.manual_seed(int(seed))
    m = peft.get_peft_model(load(folder), peft.LoraConfig(r=int(rank), lora_alpha=float(alpha), target_modules="all-linear", task_type="CAUSAL_LM")).double()
    for name, p in m.named_parameters():
        if "lora_" in name:
            p.data = torch.randn_like(p) * 0.2
    m.save_pretrained(out)
    ids = tokens(m, int(seed))
    logits = m(ids).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
    loss.backward()
    want = {"tokens": ids.int(), "logits": logits.detach().float()}
    for name, p in m.named_parameters():
        if p.grad is not None:
            want[name.replace(".default", "")] = p.grad.float()
    save_file({k: v.contiguous() for k, v in want.items()}, os.path.join(out, "expected.safetensors"),
              metadata={"peft": peft.__version__, "transformers": transformers.__version__, "torch": torch.__version__, "loss": repr(loss.item())})
    print(json.dumps({"loss": loss.item(), "tensors": len(want)}))


def read(folder, checkpoint):
    m = peft.PeftModel.from_pretrained(load(folder), os.path.join(checkpoint, "adapter")).double()
    merged = load(checkpoint)
    ids = tokens(m, 1)
    with torch.no_grad():
        a, b, base = m(ids).logits, merged(ids).logits, load(folder)(ids).logits
    theirs, ours = m.merge_and_unload().state_dict(), merged.state_dict()
    print(json.dumps({
        "peft": peft.__version__, "transformers": transformers.__version__, "logits": a.abs().max().item(), "changed by": (a - base).abs().max().item(),
        "differ by": (a - b).abs().max().item(), "weights differ by": max((theirs[k] - ours[k]).abs().max().item() for k in ours),
    }))


if __name__ == "__main__":
    {"make": make, "read": read}[sys.argv[1]](*sys.argv[2:])
