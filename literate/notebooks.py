"""Write each chapter of the woven post as a notebook, with what its script printed and drew.

This is the work behind 'python -m literate notebooks ORG FOLDER'. It runs no chapter: the outputs
come from the transcripts in logs/ and from figures/. Pandoc writes the files; classes on the
elements of its document ("cell code", "output stream stdout") tell it what becomes a cell, the same
that its reader of notebooks gives them.
"""

import base64
import json
import re
import sys
import textwrap
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from literate.cells import GUARD, Cell, cells_of
from literate.files import (
    changed_by,
    edited_among,
    read_sums,
    shown,
    sum_of,
    sums_content,
    write_all,
)
from literate.folds import kind_of, opened
from literate.needs import packages_of, set_up
from literate.nodes import Node, div, text, walk, words, write
from literate.post import Post
from literate.safe import elements
from literate.tangle import content_of

NUMBERED = re.compile(r"\d\d_\w+")  # the name of a script that gets a notebook
FORM = "ipynb-raw_html"  # its Markdown is what Jupyter and Colab both show
ABOUT = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
ORIGIN = (  # before the title, between it and the name of the Org file, and after that
    "A chapter of the post ",
    " as a notebook. Its cells run from top to bottom. It is made from ",
    ", so a change that is to last belongs there.",
)
FOLDED = "<details>\n<summary>{}</summary>", "</details>"  # around what folds
INSIDE = "stands inside a list or the like, so it can be no cell of a notebook"


def origin_of(post: Post) -> Node:
    """Return the paragraph that says what a notebook is."""
    title = {"t": "Emph", "c": [text(post.title)]}
    name = {"t": "Code", "c": [["", [], []], post.org.name]}
    return {"t": "Para", "c": [text(ORIGIN[0]), title, text(ORIGIN[1]), name, text(ORIGIN[2])]}


def figure_cell(post: Post, node: Node) -> Cell:
    """Return the cell that shows a figure from the file that a run of the notebook writes."""
    _, described, (name, _) = node["c"][2][0]["c"][0]["c"]
    alt = words(described)
    rows = textwrap.wrap(alt, 80, drop_whitespace=False)
    quoted = "\n    ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    source = f'Image(\n    "{name}",\n    alt={quoted},\n)'
    encoded = base64.b64encode((post.folder / name).read_bytes()).decode()
    about = [["image/png", json.dumps({"alt": alt})]]
    image = {"t": "Image", "c": [["", [], about], [], [f"data:image/png;base64,{encoded}", ""]]}
    return Cell(source, picture={"t": "Para", "c": [image]})


def folded(node: Node) -> Iterator[Node]:
    """Yield a question, and what folds between the lines that fold it in every notebook."""
    seen, rest = opened(node)
    is_question = kind_of(node) == "question"
    label = "Answer" if is_question else words(seen)
    begin, end = ({"t": "RawBlock", "c": ["markdown", line.format(label)]} for line in FOLDED)
    yield from [{"t": "Para", "c": seen}] if is_question else []
    yield from (begin, *rest, end)


def task_cell(post: Post, exercise: Path) -> Cell:
    """Return the cell of an exercise: the whole script, which no run has tried."""
    return Cell(content_of(post.tasks[exercise]).decode().strip())


def pieces_of(post: Post, script: Path, nodes: list[Node]) -> Iterator[Node | Cell]:
    """Yield the code cells of a chapter, and the elements that are text between them, in order."""
    before, cells = cells_of(post, script)
    yield from before
    for node in nodes:
        if node["t"] == "Figure":
            yield figure_cell(post, node)
            yield from node["c"][1][1]
        elif node["t"] == "Div" and "line" in (attributes := dict(node["c"][0][2])):
            kinds, line = node["c"][0][1], int(attributes["line"])
            if "exercise" in kinds:
                yield task_cell(post, post.roles[line][1])
            if {"spec", "exercise", "check"} & set(kinds):  # these stand in that cell
                continue
            found = cells.pop(line, [])
            is_guard = GUARD in node["c"][1][0]["c"][1].split("\n")
            is_seen = "set-up" in kinds  # in the file that workers read, just above
            yield from [] if (found or is_seen) and not is_guard else [node]
            yield from found
        elif kind_of(node):
            yield from folded(node)
        else:
            yield node
    for line in cells:
        raise ValueError(f"{shown(post.org)}:{line}: this block {INSIDE}")


def readable(node: Node, targets: dict[str, str], own: str) -> Node:
    """Return an element of text with what only a page can show made plain.

    A link goes to another notebook, or becomes words: Jupyter knows no places in a notebook.
    """

    def link(node: Node) -> Node:
        attributes, content, (target, title) = node["c"]
        notebook = targets.get(target[1:], own) if target.startswith("#") else target
        if notebook == own:
            return {"t": "Span", "c": [["", [], []], content]}
        return {"t": "Link", "c": [attributes, content, [notebook, title]]}

    def block(node: Node) -> Node:
        return node["c"][1][0] if "block" in node["c"][0][1] else node

    def figure(node: Node) -> Node:
        raise ValueError(f"{node['c'][2][0]['c'][0]['c'][2][0]} {INSIDE}")

    return walk(node, {"Link": link, "Div": block, "Figure": figure})


def gathered(pieces: Iterable[Node | Cell]) -> list[Node]:
    """Return the cells: text goes on in one until code comes or a heading, so that sections fold.

    Cells are numbered in their order, so that the same post gives the same bytes.
    """
    cells: list[Node] = []
    count, is_open = 0, False
    for piece in pieces:
        if isinstance(piece, Cell):
            count += 1
            cells.append(piece.node(count))
        elif is_open and piece["t"] != "Header":
            cells[-1]["c"][1].append(piece)
        else:
            cells.append(div("", ["cell", "markdown"], [], [piece]))
        is_open = not isinstance(piece, Cell)
    for place, cell in enumerate(cells, 1):
        cell["c"][0][0] = f"cell-{place:02}"
    return cells


def metadata(value: Any) -> Node:
    """Return dictionaries and strings as the metadata of a document."""
    if isinstance(value, str):
        return {"t": "MetaString", "c": value}
    return {"t": "MetaMap", "c": {key: metadata(inner) for key, inner in value.items()}}


def notebook(post: Post, script: Path, nodes: list[Node], targets: dict[str, str]) -> Node:
    """Return the cells of a chapter: its title, where it is from, what it needs, the rest."""
    has_figures = any(node["t"] == "Figure" for node in nodes)
    pieces = [nodes[0], origin_of(post), *set_up(packages_of(post, script), has_figures)]
    pieces += pieces_of(post, script, nodes[1:])
    own = f"{script.stem}.ipynb"
    plain = (one if isinstance(one, Cell) else readable(one, targets, own) for one in pieces)
    about = {"meta": {"jupyter": metadata(ABOUT)}, "blocks": gathered(plain)}
    return post.document | about


def chapters_of(post: Post) -> dict[Path, list[Node]]:
    """Return the nodes of each chapter that gets a notebook; ValueError where one has not run."""
    nodes: list[list[Node]] = [[]]
    for node in post.document["blocks"]:
        if node["t"] == "Header" and node["c"][0] == 1:
            nodes.append([])
        nodes[-1].append(node)
    numbered = {
        path: lines for path, lines in post.scripts.items() if NUMBERED.fullmatch(path.stem)
    }
    if not numbered:
        raise ValueError(f"{shown(post.org)}: no chapter has a script with a number")
    for path in numbered:
        if path not in post.runs:
            log = shown(post.folder / "logs" / f"{path.stem}.log")
            raise ValueError(f"{log} is missing: notebooks need a run: make all")
    return {
        path: nodes[bisect_right(post.chapters, lines[0].top.line)]
        for path, lines in numbered.items()
    }


def notebooks(org: Path) -> dict[str, bytes]:
    """Return the notebooks of an Org file, by the name of the file each goes into."""
    return notebooks_of(Post(org))


def notebooks_of(post: Post) -> dict[str, bytes]:
    """Return the notebooks of a post, by the name of the file each goes into."""
    chapters = chapters_of(post)
    targets = {
        node["c"][node["t"] == "Header"][0]: f"{path.stem}.ipynb"
        for path, nodes in chapters.items()
        for node in elements(nodes)
        if node["t"] in ("Header", "Div", "Figure")
    }
    cells = [notebook(post, path, nodes, targets) for path, nodes in chapters.items()]
    written = write(cells, FORM, "--wrap=none")
    return {f"{path.stem}.ipynb": one.encode() for path, one in zip(chapters, written, strict=True)}


def notebooks_command(org: Path, folder: Path) -> int:
    """Write a notebook for each chapter; return 1 and write nothing where that loses an edit."""
    folder = folder.absolute()
    new = {folder / name: content for name, content in notebooks(org).items()}
    edited = edited_among(changed_by(new), read_sums(folder / "SHA256SUMS"))
    for path in edited:
        problem = "was changed since it was written, so nothing is written: rename it, or remove it"
        print(f"{shown(path)} {problem}", file=sys.stderr)
    if edited:
        return 1
    sums = sums_content({path: sum_of(content) for path, content in new.items()}, folder)
    write_all(new | {folder / "SHA256SUMS": sums})
    print(f"wrote {len(new)} notebooks into {shown(folder)}")
    return 0
