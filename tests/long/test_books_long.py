"""The two books of the post itself, made once: every page fits, every link arrives, all is there.

EPUB and PDF are looked at with Debian's epubcheck and Poppler; their tests are skipped where these
are missing, except in CI, where they fail.
"""

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections import Counter
from html import unescape
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
import typst

from conftest import ROOT
from literate import epub, pdf
from literate.post import Post
from literate.safe import elements

ORG = ROOT / "pytorch-first-principles.org"
POINTS = 72 / 25.4  # in a millimetre
EDGES = 24.5 * POINTS, 190.5 * POINTS  # between which all stands that is printed
QUESTIONS = """(
  images: query(image).map(one => one.alt),
  formulas: query(math.equation).map(one => one.alt),
  headings: query(heading).map(one => one.location().position()).map(at => (at.page, at.y / 1pt)),
)"""
XHTML = "{http://www.w3.org/1999/xhtml}"


class Books(NamedTuple):
    """The woven post, and its books as files."""

    post: Post
    typst: str
    epub: Path
    pdf: Path

    def all(self, kind: str) -> list:
        """Return the elements of the document of a kind: a type, or the class of a Div."""
        found = elements(self.post.document["blocks"])
        return [one for one in found if one["t"] == kind or kind in classes(one)]


def classes(node: dict) -> list[str]:
    """Return the classes of a Div."""
    return node["c"][0][1] if node["t"] == "Div" else []


def need(program: str, package: str) -> str:
    """Return the path of a program; skip a test that lacks it, or fail where it must not."""
    path = shutil.which(program)
    if not path:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"apt install {package}")
    return path


def said(*command: str | Path) -> str:
    """Return what a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Make both books once."""
    folder = tmp_path_factory.mktemp("books")
    post = Post(ORG)
    made = Books(post, pdf.typst_of(post), folder / "post.epub", folder / "post.pdf")
    made.epub.write_bytes(epub.epub_of(post))
    made.pdf.write_bytes(pdf.pdf_of(post))
    return made


@pytest.fixture(scope="module")
def files(books: Books) -> dict[str, ElementTree.Element]:
    """Return the text files of the EPUB, parsed, by name."""
    with zipfile.ZipFile(books.epub) as book:
        names = [name for name in book.namelist() if name.endswith(".xhtml")]
        return {name: ElementTree.fromstring(book.read(name)) for name in names}


@pytest.fixture(scope="module")
def words(books: Books) -> list[tuple[int, float, float, str]]:
    """Return each word of the PDF: its page, its left and right edge in points, and itself."""
    need("pdftotext", "poppler-utils")
    html = said("pdftotext", "-bbox", books.pdf, "-")
    found, page = [], 0
    pattern = r'<(page)|<word xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)"[^>]*>(.*?)</word>'
    for is_page, left, right, word in re.findall(pattern, html):
        page += bool(is_page)
        if word:
            found.append((page, float(left), float(right), unescape(word)))
    return found


@pytest.mark.once_more  # test_books.py makes those of a small post twice
def test_the_same_post_gives_the_same_books(books):
    again = Post(ORG)
    assert epub.epub_of(again) == books.epub.read_bytes()
    assert pdf.pdf_of(again) == books.pdf.read_bytes()


@pytest.fixture(scope="module")
def asked(books: Books) -> dict[str, list]:
    """Return what Typst says is in the PDF: words of pictures and formulas, places of headings."""
    compiler = typst.Compiler(books.typst.encode(), ROOT, ignore_system_fonts=True)
    return json.loads(compiler.eval(QUESTIONS))


# --- the EPUB


def test_epubcheck_finds_nothing(books):
    need("epubcheck", "epubcheck")
    jar = Path(need("epubcheck", "epubcheck")).resolve()
    run = subprocess.run(
        [need("java", "default-jre-headless"), "-jar", jar, books.epub],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Messages: 0 fatals / 0 errors / 0 warnings / 0 infos" in run.stdout + run.stderr
    assert run.returncode == 0


def test_the_epub_holds_all_that_the_document_holds(books, files):
    def count(tag: str) -> int:
        return sum(1 for tree in files.values() for _ in tree.iter(f"{XHTML}{tag}"))

    assert count("figure") == count("img") == len(books.all("Figure")) > 30
    assert count("samp") == len(books.all("output")) > 250
    assert count("pre") == len(books.all("block")) + len(books.all("output"))
    assert count("table") == len(books.all("Table"))
    formulas = [tree.iter("{http://www.w3.org/1998/Math/MathML}math") for tree in files.values()]
    assert sum(len(list(found)) for found in formulas) == len(books.all("Math")) > 120
    kinds = Counter(
        one.get("class") for tree in files.values() for one in tree.iter(f"{XHTML}details")
    )
    for kind in ("question", "hint", "solution"):
        assert kinds[kind] == len(books.all(kind)) > 30


def test_each_picture_of_the_epub_has_its_words(books, files):
    alts = [one.get("alt") for tree in files.values() for one in tree.iter(f"{XHTML}img")]
    images = books.all("Image")
    assert alts == ["".join(pdf.words(one["c"][1])) for one in images]


def test_links_of_the_epub_arrive(files):
    keys = {name: {one.get("id") for one in tree.iter()} for name, tree in files.items()}
    followed = 0
    for name, tree in files.items():
        for one in tree.iter(f"{XHTML}a"):
            address, _, key = one.get("href").partition("#")
            if address.startswith("https:"):
                continue
            target = str(Path(name).parent / address) if address else name
            target = os.path.normpath(target)
            assert target in keys, one.get("href")
            assert not key or key in keys[target], one.get("href")
            followed += 1
    assert followed > 500


# --- the PDF


def test_the_pdf_says_what_it_is(books):
    need("pdfinfo", "poppler-utils")
    about = dict(re.findall(r"^([\w ]+?): +(.*)$", said("pdfinfo", books.pdf), re.M))
    assert about["Title"] == "PyTorch from first principles"
    assert about["Author"] == "The PyTorch from first principles authors"
    assert about["Keywords"] == "PyTorch, tutorial, literate programming"
    assert about["Tagged"] == "yes"
    assert about["Page size"].endswith("(A4)")
    assert 200 < int(about["Pages"]) < 350
    assert int(about["File size"].split()[0]) < 12e6


def test_the_pdf_holds_all_that_the_document_holds(books, asked):
    assert asked["images"] == ["".join(pdf.words(one["c"][1])) for one in books.all("Image")]
    assert asked["formulas"] == [one["c"][1] for one in books.all("Math")]
    assert len(asked["headings"]) == len(books.all("Header")) + 2  # contents and introduction
    assert books.typst.count("#output(") == len(books.all("output"))
    assert books.typst.count("#listing(") == len(books.all("block"))
    assert books.typst.count("#question[") == len(books.all("question"))
    assert books.typst.count("#fold(") == len(books.all("hint")) + len(books.all("solution"))


def test_nothing_runs_off_the_paper(words):
    """What is printed stands between the margins, code and tables included."""
    outside = [word for word in words if word[1] < EDGES[0] or word[2] > EDGES[1]]
    assert outside == []
    assert len(words) > 60_000
    assert max(right for _, _, right, _ in words) > EDGES[1] - 5 * POINTS  # wide code is there


def test_a_row_that_is_too_long_goes_on_behind_a_mark_and_no_other_row_breaks(books, words):
    """Typst broke no row by itself: then the marks are as many as the cuts."""
    long = [one["c"][1] for one in books.all("CodeBlock")]
    rows = [row for code in long for row in code.split("\n") if len(row) > pdf.COLUMNS]
    cuts = sum(len(list(pdf.cut([("", row)]))) - 1 for row in rows)
    assert cuts == sum(word.startswith("↪") for _, _, _, word in words) > 5
    assert max(len(row) for code in long for row in code.split("\n")) > 200


def test_each_row_of_code_stands_on_one_line(books):
    """Of the rows with 95 to 100 columns, which fit barely, each is a line of the PDF's text."""
    need("pdftotext", "poppler-utils")
    lines = said("pdftotext", "-layout", books.pdf, "-").split("\n")
    lines = Counter(re.sub(r"\s", "", line) for line in lines)
    rows = [row for one in books.all("CodeBlock") for row in one["c"][1].split("\n")]
    wanted = Counter(re.sub(r"\s", "", row) for row in rows if 95 <= len(row) <= pdf.COLUMNS)
    assert wanted - lines == Counter()
    assert wanted.total() > 100


def test_every_letter_of_the_pdf_is_in_a_font_that_came_with_typst(books):
    need("pdffonts", "poppler-utils")
    rows = said("pdffonts", books.pdf).splitlines()[2:]
    families = {re.sub(r"^[A-Z]{6}\+", "", row.split()[0]).split("-")[0] for row in rows}
    assert families <= {"LibertinusSerif", "NewCMMath", "DejaVuSansMono", "NewCM10"}, families
    assert "DejaVuSansMono" in families


def test_no_heading_stands_alone_at_the_foot_of_a_page(asked):
    """Below the top of the lowest heading there is room for itself and a line, which is there."""
    foot = (297 - 24) * POINTS
    assert max(height for _, height in asked["headings"]) < foot - 26
    assert len({page for page, _ in asked["headings"]}) > 100
