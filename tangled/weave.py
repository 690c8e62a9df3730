"""Weave an Org file, and what its scripts printed, into one web page.

This is the work behind 'python tangled/literate.py weave ORG HTML'.
"""

import json
from bisect import bisect_right
from pathlib import Path

from literate import Line, read_text, shown, sum_at, tangle_text


def read_transcript(script: Path, log: Path) -> list[tuple[int, str]]:
    """Return what a script printed, as (line, text) pairs; raise ValueError if that is stale.

    The transcript lies beside the log and must hold the same text: what is in the log alone
    was printed by another process, or is a warning.
    """
    transcript = json.loads(read_text(log.with_suffix(".json")))
    if transcript["sha256"] != sum_at(script):
        raise ValueError(f"{shown(script)} has changed since it ran; 'make' runs it again")
    pairs = [(line, text) for line, text in transcript["output"]]
    if "".join(text for _, text in pairs) != read_text(log):
        problem = f"holds text that {shown(script)} itself did not print: a warning?"
        raise ValueError(f"{shown(log)} {problem}")
    return pairs


def block_of(line: Line, chapters: list[int]) -> int:
    """Return the line in the Org file of the block that answers for a script's line."""
    own, top = line.block.line, line.top.line
    return own if bisect_right(chapters, own) == bisect_right(chapters, top) else top


def printed_by_block(org: Path) -> dict[int, str]:
    """Return what each block printed, by the line at which the block starts in the Org file.

    A script that has no log in logs/ was not run, and printed nothing.
    """
    text = read_text(org)
    rows = enumerate(text.split("\n"), 1)
    chapters = [number for number, row in rows if row.startswith("* ")]
    printed: dict[int, str] = {}
    for script, lines in tangle_text(org, text).items():
        log = org.parent.resolve() / "logs" / f"{script.stem}.log"
        for line, output in read_transcript(script, log) if log.exists() else ():
            block = block_of(lines[line - 1], chapters)
            printed[block] = printed.get(block, "") + output
    return printed
