"""Chapter 7: MSELoss, its reductions, and the loop that uses it."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from conftest import POST


def test_mean_of_the_example_is_golden(chapter):
    assert chapter.names["mean"].item() == pytest.approx(1.6667, abs=5e-5)
    assert chapter.names["by_hand"] == pytest.approx(5 / 3)


def test_reductions(chapter):
    assert chapter.names["total"].item() == 5
    assert chapter.names["each"].tolist() == [0, 1, 4]


def test_end_after_1000_epochs_is_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose((names["a"].item(), names["b"].item()), (1.0235, 1.9690), atol=5e-5)


def test_loss_after_1000_epochs_is_golden(golden):
    assert f"{golden.names['loss'].item():.10f}" == "0.0080446554"


def test_losses_of_the_table_exist_and_the_two_named_are_not_symmetric():
    table = POST.split("* 7. Loss")[1].split("** The loop")[0]
    named = set(re.findall(r"^\| =nn\.(\w+)=", table, re.MULTILINE))
    assert len(named) == 7
    assert all(hasattr(nn, name) for name in named)
    p, q = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])
    for loss in (nn.CrossEntropyLoss(), nn.KLDivLoss(reduction="batchmean")):
        assert loss(p, q) != loss(q, p)
