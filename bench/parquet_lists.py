#!/usr/bin/env python3
"""Writes corpus/parquet/testdata/lists: tables of whole numbers as pyarrow writes them, for corpus/parquet/lists_test.go.

    python3 -m venv VENV && VENV/bin/pip install pyarrow
    VENV/bin/python bench/parquet_lists.py corpus/parquet/testdata/lists

Each row follows from its number, so that the test knows what is in it.
"""
import sys

import pyarrow as pa
import pyarrow.parquet as pq

columns = {"ids": [], "mask": [], "labels": [], "length": []}
for i in range(200):
    n = 1300 if i == 77 else i * i % 23
    ids = [(i * 1000003 + k * k * 7919 + 2**31) % 2**32 - 2**31 for k in range(n)]
    columns["ids"].append(ids)
    columns["mask"].append([(i + k) % 3 // 2 for k in range(n)])
    columns["labels"].append([(ids[k], -100)[(i + k) % 2] for k in range(n)])
    columns["length"].append(n)
table = pa.table(columns, schema=pa.schema([
    ("ids", pa.list_(pa.int32())), ("mask", pa.list_(pa.int8())), ("labels", pa.list_(pa.int64())), ("length", pa.int64())]))
leaves = [("ids.list.element", 4), ("mask.list.element", 1), ("labels.list.element", 8), ("length", 8)]
for name, options in {
    "v1-snappy-dict": {"compression": "snappy", "data_page_version": "1.0"},
    "v1-gzip-plain": {"compression": "gzip", "use_dictionary": False, "row_group_size": 70, "data_page_size": 500, "write_batch_size": 16},
    "v2-zstd-dict": {"compression": "zstd", "data_page_version": "2.0", "row_group_size": 100},
    "v2-none-delta": {"compression": "none", "data_page_version": "2.0", "use_dictionary": False, "data_page_size": 900,
                      "write_batch_size": 16, "column_encoding": {l: "DELTA_BINARY_PACKED" for l, _ in leaves}},
    "v2-zstd-split": {"compression": "zstd", "data_page_version": "2.0", "use_dictionary": False, "row_group_size": 300,
                      "column_encoding": {l: "BYTE_STREAM_SPLIT" for l, _ in leaves}},
}.items():
    pq.write_table(table, f"{sys.argv[1]}/arrow-{name}.parquet", **options)
