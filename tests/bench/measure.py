"""Turns: each side of a row works in turn, and the median of its times counts."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

ROUNDS = 5
LONG_ROUNDS = 3  # where a round takes minutes: the fewest of which one may be disturbed


class Taken(NamedTuple):
    """What a side's work took, and how good it is where that can be said."""

    seconds: float
    test_mse: float | None = None


Side = Callable[[], Taken]


class Row(NamedTuple):
    """A line of the table: its name, and a function that returns our side, then another or none."""

    name: str
    sides: Callable[[], list[Side]]
    long: bool = False

    def rounds(self, asked: int | None = None) -> int:
        """Return how many rounds are measured."""
        return asked or (LONG_ROUNDS if self.long else ROUNDS)


def timed(call: Callable[[], object], times: int = 1) -> Side:
    """Return a side that makes a call; what it took is divided by the times that the call works."""

    def side() -> Taken:
        start = time.perf_counter()
        call()
        return Taken((time.perf_counter() - start) / times)

    return side


def median(values: list[float | None]) -> float | None:
    """Return the median of numbers, None of none."""
    return None if None in values else statistics.median(values)


def medians(sides: list[Side], rounds: int, warm: bool) -> list[Taken]:
    """Return the medians of each side; they take turns, after an unmeasured one where warm."""
    if warm:
        for side in sides:
            side()
    turns = [[side() for side in sides] for _ in range(rounds)]
    return [Taken(*map(median, zip(*takes, strict=True))) for takes in zip(*turns, strict=True)]
