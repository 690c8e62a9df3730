"""Diffs between two blocks of the post: made from the blocks, so that none can go stale.

A block '#+begin_src diff :from ONE :to OTHER' holds what turns the body of the first block into
that of the other: the lines of a unified diff with one line around each change. Its headers are
left out, and where it skips lines stands a line of its own. References stay as they are.

Scripts do not depend on diffs, so tangling does not look at them. Weaving refuses one that is not
what the blocks say, and 'python -m literate diffs ORG' writes it into the Org file.
"""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from literate.detangle import Edit, carry
from literate.files import read_text, shown, write_all
from literate.org import Block, OrgError, read_blocks

SKIPPED = " …"  # for the lines between two changes


def diff_of(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the diff between two bodies; it neither begins nor ends with a blank line."""
    rows = list(difflib.unified_diff(before, after, n=1, lineterm=""))[3:]  # after the headers
    rows = [SKIPPED if row.startswith("@@") else row for row in rows]
    rows = [row if row.strip() else "" for row in rows]
    while rows and not rows[-1]:
        rows.pop()
    while rows and not rows[0]:
        rows.pop(0)
    return rows


def ends_of(block: Block) -> tuple[str, str]:
    """Return the names of the two blocks between which a diff is made."""
    ends = block.arguments.get("from", ""), block.arguments.get("to", "")
    if not all(ends):
        raise OrgError(block.line, "a diff is made between two blocks: ':from NAME :to NAME'")
    return ends


def stale(blocks: list[Block]) -> list[tuple[Block, list[str]]]:
    """Return the diffs that are not what their blocks say, each with what it should be.

    Raises OrgError where nobody can say what a diff should be.
    """
    bodies, found = {block.name: block.body for block in blocks if block.name}, []
    for block in blocks:
        if block.language != "diff":
            continue
        ends = ends_of(block)
        for name in ends:
            if name not in bodies:
                raise OrgError(block.line, f"no block is named {name!r}")
        rows = diff_of(*(bodies[name] for name in ends))
        if not rows:
            raise OrgError(block.line, f"{' and '.join(ends)} are the same: there is no diff")
        if rows != list(block.body):
            found.append((block, rows))
    return found


def check_diffs(blocks: list[Block]) -> None:
    """Raise OrgError for a diff that is not what its blocks say."""
    for block, _ in stale(blocks):
        names = " to ".join(ends_of(block))
        raise OrgError(block.line, f"this is not the diff from {names}; 'make diffs' writes it")


def with_diffs(text: str) -> tuple[str, list[str]]:
    """Return the text of an Org file with its diffs made anew, and what was done where.

    Raises OrgError where a diff cannot be made, or where Org could not read the result.
    """
    lines, blocks = text.split("\n"), read_blocks(text)[0]
    edits = []
    for block, rows in stale(blocks):
        first = lines[block.line - 1]
        placed = replace(block, indentation=first[: first.index("#")])
        edits.append(Edit(placed, 0, len(block.body), rows))
    new, _ = carry(text, edits)
    again = read_blocks(new)[0]
    line_now = {old.line: now.line for old, now in zip(blocks, again, strict=True)}
    notes = [
        f"{line_now[edit.block.line]}: wrote the diff from {' to '.join(ends_of(edit.block))}"
        for edit in edits
    ]
    return new, notes


def diffs_command(org: Path) -> int:
    """Write the diffs of an Org file that are not what its blocks say, all or none; return 0."""
    text = read_text(org)
    try:
        new, notes = with_diffs(text)
    except OrgError as error:
        raise ValueError(f"{shown(org)}:{error.line}: {error}") from None
    write_all({org.resolve(): new.encode()})
    print("\n".join(f"{shown(org)}:{note}" for note in notes) or "every diff is up to date")
    return 0
