"""Chapter 13: the parts of a search are right, and what is said of many searches holds."""

from itertools import pairwise
from math import comb

import numpy as np
import pytest
import scipy
import torch
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn


def trained_in_numpy(names, learning_rate, batch_size):
    """Return the validation loss after five epochs of SGD on a line, written out in float64."""
    torch.manual_seed(42)
    weight, bias = (parameter.item() for parameter in nn.Linear(1, 1).parameters())
    x, y = names["x"].ravel(), names["y"].ravel()
    train, val = names["train_dataset"].indices, names["val_dataset"].indices
    for _ in range(5):
        for start in range(0, 80, batch_size):
            rows = train[start : start + batch_size]
            error = weight * x[rows] + bias - y[rows]
            weight -= learning_rate * 2 * np.mean(error * x[rows])
            bias -= learning_rate * 2 * np.mean(error)
    return np.mean((weight * x[val] + bias - y[val]) ** 2)


# --- the trainings


def test_the_split_is_that_of_chapter_10(golden):
    torch.manual_seed(42)
    expected = torch.randperm(100).tolist()
    assert golden.names["train_dataset"].indices == expected[:80]
    assert golden.names["val_dataset"].indices == expected[80:]


def test_the_choices_are_even_steps_on_logarithmic_scales(chapter):
    rates, sizes = chapter.names["rates"], chapter.names["batch_sizes"]
    assert (rates[0], rates[-1]) == (1e-4, 0.5)
    np.testing.assert_allclose(np.diff(np.log10(rates)), 0.1, atol=0.03)
    assert (sizes[0], sizes[-1]) == (2, 80)
    assert sizes == sorted(set(sizes))
    steps = np.diff(np.log(sizes[6:]))  # smaller ones are whole numbers, one by one
    np.testing.assert_allclose(steps, steps.mean(), atol=0.05)


def test_the_table_holds_five_epochs_of_sgd_for_every_pair(golden):
    names = golden.names
    rates, sizes = names["rates"], names["batch_sizes"]
    assert names["table"].shape == (len(rates), len(sizes))
    generator = np.random.default_rng(1)
    for row, column in zip(generator.permutation(38)[:20], range(20), strict=True):
        expected = trained_in_numpy(names, rates[row], sizes[column])
        assert names["table"][row, column] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(10 ** names["values"], names["table"], rtol=1e-5)
    x, y = (names[name][names["learn"]].ravel() for name in ("x", "y"))
    points = (names[name][names["check"]].ravel() for name in ("x", "y"))
    again = names["losses_of"](*names["train_side_by_side"](rates, 14, x, y), *points)
    np.testing.assert_allclose(again, names["table"][:, sizes.index(14)], rtol=1e-12)


def test_trained_for_real_a_pair_has_the_loss_in_the_table(golden):
    """The script does so for 20 pairs in float64; here are others, in float32 as well."""
    names = golden.names
    cpu = torch.device("cpu")
    assert max(names["differences"]) < 1e-12 and len(names["differences"]) == 20
    for row, column in ((37, 0), (30, 19), (5, 11), (0, 3), (37, 6), (20, 9)):
        pair = names["rates"][row], names["batch_sizes"][column]
        rows, loader = names["train_dataset"], names["val_loader"]
        loss = names["train_once"](rows, loader, cpu, *pair)
        assert loss == pytest.approx(names["table"][row, column], rel=1e-5)
        exact = torch.utils.data.Subset(names["exact"], names["learn"])
        loss = names["train_once"](exact, names["exact_val_loader"], cpu, *pair)
        assert loss == pytest.approx(names["table"][row, column], rel=1e-12)


def test_with_more_epochs_more_rates_arrive_but_not_all(golden):
    arrived = golden.names["arrived"]
    assert arrived == {5: 1, 20: 8, 1000: 25}
    assert golden.names["table"].shape[0] == 38


# --- what chance finds


@pytest.mark.parametrize("n_trials", [1, 5, 12])
def test_the_best_of_chance_is_what_many_random_searches_find(golden, n_trials):
    table = golden.names["table"]
    draws = np.random.default_rng(0).choice(table.ravel(), size=(20_000, n_trials)).min(axis=1)
    for share in (0.1, 0.5, 0.9):
        bound = golden.names["best_of_chance"](table, n_trials, share)
        below, reached = np.mean(draws < bound), np.mean(draws <= bound)
        assert below - 0.02 < share < reached + 0.02


def test_the_best_of_one_draw_is_a_quantile(chapter):
    losses = np.arange(1.0, 11.0)[::-1]
    best_of_chance = chapter.names["best_of_chance"]
    assert [best_of_chance(losses, 1, share) for share in (0.05, 0.45, 1.0)] == [1, 5, 10]
    assert best_of_chance(losses, 2, 0.5) == 3  # 1 - 0.7² is the first above one half


# --- expected improvement, and the surrogate

REAL = st.floats(-3, 3)


@given(mean=REAL, std=st.floats(0.01, 3), best=REAL)
def test_expected_improvement_is_the_integral(chapter, mean, std, best):
    def weighted(t):
        return max(best - mean - std * t, 0) * scipy.stats.norm.pdf(t)

    kink = np.clip((best - mean) / std, -12, 12)
    expected, _ = scipy.integrate.quad(weighted, -12, kink, epsabs=1e-13, epsrel=1e-12)
    worth = chapter.names["expected_improvement"](mean, std, best)
    assert worth == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_expected_improvement_is_what_draws_improve_on_average(chapter):
    draws = np.random.default_rng(0).normal(0.3, 0.7, 1_000_000)
    expected = np.maximum(0.1 - draws, 0).mean()
    worth = chapter.names["expected_improvement"](0.3, 0.7, 0.1)
    assert worth == pytest.approx(expected, abs=0.002)
    many = chapter.names["expected_improvement"](np.array([0.3, 0.3]), np.array([0.7, 2]), 0.1)
    assert many.shape == (2,) and many[0] == worth < many[1]


def test_the_surrogate_and_its_worth_are_those_of_the_formulas(golden):
    """The kernel, a matrix to solve, and nothing else; the script compares with BoTorch."""
    names = golden.names
    assert max(names["botorch_differences"]) < 1e-10
    points, rows = names["points"], names["tried"][:8]
    values = names["values"].ravel()[rows]

    def alike(one, other):
        squares = ((one[:, None] - other[None]) ** 2).sum(axis=-1)
        return np.exp(-squares / (2 * 0.5**2))

    known = np.linalg.inv(alike(points[rows], points[rows]) + 1e-4 * np.eye(8))
    between = alike(points, points[rows])
    scaled = (values - values.mean()) / values.std()
    mean = between @ known @ scaled * values.std() + values.mean()
    std = np.sqrt(1 - np.einsum("ij,jk,ik->i", between, known, between)) * values.std()
    process = names["fitted_process"](points[rows], values)
    predicted = process.predict(points, return_std=True)
    np.testing.assert_allclose(predicted, (mean, std), rtol=1e-6, atol=1e-9)
    worth = names["expected_improvement"](*predicted, values.min())
    worth[rows] = -1
    assert names["tried"][8] == worth.argmax()


# --- searches


def test_a_search_by_hand_repeats_itself_and_repeats_no_trial(golden):
    names = golden.names
    again = names["search_by_hand"](
        names["points"], names["values"].ravel(), 12, np.random.default_rng(0)
    )
    assert again == names["tried"]
    assert len(set(again)) == 12
    start = np.random.default_rng(0).choice(760, size=5, replace=False)
    assert again[:5] == start.tolist()


def test_a_search_by_hand_sees_only_the_values_it_asked_for(golden):
    names = golden.names
    seen = np.full(760, np.nan)
    seen[names["tried"][:11]] = names["values"].ravel()[names["tried"][:11]]
    again = names["search_by_hand"](names["points"], seen, 12, np.random.default_rng(0))
    assert again == names["tried"]


def test_a_search_by_hand_takes_one_thread_and_gives_the_others_back(golden, monkeypatch):
    """So it is while a process is fitted, and no longer when the search is over."""

    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    names, during = golden.names, []
    search, fitted = names["search_by_hand"], names["fitted_process"]

    def noting(*arguments):
        during.append(threads())
        return fitted(*arguments)

    monkeypatch.setitem(search.__globals__, "fitted_process", noting)
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        search(names["points"], names["values"].ravel(), 7, np.random.default_rng(0))
        assert threads() == before
    assert during == [[1] * len(before)] * 2


def test_the_search_of_the_chapter_keeps_to_large_rates_until_its_last_trial(golden):
    names = golden.names
    rates = [names["rates"][place // 20] for place in names["tried"]]
    losses = names["table"].ravel()[names["tried"]]
    assert losses[:5].argmin() == 4
    assert min(rates[5:11]) > 0.1 and rates[11] == 1e-4


def test_equal_steps_in_the_lists_are_equal_steps_in_the_square(chapter):
    points = chapter.names["grid_points"](38, 20)
    assert points.shape == (760, 2)
    np.testing.assert_allclose(points[21], (1 / 37, 1 / 19))
    assert points.min() == 0 and points.max() == 1


def test_booth_is_zero_at_1_3_and_nowhere_else_near(chapter):
    booth = chapter.names["booth"]
    assert booth(1, 3) == 0
    assert booth(0, 0) == 74
    circle = np.linspace(0, 2 * np.pi, 100)
    assert booth(1 + 0.1 * np.cos(circle), 3 + 0.1 * np.sin(circle)).min() > 0


def test_ax_and_the_search_by_hand_find_the_minimum_of_booth_with_three_seeds(chapter):
    searches = chapter.names["booth_searches"]
    assert len(searches) == 3
    for trials in searches:
        assert len(trials) == 15
        values = [
            (p["x"] + 2 * p["y"] - 7) ** 2 + (2 * p["x"] + p["y"] - 5) ** 2 for p, _ in trials
        ]
        assert [value for _, value in trials] == values
        assert min(values) == 0
        assert trials[int(np.argmin(values))][0] == {"x": 1.0, "y": 3.0}
    assert chapter.names["booth_by_hand"] == [0] * 3
    whole = np.arange(-10, 11)
    draws = np.random.default_rng(0).choice(whole, size=(2, 20_000, 15))
    best = chapter.names["booth"](*draws).min(axis=1)
    assert np.median(best) == pytest.approx(chapter.names["booth_chance"], abs=1)
    assert np.mean(best == 0) == pytest.approx(chapter.names["found"], abs=0.005)
    assert chapter.names["found"] ** 3 < 1e-4


def test_ten_searches_of_12_different_trials_with_true_values(golden):
    names = golden.names
    rates, sizes = names["rates"], names["batch_sizes"]
    searches = [[tuple(p.values()) for p, _ in trials] for trials in names["searches"]]
    assert len({tuple(search) for search in searches}) == len(searches) == 10
    assert all(len(set(search)) == 12 for search in searches)
    for trials in names["searches"]:
        for pair, value in trials:
            row, column = rates.index(pair["learning_rate"]), sizes.index(pair["batch_size"])
            assert value == names["values"][row, column]
    assert {name: np.shape(found) for name, found in names["tries"].items()} == {
        "chance": (10, 12),
        "by hand": (10, 12),
        "Ax": (10, 12),
    }


def test_both_searches_are_ahead_of_chance(golden):
    names = golden.names
    median = np.log10(names["best_of_chance"](names["table"], 12, 0.5)) - 1e-5
    ends = {name: np.min(found, axis=1) for name, found in names["tries"].items()}
    for name in ("by hand", "Ax"):
        assert names["ahead"][name, 12] == (ends[name] < median).sum() == 10
        assert names["ahead"][name, 8] >= 8
        assert ends[name].max() < ends["chance"].min()
    assert names["ahead"]["chance", 12] == (ends["chance"] < median).sum() == 2
    noise, end = names["noise"], 10 ** np.median(names["so_far"]["Ax"][:, -1])
    assert end < 1.25 * noise < names["by_hand"]


def test_ax_comes_as_far_as_the_noise_lets_it(golden):
    rows = golden.names["val_dataset"].indices
    x, y = golden.names["x"][rows], golden.names["y"][rows]
    noise = np.mean((y - 1 - 2 * x) ** 2)
    line = np.polyfit(x.ravel(), y.ravel(), 1)  # no line comes lower on these 20 points
    lowest = np.mean((y.ravel() - np.polyval(line, x.ravel())) ** 2)
    assert golden.names["noise"] == pytest.approx(noise)
    for found in golden.names["tries"]["Ax"]:
        assert lowest < 10 ** min(found) < 1.25 * noise


# --- what can be concluded


def test_the_sign_test_is_that_of_scipy(chapter):
    chance_of = chapter.names["chance_of"]
    for n in range(1, 31):
        for k in range(n + 1):
            expected = scipy.stats.binomtest(k, n, alternative="greater").pvalue
            assert chance_of(k, n) == pytest.approx(expected, rel=1e-12)
    assert (chance_of(3, 3), chance_of(0, 7)) == (1 / 8, 1)
    assert 1 - chance_of(3, 20) == pytest.approx(sum(comb(20, k) for k in range(3)) / 2**20)


def test_searches_are_compared_seed_by_seed(golden):
    for n_trials, (ours, theirs) in golden.names["wins"].items():
        by_hand, ax = (
            np.min(np.array(golden.names["tries"][name])[:, :n_trials], axis=1)
            for name in ("by hand", "Ax")
        )
        assert (ours, theirs) == ((by_hand < ax).sum(), (ax < by_hand).sum())
        assert ours > theirs
        assert scipy.stats.binomtest(ours, ours + theirs).pvalue > 0.1  # ten seeds do not tell


def test_ten_of_ten_leave_room_for_a_share_of_three_in_four(golden):
    smallest = scipy.stats.binomtest(10, 10).proportion_ci(0.9).low  # 0.95 to one side
    assert golden.names["smallest"] == pytest.approx(smallest) == pytest.approx(0.74, abs=0.005)
    for name in ("by hand", "Ax"):
        ahead = golden.names["ahead"][name, 12]
        assert scipy.stats.binomtest(ahead, 10, alternative="greater").pvalue < 0.001


def test_a_length_scale_that_is_far_off_costs_wins(golden):
    scales = golden.names["scales"]
    assert list(scales) == [0.02, 0.1, 0.5, 2.5]
    assert scales[0.1] == scales[0.5] == 20
    assert max(scales[0.02], scales[2.5]) <= 16
    assert golden.names["plain_ahead"] == 20


def test_the_winner_is_ahead_of_the_true_line_on_the_20_points_only(golden):
    names = golden.names
    (weight,), (bias,) = ([float(names[part])] for part in ("weight", "bias"))
    rows = names["val_dataset"].indices
    x, y = names["x"][rows], names["y"][rows]
    assert np.mean((weight * x + bias - y) ** 2) == pytest.approx(names["table"].min())
    assert names["table"].min() < names["noise"]
    # on new points: the noise, and the mean squared distance of the two lines for x in [0, 1]
    distance, _ = scipy.integrate.quad(lambda t: ((weight - 2) * t + bias - 1) ** 2, 0, 1)
    np.testing.assert_allclose(names["on_new"], (0.01 + distance, 0.01), rtol=0.005)
    assert distance > 1e-4


def test_large_batches_cannot_arrive_within_the_space(golden):
    best = golden.names["table"].min(axis=0)
    assert best[-1] > 3 * golden.names["noise"]
    assert (best[:8] < 1.3 * golden.names["noise"]).all()


# --- the figures


def test_the_figure_shows_losses_over_noise_and_all_the_ends(golden):
    left, right = golden.names["left"], golden.names["right"]
    noise, so_far = golden.names["noise"], golden.names["so_far"]
    assert left.get_yscale() == right.get_yscale() == "log"
    chance, by_hand, ax, _ = (line.get_ydata() for line in left.lines)
    expected = [golden.names["best_of_chance"](golden.names["table"], n, 0.5) for n in range(1, 13)]
    np.testing.assert_allclose(chance, np.array(expected) / noise)
    for drawn, name in ((by_hand, "by hand"), (ax, "Ax")):
        np.testing.assert_allclose(drawn, np.median(10 ** so_far[name], axis=0) / noise)
        assert all(later <= earlier for earlier, later in pairwise(drawn))
    for line, bests in zip(right.lines, so_far.values(), strict=False):
        np.testing.assert_allclose(line.get_ydata(), 10 ** bests[:, -1] / noise)
    assert (np.maximum(by_hand, ax) < chance)[5:].all()
    assert {line.get_marker() for line in right.lines[:3]} == {"^", "s", "o"}
    assert (golden.folder / "figures" / "hyperparameter_search.png").stat().st_size > 10_000


def test_the_other_figure_shows_where_the_next_trial_goes(golden):
    curve, star = golden.names["beneath"].lines
    assert star.get_ydata().item() == max(curve.get_ydata())
    trials = golden.names["above"].lines[2]
    np.testing.assert_allclose(trials.get_ydata(), golden.names["table"][[8, 22, 37], 0])
    assert star.get_xdata().item() == golden.names["rates"][golden.names["chosen"]]
    assert (golden.folder / "figures" / "expected_improvement.png").stat().st_size > 10_000
