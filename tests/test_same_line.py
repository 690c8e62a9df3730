"""Appendix: each way ends where it should, computed here anew, and the table is the run's."""

import itertools
import math
import re
from fractions import Fraction

import numpy as np
import pytest

from conftest import POST, TANGLED, chapter_of
from literate.sections import outline_of
from test_scripts import own_names_of_enclosing_functions, plain, variables_read_in_functions

PAIRS = ("SGD", "momentum 0.9", "RMSprop", "Adam", "AdamW")


@pytest.fixture(scope="module")
def points():
    """Return x and y of all 100 points, and the rows of the 80 that are trained on."""
    draw = np.random.RandomState(42)
    x = draw.rand(100, 1).ravel()
    y = 1 + 2 * x + 0.1 * draw.randn(100, 1).ravel()
    rows = np.arange(100)
    draw.shuffle(rows)
    return x, y, rows[:80]


@pytest.fixture(scope="module")
def training(points):
    """Return x and y of the 80 points."""
    x, y, rows = points
    return x[rows], y[rows]


def line_of(x, y, weights=None, decay=0.0):
    """Return a and b of least squares, in exact arithmetic, rounded at the end.

    The loss is the weighted mean of the squares, plus half of decay times a² + b².
    """
    x, y = ([Fraction(number) for number in part.tolist()] for part in (x, y))
    w = [Fraction(1)] * len(x) if weights is None else [Fraction(one) for one in weights]
    w = [one / sum(w) for one in w]
    mean = [
        sum(one * u * v for one, u, v in zip(w, left, right, strict=True))
        for left, right in itertools.combinations_with_replacement(([1] * len(x), x, y), 2)
    ]
    one, x_mean, y_mean, xx, xy, _ = mean
    half = Fraction(decay) / 2
    p, q, r = one + half, x_mean, xx + half
    determinant = p * r - q * q
    a, b = (r * y_mean - q * xy) / determinant, (p * xy - q * y_mean) / determinant
    return np.array([float(a), float(b)])


@pytest.fixture(scope="module")
def best(training):
    """Return the line of the 80 points."""
    return line_of(*training)


@pytest.fixture(scope="module")
def ways(chapter):
    """Return all ways, by their words."""
    every = [*chapter.names["routes"], *chapter.names["elsewhere"]]
    found = {way.words: way for way in every}
    assert len(found) == len(every)
    return found


def end(way):
    """Return a and b of a way."""
    return np.array([way.a, way.b], dtype=float)


def off(way, goal):
    """Return how far a way ends from a goal."""
    return math.dist(end(way), goal)


def hessian_of(x):
    """Return the second derivatives of the mean squared error."""
    return 2 * np.array([[1, x.mean()], [x.mean(), (x**2).mean()]])


# --- the goal, and what is said of a distance


def test_the_goal_is_the_line_of_exact_arithmetic(chapter, best):
    np.testing.assert_allclose(chapter.names["minimum"], best, rtol=1e-13)
    assert f"the goal: a = {best[0]:.8f}, b = {best[1]:.8f}\n" in chapter.output


def test_a_formula_takes_no_step_and_arrives(ways, best):
    formulas = ("by NumPy", "by scikit-learn", "covariance over", "gradient is zero")
    for words in formulas:
        (way,) = (way for name, way in ways.items() if words in name)
        assert off(way, best) < 1e-12, words


def test_distance_is_that_of_two_points_in_the_plane(chapter):
    way = chapter.names["Route"](3, "", 64, 4.0, 6.0)
    assert chapter.names["distance"](way, np.array([1.0, 2.0])) == 5


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "< 1e-12"),
        (3e-15, "< 1e-12"),
        (2e-12, "< 1e-11"),
        (5.016e-6, "< 1e-05"),
        (0.000151, "< 1e-03"),
        (0.00151, "0.0015"),
        (0.06604, "0.0660"),
        (1.25, "1.2500"),
    ],
)
def test_a_distance_is_shown_with_few_digits(chapter, number, text):
    assert chapter.names["shown"](number) == text


# --- one chapter after the other


def test_32_bits_are_32_bits(ways):
    for way in ways.values():
        fits = all(number == np.float32(number) for number in end(way))
        assert fits == (way.bits == 32 or way.words == "the true line"), way.words
    assert sum(way.bits == 32 for way in ways.values()) == 5


def test_the_chapters_own_loops_end_where_they_ended_in_their_chapters(ways, best):
    for stem, words in (
        ("03_gradient_descent", "the whole batch in NumPy"),
        ("04_autograd", "autograd"),
        ("06_optimizer", "~optim.SGD~"),
        ("07_loss", "~nn.MSELoss~"),
        ("08_model", "~nn.Sequential~ and a train step"),
    ):
        there = chapter_of(TANGLED / f"{stem}.py").names
        names = ("bias", "weight") if stem == "08_model" else ("a", "b")
        theirs = [
            there[name] if isinstance(there[name], float) else there[name].item() for name in names
        ]
        np.testing.assert_allclose(end(ways[words]), theirs, atol=1e-5)
    assert off(ways["the whole batch in NumPy"], best) < 1e-6


def test_our_tape_goes_where_numpy_goes(ways, training):
    x, y = training
    a, b = 0.5, 0.0
    for _ in range(1000):
        error = y - (a + b * x)
        a, b = a + 0.2 * error.mean(), b + 0.2 * (x * error).mean()
    np.testing.assert_allclose(end(ways["our tape"]), (a, b), rtol=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_descent_in_numpy_rests_within_the_limit_too(chapter, training, best, kind):
    """And of a larger rate and of momentum the prose says that they get closer."""
    x, y = (part.astype(kind) for part in training)
    ends = {}
    for rate, momentum in ((0.1, 0.0), (0.4, 0.0), (0.1, 0.9)):
        line, velocity = np.zeros(2, kind), np.zeros(2, kind)
        for _ in range(2501):
            before = line
            error = y - (line[0] + line[1] * x)
            slope = np.array([-2 * error.mean(), -2 * (x * error).mean()], kind)
            velocity = kind(momentum) * velocity + slope
            line = line - kind(rate) * velocity
        ends[rate, momentum] = math.dist(line, best)
        if momentum == 0:
            assert np.array_equal(before, line), "it still moves"
    bits = 8 * kind().itemsize
    limit = chapter.names["limits"][bits]
    assert limit / 10 < ends[0.1, 0.0] < 1.2 * limit
    assert limit / 10 < chapter.names["rests"][bits, 2500] < 1.2 * limit
    assert max(ends[0.4, 0.0], ends[0.1, 0.9]) < ends[0.1, 0.0] / 2


def test_the_limit_is_half_an_eps_over_rate_and_curvature(chapter, training):
    flat = np.linalg.eigvalsh(hessian_of(training[0]))[0]
    for bits, eps in ((32, 2**-23), (64, 2**-52)):
        limit = math.hypot(eps / 2 / 0.1, eps / 2 / 0.1) / flat
        assert chapter.names["limits"][bits] == pytest.approx(limit, rel=1e-9)
    assert chapter.names["moves"] == {32: False, 64: False}


@pytest.mark.parametrize("name", PAIRS)
def test_our_optimizer_ends_where_pytorch_s_ends(ways, name):
    ours, theirs = (end(ways[f"{name}, {whose}"]) for whose in ("ours", "PyTorch's"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_which_optimizers_arrive(ways, best):
    assert max(off(ways[f"{name}, ours"], best) for name in ("momentum 0.9", "Adam")) < 1e-12
    assert 1e-8 < off(ways["SGD, ours"], best) < 1e-6
    for number in end(ways["RMSprop, ours"]) - best:
        assert 0.04 < abs(number) < 0.05  # almost half of the rate
    assert 0.01 < off(ways["AdamW, ours"], best) < 0.02
    assert 1e-6 < off(ways["LBFGS, one step"], best) < 1e-4


# --- a few points at a time


@pytest.mark.parametrize(
    ("words", "size", "rate"),
    [
        ("batches of 16", 16, 0.1),
        ("single points", 1, 0.1),
        ("single points, rate 0.01", 1, 0.01),
    ],
)
def test_stochastic_descent_wanders_as_far_from_another_seed(
    chapter, training, best, words, size, rate
):
    """The floor is not this seed's: others have it, too; and single points never rest."""
    x, y = training
    draw = np.random.default_rng(7)
    a, b = 0.0, 0.0
    distances = []
    for _ in range(100 * size):
        order = draw.permutation(80)
        for first in range(0, 80, size):
            some = order[first : first + size]
            error = y[some] - (a + b * x[some])
            a, b = a + 2 * rate * error.mean(), b + 2 * rate * (x[some] * error).mean()
            distances.append(math.dist((a, b), best))
    there = chapter.names["wander"][words]
    assert np.mean(distances[-4000:]) == pytest.approx(there, rel=0.35)
    assert f"{words}, {len(distances)} steps: on average {there:.4f} away" in chapter.output


def test_the_mean_of_many_lines_is_closer_than_most_of_them(chapter, training, best, ways):
    descend = chapter.names["descend"]
    x, y = (part[:, None] for part in training)
    lines = descend(x, y, 1, 0.1, epochs=100)[-4000:]
    np.testing.assert_allclose(lines[-1], end(ways["single points"]), rtol=1e-9)
    mean = off(ways["single points, the mean of 4000 lines"], best)
    assert math.dist(lines.mean(axis=0), best) == pytest.approx(mean, rel=1e-6)
    assert (np.linalg.norm(lines - best, axis=1) > mean).mean() > 0.99


def test_the_rate_sets_the_floor(chapter):
    wander = chapter.names["wander"]
    ratio = wander["single points"] / wander["single points, rate 0.01"]
    assert 4 < ratio < 10
    assert f"a tenth of the rate, and the distance is divided by {ratio:.1f}\n" in chapter.output


def test_both_loaders_lead_to_one_line(ways):
    ours, theirs = (ways[f"{name}, batches of 16"] for name in ("our loader", "~DataLoader~"))
    assert ours[-2:] == theirs[-2:]


def test_a_rate_that_falls_gets_below_the_floor_unless_it_falls_too_soon(chapter, ways, best):
    floor = chapter.names["wander"]["batches of 16"]
    for name in ("~StepLR~", "~CosineAnnealingLR~"):
        assert off(ways[f"{name}, batches of 16"], best) < floor / 3
    assert off(ways["~ReduceLROnPlateau~, batches of 16"], best) > 10 * floor
    assert off(ways["RMSprop, ~CosineAnnealingLR~"], best) < 1e-12


# --- what the later chapters add


def test_a_stop_changes_nothing_and_momentum_had_not_arrived_before_it(chapter, ways, best):
    assert chapter.names["resumed"][-2:] == ways["momentum 0.9, PyTorch's"][-2:]
    saved = chapter.names["saved"]["model"]
    half_way = [saved[name].item() for name in ("bias", "weight")]
    assert half_way != list(chapter.names["resumed"][-2:])
    assert "the same as in one go, bit for bit: True\n" in chapter.output


def test_gradients_of_parts_are_put_together_as_they_should(ways, best, training):
    for words in ("two halves, averaged", "60 and 20 points, summed"):
        assert off(ways[words], best) < 1e-6
    apart = line_of(*training, weights=[1] * 60 + [3] * 20)
    assert off(ways["60 and 20 points, averaged"], apart) < 1e-6
    assert math.dist(apart, best) > 0.01


def test_the_rate_that_was_found_is_the_best_of_those_that_were_tried(chapter, ways, best):
    tried, trials = chapter.names["tried"], chapter.names["trials"]
    assert len(set(tried)) == len(trials) == 16
    assert chapter.names["found"] == min(zip(trials, tried, strict=True))[1] == 0.41
    assert off(ways["a rate that was searched for, the whole batch"], best) < 1e-12
    wide = off(ways["a rate that was searched for, batches of 16"], best)
    assert wide > off(ways["~DataLoader~, batches of 16"], best)


def test_every_chapter_that_fits_a_line_is_there(chapter):
    numbers = {way.chapter for way in chapter.names["routes"]}
    assert numbers == set(range(3, 14)) - {5}  # which draws graphs and trains nothing


# --- other lines


def test_the_line_of_the_absolute_error_is_the_best_through_two_points(ways, training):
    x, y = training
    lines = []
    for i, j in itertools.combinations(range(80), 2):
        b = (y[j] - y[i]) / (x[j] - x[i])
        a = y[i] - b * x[i]
        lines.append((np.abs(y - a - b * x).mean(), a, b))
    assert off(ways["~nn.L1Loss~"], min(lines)[1:]) < 1e-6


@pytest.mark.parametrize("delta", ["1", "0.05"])
def test_at_huber_s_line_the_clipped_errors_balance(ways, training, best, delta):
    x, y = training
    way = ways[f"~nn.HuberLoss(delta={delta})~"]
    clipped = np.clip(y - way.a - way.b * x, -float(delta), float(delta))
    np.testing.assert_allclose([clipped.mean(), (x * clipped).mean()], 0, atol=1e-8)
    assert (off(way, best) < 1e-9) == (delta == "1")


def test_the_decay_leads_where_its_own_equations_say(ways, training, best):
    own = line_of(*training, decay=0.01)
    assert off(ways["a weight decay of 0.01"], own) < 1e-9
    assert math.dist(own, best) > 0.05


def test_the_other_points_are_those_of_chapter_10(ways):
    (script,) = TANGLED.glob("10_*.py")
    weight, bias = chapter_of(script).names["minimum"]
    np.testing.assert_allclose(end(ways["least squares of other 80 points"]), (bias, weight))


def test_the_last_line_counts_who_is_closer_than_the_true_line(chapter, ways, best):
    truth = math.dist((1, 2), best)
    others = [way for way in ways.values() if way.words != "the true line"]
    closer = sum(off(way, best) < truth for way in others)
    words = "ways end closer to the best line than the true line is"
    assert chapter.output.splitlines()[-1] == f"checked: {closer} of {len(others)} {words}"


# --- the table, and the script as a text


def test_the_table_in_the_text_is_the_one_that_was_printed(chapter, ways):
    rows = [line for line in chapter.output.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(ways)
    assert "\n".join(rows) + "\n" in POST


def test_the_table_says_of_each_way_where_it_ends(chapter, ways, best):
    rows = [line for line in chapter.output.splitlines() if line.startswith("|")][2:]
    told = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    for number, words, bits, a, b, distance in told:
        way = ways[words]
        assert (int(number), int(bits)) == (way.chapter, way.bits)
        np.testing.assert_allclose((float(a), float(b)), end(way), atol=5.1e-5)
        if distance.startswith("<"):
            assert off(way, best) < float(distance[2:])
        else:
            assert off(way, best) == pytest.approx(float(distance), abs=5.1e-5)
    first = [int(row[0]) for row in told[: len(chapter.names["routes"])]]
    assert first == sorted(first)


def test_no_printed_digit_hangs_on_last_bits(ways, best):
    """Every number of the table is well away from where its last digit, or its power, turns."""
    for way in ways.values():
        scale = 3e-6 if way.bits == 32 else 1e-8
        for number in end(way):
            assert abs(number * 1e4 % 1 - 0.5) > 1e4 * scale, way.words
        distance = off(way, best)
        if distance >= 0.001:
            assert abs(distance * 1e4 % 1 - 0.5) > 1e4 * scale, way.words
            assert distance > 0.00101
        elif distance > 5e-13:
            turn = math.log10(distance) % 1
            assert 0.02 < turn < 0.98, way.words


def test_sections_are_the_headings_and_the_opening_is_short(chapter):
    lines = POST.split("\n")
    outline = [(level, line) for level, line in outline_of(POST)]
    start = lines.index("* The same line, many ways") + 1
    after = outline[outline.index((1, start)) + 1 :]
    sections = itertools.takewhile(lambda heading: heading[0] == 2, after)
    titles = [plain(lines[line - 1].removeprefix("** ")) for _, line in sections]
    assert re.findall(r"^# %% (.*)$", chapter.source, re.MULTILINE) == titles
    opening = POST.split(":CUSTOM_ID: app-same-line\n", 1)[1].split("#+begin_src python\n", 1)[1]
    assert opening.split("#+end_src")[0].count("\n") <= 30


def test_no_function_reads_a_variable_of_the_script(chapter):
    found = set(variables_read_in_functions(chapter.source))
    assert found - own_names_of_enclosing_functions(chapter.source) == set()


def test_the_chapters_blocks_are_fetched_and_not_copied():
    """What the section defines itself is its own; all else comes in by name."""
    section = POST.split(":CUSTOM_ID: app-same-line\n", 1)[1].split("\n* ", 1)[0]
    defined = set(re.findall(r"^(?:def|class) (\w+)", section, re.MULTILINE))
    own = {"Route", "distance", "shown", "tell", "line_at", "fresh_line", "end_of", "end_by_parts"}
    assert defined == own
    loops = set(re.findall(r"<<(loop-[\w-]+)>>", section))
    named = set(re.findall(r"^#\+name: (loop-\w[\w-]*)$", POST, re.MULTILINE))
    assert loops == named - {"loop-mini-batch", "loop-tape"}  # both are =learn= here
