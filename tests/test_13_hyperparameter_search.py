"""Chapter 13: Ax finds Booth's minimum and the good corner of a real search space."""

import numpy as np
import pytest
import torch
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


def test_booth_is_zero_at_1_3_and_nowhere_else_near(chapter):
    booth = chapter.names["booth"]
    assert booth(1, 3) == 0
    assert booth(0, 0) == 74
    circle = np.linspace(0, 2 * np.pi, 100)
    assert booth(1 + 0.1 * np.cos(circle), 3 + 0.1 * np.sin(circle)).min() > 0


def test_ax_finds_the_minimum_of_booth_in_25_trials(chapter):
    best, trials = chapter.names["booth_best"], chapter.names["booth_trials"]
    values = [(p["x"] + 2 * p["y"] - 7) ** 2 + (2 * p["x"] + p["y"] - 5) ** 2 for p, _ in trials]
    np.testing.assert_allclose([value for _, value in trials], values)
    assert len(values) == 25
    assert best == trials[np.argmin(values)][0]
    assert 0 <= min(values) < 0.5
    assert np.hypot(best["x"] - 1, best["y"] - 3) < 1


def test_ax_does_better_on_booth_than_random_search(chapter):
    grid = np.arange(-20, 21) / 2
    draws = np.random.default_rng(0).choice(grid, size=(2, 2000, 25))
    expected = np.median(chapter.names["booth"](*draws).min(axis=1))
    assert chapter.names["booth_random"] == pytest.approx(expected, rel=0.2)
    assert chapter.names["lowest"] < expected / 10


def test_the_split_is_that_of_chapter_10(golden):
    torch.manual_seed(42)
    expected = torch.randperm(100).tolist()
    assert golden.names["train_dataset"].indices == expected[:80]
    assert golden.names["val_dataset"].indices == expected[80:]


def test_every_trial_is_five_epochs_of_sgd_and_its_loss_is_true(golden):
    trials = [trial for _, search in golden.names["searches"] for trial in search]
    assert len(trials) == 3 * 16
    for parameters, value in trials:
        assert parameters["learning_rate"] in golden.names["rates"]
        assert parameters["batch_size"] in golden.names["batch_sizes"]
        expected = trained_in_numpy(golden.names, **parameters)
        assert 10**value == pytest.approx(expected, rel=1e-3)


def test_the_choices_are_even_steps_on_logarithmic_scales(chapter):
    rates, sizes = chapter.names["rates"], chapter.names["batch_sizes"]
    assert (rates[0], rates[-1]) == (1e-4, 0.5)
    np.testing.assert_allclose(np.diff(np.log10(rates)), 0.1, atol=0.03)
    assert (sizes[0], sizes[-1]) == (2, 80)
    assert sizes == sorted(set(sizes))
    steps = np.diff(np.log(sizes[6:]))  # smaller ones are whole numbers, one by one
    np.testing.assert_allclose(steps, steps.mean(), atol=0.05)


def test_the_best_of_a_search_is_its_lowest_trial(chapter):
    for best, trials in chapter.names["searches"]:
        assert best == min(trials, key=lambda trial: trial[1])[0]


def test_the_searches_differ_and_trials_do_not_repeat(chapter):
    searches = [[tuple(p.values()) for p, _ in trials] for _, trials in chapter.names["searches"]]
    assert all(len(set(search)) == 16 for search in searches)
    assert len({tuple(search) for search in searches}) == 3


def test_random_search_has_the_same_budget_and_the_same_space(golden):
    names = golden.names
    assert np.shape(names["random_losses"]) == (1000, 16)
    assert np.shape(names["ax_losses"]) == (3, 16)
    generator = np.random.default_rng(42)
    rates = generator.choice(names["rates"], 16)
    sizes = generator.choice(names["batch_sizes"], 16)
    expected = [trained_in_numpy(names, *pair) for pair in zip(rates, sizes, strict=True)]
    np.testing.assert_allclose(names["random_losses"][0], expected, rtol=1e-3)


def test_ax_is_ahead_of_the_typical_random_search(golden):
    ax = np.sort(np.minimum.accumulate(golden.names["ax_losses"], axis=1), axis=0)
    chance = np.median(np.minimum.accumulate(golden.names["random_losses"], axis=1), axis=0)
    assert ax[1, 7] < chance[7]
    assert ax[2, 15] < chance[15]
    ends = np.min(golden.names["random_losses"], axis=1)
    assert np.mean(ends < ax[1, 15]) == pytest.approx(golden.names["luckier"])
    assert golden.names["luckier"] < 1 / 3
    assert ax[2, 15] < trained_in_numpy(golden.names, 0.1, 16) / 2


def test_ax_comes_as_far_as_the_noise_lets_it(golden):
    rows = golden.names["val_dataset"].indices
    x, y = golden.names["x"][rows], golden.names["y"][rows]
    noise = np.mean((y - 1 - 2 * x) ** 2)
    line = np.polyfit(x.ravel(), y.ravel(), 1)  # no line comes lower on these 20 points
    lowest = np.mean((y.ravel() - np.polyval(line, x.ravel())) ** 2)
    assert golden.names["noise"] == pytest.approx(noise)
    for losses in golden.names["ax_losses"]:
        assert lowest < min(losses) < 1.25 * noise


def test_the_figure_shows_the_best_so_far_of_both_on_a_logarithmic_scale(chapter):
    axes = chapter.names["axes"]
    assert axes.get_yscale() == "log"
    drawn = [line.get_ydata() for line in axes.lines]
    chance = np.minimum.accumulate(chapter.names["random_losses"], axis=1)
    np.testing.assert_allclose(drawn[0], np.median(chance, axis=0))
    np.testing.assert_allclose(
        drawn[1:4], np.minimum.accumulate(chapter.names["ax_losses"], axis=1)
    )
    assert (chapter.folder / "figures" / "hyperparameter_search.png").stat().st_size > 10_000
