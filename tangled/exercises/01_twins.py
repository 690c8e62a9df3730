"""01_twins: mend a split that lets the training set into the validation set.

Each thing was measured several times: ids holds, for each row of a table, the number of the thing
that was measured. split(ids, seed) returns the numbers of the rows to learn from and of the rows
to check with. A fifth of the things, drawn by the seed, should be kept back with all their rows,
so that the model is checked on things that it has never seen. But it has seen most of them.
"""

import numpy as np


def split(ids: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the training set and those of the validation set."""
    np.random.seed(seed)
    rows = np.arange(len(ids))
    np.random.shuffle(rows)
    fifth = len(rows) // 5
    return rows[fifth:], rows[:fifth]


# --- The check. Leave the rest as it is.
def check() -> None:
    """Split two tables, and look for things that are in both sets."""
    np.random.seed(1)
    for things, most in ((50, 4), (35, 9)):
        ids = 100 + np.repeat(np.arange(things), np.random.randint(1, most, things))
        np.random.shuffle(ids)
        sets = split(ids, 3)
        assert isinstance(sets, tuple | list), f"split returned a {type(sets).__name__}, no pair"
        assert len(sets) == 2, f"split returned {len(sets)} sets, where two were asked for"
        train, val = np.asarray(sets[0]), np.asarray(sets[1])
        whole = train.ndim == val.ndim == 1 and train.dtype.kind == val.dtype.kind == "i"
        assert whole, "split should return two lists of row numbers"
        both = sorted([*train, *val])
        lost = len(ids) - len(set(both))
        assert lost == 0, f"{lost} of the {len(ids)} rows are in neither set"
        assert both == list(range(len(ids))), "rows are in the sets twice, or not in the table"
        seen = len(np.intersect1d(ids[train], ids[val]))
        kept = len(np.unique(ids[val]))
        assert seen == 0, f"of {kept} things in the validation set {seen} were learned from, too"
        assert kept == things // 5, f"{kept} of the {things} things are kept back, not a fifth"
        assert np.array_equal(val, split(ids, 3)[1]), "the same seed does not give the same split"
        other = ids[split(ids, 4)[1]]
        assert set(other) != set(ids[val]), "seeds 3 and 4 keep back the very same things"
        order = np.unique(ids)
        ends = {*order[:kept]}, {*order[-kept:]}
        assert set(ids[val]) not in ends, "the things kept back are the first or the last ones"


import sys
import traceback
from collections.abc import Callable


def run_check(exercise: str, check: Callable[[], None]) -> None:
    """Say in one line whether an exercise is done; if it is not, end with status 1."""
    verdict = "done"
    try:
        check()
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        here = [frame for frame in frames if frame.filename == check.__code__.co_filename][-1]
        problem = f"{type(error).__name__}: {error}, in line {here.lineno}"
        if isinstance(error, AssertionError) and frames[-1].name == "check":
            problem = str(error)
        elif here.name == "check":
            problem = f"the check stopped at {problem}"
        else:
            problem = f"your code raised {problem}"
        verdict = f"not yet: {' '.join(problem.split())}"
    print(f"{exercise}: {verdict}")
    if verdict != "done" and not hasattr(sys, "ps1"):  # a notebook goes on
        sys.exit(1)


if __name__ == "__main__":
    run_check("01_twins", check)
