"""A training step of chapter 14, and the bare matrix products of that step: the floor."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from bench import chapter14
from bench.measure import Row, Side, timed

STEPS = 100


def repeated(call: Callable[[], object], times: int, threads: int, device: torch.device) -> Side:
    """Return a side that calls so many times on so many threads, for STEPS steps in all."""

    def calls() -> None:
        torch.set_num_threads(threads)
        for _ in range(times):
            call()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)

    return timed(calls, STEPS)


def sides(threads: int) -> list[Side]:
    """Return the step, on a batch of the chapter's own loader, and the products of its size."""
    device, model, optimizer, train_loader, _ = chapter14.parts()
    step = chapter14.CHAPTER.get("make_train_step")(model, nn.MSELoss(), optimizer)
    x, y = (part.to(device) for part in next(iter(train_loader)))
    ten_bare = chapter14.CHAPTER.get("products")(model, x)  # those of ten steps
    turns = {partial(step, x, y): STEPS, ten_bare: STEPS // 10}
    return [repeated(call, times, threads, device) for call, times in turns.items()]


ROWS = [
    Row(f"a training step, {words}: chapter 14, and its bare matrix products", partial(sides, n))
    for words, n in (("one thread", 1), ("two threads", 2))
]
