"""Chapter 4: the tape equals autograd, the traps of the update, the loop's end."""

import ast
from random import Random

import numpy as np
import pytest
import torch

from conftest import TANGLED, Definitions

DEFINITIONS = Definitions(TANGLED / "04_autograd.py")
VALUE, BACKWARD_ORDER = DEFINITIONS.get("Value"), DEFINITIONS.get("backward_order")

# --- the tape against torch: a random program that both run, step by step

SCALE = 8  # a result with a larger number goes through tanh, so that none explodes
# Shapes that broadcast against each other, for a size n; those with two dimensions also fit @.
SHAPES = [lambda n: (), lambda n: (1,), lambda n: (n,), lambda n: (1, 1), lambda n: (1, n)]
SHAPES += [lambda n: (n, 1), lambda n: (n, n), lambda n: (2, 1, n), lambda n: (2, n, n)]
BOTH = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / (y * y + 0.5),
    "x @ y": lambda x, y: x @ y,
}
ONE = {
    "-x": lambda x: -x,
    "x ** 2": lambda x: x**2,
    "x ** 3": lambda x: x**3,
    "x ** -1": lambda x: (x * x + 0.5) ** -1,
    "x ** 0.5": lambda x: (x * x + 0.5) ** 0.5,
    "x ** -1.5": lambda x: (x * x + 0.5) ** -1.5,
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "exp": lambda x: x.tanh().exp(),
    "log": lambda x: (x * x + 0.5).log(),
    "tanh": lambda x: x.tanh(),
    "relu": lambda x: x.relu(),
}
CONSTANT = {  # c is a number, or an array: NumPy's for the tape, a tensor for torch
    "c + x": lambda x, c: c + x,
    "x + c": lambda x, c: x + c,
    "c - x": lambda x, c: c - x,
    "x - c": lambda x, c: x - c,
    "c * x": lambda x, c: c * x,
    "x * c": lambda x, c: x * c,
    "c / x": lambda x, c: c / (x * x + 0.5),
    "x / c": lambda x, c: x / c,
    "c @ x": lambda x, c: c @ x,
    "x @ c": lambda x, c: x @ c,
}
OPERATIONS = BOTH | ONE | CONSTANT


def operands(name, shapes, one, other):
    """Return the places of the first two operands, from these places on, that an operation takes.

    Returns None where there are none: @ takes matrices that fit, all else takes everything.
    """
    count = len(shapes)
    for x, y in ((one + i, other + k) for i in range(count) for k in range(count)):
        left, right = shapes[x % count], shapes[y % count]
        if "@" not in name:
            return x % count, y % count
        if len(left) == 2 and (name in CONSTANT or (len(right) == 2 and left[1] == right[0])):
            return x % count, y % count
    return None


def away_from_the_kink(x):
    """Tell whether no number is so near to 0 that rounding alone may decide what relu does."""
    return np.abs(x).min() > 1e-6


def program_of(seed):
    """Draw a seed, the leaves' shapes and 2 to 8 steps: an operation and two operands' places."""
    random = Random(seed)
    n = random.randint(1, 3)
    shapes = random.choices(SHAPES, k=random.randint(2, 4))
    steps = [
        (random.choice(list(OPERATIONS)), random.randrange(100), random.randrange(100))
        for _ in range(random.randint(2, 8))
    ]
    return seed, [shape(n) for shape in shapes], steps


def run_both(program):
    """Run a program with the tape and with torch; return leaves and results, and the steps taken.

    Operands that do not fit are replaced by the next that do, or the step is left out.
    """
    seed, shapes, steps = program
    random = np.random.default_rng(seed)
    arrays = [random.uniform(0.5, 2, shape) * random.choice([-1, 1], shape) for shape in shapes]
    ours = [VALUE(array) for array in arrays]
    theirs = [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in arrays]
    taken = []
    for name, one, other in steps:
        places = operands(name, [value.data.shape for value in ours], one, other)
        if places is None or (name == "relu" and not away_from_the_kink(ours[places[0]].data)):
            continue
        x, y = places
        our_operands, their_operands = (ours[x], ours[y]), (theirs[x], theirs[y])
        if name in ONE:
            our_operands, their_operands = our_operands[:1], their_operands[:1]
        elif name in CONSTANT:
            shape = ours[x].data.T.shape if "@" in name else (ours[x].data.shape, (2, 1, 1))[y % 2]
            c = random.uniform(0.5, 2, None if other % 3 == 0 and "@" not in name else shape)
            our_operands, their_operands = (ours[x], c), (theirs[x], c)
            if isinstance(c, np.ndarray):
                their_operands = theirs[x], torch.from_numpy(c)
        our_result = OPERATIONS[name](*our_operands)
        their_result = OPERATIONS[name](*their_operands)
        if np.abs(our_result.data).max() > SCALE:
            our_result, their_result = our_result.tanh(), their_result.tanh()
        ours.append(our_result)
        theirs.append(their_result)
        taken.append(name)
    first = ours[: len(arrays)], theirs[: len(arrays)]
    return *first, ours[-1].mean() + ours[-2].sum(), theirs[-1].mean() + theirs[-2].sum(), taken


def compare_with_torch(program):
    """Assert that a program gives equal values and gradients; return the steps taken and shapes.

    To 1e-12, relative to the number or, where parts cancel, to the largest part: a sum of two
    parts that nearly cancel is no more exact than the parts are. The largest number and the
    largest gradient of any value on the way stand for them.
    """
    our_leaves, their_leaves, our_result, their_result, taken = run_both(program)
    our_result.backward()
    their_result.backward()
    behind = BACKWARD_ORDER(our_result)
    floor = 1e-12 * max(np.abs(value.data).max() for value in behind)
    compare = np.testing.assert_allclose
    compare(our_result.data, their_result.detach().numpy(), rtol=1e-12, atol=floor)
    floor = 1e-12 * max(np.abs(value.grad).max() for value in behind)
    for ours, theirs in zip(our_leaves, their_leaves, strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        if ours.grad is not None:
            assert ours.grad.shape == ours.data.shape
            compare(ours.grad, theirs.grad.numpy(), rtol=1e-12, atol=floor)
    return taken, {leaf.data.shape for leaf in our_leaves}


def test_a_thousand_random_expressions_have_torch_s_values_and_gradients():
    """And they hold every operation often, and every shape: else they would prove less."""
    different, times, shapes = set(), dict.fromkeys(OPERATIONS, 0), set()

    for program in map(program_of, range(1000)):
        taken, leaves = compare_with_torch(program)
        different.add(repr(program[1:]))
        shapes.update(leaves)
        for name in taken:
            times[name] += 1
    assert len(different) >= 1000
    assert min(times.values()) >= 40, times
    assert shapes == {shape(n) for shape in SHAPES for n in (1, 2, 3)}


# --- the tape by itself


def test_data_and_grad_are_float64_arrays_and_grad_is_none_before():
    for number in (3, 3.0, [1, 2], np.float32(3), np.arange(3), np.ones((2, 3), np.float32)):
        value = VALUE(number)
        assert value.grad is None
        value.sum().backward()
        for array in (value.data, value.grad):
            assert type(array) is np.ndarray
            assert array.dtype == np.float64
            assert array.shape == np.shape(number)


def test_a_value_has_its_own_copy_of_an_array():
    array = np.ones(2)
    value = VALUE(array)
    value.data -= 1
    assert array.tolist() == [1, 1]


def test_gradients_add_up_over_two_backwards_and_start_anew_after_none():
    value = VALUE([1.0, 2.0])
    (value**2).sum().backward()
    assert value.grad.tolist() == [2, 4]
    total = (value * value).sum()
    total.backward()
    assert value.grad.tolist() == [4, 8]
    total.backward()  # the same one again
    assert value.grad.tolist() == [6, 12]
    value.grad = None
    total.backward()
    assert value.grad.tolist() == [2, 4]
    assert type(value.grad) is np.ndarray


def test_a_number_s_gradients_stay_arrays_when_they_add_up():
    value = VALUE(2.0)
    for times in (1, 2, 3):
        (3 * value).backward()
        assert type(value.grad) is np.ndarray
        assert value.grad == 3 * times


def test_a_leaf_may_be_the_result_and_its_gradient_adds_up_as_well():
    value = VALUE(3.0)
    value.backward()
    value.backward()
    assert value.grad == 2


def test_what_is_between_leaves_and_result_does_not_add_up():
    leaf = VALUE(3.0)
    between = leaf * 2
    for _ in range(2):
        (between * between).backward()
        assert between.grad == 12
    assert leaf.grad == 48


def test_a_value_used_twice_adds_both_uses():
    u = VALUE(3.0)
    (u * u + u).backward()
    assert u.grad == 7


def test_what_the_result_does_not_use_keeps_its_none():
    used, unused = VALUE(1.0), VALUE(1.0)
    (used * 2).backward()
    assert unused.grad is None


def test_a_gradient_is_nobody_else_s_array():
    a, b = VALUE([1.0]), VALUE([2.0])
    (a + b).sum().backward()
    a.grad += 1
    assert b.grad.tolist() == [1]


SIDES = {
    "+": (lambda x, y: x + y, [3.5, 4.5]),
    "-": (lambda x, y: x - y, [-1.5, -0.5]),
    "*": (lambda x, y: x * y, [2.5, 5.0]),
    "/": (lambda x, y: x / y, [0.4, 0.8]),
}


@pytest.mark.parametrize("other", [2.5, np.float64(2.5), np.array([2.5, 2.5]), np.array(2.5)])
@pytest.mark.parametrize(("operation", "expected"), SIDES.values(), ids=SIDES)
def test_numbers_and_arrays_at_either_side(operation, expected, other):
    value = VALUE([1.0, 2.0])
    right = operation(value, other)
    left = operation(VALUE(np.broadcast_to(other, 2)), value)
    assert type(right) is VALUE
    np.testing.assert_allclose(right.data, expected, rtol=1e-15)
    swapped = operation(other, value)
    assert type(swapped) is VALUE
    assert swapped.data.shape == (2,)
    np.testing.assert_array_equal(swapped.data, left.data)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float32])
def test_arrays_of_other_types_are_taken_as_numbers(dtype):
    array, value = np.array([0, 1], dtype), VALUE([1.0, 2.0])
    assert (value - array).data.tolist() == [1, 1]
    assert (array - value).data.tolist() == [-1, -1]
    assert (value * array).data.tolist() == [0, 2]
    assert (array / value).data.tolist() == [0, 0.5]


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_a_division_by_numbers_of_fewer_bits_has_all_64(dtype):
    value = VALUE([1.0, 2.0])
    for divisor in (np.array([3, 7], dtype), dtype(3)):
        expected = [1 / 3, 2 / 7 if np.ndim(divisor) else 2 / 3]
        np.testing.assert_allclose((value / divisor).data, expected, rtol=1e-15)


def test_relu_has_the_slope_0_at_0_as_in_torch():
    ours, theirs = VALUE([-1.0, 0.0, 2.0]), torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    for leaf in (ours, theirs):
        leaf.relu().sum().backward()
        assert leaf.grad.tolist() == [0, 0, 1]


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_backward_starts_from_one_number_of_any_shape(shape):
    value = VALUE(np.full(shape, 3.0))
    (value * value).backward()
    assert value.grad.shape == shape
    assert value.grad.item() == 6


def test_matrices_multiply_with_arrays_at_either_side():
    value, array = VALUE([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    for product, expected in ((value @ array, [[11]]), (array @ value, [[3, 6], [4, 8]])):
        assert type(product) is VALUE
        assert product.data.tolist() == expected
    (array @ value).sum().backward()
    assert value.grad.tolist() == [[7, 7]]


def test_what_is_not_supported_is_refused():
    value = VALUE([1.0, 2.0])
    with pytest.raises(ValueError, match=r"two matrices, not the shapes \(2,\) and \(2,\)"):
        value @ value
    for other in (value, 2):
        with pytest.raises(ValueError, match="two matrices"):
            VALUE(np.ones((2, 2))) @ other
    with pytest.raises(TypeError):
        value**value
    with pytest.raises(TypeError):
        2**value
    with pytest.raises(ValueError, match=r"one number, not from shape \(2,\)"):
        value.backward()
    assert value.grad is None


def test_a_chain_of_many_operations_meets_no_limit():
    u = value = VALUE(1.0)
    for _ in range(20_000):
        value = value + 1
    value.backward()
    assert u.grad == 1


def test_the_order_has_each_value_once_and_after_all_that_use_it():
    u = VALUE(1.0)
    left, right = u.exp(), (u * 2).tanh().exp()  # paths of different lengths
    result = left * right + u
    order = BACKWARD_ORDER(result)
    assert len(order) == len(set(order)) == 7
    for place, value in enumerate(order):
        assert all(order.index(source) > place for source, _ in value.sources)


def test_two_runs_add_up_in_the_same_order():
    """Sets have no order of their own, and another order would change the last digits."""

    def gradient():
        x = VALUE(0.1)
        terms = [x * k for k in (0.1, 0.7, 1e9, -1e9, 0.3)] + [x.exp(), x.tanh(), x * x]
        sum(terms, VALUE(0.0)).backward()
        return x.grad.item()

    assert len({gradient() for _ in range(20)}) == 1


def test_the_tape_has_about_eighty_lines():
    tree = ast.parse((TANGLED / "04_autograd.py").read_text(encoding="utf-8"))
    names = {"Recorded", "Arithmetic", "Value", "backward_order", "unbroadcast", "data_of"}
    nodes = [node for node in tree.body if getattr(node, "name", None) in names]
    assert len(nodes) == len(names)
    for node in [inner for outer in nodes for inner in ast.walk(outer)]:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            del node.body[0]
    assert (
        70 <= sum(len(ast.unparse(node).replace("\n\n", "\n").split("\n")) for node in nodes) <= 90
    )


# --- what the chapter shows


def test_the_tape_fits_the_line_as_the_derivations_do(chapter):
    names = chapter.names
    np.testing.assert_allclose(names["tape_end"], names["numpy_end"], rtol=1e-12)
    np.testing.assert_allclose(names["numpy_end"], (1.02354094, 1.96896411), atol=1e-8)


def test_differences_on_the_page_are_nothing(chapter):
    assert len(chapter.names["differences"]) == 3
    assert max(chapter.names["differences"].values()) < 1e-12
    assert chapter.names["function_difference"] < 1e-12
    assert chapter.output.count("largest difference: 0.000000000000\n") == 1
    assert chapter.output.count("largest difference 0.000000000000, gradcheck True\n") == 4


def test_the_page_s_comparison_finds_a_difference_in_the_value_or_in_any_gradient():
    """A function that tells values from tensors has one; else 'no difference' means nothing."""
    largest, arrays = DEFINITIONS.get("largest_difference"), [np.ones((2, 2)), np.ones(2)]

    def square(factor):
        return factor if isinstance(factor, VALUE) else factor.detach()

    assert largest(lambda p, q: (p * p + q * q).sum(), arrays) == 0
    assert largest(lambda p, q: (p + q).sum() + isinstance(p, VALUE), arrays) == 1
    assert largest(lambda p, q: (p * square(p) + q).sum(), arrays) == 1
    assert largest(lambda p, q: (p + q * square(q)).sum(), arrays) == 2


def line_and_points():
    """Return a, b, x and y of a random line in float64; a and b require gradients."""
    generator = torch.Generator().manual_seed(0)
    shapes = (1,), (1,), (7, 1), (7, 1)
    a, b, x, y = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return a.requires_grad_(), b.requires_grad_(), x, y


@pytest.mark.parametrize("factor", [1, -2.5])
def test_our_function_is_autograd_s_loss_of_the_line(factor):
    a, b, x, y = line_and_points()
    ours, theirs = DEFINITIONS.get("LineLoss").apply(a, b, x, y), ((y - (a + b * x)) ** 2).mean()
    assert ours.item() == theirs.item()
    our_gradients = torch.autograd.grad(factor * ours, (a, b))
    their_gradients = torch.autograd.grad(factor * theirs, (a, b))
    for one, other in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=0)


def test_our_function_passes_gradcheck_in_first_and_second_derivatives():
    arguments = line_and_points()
    function = DEFINITIONS.get("LineLoss").apply
    assert torch.autograd.gradcheck(function, arguments)
    assert torch.autograd.gradgradcheck(function, arguments)


def test_topological_order_and_the_two_walks_without_it(chapter):
    assert "dw/du = 4\n" in chapter.output
    assert chapter.names["walks"] == {
        (2, "all"): (6, 7),
        (2, "part"): (4, 7),
        (2, "in order"): (4, 3),
        (10, "all"): (314039061414, 2047),
        (10, "part"): (1024, 2047),
        (10, "in order"): (1024, 11),
    }


def test_torch_runs_each_of_ten_additions_once_from_the_result_on():
    u = w = torch.tensor(1.0, requires_grad=True)
    runs = []
    for number in range(10):
        w = w + w
        w.grad_fn.register_hook(lambda *_, number=number: runs.append(number))
    w.backward()
    assert runs == list(range(9, -1, -1))
    assert u.grad == 1024


def test_first_gradients_are_golden(golden):
    np.testing.assert_allclose(golden.names["first_gradients"], (-3.1125, -1.8156), atol=5e-5)


def test_gradients_are_the_formulas_of_chapter_3(chapter):
    names = chapter.names
    by_formula = names["a_grad"], names["b_grad"]
    np.testing.assert_allclose(names["first_gradients"], by_formula, rtol=1e-5)


def test_one_input_suffices_and_what_is_a_leaf(chapter):
    rows = dict.fromkeys(("x", "2 * x", "b > 0"), "requires_grad False, leaf True")
    rows |= dict.fromkeys(("b * x", "loss"), "requires_grad True, leaf False")
    rows |= {"b": "requires_grad True, leaf True"}
    for name, row in rows.items():
        assert f"\n{name:<5}: {row}" in chapter.output


def test_second_backward_raises_and_a_new_or_kept_graph_adds_up(chapter):
    assert "\nTrying to backward through the graph a second time\n" in chapter.output
    assert chapter.names["doubled"] == pytest.approx(2, rel=1e-6)
    assert chapter.names["tripled"] == pytest.approx(3, rel=1e-6)


def test_both_wrong_updates_fail_as_told(chapter):
    assert chapter.names["lost_gradient"] is None
    assert "is_leaf False, grad None\n" in chapter.output
    assert chapter.names["in_place_error"].startswith("a leaf Variable that requires grad")
    assert "is_leaf False, made by SubBackward0\n" in chapter.output


def test_zero_clears_the_gradients_and_an_update_without_grad_leaves_a_leaf(chapter):
    assert "\ntensor([0.]" in chapter.output
    assert "\nis_leaf True, requires_grad True\n" in chapter.output


def test_the_third_try_steps_along_one_gradient_and_no_sum(golden):
    """0.3367 + 0.1 * 3.1125, though two other backwards were called before."""
    assert "\na went from 0.3367 to 0.6479\n" in golden.output


def test_a_change_is_missed_by_the_tape_and_noticed_by_torch(chapter):
    assert "\nour tape: 8\n" in chapter.output
    assert chapter.names["changed_error"].endswith("modified by an inplace operation")


def test_a_change_through_data_is_missed_by_torch_too():
    t = torch.tensor(3.0, requires_grad=True)
    square = t * t
    t.data += 1
    square.backward()
    assert t.grad == 8


def test_the_loop_ends_where_chapter_3_s_did(chapter):
    names = chapter.names
    end = names["a"].item(), names["b"].item()
    np.testing.assert_allclose(end, (1.0235, 1.9690), atol=5e-5)
    np.testing.assert_allclose(end, names["numpy_end"], atol=1e-5)


def test_loss_after_1000_epochs_is_golden(golden):
    assert f"{golden.names['loss'].item():.10f}" == "0.0080446554"


def test_to_numpy_a_gradient_is_a_runtime_error_and_a_device_a_type_error(chapter):
    assert "\nRuntimeError: Can't call numpy() on Tensor that requires grad." in chapter.output
    assert "\nTypeError: can't convert meta device type tensor to numpy." in chapter.output


# --- the answers to the questions


def loss_of_the_loop(chapter, *changes):
    """Run the section 'The loop' with pieces of its text replaced; return the last loss."""
    text = chapter.source
    code = text[text.index("# %% The loop\n") : text.index('print(f"chapter 3: a = ')]
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    kept = ("start", "learning_rate", "x_train_tensor", "y_train_tensor", "device")
    names = {"torch": torch} | {name: chapter.names[name] for name in kept}
    exec(code, names)
    return names["loss"].item()


def test_the_loop_starts_where_chapter_3_started(chapter):
    start = np.ravel(chapter.names["start"])
    np.testing.assert_allclose(start, (0.49671415, -0.1382643), atol=1e-8)
    first_loss = loss_of_the_loop(chapter, ("range(1000)", "range(1)"))
    assert first_loss == pytest.approx(2.7421577700550976, rel=1e-6)


def test_without_zero_the_line_swings_for_ever(chapter, capsys):
    assert loss_of_the_loop(chapter) < 0.0081
    assert loss_of_the_loop(chapter, ("a.grad.zero_()\n", "\n"), ("b.grad.zero_()\n", "\n")) > 1


def test_under_no_grad_a_new_tensor_has_no_gradient(chapter):
    change = "a -= learning_rate * a.grad", "a = a - learning_rate * a.grad"
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'zero_'"):
        loss_of_the_loop(chapter, change)


def test_a_parameter_that_the_loss_does_not_use_keeps_its_none():
    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    (a**2).sum().backward()
    assert a.grad == 2
    assert b.grad is None


def test_a_sum_may_be_walked_twice_and_a_square_may_not():
    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    total = (a + b).sum()
    total.backward()
    total.backward()
    assert a.grad == 2
    total = (a**2).sum()
    total.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        total.backward()


def test_one_more_doubling_costs_one_visit_or_twice_as_many_and_one():
    follow_arrows, visits = DEFINITIONS.get("follow_arrows"), {}
    for doublings in (10, 11):
        w = VALUE(1.0)
        for _ in range(doublings):
            w = w + w
        visits[doublings] = len(BACKWARD_ORDER(w)), follow_arrows(w, 1.0, send_all=False)
    assert visits[11][0] == visits[10][0] + 1
    assert visits[11][1] == 2 * visits[10][1] + 1
