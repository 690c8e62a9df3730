"""04_overwritten: mend the backward walk of a small tape.

Value is a number that remembers its sources, each with its derivative. backward(result) should
set the grad of result to 1 and that of every value behind it to the derivative of result by it.
It does for a * b, but not for x * x. values_behind lists the values behind a result in an order
in which sources come first.
"""


class Value:
    """A number that remembers what it was computed from: pairs (source, derivative)."""

    def __init__(self, data: float, *sources: tuple) -> None:
        self.data, self.sources, self.grad = data, sources, 0

    def __add__(self, other: "Value") -> "Value":
        return Value(self.data + other.data, (self, 1), (other, 1))

    def __mul__(self, other: "Value") -> "Value":
        return Value(self.data * other.data, (self, other.data), (other, self.data))


def values_behind(result: Value) -> list[Value]:
    """Return a value and all behind it, each after its sources."""
    listed = []
    for source, _ in result.sources:
        listed += [value for value in values_behind(source) if value not in listed]
    return [*listed, result]


def backward(result: Value) -> None:
    """Set the grad of a value, and of all behind it, to the derivative of the value by each."""
    result.grad = 1
    for value in reversed(values_behind(result)):
        for source, derivative in value.sources:
            source.grad = derivative * value.grad


# --- The check. Leave the rest as it is.
def check() -> None:
    """Compare with derivatives known from school, in graphs that branch and join again."""
    for x in (3, -2):
        a, b = Value(x), Value(5)
        c = a * b
        square, twice = a * a, b + b
        again = twice * twice + a
        cases = (
            ("a by a", a, a, 1),
            ("a * b by b", c, b, x),
            ("a + a by a", a + a, a, 2),
            ("a * a by a", square, a, 2 * x),
            ("a * a * a by a", square * a, a, 3 * x**2),
            ("(b + b) ** 2 + a by b", again, b, 40),
            ("(b + b) ** 2 + a by a", again, a, 1),
            ("a * b by a, a second time", c, a, 5),
        )
        for words, result, by, expected in cases:
            backward(result)
            found = f"the derivative of {words} became {by.grad}"
            assert by.grad == expected, f"{found}, where a = {x} and b = 5"


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
    run_check("04_overwritten", check)
