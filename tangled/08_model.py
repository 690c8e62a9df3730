"""Chapter 8: the same descent with the parameters and the formula in a module."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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

# %% Collect and name

class ParameterByHand(torch.Tensor):
    """A leaf that needs gradients, and that a module recognises by its class."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __new__(cls, numbers: torch.Tensor) -> "ParameterByHand":
        """Return a parameter that shares its memory with a tensor."""
        return numbers.detach().as_subclass(cls).requires_grad_()

class RegistryByHand:
    """Notes each parameter and each module that is assigned to it, and lists the parameters."""

    parameter_class = ParameterByHand

    def __init__(self) -> None:
        vars(self)["_registered"] = {}  # past __setattr__, which needs it

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, (self.parameter_class, RegistryByHand)):
            self._registered[name] = value
        elif name in self._registered:
            raise TypeError(f"{name} is registered: a {type(value).__name__} cannot replace it")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._registered.pop(name, None)
        super().__delattr__(name)

    def _walk(self, prefix: str = "") -> Iterator[tuple[str, ParameterByHand]]:
        for name, value in self._registered.items():
            if isinstance(value, self.parameter_class):
                yield prefix + name, value
        for name, value in self._registered.items():
            if isinstance(value, RegistryByHand):
                yield from value._walk(f"{prefix}{name}.")

    def named_parameters(self) -> Iterator[tuple[str, ParameterByHand]]:
        """Yield each parameter once, with the first of its names."""
        first = {}
        for name, parameter in self._walk():
            first.setdefault(id(parameter), (name, parameter))
        yield from first.values()

    def parameters(self) -> Iterator[ParameterByHand]:
        """Yield each parameter once."""
        return (parameter for _, parameter in self.named_parameters())

# %% Save, load, move, switch

class StateByHand(RegistryByHand):
    """Gives its numbers out by name, and takes them back."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return all names with the numbers: tensors that share the parameters' memory."""
        return {name: parameter.data for name, parameter in self._walk()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Copy numbers into the parameters; raise, and change nothing, where one does not fit."""
        own = self.state_dict()
        problems = [f"{name} is missing" for name in own if name not in state]
        problems += [f"{name} is unexpected" for name in state if name not in own]
        for name, numbers in own.items():
            if name in state and state[name].shape != numbers.shape:
                problems.append(f"{name} is {tuple(state[name].shape)}, not {tuple(numbers.shape)}")
        if problems:
            raise RuntimeError("; ".join(problems))
        for name, numbers in own.items():
            numbers[...] = state[name]

class ModuleByHand(StateByHand):
    """A model: what is registered in it, a mode, and a formula in forward."""

    training = True

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return what forward returns."""
        return self.forward(*inputs)

    def to(self, target: torch.device | torch.dtype | str) -> "ModuleByHand":
        """Move the numbers to a device, or cast them to a type, and return the module itself."""
        for parameter in self.parameters():
            for tensor in (parameter, parameter.grad):
                if tensor is not None:
                    tensor.data = tensor.data.to(target)
        return self

    def train(self, mode: bool = True) -> "ModuleByHand":
        """Set the mode here and in every module inside, and return the module itself."""
        self.training = mode
        for inside in self._registered.values():
            if isinstance(inside, ModuleByHand):
                inside.train(mode)
        return self

    def eval(self) -> "ModuleByHand":
        """Leave training mode."""
        return self.train(False)

# %% A network by hand
class LinearByHand(ModuleByHand):
    """A layer that computes x W.T + b, for x of shape (rows, inputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = ParameterByHand(torch.randn(outputs, inputs))
        self.bias = ParameterByHand(torch.randn(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map the shape (rows, inputs) to (rows, outputs)."""
        return x @ self.weight.T + self.bias


class TwoLayersByHand(ModuleByHand):
    """Three features, four hidden values, one output."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = LinearByHand(3, 4)
        self.output = LinearByHand(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map the shape (rows, 3) to (rows, 1)."""
        return self.output(torch.relu(self.hidden(x)))

by_hand = TwoLayersByHand()
print("names:", list(by_hand.state_dict()))

weight_before = by_hand.hidden.weight
by_hand.to(torch.float64)
kept = by_hand.hidden.weight is weight_before
print(f"cast to {weight_before.dtype}: the same object {kept}, leaf {weight_before.is_leaf}")
mode = by_hand.hidden.training
print(f"hidden layer in training mode: {mode}, after eval(): {by_hand.eval().hidden.training}")
state = by_hand.state_dict()
state["extra"] = state.pop("output.bias")
try:
    by_hand.load_state_dict(state)
except RuntimeError as error:
    strict_error = str(error)
print(strict_error)

# %% nn.Module

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
taken = model.state_dict()
start = {name: value.item() for name, value in taken.items()}
print([name for name, _ in model.named_parameters()])
print(f"start: a = {start['a']:.4f}, b = {start['b']:.4f}")
print("an optimizer's state dict:", list(optimizer.state_dict()))

normalise = nn.BatchNorm1d(1)
print("parameters:", [name for name, _ in normalise.named_parameters()])
print("buffers:   ", [name for name, _ in normalise.named_buffers()])
print("state dict:", list(normalise.state_dict()))

holder = nn.Module()
holder.register_buffer("kept", torch.zeros(1))
holder.register_buffer("scratch", torch.zeros(1), persistent=False)
print([name for name, _ in holder.named_buffers()], "of which saved:", list(holder.state_dict()))

half = nn.Linear(1, 1)
try:
    half.load_state_dict({"weight": torch.tensor([[7.0]])})
except RuntimeError as error:
    print(" ".join(str(error).split()))
print(f"and yet the weight is now {half.weight.item()}")

# %% device
moved = nn.BatchNorm1d(1)
before = dict(moved.named_parameters()) | dict(moved.named_buffers())
moved.to(torch.float64)
after = dict(moved.named_parameters()) | dict(moved.named_buffers())
same = {name: after[name] is before[name] for name in before}
for name in before:
    print(f"{name:<20}{'the same object' if same[name] else 'another object'}, {after[name].dtype}")

layer = nn.Linear(1, 1)
adam = optim.Adam(layer.parameters())
layer(torch.ones(1, 1)).sum().backward()
adam.step()
layer.to(torch.float64)
try:
    adam.step()
except RuntimeError as error:
    late_move = str(error)
print(late_move)

print("the model is on", next(model.parameters()).device)

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

hook = model.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
replaced, direct = model(x_train_tensor[:1]).item(), model.forward(x_train_tensor[:1]).item()
hook.remove()
print(f"a hook that returns zeros: call {replaced:.4f}, forward {direct:.4f}")

# %% train and eval
dropout = nn.Dropout(0.5)
draws = dropout(torch.ones(10000, 8))
in_training = draws[0]
dropout.eval()
in_evaluation = dropout(torch.ones(8))
print(in_training.tolist(), "has the sum", in_training.sum().item())
print(in_evaluation.tolist())
mean_sum = draws.sum(dim=1).mean().item()
print(f"mean of {len(draws)} sums in training: {mean_sum:.1f}")

tens = torch.full((4, 1), 10.0)
with torch.no_grad():
    normalise(tens)
    in_train_mode = normalise.running_mean.item()
normalise.eval()
normalise(tens)
in_eval_mode = normalise.running_mean.item()
print(f"running mean: {in_train_mode:.1f} after a call in training mode, without gradients")
print(f"              {in_eval_mode:.1f} after one in evaluation mode, with them")

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
print(f"taken before the loop, read after it: a = {taken['a'].item():.4f}")
print("what SGD remembers:", optimizer.state_dict()["state"])

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
print(f"largest difference: {difference:.6f}")

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

def forward_in_numpy(state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return the network's output, of shape (rows, 1), for x of shape (rows, 3)."""
    hidden = np.maximum(0, x @ state["hidden.weight"].T + state["hidden.bias"])
    return hidden @ state["output.weight"].T + state["output.bias"]


exact = TwoLayers().to(torch.float64)
by_hand.load_state_dict(exact.state_dict())
state = {name: value.numpy() for name, value in exact.state_dict().items()}
inputs = torch.randn(50, 3, dtype=torch.float64)
with torch.no_grad():
    by_torch = exact(inputs)
    module_difference = (by_hand(inputs) - by_torch).abs().max().item()
    numpy_difference = np.abs(forward_in_numpy(state, inputs.numpy()) - by_torch.numpy()).max()
print(f"largest difference: {numpy_difference:.12f} in NumPy, {module_difference:.12f} by hand")

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
losses = []

for _ in range(1000):
    losses.append(train_step(x_train_tensor, y_train_tensor))

weight, bias = model[0].weight.item(), model[0].bias.item()
print(f"weight = {weight:.4f}, bias = {bias:.4f}, loss {losses[-1]:.6f}")

figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
axes.plot(range(1, 201), losses[:200], linewidth=2.5)
axes.set(title="Training loss, first 200 epochs", xlabel="epoch", ylabel="loss (MSE)", yscale="log")
save_figure(figure, "trainingloss")

# %% By hand and by PyTorch
lines = {
    "nn.Linear": nn.Linear(1, 1),
    "LinearByHand": LinearByHand(1, 1),
    "ManualLinearRegression": ManualLinearRegression(),
}
first = lines["nn.Linear"].state_dict()
lines["LinearByHand"].load_state_dict(first)
lines["ManualLinearRegression"].load_state_dict({"a": first["bias"], "b": first["weight"][0]})

x_exact, y_exact = torch.from_numpy(x_train), torch.from_numpy(y_train)
histories = {}
for name, line in lines.items():
    line.to(torch.float64)
    one_step = make_train_step(line, nn.MSELoss(), optim.SGD(line.parameters(), lr=0.1))
    history = [one_step(x_exact, y_exact) for _ in range(200)]
    histories[name] = np.append(history, line(x_exact).detach())
    apart = np.abs(histories[name] - histories["nn.Linear"]).max()
    values = ", ".join(f"{key} {value.item():.4f}" for key, value in line.state_dict().items())
    print(f"{name:<23}{values}, largest difference: {apart:.12f}")

# %% What must hold
np.testing.assert_allclose((start["a"], start["b"]), (0.3367, 0.1288), atol=5e-5)
np.testing.assert_allclose((end["a"], end["b"]), (1.0235, 1.9690), atol=5e-5)
np.testing.assert_allclose((weight, bias), (1.9690, 1.0235), atol=5e-5)
for history in histories.values():
    np.testing.assert_allclose(history, histories["nn.Linear"], rtol=1e-12)
assert max(module_difference, numpy_difference) < 1e-12 and difference < 1e-6
assert list(by_hand.state_dict()) == list(network.state_dict()) and kept
assert strict_error == "output.bias is missing; extra is unexpected"
assert taken["a"].item() == end["a"] and optimizer.state_dict()["state"] == {}
assert half.weight.item() == 7 and list(holder.state_dict()) == ["kept"]
assert [name for name in same if not same[name]] == ["running_mean", "running_var"]
assert "dtype" in late_move
assert len(after_call) == len(after_forward) == 1 and replaced == 0 != direct
assert set(in_training.tolist()) == {0.0, 2.0} and in_evaluation.tolist() == [1.0] * 8
assert abs(mean_sum - 8) < 0.15 and in_train_mode == in_eval_mode == 1
print("checked: by hand, as a layer and as Sequential, the model is the same line")
