"""11_cold_start: mend a checkpoint after which the steps are too short.

save(path, model, optimizer, scheduler) writes a run into a file; go_on(path) reads it and returns
model, optimizer and scheduler, made anew, with which the run goes on. The model is nn.Linear(2, 1),
the optimizer SGD with momentum, and the scheduler a warm-up over 20 epochs. The run should go on
as if it had not been stopped. But its next step is far shorter than it would have been.
"""

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn, optim
from torch.nn.functional import mse_loss
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LinearLR


def save(path: Path, model: nn.Module, optimizer: Optimizer, scheduler: LinearLR) -> None:
    """Write what the next epoch depends on."""
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    torch.save({name: part.state_dict() for name, part in parts.items()}, path)


def go_on(path: Path) -> tuple[nn.Module, Optimizer, LinearLR]:
    """Return model, optimizer and scheduler as they were saved."""
    saved = torch.load(path)
    model = nn.Linear(2, 1)
    model.load_state_dict(saved["model"])
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = LinearLR(optimizer, 0.1, total_iters=20)
    scheduler.load_state_dict(saved["scheduler"])
    optimizer.load_state_dict(saved["optimizer"])
    return model, optimizer, scheduler


# --- The check. Leave the rest as it is.
def check() -> None:
    """Train twice, side by side: one of the runs is stopped now and then, and goes on."""
    for seed, stops in enumerate(((3,), (12,), (25,), (1, 2, 15))):
        torch.manual_seed(seed)
        x, start = torch.randn(40, 2), nn.Linear(2, 1)
        y, runs, stopped = x.sum(dim=1, keepdim=True), [], 0
        for model in (copy.deepcopy(start), copy.deepcopy(start)):
            optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
            runs.append((model, optimizer, LinearLR(optimizer, 0.1, total_iters=20)))
        for epoch in range(1, 31):
            if epoch - 1 in stops:
                stopped = epoch - 1
                with TemporaryDirectory() as folder:
                    save(Path(folder, "run.pt"), *runs[1])
                    found = go_on(Path(folder, "run.pt"))
                kind = type(found).__name__
                assert isinstance(found, tuple | list), f"go_on returned a {kind}, not three things"
                kinds = [type(part).__name__ for part in found]
                right = kinds == ["Linear", "SGD", "LinearLR"]
                assert right, f"go_on should return model, optimizer, scheduler, and not {kinds}"
                runs[1] = found
            befores, rates, moves = [], [], []
            for model, optimizer, scheduler in runs:
                befores.append(model.weight.detach().clone())
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.zero_grad()
                mse_loss(model(x), y).backward()
                optimizer.step()
                scheduler.step()
                moves.append((model.weight - befores[-1]).norm().item())
            where, due = f"stopped after epoch {stopped}", f"where {rates[0]:.4f} was due"
            same = torch.allclose(*befores, atol=1e-6)
            assert same, f"{where}: epoch {epoch} begins with other weights than without a stop"
            off, longer = abs(rates[1] - rates[0]), moves[1] / moves[0]
            assert off < 1e-7, f"{where}: epoch {epoch} has a rate of {rates[1]:.4f}, {due}"
            times = f"{longer:.2f} times as long as without a stop"
            same = abs(moves[1] - moves[0]) < 1e-6
            assert same, f"{where}: the rate of epoch {epoch} is right, but its step is {times}"


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
    run_check("11_cold_start", check)
