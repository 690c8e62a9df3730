"""Chapter 3: every number of the hand-made descent, and what its two figures claim."""

import numpy as np
import pytest


def test_start_loss_gradients_and_first_step_are_golden(chapter):
    names = chapter.names
    start = names["descend"](names["x_train"], names["y_train"], 80, 0.1, 0)[0]
    np.testing.assert_allclose(start, (0.49671415, -0.1382643), atol=5e-9)
    loss = names["mse"](*start, names["x_train"], names["y_train"])
    assert loss == pytest.approx(2.7421577700550976, rel=1e-14)
    assert "\nloss: 2.742157770055\n" in chapter.output
    np.testing.assert_allclose(
        names["first_gradients"], (-3.044811379650508, -1.8337537171510832), rtol=1e-14
    )
    np.testing.assert_allclose(np.ravel(names["first_step"]), (0.80119529, 0.04511107), atol=5e-9)


def test_end_after_1000_epochs_is_golden(chapter):
    end = chapter.names["a"][0], chapter.names["b"][0]
    np.testing.assert_allclose(end, (1.02354094, 1.96896411), atol=5e-9)


def test_scikit_learn_and_least_squares_are_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose(
        (names["sklearn_a"], names["sklearn_b"]), (1.02354075, 1.96896447), atol=5e-9
    )
    np.testing.assert_allclose(
        (names["lstsq_a"], names["lstsq_b"]), (1.02354075, 1.96896447), atol=5e-9
    )


def test_descent_ends_where_least_squares_does(chapter):
    names = chapter.names
    end = names["a"][0], names["b"][0]
    np.testing.assert_allclose(end, (names["lstsq_a"], names["lstsq_b"]), atol=5e-7)


@pytest.mark.parametrize("point", [(0.5, -0.1), (1.0, 2.0), (-3.0, 7.0)])
def test_gradients_are_finite_differences_anywhere(chapter, point):
    mse, gradients = chapter.names["mse"], chapter.names["gradients"]
    data = chapter.names["x_train"], chapter.names["y_train"]
    a, b = np.array(point)
    slopes = [
        (mse(a + 1e-5, b, *data) - mse(a - 1e-5, b, *data)) / 2e-5,
        (mse(a, b + 1e-5, *data) - mse(a, b - 1e-5, *data)) / 2e-5,
    ]
    by_formula = gradients(a, b, *data)
    np.testing.assert_allclose(by_formula, slopes, atol=1e-8)


def test_a_batch_of_all_points_is_plain_descent(chapter):
    names = chapter.names
    end = names["descend"](names["x_train"], names["y_train"], 80, 0.1, 1000)[-1]
    np.testing.assert_allclose(end, (1.02354094, 1.96896411), atol=5e-9)


def test_stochastic_descent_takes_the_points_in_shuffled_order(chapter):
    data = chapter.names["x_train"], chapter.names["y_train"]
    path = chapter.names["descend"](*data, 1, learning_rate=0.1, epochs=1)
    np.random.seed(42)
    point, order = np.random.randn(2), np.random.permutation(80)
    for step, row in enumerate(order):
        x, y = chapter.names["x_train"][row], chapter.names["y_train"][row]
        point = point - 0.1 * chapter.names["gradients"](*point, x, y)
        np.testing.assert_allclose(path[step + 1], point)


def test_paths_take_the_steps_the_text_counts(chapter):
    paths = chapter.names["paths"]
    assert [len(path) - 1 for path in paths.values()] == [100, 20 * 5, 4 * 80]


def test_learning_rates_do_what_the_figure_says(chapter):
    curves = chapter.names["curves"]
    assert (np.diff(curves[0.1]) < 0).all()
    assert curves[0.1][-1] < 0.05 < curves[0.005][-1] < curves[0.005][0]
    assert curves[0.1][-1] < curves[0.8][-1] < curves[0.8][0]
    assert curves[0.82][-1] > 10 * curves[0.82][0]


def test_the_limit_of_the_rate_separates_falling_from_growing(chapter):
    limit = 2 / chapter.names["curvature"]
    descend, mse = chapter.names["descend"], chapter.names["mse"]
    data = chapter.names["x_train"], chapter.names["y_train"]
    below, above = (descend(*data, 80, part * limit, 2000)[-1] for part in (0.99, 1.01))
    assert mse(*below, *data) < 0.01 < mse(*above, *data)


def test_needs_no_torch(chapter):
    assert "import torch" not in chapter.source
