"""Makes choices.jsonl and datatrove.jsonl: run in this directory with datatrove 0.10.1 and its word tokenizers.

The pages are those of examples/pages. lighteval is not needed: stand-ins take its place, since all items come as documents.
"""
import json
import subprocess
import sys
import types

for name in ("lighteval", "lighteval.tasks", "lighteval.tasks.lighteval_task", "lighteval.tasks.registry"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["lighteval.tasks.lighteval_task"].LightevalTask = type("T", (), {"load_datasets": staticmethod(lambda tasks: None)})
sys.modules["lighteval.tasks.registry"].Registry = type(
    "R", (), {"__init__": lambda self, **kw: None, "get_task_dict": lambda self, tasks: {}}
)

from datatrove.data import Document  # noqa: E402
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer  # noqa: E402

NGramsDecontIndexer._requires_dependencies = []


def pages(language):
    raw = subprocess.run(["zstd", "-dc", f"../../../examples/pages/{language}.jsonl.zst"], capture_output=True, check=True)
    return [json.loads(line) for line in raw.stdout.splitlines()][:300]


# Questions are 12 words of a page, answers those behind it: 3 to 22, so that some have no n-gram but with the question's end.
items = {"en": [], "eu": []}
for language, rows in items.items():
    for i, page in enumerate(pages(language)):
        words = page["text"].split(" ")
        if i % 6 == 0 and len(words) > 60:
            n = 3 + i % 20
            rows.append({
                "id": page["id"],
                "question": " ".join(words[8:20]),
                "choices": ["none of these, nor any other of all that were named before in this question", " ".join(words[20 : 20 + n])],
                "answer": 1,
            })
with open("choices.jsonl", "w") as out:
    for language, rows in items.items():
        for row in rows:
            out.write(json.dumps({"task": language, **row}, ensure_ascii=False) + "\n")

with open("datatrove.jsonl", "w") as out:
    for query in (False, True):
        config = NGramsDecontConfig(find_query_ngrams=query)
        subprocess.run(["rm", "-rf", "index"], check=True)
        NGramsDecontIndexer("index", config=config).run([
            Document(text=row["choices"][1], id=row["id"], metadata={"query": row["question"], "task": language})
            for language, rows in items.items() for row in rows
        ])
        decide = NGramsDecontFilter("index", config=config)
        for language in items:
            for page in pages(language):
                d = Document(text=page["text"], id=page["id"])
                if decide.filter(d) is not True:
                    out.write(json.dumps({
                        "query_ngrams": query, "id": d.id, "ngram": d.metadata["contaminated_ngram"], "task": d.metadata["contaminated_task"],
                    }, ensure_ascii=False) + "\n")
subprocess.run(["rm", "-rf", "index"], check=True)
