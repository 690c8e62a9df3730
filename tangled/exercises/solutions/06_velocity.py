"""06_velocity: mend a momentum that forgets all but the last gradient.

Momentum holds parameters, a rate and a momentum, and is used like PyTorch's optimizers: backward,
step, zero_grad. The first velocity is the gradient; from then on step multiplies the velocity by
the momentum, adds the gradient, and moves the parameter against the velocity, rate times as far.
But from the second step on, with a momentum of 0.9, the velocity is just the gradient of that very
step, times 1.8.
"""

import torch
from torch import Tensor


class Momentum:
    """Gradient descent with momentum, for a list of parameters."""

    def __init__(self, parameters: list[Tensor], rate: float, momentum: float) -> None:
        self.parameters, self.rate, self.momentum = parameters, rate, momentum
        self.velocities = {}

    @torch.no_grad()
    def step(self) -> None:
        """Bring each velocity up to date, and move each parameter against it."""
        for i, parameter in enumerate(self.parameters):
            if i in self.velocities:
                self.velocities[i].mul_(self.momentum).add_(parameter.grad)
            else:
                self.velocities[i] = parameter.grad.clone()
            parameter -= self.rate * self.velocities[i]

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for parameter in self.parameters:
            parameter.grad.zero_()


# --- The check. Leave the rest as it is.
def check() -> None:
    """Take steps along gradients that the check knows, for two parameters at once."""
    for rate, momentum in ((0.1, 0.9), (0.5, 0.3)):
        line = [torch.zeros(1, requires_grad=True), torch.full((2, 2), 3.0, requires_grad=True)]
        optimizer = Momentum(line, rate, momentum)
        velocity, places = [0.0, 0.0], [0.0, 3.0]
        for step, slopes in enumerate(((1, -2), (4, 0.5), (0, 0), (-1, 3), (2, 2)), start=1):
            (slopes[0] * line[0].sum() + slopes[1] * line[1].sum()).backward()
            optimizer.step()
            optimizer.zero_grad()
            left = sum(0 if one.grad is None else one.grad.abs().sum().item() for one in line)
            assert left == 0, f"after step {step} and zero_grad a gradient is still there"
            for i in (0, 1):
                velocity[i] = momentum * velocity[i] + slopes[i]
                before, places[i] = places[i], places[i] - rate * velocity[i]
                moved, should = line[i].flatten()[0].item() - before, places[i] - before
                found = f"in step {step} parameter {i} moved by {moved:z.3f}"
                assert abs(moved - should) < 1e-5, f"{found}, where it should be {should:z.3f}"
                assert line[i].is_leaf, f"after step {step} parameter {i} is no leaf any more"


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
    run_check("06_velocity", check)
