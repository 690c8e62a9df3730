"""The woven document: what stands where, whatever format it is written in, and what is refused."""

import json
import re

import pytest

from literate.nodes import words
from literate.outputs import plain
from literate.safe import elements
from literate.sections import slug
from posts import FIGURE, HEADER, block, chapter, command, png, refusal, run, woven, write


def blocks_in(post):
    """Return the code and the output of each block of a document, in order."""
    found = []
    for node in elements(post.document["blocks"]):
        if node["t"] == "Div" and "block" in node["c"][0][1]:
            code, *output = node["c"][1]
            found.append((code["c"][1], output[0]["c"][1][0]["c"][1] if output else ""))
    return found


def divs_in(post):
    """Return the identifier, the classes and the attributes of each block of a document."""
    nodes = (node["c"][0] for node in elements(post.document["blocks"]) if node["t"] == "Div")
    return [tuple(attributes) for attributes in nodes if "block" in attributes[1]]


def addresses(post):
    return [(heading.level, heading.key) for heading in post.headings]


# --- outputs


def test_an_output_stands_under_the_block_that_printed_it(tmp_path):
    text = chapter("One", "a", block("print(1)") + block("x = 2") + block("print(x)\nprint('end')"))
    assert blocks_in(woven(tmp_path, text)) == [
        ("print(1)", "1\n"),
        ("x = 2", ""),
        ("print(x)\nprint('end')", "2\nend\n"),
    ]


def test_a_function_prints_where_it_is_called(tmp_path):
    define = block("def f():\n    print('f')", ":tangle no", "f")
    text = chapter("One", "a", block("<<f>>") + define + block("f()"))
    assert blocks_in(woven(tmp_path, text)) == [
        ("<<f>>", ""),
        ("def f():\n    print('f')", ""),
        ("f()", "f\n"),
    ]


def test_a_shared_block_prints_in_the_chapter_that_uses_it(tmp_path):
    text = chapter("One", "a", block("print('shared')", name="shared"))
    text += chapter("Two", "b", block("<<shared>>\nprint('own')"))
    assert blocks_in(woven(tmp_path, text)) == [
        ("print('shared')", "shared\n"),
        ("<<shared>>\nprint('own')", "shared\nown\n"),
    ]


def test_a_block_behind_a_guard_prints_in_its_place(tmp_path):
    skeleton = block("if __name__ == '__main__':\n    <<first>>\n    <<second>>")
    text = block("print(1)", ":tangle no", "first") + block("print(2)", ":tangle no", "second")
    post = woven(tmp_path, chapter("One", "a", text + skeleton))
    assert [output for _, output in blocks_in(post)] == ["1\n", "2\n", ""]


def test_an_example_equal_to_a_block_does_not_take_its_place(tmp_path):
    example = "#+begin_example\nprint(1)\n#+end_example\n\n"
    post = woven(tmp_path, chapter("One", "a", example + block("print(1)") + example))
    assert [node["t"] for node in post.document["blocks"]] == [
        "Header",
        "CodeBlock",
        "Div",
        "CodeBlock",
    ]
    assert blocks_in(post) == [("print(1)", "1\n")]


def test_an_example_cannot_pass_for_a_block(tmp_path):
    lines = "".join(f"#+begin_example :org-line {n}\nx\n#+end_example\n" for n in range(30))
    text = chapter("One", "a", lines + block("print(1)"))
    assert blocks_in(woven(tmp_path, text)) == [("print(1)", "1\n")]


def test_indented_blocks_are_blocks(tmp_path):
    inside = "- a point\n" + "".join(
        f"  {row}\n" for row in block("print(1)\nprint(2)").splitlines()
    )
    post = woven(tmp_path, chapter("One", "a", inside + "\nWords.\n"))
    assert blocks_in(post) == [("print(1)\nprint(2)", "1\n2\n")]


def test_a_block_behind_a_tab_is_refused(tmp_path):
    text = chapter("One", "a", "\t#+begin_src python\nprint(3)\n\t#+end_src\n")
    (tmp_path / "post.org").write_text(HEADER + text)
    line = refusal(tmp_path)
    assert line.startswith("post.org:10: ")
    assert "tab" in line


def test_a_block_knows_its_line_its_name_and_its_language(tmp_path):
    text = chapter("One", "a", block("x = 1", name="shared") + block("y = x"))
    text += "#+begin_src sh\nls\n#+end_src\n"
    post = woven(tmp_path, text)
    assert divs_in(post) == [
        ("code-shared", ["block"], [["line", "11"]]),
        ("", ["block"], [["line", "15"]]),
        ("", ["block"], [["line", "19"]]),
    ]
    codes = [n for n in elements(post.document["blocks"]) if n["t"] == "CodeBlock"]
    assert [node["c"][0] for node in codes] == [
        ["", [language], []] for language in ("python", "python", "sh")
    ]


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        ("plain\n", "plain\n"),
        ("\x1b[1;31mred\x1b[0m, \x1b[38;5;4mblue\x1b[m\n", "red, blue\n"),
        ("\x1b]0;title\x07text\x1b]8;;https://a.b\x1b\\link\x1b]8;;\x1b\\\n", "textlink\n"),
        ("\x1b[2K\x1b[1Gline\x1b(B\n", "line\n"),
        ("10%\r50%\rdone\n", "done\n"),
        ("100%\rok\n", "ok0%\n"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("nul\x00bell\x07back\x08\x7f\x9b\n", "nulbellback\n"),
        ("tab\tand é\n", "tab\tand é\n"),
        ("half \ud800\n", "half ?\n"),
        ("cut \x1b", "cut "),
    ],
)
def test_an_output_holds_what_one_reads(printed, read):
    assert plain(printed) == read


def test_signs_for_a_terminal_do_not_reach_the_document(tmp_path):
    code = r"print('\x1b[31mred\x1b[0m \x00 old\rRED')"
    post = woven(tmp_path, chapter("One", "a", block(code)))
    assert blocks_in(post) == [(code, "RED  old\n")]


def test_weaving_runs_no_script_and_gives_the_same_document_again(tmp_path):
    code = "with open('ran', 'a') as file:\n    file.write('x')\nprint(1)"
    text = chapter("One", "a", block(code))
    first = woven(tmp_path, text)
    assert command(tmp_path, "page", "post.org", "again.html")[0] == 0
    assert (tmp_path / "ran").read_text() == "x"
    assert woven(tmp_path, text).document == first.document


# --- sections

SECTIONS = (
    block('"""One."""\n\nimport os', name="start")
    + "** First =x=\n"
    + block("# %% First x", name="line")
    + block("print(1)", name="shared")
    + "** Words only\nNo code.\n** Second\n"
    + block("# %% Second\n\nprint(2)\nprint('# %% no line')")
)


def test_section_lines_are_left_out_and_a_block_of_nothing_else(tmp_path):
    post = woven(tmp_path, chapter("One", "01_a", SECTIONS))
    assert blocks_in(post) == [
        ('"""One."""\n\nimport os', ""),
        ("print(1)", "1\n"),
        ("print(2)\nprint('# %% no line')", "2\n# %% no line\n"),
    ]
    kinds = [classes for _, classes, _ in divs_in(post)]
    assert kinds == [["block", "set-up"], ["block"], ["block"]]
    assert divs_in(post)[0][0] == "code-start"


def test_only_what_stands_before_the_first_section_is_set_up(tmp_path):
    whole = chapter("One", "a", block("import os") + block("print(1)"))
    inside = chapter("Two", "b", "** Part\n" + block("# %% Part\nimport os"))
    assert all(classes == ["block"] for _, classes, _ in divs_in(woven(tmp_path, whole + inside)))


def test_sections_behind_a_guard(tmp_path):
    guard = (
        "if __name__ == '__main__':\n    # %% First\n    <<one>>\n\n    # %% Second\n    <<two>>"
    )
    text = chapter("One", "01_a", block("import os") + "Why.\n\n" + block(guard))
    text += "** First\n" + block("print(1)", ":tangle no", "one")
    text += "** Second\n" + block("print(2)", ":tangle no", "two")
    assert blocks_in(woven(tmp_path, text)) == [
        ("import os", ""),
        ("if __name__ == '__main__':\n    <<one>>\n\n    <<two>>", ""),
        ("print(1)", "1\n"),
        ("print(2)", "2\n"),
    ]
    turned = text.replace("First\n    <<one", "Second\n    <<one", 1)
    turned = turned.replace("    # %% Second\n    <<two", "    # %% First\n    <<two", 1)
    assert "'# %% Second' in 01_a.py is no heading here: the heading is 'First'" in refusal(
        tmp_path, turned
    )


HERE = "in 01_a.py is no heading here: "


@pytest.mark.parametrize(
    ("old", "new", "place", "problem"),
    [
        ("# %% First x", "# %% First =x=", "# %% First =x=", "the heading is 'First x'"),
        ("# %% First x", "# %%", "# %%\n", "the heading is 'First x'"),
        ("# %% Second\n\n", "", "** Second", "the code of 'Second' in 01_a.py does not begin with"),
        ("** Second", "** Third", "# %% Second", "the heading is 'Third'"),
        ("print(2)", "print(2)\n# %% More", "# %% More", "no section is left for it"),
        ("print(1)", "print(1)\n\n# %% First x", "# %% First x", "the heading is 'Second'"),
        ("import os", "# %% Start\nimport os", "# %% Start", "the heading is 'First x'"),
    ],
)
def test_section_lines_that_are_not_the_headings(tmp_path, old, new, place, problem):
    text = chapter("One", "01_a", SECTIONS).replace(old, new, 1)
    line = len(HEADER.splitlines()) + text[: text.rindex(place)].count("\n") + 1
    found = refusal(tmp_path, text)
    assert found.startswith(f"post.org:{line}: ")
    assert problem in found
    assert "does not" in problem or f"'{place.replace(chr(10), ' ')}' {HERE}" in found


def test_code_before_its_section_line(tmp_path):
    late = chapter(
        "One", "01_a", SECTIONS.replace("# %% Second\n\nprint(2)", "print(2)\n# %% Second")
    )
    line = len(HEADER.splitlines()) + late[: late.index("# %% Second")].count("\n") + 1
    problem = "in 01_a.py code of 'Second' stands before its '# %%'"
    assert refusal(tmp_path, late) == f"post.org:{line}: {problem}"


def test_a_script_without_a_number_may_have_no_section_lines(tmp_path):
    text = "** Part\n" + block("print(1)") + "** Other\n" + block("print(2)")
    assert len(blocks_in(woven(tmp_path, chapter("One", "a", text)))) == 2
    assert "does not begin" in refusal(tmp_path, chapter("One", "01_a", text))
    (tmp_path / "tangled" / "01_a.py").unlink()
    some = text.replace("print(1)", "# %% Part\nprint(1)")
    assert "'Other' in a.py does not begin" in refusal(tmp_path, chapter("One", "a", some))


# --- headings and links


def test_headings_have_stable_addresses(tmp_path):
    text = "* One\n:PROPERTIES:\n:CUSTOM_ID: one\n:END:\n** Part =x=\n"
    text += "* Two & more\n** Part =x=\n** Other\n"
    post = woven(tmp_path, text)
    assert addresses(post) == [
        (1, "one"),
        (2, "one-part-x"),
        (1, "two-more"),
        (2, "two-more-part-x"),
        (2, "two-more-other"),
    ]
    headers = [node["c"] for node in post.document["blocks"] if node["t"] == "Header"]
    assert [(level, attributes) for level, attributes, _ in headers] == [
        (level, [key, [], []]) for level, key in addresses(post)
    ]
    assert [heading.title for heading in post.headings][1] == "Part x"


def test_numbered_sections_keep_their_numbers_and_equal_ones_get_some(tmp_path):
    text = "* One\n** Step 1\n** Step 2\n** Step 1\n** 2024\n"
    assert [key for _, key in addresses(woven(tmp_path, text))] == [
        "one",
        "one-step-1",
        "one-step-2",
        "one-step-1-2",
        "one-section",
    ]


def test_a_section_with_an_address_of_its_own_keeps_it(tmp_path):
    own = "** Part\n:PROPERTIES:\n:CUSTOM_ID: one-other\n:END:\nSee [[#one-other][here]].\n"
    post = woven(tmp_path, "* One\n" + own + "** Other\nAnd [[#one][there]].\n")
    assert [key for _, key in addresses(post)] == ["one", "one-other", "one-other-2"]


@pytest.mark.parametrize(
    ("title", "address"),
    [
        ("7. Loss functions", "loss-functions"),
        ("zero_grad sets None", "zero_grad-sets-none"),
        ("Operations, out= and the underscore", "operations-out-and-the-underscore"),
        ("A\u2013b: what's Straße?", "ab-whats-straße"),
        ("state_dict, v. 2", "state_dict-v.-2"),
        ("2 + 2", "section"),
    ],
)
def test_addresses_are_those_that_pandoc_gives(title, address):
    assert slug(title) == address


def test_names_blocks_figures_and_scripts_have_addresses_to_link_to(tmp_path):
    (tmp_path / "b.png").write_bytes(png())
    links = "[[#a][1]] [[#code-f][2]] [[#figure-b][3]] [[#a.py][4]] [[#a-part][5]]\n\n"
    post = woven(
        tmp_path,
        chapter("One", "a", links + block("x = 1", "", "f") + FIGURE.format("b") + "** Part\n"),
    )
    targets = [n["c"][2][0] for n in elements(post.document["blocks"]) if n["t"] == "Link"]
    assert targets == ["#a", "#code-f", "#figure-b", "#a.py", "#a-part"]


@pytest.mark.parametrize("link", ["[[#none]]", "[[#none][words]]", "[[none]]", "[[*One]]"])
def test_a_link_that_leads_nowhere(tmp_path, link):
    line = refusal(tmp_path, f"* One\nWords.\n\nSee {link}.\n")
    assert line.startswith("post.org:7: the link ")
    assert line.endswith("leads nowhere")


def test_the_line_of_a_mistake_is_where_it_is_written_as_it_is(tmp_path):
    line = refusal(tmp_path, "* One\nThe mark is #NONE.\n\nSee [[#none][words]].\n")
    assert line == "post.org:7: the link #none leads nowhere"


@pytest.mark.parametrize("own", ["code-f", "figure-a", "text", "a.py"])
def test_an_address_that_is_there_twice(tmp_path, own):
    (tmp_path / "a.png").write_bytes(png())
    text = f"* Own\n:PROPERTIES:\n:CUSTOM_ID: {own}\n:END:\n"
    text += chapter("One", "a", block("x = 1", name="f") + FIGURE.format("a"))
    assert refusal(tmp_path, text).startswith("post.org:")
    assert refusal(tmp_path).endswith(f"two things have the address '{own}'")


# --- figures and formulas


def test_figures_have_numbers_descriptions_and_addresses(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("figures/a.png", "b.png"):
        (tmp_path / name).write_bytes(png())
    post = woven(tmp_path, "* One\n" + FIGURE.format("figures/a") + FIGURE.format("b"))
    figures = [node["c"] for node in post.document["blocks"] if node["t"] == "Figure"]
    assert [attributes for attributes, _, _ in figures] == [
        ["figure-a", [], []],
        ["figure-b", [], []],
    ]
    captions = [caption[1][0]["c"] for _, caption, _ in figures]
    assert [(c[0]["t"], words(c)) for c in captions] == [
        ("Strong", "Figure 1. A figure with code."),
        ("Strong", "Figure 2. A figure with code."),
    ]
    images = [content[0]["c"][0]["c"] for _, _, content in figures]
    assert [(image[1], image[2]) for image in images] == [
        ([{"t": "Str", "c": "All black & flat"}], ["figures/a.png", ""]),
        ([{"t": "Str", "c": "All black & flat"}], ["b.png", ""]),
    ]


def test_formulas_of_several_lines_are_formulas(tmp_path):
    text = "* One\n\\begin{align*}\nx &= 1 \\\\\ny &= 2\n\\end{align*}\n\n\\[ b \\] and \\(c\\).\n"
    kinds = [
        node["c"][0]["t"]
        for node in elements(woven(tmp_path, text).document["blocks"])
        if node["t"] == "Math"
    ]
    assert kinds == ["DisplayMath", "DisplayMath", "InlineMath"]


def test_a_chapter_that_ran_elsewhere_says_so(tmp_path):
    text = chapter("One", "a", block("device = 'cuda:0'\nprint(7)"))
    text += "** Part\n" + chapter("Two", "b", block("device = 'cpu'\nprint(7)"))
    blocks = woven(tmp_path, text).document["blocks"]
    kinds = [node["t"] for node in blocks]
    assert kinds == ["Header", "Para", "Div", "Header", "Header", "Div"]
    assert words(blocks[1]).startswith("This chapter ran on cuda:0, which draws other random")


# --- what is refused: runs


@pytest.fixture
def made(tmp_path):
    """Return a folder with a post whose script has run."""
    woven(tmp_path, chapter("One", "a", "It says 7.\n\n" + block("print(7)")))
    return tmp_path


def change(folder, **values):
    """Change what a transcript says."""
    path = folder / "logs" / "a.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_script_that_has_changed_since_it_ran(made):
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
    ("errors", "shown"),
    [
        ("a.py:1: UserWarning: mind this\n  x = 1\n", " a.py:1: UserWarning: mind this"),
        ("\x1b[31mred\x1b[0m\n", " red"),
        ("\n\n", ""),
    ],
)
def test_a_script_that_wrote_to_its_error_channel(made, errors, shown):
    change(made, errors=errors)
    assert refusal(made) == f"tangled/a.py wrote to its error channel: a warning?{shown}"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"sha256": 1}', '{"sha256": "", "output": []}', "no JSON"]
)
def test_a_transcript_that_is_none(made, content):
    (made / "logs" / "a.json").write_text(content)
    assert refusal(made) == "logs/a.json is not a transcript; remove it, and 'make' writes it again"


@pytest.mark.parametrize("line", [0, 2, -1, "x", float("inf")])
def test_a_transcript_of_lines_that_are_none(made, line):
    change(made, output=[[line, "7\n"]])
    assert refusal(made) == "logs/a.json is not a transcript; remove it, and 'make' writes it again"


@pytest.mark.parametrize("output", [7])
def test_a_transcript_whose_output_is_none(made, output):
    change(made, output=output)
    assert refusal(made) == "logs/a.json is not a transcript; remove it, and 'make' writes it again"


def test_a_transcript_that_is_missing(made):
    (made / "logs" / "a.json").unlink()
    assert refusal(made) == "logs/a.json: No such file or directory"


# --- what is refused: the Org file


def test_a_figure_that_is_missing(tmp_path):
    line = refusal(tmp_path, "* One\n" + FIGURE.format("none"))
    assert line == "none.png: No such file or directory"


@pytest.mark.parametrize("lost", ["caption", "alt"])
def test_a_figure_without_words(tmp_path, lost):
    (tmp_path / "a.png").write_bytes(png())
    lines = {"caption": "#+caption: Words.\n", "alt": "#+attr_html: :alt Words\n"}
    text = "* One\n" + "".join(lines[key] for key in lines if key != lost) + "[[file:a.png]]\n"
    assert refusal(tmp_path, text) == "post.org:6: a.png needs a #+caption: and an :alt text"


def test_a_figure_whose_caption_is_empty(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    text = "* One\n#+caption:\n#+attr_html: :alt Words\n[[file:a.png]]\n"
    assert refusal(tmp_path, text) == "post.org:7: a.png needs a #+caption: and an :alt text"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no picture, but long enough to hold a size", "is not a PNG picture"),
        (b"", "is not a PNG picture"),
        (png()[:20], "is not a whole PNG picture: its end is missing"),
        (png()[:-5], "is not a whole PNG picture: its end is missing"),
        (png()[:8] + png()[-8:], "is not a whole PNG picture: its end is missing"),
        (png(width=0), "is a PNG picture without width or height"),
        (png(height=0), "is a PNG picture without width or height"),
    ],
)
def test_a_figure_that_is_no_whole_png(tmp_path, content, problem):
    (tmp_path / "a.png").write_bytes(content)
    assert refusal(tmp_path, "* One\n" + FIGURE.format("a")) == f"a.png {problem}"


@pytest.mark.parametrize("place", ["/etc/a", "../a", "https://a.b/a", "data:image/png;base64,a"])
def test_a_figure_from_elsewhere(tmp_path, place):
    line = refusal(tmp_path, "* One\n" + FIGURE.format("x").replace("file:x", place))
    assert line.startswith("post.org:")
    assert "it cannot be a picture" in line or "a link begins with" in line


def test_a_block_that_pandoc_does_not_show(tmp_path):
    line = refusal(tmp_path, chapter("One", "a", block("x = 1") + block("y = 2", ":exports none")))
    assert line == "post.org:14: pandoc reads this block in another way"


def test_a_picture_that_is_no_figure(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    for text in ("- [[file:a.png]]\n", "| [[file:a.png]] |\n", "See [[file:a.png]] here.\n"):
        line = refusal(tmp_path, "* One\n" + text)
        assert line == "post.org:5: a.png needs a #+caption: and an :alt text"


@pytest.mark.parametrize(
    "heading", ["* COMMENT Draft\n", "* Draft :noexport:\n", "* Deep\n** b\n*** c\n**** d\n"]
)
def test_a_heading_that_pandoc_leaves_out(tmp_path, heading):
    line = refusal(tmp_path, heading + "Words.\n\n* One\nWords.\n")
    counts = "4 of 5" if "Deep" in heading else "1 of 2"
    problem = f"pandoc shows {counts} headings: is one not to export, or below three levels?"
    assert line == f"post.org:4: {problem}"


def test_a_heading_that_only_pandoc_reads_as_one(tmp_path):
    line = refusal(tmp_path, "*\tOne\n\nWords.\n")
    assert line.startswith("post.org:1: pandoc shows 1 of 0 headings")


def test_a_text_that_pandoc_cannot_read(tmp_path):
    line = refusal(tmp_path, "* One\n\n\\begin{align}\nx\n\\end{equation}\n\n* Two\n")
    assert re.fullmatch(r"post\.org:\d+: pandoc cannot read this: unexpected .+", line)


def test_a_block_that_is_not_closed(made):
    (made / "post.org").write_text(HEADER + "#+begin_src python\nx = 1\n", encoding="utf-8")
    assert refusal(made) == "post.org:4: this #+begin_src has no #+end_src"


def test_a_mistake_in_the_org_file(made):
    (made / "post.org").write_text(HEADER + block("<<none>>"), encoding="utf-8")
    assert refusal(made) == "post.org:5: no block is named 'none'"


def test_an_org_file_that_is_not_there(tmp_path):
    assert command(tmp_path, "page", "none.org", "x.html")[::2] == (
        1,
        "none.org: No such file or directory\n",
    )


def test_a_post_without_a_title(tmp_path):
    write(tmp_path, "* One\nWords.\n", header="")
    assert refusal(tmp_path) == "post.org:1: the post needs a line '#+title:'"


@pytest.mark.parametrize(
    ("text", "line", "stars"),
    [("** Part\n* One\n", 4, "*"), ("* One\n*** Deep\n", 5, "**"), ("x\n*** Deep\n", 5, "**")],
)
def test_a_heading_without_one_above_it(tmp_path, text, line, stars):
    problem = f"this heading needs one with {stars} above it"
    assert refusal(tmp_path, text) == f"post.org:{line}: {problem}"


@pytest.mark.parametrize("text", ['#+include: "/etc/hostname"', "- a\n  #+INCLUDE: x.org"])
def test_another_file_in_the_post(tmp_path, text):
    line = refusal(tmp_path, f"* One\n\n{text}\n")
    assert line.endswith("#+include: is not supported: one file holds the whole post")
    example = f"* One\n\n#+begin_example\n,{text.splitlines()[-1].strip()}\n#+end_example\n"
    woven(tmp_path, example)


REFUSED = {
    "raw inline": ("A @@html:<b>x</b>@@ word.", "raw html is not supported: <b>x</b>"),
    "raw line": ("#+html: <i>x</i>", "raw html is not supported: <i>x</i>"),
    "export block": (
        "#+begin_export html\n<u>x</u>\n#+end_export",
        "raw html is not supported: <u>x</u>",
    ),
    "raw latex": (r"A @@latex:\input{x}@@ word.", r"raw latex is not supported: \input{x}"),
    "other environment": (
        "\\begin{verbatim}\n<b>\n\\end{verbatim}",
        r"raw latex is not supported: \begin{verbatim}",
    ),
    "citation": ("As in [cite:@x].", "a citation is not supported; write a link"),
    "script link": (
        "[[javascript:alert(1)][x]]",
        "a link begins with https:// or #, and this one is javascript:alert(1)",
    ),
    "data link": (
        "[[data:text/html,x][x]]",
        "a link begins with https:// or #, and this one is data:text/html,x",
    ),
    "plain link": (
        "[[http://a.b][x]]",
        "a link begins with https:// or #, and this one is http://a.b",
    ),
    "file link": ("[[file:x.org][x]]", "a link begins with https:// or #, and this one is x.org"),
    "attribute of a table": (
        "#+attr_html: :onclick alert(1)\n| a |",
        "the attribute :onclick is not supported",
    ),
    "attribute of a list": (
        "#+attr_html: :alt x :style x\n- a",
        "the attribute :style is not supported",
    ),
    "attribute of a figure": (
        FIGURE.format("a").replace(":alt", ":onload x :alt").strip(),
        "the attribute :onload is not supported",
    ),
    "our own class": ("#+begin_block\nWords.\n#+end_block", "#+begin_block is not supported"),
    "a special block": ("#+begin_center\nx\n#+end_center", "#+begin_center is not supported"),
    "one in capitals": ("#+BEGIN_NOTE\nWords.\n#+END_NOTE", "#+begin_NOTE is not supported"),
    "one that pandoc moves": (
        "#+begin_abstract\nWords.\n#+end_abstract",
        "#+begin_abstract is not supported",
    ),
    "one that begins like ours": (
        "#+begin_questions\nx\n#+end_questions",
        "#+begin_questions is not supported",
    ),
    "one in a list": ("- a\n  #+begin_note\n  x\n  #+end_note", "#+begin_note is not supported"),
    "a drawer": (":NOTES:\nWords.\n:END:", "the drawer :NOTES: is not supported"),
    "tag": ("** Part :tag:", "a heading with a tag or a state is not supported"),
    "state": ("** TODO Part", "a heading with a tag or a state is not supported"),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_may_not_reach_a_page(tmp_path, text, problem):
    line = refusal(tmp_path, f"* One\n\n{text}\n")
    assert line.partition(": ")[2] == problem
    assert line.partition(": ")[0] in ("post.org:6", "post.org:7")


def test_a_macro_cannot_bring_in_what_is_refused(tmp_path):
    header = HEADER + "#+macro: bold @@html:<b>$1</b>@@\n"
    line = refusal(tmp_path, "* One\n{{{bold(x)}}}\n", header)
    assert line.endswith("raw html is not supported: <b>x</b>")
    header = HEADER.replace("Tests", "Tests @@html:<b>x</b>@@")
    assert refusal(tmp_path, "* One\n", header) == (
        "post.org:1: raw html is not supported: <b>x</b>"
    )


def test_what_is_refused_may_stand_in_code(tmp_path):
    code = "'<b>' '@@html:<b>@@' '[cite:@x]' '#+include: x'"
    text = chapter("One", "a", block(f"print({code!r})") + f"Say ={code[:20]}=.\n: {code}\n")
    assert blocks_in(woven(tmp_path, text))[0][1] == code + "\n"


def test_what_was_tangled_before_does_not_matter(tmp_path):
    """Only the Org file says which scripts there are."""
    write(tmp_path, chapter("One", "a", block("print(1)")))
    run(tmp_path)
    post = woven(tmp_path, chapter("Two", "b", block("print(2)")))
    assert [path.name for path in post.runs] == ["b.py"]
