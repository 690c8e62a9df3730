"""What the scripts printed, read from their transcripts and told apart by block.

A transcript says which line of a script printed what; the tangler says which block each line came
from. Put together, they say what each block printed. A text that was printed by a line of a shared
block belongs under the block of this chapter that brought the line in.
"""

import json
import re
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from literate.files import content_at, read_text, shown, sum_at
from literate.tangle import Line, content_of

# What a terminal obeys and does not show: colours and the like, titles, other escapes.
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)")
DATE = re.compile(r"(\d{4}-\d\d-\d\d)?")  # a transcript of an older recorder has none
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Transcript(NamedTuple):
    """What a script printed, as (line, text) pairs; where it ran, on which day, and with what."""

    printed: list[tuple[int, str]]
    device: str
    date: str  # YYYY-MM-DD, in UTC; empty where it is not known
    versions: dict[str, str]

    @property
    def text(self) -> str:
        """All that the script printed."""
        return "".join(text for _, text in self.printed)


def read_transcript(script: Path, log: Path, lines: list[Line]) -> Transcript:
    """Return the transcript beside a log; raise ValueError if it is not of this script and log.

    What a script wrote to its error channel is refused: a log without a warning is a promise.
    """
    path = log.with_suffix(".json")
    content = read_text(path)
    try:
        found = json.loads(content)
        printed = [(int(line), str(text)) for line, text in found["output"]]
        ran, device, errors = found["sha256"], str(found["device"]), str(found["errors"])
        date = DATE.fullmatch(found.get("date", ""))[0]
        versions = {str(name): str(of) for name, of in found.get("versions", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        printed = [(0, "")]
    if not all(0 < line <= len(lines) and lines[line - 1].block for line, _ in printed):
        problem = "is not a transcript; remove it, and 'make' writes it again"
        raise ValueError(f"{shown(path)} {problem}")
    if ran != sum_at(script):
        raise ValueError(f"{shown(script)} has changed since it ran; 'make' runs it again")
    if errors:
        first = plain(errors.strip() or errors).split("\n")[0]
        raise ValueError(f"{shown(script)} wrote to its error channel: a warning? {first}".strip())
    transcript = Transcript(printed, device, date, versions)
    if transcript.text != read_text(log):
        problem = f"holds text that {shown(script)} itself did not print: a warning?"
        raise ValueError(f"{shown(log)} {problem}")
    return transcript


def read_runs(org: Path, scripts: dict[Path, list[Line]]) -> dict[Path, Transcript]:
    """Return the transcripts of the scripts that have a log in logs/: the others were not run.

    Raises ValueError where a script is not what the Org file says, or not what ran.
    """
    runs = {}
    for script, lines in scripts.items():
        if content_at(script) != content_of(lines):
            problem = f"is not what {shown(org)} says; 'make tangle' writes it"
            raise ValueError(f"{shown(script)} {problem}")
        log = org.parent.resolve() / "logs" / f"{script.stem}.log"
        if log.exists():
            runs[script] = read_transcript(script, log, lines)
    return runs


def block_of(line: Line, chapters: list[int]) -> int:
    """Return the line in the Org file of the block that answers for a script's line."""
    own, top = line.block.line, line.top.line
    return own if bisect_right(chapters, own) == bisect_right(chapters, top) else top


def printed_by_block(
    scripts: dict[Path, list[Line]], runs: dict[Path, Transcript], chapters: list[int]
) -> dict[int, str]:
    """Return what each block printed, by the line at which the block starts in the Org file."""
    printed: dict[int, str] = {}
    for script, run in runs.items():
        for line, output in run.printed:
            block = block_of(scripts[script][line - 1], chapters)
            printed[block] = printed.get(block, "") + output
    return printed


def overwritten(line: str) -> str:
    """Return a line as a terminal shows it: each carriage return begins it again from the left."""
    seen = ""
    for part in line.split("\r"):
        seen = part + seen[len(part) :]
    return seen


def plain(output: str) -> str:
    """Return an output as one reads it, without colours and other signs meant for a terminal."""
    output = ESCAPE.sub("", output).encode("utf-8", "replace").decode()
    return UNSEEN.sub("", "\n".join(map(overwritten, output.split("\n"))))
