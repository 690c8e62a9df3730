"""Chapter 14: an autoencoder on MNIST, watched while it learns.

EPOCHS=n trains for n epochs instead of 20.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

# The profiler's engine logs to the terminal. It reads this once, when torch is loaded.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
# MKL picks the order of its sums by the processor, unless it is told which. Read once, too.
os.environ.setdefault("MKL_CBWR", "AVX2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's matrix products, as torch's below

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import nn, optim
from torch.optim import Optimizer
from torch.utils.data import DataLoader
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

device = pick_device()

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

n_epochs = pick_epochs(20)
if "OMP_NUM_THREADS" not in os.environ:
    torch.set_num_threads(1)  # on a CPU

# %% The images

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

train_mnist, test_mnist = load_mnist(Path("data", "MNIST", "raw"))
x_train = train_mnist.data.flatten(1).to(device) / 255
x_test = test_mnist.data.flatten(1).to(device) / 255
labels = test_mnist.targets.numpy()
print(f"training {tuple(x_train.shape)}, test {tuple(x_test.shape)}, {x_train.dtype}")
print(f"pixels from {x_train.min():g} to {x_train.max():g}")
print(f"the training images take {x_train.nbytes / 2**20:.0f} MiB")

BATCH = 256


class WholeBatches:
    """Batches of images as x and as y, each cut out at once; shuffled if given an order."""

    def __init__(
        self, images: torch.Tensor, order: torch.Generator | None = None, size: int = BATCH
    ) -> None:
        self.images, self.order, self.size = images, order, size

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)  # rounded up: the last batch may be smaller

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        n = len(self.images)
        rows = torch.arange(n) if self.order is None else torch.randperm(n, generator=self.order)
        for part in rows.to(self.images.device).split(self.size):
            batch = self.images[part]
            yield batch, batch

test_loader = WholeBatches(x_test)
x_batch, y_batch = next(iter(test_loader))
print(f"{len(test_loader)} test batches, the first of shape {tuple(x_batch.shape)}")

# %% How good is good?
from sklearn.decomposition import PCA

pca = PCA(n_components=32, svd_solver="covariance_eigh").fit(x_train.cpu().numpy())
pca_errors, clipped_errors = {}, {}
for part, images in {"training": x_train, "test": x_test}.items():
    pixels = images.cpu().numpy()
    linear = pca.inverse_transform(pca.transform(pixels))
    pca_errors[part] = np.mean((linear - pixels) ** 2).item()
    clipped_errors[part] = np.mean((linear.clip(0, 1) - pixels) ** 2).item()
pca_mse, clipped_mse = pca_errors["test"], clipped_errors["test"]
print(f"PCA with 32 components: test MSE {pca_mse:.5f}")
print(f"clipped to [0, 1]:      test MSE {clipped_mse:.5f}")
print(f"on the training images:      MSE {pca_errors['training']:.5f}")

# %% Version 1: functional calls
import torch.nn.functional as F


class FunctionalAutoencoder(nn.Module):
    """784-128-64-32 and back, for rows of pixels in [0, 1]; the activations are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.encode1 = nn.Linear(784, 128)
        self.encode2 = nn.Linear(128, 64)
        self.encode3 = nn.Linear(64, 32)
        self.decode1 = nn.Linear(32, 64)
        self.decode2 = nn.Linear(64, 128)
        self.decode3 = nn.Linear(128, 784)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction of x, in the shape (rows, 784)."""
        hidden = F.relu(self.encode1(x))
        hidden = F.relu(self.encode2(hidden))
        code = self.encode3(hidden)
        hidden = F.relu(self.decode1(code))
        hidden = F.relu(self.decode2(hidden))
        return torch.sigmoid(self.decode3(hidden))

# %% Version 2: Sequential
class SequentialAutoencoder(nn.Module):
    """The same network in two halves, an encoder and a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(784, 128),
            nn.ReLU(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, 32),
        )
        self.decoder = nn.Sequential(
            nn.Linear(32, 64),
            nn.ReLU(),
            nn.Linear(64, 128),
            nn.ReLU(),
            nn.Linear(128, 784),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction of x, in the shape (rows, 784)."""
        return self.decoder(self.encoder(x))

torch.manual_seed(42)
version1, version2 = FunctionalAutoencoder().to(device), SequentialAutoencoder().to(device)
with torch.no_grad():
    before = (version1(x_test) - version2(x_test)).abs().max().item()
    weights = version1.state_dict().values()
    version2.load_state_dict(dict(zip(version2.state_dict(), weights, strict=True)))
    after = (version1(x_test) - version2(x_test)).abs().max().item()
print(f"largest difference: {before:.3f} with weights of their own, {after:g} with the same")
print(f"numbers to learn: {sum(parameter.numel() for parameter in version2.parameters())}")

import shutil
import subprocess

import graphviz
from torchviz import make_dot


def draw_graph(graph: graphviz.Digraph, name: str) -> None:
    """Lay out a graph with Graphviz and write figures/NAME.png, whole or not at all."""
    beside_python = str(Path(sys.executable).parent)
    dot = shutil.which("graphviz-pure", path=beside_python) or shutil.which("dot")
    if dot is None:
        print("Graphviz is missing: pip install graphviz-pure", file=sys.stderr)
        sys.exit(2)
    graph.graph_attr["dpi"] = "300"
    graph.node_attr["fontname"] = "Courier"  # torchviz asks for a font that Graphviz lacks
    Path("figures").mkdir(exist_ok=True)
    beside = Path("figures", f".{name}.new")
    subprocess.run([dot, "-Tpng", "-o", beside], input=graph.source, text=True, check=True)
    beside.replace(Path("figures", f"{name}.png"))

def network_graph(encoder: nn.Sequential, decoder: nn.Sequential) -> graphviz.Digraph:
    """Return a graph from left to right: a box for each vector, an arrow for each layer."""
    layers, sizes = [], []
    for module in (*encoder, *decoder):
        if isinstance(module, nn.Linear):
            layers.append([])
            sizes.append(module.out_features)
        layers[-1].append(type(module).__name__)
    sizes.insert(0, encoder[0].in_features)
    code = sum(isinstance(module, nn.Linear) for module in encoder)
    names = {0: "image", code: "code", len(layers): "image"}
    graph = graphviz.Digraph(graph_attr={"rankdir": "LR"})
    graph.attr("node", shape="box", style="filled", width="0.9", fontsize="20")
    graph.attr("edge", fontname="Courier", fontsize="16")
    for number, size in enumerate(sizes):
        label = "\n".join([names.get(number, ""), str(size)]).strip()
        colour = "gold" if number == code else "lightblue" if number < code else "lightgrey"
        graph.node(str(number), label, height=f"{size**0.5 / 8:.2f}", fillcolor=colour)
    for number, layer in enumerate(layers):
        graph.edge(str(number), str(number + 1), "\n".join(layer))
    return graph

draw_graph(network_graph(version2.encoder, version2.decoder), "network")

reconstruction = version2(x_test[:1])
params = dict(version2.named_parameters()) | {"reconstruction": reconstruction}
graph = make_dot(reconstruction, params=params)
graph.attr(ranksep="0.25")  # the rows closer together: there are many
draw_graph(graph, "autoencoder")

# %% The range of the output
perfect = x_test
shown = 0.5 * (perfect + 1)
shown_mse = F.mse_loss(shown, x_test).item()
print(f"black is {perfect.min():g} and shown as {shown.min():g}")
print(f"a perfect output, so shown, has an MSE of {shown_mse:.3f}")

def to_img(x: torch.Tensor) -> torch.Tensor:
    """Turn rows of 784 pixels into images of the shape (rows, 1, 28, 28)."""
    return x.reshape(-1, 1, 28, 28)

# %% Looking at images
from torchvision.utils import make_grid


def image_pairs(x: torch.Tensor, reconstruction: torch.Tensor, columns: int) -> torch.Tensor:
    """Lay out rows of digits, each over the row of their reconstructions, as one image."""
    rows = [to_img(part).reshape(-1, columns, 1, 28, 28) for part in (x, reconstruction)]
    images = torch.stack(rows, dim=1).flatten(0, 2)
    return make_grid(images, nrow=columns, pad_value=1.0)

def plot_images(grid: torch.Tensor, title: str) -> Figure:
    """Draw an image of the shape (channels, height, width), in inches as large as it needs."""
    _, height, width = grid.shape
    size = (10, 10 * height / width + 0.4)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    axes.imshow(grid[0].cpu().numpy(), cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(title, fontsize=14)
    return figure

# %% What to watch
from torch.utils.tensorboard import SummaryWriter


def write_summary(
    writer: SummaryWriter, epoch: int, model: nn.Module, x: torch.Tensor
) -> torch.Tensor:
    """Write images over their reconstructions, and all weights; return the images, as one."""
    with torch.no_grad():
        grid = image_pairs(x, model(x), columns=16)
    writer.add_image("digits and reconstructions", grid, epoch)
    for name, parameter in model.named_parameters():
        writer.add_histogram(name, parameter, epoch)
    return grid

# %% The training
RATE = 3e-3


def set_up(
    seed: int, images: torch.Tensor, device: torch.device
) -> tuple[nn.Module, Optimizer, WholeBatches, torch.Generator]:
    """Return a model, its optimizer, a shuffling loader and the generator that shuffles."""
    torch.manual_seed(seed)
    model = SequentialAutoencoder().to(device)
    optimizer = optim.Adam(model.parameters(), lr=RATE, fused=True)
    order = torch.Generator().manual_seed(seed)
    return model, optimizer, WholeBatches(images, order), order

CHECKPOINT = Path("checkpoints", "autoencoder.pt")
loss_fn = nn.MSELoss()
model, optimizer, train_loader, order = set_up(42, x_train, device)
train_step = make_train_step(model, loss_fn, optimizer)
losses, val_losses = [], []
writer = SummaryWriter()

for epoch in tqdm(range(1, n_epochs + 1), disable=None):
    losses.append(train_epoch(train_step, train_loader, device))
    val_losses.append(validation(model, loss_fn, test_loader))
    writer.add_scalar("loss/training", losses[-1], epoch)
    writer.add_scalar("loss/test", val_losses[-1], epoch)
    writer.add_scalar("learning rate", optimizer.param_groups[0]["lr"], epoch)
    if epoch % 5 == 0:
        sheet = write_summary(writer, epoch, model, x_test[:96])
    if epoch in (10, 20):
        title = f"Digits, each over its reconstruction after {epoch} epochs"
        save_figure(plot_images(sheet, title), f"image_{epoch}")
    save(
        CHECKPOINT,
        epoch=epoch,
        model=model.state_dict(),
        optimizer=optimizer.state_dict(),
        order=order.get_state(),
        losses=losses,
        val_losses=val_losses,
    )
writer.close()

for epoch, (loss, val_loss) in enumerate(zip(losses, val_losses, strict=True), start=1):
    if epoch in (1, 5, 10, 20, n_epochs):
        print(f"epoch {epoch:2}: training loss {loss:.5f}, test loss {val_loss:.5f}")

train_mse = validation(model, loss_fn, WholeBatches(x_train))
easier = 1 - val_losses[-1] / train_mse
pca_easier = 1 - pca_errors["test"] / pca_errors["training"]
print(f"after the last epoch: training loss {train_mse:.5f}, test loss {val_losses[-1]:.5f}")
print(f"lower on the test images: the network's loss by {easier:.1%}, PCA's by {pca_easier:.1%}")

def plot_train_val(losses: list[float], val_losses: list[float], yardstick: float) -> Figure:
    """Draw both losses against the epoch, on a logarithmic and on a linear scale."""
    figure, panels = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    epochs = range(1, len(losses) + 1)
    for axes, scale in zip(panels, ("log", "linear"), strict=True):
        axes.plot(epochs, losses, "o-", label="training", linewidth=2.5)
        axes.plot(epochs, val_losses, "s--", label="test", linewidth=2.5)
        axes.axhline(yardstick, color="black", linestyle=":", linewidth=2, label="PCA, test")
        axes.set(title=f"{scale} scale", xlabel="epoch", ylabel="loss (MSE)", yscale=scale)
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].yaxis.set_minor_formatter("{x:g}")
    panels[0].yaxis.set_major_formatter("{x:g}")
    panels[1].legend()
    return figure

save_figure(plot_train_val(losses, val_losses, pca_mse), "val_loss")

first_of_each = [int(np.argmax(labels == digit)) for digit in range(10)]
digits = x_test[first_of_each]
model.eval()
with torch.no_grad():
    reconstruction = model(digits)
title = "Above: digits of the test set. Below: from 32 numbers"
save_figure(plot_images(image_pairs(digits, reconstruction, columns=10), title), "mnist_ae")

# %% What the code knows
from sklearn.neighbors import NearestNeighbors


def nearest(points: np.ndarray, k: int) -> np.ndarray:
    """Return the row numbers of the k nearest other points of each point, in the shape (n, k)."""
    return NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)


def label_agreement(points: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of points whose nearest other point has the same label."""
    return np.mean(labels[nearest(points, 1)[:, 0]] == labels).item()


def kept_neighbours(points: np.ndarray, others: np.ndarray) -> float:
    """Return which share of the ten nearest of each point are among its ten nearest in others."""
    here, there = nearest(points, 10), nearest(others, 10)
    return np.mean(here[:, :, None] == there[:, None, :]).item() * 10

some, some_labels = x_test[::5], labels[::5]
with torch.no_grad():
    code = model.encoder(some).cpu().numpy().astype(np.float64)
pixels = some.cpu().numpy()
agreement = {
    "784 pixels": label_agreement(pixels, some_labels),
    "32 by PCA": label_agreement(pca.transform(pixels), some_labels),
    "32 dimensions": label_agreement(code, some_labels),
}
print(f"of {len(some)} test images:")
for name, share in agreement.items():
    print(f"{name:<13} the nearest neighbour shows the same digit in {share:.1%}")

from sklearn.manifold import TSNE

flat = PCA(n_components=2, svd_solver="covariance_eigh").fit_transform(code)
embedding = TSNE(angle=0.8, max_iter=500, random_state=42).fit_transform(code)
kept = {}
for name, points in {"2 by PCA": flat, "2 by t-SNE": embedding}.items():
    agreement[name] = label_agreement(points, some_labels)
    kept[name] = kept_neighbours(code, points)
    print(f"{name:<13} the nearest neighbour shows the same digit in {agreement[name]:.1%}")
    print(f"{'':<13} of the ten nearest {kept[name]:.0%} are still among the ten nearest")

COLOURS = (  # ten colours that are dark enough on white
    *("#1f5fbf", "#b85000", "#b01020", "#2e7d32", "#7a21b8"),
    *("#80503a", "#d0106f", "#6e6b00", "#404040", "#007f8c"),
)
figure, axes = plt.subplots(figsize=(10, 9), layout="constrained", facecolor="white")
axes.set_facecolor("white")
for digit, colour in enumerate(COLOURS):
    points = embedding[some_labels == digit]
    axes.scatter(*points.T, s=24, color=colour, marker=f"${digit}$", linewidths=0)
    axes.annotate(
        str(digit),
        np.median(points, axis=0),
        fontsize=22,
        color=colour,
        ha="center",
        va="center",
        bbox={"boxstyle": "circle", "facecolor": "white", "edgecolor": colour},
    )
axes.set(title="The codes of 2,000 test images", xlabel="t-SNE 1", ylabel="t-SNE 2")
axes.spines[:].set_visible(False)
save_figure(figure, "embedding")

# %% Take the decoder along
import base64
import json
import zlib
from copy import deepcopy


def keep(name: str, content: dict) -> None:
    """Write checkpoints/NAME.json, whole or not at all."""
    Path("checkpoints").mkdir(exist_ok=True)
    beside = Path("checkpoints", f".{name}.new")
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(Path("checkpoints", f"{name}.json"))


def pack(numbers: np.ndarray) -> str:
    """Return the bytes of numbers, the first of each before the second, compressed, in base64."""
    planes = numbers.reshape(-1, 1).view(np.uint8).T  # like beside like compresses better
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode().rstrip("=")

weights = model.decoder.state_dict()
halves = {name: part.cpu().numpy().astype("<f2") for name, part in weights.items()}
lowest = code.min(axis=0)
step = (code.max(axis=0) - lowest) / 255
steps = np.rint((code - lowest) / step).astype(np.uint8)
layers = [[pack(halves[f"{layer}.{kind}"]) for kind in ("weight", "bias")] for layer in (0, 2, 4)]
content = {"layers": layers, "lowest": lowest.tolist(), "step": step.tolist()}
content |= {"codes": pack(steps[::2]), "points": pack(embedding[::2].astype("<f2"))}
keep("decoder", content | {"labels": "".join(map(str, some_labels[::2]))})
print(f"kept for the page: the decoder, and {len(steps[::2])} codes with their points")

small = deepcopy(model.decoder)
small.load_state_dict({name: torch.from_numpy(part).float() for name, part in halves.items()})
exact, coarse = (
    torch.from_numpy(part[:100]).float().to(device) for part in (code, lowest + step * steps)
)
with torch.no_grad():
    by_weights = (small(exact) - model.decoder(exact)).abs().max().item()
    by_both = (small(coarse) - model.decoder(exact)).abs().mean().item()
print(f"weights of 16 bits change no pixel by more than {0.005}: {by_weights < 0.005}")
print(f"codes of 8 bits, too: on average by less than {0.001}: {by_both < 0.001}")

# %% Going on
from itertools import islice


def load(path: Path, device: torch.device) -> dict:
    """Read a checkpoint onto a device; UnpicklingError if it asks for more than data."""
    return torch.load(path, map_location=device, weights_only=True)


def next_steps(model: nn.Module, optimizer: Optimizer, loader: Iterable) -> list[float]:
    """Take ten steps of a new epoch; return their losses."""
    device = next(model.parameters()).device
    train_step = make_train_step(model, nn.MSELoss(), optimizer)
    return [train_step(x.to(device), y.to(device)) for x, y in islice(loader, 10)]

saved = load(CHECKPOINT, device)
fresh_model, fresh_optimizer, fresh_loader, fresh_order = set_up(0, x_train, device)
fresh_model.load_state_dict(saved["model"])
fresh_optimizer.load_state_dict(saved["optimizer"])
fresh_order.set_state(saved["order"].cpu())
never_stopped = next_steps(model, optimizer, train_loader)
went_on = next_steps(fresh_model, fresh_optimizer, fresh_loader)
gap = max(
    (here - there).abs().max().item()
    for here, there in zip(model.parameters(), fresh_model.parameters(), strict=True)
)
print(f"saved after epoch {saved['epoch']}, with: {', '.join(saved)}")
print(f"after ten more steps the weights differ by {gap:g}")

other_model, other_optimizer, other_loader, _ = set_up(0, x_train, device)
other_model.load_state_dict(saved["model"])
other_optimizer.load_state_dict(saved["optimizer"])
forgot_order = next_steps(other_model, other_optimizer, other_loader)
print(f"losses of the next steps: {never_stopped[0]:.6f}, {never_stopped[1]:.6f}, …")
print(f"going on:                 {went_on[0]:.6f}, {went_on[1]:.6f}, …")
print(f"with the order forgotten: {forgot_order[0]:.6f}, {forgot_order[1]:.6f}, …")

# %% Where the time goes
import time


def seconds(work: Callable, *arguments: object) -> float:
    """Return how long work takes with these arguments: the fewest seconds of three runs."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        work(*arguments)
        taken.append(time.perf_counter() - start)
    return min(taken)

from torch.utils.data import Dataset, RandomSampler
from torchvision.transforms import ToTensor


class OneByOne(Dataset):
    """MNIST as tutorials read it: an image becomes floats when it is asked for."""

    def __init__(self, mnist: MNIST) -> None:
        self.mnist, self.transform = mnist, ToTensor()

    def __len__(self) -> int:
        return len(self.mnist)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.transform(self.mnist[row][0]).flatten()
        return x, x


def textbook_loader(dataset: Dataset, seed: int, workers: int) -> DataLoader:
    """Return a loader that shuffles as set_up's does, with so many worker processes."""
    rows = RandomSampler(dataset, generator=torch.Generator().manual_seed(seed))
    way = "fork" if workers else None  # a spawned worker would run this script from its top
    return DataLoader(
        dataset, BATCH, sampler=rows, num_workers=workers, multiprocessing_context=way
    )


def five_batches(loader: Iterable) -> list:
    """Return the first five batches of an epoch."""
    return list(islice(loader, 5))

textbook_set = OneByOne(train_mnist)
roads = {
    "at once": set_up(42, x_train, device)[2],
    "one by one": textbook_loader(textbook_set, 42, workers=0),
}
if sys.platform == "linux":
    roads["by two workers"] = textbook_loader(textbook_set, 42, workers=2)
first_losses, times = {}, {}
for road, loader in roads.items():
    fresh_model, fresh_optimizer, *_ = set_up(42, x_train, device)
    first_losses[road] = next_steps(fresh_model, fresh_optimizer, loader)
    times[f"five batches, {road}"] = seconds(five_batches, loader)
    print(f"{road:<14} losses {first_losses[road][0]:.6f} to {first_losses[road][-1]:.6f}")

from torch.nn.utils import parameters_to_vector
from torch.profiler import profile

ends, updates, operations = {}, {}, {}
for kind, fused in {"plain": False, "fused": True}.items():
    fresh_model, _, fresh_loader, _ = set_up(42, x_train, device)
    adam = optim.Adam(fresh_model.parameters(), lr=RATE, fused=fused, foreach=False)
    with profile() as profiler:
        next_steps(fresh_model, adam, fresh_loader)
    ends[kind] = parameters_to_vector(fresh_model.parameters()).detach()
    operations[kind] = profiler.key_averages()
    counts = {operation.key: operation.count for operation in operations[kind]}
    updates[kind] = counts.get("aten::_fused_adam_", 0) or counts.get("aten::addcdiv_", 0)
    batches = WholeBatches(x_train[: 10 * BATCH])
    times[f"ten steps, {kind} Adam"] = seconds(next_steps, fresh_model, adam, batches)
largest_gap = (ends["plain"] - ends["fused"]).abs().max().item()
print(f"updates in ten steps: {updates['plain']} by plain Adam, {updates['fused']} by fused Adam")
print(f"no weight differs by more than {1e-4:g}: {largest_gap < 1e-4}")

n_threads = torch.get_num_threads()
for threads in (1, 2):
    torch.set_num_threads(threads)
    fresh_model, fresh_optimizer, fresh_loader, _ = set_up(42, x_train, device)
    next_steps(fresh_model, fresh_optimizer, fresh_loader)
    ends[threads] = parameters_to_vector(fresh_model.parameters()).detach()
    times[f"ten steps, threads: {threads}"] = seconds(
        next_steps, fresh_model, fresh_optimizer, batches
    )
torch.set_num_threads(n_threads)
threads_gap = (ends[1] - ends[2]).abs().max().item()
print(f"one thread or two, no weight differs by more than {1e-4:g}: {threads_gap < 1e-4}")

judges = WholeBatches(x_train[-10_000:])
worth = {}
for size, rate in ((64, RATE), (128, RATE), (256, RATE), (512, RATE), (256, 1e-3)):
    fresh_model, fresh_optimizer, _, fresh_order = set_up(42, x_train, device)
    fresh_optimizer.param_groups[0]["lr"] = rate
    fresh_step = make_train_step(fresh_model, loss_fn, fresh_optimizer)
    batches = WholeBatches(x_train[:10_000], fresh_order, size)
    start = time.perf_counter()
    train_epoch(fresh_step, batches, device)
    times[f"10,000 images, batches of {size}, rate {rate}"] = time.perf_counter() - start
    worth[size, rate] = validation(fresh_model, loss_fn, judges)
    print(f"batches of {size:3}, rate {rate}: {len(batches):3} steps,", end=" ")
    print(f"MSE {worth[size, rate]:.3f} on others")

def products(model: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Return what makes the matrix products of ten training steps on x, and nothing else."""
    weights = [parameter.detach() for parameter in model.parameters() if parameter.ndim == 2]
    inputs = [x, *(x.new_ones(len(x), len(weight)) for weight in weights[:-1])]
    gradients = [x.new_ones(len(x), len(weight)) for weight in weights]

    def work() -> None:
        for _ in range(10):
            for layer, (x, weight, y) in enumerate(zip(inputs, weights, gradients, strict=True)):
                x @ weight.T  # forward
                y.T @ x  # the gradient of the weights
                if layer > 0:  # and of the input; the first layer's input is the image
                    y @ weight

    return work

from torch.utils.flop_counter import FlopCounterMode

bare = products(model, x_train[:BATCH])
counted = []
steps = fresh_model, fresh_optimizer, WholeBatches(x_train)
for work, arguments in ((bare, ()), (next_steps, steps)):
    with FlopCounterMode(display=False) as counter:
        work(*arguments)
    counted.append(counter.get_total_flops() // (2 * 10 * BATCH))
print(f"multiplications for an image: {counted[0]} bare, {counted[1]} in a training step")
times["ten steps, their products alone"] = seconds(bare)
lines = [f"{taken * 1000:8.1f} ms: {what}" for what, taken in times.items()]
Path(writer.log_dir, "times.txt").write_text("\n".join(lines) + "\n")

table = operations["fused"].table(sort_by="self_cpu_time_total", row_limit=15)
Path(writer.log_dir, "profile.txt").write_text(table)
calls = {operation.key: operation.count for operation in operations["fused"]}
for name in ("aten::addmm", "aten::mm", "aten::index", "aten::relu", "aten::sigmoid"):
    print(f"{name:<14} {calls.get(name, 0):>4} calls")

def epoch_without_waiting(
    model: nn.Module, loss_fn: Callable, optimizer: Optimizer, batches: Iterable
) -> float:
    """Train for an epoch as train_epoch does, and ask for no loss before its end."""
    model.train()
    total, samples = 0.0, 0
    for x, y in batches:
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += loss.detach() * len(x)
        samples += len(x)
    return total.item() / samples

epochs_of = {}
for way in ("a loss in each step", "one loss at the end"):
    fresh_model, fresh_optimizer, batches, _ = set_up(42, x_train[: 10 * BATCH], device)
    if way == "a loss in each step":
        fresh_step = make_train_step(fresh_model, loss_fn, fresh_optimizer)
        loss = train_epoch(fresh_step, batches, device)
    else:
        loss = epoch_without_waiting(fresh_model, loss_fn, fresh_optimizer, batches)
    epochs_of[way] = loss, parameters_to_vector(fresh_model.parameters()).detach()
    print(f"{way}: {loss:.5f}")
same_weights = torch.equal(*(weights for _, weights in epochs_of.values()))
print(f"the same weights: {same_weights}")

if device.type == "cpu":
    print("device memory: the CPU has no such counter")
else:
    now = torch.accelerator.memory_allocated(device) / 2**20
    most = torch.accelerator.max_memory_allocated(device) / 2**20
    print(f"device memory: {now:.0f} MiB in use, {most:.0f} MiB at the most")

# %% What must hold
assert before > 0.01
assert after == 0
assert shown_mse > 0.1
np.testing.assert_allclose(pca_mse, 0.01683, atol=5e-6)
np.testing.assert_allclose(clipped_mse, 0.01521, atol=5e-6)
assert pca_errors["test"] < pca_errors["training"]
assert max(largest_gap, threads_gap) < 1e-4
assert worth[64, RATE] < worth[256, RATE] < min(worth[512, RATE], worth[256, 1e-3])
assert gap == 0 and went_on == never_stopped
assert forgot_order != never_stopped
assert by_weights < 0.005 and by_both < 0.001
assert saved["epoch"] == len(saved["losses"]) == len(saved["val_losses"]) == n_epochs
assert agreement["2 by t-SNE"] > agreement["2 by PCA"]
assert kept["2 by PCA"] < kept["2 by t-SNE"]
if device.type == "cpu":  # other devices may have other operations for the same work
    assert [calls["aten::addmm"], calls["aten::mm"], calls["aten::index"]] == [60, 110, 10]
    assert updates == {"plain": 120, "fused": 10} and same_weights
    assert all(found == first_losses["at once"] for found in first_losses.values())
    assert counted[0] == counted[1]
    assert times["five batches, one by one"] > 2 * times["five batches, at once"]
if n_epochs == 20:
    assert val_losses[-1] < 2 / 3 * clipped_mse
    assert val_losses[-1] < 0.0136 and 0.45 < kept["2 by t-SNE"] < 0.55
    assert 0 < easier < pca_easier and train_mse < losses[-1]
    assert abs(agreement["32 dimensions"] - agreement["784 pixels"]) < 0.01
    print(f"checked: 20 epochs end at a test MSE of {val_losses[-1]:.5f}, PCA at {pca_mse:.5f}")
print("checked: both versions are one function, and a resumed run is the run that never stopped")
