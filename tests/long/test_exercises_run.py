"""All exercises as a new user meets them: a copy of the project, 'make exercises', then solved."""

import shutil

from conftest import TANGLED
from making import copy_sources, make

NAMES = sorted(path.stem for path in (TANGLED / "exercises").glob("*.py"))


def test_none_is_done_and_then_all_are(tmp_path):
    copy_sources(tmp_path)
    first = make(tmp_path, "exercises")
    assert (first.returncode, first.stderr) == (0, "")
    copied, *lines, count, following = first.stdout.splitlines()
    assert copied.startswith(f"copied {len(NAMES)} of {len(NAMES)} ")
    assert [line.partition(": not yet: ")[0] for line in lines] == NAMES
    assert [line for line in lines if "Python stopped" in line or "still running" in line] == []
    assert count == f"0 of {len(NAMES)} done"
    assert following == f"Next: make exercise NAME={NAMES[0]}"
    for solution in (tmp_path / "tangled" / "exercises" / "solutions").glob("*.py"):
        shutil.copy(solution, tmp_path / "exercises")
    second = make(tmp_path, "exercises")
    done = [f"{name}: done" for name in NAMES]
    assert second.stdout.splitlines() == [*done, f"{len(NAMES)} of {len(NAMES)} done"]
    assert (second.returncode, second.stderr) == (0, "")
