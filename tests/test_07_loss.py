"""Chapter 7: losses by hand and PyTorch's, the loop, the shape trap, a classifier."""

import importlib
import re
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn
from torch.nn import functional as F

from conftest import POST, TANGLED
from definitions import Definitions
from forking import run_code

SCRIPT = Definitions(TANGLED / "07_loss.py")
OFTEN = settings(max_examples=120)


def test_mean_of_the_example_is_golden(chapter):
    assert chapter.names["mean"].item() == pytest.approx(1.6667, abs=5e-5)
    assert chapter.names["by_hand"] == pytest.approx(5 / 3)


def test_reductions(chapter):
    assert chapter.names["total"].item() == 5
    assert chapter.names["each"].tolist() == [0, 1, 4]
    assert "mean 1.6667, sum 5.0000, none [0.0, 1.0, 4.0]\n" in chapter.output


def test_end_after_1000_epochs_is_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose((names["a"].item(), names["b"].item()), (1.0235, 1.9690), atol=5e-5)


def test_loss_after_1000_epochs_is_golden(golden):
    assert f"{golden.names['loss'].item():.10f}" == "0.0080446554"


# --- by hand and PyTorch's


def value_and_gradients(loss_fn, *tensors):
    """Return a loss and its gradients by the tensors of floats."""
    leaves = [t.clone().requires_grad_(t.is_floating_point()) for t in tensors]
    loss = loss_fn(*leaves)
    asked = [leaf for leaf in leaves if leaf.requires_grad]
    return [loss.detach(), *torch.autograd.grad(loss, asked)]


def assert_same(ours, pytorchs, atol=0.0):
    """Compare values and gradients, relative to the largest entry of each."""
    assert len(ours) == len(pytorchs)
    for one, other in zip(ours, pytorchs, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype == torch.float64
        largest = other.abs().max().item()
        assert (one - other).abs().max().item() <= 1e-12 * largest + atol


# Entries on a grid as well, so that errors of exactly 0 and of exactly delta come up.
ENTRIES = st.one_of(
    st.floats(-1e3, 1e3, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-9),
    st.integers(-4, 4).map(float),
)
DELTAS = st.one_of(st.floats(1e-3, 1e3), st.sampled_from([0.5, 1.0, 2.0]))


@st.composite
def pairs(draw):
    """Return two tensors of float64 of the same shape."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=5))
    both = draw(hnp.arrays(np.float64, (2, *shape), elements=ENTRIES))
    return torch.from_numpy(both[0]), torch.from_numpy(both[1])


@OFTEN
@given(pair=pairs())
def test_mse_and_l1_by_hand_equal_pytorch_s(pair):
    for name, module in (("mse_by_hand", nn.MSELoss()), ("l1_by_hand", nn.L1Loss())):
        assert_same(
            value_and_gradients(SCRIPT.get(name), *pair), value_and_gradients(module, *pair)
        )


@OFTEN
@given(pair=pairs(), delta=DELTAS)
def test_huber_by_hand_equals_pytorch_s(pair, delta):
    huber = SCRIPT.get("huber_by_hand")
    ours = value_and_gradients(lambda *both: huber(*both, delta=delta), *pair)
    assert_same(ours, value_and_gradients(nn.HuberLoss(delta=delta), *pair))
    assert_same(value_and_gradients(huber, *pair), value_and_gradients(nn.HuberLoss(), *pair))


@st.composite
def rows_of_logits(draw):
    """Return logits of shape (rows, classes), small or huge, and a true class for each row."""
    rows, classes = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    scale = draw(st.sampled_from([1.0, 30.0, 1e3, 1e6, 1e30]))
    entries = st.floats(-1, 1, allow_subnormal=False)
    logits = scale * draw(hnp.arrays(np.float64, (rows, classes), elements=entries))
    chosen = draw(hnp.arrays(np.int64, rows, elements=st.integers(0, classes - 1)))
    return torch.from_numpy(logits), torch.from_numpy(chosen)


@OFTEN
@given(case=rows_of_logits())
def test_cross_entropy_by_hand_equals_pytorch_s(case):
    """Near a sure and right answer the loss is the log of nearly 1, so 1e-12 is absolute there."""
    ours = value_and_gradients(SCRIPT.get("cross_entropy_by_hand"), *case)
    assert all(part.isfinite().all() for part in ours)
    assert_same(ours, value_and_gradients(nn.CrossEntropyLoss(), *case), atol=1e-12)
    assert_same(ours[:1], [nn.NLLLoss()(torch.log_softmax(case[0], 1), case[1])], atol=1e-12)


@OFTEN
@given(case=rows_of_logits(), shift=st.floats(-100, 100))
def test_a_constant_added_to_a_row_changes_neither_loss_nor_gradient(case, shift):
    logits, classes = case
    by_hand = SCRIPT.get("cross_entropy_by_hand")
    before = value_and_gradients(by_hand, logits, classes)
    after = value_and_gradients(by_hand, logits + shift, classes)
    rounding = 1e-14 * max(1, logits.abs().max().item(), abs(shift))
    assert (before[0] - after[0]).abs() <= rounding
    if rounding < 1e-10:
        assert (before[1] - after[1]).abs().max() <= 4 * rounding


def test_gradient_of_cross_entropy_is_probability_minus_truth():
    logits, classes = torch.randn(7, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 3, 3, 1, 0])
    _, gradient = value_and_gradients(SCRIPT.get("cross_entropy_by_hand"), logits, classes)
    expected = (torch.softmax(logits, dim=1) - F.one_hot(classes, 4)) / 7
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)


def test_the_script_s_own_differences_are_nothing_and_printed_with_fixed_decimals(chapter):
    differences = chapter.names["differences"]
    assert set(differences) == {"MSELoss", "L1Loss", "HuberLoss", "CrossEntropyLoss"}
    assert max(differences.values()) < 1e-12
    assert chapter.output.count("largest difference: 0.000000000000\n") == 4
    assert chapter.names["scores"].abs().max() > 1000  # large enough to overflow the naive way


def test_largest_difference_sees_values_and_gradients():
    difference = SCRIPT.get("largest_difference")
    one, other = torch.tensor([1.0, 2.0]).double(), torch.tensor([0.0, 0.0]).double()
    shifted = difference(nn.MSELoss(), lambda i, t: nn.MSELoss()(i, t) + 0.25, one, other)
    assert shifted == pytest.approx(0.25)
    # The same value and another gradient: as if one entry had been left out of the graph.
    half = difference(
        nn.MSELoss(), lambda i, t: nn.MSELoss()(i.detach() / 2 + i / 2, t), one, other
    )
    assert half == pytest.approx(1.0)


def test_an_error_of_5_counts_as_a_hundred_of_one_half_or_as_ten():
    big, small = torch.tensor([5.0]), torch.full((100,), 0.5)
    for name, times in (("mse_by_hand", 100), ("l1_by_hand", 10)):
        loss = SCRIPT.get(name)
        assert loss(big, 0 * big).item() == times * loss(small, 0 * small).item()
    huber = SCRIPT.get("huber_by_hand")
    assert 10 < huber(big, 0 * big).item() / huber(small, 0 * small).item() < 100


# --- what the text says of modules, reductions and lists of losses


def test_mseloss_makes_a_module_that_is_called():
    loss_fn = nn.MSELoss()
    assert isinstance(loss_fn, nn.Module)
    assert loss_fn.reduction == "mean"
    assert isinstance(loss_fn(torch.zeros(3), torch.zeros(3)), torch.Tensor)


def test_the_sum_s_gradient_grows_with_the_batch(chapter):
    slopes = chapter.names["slopes"]
    for rows in (40, 80):
        assert slopes["sum", rows] / slopes["mean", rows] == pytest.approx(rows, rel=1e-5)
    assert slopes["mean", 80] == pytest.approx(slopes["mean", 40], rel=0.05)
    two_columns = torch.zeros(5, 2), torch.ones(5, 2)
    assert nn.MSELoss()(*two_columns) == nn.MSELoss(reduction="sum")(*two_columns) / 10


def test_the_gradients_of_the_whole_batch_are_golden(golden):
    assert golden.names["slopes"]["mean", 80] == pytest.approx(-3.1125, abs=5e-5)
    assert golden.names["slopes"]["mean", 40] == pytest.approx(-3.1537, abs=5e-5)


def descend(x, y, loss_fn, rate, epochs=1000):
    """Return a and b after a descent from zero."""
    a, b = (torch.zeros(1, dtype=x.dtype, requires_grad=True) for _ in range(2))
    for _ in range(epochs):
        slopes = torch.autograd.grad(loss_fn(a + b * x, y), (a, b))
        with torch.no_grad():
            a -= rate * slopes[0]
            b -= rate * slopes[1]
    return a.item(), b.item()


def test_outliers_pull_the_line_of_squares_most(chapter):
    x, y = data_of(chapter)
    spoiled = y.clone()
    spoiled[x.flatten().argsort()[:4]] += 5
    moved = {}
    for name in ("mse_by_hand", "l1_by_hand", "huber_by_hand"):
        ends = [descend(x, part, SCRIPT.get(name), 0.1) for part in (y, spoiled)]
        moved[name] = abs(ends[1][0] - ends[0][0])
    assert moved["mse_by_hand"] > 2 * max(moved["l1_by_hand"], moved["huber_by_hand"])


def data_of(chapter):
    return [torch.from_numpy(chapter.names[name]) for name in ("x_train", "y_train")]


def test_the_sum_needs_a_smaller_rate(chapter):
    x, y = data_of(chapter)
    mean, total = nn.MSELoss(), nn.MSELoss(reduction="sum")
    assert not np.isfinite(descend(x, y, total, 0.1)).any()
    np.testing.assert_allclose(descend(x, y, total, 0.1 / 80), descend(x, y, mean, 0.1), rtol=1e-9)


class Packed:
    """A saved tensor, in a box that can be counted."""

    alive = 0

    def __init__(self, tensor):
        self.tensor = tensor
        Packed.alive += 1

    def __del__(self):
        Packed.alive -= 1


def test_backward_frees_what_a_kept_loss_holds_and_leaves_its_nodes(chapter):
    assert chapter.names["saved_shape"] == (80, 1)
    x, y = data_of(chapter)
    a = torch.zeros(1, dtype=x.dtype, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(Packed, lambda box: box.tensor):
        losses = [nn.MSELoss()(a + a * x, y) for _ in range(3)]
    assert Packed.alive >= 3 * 2
    for loss in losses[:2]:
        loss.backward()
    assert 0 < Packed.alive <= 3  # those of the one loss that had no backward
    losses[2].backward()
    assert Packed.alive == 0
    assert losses[0].grad_fn.next_functions[0][0] is not None
    assert losses[0].detach().grad_fn is None
    assert isinstance(losses[0].item(), float)


# --- the shape trap


def test_the_trap_ends_where_least_squares_over_all_pairs_ends(chapter):
    names = chapter.names
    x, y = names["x_train"], names["y_train"]
    assert names["pairs"] == (80, 80)
    every_x, every_y = np.repeat(x, 80, axis=1).ravel(), np.repeat(y.T, 80, axis=0).ravel()
    columns = np.column_stack([np.ones(6400), every_x])
    (best_a, best_b), squares, *_ = np.linalg.lstsq(columns, every_y)
    np.testing.assert_allclose((best_a, best_b), (y.mean(), 0), atol=1e-12)
    end = names["a_flat"].item(), names["b_flat"].item()
    np.testing.assert_allclose(end, (best_a, best_b), atol=1e-5)
    assert names["loss_flat"].item() == pytest.approx(squares[0] / 6400, abs=1e-6)
    assert names["loss_flat"].item() == pytest.approx(y.var(), abs=1e-6)
    assert round(end[0], 3) == 1.954


def test_every_warning_of_the_trap_is_caught_and_mseloss_only_warns(chapter):
    yhat, y = torch.zeros(80, 1), torch.ones(80)
    for module in (nn.MSELoss(), nn.L1Loss(), nn.HuberLoss()):
        with pytest.warns(UserWarning, match="different to the input size"):
            assert module(yhat, y).isfinite()
    assert "different to the input size" in chapter.names["shape_warning"]
    assert chapter.names["warned_loss"] == pytest.approx(
        chapter.names["loss_flat"].item(), abs=1e-5
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SCRIPT.get("mse_by_hand")(yhat, y)  # the formula says nothing
    assert "the warning is an error now\npredictions and targets differ in shape" in chapter.output


def test_python_shows_the_warning_once_and_dash_w_stops_the_program():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")  # what Python does with a UserWarning unless told
        for _ in range(50):
            nn.MSELoss()(torch.zeros(80, 1), torch.zeros(80))
    assert len(shown) == 1
    code = "from torch import nn, zeros; nn.MSELoss()(zeros(80, 1), zeros(80)); print('done')"
    assert run_code(code).stdout == "done\n"
    run = run_code(code, options=("error::UserWarning",))
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.count("Using a target size") == 1


def test_with_the_absolute_error_the_trap_would_end_at_the_median(chapter):
    x, y = (part.numpy() for part in data_of(chapter))
    low, high = np.sort(y.ravel())[39:41]

    def loss(a, b):
        return np.abs(a + b * x - y.ravel()).mean()

    least = loss((low + high) / 2, 0)
    assert loss(low, high - low) == pytest.approx(least, rel=1e-9)  # a slope within the gap
    for a in np.linspace(1.5, 2.5, 41):
        for b in np.linspace(-1, 1, 41):
            assert loss(a, b) >= least - 1e-12
            if a < low - 0.05 or a > high + 0.05:
                assert loss(a, b) > least


# --- cross-entropy


def test_only_log_sum_exp_survives_large_logits(chapter):
    names = chapter.names
    large = torch.tensor([[1000.0, 0.0, -1000.0]])
    assert names["logarithms"]["log-sum-exp by hand"] == [0, -1000, -2000]
    assert names["logarithms"]["torch.log_softmax"] == [0, -1000, -2000]
    assert not torch.isfinite(names["naive_log_softmax"](large)).any()
    assert torch.softmax(large, dim=1).log().tolist() == [[0, -torch.inf, -torch.inf]]
    assert not torch.isfinite(names["naive_log_softmax"](large.double())).any()
    for true_class, loss in enumerate((0, 1000, 2000)):
        chosen = torch.tensor([true_class])
        assert names["cross_entropy_by_hand"](large, chosen).item() == loss
        assert nn.CrossEntropyLoss()(large, chosen).item() == loss
    small = torch.randn(20, 3, dtype=torch.float64)
    for name in ("naive_log_softmax", "log_softmax_by_hand"):
        torch.testing.assert_close(
            names[name](small), torch.log_softmax(small, dim=1), rtol=1e-12, atol=1e-14
        )


def test_an_infinite_loss_makes_every_parameter_nan():
    weight = torch.ones(2, 3, requires_grad=True)
    logits = torch.tensor([[1.0, 1.0]]) @ weight + torch.tensor([[1000.0, 0.0, -1000.0]])
    loss = -torch.softmax(logits, dim=1).log()[0, 1]
    loss.backward()
    assert torch.isinf(loss)
    assert weight.grad.isnan().all()


def test_softmax_applied_twice_is_another_loss_without_a_word():
    logits, classes = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
    once = nn.CrossEntropyLoss()(logits, classes)
    assert nn.CrossEntropyLoss()(torch.softmax(logits, dim=1), classes) > once + 0.1


def test_a_logit_is_a_log_probability_up_to_a_constant_of_the_row():
    logits = torch.randn(5, 4, dtype=torch.float64)
    constant = logits - torch.softmax(logits, dim=1).log()
    assert (constant - constant[:, :1]).abs().max() < 1e-12
    assert constant[:, 0].std() > 0.1


def test_one_logit_is_the_log_odds():
    logits, truths = (
        torch.randn(6, dtype=torch.float64),
        torch.tensor([0.0, 1, 1, 0, 1, 0]).double(),
    )
    p = torch.sigmoid(logits)
    torch.testing.assert_close((p / (1 - p)).log(), logits)
    two = torch.stack([torch.zeros(6), logits], dim=1)
    torch.testing.assert_close(
        nn.BCEWithLogitsLoss()(logits, truths), nn.CrossEntropyLoss()(two, truths.long())
    )


def test_cross_entropy_against_a_distribution_is_the_formula_of_the_text():
    logits, q = torch.randn(5, 3, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64)
    q = q / q.sum(dim=1, keepdim=True)
    formula = -(q * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(nn.CrossEntropyLoss()(logits, q), formula)


# --- the classifier


def test_the_points_are_two_clouds_shuffled_and_150_of_them_train(chapter):
    names = chapter.names
    points, labels, order = names["points"], names["labels"], names["order"]
    assert sorted(order) == list(range(200))
    assert (labels == (order >= 100)).all()
    assert 15 < labels[150:].sum() < 35  # both classes are held back
    for label, centre in ((0, -1), (1, 1)):
        np.testing.assert_allclose(points[labels == label].mean(axis=0), centre, atol=0.3)
        np.testing.assert_allclose(points[labels == label].std(axis=0), 1, atol=0.2)


def test_the_50_points_held_back_have_no_part_in_the_training(chapter):
    """Trained here again on the other 150, in NumPy, it is the same classifier."""
    names = chapter.names
    points, truths = names["points"][:150], np.eye(2)[names["labels"][:150]]
    weight, bias = np.zeros((2, 2)), np.zeros(2)
    for _ in range(500):
        powers = np.exp(points @ weight + bias)
        wrong = (powers / powers.sum(axis=1, keepdims=True) - truths) / 150
        weight, bias = weight - 0.1 * points.T @ wrong, bias - 0.1 * wrong.sum(axis=0)
    np.testing.assert_allclose(names["weight"].detach().cpu(), weight, atol=1e-4)
    np.testing.assert_allclose(names["bias"].detach().cpu(), bias, atol=1e-4)


def line_of(chapter):
    """Return how far each point lies on class 1's side of the classifier's line."""
    names = chapter.names
    weight, bias = names["weight"].detach().cpu().double(), names["bias"].detach().cpu().double()
    logits = torch.from_numpy(names["points"]) @ weight + bias
    return (logits[:, 1] - logits[:, 0]).numpy()


def test_the_classifier_s_accuracy_is_what_it_says(chapter):
    names = chapter.names
    right = (line_of(chapter) > 0) == names["labels"]
    assert right.tolist() == names["right"].tolist()
    assert 0.9 < right[:150].mean() < 0.97
    assert 0.85 < right[150:].mean() < 0.97
    assert f"held back {right[150:].sum()} of 50 right" in chapter.output
    assert np.abs(line_of(chapter)).min() > 1e-3  # no point so near that rounding decides


def test_the_line_separates_the_means_and_is_near_that_of_scikit_learn(chapter):
    names = chapter.names
    points, labels = names["points"], names["labels"]
    side = line_of(chapter)
    assert side[labels == 0].mean() < 0 < side[labels == 1].mean()
    linear_model = importlib.import_module("sklearn.linear_model")  # which takes long
    fit = linear_model.LogisticRegression(C=1e6).fit(points[:150], labels[:150])
    np.testing.assert_allclose(names["normal"], fit.coef_[0], rtol=0.1)
    assert names["class_losses"][0] == pytest.approx(np.log(2), abs=1e-6)
    assert all(np.diff(names["class_losses"]) < 0)


def test_the_line_drawn_is_where_both_logits_are_equal(chapter):
    names = chapter.names
    weight, bias = names["weight"].detach().cpu().double(), names["bias"].detach().cpu().double()
    ends = torch.from_numpy(np.column_stack([names["across"], names["up"]]))
    logits = ends @ weight + bias
    assert (logits[:, 0] - logits[:, 1]).abs().max() < 1e-3


def test_no_line_gets_every_point_right(chapter):
    """Points of one class lie within the hull of the other: that one is on all sides of them."""
    points, labels = chapter.names["points"], chapter.names["labels"]
    widest = []
    for point in points[labels == 1]:
        away = points[labels == 0] - point
        angles = np.sort(np.arctan2(away[:, 1], away[:, 0]))
        widest.append(np.diff([*angles, angles[0] + 2 * np.pi]).max())
    assert min(widest) < np.pi - 0.1


def test_accuracy_cannot_be_minimised():
    weight = torch.zeros(2, 2, requires_grad=True)
    predicted = (torch.ones(3, 2) @ weight).argmax(dim=1)
    assert not predicted.requires_grad
    with pytest.raises(RuntimeError, match="does not require grad"):
        (predicted == 0).float().mean().backward()


# --- which loss, in which order


def test_losses_of_the_table_exist_and_the_two_named_are_not_symmetric():
    table = POST.split("** Which loss, in which order?")[1].split("** What to take away")[0]
    named = set(re.findall(r"^\| =nn\.(\w+)=", table, re.MULTILINE))
    assert len(named) == 7
    assert all(hasattr(nn, name) for name in named)
    p, q = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])
    for loss in (nn.CrossEntropyLoss(), nn.KLDivLoss(reduction="batchmean")):
        assert loss(p, q) != loss(q, p)


def test_swapped_arguments(chapter):
    logits, classes = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    shares, log_p = torch.softmax(torch.randn(4, 3), dim=1), torch.log_softmax(logits, dim=1)
    for loss, floats in ((nn.CrossEntropyLoss(), logits), (nn.NLLLoss(), log_p)):
        with pytest.raises(RuntimeError):
            loss(classes, floats)
    for reduction in ("batchmean", "sum"):
        assert nn.KLDivLoss(reduction=reduction)(shares, log_p).isnan()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # silent
        swapped = nn.CrossEntropyLoss()(shares, logits)
        assert swapped.isfinite()
        assert swapped != nn.CrossEntropyLoss()(logits, shares)
        yes = (shares > 0.3).float()
        assert nn.BCEWithLogitsLoss()(yes, logits) != nn.BCEWithLogitsLoss()(logits, yes)
    for loss in (nn.MSELoss(), nn.L1Loss(), nn.HuberLoss()):
        one, other = (
            value_and_gradients(loss, *pair) for pair in ((log_p, shares), (shares, log_p))
        )
        assert one[0] == other[0]
        torch.testing.assert_close(one[1], other[2])
    assert {name: swapped for name, (_, swapped) in chapter.names["outcomes"].items()} == {
        "MSELoss": "0.333",
        "BCEWithLogitsLoss": "0.753",
        "CrossEntropyLoss, class numbers": "NotImplementedError",
        "CrossEntropyLoss, probabilities": "1.062",
        "NLLLoss": "RuntimeError",
        "KLDivLoss": "nan",
    }


def test_batchmean_is_the_divergence_and_the_default_is_not(chapter):
    log_p = torch.log_softmax(torch.randn(6, 4, dtype=torch.float64), dim=1)
    q = torch.softmax(torch.randn(6, 4, dtype=torch.float64), dim=1)
    distributions = [torch.distributions.Categorical(probs=p) for p in (q, log_p.exp())]
    divergence = torch.distributions.kl_divergence(*distributions).mean()
    torch.testing.assert_close(nn.KLDivLoss(reduction="batchmean")(log_p, q), divergence)
    with pytest.warns(UserWarning, match="batchmean"):
        default = nn.KLDivLoss()(log_p, q)
    torch.testing.assert_close(4 * default, divergence)
    names = chapter.names
    assert names["batchmean"] == pytest.approx(names["divergence"], rel=1e-5)
    assert 3 * names["default"] == pytest.approx(names["divergence"], rel=1e-5)
    assert "batchmean" in names["kl_warning"]
