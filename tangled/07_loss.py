"""Chapter 7: losses by hand and by PyTorch, the same descent with one of them, a classifier."""

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

# %% Three losses for numbers
def mse_by_hand(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error of two tensors of the same shape."""
    return ((input - target) ** 2).mean()


def l1_by_hand(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute error of two tensors of the same shape."""
    return (input - target).abs().mean()


def huber_by_hand(input: torch.Tensor, target: torch.Tensor, delta: float = 1.0) -> torch.Tensor:
    """Return the mean Huber loss of two tensors of the same shape; delta must be positive."""
    size = (input - target).abs()
    return torch.where(size <= delta, size**2 / 2, delta * (size - delta / 2)).mean()

for off_by in (0.5, 1.0, 5.0):
    one, zero = torch.tensor([off_by]), torch.zeros(1)
    square, absolute = mse_by_hand(one, zero).item(), l1_by_hand(one, zero).item()
    huber = huber_by_hand(one, zero).item()
    print(f"off by {off_by}: square {square:.3f}, absolute {absolute:.3f}, Huber {huber:.3f}")

# %% MSELoss is a module
from collections.abc import Callable

loss_fn = nn.MSELoss()
predictions = torch.tensor([1.0, 3.0, 5.0])
targets = torch.tensor([1.0, 2.0, 3.0])
by_hand = (0**2 + (-1) ** 2 + (-2) ** 2) / 3
print(f"by hand {by_hand:.4f}, MSELoss {loss_fn(predictions, targets).item():.4f}")

def largest_difference(
    by_hand: Callable, pytorchs: Callable, input: torch.Tensor, target: torch.Tensor
) -> float:
    """Return the largest difference between two losses, their gradients by the input included."""
    results = []
    for loss_fn in (by_hand, pytorchs):
        leaf = input.clone().requires_grad_()
        loss = loss_fn(leaf, target)
        loss.backward()
        results.append(torch.cat([loss.detach().view(1), leaf.grad.flatten()]))
    return (results[0] - results[1]).abs().max().item()

guesses, truths = torch.randn(2, 100, 3, dtype=torch.float64)
differences = {
    "MSELoss": largest_difference(mse_by_hand, nn.MSELoss(), guesses, truths),
    "L1Loss": largest_difference(l1_by_hand, nn.L1Loss(), guesses, truths),
    "HuberLoss": largest_difference(huber_by_hand, nn.HuberLoss(), guesses, truths),
}
for name, difference in differences.items():
    print(f"{name:<9} largest difference: {difference:.12f}")

# %% reduction
mean = nn.MSELoss(reduction="mean")(predictions, targets)
total = nn.MSELoss(reduction="sum")(predictions, targets)
each = nn.MSELoss(reduction="none")(predictions, targets)
print(f"mean {mean.item():.4f}, sum {total.item():.4f}, none {each.tolist()}")

slopes = {}
for reduction in ("mean", "sum"):
    for rows in (40, 80):
        yhat = a + b * x_train_tensor[:rows]
        loss = nn.MSELoss(reduction=reduction)(yhat, y_train_tensor[:rows])
        slopes[reduction, rows] = torch.autograd.grad(loss, a)[0].item()
        print(f"{reduction:<4} of {rows} points: gradient by a {slopes[reduction, rows]:.2f}")

# %% The loop
optimizer = optim.SGD([a, b], lr=0.1)

for _ in range(1000):
    yhat = a + b * x_train_tensor
    loss = loss_fn(yhat, y_train_tensor)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()

print(f"a = {a.item():.4f}, b = {b.item():.4f}, loss {loss.item():.6f}")

kept = loss_fn(a + b * x_train_tensor, y_train_tensor)
saved_shape = tuple(kept.grad_fn._saved_self.shape)
print(f"before backward it keeps the predictions, {saved_shape}")
kept.backward()
try:
    print(kept.grad_fn._saved_self)
except RuntimeError as error_message:
    freed_error = str(error_message)
    print(f"after: {freed_error.split('. ')[0]}")

# %% The shape trap
y_flat = y_train_tensor[:, 0]
a_flat = torch.zeros(1, requires_grad=True, device=device)
b_flat = torch.zeros(1, requires_grad=True, device=device)
optimizer = optim.SGD([a_flat, b_flat], lr=0.1)
for _ in range(1000):
    yhat_flat = a_flat + b_flat * x_train_tensor
    loss_flat = ((yhat_flat - y_flat) ** 2).mean()
    loss_flat.backward()
    optimizer.step()
    optimizer.zero_grad()

pairs = tuple((yhat_flat - y_flat).shape)
# The z in b's format prints -0.000 as 0.000.
print(f"a = {a_flat.item():.3f}, b = {b_flat.item():z.3f}, loss {loss_flat.item():.4f}")
print(f"{tuple(yhat_flat.shape)} minus {tuple(y_flat.shape)} is {pairs}")
print(f"mean of the targets: {y_flat.mean().item():.3f}")

import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warned_loss = nn.MSELoss()(yhat_flat, y_flat).item()
shape_warning = str(caught[0].message)
print(f"{caught[0].category.__name__}: {shape_warning.split('. ')[0]}")
print(f"and it returns a loss all the same: {warned_loss:.4f}")

with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        nn.MSELoss()(yhat_flat, y_flat)
    except UserWarning:
        print("the warning is an error now")
try:
    assert yhat_flat.shape == y_flat.shape, "predictions and targets differ in shape"
except AssertionError as error_message:
    print(error_message)

# %% Cross-entropy
def naive_log_softmax(logits: torch.Tensor) -> torch.Tensor:
    """Return the log-probabilities of each row, by softmax and then log."""
    powers = logits.exp()
    return (powers / powers.sum(dim=1, keepdim=True)).log()

def log_softmax_by_hand(logits: torch.Tensor) -> torch.Tensor:
    """Return the log-probabilities of each row, for logits of any size."""
    shifted = logits - logits.max(dim=1, keepdim=True).values
    return shifted - shifted.exp().sum(dim=1, keepdim=True).log()


def cross_entropy_by_hand(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of logits (rows, classes) and true class numbers (rows)."""
    rows = torch.arange(len(classes), device=logits.device)
    return -log_softmax_by_hand(logits)[rows, classes].mean()

ways = {
    "as it stands": naive_log_softmax,
    "log of torch.softmax": lambda logits: torch.softmax(logits, dim=1).log(),
    "log-sum-exp by hand": log_softmax_by_hand,
    "torch.log_softmax": lambda logits: torch.log_softmax(logits, dim=1),
}
logarithms = {}
for name, way in ways.items():
    small, large = way(torch.tensor([[2.0, 0.0, -1.0], [1000.0, 0.0, -1000.0]])).tolist()
    logarithms[name] = large
    print(f"{name:<20}", *(f"{value:.3f}" for value in small), "|", *(f"{v:.0f}" for v in large))

scores = torch.randn(100, 3, dtype=torch.float64) * torch.tensor([1, 1, 1000])
chosen = torch.randint(3, (100,))
difference = largest_difference(cross_entropy_by_hand, nn.CrossEntropyLoss(), scores, chosen)
differences["CrossEntropyLoss"] = difference
print(f"CrossEntropyLoss largest difference: {difference:.12f}")

# %% A first classifier
np.random.seed(42)
labels = np.repeat([0, 1], 100)
points = np.array([[-1, -1], [1, 1]])[labels] + np.random.randn(200, 2)
order = np.random.permutation(200)
points, labels = points[order], labels[order]
features = torch.from_numpy(points).float().to(device)
classes = torch.from_numpy(labels).to(device)

weight = torch.zeros(2, 2, requires_grad=True, device=device)
bias = torch.zeros(2, requires_grad=True, device=device)
optimizer = optim.SGD([weight, bias], lr=0.1)
loss_fn = nn.CrossEntropyLoss()
class_losses = []
for _ in range(500):
    logits = features[:150] @ weight + bias
    class_loss = loss_fn(logits, classes[:150])
    class_loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    class_losses.append(class_loss.item())
print(f"loss before the first step {class_losses[0]:.4f}, at the end {class_losses[-1]:.4f}")

with torch.no_grad():
    predicted = (features @ weight + bias).argmax(dim=1)
right = (predicted == classes).cpu().numpy()
for name, part in (("training", right[:150]), ("held back", right[150:])):
    print(f"{name:<9} {part.sum()} of {len(part)} right, accuracy {part.mean():.2f}")

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

normal = (weight[:, 1] - weight[:, 0]).tolist()
offset = (bias[1] - bias[0]).item()
across = np.array([-4.5, 4.5])
up = np.round(-(normal[0] * across + offset) / normal[1], 4)

figure, axes = plt.subplots(figsize=(10, 7.5), layout="constrained")
for label, marker, color in ((0, "o", "C0"), (1, "^", "C1")):
    for name, part in (("training", slice(150)), ("held back", slice(150, 200))):
        x1, x2 = points[part][labels[part] == label].T
        face = color if name == "training" else "none"
        look = {"marker": marker, "edgecolors": color, "linewidths": 1.8}
        axes.scatter(x1, x2, 70, face, label=f"class {label}, {name}", **look)
axes.plot(across, up, color="black", linewidth=2, label="both logits equal")
axes.set(title="Two clouds and the line between them", xlim=(-4.5, 4.5), ylim=(-4, 4))
axes.set(xlabel="first feature", ylabel="second feature")
figure.legend(loc="outside lower center", ncols=3, fontsize=14)
save_figure(figure, "classifier")

# %% Which loss, in which order?
def outcome(loss_fn: Callable, input: torch.Tensor, target: torch.Tensor) -> str:
    """Return the loss with three decimals, or the kind of error that it raised."""
    try:
        return f"{loss_fn(input, target).item():.3f}"
    except RuntimeError as error:
        return type(error).__name__


logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0]])
numbers, shares = torch.tensor([0, 1]), torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])
log_p = torch.log_softmax(logits, dim=1)

cases = {
    "MSELoss": (nn.MSELoss(), shares, 1 - shares),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss(), logits[:, 0], numbers.float()),
    "CrossEntropyLoss, class numbers": (nn.CrossEntropyLoss(), logits, numbers),
    "CrossEntropyLoss, probabilities": (nn.CrossEntropyLoss(), logits, shares),
    "NLLLoss": (nn.NLLLoss(), log_p, numbers),
    "KLDivLoss": (nn.KLDivLoss(reduction="batchmean"), log_p, shares),
}
outcomes = {
    name: (outcome(loss_fn, first, second), outcome(loss_fn, second, first))
    for name, (loss_fn, first, second) in cases.items()
}
for name, (in_order, swapped) in outcomes.items():
    print(f"{name:<31} {in_order}, swapped {swapped}")

divergence = (shares * (shares.log() - log_p)).sum(dim=1).mean().item()
batchmean = nn.KLDivLoss(reduction="batchmean")(log_p, shares).item()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    default = nn.KLDivLoss()(log_p, shares).item()
print(f"by hand {divergence:.5f}, batchmean {batchmean:.5f}, default {default:.5f}")
kl_warning = str(caught[0].message)
print(kl_warning.split(".")[0])

# %% What must hold
np.testing.assert_allclose(mean.item(), by_hand, rtol=1e-6)
np.testing.assert_allclose((total.item(), each.sum().item()), (5, 5))
np.testing.assert_allclose((a.item(), b.item()), (1.0235, 1.9690), atol=5e-5)
assert max(differences.values()) < 1e-12
assert abs(slopes["sum", 80] / slopes["mean", 80] - 80) < 1e-3
assert saved_shape == (80, 1) and "already been freed" in freed_error
assert pairs == (80, 80) and abs(a_flat.item() - y_flat.mean().item()) < 1e-5
assert abs(b_flat.item()) < 1e-4 and "different to the input size" in shape_warning
print("checked: losses by hand equal PyTorch's, the loop, and how the trap ends")

huge = logarithms["log-sum-exp by hand"]
assert huge == logarithms["torch.log_softmax"] == [0, -1000, -2000]
assert not np.isfinite(logarithms["as it stands"]).any()
assert np.isneginf(logarithms["log of torch.softmax"][1:]).all()
assert 0.85 < right[150:].mean() < 0.97 and abs(class_losses[0] - np.log(2)) < 1e-6
assert outcomes["CrossEntropyLoss, class numbers"][1].endswith("Error")
assert outcomes["NLLLoss"][1].endswith("Error") and outcomes["KLDivLoss"][1] == "nan"
assert outcomes["MSELoss"][0] == outcomes["MSELoss"][1]
for name in ("BCEWithLogitsLoss", "CrossEntropyLoss, probabilities"):
    assert outcomes[name][0] != outcomes[name][1]
np.testing.assert_allclose((batchmean, 3 * default), divergence, rtol=1e-5)
print("checked: huge logits, the classifier, swapped arguments, batchmean")
