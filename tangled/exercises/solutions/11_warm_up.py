"""11_warm_up: write the step of a scheduler that rises along a line and falls along a cosine.

The top of a group of parameters is the rate that it had when the scheduler was made. The rates
rise along a straight line: the first step has 1 / n_rise of the top, and step n_rise the top.
They then fall along half a cosine, as in the chapter, and are 0 in step n_rise + n_fall. There they
stay. The first step's rates are set when the scheduler is made, and step() sets those of the next.
"""

import math

import torch
from torch import optim
from torch.optim import Optimizer


class WarmUpCosine:
    """A scheduler: the rate of each group rises to its top, falls to 0 and stays there."""

    def __init__(self, optimizer: Optimizer, n_rise: int, n_fall: int) -> None:
        self.optimizer, self.n_rise, self.n_fall = optimizer, n_rise, n_fall
        self.tops = [group["lr"] for group in optimizer.param_groups]
        self.count = 0
        self.step()

    def step(self) -> None:
        """Count one more step, and set its rate in each group of the optimizer."""
        self.count += 1
        factor = self.count / self.n_rise
        if self.count > self.n_rise:
            fallen = min((self.count - self.n_rise) / self.n_fall, 1)
            factor = (1 + math.cos(math.pi * fallen)) / 2
        for group, top in zip(self.optimizer.param_groups, self.tops, strict=True):
            group["lr"] = top * factor


# --- The check. Leave the rest as it is.
def check() -> None:
    """Look at the rates of two groups in each step, and in some steps after the end."""
    for n_rise, n_fall in ((4, 6), (1, 5), (10, 3), (7, 1)):
        tops = 0.1, 0.003
        groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": top} for top in tops]
        optimizer = optim.SGD(groups, lr=1.0)
        scheduler = WarmUpCosine(optimizer, n_rise, n_fall)
        for step in range(1, n_rise + 2 * n_fall + 3):
            for i, top in enumerate(tops):
                rate = optimizer.param_groups[i]["lr"]
                where = f"rise {n_rise}, fall {n_fall}: in step {step} group {i}"
                kind = type(rate).__name__
                assert isinstance(rate, float | int), f"{where} has a {kind} for a rate, no number"
                quarter = math.pi / 2 * min((step - n_rise) / n_fall, 1)
                due = top * (step / n_rise if step <= n_rise else math.cos(quarter) ** 2)
                found = f"{where} has {rate / top:.3f} of its top, where {due / top:.3f} was due"
                assert abs(rate - due) < 1e-9, found
            optimizer.step()
            scheduler.step()


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
    run_check("11_warm_up", check)
