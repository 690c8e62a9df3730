"""The pages of the site: what stands on which, where each thing is, and what its HTML needs there.

All addresses are relative, and all pages lie in one folder.
"""

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

from literate.nodes import Node, walk, words
from literate.org import REFERENCE
from literate.pictures import modern
from literate.post import Post
from literate.safe import elements
from literate.search import readable
from literate.sections import Heading

NUMBERED = re.compile(r"\d\d_\w+")  # the name of a script after which its page is named
LONG = 160  # characters of a description
EARLY = 6  # a picture among so few elements of a page is seen at once


class Page(NamedTuple):
    """A page of the site: its file, its heading, what stands on it; the start has no heading."""

    name: str
    heading: Heading | None
    nodes: list[Node]


def pages_of(post: Post) -> list[Page]:
    """Return the start, with what stands before the first chapter, and a page for each chapter."""
    parts: list[list[Node]] = [[]]
    for node in post.document["blocks"]:
        if node["t"] == "Header" and node["c"][0] == 1:
            parts.append([])
        parts[-1].append(node)
    pages, taken = [Page("index.html", None, parts[0])], {"index", "404", post.org.stem}
    tops = [heading for heading in post.headings if heading.level == 1]
    for number, (heading, nodes) in enumerate(zip(tops, parts[1:], strict=True), 1):
        scripts = [one.stem for one in post.scripts_of(number) if NUMBERED.fullmatch(one.stem)]
        name = scripts[0] if scripts else re.sub(r"\W", "-", re.sub("^(ch|app)-", "", heading.key))
        while name in taken:
            name += "-"
        taken.add(name)
        pages.append(Page(f"{name}.html", heading, nodes))
    return pages


def keys_of(nodes: list[Node]) -> Iterator[str]:
    """Yield the identifiers of elements."""
    places = {"Header": 1, "Div": 0, "Figure": 0, "Span": 0}
    for node in elements(nodes):
        if key := node["c"][places[node["t"]]][0] if node["t"] in places else "":
            yield key


def places_of(post: Post, pages: list[Page]) -> dict[str, str]:
    """Return the address within the site of everything that a link can lead to."""
    found = {}
    for number, page in enumerate(pages):
        scripts = [*post.scripts_of(number), *post.scripts_of(number, tasks=True)]
        for key in (*keys_of(page.nodes), *(script.name for script in scripts)):
            found.setdefault(key, f"{page.name}#{key}")
        if page.heading:
            found[page.heading.key] = page.name
    return found


def linked(html: str, name: str, places: dict[str, str]) -> str:
    """Return the HTML of a page with its links led to other pages, where their targets are."""

    def address(match: re.Match[str]) -> str:
        place = places.get(match[2], "")
        return match[0] if place.split("#")[0] in ("", name) else f'{match[1]}"{escape(place)}"'

    return re.sub(r'(<a\b[^<>]*?\shref=)"#([^"]*)"', address, html)


def figures_of(nodes: Iterable[Node]) -> list[str]:
    """Return the files of the figures among elements, in order."""
    figures = (node for node in elements(list(nodes)) if node["t"] == "Figure")
    return [figure["c"][2][0]["c"][0]["c"][2][0] for figure in figures]


def loaded(nodes: list[Node]) -> set[str]:
    """Return the files of the pictures that are seen at once; all others may come late."""
    return set(figures_of(nodes[:EARLY]))


def pictured(html: str, early: set[str]) -> str:
    """Return the HTML of a page whose pictures come in two formats, and most when one is near."""

    def picture(match: re.Match[str]) -> str:
        name = match[1]
        late = "" if name in early else ' loading="lazy" decoding="async"'
        source = f'<source srcset="{modern(name)}" type="image/webp">'
        return f'<picture>{source}<img src="{name}"{late}{match[2]}></picture>'

    return re.sub(r'<img\s+src="([^"]*)"([^<>]*?)\s*/?>', picture, html)


def description_of(nodes: list[Node]) -> str:
    """Return the first sentences of a page, as many as a description holds."""
    paragraphs = (node for node in nodes if node["t"] == "Para")
    text = ""
    while len(text) <= LONG and (node := next(paragraphs, None)):
        text = " ".join([*text.split(), *words(walk(node, {"Math": readable})).split()])
    if len(text) <= LONG:
        return text
    ends = [match.end() for match in re.finditer(r"[.?!](?=\s)", text[: LONG + 1])]
    if ends and ends[-1] > LONG / 2:
        return text[: ends[-1]]
    return text[: text.rindex(" ", 0, LONG)].rstrip(",;:") + "…"


def code_elsewhere(post: Post, nodes: list[Node]) -> dict[str, str]:
    """Return the code of the named blocks on other pages that the code here stands on.

    The button that copies a block puts it in place of the reference.
    """
    named = {block.name: post.code_of(block) for block in post.blocks if block.name}
    here = {key.removeprefix("code-") for key in keys_of(nodes) if key.startswith("code-")}
    codes = [node["c"][1] for node in elements(nodes) if node["t"] == "CodeBlock"]
    found: dict[str, str] = {}
    while codes:
        for name in REFERENCE.findall(codes.pop()):
            if name in named and name not in here and name not in found:
                found[name] = named[name]
                codes.append(named[name])
    return dict(sorted(found.items()))
