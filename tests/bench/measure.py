"""Two calls, in turn, and how long each takes."""

import statistics
import time
from collections.abc import Callable

ROUNDS = 5

Pair = tuple[Callable[[], object], Callable[[], object]]


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def medians(pair: Pair) -> list[float]:
    """Return the median of the times of each call; they take turns, after one turn unmeasured."""
    for call in pair:
        call()
    rounds = [[seconds(call) for call in pair] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def row(name: str, first: float, second: float) -> str:
    """Return a line of the table: both times in a fitting unit, and how they compare."""
    unit, factor = ("s", 1) if max(first, second) >= 1 else ("ms", 1000)
    times = f"{first * factor:.3g} {unit} | {second * factor:.3g} {unit}"
    return f"| {name} | {times} | {second / first:.1f} times as long |"
