"""make bench: ratios, both sides measured in one run, in turn, medians of five; a Markdown table.

Nothing else should run meanwhile. 'python -m bench tangle' measures only what has that word in
its name.
"""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable

from bench import autoencoder, commands

ROUNDS = 5


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def medians(calls: list[Callable[[], object]]) -> list[float]:
    """Return the median of the times of each call; they take turns, after one turn unmeasured."""
    for call in calls:
        call()
    rounds = [[seconds(call) for call in calls] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def row(name: str, here: float, there: float) -> str:
    """Return a line of the table: both times in a fitting unit, and how they compare."""
    unit, factor = ("s", 1) if max(here, there) >= 1 else ("ms", 1000)
    ratio = f"{there / here:.1f} times as long" if there >= here else f"{there / here:.2f} of it"
    return f"| {name} | {here * factor:.3g} {unit} | {there * factor:.3g} {unit} | {ratio} |"


def main(words: list[str]) -> int:
    """Measure the pairs whose name has one of the words, or all; print them as a table."""
    pairs = {**autoencoder.pairs(), **commands.pairs()}
    chosen = [name for name in pairs if not words or any(word in name for word in words)]
    if not chosen:
        print(
            f"bench: nothing is called {' '.join(words)}; there are: {', '.join(pairs)}",
            file=sys.stderr,
        )
        return 2
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"{platform.system()} on {platform.machine()}, {cores} cores, Python "
        f"{platform.python_version()}, torch {autoencoder.torch.__version__}\n"
    )
    print("| what | first | second | the second takes |")
    print("|---|---|---|---|")
    for name in chosen:
        print(row(name, *medians(pairs[name])), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
