"""12_uneven: mend an average of gradients that favours the rows of small shards.

share_gradients(models, shards) plays one step of several processes. Each has a model, all with the
same weights, and a shard (x, y); shards may differ in size, and one may be empty. Afterwards the
grad of each model, in tensors of its own, should be the gradient of the mean squared error over the
rows of all shards. With shards of one size it is.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss


def share_gradients(models: list[nn.Module], shards: list[tuple[Tensor, Tensor]]) -> None:
    """Give each model the gradient of the mean squared error over the rows of all shards."""
    rows = sum(len(x) for x, _ in shards)
    for model, (x, y) in zip(models, shards, strict=True):
        model.zero_grad()
        (mse_loss(model(x), y) * len(x) * len(models) / rows).backward()
    for parameters in zip(*(model.parameters() for model in models), strict=True):
        average = sum(parameter.grad for parameter in parameters) / len(models)
        for parameter in parameters:  # what all_reduce does
            parameter.grad = average.clone()


# --- The check. Leave the rest as it is.
def check() -> None:
    """Compare with one process on all rows, for shards of several sizes, one of them empty."""
    torch.manual_seed(1)
    for sizes, outputs in (((50, 50), 1), ((60, 40), 1), ((7, 1, 30), 2), ((12, 0, 5), 3)):
        x, y = torch.randn(sum(sizes), 3), torch.randn(sum(sizes), outputs)
        y += torch.linspace(0, 3, len(y)).view(-1, 1)  # shards that differ
        alone = nn.Linear(3, outputs)
        models = [nn.Linear(3, outputs) for _ in sizes]
        for model in models:
            model.load_state_dict(alone.state_dict())
        mse_loss(alone(x), y).backward()
        shards = [*zip(x.split(sizes), y.split(sizes), strict=True)]
        for words in ("", ", second call"):
            share_gradients(models, shards)
            for rank, model in enumerate(models):
                for name in ("weight", "bias"):
                    where = f"shards of {sizes} rows{words}: on rank {rank} the gradient of {name}"
                    grad = getattr(model, name).grad
                    kind = type(grad).__name__
                    assert isinstance(grad, Tensor), f"{where} is a {kind}, where a tensor was due"
                    due = getattr(alone, name).grad
                    miss = (grad - due).abs().max().item() / due.abs().max().item()
                    assert miss < 1e-4, f"{where} is {100 * miss:.1f} % off that of all rows"
                    kept = torch.equal(getattr(model, name), getattr(alone, name))
                    assert kept, f"on rank {rank} {name} was changed, and not just its gradient"
        places = {model.weight.grad.data_ptr() for model in models}
        assert len(places) == len(models), "two ranks share one tensor as the gradient of weight"


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
    run_check("12_uneven", check)
