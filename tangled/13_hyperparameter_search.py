"""Chapter 13: let Ax choose learning rate and batch size, and compare it with chance."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import nn, optim
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split
from tqdm import tqdm

plt.switch_backend("agg")  # figures go to files; no window opens
plt.style.use("fivethirtyeight")

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

def save_figure(figure: Figure, name: str) -> None:
    """Write figures/NAME.png, whole or not at all, and close the figure."""
    Path("figures").mkdir(exist_ok=True)
    beside = Path("figures", f".{name}.new")
    figure.savefig(beside, format="png", dpi=160, metadata={"Software": None})
    beside.replace(Path("figures", f"{name}.png"))
    plt.close(figure)

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

def train_epoch(train_step: Callable, train_loader: DataLoader, device: torch.device) -> float:
    """Take one step per batch; return the mean loss, in which each batch counts by its size."""
    total, samples = 0.0, 0
    for x_batch, y_batch in train_loader:
        loss = train_step(x_batch.to(device), y_batch.to(device))
        total += loss * len(x_batch)
        samples += len(x_batch)
    return total / samples

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

# %% Five calls
import logging
import warnings

# Ax 1.3 calls what PyTorch, pandas and Ax itself have deprecated. That is for Ax to mend.
warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ax\.")
# The packages below it report each numerical repair: a second attempt, a diagonal made larger.
warnings.filterwarnings(
    "ignore", category=RuntimeWarning, module=r"(botorch|gpytorch|linear_operator)\."
)
from ax import ChoiceParameterConfig, Client
from ax.utils.common.logger import set_stderr_log_level

set_stderr_log_level(logging.WARNING)  # Ax reports each trial otherwise

def ax_search(
    space: list[ChoiceParameterConfig], evaluate: Callable, n_trials: int, seed: int
) -> tuple[dict[str, float], list[tuple[dict[str, float], float]]]:
    """Minimise evaluate(**parameters); return the best parameters and all trials in order.

    A trial is a pair: its parameters, by name, and the value that evaluate gave.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the matrices are tiny: a second thread would only be in the way
    client = Client(random_seed=seed)
    client.configure_experiment(parameters=space)
    client.configure_optimization(objective="-value")
    trials = []
    for _ in tqdm(range(n_trials), disable=None):
        for index, parameters in client.get_next_trials(max_trials=1).items():
            value = evaluate(**parameters)
            client.complete_trial(index, raw_data={"value": (value, 0.0)})
            trials.append((parameters, value))
    torch.set_num_threads(threads)
    # Our functions have no noise: the best trial seen is the best known.
    best = client.get_best_parameterization(use_model_predictions=False)[0]
    return best, trials

# %% A function with a known answer
def booth(x: float, y: float) -> float:
    """Return Booth's function of x and y; its minimum is 0, at (1, 3)."""
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2

halves = [k / 2 for k in range(-20, 21)]
square = [ChoiceParameterConfig(name, halves, "float", is_ordered=True) for name in ("x", "y")]
booth_best, booth_trials = ax_search(square, booth, n_trials=25, seed=42)
lowest = np.inf
for number, (point, value) in enumerate(booth_trials, 1):
    if value < lowest:
        lowest = value
        print(f"trial {number:2}: booth({point['x']:6.2f}, {point['y']:6.2f}) = {value:8.3f}")

booth_draws = np.random.default_rng(42).choice(halves, size=(2, 1000, 25))
booth_random = np.median(booth(*booth_draws).min(axis=1))
print(f"best of 25: Ax {lowest:.3f}, random search {booth_random:.1f} (median)")

# %% The training of chapter 10
torch.manual_seed(42)
dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
train_dataset, val_dataset = random_split(dataset, [80, 20])
val_loader = DataLoader(val_dataset, batch_size=20)

def train_once(
    train_dataset: Dataset,
    val_loader: DataLoader,
    device: torch.device,
    learning_rate: float,
    batch_size: int,
) -> float:
    """Train chapter 10's model for five epochs; return its validation loss."""
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    loss_fn = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    train_step = make_train_step(model, loss_fn, optimizer)
    train_loader = DataLoader(train_dataset, batch_size=batch_size)
    for _ in range(5):
        train_epoch(train_step, train_loader, device)
    return validation(model, loss_fn, val_loader)

from functools import cache, partial

train_with = cache(partial(train_once, train_dataset, val_loader, device))
by_hand = train_with(learning_rate=0.1, batch_size=16)
too_large = train_with(learning_rate=1, batch_size=16)
print(f"rate 0.1, batches of 16: {by_hand:.4f}")
print(f"rate 1,   batches of 16: {too_large:.0e}")

def log_loss(train: Callable, learning_rate: float, batch_size: int) -> float:
    """Return the decimal logarithm of the validation loss of one training."""
    return np.log10(train(learning_rate=learning_rate, batch_size=batch_size))

rates = [float(f"{10 ** (k / 10):.2g}") for k in range(-40, -2)]  # 0.0001, 0.00013, … 0.5
batch_sizes = [2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 57, 67, 80]
space = [
    ChoiceParameterConfig("learning_rate", rates, "float", is_ordered=True),
    ChoiceParameterConfig("batch_size", batch_sizes, "int", is_ordered=True),
]
evaluate = partial(log_loss, train_with)
searches = [ax_search(space, evaluate, n_trials=16, seed=seed) for seed in (0, 1, 2)]

for number, (tried, value) in enumerate(searches[0][1], 1):
    rate, size = tried["learning_rate"], tried["batch_size"]
    print(f"trial {number:2}: rate {rate:7.5f}, batches of {size:2}: {10**value:.4f}")

# %% Against chance
def random_search(
    train: Callable,
    rates: list[float],
    batch_sizes: list[int],
    n_trials: int,
    generator: np.random.Generator,
) -> list[float]:
    """Return the validation losses of trials drawn from the two lists, each value as likely."""
    pairs = zip(
        generator.choice(rates, size=n_trials).tolist(),
        generator.choice(batch_sizes, size=n_trials).tolist(),
        strict=True,
    )
    return [train(learning_rate=rate, batch_size=size) for rate, size in pairs]

generator = np.random.default_rng(42)
random_losses = [
    random_search(train_with, rates, batch_sizes, 16, generator)
    for _ in tqdm(range(1000), disable=None)
]
ax_losses = [[10**value for _, value in trials] for _, trials in searches]
random_so_far = np.minimum.accumulate(random_losses, axis=1)
ax_so_far = np.minimum.accumulate(ax_losses, axis=1)
for number in (5, 8, 16):
    by_ax, by_chance = ax_so_far[:, number - 1], random_so_far[:, number - 1]
    low, middle, high = np.quantile(by_chance, (0.1, 0.5, 0.9))
    print(f"best after {number:2} trials: Ax", " ".join(f"{loss:.4f}" for loss in by_ax))
    print(f"   random search: median {middle:.4f}, eight of ten in {low:.4f} to {high:.4f}")
rows = val_dataset.indices
noise = ((y[rows] - true_a - true_b * x[rows]) ** 2).mean()
luckier = (random_so_far[:, -1] < np.median(ax_so_far[:, -1])).mean()
print(f"mean squared noise in the 20 points: {noise:.4f}")
print(f"random searches that end below Ax's median: {luckier:.0%}")

from matplotlib.ticker import MaxNLocator

figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
numbers = range(1, 17)
low, middle, high = np.quantile(random_so_far, (0.1, 0.5, 0.9), axis=0)
axes.fill_between(numbers, low, high, color="C1", alpha=0.25, label="random, eight of ten")
axes.plot(numbers, middle, "--", color="C1", linewidth=2.5, label="random, median of 1000")
for search, losses in enumerate(ax_so_far):
    label = "Ax, three searches" if search == 0 else None
    axes.plot(numbers, losses, color="C0", linewidth=2.5, label=label)
axes.axhline(noise, color="black", linestyle=":", linewidth=2, label="noise in the data")
axes.set(title="Best so far", xlabel="trial", ylabel="validation loss (MSE)", yscale="log")
axes.xaxis.set_major_locator(MaxNLocator(integer=True))
axes.legend()
save_figure(figure, "hyperparameter_search")

# %% How to read it
for number, (best, trials) in enumerate(searches, 1):
    rate, size = best["learning_rate"], best["batch_size"]
    loss = 10 ** min(value for _, value in trials)
    print(f"search {number}: rate {rate:.3f}, batches of {size}: {loss:.4f}")

# %% What must hold
np.testing.assert_allclose(booth(**booth_best), lowest)
assert booth_random > 5
assert too_large > 1000
ax_median, random_median = (np.median(part, axis=0) for part in (ax_so_far, random_so_far))
assert ax_median[7] < random_median[7]
assert (random_so_far[:, 15] < ax_so_far[:, 15].max()).mean() < 1 / 3
assert ax_so_far[:, 15].max() < min(by_hand, 1.25 * noise)
assert luckier < 1 / 3
assert len(rates) * len(batch_sizes) == 760
assert lowest == 0 and len(halves) ** 2 == 1681
print("checked: with as many trials, Ax gets further than most random searches")
