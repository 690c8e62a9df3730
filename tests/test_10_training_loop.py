"""Chapter 10: validation, the loop as functions, the final code's golden end, what layers cost."""

import re
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def test_final_code_ends_golden(golden):
    names = golden.names
    np.testing.assert_allclose((names["weight"], names["bias"]), (1.9625, 1.0147), atol=5e-5)


def test_functions_give_the_loop_written_out_bit_for_bit(chapter):
    names = chapter.names
    losses, val_losses = names["written_out"]
    assert len(losses) == len(val_losses) == 100
    assert (names["losses"][:100], names["val_losses"][:100]) == (losses, val_losses)


def test_validation_weights_batches_by_their_size(chapter):
    model = nn.Linear(1, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    x, y = torch.zeros(5, 1), torch.tensor([[1.0], [1.0], [1.0], [1.0], [6.0]])
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    loss = chapter.names["validation"](model, nn.MSELoss(), loader)
    assert loss == pytest.approx((4 * 1 + 36) / 5)
    assert not model.training


def test_train_epoch_weights_batches_by_their_size(chapter):
    loader = DataLoader(TensorDataset(torch.arange(5.0), torch.arange(5.0)), batch_size=4)
    mean = chapter.names["train_epoch"](lambda x, y: float(x[-1]), loader, torch.device("cpu"))
    assert mean == pytest.approx((4 * 3 + 1 * 4) / 5)


def test_validation_leaves_model_and_gradients_alone(chapter):
    model = nn.Linear(1, 1)
    before = [parameter.clone() for parameter in model.parameters()]
    chapter.names["validation"](model, nn.MSELoss(), chapter.names["train_loader"])
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_graph_that_nobody_walks_changes_nothing_but_memory(chapter, monkeypatch):
    """As the answer says: without no_grad the loss is the same, and no gradient appears."""
    model = nn.Linear(1, 1)
    arguments = model, nn.MSELoss(), chapter.names["train_loader"]
    quiet = chapter.names["validation"](*arguments)
    monkeypatch.setattr(torch, "no_grad", nullcontext)
    assert chapter.names["validation"](*arguments) == quiet
    assert all(parameter.grad is None for parameter in model.parameters())


# --- why validation lies below training


def test_the_first_reason_explains_the_first_epoch_and_the_last_ones(golden):
    """Measured after the epoch, training is lower in the first and from the 52nd on."""
    names = golden.names
    assert names["after"][0] < names["val_losses"][0] < names["during"][0]
    assert names["lower"] == list(range(1, 87))
    assert names["still_lower"] == list(range(2, 52))
    assert "lower in 86 epochs, from 1 to 86\n" in golden.output
    assert "still lower in 50 epochs, from 2 to 51\nhigher from epoch 52 on\n" in golden.output


def test_first_epochs_of_the_comparison_are_those_of_the_run(chapter):
    """The fresh model takes the same 100 epochs as the one that the text compares it with."""
    names = chapter.names
    assert len(names["during"]) == len(names["after"]) == len(names["lines"]) == 100
    np.testing.assert_allclose(names["during"], names["losses"][:100], rtol=1e-6)


def test_the_points_differ_in_x_and_not_by_less_noise(chapter):
    names = chapter.names
    assert names["train_noise"] < names["val_noise"]
    np.testing.assert_allclose(names["variances"], (0.0916, 0.0698), atol=5e-5)
    assert names["without_noise"] == list(range(2, 101))


def test_what_a_line_misses_is_its_mean_error_and_the_variance_of_x(chapter):
    names = chapter.names
    x, parts = names["x"], (names["train_dataset"], names["val_dataset"])
    for (weight, bias), misses in zip(names["lines"], names["misses"], strict=True):
        for part, missed in zip(parts, misses, strict=True):
            rows = x[part.indices]
            off_a, off_b = bias - 1, weight - 2
            expected = (off_a + off_b * rows.mean()) ** 2 + off_b**2 * rows.var()
            np.testing.assert_allclose(missed, expected, rtol=1e-9)


def test_noise_in_measures_the_squared_distance_from_a_line(chapter):
    x, y = np.arange(4.0).reshape(4, 1), np.array([[1.0], [3.0], [6.0], [9.0]])
    part = torch.utils.data.Subset(x, [0, 2, 3])
    assert chapter.names["noise_in"](part, x, y, 1, 2) == pytest.approx((0 + 1 + 4) / 3)


# --- the loop


def test_uneven_last_batch_counts_for_what_it_is(chapter):
    names = chapter.names
    assert names["by_size"] == pytest.approx(names["whole"], rel=1e-5)
    assert abs(names["plain"] - names["whole"]) > 1e-4


def test_losses_have_one_entry_per_epoch(chapter):
    assert len(chapter.names["losses"]) == len(chapter.names["val_losses"]) == 1000


def test_a_fixed_order_ends_in_a_cycle_that_is_smaller_with_smaller_steps(chapter):
    names = chapter.names
    np.testing.assert_allclose(names["places"][:5], names["places"][5:], rtol=1e-6)
    rows = names["train_dataset"].indices
    x, y = names["x"][rows].ravel(), names["y"][rows].ravel()
    spread, distance = {}, {}
    for rate in (0.1, 0.02):
        weight, bias = names["minimum"]
        for _ in range(int(30 / rate)):
            places = []
            for start in range(0, 80, 16):
                batch = slice(start, start + 16)
                error = y[batch] - bias - weight * x[batch]
                weight, bias = (
                    weight + 2 * rate * (error * x[batch]).mean(),
                    bias + 2 * rate * (error.mean()),
                )
                places.append(weight)
        spread[rate], distance[rate] = np.ptp(places), abs(places[-1] - names["minimum"][0])
        if rate == 0.1:
            np.testing.assert_allclose(places, names["places"][:5], atol=5e-5)
    assert spread[0.02] < spread[0.1] / 3
    assert distance[0.02] < distance[0.1]
    np.testing.assert_allclose(names["minimum"], (1.9603, 1.0145), atol=5e-5)


def test_it_is_the_seed_that_makes_a_run_repeat(chapter):
    first, second = chapter.names["shuffled"]
    assert first == second
    assert first != [chapter.names["weight"], chapter.names["bias"]]


# --- nothing but our own parts


def test_our_own_parts_on_the_page(chapter):
    names = chapter.names
    assert len(names["our_losses"]) == len(names["torch_losses"]) == 500
    np.testing.assert_allclose(names["our_losses"], names["torch_losses"], rtol=1e-12)
    np.testing.assert_allclose(names["our_end"], names["torch_end"], rtol=1e-12)
    assert names["our_losses"][0] > 100 * np.mean(names["our_losses"][-5:])
    assert "500 steps, largest difference: 0.000000000000\n" in chapter.output


@settings(deadline=None, derandomize=True, database=None, max_examples=40)
@given(
    size=st.integers(1, 30),
    batch_size=st.integers(1, 12),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    adam=st.fixed_dictionaries(
        {
            "lr": st.sampled_from([0.001, 0.02, 0.3]),
            "weight_decay": st.sampled_from([0, 0.1]),
            "amsgrad": st.booleans(),
        }
    ),
)
def test_our_own_parts_learn_like_torch_s(chapter, size, batch_size, shuffle, seed, adam):
    """On any points, from any start, in any batches: losses and ends of eight epochs."""
    names = chapter.names
    generator = np.random.default_rng(seed)
    x, noise = generator.random((size, 1)), generator.standard_normal((size, 1))
    pairs = names["CustomDataset"](x, 1 + 2 * x + 0.1 * noise)
    torch.manual_seed(seed)
    theirs = nn.Linear(1, 1, dtype=torch.float64)
    ours = names["LineByHand"](*(parameter.detach().numpy() for parameter in theirs.parameters()))
    generators = [torch.Generator().manual_seed(seed) for _ in range(2)]
    loader = DataLoader(pairs, batch_size, shuffle=shuffle, generator=generators[0])
    by_hand = partial(names["loader_by_hand"], pairs, batch_size, shuffle, generators[1])
    optimizers = (
        optim.Adam(theirs.parameters(), **adam),
        names["AdamByHand"](ours.parameters(), **adam),
    )
    losses = [
        names["learn"](theirs, optimizers[0], loader.__iter__, 8),
        names["learn"](ours, optimizers[1], by_hand, 8),
    ]
    assert len(losses[0]) == 8 * -(-size // batch_size)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-10, atol=1e-12)
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(value, theirs.state_dict()[name].numpy(), rtol=1e-11, atol=1e-12)


def test_a_line_by_hand_registers_its_two_parameters_and_no_result(chapter):
    line = chapter.names["LineByHand"](np.full((1, 1), 3.0), np.ones(1))
    assert [name for name, _ in line.named_parameters()] == ["weight", "bias"]
    result = line(torch.tensor([[0.0], [2.0]], dtype=torch.float64))
    assert result.data.tolist() == [[1], [7]]
    line.result = result
    assert len(list(line.parameters())) == 2
    assert [
        parameter.data is value
        for parameter, value in zip(line.parameters(), line.state_dict().values(), strict=True)
    ] == [True, True]


def test_both_start_at_the_same_line_and_share_no_memory(chapter):
    names = chapter.names
    start = [np.ones((1, 1)), np.zeros(1)]
    line = names["LineByHand"](*start)
    line.weight.data += 1
    assert start[0].item() == 1


def test_learn_returns_the_loss_before_each_step(chapter):
    names = chapter.names
    x, y = names["x"][:4], names["y"][:4]
    line = names["LineByHand"](np.full((1, 1), 3.0), np.ones(1))
    adam = names["AdamByHand"](line.parameters(), lr=0.1)
    losses = names["learn"](line, adam, lambda: [(x, y), (x, y)], 1)
    assert losses[0] == pytest.approx(((y - 1 - 3 * x) ** 2).mean(), rel=1e-12)
    np.testing.assert_allclose(line.weight.data, 3 - 0.2, atol=0.02)  # two of Adam's first steps
    assert losses[1] < losses[0] and len(losses) == 2


def test_our_own_parts_are_a_little_over_two_hundred_lines(chapter):
    """Of code, without docstrings, comments and blank lines."""
    section = chapter.source.split("# %% Nothing but our own parts\n")[1]
    parts = re.sub(r'""".*?"""', "", section.split("class ParameterValue")[0], flags=re.DOTALL)
    lines = [line.strip() for line in parts.splitlines()]
    assert 200 < sum(bool(line) and not line.startswith("#") for line in lines) < 250


# --- what did each layer cost?

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def other_points():
    """Return eleven points of another line, x and y, of shape (11, 1)."""
    generator = np.random.default_rng(7)
    x = generator.random((11, 1))
    return x, 3 - x + 0.1 * generator.standard_normal((11, 1))


def descent(x, y, rate, updates):
    """Return a, b and the loss before the last update, from zero on, by powers of a matrix."""
    columns = np.hstack([np.ones_like(x), x])
    hessian, slope = 2 * columns.T @ columns / len(x), 2 * columns.T @ y.ravel() / len(x)
    goal = np.linalg.solve(hessian, slope)

    def after(steps):
        return goal - np.linalg.matrix_power(np.eye(2) - rate * hessian, steps) @ goal

    return [*after(updates), np.mean((y.ravel() - columns @ after(updates - 1)) ** 2)]


WAYS = {
    "NumPy": lambda names, x, y, x_tensor, y_tensor: names["by_formulas"](x, y, 0.003),
    "by hand": lambda names, x, y, x_tensor, y_tensor: names["by_formulas"](
        x_tensor, y_tensor, 0.003
    ),
    "tape": lambda names, x, y, x_tensor, y_tensor: names["by_tape"](x, y, 0.003),
    "autograd": lambda names, x, y, x_tensor, y_tensor: names["by_autograd"](
        x_tensor, y_tensor, 0.003
    ),
    "optimizer": lambda names, x, y, x_tensor, y_tensor: names["by_optimizer"](
        x_tensor, y_tensor, 0.003
    ),
    "module": lambda names, x, y, x_tensor, y_tensor: names["by_module"](x_tensor, y_tensor, 0.003),
    "module, compiled": lambda names, x, y, x_tensor, y_tensor: names["by_module"](
        x_tensor, y_tensor, 0.003, compiled=True
    ),
    "by hand, compiled": lambda names, x, y, x_tensor, y_tensor: names["by_compiled_update"](
        x_tensor, y_tensor, 0.003
    ),
}


def numbers(end):
    """Return a, b and the loss as floats, whatever a way returned."""
    return [torch.as_tensor(number).item() for number in end]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_way_makes_1000_updates_also_of_another_line(chapter, other_points, way):
    """What is to be compiled runs here as it is: the compiler is tried by a long test."""
    tensors = [torch.from_numpy(part).float() for part in other_points]
    with torch.compiler.set_stance("force_eager"):
        end = numbers(way(chapter.names, *other_points, *tensors))
    np.testing.assert_allclose(end, descent(*other_points, 0.003, 1000), rtol=2e-5)
    assert abs(end[0] - descent(*other_points, 0.003, 999)[0]) > 1e-4 * end[0]


@pytest.mark.parametrize("updates", [1, 7])
def test_the_slow_ways_make_as_many_updates_as_they_are_told(chapter, other_points, updates):
    names, expected = chapter.names, descent(*other_points, 0.1, updates)
    pairs = TensorDataset(*(torch.from_numpy(part).float() for part in other_points))
    loader = DataLoader(pairs, batch_size=11)
    np.testing.assert_allclose(
        numbers(names["by_numbers"](*other_points, 0.1, updates)), expected, rtol=1e-9
    )
    np.testing.assert_allclose(
        numbers(names["by_loader"](loader, 0.1, updates, CPU)), expected, rtol=1e-5
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA")
def test_a_captured_graph_makes_1000_updates(chapter, other_points):
    tensors = [torch.from_numpy(part).float().cuda() for part in other_points]
    end = numbers(chapter.names["by_cuda_graph"](*tensors, 0.003))
    np.testing.assert_allclose(end, descent(*other_points, 0.003, 1000), rtol=2e-5)


def test_the_path_is_that_of_gradient_descent_and_has_not_arrived(chapter):
    names = chapter.names
    x, y, path = names["x_train"], names["y_train"], names["path"]
    assert len(path) == 1000
    for updates in (1, 10, 100, 1000):
        np.testing.assert_allclose(path[updates - 1], descent(x, y, 0.01, updates), rtol=1e-9)
    assert abs(path[-1][1] - descent(x, y, 0.1, 1000)[1]) > 0.2


def test_each_way_that_was_timed_ended_where_the_path_was(chapter):
    names = chapter.names
    assert names["furthest"].keys() == names["microseconds"].keys()
    assert names["furthest"].keys() - names["noted"].keys() <= {"CUDA graph"}
    assert len(names["furthest"]) >= 8
    assert max(names["furthest"].values()) < 1e-5


def test_what_is_said_of_the_times_holds_for_those_of_the_run(golden):
    names = golden.names
    times = names["microseconds"]
    assert times["PyTorch, gradients by hand"] > 1.3 * times["NumPy"]
    assert times["our tape"] < 2 * times["autograd"]
    assert times["tape, number by number"] > 10 * times["autograd"]
    assert times["+ module and loss"] > 2 * times["PyTorch, gradients by hand"]
    assert times["+ DataLoader"] > 1.3 * times["+ module and loss"]
    assert names["few"] > names["all_points"] / 2
    assert names["layer_ratio"] < 2 < names["line_ratio"]


def test_the_notes_say_what_the_text_says(chapter):
    """The order of the bars, and that compiling helps the formulas and not the model."""
    noted = chapter.names["noted"]
    rising = [name for name in list(noted)[:8] if name != "tape, number by number"]
    assert sorted(rising, key=noted.get) == rising
    assert noted["by hand, compiled"] == pytest.approx(
        noted["PyTorch, gradients by hand"] / 3, rel=0.1
    )
    assert noted["module, compiled"] > noted["+ module and loss"]


def test_no_measured_time_is_printed_and_the_run_s_own_are_in_a_file(chapter):
    times = chapter.names["microseconds"]
    table = (chapter.folder / "runs" / "cost_ladder.txt").read_text(encoding="utf-8")
    rows = [re.fullmatch(r"(.*?) +([\d.]+) microseconds", line) for line in table.splitlines()]
    assert {row[1]: float(row[2]) for row in rows} == {
        name: round(spent, 1) for name, spent in times.items()
    }
    assert "microsecond" not in chapter.output


def test_the_stopwatch_keeps_what_each_call_returned(chapter):
    calls = iter(range(10**9))
    seconds, ends = chapter.names["measure"](lambda: next(calls), CPU)
    assert seconds > 0
    assert len(ends) > 1
    assert ends == list(range(len(ends)))


@pytest.mark.parametrize("width", [1, 3])
def test_a_step_by_hand_is_one_of_sgd(chapter, width):
    names = chapter.names
    layer, (x, y) = nn.Linear(width, width), torch.randn(2, 6, width)
    by_hand = [parameter.detach().clone() for parameter in layer.parameters()]
    sgd = optim.SGD(layer.parameters(), lr=0.3)
    train_step = names["make_train_step"](layer, nn.MSELoss(), sgd)
    for _ in range(3):
        loss = names["step_by_hand"](*by_hand, x, y, 0.3)
        assert train_step(x, y) == pytest.approx(loss, rel=1e-5)
    for parameter, ours in zip(layer.parameters(), by_hand, strict=True):
        torch.testing.assert_close(parameter.detach(), ours)


def test_a_loader_fetches_each_point_by_itself(chapter):
    class Counted(TensorDataset):
        fetched = 0

        def __getitem__(self, index):
            self.fetched += 1
            return super().__getitem__(index)

    pairs = Counted(torch.zeros(80, 1), torch.zeros(80, 1))
    chapter.names["by_loader"](DataLoader(pairs, batch_size=80), 0.1, 3, CPU)
    assert pairs.fetched == 3 * 80
