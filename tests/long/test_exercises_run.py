"""All exercises as a user meets them: a copy of the project, make exercises, nearly all solved.

Each runs in a Python of its own, so it imports what it needs. Those of the first chapter are left
as they are, and solved afterwards. How others stand before they are solved, the fast tests say.
"""

import shutil
import subprocess
import sys

from conftest import TANGLED
from making import copy_sources, make

NAMES = sorted(path.stem for path in (TANGLED / "exercises").glob("*.py"))
SOLUTIONS = TANGLED / "exercises" / "solutions"


def test_those_that_are_solved_are_done_and_the_others_are_copied_and_are_not(tmp_path):
    copy_sources(tmp_path)
    left = [name for name in NAMES if name.startswith("01_")]
    solved = [name for name in NAMES if name not in left]
    assert left
    (tmp_path / "exercises").mkdir()
    for name in solved:
        shutil.copy(SOLUTIONS / f"{name}.py", tmp_path / "exercises")
    run = make(tmp_path, "exercises")
    assert (run.returncode, run.stderr) == (0, "")
    copied, *lines, count, following = run.stdout.splitlines()
    assert copied.startswith(f"copied {len(left)} of {len(NAMES)} ")
    assert lines[len(left) :] == [f"{name}: done" for name in solved]
    assert [line.partition(": not yet: ")[0] for line in lines[: len(left)]] == left
    assert "Python stopped" not in run.stdout
    assert "still running" not in run.stdout
    assert count == f"{len(solved)} of {len(NAMES)} done"
    assert following == f"Next: make exercise NAME={left[0]}"
    for name in left:
        script = shutil.copy(SOLUTIONS / f"{name}.py", tmp_path / "exercises")
        run = subprocess.run(
            [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.splitlines()[-1] == f"{name}: done"
