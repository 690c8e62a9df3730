"""Chapter 2: tensors, what they share and what they copy, and the data as tensors."""

import os
import sys

import numpy as np
import torch

torch.manual_seed(42)

# %% Size and shape
scalar = torch.tensor(3.14159)
vector = torch.tensor([1.0, 2.0, 3.0])
matrix = torch.ones(2, 3)
cube = torch.randn(2, 3, 4)
for name, tensor in (("scalar", scalar), ("vector", vector), ("matrix", matrix), ("cube", cube)):
    print(f"{name}: dimensions {tensor.dim()}, shape {tuple(tensor.shape)}, size {tensor.numel()}")
assert cube.size() == cube.shape

# %% Making tensors
print(torch.eye(2))
print(torch.zeros(2, 3))
print(torch.ones(3))
print(torch.linspace(0, 1, 5))
print(torch.arange(0, 10, 2))
print(torch.rand(3))  # even between 0 and 1
print(torch.randn(3))  # normal, mean 0 and variance 1
print(torch.empty(2, 3).shape)

print(torch.tensor([1, 2]), torch.Tensor([1, 2]))
print(torch.tensor(3), "but torch.Tensor(3) has the shape", tuple(torch.Tensor(3).shape))

# %% Indexing
table = torch.arange(12).view(3, 4)
print(table[1, 2], table[0], table[:, 1], table[-1, ::2])
print(table[table % 5 == 0])
row = table[0]
row[0] = 100
print(table[0, 0])

# %% Data types
whole = torch.tensor([1, 2, 3])
single = torch.tensor([0.5, 0.5, 0.5])
double = single.double()
small = torch.tensor([200], dtype=torch.uint8)
print((whole + single).dtype, (single + double).dtype, (single + 1e-9).dtype)
print(small + 100)

# %% Operations, out= and the underscore
p, q = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])
result = torch.empty(2)
torch.add(p, q, out=result)
print(p + q, torch.add(p, q), p.add(q), result)
p.add_(q)
print(p)

try:
    whole.add_(0.5)
except RuntimeError as error:
    print(error)

# %% Another shape for the same numbers
numbers = torch.arange(12)
print(numbers.view(3, 4).shape, numbers.view(2, -1).shape, numbers.view(-1, 1).shape)

# %% Who shares, who copies
def address(numbers: torch.Tensor | np.ndarray) -> int:
    """Return where in memory the numbers of a tensor or an array begin."""
    if isinstance(numbers, np.ndarray):
        return numbers.ctypes.data
    return numbers.untyped_storage().data_ptr()

array = np.ones((2, 3), dtype=np.float32)
source = torch.ones(2, 3)
attempts = {
    "torch.as_tensor(array)": (array, torch.as_tensor(array)),
    "torch.from_numpy(array)": (array, torch.from_numpy(array)),
    "torch.tensor(array)": (array, torch.tensor(array)),
    "source.view(3, 2)": (source, source.view(3, 2)),
    "source.reshape(3, 2)": (source, source.reshape(3, 2)),
    "source.t()": (source, source.t()),
    "source.t().reshape(6)": (source, source.t().reshape(6)),
    "source.clone()": (source, source.clone()),
    "source.float()": (source, source.float()),
    "source.double()": (source, source.double()),
}
shares = {call: address(before) == address(after) for call, (before, after) in attempts.items()}
for call, shared in shares.items():
    print(f"{call:<24} {'shares' if shared else 'copies'}")

print(source.t().is_contiguous())
try:
    source.t().view(6)
except RuntimeError as error:
    print(str(error).split(".")[0])

# %% A device

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
print(f"device: {device}")

# %% The data as tensors
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

print(x_train_tensor.shape, x_train_tensor.dtype, x_train_tensor.type())

x_back = x_train_tensor.cpu().numpy()
print(type(x_back), np.abs(x_back - x_train).max() < 1e-7)

# %% A tensor for data is not a tensor for parameters
moved = torch.randn(1, requires_grad=True).to(device, copy=True)
print(f"made, then moved: is_leaf = {moved.is_leaf}")

a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
print(f"made on its device: is_leaf = {a.is_leaf}, {b.is_leaf}")

# %% What must hold
sharing = [call for call, shared in shares.items() if shared]
assert sharing == [
    "torch.as_tensor(array)",
    "torch.from_numpy(array)",
    "source.view(3, 2)",
    "source.reshape(3, 2)",
    "source.t()",
    "source.float()",
]
assert (whole + single).dtype == torch.float32 and (small + 100).item() == 44
assert torch.iinfo(torch.uint8).max == 255
assert a.is_leaf and b.is_leaf and not moved.is_leaf
np.testing.assert_allclose(x_back, x_train, atol=1e-7)
print("checked: who shares and who copies, the types, the data there and back, the leaves")
