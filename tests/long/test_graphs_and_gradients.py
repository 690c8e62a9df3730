"""What no pickle keeps: gradients, leaves and graphs, looked at where the script made them.

The four short chapters run here once more, in this process.
"""

import contextlib
import functools
import io
import runpy

import pytest
import torch

from conftest import TANGLED, link_data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs a script in this process, on the CPU, once; its global names."""

    @functools.cache
    def names(stem):
        folder = tmp_path_factory.mktemp(stem)
        link_data(folder)
        script = TANGLED / f"{stem}.py"
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            patch.chdir(folder)
            patch.setenv("DEVICE", "cpu")
            patch.setattr("sys.argv", [str(script)])
            return runpy.run_path(str(script), run_name="__main__")

    return names


def test_a_parameter_that_moved_is_no_leaf(run):
    names = run("02_tensors")
    assert names["a"].is_leaf
    assert names["b"].is_leaf
    assert not names["moved"].is_leaf


def test_the_sum_over_both_ways_is_the_gradient(run):
    names = run("04_autograd")
    assert names["u"].grad.item() == 2**10  # the last chain that was walked has ten doublings
    assert not names["a_new"].is_leaf


def test_parameters_are_leaves_at_the_end_with_gradients_cleared(run):
    for name in ("a", "b"):
        parameter = run("04_autograd")[name]
        assert parameter.is_leaf
        assert parameter.requires_grad
        assert torch.equal(parameter.grad, torch.zeros(1))


def test_operations_of_the_frozen_graph_and_of_the_two_losses(run):
    names = run("05_computation_graph")
    kinds = [type(node).__name__ for node in names["graph_of"](names["yhat_frozen"]).nodes]
    assert kinds == ["AddBackward0", "MulBackward0", "AccumulateGrad"]
    two_losses = [type(node).__name__ for node in names["graph_of"](names["loss"]).nodes]
    assert two_losses.count("MeanBackward0") == two_losses.count("PowBackward0") == 2
    assert two_losses.count("AccumulateGrad") == 2


def test_zero_grad_leaves_none(run):
    names = run("06_optimizer")
    assert names["a"].grad is None
    assert names["b"].grad is None


def test_every_optimizer_that_was_chosen_has_run(run):
    names = run("06_optimizer")
    assert set(names["ends"]) == set(names["choices"])
