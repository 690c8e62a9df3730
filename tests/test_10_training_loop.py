"""Chapter 10: validation, the loop as functions, the golden end of the final code."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def test_final_code_ends_golden(golden):
    names = golden.names
    np.testing.assert_allclose((names["weight"], names["bias"]), (1.9625, 1.0147), atol=5e-5)


def test_functions_give_the_loop_written_out_bit_for_bit(chapter):
    names = chapter.names
    assert [names["weight"], names["bias"]] == names["written_out"]


def test_validation_weights_batches_by_their_size(chapter):
    model = nn.Linear(1, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    x, y = torch.zeros(5, 1), torch.tensor([[1.0], [1.0], [1.0], [1.0], [6.0]])
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    loss = chapter.names["validation"](model, nn.MSELoss(), loader)
    assert loss == pytest.approx((4 * 1 + 36) / 5)
    assert not model.training


def test_train_epoch_weights_batches_by_their_size(chapter):
    loader = DataLoader(TensorDataset(torch.arange(5.0), torch.arange(5.0)), batch_size=4)
    mean = chapter.names["train_epoch"](lambda x, y: float(x[-1]), loader, torch.device("cpu"))
    assert mean == pytest.approx((4 * 3 + 1 * 4) / 5)


def test_validation_leaves_model_and_gradients_alone(chapter):
    model = nn.Linear(1, 1)
    before = [parameter.clone() for parameter in model.parameters()]
    chapter.names["validation"](model, nn.MSELoss(), chapter.names["train_loader"])
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_why_validation_lies_below_training(golden):
    names = golden.names
    assert names["val_losses"][0] < names["losses"][0]
    assert names["after"] < names["val_losses"][0] < names["during"]
    assert names["train_noise"] < names["val_noise"]
    assert names["below"] > 80


def test_first_epoch_of_the_comparison_is_that_of_the_run(chapter):
    """The fresh model takes the same first epoch as the one that the text compares it with."""
    assert chapter.names["during"] == pytest.approx(chapter.names["losses"][0])


def test_uneven_last_batch_counts_for_what_it_is(chapter):
    names = chapter.names
    assert names["by_size"] == pytest.approx(names["whole"], rel=1e-5)
    assert abs(names["plain"] - names["whole"]) > 1e-4


def test_losses_have_one_entry_per_epoch(chapter):
    assert len(chapter.names["losses"]) == len(chapter.names["val_losses"]) == 1000
