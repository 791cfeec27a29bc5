#!/usr/bin/env python3
"""Compares what pyarrow, DuckDB and Polars read from a file that curate wrote with what it should hold.

    python3 -m venv VENV && VENV/bin/pip install pyarrow duckdb polars
    VENV/bin/python bench/parquet_written.py corpus/parquet/testdata/written.parquet corpus/parquet/testdata/written.jsonl

The second file has a JSON object a row, with null where a column is null; numbers are compared by value. Without the
second file the readers are compared with one another.
"""
import json, sys

import duckdb, polars as pl, pyarrow as pa, pyarrow.parquet as pq


def plain(v):
    if isinstance(v, (bytes, bytearray)):
        return v.decode()
    if isinstance(v, list):
        return [plain(x) for x in v]
    return v


def exact(v):
    return json.dumps(v, ensure_ascii=False)


def arrow(path):
    return pq.read_table(path, page_checksum_verification=True).to_pylist()


def arrow_groups(path):
    f = pq.ParquetFile(path)
    return [r for b in f.iter_batches(batch_size=7) for r in b.to_pylist()]


def duck(path):
    c = duckdb.execute("select * from read_parquet(?)", [path])
    names = [d[0] for d in c.description]
    return [dict(zip(names, r)) for r in c.fetchall()]


def polars(path):
    return pl.read_parquet(path).to_dicts()


def polars_lazy(path):
    return pl.scan_parquet(path).collect(engine="streaming").to_dicts()


def main(path, lines=None):
    want = [json.loads(l) for l in open(lines)] if lines else None
    print(f"pyarrow {pa.__version__}, duckdb {duckdb.__version__}, polars {pl.__version__}")
    bad = 0
    for read in (arrow, arrow_groups, duck, polars, polars_lazy):
        rows = [{k: plain(v) for k, v in r.items()} for r in read(path)]
        if want is None:
            want = rows
        diff = [i for i, (a, b) in enumerate(zip(rows, want)) if a != b or list(a) != list(b)]
        ok = len(rows) == len(want) and not diff
        bad += not ok
        print(f"{read.__name__:14} {len(rows)} rows: {'the same' if ok else f'DIFFERENT, first at {diff[:1]}'}")
        if diff:
            a, b = rows[diff[0]], want[diff[0]]
            for k in b:
                if k not in a or a[k] != b[k]:
                    print("  ", k, exact(a.get(k)), "want", exact(b[k]))
    m = pq.ParquetFile(path)
    print(m.schema_arrow.to_string(show_schema_metadata=False))
    for g in range(min(1, m.metadata.num_row_groups)):
        for c in range(m.metadata.num_columns):
            k = m.metadata.row_group(g).column(c)
            print(f"  {k.path_in_schema:24} {k.compression:12} {','.join(k.encodings):24} {k.statistics and k.statistics.to_dict()}")
    print(f"{m.metadata.num_row_groups} row groups, created by {m.metadata.created_by}, {m.metadata.metadata}")
    return bad


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
