"""Put the blocks of an Org file together into its scripts, byte for byte as Emacs does.

'tangle' says which scripts an Org file describes; 'tangle_command' writes those that changed.
Whatever would make Emacs write something else is refused, here or in org.py.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from literate.files import (
    changed_by,
    edited_among,
    read_sums,
    read_text,
    shown,
    sum_at,
    sum_of,
    sums_content,
    write_all,
)
from literate.org import EXPANDS, REFERENCE, Block, OrgError, index_blocks, read_blocks

PLAIN_FILE = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.\w+")
SUMS = Path("tangled", "SHA256SUMS")  # of what was written last, below the Org file's folder
SUFFIXES = {"python": ".py", "css": ".css", "html": ".html", "js": ".js"}


class Line(NamedTuple):
    """A line of a script, and its place in the Org file.

    It is line 'index' of the body of 'block', with 'prefix' before it for the references that
    led there from 'top', the block that is tangled. The empty line between two tangled blocks
    has no block.
    """

    text: str
    block: Block | None = None
    index: int = 0
    prefix: str = ""
    top: Block | None = None


def expand(
    block: Block, by_name: dict[str, list[Block]], path: tuple[str, ...] = ()
) -> Iterator[Line]:
    """Yield the lines of a block with its references replaced, however deep they nest."""
    for index, text in enumerate(block.body):
        reference = REFERENCE.search(text) if EXPANDS[block.arguments["noweb"]] else None
        if reference is None:
            yield Line(text, block, index, "", block)
            continue
        name, place = reference[1], block.line + 1 + index
        prefix, _, rest = text.partition(reference[0])
        if prefix.strip() or rest:
            raise OrgError(place, f"the reference {reference[0]} needs a line of its own")
        if name not in by_name:
            raise OrgError(place, f"no block is named {name!r}")
        if name in path:
            raise OrgError(place, f"the references form a cycle: {' -> '.join((*path, name))}")
        for part in by_name[name]:
            for line in expand(part, by_name, (*path, name)):
                text, before = prefix + line.text, prefix + line.prefix
                yield line._replace(text=text, prefix=before, top=block)


def target_of(block: Block, project: Path) -> Path:
    """Return the script that a block tangles to; raise OrgError where it may not go there."""
    name = block.arguments["tangle"]
    target = project / name
    if not PLAIN_FILE.fullmatch(name) or target.suffix != SUFFIXES.get(block.language):
        problem = "only Python (.py), CSS, HTML and JS go into a file, below the Org file's folder"
        raise OrgError(block.line, f":tangle {name}: {problem}")
    if os.path.realpath(target) != str(target) or (target.exists() and not target.is_file()):
        raise OrgError(block.line, f":tangle {name}: a folder or a symbolic link is in the way")
    return target


def put_together(
    blocks: list[Block], names: dict[str, int], project: Path
) -> dict[Path, list[Line]]:
    """Return every script that the blocks of an Org file describe, line by line."""
    by_name = index_blocks(blocks, names)
    scripts: dict[Path, list[Line]] = {}
    for block in blocks:
        lines = list(expand(block, by_name, (block.name,) if block.name else ()))
        if block.arguments["tangle"] == "no":
            continue
        target = target_of(block, project)
        if lines[0].text != lines[0].text.lstrip() or lines[-1].text != lines[-1].text.rstrip():
            raise OrgError(block.line, "a tangled block must not begin or end with a space")
        script = scripts.setdefault(target, [])
        script += [Line("")] if script else []
        script += lines
    return scripts


def tangle(text: str, project: Path) -> dict[Path, list[Line]]:
    """Return every script that the text of an Org file describes, line by line."""
    return put_together(*read_blocks(text), project)


def tangle_text(org: Path, text: str) -> dict[Path, list[Line]]:
    """Tangle the text of an Org file; raise ValueError with name and line for a mistake."""
    try:
        return tangle(text, org.parent.resolve())
    except OrgError as error:
        raise ValueError(f"{shown(org)}:{error.line}: {error}") from None


def content_of(lines: list[Line]) -> bytes:
    """Return the content of a script; each line ends in a newline."""
    return "".join(line.text + "\n" for line in lines).encode()


def check_folders(org: Path, scripts: dict[Path, list[Line]]) -> None:
    """Raise ValueError where a script's folder is missing and a block does not ask for it.

    Emacs makes a folder only for ':mkdirp yes'; which of several blocks may say so differs
    between its versions, so each of them has to.
    """
    for path, lines in scripts.items():
        for top in {line.top.line: line.top for line in lines if line.top}.values():
            if not path.parent.exists() and top.arguments.get("mkdirp") != "yes":
                folder = f"the folder {shown(path.parent)} is missing"
                raise ValueError(f"{shown(org)}:{top.line}: {folder}; ':mkdirp yes' makes it")


def abandoned(known: dict[Path, str], new: Iterable[Path], project: Path) -> list[Path]:
    """Return the scripts on disk that were tangled once, and by no block any more."""
    gone = (path for path in known if path not in new and project in path.parents)
    return [path for path in gone if path.is_file() and not path.is_symlink()]


def abandon(scripts: Iterable[Path], known: dict[Path, str], org: Path) -> Iterator[str]:
    """Remove scripts that no block tangles to any more, unless edited; say what was done."""
    for path in scripts:
        if sum_at(path) == known[path]:
            path.unlink()
            yield f"removed {shown(path)}, which {shown(org)} no longer tangles"
        else:
            yield f"{shown(path)} is no longer tangled, but was edited: it stays"


def refuse(edited: list[Path], org: Path) -> int:
    """Say how to go on with scripts that were edited; return the exit status."""
    for script in map(shown, edited):
        back = f"'python -m literate detangle {script}' carries the edit into {shown(org)}"
        problem = f"was edited by hand, so nothing is written: {back}, 'rm {script}' drops it"
        print(f"{script} {problem}", file=sys.stderr)
    return 1


def tangle_command(org: Path) -> int:
    """Write the scripts that changed; return 1 and write nothing where that loses an edit.

    A script on disk that is neither what we would write now nor what we wrote last was edited
    by someone: then nothing is written at all. Otherwise what changed is written and the rest
    left alone, time stamps included; that is what lets make run one chapter and not fourteen.
    A script that no block tangles to any more is removed, or, if it was edited, left and named.
    """
    tangled = tangle_text(org, read_text(org))
    check_folders(org, tangled)
    new = {path: content_of(lines) for path, lines in tangled.items()}
    project = org.parent.resolve()
    sums_path = project / SUMS
    known = read_sums(sums_path)
    changed = changed_by(new)
    if edited := edited_among(changed, known):
        return refuse(edited, org)
    sums = {path: sum_of(content) for path, content in new.items()}
    write_all(new | {sums_path: sums_content(sums, sums_path.parent)})
    notes = [f"tangled {shown(path)}" for path in changed]
    notes += abandon(abandoned(known, new, project), known, org)
    print("\n".join(notes) or "every script is up to date")
    return 0
