"""Chapter 6: the same descent with the update done by an optimizer."""

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import optim


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

# %% One step, both ways
learning_rate = 0.1
optimizer = optim.SGD([a, b], lr=learning_rate)

loss = ((y_train_tensor - (a + b * x_train_tensor)) ** 2).mean()
loss.backward()
a_by_hand = (a - learning_rate * a.grad).item()
b_by_hand = (b - learning_rate * b.grad).item()

optimizer.step()
print(f"by hand:   a = {a_by_hand:.6f}, b = {b_by_hand:.6f}")
print(f"by step(): a = {a.item():.6f}, b = {b.item():.6f}")
np.testing.assert_allclose((a.item(), b.item()), (a_by_hand, b_by_hand), rtol=1e-6)

# %% zero_grad sets None
optimizer.zero_grad()
print(f"a.grad is {a.grad}")
try:
    a.grad * 2
except TypeError as error_message:
    print(error_message)

# %% The loop
torch.manual_seed(42)
a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
optimizer = optim.SGD([a, b], lr=learning_rate)

for _ in range(1000):
    yhat = a + b * x_train_tensor
    error = y_train_tensor - yhat
    loss = (error**2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()

print(f"a = {a.item():.4f}, b = {b.item():.4f}")

# %% Where does zero_grad go?
def descend(x: torch.Tensor, y: torch.Tensor, clear: str) -> tuple[list[float], int]:
    """Return [a, b] after 300 epochs, and the bytes of gradients held in the last forward pass."""
    line = torch.tensor([0.5, 0.0], requires_grad=True, device=x.device)
    optimizer = optim.SGD([line], lr=0.1, momentum=0.9)
    for _ in range(300):
        if clear == "before forward":
            optimizer.zero_grad()
        held = 0 if line.grad is None else line.grad.nbytes
        loss = ((y - (line[0] + line[1] * x)) ** 2).mean()
        if clear == "before backward":
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if clear == "after step":
            optimizer.zero_grad()
    return line.tolist(), held

cleared = {}
for clear in ("before forward", "before backward", "after step"):
    (a_end, b_end), held = cleared[clear] = descend(x_train_tensor, y_train_tensor, clear)
    print(f"{clear:<15} a = {a_end:.4f}, b = {b_end:.4f}, {held} bytes held in the forward pass")

# %% An optimizer by hand

class OptimizerByHand:
    """Holds parameters, with a memory for each; a subclass says how to update one.

    A parameter is anything with data and grad, both of them tensors or both NumPy arrays.
    """

    def __init__(self, params) -> None:
        self.params = list(params)
        self.memories = [{} for _ in self.params]

    def update(self, parameter, memory: dict) -> None:
        """Change parameter.data, by parameter.grad and by what is in the memory."""
        raise NotImplementedError

    def step(self) -> None:
        """Update each parameter that has a gradient."""
        for parameter, memory in zip(self.params, self.memories, strict=True):
            if parameter.grad is not None:
                self.update(parameter, memory)

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for parameter in self.params:
            parameter.grad = None

w = torch.tensor(3.0, requires_grad=True)
square = w * w  # the graph keeps w, because the gradient is 2w
w.data -= 1
square.backward()
silent = w.grad.item()
print(f"changed through data: the gradient is {silent:.0f} in place of 6")

w = torch.tensor(3.0, requires_grad=True)
square = w * w
with torch.no_grad():
    w -= 1
try:
    square.backward()
except RuntimeError as error_message:
    noticed = str(error_message).split(": ")[0]
print(f"changed under no_grad: {noticed}")

# %% Momentum

class SGDByHand(OptimizerByHand):
    """Gradient descent with momentum (Polyak, 1964), or Nesterov's (Sutskever et al., 2013).

    Raises ValueError where nesterov is asked for without a momentum, or with dampening.
    """

    def __init__(
        self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False
    ) -> None:
        super().__init__(params)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum, and no dampening")
        self.lr, self.momentum, self.dampening = lr, momentum, dampening
        self.weight_decay, self.nesterov = weight_decay, nesterov

    def update(self, parameter, memory: dict) -> None:
        """Step along the velocity, or along the gradient where there is no momentum."""
        step = gradient = parameter.grad + self.weight_decay * parameter.data
        if self.momentum != 0:
            velocity = gradient  # the first one is taken as it is
            if "velocity" in memory:
                velocity = self.momentum * memory["velocity"] + (1 - self.dampening) * gradient
            memory["velocity"] = velocity
            step = gradient + self.momentum * velocity if self.nesterov else velocity
        parameter.data -= self.lr * step

def largest_difference(by_hand: type, theirs: type, **settings: Any) -> float:
    """Take 100 steps with both optimizers; return how far apart their parameters ever get."""
    generator = torch.Generator().manual_seed(42)
    start = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    ours, torchs = start.clone().requires_grad_(), start.clone().requires_grad_()
    optimizers = by_hand([ours], **settings), theirs([torchs], **settings)
    differences = []
    for _ in range(100):
        ours.grad = torch.randn(3, 4, generator=generator, dtype=torch.float64)
        torchs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
        differences.append((ours - torchs).abs().max().item())
    return float(np.max(differences))


def compare(by_hand: type, theirs: type, *choices: dict[str, Any]) -> float:
    """Print the largest difference for each choice of settings; return the largest of all."""
    differences = [largest_difference(by_hand, theirs, **settings) for settings in choices]
    for settings, difference in zip(choices, differences, strict=True):
        words = ", ".join(f"{name}={value}" for name, value in settings.items()) or "defaults"
        print(f"{theirs.__name__}, {words}: largest difference {difference:.12f}")
    return float(np.max(differences))

differences = {}
differences["SGD"] = compare(
    SGDByHand,
    optim.SGD,
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.5},
    {"momentum": 0.9, "nesterov": True},
    {"weight_decay": 0.1},
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
)

# %% RMSprop

class RMSpropByHand(OptimizerByHand):
    """Gradients over the root of their mean square (Hinton, 2012); centered: Graves (2013)."""

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False
    ) -> None:
        super().__init__(params)
        self.lr, self.alpha, self.eps = lr, alpha, eps
        self.weight_decay, self.momentum, self.centered = weight_decay, momentum, centered

    def update(self, parameter, memory: dict) -> None:
        """Step along the gradient, each element measured by its own usual size."""
        gradient = parameter.grad + self.weight_decay * parameter.data
        square = self.alpha * memory.get("square", 0) + (1 - self.alpha) * gradient**2
        memory["square"] = square
        if self.centered:
            mean = self.alpha * memory.get("mean", 0) + (1 - self.alpha) * gradient
            memory["mean"] = mean
            square = square - mean**2
        step = gradient / (square**0.5 + self.eps)
        if self.momentum != 0:
            step = memory["velocity"] = self.momentum * memory.get("velocity", 0) + step
        parameter.data -= self.lr * step

differences["RMSprop"] = compare(
    RMSpropByHand,
    optim.RMSprop,
    {},
    {"alpha": 0.9},
    {"eps": 0.1},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"centered": True},
    {"lr": 0.1, "weight_decay": 0.1, "momentum": 0.9, "centered": True},
)

# %% Adam

class AdamByHand(OptimizerByHand):
    """Running means of gradient and square, corrected (Kingma and Ba, 2015).

    The option amsgrad is from Reddi et al. (2018).
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False
    ) -> None:
        super().__init__(params)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.weight_decay, self.amsgrad = weight_decay, amsgrad

    def update(self, parameter, memory: dict) -> None:
        """Step along the mean gradient over the root of the mean square."""
        beta1, beta2 = self.betas
        gradient = parameter.grad + self.weight_decay * parameter.data
        steps = memory["steps"] = memory.get("steps", 0) + 1
        mean = memory["mean"] = beta1 * memory.get("mean", 0) + (1 - beta1) * gradient
        square = memory["square"] = beta2 * memory.get("square", 0) + (1 - beta2) * gradient**2
        if self.amsgrad:  # the larger of the two, element by element
            largest = memory.get("largest", 0)
            square = memory["largest"] = square * (square > largest) + largest * (square <= largest)
        corrected_mean = mean / (1 - beta1**steps)
        corrected_square = square / (1 - beta2**steps)
        parameter.data -= self.lr * corrected_mean / (corrected_square**0.5 + self.eps)

differences["Adam"] = compare(
    AdamByHand,
    optim.Adam,
    {},
    {"betas": (0.8, 0.95)},
    {"eps": 0.1},
    {"weight_decay": 0.1},
    {"amsgrad": True},
    {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True},
)

first_steps = {}
for rule in (SGDByHand, RMSpropByHand, AdamByHand):
    for size in (1.0, 1000.0):
        w = torch.zeros(1, requires_grad=True)
        w.grad = torch.full((1,), size)
        rule([w], lr=0.1).step()
        first_steps[rule.__name__, size] = -w.item()
        print(f"{rule.__name__:<13} gradient {size:>6}: a step of {-w.item():.4f}")

# %% AdamW

class AdamWByHand(AdamByHand):
    """Adam with a weight decay that stays out of the gradient (Loshchilov and Hutter, 2019)."""

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay=0, amsgrad=amsgrad)
        self.decay = weight_decay

    def update(self, parameter, memory: dict) -> None:
        """Shrink the parameter, then take Adam's step."""
        parameter.data *= 1 - self.lr * self.decay
        super().update(parameter, memory)

differences["AdamW"] = compare(
    AdamWByHand,
    optim.AdamW,
    {},
    {"weight_decay": 0},
    {"lr": 0.1, "weight_decay": 0.1},
    {"lr": 0.1, "betas": (0.8, 0.95), "eps": 0.1, "amsgrad": True},
)

# %% None is not zero
after = {}
for set_to_none in (True, False):
    w = torch.ones(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.1)
    w.sum().backward()
    optimizer.step()
    first = w.item()
    optimizer.zero_grad(set_to_none=set_to_none)
    optimizer.step()
    after[set_to_none] = first, w.item()
    print(f"grad {w.grad}: {first:.2f} after one step, {w.item():.2f} after two")

# %% Other optimizers
refused = {
    "Nesterov without momentum": lambda w: optim.SGD([w], nesterov=True),
    "LBFGS without a closure": lambda w: optim.LBFGS([w]).step(),
    "Muon, one dimension": lambda w: optim.Muon([w]),
    "SparseAdam, dense gradient": lambda w: optim.SparseAdam([w]).step(),
}
refusals = {}
for name, call in refused.items():
    w = torch.ones(2, requires_grad=True)
    w.sum().backward()
    try:
        call(w)
    except (TypeError, ValueError, RuntimeError) as error_message:
        refusals[name] = type(error_message).__name__
        print(error_message)

def make_closure(
    optimizer: optim.Optimizer, line: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> Callable:
    """Return a function that computes the loss of a line and its gradients anew."""

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((y - (line[0] + line[1] * x)) ** 2).mean()
        loss.backward()
        return loss

    return closure

line = torch.tensor([0.5, 0.0], requires_grad=True, device=device)
optimizer = optim.LBFGS([line])
optimizer.step(make_closure(optimizer, line, x_train_tensor, y_train_tensor))
lbfgs_end = line.tolist()
print(f"LBFGS after one step: a = {lbfgs_end[0]:.3f}, b = {lbfgs_end[1]:.3f}")

# %% Do they all end at the same line?
def follow(
    make_optimizer: Callable, x: torch.Tensor, y: torch.Tensor, epochs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss and the line [a, b] before each step, from a = 0.5 and b = 0 on."""
    line = torch.tensor([0.5, 0.0], dtype=x.dtype, requires_grad=True, device=x.device)
    optimizer = make_optimizer([line])
    losses, path = [], []
    for _ in range(epochs):
        loss = ((y - (line[0] + line[1] * x)) ** 2).mean()
        losses.append(loss.item())
        path.append(line.tolist())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return np.array(losses), np.array(path)

columns = np.hstack([np.ones_like(x_train), x_train])
curvature = 2 * columns.T @ columns / len(columns)
slope = 2 * columns.T @ y_train.ravel() / len(columns)
minimum = np.linalg.solve(curvature, slope)

choices = {
    "SGD": lambda parameters: optim.SGD(parameters, lr=0.1),
    "SGD, momentum 0.9": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "RMSprop": lambda parameters: optim.RMSprop(parameters, lr=0.05),
    "RMSprop, rate 0.1": lambda parameters: optim.RMSprop(parameters, lr=0.1),
    "Adam": lambda parameters: optim.Adam(parameters, lr=0.02),
    "Adam, rate 0.1": lambda parameters: optim.Adam(parameters, lr=0.1),
}

ends, distances, paths = {}, {}, {}
for name, make_optimizer in choices.items():
    losses, paths[name] = follow(make_optimizer, x_train_tensor, y_train_tensor, epochs=1600)
    ends[name] = int(np.argmax(losses < 0.0081)) + 1
    distances[name] = np.abs(paths[name][-1] - minimum).max()
    print(f"{name:<18} below 0.0081 in epoch {ends[name]:>4}, ends {distances[name]:.3f} off")

from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

plt.switch_backend("agg")  # figures go to files; no window opens
plt.style.use("fivethirtyeight")

def save_figure(figure: Figure, name: str) -> None:
    """Write figures/NAME.png, whole or not at all, and close the figure."""
    Path("figures").mkdir(exist_ok=True)
    beside = Path("figures", f".{name}.new")
    figure.savefig(beside, format="png", dpi=160, metadata={"Software": None})
    beside.replace(Path("figures", f"{name}.png"))
    plt.close(figure)

a_axis, b_axis = np.meshgrid(np.linspace(0.1, 2.7, 131), np.linspace(-0.3, 2.6, 146))
errors = y_train.ravel() - a_axis[..., None] - b_axis[..., None] * x_train.ravel()
figure, axes = plt.subplots(figsize=(10, 8.5), layout="constrained")
levels = np.geomspace(0.01, 3, 12)
axes.contour(a_axis, b_axis, (errors**2).mean(-1), levels, colors="grey", linewidths=1)
epochs = 40
x_64, y_64 = x_train_tensor.cpu().double(), y_train_tensor.cpu().double()  # the same anywhere
marked = ("SGD", "SGD, momentum 0.9", "Adam, rate 0.1")
for name, marker, color in zip(marked, ("o-", "s-", "^-"), ("C0", "C1", "C3"), strict=True):
    _, path = follow(choices[name], x_64, y_64, epochs + 1)
    axes.plot(*path.T, marker, color=color, linewidth=2, markersize=8)
axes.plot(*minimum, "*", color="black", markersize=26)
axes.set(title=f"{epochs} epochs from one start, rate 0.1", xlabel="a", ylabel="b")
axes.tick_params(labelsize=17)
axes.legend(("SGD", "SGD with momentum", "Adam"), loc="upper right", fontsize=18)
save_figure(figure, "optimizer_paths")

decayed = np.linalg.solve(curvature + 0.01 * np.eye(2), slope)
moved = np.abs(decayed - minimum).max()
print(f"loss plus decay: minimum at {decayed[0]:.4f}, {decayed[1]:.4f}, {moved:.4f} away")

decays = {
    "SGD": lambda parameters: optim.SGD(parameters, lr=0.1, weight_decay=0.01),
    "Adam": lambda parameters: optim.Adam(parameters, lr=0.1, weight_decay=0.01),
    "AdamW": lambda parameters: optim.AdamW(parameters, lr=0.1, weight_decay=0.01),
}
decay_ends = {}
for name, make_optimizer in decays.items():
    _, path = follow(make_optimizer, x_train_tensor, y_train_tensor, epochs=800)
    a_end, b_end = decay_ends[name] = path[-1]
    off = np.abs(path[-1] - minimum).max()
    print(f"{name:<5} with a decay of 0.01 ends at {a_end:.4f}, {b_end:.4f}: {off:.4f} away")

# %% What must hold
np.testing.assert_allclose((a.item(), b.item()), (1.0235, 1.9690), atol=5e-5)
assert a.grad is None
assert cleared["before forward"] == cleared["after step"]
assert cleared["before backward"] == (cleared["after step"][0], 8)
assert cleared["after step"][1] == 0
assert (silent, "inplace" in noticed) == (4, True)
assert list(differences) == ["SGD", "RMSprop", "Adam", "AdamW"]
assert max(differences.values()) < 1e-12
np.testing.assert_allclose(list(first_steps.values()), (0.1, 100, 1, 1, 0.1, 0.1), rtol=1e-5)
np.testing.assert_allclose(after[True], (0.89, 0.89), rtol=1e-6)
np.testing.assert_allclose(after[False], (0.89, 0.7821), rtol=1e-6)

assert list(refusals.values()) == ["ValueError", "TypeError", "ValueError", "RuntimeError"]
np.testing.assert_allclose(lbfgs_end, minimum, atol=1e-4)
assert ends["SGD, momentum 0.9"] < ends["SGD"]
assert ends["Adam, rate 0.1"] < ends["SGD"] < ends["Adam"]
settled = [name for name in distances if not name.startswith("RMSprop")]
assert max(distances[name] for name in settled) < 1e-4
np.testing.assert_allclose(distances["RMSprop, rate 0.1"], 0.05, rtol=0.01)
np.testing.assert_allclose(decay_ends["SGD"], decayed, atol=1e-4)
np.testing.assert_allclose(decay_ends["Adam"], decayed, atol=1e-4)
assert np.abs(decay_ends["AdamW"] - minimum).max() < moved / 10
print("checked: step() is the update by hand, each rule is PyTorch's, and the ends are told apart")
