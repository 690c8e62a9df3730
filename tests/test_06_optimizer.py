"""Chapter 6: step() is the update by hand, zero_grad() sets None, the end point stays."""

import re

import numpy as np
import pytest
import torch
from torch import optim

from conftest import POST


def test_end_after_1000_epochs_is_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose((names["a"].item(), names["b"].item()), (1.0235, 1.9690), atol=5e-5)


def test_first_step_is_the_update_by_hand(golden):
    """From the golden start and gradients: 0.3367 + 0.31125 and 0.1288 + 0.18156."""
    names = golden.names
    by_hand = names["a_by_hand"], names["b_by_hand"]
    np.testing.assert_allclose(by_hand, (0.3367 + 0.31125, 0.1288 + 0.18156), atol=1e-4)
    assert "by hand:   a = 0.647940, b = 0.310374\n" in golden.output
    assert "by step(): a = 0.647940, b = 0.310374\n" in golden.output


def test_zero_grad_leaves_none(chapter):
    assert "a.grad is None\n" in chapter.output
    assert "unsupported operand type(s) for *: 'NoneType' and 'int'\n" in chapter.output


def test_every_optimizer_arrives_and_momentum_is_faster(chapter):
    ends = chapter.names["ends"]
    printed = re.findall(r"^(\S.*?) +below 0.0081 in epoch", chapter.output, re.MULTILINE)
    assert list(ends) == printed == ["SGD", "SGD, momentum 0.9", "RMSprop", "Adam"]
    assert ends["SGD, momentum 0.9"] < ends["SGD"] < 300


OF_THE_LABEL = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD, momentum 0.9": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "RMSprop": (optim.RMSprop, {"lr": 0.001}),
    "Adam": (optim.Adam, {"lr": 0.02}),
}


@pytest.mark.parametrize("label", OF_THE_LABEL)
def test_an_optimizer_is_the_one_of_its_label(golden, label):
    """Run here again, it is below 0.0081 in the same epoch."""
    names = golden.names
    line = torch.tensor([[0.5], [0.0]], requires_grad=True)
    kind, settings = OF_THE_LABEL[label]
    optimizer = kind([line], **settings)
    loss, epoch = np.inf, 0
    while loss >= 0.0081:
        optimizer.zero_grad()
        error = names["y_train_tensor"] - (line[0] + line[1] * names["x_train_tensor"])
        mean_square = (error**2).mean()
        mean_square.backward()
        optimizer.step()
        loss, epoch = mean_square.item(), epoch + 1
    assert epoch == names["ends"][label]


def test_every_optimizer_of_the_table_exists():
    table = POST.split("** Other optimizers")[1].split("Do they all end")[0]
    named = set(re.findall(r"=([A-Z]\w+)[=(]", table))
    assert len(named) >= 12
    assert {name for name in named if not hasattr(optim, name)} == set()
