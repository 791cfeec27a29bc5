"""Writes verdicts.jsonl: what the reference says of answers that are put together at random.

The reference is lm_eval/tasks/ifeval of lm-evaluation-harness 0.4.13 (google-research's instructions.py with mended
details). Its langdetect is replaced by a rule that the test has too, and its word_tokenize does not cut sentences first,
for which it would need a model; number_sentences is left out for the same reason (text/testdata has NLTK's sentences).

python3 verdicts.py > verdicts.jsonl
"""

import json
import random
import sys

import langdetect
import nltk
from lm_eval.tasks.ifeval import instructions_registry, utils



def detect(s):
    if not any(c.isalpha() for c in s):
        raise langdetect.LangDetectException(0, "No features in text.")
    return "en" if "the" in s.lower() else "fr"


langdetect.detect = detect
tokenize = nltk.word_tokenize
nltk.word_tokenize = lambda s: tokenize(s, preserve_line=True)

random.seed(13)
R = random.choice
RELATION = ["less than", "at least"]
WORDS = "the The THE house House kalea Kalea etxea ETXEA zubia. a b c! A I'm don't (one) 3 3.5 ñabar ÑABAR itsaso, lore; 'txori' \"arrano\" USA U.S.A. x-ray".split()
PARTS = [
    "\n", "\n\n", "\n\n\n", "***", "******", " *** ", "\n***\n", "* point", "\n* point\n", "\n  - point", "\n\n   * far", "**bold**", "*a b*", "**", "*", "****",
    "\n** two", "\n*\nnext", "\n-\n", "[name]", "[a\nb]", "[]", "<<title>>", "<< >>", "<<<x>>>", "<<a>> <<b>>", "Section 1", "Section\n2", "SECTION3", "\nSection  4", "Section ٣",
    "P.S. yes", "p. s. no", "P.P.S more", "p.p. s", "PS: x", "My answer is yes.", "My answer is no", "{}", '{"a":1}', "```json\n{\"a\": [1, 2]}\n```", "```\n[]\n```", '"', "'",
    "\"The end\"", "Any other questions?", "any other questions?\"", " ", "\t", "\u00a0", "\u2003", "\x1c", "¿Qué?", "é", "İ", "Straße", "ǅ", "ª", "…",
    "Write a poem.", "write a POEM.",
]
WHOLE = ['{"a": 1}', "```json\n{}\n```", "```JSON\n[1,2]```", '"all of it"', '"', '""', "ALL THE SAME", "all the same", "123 !", "first ****** second", "same******same", "******\na\n******\nb\n******",
         "Write a poem. Here it is.", "one\n\ntwo\n\nthree", "one\n\n\n\ntwo", "Kaixo, 'the' world\n\n\"The house is\n\n'Kalea, \"b", "", " \n", "*one*\n*two*\n**three**", "EUSKARAZ OSORIK",
         "<<Title>>\nThe text\nP.S. the end", "a *** b *** c", "*** a *** b", "a *** *** b", "Sure:\n{\"a\": 1}\nBye", "Sure:\n\"quoted\"\nBye"]


def answer():
    if random.random() < 0.25:
        return R(WHOLE)
    n = random.randint(1, 12)
    return "".join(R(PARTS) if random.random() < 0.45 else R(WORDS) + R([" ", " ", "\n", ", "]) for _ in range(n))


KWARGS = {
    "keywords:existence": lambda: {"keywords": random.sample(["house", "KALEA", "ñabar", "the", "etxea"], R([1, 2]))},
    "keywords:forbidden_words": lambda: {"forbidden_words": random.sample(["the", "hous", "itsaso", "ñabar", "a", "txori"], R([1, 2]))},
    "keywords:frequency": lambda: {"keyword": R(["the", "a", "house "]), "frequency": R([1, 2, 3]), "relation": R(RELATION)},
    "keywords:letter_frequency": lambda: {"letter": R("aeotAZ"), "let_frequency": R([1, 2, 4]), "let_relation": R(RELATION)},
    "language:response_language": lambda: {"language": R(["en", "fr"])},
    "length_constraints:number_paragraphs": lambda: {"num_paragraphs": R([1, 2, 3])},
    "length_constraints:number_words": lambda: {"num_words": R([1, 4, 8]), "relation": R(RELATION)},
    "length_constraints:nth_paragraph_first_word": lambda: {"num_paragraphs": 3, "nth_paragraph": R([1, 2, 3]), "first_word": R(["the", "Kalea", "kaixo", "two"])},
    "detectable_content:number_placeholders": lambda: {"num_placeholders": R([1, 2])},
    "detectable_content:postscript": lambda: {"postscript_marker": R(["P.S.", "P.P.S", "PS:"])},
    "detectable_format:number_bullet_lists": lambda: {"num_bullets": R([1, 2, 3])},
    "detectable_format:number_highlighted_sections": lambda: {"num_highlights": R([1, 2, 3])},
    "detectable_format:multiple_sections": lambda: {"section_spliter": R(["Section", "SECTION"]), "num_sections": R([1, 2])},
    "combination:repeat_prompt": lambda: {"prompt_to_repeat": "Write a poem."},
    "startend:end_checker": lambda: {"end_phrase": R(["Any other questions?", "the end"])},
    "change_case:capital_word_frequency": lambda: {"capital_frequency": R([1, 2]), "capital_relation": R(RELATION)},
}

for name in sorted(instructions_registry.INSTRUCTION_DICT):
    if name == "length_constraints:number_sentences":
        continue
    met = {True: 0, False: 0}
    tries = 0
    while min(met.values()) < 12 and tries < 4000:  # of each verdict some
        tries += 1
        kwargs = KWARGS.get(name, dict)()
        a = answer()
        doc = {"key": 1, "prompt": "Write a poem.", "instruction_id_list": [name], "kwargs": [kwargs]}
        got = utils.process_results(doc, [a])
        strict, loose = got["inst_level_strict_acc"][0], got["inst_level_loose_acc"][0]
        if met[strict] >= 12 and not (loose and not strict and tries % 4 == 0 and tries < 200):
            continue
        met[strict] += 1
        json.dump({"id": name, "kwargs": kwargs, "answer": a, "strict": strict, "loose": loose}, sys.stdout)
        print()
