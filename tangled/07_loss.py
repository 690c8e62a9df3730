"""Chapter 7: the same descent with PyTorch's loss function."""

import os
import sys

import numpy as np
import torch
from torch import nn, optim


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

# %% MSELoss makes a function
loss_fn = nn.MSELoss()
predictions = torch.tensor([1.0, 3.0, 5.0])
targets = torch.tensor([1.0, 2.0, 3.0])
by_hand = ((0) ** 2 + (-1) ** 2 + (-2) ** 2) / 3
print(f"by hand {by_hand:.4f}, MSELoss {loss_fn(predictions, targets).item():.4f}")

# %% reduction
mean = nn.MSELoss(reduction="mean")(predictions, targets)
total = nn.MSELoss(reduction="sum")(predictions, targets)
each = nn.MSELoss(reduction="none")(predictions, targets)
print(f"mean {mean.item():.4f}, sum {total.item():.4f}, none {each.tolist()}")

# %% The loop
optimizer = optim.SGD([a, b], lr=0.1)
for _ in range(1000):
    yhat = a + b * x_train_tensor
    loss = loss_fn(yhat, y_train_tensor)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
print(f"a = {a.item():.4f}, b = {b.item():.4f}, loss {loss.item():.10f}")

# %% What must hold
np.testing.assert_allclose(mean.item(), by_hand, rtol=1e-6)
np.testing.assert_allclose((total.item(), each.sum().item()), (5, 5))
np.testing.assert_allclose((a.item(), b.item()), (1.0235, 1.9690), atol=5e-5)
print("checked: MSELoss is the mean of the squares, and the loop ends at the same line")
