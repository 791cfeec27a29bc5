"""Reads shards with megatron-core's own IndexedDataset, as Megatron-LM does.

usage: megatron_read.py PREFIX...        (a shard's path without .bin and .idx)

Prints one JSON object a prefix: documents, sequences and tokens, the ids' dtype, sha256 of all tokens as u32
little-endian and of the documents' ends, in tokens, as u64 little-endian, and of the sha256 of each document, sorted,
which does not depend on their order. The last line is for all prefixes together, if there are several.

The module that reads (megatron/core/datasets/indexed_dataset.py) takes from PyTorch no more than a base class and type
hints, but importing it imports all of Megatron. Where PyTorch is not installed, that one module is loaded alone: its
package is entered without running its __init__, and the names that it wants of torch, and its logging, are stood in
for here. Every line that reads a shard is megatron-core's, and "torch" in the answer says which way it was.
pip install --no-deps megatron-core; pip install numpy
"""
import hashlib
import importlib.util
import json
import pathlib
import struct
import sys
import types
from importlib.metadata import version

import numpy


def indexed_dataset():
    """megatron-core's IndexedDataset, and the version of PyTorch or None."""
    if importlib.util.find_spec("torch") is not None:
        from megatron.core.datasets.indexed_dataset import IndexedDataset
        return IndexedDataset, version("torch")

    root = pathlib.Path(importlib.util.find_spec("megatron").submodule_search_locations[0])

    def package(name, folder):
        m = types.ModuleType(name)
        m.__path__ = [str(folder)]
        sys.modules[name] = m

    package("megatron.core", root / "core")
    package("megatron.core.datasets", root / "core" / "datasets")
    utils = types.ModuleType("megatron.core.utils")
    utils.log_single_rank = lambda *_args, **_kwargs: None
    sys.modules["megatron.core.utils"] = utils
    torch = types.ModuleType("torch")
    torch.Tensor = type("Tensor", (), {})
    torch.utils = types.SimpleNamespace(data=types.SimpleNamespace(Dataset=object))
    sys.modules["torch"] = torch
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    return IndexedDataset, None


def main():
    dataset, torch = indexed_dataset()
    every = []
    for prefix in sys.argv[1:]:
        d = dataset(prefix, multimodal=False, mmap=True)
        tokens, ends, total, documents = hashlib.sha256(), hashlib.sha256(), 0, []
        borders = d.document_indices
        for first, after in zip(borders[:-1], borders[1:]):
            document = hashlib.sha256()
            for i in range(int(first), int(after)):
                ids = d[i].astype("<u4").tobytes()
                tokens.update(ids)
                document.update(ids)
                total += len(ids) // 4
            ends.update(struct.pack("<Q", total))
            documents.append(document.digest())
        every += documents
        print(json.dumps({
            "prefix": prefix, "documents": len(borders) - 1, "sequences": len(d), "tokens": total,
            "dtype": numpy.dtype(d.index.dtype).name, "sha256_tokens_u32le": tokens.hexdigest(),
            "sha256_doc_ends_u64le": ends.hexdigest(), "sha256_sorted_documents": in_any_order(documents),
            "megatron_core": version("megatron-core"), "torch": torch,
        }))
    if len(sys.argv) > 2:
        print(json.dumps({"documents": len(every), "sha256_sorted_documents": in_any_order(every)}))


def in_any_order(documents):
    return hashlib.sha256(b"".join(sorted(documents))).hexdigest()


if __name__ == "__main__":
    main()
