"""Chapter 1: the data are the golden data, and the split loses and shares nothing."""

import numpy as np
import pytest
from matplotlib.figure import Figure


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
        assert 0.07 < residual.std() < 0.13


def test_needs_no_torch(chapter):
    assert "torch" not in chapter.names
    assert "import torch" not in chapter.source


def test_the_split_is_what_the_questions_say_of_it(chapter):
    """Without the shuffle, cut through sorted data: no training point lies among the others."""
    x = np.sort(chapter.names["x"].ravel())
    assert x[:80].max() < x[80:].min()
    assert chapter.names["x_val"].min() < x[20] < x[80] < chapter.names["x_val"].max()


def test_noise_drawn_first_gives_other_points(chapter):
    """A generator gives one sequence: what is drawn first takes what is there first."""
    state = np.random.RandomState(42)
    state.randn(100, 1)
    assert not np.isclose(state.rand(100, 1), chapter.names["x"]).any()


def test_a_line_fits_the_training_set_better_than_the_true_one_and_new_points_worse(chapter):
    names = chapter.names
    b, a = np.polyfit(names["x_train"].ravel(), names["y_train"].ravel(), 1)

    def error(part, a, b):
        return np.mean((names[f"y_{part}"] - a - b * names[f"x_{part}"]) ** 2)

    assert error("train", a, b) < error("train", 1, 2)
    assert error("val", a, b) > error("val", 1, 2)


def test_a_picture_has_its_name_when_it_is_whole(chapter, tmp_path, monkeypatch):
    """A script that stops while it writes leaves the old picture, and no half a new one."""
    monkeypatch.chdir(tmp_path)
    save_figure = chapter.names["save_figure"]

    class Broken:
        def savefig(self, path, **_):
            path.write_bytes(b"half")
            raise KeyboardInterrupt

    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "one.png").write_bytes(b"old")
    for name in ("one", "two"):
        with pytest.raises(KeyboardInterrupt):
            save_figure(Broken(), name)
    assert [path.name for path in tmp_path.glob("figures/[!.]*")] == ["one.png"]
    assert (tmp_path / "figures" / "one.png").read_bytes() == b"old"


def test_a_picture_does_not_say_which_matplotlib_drew_it(chapter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chapter.names["save_figure"](Figure(figsize=(1, 1)), "one")
    content = (tmp_path / "figures" / "one.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert b"atplotlib" not in content
