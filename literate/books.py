"""What EPUB and PDF have in common: what a title page says, and code row by row.

A book is the whole woven document with a title page in front. Nothing folds in the PDF, and on a
narrow screen nothing scrolls in an EPUB: so code is cut into rows here, each of which can go on in
another line with a mark that says so.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from literate import nodes
from literate.colophon import LICENCES, address_in, facts_of
from literate.colours import pieces_of
from literate.files import shown, write_all
from literate.nodes import Node
from literate.numbers import print_problems, read_constants, unchecked
from literate.org import REFERENCE, outside_blocks
from literate.pandoc import running
from literate.post import LABELS, Post

CREDIT = "Credit."  # how the paragraph begins that the title page repeats
INTRODUCTION = "Introduction"  # the heading of what stands before the first chapter
SHORT = 3  # more scripts than these that use a block are named by their numbers
UNBROKEN = 20  # inline code of up to so many letters stays on one line
EARLIEST = "1980-01-01"  # the first day that a ZIP file can hold

Piece = tuple[str, str]  # the letter of a colour, or none, and a text in that colour
Row = list[Piece]


class About(NamedTuple):
    """What a book says of itself."""

    title: str
    author: str
    language: str
    keywords: list[str]
    date: str  # YYYY-MM-DD, the day of the newest run
    lines: list[list[tuple[str, str]]]  # of the title page: texts, each with an address or none


def keyword(text: str, name: str) -> str:
    """Return what an Org file says after '#+NAME:', outside of its blocks, or nothing."""
    pattern = re.compile(rf"\s*#\+{name}:\s*(.*\S)", re.I)
    found = (pattern.match(row) for _, row, _, _ in outside_blocks(text.split("\n")))
    return next((match[1] for match in found if match), "")


def credit_of(post: Post) -> list[tuple[str, str]]:
    """Return the paragraph that begins with 'Credit.', as texts with an address or none."""
    for node in post.document["blocks"]:
        first = node["c"][0] if node["t"] == "Para" else {"t": "Str"}
        if first["t"] == "Emph" and nodes.words(first) == CREDIT:
            return [
                (nodes.words(part), part["c"][2][0] if part["t"] == "Link" else "")
                for part in node["c"][1:]
            ]
    return []


def about(post: Post) -> About:
    """Return what a book of this post says of itself.

    REPOSITORY in the environment is where the project is to be had; ValueError for a strange one.
    """
    facts = facts_of(post)
    lines = [[(f"{facts}.", "")]] if post.runs else []
    lines += [
        [(f"{what}: ", ""), (licence, address), (f" (the file {file}).", "")]
        for what, licence, address, file in LICENCES
    ]
    if credit := credit_of(post):
        lines.append([("Credit:", ""), *credit])
    if repository := address_in("REPOSITORY"):
        lines.append([("Source and scripts: ", ""), (repository, repository), (".", "")])
        lines.append(
            [("Errors: ", ""), (f"{repository}/issues", f"{repository}/issues"), (".", "")]
        )
    else:
        lines.append(
            [(f"Made from {post.org.name}. CONTRIBUTING.md says how to report an error.", "")]
        )
    listed = re.split(r",\s*", keyword(post.text, "keywords"))
    return About(
        post.title,
        keyword(post.text, "author"),
        keyword(post.text, "language") or "en",
        [one for one in listed if one],
        facts.date or EARLIEST,
        lines,
    )


def introduced(post: Post) -> list[Node]:
    """Return the blocks of the document, with a heading before what has none."""
    blocks = post.document["blocks"]
    if not blocks or blocks[0]["t"] == "Header":
        return blocks
    key = "introduction"
    while key in {heading.key for heading in post.headings}:
        key += "-"
    return [{"t": "Header", "c": [1, [key, [], []], [nodes.text(INTRODUCTION)]]}, *blocks]


def described(post: Post, node: Node) -> Node:
    """Return a link with words: its own, or where it has none those of the heading it leads to."""
    attributes, content, (address, title) = node["c"]
    if not address.startswith("#") or nodes.words(content) != address:
        return node
    found = (heading.title for heading in post.headings if f"#{heading.key}" == address)
    words = [nodes.text(next(found, address))]
    return {"t": "Link", "c": [attributes, words, [address, title]]}


def with_scripts(post: Post, blocks: list[Node], line: Callable[[Path], Node]) -> Iterator[Node]:
    """Yield blocks and, below the heading of each chapter, the lines that name its scripts."""
    keys = [heading.key for heading in post.headings if heading.level == 1]
    for node in blocks:
        yield node
        if node["t"] == "Header" and node["c"][1][0] in keys:
            for script in post.scripts_of(keys.index(node["c"][1][0]) + 1):
                yield line(script)


def rows_of(code: str, language: str) -> list[Row]:
    """Return code in colour, row by row; raise as pieces_of does."""
    rows: list[Row] = [[]]
    for colour, text in pieces_of(code, language) if language else [("", code)]:
        if colour == "r" and not REFERENCE.match(text):
            colour = "x"  # a label of another language
        for place, part in enumerate(text.split("\n")):
            if place:
                rows.append([])
            if part and rows[-1] and rows[-1][-1][0] == colour:
                rows[-1][-1] = (colour, rows[-1][-1][1] + part)
            elif part:
                rows[-1].append((colour, part))
    while len(rows) > 1 and not rows[-1]:  # the lexers end every code with an empty line
        rows.pop()
    return [row for place, row in enumerate(rows) if row or not is_gap(rows, place)]


def is_gap(rows: list[Row], place: int) -> bool:
    """Return whether an empty row follows another between two references, where it says nothing."""
    behind = next((row for row in rows[place:] if row), [])
    before = next((row for row in rows[place - 1 :: -1] if row), []) if place else []
    is_second = place > 0 and not rows[place - 1]
    return is_second and all(row and row[-1][0] == "r" for row in (before, behind))


class Listing(NamedTuple):
    """A block of the document, taken apart: what stands above its code, the code, the output."""

    key: str  # its identifier, or nothing
    label: str  # Set-up, Check, or nothing
    script: Path | None  # the exercise that it is, beside the post
    links: list[tuple[str, str]]  # the words above it, each with an address in the book or none
    language: str
    code: str
    rows: list[Row]
    output: str


def script_key(script: Path) -> str:
    """Return the address of the line that names a script; in XML none begins with a digit."""
    return f"script-{script.name}"


def uses_of(post: Post, name: str) -> Iterator[tuple[str, str]]:
    """Yield the words that name a block, and the scripts that use it, each with an address."""
    yield f"<<{name}>>", f"code-{name}"
    users = post.users_of(name)
    for place, path in enumerate(users):
        short = len(users) > SHORT
        before = ", " if place else " in scripts " if short else " in "
        yield before, ""
        yield re.sub(r"_.*", "", path.name) if short else path.name, script_key(path)


def listing_of(post: Post, node: Node) -> Listing | None:
    """Return a block of the document taken apart, or None where it is another Div."""
    (key, kinds, attributes), parts = node["c"]
    if "block" not in kinds:
        return None
    (_, (language, *_), _), code = parts[0]["c"]
    about = dict(attributes)
    try:
        rows = rows_of(code, language)
    except ValueError as error:
        raise ValueError(f"{shown(post.org)}:{about['line']}: {error}") from None
    links = list(uses_of(post, key.removeprefix("code-"))) if key else []
    if "from" in about:
        ends = [(f"<<{about[end]}>>", f"code-{about[end]}") for end in ("from", "to")]
        links = [("from ", ""), ends[0], (" to ", ""), ends[1]]
    label = next((LABELS[kind] for kind in LABELS if kind in kinds), "")
    script = post.roles[int(about["line"])][1] if "exercise" in kinds else None
    output = "".join(part["c"][1][0]["c"][1] for part in parts[1:])
    return Listing(key, label, script, links, language, code, rows, output.removesuffix("\n"))


def breaks(code: str) -> list[str]:
    """Return inline code in parts between which it may go on in the next line, if it is long."""
    if len(code) <= UNBROKEN:
        return [code]
    return re.split(r"(?<=[.(_,=/])(?<!\d\.)(?=\w)", code)


def pandoc_wrote(document: Node, form: str, *options: str) -> bytes:
    """Return a document in one of pandoc's formats; raise ValueError where it has to warn."""
    wanted = ("--from=json", f"--to={form}", "--wrap=none", "--fail-if-warnings", *options)
    try:
        with running(json.dumps(document), *wanted) as result:
            return result()
    except RuntimeError as error:
        raise ValueError(f"pandoc cannot write this as {form}: {str(error).strip()}") from None


def book_command(org: Path, target: Path, book_of: Callable[[Post], bytes]) -> int:
    """Write a book of an Org file, whole or not at all; return 1 for numbers without a proof."""
    post = Post(org, meanwhile=read_constants)
    if print_problems(post):
        return 1
    content = book_of(post)
    write_all({target.absolute(): content})
    print("\n".join([*unchecked(post), f"wrote {shown(target)}, {len(content) / 1e6:.1f} MB"]))
    return 0
