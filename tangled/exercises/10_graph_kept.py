"""10_graph_kept: mend predictions that NumPy refuses.

predict(model, loader) returns the model's predictions for all x of a loader, in one tensor. The
loader gives pairs of x and y. The model should predict in evaluation mode, and nothing should be
recorded meanwhile, since nobody will call backward. After it the recording should be on or off as
it was before, and the parameters able to learn. But predict(model, loader).numpy() fails.
"""

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.data import DataLoader, TensorDataset


def predict(model: nn.Module, loader: DataLoader) -> Tensor:
    """Return the predictions for all x of a loader, one batch after the other."""
    model.eval()
    batches = []
    for x, _ in loader:
        batches.append(model(x))
    return torch.cat(batches)


# --- The check. Leave the rest as it is.
def check() -> None:
    """Predict with a model with Dropout, and count what is kept for backward meanwhile."""
    torch.manual_seed(1)
    for n, recording in ((50, True), (30, True), (30, False)):
        x, kept = torch.randn(n, 3), []
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Tanh(), nn.Linear(4, 1))
        hooks = saved_tensors_hooks(lambda one, kept=kept: kept.append(0) or one, lambda one: one)
        first, last = model[0], model[3]
        hidden = torch.tanh(x @ first.weight.detach().T + first.bias.detach())
        should = hidden @ last.weight.detach().T + last.bias.detach()
        with torch.set_grad_enabled(recording), hooks:
            result = predict(model, DataLoader(TensorDataset(x, x), 16))
            after = torch.is_grad_enabled()
        assert isinstance(result, Tensor), f"predict returned a {type(result).__name__}, no tensor"
        shape = tuple(result.shape)
        assert shape == (n, 1), f"{n} examples: the shape is {shape}, not ({n}, 1)"
        assert not result.requires_grad, f"the predictions have a graph: {result.grad_fn.name()}"
        assert not kept, f"meanwhile {len(kept)} tensors were kept for a backward"
        was, now = (("off", "on")[switch] for switch in (recording, after))
        assert now == was, f"the recording was {was} before predict, and is {now} after it"
        miss = (result - should).abs().max().item()
        assert miss < 1e-4, f"the predictions are up to {miss:.3f} off those without Dropout"
        able = sum(one.requires_grad for one in model.parameters())
        assert able == 4, f"after predict {able} of 4 parameters require a gradient"


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
    run_check("10_graph_kept", check)
