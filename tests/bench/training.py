"""Training the autoencoder: chapter 14's way, and an original-style loop.

python -m bench.training WAY EPOCHS trains in a process of its own and prints what that took, from
MNIST's files to the test loss after the last epoch, and of this the last epoch.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from bench.children import run_module
from bench.measure import Row, Side, Taken


def ours(n_epochs: int) -> Iterator[float]:
    """Train chapter 14's way; yield the test MSE after each epoch."""
    from bench import chapter14

    return chapter14.train(n_epochs)


def original(n_epochs: int) -> Iterator[float]:
    """Train the original's way; yield the test MSE after each epoch."""
    from bench.original import autoencoder

    train_loader, val_loader = autoencoder.make_loaders()
    model = autoencoder.make_model()
    for _, val_loss, _ in autoencoder.train(*model, n_epochs, train_loader, val_loader):
        yield val_loss


WAYS: dict[str, Callable[[int], Iterator[float]]] = {"ours": ours, "original": original}


def train(way: str, n_epochs: int) -> dict[str, float]:
    """Train; return all seconds, those of the last epoch, and the test MSE at the end."""
    epochs = WAYS[way](n_epochs)  # loads what it needs before the clock starts
    times, mse = [time.perf_counter()], None
    for mse in epochs:  # noqa: B007
        times.append(time.perf_counter())
    return {"all": times[-1] - times[0], "last": times[-1] - times[-2], "mse": mse}


def side(way: str, n_epochs: int, part: str) -> Taken:
    """Train in a process of its own; return the seconds of 'all', with the loss, or of the 'last'.

    Test losses are compared where all is done: after two epochs a Tanh may be ahead of a sigmoid.
    """
    result = run_module("training", way, str(n_epochs))
    return Taken(result[part], result["mse"] if part == "all" else None)


def sides(n_epochs: int, part: str) -> list[Side]:
    """Return both ways."""
    return [partial(side, way, n_epochs, part) for way in WAYS]


BESIDE = "chapter 14, and an original-style loop"
ROWS = [
    Row(f"training the autoencoder, 20 epochs: {BESIDE}", partial(sides, 20, "all"), long=True),
    Row(f"an epoch of it, the second: {BESIDE}", partial(sides, 2, "last")),
]

if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], int(sys.argv[2]))))
