"""Chapter 6: the same descent with the update done by an optimizer."""

import os
import sys

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

# %% Other optimizers
choices = {
    "SGD": lambda parameters: optim.SGD(parameters, lr=0.1),
    "SGD, momentum 0.9": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "RMSprop": lambda parameters: optim.RMSprop(parameters, lr=0.001),
    "Adam": lambda parameters: optim.Adam(parameters, lr=0.02),
}

ends = {}
for name, make_optimizer in choices.items():
    line = torch.tensor([[0.5], [0.0]], requires_grad=True, device=device)
    optimizer = make_optimizer([line])
    for epoch in range(1, 4001):
        loss = ((y_train_tensor - (line[0] + line[1] * x_train_tensor)) ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < 0.0081 and name not in ends:
            ends[name] = epoch
    a_end, b_end = line.flatten().tolist()
    print(f"{name:<17} below 0.0081 in epoch {ends[name]:>4}, ends at {a_end:.3f}, {b_end:.3f}")

# %% What must hold
np.testing.assert_allclose((a.item(), b.item()), (1.0235, 1.9690), atol=5e-5)
assert a.grad is None
assert ends["SGD, momentum 0.9"] < ends["SGD"]
print("checked: step() is the update by hand, and the loop ends at the same line")
