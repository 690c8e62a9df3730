"""Chapter 4: autograd's gradients, the traps of the update, the loop's end."""

import numpy as np
import pytest


def test_first_gradients_are_golden(golden):
    np.testing.assert_allclose(golden.names["first_gradients"], (-3.1125, -1.8156), atol=5e-5)


def test_gradients_are_the_formulas_of_chapter_3(chapter):
    names = chapter.names
    by_formula = names["a_grad"], names["b_grad"]
    np.testing.assert_allclose(names["first_gradients"], by_formula, rtol=1e-5)


def test_end_after_1000_epochs_is_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose((names["a"].item(), names["b"].item()), (1.0235, 1.9690), atol=5e-5)


def test_loss_after_1000_epochs_is_golden(golden):
    assert f"{golden.names['loss'].item():.10f}" == "0.0080446554"


def test_topological_order_and_the_naive_walk(chapter):
    assert "dw/du = 4\n" in chapter.output
    assert chapter.names["u_grad"] == 6


def test_second_backward_adds_up(chapter):
    assert chapter.names["doubled"] == pytest.approx(2, rel=1e-6)


def test_both_wrong_updates_fail_as_told(chapter):
    assert chapter.names["lost_gradient"] is None
    assert "is_leaf False, grad None\n" in chapter.output
    assert chapter.names["in_place_error"].startswith("a leaf Variable that requires grad")


def test_zero_clears_the_gradients_and_an_update_without_grad_leaves_a_leaf(chapter):
    assert "\ntensor([0.]" in chapter.output
    assert "\nis_leaf True, requires_grad True\n" in chapter.output
