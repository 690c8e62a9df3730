"""13_log_uniform: mend draws that leave out the small learning rates.

draw(low, high, n, generator) returns n learning rates between low and high, an array of the shape
(n,), each drawn anew by the generator. Equal factors should be equally likely: as many rates
between 0.001 and 0.01 as between 0.01 and 0.1. But nearly all rates are about as large as high, and
the small ones are never tried.
"""

import numpy as np


def draw(low: float, high: float, n: int, generator: np.random.Generator) -> np.ndarray:
    """Return n random learning rates between low and high."""
    return generator.uniform(low, high, n)


# --- The check. Leave the rest as it is.
def check() -> None:
    """Draw from three ranges, and count the rates below nine places in each."""
    for low, high in ((0.0001, 0.5), (0.00001, 10.0), (2.0, 80.0)):
        rates, again = (draw(low, high, 4000, np.random.default_rng(1)) for _ in range(2))
        other = draw(low, high, 4000, np.random.default_rng(2))
        kind, where = type(rates).__name__, f"rates from {low:g} to {high:g}"
        assert isinstance(rates, np.ndarray), f"draw returned a {kind}, where an array was expected"
        assert rates.shape == (4000,), f"4000 rates were asked for, the shape is {rates.shape}"
        smallest, largest = rates.min(), rates.max()
        inside = low * 0.999 < smallest and largest < high * 1.001
        assert inside, f"{where}: they go from {smallest:.4g} to {largest:.4g}"
        shares = np.linspace(0.1, 0.9, 9)
        places = low * (high / low) ** shares
        found = (rates[:, None] < places).mean(axis=0)
        worst = np.abs(found - shares).argmax()
        known = f"{where}: {found[worst]:.1%} are below {places[worst]:.2g}"
        miss = abs(found[worst] - shares[worst])
        assert miss < 0.03, f"{known}, where {shares[worst]:.0%} should be"
        assert np.array_equal(rates, again), "the same generator gave other rates the second time"
        shared = len(np.intersect1d(rates, other))
        assert shared == 0, f"{where}: two seeds have {shared} rates in common"
        assert len(np.unique(rates)) == 4000, f"{where}: some of the 4000 are equal"


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
    run_check("13_log_uniform", check)
