"""Write the woven document as a site: a page for each chapter, which needs no server.

This is the work behind 'python -m literate site ORG FOLDER'. All addresses in it are relative, so
that it works from a folder and below any path of a server. In the folder, SHA256SUMS lists what was
written: of that, what a site has no longer is removed. The variable SITE_URL may say where the site
will be: what shows a preview of a link asks for an address that is whole.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from html import escape
from operator import itemgetter
from pathlib import Path
from string import Template

from literate.colophon import address_in
from literate.files import read_sums, read_text, remove, shown, sum_of, sums_content, write_all
from literate.footer import footer_html
from literate.html import Form, contents_html, html_of, look_ahead, visitors_of
from literate.nodes import walk
from literate.numbers import print_problems, unchecked
from literate.pages import (
    Page,
    code_elsewhere,
    description_of,
    figures_of,
    keys_of,
    linked,
    loaded,
    pages_of,
    pictured,
    places_of,
)
from literate.pictures import pictures
from literate.post import Post
from literate.search import index_of
from literate.sections import Heading
from literate.touch import data_script, script_of, style_of, touched

FRAME = Path(__file__).with_name("site")
PAGE = Path(__file__).with_name("page")  # whose style and script the site shares
MANY = 5  # chapters with a section of the same name
FIGURE = re.compile(r'<figure id="([^"]+)".*?(<picture>.*?</picture>)', re.S)
BESIDE = {".html": "one page", ".epub": "an EPUB", ".pdf": "a PDF"}  # what one can take along


def script_links(post: Post) -> Callable[[Path], str]:
    """Return what makes the links to a script, and to the notebook of its chapter."""

    def links(script: Path) -> str:
        address = script.relative_to(post.folder).as_posix()
        html = f'<a href="{address}" download>download</a>'
        if notebook_of(post, script).exists():
            html += f' · <a href="notebooks/{script.stem}.ipynb" download>notebook</a>'
        return html

    return links


def notebook_of(post: Post, script: Path) -> Path:
    """Return where the notebook of a chapter with this script is, if there is one."""
    return post.folder / "notebooks" / f"{script.stem}.ipynb"


def head_html(post: Post, page: Page, preview: str, url: str) -> str:
    """Return what says to other programs what a page is: description, preview, address."""
    title = page.heading.title if page.heading else post.title
    place = url + ("" if page.name == "index.html" else page.name)
    about = {"og:type": "article" if page.heading else "website", "og:title": title}
    about |= {"og:site_name": post.title} if page.heading else {}
    description = description_of(page.nodes)
    about |= {"og:description": description} if description else {}
    about |= {"og:image": url + preview} if preview else {}
    about |= {"og:url": place} if url else {}
    lines = [f'<meta name="description" content="{escape(description)}">'] if description else []
    lines += [f'<meta property="{key}" content="{escape(of)}">' for key, of in about.items()]
    lines += [f'<link rel="canonical" href="{escape(place)}">'] if url else []
    return "\n".join(lines)


def turns_html(before: Page | None, after: Page | None) -> str:
    """Return the links to the pages before and after one."""
    both = (("prev", "Previous", before), ("next", "Next", after))
    links = [
        f'<a rel="{rel}" href="{page.name}"><span>{label}</span> '
        f"{escape(page.heading.title if page.heading else 'All chapters')}</a>"
        for rel, label, page in both
        if page
    ]
    return f'<nav class="turns" aria-label="Previous and next page">{"".join(links)}</nav>'


def outline_html(post: Post, pages: list[Page], own: Page | None = None) -> str:
    """Return the contents of the site, with the sections of one page."""
    names = {page.heading: page.name for page in pages if page.heading}
    name, shown_now = "", []
    at: dict[Heading, str] = {}
    for heading in post.headings:
        name = names.get(heading, name)
        is_own = own is not None and name == own.name
        if heading.level == 1 or is_own:
            shown_now.append(heading)
            at[heading] = f"#{heading.key}" if is_own else name
    return contents_html(shown_now, at.__getitem__)


def chapters_html(post: Post, pages: list[Page], places: dict[str, str]) -> str:
    """Return the chapters with what each is about and its own sections, for the start of the site.

    A section that many chapters have, such as exercises, says nothing here.
    """
    count = Counter(one.title for one in post.headings if one.level == 2)
    html = ""
    for page in pages:
        keys = set(keys_of(page.nodes))
        if page.heading is None:
            continue
        sections = [
            one
            for one in post.headings
            if one.level == 2 and one.key in keys and count[one.title] < MANY
        ]
        links = " · ".join(
            f'<a href="{escape(places[one.key])}">{escape(one.title)}</a>' for one in sections
        )
        html += f'<li><h3><a href="{page.name}">{escape(page.heading.title)}</a></h3>'
        html += f"<p>{escape(description_of(page.nodes))}</p>"
        html += f'<p class="sections">{links}</p></li>\n' if links else "</li>\n"
    return f'<ol class="chapters">\n{html}</ol>'


def beside(post: Post) -> dict[str, Path]:
    """Return the other forms of the post that lie beside it, by the ends of their names."""
    paths = {suffix: post.org.with_suffix(suffix) for suffix in BESIDE}
    return {suffix: path for suffix, path in paths.items() if path.exists()}


def along_html(post: Post) -> str:
    """Return the paragraph with what one can take along."""
    links = [
        f'<a href="{path.name}" download>{BESIDE[suffix]}</a> ({path.stat().st_size / 1e6:.1f} MB)'
        for suffix, path in beside(post).items()
    ]
    if not links:
        return ""
    *most, last = links
    named = f"{', '.join(most)} or {last}" if most else last
    return f'<p class="along">To read without a network, take the whole post along as {named}.</p>'


def cover_html(pages: list[Page], bodies: list[str]) -> str:
    """Return the picture for the start: the first of a page with a figure to touch, or of all."""
    found = [
        (not touched(page.nodes), f'<a class="cover" href="{page.name}#{match[1]}">{match[2]}</a>')
        for page, body in zip(pages, bodies, strict=True)
        if (match := FIGURE.search(body))
    ]
    return min(found, key=itemgetter(0), default=(True, ""))[1]


def touch_html(page: Page) -> str:
    """Return what a page with figures to touch needs: where their data are, and their script."""
    if not (names := touched(page.nodes)):
        return ""
    places = [f'<template id="data-{n}" data-source="assets/{n}.js"></template>' for n in names]
    return "\n".join([*places, '<script src="assets/touch.js" defer></script>\n'])


def bodies_of(post: Post, pages: list[Page], places: dict[str, str]) -> list[str]:
    """Return what stands on each page as HTML."""
    visitors = visitors_of(post, Form(lower=0, links=script_links(post)))
    documents = [post.document | {"blocks": walk(page.nodes, visitors)} for page in pages]
    return [
        pictured(linked(html, page.name, places), loaded(page.nodes))
        for html, page in zip(html_of(documents), pages, strict=True)
    ]


def html_pages(post: Post, pages: list[Page], places: dict[str, str]) -> dict[str, str]:
    """Return each page of the site by its name."""
    url = f"{address}/" if (address := address_in("SITE_URL")) else ""
    footer = footer_html(post, source=post.org.name)
    frames = {
        name: Template(read_text(FRAME / f"{name}.html")) for name in ("page", "contents", "start")
    }
    previews = figures_of(post.document["blocks"])
    before, after = [None, *pages], [*pages[1:], None]
    bodies, found = bodies_of(post, pages, places), {}
    for number, (page, body) in enumerate(zip(pages, bodies, strict=True)):
        preview = "".join((figures_of(page.nodes) + previews)[:1])
        others = json.dumps(code_elsewhere(post, page.nodes), ensure_ascii=False)
        about = {"post": escape(post.title), "body": body}
        if page.heading:
            title, kind = f"{escape(page.heading.title)} | {escape(post.title)}", ""
            outline = outline_html(post, pages, page)
            contents = frames["contents"].substitute(about, contents=outline)
        else:
            title, kind, contents = about["post"], ' class="start"', ""
            about["body"] = (
                frames["start"]
                .substitute(
                    about,
                    first=pages[-1 if len(pages) == 1 else 1].name,
                    cover=cover_html(pages, bodies),
                    along=along_html(post),
                    chapters=chapters_html(post, pages, places),
                )
                .removesuffix("\n")
            )
        found[page.name] = frames["page"].substitute(
            about,
            title=title,
            kind=kind,
            head=head_html(post, page, preview, url),
            contents=contents,
            turns=turns_html(before[number], after[number]),
            footer=footer,
            touch=touch_html(page),
            elsewhere=others.replace("<", "\\u003c"),
        )
    if url:  # what is shown for a page that is not there is shown below any path
        frame = Template(read_text(FRAME / "404.html"))
        found["404.html"] = frame.substitute(
            post=escape(post.title), url=escape(url), contents=outline_html(post, pages)
        )
    return found


def site_of(post: Post, folder: Path) -> dict[str, bytes]:
    """Return the files of the site by their names; a folder may hold pictures made before."""
    pages = pages_of(post)
    places = places_of(post, pages)
    files = {name: html.encode() for name, html in html_pages(post, pages, places).items()}
    names = touched(post.document["blocks"])
    texts = {
        "site.css": read_text(PAGE / "page.css") + read_text(FRAME / "site.css") + style_of(names),
        "site.js": read_text(PAGE / "page.js") + read_text(FRAME / "site.js"),
        "search.js": read_text(FRAME / "search.js"),
    }
    texts |= {"touch.js": script_of(names)} if names else {}
    texts |= {f"{name}.js": data_script(name, post.folder) for name in names}
    files |= {f"assets/{name}": text.encode() for name, text in texts.items()}
    titles = {heading.key: heading.title for heading in post.headings}
    chapters = {page.name: page.nodes for page in pages if page.heading}
    files["assets/search-index.js"] = index_of(chapters, titles)
    files |= pictures(figures_of(post.document["blocks"]), post.folder, folder)
    for script in (*post.scripts, *post.tasks):
        files[script.relative_to(post.folder).as_posix()] = script.read_bytes()
        if (notebook := notebook_of(post, script)).exists():
            files[f"notebooks/{notebook.name}"] = notebook.read_bytes()
    files |= {path.name: path.read_bytes() for path in beside(post).values()}
    if not address_in("REPOSITORY"):
        files[post.org.name] = post.org.read_bytes()
    return files


def site_command(org: Path, folder: Path) -> int:
    """Write the site of an Org file, whole or not at all; return 1 for numbers without a proof."""
    post = Post(org, meanwhile=look_ahead)
    if print_problems(post):
        return 1
    folder = folder.absolute()
    new = {folder / name: content for name, content in site_of(post, folder).items()}
    sums = folder / "SHA256SUMS"
    before = read_sums(sums)
    new[sums] = sums_content({path: sum_of(content) for path, content in new.items()}, folder)
    write_all(new)
    remove(set(before) - set(new), [])
    size = sum(map(len, new.values())) / 1e6
    pages = sum(path.suffix == ".html" for path in new)
    print("\n".join([*unchecked(post), f"wrote {shown(folder)}: {pages} pages, {size:.1f} MB"]))
    return 0
