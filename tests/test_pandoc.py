"""Pandoc in a process of its own, and what is done while it reads."""

import ast
import gc
import os
import sys
import time
from pathlib import Path

import pytest

import posts
from conftest import ROOT
from literate import __main__, nodes, numbers, page, pandoc
from literate.colours import coloured
from literate.org import OrgError
from literate.post import Post
from literate.safe import elements

TO_HTML = ("--from=org", "--to=html5")
TWO = "* One\n\nA [[#two]] /b/ \\(a^2\\).\n\n- x\n\n* Two\n"
TWO += ":PROPERTIES:\n:CUSTOM_ID: two\n:END:\n\nC.\n"


def test_it_converts_a_text():
    with pandoc.converting("/é/", *TO_HTML) as result:
        assert result() == "<p><em>é</em></p>\n"


def test_it_converts_more_than_a_pipe_holds():
    text = "word " * 20_000  # 100 kB, where a pipe holds 64
    with pandoc.converting(text, "--from=org", "--to=plain", "--wrap=none") as result:
        assert result().split() == text.split()


def test_where_it_gives_up_it_says_why():
    with (
        pytest.raises(RuntimeError, match="nothing"),
        pandoc.converting("", "--from=nothing") as result,
    ):
        result()


def test_its_warnings_are_passed_on(capsys):
    with pandoc.converting("\\(\\frac{\\)", *TO_HTML, "--mathml") as result:
        result()
    assert "[WARNING]" in capsys.readouterr().err


def test_who_leaves_without_waiting_ends_it(monkeypatch, tmp_path):
    """A stand-in that would run for an hour is gone when the block is left."""
    program = tmp_path / "pandoc"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 3600\n")
    program.chmod(0o755)
    monkeypatch.setattr(pandoc, "program", lambda: program)
    with pandoc.converting("x"):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_it_is_the_one_that_is_installed_with_the_rest(monkeypatch, tmp_path):
    """Another pandoc on the path is not asked."""
    (tmp_path / "pandoc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "pandoc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Path(sys.prefix) in pandoc.program().parents
    with pandoc.converting("x", *TO_HTML) as result:
        assert result() == "<p>x</p>\n"


def test_what_it_cannot_read_has_a_line():
    with pytest.raises(OrgError) as caught, nodes.reading("x\n\n\\(") as document:
        document()
    assert caught.value.line == 3


HEAD = "#+title: T\n#+startup: overview\n#+options: ^:{}\nBefore a_b,\nand *a* a_{b}.\n"
FIRST, SECOND = (
    "\n* One\nA_1 is\nit.\n\n** More\n- x\n",
    "* Two\n#+name: t\n| a_1 | b_{1} |\n\n<<t>> End" + 30 * " words" + "\n",
)


def read(text: str) -> nodes.Node:
    """Return pandoc's document of a text."""
    with nodes.reading(text) as document:
        return document()


def test_a_long_text_is_read_in_two_halves_as_if_it_were_whole(monkeypatch):
    """The settings hold in both, and a line is where it was."""
    text = HEAD + FIRST + SECOND
    whole = read(text)
    monkeypatch.setattr(nodes, "LONG", 0)
    first, second = nodes.halves_of(text)
    assert first == HEAD + FIRST
    assert second == HEAD[: HEAD.index("Before")] + 9 * "\n" + SECOND
    assert read(text) == whole
    assert "Subscript" not in str(read(text.replace("{b}", "b").replace("{1}", "1")))
    with pytest.raises(OrgError) as caught:
        read(text + "\n\\(")
    assert caught.value.line == text.count("\n") + 2


@pytest.mark.parametrize(
    "text",
    [
        HEAD + FIRST + SECOND + "#+options: ^:t\n",
        HEAD + FIRST + "#+LINK: x https://x.org/\n" + SECOND,
        HEAD + FIRST + "A[fn:1].\n" + SECOND + "\n[fn:1] A note.\n",
        "#+title: without chapters",
    ],
)
def test_what_halves_must_know_of_each_other_keeps_a_text_whole(monkeypatch, text):
    monkeypatch.setattr(nodes, "LONG", 0)
    assert nodes.halves_of(text) == [text]


def test_a_link_by_name_finds_the_other_half(monkeypatch):
    text = HEAD + FIRST + "See [[t]] and [[One]].\n" + SECOND + "See [[t]].\n"
    whole = read(text)
    monkeypatch.setattr(nodes, "LONG", 0)
    assert len(nodes.halves_of(text)) == 2
    assert read(text) == whole
    assert str(whole).count("'#t'") == 2


def test_a_short_text_is_read_by_one_process():
    assert nodes.halves_of(HEAD + FIRST + SECOND) == [HEAD + FIRST + SECOND]
    assert len(nodes.halves_of(HEAD + FIRST + "word " * 20_000 + "\n" + SECOND)) == 2


def test_the_words_of_a_sentence_are_one_string():
    """What looks like the place between two words, but is written in one, stays as it is."""
    odd = '"},{"t":"Space"},{"t":"Str","c":"'
    blocks = read(f"One two\nthree /four five/ ~six  seven~. {odd}")["blocks"]
    first, _, emphasis, _, code, *rest = blocks[0]["c"]
    assert first == nodes.text("One two three")
    assert emphasis == {"t": "Emph", "c": [nodes.text("four five")]}
    assert code["c"][1] == "six  seven"
    assert nodes.words(rest) == f". {odd}"


def test_documents_are_written_side_by_side_in_their_order():
    with nodes.reading(TWO) as document:
        whole = document()
    parts = [whole | {"blocks": [block]} for block in whole["blocks"]]
    assert len(parts) > 3
    written = nodes.write(parts, "html5", "--mathml")
    assert "".join(written) == nodes.write([whole], "html5", "--mathml")[0]


def html_of(document):
    """Return a document as HTML, as the page has it written: in halves."""
    return "".join(page.html_of(page.halves(document)))


def test_halves_of_the_page_are_as_the_whole():
    """The halves of the real post together are the bytes that are written of the whole."""
    woven = posts.the_post().document
    assert not any(node["t"] == "Note" for node in elements(woven["blocks"]))
    assert html_of(woven) == page.html_of([woven])[0]


def test_footnotes_are_counted_through_both_halves_and_stand_at_the_end():
    with nodes.reading("A[fn:1].\n\nB[fn:2].\n\n[fn:1] First.\n\n[fn:2] Second.\n") as document:
        html = html_of(document())
    assert html.count('class="footnotes') == 1
    assert html.index("First.") > html.index(">B<")
    assert 'id="fn2"' in html


def test_an_empty_document_is_an_empty_page():
    with nodes.reading("#+title: x\n") as document:
        assert html_of(document()).strip() == ""


def test_while_pandoc_reads_the_blocks_and_runs_are_there(tmp_path):
    posts.write(tmp_path, posts.chapter("A", "01_a", posts.block("x = 7\nprint(x)", name="x")))
    seen = []

    def look(post):
        seen.append([post.code_of(block) for block in post.blocks])
        seen.append([run.text for run in post.runs.values()])
        assert not hasattr(post, "document")

    assert Post(tmp_path / "post.org", meanwhile=look).document
    assert seen == [["x = 7\nprint(x)"], ["7\n"]]


def test_what_is_found_ahead_is_not_looked_for_again(tmp_path):
    posts.write(tmp_path, posts.chapter("A", "01_a", posts.block("x = 70707\nprint(x)")))
    post = Post(tmp_path / "post.org", meanwhile=page.look_ahead)
    before = coloured.cache_info().misses, numbers.constants_of.cache_info().misses
    assert numbers.problems_of(post) == []
    page.page_of(post)
    after = coloured.cache_info().misses, numbers.constants_of.cache_info().misses
    assert after == before


def test_the_numbers_of_a_script_are_those_that_python_walks_over():
    for path in [*ROOT.glob("tangled/**/*.py"), *ROOT.glob("literate/**/*.py")]:
        source = path.read_text(encoding="utf-8")
        constants = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Constant)]
        expected = {float(one.value) for one in constants if type(one.value) in (int, float)}
        assert numbers.constants_of(source) == expected, path.name


def test_elements_come_in_the_order_of_the_text():
    def recursive(node):
        found = [node] if isinstance(node, dict) and "t" in node else []
        parts = node.values() if isinstance(node, dict) else node
        inner = [recursive(part) for part in parts] if isinstance(node, dict | list) else []
        return found + [one for part in inner for one in part]

    with nodes.reading(TWO) as document:
        read = document()
    assert list(elements(read)) == recursive(read)


def test_no_garbage_is_looked_for_during_a_command_and_after_it_again():
    assert gc.isenabled()
    with __main__.no_collecting():
        assert not gc.isenabled()
    assert gc.isenabled()
