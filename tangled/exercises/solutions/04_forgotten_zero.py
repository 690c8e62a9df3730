"""04_forgotten_zero: mend a loop that never comes to rest.

fit(x, y) takes 80 points, x and y of shape (80, 1), and should return a and b of the best line
after 1000 steps. But ask it for 900, 950 and 1000 steps, and you get three different lines.
"""

import torch
from torch import Tensor


def fit(x: Tensor, y: Tensor, steps: int = 1000) -> tuple[float, float]:
    """Return a and b of the line y = a + b x with the smallest mean squared error."""
    a = torch.zeros(1, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for _ in range(steps):
        loss = ((a + b * x - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            a -= 0.1 * a.grad
            b -= 0.1 * b.grad
            a.grad.zero_()
            b.grad.zero_()
    return a.item(), b.item()


# --- The check. Leave the rest as it is.
def check() -> None:
    """Fit points that lie on a line, and look where the fit ends and how it sets out."""
    x = torch.linspace(0, 1, 80).view(80, 1)
    for true_a, true_b in ((1, 2), (-3, 0.5)):
        y = true_a + true_b * x
        a, b = fit(x, y)
        found = f"a = {a:.4f}, b = {b:.4f}"
        miss = max(abs(a - true_a), abs(b - true_b))
        assert miss < 0.01, f"the line was a = {true_a}, b = {true_b}, and fit returned {found}"
    a, b = fit(x, y, steps=2)
    by_hand = torch.zeros(2)
    for _ in range(2):
        error = by_hand[0] + by_hand[1] * x - y
        by_hand -= 0.1 * torch.stack([2 * error.mean(), 2 * (error * x).mean()])
    miss = max(abs(a - by_hand[0]), abs(b - by_hand[1]))
    assert miss < 1e-4, "the end is right, but the second step is not along its own gradient"


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
    run_check("04_forgotten_zero", check)
