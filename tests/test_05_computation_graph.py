"""Chapter 5: what the graphs hold, keep and give back."""

import re

import graphviz
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchviz import make_dot

from conftest import TANGLED, chapter_of


def labels(graph):
    """Return the first line of each node's label, sorted."""
    return sorted(re.findall(r'label="?(\w+)', graph.source))


def kinds(graph):
    """Return the names of a graph's operations, sorted."""
    return sorted(type(node).__name__ for node in graph.nodes)


def test_graph_of_the_prediction_names_its_parameters_and_has_no_x(chapter):
    assert labels(chapter.names["net"]) == [
        "AccumulateGrad",
        "AccumulateGrad",
        "AddBackward0",
        "MulBackward0",
        "a",
        "b",
        "yhat",
    ]


def test_boxes_have_the_colours_the_text_tells(chapter):
    source = chapter.names["net"].source
    colours = dict(re.findall(r'label="(\w+)\s[^"]*" fillcolor=(\w+)', source))
    assert colours == {"a": "lightblue", "b": "lightblue", "yhat": "darkolivegreen1"}


def test_dot_source_of_the_first_graph_is_printed(chapter):
    assert "digraph {" in chapter.output
    assert chapter.output.count("->") == 6
    assert not re.search(r"\d{7}", chapter.output), "a memory address was printed"


def test_graph_of_the_prediction_is_printed(chapter):
    numbered = "0 AddBackward0\n1 AccumulateGrad\n2 MulBackward0\n3 AccumulateGrad\n"
    assert numbered + "edges: [(0, 1), (0, 2), (2, 3)]\n" in chapter.output


def test_where_x_would_be_there_is_none(chapter):
    assert "MulBackward0 leads to ['AccumulateGrad', None]\n" in chapter.output


def test_frozen_graph_is_printed(chapter):
    assert "['AddBackward0', 'MulBackward0', 'AccumulateGrad']\nthe same: True\n" in chapter.output
    assert "thawed, a needs a gradient again: True\n" in chapter.output


# --- our graph is torchviz's


UNARY = (
    torch.exp,
    torch.sin,
    torch.relu,
    torch.neg,
    torch.clone,
    torch.detach,
    lambda u: u**2,
    lambda u: u + 1,
    lambda u: u.sum(),
    lambda u: u.mean(),
    lambda u: u.view(-1),
    lambda u: u.expand(2, *u.shape).unbind()[1],
    lambda u: u.reshape(-1)[0],
)
BINARY = (torch.add, torch.sub, torch.mul, torch.div, torch.maximum, lambda u, v: u * v.sum())
STEPS = st.lists(
    st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 99), st.integers(0, 99)),
    min_size=1,
    max_size=12,
)


def computed(steps):
    """Compute tensors from three, two of which need a gradient; each step may use any before it."""
    made = [torch.rand(3, requires_grad=True), torch.rand(1, requires_grad=True), torch.rand(3)]
    for choice, first, second in steps:
        u, v = made[first % len(made)], made[second % len(made)]
        if choice < len(UNARY):
            made.append(UNARY[choice](u))
        elif u.numel() in (1, v.numel()) or v.numel() == 1:
            made.append(BINARY[choice - len(UNARY)](u.reshape(-1), v.reshape(-1)))
    return made


@settings(max_examples=300)
@given(STEPS)
def test_graph_of_is_the_graph_of_torchviz_node_for_node(steps):
    names = chapter_of(TANGLED / "05_computation_graph.py").names
    result = computed(steps)[-1]
    graph = names["graph_of"](result)
    assert names["same_graph"](graph, make_dot(result))
    assert all(start < len(graph.nodes) > end for start, end in graph.edges)
    assert len(set(graph.nodes)) == len(graph.nodes)


def test_what_is_used_twice_is_one_node_with_two_edges(chapter):
    a = torch.ones(1, requires_grad=True)
    graph = chapter.names["graph_of"](a + a)
    assert kinds(graph) == ["AccumulateGrad", "AddBackward0"]
    assert graph.edges == [(0, 1), (0, 1)]
    twice = a * 2
    both = chapter.names["graph_of"](twice + twice.exp())
    assert kinds(both) == ["AccumulateGrad", "AddBackward0", "ExpBackward0", "MulBackward0"]
    assert len(both.edges) == 4


def test_a_leaf_and_a_constant_have_an_empty_graph(chapter):
    for needs_gradient in (True, False):
        leaf = torch.ones(1, requires_grad=needs_gradient)
        assert chapter.names["graph_of"](leaf) == ([], [])


def test_graph_of_follows_a_function_of_our_own(chapter):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(context, u):
            context.save_for_backward(u)
            return u**3

        @staticmethod
        def backward(context, gradient):
            return 3 * context.saved_tensors[0] ** 2 * gradient

    result = Cube.apply(torch.ones(2, requires_grad=True) + 1)
    graph = chapter.names["graph_of"](result)
    assert kinds(graph) == ["AccumulateGrad", "AddBackward0", "CubeBackward"]
    assert chapter.names["same_graph"](graph, make_dot(result))


def test_a_long_chain_is_no_trouble(chapter):
    result = torch.ones(1, requires_grad=True)
    for _ in range(3000):
        result = result + 1
    assert len(chapter.names["graph_of"](result).nodes) == 3001


def test_same_graph_tells_graphs_apart(chapter):
    """Which it must, or that the graphs are the same says nothing."""
    graph_of, same_graph, kind = (chapter.names[n] for n in ("graph_of", "same_graph", "Graph"))
    a = torch.ones(1, requires_grad=True)
    result = a * a + a
    ours, drawn = graph_of(result), make_dot(result)
    nodes, edges = ours
    assert same_graph(ours, drawn)
    assert same_graph(kind(nodes, edges[::-1]), drawn)
    assert not same_graph(graph_of(a * a + a), drawn), "alike, and not the same"
    for other in (
        edges[1:],
        [*edges, edges[0]],
        [*edges[1:], edges[0][::-1]],
        [edges[1], *edges[1:]],
    ):
        assert not same_graph(kind(nodes, other), drawn), other
    assert not same_graph(kind(nodes[:-1], [e for e in edges if len(nodes) - 1 not in e]), drawn)
    assert not same_graph(kind([*nodes, graph_of(a + 1).nodes[0]], edges), drawn)


def test_all_four_graphs_of_the_chapter_were_compared(chapter):
    assert "the same nodes and edges: True\n7 nodes, the same: True\n" in chapter.output
    assert chapter.output.count("nodes, the same: True\n") == 3
    assert "False" not in chapter.output


# --- what it keeps


def line():
    """Return a, b, x, y of a small line, of which the first two need gradients."""
    a, b = (torch.ones(1, requires_grad=True) for _ in range(2))
    return a, b, torch.rand(80, 1), torch.rand(80, 1)


def mean_squared(a, b, x, y):
    """Return the mean squared error of a line."""
    return ((y - (a + b * x)) ** 2).mean()


def test_only_the_square_and_the_product_keep_a_tensor(chapter):
    a, b, x, y = line()
    kept = {
        (type(node).__name__, name): value
        for node in chapter.names["graph_of"](mean_squared(a, b, x, y)).nodes
        for name, value in chapter.names["saved"](node).items()
    }
    assert kept.keys() == {("MulBackward0", "_saved_other"), ("PowBackward0", "_saved_self")}
    assert kept["MulBackward0", "_saved_other"] is x
    assert torch.equal(kept["PowBackward0", "_saved_self"], y - (a + b * x))


@pytest.mark.parametrize(
    "compute",
    [
        mean_squared,
        lambda a, b, x, y: (a * b).exp() * x,
        lambda a, b, x, y: torch.relu(a * x + b).sum() / y.sum(),
        lambda a, b, x, y: (x.t() @ (a + b * y)).tanh(),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kept_bytes_are_what_pytorch_saves(chapter, compute, dtype):
    total = 0

    def count(tensor):
        nonlocal total
        total += tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        result = compute(*(tensor.to(dtype) for tensor in line()))
    assert total == chapter.names["kept_bytes"](result) > 0


def test_bytes_are_printed_and_none_are_kept_under_no_grad(chapter):
    assert "\nbytes kept: 640 640 0\n" in chapter.output
    with torch.no_grad():
        assert chapter.names["kept_bytes"](mean_squared(*line())) == 0


def test_drawing_in_words_has_our_nodes_and_edges(chapter):
    a, b, x, y = line()
    graph = chapter.names["graph_of"](mean_squared(a, b, x, y))
    drawing = chapter.names["in_words"](graph, {"a": a, "b": b, "x": x})
    assert isinstance(drawing, graphviz.Digraph)
    edges = re.findall(r"(\d+) -> (\d+)", drawing.source)
    assert [(int(start), int(end)) for start, end in edges] == graph.edges
    words = dict(re.findall(r'^\t(\d+) \[label="?([^"\]]+?)"? shape', drawing.source, re.M))
    assert list(words) == [str(number) for number in range(7)]
    assert [words[number].replace("\n", "; ") for number in words] == [
        "mean",
        "**; keeps a tensor",
        "-",
        "+",
        "add to a.grad",
        "*; keeps x",
        "add to b.grad",
    ]
    rounded = re.findall(r"^\t(\d+) \[.*shape=ellipse\]", drawing.source, re.M)
    assert [words[number] for number in rounded] == ["add to a.grad", "add to b.grad"]


# --- what backward gives back


def test_a_node_lets_go_as_soon_as_it_has_done_its_part(chapter):
    a, b, x, y = line()
    loss = mean_squared(a, b, x, y)
    square = loss.grad_fn.next_functions[0][0]
    product = square.next_functions[0][0].next_functions[1][0].next_functions[1][0]
    assert type(product).__name__ == "MulBackward0"
    states = []

    def look(_):
        for node, name in ((square, "_saved_self"), (product, "_saved_other")):
            try:
                getattr(node, name)
                states.append("kept")
            except RuntimeError:
                states.append("gone")

    product.register_prehook(look)
    loss.backward()
    assert states == ["gone", "kept"]
    assert len(chapter.names["graph_of"](loss).nodes) == 7


def test_what_is_freed_is_printed(chapter):
    assert "\nTrying to backward through the graph a second time" in chapter.output
    assert (
        "a second backward says the same: True\nnodes that are still there: 7\n" in chapter.output
    )
    assert "modified by an inplace operation\n" in chapter.output


def test_backward_runs_twice_on_a_sum_and_once_on_a_product():
    a, b, *_ = line()
    total, product = a + b, a * b
    total.backward()
    total.backward()
    product.backward()
    with pytest.raises(RuntimeError, match="second time"):
        product.backward()


def test_a_change_in_place_is_found_out_in_the_second_layer_and_not_in_the_first():
    layers = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    x = torch.rand(5, 1)
    for layer, complains in ((0, False), (2, True)):
        result = layers(x).sum()
        with torch.no_grad():
            layers[layer].weight -= 0.1
        if complains:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                result.backward()
        else:
            result.backward()


def test_data_slips_past_the_count():
    a, _, x, _ = line()
    loss = (a * x).sum()
    x.data.zero_()
    loss.backward()
    assert a.grad.item() == 0


def test_nothing_arrives_in_what_was_frozen_after_the_forward_pass():
    a, b, x, y = line()
    loss = mean_squared(a, b, x, y)
    a.requires_grad_(False)
    loss.backward()
    assert a.grad is None
    assert b.grad is not None


# --- an if


def test_the_if_is_taken_where_the_loss_is_large_and_only_there(chapter):
    _, _, x, _ = line()
    for (a, b), nodes in (((1, 2), 7), ((0, 0), 12)):
        parameters = [torch.tensor([float(value)], requires_grad=True) for value in (a, b)]
        loss = chapter.names["nonsensical_loss"](*parameters, x, 1 + 2 * x)
        assert len(chapter.names["graph_of"](loss).nodes) == nodes
    assert chapter.names["counts"] == [7, 12]


# --- the pictures


def test_a_missing_graphviz_is_one_line_and_status_2(chapter, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(SystemExit, match="2"):
        chapter.names["draw_graph"](chapter.names["net"], "net")
    assert capsys.readouterr().err == "Graphviz is missing: pip install graphviz-pure\n"


def test_drawings_are_pictures_of_a_readable_size(chapter):
    for name in ("net", "loss", "loss_in_words", "net2", "nonsensical"):
        with Image.open(chapter.folder / "figures" / f"{name}.png") as picture:
            assert picture.height > 300, name
            assert picture.width > 150, name
