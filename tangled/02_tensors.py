"""Chapter 2: tensors, what they share and what they copy, and the data as tensors."""

import os
import sys
from collections.abc import Sequence

import numpy as np
import torch

torch.manual_seed(42)

# %% Size and shape
scalar = torch.tensor(3.14159)
vector = torch.tensor([1.0, 2.0, 3.0])
matrix = torch.ones(2, 3)
cube = torch.randn(2, 3, 4)
for name, tensor in (("scalar", scalar), ("vector", vector), ("matrix", matrix), ("cube", cube)):
    print(f"{name}: dim {tensor.dim()}, shape {tuple(tensor.shape)}, entries {tensor.numel()}")
assert cube.size() == cube.shape

# %% Making tensors
print(torch.eye(2))
print(torch.zeros(2, 3))
print(torch.ones(3))
print(torch.linspace(0, 1, 5))
print(torch.arange(0, 10, 2))
print(torch.rand(3))  # uniform between 0 and 1
print(torch.randn(3))  # normal, mean 0 and variance 1
print(torch.empty(2, 3).shape)

array = np.array([1.0, 2.0])
print(torch.tensor([1, 2]), torch.Tensor([1, 2]))
print(torch.tensor([1.0, 2.0]).dtype, torch.tensor(array).dtype, torch.Tensor(array).dtype)
print(torch.Tensor(torch.tensor([1, 2])))
print(torch.tensor(3), "but torch.Tensor(3) has the shape", tuple(torch.Tensor(3).shape))

# %% Indexing
table = torch.arange(12).reshape(3, 4)
print(table[1, 2], table[0], table[:, 1], table[-1, ::2])
row = table[0]
row[0] = 100
picked = table[table % 5 == 0]
picked[:] = -1
print(picked, table[0, 0], table[1, 1])

try:
    print(table[0, ::-1])
except ValueError as error:
    print(error)
print(table[0].flip(0))

# %% Data types
for left, right in (("uint8", "int8"), ("float16", "bfloat16"), ("int64", "float32")):
    one, other = (torch.ones(1, dtype=getattr(torch, name)) for name in (left, right))
    print(f"{left} + {right}: {(one + other).dtype}")
print("NumPy's int64 + float32:", (np.ones(1, np.int64) + np.ones(1, np.float32)).dtype)
print(f"{(torch.tensor([16_777_217]) + torch.tensor([0.0])).item():.0f}")

whole = torch.tensor([1, 2, 3])
single = torch.tensor([0.5, 0.5, 0.5])
double = single.double()
print((whole + single).dtype, (single + double).dtype, (single + 1e-9).dtype)
print((whole + 0.5).dtype, (single + torch.tensor(1.0, dtype=torch.float64)).dtype)
print((whole / whole).dtype)
wrapped = torch.tensor([200], dtype=torch.uint8) + 100, torch.tensor([100], dtype=torch.int8) + 100
print(*wrapped)

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

fitted = torch.tensor([0, 0, 0])
fitted[0] = 1.9
fitted[1:].copy_(torch.tensor([2.9, -3.9]))
rounded = torch.zeros(1).copy_(torch.tensor([1 + 1e-9], dtype=torch.float64))
cut = torch.zeros(1, dtype=torch.int32).copy_(torch.tensor([2**32 + 5]))
print(fitted, rounded.item(), cut)

# %% Another shape for the same numbers
numbers = torch.arange(6)
grid = numbers.view(2, 3)
print(grid, grid.shape, numbers.view(-1, 2).shape, numbers.view(-1).shape)

def strided(
    storage: Sequence[float] | np.ndarray | torch.Tensor,
    offset: int,
    shape: Sequence[int],
    strides: Sequence[int],
) -> np.ndarray:
    """Return the array whose entry (i, j, ...) is storage[offset + i * strides[0] + j * ...].

    storage is flat; offset and strides count its entries (NumPy's own strides count bytes), and
    there is one stride for each dimension. Raises IndexError where the sum is past the end.
    """
    flat = np.asarray(storage)
    view = np.empty(shape, dtype=flat.dtype)
    for index in np.ndindex(*shape):
        steps = (i * stride for i, stride in zip(index, strides, strict=True))
        view[index] = flat[offset + sum(steps)]
    return view

views = {
    "grid": grid,
    "grid.t()": grid.t(),
    "grid[1]": grid[1],
    "grid[:, ::2]": grid[:, ::2],
    "grid[:, 1:2].expand(2, 4)": grid[:, 1:2].expand(2, 4),
}
difference = 0
for call, view in views.items():
    offset, shape, strides = view.storage_offset(), tuple(view.shape), view.stride()
    print(f"{call:<25} offset {offset}, shape {shape}, strides {strides}")
    by_hand = strided(numbers, offset, shape, strides)
    difference = max(difference, np.abs(by_hand - view.numpy()).max())
print(f"largest difference: {difference}")

million = torch.zeros(1).expand(1000, 1000)
print(f"{million.numel()} entries in {million.untyped_storage().nbytes()} bytes")

places = strided(range(6), 0, (3, 2), (1, 3)).ravel()
print("places", places, "steps", np.diff(places))
print("contiguous:", grid.t().is_contiguous())
try:
    grid.t().view(6)
except RuntimeError as error:
    print(str(error).split(" (")[0])

# %% Who shares, who copies
def address(numbers: torch.Tensor | np.ndarray) -> int:
    """Return where in memory a tensor's storage begins, or where an array's first number is.

    A slice of a tensor has the whole tensor's storage, so it has the same address, wherever its
    own first number is. A slice of an array has the address of its own first number.
    """
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
same_address = {call: address(old) == address(new) for call, (old, new) in attempts.items()}
shares = {}
for call, (old, new) in attempts.items():
    old[:] = 1
    new[:] = 7
    shares[call] = bool((old == 7).all())
    addresses = "one address" if same_address[call] else "two addresses"
    print(f"{call:<24} {'shares' if shares[call] else 'copies'}, {addresses}")

halves = torch.zeros(6)
left_half, right_half = halves[:3], halves[3:]
left_half[:] = 7
print("same address:", address(left_half) == address(right_half))
print("offsets", left_half.storage_offset(), right_half.storage_offset(), "and", right_half)

# %% Broadcasting
def broadcast_shapes_by_hand(*shapes: Sequence[int]) -> tuple[int, ...]:
    """Return the shape to which tensors of these shapes are broadcast.

    Raises ValueError where two sizes differ and neither is 1, and where a size is negative.
    """
    dimensions = max(map(len, shapes), default=0)
    lined_up = [(1,) * (dimensions - len(shape)) + tuple(shape) for shape in shapes]
    result = []
    for sizes in zip(*lined_up, strict=True):
        others = {size for size in sizes if size != 1}
        if len(others) > 1 or min(sizes) < 0:
            raise ValueError(f"the sizes {sizes} do not go together")
        result.append(max(others, default=1))
    return tuple(result)

for shapes in (((3, 1), (4,)), ((2, 3), (3,)), ((5, 1, 4), (3, 1), ())):
    by_hand = broadcast_shapes_by_hand(*shapes)
    print(*shapes, "give", by_hand, "and PyTorch says", tuple(torch.broadcast_shapes(*shapes)))
    assert by_hand == torch.broadcast_shapes(*shapes)
for refused in (broadcast_shapes_by_hand, torch.broadcast_shapes):
    try:
        refused((2, 3), (2,))
    except (ValueError, RuntimeError) as error:
        print(type(error).__name__, str(error).split("!")[0])

column, row = torch.tensor([[0], [10], [20]]), torch.tensor([1, 2, 3, 4])
by_hand = strided(column.view(3), 0, (3, 4), (1, 0)) + strided(row, 0, (3, 4), (0, 1))
print(column + row)
sum_difference = np.abs(by_hand - (column + row).numpy()).max()
print(f"largest difference: {sum_difference}")

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
made = torch.randn(1, requires_grad=True)
moved = made.to(device, copy=True)
print(f"made, then moved: is_leaf = {moved.is_leaf}")

a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
print(f"made on its device: is_leaf = {a.is_leaf}, {b.is_leaf}")

with torch.no_grad():
    unrecorded = a * 2
leaves = {
    "x_train_tensor * 2": x_train_tensor * 2,
    "a * 2": a * 2,
    "(a * 2).detach()": (a * 2).detach(),
    "a * 2 under no_grad": unrecorded,
}
for call, tensor in leaves.items():
    print(f"{call:<19} requires_grad {tensor.requires_grad}, is_leaf {tensor.is_leaf}")

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
assert shares == same_address and difference == sum_difference == 0
assert right_half.tolist() == [0, 0, 0] and address(left_half) == address(right_half)
assert table[0, 0] == 100 and table[1, 1] == 5
assert [tensor.item() for tensor in wrapped] == [44, -56]
for dtype, first, last in ((torch.uint8, 0, 255), (torch.int8, -128, 127)):
    assert (torch.iinfo(dtype).min, torch.iinfo(dtype).max) == (first, last)
assert torch.tensor(0.1).item() == 0.10000000149011612 != 0.1
assert a.is_leaf and b.is_leaf and not moved.is_leaf
assert [tensor.is_leaf for tensor in leaves.values()] == [True, False, True, True]
moved.backward()
assert made.grad.item() == 1
np.testing.assert_allclose(x_back, x_train, atol=1e-7)
print("checked: views by hand, who shares, the types, the data there and back, the leaves")
