"""Wrote the other files of this folder, with the writers of the trainers' own tools:

    reference.py datatrove   pip install datatrove humanize (0.10.1, 4.17.0)
    reference.py llmc        PYTHONPATH=llm.c/dev/data, at f1e2ace6
    reference.py nanogpt     numpy, as data/openwebtext/prepare.py at 3adf61e1
    reference.py olmo        PYTHONPATH=dolma/python, at 669f5348; pip install smart_open

Document k has LENGTHS[k] tokens; token j of it is (7919 k + 104729 j + 5) modulo the vocabulary without its last id,
which is the EOD, behind the document or, for llm.c, in front of it.
"""

import importlib.util
import logging
import sys
import types

import numpy as np

LENGTHS = [3, 1, 0, 17, 40, 2]


def documents(vocabulary, first=False):
    for k, n in enumerate(LENGTHS):
        ids = [(k * 7919 + j * 104729 + 5) % (vocabulary - 1) for j in range(n)]
        yield [vocabulary - 1] + ids if first else ids + [vocabulary - 1]


def stand_in(name, **members):
    """A module that the writers import and do not need."""
    module = types.ModuleType(name)
    module.__path__ = []
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module


def datatrove():
    import humanize
    from datatrove.pipeline.tokens.tokenizer import TokenizedFile

    for name, vocabulary, size in (("u16", 65536, 2), ("u32", 128256, 4)):
        f = TokenizedFile(".", f"datatrove-{name}.ds", save_loss_metadata=True, tokenizer_name_or_path="sha256:0123",
                          save_final_metadata=True, token_size=size)
        for k, ids in enumerate(documents(vocabulary)):
            f.write(ids, np.array([(k + j) % 3 != 0 for j in range(len(ids))]))
        f.close()
    numbers = {0, 9, 10, 99, 999, 1000, 1004, 1005, 1015, 1025, 9994, 9995, 9999, 99949, 99950, 99999, 100000, 999499,
               999500, 999999, 1000000, 1500000, 13266512, 99949999, 99950000, 999500000, 2147483647, 9035582198,
               99999999999, 999999999999, 1000000000000, 1234567890123456, 999999999999999, 9007199254740993,
               999499999999999999, 9223372036854775807}
    numbers |= {(7919 * i**7) % 10 ** (i % 16 + 1) for i in range(1, 200)}
    with open("humanize.tsv", "w") as f:
        for n in sorted(numbers):
            f.write(f"{n}\t{humanize.metric(n, unit='T')}\n")


def llmc():
    stand_in("requests")
    stand_in("tqdm", tqdm=None)
    from data_common import write_datafile

    for name, vocabulary, model in (("u16", 65536, "gpt-2"), ("u32", 128256, "llama-3")):
        write_datafile(f"llmc-{name}.bin", [i for d in documents(vocabulary, True) for i in d], model)


def nanogpt():
    ids = [i for d in documents(50257) for i in d]
    array = np.memmap("nanogpt-u16.bin", dtype=np.uint16, mode="w+", shape=(len(ids),))
    array[:] = ids
    array.flush()


def olmo():
    stand_in("dolma")
    stand_in("dolma.core")
    stand_in("dolma.core.data_types", InputSpec=object)
    stand_in("dolma.core.loggers", get_logger=logging.getLogger)
    stand_in("dolma.tokenizer")
    root = next(p for p in sys.path if p.rstrip("/").endswith("python"))
    for name in ("data_types", "memmap_writer"):
        spec = importlib.util.spec_from_file_location(f"dolma.tokenizer.{name}", f"{root}/dolma/tokenizer/{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    writer, types_ = sys.modules["dolma.tokenizer.memmap_writer"], sys.modules["dolma.tokenizer.data_types"]
    for name, vocabulary, dtype in (("u16", 65536, np.uint16), ("u32", 128256, np.uint32)):
        with writer.MemmapWriter(f"olmo-{name}", dtype, max_tokens=1000) as m:
            for k, ids in enumerate(documents(vocabulary)):
                row = types_.TokenizerOutput.from_tokens(id=str((3 << 40) + 37 * k), src=f"source-{k % 3}", loc=0, tokens=ids)
                assert m.write(row)


{"datatrove": datatrove, "llmc": llmc, "nanogpt": nanogpt, "olmo": olmo}[sys.argv[1]]()
