#!/usr/bin/env python3
"""Writes cases.jsonl.zst and chats.jsonl.zst: what jinja2, as transformers runs it, makes of templates.

    python make_golden.py FOLDER_OF_TRL_CHAT_TEMPLATES

Made with transformers 5.24.0, jinja2 3.1.6 and Python 3.11.7, and the templates of the trl 1.16.0 wheel
(trl/chat_templates/*.jinja; Apache-2.0, the Hugging Face team). Needs the package zstandard.
"""

import datetime
import glob
import json
import os
import sys

import jinja2
import zstandard
from transformers.utils.chat_template_utils import _compile_jinja_template, _render_with_assistant_indices

# What strftime_now tells.
NOW = datetime.datetime(2026, 7, 5, 14, 3, 9, 123456)

HERE = os.path.dirname(os.path.abspath(__file__))


def run(source, variables):
    """What a template makes of variables: its text and the character spans of its generation blocks, or an error."""
    try:
        given = dict(variables)
        fixed = {k: given.pop(k, None) for k in ("messages", "tools", "documents", "add_generation_prompt")}
        if fixed["add_generation_prompt"] is None:
            fixed["add_generation_prompt"] = False
        template = _compile_jinja_template(source)
        template.environment.globals["strftime_now"] = NOW.strftime
        text, spans = _render_with_assistant_indices(template, **fixed, **given)
        text.encode()
        if " at 0x" in text:
            return {"error": "an address is printed"}
    except jinja2.exceptions.TemplateError as e:
        if type(e) is jinja2.exceptions.TemplateError:
            return {"raised": str(e)}
        return {"error": type(e).__name__}
    except Exception as e:
        return {"error": type(e).__name__}
    out = {"text": text}
    if spans:
        out["spans"] = spans
    return out


VARIABLES = {
    "t": True,
    "f": False,
    "n": None,
    "i": 42,
    "neg": -7,
    "big": 123456789012345678901234567890,
    "x": 3.14,
    "tiny": 1e-7,
    "huge": 1e22,
    "s": "Hello, World",
    "u": "Größe ΣΑΣ 日本 😀 ﬁn ǆ",
    "blank": "  \t padded \n ",
    "html": "<b>\"bold\" & 'x'</b>",
    "quote": "it's \"both\" \\ \n\t\x01\x7f\u00a0\u200b\ud7ff\U0001f600",
    "empty": "",
    "l": [1, 2, 3, 4, 5],
    "ls": ["b", "A", "c", "a", "B"],
    "ll": [[1, 2], [3, 4]],
    "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}],
    "el": [],
    "d": {"b": 2, "a": 1, "c": {"x": [1, 2, {"y": "z"}]}},
    "ed": {},
    "shadow": {"items": [1], "keys": "k", "get": 0, "x y": 1, "_p": 5, "0": "zero"},
    "users": [
        {"name": "Ann", "age": 30, "city": "Rome", "tags": ["x", "y"]},
        {"name": "bob", "age": 25, "city": "rome"},
        {"name": "Cid", "age": 30, "city": "Oslo", "tags": []},
    ],
    "lines": "one\ntwo\r\n\n  three\x0bfour\u2028five",
    "long": "The quick brown fox jumps over the lazy dog. " * 6,
}


def expressions():
    """Expressions that are printed."""
    return open(os.path.join(HERE, "expressions.txt"), encoding="utf-8").read().split("\n%%\n")


def statements():
    """Whole templates."""
    return open(os.path.join(HERE, "statements.txt"), encoding="utf-8").read().split("\n%%\n")


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Current weather <of> a \"city\" & more — für alle",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city"},
                    "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
                    "days": {"type": ["integer", "null"], "minimum": 1},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "nested": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
                },
                "required": ["city"],
            },
            "return": {"type": "string", "description": "text"},
        },
    },
    {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}},
]


def chats():
    """Conversations, with what else the templates are given."""

    def m(role, content, **more):
        return {"role": role, "content": content, **more}

    call = {"id": "call_1abcd", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2, "x": [1.5, None, True]}}}
    as_text = {"id": "call_2abcd", "type": "function", "function": {"name": "now", "arguments": "{\"a\": 1}"}}
    user, answer = m("user", "Hi there"), m("assistant", "Hello! 👋")
    yield "plain", {"messages": [user, answer]}
    yield "prompt", {"messages": [user], "add_generation_prompt": True}
    yield "system", {"messages": [m("system", "Be kind.\n"), user, answer, m("user", " Größe? "), m("assistant", "ok")]}
    yield "developer", {"messages": [m("developer", "Be kind."), user, answer]}
    yield "turns", {"messages": [user, answer, m("user", "More\n\nlines"), m("assistant", "  Sure  "), m("user", "Bye"), m("assistant", "")], "add_generation_prompt": True}
    yield "tools", {"messages": [m("system", "Use tools"), user], "tools": TOOLS, "add_generation_prompt": True}
    yield "tools only", {"messages": [user], "tools": TOOLS, "add_generation_prompt": True}
    turn = [user, {"role": "assistant", "content": "", "tool_calls": [call]}, m("tool", "{\"temp\": 20}", name="get_weather", tool_call_id="call_1abcd"), m("assistant", "20 degrees")]
    yield "tool call", {"messages": turn, "tools": TOOLS}
    two = [user, {"role": "assistant", "content": "Let me see", "tool_calls": [call, {"type": "function", "id": "call_3abcd", "function": {"name": "now", "arguments": {}}}]},
           m("tool", "20", name="get_weather", tool_call_id="call_1abcd"), m("tool", "noon", name="now", tool_call_id="call_3abcd"), m("assistant", "Warm at noon"), m("user", "Thanks")]
    yield "two calls", {"messages": two, "tools": TOOLS, "add_generation_prompt": True}
    yield "call as text", {"messages": [user, {"role": "assistant", "content": "", "tool_calls": [as_text]}, m("tool", "noon", name="now")], "tools": TOOLS}
    yield "no content", {"messages": [user, {"role": "assistant", "tool_calls": [call]}, m("tool", "20", name="get_weather")], "tools": TOOLS}
    yield "tool result first", {"messages": [user, m("tool", "x")]}
    yield "thinking", {"messages": [user, m("assistant", "<think>\nhm\n</think>\n\nHello"), m("user", "And?"), m("assistant", "<think>so</think>Yes")]}
    yield "reasoning", {"messages": [user, m("assistant", "Hello", reasoning_content="\nhm\n"), m("user", "And?"), m("assistant", "Yes", reasoning_content="so")]}
    yield "reasoning and call", {"messages": [user, m("assistant", "", reasoning_content="I need a tool", tool_calls=[call]), m("tool", "20", name="get_weather")], "tools": TOOLS, "add_generation_prompt": True}
    yield "no thinking", {"messages": [user], "enable_thinking": False, "add_generation_prompt": True}
    yield "do think", {"messages": [user], "enable_thinking": True, "thinking": True, "add_generation_prompt": True}
    yield "effort", {"messages": [m("system", "S"), user], "reasoning_effort": "high", "model_identity": "You are X", "add_generation_prompt": True}
    yield "empty", {"messages": []}
    yield "empty prompt", {"messages": [], "add_generation_prompt": True}
    yield "empty texts", {"messages": [m("system", ""), m("user", ""), m("assistant", "")]}
    yield "unicode", {"messages": [m("user", "日本語 \u2028 \u0000 \u007f 😀 é <|im_end|>"), m("assistant", "مرحبا \n\n")]}
    parts = [{"type": "text", "text": "What is "}, {"type": "image"}, {"type": "text", "text": "this?"}]
    yield "parts", {"messages": [m("system", [{"type": "text", "text": "Sys"}]), m("user", parts), m("assistant", [{"type": "text", "text": "A cat"}])], "add_generation_prompt": True}
    yield "more parts", {"messages": [m("user", [{"type": "video", "video": "v"}, {"type": "audio", "audio": "a"}, {"type": "image_url", "image_url": {"url": "u"}}, {"type": "text", "text": "?"}])], "add_vision_id": True}
    yield "wrong order", {"messages": [answer, user]}
    yield "two users", {"messages": [user, user, answer, answer]}
    yield "late system", {"messages": [user, answer, m("system", "Now rude"), user]}
    yield "unknown role", {"messages": [m("narrator", "Once")]}
    yield "none", {"messages": [m("user", None), m("assistant", None)]}
    yield "number", {"messages": [m("user", 5)]}
    yield "documents", {"messages": [user], "documents": [{"title": "T", "text": "X"}], "add_generation_prompt": True}
    yield "no roles", {"messages": [{"content": "x"}]}
    yield "long", {"messages": [m("user" if i % 2 == 0 else "assistant", f"turn {i} " * 20) for i in range(12)]}
    yield "date", {"messages": [m("system", "S"), user], "date_string": "01 Jan 2025", "tools_in_user_message": False, "tools": TOOLS[:1]}
    yield "custom", {"messages": [user], "custom_tools": TOOLS, "builtin_tools": ["brave_search", "code_interpreter"], "date_string": "1 May 2025", "xml_tools": TOOLS}


def write(name, rows):
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(zstandard.ZstdCompressor(level=19).compress(data.encode()))


def main(folder):
    rows = [{"variables": VARIABLES}]
    rows += [{"template": "{{ " + e + " }}", **run("{{ " + e + " }}", VARIABLES)} for e in expressions()]
    rows += [{"template": s, **run(s, VARIABLES)} for s in statements()]
    write("cases.jsonl.zst", rows)

    common = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    given = [(name, {**common, **variables}) for name, variables in chats()]
    rows = [{"name": name, "variables": variables} for name, variables in given]
    texts = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.jinja"))):
        source = open(path, encoding="utf-8", newline="").read()
        results = []
        for _, variables in given:
            result = run(source, json.loads(json.dumps(variables)))
            text = result.pop("text", None)
            if text is not None:
                result["text"] = texts.setdefault(text, len(texts))
            results.append(result)
        rows.append({"template": os.path.basename(path), "source": source, "results": results})
    rows.append({"texts": list(texts)})
    write("chats.jsonl.zst", rows)


if __name__ == "__main__":
    main(sys.argv[1])
