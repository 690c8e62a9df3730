"""Chapter 8: modules by hand, as a layer and as Sequential are the same line."""

import re

import numpy as np
import torch
from torch import nn

from conftest import POST


def test_manual_model_starts_and_ends_golden(golden):
    start, end = golden.names["start"], golden.names["end"]
    np.testing.assert_allclose((start["a"], start["b"]), (0.3367, 0.1288), atol=5e-5)
    np.testing.assert_allclose((end["a"], end["b"]), (1.0235, 1.9690), atol=5e-5)


def test_sequential_ends_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose((names["weight"], names["bias"]), (1.9690, 1.0235), atol=5e-5)


def test_layer_and_manual_model_are_the_same_function(chapter):
    assert chapter.names["difference"] < 1e-6


def test_manual_model_computes_a_plus_b_x(chapter):
    model = chapter.names["ManualLinearRegression"]()
    with torch.no_grad():
        model.a.fill_(3)
        model.b.fill_(-2)
    assert model(torch.tensor([[0.0], [1.0]])).tolist() == [[3], [1]]


def test_state_dict_holds_buffers_and_parameters_do_not(chapter):
    normalise = chapter.names["normalise"]
    buffers = {name for name, _ in normalise.named_buffers()}
    parameters = {name for name, _ in normalise.named_parameters()}
    assert buffers
    assert not buffers & parameters
    assert set(normalise.state_dict()) == buffers | parameters


def test_only_the_call_runs_hooks(chapter):
    assert chapter.names["after_call"] == chapter.names["after_forward"] == [(80, 1)]


def test_modes_change_dropout(chapter):
    assert set(chapter.names["in_training"].tolist()) == {0, 2}
    assert chapter.names["in_evaluation"].tolist() == [1] * 8


def test_network_has_21_numbers_and_the_shapes_drawn(chapter):
    network = chapter.names["network"]
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    assert shapes == {
        "hidden.weight": (4, 3),
        "hidden.bias": (4,),
        "output.weight": (1, 4),
        "output.bias": (1,),
    }
    assert "numbers to learn: 21\n" in chapter.output


def test_train_step_returns_the_loss_before_the_step_and_takes_one(chapter):
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.ones(4, 1), torch.zeros(4, 1)
    before = nn.MSELoss()(model(x), y).item()
    step = chapter.names["make_train_step"](model.eval(), nn.MSELoss(), optimizer)
    assert step(x, y) == before
    assert nn.MSELoss()(model(x), y).item() < before
    assert model.training
    assert model.weight.grad is None


def test_losses_fall_to_the_golden_one(chapter):
    losses = chapter.names["losses"]
    assert len(losses) == 1000
    assert f"{losses[-1]:.6f}" == "0.008045"
    assert (np.diff(losses) < 1e-8).all()


def test_layers_of_the_table_exist():
    table = POST.split("** Layers")[1].split("** Sequential")[0]
    table = "\n".join(line for line in table.splitlines() if line.startswith("|"))
    named = set(re.findall(r"=(\w+)=", table))
    assert len(named) > 25
    assert {name for name in named if not hasattr(nn, name)} == set()
