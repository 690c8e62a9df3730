"""Appendix: each way of this post to a line, and how far from the best line it ends."""

import math
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LinearRegression
from torch import nn, optim
from torch.nn.functional import mse_loss as mse
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split

device = torch.device("cpu")
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

# %% The line that all are after
class Route(NamedTuple):
    """A way to a line: its chapter, the way in words, the bits of its floats, and its end."""

    chapter: int
    words: str
    bits: int
    a: float
    b: float


def distance(route: Route, goal: np.ndarray) -> float:
    """Return how far from a goal (a, b) a route ends."""
    return float(np.hypot(route.a - goal[0], route.b - goal[1]))

def shown(distance: float) -> str:
    """Return a distance with four decimals or, below 0.001, the power of ten that it is below."""
    if distance >= 0.001:
        return f"{distance:.4f}"
    return f"< {10.0 ** max(math.floor(math.log10(distance or 1e-15)) + 1, -12):.0e}"


def tell(routes: list[Route], goal: np.ndarray) -> None:
    """Print how far from a goal (a, b) some routes end."""
    for route in routes:
        words = route.words.replace("~", "")  # Org's mark for code
        print(f"{shown(distance(route, goal)):>7}  chapter {route.chapter}: {words}")

columns = np.hstack([np.ones_like(x_train), x_train])
minimum = np.linalg.lstsq(columns, y_train)[0].ravel()
sklearn_fit = LinearRegression().fit(x_train, y_train)
covariances = np.cov(x_train.ravel(), y_train.ravel())
slope = covariances[0, 1] / covariances[0, 0]
no_gradient = np.linalg.solve(columns.T @ columns, columns.T @ y_train.ravel())
routes = [
    Route(3, "least squares by NumPy", 64, *minimum),
    Route(3, "least squares by scikit-learn", 64, *sklearn_fit.intercept_, *sklearn_fit.coef_[0]),
    Route(3, "covariance over variance", 64, y_train.mean() - slope * x_train.mean(), slope),
    Route(6, "where the gradient is zero", 64, *no_gradient),
]
print(f"the goal: a = {minimum[0]:.8f}, b = {minimum[1]:.8f}")
tell(routes[1:], minimum)

# %% One loop, chapter by chapter
np.random.seed(42)
a, b = np.random.randn(1), np.random.randn(1)
learning_rate = 0.1
for _ in range(1000):
    yhat = a + b * x_train
    error = y_train - yhat
    loss = (error**2).mean()
    a_grad = -2 * error.mean()
    b_grad = -2 * (x_train * error).mean()
    a = a - learning_rate * a_grad
    b = b - learning_rate * b_grad
routes.append(Route(3, "the whole batch in NumPy", 64, a.item(), b.item()))

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

def line_at(a: torch.Tensor, b: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return a + b x, where a and b may also be values of our tape, and x an array."""
    return a + b * x


a, b = Value([0.5]), Value([0.0])
arrays = [(x_train, y_train)]
learn(partial(line_at, a, b), SGDByHand([a, b], lr=0.1), arrays.__iter__, 1000)
routes.append(Route(4, "our tape", 64, a.data.item(), b.data.item()))

torch.manual_seed(42)
a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
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
routes.append(Route(4, "autograd", 32, a.item(), b.item()))

torch.manual_seed(42)
a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
optimizer = optim.SGD([a, b], lr=0.1)
for _ in range(1000):
    yhat = a + b * x_train_tensor
    error = y_train_tensor - yhat
    loss = (error**2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
routes.append(Route(6, "~optim.SGD~", 32, a.item(), b.item()))

torch.manual_seed(42)
a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
optimizer, loss_fn = optim.SGD([a, b], lr=0.1), nn.MSELoss()
for _ in range(1000):
    yhat = a + b * x_train_tensor
    loss = loss_fn(yhat, y_train_tensor)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
routes.append(Route(7, "~nn.MSELoss~", 32, a.item(), b.item()))

class ManualLinearRegression(nn.Module):
    """The line y = a + b x, for inputs of shape (rows, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(1))
        self.b = nn.Parameter(torch.randn(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a + b x, in the shape of x."""
        return self.a + self.b * x


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

torch.manual_seed(42)
model = ManualLinearRegression()
optimizer = optim.SGD(model.parameters(), lr=0.1)
for _ in range(1000):
    model.train()
    yhat = model(x_train_tensor)
    loss = loss_fn(yhat, y_train_tensor)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
routes.append(Route(8, "~ManualLinearRegression~", 32, model.a.item(), model.b.item()))

torch.manual_seed(42)
model = nn.Sequential(nn.Linear(1, 1))
train_step = make_train_step(model, loss_fn, optim.SGD(model.parameters(), lr=0.1))
losses = []
for _ in range(1000):
    losses.append(train_step(x_train_tensor, y_train_tensor))
weight, bias = (parameter.item() for parameter in model.parameters())
routes.append(Route(8, "~nn.Sequential~ and a train step", 32, bias, weight))
tell(routes[4:], minimum)

# %% When does it come to rest?
def fresh_line() -> nn.Linear:
    """Return a line in 64-bit floats, at the same random start at every call."""
    torch.manual_seed(42)
    return nn.Linear(1, 1, dtype=torch.float64)


def end_of(line: nn.Linear) -> tuple[float, float]:
    """Return a and b of a line."""
    return line.bias.item(), line.weight.item()

rests, moves = {}, {}
for bits, dtype in ((32, torch.float32), (64, torch.float64)):
    line = fresh_line().to(dtype)
    batches = [tuple(torch.from_numpy(part).to(dtype) for part in (x_train, y_train))]
    optimizer = optim.SGD(line.parameters(), lr=0.1)
    for steps, more in ((1000, 1000), (2500, 1500)):
        learn(line, optimizer, batches.__iter__, more)
        rests[bits, steps] = distance(Route(8, "", bits, *end_of(line)), minimum)
        print(f"{bits} bits, {steps} steps: {shown(rests[bits, steps])}")
    before = end_of(line)
    learn(line, optimizer, batches.__iter__, 1)
    moves[bits] = end_of(line) != before
    print(f"does one more step move the line? {moves[bits]}")

flat = np.linalg.eigvalsh(2 * columns.T @ columns / len(columns))[0]
limits = {}
for bits, dtype in ((32, torch.float32), (64, torch.float64)):
    gradient = torch.finfo(dtype).eps / 2 / 0.1  # of a and of b, at most
    limits[bits] = math.sqrt(2) * gradient / flat
    print(f"{bits} bits: at rest within {limits[bits]:.1e}")

# %% Every optimizer, by hand and by PyTorch
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

x_exact, y_exact = torch.from_numpy(x_train), torch.from_numpy(y_train)
whole = [(x_exact, y_exact)]
for name, ours, theirs, settings in (
    ("SGD", SGDByHand, optim.SGD, {}),
    ("momentum 0.9", SGDByHand, optim.SGD, {"momentum": 0.9}),
    ("RMSprop", RMSpropByHand, optim.RMSprop, {}),
    ("Adam", AdamByHand, optim.Adam, {}),
    ("AdamW", AdamWByHand, optim.AdamW, {}),
):
    for whose, make_optimizer in (("ours", ours), ("PyTorch's", theirs)):
        line = fresh_line()
        optimizer = make_optimizer(line.parameters(), lr=0.1, **settings)
        learn(line, optimizer, whole.__iter__, 1000)
        routes.append(Route(6, f"{name}, {whose}", 64, *end_of(line)))

a_and_b = torch.tensor([0.5, 0.0], dtype=torch.float64, requires_grad=True)
lbfgs = optim.LBFGS([a_and_b])
lbfgs.step(make_closure(lbfgs, a_and_b, x_exact, y_exact))
routes.append(Route(6, "LBFGS, one step", 64, *a_and_b.tolist()))
tell(routes[11:], minimum)

# %% Points that pull to and fro
def gradients(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the derivatives of the mean squared error by a and by b, as an array of two."""
    error = y - (a + b * x)
    return np.array([-2 * error.mean(), -2 * (x * error).mean()])


def descend(
    x: np.ndarray, y: np.ndarray, batch_size: int, learning_rate: float, epochs: int
) -> np.ndarray:
    """Return the path of (a, b) from the start, one row per step, for the points (x, y)."""
    np.random.seed(42)
    point = np.random.randn(2)
    path = [point]
    for _ in range(epochs):
        order = np.random.permutation(len(x))
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            point = point - learning_rate * gradients(*point, x[batch], y[batch])
            path.append(point)
    return np.array(path)

wander, centres = {}, {}
for name, size, rate in (
    ("batches of 16", 16, 0.1),
    ("single points", 1, 0.1),
    ("single points, rate 0.01", 1, 0.01),
):
    trail = descend(x_train, y_train, size, rate, epochs=100 * size)
    lines = trail[-4000:]
    wander[name] = np.linalg.norm(lines - minimum, axis=1).mean()
    centres[name] = Route(3, "", 64, *lines.mean(axis=0))
    routes.append(Route(3, name, 64, *lines[-1]))
    off = shown(distance(centres[name], minimum))
    print(f"{name}, {len(trail) - 1} steps: on average {wander[name]:.4f} away, the mean {off}")
mean_line = centres["single points"][-2:]
routes.append(Route(3, "single points, the mean of 4000 lines", 64, *mean_line))
ratio = wander["single points"] / wander["single points, rate 0.01"]
print(f"a tenth of the rate, and the distance is divided by {ratio:.1f}")

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

pairs = CustomDataset(x_exact, y_exact)
loader = DataLoader(pairs, batch_size=16, shuffle=True)
our_epoch = partial(loader_by_hand, pairs, 16, shuffle=True)
for name, start_epoch in (("our loader", our_epoch), ("~DataLoader~", loader.__iter__)):
    line = fresh_line()  # which seeds the shuffling, too
    learn(line, optim.SGD(line.parameters(), lr=0.1), start_epoch, 200)
    routes.append(Route(9, f"{name}, batches of 16", 64, *end_of(line)))
tell(routes[-6:], minimum)

# %% A rate that falls
def train_epoch(train_step: Callable, train_loader: DataLoader, device: torch.device) -> float:
    """Take one step per batch; return the mean loss, in which each batch counts by its size."""
    total, samples = 0.0, 0
    for x_batch, y_batch in train_loader:
        loss = train_step(x_batch.to(device), y_batch.to(device))
        total += loss * len(x_batch)
        samples += len(x_batch)
    return total / samples


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


from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm import tqdm


def train_loop_with_scheduler(
    model: nn.Module,
    loss_fn: Callable,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    n_epochs: int,
    train_loader: DataLoader,
    val_loader: DataLoader | None = None,
) -> tuple[list[float], list[float], list[float]]:
    """Train with one scheduler step per epoch; return losses, validation losses and rates.

    The rate of an epoch is the one its steps used. ReduceLROnPlateau decides by the validation
    loss, so it needs a val_loader: ValueError without one.
    """
    watches = isinstance(scheduler, ReduceLROnPlateau)
    if watches and val_loader is None:
        raise ValueError("ReduceLROnPlateau needs a validation loader")
    device = next(model.parameters()).device
    train_step = make_train_step(model, loss_fn, optimizer)
    losses, val_losses, rates = [], [], []
    for _ in tqdm(range(n_epochs), disable=None):
        rates.append(scheduler.get_last_lr()[0])
        losses.append(train_epoch(train_step, train_loader, device))
        if val_loader is not None:
            val_losses.append(validation(model, loss_fn, val_loader))
        if watches:
            scheduler.step(val_losses[-1])
        else:
            scheduler.step()
    return losses, val_losses, rates

from torch.optim import lr_scheduler as lrs

checks = TensorDataset(torch.from_numpy(x_val), torch.from_numpy(y_val))
checks_loader = DataLoader(checks, batch_size=20)
for name, make_scheduler in {
    "~StepLR~": lambda optimizer: lrs.StepLR(optimizer, 100, 0.1),
    "~CosineAnnealingLR~": lambda optimizer: lrs.CosineAnnealingLR(optimizer, 200),
    "~ReduceLROnPlateau~": lrs.ReduceLROnPlateau,
}.items():
    line = fresh_line()
    sgd = optim.SGD(line.parameters(), lr=0.1)
    arguments = line, loss_fn, sgd, make_scheduler(sgd), 200, loader, checks_loader
    train_loop_with_scheduler(*arguments)
    routes.append(Route(11, f"{name}, batches of 16", 64, *end_of(line)))

line = fresh_line()
rmsprop = optim.RMSprop(line.parameters(), lr=0.1)
cosine = lrs.CosineAnnealingLR(rmsprop, 1000)
train_loop_with_scheduler(line, loss_fn, rmsprop, cosine, 1000, whole)
routes.append(Route(11, "RMSprop, ~CosineAnnealingLR~", 64, *end_of(line)))
tell(routes[-4:], minimum)

# %% Functions, and parts of our own
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

line = fresh_line()
sgd = optim.SGD(line.parameters(), lr=0.1)
train_loop(line, loss_fn, sgd, 200, DataLoader(pairs, batch_size=16))
routes.append(Route(10, "~train_loop~, batches of 16 in a fixed order", 64, *end_of(line)))

line = fresh_line()
our_line = LineByHand(*(parameter.detach().numpy() for parameter in line.parameters()))
learn(our_line, AdamByHand(our_line.parameters(), lr=0.1), our_epoch, 200)
weight, bias = (parameter.data.item() for parameter in our_line.parameters())
routes.append(Route(10, "our own parts, batches of 16", 64, bias, weight))
tell(routes[-2:], minimum)

# %% Stopped, halved, searched
def save(path: Path, **entries: object) -> None:
    """Write a checkpoint, whole or not at all: a crash or power cut leaves the old or the new."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        torch.save(entries, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    if os.name == "posix":  # Windows does not open folders
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def load(path: Path, device: torch.device) -> dict:
    """Read a checkpoint onto a device; UnpicklingError if it asks for more than data."""
    return torch.load(path, map_location=device, weights_only=True)

with TemporaryDirectory() as folder:
    file = Path(folder, "half_way.pt")
    line = fresh_line()
    sgd = optim.SGD(line.parameters(), lr=0.1, momentum=0.9)
    learn(line, sgd, whole.__iter__, 500)
    save(file, model=line.state_dict(), optimizer=sgd.state_dict())

    line = nn.Linear(1, 1, dtype=torch.float64)
    sgd = optim.SGD(line.parameters(), lr=0.1, momentum=0.9)
    saved = load(file, device)
    line.load_state_dict(saved["model"])
    sgd.load_state_dict(saved["optimizer"])
    learn(line, sgd, whole.__iter__, 500)
resumed = Route(11, "momentum 0.9, from a checkpoint", 64, *end_of(line))
routes.append(resumed)
uninterrupted = next(route for route in routes if route.words == "momentum 0.9, PyTorch's")
print(f"the same as in one go, bit for bit: {resumed[-2:] == uninterrupted[-2:]}")

def gradient_of(model: nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a loss, all parameters of the model in one vector."""
    model.zero_grad()
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def two_ways(model: nn.Module, x: torch.Tensor, y: torch.Tensor, cut: int) -> list[torch.Tensor]:
    """Cut a batch before row `cut`; return the gradient as DataParallel and as DDP make it."""
    parts = [(x[:cut], y[:cut]), (x[cut:], y[cut:])]
    shares = [mse(model(xp), yp) * len(xp) / len(x) for xp, yp in parts]
    means = [mse(model(xp), yp) for xp, yp in parts]
    summed = sum(gradient_of(model, share) for share in shares)
    averaged = sum(gradient_of(model, mean) for mean in means) / len(parts)
    return [summed, averaged]

def end_by_parts(x: torch.Tensor, y: torch.Tensor, cut: int, way: int) -> tuple[float, float]:
    """Return a and b after 300 steps with the gradients of two parts; way 0 sums, 1 averages."""
    line = fresh_line()
    sgd = optim.SGD(line.parameters(), lr=0.1, momentum=0.9)
    for _ in range(300):
        gradient = two_ways(line, x, y, cut)[way]
        for parameter, part in zip(line.parameters(), gradient, strict=True):
            parameter.grad = part.view_as(parameter)
        sgd.step()
    return end_of(line)


halves = end_by_parts(x_exact, y_exact, cut=40, way=1)
uneven = end_by_parts(x_exact, y_exact, cut=60, way=0)
routes.append(Route(12, "two halves, averaged", 64, *halves))
routes.append(Route(12, "60 and 20 points, summed", 64, *uneven))

def train_once(
    train_dataset: Dataset,
    val_loader: DataLoader,
    device: torch.device,
    learning_rate: float,
    batch_size: int,
) -> float:
    """Train chapter 10's model for five epochs; return its validation loss."""
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device, train_dataset[0][0].dtype)
    loss_fn = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    train_step = make_train_step(model, loss_fn, optimizer)
    train_loader = DataLoader(train_dataset, batch_size=batch_size)
    for _ in range(5):
        train_epoch(train_step, train_loader, device)
    return validation(model, loss_fn, val_loader)


powers = np.random.default_rng(42).uniform(-4, math.log10(0.5), 16)
tried = [float(f"{10**power:.2g}") for power in powers]
trials = [train_once(pairs, checks_loader, device, rate, 16) for rate in tried]
found = tried[int(np.argmin(trials))]
print(f"the best rate of {len(tried)}: {found}")
for name, start_epoch, epochs in (
    ("the whole batch", whole.__iter__, 1000),
    ("batches of 16", loader.__iter__, 200),
):
    line = fresh_line()
    learn(line, optim.SGD(line.parameters(), lr=found), start_epoch, epochs)
    routes.append(Route(13, f"a rate that was searched for, {name}", 64, *end_of(line)))
tell(routes[-5:], minimum)

# %% Ways to another line
elsewhere = []
for name, other_loss, momentum in (
    ("~nn.HuberLoss(delta=1)~", nn.HuberLoss(delta=1), 0.9),
    ("~nn.HuberLoss(delta=0.05)~", nn.HuberLoss(delta=0.05), 0.9),
    ("~nn.L1Loss~", nn.L1Loss(), 0.0),
):
    line = fresh_line()
    sgd = optim.SGD(line.parameters(), lr=0.1, momentum=momentum)
    cosine = lrs.CosineAnnealingLR(sgd, 1000)
    train_loop_with_scheduler(line, other_loss, sgd, cosine, 1000, whole)
    elsewhere.append(Route(7, name, 64, *end_of(line)))
tell(elsewhere, minimum)
errors = {}
for name, ends in (("squared", minimum), ("absolute", end_of(line))):
    errors[name] = np.abs(y_train - columns @ np.reshape(ends, (2, 1)))
    print(f"smallest {name} error: {(errors[name] < 1e-6).sum()} points on the line, ", end="")
    print(f"the farthest {errors[name].max():.2f} off")
routes.append(elsewhere.pop(0))

line = fresh_line()
sgd = optim.SGD(line.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
learn(line, sgd, whole.__iter__, 1000)
elsewhere.append(Route(6, "a weight decay of 0.01", 64, *end_of(line)))
averaged = end_by_parts(x_exact, y_exact, cut=60, way=1)
elsewhere.append(Route(12, "60 and 20 points, averaged", 64, *averaged))

squares, products = columns.T @ columns / 40, columns.T @ y_train.ravel() / 40
times = [1] * 60 + [3] * 20
repeated = [np.repeat(array, times, axis=0) for array in (columns, y_train)]
goals = [np.linalg.solve(squares + 0.01 * np.eye(2), products)]
goals.append(np.linalg.lstsq(*repeated)[0].ravel())
for route, goal in zip(elsewhere[-2:], goals, strict=True):
    print(f"{route.words}: {shown(distance(route, goal))} from where it should be, ", end="")
    print(f"{shown(distance(route, minimum))} from our goal")

torch.manual_seed(42)
dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
train_dataset, val_dataset = random_split(dataset, [80, 20])
train_loader = DataLoader(train_dataset, batch_size=16)
val_loader = DataLoader(val_dataset, batch_size=20)
rows = train_dataset.indices
other_columns = np.hstack([np.ones_like(x[rows]), x[rows]])
other_minimum = np.linalg.lstsq(other_columns, y[rows])[0].ravel()
elsewhere.append(Route(10, "least squares of other 80 points", 64, *other_minimum))
elsewhere.append(Route(1, "the true line", 64, true_a, true_b))
tell(elsewhere[-2:], minimum)

# %% All ways in one table
print("| chapter | way | bits | a | b | distance |")
print("|---+---+---+---+---+---|")
in_order = sorted(routes, key=lambda route: route.chapter)
for route in in_order + elsewhere:
    numbers = f"{route.a:.4f} | {route.b:.4f} | {shown(distance(route, minimum))}"
    print(f"| {route.chapter} | {route.words} | {route.bits} | {numbers} |")

# %% What must hold
ends = {route.words: distance(route, minimum) for route in routes + elsewhere}
assert len(ends) == len(routes) + len(elsewhere)
assert max(distance(route, minimum) for route in routes[:4]) < 1e-12
assert max(distance(route, minimum) for route in routes[4:11]) < 1e-5
assert moves == {32: False, 64: False}
for bits in (32, 64):
    assert limits[bits] / 10 < rests[bits, 2500] < 1.2 * limits[bits]
for name in ("SGD", "momentum 0.9", "RMSprop", "Adam", "AdamW"):
    ours, theirs = (
        route[-2:] for route in routes if route.words in (f"{name}, ours", f"{name}, PyTorch's")
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
assert max(ends["momentum 0.9, ours"], ends["Adam, ours"]) < 1e-12
assert ends["RMSprop, ours"] > 0.05 and ends["RMSprop, ~CosineAnnealingLR~"] < 1e-12

assert wander["single points"] > 5 * wander["single points, rate 0.01"]
assert wander["single points"] > 5 * wander["batches of 16"]
assert 10 * ends["single points, the mean of 4000 lines"] < wander["single points"]
assert ends["our loader, batches of 16"] == ends["~DataLoader~, batches of 16"]
for name in ("~StepLR~", "~CosineAnnealingLR~"):
    assert ends[f"{name}, batches of 16"] < 0.001 < wander["batches of 16"]
assert ends["~ReduceLROnPlateau~, batches of 16"] > 0.05
assert resumed[-2:] == uninterrupted[-2:]
assert max(ends["two halves, averaged"], ends["60 and 20 points, summed"]) < 1e-5
assert ends["~nn.HuberLoss(delta=1)~"] < 1e-9 and (errors["absolute"] < 1e-6).sum() == 2
for route, goal in zip(elsewhere[2:4], goals, strict=True):
    assert distance(route, goal) < 1e-5 < 0.01 < distance(route, minimum)
assert ends["least squares of other 80 points"] > 0.01
true_line = ends.pop("the true line")
closer = sum(end < true_line for end in ends.values())
print(f"checked: {closer} of {len(ends)} ways end closer to the best line than the true line is")
