"""What the learner runs: copies made once, a line for each exercise, and the check's own line."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from conftest import POST, ROOT
from literate import exercises
from literate.org import index_blocks, read_blocks
from literate.tangle import expand
from orgs import ENVIRONMENT, fails_with_one_line, run

DONE = 'print("something")\nprint("{0}: done")\n'
NOT_YET = 'print("{0}: not yet: it is blue")\nraise SystemExit(1)\n'
BLOCKS = index_blocks(*read_blocks(POST))
RUN_CHECK = "\n".join(line.text for line in expand(BLOCKS["run-check"][0], BLOCKS))


@pytest.fixture
def project(tmp_path):
    """Return a folder with three exercises, one of which is done as it stands."""
    source = tmp_path / "tangled" / "exercises"
    source.mkdir(parents=True)
    (source / "01_one.py").write_text(NOT_YET.format("01_one"))
    (source / "02_two.py").write_text(DONE.format("02_two"))
    (source / "02_three.py").write_text(NOT_YET.format("02_three"))
    return tmp_path


def lines(project, *arguments):
    """Run the exercises; return the lines that this prints."""
    result = run(project, "exercises", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


SHOWN = [
    "01_one: not yet: it is blue",
    "02_three: not yet: it is blue",
    "02_two: done",
    "1 of 3 done",
    "Next: make exercise NAME=01_one",
]


def test_all_are_copied_once_and_run_with_a_line_for_each(project):
    first = lines(project)
    assert first == ["copied 3 of 3 exercises into exercises/: they are yours to change", *SHOWN]
    assert lines(project) == SHOWN
    for source in (project / "tangled" / "exercises").glob("*.py"):
        assert (project / "exercises" / source.name).read_bytes() == source.read_bytes()


def test_what_the_learner_has_is_never_written_again_and_what_is_missing_is(project):
    lines(project)
    own = project / "exercises" / "01_one.py"
    own.write_text(DONE.format("01_one"))
    (project / "exercises" / "02_two.py").unlink()
    (project / "exercises" / "notes.py").write_text("mine")
    (project / "tangled" / "exercises" / "01_one.py").write_text("new")
    shown = lines(project)
    assert shown[0].startswith("copied 1 of 3")
    assert shown[-2:] == ["2 of 3 done", "Next: make exercise NAME=02_three"]
    assert own.read_text() == DONE.format("01_one")
    assert (project / "exercises" / "notes.py").read_text() == "mine"


def test_a_link_that_leads_nowhere_is_left_alone(project):
    lines(project)
    own = project / "exercises" / "01_one.py"
    own.unlink()
    own.symlink_to("nowhere.py")
    assert lines(project)[0].startswith("01_one: not yet: Python stopped at ")
    assert own.is_symlink()
    assert not (project / "exercises" / "nowhere.py").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", "Python stopped at SyntaxError: '(' was never closed, in line 1"),
        ("\n1 / 0\n", "Python stopped at ZeroDivisionError: division by zero, in line 2"),
        ("", "it ended before its check did"),
        ("import os\nos._exit(0)\n", "it ended before its check did"),
        ('print("01_one: done")\nraise SystemExit(1)\n', "it ended before its check did"),
        ('print("01_one: done")\nprint("01_one: not yet: no")\n', "it ended before its check did"),
        ('print("01_one: done, but")\n', "it ended before its check did"),
        ('print("02_two: done")\n', "it ended before its check did"),
        ("import time\ntime.sleep(60)\n", "it was still running after 1 seconds"),
        ("print(b'\\xff')\nimport sys\nsys.stdout.buffer.write(b'\\xff')", "it ended before"),
    ],
)
def test_whatever_happens_is_one_line(project, monkeypatch, text, said):
    monkeypatch.setattr(exercises, "LIMIT", 1)
    lines(project)
    (project / "exercises" / "01_one.py").write_text(text)
    shown = lines(project)
    assert shown[0].startswith(f"01_one: not yet: {said}")
    assert shown[1:] == SHOWN[1:]


BYE = 'import atexit\natexit.register(print, "bye")\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('print("x", end="")\nprint("01_one: done")\n', "done"),
        (f'{BYE}print("01_one: done")\n', "done"),
        (f'{BYE}print("x", end="")\n{NOT_YET.format("01_one")}', "not yet: it is blue"),
        ('print("01_one: not yet: no")\nprint("01_one: done")\n', "done"),
    ],
)
def test_a_verdict_is_found_whatever_stands_around_it(project, text, said):
    lines(project)
    (project / "exercises" / "01_one.py").write_text(text)
    assert lines(project)[0] == f"01_one: {said}"


@pytest.mark.parametrize("channel", ["stdout", "stderr"])
def test_one_that_prints_too_much_is_stopped_and_little_of_it_read(tmp_path, monkeypatch, channel):
    monkeypatch.setattr(exercises, "LIMIT", 10)
    script = tmp_path / "01_one.py"
    prints = (
        f"import sys, time\nfor _ in range(11_000):\n    print('x' * 999, file=sys.{channel})\n"
    )
    script.write_text(f"{prints}sys.{channel}.flush()\ntime.sleep(60)\n")
    ran = exercises.run(script, ENVIRONMENT)
    assert 60_000 < len("".join(ran[1:3])) <= 64 * 1024
    said = "01_one: not yet: it printed more than 10 MB and was stopped"
    assert exercises.line_of("01_one", ran) == said


def test_when_all_are_done_none_is_next(project):
    lines(project)
    for name in ("01_one", "02_three"):
        (project / "exercises" / f"{name}.py").write_text(DONE.format(name))
    assert lines(project)[-1] == "3 of 3 done"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("01_won", "no exercise is named '01_won'; near to it: 01_one, 02_two"),
        ("two", "no exercise is named 'two'; near to it: 02_two"),
        ("02_xyzxyz", "no exercise is named '02_xyzxyz'; 'ls exercises' shows all 3"),
        ("99_foo", "no exercise is named '99_foo'; 'ls exercises' shows all 3"),
        ("", "which one? Name it: make exercise NAME=01_one"),
    ],
)
def test_a_name_that_is_none_is_one_line_with_the_nearest_if_any_is_near(project, name, said):
    lines(project)
    result = run(project, "exercises", name)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"{said}\n")


def test_without_exercises_one_line_says_how_to_get_them(tmp_path):
    said = "tangled/exercises holds no exercises; 'make tangle' writes them"
    assert fails_with_one_line(run(tmp_path, "exercises"), said)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def watched(project, name="01_one"):
    """Watch an exercise; give the process, which ends after 30 seconds."""
    command = [sys.executable, "-u", "-m", "literate", "exercises", name]
    with subprocess.Popen(
        command, cwd=project, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        too_long = threading.Timer(30, process.kill)  # then no line comes any more
        too_long.start()
        yield process
        process.kill()
        too_long.cancel()


def save(path, text, when):
    """Save a file as many editors do: a new one takes its place."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.utime(beside, ns=(1, when))
    beside.replace(path)


def lines_until(process, start):
    """Return the lines that a process prints, to the first with this start."""
    seen = [""]
    while not seen[-1].startswith(start):
        seen.append(process.stdout.readline().decode())
        assert seen[-1], seen
    return seen[1:]


@pytest.mark.parametrize("name", ["01_one", "01_one.py", "exercises/01_one.py"])
def test_one_runs_again_at_each_save_until_ctrl_c(project, name):
    (project / exercises.PAGE).touch()
    with watched(project, name) as process:
        own, seen = project / "exercises" / "01_one.py", []
        for text in (None, "x = (\n", DONE.format("01_one"), DONE.format("01_one") + "\n"):
            if text is not None:
                save(own, text, len(seen))
            seen += [*lines_until(process, "01_one: "), "next"]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    shown = "".join(seen)
    assert (process.returncode, errors, rest.strip()) == (0, b"", b"")
    assert "01_one: not yet: it is blue\n" in shown
    assert shown.count("Hint and solution: pytorch-first-principles.html#01_one.py, ") == 2
    assert "SyntaxError: '(' was never closed\n01_one: not yet: Python stopped at" in shown
    assert shown.endswith("something\n01_one: done\nnext")


def test_a_run_that_still_goes_on_is_stopped_by_a_save(project):
    lines(project)
    own = project / "exercises" / "01_one.py"
    own.write_text("import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(60)\n")
    with watched(project) as process:
        while not (project / "begun").exists():
            time.sleep(0.01)
        save(own, DONE.format("01_one"), 1)
        assert lines_until(process, "01_one: ")[1:] == ["\n", "something\n", "01_one: done\n"]


@pytest.mark.parametrize("text", [DONE.format("01_one"), "import time\ntime.sleep(60)\n"])
def test_a_copy_that_is_deleted_ends_the_watch_with_one_line(project, text):
    lines(project)
    own = project / "exercises" / "01_one.py"
    own.write_text(text)
    with watched(project) as process:
        lines_until(process, "01_one: done" if "done" in text else "exercises/01_one.py: edit")
        own.unlink()
        rest, errors = process.communicate()
    said = b"exercises/01_one.py is gone; the same command brings a fresh one\n"
    assert (process.returncode, rest, errors) == (0, said, b"")
    assert lines(project)[0].startswith("copied 1 of 3 ")


def test_what_an_exercise_prints_ends_before_the_verdict(project):
    lines(project)
    text = f"{BYE}import sys\nprint('x', end='')\nprint('y', end='', file=sys.stderr)\n"
    (project / "exercises" / "01_one.py").write_text(text + DONE.format("01_one"))
    with watched(project) as process:
        shown = lines_until(process, "01_one: ")
    assert "".join(shown[1:]) == "\nxsomething\nbye\ny\n01_one: done\n"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (True, "pytorch-first-principles.html#01_one.py, folded below it"),
        (False, "pytorch-first-principles.org, under 01_one"),
    ],
)
def test_hint_and_solution_are_said_to_be_where_they_are(project, there, said):
    if there:
        (project / exercises.PAGE).touch()
    with watched(project) as process:
        assert lines_until(process, "Hint ")[-1] == f"Hint and solution: {said}\n"


def test_several_run_side_by_side(project):
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core")
    meets = """
import time, pathlib
pathlib.Path("here_{0}").touch()
while not pathlib.Path("here_{1}").exists():
    time.sleep(0.01)
print("{2}: done")
"""
    lines(project)
    for own, other, name in ((1, 2, "01_one"), (2, 1, "02_three")):
        (project / "exercises" / f"{name}.py").write_text(meets.format(own, other, name))
    started = time.monotonic()
    assert lines(project)[-1] == "3 of 3 done"
    assert time.monotonic() - started < exercises.LIMIT


# --- the block that each check brings in


def checked(folder, code, *options):
    """Run a script with this code and run-check, as a learner does."""
    path = folder / "07_x.py"
    end = 'if __name__ == "__main__":\n    run_check("07_x", check)\n'
    path.write_text(f"{code}\n\n\n{RUN_CHECK}\n\n\n{end}")
    return subprocess.run(
        [sys.executable, *options, str(path)], capture_output=True, text=True, check=False
    )


CHECKS = {
    "done": ("def check():\n    pass", "done"),
    "an assertion": ('def check():\n    assert False, "it is\\n 2  high"', "not yet: it is 2 high"),
    "an error": (
        "def f():\n    return 1 / 0\n\n\ndef check():\n    assert f()",
        "not yet: your code raised ZeroDivisionError: division by zero, in line 2",
    ),
    "an error further down": (
        "import json\n\n\ndef f():\n    return json.loads('')\n\n\ndef check():\n    assert f()",
        "not yet: your code raised JSONDecodeError: Expecting value: line 1 column 1 (char 0), "
        "in line 5",
    ),
    "an assertion of the learner's": (
        'def f():\n    assert False, "mine"\n\n\ndef check():\n    assert f()',
        "not yet: your code raised AssertionError: mine, in line 2",
    ),
    "what the check cannot take": (
        "def f():\n    return None\n\n\ndef check():\n    assert f().shape",
        "not yet: the check stopped at AttributeError: 'NoneType' object has no attribute "
        "'shape', in line 6",
    ),
    "an exit": (
        "def f():\n    raise SystemExit(0)\n\n\ndef check():\n    assert f()",
        "not yet: your code raised SystemExit: 0, in line 2",
    ),
    "no end of calls": (
        "def f():\n    return f()\n\n\ndef check():\n    assert f()",
        "not yet: your code raised RecursionError: maximum recursion depth exceeded, in line 2",
    ),
}


@pytest.mark.parametrize("case", CHECKS)
def test_the_check_says_in_one_line_how_things_stand(case, tmp_path):
    code, said = CHECKS[case]
    result = checked(tmp_path, code)
    assert (result.returncode, result.stderr) == (int(said != "done"), "")
    assert result.stdout == f"07_x: {said}\n"


def test_in_a_session_that_goes_on_a_check_ends_nothing(tmp_path):
    code = 'import sys\nsys.ps1 = ">>> "\n\n\ndef check():\n    assert False, "not blue"'
    result = checked(tmp_path, code)
    assert (result.returncode, result.stdout) == (0, "07_x: not yet: not blue\n")


def test_an_exercise_runs_without_the_builder_wherever_it_lies(tmp_path):
    name = "03_penalty"  # which needs no torch, whose import would take two seconds
    text = (ROOT / "tangled" / "exercises" / f"{name}.py").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-I", "mine.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith(f"{name}: not yet: ")
    assert result.stdout.count("\n") == 1
