"""Chapter 14's training, taken from its script. What changes there is followed here alone.

On a GPU (DEVICE=cuda make bench) the same calls train there; nobody has tried that yet.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("MKL_CBWR", "AVX2")  # as in the chapter: read once, when torch is loaded
import torch
from torch import nn, optim

from definitions import Definitions

SCRIPT = Path(__file__).resolve().parents[2] / "tangled" / "14_autoencoder.py"
CHAPTER = Definitions(SCRIPT)


class Parts(NamedTuple):
    """What the chapter trains with."""

    device: torch.device
    model: nn.Module
    optimizer: optim.Optimizer
    train_loader: Iterable
    test_loader: Iterable


def parts() -> Parts:
    """Return the chapter's parts at their start."""
    device = CHAPTER.get("pick_device")()
    mnist = CHAPTER.get("load_mnist")(Path("data", "MNIST", "raw"))
    x_train, x_test = (part.data.flatten(1).to(device) / 255 for part in mnist)
    model, optimizer, train_loader, _ = CHAPTER.get("set_up")(42, x_train, device)
    return Parts(device, model, optimizer, train_loader, CHAPTER.get("WholeBatches")(x_test))


def train(n_epochs: int, threads: int) -> Iterator[float]:
    """Train as the chapter does on so many threads; yield the test MSE after each epoch."""
    torch.set_num_threads(threads)
    device, model, optimizer, train_loader, test_loader = parts()
    loss_fn = nn.MSELoss()
    train_step = CHAPTER.get("make_train_step")(model, loss_fn, optimizer)
    for _ in range(n_epochs):
        CHAPTER.get("train_epoch")(train_step, train_loader, device)
        yield CHAPTER.get("validation")(model, loss_fn, test_loader)
