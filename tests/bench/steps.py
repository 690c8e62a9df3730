"""A training step of chapter 14, and the bare matrix products of that step: the floor."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from bench import chapter14
from bench.measure import Row, Side, timed

STEPS = 100


def products(
    inputs: list[torch.Tensor], weights: list[torch.Tensor], outputs: list[torch.Tensor]
) -> None:
    """Make the matrix products of a training step, and nothing else."""
    for place, (x, weight, y) in enumerate(zip(inputs, weights, outputs, strict=True)):
        torch.mm(x, weight.T)  # forward
        torch.mm(y.T, x)  # the gradient of the weights
        if place:  # and of the input; the first layer's input is the image
            torch.mm(y, weight)


def repeated(call: Callable[[], object], threads: int, device: torch.device) -> Side:
    """Return a side that makes a call STEPS times on so many threads, and waits for the device."""

    def calls() -> None:
        torch.set_num_threads(threads)
        for _ in range(STEPS):
            call()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)

    return timed(calls, STEPS)


def sides(threads: int) -> list[Side]:
    """Return the step, on a batch of the chapter's own loader, and the products of its size."""
    device, model, optimizer, train_loader, _ = chapter14.parts()
    step = chapter14.CHAPTER.get("make_train_step")(model, nn.MSELoss(), optimizer)
    x, y = (part.to(device) for part in next(iter(train_loader)))
    weights = [parameter.detach() for parameter in model.parameters() if parameter.ndim == 2]
    outputs, inputs = (
        [torch.rand(len(x), weight.shape[side], device=device) for weight in weights]
        for side in (0, 1)
    )
    bare = partial(products, inputs, weights, outputs)
    return [repeated(call, threads, device) for call in (partial(step, x, y), bare)]


ROWS = [
    Row(f"a training step, {words}: chapter 14, and its bare matrix products", partial(sides, n))
    for words, n in (("one thread", 1), ("two threads", 2))
]
