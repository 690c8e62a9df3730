"""Chapter 11: save a run and go on with it; change the learning rate on the way."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn, optim
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split


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

# %% Random numbers
import random


def generator_states(device: torch.device) -> dict[str, object]:
    """Return the states of the generators in use, as tensors, numbers and strings."""
    kind, words, *rest = np.random.get_state()
    states = {
        "torch_random": torch.get_rng_state(),
        "numpy_random": (kind, words.tolist(), *rest),
        "python_random": random.getstate(),
    }
    if device.type != "cpu":
        states["device_random"] = torch.get_device_module(device).get_rng_state()
    return states

def restore_generators(states: dict[str, object], device: torch.device) -> None:
    """Set the generators whose states are there; leave the others alone."""
    if "torch_random" in states:
        torch.set_rng_state(states["torch_random"].cpu())
    if "numpy_random" in states:
        np.random.set_state(states["numpy_random"])
    if "python_random" in states:
        random.setstate(states["python_random"])
    if "device_random" in states:
        torch.get_device_module(device).set_rng_state(states["device_random"].cpu())

def draw(device: torch.device) -> list[list[float] | float]:
    """Return an order of eight cards, a Dropout of eight ones, a normal and a uniform number."""
    order = torch.randperm(8).tolist()
    dropped = nn.Dropout()(torch.ones(8, device=device)).tolist()
    return [order, dropped, np.random.randn(), random.random()]

states = generator_states(device)
first_draw, second_draw = draw(device), draw(device)
restore_generators(states, device)
drawn_again = draw(device)
print(f"another draw is the same: {second_draw == first_draw}")
print(f"after going back it is the same: {drawn_again == first_draw}")

# %% save and load

def save(path: Path, **entries: object) -> None:
    """Write a checkpoint, whole or not at all: a crash or power cut leaves the old or the new."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        torch.save(entries, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    if os.name == "posix":  # Windows does not open folders
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

def load(path: Path, device: torch.device) -> dict:
    """Read a checkpoint onto a device; UnpicklingError if it asks for more than data."""
    return torch.load(path, map_location=device, weights_only=True)

# %% The run, stopped and resumed
import json
import subprocess

from torch.optim.lr_scheduler import StepLR


class Augmented(Dataset):
    """Pairs (x, y) of another dataset; x is moved by chance, in about half of the looks at it."""

    def __init__(self, pairs: Dataset) -> None:
        self.pairs = pairs

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one pair."""
        x, y = self.pairs[index]
        if random.random() < 0.5:
            x = x + 0.1 * np.random.randn()
        return x, y

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

def begin(
    x: np.ndarray, y: np.ndarray, seed: int, device: torch.device
) -> tuple[nn.Module, Optimizer, LRScheduler, DataLoader]:
    """Seed all generators; return model, optimizer, scheduler and loader at their start."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    pairs = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
    loader = DataLoader(Augmented(pairs), batch_size=16, shuffle=True)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return model, optimizer, StepLR(optimizer, step_size=3, gamma=0.5), loader

def go_on(
    saved: dict, n_epochs: int, x: np.ndarray, y: np.ndarray, device: torch.device
) -> tuple[list[float], int]:
    """Train until n_epochs are done; return weight and bias, and how many losses are known."""
    model, optimizer, scheduler, loader = begin(x, y, 7, device)
    for name, part in {"model": model, "optimizer": optimizer, "scheduler": scheduler}.items():
        if name in saved:
            part.load_state_dict(saved[name])
    restore_generators(saved, device)
    loss_fn, to_do = nn.MSELoss(), n_epochs - saved.get("epoch", 0)
    curves = train_loop_with_scheduler(model, loss_fn, optimizer, scheduler, to_do, loader)
    losses = saved.get("losses", []) + curves[0]
    return [parameter.item() for parameter in model.parameters()], len(losses)

CHECKPOINT = Path("checkpoints", "line.pt")
if "RESUME" in os.environ:
    ends = {}
    for left_out in ["nothing", *load(CHECKPOINT, device)]:
        saved = load(CHECKPOINT, device)  # anew, for training changes what it was given
        saved.pop(left_out, None)
        ends[left_out] = go_on(saved, int(os.environ["RESUME"]), x_train, y_train, device)
    print(json.dumps(ends))
    sys.exit()

model, optimizer, scheduler, loader = begin(x_train, y_train, 42, device)
loss_fn = nn.MSELoss()
train_loop_with_scheduler(model, loss_fn, optimizer, scheduler, 10, loader)
in_one_go = [parameter.item() for parameter in model.parameters()]
print(f"10 epochs in one go: weight = {in_one_go[0]:.3f}, bias = {in_one_go[1]:.3f}")

model, optimizer, scheduler, loader = begin(x_train, y_train, 42, device)
losses = train_loop_with_scheduler(model, loss_fn, optimizer, scheduler, 5, loader)[0]
save(
    CHECKPOINT,
    epoch=5,
    model=model.state_dict(),
    optimizer=optimizer.state_dict(),
    scheduler=scheduler.state_dict(),
    losses=losses,
    **generator_states(device),
)
half_way = [parameter.item() for parameter in model.parameters()]
print(f"saved after {len(losses)}: weight = {half_way[0]:.3f}, bias = {half_way[1]:.3f}")

finished = subprocess.run(
    [sys.executable, __file__],
    env=os.environ | {"RESUME": "10"},
    stdout=subprocess.PIPE,
    text=True,
    check=True,
)
ends = json.loads(finished.stdout.splitlines()[-1])
(weight, bias), _ = ends["nothing"]
print(f"5 + a fresh process + 5: weight = {weight:.3f}, bias = {bias:.3f}")
print(f"the same as in one go, bit for bit: {[weight, bias] == in_one_go}")

# %% Each entry left out
print(f"{'left out':<14}weight   bias  same bits  losses")
for left_out, ((weight, bias), known) in ends.items():
    same = "yes" if [weight, bias] == in_one_go else "no"
    print(f"{left_out:<15}{weight:.3f}  {bias:.3f}  {same:<9}  {known}")

model.load_state_dict(load(CHECKPOINT, device)["model"])
model.eval()
with torch.no_grad():
    prediction = model(torch.tensor([[0.5]], device=device)).item()
print(f"at x = 0.5 the model says {prediction:.3f}")

# %% What is inside a checkpoint
import pickle
import zipfile
from collections import OrderedDict

with zipfile.ZipFile(CHECKPOINT) as archive:
    for part in archive.infolist():
        print(f"{part.filename:<30}{part.file_size:>6} bytes")

def rebuild(storage: np.ndarray, offset: int, size: tuple, stride: tuple, *_) -> np.ndarray:
    """Return the array that a tensor with this storage was."""
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps)


ALLOWED = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": rebuild,
    "torch.FloatStorage": np.float32,
    "torch.ByteStorage": np.uint8,
}

class CheckpointUnpickler(pickle.Unpickler):
    """Reads the pickle in a checkpoint; each tensor becomes an array."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        super().__init__(archive.open("archive/data.pkl"))
        self.archive = archive

    def find_class(self, module: str, name: str) -> Callable:
        """Return what the pickle may call; UnpicklingError for anything else."""
        if f"{module}.{name}" not in ALLOWED:
            raise pickle.UnpicklingError(f"refused: {module}.{name}")
        return ALLOWED[f"{module}.{name}"]

    def persistent_load(self, saved_id: tuple) -> np.ndarray:
        """Return a storage as a flat array."""
        _, dtype, key, _, _ = saved_id
        return np.frombuffer(self.archive.read(f"archive/data/{key}"), dtype)


def load_by_hand(path: Path) -> dict:
    """Read a checkpoint of 32-bit floats and bytes without PyTorch."""
    with zipfile.ZipFile(path) as archive:
        return CheckpointUnpickler(archive).load()

def leaves(entry: object) -> list:
    """Return all names and values in nested dictionaries, lists, tensors and arrays, in order."""
    if isinstance(entry, dict):
        entry = list(entry.items())
    if isinstance(entry, (list, tuple)):
        return [leaf for part in entry for leaf in leaves(part)]
    return leaves(entry.tolist()) if hasattr(entry, "tolist") else [entry]


by_hand, by_torch = leaves(load_by_hand(CHECKPOINT)), leaves(load(CHECKPOINT, device))
print(f"{len(by_hand)} names and values, the same as torch.load's: {by_hand == by_torch}")

# %% A checkpoint that runs code
from tempfile import TemporaryDirectory


class Surprise:
    """An object whose pickle says: call print with these words."""

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        """Return what is to be called to build the object again, and with what."""
        return print, ("this line was printed by a checkpoint",)

UNSAFE = "import sys, torch; torch.load(sys.argv[1], weights_only=False)"
refusals = []
with TemporaryDirectory() as folder:
    path = Path(folder, "surprise.pt")
    save(path, epoch=Surprise())
    for read, arguments in ((load_by_hand, (path,)), (load, (path, device))):
        try:
            read(*arguments)
        except pickle.UnpicklingError as error:
            refusals.append(str(error).split("WeightsUnpickler error: ")[-1].split(". ")[0])
    command = [sys.executable, "-c", UNSAFE, str(path)]
    called = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
print(*refusals, f"weights_only=False: {called.strip()}", sep="\n")

# %% Rates by formula
import math


def step_rate(rate: float, step: int, step_size: int, gamma: float) -> float:
    """Return the rate of a step (the first is 0) on stairs that go down by the factor gamma."""
    return rate * gamma ** (step // step_size)


def cosine_rate(rate: float, step: int, n_steps: int, lowest: float = 0.0) -> float:
    """Return the rate of a step on a cosine that takes n_steps from rate to lowest."""
    return lowest + (rate - lowest) * (1 + math.cos(math.pi * step / n_steps)) / 2


def warmup_rate(rate: float, step: int, n_steps: int, start_factor: float) -> float:
    """Return the rate of a step that rises in n_steps from rate * start_factor to rate."""
    return rate * (start_factor + (1 - start_factor) * min(step / n_steps, 1))

from torch.optim import lr_scheduler as lrs


def rate_curve(make_scheduler: Callable, n_steps: int = 100) -> list[float]:
    """Return the learning rate of each step under a scheduler.

    ReduceLROnPlateau is shown a loss that improves for 20 steps and then stays.
    """
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    scheduler = make_scheduler(optimizer)
    rates = []
    for step in range(n_steps):
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

def warm_up_then_cosine_rate(step: int) -> float:
    """Return the rate of a step that warm_up_then_cosine sets."""
    return warmup_rate(0.1, step, 20, 0.1) if step < 20 else cosine_rate(0.1, step - 20, 80)


pairs = {
    "StepLR": (lambda o: lrs.StepLR(o, 25, 0.5), lambda t: step_rate(0.1, t, 25, 0.5)),
    "CosineAnnealingLR": (
        lambda o: lrs.CosineAnnealingLR(o, 100, 0.01),
        lambda t: cosine_rate(0.1, t, 100, 0.01),
    ),
    "LinearLR": (lambda o: lrs.LinearLR(o, 0.1, 1, 60), lambda t: warmup_rate(0.1, t, 60, 0.1)),
    "warm-up, cosine": (warm_up_then_cosine, warm_up_then_cosine_rate),
}
rate_differences = {}
for name, (make_scheduler, formula) in pairs.items():
    by_formula = [formula(step) for step in range(300)]
    rate_differences[name] = np.abs(np.subtract(rate_curve(make_scheduler, 300), by_formula)).max()
    print(f"{name:<18} largest difference: {rate_differences[name]:.12f}")

# %% A rate that follows a loss
def plateau_rates(
    val_losses: list[float],
    rate: float,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    eps: float = 1e-8,
) -> list[float]:
    """Return the rate of each epoch, lowered when the losses of those before stopped falling."""
    rates, best, waited = [], math.inf, 0
    for loss in val_losses:
        rates.append(rate)
        if loss < best * (1 - threshold):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > patience:
            waited = 0
            if rate - rate * factor > eps:
                rate *= factor
    return rates

def make_loaders(x: np.ndarray, y: np.ndarray) -> tuple[DataLoader, DataLoader]:
    """Seed PyTorch and return the training and the validation loader of chapter 10."""
    torch.manual_seed(42)
    dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
    train_dataset, val_dataset = random_split(dataset, [80, 20])
    train_loader = DataLoader(train_dataset, batch_size=16)
    val_loader = DataLoader(val_dataset, batch_size=20)
    return train_loader, val_loader

train_loader, val_loader = make_loaders(x, y)
model = nn.Sequential(nn.Linear(1, 1)).to(device)
start = {name: value.clone() for name, value in model.state_dict().items()}
optimizer = optim.SGD(model.parameters(), lr=0.1)
scheduler = ReduceLROnPlateau(optimizer, mode="min")
plateau_curves = train_loop_with_scheduler(
    model, loss_fn, optimizer, scheduler, 200, train_loader, val_loader
)
weight, bias = (parameter.item() for parameter in model.parameters())
print(f"weight = {weight:.4f}, bias = {bias:.4f}")

losses, val_losses, rates = plateau_curves
plateau_difference = np.abs(np.subtract(plateau_rates(val_losses, 0.1), rates)).max()
drops = [epoch + 1 for epoch in range(1, 200) if rates[epoch] < rates[epoch - 1]]
best_epoch = int(np.argmin(val_losses)) + 1
print(f"largest difference of the rates: {plateau_difference:.12f}")
print(f"the validation loss is lowest in epoch {best_epoch}")
print(f"the rate is lower from epochs {drops} on, in the end {rates[-1]:.0e}")
print(f"training losses from epoch {drops[-1]} on: {len(set(losses[drops[-1] :]))} value")

model.load_state_dict(start)
optimizer = optim.SGD(model.parameters(), lr=0.1)
patient = ReduceLROnPlateau(optimizer, patience=100)
arguments = (model, loss_fn, optimizer, patient, 200, train_loader, val_loader)
patient_rates = train_loop_with_scheduler(*arguments)[2]
late_drop = next(epoch + 1 for epoch, rate in enumerate(patient_rates) if rate < 0.1)
print(f"with a patience of 100 the rate is lower from epoch {late_drop} on")

try:
    train_loop_with_scheduler(model, loss_fn, optimizer, scheduler, 1, train_loader)
except ValueError as error:
    print(error)

# %% Three schedulers at work
makers = {
    "StepLR(60, 0.3)": lambda o: lrs.StepLR(o, step_size=60, gamma=0.3),
    "MultiStepLR([40, 120], 0.1)": lambda o: lrs.MultiStepLR(o, milestones=[40, 120], gamma=0.1),
}
curves = {"ReduceLROnPlateau": plateau_curves}
for name, make_scheduler in makers.items():
    model.load_state_dict(start)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loop_arguments = (model, loss_fn, optimizer, make_scheduler(optimizer), 200)
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

figure, (above, below) = plt.subplots(
    2, 3, figsize=(12, 7), sharex=True, sharey="row", height_ratios=[3, 2], layout="constrained"
)
epochs = range(1, 201)
for top, bottom, name in zip(above, below, curves, strict=True):
    losses, val_losses, rates = curves[name]
    lines = top.plot(epochs, losses, label="training loss", linewidth=2.5)
    lines += top.plot(epochs, val_losses, "--", label="validation loss", linewidth=2.5)
    bottom.plot(epochs, rates, color="black", linewidth=2.5, drawstyle="steps-post")
    top.set_title(name, fontsize=15)
    top.set_yscale("log")
    bottom.set(yscale="log", xlabel="epoch")
above[0].set_ylabel("loss (MSE)")
below[0].set_ylabel("learning rate")
figure.legend(handles=lines, loc="outside upper center", ncols=2)
save_figure(figure, "lr_scheduler")

# %% Every scheduler's curve
from torch.optim.swa_utils import SWALR

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
    "SWALR": lambda o: SWALR(o, swa_lr=0.02, anneal_epochs=50),
}
rate_curves = {name: rate_curve(make) for name, make in all_schedulers.items()}

figure, grid = plt.subplots(4, 4, figsize=(12, 10), layout="constrained", sharex=True, sharey=True)
for axes, (name, curve) in zip(grid.flat, rate_curves.items(), strict=True):
    axes.plot(curve, linewidth=2.5, drawstyle="steps-post")
    axes.set(xticks=[0, 50, 100], ylim=(-0.005, 0.11))
    axes.set_title(name, fontsize=12)
figure.supxlabel("step")
figure.supylabel("learning rate")
save_figure(figure, "schedulers")

# %% What must hold
assert second_draw != first_draw == drawn_again
assert ends["nothing"] == [in_one_go, 10]
assert ends["losses"] == [in_one_go, 5]
for left_out in ends.keys() - {"nothing", "losses", "device_random"}:
    assert np.abs(np.subtract(ends[left_out][0], in_one_go)).max() > 1e-3, left_out
assert by_hand == by_torch
assert "print" in refusals[0] and "print" in refusals[1]
assert called == "this line was printed by a checkpoint\n"

def all_below(kind: type) -> set[str]:
    """Return the names of all classes derived from a class, and of those derived from them."""
    found = {sub.__name__ for sub in kind.__subclasses__()}
    return found.union(*(all_below(sub) for sub in kind.__subclasses__()))


assert max(rate_differences.values()) < 1e-12 and plateau_difference < 1e-12
assert (best_epoch, drops[0], len(drops), late_drop) == (47, 58, 7, 148)
assert set(np.diff(drops)) == {11}
assert len(set(plateau_curves[0][drops[-1] :])) == 1
np.testing.assert_allclose((weight, bias), (1.9404, 1.0248), atol=5e-5)
assert set(rate_curves) == all_below(LRScheduler) - {"_LRScheduler"}
print("checked: a resumed run is the run that never stopped, and each part of it matters")
