"""Tangle an Org file into its scripts, and carry edits of the scripts back.

Usage:
    python tangled/literate.py tangle ORG
    python tangled/literate.py detangle SCRIPT [ORG]
    python tangled/literate.py run SCRIPT TRANSCRIPT
    python tangled/literate.py weave ORG HTML
    python tangled/literate.py watch [--port PORT] ORG HTML -- COMMAND...
    python tangled/literate.py notebooks ORG FOLDER

The scripts are, byte for byte, what Emacs' org-babel-tangle writes. Whatever would make
the two differ, or two versions of Org differ, is refused with a file name and a line.
"""

import argparse
import builtins
import contextlib
import difflib
import hashlib
import importlib.machinery
import json
import os
import re
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

HEADING = re.compile(r"(\*+) +(COMMENT(?: |$))?")
OPENING = re.compile(
    r"\s*(?:#\+begin_(src|example|export|comment|verse)(?=\s|$)|:(properties):\s*$)", re.I
)
SOURCE = re.compile(r"\s*#\+begin_src +([\w+-]+)(?: +(:.*))?\s*", re.I)
NAME = re.compile(r"\s*#\+name:\s*(.*\S)", re.I)
KEYWORD = re.compile(r"\s*#\+\S+:")
FILE_PROPERTY = re.compile(r"\s*#\+property:\s*(\S+)\s+(.*\S)", re.I)
PROPERTY = re.compile(r"\s*:(\S+): +(\S.*)")
ARGUMENTS = re.compile(r"(?::[\w-]+(?:\s+[^\s:\"'`()\[\]][^\s\"'`()\[\]]*)*(?:\s+|$))*")
ESCAPED = re.compile(r"^(\s*,*),(?=\*|#\+)")
TO_ESCAPE = re.compile(r"^(\s*)(?=,*(?:\*|#\+))")
REFERENCE = re.compile(r"[<]<(\S(?:.*?\S)?)>>")

HEADER_ARGUMENTS = {"tangle", "noweb", "noweb-ref", "mkdirp"}  # these decide what is tangled
HEADER_ARGUMENTS |= {"cache", "eval", "exports", "results", "session"}  # and these do not
EXPANDS = {"no": False, "yes": True, "no-export": True, "strip-export": True}
PLAIN_NAME = re.compile(r"[^\W\d][\w:.+-]*")
PLAIN_FILE = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.\w+")
SUFFIXES = {"python": ".py", "css": ".css", "html": ".html", "js": ".js"}
ODD = re.compile(r"[^\S \t\n]|[\x00-\x1b\x7f\ufeff](?<![\t\n])|\A.*-\*-|[L]ocal Variables:")
SETTING = re.compile(r"\s*#\+(?:headers?|setupfile):", re.I)


class OrgError(Exception):
    """What is wrong with an Org file, and in which of its lines (counted from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Block:
    """A source block: its body is unescaped and without the indentation its lines share."""

    line: int
    name: str | None
    language: str
    arguments: dict[str, str]
    body: tuple[str, ...]
    indentation: str


def header_arguments(text: str, line: int) -> dict[str, str]:
    """Read ':tangle x.py :noweb yes' as {'tangle': 'x.py', 'noweb': 'yes'}; the last wins."""
    if not ARGUMENTS.fullmatch(text):
        raise OrgError(line, f"these header arguments are not supported: {text}")
    pairs = (part.split(maxsplit=1) for part in re.split(r"(?:^|\s):", text)[1:])
    arguments = {key: "".join(value).strip() for key, *value in pairs}
    for key in arguments:
        if key not in HEADER_ARGUMENTS:
            raise OrgError(line, f"the header argument :{key} is not supported")
    return arguments


class Heading(NamedTuple):
    """A heading's level, its line, whether it is commented out, and what its drawer says."""

    level: int
    line: int
    commented: bool
    properties: dict[str, str]


def enter_heading(outline: list[Heading], match: re.Match[str], line: int) -> None:
    """Leave the headings that end here, and enter the new one."""
    if ("COMMENT" in match.string and not match[2]) or ":ARCHIVE:" in match.string:
        raise OrgError(line, "COMMENT belongs right after the stars; ARCHIVE is not supported")
    while outline[-1].level >= len(match[1]):
        left = outline.pop()
        if left.line == 1 and any(key.startswith("header-args") for key in left.properties):
            raise OrgError(1, "Org 9.5 takes these header-args for the whole file; begin lower")
    commented = outline[-1].commented or match[2] is not None
    outline.append(Heading(len(match[1]), line, commented, {}))


def read_drawer(heading: Heading, line: int, body: list[str]) -> dict[str, int]:
    """Enter a drawer's properties into its heading; return the names it defines."""
    if line != heading.line + 1:
        raise OrgError(line, "a property drawer belongs right below its heading")
    properties, names = heading.properties, {}
    for number, text in enumerate(body, line + 1):
        match = PROPERTY.fullmatch(text)
        if match is None:
            raise OrgError(number, "this is not a property with a value")
        key, value = match[1].lower(), match[2].strip()
        if key in properties and not key.endswith("+"):
            raise OrgError(number, f"this drawer has {key} twice")
        properties[key] = f"{properties.get(key, '')} {value}".strip()
        if key in ("custom_id", "id"):
            names[value] = number
    return names


def add_file_property(properties: dict[str, str], key: str, value: str) -> None:
    """Enter a #+property: line."""
    plain = key.lower().removesuffix("+")
    earlier = properties.get(plain, "") if key.endswith("+") else ""
    properties[plain] = f"{earlier} {value}".strip()


def inherited(key: str, outline: list[Heading]) -> str:
    """Return the value of a property, seen from the innermost heading of an outline."""
    value = ""
    for heading in outline:
        value = heading.properties.get(key, value)
        value = f"{value} {heading.properties.get(f'{key}+', '')}".strip()
    return value


def body_of(kind: str, lines: list[str], start: int) -> list[str]:
    """Return what follows lines[start] up to the end of that block or drawer."""
    begin, end = f"#+begin_{kind}", f"#+end_{kind}"
    if kind == "properties":
        begin, end = ":properties:", ":end:"
    for number in range(start + 1, len(lines)):
        line = lines[number].strip().lower()
        if line == end:
            return lines[start + 1 : number]
        if HEADING.match(lines[number]) or line.startswith(("#+begin_", "#+end_")):
            raise OrgError(start + 1, f"this {begin} has no {end} before line {number + 1}")
    raise OrgError(start + 1, f"this {begin} has no {end}")


def outside_blocks(lines: list[str]) -> Iterator[tuple[int, str, str, list[str]]]:
    """Yield every line outside of blocks: its number, its text, what it opens, and the body."""
    number = 0
    while number < len(lines):
        line, kind, body = lines[number], "", []
        if opening := OPENING.match(line):
            kind = (opening[1] or opening[2]).lower()
            body = body_of(kind, lines, number)
        yield number + 1, line, kind, body
        number += len(body) + (2 if kind else 1)


def dedent(body: list[str], line: int) -> tuple[list[str], str]:
    """Return the lines without the indentation they share, and that indentation."""
    if not body or not body[0].strip() or not body[-1].strip():
        raise OrgError(line, "a block must not be empty, or begin or end with a blank line")
    indents = [text[: -len(text.lstrip())] for text in body if text.strip()]
    shared = min(indents, key=len)
    if shared and ("\t" in "".join(indents) or any(text.isspace() for text in body)):
        raise OrgError(line, "an indented block must hold no tabs and no lines of spaces only")
    return [text[len(shared) :] for text in body], shared


def make_block(
    line: int, name: str | None, text: str, body: list[str], outline: list[Heading]
) -> Block:
    """Build a block from the text of its first line, its raw body, and its outline."""
    match = SOURCE.fullmatch(text)
    if match is None:
        raise OrgError(line, "write it as '#+begin_src LANGUAGE :argument value', no switches")
    language, own = match[1], match[2] or ""
    arguments = {"tangle": "no", "noweb": "no"}
    for key in ("header-args", f"header-args:{language.lower()}"):
        arguments |= header_arguments(inherited(key, outline), line)
    arguments |= header_arguments(own.strip(), line)
    if arguments["noweb"] not in EXPANDS:
        raise OrgError(line, f":noweb {arguments['noweb']} is not supported; use yes or no")
    lines, indentation = dedent(body, line)
    unescaped = tuple(ESCAPED.sub(r"\1", code, count=1) for code in lines)
    return Block(line, name, language, arguments, unescaped, indentation)


def define(names: dict[str, int], name: str, line: int) -> None:
    """Enter a name and its line; raise OrgError where there is one already."""
    first = names.setdefault(name.lower(), line)
    if first != line:
        raise OrgError(line, f"the name {name!r} is defined twice, first in line {first}")


def check_text(text: str) -> None:
    """Raise OrgError where Emacs could take the file for something else than it looks like."""
    if odd := ODD.search(text):
        line = text.count("\n", 0, odd.end()) + 1
        raise OrgError(line, f"{odd[0]!r} is not supported: Emacs may read the file otherwise")


def read_blocks(text: str) -> tuple[list[Block], dict[str, int]]:
    """Return the source blocks of an Org file in order, and the line of each name."""
    check_text(text)
    outline, names, found, name = [Heading(0, -1, False, {})], {}, [], None
    for number, line, kind, body in outside_blocks(text.split("\n")):
        if SETTING.match(line):
            raise OrgError(number, "this line is not supported: use #+begin_src or #+property:")
        if match := HEADING.match(line):
            enter_heading(outline, match, number)
        elif match := FILE_PROPERTY.match(line):
            add_file_property(outline[0].properties, match[1], match[2])
        elif kind == "properties":
            for identifier, place in read_drawer(outline[-1], number, body).items():
                define(names, identifier, place)
        elif kind == "src" and not outline[-1].commented:
            found.append((number, name, line, body, tuple(outline)))
        if match := NAME.match(line):
            define(names, name := match[1], number)
        elif not KEYWORD.match(line):
            name = None
    return [make_block(*parts) for parts in found], names


def index_blocks(blocks: list[Block], names: dict[str, int]) -> dict[str, list[Block]]:
    """Return, for each name that a reference may use, the blocks it stands for."""
    by_name = {block.name: [block] for block in blocks if block.name}
    for block in blocks:
        shared = block.arguments.get("noweb-ref")
        for name in {block.name, shared} - {None}:
            if not PLAIN_NAME.fullmatch(name):
                problem = "must be a letter, then letters, digits or any of -_.:+"
                raise OrgError(block.line, f"the name {name!r} {problem}")
        if shared is not None:
            define(dict(names), shared, block.line)
            by_name.setdefault(shared, []).append(block)
    return by_name


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


def tangle(text: str, project: Path) -> dict[Path, list[Line]]:
    """Return every script that the text of an Org file describes, line by line."""
    blocks, names = read_blocks(text)
    by_name = index_blocks(blocks, names)
    scripts: dict[Path, list[Line]] = {}
    for block in blocks:
        lines = list(expand(block, by_name, (block.name,) if block.name else ()))
        if block.arguments["tangle"] == "no":
            continue
        if lines[0].text != lines[0].text.lstrip() or lines[-1].text != lines[-1].text.rstrip():
            raise OrgError(block.line, "a tangled block must not begin or end with a space")
        script = scripts.setdefault(target_of(block, project), [])
        script += [Line("")] if script else []
        script += lines
    return scripts


def shown(path: Path | str) -> str:
    """Return a path as a person would type it here."""
    return os.path.relpath(path)


def content_at(path: Path) -> bytes | None:
    """Return the content of a file, or None where there is none."""
    return path.read_bytes() if path.exists() else None


def read_text(path: Path) -> str:
    """Return the text of a file, line ends as they are; raise ValueError if it is not UTF-8."""
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{shown(path)}:{line}: this is not UTF-8 text") from None


def tangle_text(org: Path, text: str) -> dict[Path, list[Line]]:
    """Tangle the text of an Org file; raise ValueError with name and line for a mistake."""
    try:
        return tangle(text, org.parent.resolve())
    except OrgError as error:
        raise ValueError(f"{shown(org)}:{error.line}: {error}") from None


def content_of(lines: list[Line]) -> bytes:
    """Return the content of a script; each line ends in a newline."""
    return "".join(line.text + "\n" for line in lines).encode()


def write_all(contents: dict[Path, bytes]) -> None:
    """Write every file that changes, or none: each goes beside its place, then all move in."""
    changed = [path for path in contents if content_at(path) != contents[path]]
    beside = {path: path.with_name(f".{path.name}.new") for path in changed}
    folders = {folder for path in changed for folder in path.parents if not folder.exists()}
    try:
        for folder in sorted(folders):
            folder.mkdir()
        for path in changed:
            beside[path].write_bytes(contents[path])
            if path.exists():
                beside[path].chmod(path.stat().st_mode)
        for path in changed:
            beside[path].replace(path)
    except BaseException:
        remove(beside.values(), sorted(folders, reverse=True))
        raise


def remove(files: Iterable[Path], folders: Iterable[Path]) -> None:
    """Remove these files and empty folders, as far as they are there."""
    for path in files:
        with contextlib.suppress(OSError):
            path.unlink()
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def sum_of(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sum_at(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return sum_of(path.read_bytes())


def read_sums(path: Path) -> dict[Path, str]:
    """Read a sha256sum file as {script: sum}; a missing file has no sums."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    rows = (line.partition("  ") for line in text.splitlines())
    return {Path(os.path.normpath(path.parent / name)): digest for digest, _, name in rows}


def sums_content(sums: dict[Path, str], folder: Path) -> bytes:
    """Write {script: sum} in the format that 'sha256sum --check' reads in this folder."""
    rows = {os.path.relpath(script, folder): digest for script, digest in sums.items()}
    return "".join(f"{rows[name]}  {name}\n" for name in sorted(rows)).encode()


def tangle_command(org: Path) -> int:
    """Write the scripts that changed; return 1 and write nothing where that loses an edit."""
    tangled = tangle_text(org, read_text(org))
    new = {path: content_of(lines) for path, lines in tangled.items()}
    sums_path = org.parent.resolve() / "tangled" / "SHA256SUMS"
    known = read_sums(sums_path)
    changed = [path for path, content in new.items() if content_at(path) != content]
    edited = [path for path in changed if path.exists() and sum_at(path) != known.get(path)]
    for script in map(shown, edited):
        back = f"'python {sys.argv[0]} detangle {script}' carries the edit into {shown(org)}"
        problem = f"was edited by hand, so nothing is written: {back}, 'rm {script}' drops it"
        print(f"{script} {problem}", file=sys.stderr)
    if edited:
        return 1
    sums = {path: sum_of(content) for path, content in new.items()}
    write_all(new | {sums_path: sums_content(sums, sums_path.parent)})
    print("\n".join(f"tangled {shown(path)}" for path in changed) or "every script is up to date")
    return 0


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
    sums_path = org.parent.resolve() / "tangled" / "SHA256SUMS"
    sums = read_sums(sums_path)
    if sums.get(path, sum_of(content_of(old))) != sum_of(content_of(old)):
        problem = f"{shown(org)} changed as well since it was tangled; carry the edit over by hand"
        raise ValueError(f"{shown(script)}: {problem}")
    new_text, notes = carry_proven(script, wanted, old, org, text)
    sums_content_new = sums_content(sums | {path: sum_of(wanted)}, sums_path.parent)
    write_all({org.resolve(): new_text.encode(), path: wanted, sums_path: sums_content_new})
    print("\n".join(f"{shown(org)}:{note}" for note in notes) or "only line ends differed")
    return 0


def running_line(script: dict[str, Any]) -> int:
    """Return the top-level line that a script with these globals is at, or 0 after its end."""
    top_level = (script["__file__"], "<module>")
    main_thread = sys._current_frames().get(threading.main_thread().ident)
    for frame in (sys._getframe(), main_thread):
        while frame is not None:
            if (frame.f_code.co_filename, frame.f_code.co_name) == top_level:
                return frame.f_lineno
            frame = frame.f_back
    return 0


def record_prints(script: dict[str, Any]) -> list[tuple[int, str]]:
    """Have sys.stdout note, from now on, each text with its line; return where it does so."""
    printed, write = [], sys.stdout.write

    def write_and_note(text: str) -> int:
        line = running_line(script) or (printed[-1][0] if printed else 1)
        printed.append((line, text))
        return write(text)

    sys.stdout.write = write_and_note
    return printed


def set_stage(script: Path) -> dict[str, Any]:
    """Make a fresh __main__ for a script, as 'python SCRIPT' does; return its globals."""
    main_module = types.ModuleType("__main__")
    path = str(script.absolute())
    main_module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    names = vars(main_module)
    names |= {"__file__": path, "__builtins__": builtins, "__annotations__": {}, "__cached__": None}
    sys.modules["__main__"] = main_module
    sys.argv = [str(script)]
    sys.path[0] = str(script.resolve().parent)
    return names


def hide_own_frames(
    kind: type[BaseException], error: BaseException, trace: types.TracebackType | None
) -> None:
    """Print a traceback as Python does, from the first frame that is the script's."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


def save_transcript(path: Path, source: bytes, device: str, printed: list[tuple[int, str]]) -> None:
    """Write the [line, text] pairs of a run, the script's check sum, and the device it ran on."""
    output: list[list[Any]] = []
    for line, text in printed:
        if output and output[-1][0] == line:
            output[-1][1] += text
        else:
            output.append([line, text])
    content = {"sha256": sum_of(source), "device": device, "output": output}
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_all({path.absolute(): f"{text}\n".encode()})


def run_command(script: Path, transcript: Path) -> int:
    """Run a script as 'python SCRIPT' would, and keep a transcript if it succeeds."""
    with one_line_errors(script):
        source = script.read_bytes()
    names = set_stage(script)
    printed = record_prints(names)
    sys.excepthook = hide_own_frames
    try:
        exec(compile(source, names["__file__"], "exec", dont_inherit=True), names)
    except SystemExit as request:
        if request.code not in (None, 0):
            raise
    with one_line_errors(transcript):
        save_transcript(transcript, source, str(names.get("device", "cpu")), printed)
    return 0


@contextlib.contextmanager
def one_line_errors(place: Path) -> Iterator[None]:
    """Exit with one line and status 1 where a file, or what it says, is not in order."""
    try:
        yield
    except OSError as error:
        where = error.filename2 or error.filename or place
        print(f"{shown(where)}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line, a sub-parser for each command."""
    parser = argparse.ArgumentParser(description="Tangle an Org file into its scripts, and back.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("tangle", help="write the scripts that changed")
    command.add_argument("org", type=Path)
    command = commands.add_parser("detangle", help="carry a script's edits into the Org file")
    command.add_argument("script", type=Path)
    command.add_argument("org", type=Path, nargs="?")
    command = commands.add_parser("run", help="run a script and note which line printed what")
    command.add_argument("script", type=Path)
    command.add_argument("transcript", type=Path)
    command = commands.add_parser("weave", help="make a web page of prose, code and outputs")
    command.add_argument("org", type=Path)
    command.add_argument("page", type=Path)
    command = commands.add_parser("watch", help="make the page at each save, and show it")
    command.add_argument("org", type=Path)
    command.add_argument("page", type=Path)
    command.add_argument("--port", type=int, default=5500)
    command.add_argument("maker", nargs="+", help="the command that makes the page, after --")
    command = commands.add_parser("notebooks", help="make a notebook of each chapter")
    command.add_argument("org", type=Path)
    command.add_argument("folder", type=Path)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    chosen = command_line().parse_args(arguments)
    if chosen.command == "run":
        return run_command(chosen.script, chosen.transcript)
    with one_line_errors(chosen.org or chosen.script):
        if chosen.command == "tangle":
            return tangle_command(chosen.org)
        if chosen.command == "weave":
            from weave import weave_command

            return weave_command(chosen.org, chosen.page)
        if chosen.command == "watch":
            from watch import watch_command

            return watch_command(chosen.org, chosen.page, chosen.port, chosen.maker)
        if chosen.command == "notebooks":
            from notebooks import notebooks_command

            return notebooks_command(chosen.org, chosen.folder)
        return detangle_command(chosen.script, chosen.org)


if __name__ == "__main__":
    sys.exit(main())
