"""Makes mds-*.gz and litdata-*.gz: shards and index.json as mosaicml-streaming 0.13.0 and litdata 0.2.76 write them.

    python3 -m venv V && V/bin/pip install mosaicml-streaming==0.13.0 litdata==0.2.76
    V/bin/python streams.py

The sequences are those of streamSequences in offsets_test.go. The same versions give the same bytes, but for
"updated_at" of litdata's index, which is a clock's.
"""

import gzip
import os
import pathlib
import tempfile

import numpy
import torch
from litdata import TokensLoader
from litdata.streaming.writer import BinaryWriter
from streaming import MDSWriter

here = pathlib.Path(__file__).parent
# The lengths around which the shape of an ndarray takes another byte, and one token.
LENGTHS = [1, 255, 256, 3, 65535, 65536]
VOCABULARY = {"uint16": 65536, "int32": 100000}


def tokens(j, dtype):
    return ((j * 1009 + numpy.arange(LENGTHS[j]) % 97 * 601) % VOCABULARY[dtype]).astype(dtype)


def mask(j):
    return ((j + numpy.arange(LENGTHS[j])) % 3 != 0).astype("uint8")


def keep(name, data):
    with open(here / f"{name}.gz", "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as g:
        g.write(data)


for dtype in VOCABULARY:
    for masked in False, True:
        columns = {"tokens": f"ndarray:{dtype}"} | ({"loss_mask": "ndarray:uint8"} if masked else {})
        with tempfile.TemporaryDirectory() as d:
            with MDSWriter(columns=columns, out=d, exist_ok=True) as w:
                for j in range(len(LENGTHS)):
                    w.write({"tokens": tokens(j, dtype)} | ({"loss_mask": mask(j)} if masked else {}))
            name = f"mds-{dtype}" + ("-masked" if masked else "")
            keep(f"{name}.mds", pathlib.Path(d, "shard.00000.mds").read_bytes())
            keep(f"{name}.json", pathlib.Path(d, "index.json").read_bytes())
    with tempfile.TemporaryDirectory() as d:
        w = BinaryWriter(d, chunk_bytes="64MB", item_loader=TokensLoader(block_size=9))
        for j in range(len(LENGTHS)):
            w[j] = torch.from_numpy(tokens(j, dtype))
        w.done()
        w.merge()
        assert sorted(os.listdir(d)) == ["chunk-0-0.bin", "index.json"], os.listdir(d)
        keep(f"litdata-{dtype}.bin", pathlib.Path(d, "chunk-0-0.bin").read_bytes())
        keep(f"litdata-{dtype}.json", pathlib.Path(d, "index.json").read_bytes())
