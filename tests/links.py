"""Where the links of web pages in a folder lead: each target must be there."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ADDRESSES = {"href", "src", "srcset", "poster", "data-source"}


class Reader(HTMLParser):
    """Notes identifiers and addresses; an address with its tag."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.addresses: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what a tag says."""
        for name, value in attributes:
            self.keys += [value or ""] if name == "id" else []
            self.addresses += [(tag, value or "")] if name in ADDRESSES else []


def read(path: Path) -> Reader:
    """Return what a page holds."""
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    return reader


def problems_of(folder: Path, pages: list[Path]) -> list[str]:
    """Return what is wrong with pages: an address twice, a link that leads nowhere, or outside."""
    found = {page.resolve(): read(page) for page in pages}
    problems = []
    for page, reader in found.items():
        problems += [
            f"{page.name}: #{key} is there twice"
            for key in set(reader.keys)
            if reader.keys.count(key) > 1
        ]
        for tag, address in reader.addresses:
            parts = urlsplit(address)
            if parts.scheme in ("https", "http") and tag == "a":
                continue
            if parts.scheme == "data" and tag in ("link", "img", "a"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if parts.scheme or not target.is_relative_to(folder.resolve()) or not target.is_file():
                problems.append(f"{page.name}: {address} is no file here")
            elif parts.fragment and unquote(parts.fragment) not in found[target].keys:
                problems.append(f"{page.name}: {address} is no place there")
    return problems
