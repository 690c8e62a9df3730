"""Chapter 11: save a run and go on with it; change the learning rate on the way."""

import copy
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn, optim
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset, random_split


def pick_device() -> torch.device:
    """Return the device that DEVICE names, else this machine's accelerator, else the CPU.

    Exits with status 2 where DEVICE names a device that is not there.
    """
    there = ["cpu"]
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator().type
        count = torch.accelerator.device_count()
        there = [kind, *(f"{kind}:{i}" for i in range(count)), "cpu"]
    name = os.environ.get("DEVICE") or there[0]
    if name not in there:
        print(f"DEVICE={name}: not on this machine, which has {', '.join(there)}", file=sys.stderr)
        sys.exit(2)
    return torch.device(name)

def make_train_step(model: nn.Module, loss_fn: Callable, optimizer: Optimizer) -> Callable:
    """Return a function that trains on one batch and returns the loss before the step."""

    def train_step(x: torch.Tensor, y: torch.Tensor) -> float:
        model.train()
        yhat = model(x)
        loss = loss_fn(yhat, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return train_step

def validation(model: nn.Module, loss_fn: Callable, val_loader: DataLoader) -> float:
    """Return the mean loss over all samples of val_loader; each batch counts by its size."""
    device = next(model.parameters()).device
    model.eval()
    total, samples = 0.0, 0
    with torch.no_grad():
        for x_batch, y_batch in val_loader:
            x_batch, y_batch = x_batch.to(device), y_batch.to(device)
            total += loss_fn(model(x_batch), y_batch).item() * len(x_batch)
            samples += len(x_batch)
    return total / samples

def train_epoch(train_step: Callable, train_loader: DataLoader, device: torch.device) -> float:
    """Take one step per batch; return the mean loss, in which each batch counts by its size."""
    total, samples = 0.0, 0
    for x_batch, y_batch in train_loader:
        loss = train_step(x_batch.to(device), y_batch.to(device))
        total += loss * len(x_batch)
        samples += len(x_batch)
    return total / samples

device = pick_device()
true_a, true_b, n = 1, 2, 100
np.random.seed(42)
x = np.random.rand(n, 1)
y = true_a + true_b * x + 0.1 * np.random.randn(n, 1)
indices = np.arange(n)
np.random.shuffle(indices)
train_indices, val_indices = indices[:80], indices[80:]
x_train, y_train = x[train_indices], y[train_indices]
x_val, y_val = x[val_indices], y[val_indices]

# %% save and load

def save(path: Path, **entries: object) -> None:
    """Write a checkpoint, whole or not at all: a crash leaves the old file as it was."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    torch.save(entries, beside)
    beside.replace(path)

def load(path: Path, device: torch.device) -> dict:
    """Read a checkpoint onto a device; it can hold data only, never code."""
    return torch.load(path, map_location=device, weights_only=True)

# %% A loop that steps a scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm import tqdm


def train_loop_with_scheduler(
    model: nn.Module,
    loss_fn: Callable,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    n_epochs: int,
    train_loader: DataLoader,
    val_loader: DataLoader | None = None,
) -> tuple[list[float], list[float], list[float]]:
    """Train with one scheduler step per epoch; return losses, validation losses and rates.

    The rate of an epoch is the one its steps used. ReduceLROnPlateau decides by the validation
    loss, so it needs a val_loader: ValueError without one.
    """
    watches = isinstance(scheduler, ReduceLROnPlateau)
    if watches and val_loader is None:
        raise ValueError("ReduceLROnPlateau needs a validation loader")
    device = next(model.parameters()).device
    train_step = make_train_step(model, loss_fn, optimizer)
    losses, val_losses, rates = [], [], []
    for _ in tqdm(range(n_epochs), disable=None):
        rates.append(scheduler.get_last_lr()[0])
        losses.append(train_epoch(train_step, train_loader, device))
        if val_loader is not None:
            val_losses.append(validation(model, loss_fn, val_loader))
        if watches:
            scheduler.step(val_losses[-1])
        else:
            scheduler.step()
    return losses, val_losses, rates

# %% The run, stopped and resumed
import json
import subprocess

from torch.optim.lr_scheduler import StepLR


def make_loaders(x: np.ndarray, y: np.ndarray) -> tuple[DataLoader, DataLoader]:
    """Seed PyTorch and return the training and the validation loader of chapter 10."""
    torch.manual_seed(42)
    dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
    train_dataset, val_dataset = random_split(dataset, [80, 20])
    train_loader = DataLoader(train_dataset, batch_size=16)
    val_loader = DataLoader(val_dataset, batch_size=20)
    return train_loader, val_loader

def set_up(device: torch.device) -> tuple[nn.Module, Optimizer, LRScheduler]:
    """Return the model, the optimizer and the scheduler at their start."""
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model, optimizer, StepLR(optimizer, step_size=300, gamma=0.5)

def resume(
    path: Path,
    n_epochs: int,
    train_loader: DataLoader,
    val_loader: DataLoader,
    device: torch.device,
) -> dict[str, list]:
    """Train n_epochs more from the checkpoint; return the weights as lists."""
    model, optimizer, scheduler = set_up(device)
    saved = load(path, device)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    model.train()
    loop_arguments = (model, nn.MSELoss(), optimizer, scheduler, n_epochs, train_loader, val_loader)
    train_loop_with_scheduler(*loop_arguments)
    return {name: value.tolist() for name, value in model.state_dict().items()}

CHECKPOINT = Path("checkpoints", "line.pt")
if "RESUME" in os.environ:
    n_epochs = int(os.environ["RESUME"])
    print(json.dumps(resume(CHECKPOINT, n_epochs, *make_loaders(x, y), device)))
    sys.exit()

train_loader, val_loader = make_loaders(x, y)
model, optimizer, scheduler = set_up(device)
loss_fn = nn.MSELoss()
start = copy.deepcopy(model.state_dict())
train_loop_with_scheduler(model, loss_fn, optimizer, scheduler, 1000, train_loader, val_loader)
in_one_go = {name: value.tolist() for name, value in model.state_dict().items()}
print("1000 epochs in one go:", in_one_go)

model, optimizer, scheduler = set_up(device)
model.load_state_dict(start)
losses, val_losses, _ = train_loop_with_scheduler(
    model, loss_fn, optimizer, scheduler, 500, train_loader, val_loader
)
save(
    CHECKPOINT,
    epoch=500,
    model=model.state_dict(),
    optimizer=optimizer.state_dict(),
    scheduler=scheduler.state_dict(),
    losses=losses,
    val_losses=val_losses,
)
half_way = {name: value.tolist() for name, value in model.state_dict().items()}
print(f"saved after {len(losses)} epochs: {half_way}")
print(f"the checkpoint holds: {', '.join(load(CHECKPOINT, device))}")

finished = subprocess.run(
    [sys.executable, __file__],
    env=os.environ | {"RESUME": "500"},
    stdout=subprocess.PIPE,
    text=True,
    check=True,
)
resumed = json.loads(finished.stdout)
print("500 + a fresh process + 500:", resumed)
print(f"the same, bit for bit: {resumed == in_one_go}")

model, optimizer, scheduler = set_up(device)
model.load_state_dict(load(CHECKPOINT, device)["model"])
train_loop_with_scheduler(model, loss_fn, optimizer, scheduler, 500, train_loader, val_loader)
forgetful = {name: value.tolist() for name, value in model.state_dict().items()}
print("with the weights alone:", forgetful)

model.load_state_dict(load(CHECKPOINT, device)["model"])
model.eval()
with torch.no_grad():
    prediction = model(torch.tensor([[0.5]], device=device)).item()
print(f"at x = 0.5 the model says {prediction:.3f}")

# %% Schedulers
train_loader, val_loader = make_loaders(x, y)
model = nn.Sequential(nn.Linear(1, 1)).to(device)
start = copy.deepcopy(model.state_dict())
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = ReduceLROnPlateau(optimizer, mode="min")
plateau_curves = train_loop_with_scheduler(
    model, loss_fn, optimizer, scheduler, 1000, train_loader, val_loader
)
weight, bias = (parameter.item() for parameter in model.parameters())
print(f"weight = {weight:.4f}, bias = {bias:.4f}")
rates = plateau_curves[2]
drops = [epoch for epoch in range(1, 1000) if rates[epoch] < rates[epoch - 1]]
print(f"the rate drops in epochs {drops}, to {rates[-1]:.0e}")

try:
    train_loop_with_scheduler(model, loss_fn, optimizer, scheduler, 1, train_loader)
except ValueError as error:
    print(error)

from torch.optim.lr_scheduler import MultiStepLR

makers = {
    "StepLR(60, 0.3)": lambda o: StepLR(o, step_size=60, gamma=0.3),
    "MultiStepLR([40, 200], 0.1)": lambda o: MultiStepLR(o, milestones=[40, 200], gamma=0.1),
}
curves = {"ReduceLROnPlateau": [curve[:300] for curve in plateau_curves]}
for name, make_scheduler in makers.items():
    model.load_state_dict(start)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loop_arguments = (model, loss_fn, optimizer, make_scheduler(optimizer), 300)
    curves[name] = train_loop_with_scheduler(*loop_arguments, train_loader, val_loader)
    print(f"{name:<28} rate {curves[name][2][0]:g} to {curves[name][2][-1]:.2g}")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

plt.switch_backend("agg")  # figures go to files; no window opens
plt.style.use("fivethirtyeight")

def save_figure(figure: Figure, name: str) -> None:
    """Write figures/NAME.png, whole or not at all, and close the figure."""
    Path("figures").mkdir(exist_ok=True)
    beside = Path("figures", f".{name}.new")
    figure.savefig(beside, format="png", dpi=160, metadata={"Software": None})
    beside.replace(Path("figures", f"{name}.png"))
    plt.close(figure)

figure, panels = plt.subplots(1, 3, figsize=(14, 5), sharey=True, layout="constrained")
for panel, (name, (losses, val_losses, rates)) in zip(panels, curves.items(), strict=True):
    right = panel.twinx()
    lines = panel.plot(losses, label="training loss", linewidth=2.5)
    lines += panel.plot(val_losses, "--", label="validation loss", linewidth=2.5)
    lines += right.plot(rates, ":", color="black", label="learning rate", linewidth=2.5)
    panel.set(xlabel="epoch", yscale="log")
    panel.set_title(name, fontsize=14)
    right.set(yscale="log", ylim=(5e-9, 0.2))
    right.grid(visible=False)
    right.label_outer()  # numbers at the outermost axes only
panels[0].set_ylabel("loss (MSE)")
right.set_ylabel("learning rate")
figure.legend(handles=lines, loc="outside lower center", ncols=3)
save_figure(figure, "lr_scheduler")

# %% Every scheduler's curve
from torch.optim import lr_scheduler as lrs


def rate_curve(make_scheduler: Callable) -> list[float]:
    """Return the learning rate of 100 steps under a scheduler."""
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    scheduler = make_scheduler(optimizer)
    rates = []
    for step in range(100):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(max(20 - step, 0))
        else:
            scheduler.step()
    return rates

def warm_up_then_cosine(optimizer: Optimizer) -> LRScheduler:
    """Rise for 20 steps, then fall along a cosine."""
    parts = [lrs.LinearLR(optimizer, 0.1, total_iters=20), lrs.CosineAnnealingLR(optimizer, 80)]
    return lrs.SequentialLR(optimizer, parts, milestones=[20])


def warm_up_times_decay(optimizer: Optimizer) -> LRScheduler:
    """Rise for 20 steps and decay all the while."""
    parts = [lrs.LinearLR(optimizer, 0.1, total_iters=20), lrs.ExponentialLR(optimizer, 0.97)]
    return lrs.ChainedScheduler(parts, optimizer=optimizer)

all_schedulers = {
    "StepLR": lambda o: lrs.StepLR(o, step_size=25, gamma=0.5),
    "MultiStepLR": lambda o: lrs.MultiStepLR(o, milestones=[20, 70], gamma=0.3),
    "ConstantLR": lambda o: lrs.ConstantLR(o, factor=0.3, total_iters=40),
    "LinearLR": lambda o: lrs.LinearLR(o, start_factor=0.1, total_iters=60),
    "ExponentialLR": lambda o: lrs.ExponentialLR(o, gamma=0.95),
    "PolynomialLR": lambda o: lrs.PolynomialLR(o, total_iters=80, power=2),
    "CosineAnnealingLR": lambda o: lrs.CosineAnnealingLR(o, T_max=100),
    "CosineAnnealingWarmRestarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, T_0=25),
    "CyclicLR": lambda o: lrs.CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=20),
    "OneCycleLR": lambda o: lrs.OneCycleLR(o, max_lr=0.1, total_steps=100),
    "LambdaLR": lambda o: lrs.LambdaLR(o, lambda step: 1 / (1 + step / 10)),
    "MultiplicativeLR": lambda o: lrs.MultiplicativeLR(o, lambda step: 0.97),
    "SequentialLR": warm_up_then_cosine,
    "ChainedScheduler": warm_up_times_decay,
    "ReduceLROnPlateau": lambda o: lrs.ReduceLROnPlateau(o, factor=0.3),
}
rate_curves = {name: rate_curve(make) for name, make in all_schedulers.items()}

figure, grid = plt.subplots(5, 3, figsize=(12, 13), layout="constrained", sharex=True)
for axes, (name, curve) in zip(grid.flat, rate_curves.items(), strict=True):
    axes.plot(curve, linewidth=2.5)
    axes.set_ylim(-0.005, 0.11)
    axes.set_title(name, fontsize=13)
figure.supxlabel("step")
figure.supylabel("learning rate")
save_figure(figure, "schedulers")

# %% What must hold
assert resumed == in_one_go
assert half_way != in_one_go
assert forgetful != in_one_go
assert drops[0] == 57
assert len(drops) == 7
np.testing.assert_allclose((weight, bias), (1.9404, 1.0248), atol=5e-5)
np.testing.assert_allclose(rate_curves["StepLR"][::25], [0.1, 0.05, 0.025, 0.0125])
np.testing.assert_allclose(max(rate_curves["OneCycleLR"]), 0.1, rtol=0.01)
assert len(rate_curves) == 15
print("checked: a resumed run is the run that never stopped")
