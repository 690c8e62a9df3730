"""The document as a PDF: pandoc writes Typst, and Typst sets it.

This is the work behind 'python -m literate pdf ORG PDF'. How it looks is in books/book.typ. The
file is PDF/UA-1: Typst refuses a picture without words, a character that no font has, and the like.
It uses the fonts that come with Typst, and no others that a machine may have.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import typst

from literate import books
from literate.books import Listing, Row, listing_of, rows_of
from literate.files import read_text
from literate.folds import kind_of, opened
from literate.nodes import Node, div, walk, words
from literate.post import Post

COLUMNS = 100  # that fit between the margins; books/book.typ has the size for it
NEAR = 30  # columns from the end of a row within which it rather breaks at a space
WIDE, TALL = 165, 150  # millimetres: the largest that a picture can be
SCALE = WIDE / 1600  # millimetres for each pixel of a picture
TOGETHER = "together"  # the class of a Div that is none in the book
LOOK = Path(__file__).with_name("books") / "book.typ"


def raw(code: str, kind: str = "RawBlock") -> Node:
    """Return Typst's code as an element of pandoc's document."""
    return {"t": kind, "c": ["typst", code]}


def together(inside: list[Node]) -> Node:
    """Return elements as one; see 'apart'."""
    return div("", [TOGETHER], [], inside)


def apart(blocks: list[Node]) -> list[Node]:
    """Return blocks in which those that stand together are on their own again.

    Pandoc would put them into a container of Typst's, in which no chapter can begin.
    """
    is_open = [node["t"] == "Div" and TOGETHER in node["c"][0][1] for node in blocks]
    return [
        one
        for node, inside in zip(blocks, is_open, strict=True)
        for one in (node["c"][1] if inside else [node])
    ]


def quoted(text: str) -> str:
    """Return a text as a string of Typst's."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("\n", "\\n").replace("\t", "\\t") + '"'


def array(parts: list[str]) -> str:
    """Return Typst's array of these."""
    return f"({', '.join(parts)},)" if parts else "()"


def cut(row: Row) -> Iterator[Row]:
    """Yield a row in parts that fit; each but the first begins with a mark, of colour '>'."""
    room, part, width = COLUMNS, [], 0
    left = list(row)
    while left:
        colour, text = left.pop(0)
        if width + len(text) <= room:
            part.append((colour, text))
            width += len(text)
            continue
        whole = "".join(text for _, text in (*part, (colour, text)))[: room + 1]
        space = whole.rfind(" ", room - NEAR) + 1
        end = space if space and whole[:space].strip() else room
        part.append((colour, text))
        left = [*after(part, end), *left]
        yield before(part, end)
        part, width, room = [(">", "")], 0, COLUMNS - 2
    yield part


def before(row: Row, end: int) -> Row:
    """Return the columns of a row up to this one."""
    found: Row = []
    for colour, text in row:
        found.append((colour, text[: max(end, 0)]))
        end -= len(text)
    return [piece for piece in found if piece[1] or piece[0] == ">"]


def after(row: Row, start: int) -> Row:
    """Return the columns of a row from this one on."""
    found: Row = []
    for colour, text in row:
        found.append((colour, text[max(start, 0) :]))
        start -= len(text)
    return [piece for piece in found if piece[1]]


def rows_typst(rows: list[Row]) -> str:
    """Return rows of code as Typst's array of arrays of pairs."""
    cuts = [part for row in rows for part in cut(row)]
    return array(
        [array([array([quoted(colour), quoted(text)]) for colour, text in row]) for row in cuts]
    )


def address(key: str) -> str:
    """Return what Typst calls a place in the book."""
    return f"label({quoted(key)})"


def links_typst(links: list[tuple[str, str]]) -> str:
    """Return words as Typst's array: those with an address are links."""
    return array([f"({quoted(text)}, {address(key) if key else 'none'})" for text, key in links])


def script_typst(post: Post, script: Path) -> str:
    """Return the line that names a script."""
    path = script.relative_to(post.folder).as_posix()
    return f"#script({quoted(path)})#{address(books.script_key(script))}"


def listing_typst(post: Post, listing: Listing) -> str:
    """Return a block as Typst's code: what stands above it, its rows, and what it printed."""
    code = f"#listing({rows_typst(listing.rows)}, label: {quoted(listing.label)}, "
    code += f"links: {links_typst(listing.links)})"
    code += f"#{address(listing.key)}" if listing.key else ""
    if listing.script:
        code = f"{script_typst(post, listing.script)}\n\n{code}"
    if listing.output:
        code += f"\n\n#output({rows_typst(rows_of(listing.output, ''))})"
    return code


def div_typst(post: Post, node: Node) -> Node:
    """Return a block, or what folds elsewhere, as Typst's code."""
    if kind_of(node) == "question":
        seen, rest = opened(node)
        inside = [raw("#question["), {"t": "Para", "c": seen}, raw("]["), *rest, raw("]")]
    elif kind_of(node):
        seen, rest = opened(node)
        inside = [raw(f"#fold({quoted(words(seen))})["), *rest, raw("]")]
    else:
        listing = listing_of(post, node)
        return raw(listing_typst(post, listing)) if listing else node
    return together(inside)


def figure_typst(post: Post, node: Node) -> Node:
    """Return a figure in its size on paper."""
    (key, _, _), (_, caption), content = node["c"]
    _, alt, (name, _) = content[0]["c"][0]["c"]
    width, height = post.size_of(name)
    wide = min(WIDE, width * SCALE, TALL * width / height)
    begin = f"#picture({quoted(name)}, {quoted(words(alt))}, {wide:.2f}mm)["
    return together([raw(begin), *caption, raw(f"]#{address(key)}")])


def code_typst(node: Node) -> Node:
    """Return inline code, which can go on in the next line after a dot, a bracket and the like."""
    parts = books.breaks(node["c"][1])
    return raw("#code(" + ", ".join(quoted(part) for part in parts) + ")", "RawInline")


def formula_typst(node: Node) -> Node:
    """Return a formula with its source as words for the blind."""
    begin = raw(f"#formula({quoted(node['c'][1])})[", "RawInline")
    return {"t": "Span", "c": [["", [], []], [begin, node, raw("]", "RawInline")]]}


def visitors_of(post: Post) -> dict[str, Callable[[Node], Node]]:
    """Return what makes Typst's code of a document's elements."""
    return {
        "Div": partial(div_typst, post),
        "Link": partial(books.described, post),
        "Figure": partial(figure_typst, post),
        "Code": code_typst,
        "Math": formula_typst,
    }


def typst_of(post: Post) -> str:
    """Return the book as Typst's code: how it looks, what it says of itself, and the document."""
    blocks = apart(walk(books.introduced(post), visitors_of(post)))
    blocks = list(books.with_scripts(post, blocks, lambda script: raw(script_typst(post, script))))
    options = ("--syntax-highlighting=none",)
    body = books.pandoc_wrote(post.document | {"meta": {}, "blocks": blocks}, "typst", *options)
    about = quoted(json.dumps(books.about(post)._asdict(), ensure_ascii=False))
    return f"{read_text(LOOK)}\n#show: book.with(json(bytes({about})))\n\n{body.decode()}"


def pdf_of(post: Post) -> bytes:
    """Return the PDF of a post; raise ValueError where Typst gives up or has to warn."""
    day = datetime.fromisoformat(books.about(post).date).replace(tzinfo=UTC)
    compiler = typst.Compiler(typst_of(post).encode(), post.folder, ignore_system_fonts=True)
    try:
        content, warnings = compiler.compile_with_warnings(
            format="pdf", pdf_standards="ua-1", timestamp=day
        )
    except typst.TypstError as error:
        raise ValueError(f"Typst cannot set this: {error.message}") from None
    if warnings:
        raise ValueError(f"Typst warns: {warnings[0].message}")
    return content


def pdf_command(org: Path, target: Path) -> int:
    """Write the PDF of an Org file, whole or not at all; return 1 for numbers without a proof."""
    return books.book_command(org, target, pdf_of)
