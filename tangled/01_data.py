"""Chapter 1: make 100 points on a noisy line and set 20 of them aside for validation."""

import numpy as np

# %% A line with noise

true_a, true_b, n = 1, 2, 100
np.random.seed(42)
x = np.random.rand(n, 1)
y = true_a + true_b * x + 0.1 * np.random.randn(n, 1)
indices = np.arange(n)
np.random.shuffle(indices)
train_indices, val_indices = indices[:80], indices[80:]
x_train, y_train = x[train_indices], y[train_indices]
x_val, y_val = x[val_indices], y[val_indices]

print(f"training set {x_train.shape}, validation set {x_val.shape}")
print(f"first training pair: x = {x_train[0, 0]:.4f}, y = {y_train[0, 0]:.4f}")

# %% A look at the points
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

figure, panels = plt.subplots(1, 2, figsize=(10, 5), sharey=True, layout="constrained")
# One point lies above 3 and one below 1: without clipping they show in the margin.
panels[0].scatter(x_train, y_train, color="C0", clip_on=False, zorder=3)
panels[0].set(title="Training data: 80 points", xlabel="x", ylabel="y", ylim=(1, 3))
panels[1].scatter(x_val, y_val, color="C1", clip_on=False, zorder=3)
panels[1].set(title="Validation data: 20 points", xlabel="x")
save_figure(figure, "train_and_validation_data")

# %% What must hold
assert sorted([*train_indices, *val_indices]) == list(range(n))
np.testing.assert_allclose((x_train[0, 0], y_train[0, 0]), (0.7713, 2.4745), atol=5e-5)
for part, features, labels in (("training", x_train, y_train), ("validation", x_val, y_val)):
    spread = np.std(labels - (true_a + true_b * features))
    print(f"standard deviation of the noise in the {part} set: {spread:.4f}")
    assert 0.07 < spread < 0.13
print("checked: 80 + 20 points, none shared, noise as ordered")
