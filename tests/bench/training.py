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


def ours(n_epochs: int, threads: int) -> Iterator[float]:
    """Train chapter 14's way; yield the test MSE after each epoch."""
    from bench import chapter14

    return chapter14.train(n_epochs, threads)


def original(n_epochs: int) -> Iterator[float]:
    """Train the original's way; yield the test MSE after each epoch."""
    from bench.original import autoencoder

    train_loader, val_loader = autoencoder.make_loaders()
    model = autoencoder.make_model()
    for _, val_loss, _ in autoencoder.train(*model, n_epochs, train_loader, val_loader):
        yield val_loss


ONE, TWO, ORIGINAL = "one thread", "two threads", "original"
WAYS: dict[str, Callable[[int], Iterator[float]]] = {
    ONE: partial(ours, threads=1),
    TWO: partial(ours, threads=2),
    ORIGINAL: original,
}


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


def sides(way: str, n_epochs: int, part: str) -> list[Side]:
    """Return one of our ways, and the original's, which takes all cores."""
    return [partial(side, one, n_epochs, part) for one in (way, ORIGINAL)]


BESIDE = "chapter 14, and an original-style loop"
ROWS = [
    Row(
        f"training the autoencoder, 20 epochs, {TWO}: {BESIDE}",
        partial(sides, TWO, 20, "all"),
        long=True,
    ),
    *(
        Row(f"an epoch of it, the second, {way}: {BESIDE}", partial(sides, way, 2, "last"))
        for way in (TWO, ONE)
    ),
]

if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], int(sys.argv[2]))))
