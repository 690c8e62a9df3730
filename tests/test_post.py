"""The Org file as a text: its figures, links, tables and diffs are true."""

import re

import pytest

from conftest import POST, ROOT, TANGLED

CHAPTERS = re.split(r"^\* ", POST, flags=re.MULTILINE)[1:]
BLOCKS = re.findall(
    r"^#\+begin_src (\w+)([^\n]*)\n(.*?)^#\+end_src", POST, re.MULTILINE | re.DOTALL
)


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


@pytest.mark.parametrize(
    ("language", "arguments", "body"),
    BLOCKS,
    ids=[f"block{number}" for number in range(len(BLOCKS))],
)
def test_a_block_is_what_a_reader_can_hold_in_the_head(language, arguments, body):
    """25 lines of code at most, plus a docstring; a script's outline may be longer."""
    code = re.sub(r'""".*?"""', "", body, flags=re.DOTALL)
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("# %%")]
    assert len(lines) <= 27 or "<<" in body, body
    assert max(map(len, body.splitlines())) <= 100


def test_diffs_tell_the_truth():
    """What a diff adds or keeps is in the chapter's script, what it drops is in an earlier one."""
    scripts = {
        int(path.name[:2]): {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}
        for path in TANGLED.glob("[0-9][0-9]_*.py")
    }
    # Lines that stand for what they say, without being the script's own words.
    shorthand = {"for _ in range(epochs):", "loss = train_step(x_train_tensor, y_train_tensor)"}
    shorthand |= {"loss = train_step(x_batch.to(device), y_batch.to(device))"}
    diffs = 0
    for chapter in CHAPTERS:
        for body in re.findall(r"^#\+begin_src diff\n(.*?)^#\+end_src", chapter, re.M | re.S):
            diffs += 1
            number = int(chapter.split(".")[0])
            earlier = set().union(*(scripts[n] for n in range(1, number)))
            for line in body.splitlines():
                known = earlier if line.startswith("-") else scripts[number]
                assert line[1:].strip() in known | shorthand, line
    assert diffs >= 4


def test_no_leftovers():
    """No open end, no marker of work in progress, no path of somebody's machine."""
    for pattern in (r"\bTODO\b", r"\bFIXME\b", r"\bXXX?\b", r"/home/", r"/Users/"):
        assert not re.search(pattern, re.sub(r"TODO\|DONE", "", POST)), pattern
