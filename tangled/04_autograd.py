"""Chapter 4: the same descent with gradients from autograd."""

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

for name, tensor in (("x", x_train_tensor), ("a", a), ("yhat", yhat), ("loss", loss)):
    made_by = type(tensor.grad_fn).__name__ if tensor.grad_fn else "no operation"
    print(f"{name}: leaf {tensor.is_leaf}, requires_grad {tensor.requires_grad}, {made_by}")

# %% In which order does backward walk?
u = torch.tensor(1.0, requires_grad=True)
v = u + u
w = v + v
w.backward()
print(f"dw/du = {u.grad.item():.0f}")

u_grad = 0
for v_grad in (1, 2):  # what v has gathered when each of the two arrows reaches it
    u_grad += v_grad + v_grad  # from v two arrows lead on to u
print(f"naive walk: dw/du = {u_grad}")

# %% Gradients add up
loss = ((y_train_tensor - (a + b * x_train_tensor)) ** 2).mean()
loss.backward()
print(f"a.grad after a second backward: {a.grad.item():.4f}")
doubled = a.grad.item() / first_gradients[0]

a.grad.zero_()
b.grad.zero_()
print(a.grad, b.grad)

# %% The update, and why it needs no_grad
import warnings

learning_rate = 0.1
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

try:
    a -= learning_rate * a.grad
except RuntimeError as error_message:
    in_place_error = str(error_message)
print(in_place_error)

with torch.no_grad():
    a -= learning_rate * a.grad
    b -= learning_rate * b.grad
print(f"is_leaf {a.is_leaf}, requires_grad {a.requires_grad}")

# %% The loop
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
print(f"a = {a.item():.4f}, b = {b.item():.4f}, loss {loss.item():.10f}")

# %% Out of the graph
try:
    a.numpy()
except (RuntimeError, TypeError) as error_message:
    print(error_message)
print(a.detach().cpu().numpy(), a.item(), a.tolist())

# %% What must hold
assert u.grad.item() == 4
assert u_grad == 6
np.testing.assert_allclose(doubled, 2, rtol=1e-6)
assert lost_gradient is None
assert "in-place" in in_place_error
np.testing.assert_allclose((a.item(), b.item()), (1.0235, 1.9690), atol=5e-5)
if device.type == "cpu":  # another device draws another start
    np.testing.assert_allclose(first_gradients, (-3.1125, -1.8156), atol=5e-5)
print("checked: autograd's gradients are the formulas', and the loop ends where NumPy's did")
