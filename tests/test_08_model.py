"""Chapter 8: a module built by hand is torch's, and every form of the model is the same line."""

import copy
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn, optim

from conftest import POST


def test_manual_model_starts_and_ends_golden(golden):
    start, end = golden.names["start"], golden.names["end"]
    np.testing.assert_allclose((start["a"], start["b"]), (0.3367, 0.1288), atol=5e-5)
    np.testing.assert_allclose((end["a"], end["b"]), (1.0235, 1.9690), atol=5e-5)


def test_sequential_ends_golden(chapter):
    names = chapter.names
    np.testing.assert_allclose((names["weight"], names["bias"]), (1.9690, 1.0235), atol=5e-5)


def test_layer_and_manual_model_are_the_same_function(chapter):
    assert chapter.names["difference"] < 1e-6


def test_manual_model_computes_a_plus_b_x(chapter):
    model = chapter.names["ManualLinearRegression"]()
    with torch.no_grad():
        model.a.fill_(3)
        model.b.fill_(-2)
    assert model(torch.tensor([[0.0], [1.0]])).tolist() == [[3], [1]]


# --- the module by hand, beside torch's: the same structure built of both


@pytest.fixture(params=["by hand", "torch"])
def kinds(request, chapter):
    """Return the classes of a module and a parameter: ours, then torch's."""
    if request.param == "torch":
        return nn.Module, nn.Parameter
    return chapter.names["ModuleByHand"], chapter.names["ParameterByHand"]


def tree(kinds):
    """Return a module of three levels, with parameters before and after the inner modules."""
    module, parameter = kinds

    class Leaf(module):
        def __init__(self):
            super().__init__()
            self.weight = parameter(torch.arange(6.0).reshape(2, 3))
            self.bias = parameter(torch.ones(2))

    class Branch(module):
        def __init__(self):
            super().__init__()
            self.leaf = Leaf()
            self.scale = parameter(torch.tensor(2.0))
            self.note = "no parameter"
            self.plain = torch.zeros(3)

    class Tree(module):
        def __init__(self):
            super().__init__()
            self.left = Branch()
            self.first = parameter(torch.zeros(1))
            self.right = Branch()
            self.last = parameter(torch.ones(1))

        def forward(self, x):
            return self.first + x * self.left.leaf.bias.sum() + self.right.scale

    return Tree()


NAMES = [
    *("first", "last"),
    *("left.scale", "left.leaf.weight", "left.leaf.bias"),
    *("right.scale", "right.leaf.weight", "right.leaf.bias"),
]


def test_names_and_order(kinds):
    model = tree(kinds)
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert list(model.state_dict()) == NAMES
    by_name = [parameter for _, parameter in model.named_parameters()]
    assert all(a is b for a, b in zip(model.parameters(), by_name, strict=True))
    assert dict(model.named_parameters())["left.leaf.weight"] is model.left.leaf.weight


def test_a_shared_parameter_is_listed_once_and_saved_under_both_names(kinds):
    model = tree(kinds)
    model.again = model.first
    model.right.leaf = model.left.leaf
    listed = [name for name in NAMES if not name.startswith("right.leaf")]
    assert [name for name, _ in model.named_parameters()] == listed
    assert sorted(model.state_dict()) == sorted([*NAMES, "again"])
    assert len(list(model.parameters())) == len(listed)


def test_a_parameter_is_a_leaf_and_what_is_computed_from_it_a_plain_tensor(kinds):
    module, parameter = kinds
    numbers = torch.ones(2)
    learned = parameter(numbers)
    assert learned.is_leaf and learned.requires_grad and isinstance(learned, torch.Tensor)
    assert learned.data_ptr() == numbers.data_ptr()
    assert parameter(torch.ones(1, requires_grad=True) * 2).is_leaf
    assert type(learned * 2) is type(learned.detach()) is type(learned.data) is torch.Tensor
    model = module()
    model.result = learned * 2
    model.plain = torch.ones(1, requires_grad=True)
    assert list(model.parameters()) == []


def test_reassigning_keeps_the_place_and_another_kind_is_refused(kinds):
    model = tree(kinds)
    new = kinds[1](torch.full((1,), 5.0))
    model.first = new
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert next(model.parameters()) is model.first is new
    plain = torch.ones(1)
    for name, value in (("first", plain), ("first", 3), ("left", plain), ("left", 3)):
        before = getattr(model, name)
        with pytest.raises(TypeError):
            setattr(model, name, value)
        assert getattr(model, name) is before
    assert list(model.state_dict()) == NAMES


def test_a_parameter_takes_the_name_of_a_plain_value_or_of_a_module(kinds):
    model = tree(kinds)
    model.left.note = kinds[1](torch.ones(1))
    assert "left.note" in model.state_dict()
    model.left = kinds[1](torch.ones(1))
    assert {"first", "last", "left"} < set(model.state_dict())
    assert not any(name.startswith("left.") for name in model.state_dict())


def test_deleting(kinds):
    model = tree(kinds)
    del model.first
    del model.right
    expected = [n for n in NAMES if n != "first" and not n.startswith("right")]
    assert list(model.state_dict()) == [name for name, _ in model.named_parameters()] == expected
    assert not hasattr(model, "first")
    model.first = torch.ones(1)  # the name is free again
    with pytest.raises(AttributeError):
        del model.nothing
    del model.left.note
    assert not hasattr(model.left, "note")


def test_a_list_hides_its_parameters_and_the_constructor_must_come_first(kinds):
    module, parameter = kinds
    model = module()
    model.parts = [parameter(torch.ones(1)), tree(kinds)]
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD(model.parameters(), lr=0.1)
    for value in (parameter(torch.ones(1)), tree(kinds)):

        class Hasty(module):
            def __init__(self, value=value):
                self.part = value

        with pytest.raises(AttributeError):
            Hasty()


def test_a_module_list_is_a_list_that_is_a_module():
    model = nn.Module()
    model.layers = nn.ModuleList([nn.Linear(1, 1)])
    assert list(model.state_dict()) == ["layers.0.weight", "layers.0.bias"]
    assert model.layers[0].weight is next(model.parameters())


def test_two_modules_share_nothing(kinds):
    one, other = tree(kinds), tree(kinds)
    one.extra = kinds[1](torch.ones(1))
    one.eval()
    assert "extra" not in other.state_dict()
    assert other.training and other.left.leaf.training


def test_a_state_dict_is_detached_and_shares_the_parameters_memory(kinds):
    model = tree(kinds)
    state = model.state_dict()
    for name, parameter in model.named_parameters():
        assert type(state[name]) is torch.Tensor and not state[name].requires_grad
        assert state[name].data_ptr() == parameter.data_ptr()
    with torch.no_grad():
        model.first += 7
    assert state["first"].item() == 7


def test_a_state_dict_there_and_back(kinds):
    model, other = tree(kinds), tree(kinds)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.fill_(number + 0.5)
    objects = [id(parameter) for parameter in other.parameters()]
    other.load_state_dict(model.state_dict())
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.data_ptr() != b.data_ptr()
        assert b.is_leaf and b.requires_grad
    assert objects == [id(parameter) for parameter in other.parameters()]


def test_ours_loads_torch_s_and_torch_loads_ours(chapter):
    theirs = tree((nn.Module, nn.Parameter))
    ours = tree((chapter.names["ModuleByHand"], chapter.names["ParameterByHand"]))
    with torch.no_grad():
        theirs.right.leaf.bias.fill_(8)
    ours.load_state_dict(theirs.state_dict())
    assert ours.right.leaf.bias.tolist() == [8, 8]
    ours.right.leaf.bias.data.fill_(9)
    theirs.load_state_dict(ours.state_dict())
    assert theirs.right.leaf.bias.tolist() == [9, 9]


def test_loading_casts_to_the_parameter_s_type(kinds):
    model = tree(kinds)
    state = {name: value.to(torch.float64) + 1 for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    assert model.last.dtype == torch.float32 and model.last.item() == 2


MISFITS = {
    "missing": (lambda state: state.pop("left.scale"), ["left.scale"]),
    "unexpected": (lambda state: state.update(extra=torch.ones(1)), ["extra"]),
    "shape": (lambda state: state.update(last=torch.ones(2)), ["last", "2"]),
    "a shape that broadcasts": (
        lambda state: state.update({"left.leaf.weight": torch.ones(3)}),
        ["left.leaf.weight", "3"],
    ),
    "a number for a vector": (lambda state: state.update(last=torch.tensor(1.0)), ["last"]),
    "all three": (
        lambda state: state.update(a=state.pop("first"), last=torch.ones(2)),
        ["first", "a", "last"],
    ),
}


@pytest.mark.parametrize(("spoil", "named"), MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_is_refused_by_name(kinds, spoil, named):
    model = tree(kinds)
    state = {name: value + 1 for name, value in model.state_dict().items()}
    spoil(state)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError) as caught:
        model.load_state_dict(state)
    for word in named:
        assert re.search(rf"(?<!\w){re.escape(word)}(?!\w)", str(caught.value))
    if kinds[0] is not nn.Module:  # torch has loaded what fits: see the next test
        assert "\n" not in str(caught.value)
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name])


def test_torch_loads_what_fits_before_it_raises(chapter):
    assert chapter.names["half"].weight.item() == 7
    assert "and yet the weight is now 7.0\n" in chapter.output


def test_an_error_says_which_shape_came_and_which_was_expected(chapter):
    network = chapter.names["TwoLayersByHand"]()
    state = network.state_dict() | {"hidden.bias": torch.ones(2)}
    with pytest.raises(RuntimeError, match=r"^hidden\.bias is \(2,\), not \(4,\)$"):
        network.load_state_dict(state)


def test_moving_keeps_the_leaves_and_their_gradients(kinds):
    model = tree(kinds)
    model(torch.ones(1)).sum().backward()
    things = [*model.parameters(), *(p.grad for p in model.parameters() if p.grad is not None)]
    before = {id(thing): thing.clone().detach() for thing in things}
    assert model.to(torch.float64) is model
    moved = [*model.parameters(), *(p.grad for p in model.parameters() if p.grad is not None)]
    assert [id(thing) for thing in moved] == [id(thing) for thing in things]
    for thing in moved:
        assert thing.dtype == torch.float64
        assert torch.equal(thing.detach(), before[id(thing)].double())
    assert all(p.is_leaf and p.requires_grad for p in model.parameters())
    model(torch.ones(1)).sum().backward()  # adds to the moved gradients
    assert model.first.grad.item() == 2 and model.first.grad.dtype == torch.float64
    assert model.to("cpu") is model


def test_autograd_notices_a_write_through_detach_and_none_through_data():
    x = torch.tensor(3.0, requires_grad=True)
    y = x**2
    x.data.mul_(2)
    y.backward()
    assert x.grad.item() == 12  # wrong: y is the square of 3
    y = x**2
    x.detach().mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_the_mode_reaches_every_module(kinds):
    model = tree(kinds)
    every = (model, model.left, model.right, model.left.leaf, model.right.leaf)
    assert all(module.training for module in every)
    assert model.eval() is model
    assert not any(module.training for module in every)
    assert model.right.train() is model.right
    assert [module.training for module in every] == [False, False, True, False, True]
    model.train()
    assert all(module.training for module in every)
    model.train(False)
    assert not any(module.training for module in every)
    assert list(model.state_dict()) == NAMES


def test_the_call_is_forward(kinds):
    class Adds(kinds[0]):
        def forward(self, x, y):
            return x + y

    assert Adds()(1, 2) == 3


def test_parameters_of_another_class_can_be_registered(chapter):
    """As chapter 10 needs it: .data is a NumPy array, and nothing of torch is asked for."""

    class Value:
        def __init__(self, data):
            self.data, self.grad = np.asarray(data, dtype=float), None

    class Line(chapter.names["ModuleByHand"]):
        parameter_class = Value

        def __init__(self):
            super().__init__()
            self.weight, self.bias = Value(np.ones((1, 2))), Value(0)

    line = Line()
    line.load_state_dict({"weight": np.full((1, 2), 3.0), "bias": np.asarray(4.0)})
    assert line.weight.data.tolist() == [[3, 3]]
    assert {name: value.tolist() for name, value in line.state_dict().items()} == {
        "weight": [[3, 3]],
        "bias": 4,
    }
    with pytest.raises(RuntimeError, match=r"weight is \(2,\), not \(1, 2\)"):
        line.load_state_dict({"weight": np.ones(2), "bias": np.asarray(4.0)})
    assert not line.eval().training


# --- the same numbers


def test_three_lines_learn_the_same(chapter):
    histories = chapter.names["histories"]
    assert list(histories) == ["nn.Linear", "LinearByHand", "ManualLinearRegression"]
    for history in histories.values():
        assert history.shape == (280,) and history.dtype == np.float64
        np.testing.assert_allclose(history, histories["nn.Linear"], rtol=1e-12)
    assert histories["nn.Linear"][0] > 10 * histories["nn.Linear"][199] > 0
    assert chapter.output.count("largest difference: 0.000000000000\n") == 3


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), momentum=st.sampled_from([0, 0.9]))
def test_a_network_by_hand_is_trained_like_torch_s(chapter, seed, momentum):
    """From any start, on any points, for 20 steps: losses, gradients and ends."""
    torch.manual_seed(seed)
    theirs = chapter.names["TwoLayers"]().to(torch.float64)
    ours = chapter.names["TwoLayersByHand"]().to(torch.float64)
    ours.load_state_dict(theirs.state_dict())
    x, y = torch.randn(8, 3, dtype=torch.float64), torch.randn(8, 1, dtype=torch.float64)
    losses = []
    for model in (theirs, ours):
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=momentum)
        step = chapter.names["make_train_step"](model.eval(), nn.MSELoss(), optimizer)
        losses.append([step(x, y) for _ in range(20)])
        assert model.training and model.hidden.training
    np.testing.assert_allclose(*losses, rtol=1e-12)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-12, atol=1e-14)


NUMBERS = st.floats(-1e3, 1e3)


@settings(max_examples=100)
@given(st.data())
def test_the_forward_pass_in_numpy(chapter, data):
    network = chapter.names["TwoLayers"]().to(torch.float64)
    by_hand = chapter.names["TwoLayersByHand"]().to(torch.float64)
    state = {
        name: data.draw(arrays(np.float64, tuple(value.shape), elements=NUMBERS))
        for name, value in network.state_dict().items()
    }
    rows = data.draw(st.integers(1, 5))
    x = data.draw(arrays(np.float64, (rows, 3), elements=NUMBERS))
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    network.load_state_dict(tensors)
    by_hand.load_state_dict(tensors)
    by_torch = network(torch.from_numpy(x)).detach().numpy()
    hidden = np.abs(x) @ np.abs(state["hidden.weight"]).T + np.abs(state["hidden.bias"])
    size = (hidden @ np.abs(state["output.weight"]).T + np.abs(state["output.bias"])).max()
    for ours in (
        chapter.names["forward_in_numpy"](state, x),
        by_hand(torch.from_numpy(x)).detach().numpy(),
    ):
        assert ours.shape == (rows, 1)
        np.testing.assert_allclose(ours, by_torch, rtol=1e-12, atol=1e-13 * size)


def test_the_largest_differences_on_the_page(chapter):
    assert chapter.names["numpy_difference"] < 1e-12
    assert chapter.names["module_difference"] < 1e-12
    line = "largest difference: 0.000000000000 in NumPy, 0.000000000000 by hand\n"
    assert line in chapter.output


# --- what the chapter says of torch


def test_state_dict_holds_buffers_and_parameters_do_not(chapter):
    normalise = chapter.names["normalise"]
    buffers = {name for name, _ in normalise.named_buffers()}
    parameters = {name for name, _ in normalise.named_parameters()}
    assert buffers
    assert not buffers & parameters
    assert set(normalise.state_dict()) == buffers | parameters


def test_a_buffer_that_is_not_persistent_moves_and_is_not_saved(chapter):
    holder = chapter.names["holder"]
    assert [name for name, _ in holder.named_buffers()] == ["kept", "scratch"]
    assert list(holder.state_dict()) == ["kept"]
    assert copy.deepcopy(holder).to(torch.float64).scratch.dtype == torch.float64


def test_a_move_replaces_buffers_and_keeps_parameters(chapter):
    same = chapter.names["same"]
    assert [name for name in same if not same[name]] == ["running_mean", "running_var"]
    assert same["weight"] and same["bias"]


def test_what_an_optimizer_remembers_does_not_move(chapter):
    assert "dtype" in chapter.names["late_move"]
    layer = nn.Linear(1, 1)
    adam = optim.Adam(layer.parameters())
    layer.to(torch.float64)  # before the first step there is nothing that could stay behind
    layer(torch.ones(1, 1, dtype=torch.float64)).sum().backward()
    adam.step()
    assert adam.state[layer.weight]["exp_avg"].dtype == torch.float64


def test_adagrad_remembers_something_from_the_start():
    parameters = [nn.Parameter(torch.ones(1))]
    assert optim.Adagrad(parameters).state_dict()["state"]
    for make in (optim.SGD, optim.Adam, optim.RMSprop):
        assert make(parameters, lr=0.1).state_dict()["state"] == {}


def test_where_a_move_makes_new_leaves():
    layer = nn.Linear(1, 1)
    old = layer.weight
    layer.to("meta")
    assert layer.weight is not old
    layer = nn.Linear(1, 1)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        layer.to(torch.float64)
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
    before = layer.weight.item()
    layer(torch.ones(1, 1, dtype=torch.float64)).sum().backward()
    optimizer.step()
    assert layer.weight.item() == before


def test_a_module_has_no_device():
    assert not hasattr(nn.Linear(1, 1), "device")


def test_only_the_call_runs_hooks(chapter):
    assert chapter.names["after_call"] == chapter.names["after_forward"] == [(80, 1)]


def test_what_a_hook_returns_replaces_the_output(chapter):
    assert chapter.names["replaced"] == 0
    assert chapter.names["direct"] != 0


def test_modes_change_dropout(chapter):
    assert set(chapter.names["in_training"].tolist()) == {0, 2}
    assert chapter.names["in_evaluation"].tolist() == [1] * 8


def test_dropout_keeps_the_expected_sum_and_no_single_one(chapter):
    sums = chapter.names["draws"].sum(dim=1)
    assert sums.shape == (10000,)
    assert abs(sums.mean().item() - 8) < 0.15  # five standard errors
    assert (sums != 8).double().mean() > 0.5
    assert chapter.names["in_training"].sum().item() == 10  # as the text says
    torch.manual_seed(1)
    rare = nn.Dropout(0.1)(torch.ones(10000, 8)).sum(dim=1)
    assert abs(rare.mean().item() - 8) < 0.05


def test_the_running_mean_moves_by_mode_and_not_by_no_grad(chapter):
    assert chapter.names["in_train_mode"] == chapter.names["in_eval_mode"] == 1
    for recording in (True, False):
        norm = nn.BatchNorm1d(1)
        with torch.set_grad_enabled(recording):
            norm(torch.full((4, 1), 10.0))
            assert norm.running_mean.item() == 1
            norm.eval()(torch.full((4, 1), 10.0))
        assert norm.running_mean.item() == 1


def test_a_state_dict_taken_before_the_loop_shows_its_end(chapter):
    taken = {name: value.item() for name, value in chapter.names["taken"].items()}
    assert taken == chapter.names["end"] != chapter.names["start"]
    assert chapter.names["optimizer"].state_dict()["state"] == {}


def test_network_has_21_numbers_and_the_shapes_drawn(chapter):
    network = chapter.names["network"]
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    assert shapes == {
        "hidden.weight": (4, 3),
        "hidden.bias": (4,),
        "output.weight": (1, 4),
        "output.bias": (1,),
    }
    assert "numbers to learn: 21\n" in chapter.output
    by_hand = chapter.names["TwoLayersByHand"]().state_dict()
    assert {name: tuple(value.shape) for name, value in by_hand.items()} == shapes
    assert list(by_hand) == list(network.state_dict())


def test_without_the_bend_two_layers_are_one(chapter):
    network = chapter.names["TwoLayers"]().to(torch.float64)
    x = torch.randn(5, 3, dtype=torch.float64)
    weight = network.output.weight @ network.hidden.weight
    bias = network.output(network.hidden.bias)
    torch.testing.assert_close(network.output(network.hidden(x)), x @ weight.T + bias)


def test_train_step_returns_the_loss_before_the_step_and_takes_one(chapter):
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.ones(4, 1), torch.zeros(4, 1)
    before = nn.MSELoss()(model(x), y).item()
    step = chapter.names["make_train_step"](model.eval(), nn.MSELoss(), optimizer)
    assert step(x, y) == before
    assert nn.MSELoss()(model(x), y).item() < before
    assert model.training
    assert model.weight.grad is None


def test_losses_fall_to_the_golden_one(chapter):
    losses = chapter.names["losses"]
    assert len(losses) == 1000
    assert f"{losses[-1]:.6f}" == "0.008045"
    assert (np.diff(losses) < 1e-8).all()


def test_layers_of_the_table_exist():
    table = POST.split("** Layers")[1].split("** Sequential")[0]
    table = "\n".join(line for line in table.splitlines() if line.startswith("|"))
    named = set(re.findall(r"=(\w+)=", table))
    assert len(named) > 25
    assert {name for name in named if not hasattr(nn, name)} == set()
    for name in ("Flatten", "Unflatten"):  # "no parameters"
        layer = nn.Flatten() if name == "Flatten" else nn.Unflatten(1, (2, 3))
        assert list(layer.parameters()) == []
