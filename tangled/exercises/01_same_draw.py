"""01_same_draw: mend an experiment whose repetitions are all the same.

repeat(seed, times, n) draws n noisy labels, with a noise of 0.1 about the value 1, and takes their
mean; it does so as often as times says and returns the means, an array of the shape (times,). It
finds that they do not spread at all. The same seed must still give the same means again, and two
seeds must have no draw in common.
"""

import numpy as np


def mean_label(seed: int, n: int) -> float:
    """Return the mean of n labels with normal noise about 1."""
    np.random.seed(seed)
    return (1 + 0.1 * np.random.randn(n)).mean()


def repeat(seed: int, times: int, n: int) -> np.ndarray:
    """Return the means of that many sets of n labels, each set drawn anew."""
    return np.array([mean_label(seed, n) for _ in range(times)])


# --- The check. Leave the rest as it is.
def check() -> None:
    """Repeat the experiment, look at the spread, and repeat it all with two seeds."""
    first, other = repeat(1, 400, 25), repeat(2, 400, 25)
    assert isinstance(first, np.ndarray), f"repeat returned a {type(first).__name__}, no array"
    assert first.shape == (400,), f"400 means were asked for, the shape is {first.shape}"
    different = len(np.unique(first))
    assert different == 400, f"of 400 means only {different} are different"
    assert np.array_equal(first, repeat(1, 400, 25)), "seed 1 gave other means the second time"
    shared = len(np.intersect1d(first, other))
    assert shared == 0, f"seeds 1 and 2 have {shared} of their 400 means in common"
    for n, low, high in ((25, 0.017, 0.023), (100, 0.0085, 0.0115)):
        spread, wide = np.std(repeat(3, 400, n)), "too wide or too narrow"
        assert low < spread < high, f"means of {n} labels spread by {spread:.4f}: {wide}"


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
    run_check("01_same_draw", check)
