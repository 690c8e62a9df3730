"""Exercises in the Org file: in the woven document, on the page, in notebooks; what is refused."""

import contextlib
import json
import re

import pytest

from literate.notebooks import notebooks
from posts import HEADER, block, chapter, page, plain, refusal, woven, write

START = HEADER.count("\n") + 1  # the line in which the text of a post begins
SPEC = block('"""02_x: mend it."""\n\nSIZE = 80', ":tangle no", "spec-02_x")
CHECK = block("def check() -> None:\n    assert f() == SIZE", ":tangle no", "check-02_x")
STUB = block(
    "<<spec-02_x>>\n\n\ndef f():\n    return 79\n\n\n<<check-02_x>>",
    ":tangle tangled/exercises/02_x.py",
)
MENDED = block(
    "<<spec-02_x>>\n\n\ndef f():\n    return 80\n\n\n<<check-02_x>>",
    ":tangle tangled/exercises/solutions/02_x.py",
)
HINT = "#+begin_hint\nLook at =SIZE=.\n#+end_hint\n\n"
SOLUTION = f"#+begin_solution\nIt was one too low.\n\n{MENDED}#+end_solution\n\n"
PARTS = f"=02_x=. Mend it.\n\n{SPEC}{STUB}{CHECK}{HINT}{SOLUTION}"


def post(parts=PARTS, prose=""):
    """Return the Org text of a chapter with an exercise."""
    section = f"** Code\n{block('# %% Code')}{block('print(7)')}** Exercises\n\n"
    return chapter("Two", "02_two", f"{prose}\n\n{section}{parts}")


def test_what_an_exercise_is_in_the_document(tmp_path):
    made = woven(tmp_path, post())
    divs = [node["c"] for node in made.document["blocks"] if node["t"] == "Div"]
    kinds = [classes for (_, classes, _), _ in divs]
    tasks = [["block", "spec"], ["block", "exercise"], ["block", "check"], ["hint"], ["solution"]]
    assert kinds[-5:] == tasks
    (_, classes, _), (code,) = divs[-1][1][1]["c"]
    assert classes == ["block", "mended"]
    assert code["c"][1] == "def f():\n    return 80"
    assert [path.name for path in made.scripts] == ["02_two.py"]
    assert [str(path.relative_to(tmp_path)) for path in made.tasks] == [
        "tangled/exercises/02_x.py",
        "tangled/exercises/solutions/02_x.py",
    ]
    assert made.users_of("spec-02_x") == []


def test_hint_solution_and_check_fold_on_the_page(tmp_path):
    html = page(tmp_path, post())
    folds = re.findall(r'<details class="(\S+)"><summary>\s*(.*?)\s*</summary>', html, re.S)
    assert [(kind, plain(label).strip()) for kind, label in folds] == [
        ("set-up", "Check"),
        ("hint", "Hint"),
        ("solution", "Solution"),
    ]
    assert html.count('id="02_x.py"') == 1
    assert html.count('download="02_x.py"') == 1
    assert re.search(r'<p class="script" id="02_x.py">.*?</p>\s*<div class="block">', html, re.S), (
        "the exercise is there to download, right above it"
    )
    solution = html.split('class="solution"')[1].split("</details>")[0]
    assert "&lt;&lt;" not in solution
    assert "It was one too low." in solution
    assert html.count("</details>") == html.count("<details") == 4  # and the contents


def test_in_a_notebook_the_exercise_is_a_cell_and_the_rest_folds(tmp_path):
    (tmp_path / "requirements.in").write_text("")
    write(tmp_path, post())
    with contextlib.chdir(tmp_path):
        made = json.loads(notebooks(tmp_path / "post.org")["02_two.ipynb"])
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in made["cells"]]
    script = (tmp_path / "tangled" / "exercises" / "02_x.py").read_text()
    (place,) = (place for place, cell in enumerate(cells) if cell == ("code", script.rstrip()))
    assert made["cells"][place]["outputs"] == []
    assert "=02_x=" not in cells[place - 1][1]
    assert cells[place - 1][1].endswith("`02_x`. Mend it.")
    below = cells[place + 1][1]
    assert re.findall(r"<summary>(.*)</summary>", below) == ["Hint", "Solution"]
    assert "def f():\n    return 80\n```\n\n</details>" in below
    assert "<<" not in "".join(text for kind, text in cells if kind == "markdown")
    assert len(cells) == place + 2


def test_the_address_of_an_exercise_is_its_own(tmp_path):
    text = post() + "* Three\n:PROPERTIES:\n:CUSTOM_ID: 02_x.py\n:END:\n"
    assert refusal(tmp_path, text).endswith("two things have the address '02_x.py'")


@pytest.mark.parametrize("number", [79, 80])
def test_numbers_in_prose_may_stand_in_the_exercise_or_its_solution(tmp_path, number):
    page(tmp_path, post(prose=f"There are {number}."))


def test_other_numbers_may_not(tmp_path):
    text = post(PARTS.replace("one too low", "81 too low"))
    assert refusal(tmp_path, text).endswith("no script of this chapter prints or states 81")
    text = post(PARTS.replace("Mend it.\n", "Mend 02.\n", 1).replace("SIZE = 80", 'SIZE = "80"'))
    write(tmp_path, text)


def test_a_solution_that_changed_since_it_was_tangled_is_refused(tmp_path):
    page(tmp_path, post())
    script = tmp_path / "tangled" / "exercises" / "solutions" / "02_x.py"
    script.write_text(script.read_text() + "\n")
    said = "tangled/exercises/solutions/02_x.py is not what post.org says; 'make tangle' writes it"
    assert refusal(tmp_path) == said


ENDS = "an exercise begins with <<spec-02_x>> and ends with <<check-02_x>>"
OUTSIDE = "a solution stands between #+begin_solution and #+end_solution"
BAD = {
    "no solution": (PARTS.replace(SOLUTION, ""), STUB, "this has no solution of the same name"),
    "no exercise": (PARTS.replace(STUB, ""), MENDED, "this has no exercise of the same name"),
    "no task": (PARTS.replace("<<spec-02_x>>\n\n\ndef f():\n    return 79", "79"), "", ENDS),
    "no check": (PARTS.replace("80\n\n\n<<check-02_x>>", "80"), MENDED.split("\n")[0], ENDS),
    "two blocks": (
        PARTS.replace(HINT, block("f()", ":tangle tangled/exercises/02_x.py")),
        block("f()", ":tangle tangled/exercises/02_x.py"),
        "an exercise is one block, and so is its solution",
    ),
    "a solution to be seen": (PARTS.replace(SOLUTION, MENDED), MENDED, OUTSIDE),
    "a solution in a hint": (
        PARTS.replace(HINT, "").replace("_solution", "_hint"),
        MENDED,
        OUTSIDE,
    ),
    "an exercise that folds": (
        PARTS.replace(STUB, "").replace(MENDED, STUB + MENDED),
        STUB,
        "only the solution folds away in a solution",
    ),
    "an empty hint": (
        PARTS.replace("Look at =SIZE=.", "\n"),
        "#+begin_hint",
        "this hint is empty",
    ),
    "a hint without an end": (
        PARTS.replace("#+end_hint\n", ""),
        "#+begin_hint",
        "this #+begin_hint has no #+end_hint before line ",
    ),
    "the end of another": (
        PARTS.replace("#+end_hint", "#+end_question"),
        "#+end_question",
        "this #+end_question has no #+begin_question",
    ),
    "a hint in a list": (
        PARTS.replace(HINT, "- a\n  #+begin_hint\n  Look.\n  #+end_hint\n\n"),
        "  #+begin_hint",
        "a hint stands in a section, not in a list or the like",
    ),
    "a solution with a class": (
        PARTS.replace("#+begin_solution", "#+attr_html: :class block\n#+begin_solution"),
        "#+begin_solution",
        "a solution takes no attributes",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_an_exercise_that_lacks_a_part_is_one_line(tmp_path, case):
    parts, place, problem = BAD[case]
    text = post(parts)
    found = refusal(tmp_path, text)
    name, line, said = found.split(":", 2)
    assert name == "post.org"
    assert said.strip().startswith(problem), found
    if place:
        whole = HEADER + text
        assert int(line) == whole[: whole.index(place)].count("\n") + 1, found
