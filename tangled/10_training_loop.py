"""Chapter 10: validation after each epoch, the loop as functions, and the final code."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import nn, optim
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Subset, TensorDataset, random_split
from tqdm import tqdm


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

plt.switch_backend("agg")  # figures go to files; no window opens
plt.style.use("fivethirtyeight")
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

# %% The data, split by PyTorch

torch.manual_seed(42)
dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
train_dataset, val_dataset = random_split(dataset, [80, 20])
train_loader = DataLoader(train_dataset, batch_size=16)
val_loader = DataLoader(val_dataset, batch_size=20)

# %% Evaluation
model = nn.Sequential(nn.Linear(1, 1)).to(device)
loss_fn = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.1)
train_step = make_train_step(model, loss_fn, optimizer)

losses, val_losses = [], []
for _ in tqdm(range(100), disable=None):
    batch_losses = [train_step(xb.to(device), yb.to(device)) for xb, yb in train_loader]
    losses.append(np.mean(batch_losses))
    model.eval()
    with torch.no_grad():
        for x_batch, y_batch in val_loader:
            yhat = model(x_batch.to(device))
            val_losses.append(loss_fn(yhat, y_batch.to(device)).item())
written_out = losses, val_losses
print(f"last epoch: training loss {losses[-1]:.5f}, validation loss {val_losses[-1]:.5f}")

def plot_train_val(losses: list[float], val_losses: list[float], title: str) -> Figure:
    """Draw training and validation loss against the epoch, on a logarithmic scale."""
    figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
    epochs = range(1, len(losses) + 1)
    axes.plot(epochs, losses, label="training loss", linewidth=2.5)
    axes.plot(epochs, val_losses, "--", label="validation loss", linewidth=2.5)
    axes.set(title=title, xlabel="epoch", ylabel="loss (MSE)", yscale="log")
    axes.legend()
    return figure

figure = plot_train_val(losses, val_losses, "Both losses, first 100 epochs")
save_figure(figure, "train_val_curves2")
lower = [epoch for epoch in range(1, 101) if val_losses[epoch - 1] < losses[epoch - 1]]
print(f"validation is lower in {len(lower)} epochs, from {lower[0]} to {lower[-1]}")

# %% How can validation be better than training?

def validation(model: nn.Module, loss_fn: Callable, val_loader: DataLoader) -> float:
    """Return the mean loss over all samples of val_loader; each batch counts by its size."""
    device = next(model.parameters()).device
    model.eval()
    total, samples = 0.0, 0
    with torch.no_grad():
        for x_batch, y_batch in val_loader:
            x_batch, y_batch = x_batch.to(device), y_batch.to(device)
            total += loss_fn(model(x_batch), y_batch).item() * len(x_batch)
            samples += len(x_batch)
    return total / samples

torch.manual_seed(42)
random_split(dataset, [80, 20])  # draws what the loaders drew, so that the start is the same
fresh_model = nn.Sequential(nn.Linear(1, 1)).to(device)
fresh_step = make_train_step(fresh_model, loss_fn, optim.SGD(fresh_model.parameters(), lr=0.1))
during, after, lines = [], [], []
for _ in range(100):
    during.append(np.mean([fresh_step(xb.to(device), yb.to(device)) for xb, yb in train_loader]))
    after.append(validation(fresh_model, loss_fn, train_loader))
    lines.append([parameter.item() for parameter in fresh_model.parameters()])
print(f"training loss of the first epoch: {during[0]:.4f} measured during, {after[0]:.4f} after it")
print(f"validation loss of the first epoch: {val_losses[0]:.4f}")
still_lower = [epoch for epoch in range(1, 101) if val_losses[epoch - 1] < after[epoch - 1]]
print(f"still lower in {len(still_lower)} epochs, from {still_lower[0]} to {still_lower[-1]}")
print(f"higher from epoch {still_lower[-1] + 1} on")

def noise_in(part: Subset, x: np.ndarray, y: np.ndarray, a: float, b: float) -> float:
    """Return the mean squared distance of a part's points from y = a + bx."""
    rows = part.indices
    return ((y[rows] - a - b * x[rows]) ** 2).mean()

train_noise = noise_in(train_dataset, x, y, true_a, true_b)
val_noise = noise_in(val_dataset, x, y, true_a, true_b)
print(f"mean squared noise: {train_noise:.5f} in the 80 points, {val_noise:.5f} in the 20")

variances = [x[part.indices].var() for part in (train_dataset, val_dataset)]
print(f"variance of x: {variances[0]:.3f} in the 80 points, {variances[1]:.3f} in the 20")
misses = [
    [noise_in(part, x, bias + weight * x, true_a, true_b) for part in (train_dataset, val_dataset)]
    for weight, bias in lines
]
print(f"after 10 epochs the line misses by {misses[9][0]:.3f} and {misses[9][1]:.3f}")
without_noise = [epoch for epoch in range(1, 101) if misses[epoch - 1][1] < misses[epoch - 1][0]]
print(f"without noise: lower in {len(without_noise)} epochs, from {without_noise[0]} on")

# %% The loop as functions
uneven_loader = DataLoader(train_dataset, batch_size=30)
whole_loader = DataLoader(train_dataset, batch_size=80)
by_size = validation(model, loss_fn, uneven_loader)
whole = validation(model, loss_fn, whole_loader)
with torch.no_grad():
    means = [loss_fn(model(xb.to(device)), yb.to(device)).item() for xb, yb in uneven_loader]
plain = np.mean(means)
print(f"all at once {whole:.7f}, weighted {by_size:.7f}, plain mean of batches {plain:.7f}")

def train_epoch(train_step: Callable, train_loader: DataLoader, device: torch.device) -> float:
    """Take one step per batch; return the mean loss, in which each batch counts by its size."""
    total, samples = 0.0, 0
    for x_batch, y_batch in train_loader:
        loss = train_step(x_batch.to(device), y_batch.to(device))
        total += loss * len(x_batch)
        samples += len(x_batch)
    return total / samples

def train_loop(
    model: nn.Module,
    loss_fn: Callable,
    optimizer: Optimizer,
    n_epochs: int,
    train_loader: DataLoader,
    val_loader: DataLoader | None = None,
) -> tuple[list[float], list[float]]:
    """Train for n_epochs; return the training and the validation loss of each epoch.

    Without a validation loader the second list stays empty.
    """
    device = next(model.parameters()).device
    train_step = make_train_step(model, loss_fn, optimizer)
    losses, val_losses = [], []
    for _ in tqdm(range(n_epochs), disable=None):
        losses.append(train_epoch(train_step, train_loader, device))
        if val_loader is not None:
            val_losses.append(validation(model, loss_fn, val_loader))
    return losses, val_losses

# %% The final code
# 1. The data, as NumPy arrays x and y
true_a, true_b, n = 1, 2, 100
np.random.seed(42)
x = np.random.rand(n, 1)
y = true_a + true_b * x + 0.1 * np.random.randn(n, 1)
indices = np.arange(n)
np.random.shuffle(indices)
train_indices, val_indices = indices[:80], indices[80:]
x_train, y_train = x[train_indices], y[train_indices]
x_val, y_val = x[val_indices], y[val_indices]
# 2. A dataset, split in two, and a loader for each part
torch.manual_seed(42)
dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
train_dataset, val_dataset = random_split(dataset, [80, 20])
train_loader = DataLoader(train_dataset, batch_size=16)
val_loader = DataLoader(val_dataset, batch_size=20)
# 3. The model, on its device
model = nn.Sequential(nn.Linear(1, 1)).to(device)
# 4. The loss function
loss_fn = nn.MSELoss()
# 5. The optimizer, which knows the model's parameters
optimizer = optim.SGD(model.parameters(), lr=0.1)
# 6. Training, with a look at the validation set after each epoch
losses, val_losses = train_loop(model, loss_fn, optimizer, 1000, train_loader, val_loader)
# 7. What was learned
weight, bias = (parameter.item() for parameter in model.parameters())
print(f"weight = {weight:.4f}, bias = {bias:.4f}")
# 8. How it went
figure = plot_train_val(losses, val_losses, "Training and validation")
figure.axes[0].set(xscale="log", xlabel="epoch (logarithmic scale)")
save_figure(figure, "train_val_curves")

# %% A fixed order or a shuffled one
rows = train_dataset.indices
columns = np.hstack([x[rows], np.ones_like(x[rows])])
minimum = np.linalg.lstsq(columns, y[rows], rcond=None)[0].ravel()
print(f"the minimum: weight = {minimum[0]:.4f}, bias = {minimum[1]:.4f}")

import copy

copied = copy.deepcopy(model)
copied_step = make_train_step(copied, loss_fn, optim.SGD(copied.parameters(), lr=0.1))
places = []
for _ in range(2):
    for x_batch, y_batch in train_loader:
        copied_step(x_batch.to(device), y_batch.to(device))
        places.append(next(copied.parameters()).item())
    print("weight after each batch:", " ".join(f"{place:.4f}" for place in places[-5:]))

def shuffled_end(train_dataset: Subset, device: torch.device) -> list[float]:
    """Return weight and bias after 50 epochs in shuffled order, from the seed 42."""
    torch.manual_seed(42)
    loader = DataLoader(train_dataset, batch_size=16, shuffle=True)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    train_loop(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), 50, loader)
    return [parameter.item() for parameter in model.parameters()]


shuffled = [shuffled_end(train_dataset, device) for _ in range(2)]
print("two shuffled runs end at the same numbers:", shuffled[0] == shuffled[1])

# %% Nothing but our own parts
from collections.abc import Iterator
from functools import partial
from itertools import islice

from torch.utils.data import Dataset


class CustomDataset(Dataset):
    """Pairs (x, y), one for each row of two tensors with the same number of rows."""

    def __init__(self, x_tensor: torch.Tensor, y_tensor: torch.Tensor) -> None:
        self.x = x_tensor
        self.y = y_tensor

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one pair."""
        return self.x[index], self.y[index]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.x)


def sampler_by_hand(size: int, shuffle: bool, generator: torch.Generator | None) -> Iterator[int]:
    """Yield the numbers from 0 to size - 1, each once; shuffled, in an order that is drawn."""
    if not shuffle:
        yield from range(size)
        return
    if generator is None:
        seed = torch.empty((), dtype=torch.int64).random_().item()
        generator = torch.Generator().manual_seed(seed)
    yield from torch.randperm(size, generator=generator).tolist()
    torch.randperm(size, generator=generator)  # PyTorch draws another one, and does not use it


def collate_by_hand(examples: list) -> torch.Tensor | list | tuple | dict:
    """Return one batch: each number, array or tensor in the examples gets one dimension more.

    Strings stay as they are. Raises TypeError for an example of any other kind.
    """
    first = examples[0]
    if isinstance(first, (torch.Tensor, np.ndarray)):
        return torch.stack([torch.as_tensor(example) for example in examples])
    if isinstance(first, (int, float, np.number)):
        return torch.tensor(examples, dtype=torch.float64 if isinstance(first, float) else None)
    if isinstance(first, str):
        return examples
    if isinstance(first, dict):
        return {name: collate_by_hand([each[name] for each in examples]) for name in first}
    if isinstance(first, (tuple, list)):
        return [collate_by_hand(column) for column in zip(*examples, strict=True)]
    raise TypeError(f"cannot make a batch of {type(first).__name__}")


def loader_by_hand(
    dataset: Dataset,
    batch_size: int,
    shuffle: bool = False,
    generator: torch.Generator | None = None,
) -> Iterator:
    """Yield the batches of one epoch; the last one holds what is left."""
    torch.empty((), dtype=torch.int64).random_(generator=generator)  # the workers' seed, unused
    numbers = sampler_by_hand(len(dataset), shuffle, generator)
    while batch := list(islice(numbers, batch_size)):
        yield collate_by_hand([dataset[number] for number in batch])

class Recorded:
    """An array that remembers what it was computed from.

    data: the numbers, in float64. grad: their gradient, an array of the same shape; None before
    the first backward. sources: pairs of a value that this one was computed from and a function
    of this value's gradient that returns the share of that source.
    """

    __array_ufunc__ = None  # NumPy then leaves array * value to us instead of trying it itself

    def __init__(self, data: np.ndarray | float, *sources: tuple) -> None:
        self.data = np.array(data, dtype=np.float64)
        self.grad = None
        # Plain numbers and arrays are not followed: nobody asks for their gradient.
        self.sources = [source for source in sources if isinstance(source[0], Recorded)]
        self.depth = max((source.depth + 1 for source, _ in self.sources), default=0)

    def backward(self) -> None:
        """Compute the gradient of this value, which must be one number, by all values behind it."""
        if self.data.size != 1:
            raise ValueError(f"backward starts from one number, not from shape {self.data.shape}")
        order = backward_order(self)
        for value in order:
            if value.sources or value.grad is None:  # a value without sources keeps what it has
                value.grad = np.zeros_like(value.data)
        self.grad += 1
        for value in order:
            for source, share in value.sources:
                source.grad += unbroadcast(share(value.grad), source.data.shape)


def backward_order(result: Recorded) -> list[Recorded]:
    """Return a value and all behind it, each after everything that was computed from it."""
    found, known = [result], {result}
    for value in found:  # the list grows as we go through it
        for source, _ in value.sources:
            if source not in known:
                known.add(source)
                found.append(source)
    return sorted(found, key=lambda value: value.depth, reverse=True)


def unbroadcast(share: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum an array over the axes along which broadcasting stretched the shape to the array's."""
    added = tuple(range(share.ndim - len(shape)))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return share.sum(axis=added).sum(axis=stretched, keepdims=True)


def data_of(operand: Recorded | np.ndarray | float) -> np.ndarray:
    """Return the numbers of a value, an array or a plain number."""
    return operand.data if isinstance(operand, Recorded) else np.asarray(operand, np.float64)


class Arithmetic(Recorded):
    """Recorded arrays with + - * / and **, with a number or an array on either side.

    The exponent of ** is a number or an array of numbers, not a Value.
    """

    def __add__(self, other):
        x, y = self.data, data_of(other)
        return Value(x + y, (self, lambda grad: grad), (other, lambda grad: grad))

    def __mul__(self, other):
        x, y = self.data, data_of(other)
        return Value(x * y, (self, lambda grad: grad * y), (other, lambda grad: grad * x))

    def __pow__(self, n):
        x = self.data
        return Value(x**n, (self, lambda grad: grad * n * x ** (n - 1)))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + other * -1.0

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * (np.float64(1) / other)  # in 64 bits, whatever other holds

    def __rtruediv__(self, other):
        return self**-1 * other

    __radd__, __rmul__ = __add__, __mul__


class Value(Arithmetic):
    """A float64 array whose operations are recorded: arithmetic, @, sum, mean and functions."""

    def __matmul__(self, other):
        x, y = self.data, data_of(other)
        if x.ndim != 2 or y.ndim != 2:
            raise ValueError(f"@ takes two matrices, not the shapes {x.shape} and {y.shape}")
        return Value(x @ y, (self, lambda grad: grad @ y.T), (other, lambda grad: x.T @ grad))

    def __rmatmul__(self, other):
        return Value(other) @ self

    def sum(self):
        """Return the sum of all numbers."""
        x = self.data
        return Value(x.sum(), (self, lambda grad: grad * np.ones_like(x)))

    def mean(self):
        """Return the mean of all numbers."""
        return self.sum() / self.data.size

    def exp(self):
        """Return e to the power of each number."""
        y = np.exp(self.data)
        return Value(y, (self, lambda grad: grad * y))

    def log(self):
        """Return the natural logarithm of each number."""
        x = self.data
        return Value(np.log(x), (self, lambda grad: grad / x))

    def tanh(self):
        """Return the hyperbolic tangent of each number."""
        y = np.tanh(self.data)
        return Value(y, (self, lambda grad: grad * (1 - y**2)))

    def relu(self):
        """Return each number, or 0 in place of a negative one."""
        x = self.data
        return Value(np.maximum(x, 0), (self, lambda grad: grad * (x > 0)))

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

class ParameterValue(Value):
    """A value that a module registers, and that is learned."""


class LineByHand(ModuleByHand):
    """The line bias + weight x on the tape, for x of shape (rows, 1)."""

    parameter_class = ParameterValue

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.weight = ParameterValue(weight)
        self.bias = ParameterValue(bias)

    def forward(self, x: torch.Tensor) -> Value:
        """Return the line at x, in the shape (rows, 1)."""
        return self.weight * x + self.bias

def learn(model: Callable, optimizer, start_epoch: Callable, n_epochs: int) -> list[float]:
    """Train by the mean squared error; return the loss of each step, taken before it.

    start_epoch: returns the batches (x, y) of one epoch each time it is called.
    """
    losses = []
    for _ in range(n_epochs):
        for x_batch, y_batch in start_epoch():
            loss = ((y_batch - model(x_batch)) ** 2).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.data))
    return losses

pairs = CustomDataset(x[rows], y[rows])
generators = [torch.Generator().manual_seed(42) for _ in range(2)]

torch_line = nn.Linear(1, 1, dtype=torch.float64)
our_line = LineByHand(*(parameter.detach().numpy() for parameter in torch_line.parameters()))
torch_adam = optim.Adam(torch_line.parameters(), lr=0.05)
our_adam = AdamByHand(our_line.parameters(), lr=0.05)
torch_loader = DataLoader(pairs, batch_size=16, shuffle=True, generator=generators[0])
our_epoch = partial(loader_by_hand, pairs, 16, shuffle=True, generator=generators[1])

torch_losses = learn(torch_line, torch_adam, torch_loader.__iter__, 100)
our_losses = learn(our_line, our_adam, our_epoch, 100)
torch_end = [parameter.item() for parameter in torch_line.parameters()]
our_end = [parameter.data.item() for parameter in our_line.parameters()]
print(f"PyTorch: weight = {torch_end[0]:.4f}, bias = {torch_end[1]:.4f}")
print(f"by hand: weight = {our_end[0]:.4f}, bias = {our_end[1]:.4f}")
differences = np.abs(np.subtract(our_losses + our_end, torch_losses + torch_end))
print(f"{len(our_losses)} steps, largest difference: {differences.max():.12f}")

figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
for name, history, style in (
    ("PyTorch", torch_losses, {"linewidth": 9, "color": "C1", "alpha": 0.6}),
    ("our own parts", our_losses, {"linewidth": 2, "color": "black"}),
):
    axes.plot(range(1, 101), np.reshape(history, (100, 5)).mean(axis=1), label=name, **style)
axes.set(title="The same descent, twice", xlabel="epoch", ylabel="loss (MSE)", yscale="log")
axes.legend()
save_figure(figure, "our_own_parts")

# %% What did each layer cost?
def by_formulas(x_train, y_train, learning_rate: float) -> tuple:
    """Return a, b and the last loss after 1000 updates by chapter 3, on arrays or on tensors."""
    a = b = 0 * x_train[0, 0]
    for _ in range(1000):
        yhat = a + b * x_train
        error = y_train - yhat
        loss = (error**2).mean()
        a_grad = -2 * error.mean()
        b_grad = -2 * (x_train * error).mean()
        a = a - learning_rate * a_grad
        b = b - learning_rate * b_grad
    return a, b, loss

def by_tape(x_train: np.ndarray, y_train: np.ndarray, learning_rate: float) -> tuple:
    """Return the same by the tape of chapter 4."""
    a, b = Value(0.0), Value(0.0)
    for _ in range(1000):
        loss = ((y_train - (a + b * x_train)) ** 2).mean()
        loss.backward()
        for parameter in (a, b):
            parameter.data -= learning_rate * parameter.grad
            parameter.grad = None
    return a.data, b.data, loss.data


def by_numbers(x: np.ndarray, y: np.ndarray, learning_rate: float, updates: int) -> tuple:
    """Return the same after so many updates by the tape, where each value is a single number."""
    a, b = Value(0.0), Value(0.0)
    for _ in range(updates):
        errors = [y_i - (a + b * x_i) for x_i, y_i in zip(x.ravel(), y.ravel(), strict=True)]
        loss = sum(error**2 for error in errors) / len(errors)
        loss.backward()
        for parameter in (a, b):
            parameter.data -= learning_rate * parameter.grad
            parameter.grad = None
    return a.data, b.data, loss.data

def by_autograd(x_train_tensor, y_train_tensor, learning_rate: float) -> tuple:
    """Return the same by the loop of chapter 4."""
    device = x_train_tensor.device
    a, b = (torch.zeros(1, requires_grad=True, device=device) for _ in range(2))
    for _ in range(1000):
        yhat = a + b * x_train_tensor
        error = y_train_tensor - yhat
        loss = (error**2).mean()
        loss.backward()
        with torch.no_grad():
            a -= learning_rate * a.grad
            b -= learning_rate * b.grad
            a.grad.zero_()
            b.grad.zero_()
    return a, b, loss


def by_optimizer(x_train_tensor, y_train_tensor, learning_rate: float) -> tuple:
    """Return the same by the loop of chapter 6."""
    device = x_train_tensor.device
    a, b = (torch.zeros(1, requires_grad=True, device=device) for _ in range(2))
    optimizer = optim.SGD([a, b], lr=learning_rate)
    for _ in range(1000):
        yhat = a + b * x_train_tensor
        error = y_train_tensor - yhat
        loss = (error**2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return a, b, loss

def line_at_zero(device: torch.device) -> nn.Sequential:
    """Return the model of this chapter with a weight and a bias of 0."""
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def by_module(x_train_tensor, y_train_tensor, learning_rate: float, compiled=False) -> tuple:
    """Return the same by the loop of chapter 8; compiled: whether the model is to be compiled."""
    model, loss_fn = line_at_zero(x_train_tensor.device), nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    if compiled:
        model.compile()
    for _ in range(1000):
        model.train()
        yhat = model(x_train_tensor)
        loss = loss_fn(yhat, y_train_tensor)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model[0].bias, model[0].weight, loss


def by_loader(loader: DataLoader, learning_rate: float, updates: int, device) -> tuple:
    """Return the same after so many updates by train_loop, where an epoch is one batch."""
    model = line_at_zero(device)
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    losses, _ = train_loop(model, nn.MSELoss(), optimizer, updates, loader)
    return model[0].bias, model[0].weight, losses[-1]

def update(a, b, x, y, learning_rate: float) -> tuple:
    """Return a and b after an update by formulas, and the loss before it."""
    error = y - (a + b * x)
    a_grad, b_grad = -2 * error.mean(), -2 * (x * error).mean()
    return a - learning_rate * a_grad, b - learning_rate * b_grad, (error**2).mean()


def by_compiled_update(x: torch.Tensor, y: torch.Tensor, learning_rate: float) -> tuple:
    """Return the same by the function above, compiled."""
    compiled = torch.compile(update)
    a = b = torch.zeros(1, device=x.device)
    for _ in range(1000):
        a, b, loss = compiled(a, b, x, y, learning_rate)
    return a, b, loss

def by_cuda_graph(x: torch.Tensor, y: torch.Tensor, learning_rate: float) -> tuple:
    """Return the same by 3 updates as usual, then one that is captured and sent 997 times.

    For CUDA only, and not tried by us. The time of the capture counts with that of the updates.
    """
    model, loss_fn = line_at_zero(x.device), nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what is done for the first time cannot be captured
        for _ in range(3):
            loss_fn(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
    torch.cuda.current_stream().wait_stream(side)
    with torch.cuda.graph(graph):  # this records, and computes nothing
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    for _ in range(997):
        graph.replay()
    return model[0].bias, model[0].weight, loss

learning_rate, line, path = 0.01, (0.0, 0.0), []
for _ in range(1000):
    *line, loss = update(*line, x_train, y_train, learning_rate)
    path.append([*line, loss])
print(f"after 1000 updates: a = {path[-1][0]:.4f}, b = {path[-1][1]:.4f}, loss {loss:.4f}")

x_train_tensor = torch.from_numpy(x_train).float().to(device)
y_train_tensor = torch.from_numpy(y_train).float().to(device)
arrays = x_train, y_train, learning_rate
on_device = x_train_tensor, y_train_tensor, learning_rate
points = TensorDataset(x_train_tensor.cpu(), y_train_tensor.cpu())
all_at_once = DataLoader(Subset(points, range(80)), batch_size=80)
ways = {  # by name: a number of updates, and a function that makes them
    "NumPy": (1000, partial(by_formulas, *arrays)),
    "PyTorch, gradients by hand": (1000, partial(by_formulas, *on_device)),
    "our tape": (1000, partial(by_tape, *arrays)),
    "tape, number by number": (10, partial(by_numbers, *arrays, 10)),
    "autograd": (1000, partial(by_autograd, *on_device)),
    "+ optimizer": (1000, partial(by_optimizer, *on_device)),
    "+ module and loss": (1000, partial(by_module, *on_device)),
    "+ DataLoader": (100, partial(by_loader, all_at_once, learning_rate, 100, device)),
}
if os.environ.get("COMPILE"):
    ways["by hand, compiled"] = 1000, partial(by_compiled_update, *on_device)
    ways["module, compiled"] = 1000, partial(by_module, *on_device, compiled=True)
if device.type == "cuda":
    ways["CUDA graph"] = 1000, partial(by_cuda_graph, *on_device)

import logging
import time

# Where NVIDIA's compiler is installed but no GPU is, the import below would log a warning.
logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
from torch.utils.benchmark import Timer


def measure(way: Callable, device: torch.device) -> tuple[float, list]:
    """Return the seconds that a call took, the least of several, and what each returned."""
    ends = []
    clock = {"timer": time.process_time} if device.type == "cpu" else {}
    timer = Timer("ends.append(way())", globals={"way": way, "ends": ends}, **clock)
    return min(timer.blocked_autorange(min_run_time=0.05).times), ends


microseconds, furthest = {}, {}
for name, (updates, way) in ways.items():
    seconds, ends = measure(way, device)
    microseconds[name] = 1e6 * seconds / updates
    ends = [[torch.as_tensor(number).item() for number in end] for end in ends]
    furthest[name] = np.abs(np.subtract(ends, path[updates - 1])).max()
print(f"largest difference between a way and the path: {max(furthest.values()):.5f}")

noted = {  # microseconds for an update, with two digits
    "NumPy": 15,
    "PyTorch, gradients by hand": 47,
    "our tape": 100,
    "tape, number by number": 7000,
    "autograd": 150,
    "+ optimizer": 240,
    "+ module and loss": 270,
    "+ DataLoader": 830,
    "by hand, compiled": 15,
    "module, compiled": 340,
}
table = [f"{name:<26}{spent:9.1f} microseconds\n" for name, spent in microseconds.items()]
Path("runs").mkdir(exist_ok=True)
Path("runs", "cost_ladder.txt").write_text("".join(table), encoding="utf-8")
times_numpy = {name: spent / microseconds["NumPy"] for name, spent in microseconds.items()}
expected = {name: spent / noted["NumPy"] for name, spent in noted.items()}
known = times_numpy.keys() & noted.keys()
far = [name for name in known if not 1 / 3 < times_numpy[name] / expected[name] < 3]
print("ways off our notes by a factor of 3 or more:", ", ".join(sorted(far)) or "none")

figure, axes = plt.subplots(figsize=(10, 6), layout="constrained")
bars = axes.barh(list(noted), list(noted.values()), color=["C0"] * 8 + ["C2"] * 2)
axes.bar_label(bars, fmt="{:,.0f}", padding=6)
axes.invert_yaxis()
axes.grid(visible=False, axis="y")
axes.set(title="One update of the line", xlabel="microseconds", xscale="log", xlim=(1, 50_000))
axes.xaxis.set_major_formatter("{x:,.0f}")
save_figure(figure, "cost_ladder")

few, all_points = (
    measure(partial(by_formulas, x_train[:n], y_train[:n], learning_rate), device)[0]
    for n in (8, 80)
)
print("8 points take more than half as long as 80:", few > all_points / 2)

def step_by_hand(weight, bias, x, y, learning_rate: float) -> float:
    """Take a step of a linear layer by formulas, and return the loss before it."""
    error = x @ weight.T + bias - y
    weight -= 2 * learning_rate / error.numel() * error.T @ x
    bias -= 2 * learning_rate / error.numel() * error.sum(dim=0)
    return (error**2).mean().item()


def parts_against_hand(width: int, rows: int, device: torch.device) -> tuple[float, list, list]:
    """Return how many times as long as by hand a step takes by PyTorch's parts.

    Also the losses of both, for as many steps as both have taken.
    """
    torch.manual_seed(42)
    layer, (x, y) = nn.Linear(width, width).to(device), torch.randn(2, rows, width, device=device)
    by_hand = [parameter.detach().clone() for parameter in layer.parameters()]
    train_step = make_train_step(layer, nn.MSELoss(), optim.SGD(layer.parameters(), lr=0.1))
    hand_seconds, hand_losses = measure(partial(step_by_hand, *by_hand, x, y, 0.1), device)
    seconds, losses = measure(partial(train_step, x, y), device)
    steps = min(len(losses), len(hand_losses))
    return seconds / hand_seconds, losses[:steps], hand_losses[:steps]


line_ratio, *line_losses = parts_against_hand(1, 80, device)
layer_ratio, *layer_losses = parts_against_hand(512, 512, device)
print("1 feature: PyTorch's parts take more than twice as long:", line_ratio > 2)
print("512 features: they take less than twice as long:", layer_ratio < 2)

# %% What must hold
assert (losses[:100], val_losses[:100]) == written_out
np.testing.assert_allclose((weight, bias), (1.9625, 1.0147), atol=5e-5)
np.testing.assert_allclose(during, losses[:100], rtol=1e-6)
assert after[0] < val_losses[0] < during[0]
assert train_noise < val_noise and variances[0] > variances[1]
assert set(still_lower) < set(lower) and without_noise == list(range(2, 101))
np.testing.assert_allclose(by_size, whole, rtol=1e-5)
assert abs(plain - whole) > 1e-6
np.testing.assert_allclose(places[:5], places[5:], rtol=1e-6)
assert len(set(places[:5])) == 5
assert shuffled[0] == shuffled[1]
np.testing.assert_allclose(our_losses + our_end, torch_losses + torch_end, rtol=1e-12)
assert max(furthest.values()) < 1e-5
for losses_by_parts, losses_by_hand in (line_losses, layer_losses):
    np.testing.assert_allclose(losses_by_parts, losses_by_hand, rtol=1e-4)
if device.type == "cpu":
    assert times_numpy["PyTorch, gradients by hand"] > 1.3
    assert times_numpy["our tape"] < 2 * times_numpy["autograd"]
    assert times_numpy["tape, number by number"] > 10 * times_numpy["autograd"]
    assert times_numpy["+ module and loss"] > 2 * times_numpy["PyTorch, gradients by hand"]
    assert times_numpy["+ DataLoader"] > 1.3 * times_numpy["+ module and loss"]
    assert few > all_points / 2
    assert layer_ratio < 2 < line_ratio
print("checked: the functions do what the loop did, and our own parts do what PyTorch's do")
