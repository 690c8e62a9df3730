"""The autoencoder's training: chapter 14's way, a textbook's way, and the bare matrix products."""

import ast
import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

os.environ.setdefault("MKL_CBWR", "AVX2")  # as in chapter 14: the same kernels on both sides
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

SCRIPT = Path("tangled/14_autoencoder.py")
SIZES = (784, 128, 64, 32, 64, 128, 784)


def chapter() -> dict[str, object]:
    """Return what chapter 14 imports and defines, without running the rest of it."""
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    tree.body = [node for node in tree.body if isinstance(node, kinds)]
    names: dict[str, object] = {}
    exec(compile(tree, str(SCRIPT), "exec"), names)
    return names


def textbook_epoch(model: nn.Module, optimizer: optim.Optimizer, loader: DataLoader) -> float:
    """Train for an epoch as tutorials do, and ask for the loss after each batch."""
    loss_fn, total = nn.MSELoss(), 0.0
    for images, _ in loader:
        x = images.view(images.size(0), -1)
        loss = loss_fn(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def products() -> Callable[[], None]:
    """Return a call that makes the matrix products of 100 training steps, and nothing else."""
    x = [torch.rand(128, size) for size in SIZES]
    weights = [torch.rand(after, before) for before, after in pairwise(SIZES)]

    def call() -> None:
        for _ in range(100):
            for place, weight in enumerate(weights):
                torch.mm(x[place], weight.T)  # forward
                torch.mm(x[place + 1].T, x[place])  # the gradient of the weights
                if place:  # and of the input; the first layer's input is the image
                    torch.mm(x[place + 1], weight)

    return call


def endless(loader: DataLoader) -> Iterator:
    """Yield batches, epoch after epoch."""
    while True:
        yield from loader


def pairs() -> dict[str, list[Callable[[], object]]]:
    """Return pairs of calls by name."""
    torch.set_num_threads(1)  # as in chapter 14
    names = chapter()
    cpu = torch.device("cpu")
    mnist = MNIST("data", train=True, transform=ToTensor())
    x = mnist.data.flatten(1) / 255
    model, optimizer, loader, _ = names["set_up"](42, TensorDataset(x, x), cpu)
    train_step = names["make_train_step"](model, nn.MSELoss(), optimizer)

    torch.manual_seed(42)
    other = names["SequentialAutoencoder"]()
    adam = optim.Adam(other.parameters(), lr=1e-3)
    # PyTorch warns where there are fewer than four cores. Four is what the textbook says.
    warnings.filterwarnings("ignore", "This DataLoader will create 4 worker processes", UserWarning)
    textbook = DataLoader(mnist, batch_size=128, shuffle=True, num_workers=4)

    def steps(batches: Iterator) -> None:
        for x, y in islice(batches, 100):
            train_step(x, y)

    batch = [(x[:128], x[:128])]
    return {
        "an epoch of the autoencoder: chapter 14, and a textbook's loop": [
            partial(names["train_epoch"], train_step, loader, cpu),
            partial(textbook_epoch, other, adam, textbook),
        ],
        "100 steps: bare matrix products, and training": [
            products(),
            lambda: steps(endless(batch)),
        ],
    }
