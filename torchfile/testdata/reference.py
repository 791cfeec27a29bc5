"""Makes the files of this folder with PyTorch (2.15.0) and reference.json, which says what is in them."""

import collections
import json
import os

import torch

base = torch.arange(24, dtype=torch.float32) / 4 - 1
odd = torch.tensor([0.0, -0.0, 1.5, 3.1415927, -65504.0, 1e-7])
d = collections.OrderedDict()
d["parameter"] = torch.nn.Parameter(base.reshape(4, 6))
d["same"] = base
d["transposed"] = base.reshape(4, 6).t()
d["permuted"] = base.reshape(2, 3, 4).permute(2, 0, 1)
d["sliced"] = base.reshape(4, 6)[1:3, 2:5]
d["every second"] = base[1::2]
d["expanded"] = base[5:8].expand(2, 3)
d["row"] = base.reshape(4, 6)[2]
d["scalar"] = torch.tensor(2.5)
d["empty"] = torch.zeros(0, 3)
d["f16"] = odd.half().reshape(2, 3)
d["bf16"] = odd.bfloat16().reshape(2, 3)
d["f64"] = odd.double().reshape(3, 2).t()
d["ñ"] = torch.ones(1, 2)
for name, dtype in dict(i64=torch.int64, i32=torch.int32, i16=torch.int16, i8=torch.int8, u8=torch.uint8, bool=torch.bool).items():
    d[name] = torch.ones(2, dtype=dtype)
torch.save(d, "views.bin")
torch.save(dict(d, epoch=3, note="x"), "protocol4.bin", pickle_protocol=4)

module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
for i, p in enumerate(module.parameters()):
    p.data = torch.arange(p.numel(), dtype=torch.float32).reshape(p.shape) + i
torch.save(module.state_dict(), "module.bin")

out = {}
for name, tensors in {"views.bin": d, "protocol4.bin": d, "module.bin": module.state_dict()}.items():
    out[name] = [{"name": k, "shape": list(t.shape), "numbers": [float(x) for x in t.detach().float().reshape(-1)] if t.is_floating_point() else None} for k, t in tensors.items()]
json.dump(out, open("reference.json", "w"), ensure_ascii=False, indent=1)


class Program:
    def __reduce__(self):
        return os.system, ("echo executed",)


torch.save({"weight": torch.ones(2), "x": Program()}, "program.bin")
torch.save(module, "module-object.bin")
torch.save(torch.ones(2), "tensor.bin")
torch.save({"state_dict": {"weight": torch.ones(2)}}, "nested.bin")
torch.save({"weight": torch.ones(2)}, "legacy.bin", _use_new_zipfile_serialization=False)
torch.save({"weight": torch.ones(2, dtype=torch.complex64)}, "complex.bin")
torch.save({"weight": torch.ones(2).to_sparse()}, "sparse.bin")
torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), "script.bin")
