"""The Org file as a text: its figures, links, tables and diffs are true, its chapters whole."""

import re
from bisect import bisect_right

import pytest

from conftest import POST, ROOT, TANGLED
from literate.org import read_blocks
from literate.sections import outline_of
from test_diffs import applied

CHAPTERS = re.split(r"^\* ", POST, flags=re.MULTILINE)[1:]
BLOCKS = re.findall(r"^#\+begin_src \w+[^\n]*\n(.*?)^#\+end_src", POST, re.MULTILINE | re.DOTALL)


def test_fourteen_chapters_in_order_with_the_scripts_of_the_table():
    numbered = [chapter for chapter in CHAPTERS if chapter[0].isdigit()]
    assert [int(chapter.split(".")[0]) for chapter in numbered] == list(range(1, 15))
    scripts = [re.search(r":tangle tangled/(\d\d)_", chapter)[1] for chapter in numbered]
    assert scripts == [f"{n:02}" for n in range(1, 15)]
    table = re.findall(r"=(\d\d_\w+\.py)=", CHAPTERS[0])
    assert table == sorted(path.name for path in TANGLED.glob("[0-9][0-9]_*.py"))


def test_every_figure_is_in_the_post_once_with_a_caption_and_a_text_for_the_blind():
    linked = re.findall(r"\[\[file:(figures/[^]]+)\]\]", POST)
    described = re.findall(
        r"^#\+caption: \S.*\n#\+attr_html: :alt \S.*\n\[\[file:(figures/[^]]+)\]\]$",
        POST,
        re.MULTILINE,
    )
    there = {f"figures/{path.name}" for path in (ROOT / "figures").glob("*.png")}
    assert linked == described
    assert len(set(linked)) == len(linked)
    assert set(linked) == there


def test_figures_have_the_names_that_a_reader_of_the_original_looks_for():
    names = (
        "train_and_validation_data gradient_descent learningrates net loss net2 nonsensical "
        "multilayer trainingloss train_val_curves2 train_val_curves lr_scheduler val_loss "
        "mnist_ae image_10 image_20"
    )
    there = {path.stem for path in (ROOT / "figures").glob("*.png")}
    assert set(names.split()) <= there


def test_functions_have_the_names_that_a_reader_of_the_original_looks_for():
    names = (
        "ManualLinearRegression LayerLinearRegression CustomDataset make_train_step validation "
        "train_loop train_loop_with_scheduler plot_train_val plot_images to_img save load"
    )
    code = "\n".join(path.read_text(encoding="utf-8") for path in TANGLED.glob("[0-9]*.py"))
    defined = set(re.findall(r"^(?:def|class) (\w+)", code, re.MULTILINE))
    assert set(names.split()) <= defined


def test_links_within_the_post_arrive():
    targets = set(re.findall(r"^:CUSTOM_ID: (\S+)$", POST, re.MULTILINE))
    links = set(re.findall(r"\[\[#([^]]+)\]", POST))
    assert links <= targets


def test_headings_are_never_more_than_two_levels_deep():
    assert not re.search(r"^\*{3,} ", POST, re.MULTILINE)


def test_a_block_is_what_a_reader_can_hold_in_the_head():
    """25 lines of code at most, plus a docstring; a script's outline may be longer."""
    assert len(BLOCKS) > 600
    for body in BLOCKS:
        code = re.sub(r'""".*?"""', "", body, flags=re.DOTALL)
        lines = [line for line in code.splitlines() if line.strip() and not line.startswith("# %%")]
        assert len(lines) <= 27 or "<<" in body, body
        assert max(map(len, body.splitlines())) <= 100, body


def test_a_diff_turns_a_block_of_an_earlier_section_into_its_own():
    """At least one stands in each chapter that changes the loop."""
    blocks = read_blocks(POST)[0]
    named = {block.name: block for block in blocks if block.name}
    headings = [line for _, line in outline_of(POST)]
    starts = [line for level, line in outline_of(POST) if level == 1]
    titles = [POST.split("\n")[line - 1] for line in starts]
    chapters = set()
    for diff in (block for block in blocks if block.language == "diff"):
        first, second = named[diff.arguments["from"]], named[diff.arguments["to"]]
        assert second.body in applied(first.body, diff.body), diff.line
        assert bisect_right(headings, first.line) < bisect_right(headings, second.line), diff.line
        chapter = bisect_right(starts, diff.line)
        assert chapter == bisect_right(starts, second.line), diff.line
        chapters.add(titles[chapter - 1].split(".")[0].removeprefix("* "))
    assert chapters >= {"4", "6", "7", "8", "9"}


def sentences(text):
    """Return how many sentences a text has."""
    return len(re.findall(r"""[.!?]["')*/=~]*(?=\s|$)""", text.strip()))


@pytest.mark.parametrize("number", range(1, 15))
def test_a_chapter_ends_with_what_to_take_away_questions_claims_and_exercises(number):
    (chapter,) = (one for one in CHAPTERS if one.startswith(f"{number}. "))
    sections = dict(part.split("\n", 1) for part in chapter.split("\n** ")[1:])
    ending = ["What to take away", "Can you say why?", "What must hold", "Exercises"]
    assert list(sections)[-4:] == ending
    away, why, *_ = list(sections.values())[-4:]
    assert not re.search(r"^\s*(?:#\+|[-+|:]|\d+[.)])", away, re.MULTILINE), "it is prose"
    assert 3 <= sentences(away) <= 5
    asked = re.findall(r"^#\+begin_question\n(.*?)\n\n(.*?)\n#\+end_question$", why, re.M | re.S)
    assert 3 <= len(asked) <= 5
    assert len(asked) == why.count("#+begin_question")
    for question, answer in asked:
        assert "?" in question
        assert answer.strip()


def test_no_leftovers():
    """No open end, no marker of work in progress, no path of somebody's machine."""
    for pattern in (r"\bTODO\b", r"\bFIXME\b", r"\bXXX?\b", r"/home/", r"/Users/"):
        assert not re.search(pattern, re.sub(r"TODO\|DONE", "", POST)), pattern
