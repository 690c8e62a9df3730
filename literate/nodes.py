"""Pandoc's document as Python values: read it from Org, walk through it, write it as a format.

A document is what 'pandoc --to json' prints: elements are dictionaries with a type "t" and a
content "c".
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import dropwhile
from typing import Any

from literate.org import OrgError
from literate.pandoc import converting

Node = dict[str, Any]
Visitor = Callable[[Node], Node | None]

LONG = 50_000  # characters: to read fewer in two halves saves no time
SETTING = re.compile(r"^[ \t]*#\+(\w+):", re.M)
LOCAL = {"name", "caption", "attr_html"}  # such a line speaks of what stands below it

WORDS = {"Str", "Space", "SoftBreak"}  # the types of the elements that a sentence is made of


def halves_of(text: str) -> list[str]:
    """Return a long Org text in two halves, to be read side by side, or as it is.

    The second begins with a chapter, in the line where that stood, and with the settings above the
    first chapter. Settings that stand lower keep a text whole, and so do footnotes.
    """
    chapters = [found.start() for found in re.finditer(r"^\* ", text, re.M)]
    if len(text) < LONG or not chapters or "[fn:" in text:
        return [text]
    if any(key.lower() not in LOCAL for key in SETTING.findall(text, chapters[0])):
        return [text]
    cut = min(chapters, key=lambda place: abs(place - len(text) // 2))
    above = text[: chapters[0]].split("\n")
    settings = "\n".join(row if SETTING.match(row) else "" for row in above)
    between = "\n" * text.count("\n", chapters[0], cut)
    return [text[:cut], settings + between + text[cut:]]


def joined(document: str) -> str:
    """Return pandoc's JSON with the words of a sentence in one string.

    All formats show the same, and less than half is left to read, to look through and to write.
    """
    for between in ("SoftBreak", "Space"):
        document = document.replace(f'"}},{{"t":"{between}"}},{{"t":"Str","c":"', " ")
    return document


@contextlib.contextmanager
def reading(text: str) -> Iterator[Callable[[], Node]]:
    """Have pandoc read an Org text from here on; what is yielded waits, and returns its document.

    Only a CUSTOM_ID gives a heading an identifier. Raises OrgError where pandoc gives up.
    """
    options = ("--from=org-auto_identifiers", "--to=json")
    with contextlib.ExitStack() as processes:

        def started(part: str) -> Callable[[], str]:
            return processes.enter_context(converting(part, *options))

        results = [started(half) for half in halves_of(text)]

        def document() -> Node:
            try:
                made = [result() for result in results]
                if len(made) > 1 and any("spurious-link" in one for one in made):
                    made = [started(text)()]  # it may lead to the other half
            except RuntimeError as error:
                found = re.search(r"\(line (\d+), .*\n(.*)", str(error))
                line, reason = (int(found[1]), found[2]) if found else (1, str(error))
                raise OrgError(line, f"pandoc cannot read this: {reason}") from None
            first, *others = [json.loads(joined(one)) for one in made]
            for other in others:  # what is above its chapter pandoc made of the settings
                first["blocks"] += dropwhile(lambda node: node["t"] != "Header", other["blocks"])
            return first

        yield document


def write(documents: Iterable[Node], form: str, *options: str) -> list[str]:
    """Return documents in one of pandoc's formats, written side by side, one on each core."""

    def written(document: Node) -> str:
        with converting(json.dumps(document), "--from=json", f"--to={form}", *options) as result:
            return result()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(written, documents))


def walk(node: Any, visitors: dict[str, Visitor]) -> Any:
    """Return a document in which visitors have replaced the elements of their types.

    Inner elements come first. An element for which its visitor returns None is left out. The words
    of a text, most of its elements, have no visitors and are not copied.
    """
    if isinstance(node, list):
        parts = [(part, walk(part, visitors)) for part in node]
        return [new for old, new in parts if new is not None or old is None]
    if not isinstance(node, dict) or node.get("t") in WORDS:
        return node
    node = {key: walk(part, visitors) for key, part in node.items()}
    visit = visitors.get(node.get("t", ""))
    return visit(node) if visit else node


def words(node: Any) -> str:
    """Return the words of an element; a paragraph ends with a new line, a picture has none."""
    if isinstance(node, list):
        return "".join([words(part) for part in node])
    if not isinstance(node, dict) or node.get("t") == "Image":
        return ""
    if node["t"] == "Str":
        return node["c"]
    if node["t"] in ("Code", "Math", "RawInline", "RawBlock"):
        return node["c"][1]
    end = "\n" if node["t"] in ("Para", "Plain") else ""
    return words(node["c"]) + end if "c" in node else " "


def text(string: str) -> Node:
    """Return a string as an element; pandoc's writers keep the spaces in it."""
    return {"t": "Str", "c": string}


def div(identifier: str, classes: list[str], attributes: list[list[str]], inside: list) -> Node:
    """Return a Div, which keeps elements together under an identifier or a class."""
    return {"t": "Div", "c": [[identifier, classes, attributes], inside]}


def code_block(classes: list[str], code: str) -> Node:
    """Return code, or text that is shown as it is."""
    return {"t": "CodeBlock", "c": [["", classes, []], code]}
