"""The weaver: what stands where on the page, what it refuses, and how it checks the prose."""

import base64
import contextlib
import functools
import io
import json
import re
import struct
import subprocess
import sys
import zlib

import pypandoc
import pytest

from conftest import POST, ROOT, TANGLED, import_tangled

literate, weave = import_tangled("literate"), import_tangled("weave")

HEADER = "#+title: Tests & trials\n#+property: header-args :noweb yes :mkdirp yes\n\n"
CHAPTER = (
    "* {0}\n:PROPERTIES:\n:CUSTOM_ID: {1}\n:header-args:python: :tangle tangled/{1}.py\n:END:\n\n"
)


def chapter(title, script, text):
    """Return the Org text of a chapter with a script."""
    return CHAPTER.format(title, script) + text


def block(code, arguments="", name=""):
    """Return the Org text of a block."""
    label = f"#+name: {name}\n" if name else ""
    return f"{label}#+begin_src python {arguments}".rstrip() + f"\n{code}\n#+end_src\n\n"


def png(width=30, height=20):
    """Return a picture, all black."""

    def part(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\0" * width) * height)
    head = b"\x89PNG\r\n\x1a\n"
    return head + part(b"IHDR", size) + part(b"IDAT", rows) + part(b"IEND", b"")


def command(folder, *arguments):
    """Run literate.py in this process; return its status, what it printed, and its errors."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            status = literate.main(list(arguments))
        except SystemExit as request:
            status = request.code
    return status, out.getvalue(), err.getvalue()


def run(folder):
    """Tangle post.org in a folder and run its scripts, as make does."""
    assert command(folder, "tangle", "post.org")[::2] == (0, "")
    (folder / "logs").mkdir(exist_ok=True)
    for script in sorted((folder / "tangled").glob("*.py")):
        with (folder / "logs" / f"{script.stem}.log").open("w") as log:
            words = ["run", f"tangled/{script.name}", f"logs/{script.stem}.json"]
            subprocess.run(
                [sys.executable, str(TANGLED / "literate.py"), *words],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )


def woven(folder, text):
    """Return the page of an Org text whose scripts have run."""
    (folder / "post.org").write_text(HEADER + text, encoding="utf-8")
    run(folder)
    status, _, errors = command(folder, "weave", "post.org", "post.html")
    assert (status, errors) == (0, "")
    return (folder / "post.html").read_text(encoding="utf-8")


def refusal(folder, text=None):
    """Weave in a folder where something is wrong; return the one line that says what."""
    if text is not None:
        (folder / "post.org").write_text(HEADER + text, encoding="utf-8")
        run(folder)
    (folder / "post.html").write_text("old")
    status, out, errors = command(folder, "weave", "post.org", "post.html")
    assert (status, out) == (1, "")
    assert errors.count("\n") == 1
    assert (folder / "post.html").read_text() == "old"
    assert not list(folder.glob(".*.new"))
    return errors.removesuffix("\n")


def blocks_of(page):
    """Return the code and the output of each block of a page, as plain text, in order."""
    parts = re.findall(
        r'<div class="block".*?</div>(?=\s*<(?!details|pre|p class="bar"))', page, re.S
    )
    return [
        tuple(
            "".join(plain(text) for text in re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", part, re.S))
            for tag in ("code", "samp")
        )
        for part in parts
    ]


def plain(html):
    """Return HTML without its tags."""
    text = re.sub(r"<[^>]+>", "", html)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


# --- outputs


def test_an_output_stands_under_the_block_that_printed_it(tmp_path):
    text = chapter("One", "a", block("print(1)") + block("x = 2") + block("print(x)\nprint('end')"))
    assert blocks_of(woven(tmp_path, text)) == [
        ("print(1)", "1\n"),
        ("x = 2", ""),
        ("print(x)\nprint('end')", "2\nend\n"),
    ]


def test_a_function_prints_where_it_is_called(tmp_path):
    define = block("def f():\n    print('f')", ":tangle no", "f")
    text = chapter("One", "a", block("<<f>>") + define + block("f()"))
    assert blocks_of(woven(tmp_path, text)) == [
        ("<<f>>", ""),
        ("def f():\n    print('f')", ""),
        ("f()", "f\n"),
    ]


def test_a_shared_block_prints_in_the_chapter_that_uses_it(tmp_path):
    text = chapter("One", "a", block("print('shared')", name="shared"))
    text += chapter("Two", "b", block("<<shared>>\nprint('own')"))
    assert blocks_of(woven(tmp_path, text)) == [
        ("print('shared')", "shared\n"),
        ("<<shared>>\nprint('own')", "shared\nown\n"),
    ]


def test_a_block_behind_a_guard_prints_in_its_place(tmp_path):
    skeleton = block("if __name__ == '__main__':\n    <<first>>\n    <<second>>")
    text = block("print(1)", ":tangle no", "first") + block("print(2)", ":tangle no", "second")
    page = woven(tmp_path, chapter("One", "a", text + skeleton))
    assert [output for _, output in blocks_of(page)] == ["1\n", "2\n", ""]


def test_a_long_output_is_folded_and_whole(tmp_path):
    page = woven(tmp_path, chapter("One", "a", block("for i in range(13):\n    print(i)")))
    assert blocks_of(page)[0][1] == "".join(f"{i}\n" for i in range(13))
    assert "<summary>5 more lines</summary>" in page
    page = woven(tmp_path, chapter("One", "a", block("for i in range(12):\n    print(i)")))
    assert "<summary>" not in page.split("<main")[1]


def test_code_and_output_are_text_and_no_html(tmp_path):
    code = "print('<b>&amp;</b> \"quoted\"')  # <i> & </i>"
    page = woven(tmp_path, chapter("One", "a", block(code)))
    assert blocks_of(page) == [(code, '<b>&amp;</b> "quoted"\n')]
    assert "<b>" not in page
    assert "<title>Tests &amp; trials</title>" in page


def test_weaving_runs_no_script_and_gives_the_same_page_again(tmp_path):
    code = "from pathlib import Path\nPath('ran').open('a').write('x')\nprint(1)"
    page = woven(tmp_path, chapter("One", "a", block(code)))
    assert command(tmp_path, "weave", "post.org", "again.html")[0] == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page
    assert (tmp_path / "ran").read_text() == "x"


# --- names and links


def test_references_and_uses_are_links(tmp_path):
    text = chapter("One", "a", block("x = 1", name="shared"))
    text += chapter("Two", "b", block("<<shared>>\ny = 1 << 2"))
    page = woven(tmp_path, text)
    assert '<a class="r" href="#code-shared">&lt;&lt;shared&gt;&gt;</a>' in page
    assert '<div class="block" id="code-shared">' in page
    assert 'in <a href="#a.py">a.py</a>, <a href="#b.py">b.py</a></span>' in page
    assert page.count('class="r"') == 1


def test_many_users_are_named_in_short(tmp_path):
    text = chapter("One", "01_a", block("x = 1", name="shared"))
    for number in range(2, 5):
        text += chapter("More", f"{number:02}_b", block("<<shared>>"))
    page = woven(tmp_path, text)
    assert 'in scripts <a href="#01_a.py">01</a>, <a href="#02_b.py">02</a>' in page


def test_blank_lines_between_references_are_narrow_but_there(tmp_path):
    one, two = (block(f"def {name}():\n    pass", ":tangle no", name) for name in "fg")
    text = chapter("One", "a", block("<<f>>\n\n\n<<g>>\n\n\nx = 1") + one + two)
    page = woven(tmp_path, text)
    assert page.count('<span class="gap">\n\n\n</span>') == 1
    assert blocks_of(page)[0][0] == "<<f>>\n\n\n<<g>>\n\n\nx = 1"


def test_headings_have_stable_addresses_and_stand_in_the_contents(tmp_path):
    text = "* One\n:PROPERTIES:\n:CUSTOM_ID: one\n:END:\n** Part =x=\n"
    text += "* Two & more\n** Part =x=\n** Other\n"
    page = woven(tmp_path, text)
    assert re.findall(r'<h([123]) id="([^"]+)"', page) == [
        ("2", "one"),
        ("3", "one-part-x"),
        ("2", "two-more"),
        ("3", "two-more-part-x"),
        ("3", "two-more-other"),
    ]
    contents = page.split("<summary>Contents</summary>")[1].split("</details>")[0].strip()
    assert contents == (
        '<ol><li><a href="#one">One</a><ol><li><a href="#one-part-x">Part x</a></li></ol></li>'
        '<li><a href="#two-more">Two &amp; more</a><ol>'
        '<li><a href="#two-more-part-x">Part x</a></li>'
        '<li><a href="#two-more-other">Other</a></li></ol></li></ol>'
    )


def test_a_script_is_in_the_page_for_download(tmp_path):
    page = woven(tmp_path, chapter("One", "a", block("x = 'é'")))
    data = re.search(r'href="data:text/plain;base64,([^"]+)" download="a.py"', page)[1]
    assert base64.b64decode(data).decode() == "x = 'é'\n"


# --- figures, formulas, tables, examples

FIGURE = "#+caption: A figure with =code=.\n#+attr_html: :alt All black & flat\n[[file:{}.png]]\n\n"


def test_figures_are_numbered_described_and_inside(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(png(5, 7))
    page = woven(tmp_path, "* One\n" + FIGURE.format("a") + FIGURE.format("b"))
    figures = re.findall(r"<figure.*?</figure>", page, re.S)
    assert [re.search(r"Figure \d\.", figure)[0] for figure in figures] == [
        "Figure 1.",
        "Figure 2.",
    ]
    assert 'width="5"' in figures[1]
    assert 'height="7"' in figures[1]
    assert 'alt="All black &amp; flat"' in figures[0]
    data = re.search(r'src="data:image/png;base64,([^"]+)"', figures[0])[1]
    assert base64.b64decode(data) == png()
    assert "with <code" in figures[0]


def test_a_picture_with_panels_in_a_row_scrolls_and_another_does_not(tmp_path):
    (tmp_path / "a.png").write_bytes(png(23, 10))
    (tmp_path / "b.png").write_bytes(png(22, 10))
    page = woven(tmp_path, "* One\n" + FIGURE.format("a") + FIGURE.format("b"))
    wide, other = re.findall(r"<figure.*?</figure>", page, re.S)
    assert re.search(r'<div class="wide" tabindex="0">\s*<img[^>]*>\s*</div>', wide)
    assert "wide" not in other


def test_formulas_tables_and_examples(tmp_path):
    text = "* One\nInline \\(a^2\\) and\n\\[ b = \\frac12 \\]\n"
    text += "\\begin{align*}\nx &= 1 \\\\\ny &= 2\n\\end{align*}\n\n"
    text += "| a | b |\n|---+---|\n| 1 | 2 |\n\n#+begin_example\nas it is\n#+end_example\n"
    page = woven(tmp_path, text)
    assert page.count("<math") == 3
    assert page.count('class="wide" tabindex="0"') == 3
    assert "<mtable" in page
    assert "as it is\n" in page
    assert 'class="block"' not in page


def test_other_languages_are_coloured(tmp_path):
    text = "* One\n#+begin_src sh\necho 1  # a comment\n#+end_src\n\n"
    text += "#+begin_src diff\n-old\n+new\n#+end_src\n"
    page = woven(tmp_path, text)
    assert '<span class="c"># a comment</span>' in page
    assert re.search(r'<span class="x">-old</span>\s+<span class="i">\+new</span>', page)


# --- what is refused


@pytest.fixture
def made(tmp_path):
    """Return a folder with a post whose script has run."""
    woven(tmp_path, chapter("One", "a", "It says 7.\n\n" + block("print(7)")))
    return tmp_path


def test_a_script_that_changed_since_it_ran(made):
    text = (made / "post.org").read_text(encoding="utf-8")
    (made / "post.org").write_text(text.replace("print(7)", "print(7.0)"), encoding="utf-8")
    assert command(made, "tangle", "post.org")[0] == 0
    assert refusal(made) == "tangled/a.py has changed since it ran; 'make' runs it again"


def test_an_org_file_that_was_not_tangled(made):
    text = (made / "post.org").read_text(encoding="utf-8")
    (made / "post.org").write_text(text.replace("print(7)", "print(7.0)"), encoding="utf-8")
    assert refusal(made) == "tangled/a.py is not what post.org says; 'make tangle' writes it"


def test_a_log_with_more_than_the_script_printed(made):
    with (made / "logs" / "a.log").open("a") as log:
        log.write("UserWarning: mind this\n")
    line = refusal(made)
    assert line == "logs/a.log holds text that tangled/a.py itself did not print: a warning?"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"sha256": 1}', '{"sha256": "", "output": []}', "no JSON"]
)
def test_a_transcript_that_is_none(made, content):
    (made / "logs" / "a.json").write_text(content)
    assert refusal(made) == "logs/a.json is not a transcript; remove it, and 'make' writes it again"


def test_a_transcript_that_is_missing(made):
    (made / "logs" / "a.json").unlink()
    assert refusal(made) == "logs/a.json: No such file or directory"


def test_a_figure_that_is_missing(tmp_path):
    line = refusal(tmp_path, "* One\n" + FIGURE.format("none"))
    assert line == "none.png: No such file or directory"


@pytest.mark.parametrize("lost", ["caption", "alt"])
def test_a_figure_without_words(tmp_path, lost):
    (tmp_path / "a.png").write_bytes(png())
    lines = {"caption": "#+caption: Words.\n", "alt": "#+attr_html: :alt Words\n"}
    text = "* One\n" + "".join(lines[key] for key in lines if key != lost) + "[[file:a.png]]\n"
    assert refusal(tmp_path, text) == "post.org: a.png needs a #+caption: and an :alt text"


def test_a_figure_that_is_no_png(tmp_path):
    (tmp_path / "a.png").write_text("no picture, but long enough to hold a size")
    assert refusal(tmp_path, "* One\n" + FIGURE.format("a")) == "a.png is not a PNG picture"


def test_a_block_that_pandoc_does_not_show(tmp_path):
    line = refusal(tmp_path, chapter("One", "a", block("x = 1") + block("y = 2", ":exports none")))
    assert line == "post.org:14: pandoc reads this block in another way"


def test_a_picture_that_is_no_figure(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    for text in ("- [[file:a.png]]\n", "| [[file:a.png]] |\n", "See [[file:a.png]] here.\n"):
        line = refusal(tmp_path, "* One\n" + text)
        assert line == "post.org: a.png needs a #+caption: and an :alt text"


@pytest.mark.parametrize("heading", ["* COMMENT Draft\n", "* Draft :noexport:\n"])
def test_a_chapter_that_pandoc_leaves_out(tmp_path, heading):
    line = refusal(tmp_path, heading + "Words.\n\n* One\nWords.\n")
    assert line == "post.org: pandoc shows 1 of 2 chapters: is one not to export?"


def test_a_block_that_is_not_closed(made):
    (made / "post.org").write_text(HEADER + "#+begin_src python\nx = 1\n", encoding="utf-8")
    assert refusal(made) == "post.org:4: this #+begin_src has no #+end_src"


def test_a_mistake_in_the_org_file(made):
    (made / "post.org").write_text(HEADER + block("<<none>>"), encoding="utf-8")
    assert refusal(made) == "post.org:5: no block is named 'none'"


def test_an_org_file_that_is_not_there(tmp_path):
    assert command(tmp_path, "weave", "none.org", "x.html")[::2] == (
        1,
        "none.org: No such file or directory\n",
    )


# --- numbers in the prose

NUMBERS = {
    "printed": ("It is 1.5.", "x = 1.5\n", "", []),
    "in the code": ("It is 1.5.", "", "assert x == 1.5", []),
    "in a comment": ("It is 1.5.", "", "x = 1  # 1.5", ["1.5"]),
    "in a string": ("It is 1.5.", "", "x = '1.5'", ["1.5"]),
    "negative in the code": ("It is -1.5.", "", "x = -1.5", []),
    "true is no number": ("There is 1.", "", "x = True", ["1"]),
    "in neither": ("It is 1.5.", "2.5", "3.5", ["1.5"]),
    "printed with more digits": ("It is 1.02.", "1.0235", "", []),
    "rounded up": ("It is 1.024.", "1.0235001", "", []),
    "rounded wrongly": ("It is 1.023.", "1.0239", "", ["1.023"]),
    "code is not rounded": ("It is 1.02.", "", "1.0235", ["1.02"]),
    "a whole number is not rounded": ("It is 2.", "1.9", "", ["2"]),
    "a whole number": ("There are 80 points.", "n = 80", "", []),
    "not a part of another": ("There are 80 points.", "180 801 0.80x x80", "", ["80"]),
    "thousands": ("There are 60,000 images.", "60000", "", []),
    "thousands in code": ("There are 60,000 images.", "", "60_000", []),
    "in a list": ("They are 30, 30 and 10.", "[30, 10]", "", []),
    "at the end of a sentence": ("It is 3. Then 4.", "3 4", "", []),
    "negative": ("It is -3.0448, no, \u22123.0448.", "-3.0448", "", []),
    "an exponent": ("A rate of 1e-08.", "1e-08", "", []),
    "another exponent": ("A rate of 1e-7.", "1e-08", "", ["1e-7"]),
    "a percentage": ("It is 95.8 % of all.", "95.8%", "", []),
    "in brackets": ("The shape is (80, 1).", "(80, 1)", "", []),
    "a word with a number": ("A 16-bit float, float32 and x2.", "", "", []),
    "layers": ("It goes 784-128-64.", "784 128", "", ["64"]),
    "a version": ("Since PyTorch 2.6 and Python 3.11 it is.", "", "", []),
    "chapters": ("See chapters 3, 4 and 12, and chapter 7.", "", "", []),
    "a chapter and a number": ("See chapter 3, where 8 points are.", "", "", ["8"]),
    "a source": ("As they say (Somebody, 2019).", "", "", []),
    "a year that is a number": ("There were 2019 points.", "", "", ["2019"]),
    "twice": ("It is 5 and 5.", "", "", ["5", "5"]),
}


@pytest.mark.parametrize(("prose", "output", "source", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_which_numbers_are_proved(prose, output, source, expected):
    assert weave.unproved_numbers(prose, output, source) == expected


def test_a_number_that_no_run_shows_is_named_with_its_line(tmp_path):
    text = chapter("One", "a", "It says 7.\n\n" + block("print(7)\nprint(8)"))
    text += chapter("Two", "b", "It says 9,\nnot 8.\n\n" + block("print(9)"))
    line = (HEADER + text).split("not 8.")[0].count("\n") + 1
    assert (
        refusal(tmp_path, text) == f"post.org:{line}: no script of this chapter prints or states 8"
    )


def test_what_is_no_statement_of_the_prose(tmp_path):
    """Blocks, headings and chapters without a run are not checked."""
    words = "** Section 99\n#+begin_example\n99\n#+end_example\n"
    text = chapter("One", "a", block("print(1)") + words) + "* After\nThere are 99.\n"
    woven(tmp_path, text)


def test_tables_captions_and_lists_are_checked(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    for words in (
        "| it is | 99 |\n",
        "- it is 99\n",
        "Code =x = 99= is checked.\n",
        "A formula, \\(x = 99\\).\n",
        "\\begin{align*}\nx &= 99\n\\end{align*}\n",
        "A link to [[#a][99]].\n",
        FIGURE.format("a").replace("A fig", "99 fig"),
    ):
        line = refusal(tmp_path, chapter("One", "a", block("print(1)") + words))
        assert line.endswith("prints or states 99")


def test_numbers_at_the_ends_of_two_points_are_two(tmp_path):
    woven(tmp_path, chapter("One", "a", block("print(3, 4)") + "- it is 3\n- 4 it is\n"))


def test_the_introduction_is_measured_against_all_scripts(tmp_path):
    text = "Before, there are 7 and 8.\n\n* Start\nAnd 7.\n" + chapter(
        "One", "a", block("print(7)")
    )
    text += chapter("Two", "b", block("print(8)"))
    woven(tmp_path, text)
    assert refusal(tmp_path, text.replace("And 7.", "And 9.")).endswith("states 9")


def test_a_run_on_another_device_is_woven_and_not_checked(tmp_path):
    text = "It says 9.\n\n" + block("device = 'cuda:0'\nprint(7)")
    (tmp_path / "post.org").write_text(HEADER + chapter("One", "a", text), encoding="utf-8")
    run(tmp_path)
    status, out, errors = command(tmp_path, "weave", "post.org", "post.html")
    assert (status, errors) == (0, "")
    line = "tangled/a.py ran on cuda:0: the numbers in its prose were not checked"
    assert out.splitlines()[0] == line
    text = chapter("Two", "b", "It says 8.\n\n" + block("device = 'cpu'\nprint(7)"))
    assert refusal(tmp_path, text).endswith("states 8")


# --- the post itself


@functools.cache
def real():
    """Return the page of the post on its way, and pandoc's document of it."""
    assert (ROOT / "logs").exists(), "these tests look at what 'make all' made: run it first"
    page = weave.Page(ROOT / "pytorch-first-principles.org")
    return page, json.loads(pypandoc.convert_text(POST, "json", format="org"))


def test_the_numbers_of_the_post_are_those_of_its_run():
    weave.check_numbers(*real())


def test_a_decimal_that_is_wrong_in_its_last_digit_is_found():
    """Of all numbers with a decimal point in the prose, each one unit too large is reported.

    A whole number proves little, since 20 may be 20 of anything; these are what can go stale.
    """
    page, document = real()
    prose, checked, missed = weave.prose_of(document, len(page.chapters)), 0, set()
    for number, (output, source) in weave.runs_of(page).items():
        for stated in set(re.findall(r"(?<![\w.])\d+\.\d{2,}(?!\w)", prose[number])):
            decimals = len(stated.split(".")[1])
            wrong = f"{float(stated) + 10**-decimals:.{decimals}f}"
            assert weave.unproved_numbers(f"It is {stated}.", output, source) == []
            checked += 1
            missed |= {wrong} - set(weave.unproved_numbers(f"It is {wrong}.", output, source))
    assert checked > 12
    assert missed <= {"0.0002", "0.02", "0.13"}  # these happen to be numbers of their runs, too


def test_the_page_is_what_the_post_weaves_to():
    page = (ROOT / "pytorch-first-principles.html").read_text(encoding="utf-8")
    assert weave.weave(weave.Page(ROOT / "pytorch-first-principles.org")) == page
