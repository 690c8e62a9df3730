"""The table: a line for each row, in Markdown, and where README.md has it."""

import re

from bench.measure import Taken

TIMES = "| what | ours | the other | ours takes | rounds |", "|---|---|---|---|---|"
PEAKS = "| script | peak memory |", "|---|---|"
BEGIN, END = "<!-- make bench README=1 writes this -->", "<!-- until here -->"


def shown(taken: Taken) -> str:
    """Return a time in seconds or milliseconds, with the test loss where there is one."""
    small = taken.seconds < 1
    text = f"{taken.seconds * 1000:.3g} ms" if small else f"{taken.seconds:.3g} s"
    return text if taken.test_mse is None else f"{text}, test MSE {taken.test_mse:.5f}"


def ratio(ours: Taken, other: Taken) -> str:
    """Say how long ours takes beside the other."""
    if ours.seconds >= other.seconds:
        return f"{ours.seconds / other.seconds:.2g} times as long"
    return f"1/{other.seconds / ours.seconds:.2g} of the time"


def line(name: str, taken: list[Taken], rounds: int) -> str:
    """Return a line of the first table; the other side and the comparison stay empty without it."""
    other, compared = (shown(taken[1]), ratio(*taken)) if len(taken) > 1 else ("", "")
    return f"| {name} | {shown(taken[0])} | {other} | {compared} | {rounds} |"


def worse(taken: list[Taken]) -> bool:
    """Tell whether our side ends at a higher test loss than the other."""
    losses = [side.test_mse for side in taken]
    return len(losses) > 1 and None not in losses and losses[0] > losses[1]


def into_readme(readme: str, tables: str) -> str:
    """Return a README with what stands between its two marks replaced; ValueError without them."""
    between = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)
    if len(between.findall(readme)) != 1:
        raise ValueError(f"README.md needs the marks {BEGIN} and {END}, once")
    return between.sub(lambda _: f"{BEGIN}\n{tables.strip()}\n\n{END}", readme)
