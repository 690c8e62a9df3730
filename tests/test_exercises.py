"""The exercises of the post: each fails as it stands, its solution passes, wrong answers do not.

Wrong answers stand in tests/wrong_answers/, a file for each chapter. Exercises run here in this
process, from their text.
"""

import ast
import contextlib
import importlib.util
import io
import re
import signal
import sys
import warnings
from types import ModuleType

import pytest

from conftest import POST, ROOT, TANGLED
from literate.folds import fold_lines
from literate.org import read_blocks

EXERCISES = sorted((TANGLED / "exercises").glob("*.py"))
SOLUTIONS = TANGLED / "exercises" / "solutions"
NAMES = [path.stem for path in EXERCISES]
EACH = pytest.mark.parametrize("name", NAMES)
LIMIT = 60  # seconds, after which a wrong answer is stopped
CHAPTERS = {
    part.partition(".")[0]: part
    for part in re.split(r"^\* ", POST, flags=re.MULTILINE)[1:]
    if part[0].isdigit()
}
ALL_BLOCKS = read_blocks(POST)[0]
BLOCKS = {block.name: block for block in ALL_BLOCKS if block.name}
FILES = sorted((ROOT / "tests" / "wrong_answers").glob("chapter_*.py"))


def wrong_answers():
    """Return the wrong answers of all chapters, by the exercise."""
    found = {}
    for path in FILES:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert {f"chapter_{name[:2]}" for name in module.WRONG} <= {path.stem}, path.name
        found |= module.WRONG
    return found


WRONG = wrong_answers()


def texts(name):
    """Return the text of an exercise and that of its solution."""
    exercise, solution = TANGLED / "exercises" / f"{name}.py", SOLUTIONS / f"{name}.py"
    return exercise.read_text(encoding="utf-8"), solution.read_text(encoding="utf-8")


def stop(_signal, _frame):
    """Stop an exercise that takes too long."""
    raise TimeoutError(f"no end after {LIMIT} seconds")


def run(name, text, folder, action="ignore"):
    """Run the text of an exercise in this process; return the exit status and what it printed."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    module, out = ModuleType("exercise"), io.StringIO()
    module.__file__ = str(path)
    before, old = sys.modules.get("exercise"), signal.signal(signal.SIGALRM, stop)
    sys.modules["exercise"] = module
    signal.alarm(LIMIT)
    status = 0
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter(action)
            exec(compile(text, str(path), "exec"), vars(module))
            try:
                module.run_check(name, module.check)
            except SystemExit as error:
                status = error.code
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        del sys.modules["exercise"]
        if before:
            sys.modules["exercise"] = before
    return status, out.getvalue()


def verdict_of(name, text, folder):
    """Return what the check says of a text that is not yet right."""
    status, out = run(name, text, folder)
    last = out.strip().split("\n")[-1]
    assert (status, last.partition(": not yet: ")[0]) == (1, name), f"{status}: {out}"
    assert "Traceback" not in out
    assert not last.startswith(f"{name}: not yet: the check stopped"), last
    return last.removeprefix(f"{name}: not yet: ")


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


def changed(text, pairs):
    """Return a text with the first of each pair, which it holds once, replaced by the second."""
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert text.count(old) == 1, f"the solution holds this {text.count(old)} times: {old}"
        text = text.replace(old, new)
    return text


CASES = [(name, number) for name, answers in WRONG.items() for number in range(len(answers))]


@pytest.mark.parametrize(("name", "number"), CASES, ids=lambda value: str(value))
def test_a_wrong_answer_fails_with_one_line(name, number, tmp_path):
    exercise, solution = texts(name)
    answer = changed(solution, WRONG[name][number])
    assert answer not in (exercise, solution)
    verdict_of(name, answer, tmp_path)


# For some answers, what the line must hold: a learner without it would look in the wrong place.
HOLDS = {
    "10_uneven": (
        ["samples += len(x)\n", "samples = len(loader.dataset)\n"],
        "80 examples in batches of 30, the last one left out: an error of ",
    ),
    "12_ring": (
        ["+ piece if adding else piece", "+ piece"],
        "3 processes, 12 numbers each: rank 0 ends with the sum in its pieces [2], not in [0, 1]",
    ),
}


@pytest.mark.parametrize("name", HOLDS)
def test_the_line_of_a_wrong_answer_says_where_to_look(name, tmp_path):
    pairs, said = HOLDS[name]
    assert said in verdict_of(name, changed(texts(name)[1], pairs), tmp_path)


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
