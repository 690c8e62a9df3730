"""Appendix: calls that older tutorials make, each executed, beside what to write instead."""

import io
import re
import textwrap
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.autograd import Variable
from torch.utils.data import DataLoader, TensorDataset
from torchvision import models, transforms

with warnings.catch_warnings():
    # On import Ax itself makes deprecated calls, which is nothing that we could change
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    import ax

# %% A call is a string that is run
class Case(NamedTuple):
    """A call in older tutorials, the version that ended it, and the call to write instead."""

    old: str
    since: str
    instead: str

def names_at_start() -> dict[str, Any]:
    """Return modules and fresh objects, the same ones at every call, by the names in the cases."""
    torch.manual_seed(42)
    x = torch.rand(8, 1)
    y = 1 + 2 * x
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    matrix = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    device = torch.device("cpu")
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=10)
    yhat = model(x)
    loss = F.mse_loss(yhat, y)
    loss.backward()
    file = io.BytesIO()
    imported = {"F": F, "Variable": Variable, "ax": ax, "models": models, "nn": nn, "np": np}
    imported |= {"optim": optim, "torch": torch, "transforms": transforms}
    return imported | locals()

def in_short(trouble: Exception | Warning | str) -> str:
    """Return the kind of an error or warning and the first sentence of what it says."""
    first_sentence = re.split(r"(?<=\.)\s+(?=[A-Z])", str(trouble).strip())[0]
    return f"{type(trouble).__name__}: {textwrap.shorten(first_sentence, 90, placeholder=' …')}"

def attempt(code: str) -> str:
    """Execute code from the names at the start; return its error or first warning, else ""."""
    names = names_at_start()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.set_warn_always(True)
        try:
            exec(code, names)
        except Exception as error:
            return in_short(error)
        finally:
            torch.set_warn_always(False)
    return in_short(caught[0].message) if caught else ""

# %% The cases
failing = [
    Case(
        'torch.save({"loss": np.mean([0.4, 0.6])}, file); file.seek(0); torch.load(file)',
        "2.6",
        'torch.save({"loss": float(np.mean([0.4, 0.6]))}, file); file.seek(0); torch.load(file)',
    ),
    Case(
        "optimizer.zero_grad(); model.weight.grad * 2",
        "2.0",
        "optimizer.zero_grad(set_to_none=False); model.weight.grad * 2",
    ),
    Case("iter(loader).next()", "1.13", "next(iter(loader))"),
    Case("loss.data[0]", "1.0", "loss.item()"),
    Case(
        "optim.lr_scheduler.StepLR(optimizer, 10, verbose=True)",
        "2.7",
        "optim.lr_scheduler.StepLR(optimizer, 10).get_last_lr()",
    ),
    Case("1 - (x > 0.5)", "1.2", "torch.logical_not(x > 0.5)"),
    Case("torch.symeig(matrix)", "2.0", "torch.linalg.eigh(matrix)"),
    Case("transforms.Scale(32)", "torchvision 0.12", "transforms.Resize(32)"),
    Case("ax.optimize", "Ax 1.0", "ax.Client()"),
]

warning = [
    Case("scheduler.step(); optimizer.step()", "1.1", "optimizer.step(); scheduler.step()"),
    Case("scheduler.get_lr()", "1.4", "scheduler.get_last_lr()"),
    Case(
        "yhat = model(Variable(x, volatile=True))",
        "0.4",
        "with torch.no_grad(): yhat = model(x)",
    ),
    Case(
        "nn.MSELoss(size_average=False)(yhat, y)",
        "0.4.1",
        'nn.MSELoss(reduction="sum")(yhat, y)',
    ),
    Case("F.softmax(yhat)", "0.3", "F.softmax(yhat, dim=1)"),
    Case("torch.range(0, 3)", "0.1.12", "torch.arange(0, 4)"),
]

moved = [
    Case(
        "nn.utils.clip_grad_norm(model.parameters(), 1.0)",
        "0.4",
        "nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    ),
    Case(
        "torch.set_default_tensor_type(torch.FloatTensor)",
        "2.1",
        "torch.set_default_dtype(torch.float32)",
    ),
    Case("torch.cuda.amp.autocast()", "2.4", "torch.amp.autocast(device.type)"),
    Case("torch.cuda.amp.GradScaler()", "2.4", "torch.amp.GradScaler(device.type)"),
    Case("torch.jit.script(model)(x)", "2.10", "torch.export.export(model, (x,)).module()(x)"),
    Case(
        "models.resnet18(pretrained=False)",
        "torchvision 0.13",
        "models.resnet18(weights=None)",
    ),
]

working = [
    Case("Variable(x, requires_grad=True)", "—", "x.detach().requires_grad_()"),
    Case("loss.data", "—", "loss.detach()"),
    Case("F.sigmoid(yhat)", "—", "torch.sigmoid(yhat)"),
    Case("x.new(2).zero_()", "—", "x.new_zeros(2)"),
    Case("torch.norm(matrix)", "—", "torch.linalg.norm(matrix)"),
]

# %% What they do today
cases = failing + warning + moved + working
results = {case.old: attempt(case.old) for case in cases}
print("| older tutorials write | what it does today | since | write instead |")
print("|---+---+---+---|")
for case in cases:
    today = f"~{results[case.old]}~" if results[case.old] else "works"
    print(f"| ~{case.old}~ | {today} | {case.since} | ~{case.instead}~ |")

# %% What must hold
for case in cases:
    assert (results[case.old] == "") == (case.since == "—"), case
    assert attempt(case.instead) == "", case
ended = sum(case.since != "—" for case in cases)
print(f"checked: {ended} of {len(cases)} calls fail or warn, and no replacement does")
