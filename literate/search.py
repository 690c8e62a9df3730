"""What the search of the site looks through: the sentences and the code of each section.

It is a file of JavaScript and not of JSON, because a page that is opened from a folder may run a
script that lies beside it, and may read nothing.
"""

import json
import re
from collections.abc import Iterator

from literate.nodes import Node, walk, words
from literate.org import REFERENCE
from literate.safe import elements

Section = tuple[str, str, list[str], list[str]]  # its key, its title, its sentences, lines of code

SENTENCE = re.compile(r"(?<=[.?!:])(?<!Figure \d\.)(?<!Figure \d\d\.)\s+(?=[\"'(]?[A-Z])")


def readable(node: Node) -> Node:
    """Return a formula as words: what has commands in it is no sentence."""
    tex = node["c"][1]
    return {"t": "Str", "c": "…" if "\\" in tex else re.sub(r"[{}^]", "", tex)}


def rows_of(table: Node) -> Iterator[str]:
    """Yield each row of a table as a text."""
    _, _, _, head, bodies, foot = table["c"]
    groups = [head[1], *(part for body in bodies for part in body[2:]), foot[1]]
    for _, cells in (row for rows in groups for row in rows):
        yield " · ".join(filter(None, (words(cell[4]).strip() for cell in cells)))


def texts_of(node: Node) -> Iterator[str]:
    """Yield the paragraphs and the rows of tables in an element."""
    if node["t"] == "Table":
        yield from rows_of(node)
        return
    tables = [one for one in elements(node) if one["t"] == "Table"]
    inside = {id(one) for table in tables for one in elements(table)}
    for one in elements(node):
        if one["t"] in ("Para", "Plain") and id(one) not in inside:
            yield words(one)
    for table in tables:
        yield from rows_of(table)


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [one for one in SENTENCE.split(" ".join(text.split())) if one]


def code_of(node: Node) -> Iterator[str]:
    """Yield the lines of code in an element, but neither outputs nor references."""
    if node["t"] == "Div" and "output" in node["c"][0][1]:
        return
    if node["t"] == "CodeBlock":
        rows = (row.strip() for row in node["c"][1].split("\n"))
        yield from (row for row in rows if len(row) > 1 and not REFERENCE.match(row))
    elif node["t"] == "Div":
        for part in node["c"][1]:
            yield from code_of(part)


def sections_of(nodes: list[Node], titles: dict[str, str]) -> list[Section]:
    """Return the sections of a chapter; what stands before its first section is one, too."""
    found: list[Section] = []
    for node in walk(nodes, {"Math": readable}):
        if node["t"] == "Header":
            key = node["c"][1][0]
            found.append((key, titles[key], [], []))
        elif found:
            for text in texts_of(node):
                found[-1][2].extend(sentences_of(text))
            found[-1][3].extend(code_of(node))
    return found


def index_of(chapters: dict[str, list[Node]], titles: dict[str, str]) -> bytes:
    """Return the file that the search reads: for each page's name its sections."""
    found = [[name, sections_of(nodes, titles)] for name, nodes in chapters.items()]
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return f"window.searchIndex = {text};\n".encode()
