"""Chapter 1: the data are the golden data, and the split loses and shares nothing."""

import numpy as np


def test_first_training_pair_is_golden(chapter):
    pair = chapter.names["x_train"][0, 0], chapter.names["y_train"][0, 0]
    np.testing.assert_allclose(pair, (0.7713, 2.4745), atol=5e-5)


def test_data_are_the_legacy_draws_of_seed_42(chapter):
    state = np.random.RandomState(42)
    x = state.rand(100, 1)
    y = 1 + 2 * x + 0.1 * state.randn(100, 1)
    np.testing.assert_array_equal(chapter.names["x"], x)
    np.testing.assert_array_equal(chapter.names["y"], y)


def test_split_is_80_20_and_every_point_is_in_one_part(chapter):
    names = chapter.names
    assert names["x_train"].shape == names["y_train"].shape == (80, 1)
    assert names["x_val"].shape == names["y_val"].shape == (20, 1)
    together = np.sort(np.concatenate([names["x_train"], names["x_val"]]).ravel())
    np.testing.assert_array_equal(together, np.sort(names["x"].ravel()))


def test_split_shuffles(chapter):
    assert list(chapter.names["train_indices"]) != list(range(80))


def test_pairs_stay_together(chapter):
    names = chapter.names
    for part in ("train", "val"):
        residual = names[f"y_{part}"] - 1 - 2 * names[f"x_{part}"]
        assert np.abs(residual).max() < 0.3


def test_needs_no_torch(chapter):
    assert "torch" not in chapter.names
    assert "import torch" not in chapter.source
