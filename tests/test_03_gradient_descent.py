"""Chapter 3: every number of the hand-made descent, and what its two figures claim."""

import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import TANGLED, chapter_of

LOOP = """
    for _ in range(1000):
        yhat = a + b * x_train
        error = y_train - yhat
        loss = (error**2).mean()
        a_grad = -2 * error.mean()
        b_grad = -2 * (x_train * error).mean()
        a = a - learning_rate * a_grad
        b = b - learning_rate * b_grad
"""


def curvatures(x):
    """Return eigenvalues and eigenvectors of the mean squared error's second derivatives."""
    return np.linalg.eigh(2 * np.array([[1, x.mean()], [x.mean(), (x**2).mean()]]))


def slow_and_exact(x, y):
    """Return the line of least squares by the normal equations, as an array of two."""
    columns = np.stack([np.ones(len(x)), x.ravel()], axis=1)
    return np.linalg.solve(columns.T @ columns, columns.T @ y.ravel())


def test_start_loss_gradients_and_first_step_are_golden(chapter):
    names = chapter.names
    start = names["descend"](names["x_train"], names["y_train"], 80, 0.1, 0)[0]
    np.testing.assert_allclose(start, (0.49671415, -0.1382643), atol=5e-9)
    loss = names["mse"](*start, names["x_train"], names["y_train"])
    assert loss == pytest.approx(2.7421577700550976, rel=1e-14)
    assert "\nloss: 2.742157770055\n" in chapter.output
    assert "\nthe loss fell from 2.7422 to 1.6349\n" in chapter.output
    np.testing.assert_allclose(np.ravel(names["start"]), start)
    np.testing.assert_allclose(
        names["first_gradients"], (-3.044811379650508, -1.8337537171510832), rtol=1e-14
    )
    np.testing.assert_allclose(np.ravel(names["first_step"]), (0.80119529, 0.04511107), atol=5e-9)


def test_end_after_1000_epochs_is_golden(chapter):
    end = chapter.names["a"][0], chapter.names["b"][0]
    np.testing.assert_allclose(end, (1.02354094, 1.96896411), atol=5e-9)


def test_the_loop_is_the_one_that_later_chapters_change(chapter):
    assert textwrap.dedent(LOOP) in chapter.source
    assert chapter.names["loss"] == pytest.approx(0.0080446577, abs=5e-11)
    assert "b = 1.96896411, loss 0.008045\n" in chapter.output


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


def test_the_rate_that_leaps_is_faster_than_the_one_that_creeps_and_slower_than_the_good_one(
    chapter,
):
    """And its loss is twelve times that of the good one, as a question says."""
    at_0005, at_01, at_08, at_082 = (
        chapter.names["curves"][rate][-1] for rate in (0.005, 0.1, 0.8, 0.82)
    )
    assert at_01 < at_08 < at_0005 < at_082
    assert round(at_08 / at_01) == 12


def test_the_limit_of_the_rate_separates_falling_from_growing(chapter):
    limit = chapter.names["limit"]
    assert limit == pytest.approx(2 / curvatures(chapter.names["x_train"])[0][1], rel=1e-12)
    descend, mse = chapter.names["descend"], chapter.names["mse"]
    data = chapter.names["x_train"], chapter.names["y_train"]
    below, above = (descend(*data, 80, part * limit, 2000)[-1] for part in (0.99, 1.01))
    assert mse(*below, *data) < 0.01 < mse(*above, *data)


# --- why it ends where it does


def test_the_noise_s_own_line_is_all_that_separates_the_end_from_the_truth(chapter):
    names = chapter.names
    by_hand = np.array([names["noise_a"], names["noise_b"]])
    noise = names["y_train"] - (1 + 2 * names["x_train"])
    np.testing.assert_allclose(by_hand, slow_and_exact(names["x_train"], noise), atol=1e-12)
    np.testing.assert_allclose(by_hand, (names["lstsq_a"] - 1, names["lstsq_b"] - 2), atol=1e-12)
    assert names["noise_difference"] < 1e-12
    assert "least squares of the noise: 0.02354075 and -0.03103553\n" in chapter.output


def test_it_is_the_correlation_that_tilts_the_line_and_not_the_mean_of_the_noise(chapter):
    x = chapter.names["x_train"]
    noise = chapter.names["y_train"] - (1 + 2 * x)
    without_mean = slow_and_exact(x, noise - noise.mean())
    assert without_mean[1] == pytest.approx(chapter.names["noise_b"])
    assert without_mean[0] == pytest.approx(chapter.names["noise_a"] - noise.mean())
    centred = x - x.mean()
    without_tilt = slow_and_exact(x, noise - chapter.names["noise_b"] * centred)
    np.testing.assert_allclose(without_tilt, (noise.mean(), 0), atol=1e-12)
    assert abs(noise.mean()) < abs(without_mean[0]), "the mean is the smaller part"


def test_a_hundred_times_as_many_points_come_ten_times_nearer():
    def offsets(n):
        lines = []
        for seed in range(200):
            draw = np.random.RandomState(seed)
            lines.append(slow_and_exact(draw.rand(n), 0.1 * draw.randn(n)))
        return np.sqrt(np.mean(np.square(lines), axis=0))

    np.testing.assert_allclose(offsets(80) / offsets(8000), 10, rtol=0.15)


# --- the paths


def test_the_first_step_is_at_right_angles_to_the_contour_and_not_towards_the_minimum(chapter):
    smooth, minimum = chapter.names["paths"]["batch: all 80 points"], chapter.names["minimum"]
    mse, data = chapter.names["mse"], (chapter.names["x_train"], chapter.names["y_train"])
    step = smooth[1] - smooth[0]
    along = 1e-4 * np.array([-step[1], step[0]])
    to_the_side = mse(*(smooth[0] + along), *data) - mse(*(smooth[0] - along), *data)
    assert abs(to_the_side) < 1e-10
    wrong_way = np.arctan2(*step) - np.arctan2(*(minimum - smooth[0]))
    assert f"{abs(np.degrees(wrong_way)):.0f} degrees away from the minimum" in chapter.output
    assert f"a rises to {smooth[:, 0].max():.2f} in step 13," in chapter.output


def test_only_the_whole_batch_comes_to_rest(chapter):
    found = [
        float(line.split()[-1]) for line in chapter.output.split("\n") if " distance 0." in line
    ]
    whole, some, single = found
    assert whole == 0 < 2 * some < single
    data = chapter.names["x_train"], chapter.names["y_train"]
    for size, epochs, printed in ((80, 2000, whole), (16, 400, some), (1, 25, single)):
        path = chapter.names["descend"](*data, size, learning_rate=0.1, epochs=epochs)
        away = path[-1000:] - chapter.names["minimum"]
        assert printed == pytest.approx(np.hypot(*away.T).mean(), abs=5.1e-5)


@pytest.mark.parametrize("batch_size", [16, 1])
def test_without_noise_every_batch_comes_to_rest(chapter, batch_size):
    x = chapter.names["x_train"]
    path = chapter.names["descend"](x, 1 + 2 * x, batch_size, learning_rate=0.1, epochs=1000)
    np.testing.assert_allclose(path[-1], (1, 2), atol=1e-12)


# --- how fast


@pytest.mark.parametrize("part", [0.1, 0.25, 0.99, 1, 1.01])
def test_the_convergence_factor_is_what_the_path_shows(chapter, part):
    names = chapter.names
    rate = part * names["limit"]
    path = names["descend"](names["x_train"], names["y_train"], 80, rate, 200)
    if part == 0.99 or part == 1.01:  # the other direction dies away slowly
        path = names["descend"](names["x_train"], names["y_train"], 80, rate, 300)
    before, after = np.linalg.norm(path[-2:] - names["minimum"], axis=1)
    factor = names["convergence_factor"](rate, names["eigenvalues"])
    assert after / before == pytest.approx(factor, rel=1e-12)
    if part > 0.9:
        assert factor == pytest.approx(2 * part - 1, rel=1e-12)


def test_predicted_and_measured_factors_agree_on_the_page(chapter):
    assert chapter.names["difference"] < 1e-12
    for rate, measured in chapter.names["measured"].items():
        line = f"rate {rate:.4f} predicted {measured:.6f}, measured {measured:.6f}\n"
        assert line in chapter.output


@settings(max_examples=100)
@given(st.integers(2, 40), st.floats(-3, 3), st.floats(0.2, 2), st.floats(0.01, 1.2), st.data())
def test_along_each_eigenvector_a_step_multiplies_by_one_minus_rate_times_eigenvalue(
    n, centre, width, part, data
):
    """For any points and any rate, below the limit and above."""
    names = chapter_of(TANGLED / "03_gradient_descent.py").names
    draw = np.random.RandomState(data.draw(st.integers(0, 10**6)))
    x = (centre + width * draw.randn(n, 1)).round(6)
    y = draw.randn(n, 1)
    if np.ptp(x) < 0.1:
        return
    eigenvalues, directions = curvatures(x)
    rate = part * 2 / eigenvalues[1]
    before, after = (names["descend"](x, y, n, rate, 1) - slow_and_exact(x, y)) @ directions
    scale = np.abs(before).max() * eigenvalues[1] / eigenvalues[0]
    np.testing.assert_allclose(after, (1 - rate * eigenvalues) * before, atol=1e-12 * scale)
    factor = names["convergence_factor"](rate, eigenvalues)
    assert np.linalg.norm(after) <= np.linalg.norm(before) * factor + 1e-12 * scale


def test_a_digit_takes_as_many_steps_as_predicted(chapter):
    names = chapter.names
    path = names["descend"](names["x_train"], names["y_train"], 80, 0.1, 600)
    distances = np.linalg.norm(path - names["minimum"], axis=1)
    assert round(names["digit"]) == 151
    assert distances[200 + 151] < 0.1005 * distances[200]
    assert distances[200 + 150] > 0.1005 * distances[200]


def test_the_end_after_1000_epochs_was_predicted(chapter):
    names = chapter.names
    predicted = names["along"] * names["factor"] ** 1000
    assert predicted == pytest.approx(names["end"], rel=1e-6)
    assert "predicted 4.01e-07, measured 4.01e-07\n" in chapter.output


def test_on_a_standardised_feature_the_first_step_arrives_at_rate_one_half(chapter):
    x, y = chapter.names["x_train"], chapter.names["y_train"]
    x = (x - x.mean()) / x.std()
    np.testing.assert_allclose(curvatures(x)[0], 2)
    arrived = chapter.names["descend"](x, y, 80, learning_rate=0.5, epochs=1)[-1]
    np.testing.assert_allclose(arrived, slow_and_exact(x, y), atol=1e-12)


def test_needs_no_torch(chapter):
    assert "import torch" not in chapter.source
