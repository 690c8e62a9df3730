"""The two books of small posts: what is in them, how code is cut into rows, what is refused."""

import io
import json
import re
import zipfile
from html import unescape

import pytest
import typst

from literate import books, epub, pdf
from posts import FIGURE, HEADER, block, chapter, command, plain, png, refusal_of, write

KEYWORDS = "#+author: A. N. Author\n#+language: fr\n#+keywords: one, two words\n" + HEADER
TRICKY = r"print('#let x = [$1]; \"é\" \\n */ ← ~ </pre>')"
POST = (
    "Before all.\n\n"
    + chapter("One", "one", "Inline \\(a^2\\) and ~torch.cuda.BFloat16Tensor~, see [[#two]].\n")
    + "\\begin{align*}\nx &= a \\\\\ny &= b\n\\end{align*}\n\n"
    + block("import os\nprint(1)", name="start")
    + "** Part\n"
    + block("# %% Part")
    + block('x = 7\n"""Two\nrows."""\n' + TRICKY, name="shared")
    + FIGURE.format("a")
    + "#+begin_question\nWhy?\n\nBecause of [[#one][that]].\n#+end_question\n\n"
    + chapter("Two", "two", block("<<shared>>\n\n\n<<start>>\n\n\ny = 0.9"))
    + "| a | b |\n|---+---|\n| 1 | =f(x=0.9, y_long_name=1)= |\n\n"
    + "/Credit./ It follows others ([[https://example.org/][somebody]], 2020).\n"
)
PRINTED = '#let x = [$1]; "é" \\n */ ← ~ </pre>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a post that has something of everything, and its runs."""
    folder = tmp_path_factory.mktemp("books")
    (folder / "a.png").write_bytes(png(30, 20))
    write(folder, POST, KEYWORDS)
    return folder


@pytest.fixture(scope="module")
def post(folder):
    """Return that post, woven."""
    return books.Post(folder / "post.org")


@pytest.fixture(scope="module")
def book(folder):
    """Return the files of its EPUB, by name, as the command writes it."""
    status, said, errors = command(folder, "epub", "post.org", "post.epub")
    assert (status, errors) == (0, "")
    assert said.startswith("wrote post.epub, 0.0 MB")
    with zipfile.ZipFile(folder / "post.epub") as file:
        return {name: file.read(name) for name in file.namelist()}


def words_of(html, tag):
    """Return the text of each listing of a file of an EPUB, of code or of what was printed."""
    found = re.findall(rf"<pre><{tag}>(.*?)</{tag}></pre>", html, re.S)
    return [unescape(re.sub(r"<[^>]*>", "", text)) for text in found]


def chapters_of(book):
    """Return the text files of an EPUB, in order."""
    return [text.decode() for name, text in book.items() if name.startswith("EPUB/text/ch")]


def set_of(post):
    """Return Typst with the PDF's text in it, to be asked what is there."""
    return typst.Compiler(pdf.typst_of(post).encode(), post.folder, ignore_system_fonts=True)


def asked(post, selector, field):
    """Return a field of the elements of a kind in the PDF, in order."""
    return json.loads(set_of(post).query(selector, field=field))


# --- rows of code


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x",
        "a\n\n\nb",
        '"""Two\nrows."""\nx = 1',
        "<<a>>\n    <<b>>\nx = '<<c>>'",
        "x = 'é'  # ü",
    ],
)
def test_rows_hold_the_code_as_it_is(code):
    rows = books.rows_of(code, "python")
    assert "\n".join("".join(text for _, text in row) for row in rows) == code
    assert all(text for row in rows for _, text in row)


def test_a_reference_has_a_colour_of_its_own_and_a_label_of_another_language_has_not():
    rows = books.rows_of("<<a>>\nif x:\n    <<b>>", "python")
    assert [row[-1] for row in rows if row[-1][0] == "r"] == [("r", "<<a>>"), ("r", "<<b>>")]
    assert "r" not in {colour for row in books.rows_of("a: jmp a", "nasm") for colour, _ in row}


def test_one_empty_row_is_enough_between_two_references():
    rows = books.rows_of("<<a>>\n\n\n<<b>>\n\n\nx = 1\n\n\n<<c>>", "python")
    texts = ["".join(text for _, text in row) for row in rows]
    assert texts == ["<<a>>", "", "<<b>>", "", "", "x = 1", "", "", "<<c>>"]


@pytest.mark.parametrize("length", [1, 99, 100, 101, 198, 199, 350])
@pytest.mark.parametrize("step", [1, 7, 500])
def test_a_row_is_cut_into_parts_that_fit_and_nothing_is_lost(length, step):
    """With and without spaces to break at, in pieces of several sizes."""
    for text in ("x" * length, ("word, " * length)[:length]):
        row = [("k", text[start : start + step]) for start in range(0, length, step)]
        parts = list(pdf.cut(row))
        widths = [sum(2 if one[0] == ">" else len(one[1]) for one in part) for part in parts]
        assert max(widths) <= 100
        assert "".join(words for part in parts for _, words in part) == text
        assert [part[0][0] == ">" for part in parts] == [False] + [True] * (len(parts) - 1)
        assert len(parts) == 1 or length > 100


def test_a_row_breaks_at_a_space_near_its_end():
    first, second = pdf.cut([("", "x" * 80 + " " + "y" * 30)])
    assert (first, second) == ([("", "x" * 80 + " ")], [(">", ""), ("", "y" * 30)])
    first, _ = pdf.cut([("", "x" * 20 + " " + "y" * 90)])
    assert len(first[0][1]) == 100


def test_inline_code_breaks_where_it_is_long_and_not_in_a_number():
    assert books.breaks("torch.float32") == ["torch.float32"]
    assert books.breaks("f(x=0.9, y_long_name=1)") == [
        "f(",
        "x=",
        "0.9, y_",
        "long_",
        "name=",
        "1)",
    ]


# --- the EPUB


def test_the_epub_begins_as_it_must_and_holds_a_file_for_each_chapter(folder, book):
    with zipfile.ZipFile(folder / "post.epub") as file:
        first = file.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert book["mimetype"] == b"application/epub+zip"
    titles = [re.search("<title>(.*?)</title>", text)[1] for text in chapters_of(book)]
    assert titles == ["Introduction", "One", "Two"]


def test_the_epub_shows_code_and_outputs_as_they_are(book):
    _, one, _ = chapters_of(book)
    assert words_of(one, "code") == [
        "import os\nprint(1)\n",
        f'x = 7\n"""Two\nrows."""\n{TRICKY}\n',
    ]
    assert words_of(one, "samp") == ["1\n", f"{PRINTED}\n"]
    assert one.count('<details class="set-up">') == 1
    assert re.search(r"<summary>\s*Set-up\s*</summary>\s*<pre><code>.*?import", one, re.S)


def test_links_of_the_epub_lead_from_file_to_file(book):
    _, one, two = chapters_of(book)
    names = [name for name in book if name.startswith("EPUB/text/ch")]
    first, second = (name.removeprefix("EPUB/text/") for name in names[1:])
    assert f'<a href="{second}#two">Two</a>' in one
    assert f'<a href="{first}#code-shared" class="r">&lt;&lt;shared&gt;&gt;</a>' in two
    assert f'<a href="{second}#script-two.py">two.py</a>' in one
    assert '<div id="script-two.py" class="script">' in two


def test_figures_formulas_questions_and_tables_of_the_epub(book):
    _, one, two = chapters_of(book)
    size = 'width="15" height="10" alt="All black &amp; flat"'
    assert re.search(rf'<img src="\.\./media/file0\.png"\s+{size}', one)
    assert book["EPUB/media/file0.png"] == png(30, 20)
    assert one.count("<math") == 2
    question = re.search(r'<details class="question">(.*?)</details>', one, re.S)[1]
    assert re.sub(r"\s+", " ", plain(question)).strip() == "Why? Because of that."
    assert question.index("Why?") < question.index("</summary>") < question.index("that</a>")
    assert re.search(r"<code>f\(<wbr></wbr>x=<wbr></wbr>0\.9, y_<wbr>", two)


def test_the_epub_says_what_it_is(book):
    about = book["EPUB/content.opf"].decode()
    for said in (
        '<dc:creator id="epub-creator-1">A. N. Author</dc:creator>',
        "<dc:language>fr</dc:language>",
        '<dc:subject id="subject-2">two words</dc:subject>',
        "<dc:rights>Code: MIT licence; Prose and figures: CC BY 4.0</dc:rights>",
        '<meta property="schema:accessibilityFeature">MathML</meta>',
    ):
        assert said in about, said
    day = re.search(r'<dc:date id="epub-date">(\d{4}-\d\d-\d\d)</dc:date>', about)[1]
    assert f'<meta property="dcterms:modified">{day}T00:00:00Z</meta>' in about
    assert "Tests &amp; trials" in book["EPUB/text/title_page.xhtml"].decode()
    assert book["EPUB/styles/stylesheet1.css"].startswith(b"/* How the EPUB looks.")


def test_another_content_is_another_book_and_the_same_the_same(folder, post, book):
    content = (folder / "post.epub").read_bytes()
    assert epub.epub_of(post) == content
    other = post.document["blocks"][:-1]
    key = re.search(r"urn:uuid:([\w-]+)", book["EPUB/content.opf"].decode())[1]
    post.document["blocks"], kept = other, post.document["blocks"]
    with zipfile.ZipFile(io.BytesIO(epub.epub_of(post))) as file:
        assert key not in file.read("EPUB/content.opf").decode()
    post.document["blocks"] = kept


# --- the PDF


def test_the_pdf_is_made_and_the_same_again(folder, post):
    status, said, errors = command(folder, "pdf", "post.org", "post.pdf")
    assert (status, errors) == (0, "")
    assert said.startswith("wrote post.pdf, ")
    content = (folder / "post.pdf").read_bytes()
    assert content.startswith(b"%PDF-1.7")
    assert pdf.pdf_of(post) == content


def test_the_pdf_holds_code_and_outputs_as_they_are(post):
    raw = asked(post, "raw.where(block: true)", "text")
    assert raw == [
        "import os\nprint(1)",
        "1",
        f'x = 7\n"""Two\nrows."""\n{TRICKY}',
        PRINTED,
        "<<shared>>\n\n<<start>>\n\n\ny = 0.9",
        f"{PRINTED}\n1",
    ]


def test_the_pdf_holds_headings_formulas_figures_and_their_words(post):
    assert len(asked(post, "heading", "level")) == 5  # with the contents, and Introduction
    assert asked(post, "math.equation", "alt") == [
        "a^2",
        "\\begin{align*}\nx &= a \\\\\ny &= b\n\\end{align*}",
    ]
    assert asked(post, "image", "alt") == ["All black & flat"]


def test_a_character_that_no_font_has_is_refused(tmp_path):
    line = refusal_of(tmp_path, "pdf", chapter("One", "a", block("print('\\u65e5')")))
    assert line.startswith("Typst cannot set this: PDF/UA-1 error: the text ")


# --- both


@pytest.mark.parametrize("form", ["epub", "pdf"])
def test_a_number_without_a_proof_is_refused(tmp_path, form):
    line = refusal_of(tmp_path, form, chapter("One", "a", "It is 7.5.\n\n" + block("print(8)")))
    assert "7.5" in line


@pytest.mark.parametrize("form", ["epub", "pdf"])
def test_what_pandoc_warns_of_is_refused_in_one_line(tmp_path, form):
    line = refusal_of(tmp_path, form, "* One\nA \\(\\frac{\\) formula.\n")
    assert line.startswith(f"pandoc cannot write this as {'typst' if form == 'pdf' else 'epub3'}: ")


@pytest.mark.parametrize("form", ["epub", "pdf"])
def test_a_language_without_colours_is_refused_with_its_line(tmp_path, form):
    line = refusal_of(tmp_path, form, "* One\n\n#+begin_src nonesuch\nx\n#+end_src\n")
    assert line == "post.org:6: there are no colours for the language 'nonesuch'"


def test_the_title_page_names_the_licences_the_credit_and_where_the_source_is(post, monkeypatch):
    monkeypatch.delenv("REPOSITORY", raising=False)
    about = books.about(post)
    assert about[:4] == ("Tests & trials", "A. N. Author", "fr", ["one", "two words"])
    said = ["".join(text for text, _ in line) for line in about.lines]
    assert said[0].startswith("Run")
    assert said[1:] == [
        "Code: MIT licence (the file LICENSE).",
        "Prose and figures: CC BY 4.0 (the file LICENSE-text).",
        "Credit: It follows others (somebody, 2020).",
        "Made from post.org. CONTRIBUTING.md says how to report an error.",
    ]
    assert ("somebody", "https://example.org/") in about.lines[3]
    monkeypatch.setenv("REPOSITORY", "https://example.org/a/b-c/")
    lines = books.about(post).lines[-2:]
    assert [line[1][1] for line in lines] == [
        "https://example.org/a/b-c",
        "https://example.org/a/b-c/issues",
    ]


def test_a_repository_that_is_no_address_is_refused(post, monkeypatch):
    monkeypatch.setenv("REPOSITORY", 'javascript:"')
    with pytest.raises(ValueError, match=r"^REPOSITORY is 'javascript:\"': it begins with https"):
        books.about(post)


def test_a_chapter_that_has_the_name_of_the_introduction_keeps_its_address(tmp_path):
    write(tmp_path, "Before.\n\n* Introduction\n\nText.\n")
    first, _, second, _ = books.introduced(books.Post(tmp_path / "post.org"))
    assert (first["c"][1][0], second["c"][1][0]) == ("introduction-", "introduction")
