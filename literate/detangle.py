"""Carry the edits of a script back into the Org file.

You change a line in a script because that is where the error message pointed. This module
finds the block that the line came from and changes it there: it compares the script with what
the Org file would tangle to, and moves each difference to the block that owns the lines.

A difference that two blocks could own is not guessed at. A line that replaces another belongs
to the block of that other line. A line that is added belongs to a block if the lines before
and after it do. At the end of a tangled block one of the two is enough, because the next block
is an empty line away. At the end of a block that came by reference it is not: the line could
belong to the block with the reference.

Nothing is written unless the new Org file is proven to tangle to the edited script.
"""

import contextlib
import difflib
import re
from pathlib import Path
from typing import NamedTuple

from literate.files import read_sums, read_text, shown, sum_of, sums_content, write_all
from literate.org import Block, OrgError
from literate.tangle import SUMS, Line, content_of, tangle, tangle_text

TO_ESCAPE = re.compile(r"^(\s*)(?=,*(?:\*|#\+))")


class Edit(NamedTuple):
    """Replace the body lines first to last (exclusive) of a block by others."""

    block: Block
    first: int
    last: int
    lines: list[str]


def slack(texts: list[str], start: int, end: int) -> tuple[int, int]:
    """Return how far a gap or a patch at texts[start:end] could stand higher, and lower.

    Where a line is added to others that are equal to it, nobody can say which one is new.
    """
    up = down = 0
    while start - up > 0 and texts[start - up - 1] == texts[end - up - 1]:
        up += 1
    while end + down < len(texts) and texts[start + down] == texts[end + down]:
        down += 1
    return up, down


def owner(old: list[Line], first: int, last: int, grows: bool) -> Block | None:
    """Return the only block that can own a change of old[first:last], or None."""
    touched = old[first:last]
    before = [line for line in old[max(first - 1, 0) : first] if grows and line.block]
    after = [line for line in old[last : last + 1] if grows and line.block]
    lines = before + touched + after
    places = [(line.block, line.index) for line in lines]
    block = lines[0].block if lines else None
    if block is None or places != [(block, lines[0].index + step) for step in range(len(lines))]:
        return None
    inside = not grows or (before and after)
    return block if inside or block is lines[0].top else None


def find_edits(old: list[Line], new: list[str]) -> list[Edit]:
    """Return what changed in a script; raise OrgError, with its line, for what has no owner."""
    texts, edits = [line.text for line in old], []
    opcodes = difflib.SequenceMatcher(None, texts, new, autojunk=False).get_opcodes()
    for tag, i1, i2, j1, j2 in opcodes:
        if tag == "equal":
            continue
        up, down = 0, 0
        if tag != "replace":
            up, down = slack(new, j1, j2) if tag == "insert" else slack(texts, i1, i2)
        block = owner(old, max(i1 - up, 0), i2 + down, j2 - j1 > i2 - i1)
        if block is None:
            raise OrgError(j1 + 1, "more than one block could own this change")
        above = i1 == len(old) or old[i1].block is not block
        near = old[i1 - above]
        first, added = near.index + above, [line[len(near.prefix) :] for line in new[j1:j2]]
        edit = Edit(block, first, first + i2 - i1, added)
        edits += [] if edit in edits else [edit]
    return edits


def carry(text: str, edits: list[Edit]) -> tuple[str, list[str]]:
    """Return the text of the Org file with the edits in its blocks, and what was done where."""
    lines, notes, shift = text.split("\n"), [], 0
    for block, first, last, added in sorted(edits, key=lambda edit: edit.block.line + edit.first):
        start = block.line + first + shift
        escaped = [TO_ESCAPE.sub(r"\1,", line, count=1) for line in added]
        body = [block.indentation + line if line else "" for line in escaped]
        lines[start : start + last - first] = body
        shift += len(body) - (last - first)
        notes.append(f"{start + 1}: changed {block.name or 'a block without a name'}")
    return "\n".join(lines), notes


def carry_proven(
    script: Path, wanted: bytes, old: list[Line], org: Path, text: str
) -> tuple[str, list[str]]:
    """Carry the edits of a script; raise ValueError unless the result tangles to the script."""
    try:
        edits = find_edits(old, wanted.decode().split("\n")[:-1])
    except OrgError as error:
        place = f"{shown(script)}:{error.line}"
        raise ValueError(f"{place}: {error}; make it in {shown(org)}") from None
    new_text, notes = carry(text, edits)
    with contextlib.suppress(OrgError):
        scripts = tangle(new_text, org.parent.resolve())
        if content_of(scripts.get(script.resolve(), [])) == wanted:
            return new_text, notes
    problem = f"the edit does not survive the way to {shown(org)} and back; make it there"
    raise ValueError(f"{shown(script)}: {problem}")


def find_org(script: Path) -> Path:
    """Return the Org file in the nearest folder above a script that holds one."""
    for folder in script.resolve().parents:
        found = list(folder.glob("*.org"))
        if len(found) > 1:
            raise ValueError(f"{shown(folder)}: more than one Org file; name the right one")
        if found:
            return found[0]
    raise ValueError(f"{shown(script)}: no folder above it holds an Org file")


def detangle_command(script: Path, org: Path | None) -> int:
    """Carry the edits of a script into its Org file, or change nothing; return 0."""
    path, edited = script.resolve(), read_text(script)
    wanted = (edited.replace("\r\n", "\n").rstrip("\n") + "\n").encode()
    org = org or find_org(script)
    text = read_text(org)
    old = tangle_text(org, text).get(path)
    if old is None:
        raise ValueError(f"{shown(script)}: no block of {shown(org)} tangles to it")
    if edited.encode() == content_of(old):
        print(f"{shown(script)} is what {shown(org)} says already")
        return 0
    sums_path = org.parent.resolve() / SUMS
    sums = read_sums(sums_path)
    if sums.get(path, sum_of(content_of(old))) != sum_of(content_of(old)):
        problem = f"{shown(org)} changed as well since it was tangled; carry the edit over by hand"
        raise ValueError(f"{shown(script)}: {problem}")
    new_text, notes = carry_proven(script, wanted, old, org, text)
    sums_content_new = sums_content(sums | {path: sum_of(wanted)}, sums_path.parent)
    write_all({org.resolve(): new_text.encode(), path: wanted, sums_path: sums_content_new})
    print("\n".join(f"{shown(org)}:{note}" for note in notes) or "only line ends differed")
    return 0
