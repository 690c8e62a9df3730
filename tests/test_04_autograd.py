"""Chapter 4: autograd's gradients, the traps of the update, the loop's end."""

import numpy as np
import pytest
import torch


def test_first_gradients_are_golden(chapter):
    np.testing.assert_allclose(chapter.names["first_gradients"], (-3.1125, -1.8156), atol=5e-5)


def test_gradients_are_the_formulas_of_chapter_3(chapter):
    names = chapter.names
    by_formula = names["a_grad"], names["b_grad"]
    np.testing.assert_allclose(names["first_gradients"], by_formula, rtol=1e-5)


def test_end_after_1000_epochs_is_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose((names["a"].item(), names["b"].item()), (1.0235, 1.9690), atol=5e-5)
    assert f"{names['loss'].item():.10f}" == "0.0080446554"


def test_topological_order_and_the_naive_walk(chapter):
    assert chapter.names["u"].grad.item() == 4
    assert chapter.names["u_grad"] == 6


def test_second_backward_adds_up(chapter):
    assert chapter.names["doubled"] == pytest.approx(2, rel=1e-6)


def test_both_wrong_updates_fail_as_told(chapter):
    assert chapter.names["lost_gradient"] is None
    assert not chapter.names["a_new"].is_leaf
    assert chapter.names["in_place_error"].startswith("a leaf Variable that requires grad")


def test_parameters_are_leaves_at_the_end_with_gradients_cleared(chapter):
    for name in ("a", "b"):
        parameter = chapter.names[name]
        assert parameter.is_leaf
        assert parameter.requires_grad
        assert torch.equal(parameter.grad, torch.zeros(1))
