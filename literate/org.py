"""Read the source blocks of an Org file.

Org's syntax is one line at a time, so patterns for single lines are enough. Emacs does not
care about the case of a keyword, and neither do these.

Org can do more than a post needs, and its versions do not agree on everything. A reader that
ignores what it does not know would find other code than Emacs does, and nobody would notice.
So this one knows a small part of Org and refuses the rest, with the line it stands in: header
arguments that are not in its list, characters and settings that make Emacs read a file in its
own way, names that could be numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

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
REFERENCE = re.compile(r"<<(\S(?:.*?\S)?)>>")

HEADER_ARGUMENTS = {"tangle", "noweb", "noweb-ref", "mkdirp"}  # these decide what is tangled
HEADER_ARGUMENTS |= {"cache", "eval", "exports", "results", "session"}  # and these do not
ENDS = {"from", "to"}  # the blocks between which a diff is made
HEADER_ARGUMENTS |= ENDS
EXPANDS = {"no": False, "yes": True, "no-export": True, "strip-export": True}
PLAIN_NAME = re.compile(r"[^\W\d][\w:.+-]*")
# A space that is none, control characters, and what tells Emacs to read the file otherwise: a mode
# line, the start of an HTML or XML file (which may name an encoding), variables at the end.
ODD = re.compile(
    r"[^\S \t\n]|[\x00-\x1b\x7f\ufeff](?<![\t\n])|\A(?:#!.*\n)?.*-\*-"
    r"|\A\s*<(?:\?xml|!doctype|!--|html)|local variables:",
    re.I,
)
SETTING = re.compile(r"\s*#\+(?:headers?|setupfile):", re.I)
LATEX = re.compile(r"\s*\\begin\{([^}]*)\}")


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
    if "\t" in text[: text.index("#")]:
        raise OrgError(line, "indent a block with spaces, not with tabs")
    language, own = match[1], match[2] or ""
    arguments = {"tangle": "no", "noweb": "no"}
    for key in ("header-args", f"header-args:{language.lower()}"):
        arguments |= header_arguments(inherited(key, outline), line)
    arguments |= header_arguments(own.strip(), line)
    if arguments["noweb"] not in EXPANDS:
        raise OrgError(line, f":noweb {arguments['noweb']} is not supported; use yes or no")
    if language == "diff":
        if name or "noweb-ref" in arguments:
            raise OrgError(line, "a diff has no name, for no block may bring it in")
        arguments["noweb"] = "no"  # it shows references as they stand
    elif ENDS & set(arguments):
        raise OrgError(line, "only a diff has the arguments :from and :to")
    # An empty diff is one that is still to be made.
    lines, indentation = dedent(body, line) if body or language != "diff" else ([], "")
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


def check_latex(lines: list[str], start: int) -> None:
    r"""Raise OrgError where a LaTeX environment that begins in lines[start] holds Org syntax.

    To Emacs, a block or a property between \begin{x} and \end{x} is LaTeX; a \begin{x} with no
    \end{x} before the next heading is only text.
    """
    inside = []
    end = f"\\end{{{LATEX.match(lines[start])[1]}}}"
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if line.lstrip().startswith(end):
            break
        if HEADING.match(line):
            return
        if line.lstrip().startswith("#+"):
            inside.append(number)
    else:
        return
    if inside:
        raise OrgError(inside[0], "this stands in a LaTeX environment, where Emacs does not see it")


def read_blocks(text: str) -> tuple[list[Block], dict[str, int]]:
    """Return the source blocks of an Org file in order, and the line of each name."""
    check_text(text)
    lines = text.split("\n")
    outline, names, found, name = [Heading(0, -1, False, {})], {}, [], None
    for number, line, kind, body in outside_blocks(lines):
        if LATEX.match(line):
            check_latex(lines, number - 1)
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
