"""datatrove's filters for English over the JSON Lines of a folder, one behind the other.

usage: datatrove_filters.py CHAIN DIR

CHAIN is gopher: the two Gopher filters with their defaults; or fineweb: these, then C4's and FineWeb's, as in
datatrove's own examples/fineweb.py. Prints one JSON object: the decision about each document ("" or the reason of the
drop), CPU and wall seconds of reading and deciding. Imports and the load of the word tokenizer are told apart, as
startup_cpu. Nothing is written.
"""
import json
import os
import platform
import sys
import time
from importlib.metadata import version

answers = os.dup(1)  # the libraries may print what they like
os.dup2(2, 1)

from datatrove.data import Document  # noqa: E402
from datatrove.pipeline.filters import (  # noqa: E402
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.readers import JsonlReader  # noqa: E402

CHAINS = {
    "gopher": lambda: [GopherRepetitionFilter(), GopherQualityFilter()],
    "fineweb": lambda: [
        GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False), FineWebQualityFilter(),
    ],
}


def decide(filters, doc):
    """The reason of the first filter that drops the document, or ""."""
    for f in filters:
        answer = f.filter(doc)
        keep, reason = answer if isinstance(answer, tuple) else (answer, "dropped")
        if not keep:
            return reason
    return ""


def main():
    filters = CHAINS[sys.argv[1]]()
    decide(filters, Document(text="A first document, so that the tokenizer is there.", id="warm"))
    startup = time.process_time()
    wall = time.perf_counter()
    verdicts = [decide(filters, doc) for doc in JsonlReader(sys.argv[2]).run(rank=0, world_size=1)]
    wall = time.perf_counter() - wall
    cpu = time.process_time() - startup
    answer = {
        "verdict": verdicts, "cpu": cpu, "wall": wall, "startup_cpu": startup,
        "version": version("datatrove"), "python": platform.python_version(),
    }
    os.write(answers, (json.dumps(answer) + "\n").encode())


main()
