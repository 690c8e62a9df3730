"""The document as an EPUB 3, a file for each chapter, formulas as MathML.

This is the work behind 'python -m literate epub ORG EPUB'. How it looks is in books/book.css, and
its title page in books/epub.html. Pandoc writes it; what pandoc cannot be told is set right in what
it wrote: the style, the date, and the title of each file.
"""

import base64
import io
import json
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from literate import books
from literate.books import About, Listing, Row, listing_of, rows_of
from literate.colophon import LICENCES
from literate.files import read_text, sum_of
from literate.folds import kind_of, opened
from literate.nodes import Node, div, text, walk
from literate.post import Post

FRAME = Path(__file__).with_name("books")
SHARP = 2  # pixels of a picture for each on the screen
ACCESSIBLE = {
    "accessModes": ["textual", "visual"],
    "accessModeSufficient": ["textual"],
    "accessibilityFeatures": [
        *("alternativeText", "MathML", "readingOrder", "structuralNavigation", "tableOfContents")
    ],
    "accessibilityHazards": ["none"],
    "accessibilitySummary": "Each picture has a text alternative, and formulas are MathML.",
}
TITLE = re.compile(r"<title>[^<]*</title>")
HEADING = re.compile(r"<h1[^>]*>(.*?)</h1>", re.S)
STYLE = "EPUB/styles/stylesheet1.css"  # what pandoc calls it
NOW = "1970-01-01T00:00:00Z"  # what the time is in pandoc's sandbox
STORED = (1980, 1, 1, 0, 0, 0)  # the time that each file in the book has


def raw(html: str, kind: str = "RawInline") -> Node:
    """Return HTML as an element of pandoc's document."""
    return {"t": kind, "c": ["html", html]}


def link(words: str, key: str) -> Node:
    """Return a link to a place in the book or elsewhere, or the words alone where there is none."""
    name = {"t": "Code", "c": [["", [], []], words]} if words.startswith("<<") else text(words)
    return {"t": "Link", "c": [["", [], []], [name], [key, ""]]} if key else name


def line(kind: str, content: list[Node], key: str = "") -> Node:
    """Return a line of its own kind above code or below a heading."""
    return div(key, [kind], [], [{"t": "Para", "c": content}])


def row_html(row: Row) -> Iterator[Node]:
    """Yield a row of code as HTML, with each reference as a link."""
    yield raw('<span class="row">')
    for colour, words in row:
        code = escape(words, quote=False)
        if colour == "r":
            name = words.strip()
            before, _, behind = code.partition(escape(name, quote=False))
            yield raw(f"{before}")
            yield {"t": "Link", "c": [["", ["r"], []], [text(name)], [f"#code-{name[2:-2]}", ""]]}
            yield raw(f"{behind}")
        else:
            yield raw(f'<span class="{colour}">{code}</span>' if colour else code)
    yield raw("\n</span>")


def rows_html(rows: list[Row], tag: str) -> Node:
    """Return rows of code as HTML."""
    inside = [one for row in rows for one in row_html(row)]
    return {"t": "Plain", "c": [raw(f"<pre><{tag}>"), *inside, raw(f"</{tag}></pre>")]}


def script_html(post: Post, script: Path) -> Node:
    """Return the line that names a script."""
    path = script.relative_to(post.folder).as_posix()
    return line("script", [{"t": "Code", "c": [["", [], []], path]}], books.script_key(script))


def folding(summary: list[Node], kind: str, inside: list[Node]) -> list[Node]:
    """Return elements that fold away behind a summary, where the reader's program can fold."""
    begin = raw(f'<details class="{kind}"><summary>', "RawBlock")
    end = raw("</summary>", "RawBlock")
    return [begin, {"t": "Plain", "c": summary}, end, *inside, raw("</details>", "RawBlock")]


def listing_html(post: Post, listing: Listing) -> Node:
    """Return a block as HTML: what stands above it, its code, and what it printed."""
    parts = [rows_html(listing.rows, "code")]
    if listing.label:
        parts = folding([text(listing.label)], "set-up", parts)
    if listing.links:
        links = [link(words, f"#{key}" if key else "") for words, key in listing.links]
        parts.insert(0, line("bar", links))
    if listing.output:
        printed = rows_html(rows_of(listing.output, ""), "samp")
        parts.append(div("", ["output"], [], [line("bar", [text("prints")]), printed]))
    block = div(listing.key, ["block"], [], parts)
    if listing.script:
        return div("", [], [], [script_html(post, listing.script), block])
    return block


def div_html(post: Post, node: Node) -> Node:
    """Return a block or what folds as HTML, and what else is kept together as it is."""
    if kind_of(node):
        seen, folded = opened(node)
        return div("", [], [], folding(seen, kind_of(node), folded))
    listing = listing_of(post, node)
    return listing_html(post, listing) if listing else node


def figure_html(post: Post, node: Node) -> Node:
    """Return a figure that holds its picture, in the size at which it is shown."""
    attributes, caption, content = node["c"]
    _, alt, (name, title) = content[0]["c"][0]["c"]
    width, height = post.size_of(name)
    sides = {"width": round(width / SHARP), "height": round(height / SHARP)}
    size = ["", [], [[side, str(pixels)] for side, pixels in sides.items()]]
    data = base64.b64encode((post.folder / name).read_bytes()).decode()
    image = {"t": "Image", "c": [size, alt, [f"data:image/png;base64,{data}", title]]}
    return {"t": "Figure", "c": [attributes, caption, [{"t": "Plain", "c": [image]}]]}


def code_html(node: Node) -> Node:
    """Return inline code that may go on in the next line after a dot, a bracket and the like."""
    parts = (escape(part, quote=False) for part in books.breaks(node["c"][1]))
    return raw(f"<code>{'<wbr/>'.join(parts)}</code>")


def table_html(node: Node) -> Node:
    """Return a table that scrolls where it is too wide."""
    return div("", ["wide"], [], [node])


def metadata(value: Any) -> Node:
    """Return dictionaries, lists, strings and inline elements as the metadata of a document."""
    if isinstance(value, dict):
        return {"t": "MetaMap", "c": {key: metadata(inner) for key, inner in value.items()}}
    if isinstance(value, str):
        return {"t": "MetaString", "c": value}
    is_inline = bool(value) and isinstance(value[0], dict) and "t" in value[0]
    if is_inline:
        return {"t": "MetaInlines", "c": value}
    return {"t": "MetaList", "c": [metadata(inner) for inner in value]}


def about_of(book: About, content: str) -> Node:
    """Return what the book says of itself as the metadata of a document.

    Its identifier comes from its content, so that the same book has the same.
    """
    return {
        key: metadata(value)
        for key, value in {
            "title": book.title,
            "creator": [{"role": "author", "text": book.author}] if book.author else [],
            "lang": book.language,
            "subject": book.keywords,
            "date": book.date,
            "rights": "; ".join(f"{what}: {licence}" for what, licence, *_ in LICENCES),
            "identifier": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}",
            "toc-title": "Contents",
            "about": [[link(words, key) for words, key in part] for part in book.lines],
            **ACCESSIBLE,
        }.items()
        if value
    }


def titled(html: str) -> str:
    """Return a file of the book with its heading as its title."""
    heading = HEADING.search(html)
    title = re.sub(r"<[^>]*>", "", heading[1]) if heading else ""
    return TITLE.sub(lambda found: f"<title>{title}</title>" if title else found[0], html, count=1)


def bound(content: bytes, date: str) -> bytes:
    """Return a book of pandoc's with our style, the date of the run, and titles."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = old.read(name)
            if name == STYLE:
                part = read_text(FRAME / "book.css").encode()
            elif name.endswith(".opf"):
                part = part.replace(NOW.encode(), f"{date}T00:00:00Z".encode())
            elif name.startswith("EPUB/text/"):
                part = titled(part.decode()).encode()
            info = zipfile.ZipInfo(name, STORED)
            first = name == "mimetype"  # which begins the file, as it is
            info.compress_type = zipfile.ZIP_STORED if first else zipfile.ZIP_DEFLATED
            new.writestr(info, part)
    return result.getvalue()


def visitors_of(post: Post) -> dict[str, Callable[[Node], Node]]:
    """Return what makes HTML of a document's elements."""
    return {
        "Div": partial(div_html, post),
        "Link": partial(books.described, post),
        "Figure": partial(figure_html, post),
        "Code": code_html,
        "Table": table_html,
    }


def epub_of(post: Post) -> bytes:
    """Return the EPUB of a post."""
    blocks = walk(books.introduced(post), visitors_of(post))
    blocks = list(books.with_scripts(post, blocks, partial(script_html, post)))
    book = books.about(post)
    content = sum_of(json.dumps([blocks, book]).encode())
    document = post.document | {"meta": about_of(book, content), "blocks": blocks}
    options = ("--mathml", "--syntax-highlighting=none", "--split-level=1", "--toc-depth=2")
    template = f"--template={FRAME / 'epub.html'}"
    return bound(books.pandoc_wrote(document, "epub3", template, *options), book.date)


def epub_command(org: Path, target: Path) -> int:
    """Write the EPUB of an Org file, whole or not at all; return 1 for numbers without a proof."""
    return books.book_command(org, target, epub_of)
