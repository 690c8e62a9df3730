"""Exercises as a user meets them: a copy of the project, make exercises, some solved, some not.

In the copy there are those that import no torch, and one that does: an import of torch takes two
seconds. All others are solved and run as programs, too, forked from one process that has imported
it; each then imports what else it needs. How they stand before, the fast tests say.
"""

import json
import shutil
import subprocess
import sys

from conftest import TANGLED
from making import copy_sources, make

FOLDER = TANGLED / "exercises"
SOLUTIONS = FOLDER / "solutions"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
WITH_TORCH = [name for name in NAMES if "torch" in (FOLDER / f"{name}.py").read_text("utf-8")]
BY_MAKE = [name for name in NAMES if name not in WITH_TORCH[1:]]

# Runs each of some scripts in a fork; prints, as JSON, the status of each and what it printed.
FORKS = """
import json, os, runpy, sys, tempfile, traceback
import torch, torch._dynamo  # the first optimizer would import the latter, which takes long

found = []
for script in sys.argv[1:]:
    with tempfile.TemporaryFile("w+") as file:
        if (child := os.fork()) == 0:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            status, sys.argv[:] = 0, [script]
            try:
                runpy.run_path(script, run_name="__main__")
            except SystemExit as end:
                status = end.code or 0
            except BaseException:
                traceback.print_exc()
                status = 9
            sys.stdout.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        file.seek(0)
        found.append([status, file.read()])
print(json.dumps(found))
"""


def test_there_are_both_kinds():
    assert 5 <= len(BY_MAKE) < len(WITH_TORCH)
    assert {name[:2] for name in BY_MAKE} > {"01"}


def test_those_that_are_solved_are_done_and_the_others_are_copied_and_are_not(tmp_path):
    copy_sources(tmp_path)
    for name in set(NAMES) - set(BY_MAKE):
        (tmp_path / "tangled" / "exercises" / f"{name}.py").unlink()
    left = [name for name in BY_MAKE if name.startswith("01_")]
    solved = [name for name in BY_MAKE if name not in left]
    (tmp_path / "exercises").mkdir()
    for name in solved:
        shutil.copy(SOLUTIONS / f"{name}.py", tmp_path / "exercises")
    run = make(tmp_path, "--old-file=.tangled", "exercises")
    assert (run.returncode, run.stderr) == (0, "")
    copied, *lines, count, following = run.stdout.splitlines()
    assert copied.startswith(f"copied {len(left)} of {len(BY_MAKE)} ")
    assert lines[len(left) :] == [f"{name}: done" for name in solved]
    assert [line.partition(": not yet: ")[0] for line in lines[: len(left)]] == left
    assert "Python stopped" not in run.stdout
    assert "still running" not in run.stdout
    assert count == f"{len(solved)} of {len(BY_MAKE)} done"
    assert following == f"Next: make exercise NAME={left[0]}"


def test_a_solution_is_a_program_that_imports_what_it_needs(tmp_path):
    scripts = [shutil.copy(SOLUTIONS / f"{name}.py", tmp_path) for name in NAMES]
    command = [sys.executable, "-c", FORKS, *map(str, scripts)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    for name, (status, printed) in zip(NAMES, json.loads(run.stdout), strict=True):
        assert (status, printed.splitlines()[-1:]) == (0, [f"{name}: done"]), printed
