"""Write the woven document as one web page that asks nothing of a network.

This is the work behind 'python -m literate page ORG HTML'. The page is one file: it holds its
figures, its formulas, its scripts and its style.
"""

import base64
import re
from html import escape
from pathlib import Path
from string import Template

from literate.files import read_text, shown, write_all
from literate.footer import footer_html
from literate.html import Form, contents_html, halves, html_of, look_ahead, visitors_of
from literate.nodes import walk
from literate.numbers import print_problems, unchecked
from literate.post import Post
from literate.touch import data_inside, script_of, style_of, touched

FRAME = Path(__file__).with_name("page")


def encoded(path: Path) -> str:
    """Return the content of a file as it stands in an address."""
    return base64.b64encode(path.read_bytes()).decode()


def script_link(script: Path) -> str:
    """Return a link that holds a script."""
    address = f"data:text/plain;base64,{encoded(script)}"
    return f'<a href="{address}" download="{script.name}">download</a>'


def embedded(html: str, folder: Path) -> str:
    """Return a page in which the pictures themselves stand in place of their files' names."""

    def address(match: re.Match[str]) -> str:
        return f'<img src="data:image/png;base64,{encoded(folder / match[1])}"'

    return re.sub(r'<img\s+src="([^"]*)"', address, html)


def page_of(post: Post) -> str:
    """Return the page of a post; raise ValueError where it cannot show something."""
    form = Form(lower=1, links=script_link)  # the page's own title is the highest
    names = touched(post.document["blocks"])
    body = "".join(html_of(halves(walk(post.document, visitors_of(post, form)))))
    return Template(read_text(FRAME / "page.html")).substitute(
        title=escape(post.title),
        style=read_text(FRAME / "page.css") + style_of(names),
        script=read_text(FRAME / "page.js") + script_of(names),
        data=data_inside(names, post.folder),
        contents=contents_html(post.headings, lambda heading: f"#{heading.key}"),
        body=embedded(body, post.folder),
        footer=footer_html(post),
    )


def page_command(org: Path, target: Path) -> int:
    """Write the page of an Org file, whole or not at all; return 1 for numbers without a proof."""
    post = Post(org, meanwhile=look_ahead)
    if print_problems(post):
        return 1
    html = page_of(post).encode()
    write_all({target.absolute(): html})
    print("\n".join([*unchecked(post), f"wove {shown(target)}, {len(html) / 1e6:.1f} MB"]))
    return 0
