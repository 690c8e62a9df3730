"""The document as HTML: what a page and a site of pages have in common.

Here are blocks with their outputs, figures, headings, tables, formulas, and what folds. A picture
is still named by its file and a link goes to '#KEY': each form of the post puts in their places
what its pages need.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import NamedTuple

from literate.colours import coloured
from literate.files import shown
from literate.folds import kind_of, opened
from literate.nodes import Node, Visitor, div, walk, words, write
from literate.numbers import read_constants
from literate.post import LABELS, TOUCH, Post
from literate.safe import elements, line_of
from literate.sections import Heading
from literate.touch import box, touch_of

FOLD_OVER, FOLD_AT = 12, 8  # an output of more lines than the first is folded after the second
WIDE = 2.2  # a picture that is more times as wide as high scrolls on a phone
SHARP, TALL = 2, 900  # pixels of a figure for each on the page; how high it may be there
SCROLLS = [["tabindex", "0"]]  # the keyboard reaches what scrolls


class Form(NamedTuple):
    """What differs between forms: how much lower headings are, and the links to a script."""

    lower: int
    links: Callable[[Path], str]  # HTML: where the script is to be had


def raw(html: str, kind: str = "RawBlock") -> Node:
    """Return HTML as an element of pandoc's document."""
    return {"t": kind, "c": ["html", html]}


def name_bar(post: Post, name: str) -> str:
    """Return the line above a named block: its name, and links to the scripts that use it."""
    users = post.users_of(name)
    short = len(users) > 3
    titles = [re.sub(r"_.*", "", path.name) if short else path.name for path in users]
    links = ", ".join(
        f'<a href="#{path.name}">{title}</a>' for path, title in zip(users, titles, strict=True)
    )
    uses = f'<span class="uses">in {"scripts " if short else ""}{links}</span>' if links else ""
    return f'<p class="bar"><a class="name" href="#code-{name}">{name}</a> {uses}</p>'


def diff_bar(first: str, second: str) -> str:
    """Return the line above a diff: links to the blocks that it is made from."""
    one, other = (f'<a class="name" href="#code-{name}">{name}</a>' for name in (first, second))
    return f'<p class="bar">from {one} to {other}</p>'


def output_html(text: str) -> str:
    """Return what a block printed as HTML: whole where it is short, else partly folded."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", escape(text, quote=False))
    seen = lines if len(lines) <= FOLD_OVER else lines[:FOLD_AT]
    hidden = lines[len(seen) :]
    html = f'<pre tabindex="0"><samp>{"".join(seen)}</samp></pre>'
    if hidden:
        html += f"<details><summary>{len(hidden)} more lines</summary>"
        html += f'<pre tabindex="0"><samp>{"".join(hidden)}</samp></pre></details>'
    return f'<div class="output"><p class="bar">prints</p>{html}</div>'


def block_html(post: Post, form: Form, node: Node) -> Node:
    """Return a block as HTML: its name, its code in colour, and what it printed."""
    (key, kinds, attributes), parts = node["c"]
    if "block" not in kinds:
        return node
    (_, (language, *_), _), code = parts[0]["c"]
    try:
        html = f'<pre tabindex="0"><code class="{language}">{coloured(code, language)}</code></pre>'
    except ValueError as error:
        raise ValueError(f"{shown(post.org)}:{dict(attributes)['line']}: {error}") from None
    for kind, label in LABELS.items():
        if kind in kinds:
            html = f'<details class="set-up"><summary>{label}</summary>{html}</details>'
    html = (name_bar(post, key.removeprefix("code-")) if key else "") + html
    if "from" in (about := dict(attributes)):
        html = diff_bar(about["from"], about["to"]) + html
    html += "".join(output_html(part["c"][1][0]["c"][1]) for part in parts[1:])
    identity = f' id="{key}"' if key else ""
    html = f'<div class="block"{identity}>{html}</div>'
    if "exercise" in kinds:
        html = script_line(post, form, post.roles[int(about["line"])][1]) + html
    return raw(html)


def fold_html(node: Node) -> Node:
    """Return a question that unfolds into its answer, or a hint or a solution that unfolds."""
    seen, folded = opened(node)
    begin = [raw(f'<details class="{kind_of(node)}"><summary>'), {"t": "Plain", "c": seen}]
    return div("", [], [], [*begin, raw("</summary>"), *folded, raw("</details>")])


def div_html(post: Post, form: Form, node: Node) -> Node:
    """Return a block or what folds as HTML, and what else is kept together as it is."""
    return fold_html(node) if kind_of(node) else block_html(post, form, node)


def figure_html(post: Post, node: Node) -> Node:
    """Return a figure with the size at which it is shown, and below it what can be touched.

    One that is very wide can scroll.
    """
    attributes, caption, content = node["c"]
    image = content[0]["c"][0]["c"]
    width, height = post.size_of(image[2][0])
    scale = min(1 / SHARP, TALL / height)
    size = {"width": round(width * scale), "height": round(height * scale)}
    image[0] = ["", [], [[side, str(pixels)] for side, pixels in size.items()]]
    if width > WIDE * height:
        content = [div("", ["wide"], SCROLLS, content)]
    figure = node | {"c": [[*attributes[:2], []], caption, content]}
    if not (name := touch_of(node)):
        return figure
    try:
        return div("", [], [], [figure, raw(box(name))])
    except ValueError as error:
        line = line_of(post.text, f":{TOUCH} {name}")
        raise ValueError(f"{shown(post.org)}:{line}: {error}") from None


def script_line(post: Post, form: Form, script: Path) -> str:
    """Return a line of HTML that names a script, and says where it is to be had."""
    path = script.relative_to(post.folder)
    return f'<p class="script" id="{script.name}"><code>{path}</code> {form.links(script)}</p>'


def heading_html(post: Post, form: Form, chapters: Iterator[int], node: Node) -> Node:
    """Return a heading with a link to itself, and the scripts of a chapter under its title."""
    level, (key, _, _), title = node["c"]
    label = escape(f"Link to: {words(title)}")
    link = raw(f'<a class="anchor" href="#{escape(key)}" aria-label="{label}">#</a>', "RawInline")
    seen = [*title, {"t": "Space"}, link]
    heading = {"t": "Header", "c": [level + form.lower, [key, [], []], seen]}
    scripts = post.scripts_of(next(chapters)) if level == 1 else []
    lines = "".join(script_line(post, form, script) for script in scripts)
    return div("", [], [], [heading, raw(lines)])


def contents_html(headings: Iterable[Heading], address: Callable[[Heading], str]) -> str:
    """Return headings as a list of links, each with the list of those below it."""
    html, before = "", 0
    for heading in headings:
        level = heading.level
        html += "<ol>" if level > before else "</li>" + "</ol></li>" * (before - level)
        html += f'<li><a href="{escape(address(heading))}">{escape(heading.title)}</a>'
        before = level
    return html + "</li></ol>" * before


def breakable(node: Node) -> Node:
    """Return inline code that may go on in the next line after a dot, a bracket and the like.

    It may not after the point in a number.
    """
    code = re.sub(r"(?<=[.(_,=])(?<!\d\.)(?=\w)", "<wbr>", escape(node["c"][1], quote=False))
    return raw(f"<code>{code}</code>", "RawInline")


def table_html(node: Node) -> Node:
    """Return a table that scrolls where it is too wide."""
    return div("", ["wide"], SCROLLS, [walk(node, {"Code": breakable})])


def formula_html(node: Node) -> Node:
    """Return a formula; one with a line of its own scrolls where it is too wide."""
    if node["c"][0]["t"] == "InlineMath":
        return node
    return {"t": "Span", "c": [["", ["wide"], SCROLLS], [node]]}


def visitors_of(post: Post, form: Form) -> dict[str, Visitor]:
    """Return what makes HTML of a document's elements; they are walked through once, in order."""
    chapters = iter(range(1, len(post.chapters) + 1))
    return {
        "Div": partial(div_html, post, form),
        "Figure": partial(figure_html, post),
        "Header": partial(heading_html, post, form, chapters),
        "Table": table_html,
        "Math": formula_html,
    }


def halves(document: Node) -> list[Node]:
    """Return the halves of a document, to be written side by side, or all if it has footnotes.

    Those are counted through the document, and stand at its end; all else of a block is in it.
    """
    blocks = document["blocks"]
    has_notes = any(node["t"] == "Note" for node in elements(blocks))
    middle = len(blocks) if has_notes else len(blocks) // 2
    return [document | {"blocks": part} for part in (blocks[:middle], blocks[middle:]) if part]


def html_of(documents: Iterable[Node]) -> list[str]:
    """Return documents as HTML, written side by side."""
    # Pygments has coloured the code, so pandoc need not load its own colours.
    options = ("--mathml", "--wrap=none", "--syntax-highlighting=none")
    # In formulas of several lines browsers make fractions small, as if they stood in a sentence.
    large = '<mtable displaystyle="true">'
    return [html.replace("<mtable>", large) for html in write(documents, "html5", *options)]


def look_ahead(post: Post) -> None:
    """Do what takes long and needs no woven document: what is found is kept for later."""
    for block in post.blocks:
        with contextlib.suppress(ValueError):  # for a language without colours: said in its turn
            coloured(post.code_of(block), block.language)
    read_constants(post)
