"""Headings: their addresses, and whether a script's section lines '# %% Title' say the same.

A script with a number in its name has such a line for each section with code; another script has
all of them or none.
"""

import re
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from literate.nodes import Node, words
from literate.org import HEADING, OrgError, outside_blocks
from literate.outputs import block_of
from literate.tangle import Line

SECTION = re.compile(r"\s*# %%(?: (.*\S))?\s*")
NUMBERED = re.compile(r"\d\d_")


class Heading(NamedTuple):
    """A heading of the woven document: its level, its identifier, its words, its Org line."""

    level: int
    key: str
    title: str
    line: int


def outline_of(text: str) -> list[tuple[int, int]]:
    """Return level and line of each heading; raise OrgError for one without another above it."""
    found = [
        (len(match[1]), number)
        for number, row, _, _ in outside_blocks(text.split("\n"))
        if (match := HEADING.match(row))
    ]
    above = 0
    for level, line in found:
        if level > above + 1:
            stars = "*" * (level - 1)
            raise OrgError(line, f"this heading needs one with {stars} above it")
        above = level
    return found


def slug(title: str) -> str:
    """Return the words of a heading as part of an address, made as pandoc makes it."""
    kept = re.sub(r"[^\w\s.-]", "", title.lower())
    return re.sub(r"^[\W\d_]+", "", "-".join(kept.split())) or "section"


def free(key: str, taken: set[str]) -> str:
    """Return an identifier that is not yet taken, and take it."""
    number, first = 1, key
    while key in taken:
        number += 1
        key = f"{first}-{number}"
    taken.add(key)
    return key


def read_headings(document: Node, outline: list[tuple[int, int]], taken: set[str]) -> list[Heading]:
    """Return the headings of pandoc's document, each with an identifier of its own.

    That is its CUSTOM_ID, or its chapter's identifier and its own words. Raises OrgError where
    pandoc leaves a heading out.
    """
    found = [node["c"] for node in document["blocks"] if node["t"] == "Header"]
    if [level for level, _, _ in found] != [level for level, _ in outline]:
        problem = f"pandoc shows {len(found)} of {len(outline)} headings"
        line = outline[0][1] if outline else 1
        raise OrgError(line, f"{problem}: is one not to export, or below three levels?")
    taken = taken | {attributes[0] for _, attributes, _ in found}
    headings, chapter = [], ""
    for (level, attributes, inlines), (_, line) in zip(found, outline, strict=True):
        title = words(inlines).strip()
        own = slug(title) if level == 1 else f"{chapter}-{slug(title)}"
        key = attributes[0] or free(own, taken)
        chapter = key if level == 1 else chapter
        headings.append(Heading(level, key, title, line))
    return headings


def opening_blocks(scripts: dict[Path, list[Line]]) -> set[int]:
    """Return the lines of the blocks that open a script, before its first section."""
    opening = set()
    for lines in scripts.values():
        marks = [line.top for line in lines if SECTION.fullmatch(line.text)]
        if marks and marks[0] is not lines[0].top:
            opening.add(lines[0].top.line)
    return opening


def check_sections(
    name: str, lines: list[Line], headings: list[Heading], chapters: list[int]
) -> None:
    """Raise OrgError where the section lines of a script are not the headings of its sections.

    Each stands before the code of its section.
    """
    starts = [heading.line for heading in headings]
    found: list[tuple[str, int]] = []  # title and line in the Org file
    seen: dict[Heading, int] = {}  # how many section lines stand before a section's code
    for line in lines:
        if mark := SECTION.fullmatch(line.text):
            found.append((mark[1] or "", line.block.line + 1 + line.index))
        elif line.text.strip() and not line.text.startswith("if __name__ =="):
            place = bisect_right(starts, block_of(line, chapters)) - 1
            if place >= 0 and headings[place].level > 1:
                seen.setdefault(headings[place], len(found))
    if not found and not NUMBERED.match(name):
        return
    wanted = sorted(seen, key=lambda section: section.line)
    compare(name, found, wanted)
    for place, section in enumerate(wanted):
        if seen[section] <= place:
            problem = f"in {name} code of '{section.title}' stands before its '# %%'"
            raise OrgError(found[place][1], problem)


def compare(name: str, found: list[tuple[str, int]], wanted: list[Heading]) -> None:
    """Raise OrgError for the first section line of a script that is not its section's title."""
    for place in range(max(len(found), len(wanted))):
        title, line = found[place] if place < len(found) else ("", 0)
        section = wanted[place] if place < len(wanted) else None
        if section and line and title == section.title:
            continue
        later = [other.title for other in wanted[place:]]
        if section and (not line or title in later) and section.title not in dict(found[place:]):
            problem = f"the code of '{section.title}' in {name} does not begin with its '# %%'"
            raise OrgError(section.line, problem)
        reason = f"the heading is '{section.title}'" if section else "no section is left for it"
        raise OrgError(line, f"'# %% {title}' in {name} is no heading here: {reason}")
