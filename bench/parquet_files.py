#!/usr/bin/env python3
"""Writes corpus/parquet/testdata: Parquet files of three writers, and the JSON Lines that each must become.

    python3 -m venv VENV && VENV/bin/pip install pyarrow duckdb polars
    VENV/bin/python bench/parquet_files.py corpus/parquet/testdata
    VENV/bin/python bench/parquet_files.py --text 40 DIR     # DIR/text-{zstd,snappy}.parquet, 40 MB of text, for measuring

The expected lines are made here, from the Python values that were given to the writers and the rules of
docs/formats/parquet.md, not by reading the files back and not by curate.
"""
import base64, datetime as dt, decimal, json, math, os, random, struct, sys, uuid

import duckdb, polars as pl, pyarrow as pa, pyarrow.parquet as pq

D = decimal.Decimal
UTC = dt.timezone.utc


# --- the rules: (kind, ...) describes a type; js(kind, value) is its JSON text ---------------------------------

def string(s):
    return json.dumps(s, ensure_ascii=False)


def number(x, bits):
    """The shortest digits that read back the same, as ECMAScript writes them."""
    if math.isnan(x) or math.isinf(x):
        return "null"
    if bits == 64:
        t = repr(x)
    else:
        t = next(t for t in ("%.*g" % (p, x) for p in range(1, 18))
                 if struct.unpack("f", struct.pack("f", float(t)))[0] == x)
    sign, digits, exp = D(t).as_tuple()
    digits = "".join(map(str, digits))
    stripped = digits.rstrip("0") or "0"
    exp += len(digits) - len(stripped)
    digits = stripped
    minus = "-" if sign else ""
    if digits == "0":
        return minus + "0"
    point = len(digits) + exp  # digits before the point
    if 1e-6 <= abs(x) < 1e21:
        if exp >= 0:
            return minus + digits + "0" * exp
        if point > 0:
            return minus + digits[:point] + "." + digits[point:]
        return minus + "0." + "0" * -point + digits
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    e = point - 1
    return f"{minus}{mantissa}e{'+' if e >= 0 else '-'}{abs(e):0{2 if e >= 0 else 1}d}"


def clock(ns, digits):
    s, f = divmod(ns, 10**9)
    return f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}.{f // 10 ** (9 - digits):0{digits}d}"


def stamp(ns, digits, zone):
    day, rest = divmod(ns, 86400 * 10**9)
    return string(f"{dt.date(1970, 1, 1) + dt.timedelta(days=day)}T{clock(rest, digits)}{zone}")


def js(kind, v):
    k, *a = kind if isinstance(kind, tuple) else (kind,)
    if v is None:
        return "null"
    if k == "string":
        return string(v)
    if k == "int":
        return str(v)
    if k == "bool":
        return "true" if v else "false"
    if k == "float":
        return number(v, a[0])
    if k == "decimal":
        return format(v.quantize(D(1).scaleb(-a[0]), context=decimal.Context(prec=80)), "f")
    if k == "date":
        return string(v.isoformat())
    if k == "time":  # nanoseconds of the day
        return string(clock(v, a[0]) + a[1])
    if k == "stamp":  # nanoseconds since 1970
        return stamp(v, a[0], a[1])
    if k == "bytes":
        return '{"base64":%s}' % string(base64.b64encode(v).decode())
    if k == "binary":  # nothing says whether it is text
        try:
            return string(v.decode("utf-8"))
        except UnicodeDecodeError:
            return js("bytes", v)
    if k == "list":
        return "[" + ",".join(js(a[0], x) for x in v) + "]"
    if k == "struct":
        return "{" + ",".join(string(n) + ":" + js(t, v.get(n)) for n, t in a) + "}"
    if k == "map":
        return "{" + ",".join(string(x) + ":" + js(a[0], y) for x, y in v) + "}"
    if k == "pairs":
        return "[" + ",".join('{"key":%s,"value":%s}' % (js(a[0], x), js(a[1], y)) for x, y in v) + "]"
    raise ValueError(k)


def lines(fields, rows):
    return "".join(js(("struct", *fields), r) + "\n" for r in rows)


def expected(path, text):
    """What every file whose name begins as path does must become; the longest such name counts."""
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


# --- the table -------------------------------------------------------------------------------------------------

TEXTS = ["", "kaixo, mundua", "Ama Lur — Euskal Herriko ñabardurak: ü, ç, «ez»", 'quote " and \\ and / slash', "tab\there\nline\r\n",
         "emoji 🐑👩‍🌾🇪🇺", "controls \x01\x1f\x7f\x08\x0c end", "line\u2028sep\u2029 \ufeff", "漢字かな交じり文", "x" * 300, "<b>&amp;</b>"]
MS, US, NS = 10**6, 10**3, 1
T = [0, 1, 86399999999999, 45296123456789]  # of a day, in ns
S = [0, -1, 1700000000123456789, -62135596800 * 10**9, 951782400 * 10**9, 4102444799999999999]  # of an epoch, in ns
CHAT = ("list", ("struct", ("role", "string"), ("content", "string"), ("weight", ("float", 64))))


def chat(i):
    if i % 5 == 4:
        return None
    return [{"role": "user" if j % 2 == 0 else "assistant", "content": TEXTS[(i + j) % len(TEXTS)] if j != 2 else None, "weight": 0.5 * j} for j in range(i % 4)]


def floor(ns, unit):
    return ns // unit * unit


def opt(i, v, k=7):
    return None if i % k == k - 1 else v


def base_rows(n):
    rows = []
    for i in range(n):
        t, s = T[i % len(T)], S[i % len(S)]
        small = max(s, -2**63 // 2)
        rows.append({
            "id": f"doc-{i:05d}", "text": opt(i, TEXTS[i % len(TEXTS)], 13),
            "nested": opt(i, {"lang": opt(i, "eu", 3), "inner": opt(i, {"n": opt(i, i * i, 2), "s": TEXTS[i % 5]}, 5)}, 6),
            "tags": None if i % 4 == 3 else [opt(i + j, f"t{j}", 3) for j in range(i % 4)],
            "messages": chat(i), "deep": None if i % 6 == 5 else [None if j == 1 else [opt(k, i * 10 + k, 4) for k in range(j)] for j in range(i % 5)],
            "meta": None if i % 5 == 2 else [(f"k{j}\"", opt(i + j, TEXTS[j], 2)) for j in range(i % 3)],
            "counts": None if i % 5 == 1 else [(j - 1, [f"v{j}"] * (j % 3)) for j in range(i % 4)],
            "i8": opt(i, (-128, 127, 0, -1)[i % 4]), "u8": opt(i, (0, 255)[i % 2]), "i16": (-2**15, 2**15 - 1)[i % 2], "u16": 65535 - i,
            "i32": opt(i, (-2**31, 2**31 - 1, i)[i % 3]), "u32": 2**32 - 1 - i, "i64": (2**53 + 1, -2**63, 2**63 - 1, i)[i % 4],
            "u64": opt(i, (2**64 - 1, 2**53 + 1, 0)[i % 3]),
            "f32": opt(i, struct.unpack("f", struct.pack("f", (0.1, -0.0, 1e-7, 3.4e38, math.nan, 16777216.0)[i % 6]))[0]),
            "f64": (0.1, -0.0, 1e-7, 1.7976931348623157e308, math.inf, 1e21, 123456789.125, -5e-324)[i % 8],
            "flag": opt(i, i % 3 == 0, 5), "raw": opt(i, (b"\xff\x00\xfe", b"plain", b"", "ñ".encode())[i % 4]), "fixed": opt(i, bytes([i % 256, 0, 255, 1])),
            "dec9": opt(i, D((-123, 0, 999999999, 5)[i % 4]).scaleb(-2)), "dec38": opt(i, D((10**37 + 1, -(10**37), -1, 10**20)[i % 4]).scaleb(-10)),
            "day": opt(i, (dt.date(1970, 1, 1), dt.date(1, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31), dt.date(1900, 3, 1))[i % 5]),
            "tms": floor(t, MS), "tus": floor(t, US), "tns": opt(i, t),
            "sms": floor(s, MS), "sus": opt(i, floor(s, US)), "sns": max(s, -9 * 10**18), "smsz": floor(s, MS), "susz": floor(s, US), "snsz": max(s, -9 * 10**18),
            "cat": opt(i, ("gaztelania", "euskara", "frantsesa")[i % 3], 4), "nothing": None,
        })
    return rows


FIELDS = [
    ("id", "string"), ("text", "string"), ("nested", ("struct", ("lang", "string"), ("inner", ("struct", ("n", "int"), ("s", "string"))))),
    ("tags", ("list", "string")), ("messages", CHAT), ("deep", ("list", ("list", "int"))),
    ("meta", ("map", "string")), ("counts", ("pairs", "int", ("list", "string"))),
    ("i8", "int"), ("u8", "int"), ("i16", "int"), ("u16", "int"), ("i32", "int"), ("u32", "int"), ("i64", "int"), ("u64", "int"),
    ("f32", ("float", 32)), ("f64", ("float", 64)), ("flag", "bool"), ("raw", "binary"), ("fixed", "bytes"),
    ("dec9", ("decimal", 2)), ("dec38", ("decimal", 10)), ("day", "date"),
    ("tms", ("time", 3, "")), ("tus", ("time", 6, "")), ("tns", ("time", 9, "")),
    ("sms", ("stamp", 3, "")), ("sus", ("stamp", 6, "")), ("sns", ("stamp", 9, "")),
    ("smsz", ("stamp", 3, "Z")), ("susz", ("stamp", 6, "Z")), ("snsz", ("stamp", 9, "Z")),
    ("cat", "string"), ("nothing", "string"),
]


def with_kind(fields, **changed):
    return [(n, changed.get(n, k)) for n, k in fields]


# --- pyarrow ---------------------------------------------------------------------------------------------------

def arrow_table(rows):
    types = {
        "nested": pa.struct([("lang", pa.string()), ("inner", pa.struct([("n", pa.int64()), ("s", pa.large_string())]))]),
        "tags": pa.list_(pa.string()), "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("weight", pa.float64())])),
        "deep": pa.list_(pa.large_list(pa.int32())), "meta": pa.map_(pa.string(), pa.string()), "counts": pa.map_(pa.int32(), pa.list_(pa.string())),
        "i8": pa.int8(), "u8": pa.uint8(), "i16": pa.int16(), "u16": pa.uint16(), "i32": pa.int32(), "u32": pa.uint32(), "i64": pa.int64(), "u64": pa.uint64(),
        "f32": pa.float32(), "f64": pa.float64(), "flag": pa.bool_(), "raw": pa.binary(), "fixed": pa.binary(4),
        "dec9": pa.decimal128(9, 2), "dec38": pa.decimal128(38, 10), "day": pa.date32(),
        "tms": pa.time32("ms"), "tus": pa.time64("us"), "tns": pa.time64("ns"),
        "sms": pa.timestamp("ms"), "sus": pa.timestamp("us"), "sns": pa.timestamp("ns"),
        "smsz": pa.timestamp("ms", "UTC"), "susz": pa.timestamp("us", "Europe/Madrid"), "snsz": pa.timestamp("ns", "UTC"),
        "cat": pa.dictionary(pa.int32(), pa.string()), "nothing": pa.null(),
    }
    units = {"tms": MS, "tus": US, "tns": NS, "sms": MS, "sus": US, "sns": NS, "smsz": MS, "susz": US, "snsz": NS}
    cols = {}
    for n, _ in FIELDS:
        v = [r[n] for r in rows]
        t = types.get(n, pa.string())
        if n in units:  # given as integers, so that nothing is rounded on the way
            v = pa.array([None if x is None else x // units[n] for x in v], pa.int32() if n == "tms" else pa.int64()).cast(t)
        else:
            v = pa.array(v, t)
        cols[n] = v
    return pa.table(cols)


def schema_times_utc(path):
    """Whether the writer says that times of day are on the UTC time line: pyarrow's default has changed."""
    t = pq.ParquetFile(path).schema
    return "isAdjustedToUTC=true" in str(t.column([c.name for c in t].index("tus")).logical_type)


def arrow_files(out):
    n = 60
    rows = base_rows(n)
    t = arrow_table(rows)
    for name, kw in {
        "arrow-v1-snappy-dict": dict(data_page_version="1.0", compression="snappy"),
        "arrow-v2-zstd-dict": dict(data_page_version="2.0", compression="zstd", write_page_checksum=True),
        "arrow-v1-gzip-plain": dict(data_page_version="1.0", compression="gzip", use_dictionary=False, data_page_size=512, write_batch_size=7),
        "arrow-v2-none-plain": dict(data_page_version="2.0", compression="none", use_dictionary=False),
        "arrow-v2-brotli": dict(data_page_version="2.0", compression="brotli", data_page_size=256, write_batch_size=5),
        "arrow-v1-lz4": dict(data_page_version="1.0", compression="lz4"),
        "arrow-legacy-lists": dict(data_page_version="1.0", compression="zstd", use_compliant_nested_type=False, store_schema=False),
    }.items():
        path = f"{out}/{name}.parquet"
        pq.write_table(t, path, row_group_size=25, **kw)
        z = "Z" if schema_times_utc(path) else ""
        kinds = with_kind(FIELDS, tms=("time", 3, z), tus=("time", 6, z), tns=("time", 9, z))
        expected(f"{out}/arrow.jsonl", lines(kinds, rows))

    # The encodings that are asked for by name, and INT96.
    enc = ["id", "text", "i8", "i32", "i64", "u64", "f32", "f64", "flag", "fixed", "raw"]
    fields = [(n, dict(FIELDS)[n]) for n in enc]
    for name, kinds in {"delta": {"id": "DELTA_BYTE_ARRAY", "text": "DELTA_LENGTH_BYTE_ARRAY", "i8": "DELTA_BINARY_PACKED", "i32": "DELTA_BINARY_PACKED", "i64": "DELTA_BINARY_PACKED",
                                  "u64": "DELTA_BINARY_PACKED", "f32": "BYTE_STREAM_SPLIT", "f64": "BYTE_STREAM_SPLIT", "flag": "RLE", "fixed": "DELTA_BYTE_ARRAY", "raw": "DELTA_BYTE_ARRAY"},
                        "split": {"i32": "BYTE_STREAM_SPLIT", "i64": "BYTE_STREAM_SPLIT", "fixed": "BYTE_STREAM_SPLIT", "id": "DELTA_LENGTH_BYTE_ARRAY"}}.items():
        big = base_rows(700)
        pq.write_table(arrow_table(big).select(enc), f"{out}/arrow-encodings-{name}.parquet", use_dictionary=False, column_encoding=kinds, compression="zstd", data_page_version="2.0", row_group_size=650)
        expected(f"{out}/arrow-encodings.jsonl", lines(fields, big))

    s = t.select(["id", "sns"])
    pq.write_table(s, f"{out}/arrow-int96.parquet", use_deprecated_int96_timestamps=True)
    expected(f"{out}/arrow-int96.jsonl", lines([("id", "string"), ("sns", ("stamp", 9, ""))], rows))
    halves = [1.0, -2.5, None, 65504.0, 2**-24, math.nan, 0.0]
    import numpy as np
    h = pa.table({"h": pa.array([None if x is None else np.float16(x) for x in halves], pa.float16())})
    pq.write_table(h, f"{out}/arrow-float16.parquet")
    expected(f"{out}/arrow-float16.jsonl", lines([("h", ("float", 32))], [{"h": x} for x in halves]))
    pq.write_table(t.slice(0, 0), f"{out}/arrow-empty.parquet")
    expected(f"{out}/arrow-empty.jsonl", "")


# --- duckdb ----------------------------------------------------------------------------------------------------

def duck_files(out):
    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'")
    con.execute("CREATE TYPE mood AS ENUM ('pozik', 'triste', 'haserre')")
    con.execute("""CREATE TABLE t (id INTEGER, text VARCHAR, m MAP(VARCHAR, INTEGER), s STRUCT(a INTEGER, b STRUCT(c VARCHAR)), l INTEGER[], ls STRUCT(role VARCHAR, content VARCHAR)[],
        e mood, u UUID, h HUGEINT, b BLOB, d DECIMAL(18,3), d38 DECIMAL(38,5), day DATE, ts TIMESTAMP, tms TIMESTAMP_MS, tns TIMESTAMP_NS, tz TIMESTAMPTZ, tm TIME,
        u64 UBIGINT, i8 TINYINT, f FLOAT, x DOUBLE, ok BOOLEAN, j JSON, mi MAP(INTEGER, VARCHAR))""")
    rows = []
    for i in range(50):
        ns = (1700000000123456, 0, 951782400000001)[i % 3] * 1000
        rows.append(dict(id=i, text=opt(i, TEXTS[i % len(TEXTS)]), m=opt(i, [(f"k{j}", opt(j, j, 2)) for j in range(i % 3)], 5),
            s=opt(i, {"a": opt(i, i, 3), "b": opt(i, {"c": TEXTS[i % 4]}, 4)}, 6), l=opt(i, [opt(j, j, 2) for j in range(i % 4)], 5),
            ls=opt(i, [{"role": "user", "content": TEXTS[j]} for j in range(i % 3)], 4), e=opt(i, ("pozik", "triste", "haserre")[i % 3], 4),
            u=opt(i, uuid.UUID(int=i * 2**100 + 7)), h=(2**100, -(2**70), 1)[i % 3], b=opt(i, (b"\xff\x01", b"\x80")[i % 2], 3), d=opt(i, D(i * 1234567 - 99999).scaleb(-3)), d38=D(-i * 10**30 + 1).scaleb(-5),
            day=dt.date(2000, 2, 29) + dt.timedelta(days=i * 997), ts=ns, tms=floor(ns, MS), tns=ns + i, tz=opt(i, ns), tm=(i * 1000001 % 86400000000) * 1000,
            u64=2**64 - 1 - i, i8=i - 25, f=struct.unpack("f", struct.pack("f", i / 10))[0], x=(i / 7, math.nan)[i % 9 == 8], ok=opt(i, i % 2 == 0, 3), j=opt(i, json.dumps({"i": i}), 4),
            mi=opt(i, [(j * 3, f"v{j}") for j in range(i % 3)], 7)))

    def lit(v):
        if v is None: return "NULL"
        if isinstance(v, bool): return str(v)
        if isinstance(v, str): return "'" + v.replace("'", "''") + "'"
        if isinstance(v, float): return "'nan'::DOUBLE" if math.isnan(v) else repr(v) + "::DOUBLE"
        if isinstance(v, bytes): return "'" + "".join(f"\\x{c:02X}" for c in v) + "'::BLOB"
        if isinstance(v, dict): return "{" + ",".join(f"'{k}': {lit(x)}" for k, x in v.items()) + "}"
        if isinstance(v, list): return "[" + ",".join(map(lit, v)) + "]"
        if isinstance(v, D): return format(v, "f")
        if isinstance(v, (uuid.UUID, dt.date)): return f"'{v}'"
        return str(v)

    def sql(n, v):
        if v is None: return "NULL"
        if n in ("m", "mi"): return "MAP {" + ",".join(f"{lit(k)}: {lit(x)}" for k, x in v) + "}" if v else "MAP {}"
        if n == "ts": return f"make_timestamp({v // 1000})"
        if n == "tz": return f"make_timestamp({v // 1000})::TIMESTAMPTZ"
        if n == "tms": return f"make_timestamp({v // 1000})::TIMESTAMP_MS"
        if n == "tns": return f"make_timestamp_ns({v})"
        if n == "tm": return string_time(v)
        return lit(v)

    def string_time(ns):
        return "'" + clock(ns, 6) + "'::TIME"

    for r in rows:
        con.execute("INSERT INTO t VALUES (" + ",".join(sql(n, v) for n, v in r.items()) + ")")
    fields = [("id", "int"), ("text", "string"), ("m", ("map", "int")), ("s", ("struct", ("a", "int"), ("b", ("struct", ("c", "string"))))), ("l", ("list", "int")),
        ("ls", ("list", ("struct", ("role", "string"), ("content", "string")))), ("e", "string"), ("u", "string"), ("h", ("float", 64)), ("b", "binary"), ("d", ("decimal", 3)), ("d38", ("decimal", 5)),
        ("day", "date"), ("ts", ("stamp", 6, "")), ("tms", ("stamp", 3, "")), ("tns", ("stamp", 9, "")), ("tz", ("stamp", 6, "Z")), ("tm", ("time", 6, "")), ("u64", "int"), ("i8", "int"),
        ("f", ("float", 32)), ("x", ("float", 64)), ("ok", "bool"), ("j", "string"), ("mi", ("pairs", "int", "string"))]
    expect = [dict(r, u=None if r["u"] is None else str(r["u"]), h=float(r["h"])) for r in rows]
    for name, opts in {"duckdb-snappy": "COMPRESSION snappy, ROW_GROUP_SIZE 2048", "duckdb-v2-zstd": "COMPRESSION zstd, PARQUET_VERSION v2"}.items():
        con.execute(f"COPY t TO '{out}/{name}.parquet' (FORMAT parquet, {opts})")
    expected(f"{out}/duckdb.jsonl", lines(fields, expect))


# --- polars ----------------------------------------------------------------------------------------------------

def polars_files(out):
    rows = []
    for i in range(50):
        rows.append(dict(id=i, text=opt(i, TEXTS[i % len(TEXTS)]), cat=opt(i, ("bat", "bi", "hiru")[i % 3], 5), en=("a", "b")[i % 2], s=opt(i, {"a": opt(i, i, 3), "b": [f"x{j}" for j in range(i % 3)]}, 6),
            l=opt(i, [opt(j, j, 2) for j in range(i % 4)], 5), ls=opt(i, [{"role": "user", "content": TEXTS[j]} for j in range(i % 3)], 4), arr=[float(i), 0.5], u64=opt(i, 2**64 - 1 - i), i8=i - 25,
            f=struct.unpack("f", struct.pack("f", i / 10))[0], x=(i / 7, math.nan)[i % 9 == 8], ok=opt(i, i % 2 == 0, 3), b=opt(i, b"\xff" + bytes([i])), day=dt.date(2024, 2, 29), ts=1700000000123456000 + i * 1000,
            tz=1700000000123000000, tm=opt(i, i * 10**9 + 5), dec=opt(i, D(i * 101 - 999).scaleb(-4)), nothing=None))
    schema = dict(id=pl.Int64, text=pl.String, cat=pl.Categorical, en=pl.Enum(["a", "b"]), s=pl.Struct({"a": pl.Int32, "b": pl.List(pl.String)}), l=pl.List(pl.Int16), ls=pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
        arr=pl.Array(pl.Float64, 2), u64=pl.UInt64, i8=pl.Int8, f=pl.Float32, x=pl.Float64, ok=pl.Boolean, b=pl.Binary, day=pl.Date, ts=pl.Int64, tz=pl.Int64, tm=pl.Int64, dec=pl.Decimal(20, 4), nothing=pl.Null)
    df = pl.DataFrame({n: pl.Series(n, [r[n] for r in rows], dtype=t, strict=False) for n, t in schema.items()})
    df = df.with_columns((pl.col("ts") // 1000).cast(pl.Datetime("us")), (pl.col("tz") // 10**6).cast(pl.Datetime("ms", "UTC")), pl.col("tm").cast(pl.Time))
    fields = [("id", "int"), ("text", "string"), ("cat", "string"), ("en", "string"), ("s", ("struct", ("a", "int"), ("b", ("list", "string")))), ("l", ("list", "int")), ("ls", ("list", ("struct", ("role", "string"), ("content", "string")))),
        ("arr", ("list", ("float", 64))), ("u64", "int"), ("i8", "int"), ("f", ("float", 32)), ("x", ("float", 64)), ("ok", "bool"), ("b", "binary"), ("day", "date"), ("ts", ("stamp", 6, "")), ("tz", ("stamp", 3, "Z")), ("tm", ("time", 9, "")), ("dec", ("decimal", 4)), ("nothing", "string")]
    for name, kw in {"polars-zstd": dict(compression="zstd"), "polars-snappy-groups": dict(compression="snappy", row_group_size=17, data_page_size=300)}.items():
        df.write_parquet(f"{out}/{name}.parquet", **kw)
    expected(f"{out}/polars.jsonl", lines(fields, rows))


# --- for measuring ---------------------------------------------------------------------------------------------

def text_files(out, megabytes):
    rnd = random.Random(1)
    words = [w for t in TEXTS for w in t.split()] + ["etxea", "hizkuntza", "eta", "da", "the", "of", "corpus", "liburua\n", '"esan"', "mendia,", "itsasoa."]
    rows, size = [], 0
    while size < megabytes * 10**6:
        text = " ".join(rnd.choice(words) + (str(rnd.randrange(1000)) if rnd.random() < .2 else "") for _ in range(rnd.randrange(50, 900)))
        rows.append({"id": f"doc-{len(rows)}", "text": text, "score": rnd.random(), "url": f"https://example.org/{rnd.randrange(10**9)}", "tokens": len(text) // 4})
        size += len(text.encode())
    t = pa.Table.from_pylist(rows)
    for c in ("zstd", "snappy"):
        pq.write_table(t, f"{out}/text-{c}.parquet", compression=c)


if __name__ == "__main__":
    args = sys.argv[1:]
    if args[0] == "--text":
        text_files(args[2], float(args[1]))
    else:
        os.makedirs(args[0], exist_ok=True)
        arrow_files(args[0])
        duck_files(args[0])
        polars_files(args[0])
        print(f"pyarrow {pa.__version__}, duckdb {duckdb.__version__}, polars {pl.__version__}")
