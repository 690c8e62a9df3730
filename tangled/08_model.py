"""Chapter 8: the same descent with the parameters and the formula in a module."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import graphviz
import numpy as np
import torch
from torch import nn, optim
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

# %% A module by hand
class ManualLinearRegression(nn.Module):
    """The line y = a + b x, for inputs of shape (rows, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(1))
        self.b = nn.Parameter(torch.randn(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a + b x, in the shape of x."""
        return self.a + self.b * x

# %% parameters and state_dict
torch.manual_seed(42)
model = ManualLinearRegression().to(device)
optimizer = optim.SGD(model.parameters(), lr=0.1)
start = {name: value.item() for name, value in model.state_dict().items()}
print([name for name, _ in model.named_parameters()])
print(f"start: a = {start['a']:.4f}, b = {start['b']:.4f}")
print(optimizer.state_dict()["param_groups"][0]["lr"], optimizer.state_dict()["state"])

normalise = nn.BatchNorm1d(1)
print("parameters:", [name for name, _ in normalise.named_parameters()])
print("buffers:   ", [name for name, _ in normalise.named_buffers()])
print("state dict:", list(normalise.state_dict()))

# %% device
print(next(model.parameters()).device, next(model.parameters()).is_leaf)

# %% forward
def note_shapes(shapes: list[tuple[int, ...]]) -> Callable:
    """Return a hook that appends the shape of each output to the list."""
    return lambda module, inputs, output: shapes.append(tuple(output.shape))


seen = []
hook = model.register_forward_hook(note_shapes(seen))
model(x_train_tensor)
after_call = list(seen)
model.forward(x_train_tensor)
after_forward = list(seen)
hook.remove()
print(f"the hook saw {after_call} after the call, {after_forward} after forward as well")

# %% train and eval
dropout = nn.Dropout(0.5)
dropout.train()
in_training = dropout(torch.ones(8))
dropout.eval()
in_evaluation = dropout(torch.ones(8))
print(in_training.tolist())
print(in_evaluation.tolist())

# %% The loop
loss_fn = nn.MSELoss()
for _ in range(1000):
    model.train()
    yhat = model(x_train_tensor)
    loss = loss_fn(yhat, y_train_tensor)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
end = {name: value.item() for name, value in model.state_dict().items()}
print(f"end: a = {end['a']:.4f}, b = {end['b']:.4f}")

# %% A module in a module
class LayerLinearRegression(nn.Module):
    """The same line, with its parameters inside a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the line at x, in the shape (rows, 1)."""
        return self.linear(x)

layer_model = LayerLinearRegression().to(device)
print([name for name, _ in layer_model.named_parameters()])
with torch.no_grad():
    layer_model.linear.bias.copy_(model.a)
    layer_model.linear.weight.copy_(model.b.view(1, 1))
    difference = (layer_model(x_train_tensor) - model(x_train_tensor)).abs().max().item()
print(f"largest difference: {difference:.1e}")

# %% Layers
class TwoLayers(nn.Module):
    """Three features, four hidden values, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.output = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map the shape (rows, 3) to (rows, 1)."""
        return self.output(torch.relu(self.hidden(x)))

network = TwoLayers().to(device)
for name, parameter in network.named_parameters():
    print(f"{name:<13} {tuple(parameter.shape)}")
print(f"numbers to learn: {sum(parameter.numel() for parameter in network.parameters())}")
prediction = network(torch.ones(1, 3, device=device))
params = dict(network.named_parameters()) | {"yhat": prediction}
draw_graph(make_dot(prediction, params=params), "multilayer")

# %% Sequential
torch.manual_seed(42)
model = nn.Sequential(nn.Linear(1, 1)).to(device)
print(model)

# %% A train step
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch.optim import Optimizer

plt.switch_backend("agg")  # figures go to files; no window opens
plt.style.use("fivethirtyeight")

def save_figure(figure: Figure, name: str) -> None:
    """Write figures/NAME.png, whole or not at all, and close the figure."""
    Path("figures").mkdir(exist_ok=True)
    beside = Path("figures", f".{name}.new")
    figure.savefig(beside, format="png", dpi=160, metadata={"Software": None})
    beside.replace(Path("figures", f"{name}.png"))
    plt.close(figure)

def make_train_step(model: nn.Module, loss_fn: Callable, optimizer: Optimizer) -> Callable:
    """Return a function that trains on one batch and returns the loss before the step."""

    def train_step(x: torch.Tensor, y: torch.Tensor) -> float:
        model.train()
        yhat = model(x)
        loss = loss_fn(yhat, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return train_step

optimizer = optim.SGD(model.parameters(), lr=0.1)
train_step = make_train_step(model, nn.MSELoss(), optimizer)
losses = [train_step(x_train_tensor, y_train_tensor) for _ in range(1000)]
weight, bias = model[0].weight.item(), model[0].bias.item()
print(f"weight = {weight:.4f}, bias = {bias:.4f}, loss {losses[-1]:.6f}")

figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
axes.plot(range(1, 201), losses[:200], linewidth=2.5)
axes.set(title="Training loss, first 200 epochs", xlabel="epoch", ylabel="loss (MSE)", yscale="log")
save_figure(figure, "trainingloss")

# %% What must hold
np.testing.assert_allclose((start["a"], start["b"]), (0.3367, 0.1288), atol=5e-5)
np.testing.assert_allclose((end["a"], end["b"]), (1.0235, 1.9690), atol=5e-5)
np.testing.assert_allclose((weight, bias), (1.9690, 1.0235), atol=5e-5)
assert difference < 1e-6
assert len(after_call) == len(after_forward) == 1
assert set(in_training.tolist()) == {0.0, 2.0}
assert in_evaluation.tolist() == [1.0] * 8
assert "running_mean" in normalise.state_dict()
print("checked: by hand, as a layer and as Sequential, the model is the same line")
