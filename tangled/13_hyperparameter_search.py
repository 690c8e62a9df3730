"""Chapter 13: learning rate and batch size, chosen by a search of our own, by Ax, by chance."""

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
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split
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

# %% The training of chapter 10
torch.manual_seed(42)
dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
train_dataset, val_dataset = random_split(dataset, [80, 20])
val_loader = DataLoader(val_dataset, batch_size=20)
learn, check = train_dataset.indices, val_dataset.indices

def train_once(
    train_dataset: Dataset,
    val_loader: DataLoader,
    device: torch.device,
    learning_rate: float,
    batch_size: int,
) -> float:
    """Train chapter 10's model for five epochs; return its validation loss."""
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device, train_dataset[0][0].dtype)
    loss_fn = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    train_step = make_train_step(model, loss_fn, optimizer)
    train_loader = DataLoader(train_dataset, batch_size=batch_size)
    for _ in range(5):
        train_epoch(train_step, train_loader, device)
    return validation(model, loss_fn, val_loader)

noise = ((y[check] - true_a - true_b * x[check]) ** 2).mean()
by_hand = train_once(train_dataset, val_loader, device, learning_rate=0.1, batch_size=16)
too_large = train_once(train_dataset, val_loader, device, learning_rate=1, batch_size=16)
print(f"the true line:           {noise:.4f}")
print(f"rate 0.1, batches of 16: {by_hand:.4f}")
print(f"rate 1,   batches of 16: {too_large:.0e}")

# %% What there is to choose
rates = [float(f"{10 ** (k / 10):.2g}") for k in range(-40, -2)]  # 0.0001, 0.00013, … 0.5
batch_sizes = [2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 57, 67, 80]
print(f"{len(rates)} rates, {len(batch_sizes)} batch sizes: {len(rates) * len(batch_sizes)} pairs")
different = len(rates) * (1 - (1 - 1 / len(rates)) ** 12)
print(f"12 random draws try {different:.0f} different rates on average")

# %% All pairs side by side
def train_side_by_side(
    rates: list[float], batch_size: int, x: np.ndarray, y: np.ndarray, n_epochs: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Train one line for each rate, in 64-bit floats; return their weights and their biases.

    x and y are the training points, both of shape (N,), in the order of the batches.
    """
    torch.manual_seed(42)
    weight, bias = (np.full(len(rates), p.item()) for p in nn.Linear(1, 1).parameters())
    rate = np.array(rates)
    for _ in range(n_epochs):
        for first in range(0, len(x), batch_size):
            x_batch, y_batch = x[first : first + batch_size], y[first : first + batch_size]
            error = np.outer(weight, x_batch) + bias[:, None] - y_batch  # a row for each rate
            weight = weight - rate * 2 * (error * x_batch).mean(axis=1)
            bias = bias - rate * 2 * error.mean(axis=1)
    return weight, bias


def losses_of(weight: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each line on the points x and y, both of shape (N,)."""
    return ((np.outer(weight, x) + bias[:, None] - y) ** 2).mean(axis=1)

x_learn, y_learn = x[learn].ravel(), y[learn].ravel()
x_check, y_check = x[check].ravel(), y[check].ravel()
lines = [train_side_by_side(rates, size, x_learn, y_learn) for size in batch_sizes]
table = np.stack([losses_of(*line, x_check, y_check) for line in lines], axis=1)

exact = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
exact_val_loader = DataLoader(Subset(exact, check), batch_size=20)
differences = []
for column, size in enumerate(batch_sizes):
    row = 7 * column % len(rates)  # from all parts of the list
    options = {"learning_rate": rates[row], "batch_size": size}
    loss = train_once(Subset(exact, learn), exact_val_loader, torch.device("cpu"), **options)
    differences.append(abs(loss / table[row, column] - 1))
print(f"{len(differences)} trainings, largest relative difference: {max(differences):.12f}")

arrived = {}
for n_epochs in (5, 20, 1000):
    long_lines = train_side_by_side(rates, 16, x_learn, y_learn, n_epochs)
    arrived[n_epochs] = int((losses_of(*long_lines, x_check, y_check) < 1.25 * noise).sum())
    print(f"{n_epochs:4} epochs: {arrived[n_epochs]:2} of {len(rates)} rates end near it")

# %% What chance finds
def best_of_chance(losses: np.ndarray, n_trials: int, share: float) -> float:
    """Return the loss that the best of n_trials random draws reaches in this share of searches."""
    ordered = np.sort(losses, axis=None)
    missed = 1 - np.arange(1, ordered.size + 1) / ordered.size
    return float(ordered[np.argmax(1 - missed**n_trials >= share)])

for n_trials in (5, 8, 12):
    low, middle, high = (best_of_chance(table, n_trials, share) for share in (0.1, 0.5, 0.9))
    print(f"best of {n_trials:2}: median {middle:.4f}, eight of ten in {low:.4f} to {high:.4f}")

# %% Expected improvement
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF


def fitted_process(
    points: np.ndarray, values: np.ndarray, length_scale: float = 0.5
) -> GaussianProcessRegressor:
    """Return a Gaussian process that has seen these values, (n,), at these points, (n, d).

    Each coordinate lies between 0 and 1. The length scale stays as it is given.
    """
    kernel = RBF(length_scale)
    process = GaussianProcessRegressor(kernel, alpha=1e-4, optimizer=None, normalize_y=True)
    return process.fit(points, values)

def expected_improvement(mean: np.ndarray, std: np.ndarray, best: float) -> np.ndarray:
    """Return by how much a value is expected to fall below best; above it, it counts as 0.

    The value is normally distributed with this mean and this standard deviation, above 0.
    """
    z = (best - mean) / std
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    below = torch.special.ndtr(torch.from_numpy(np.asarray(z))).numpy()
    return (best - mean) * below + std * density

improvement = np.linspace(0, 10, 100_001)
integral_differences = []
for mean, std in ((0.0, 1.0), (-0.5, 0.1), (0.5, 0.1), (0.5, 1.0)):
    density = np.exp(-(((-improvement - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
    integral = np.trapezoid(improvement * density, improvement)
    worth = expected_improvement(mean, std, best=0.0)
    integral_differences.append(abs(worth - integral))
    print(f"{mean:4} ± {std}: {worth:.6f} by the formula, {integral:.6f} by the integral")

values = np.round(np.log10(table), 6)
places, seen, column_of_two = np.linspace(0, 1, len(rates)), [8, 22, 37], values[:, 0]
process = fitted_process(places[seen, None], column_of_two[seen])
mean, std = process.predict(places[:, None], return_std=True)
worth = expected_improvement(mean, std, column_of_two[seen].min())
chosen = int(worth.argmax())
inside = (np.abs(column_of_two - mean) < 2 * std + 1e-6).mean()
print(f"best of three trials {10 ** column_of_two[seen].min():.4f}")
print(f"worth most: rate {rates[chosen]}, and there the loss is {10 ** column_of_two[chosen]:.4f}")
print(f"losses within two standard deviations of the prediction: {inside:.0%}")

figure, (above, beneath) = plt.subplots(
    2, figsize=(10, 8), sharex=True, height_ratios=(2, 1), layout="constrained"
)
low, high = 10 ** (mean - 2 * std), 10 ** (mean + 2 * std)
above.fill_between(rates, low, high, color="C0", alpha=0.3, label="± 2 standard deviations")
above.plot(rates, 10**mean, color="C0", linewidth=2.5, label="surrogate")
above.plot(rates, table[:, 0], "k:", linewidth=2.5, label="all losses, not seen")
above.plot([rates[row] for row in seen], table[seen, 0], "ko", markersize=12, label="trials")
above.set(title="What is the next trial worth?", ylabel="validation loss", yscale="log")
above.legend(fontsize=16)
beneath.plot(rates, worth, color="C0", linewidth=2.5)
beneath.plot(rates[chosen], worth[chosen], "*", color="C1", markersize=24)
beneath.set(xlabel="learning rate", xscale="log", ylim=(-0.01, 0.25))
beneath.set_ylabel("expected\nimprovement")
save_figure(figure, "expected_improvement")

# %% A search by hand
from threadpoolctl import threadpool_limits


def search_by_hand(
    points: np.ndarray,
    values: np.ndarray,
    n_trials: int,
    generator: np.random.Generator,
    length_scale: float = 0.5,
) -> list[int]:
    """Look for the smallest of the values, (n,), at the points, (n, d); return the rows tried.

    The first five rows are drawn at random; of the others, only those tried are looked at.
    """
    tried = generator.choice(len(points), size=5, replace=False).tolist()
    with threadpool_limits(1, user_api="blas"):
        while len(tried) < n_trials:
            process = fitted_process(points[tried], values[tried], length_scale)
            mean, std = process.predict(points, return_std=True)
            worth = expected_improvement(mean, std, best=values[tried].min())
            worth[tried] = -1  # no trial twice
            tried.append(int(worth.round(9).argmax()))  # of equals, the first
    return tried

def grid_points(rows: int, columns: int) -> np.ndarray:
    """Return the points of a grid in the unit square, row by row, shape (rows * columns, 2)."""
    first, second = np.linspace(0, 1, rows), np.linspace(0, 1, columns)
    return np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)


points = grid_points(len(rates), len(batch_sizes))
tried = search_by_hand(points, values.ravel(), 12, np.random.default_rng(0))
for number, place in enumerate(tried, 1):
    row, column = divmod(place, len(batch_sizes))
    rate, size = rates[row], batch_sizes[column]
    print(f"trial {number:2}: rate {rate:7.5f}, batches of {size:2}: {table[row, column]:.4f}")

# %% Five calls

import logging
import warnings

# Ax 1.3 makes calls that PyTorch, pandas and Ax itself have deprecated.
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
) -> list[tuple[dict[str, float], float]]:
    """Minimise evaluate(**parameters); return the trials in order.

    A trial is a pair: its parameters, by name, and the value that evaluate gave.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the matrices are tiny: a second thread would only be in the way
    client = Client(random_seed=seed)
    client.configure_experiment(parameters=space)
    client.configure_optimization(objective="-value")
    trials = []
    for _ in range(n_trials):
        for index, parameters in client.get_next_trials(max_trials=1).items():
            value = evaluate(**parameters)
            client.complete_trial(index, raw_data={"value": (value, 0.0)})
            trials.append((parameters, value))
    torch.set_num_threads(threads)
    return trials

# %% A function with a known answer
def booth(x: float, y: float) -> float:
    """Return Booth's function of x and y; its minimum is 0, at (1, 3)."""
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2

whole = [float(number) for number in range(-10, 11)]
print(f"{len(whole) ** 2} points")
square = [ChoiceParameterConfig(name, whole, "float", is_ordered=True) for name in ("x", "y")]
booth_searches = [ax_search(square, booth, n_trials=15, seed=seed) for seed in range(3)]
booth_best = []
for seed, trials in enumerate(booth_searches):
    point, lowest = min(trials, key=lambda trial: trial[1])
    number = trials.index((point, lowest)) + 1
    booth_best.append(lowest)
    where = f"({point['x']:.0f}, {point['y']:.0f})"
    print(f"seed {seed}: booth{where} = {lowest:.0f} in trial {number}")

booth_table = np.array([[booth(x, y) for y in whole] for x in whole])
booth_points = grid_points(21, 21)
booth_by_hand = []
for seed in range(3):
    visited = search_by_hand(booth_points, booth_table.ravel(), 15, np.random.default_rng(seed))
    booth_by_hand.append(booth_table.ravel()[visited].min())
booth_chance = best_of_chance(booth_table, 15, 0.5)
print("by hand:", " ".join(f"{lowest:.0f}" for lowest in booth_by_hand))
found = 1 - (1 - 1 / booth_table.size) ** 15
print(f"random search: {booth_chance:.0f} (median), and {found:.1%} find the minimum")

# %% The same numbers from BoTorch
from botorch.acquisition.analytic import LogExpectedImprovement
from botorch.models import SingleTaskGP
from gpytorch.kernels import RBFKernel
from gpytorch.means import ZeroMean


def by_botorch(points: np.ndarray, values: np.ndarray, everywhere: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation and expected improvement, shape (3, n), at n points."""
    inputs, queries = torch.from_numpy(points), torch.from_numpy(everywhere)[:, None]
    targets = torch.from_numpy((values - values.mean()) / values.std())[:, None]
    kernel, mean, noise = RBFKernel().double(), ZeroMean(), torch.full_like(targets, 1e-4)
    kernel.lengthscale = 0.5
    model = SingleTaskGP(inputs, targets, noise, None, kernel, mean, outcome_transform=None)
    improvement = LogExpectedImprovement(model, best_f=targets.min(), maximize=False)
    with torch.no_grad():
        posterior = model.posterior(queries)
        means, stds = posterior.mean.ravel(), posterior.variance.sqrt().ravel()
        scaled = torch.stack([means, stds, improvement(queries).exp()]).numpy() * values.std()
    scaled[0] += values.mean()
    return scaled

botorch_differences = []
for n_trials in (5, 8, 12):
    seen = tried[:n_trials]
    seen_values = values.ravel()[seen]
    mean, std = fitted_process(points[seen], seen_values).predict(points, return_std=True)
    ours = np.stack([mean, std, expected_improvement(mean, std, seen_values.min())])
    theirs = by_botorch(points[seen], seen_values, points)
    botorch_differences.append(np.abs(ours - theirs).max())
    print(f"{n_trials:2} trials: largest difference {botorch_differences[-1]:.10f}")

# %% Against chance
from functools import partial


def look_up(
    values: np.ndarray,
    rates: list[float],
    batch_sizes: list[int],
    learning_rate: float,
    batch_size: int,
) -> float:
    """Return the value of one pair from the table of values."""
    return float(values[rates.index(learning_rate), batch_sizes.index(batch_size)])


space = [
    ChoiceParameterConfig("learning_rate", rates, "float", is_ordered=True),
    ChoiceParameterConfig("batch_size", batch_sizes, "int", is_ordered=True),
]
evaluate = partial(look_up, values, rates, batch_sizes)
searches = [ax_search(space, evaluate, 12, seed) for seed in tqdm(range(10), disable=None)]

def many_by_hand(
    points: np.ndarray, values: np.ndarray, n_seeds: int, n_trials: int, length_scale: float = 0.5
) -> np.ndarray:
    """Return what searches with the seeds 0, 1, … found in turn, shape (n_seeds, n_trials)."""
    generators = [np.random.default_rng(seed) for seed in range(n_seeds)]
    places = [search_by_hand(points, values, n_trials, g, length_scale) for g in generators]
    return values[np.array(places)]


tries = {
    "chance": [np.random.default_rng(seed).choice(values.ravel(), 12) for seed in range(10)],
    "by hand": many_by_hand(points, values.ravel(), 10, 12),
    "Ax": [[value for _, value in trials] for trials in searches],
}
so_far = {name: np.minimum.accumulate(found, axis=1) for name, found in tries.items()}
ahead = {}
for n_trials in (5, 8, 12):
    middle = best_of_chance(values, n_trials, 0.5)
    print(f"after {n_trials:2} trials, random search has a median of {10**middle:.4f}")
    for name, bests in so_far.items():
        now = bests[:, n_trials - 1]
        ahead[name, n_trials] = int((now < middle).sum())
        print(f"  {name:7} {10 ** np.median(now):.4f}, {ahead[name, n_trials]:2} of 10 are below")

figure, (left, right) = plt.subplots(
    1, 2, figsize=(12, 6.5), width_ratios=(3, 2), layout="constrained"
)
numbers = range(1, 13)
low, middle, high = (
    [best_of_chance(table, number, share) / noise for number in numbers]
    for share in (0.1, 0.5, 0.9)
)
left.fill_between(numbers, low, high, color="C1", alpha=0.2, label="chance, eight of ten")
left.plot(numbers, middle, "--", color="C1", linewidth=2.5, label="chance, median")
looks = zip(so_far.items(), ("^", "s", "o"), ("C1", "black", "C0"), strict=True)
for place, ((name, bests), marker, color) in enumerate(looks):
    ratios = 10**bests / noise
    if name != "chance":
        left.plot(numbers, np.median(ratios, axis=0), marker + "-", color=color, label=name)
    right.plot(place + np.linspace(-0.35, 0.35, 10), ratios[:, -1], marker, color=color)
left.set(title="Best so far, median", xlabel="trial", ylabel="loss / noise")
left.set_xticks([1, 4, 8, 12])
right.set(title="After 12 trials", xticks=range(3), xticklabels=list(so_far))
for axes, ticks in ((left, [1, 2, 5, 10, 20, 50]), (right, [1, 1.5, 2, 3, 4])):
    axes.axhline(1, color="black", linestyle=":", linewidth=2)
    axes.set(yscale="log")
    axes.set_yticks(ticks, labels=ticks)
    axes.minorticks_off()
left.legend(fontsize=16)
save_figure(figure, "hyperparameter_search")

# %% What can three searches show?
from math import comb


def chance_of(k: int, n: int) -> float:
    """Return the probability of k or more heads in n tosses of a fair coin."""
    return sum(comb(n, heads) for heads in range(k, n + 1)) / 2**n


for k, n in ((3, 3), (8, 10), (9, 10), (10, 10)):
    print(f"{k:2} of {n:2} ahead: probability {chance_of(k, n):.6f}")
print(f"three random searches all find the minimum of booth: {found**3:.6f}")

smallest = 0.05 ** (1 / 10)
print(f"share of wins with which 10 of 10 happens once in twenty times: {smallest:.2f}")
wins = {}
for n_trials in (8, 12):
    difference = so_far["by hand"][:, n_trials - 1] - so_far["Ax"][:, n_trials - 1]
    ours, theirs = wins[n_trials] = int((difference < 0).sum()), int((difference > 0).sum())
    chance = 2 * chance_of(max(ours, theirs), ours + theirs)  # either may be the one ahead
    print(f"after {n_trials:2} trials ours is ahead in {ours}, Ax in {theirs}: {chance:.3f}")

middle, scales = best_of_chance(values, 12, 0.5), {}
for length_scale in (0.02, 0.1, 0.5, 2.5):
    ends = many_by_hand(points, values.ravel(), 20, 12, length_scale).min(axis=1)
    scales[length_scale] = count = int((ends < middle).sum())
    print(f"length scale {length_scale:4}: {count:2} of 20, worst {10 ** ends.max():.4f}")
ends = np.log10(many_by_hand(points, np.round(table.ravel(), 8), 20, 12).min(axis=1))
plain_ahead = int((ends < middle).sum())
print(f"from the losses, not their logarithms: {plain_ahead} of 20, worst {10 ** ends.max():.4f}")

# %% What was found
from collections import Counter

for size in (2, 8, 20, 80):
    column = batch_sizes.index(size)
    row = int(table[:, column].argmin())
    print(f"batches of {size:2}: best with rate {rates[row]:5}, {table[row, column]:.4f}")

for name in ("by hand", "Ax"):
    ends = Counter(np.round(10 ** so_far[name][:, -1], 4).tolist())
    print(f"{name:7}", ", ".join(f"{loss:.4f} ({times})" for loss, times in sorted(ends.items())))
row, column = np.unravel_index(table.argmin(), table.shape)
weight, bias = (part[row] for part in lines[column])
generator = np.random.default_rng(42)
x_new, noise_new = generator.random(1_000_000), generator.normal(0, 0.1, 1_000_000)
two_lines = np.array([weight, true_b]), np.array([bias, true_a])
on_new = losses_of(*two_lines, x_new, true_a + true_b * x_new + noise_new)
print(f"the best pair of all: rate {rates[row]}, batches of {batch_sizes[column]}")
print(f"on the 20 points: {table.min():.4f}, and the true line {noise:.4f}")
print(f"on a million new points: {on_new[0]:.4f}, and the true line {on_new[1]:.4f}")

# %% What must hold
assert too_large > 1000 and by_hand > 3 * noise
assert max(differences) < 1e-12 and len(differences) == 20
assert table.shape == (38, 20) and table.size == 760
assert arrived[5] < arrived[20] < arrived[1000] < len(rates)
assert max(integral_differences) < 1e-8
assert max(botorch_differences) < 1e-10
assert chosen == column_of_two.argmin()
assert inside < 1 / 2
assert len(set(tried)) == 12

assert booth_best == booth_by_hand == [0] * 3 and booth_chance > 5
assert ahead["Ax", 12] == ahead["by hand", 12] == 10
assert min(ahead["Ax", 8], ahead["by hand", 8]) >= 8 and ahead["chance", 12] == 2
assert max(so_far["Ax"][:, -1].max(), so_far["by hand"][:, -1].max()) < so_far["chance"].min()
assert chance_of(3, 3) == 1 / 8 and chance_of(8, 10) > 0.05 and chance_of(10, 10) < 0.001
assert min(2 * chance_of(max(counts), sum(counts)) for counts in wins.values()) > 0.1
assert found**3 < 0.0001 and smallest < 0.75
assert scales[0.5] == 20 and max(scales[0.02], scales[2.5]) < 20
assert on_new[1] < on_new[0] and table.min() < noise
assert (table[:, batch_sizes.index(80)] > 3 * noise).all()
print("checked: our numbers are BoTorch's, and both searches are ahead of chance in 10 of 10")
