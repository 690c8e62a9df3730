"""Chapter 5: draw what autograd remembers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import graphviz
import numpy as np
import torch
from torchviz import make_dot


def pick_device() -> torch.device:
    """Return the device that DEVICE names, else this machine's accelerator, else the CPU.

    Exits with status 2 where DEVICE names a device that is not there.
    """
    there = ["cpu"]
    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator().type
        count = torch.accelerator.device_count()
        there = [kind, *(f"{kind}:{i}" for i in range(count)), "cpu"]
    name = os.environ.get("DEVICE") or there[0]
    if name not in there:
        print(f"DEVICE={name}: not on this machine, which has {', '.join(there)}", file=sys.stderr)
        sys.exit(2)
    return torch.device(name)

device = pick_device()
true_a, true_b, n = 1, 2, 100
np.random.seed(42)
x = np.random.rand(n, 1)
y = true_a + true_b * x + 0.1 * np.random.randn(n, 1)
indices = np.arange(n)
np.random.shuffle(indices)
train_indices, val_indices = indices[:80], indices[80:]
x_train, y_train = x[train_indices], y[train_indices]
x_val, y_val = x[val_indices], y[val_indices]
x_train_tensor = torch.from_numpy(x_train).float().to(device)
y_train_tensor = torch.from_numpy(y_train).float().to(device)
torch.manual_seed(42)
a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)

# %% The graph of a prediction
yhat = a + b * x_train_tensor
addition = yhat.grad_fn
multiplication = addition.next_functions[1][0]
for node in (addition, multiplication):
    sources = [type(source).__name__ if source else None for source, _ in node.next_functions]
    print(type(node).__name__, "leads to", sources)

from typing import NamedTuple

from torch.autograd.graph import Node


class Graph(NamedTuple):
    """The operations behind a tensor, and the steps of backward: pairs of positions in nodes."""

    nodes: list[Node]
    edges: list[tuple[int, int]]


def graph_of(tensor: torch.Tensor) -> Graph:
    """Return the graph behind a tensor, its own operation first; an empty one for a leaf."""
    nodes = [] if tensor.grad_fn is None else [tensor.grad_fn]
    position = dict.fromkeys(nodes, 0)
    edges = []
    for node in nodes:  # which grows meanwhile
        for source, _ in node.next_functions:
            if source is not None:
                if source not in position:
                    position[source] = len(nodes)
                    nodes.append(source)
                edges.append((position[node], position[source]))
    return Graph(nodes, edges)

prediction = graph_of(yhat)
for number, node in enumerate(prediction.nodes):
    print(number, type(node).__name__)
print("edges:", prediction.edges)

# %% Drawn by torchviz
net = make_dot(yhat, params={"a": a, "b": b, "yhat": yhat})

def draw_graph(graph: graphviz.Digraph, name: str) -> None:
    """Lay out a graph with Graphviz and write figures/NAME.png, whole or not at all."""
    beside_python = str(Path(sys.executable).parent)
    dot = shutil.which("graphviz-pure", path=beside_python) or shutil.which("dot")
    if dot is None:
        print("Graphviz is missing: pip install graphviz-pure", file=sys.stderr)
        sys.exit(2)
    graph.graph_attr["dpi"] = "300"
    graph.node_attr["fontname"] = "Courier"  # torchviz asks for a font that Graphviz lacks
    Path("figures").mkdir(exist_ok=True)
    beside = Path("figures", f".{name}.new")
    subprocess.run([dot, "-Tpng", "-o", beside], input=graph.source, text=True, check=True)
    beside.replace(Path("figures", f"{name}.png"))

draw_graph(net, "net")

source = net.source
addresses = dict.fromkeys(word for word in source.split() if word.isdigit() and len(word) > 6)
for number, address in enumerate(addresses, start=1):
    source = source.replace(address, str(number))
print(source.replace("\t", "  "))

import re


def same_graph(ours: Graph, drawn: graphviz.Digraph) -> bool:
    """Tell whether make_dot drew these very operations and edges, each once, and no others."""
    address = [str(id(node)) for node in ours.nodes]
    names = [type(node).__name__ for node in ours.nodes]
    edges = [(address[end], address[start]) for start, end in ours.edges]
    drawn_nodes = re.findall(r"(\d+) \[label=(\w+)\]", drawn.source)  # a tensor's label is quoted
    drawn_edges = re.findall(r"(\d+) -> (\d+)", drawn.source)
    between = [edge for edge in drawn_edges if {*edge} <= dict(drawn_nodes).keys()]
    nodes_agree = sorted(zip(address, names, strict=True)) == sorted(drawn_nodes)
    return nodes_agree and sorted(edges) == sorted(between)


print(f"the same nodes and edges: {same_graph(prediction, net)}")

# %% The graph of a loss
error = y_train_tensor - yhat
loss = (error**2).mean()
drawn_loss = make_dot(loss, params={"a": a, "b": b, "loss": loss})
draw_graph(drawn_loss, "loss")
print(f"{len(graph_of(loss).nodes)} nodes, the same: {same_graph(graph_of(loss), drawn_loss)}")

# %% What the graph keeps
def saved(node: Node) -> dict[str, torch.Tensor]:
    """Return the tensors that an operation keeps for backward, by name."""
    names = [name for name in dir(node) if name.startswith("_saved_")]
    values = {name: getattr(node, name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


for node in graph_of(loss).nodes:
    kept = {name: tuple(tensor.shape) for name, tensor in saved(node).items()}
    print(type(node).__name__, kept or "keeps no tensor")

square = loss.grad_fn.next_functions[0][0]
print(f"the multiplication keeps x itself: {multiplication._saved_other is x_train_tensor}")
print(f"the square keeps the error itself: {square._saved_self is error}")
print(f"and its exponent: {square._saved_exponent}")

def kept_bytes(tensor: torch.Tensor) -> int:
    """Return how many bytes the graph behind a tensor keeps for backward."""
    return sum(kept.nbytes for node in graph_of(tensor).nodes for kept in saved(node).values())


nameless = ((y_train_tensor - (a + b * x_train_tensor)) ** 2).mean()
with torch.no_grad():
    silent = ((y_train_tensor - (a + b * x_train_tensor)) ** 2).mean()
print("bytes kept:", kept_bytes(loss), kept_bytes(nameless), kept_bytes(silent))

WORDS = {
    "AddBackward0": "+",
    "SubBackward0": "-",
    "MulBackward0": "*",
    "PowBackward0": "**",
    "MeanBackward0": "mean",
}


def in_words(graph: Graph, names: dict[str, torch.Tensor]) -> graphviz.Digraph:
    """Return a drawing of a graph; names are for the parameters and for what the nodes keep."""
    called = {id(tensor): name for name, tensor in names.items()}
    drawing = graphviz.Digraph(node_attr={"shape": "box", "fontsize": "12"})
    for number, node in enumerate(graph.nodes):
        kind = type(node).__name__
        lines = [WORDS.get(kind, kind)]
        lines += [f"keeps {called.get(id(kept), 'a tensor')}" for kept in saved(node).values()]
        if kind == "AccumulateGrad":
            lines = [f"add to {called.get(id(node.variable), 'some')}.grad"]
        shape = "ellipse" if kind == "AccumulateGrad" else "box"
        drawing.node(str(number), "\n".join(lines), shape=shape)
    drawing.edges((str(start), str(end)) for start, end in graph.edges)
    return drawing

names = {"a": a, "b": b, "x": x_train_tensor, "error": error}
draw_graph(in_words(graph_of(loss), names), "loss_in_words")

# %% What backward gives back
loss.backward()
try:
    print(square._saved_self)
except RuntimeError as error_message:
    freed = str(error_message)
print(freed.split(". ")[0])
try:
    loss.backward()
except RuntimeError as error_message:
    print(f"a second backward says the same: {str(error_message) == freed}")
print(f"nodes that are still there: {len(graph_of(loss).nodes)}")

loss = ((y_train_tensor - (a + b * x_train_tensor)) ** 2).mean()
b.grad.zero_()
loss.backward(retain_graph=True)
once = b.grad.clone()
loss.backward()
print(f"b.grad after one backward {once.item():.3f}, after two {b.grad.item():.3f}")

features, labels = x_train_tensor.clone(), y_train_tensor.clone()
loss = ((labels - (a + b * features)) ** 2).mean()
labels.zero_()  # the difference keeps no values
b.grad.zero_()
loss.backward(retain_graph=True)
print(f"labels changed, gradient as before: {torch.equal(b.grad, once)}")

features.zero_()  # the multiplication keeps these
try:
    loss.backward()
except RuntimeError as error_message:
    in_place_error = str(error_message)
print(f"features changed {features._version} time: {in_place_error.split(':')[0]}")

# %% A frozen parameter
a.requires_grad_(False)
yhat_frozen = a + b * x_train_tensor
drawn_frozen = make_dot(yhat_frozen, params={"b": b, "yhat": yhat_frozen})
draw_graph(drawn_frozen, "net2")
frozen = graph_of(yhat_frozen)
print([type(node).__name__ for node in frozen.nodes])
print(f"the same: {same_graph(frozen, drawn_frozen)}")
a.requires_grad_(True)
print(f"thawed, a needs a gradient again: {a.requires_grad}")

# %% A graph with an if
def nonsensical_loss(
    a: torch.Tensor, b: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Return the mean squared error; where it is above 1, add that of the line without a."""
    loss = ((y - (a + b * x)) ** 2).mean()
    if loss > 1:
        loss = loss + ((y - b * x) ** 2).mean()
    return loss

counts = []
for a_value, b_value in ((1, 2), (0, 0)):
    a = torch.tensor([float(a_value)], requires_grad=True, device=device)
    b = torch.tensor([float(b_value)], requires_grad=True, device=device)
    loss = nonsensical_loss(a, b, x_train_tensor, y_train_tensor)
    drawn_if = make_dot(loss, params={"a": a, "b": b, "loss": loss})
    counts.append(len(graph_of(loss).nodes))
    print(f"a = {a_value}, b = {b_value}: loss {loss.item():.4f}, {counts[-1]} nodes,", end=" ")
    print(f"the same: {same_graph(graph_of(loss), drawn_if)}")
draw_graph(drawn_if, "nonsensical")

# %% What must hold
kinds = [type(node).__name__ for node in prediction.nodes]
assert kinds == ["AddBackward0", "AccumulateGrad", "MulBackward0", "AccumulateGrad"]
assert prediction.edges == [(0, 1), (0, 2), (2, 3)]
assert same_graph(prediction, net)
assert not same_graph(prediction, drawn_loss)
assert same_graph(frozen, drawn_frozen)
assert same_graph(graph_of(loss), drawn_if)
assert counts == [7, 12]
assert kept_bytes(silent) == 0
assert "already been freed" in freed
assert "modified by an inplace operation" in in_place_error
print("checked: our graph is torchviz's, node for node; what it keeps, frees and checks")
