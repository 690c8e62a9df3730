"""08_mode: mend a validation that finds a different loss each time.

validate(model, x, y) should return the mean squared error of the model as it is when it is used,
not as it is while it learns, and compute it without gradients. It should leave the model as it
was: with the same state dict, and in the mode in which it came. But two calls in a row return two
losses, and each changes the state dict.
"""

import torch
from torch import Tensor, nn


@torch.no_grad()
def validate(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the mean squared error of the model."""
    training = model.training
    model.eval()
    loss = nn.MSELoss()(model(x), y).item()
    model.train(training)
    return loss


# --- The check. Leave the rest as it is.
def check() -> None:
    """Validate models with dropout and batch norm, and compute the loss from their numbers."""
    torch.manual_seed(8)
    with_gradients = []
    for came, rate in (("training", 0.5), ("evaluation", 0.5), ("training", 0.0)):
        inside = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(rate))
        model = nn.Sequential(nn.Linear(3, 6), inside, nn.Linear(6, 1)).train(came == "training")
        model[2].register_forward_hook(lambda *_: with_gradients.append(torch.is_grad_enabled()))
        x, y = 1 + torch.randn(20, 3), torch.randn(20, 1)
        state = {name: value.clone() for name, value in model.state_dict().items()}
        hidden = (x @ state["0.weight"].T + state["0.bias"]) / (1 + 1e-5) ** 0.5
        should = ((hidden @ state["2.weight"].T + state["2.bias"] - y) ** 2).mean().item()
        losses = [validate(model, x, y), validate(model, x, y)]
        where = f"a model that came in {came} mode"
        for loss in losses:
            kind = type(loss).__name__
            assert kind == "float", f"validate returned a {kind}, where a float was asked for"
        two = f"two calls return {losses[0]:.4f} and {losses[1]:.4f}"
        miss = max(abs(loss - should) for loss in losses)
        assert miss < 1e-4, f"{where}: {two}, where both should be {should:.4f}"
        for name, value in model.state_dict().items():
            assert torch.equal(value, state[name]), f"{where}: afterwards {name} is another"
        for name, part in model.named_modules():
            now = "training" if part.training else "evaluation"
            which = f"its part {name}" if name else "it"
            problem = f"afterwards {which} is in {now} mode"
            assert now == came, f"{where}: {problem}"
        assert not any(with_gradients), f"{where}: the predictions were computed with gradients"


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
    run_check("08_mode", check)
