"""08_left_on_cpu: mend a model that leaves a part of itself behind.

Standardised(features) remembers the mean and the standard deviation of each column of features. It
takes the mean off its inputs, divides by the standard deviation, and gives the result to a linear
layer. parameters() should list those of the layer only; the rest is not learned. On the CPU all is
well. Moved to a GPU, it raises an error: mean is on the CPU. (The check moves it to the device
meta, which every machine has.) And a state dict does not take the mean to another such model.
"""

import torch
from torch import Tensor, nn


class Standardised(nn.Module):
    """A linear layer with one output, for features that it first makes comparable."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.mean = features.mean(dim=0)
        self.std = features.std(dim=0)
        self.linear = nn.Linear(features.shape[1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map the shape (rows, features) to (rows, 1)."""
        return self.linear((x - self.mean) / self.std)


# --- The check. Leave the rest as it is.
def check() -> None:
    """Make models of several features, move and cast them, and load one's numbers into another."""
    torch.manual_seed(8)
    for columns in (3, 5):
        features = 4 + torch.arange(1, columns + 1) * torch.randn(40, columns)
        x = 10 * torch.randn(7, columns)
        model = Standardised(features.clone())
        names = [name for name, _ in model.named_parameters()]
        problem = f"parameters() lists {', '.join(names)}"
        assert len(names) == 2, f"{problem}: more than the two of the layer"
        for target in ("meta", torch.bfloat16):
            moved, problem = Standardised(features.clone()), ""
            moved.to(target)
            try:
                moved(x.to(target))
            except RuntimeError as error:
                problem = str(error)
            assert not problem, f"after to({target}) a call raises '{problem[:80]}'"
        weight, bias = (parameter.double() for parameter in model.parameters())
        rows, seen = x.double(), features.double()
        should = ((rows - seen.mean(0)) / seen.std(0)) @ weight.T + bias
        twin = Standardised(torch.randn(9, columns))
        twin.load_state_dict(model.state_dict())
        for name, one in (("the model", model), ("a model that loads its state dict", twin)):
            y = one(x)
            assert isinstance(y, Tensor), f"{name} returns a {type(y).__name__}, not a tensor"
            assert y.shape == (7, 1), f"for 7 rows {name} returns the shape {tuple(y.shape)}"
            miss = (y - should).abs().max().item()
            assert miss < 1e-4, f"{columns} columns: {name} is off by up to {miss:.3g}"


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
    run_check("08_left_on_cpu", check)
