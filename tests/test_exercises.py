"""The exercises of the post: each fails as it stands, and its solution passes.

tests/long/test_wrong_answers.py tries wrong answers, too.
"""

import ast
import re

import pytest

from answers import NAMES, WRONG, run, texts, verdict_of
from conftest import POST
from literate.folds import fold_lines
from literate.org import read_blocks

EACH = pytest.mark.parametrize("name", NAMES)
CHAPTERS = {
    part.partition(".")[0]: part
    for part in re.split(r"^\* ", POST, flags=re.MULTILINE)[1:]
    if part[0].isdigit()
}
ALL_BLOCKS = read_blocks(POST)[0]
BLOCKS = {block.name: block for block in ALL_BLOCKS if block.name}


@EACH
def test_an_exercise_fails_with_one_line_that_says_what_is_wrong(name, tmp_path):
    exercise, solution = texts(name)
    verdict = verdict_of(name, exercise, tmp_path)
    assert len(verdict.split()) >= 4
    assert len(verdict) <= 200
    given = {line.strip() for line in exercise.split("\n")}
    for line in {line.strip() for line in solution.split("\n")} - given:
        assert line not in verdict


@EACH
def test_a_solution_passes_without_a_warning(name, tmp_path):
    status, out = run(name, texts(name)[1], tmp_path, action="error")
    assert (status, out.strip().split("\n")[-1]) == (0, f"{name}: done"), out


def test_every_exercise_has_three_wrong_answers():
    assert {name: len(WRONG.get(name, ())) for name in NAMES if len(WRONG.get(name, ())) < 3} == {}
    assert set(WRONG) <= set(NAMES)


# --- how they stand in the post


def section_of(name):
    """Return the section of an exercise's chapter in which the exercises stand."""
    chapter = CHAPTERS[str(int(name[:2]))]
    title, _, section = chapter.rpartition("\n** ")[2].partition("\n")
    assert title == "Exercises", f"the last section of chapter {name[:2]} is '{title}'"
    return section


@EACH
def test_an_exercise_stands_in_its_chapter_and_has_all_its_parts_in_order(name):
    section = section_of(name)
    parts = [
        f"\n={name}=. ",
        f"\n#+name: spec-{name}\n#+begin_src python :tangle no\n",
        f"\n#+begin_src python :tangle tangled/exercises/{name}.py\n",
        f"\n#+name: check-{name}\n#+begin_src python :tangle no\n",
        "\n#+begin_hint\n",
        "\n#+begin_solution\n",
        f"\n#+begin_src python :tangle tangled/exercises/solutions/{name}.py\n",
        "\n#+end_solution",
    ]
    place = 0
    for part in parts:
        assert section.count(part) == 1 or name not in part, part
        place = section.find(part, place)
        assert place >= 0, part
    own = section[section.index(parts[0]) :].split("#+end_solution")[0]
    assert [fold.kind for fold in fold_lines(own + "#+end_solution")] == ["hint", "solution"]
    assert re.search(r"#\+begin_solution\n[^#\n]", own), "a solution begins with why"


@EACH
def test_an_exercise_says_what_it_asks_and_ends_with_the_check(name):
    first, _, rest = ast.get_docstring(ast.parse(texts(name)[0])).partition("\n")
    assert re.fullmatch(rf"{name}: [a-z].*\.", first), first
    assert len(rest.split()) >= 15
    check = BLOCKS[f"check-{name}"].body
    marker, guard = "# --- The check. Leave the rest as it is.", 'if __name__ == "__main__":'
    assert check[:2] == (marker, "def check() -> None:")
    assert check[-5:] == ("<<run-check>>", "", "", guard, f'    run_check("{name}", check)')


@EACH
def test_what_is_the_learner_s_runs_when_the_check_calls_it(name):
    """So its errors become the check's one line."""
    defines = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    for folder in ("", "solutions/"):
        target = f"tangled/exercises/{folder}{name}.py"
        (block,) = (one for one in ALL_BLOCKS if one.arguments["tangle"] == target)
        for node in ast.parse("\n".join(block.body[1:-1])).body:
            assert isinstance(node, defines), f"line {node.lineno}: put this into a function"


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_chapter_has_two_to_four(number):
    count = sum(int(name[:2]) == int(number) for name in NAMES)
    assert count <= 4
    assert count >= 2


def test_there_are_about_forty():
    assert 35 <= len(NAMES) <= 45
