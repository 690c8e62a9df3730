"""What folds: the answer to a question, and the hint and the solution of an exercise.

Each stands between '#+begin_KIND' and '#+end_KIND', and is a Div of that class in the document. The
first paragraph of a question asks, and the rest is the answer. A hint and a solution fold as a
whole. All stand in a section as a paragraph does, so that each format can fold them. A click on
a question opens its answer, so nothing in the question is there to click on.
"""

import re
from typing import NamedTuple

from literate.nodes import Node, text
from literate.org import HEADING, OrgError, outside_blocks
from literate.safe import elements

KINDS = ("question", "hint", "solution")
EDGE = re.compile(rf"\s*#\+(begin|end)_({'|'.join(KINDS)})(?:\s+(\S.*)|\s*)", re.I)


class Fold(NamedTuple):
    """A special block that folds: its kind, and the line of its '#+begin_KIND'."""

    kind: str
    line: int


def kind_of(node: Node) -> str:
    """Return which kind of fold an element of the document is, or nothing."""
    if node["t"] != "Div":
        return ""
    return next((kind for kind in KINDS if kind in node["c"][0][1]), "")


def opened(node: Node) -> tuple[list[Node], list[Node]]:
    """Return what of a fold is seen, as inline elements, and the blocks that fold away.

    Seen are the question itself, or the words Hint and Solution.
    """
    first, *rest = node["c"][1]
    if kind_of(node) == "question":
        return first["c"], rest
    return [text(kind_of(node).capitalize())], [first, *rest]


def is_clicked(node: Node) -> bool:
    """Return whether one can click on an element; a formula on a line of its own scrolls."""
    kind = node["c"][0]["t"] if node["t"] == "Math" else node["t"]
    return kind in ("Link", "Note", "DisplayMath")


def fold_lines(text: str) -> list[Fold]:
    """Return the folds of an Org text in order; raise OrgError for one that is not closed."""
    found, current = [], None
    for number, row, _, _ in outside_blocks(text.split("\n")):
        edge = EDGE.fullmatch(row)
        side, kind = (edge[1].lower(), edge[2].lower()) if edge else ("", "")
        if current and (side == "begin" or HEADING.match(row)):
            problem = f"this #+begin_{current.kind} has no #+end_{current.kind}"
            raise OrgError(current.line, f"{problem} before line {number}")
        if edge and edge[3]:
            raise OrgError(number, f"write #+{side}_{kind} alone on its line")
        if side == "begin":
            current = Fold(kind, number)
            found.append(current)
        elif side:
            if current is None or current.kind != kind:
                raise OrgError(number, f"this #+end_{kind} has no #+begin_{kind}")
            current = None
    if current:
        problem = f"this #+begin_{current.kind} has no #+end_{current.kind}"
        raise OrgError(current.line, problem)
    return found


def check_question(node: Node, line: int) -> None:
    """Raise OrgError for a question that is none, or that has no answer."""
    kinds = [part["t"] for part in node["c"][1]]
    if kinds[:1] != ["Para"]:
        raise OrgError(line, "a question begins with a paragraph: what it asks")
    if any(is_clicked(one) for one in elements(node["c"][1][0])):
        problem = "links, footnotes and formulas with a line of their own belong into the answer"
        raise OrgError(line, problem)
    if len(kinds) == 1:
        raise OrgError(line, "this question has no answer: write it below an empty line")


def check_folds(blocks: list[Node], folds: list[Fold]) -> None:
    """Raise OrgError, with its line, for a fold that is none, or that is empty."""
    found = [node for node in elements(blocks) if kind_of(node)]
    at_the_top = [node for node in blocks if kind_of(node)]
    if [kind_of(node) for node in found] != [kind for kind, _ in folds]:
        kind, line = folds[0] if folds else ("question", 1)
        raise OrgError(line, f"pandoc reads a {kind} in another way")
    for node, (kind, line) in zip(found, folds, strict=True):
        if node["c"][0] != ["", [kind], []]:
            raise OrgError(line, f"a {kind} takes no attributes")
        if not any(node is one for one in at_the_top):
            raise OrgError(line, f"a {kind} stands in a section, not in a list or the like")
        if kind == "question":
            check_question(node, line)
        elif not node["c"][1]:
            raise OrgError(line, f"this {kind} is empty")
