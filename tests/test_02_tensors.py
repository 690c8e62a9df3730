"""Chapter 2: views by hand, broadcasting by hand, who shares and who copies, types, leaves."""

import ast
import contextlib
import itertools
import re
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import POST, TANGLED, Definitions

STRIDED, BROADCAST = map(
    Definitions(TANGLED / "02_tensors.py").get, ("strided", "broadcast_shapes_by_hand")
)
property_test = settings(max_examples=250)


# --- strided


@st.composite
def views(draw):
    """Return a row of numbers as a tensor, and a view of it: some random steps on from the row."""
    row = torch.arange(draw(st.sampled_from([1, 6, 7, 12, 24, 36, 60])))
    view = row.view(draw(st.sampled_from(shapes_of(len(row)))))
    for _ in range(draw(st.integers(1, 6))):
        sizes, step = (
            view.shape,
            draw(st.sampled_from(["view", "t", "t", "slice", "pick", "expand"])),
        )
        if step == "view":
            with contextlib.suppress(RuntimeError):  # where it has no strides, stay where we are
                view = view.view(draw(st.sampled_from(shapes_of(view.numel()))))
        elif step == "expand":
            more = draw(st.lists(st.integers(1, 3), max_size=1))
            stretched = [draw(st.sampled_from([3, 2, 0])) if size == 1 else size for size in sizes]
            view = view.expand((*more, *stretched))
        elif step == "t" and len(sizes) >= 2:
            view = view.transpose(*draw(st.permutations(range(len(sizes))))[:2])
        elif step == "slice" and sizes:
            starts = [draw(st.integers(0, min(size, 2))) for size in sizes]
            steps = [draw(st.sampled_from([1, 2, 3])) for _ in sizes]
            view = view[
                tuple(slice(start, None, by) for start, by in zip(starts, steps, strict=True))
            ]
            view = view[: draw(st.sampled_from([4, 3, 2, 0]))]
        elif step == "pick" and len(sizes) > 1 and sizes[0]:
            view = view[draw(st.integers(0, sizes[0] - 1))]
        if view.numel() > 500 or view.dim() > 5:
            break
    return row, view


def shapes_of(number):
    """Return some shapes with so many entries."""
    pairs = [(n, number // n) for n in range(1, number + 1) if number % n == 0] or [(0, 1)]
    return [
        (number,),
        (-1,),
        *pairs,
        *((a, 1, b) for a, b in pairs),
        *((1, a, b) for a, b in pairs),
    ]


@property_test
@given(views())
def test_a_view_by_hand_is_the_view(both):
    row, view = both
    by_hand = STRIDED(row, view.storage_offset(), view.shape, view.stride())
    assert by_hand.shape == view.shape
    assert by_hand.tolist() == view.tolist()


@property_test
@given(views())
def test_view_takes_a_row_exactly_where_one_stride_makes_its_steps(both):
    """What the chapter says of the transpose that 'view' refuses holds for any view."""
    row, view = both
    if view.numel() == 0:
        return
    places = STRIDED(range(len(row)), view.storage_offset(), view.shape, view.stride()).ravel()
    possible = len(set(np.diff(places))) <= 1
    if possible:
        assert view.view(view.numel()).tolist() == places.tolist()
    else:
        with pytest.raises(RuntimeError, match="view size is not compatible"):
            view.view(view.numel())
    if view.numel() > 1:
        copied = view.reshape(view.numel()).untyped_storage().data_ptr() != (
            row.untyped_storage().data_ptr()
        )
        assert copied == (not possible)


@property_test
@given(st.data())
def test_strided_is_as_strided(data):
    """Any offset, shape and strides that stay within the storage, and float numbers, too."""
    row = torch.linspace(-1, 1, 50, dtype=torch.float64)
    shape, strides, room = [], [], 49
    for _ in range(data.draw(st.integers(0, 4))):
        size = data.draw(st.integers(1, 4))
        stride = data.draw(st.integers(0, room // (size - 1) if size > 1 else 9))
        room -= (size - 1) * stride
        shape.append(size)
        strides.append(stride)
    offset = data.draw(st.integers(0, room))
    by_hand = STRIDED(row, offset, shape, strides)
    expected = torch.as_strided(row, shape, strides, offset)
    assert by_hand.dtype == np.float64
    np.testing.assert_array_equal(by_hand, expected.numpy(), strict=True)


@pytest.mark.parametrize(
    "kind", [list, tuple, np.array, torch.tensor], ids=lambda kind: kind.__name__
)
def test_the_storage_may_be_any_flat_row(kind):
    assert STRIDED(kind([5, 6, 7, 8]), 1, (2, 2), (1, 1)).tolist() == [[6, 7], [7, 8]]


def test_strided_s_errors():
    with pytest.raises(IndexError):
        STRIDED([1, 2, 3], 1, (3,), (1,))
    with pytest.raises(ValueError, match="zip"):
        STRIDED([1, 2, 3], 0, (3,), (1, 1))


def test_strided_runs_backwards_as_numpy_does_and_pytorch_does_not():
    array = np.arange(6)
    backwards = array[::-1]
    assert backwards.strides == (-array.itemsize,)
    assert np.shares_memory(array, backwards)
    np.testing.assert_array_equal(STRIDED(array, 5, (6,), (-1,)), backwards)
    tensor = torch.from_numpy(array)
    with pytest.raises(RuntimeError, match="Negative strides are not supported"):
        tensor.as_strided((6,), (-1,), 5)
    with pytest.raises(ValueError, match="step must be greater than zero"):
        tensor[::-1]
    flipped = tensor.flip(0)
    flipped[0] = 7
    assert tensor.tolist() == list(range(6))


def test_the_views_of_the_chapter_are_of_each_kind(chapter):
    names = chapter.names
    strides = {call: view.stride() for call, view in names["views"].items()}
    assert strides["grid"] == (3, 1)
    assert strides["grid.t()"] == (1, 3)
    assert strides["grid[:, ::2]"] == (3, 2)
    assert strides["grid[:, 1:2].expand(2, 4)"] == (3, 0)
    scope = {"grid": names["grid"]}
    for call, view in names["views"].items():
        own = eval(call, scope)
        by_hand = STRIDED(names["numbers"], own.storage_offset(), own.shape, own.stride())
        assert (by_hand.tolist(), own.stride()) == (view.tolist(), view.stride()), call
    assert names["difference"] == names["sum_difference"] == 0
    assert chapter.output.count("largest difference: 0\n") == 2
    assert "places [0 3 1 4 2 5] steps [ 3 -2  3 -2  3]\n" in chapter.output


def test_a_view_of_any_size_needs_no_more_storage(chapter):
    assert chapter.names["million"].numel() == 10**6
    assert "1000000 entries in 4 bytes\n" in chapter.output
    matrix = torch.empty(1).expand(10**6, 10**6)
    assert matrix.t().untyped_storage().nbytes() == 4


def test_a_stretched_row_is_one_number_several_times():
    wide = torch.zeros(2, 1).expand(2, 3)
    wide[0, 0] = 5
    assert wide.tolist() == [[5, 5, 5], [0, 0, 0]]
    with pytest.raises(RuntimeError, match=r"clone\(\)"):
        wide.add_(1)


# --- broadcasting


SIZES = st.lists(st.sampled_from([0, 1, 1, 1, 2, 3, 3, 4]), max_size=4).map(tuple)


@st.composite
def shapes_that_go_together(draw):
    """Return shapes made from one, by leaving out dimensions and by setting sizes to 1."""
    whole = draw(SIZES)
    shapes = []
    for _ in range(draw(st.integers(0, 4))):
        end = whole[draw(st.integers(0, len(whole))) :]
        shapes.append(tuple(1 if draw(st.booleans()) else size for size in end))
    return shapes


@property_test
@given(st.one_of(shapes_that_go_together(), st.lists(SIZES, max_size=4)))
def test_broadcasting_by_hand_is_pytorch_s(shapes):
    try:
        expected = torch.broadcast_shapes(*shapes)
    except RuntimeError:
        with pytest.raises(ValueError, match="do not go together"):
            BROADCAST(*shapes)
        with pytest.raises(RuntimeError):
            sum((torch.ones(shape) for shape in shapes[1:]), torch.ones(shapes[0]))
    else:
        assert BROADCAST(*shapes) == expected
        assert sum(torch.ones(shape) for shape in shapes).shape == expected if shapes else True


@property_test
@given(shapes_that_go_together())
def test_shapes_that_go_together_are_never_refused(shapes):
    assert BROADCAST(*shapes) == torch.broadcast_shapes(*shapes)


@pytest.mark.parametrize(
    "shapes",
    [
        [(2,), (3,)],
        [(0,), (2,)],
        [(2, 3), (2,)],
        [(2, 3), (3, 2)],
        [(-1,)],
        [(-1,), (1,)],
        [(-2,), (2,)],
    ],
    ids=str,
)
def test_refused_shapes(shapes):
    with pytest.raises((RuntimeError, ValueError)):
        torch.broadcast_shapes(*shapes)
    with pytest.raises(ValueError, match="do not go together"):
        BROADCAST(*shapes)


def test_the_regression_s_shapes_are_a_trap_that_the_rules_allow():
    assert BROADCAST((80, 1), (80,)) == (80, 80) == torch.broadcast_shapes((80, 1), (80,))


def test_stretching_is_a_stride_of_0():
    column, row = torch.broadcast_tensors(torch.ones(3, 1), torch.ones(4))
    assert (column.stride(), row.stride()) == ((1, 0), (0, 1))


@property_test
@given(shapes_that_go_together())
def test_a_stretched_tensor_by_hand_is_pytorch_s(shapes):
    """The third rule: the strides of what is stretched are 0, and strided reads it."""
    tensors = [torch.arange(int(np.prod(shape))).view(shape) for shape in shapes]
    whole = BROADCAST(*shapes)
    for tensor, expected in zip(tensors, torch.broadcast_tensors(*tensors), strict=True):
        missing = len(whole) - tensor.dim()
        sizes = (1,) * missing + tuple(tensor.shape)
        strides = [
            0 if a == 1 else b for a, b in zip(sizes, (0,) * missing + tensor.stride(), strict=True)
        ]
        assert STRIDED(tensor.flatten(), 0, whole, strides).tolist() == expected.tolist()


# --- who shares, who copies


def test_shares_and_copies_are_what_a_write_shows(chapter):
    """The script says what writing through one and reading the other says here."""
    array = np.ones((2, 3), dtype=np.float32)
    source = torch.ones(2, 3)
    for call, said_to_share in chapter.names["shares"].items():
        array[:], source[:] = 1, 1
        result = eval(call, {"torch": torch, "array": array, "source": source})
        result[:] = 7
        assert ((array == 7).all() or bool((source == 7).all())) == said_to_share, call
        whole = array if "array" in call else source
        address = chapter.names["address"]
        assert (address(whole) == address(result)) == said_to_share, call


@pytest.mark.parametrize(("name", "number"), [("attempts", 10), ("views", 5), ("leaves", 4)])
def test_calls_that_are_printed_are_the_calls_that_were_made(chapter, name, number):
    """Each call stands in the script twice: as its name and as code."""
    (table,) = (
        node.value
        for node in ast.walk(ast.parse(chapter.source))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    pairs = {key.value: value for key, value in zip(table.keys, table.values, strict=True)}
    assert len(pairs) == number
    for call, value in pairs.items():
        made = value.elts[1] if name == "attempts" else value
        assert call in (ast.unparse(made), "a * 2 under no_grad")


def test_who_shares_was_found_out_by_writing(chapter):
    """Not by comparing addresses, which is a hint and no proof."""
    assert "    new[:] = 7\n    shares[call] = bool((old == 7).all())\n" in chapter.source
    assert list(chapter.names["shares"]) == list(chapter.names["attempts"])
    for call, (_, new) in chapter.names["attempts"].items():
        assert (new == 7).all() or chapter.names["shares"][call]


def test_an_address_is_the_storage_s_and_says_nothing_of_slices(chapter):
    """A slice has the whole's address wherever it lies; an array's slice has its own."""
    address = chapter.names["address"]
    tensor, array = torch.zeros(6), np.zeros(6)
    assert address(tensor[3:]) == address(tensor[:3]) == address(tensor) == tensor.data_ptr()
    assert tensor[3:].data_ptr() != address(tensor[3:])
    tensor[:3][:] = 7
    assert tensor[3:].tolist() == [0, 0, 0]
    assert address(array[3:]) == address(array) + 3 * array.itemsize
    assert address(torch.from_numpy(array[3:])) == address(array[3:])


def test_two_halves_have_one_storage_and_neither_sees_the_other(chapter):
    names = chapter.names
    assert "same address: True\noffsets 0 3 and tensor([0., 0., 0.])\n" in chapter.output
    assert names["left_half"].tolist() == [7, 7, 7]
    assert names["right_half"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("pick", "shared"),
    [
        (lambda t: t[0], True),
        (lambda t: t[0, 0], True),
        (lambda t: t[:, ::2], True),
        (lambda t: t[t > 5], False),
        (lambda t: t[[0, 1]], False),
        (lambda t: t[torch.tensor([0, 1])], False),
        (lambda t: t.flip(0), False),
    ],
)
def test_slices_are_views_and_conditions_and_lists_copy(pick, shared):
    table = torch.arange(12).view(3, 4)
    before = table.clone()
    pick(table)[...] = -1
    assert torch.equal(table, before) != shared


# --- making tensors, and their types


def test_torch_tensor_and_torch_dot_capital_tensor():
    """What the chapter says of the two, with each kind of thing that they may be given."""
    doubles = np.array([1.0, 2.0])
    assert torch.tensor([1.0, 2.0]).dtype == torch.float32
    assert torch.tensor(doubles).dtype == torch.float64
    assert torch.tensor([1, 2]).dtype == torch.int64
    assert torch.Tensor([1, 2]).dtype == torch.Tensor(doubles).dtype == torch.float32
    for dtype in (torch.float64, torch.int64, torch.bool):
        assert torch.Tensor(torch.ones(2, dtype=dtype)).dtype == dtype
    assert torch.Tensor(3).shape == (3,)


TYPES = ["bool", "uint8", "int8", "int16", "int32", "int64"]
TYPES += ["float16", "bfloat16", "float32", "float64"]
PAIRS = list(itertools.combinations_with_replacement(TYPES, 2))


def kind(dtype):
    """Return the place of a type among the three kinds."""
    return 0 if dtype == torch.bool else 2 if dtype.is_floating_point else 1


def holds(large, small):
    """Tell whether one type has a place for all numbers of another of its kind."""
    if large == small:
        return True
    information = torch.finfo if kind(small) == 2 else torch.iinfo
    one, other = information(large), information(small)
    precise = kind(small) == 1 or (one.eps <= other.eps and one.tiny <= other.tiny)
    return one.min <= other.min and one.max >= other.max and precise


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_what_mixed_types_give(pair):
    """Of two kinds, the higher one's type; within one, the smallest that holds both."""
    left, right = (getattr(torch, name) for name in pair)
    mixed = (torch.ones(1, dtype=left) + torch.ones(1, dtype=right)).dtype
    if kind(left) != kind(right):
        assert mixed == max(left, right, key=kind)
    else:
        types = [getattr(torch, name) for name in TYPES]
        able = [t for t in types if kind(t) == kind(left)]
        able = [t for t in able if t in (left, right) or kind(t)]
        able = [t for t in able if holds(t, left) and holds(t, right)]
        assert mixed in able
        assert mixed.itemsize == min(t.itemsize for t in able)


@pytest.mark.parametrize("name", TYPES)
def test_a_plain_number_counts_by_its_kind(name):
    tensor = torch.ones(1, dtype=getattr(torch, name))
    if tensor.is_floating_point():
        assert (tensor + 1e-9).dtype == (tensor + 10**6).dtype == tensor.dtype
        assert (tensor + torch.tensor(1.0, dtype=torch.float64)).dtype == tensor.dtype
    else:
        assert (tensor + 0.5).dtype == torch.float32
        if tensor.dtype != torch.bool:
            assert (tensor + 1).dtype == tensor.dtype


def test_whole_numbers_wrap_around_in_numpy_too(chapter):
    assert [tensor.item() for tensor in chapter.names["wrapped"]] == [44, -56]
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        least, most = torch.iinfo(getattr(torch, name)).min, torch.iinfo(getattr(torch, name)).max
        assert (torch.tensor([most], dtype=getattr(torch, name)) + 1).item() == least
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert (np.array([most], dtype=name) + 1).item() == least


@pytest.mark.parametrize("method", ["add_", "sub_", "mul_", "div_", "pow_"])
def test_arithmetic_in_place_never_takes_a_higher_kind(method):
    with pytest.raises(RuntimeError, match="can't be cast"):
        getattr(torch.tensor([1, 2]), method)(0.5)
    with pytest.raises(RuntimeError, match=r"can't be cast|not supported"):
        getattr(torch.tensor([True]), method)(2)


def test_copying_makes_numbers_fit_without_a_word(chapter):
    names = chapter.names
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (
            names["fitted"].tolist()
            == torch.zeros(3, dtype=int).copy_(torch.tensor([1.9, 2.9, -3.9])).tolist()
        )
    assert names["fitted"].tolist() == [1, 2, -3]
    assert names["rounded"].item() == 1
    assert names["cut"].item() == 5


def test_table_of_data_types_is_true():
    """Each row of the table in the post: the names are one dtype, and type() prints the third."""
    rows = re.findall(
        r"^\| .* \| +(=torch\.\S+=.*?) +\| =(torch\.\w+)= +\| =(\S+)= +\|$", POST, re.M
    )
    assert len(rows) == 10
    for dtypes, cpu_type, gpu_type in rows:
        for name in re.findall(r"=torch\.(\w+)=", dtypes):
            assert torch.empty(0, dtype=getattr(torch, name)).type() == cpu_type
        assert gpu_type == cpu_type.replace("torch.", "torch.cuda.")


def test_printed_results_of_mixing_types(chapter):
    assert "torch.float32 torch.float64 torch.float32\n" in chapter.output
    assert "\ntorch.float32 torch.float32\n" in chapter.output
    assert "(whole + 0.5).dtype, (single + torch.tensor(1.0, dtype=torch.float64)).dtype" in (
        chapter.source
    )
    assert "tensor([44], dtype=torch.uint8) tensor([-56], dtype=torch.int8)\n" in chapter.output
    assert "uint8 + int8: torch.int16\nfloat16 + bfloat16: torch.float32\n" in chapter.output
    assert "int64 + float32: torch.float32\nNumPy's int64 + float32: float64\n16777216\n" in (
        chapter.output
    )
    assert "torch.tensor([16_777_217]) + torch.tensor([0.0])" in chapter.source
    assert "result type Float can't be cast to the desired output type Long\n" in chapter.output


def test_out_and_in_place_write_into_the_tensor_itself(chapter):
    names = chapter.names
    assert names["result"].tolist() == [11, 22]
    assert names["p"].tolist() == [11, 22]
    assert names["table"][0, 0] == 100
    assert names["table"][1, 1] == 5


def test_data_survive_the_way_to_the_device_and_back(chapter):
    names = chapter.names
    assert names["x_train_tensor"].dtype == torch.float32
    np.testing.assert_allclose(names["x_back"], names["x_train"], atol=1e-7)
    np.testing.assert_allclose(names["y_train_tensor"].cpu().numpy(), names["y_train"], atol=1e-6)


def test_on_a_cpu_the_data_are_float_tensors(golden):
    assert golden.names["x_train_tensor"].type() == "torch.FloatTensor"


def test_a_parameter_that_moved_is_no_leaf(chapter):
    assert "made, then moved: is_leaf = False\n" in chapter.output
    assert "made on its device: is_leaf = True, True\n" in chapter.output


def test_which_tensors_are_leaves(chapter):
    """A leaf requires no gradient, or requires it and is no recorded operation's result."""
    assert re.findall(r"^(.*\S) +requires_grad (\w+), is_leaf (\w+)$", chapter.output, re.M) == [
        ("x_train_tensor * 2", "False", "True"),
        ("a * 2", "True", "False"),
        ("(a * 2).detach()", "False", "True"),
        ("a * 2 under no_grad", "False", "True"),
    ]
    a, data = torch.ones(1, requires_grad=True), torch.ones(1)
    with torch.no_grad():
        unrecorded = a * 2
    for tensor in (a, data, data * 2, a * 2, a.view(1), a.detach(), unrecorded, a + data, a > 0):
        assert tensor.is_leaf == (not tensor.requires_grad or tensor.grad_fn is None)
    changed = torch.zeros(1)
    changed.add_(a)
    assert not changed.is_leaf


def test_the_gradient_goes_to_the_tensor_that_stayed_behind(chapter):
    made = torch.ones(1, requires_grad=True)
    moved = made.to("cpu", copy=True)
    (3 * moved).backward()
    assert made.grad.item() == 3
    with pytest.warns(UserWarning, match="not a leaf"):
        assert moved.grad is None
    with pytest.raises(ValueError, match="non-leaf"):
        torch.optim.SGD([moved])


def test_contiguity_decides_between_view_and_copy():
    source = torch.ones(2, 3)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        source.t().view(6)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_accelerator_that_is_there_is_chosen(chapter, monkeypatch, name):
    """With a pretended accelerator, DEVICE may name it, and without DEVICE it is the choice."""
    kind = name.split(":")[0]
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    pick_device = chapter.names["pick_device"]
    monkeypatch.setenv("DEVICE", name)
    assert pick_device() == torch.device(name)
    monkeypatch.setenv("DEVICE", "cpu")
    assert pick_device() == torch.device("cpu")
    monkeypatch.delenv("DEVICE")
    assert pick_device() == torch.device(kind)
    monkeypatch.setenv("DEVICE", f"{kind}:1")
    with pytest.raises(SystemExit, match="2"):
        pick_device()
