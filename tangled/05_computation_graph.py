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

# %% The graph of a loss
error = y_train_tensor - yhat
loss = (error**2).mean()
draw_graph(make_dot(loss, params={"a": a, "b": b, "loss": loss}), "loss")

# %% A frozen parameter
a_frozen = a.detach()
yhat_frozen = a_frozen + b * x_train_tensor
draw_graph(make_dot(yhat_frozen, params={"b": b, "yhat": yhat_frozen}), "net2")

# %% A graph with an if
yhat = a + b * x_train_tensor
error = y_train_tensor - yhat
loss = (error**2).mean()
if loss > 0:
    yhat2 = b * x_train_tensor
    error2 = y_train_tensor - yhat2
    loss = loss + (error2**2).mean()
draw_graph(make_dot(loss, params={"a": a, "b": b, "loss": loss}), "nonsensical")

# %% What must hold
def operations(tensor: torch.Tensor) -> list[str]:
    """Return the names of all operations behind a tensor, each once, sorted."""
    seen, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting.extend(source for source, _ in node.next_functions)
    return sorted(type(node).__name__ for node in seen)

prediction = operations(a + b * x_train_tensor)
print(prediction)
print(operations(yhat_frozen))
assert prediction == ["AccumulateGrad", "AccumulateGrad", "AddBackward0", "MulBackward0"]
assert operations(yhat_frozen) == ["AccumulateGrad", "AddBackward0", "MulBackward0"]
assert operations(loss).count("PowBackward0") == 2
print("checked: x has no node, a frozen parameter has none, the if added its branch")
