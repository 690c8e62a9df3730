"""06_first_step: mend an Adam that sets out with too long a step.

adam_path(gradients, rate) takes the gradients that a parameter gets, one number for each step, and
returns where it is after each step, as a list; it begins at 0. The path should be Adam's, with
betas of 0.9 and 0.999 and an epsilon of 1e-8. After a few thousand steps it goes as Adam does, but
the first step is three times the rate, and the second is longer still.
"""

import torch
from torch import optim


def adam_path(gradients: list[float], rate: float) -> list[float]:
    """Return where a parameter that begins at 0 is after each step of Adam."""
    place, mean, square = 0.0, 0.0, 0.0
    path = []
    for steps, gradient in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected_mean, corrected_square = mean / (1 - 0.9**steps), square / (1 - 0.999**steps)
        place -= rate * corrected_mean / (corrected_square**0.5 + 1e-8)
        path.append(place)
    return path


# --- The check. Leave the rest as it is.
def check() -> None:
    """Compare with PyTorch's Adam, along gradients that stay, that change and that are tiny."""
    torch.manual_seed(1)
    changing, tiny = torch.randn(40).tolist(), [1e-8, 3e-8, -2e-8, 1e-8]
    for gradients, rate in (([5.0] * 3, 0.1), (changing, 0.02), ([-900.0] * 40, 0.5), (tiny, 0.1)):
        path = adam_path(gradients, rate)
        assert isinstance(path, list), f"adam_path returned a {type(path).__name__}, not a list"
        assert len(path) == len(gradients), f"{len(gradients)} steps became {len(path)} places"
        parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        optimizer = optim.Adam([parameter], lr=rate)
        before = theirs_before = 0.0
        for step, (gradient, place) in enumerate(zip(gradients, path, strict=True), start=1):
            parameter.grad = torch.full_like(parameter, gradient)
            optimizer.step()
            theirs = parameter.item()
            ours, should = abs(place - before), abs(theirs - theirs_before)
            found = f"rate {rate}, step {step}: {ours:.4f} long, where Adam's is {should:.4f}"
            assert abs(ours - should) < 1e-6, found
            assert abs(place - theirs) < 1e-5, f"rate {rate}: step {step} goes the wrong way"
            before, theirs_before = place, theirs


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
    run_check("06_first_step", check)
