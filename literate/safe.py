"""What may not reach a page: raw mark-up, other files, strange links, attributes.

The post is prose, formulas, tables, pictures and code. Whatever a format could read as something
else is refused with its line, so that each format shows the same, and none runs what it shows.
"""

import re
from collections.abc import Iterator
from typing import Any

from literate.nodes import WORDS, Node
from literate.org import OrgError, outside_blocks

FORMULA = re.compile(
    r"\\begin\{(align|alignat|equation|gather|multline)(\*?)\}.*\\end\{\1\2\}", re.S
)
INCLUDE = re.compile(r"\s*#\+include", re.I)
SPECIAL = re.compile(r"\s*#\+begin_(\S+)", re.I)
ALLOWED = {"question", "hint", "solution", "quote"}  # beside those that org.py reads
OWN_ATTRIBUTES = re.compile(r"#\+attr_\w+:.*\s:(?!alt\b|data-touch\b)(\S+)", re.I)
PICTURE = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*")
INNER = (dict, list)  # where elements can be
OF_PICTURES = {"alt", "data-touch"}
ATTRIBUTES = {"Figure": OF_PICTURES, "Image": OF_PICTURES}  # others: all are left out later


def line_of(text: str, fragment: str) -> int:
    """Return the first line that holds a fragment outside of code, or 1 if there is none.

    Where none holds it as it is written, capitals do not count: pandoc changes those of a drawer.
    """
    first = fragment.strip().split("\n")[0]
    for alike in (str, str.lower):
        for number, row, kind, body in outside_blocks(text.split("\n")):
            rows = [row, *body] if kind == "export" else [row]
            if any(alike(first) in alike(one) for one in rows):
                return number
    return 1


def check_lines(text: str) -> None:
    """Raise OrgError for a line that has pandoc read another file, or begins a special block."""
    for number, row, kind, _ in outside_blocks(text.split("\n")):
        if INCLUDE.match(row):
            raise OrgError(number, "#+include: is not supported: one file holds the whole post")
        special = SPECIAL.match(row)
        if special and not kind and special[1] not in ALLOWED:
            raise OrgError(number, f"#+begin_{special[1]} is not supported")


def elements(node: Any) -> Iterator[Node]:
    """Yield every element of a document in order, outer ones before those inside."""
    left = [node]
    while left:
        node = left.pop()
        if type(node) is dict:
            if "t" in node:
                yield node
            node = list(node.values())
        left += [part for part in reversed(node) if type(part) in INNER]


def is_attributes(part: Any) -> bool:
    """Return whether this is [identifier, classes, [[key, value], …]]."""
    return (
        isinstance(part, list)
        and list(map(type, part)) == [str, list, list]
        and all(isinstance(one, str) for one in part[1])
        and all(isinstance(one, list) and list(map(type, one)) == [str, str] for one in part[2])
    )


def attributes_in(part: Any) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield classes and attributes of an element, its rows and cells, not of those inside."""
    if is_attributes(part):
        yield part[1], dict(part[2])
    elif isinstance(part, list):
        for inner in part:
            yield from attributes_in(inner)


def problem_of(node: Node) -> tuple[str, str] | None:
    """Return what is wrong with an element, after the words by which to find its line."""
    kind, content = node["t"], node.get("c")
    if kind in WORDS:
        return None
    if kind in ("RawInline", "RawBlock"):
        form, raw = content
        if form == "org":  # a keyword that pandoc does not know
            found = OWN_ATTRIBUTES.match(raw)
            return (raw, f"the attribute :{found[1]} is not supported") if found else None
        if form == "latex" and FORMULA.fullmatch(raw.strip()):
            return None
        first = raw.strip().split("\n")[0]
        return raw, f"raw {form} is not supported: {first}"
    if kind == "Cite":
        return "[cite", "a citation is not supported; write a link"
    if kind == "Link" and not content[2][0].startswith(("https://", "#")):
        return content[2][0], f"a link begins with https:// or #, and this one is {content[2][0]}"
    if kind == "Image" and not PICTURE.fullmatch(content[2][0]):
        return content[2][0], f"{content[2][0]} is no file of this folder: it cannot be a picture"
    if kind == "Div" and not ALLOWED & set(content[0][1]):
        name = f":{content[0][1][0]}:"
        return name, f"the drawer {name} is not supported"
    if kind in ("CodeBlock", "Header", "Div"):  # folds.py looks at what is left of the last
        return None
    for classes, attributes in attributes_in(content):
        if "spurious-link" in classes:
            target = attributes["target"]
            return target, f"the link {target!r} leads nowhere"
        if {"tag", "todo", "done"} & set(classes):
            return classes[-1], "a heading with a tag or a state is not supported"
        for key in attributes:
            if key not in ATTRIBUTES.get(kind, ()):
                return f":{key}", f"the attribute :{key} is not supported"
    return None


def check_document(document: Node, text: str) -> None:
    """Raise OrgError for the first element of pandoc's document that may not reach a page."""
    for node in elements([document["meta"], document["blocks"]]):
        if problem := problem_of(node):
            fragment, message = problem
            raise OrgError(line_of(text, fragment), message)
