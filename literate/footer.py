"""The foot of every web page: when and with what it was run, licences, source, and errors.

Where the project lies on a forge is in the variable REPOSITORY, as https://github.com/NAME/PROJECT.
Without it the source is a file beside the page, if there is one, and the page itself says how to
report an error, in the words of CONTRIBUTING.md.
"""

import re
from html import escape

from literate.colophon import LICENCES, address_in, facts_of
from literate.files import read_text, shown
from literate.pandoc import converting
from literate.post import Post

REPORT = "Report an error"  # the heading in CONTRIBUTING.md, and the words of the link


def how_to_report(post: Post) -> str:
    """Return what CONTRIBUTING.md says of reporting an error as HTML, or nothing without it."""
    path = post.folder / "CONTRIBUTING.md"
    if not path.exists():
        return ""
    found = re.search(rf"^## {REPORT}\n(.*?)(?=^## |\Z)", read_text(path), re.M | re.S)
    if not found:
        raise ValueError(f"{shown(path)} has no section '{REPORT}', which the footer shows")
    plain = re.sub(r"\[([^]]+)\]\((?!https:)[^)]*\)", r"\1", found[1])  # files are not beside it
    with converting(plain, "--from=commonmark", "--to=html5", "--wrap=none") as result:
        return f"<details><summary>{REPORT}</summary>\n{result()}</details>"


def footer_html(post: Post, source: str = "") -> str:
    """Return the footer of a page. 'source' is the address of the Org file, if it is beside it."""
    repository = escape(address_in("REPOSITORY"))
    source = repository or escape(source)
    links = [f'<a href="{source}">Source</a>'] if source else []
    links += [f'<a href="{repository}/issues">{REPORT}</a>'] if repository else []
    lines = [f"<p>{escape(str(facts_of(post)))}.</p>"] if post.runs else []
    licences = (
        f'{what}: <a href="{address}">{licence}</a> (the file {file}).'
        for what, licence, address, file in LICENCES
    )
    lines += [f"<p>{' '.join(licences)}</p>"]
    lines += [f"<p>{' · '.join(links)}</p>"] if links else []
    lines += [] if repository else [how_to_report(post)]
    return "\n".join(["<footer>", *filter(None, lines), "</footer>"])
