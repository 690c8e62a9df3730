"""The autoencoder's training: chapter 14's way, a textbook's way, and the bare matrix products."""

import os
import warnings
from functools import partial
from pathlib import Path

os.environ.setdefault("MKL_CBWR", "AVX2")  # as in chapter 14: the same kernels on both sides
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from bench.measure import Pair
from definitions import Definitions

CPU = torch.device("cpu")
CHAPTER = Definitions(Path("tangled/14_autoencoder.py"))
STEPS = 100


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


def epochs() -> Pair:
    """Return an epoch as chapter 14 trains it, and as a textbook does."""
    torch.set_num_threads(1)  # as in chapter 14
    mnist = MNIST("data", train=True, transform=ToTensor())
    x = mnist.data.flatten(1) / 255
    model, optimizer, loader, _ = CHAPTER.get("set_up")(42, TensorDataset(x, x), CPU)
    train_step = CHAPTER.get("make_train_step")(model, nn.MSELoss(), optimizer)

    other = CHAPTER.get("SequentialAutoencoder")()
    adam = optim.Adam(other.parameters(), lr=1e-3)
    # PyTorch warns where there are fewer than four cores. Four is what the textbook says.
    warnings.filterwarnings("ignore", "This DataLoader will create 4 worker processes", UserWarning)
    textbook = DataLoader(mnist, batch_size=128, shuffle=True, num_workers=4)
    return (
        partial(CHAPTER.get("train_epoch"), train_step, loader, CPU),
        partial(textbook_epoch, other, adam, textbook),
    )


def products(
    inputs: list[torch.Tensor], weights: list[torch.Tensor], outputs: list[torch.Tensor]
) -> None:
    """Make the matrix products of training steps, and nothing else."""
    for _ in range(STEPS):
        for place, (x, weight, y) in enumerate(zip(inputs, weights, outputs, strict=True)):
            torch.mm(x, weight.T)  # forward
            torch.mm(y.T, x)  # the gradient of the weights
            if place:  # and of the input; the first layer's input is the image
                torch.mm(y, weight)


def steps() -> Pair:
    """Return the matrix products of training steps, and the steps."""
    torch.set_num_threads(1)
    x = torch.rand(128, 784)
    model, optimizer, *_ = CHAPTER.get("set_up")(42, TensorDataset(x, x), CPU)
    train_step = CHAPTER.get("make_train_step")(model, nn.MSELoss(), optimizer)
    weights = [parameter.detach() for parameter in model.parameters() if parameter.ndim == 2]
    outputs, inputs = ([torch.rand(128, w.shape[side]) for w in weights] for side in (0, 1))

    def train() -> None:
        for _ in range(STEPS):
            train_step(x, x)

    return partial(products, inputs, weights, outputs), train


PAIRS = {
    "an epoch of the autoencoder: chapter 14, and a textbook's loop": epochs,
    f"{STEPS} training steps: their matrix products alone, and the steps": steps,
}
