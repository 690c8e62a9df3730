"""Appendix: the autoencoder of chapter 14, changed in one way at a time.

EPOCHS=n trains each network for n epochs instead of its own number.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

# The same sums on every x86-64 processor with AVX2. Read once, when torch and NumPy are loaded.
os.environ.setdefault("MKL_CBWR", "AVX2")
os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import nn, optim

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

def pick_epochs(default: int) -> int:
    """Return the number of epochs that EPOCHS names, else the default.

    Exits with status 2 where EPOCHS is not a positive whole number.
    """
    text = os.environ.get("EPOCHS") or str(default)
    try:
        epochs = int(text)
    except ValueError:
        epochs = 0
    if epochs < 1:
        print(f"EPOCHS={text}: not a positive whole number", file=sys.stderr)
        sys.exit(2)
    return epochs

# %% One loop for all of them
import socket
from contextlib import redirect_stderr
from io import StringIO
from tempfile import TemporaryDirectory

from torchvision.datasets import MNIST


def load_mnist(raw: Path) -> list[MNIST]:
    """Return MNIST's training and its test part; without a folder raw, download them first.

    Exits with status 2 where a file is missing or damaged, or cannot be downloaded.
    """
    try:
        if not raw.exists():
            socket.setdefaulttimeout(5)
            with TemporaryDirectory(dir=".") as folder, redirect_stderr(StringIO()):  # no bar
                MNIST(folder, download=True)
                os.renames(Path(folder, "MNIST", "raw"), raw)
        return [MNIST(raw.parent.parent, train=part) for part in (True, False)]
    except Exception:  # whatever it was, the advice is the same
        print(f"no whole MNIST in {raw}: 'make data' or 'python tangled/mnist.py'", file=sys.stderr)
        sys.exit(2)

device = pick_device()
n_epochs = pick_epochs(2)
torch.set_num_threads(1)  # on a CPU, as in chapter 14
torch.backends.mkldnn.enabled = False  # its sums depend on the size of the processor's cache
train_mnist, test_mnist = load_mnist(Path("data", "MNIST", "raw"))
train, test = ((part.data, part.targets) for part in (train_mnist, test_mnist))
x_train, x_test = (data.flatten(1).to(device) / 255 for data in (train[0][:30_000], test[0]))
y_train, y_test = train[1][:30_000].to(device), test[1].to(device)

class Halves(nn.Module):
    """An encoder and a decoder of any kind, for rows of 784 pixels."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction of x, in the shape (rows, 784)."""
        return self.decoder(self.encoder(x))


def dense(width: int = 32) -> Halves:
    """Return chapter 14's network with a code of this width."""
    encoder = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, width)]
    decoder = [nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU()]
    decoder += [nn.Linear(128, 784), nn.Sigmoid()]
    return Halves(nn.Sequential(*encoder), nn.Sequential(*decoder))

def reconstruction_loss(model: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error of the reconstruction of x; the labels are not used."""
    return F.mse_loss(model(x), x)


def fit(
    model: nn.Module,
    x: torch.Tensor,
    labels: torch.Tensor,
    epochs: int,
    loss_of: Callable = reconstruction_loss,
    make_scheduler: Callable | None = None,
) -> float:
    """Train by Adam on batches of 64; return the seconds that an epoch took, in the mean."""
    optimizer = optim.Adam(model.parameters(), lr=3e-3, fused=True)
    scheduler = make_scheduler(optimizer) if make_scheduler else None
    order = torch.Generator().manual_seed(42)
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=order).to(x.device).split(64):
            loss_of(model, x[rows], labels[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
            if scheduler:
                scheduler.step()
    return (time.perf_counter() - start) / epochs

from torch.utils.flop_counter import FlopCounterMode


def error(model: nn.Module, x: torch.Tensor) -> float:
    """Return the mean squared error of the reconstruction of x."""
    with torch.no_grad():
        return F.mse_loss(model(x), x).item()


def measure(model: nn.Module, x: torch.Tensor, epochs: int, seconds: float) -> dict[str, float]:
    """Return a row of the table: what a trained model costs, and its error on x."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x[:1])
    return {
        "test MSE": error(model, x),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "multiplications": counter.get_total_flops() // 2,
        "epochs": epochs,
        "seconds": seconds,
    }

results = {}
torch.manual_seed(42)
plain = dense().to(device)
seconds = fit(plain, x_train, y_train, n_epochs)
results["as in chapter 14"] = measure(plain, x_test, n_epochs, seconds)
print(f"as in chapter 14: test MSE {results['as in chapter 14']['test MSE']:.4f}")

# %% A linear autoencoder
from sklearn.decomposition import PCA

pca = PCA(n_components=32, svd_solver="covariance_eigh").fit(x_train.cpu().numpy())
pca_error = {}
for part, images in {"training": x_train, "test": x_test}.items():
    rebuilt = pca.inverse_transform(pca.transform(images.cpu().numpy()))
    pca_error[part] = np.mean((rebuilt - images.cpu().numpy()) ** 2).item()

def cosine(steps: int) -> Callable:
    """Return what makes a scheduler for an optimizer: from its rate to zero in so many steps."""
    return lambda optimizer: optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

n_linear = pick_epochs(8)
batches = len(x_train.split(64))
above = []  # by how much its error is above PCA's, as a share of it
for epochs in (1, n_linear):
    torch.manual_seed(42)
    linear = Halves(nn.Linear(784, 32), nn.Linear(32, 784)).to(device)
    seconds = fit(linear, x_train, y_train, epochs, make_scheduler=cosine(batches * epochs))
    above.append(error(linear, x_train) / pca_error["training"] - 1)
    print(f"linear, epochs {epochs:2}: {above[-1]:.2%} above PCA on the training images")
results["linear"] = measure(linear, x_test, n_linear, seconds)
print(f"test MSE: linear {results['linear']['test MSE']:.4f}, PCA {pca_error['test']:.4f}")

# %% A sparse code
def sparse_loss(weight: float) -> Callable:
    """Return a loss function: the reconstruction's error, plus weight times the mean code."""

    def loss_of(model: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        code = model.encoder(x)
        return F.mse_loss(model.decoder(code), x) + weight * code.abs().mean()

    return loss_of

zeros, unused, in_use = {}, {}, {}
for weight in (0.0, 0.001):
    torch.manual_seed(42)
    sparse = dense().to(device)
    sparse.encoder.append(nn.ReLU())
    seconds = fit(sparse, x_train, y_train, n_epochs, sparse_loss(weight))
    with torch.no_grad():
        is_zero = sparse.encoder(x_test) == 0
    dead = is_zero.all(dim=0)
    zeros[weight], unused[weight] = is_zero.float().mean().item(), int(dead.sum())
    in_use[weight] = is_zero[:, ~dead].float().mean().item()
    results[f"sparse, {weight:g}"] = measure(sparse, x_test, n_epochs, seconds)
    print(f"penalty {weight:g}: {zeros[weight]:.0%} of the code is zero,", end=" ")
    print(f"{unused[weight]} of 32 numbers are zero for every test image,", end=" ")
    print(f"and {in_use[weight]:.0%} of the others")

# %% A denoising autoencoder
def spoil(x: torch.Tensor) -> torch.Tensor:
    """Return x with normal noise of standard deviation 0.5 on each pixel, clipped to [0, 1]."""
    return (x + 0.5 * torch.randn(x.shape).to(x.device)).clamp(0, 1)


def denoising_loss(model: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the error against x of the reconstruction of a spoiled x."""
    return F.mse_loss(model(spoil(x)), x)

torch.manual_seed(42)
denoising = dense().to(device)
seconds = fit(denoising, x_train, y_train, n_epochs, denoising_loss)
results["denoising"] = measure(denoising, x_test, n_epochs, seconds)
torch.manual_seed(42)
noisy = spoil(x_test)
with torch.no_grad():
    shown = {"noisy": noisy, "plain": plain(noisy), "denoising": denoising(noisy)}
noise_errors = {name: F.mse_loss(images, x_test).item() for name, images in shown.items()}
for name, value in noise_errors.items():
    print(f"against the clean images: {name:<9} {value:.3f}")

from torchvision.utils import make_grid


def to_img(x: torch.Tensor) -> torch.Tensor:
    """Turn rows of 784 pixels into images of the shape (rows, 1, 28, 28)."""
    return x.reshape(-1, 1, 28, 28)

def plot_images(grid: torch.Tensor, title: str) -> Figure:
    """Draw an image of the shape (channels, height, width), in inches as large as it needs."""
    _, height, width = grid.shape
    size = (10, 10 * height / width + 0.4)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    axes.imshow(grid[0].cpu().numpy(), cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(title, fontsize=14)
    return figure

first_of = [int((y_test == digit).nonzero()[0]) for digit in range(10)]
rows = [x_test[first_of], *(images[first_of] for images in shown.values())]
sheet = make_grid(to_img(torch.cat(rows)), nrow=10, pad_value=1.0)
title = "Clean, noisy, by the plain network, by the denoising one"
save_figure(plot_images(sheet, title), "denoised")

# %% Tied weights
class Tied(nn.Module):
    """Chapter 14's network, whose decoder uses the encoder's weights, transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = dense().encoder
        self.biases = nn.ParameterList([torch.zeros(size) for size in (64, 128, 784)])

    def decoder(self, code: torch.Tensor) -> torch.Tensor:
        """Return the image that a code stands for."""
        third, second, first = (self.encoder[place].weight for place in (4, 2, 0))
        hidden = F.relu(code @ third + self.biases[0])
        hidden = F.relu(hidden @ second + self.biases[1])
        return torch.sigmoid(hidden @ first + self.biases[2])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction of x, in the shape (rows, 784)."""
        return self.decoder(self.encoder(x))

torch.manual_seed(42)
tied = Tied().to(device)
seconds = fit(tied, x_train, y_train, n_epochs)
results["tied weights"] = measure(tied, x_test, n_epochs, seconds)
for name in ("as in chapter 14", "tied weights"):
    row = results[name]
    print(f"{name:<16} test MSE {row['test MSE']:.4f} with {row['parameters']} parameters")

# %% A convolutional one
def convolutional() -> Halves:
    """Return an autoencoder of convolutions, for rows of 784 pixels."""
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 8, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(784, 32),
    )
    decoder = nn.Sequential(
        nn.Linear(32, 784),
        nn.ReLU(),
        nn.Unflatten(1, (16, 7, 7)),
        nn.ConvTranspose2d(16, 8, kernel_size=4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, kernel_size=4, stride=2, padding=1),
        nn.Sigmoid(),
        nn.Flatten(),
    )
    return Halves(encoder, decoder)

torch.manual_seed(42)
by_filters = convolutional().to(device)
seconds = fit(by_filters, x_train, y_train, pick_epochs(1))
results["convolutional"] = measure(by_filters, x_test, pick_epochs(1), seconds)
for name in ("as in chapter 14", "convolutional"):
    row = results[name]
    print(f"{name}: test MSE {row['test MSE']:.4f} after epoch {row['epochs']},", end=" ")
    print(f"{row['parameters']} parameters, {row['multiplications']} multiplications")

# %% A schedule
def one_cycle(steps: int) -> Callable:
    """Return what makes a scheduler for an optimizer: up to 0.01 and down in so many steps."""
    return lambda optimizer: optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)


torch.manual_seed(42)
scheduled = dense().to(device)
steps = batches * n_epochs
seconds = fit(scheduled, x_train, y_train, n_epochs, make_scheduler=one_cycle(steps))
results["one cycle"] = measure(scheduled, x_test, n_epochs, seconds)
print(f"constant rate: test MSE {results['as in chapter 14']['test MSE']:.4f}")
print(f"one cycle:     test MSE {results['one cycle']['test MSE']:.4f}")

# %% How wide should the code be?
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

PRICE = 0.0002  # of squared error, for each number of the code


def priced_error(x: torch.Tensor, labels: torch.Tensor, width: int) -> float:
    """Train on the first 15,000 rows for one epoch; return the last 10,000's error plus the price.

    It is rounded, so that the last bits of a sum cannot lead the search elsewhere.
    """
    torch.manual_seed(42)
    model = dense(width).to(x.device)
    fit(model, x[:15_000], labels[:15_000], epochs=1)
    return round(error(model, x[-10_000:]) + PRICE * width, 5)

from functools import partial

widths = [2, 4, 6, 8, 12, 16, 24, 32]
space = [ChoiceParameterConfig("width", widths, "int", is_ordered=True)]
prices = {}
for trial, (parameters, price) in enumerate(
    ax_search(space, partial(priced_error, x_train, y_train), n_trials=6, seed=42), start=1
):
    prices[parameters["width"]] = price
    print(f"trial {trial}: width {parameters['width']:2}, error and price {price:.4f}")
best_width = min(prices, key=prices.get)
print(f"the best width seen: {best_width}")

# %% A second output that names the digit
class Naming(Halves):
    """Chapter 14's network with a second output on its code: scores for the ten digits."""

    def __init__(self) -> None:
        super().__init__(dense().encoder, dense().decoder)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(32, 10))

    def scores(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the digits for each image, in the shape (rows, 10)."""
        return self.head(self.encoder(x))


def naming_loss(model: Naming, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the reconstruction's error plus a hundredth of the cross-entropy of the scores."""
    code = model.encoder(x)
    return F.mse_loss(model.decoder(code), x) + 0.01 * F.cross_entropy(model.head(code), labels)

torch.manual_seed(42)
naming = Naming().to(device)
seconds = fit(naming, x_train, y_train, n_epochs, naming_loss)
results["names the digit"] = measure(naming, x_test, n_epochs, seconds)
with torch.no_grad():
    named = naming.scores(x_test).argmax(dim=1)
accuracy = (named == y_test).float().mean().item()
results["names the digit"]["accuracy"] = accuracy
confusion = torch.bincount(10 * y_test.cpu() + named.cpu(), minlength=100).reshape(10, 10)
print(f"named rightly: {accuracy:.1%} of the test images")
confused = confusion.clone().fill_diagonal_(0)
worst = divmod(int(confused.argmax()), 10)
print(f"most often confused: {worst[0]} is called {worst[1]}, {int(confused.max())} times")

figure, axes = plt.subplots(figsize=(10, 10), layout="constrained", facecolor="white")
axes.imshow(confused.numpy() ** 0.5, cmap="Oranges", vmax=10)  # pale enough for black text
for digit in range(10):
    for name in range(10):
        weight = "bold" if digit == name else "normal"
        count = str(int(confusion[digit, name]))
        axes.text(name, digit, count, ha="center", va="center", fontsize=18, weight=weight)
axes.set(title="Which digit is called what", xlabel="called", ylabel="digit")
axes.set_xticks(range(10))
axes.set_yticks(range(10))
axes.grid(visible=False)
save_figure(figure, "confusion")

# %% The halves apart
def walk(model: Halves, start: torch.Tensor, end: torch.Tensor, steps: int) -> torch.Tensor:
    """Decode codes on the straight way between those of two images, both ends included."""
    with torch.no_grad():
        first, last = model.encoder(torch.stack([start, end]))
        shares = torch.linspace(0, 1, steps, device=first.device)[:, None]
        return model.decoder(first + shares * (last - first))

walks = [(0, 6), (1, 7), (3, 8), (4, 9)]
rows = [walk(scheduled, x_test[first_of[a]], x_test[first_of[b]], 10) for a, b in walks]
sheet = make_grid(to_img(torch.cat(rows)), nrow=10, pad_value=1.0)
save_figure(plot_images(sheet, "From the code of one digit to that of another"), "walks")

torch.manual_seed(42)
flat = dense(2).to(device)
seconds = fit(flat, x_train, y_train, n_epochs)
results["a code of 2"] = measure(flat, x_test, n_epochs, seconds)
with torch.no_grad():
    codes = flat.encoder(x_test).cpu().double()
    shares = torch.linspace(0.05, 0.95, 15, dtype=torch.float64)
    across, down = torch.quantile(codes, shares, dim=0).float().T
    points = torch.cartesian_prod(down.flip(0), across).flip(1)
    pictures = flat.decoder(points.to(device))
sheet = make_grid(to_img(pictures), nrow=15, pad_value=1.0)
save_figure(plot_images(sheet, "Points of a grid, decoded"), "grid")

# %% What the first layer looks at
def weight_sheet(layer: nn.Linear, rows: int) -> torch.Tensor:
    """Lay out the weights of the first units of a layer, 16 in a row, as one image in [0, 1]."""
    weights = layer.weight.detach().cpu()[: 16 * rows]
    largest = weights.abs().amax(dim=1, keepdim=True)
    return make_grid(to_img(0.5 + 0.5 * weights / largest), nrow=16, pad_value=1.0)


sheet = torch.cat([weight_sheet(model.encoder[0], 2) for model in (plain, denoising)], dim=1)
title = "First layer: plain above, denoising below"
save_figure(plot_images(sheet, title), "first_layer")

torch.manual_seed(42)
untrained = dense().encoder[0].weight.detach()
dark = (x_train == 0).all(dim=0)
print(f"{int(dark.sum())} pixels are black in every training image")
moved, silent = {}, {}
for name, model in {"plain": plain, "one cycle": scheduled, "denoising": denoising}.items():
    change = model.encoder[0].weight.detach().cpu() - untrained
    moved[name] = (change[:, dark.cpu()] != 0).float().mean().item()
    with torch.no_grad():
        silent[name] = int((model.encoder[0](x_test) <= 0).all(dim=0).sum())
    print(f"{name:<9} {moved[name]:4.0%} of the weights of these pixels moved,", end=" ")
    print(f"{silent[name]} of 128 units are silent for every test image")

# %% All in one table
print("| variant | test MSE | accuracy | parameters | multiplications | epochs |")
print("|---+---+---+---+---+---|")
for name, row in results.items():
    right = f"{row['accuracy']:.1%}" if "accuracy" in row else "—"
    numbers = f"{row['parameters']} | {row['multiplications']} | {row['epochs']}"
    print(f"| {name} | {row['test MSE']:.4f} | {right} | {numbers} |")

Path("runs").mkdir(exist_ok=True)
lines = [f"{row['seconds']:7.2f} s an epoch: {name}" for name, row in results.items()]
Path("runs", "autoencoder_variants.txt").write_text("\n".join(lines) + "\n")

# %% What must hold
row = {name: results[name]["test MSE"] for name in results}
assert results["as in chapter 14"]["parameters"] == 222384
assert min(above) > 0  # from above
assert all(zeros[weight] > unused[weight] / 32 for weight in zeros)
assert moved["plain"] == 0 and moved["denoising"] > 0.98
assert int(confusion.sum()) == len(x_test)
np.testing.assert_allclose(confusion.trace() / len(x_test), accuracy, rtol=1e-6)
assert noise_errors["denoising"] < noise_errors["plain"] < noise_errors["noisy"]
if n_epochs == 2 and device.type == "cpu":
    assert above[-1] < 0.001 < 0.1 < above[0]
    assert in_use[0.001] > in_use[0.0] and unused[0.001] < unused[0.0]
    assert row["tied weights"] < row["as in chapter 14"] < row["denoising"]
    assert row["one cycle"] < row["as in chapter 14"] < row["sparse, 0.001"]
    assert row["convolutional"] < row["as in chapter 14"] < row["a code of 2"]
    assert 2 * noise_errors["denoising"] < noise_errors["plain"]
    assert accuracy > 0.9
print(f"checked: {len(results)} networks, and the linear one meets PCA from above")
