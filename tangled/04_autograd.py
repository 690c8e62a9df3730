"""Chapter 4: the same descent with gradients from autograd, our own and PyTorch's."""

import os
import sys

import numpy as np
import torch


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

# %% A tape of our own

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

weights, shift = Value([[1.0, 2.0, 3.0]]), Value(0.5)
total = ((weights + shift) ** 2).sum()
print(f"total {total.data}, before backward: weights.grad {weights.grad}, shift.grad {shift.grad}")
total.backward()
print(f"after backward: weights.grad {weights.grad}, shift.grad {shift.grad}")

# %% In which order does backward walk?
u = Value(1.0)
v = u + u
w = v + v
w.backward()
print(f"dw/du = {u.grad:.0f}")

def follow_arrows(value: Value, part: np.ndarray | float, send_all: bool) -> int:
    """Add a part to a value's grad, follow each arrow from there, return how many visits it took.

    send_all: send on all that the value has gathered so far, not only the part.
    """
    value.grad = part if value.grad is None else value.grad + part
    sent = value.grad if send_all else part
    return 1 + sum(follow_arrows(source, share(sent), send_all) for source, share in value.sources)

walks = {}
for doublings in (2, 10):
    for walk in ("all", "part", "in order"):
        u = w = Value(1.0)
        for _ in range(doublings):
            w = w + w
        if walk == "in order":
            w.backward()
            visits = len(backward_order(w))
        else:
            visits = follow_arrows(w, 1.0, send_all=walk == "all")
        walks[doublings, walk] = int(u.grad), visits
        print(f"{doublings:>2} doublings, {walk:<8}: dw/du = {u.grad:.0f} in {visits} visits")

# %% The tape fits the line
np.random.seed(42)
a, b = np.random.randn(1), np.random.randn(1)
start = a, b
learning_rate = 0.1
for _ in range(1000):
    yhat = a + b * x_train
    error = y_train - yhat
    loss = (error**2).mean()
    a_grad = -2 * error.mean()
    b_grad = -2 * (x_train * error).mean()
    a = a - learning_rate * a_grad
    b = b - learning_rate * b_grad
numpy_end = np.ravel((a, b))
print(f"derived by hand: a = {a[0]:.8f}, b = {b[0]:.8f}")

a, b = Value(start[0]), Value(start[1])

for _ in range(1000):
    loss = ((y_train - (a + b * x_train)) ** 2).mean()
    loss.backward()
    for parameter in (a, b):
        parameter.data -= learning_rate * parameter.grad
        parameter.grad = None

tape_end = np.ravel((a.data, b.data))
print(f"by the tape:     a = {a.data[0]:.8f}, b = {b.data[0]:.8f}")
print(f"largest difference: {np.abs(tape_end - numpy_end).max():.12f}")

# %% backward and grad

torch.manual_seed(42)
a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)

yhat = a + b * x_train_tensor
error = y_train_tensor - yhat
loss = (error**2).mean()
print(f"before backward: a.grad is {a.grad}")
loss.backward()
print(f"after backward: a.grad {a.grad.item():.4f}, b.grad {b.grad.item():.4f}")

a_grad = -2 * error.mean().item()
b_grad = -2 * (x_train_tensor * error).mean().item()
print(f"by the formulas: {a_grad:.4f}, {b_grad:.4f}")
np.testing.assert_allclose((a.grad.item(), b.grad.item()), (a_grad, b_grad), rtol=1e-5)
first_gradients = (a.grad.item(), b.grad.item())

cases = {"x": x_train_tensor, "2 * x": 2 * x_train_tensor, "b": b, "b * x": b * x_train_tensor}
cases |= {"loss": loss, "b > 0": b > 0}
for name, case in cases.items():
    made_by = type(case.grad_fn).__name__ if case.grad_fn else "nothing recorded"
    print(f"{name:<5}: requires_grad {case.requires_grad}, leaf {case.is_leaf}, {made_by}")

# %% The tape and PyTorch agree
from collections.abc import Callable


def largest_difference(expression: Callable, arrays: list[np.ndarray]) -> float:
    """Return the largest difference between tape and PyTorch, over the value and all gradients.

    expression: takes a Value or a tensor for each array and returns one of the same class,
    which must hold a single number.
    """
    ours = [Value(array) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    our_result, their_result = expression(*ours), expression(*theirs)
    our_result.backward()
    their_result.backward()
    pairs = [(our_result.data, their_result.detach())]
    pairs += [(one.grad, other.grad) for one, other in zip(ours, theirs, strict=True)]
    return max(np.abs(one - other.numpy()).max() for one, other in pairs)

np.random.seed(42)
arrays = [np.random.uniform(0.5, 1.5, shape) for shape in ((3, 4), (4,), (4, 2))]
expressions = {
    "((p - q) @ r).tanh().mean()": lambda p, q, r: ((p - q) @ r).tanh().mean(),
    "(q.exp() / p).mean() - r.log().sum()": lambda p, q, r: (q.exp() / p).mean() - r.log().sum(),
    "((p - q).relu() @ r ** -0.5).sum()": lambda p, q, r: ((p - q).relu() @ r**-0.5).sum(),
}
differences, tensors = {}, [torch.tensor(array, requires_grad=True) for array in arrays]
for name, expression in expressions.items():
    differences[name] = largest_difference(expression, arrays)
    checked = torch.autograd.gradcheck(expression, tensors)
    print(f"{name:<36} largest difference {differences[name]:.12f}, gradcheck {checked}")

# %% An operation of our own
class LineLoss(torch.autograd.Function):
    """The mean squared error of the line a + b x over the points (x, y), as one operation.

    a and b have the shape (1,), x and y the shape (n, 1). x and y get no gradient.
    """

    @staticmethod
    def forward(ctx, a, b, x, y):
        """Return the loss, a tensor without dimensions."""
        ctx.save_for_backward(a, b, x, y)
        return ((y - (a + b * x)) ** 2).mean()

    @staticmethod
    def backward(ctx, grad):
        """Return the shares of a, b, x and y in the gradient of the loss."""
        a, b, x, y = ctx.saved_tensors
        error = y - (a + b * x)
        return grad * -2 * error.mean(dim=0), grad * -2 * (x * error).mean(dim=0), None, None

points = torch.from_numpy(x_train), torch.from_numpy(y_train)
line = [torch.tensor(number, requires_grad=True) for number in start]
by_autograd = torch.autograd.grad(((points[1] - (line[0] + line[1] * points[0])) ** 2).mean(), line)
by_ours = torch.autograd.grad(LineLoss.apply(*line, *points), line)
pairs = zip(by_ours, by_autograd, strict=True)
function_difference = max((one - other).abs().item() for one, other in pairs)
function_checked = torch.autograd.gradcheck(LineLoss.apply, (*line, *points))
print(f"gradients {by_ours[0].item():.6f}, {by_ours[1].item():.6f}")
print(f"largest difference {function_difference:.12f}, gradcheck {function_checked}")

# %% Gradients add up
try:
    loss.backward()
except RuntimeError as error_message:
    second_backward = str(error_message).split(" (")[0]
print(second_backward)

loss = ((y_train_tensor - (a + b * x_train_tensor)) ** 2).mean()
loss.backward(retain_graph=True)
doubled = a.grad.item() / first_gradients[0]
print(f"a.grad after a new loss: {a.grad.item():.4f}")
loss.backward()
tripled = a.grad.item() / first_gradients[0]
print(f"a.grad after the kept graph: {a.grad.item():.4f}")

a.grad.zero_()
b.grad.zero_()
print(a.grad, b.grad)

# %% The update, and why it needs no_grad
import warnings

loss = ((y_train_tensor - (a + b * x_train_tensor)) ** 2).mean()
loss.backward()
a_new = a - learning_rate * a.grad
loss = ((y_train_tensor - (a_new + b * x_train_tensor)) ** 2).mean()
loss.backward()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    lost_gradient = a_new.grad
print(f"is_leaf {a_new.is_leaf}, grad {lost_gradient}")
print(str(caught[0].message).split(". ")[0])

a.grad.zero_()
b.grad.zero_()
loss = ((y_train_tensor - (a + b * x_train_tensor)) ** 2).mean()
loss.backward()
try:
    a -= learning_rate * a.grad
except RuntimeError as error_message:
    in_place_error = str(error_message)
print(in_place_error)

no_leaf = a * 1
no_leaf -= learning_rate * a.grad
print(f"is_leaf {no_leaf.is_leaf}, made by {type(no_leaf.grad_fn).__name__}")

before = a.item()
with torch.no_grad():
    a -= learning_rate * a.grad
    b -= learning_rate * b.grad
print(f"is_leaf {a.is_leaf}, requires_grad {a.requires_grad}")
print(f"a went from {before:.4f} to {a.item():.4f}")

# %% A value that changes too early
t = Value(3.0)
square = t * t
t.data += 1
square.backward()
print(f"our tape: {t.grad:.0f}")

t = torch.tensor(3.0, requires_grad=True)
square = t * t
with torch.no_grad():
    t += 1
try:
    square.backward()
except RuntimeError as error_message:
    changed_error = str(error_message).split(": ")[0]
print(changed_error)

# %% The loop
a = torch.tensor(start[0], dtype=torch.float, requires_grad=True, device=device)
b = torch.tensor(start[1], dtype=torch.float, requires_grad=True, device=device)

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

print(f"a = {a.item():.4f}, b = {b.item():.4f}, loss {loss.item():.6f}")
print(f"chapter 3: a = {numpy_end[0]:.4f}, b = {numpy_end[1]:.4f}")

# %% Out of the graph
try:
    torch.ones(1, requires_grad=True).numpy()
except RuntimeError as error_message:
    print(f"RuntimeError: {error_message}")
try:
    torch.ones(1, device="meta").numpy()
except TypeError as error_message:
    print(f"TypeError: {error_message}")
print(a.detach().cpu().numpy().round(4), round(a.item(), 4), torch.arange(4).view(2, 2).tolist())

# %% What must hold
assert weights.grad.tolist() == [[3, 5, 7]] and shift.grad == 15
assert walks[2, "in order"] == (4, 3) and walks[2, "part"][0] == 4 and walks[2, "all"][0] == 6
assert walks[10, "in order"] == (1024, 11) and walks[10, "part"] == (1024, 2047)
np.testing.assert_allclose(tape_end, numpy_end, rtol=1e-12)
assert max(differences.values()) < 1e-12 and function_difference < 1e-12 and function_checked
assert second_backward.startswith("Trying to backward through the graph a second time")
np.testing.assert_allclose((doubled, tripled), (2, 3), rtol=1e-6)

assert lost_gradient is None
assert "in-place" in in_place_error
assert "modified by an inplace operation" in changed_error
np.testing.assert_allclose((a.item(), b.item()), numpy_end, atol=1e-5)
np.testing.assert_allclose((a.item(), b.item()), (1.0235, 1.9690), atol=5e-5)
if device.type == "cpu":  # another device draws another start
    np.testing.assert_allclose(first_gradients, (-3.1125, -1.8156), atol=5e-5)
print("checked: tape, autograd and formulas agree, and all three loops end at the same line")
