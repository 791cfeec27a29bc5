"""Writes text/python_table.go: what Python and the reference's libraries say of each character.

    python3.11 text/testdata/python/tables.py > text/python_table.go && gofmt -w text/python_table.go

Needs CPython 3.11 (Unicode 14.0), regex, spacy 3.8 and datatrove 0.10.1, whose tables these are. It asks them
character by character; nothing is taken from their sources.
"""
import re
import sys
import unicodedata
from collections import defaultdict
from importlib.metadata import version

import regex
import spacy
from datatrove.utils.text import PUNCTUATION
from spacy.lang.char_classes import ALPHA, LIST_UNITS

assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
FLAGS = "word lower mark joins canonical digit cased ignorable blank prefix suffix amount infix alpha".split()

tok = spacy.blank("en").tokenizer
is_word = re.compile(r"\w").match
is_space = re.compile(r"\s").match
is_digit = regex.compile(r"\p{Nd}").match
is_alpha = re.compile(f"[{ALPHA}]").match
punctuation = set(PUNCTUATION)


def flags(c):
    s = chr(c)
    mark = unicodedata.category(s) == "Mn"
    joins = unicodedata.combining(unicodedata.normalize("NFD", s)[0]) != 0
    hangul = 0xAC00 <= c < 0xAC00 + 11172
    yes = {
        "word": is_word(s),
        "lower": s.lower() != s or s == "Σ",
        "mark": mark,
        "joins": joins,
        "canonical": hangul or unicodedata.normalize("NFD", s) != s or joins and not mark,
        "digit": is_digit(s),
        # Python's str.lower shows these two properties by what it makes of a sigma.
        "cased": (s + "Σ").lower()[-1] == "ς",
        "ignorable": (s + "Σ").lower()[-1] == "σ" and ("A" + s + "Σ").lower()[-1] == "ς",
        "blank": s in punctuation or is_space(s),
        # A character alone, between letters (which no rule looks at), after a digit.
        "prefix": tok.find_prefix(s + "x") == 1,
        "suffix": tok.find_suffix("x" + s) == 1,
        "amount": tok.find_suffix("0" + s) == 1 and tok.find_suffix("x" + s) != 1 and not s.isalpha(),
        "infix": bool(tok.find_infix("\U000E0001" + s + "\U000E0001")),
        "alpha": is_alpha(s),
    }
    return sum(1 << i for i, f in enumerate(FLAGS) if yes[f])


def rows(values, n, fmt="{}"):
    out = []
    for i in range(0, len(values), n):
        out.append("\t" + ", ".join(fmt.format(v) for v in values[i : i + n]) + ",")
    return "\n".join(out)


def quoted(s):
    return '"' + "".join(ch if ch.isascii() else f"\\u{ord(ch):04x}" if ord(ch) < 0x10000 else f"\\U{ord(ch):08x}" for ch in s) + '"'


def combining(s):
    return any(unicodedata.combining(t) for t in s)


kinds = {0: 0}
blocks, block_of, block_list = {}, [], []
for b in range(0x110000 // 64):
    block = []
    for c in range(b * 64, b * 64 + 64):
        block.append(kinds.setdefault(0 if 0xD800 <= c < 0xE000 else flags(c), len(kinds)))
    block = tuple(block)
    if block not in blocks:
        blocks[block] = len(block_list)
        block_list.append(block)
    block_of.append(blocks[block])
assert len(kinds) <= 256
groups, top, group_list = {}, [], []
for g in range(272):
    group = tuple(block_of[g * 64 : g * 64 + 64])
    if group not in groups:
        groups[group] = len(group_list)
        group_list.append(group)
    top.append(groups[group])
assert len(group_list) <= 256

lower = []  # [lo, hi, step, delta]
for c in CODES:
    s = chr(c).lower()
    if s == chr(c) or len(s) != 1:
        assert len(s) == 1 or c == 0x130
        continue
    d = ord(s) - c
    if lower and lower[-1][3] == d and lower[-1][2] in (0, c - lower[-1][1]) and c - lower[-1][1] <= 2:
        lower[-1][2] = c - lower[-1][1]
        lower[-1][1] = c
    else:
        lower.append([c, c, 0, d])
for r in lower:
    r[2] = r[2] or 1

one, more = [], []
for c in CODES:
    s = unicodedata.normalize("NFD", chr(c))
    if s == chr(c) or 0xAC00 <= c < 0xAC00 + 11172:
        continue
    kept = "".join(t for t in s if unicodedata.category(t) != "Mn")
    # What AppendSimplified relies on: either a starter comes first, or nothing but joining marks comes.
    assert not unicodedata.combining(s[0]) or all(unicodedata.category(t) == "Mn" and unicodedata.combining(t) for t in s)
    if len(kept) == 1:
        one.append((c, ord(kept)))
    else:
        more.append((c, kept))
classes = [(c, unicodedata.combining(chr(c))) for c in CODES if unicodedata.combining(chr(c)) and unicodedata.category(chr(c)) != "Mn"]


def reachable(s):
    """Can s be (part of) a word of simplified text?"""
    plain = "".join(t for t in unicodedata.normalize("NFD", s.lower()) if unicodedata.category(t) != "Mn")
    return s == plain and not any(t in punctuation or t in "123456789" or t.isspace() for t in s)


contractions = {}
for s, toks in tok.rules.items():
    parts = [list(t.values())[0] for t in toks]
    if not reachable(s):
        continue
    affixes = tok.find_prefix(s) or tok.find_infix(s) or tok.find_suffix(s)
    assert not affixes or s == "‘s", s  # text/simplified_words.go has this one as a rule
    if len(parts) > 1:
        assert "".join(parts) == s
        contractions[s] = " ".join(parts)
units = sorted({u for u in LIST_UNITS if reachable(u)})

names = ("kind" + f[0].upper() + f[1:] for f in FLAGS)
p = print
p("// Code generated by text/testdata/python/tables.py; DO NOT EDIT.")
p()
p("package text")
p()
p(f"// As answered by CPython {sys.version.split()[0]} (Unicode {unicodedata.unidata_version}), regex {version('regex')} (decimal digits: Unicode 17.0),")
p(f"// spaCy {version('spacy')} (blank \"en\") and datatrove {version('datatrove')}.")
p()
p("// pyTop chooses the row of pyRows by the code point's bits from 12 up.")
p("var pyTop = [272]uint8{\n" + rows(top, 32) + "\n}\n")
p("// pyRows chooses the block of pyBlocks by the bits 6 to 11.")
p(f"var pyRows = [{len(group_list)}][64]uint16{{")
for g in group_list:
    p("\t{\n" + rows(g, 32) + "\n\t},")
p("}\n")
p("// pyBlocks chooses the entry of pyKinds by the bits 0 to 5.")
p(f"var pyBlocks = [{len(block_list)}][64]uint8{{")
for b in block_list:
    p("\t{" + ", ".join(str(v) for v in b) + "},")
p("}\n")
p("// pyKinds are the flags of a character.")
p(f"var pyKinds = [{len(kinds)}]kind{{\n" + rows(list(kinds), 12, "{:#06x}") + "\n}\n")
p("// lowerCase is sorted: every step-th character from lo to hi has its lower case delta further on.")
p("var lowerCase = [...]struct{ lo, hi, step, delta int32 }{\n" + rows([f"{{{a:#x}, {b:#x}, {s}, {d}}}" for a, b, s, d in lower], 6) + "\n}\n")
p("// decomposition is sorted: what NFD leaves of a character without its marks (Mn), where that is one character.")
p("var decomposition = [...]struct{ from, to rune }{\n" + rows([f"{{{a:#x}, {b:#x}}}" for a, b in one], 8) + "\n}\n")
p("// decompositionMore is sorted: the same where it is none or several.")
p("var decompositionMore = [...]struct {\n\tfrom rune\n\tto string\n}{\n" + rows([f"{{{a:#x}, {quoted(b)}}}" for a, b in more], 6) + "\n}\n")
p("// combiningClass is sorted: Canonical_Combining_Class of those that are no marks (Mn), where it is not 0.")
p("var combiningClass = [...]struct {\n\tr rune\n\tclass uint8\n}{\n" + rows([f"{{{a:#x}, {b}}}" for a, b in classes], 8) + "\n}\n")
p("// units part from a number before them.")
p("var units = [...]string{\n" + rows([quoted(u) for u in units], 12) + "\n}\n")
p("// contraction is the words of one written without its apostrophe, with a space between them; empty: it is none.")
p("func contraction(word []byte) string {\n\tswitch string(word) {")
for s in sorted(contractions):
    p(f'\tcase "{s}":\n\t\treturn "{contractions[s]}"')
p('\t}\n\treturn ""\n}')
