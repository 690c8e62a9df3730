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
for _ in tqdm(range(1000), disable=None):
    batch_losses = [train_step(xb.to(device), yb.to(device)) for xb, yb in train_loader]
    losses.append(np.mean(batch_losses))
    model.eval()
    with torch.no_grad():
        for x_batch, y_batch in val_loader:
            yhat = model(x_batch.to(device))
            val_losses.append(loss_fn(yhat, y_batch.to(device)).item())
written_out = [parameter.item() for parameter in model.parameters()]
print(f"weight = {written_out[0]:.4f}, bias = {written_out[1]:.4f}")
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

figure = plot_train_val(losses[:100], val_losses[:100], "Both losses, first 100 epochs")
save_figure(figure, "train_val_curves2")

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
during = np.mean([fresh_step(xb.to(device), yb.to(device)) for xb, yb in train_loader])
after = validation(fresh_model, loss_fn, train_loader)
print(f"training loss of the first epoch: {during:.4f} measured during, {after:.4f} after it")
print(f"validation loss of the first epoch: {val_losses[0]:.4f}")
below = sum(val < train for train, val in zip(losses[:100], val_losses[:100], strict=True))
print(f"validation is lower in {below} of the first 100 epochs")

def noise_in(part: Subset, x: np.ndarray, y: np.ndarray, a: float, b: float) -> float:
    """Return the mean squared distance of a part's points from y = a + bx."""
    rows = part.indices
    return ((y[rows] - a - b * x[rows]) ** 2).mean()

train_noise = noise_in(train_dataset, x, y, true_a, true_b)
val_noise = noise_in(val_dataset, x, y, true_a, true_b)
print(f"mean squared noise: {train_noise:.5f} in the 80 points, {val_noise:.5f} in the 20")

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
save_figure(plot_train_val(losses, val_losses, "Training and validation"), "train_val_curves")

# %% What must hold
assert [weight, bias] == written_out
np.testing.assert_allclose((weight, bias), (1.9625, 1.0147), atol=5e-5)
assert after < during
assert val_losses[0] < losses[0]
assert train_noise < val_noise
np.testing.assert_allclose(by_size, whole, rtol=1e-5)
assert abs(plain - whole) > 1e-6
print("checked: the functions do what the loop did, and the mean counts every sample once")
