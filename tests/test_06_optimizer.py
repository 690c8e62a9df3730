"""Chapter 6: step() is the update by hand, zero_grad() sets None, each rule is PyTorch's."""

import ast
import inspect
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import optim

from conftest import POST, TANGLED, Definitions

SCRIPT = TANGLED / "06_optimizer.py"
RULES = ("SGD", "RMSprop", "Adam", "AdamW")
EACH_RULE = pytest.mark.parametrize("rule", RULES)
SOME = settings(max_examples=20)


def test_end_after_1000_epochs_is_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose((names["a"].item(), names["b"].item()), (1.0235, 1.9690), atol=5e-5)


def test_first_step_is_the_update_by_hand(golden):
    """From the golden start and gradients: 0.3367 + 0.31125 and 0.1288 + 0.18156."""
    names = golden.names
    by_hand = names["a_by_hand"], names["b_by_hand"]
    np.testing.assert_allclose(by_hand, (0.3367 + 0.31125, 0.1288 + 0.18156), atol=1e-4)
    assert "by hand:   a = 0.647940, b = 0.310374\n" in golden.output
    assert "by step(): a = 0.647940, b = 0.310374\n" in golden.output


# --- zero_grad


def test_zero_grad_leaves_none(chapter):
    assert "a.grad is None\n" in chapter.output
    assert "unsupported operand type(s) for *: 'NoneType' and 'int'\n" in chapter.output


def test_with_none_the_next_backward_stores_and_with_zeros_it_adds():
    """Adding keeps the memory that holds the zeros; storing needs none of it."""
    w = torch.ones(5, requires_grad=True)
    optimizer = optim.SGD([w])
    (2 * w).sum().backward()
    place = w.grad.data_ptr()
    optimizer.zero_grad(set_to_none=False)
    (2 * w).sum().backward()
    assert w.grad.data_ptr() == place
    optimizer.zero_grad()
    assert w.grad is None


def test_wherever_zero_grad_stands_the_line_is_the_same_and_the_memory_is_not(chapter):
    cleared = chapter.names["cleared"]
    assert list(cleared) == ["before forward", "before backward", "after step"]
    assert len({tuple(line) for line, _ in cleared.values()}) == 1
    assert [held for _, held in cleared.values()] == [0, 8, 0]
    descend, x, y = (
        chapter.names[name] for name in ("descend", "x_train_tensor", "y_train_tensor")
    )
    assert {clear: descend(x, y, clear) for clear in cleared} == cleared
    line, _ = descend(x, y, "never")
    assert line != cleared["after step"][0]  # so the clearing does something


def test_zeros_still_move_a_parameter_and_none_does_not(chapter):
    after = chapter.names["after"]
    np.testing.assert_allclose(after[True], (0.89, 0.89), rtol=1e-6)
    np.testing.assert_allclose(after[False], (0.89, 0.7821), rtol=1e-6)
    assert "grad tensor([0.]): 0.89 after one step, 0.78 after two\n" in chapter.output


@EACH_RULE
def test_by_hand_zeros_move_a_parameter_as_torch_s_do(chapter, rule):
    """For plain SGD zeros come to the same as None, for the others not."""
    moved = {}
    for optimizer_class in (chapter.names[f"{rule}ByHand"], getattr(optim, rule)):
        w = torch.ones(1, requires_grad=True)
        optimizer = optimizer_class([w], lr=0.1)
        w.grad = torch.ones(1)
        optimizer.step()
        before = w.item()
        w.grad = torch.zeros(1)
        optimizer.step()
        moved[optimizer_class.__module__] = w.item() - before
    first, second = moved.values()
    np.testing.assert_allclose(first, second, rtol=1e-5)
    assert (first != 0) == (rule in ("Adam", "AdamW"))  # RMSprop needs a momentum for it


# --- by hand and PyTorch's


def takes(rule):
    """Return a strategy for the settings of a rule: each of its options, alone and together."""
    rates = st.floats(1e-4, 0.1)
    decays = st.just(0) | st.floats(1e-3, 0.1)
    momenta = st.just(0) | st.floats(0.1, 0.99)
    eps = st.sampled_from([1e-8, 1e-3, 0.1])
    if rule == "SGD":
        options = {"momentum": momenta, "weight_decay": decays}
        plain = st.fixed_dictionaries(
            {}, optional={"lr": rates, "dampening": st.floats(0, 1), **options}
        )
        nesterov = {"momentum": st.floats(0.1, 0.99), "nesterov": st.just(True)}
        return plain | st.fixed_dictionaries(
            nesterov, optional={"lr": rates, "weight_decay": decays}
        )
    if rule == "RMSprop":  # below 0.9 a centered mean square can be a difference of equal numbers
        options = {"alpha": st.floats(0.9, 0.999), "momentum": momenta, "centered": st.booleans()}
    else:
        betas = st.tuples(st.floats(0.0, 0.99), st.floats(0.5, 0.9999))
        options = {"betas": betas, "amsgrad": st.booleans()}
    return st.fixed_dictionaries(
        {}, optional={"lr": rates, "eps": eps, "weight_decay": decays, **options}
    )


def drift(by_hand, theirs, chosen, shapes=((3, 4),), seed=0, scale=1.0, missing=0.0):
    """Return how far two optimizers part in 100 steps, measured by the largest parameter.

    The one by hand is tried on tensors and on NumPy arrays. Some gradients are missing.
    """
    random = np.random.RandomState(seed)
    starts = [random.randn(*shape) for shape in shapes]
    ours, torchs = (
        [torch.tensor(start, dtype=torch.float64, requires_grad=True) for start in starts]
        for _ in range(2)
    )
    arrays = [SimpleNamespace(data=np.array(start), grad=None) for start in starts]
    optimizers = by_hand(ours, **chosen), theirs(torchs, **chosen), by_hand(iter(arrays), **chosen)
    largest = []
    for _ in range(100):
        for parameters in zip(ours, torchs, arrays, strict=True):
            gradient = scale * random.randn(*parameters[2].data.shape)
            if random.rand() < missing:
                continue
            for parameter in parameters[:2]:
                parameter.grad = torch.tensor(gradient, dtype=torch.float64)
            parameters[2].grad = np.array(gradient)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        for our, torch_s, array in zip(ours, torchs, arrays, strict=True):
            expected = torch_s.detach().numpy()
            size = max(1, np.abs(expected).max())
            largest += [np.abs(our.detach().numpy() - expected).max() / size]
            largest += [np.abs(array.data - expected).max() / size]
    return np.max(largest)


@EACH_RULE
def test_a_rule_by_hand_is_torch_s(chapter, rule):
    by_hand, theirs = chapter.names[f"{rule}ByHand"], getattr(optim, rule)
    shapes = st.lists(st.sampled_from([(), (1,), (5,), (2, 3), (2, 1, 2)]), min_size=1, max_size=3)

    @SOME
    @given(
        chosen=takes(rule),
        shapes=shapes,
        seed=st.integers(0, 2**32 - 1),
        scale=st.sampled_from([1e-3, 1.0, 1e3]),
        missing=st.sampled_from([0.0, 0.3]),
    )
    def check(chosen, scale, **case):
        if chosen.get("weight_decay") and rule != "AdamW":
            # Where the decay outweighs the gradients, the parameter swings about zero without
            # end, and any two ways of rounding drift apart.
            scale = max(scale, 1.0)
        assert drift(by_hand, theirs, chosen, scale=scale, **case) < 1e-12

    check()


def test_the_script_s_own_comparisons_find_no_difference(chapter):
    differences = chapter.names["differences"]
    assert list(differences) == list(RULES)
    assert 0 <= max(differences.values()) < 1e-12
    lines = re.findall(r"^(\w+), (.*): largest difference ([\d.]+)$", chapter.output, re.MULTILINE)
    assert {rule for rule, _, _ in lines} == set(RULES)
    assert {difference for _, _, difference in lines} == {"0.000000000000"}
    for rule in RULES:  # each option is in one of the comparisons
        words = " ".join(options for name, options, _ in lines if name == rule)
        options = list(inspect.signature(chapter.names[f"{rule}ByHand"]).parameters)[1:]
        assert [option for option in options if f"{option}=" not in words] == [], rule


def test_a_difference_on_the_way_counts_though_the_ends_agree(chapter):
    class Detour(chapter.names["SGDByHand"]):
        def update(self, parameter, memory):
            super().update(parameter, memory)
            steps = memory["steps"] = memory.get("steps", 0) + 1
            parameter.data += {50: 0.5, 51: -0.5}.get(steps, 0)

    assert chapter.names["largest_difference"](Detour, optim.SGD) == pytest.approx(0.5)


def class_text(source, name):
    """Return the text of a class of the script."""
    tops = ast.parse(source).body
    (node,) = (top for top in tops if isinstance(top, ast.ClassDef) and top.name == name)
    return ast.get_source_segment(source, node)


@EACH_RULE
def test_arguments_have_torch_s_names_order_and_defaults_and_others_are_refused(chapter, rule):
    by_hand, theirs = chapter.names[f"{rule}ByHand"], getattr(optim, rule)
    ours = inspect.signature(by_hand).parameters
    torchs = inspect.signature(theirs).parameters
    assert list(ours) == [name for name in torchs if name in ours] == list(torchs)[: len(ours)]
    assert {name: ours[name].default for name in ours} == {
        name: torchs[name].default for name in ours
    }
    assert "maximize" in torchs.keys() - ours.keys()
    for name in torchs.keys() - ours.keys():
        with pytest.raises(TypeError, match=name):
            by_hand([torch.ones(1)], **{name: torchs[name].default})


@pytest.mark.parametrize(
    "chosen",
    [{}, {"momentum": 0.9, "dampening": 0.1}, {"momentum": 0}, {"momentum": -0.1}],
)
def test_nesterov_without_momentum_or_with_dampening_is_refused_as_in_torch(chapter, chosen):
    for optimizer_class in (chapter.names["SGDByHand"], optim.SGD):
        with pytest.raises(ValueError, match="momentum"):
            optimizer_class([torch.ones(1, requires_grad=True)], nesterov=True, **chosen)


@EACH_RULE
def test_a_step_by_hand_writes_to_the_parameter_s_memory_and_records_nothing(chapter, rule):
    w = torch.ones(3, requires_grad=True)
    skipped = torch.ones(3, requires_grad=True)
    optimizer = chapter.names[f"{rule}ByHand"](iter([w, skipped]), lr=0.1)
    (w**2).sum().backward()
    gradient, copy, place = w.grad, w.grad.clone(), w.data_ptr()
    optimizer.step()
    optimizer.step()
    assert w.is_leaf
    assert w.requires_grad
    assert w.data_ptr() == place
    assert w[0] != 1
    assert skipped.tolist() == [1, 1, 1]
    assert w.grad is gradient
    assert torch.equal(gradient, copy)
    optimizer.zero_grad()
    assert w.grad is None


@EACH_RULE
def test_a_rule_by_hand_keeps_no_hold_on_the_gradient(chapter, rule):
    """Whoever fills the gradients with zeros in place does not empty its memory."""
    chosen = {"momentum": 0.9} if rule in ("SGD", "RMSprop") else {}
    ends = []
    for in_place in (True, False):
        w = torch.ones(3, requires_grad=True)
        optimizer = chapter.names[f"{rule}ByHand"]([w], lr=0.1, **chosen)
        for size in (1.0, 2.0, 3.0):
            if in_place and w.grad is not None:
                w.grad.fill_(size)
            else:
                w.grad = torch.full((3,), size)
            optimizer.step()
        ends.append(w.tolist())
    assert ends[0] == ends[1]


def test_a_change_through_data_is_not_noticed_and_one_under_no_grad_is(chapter):
    assert chapter.names["silent"] == 4
    assert chapter.names["noticed"].endswith("has been modified by an inplace operation")


# --- what the prose claims beside


def test_first_steps(chapter):
    steps = chapter.names["first_steps"]
    np.testing.assert_allclose(list(steps.values()), [0.1, 100, 1, 1, 0.1, 0.1], rtol=1e-6)


def test_velocity_grows_tenfold_and_partly_cancels_where_signs_change(chapter):
    steps = {}
    for sign in (1, -1):
        w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        optimizer = chapter.names["SGDByHand"]([w], lr=1.0, momentum=0.9)
        for step in range(300):
            before = w.item()
            w.grad = torch.full((1,), float(sign**step), dtype=torch.float64)
            optimizer.step()
        steps[sign] = abs(before - w.item())
    np.testing.assert_allclose((steps[1], steps[-1]), (1 / (1 - 0.9), 1 / (1 + 0.9)), rtol=1e-9)


def test_nesterov_is_that_of_sutskever_for_parameters_one_look_ahead(chapter):
    matrix = torch.tensor([[2.0, 0.3], [0.3, 0.5]], dtype=torch.float64)
    w = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    point, velocity = w.detach().clone(), torch.zeros(2, dtype=torch.float64)
    optimizer = chapter.names["SGDByHand"]([w], lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(100):
        w.grad = matrix @ w.detach()
        optimizer.step()
        velocity = 0.9 * velocity - 0.1 * matrix @ (point + 0.9 * velocity)
        point = point + velocity
        np.testing.assert_allclose(w.detach(), point + 0.9 * velocity, rtol=0, atol=1e-12)


def test_without_the_correction_adam_s_first_step_is_three_times_too_long(chapter):
    text = class_text(chapter.source, "AdamByHand")
    text = text.replace("mean / (1 - beta1**steps)", "mean")
    names = {"OptimizerByHand": chapter.names["OptimizerByHand"]}
    exec(text.replace("square / (1 - beta2**steps)", "square"), names)
    w = torch.zeros(1, requires_grad=True)
    w.grad = torch.ones(1)
    names["AdamByHand"]([w], lr=0.1).step()
    np.testing.assert_allclose(-w.item() / 0.1, 0.1 / 0.001**0.5, rtol=1e-5)


def test_a_parameter_made_anew_does_not_learn():
    w = torch.ones(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    new = w.detach().clone().requires_grad_()
    (new**2).sum().backward()
    optimizer.step()
    assert (w.item(), new.item()) == (1, 1)


def test_adam_goes_the_same_way_when_the_loss_is_a_thousand_times_as_large(chapter):
    names = chapter.names
    x, y = names["x_train_tensor"].cpu().double(), names["y_train_tensor"].cpu().double()
    paths = {}
    for factor in (1, 1000):
        line = torch.tensor([0.5, 0.0], dtype=torch.float64, requires_grad=True)
        optimizer = optim.Adam([line], lr=0.1)
        for _ in range(40):
            optimizer.zero_grad()
            (factor * ((y - line[0] - line[1] * x) ** 2).mean()).backward()
            optimizer.step()
        paths[factor] = line.tolist()
    np.testing.assert_allclose(paths[1], paths[1000], rtol=1e-6)


# --- the others


def test_every_optimizer_arrives_and_momentum_is_faster(chapter):
    ends = chapter.names["ends"]
    printed = re.findall(r"^(\S.*?) +below 0.0081 in epoch", chapter.output, re.MULTILINE)
    others = ["RMSprop", "RMSprop, rate 0.1", "Adam", "Adam, rate 0.1"]
    assert list(ends) == printed == ["SGD", "SGD, momentum 0.9", *others]
    assert ends["SGD, momentum 0.9"] < ends["SGD"] < 300


def test_a_path_begins_at_the_start_with_the_loss_that_is_there(chapter):
    names = chapter.names
    x, y = names["x_train_tensor"].cpu().double(), names["y_train_tensor"].cpu().double()
    losses, path = names["follow"](lambda p: optim.SGD(p, lr=0.1), x, y, 3)
    assert path[0].tolist() == [0.5, 0]
    for loss, (a, b) in zip(losses, path, strict=True):
        assert loss == pytest.approx(((y - a - b * x) ** 2).mean().item(), rel=1e-12)


def test_adam_is_as_slow_as_its_rate(golden):
    ends = golden.names["ends"]
    assert (ends["Adam"], ends["Adam, rate 0.1"]) == (593, 108)


OF_THE_LABEL = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD, momentum 0.9": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "RMSprop": (optim.RMSprop, {"lr": 0.05}),
    "RMSprop, rate 0.1": (optim.RMSprop, {"lr": 0.1}),
    "Adam": (optim.Adam, {"lr": 0.02}),
    "Adam, rate 0.1": (optim.Adam, {"lr": 0.1}),
}


@pytest.mark.parametrize("label", OF_THE_LABEL)
def test_an_optimizer_is_the_one_of_its_label(golden, label):
    """Run here again, it is below 0.0081 in the same epoch."""
    names = golden.names
    line = torch.tensor([[0.5], [0.0]], requires_grad=True)
    kind, chosen = OF_THE_LABEL[label]
    optimizer = kind([line], **chosen)
    loss, epoch = np.inf, 0
    while loss >= 0.0081:
        optimizer.zero_grad()
        error = names["y_train_tensor"] - (line[0] + line[1] * names["x_train_tensor"])
        mean_square = (error**2).mean()
        mean_square.backward()
        optimizer.step()
        loss, epoch = mean_square.item(), epoch + 1
    assert epoch == names["ends"][label]


def test_rmsprop_swings_by_half_its_rate_and_the_others_come_to_rest(chapter):
    distances, paths = chapter.names["distances"], chapter.names["paths"]
    for name, distance in distances.items():
        if name.startswith("RMSprop"):
            rate = 0.1 if "0.1" in name else 0.05
            np.testing.assert_allclose(distance, rate / 2, rtol=0.03)
            np.testing.assert_allclose(np.abs(np.diff(paths[name][-9:], axis=0)), rate, rtol=0.03)
        else:
            assert distance < 1e-4


def test_the_minimum_is_that_of_least_squares(chapter):
    names = chapter.names
    columns = np.hstack([np.ones((80, 1)), names["x_train"]])
    best = np.linalg.lstsq(columns, names["y_train"])[0].ravel()
    np.testing.assert_allclose(names["minimum"], best, rtol=1e-12)


def test_a_weight_decay_moves_the_end_to_the_minimum_of_loss_plus_decay(chapter):
    """That sum's least squares have two more rows, which ask for a = 0 and for b = 0."""
    names = chapter.names
    more = np.sqrt(80 * 0.01 / 2) * np.eye(2)
    columns = np.vstack([np.hstack([np.ones((80, 1)), names["x_train"]]), more])
    targets = np.concatenate([names["y_train"].ravel(), [0, 0]])
    best = np.linalg.lstsq(columns, targets)[0]
    np.testing.assert_allclose(names["decayed"], best, rtol=1e-12)
    ends = names["decay_ends"]
    assert list(ends) == ["SGD", "Adam", "AdamW"]
    np.testing.assert_allclose((ends["SGD"], ends["Adam"]), (best, best), atol=1e-4)
    off = np.abs(ends["AdamW"] - names["minimum"]).max()
    assert off < np.abs(best - names["minimum"]).max() / 10


def test_adamw_is_still_coming_closer(chapter):
    names = chapter.names
    x, y = names["x_train_tensor"], names["y_train_tensor"]
    _, path = names["follow"](lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.01), x, y, 1600)
    off = np.abs(path - names["minimum"]).max(axis=1)
    assert off[1599] < off[799] / 1.5


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("Nesterov without momentum", "ValueError"),
        ("LBFGS without a closure", "TypeError"),
        ("Muon, one dimension", "ValueError"),
        ("SparseAdam, dense gradient", "RuntimeError"),
    ],
)
def test_what_some_optimizers_ask_for(chapter, name, error):
    assert chapter.names["refusals"][name] == error
    assert len(chapter.names["refusals"]) == 4


def calls_of_a_closure(chapter, optimizer_class):
    """Return how many times one step calls its closure, and where the step ends."""
    names = chapter.names
    x, y = names["x_train_tensor"].cpu(), names["y_train_tensor"].cpu()
    line = torch.tensor([0.5, 0.0], requires_grad=True)
    optimizer = optimizer_class([line])
    closure = names["make_closure"](optimizer, line, x, y)
    losses = []

    def counted():
        losses.append(closure())
        return losses[-1]

    optimizer.step(counted)
    return len(losses), line.tolist()


def test_lbfgs_calls_its_closure_many_times_and_the_others_once(chapter):
    times, end = calls_of_a_closure(chapter, optim.LBFGS)
    assert times > 3
    np.testing.assert_allclose(end, chapter.names["minimum"], atol=1e-4)
    np.testing.assert_allclose(chapter.names["lbfgs_end"], chapter.names["minimum"], atol=1e-4)
    assert calls_of_a_closure(chapter, optim.Adam)[0] == 1


TABLE = POST.split("** Other optimizers")[1].split("Do they all end")[0]


def test_every_optimizer_of_the_table_exists():
    named = set(re.findall(r"=([A-Z]\w+)[=(]", TABLE))
    assert len(named) >= 12
    assert {name for name in named if not hasattr(optim, name)} == set()


def all_of_torch_optim():
    """Return the optimizers that torch.optim offers, by name."""
    there = vars(optim).items()
    kinds = {name: kind for name, kind in there if inspect.isclass(kind)}
    return {name: k for name, k in kinds.items() if issubclass(k, optim.Optimizer)}


def test_every_optimizer_there_is_stands_in_the_table():
    rows = set(re.findall(r"^\| =([A-Z]\w+)[=(]", TABLE, re.MULTILINE))
    assert rows == all_of_torch_optim().keys() - {"Optimizer"}


def test_each_has_step_and_zero_grad_and_only_lbfgs_insists_on_a_closure():
    insists = set()
    for name, kind in all_of_torch_optim().items():
        assert inspect.signature(kind.zero_grad).parameters["set_to_none"].default is True
        if inspect.signature(kind.step).parameters["closure"].default is not None:
            insists.add(name)
    assert insists == {"LBFGS"}


def test_the_loop_holds_only_the_loop():
    """So that what changed since chapter 4 can be made from the two blocks."""
    body = re.search(r"#\+name: loop-optimizer\n#\+begin_src python\n(.*?)#\+end_src", POST, re.S)[
        1
    ]
    (loop,) = ast.parse(body).body
    assert isinstance(loop, ast.For)
    assert "print" not in body


def test_the_blocks_that_chapter_10_fetches_need_nothing_else(chapter):
    """Fetched by their names, they run where nothing has been imported."""
    names = {}
    for block in ("optimizer-by-hand", "adam-by-hand"):
        pattern = rf"#\+name: {block}\n#\+begin_src python\n(.*?)#\+end_src"
        exec(re.search(pattern, POST, re.DOTALL)[1], names)
    w = SimpleNamespace(data=np.ones(2), grad=np.ones(2))
    names["AdamByHand"]([w]).step()
    np.testing.assert_allclose(w.data, 1 - 1e-3, rtol=1e-9)
    assert Definitions(SCRIPT).get("AdamByHand").__doc__ == names["AdamByHand"].__doc__
