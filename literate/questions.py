"""Questions, whose answers fold: what stands between '#+begin_question' and '#+end_question'.

In pandoc's document a question is a Div of class "question". Its first paragraph is the question,
the rest is the answer. It stands in a section as a paragraph does, so that each format can fold
it. A click on the question opens the answer, so nothing in the question is there to click on.
"""

import re

from literate.nodes import Node
from literate.org import HEADING, OrgError, outside_blocks
from literate.safe import elements

EDGE = re.compile(r"\s*#\+(begin|end)_question(?:\s+(\S.*)|\s*)", re.I)


def is_question(node: Node) -> bool:
    """Return whether an element of the document is a question with its answer."""
    return node["t"] == "Div" and "question" in node["c"][0][1]


def is_clicked(node: Node) -> bool:
    """Return whether one can click on an element; a formula on a line of its own scrolls."""
    kind = node["c"][0]["t"] if node["t"] == "Math" else node["t"]
    return kind in ("Link", "Note", "DisplayMath")


def question_lines(text: str) -> list[int]:
    """Return the line of each '#+begin_question'; raise OrgError for one that is not closed."""
    found, open_at = [], 0
    for number, row, _, _ in outside_blocks(text.split("\n")):
        edge = EDGE.fullmatch(row)
        begins = edge is not None and edge[1].lower() == "begin"
        if open_at and (begins or HEADING.match(row)):
            problem = f"this #+begin_question has no #+end_question before line {number}"
            raise OrgError(open_at, problem)
        if edge and edge[2]:
            raise OrgError(number, f"write #+{edge[1]}_question alone on its line")
        if begins:
            found.append(number)
        elif edge and not open_at:
            raise OrgError(number, "this #+end_question has no #+begin_question")
        open_at = number if begins else 0 if edge else open_at
    if open_at:
        raise OrgError(open_at, "this #+begin_question has no #+end_question")
    return found


def check_questions(blocks: list[Node], lines: list[int]) -> None:
    """Raise OrgError, with its line, for a question that is none, or that has no answer."""
    found = [node for node in elements(blocks) if is_question(node)]
    at_the_top = [node for node in blocks if is_question(node)]
    if len(found) != len(lines):
        raise OrgError(min(lines, default=1), "pandoc reads a question in another way")
    for node, line in zip(found, lines, strict=True):
        if node["c"][0] != ["", ["question"], []]:
            raise OrgError(line, "a question takes no attributes")
        kinds = [part["t"] for part in node["c"][1]]
        if not any(node is one for one in at_the_top):
            raise OrgError(line, "a question stands in a section, not in a list or the like")
        if kinds[:1] != ["Para"]:
            raise OrgError(line, "a question begins with a paragraph: what it asks")
        if any(is_clicked(one) for one in elements(node["c"][1][0])):
            problem = (
                "links, footnotes and formulas with a line of their own belong into the answer"
            )
            raise OrgError(line, problem)
        if len(kinds) == 1:
            raise OrgError(line, "this question has no answer: write it below an empty line")
