"""Chapter 3: fit y = a + b x by gradient descent in NumPy, with gradients derived by hand."""

import json
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure


def save_figure(figure: Figure, name: str) -> None:
    """Write figures/NAME.png, whole or not at all, and close the figure."""
    Path("figures").mkdir(exist_ok=True)
    beside = Path("figures", f".{name}.new")
    figure.savefig(beside, format="png", dpi=160, metadata={"Software": None})
    beside.replace(Path("figures", f"{name}.png"))
    plt.close(figure)

plt.switch_backend("agg")  # figures go to files; no window opens
plt.style.use("fivethirtyeight")
true_a, true_b, n = 1, 2, 100
np.random.seed(42)
x = np.random.rand(n, 1)
y = true_a + true_b * x + 0.1 * np.random.randn(n, 1)
indices = np.arange(n)
np.random.shuffle(indices)
train_indices, val_indices = indices[:80], indices[80:]
x_train, y_train = x[train_indices], y[train_indices]
x_val, y_val = x[val_indices], y[val_indices]

# %% Step 0: a random start
np.random.seed(42)
a = np.random.randn(1)
b = np.random.randn(1)
start = a, b
print(f"start: a = {a[0]:.8f}, b = {b[0]:.8f}")

# %% Step 1: the forward pass
yhat = a + b * x_train

# %% Step 2: the loss
error = y_train - yhat
loss = (error**2).mean()
print(f"loss: {loss:.12f}")

# %% Step 3: the gradients

def gradients(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the derivatives of the mean squared error by a and by b, as an array of two."""
    error = y - (a + b * x)
    return np.array([-2 * error.mean(), -2 * (x * error).mean()])

first_gradients = gradients(a, b, x_train, y_train)
a_grad, b_grad = first_gradients
print(f"gradients: {a_grad:.10f} by a, {b_grad:.10f} by b")

def mse(a: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean squared error of the line a + b x over the points (x, y)."""
    return ((y - (a + b * x)) ** 2).mean()

h = 1e-6
a_slope = (mse(a + h, b, x_train, y_train) - mse(a - h, b, x_train, y_train)) / (2 * h)
b_slope = (mse(a, b + h, x_train, y_train) - mse(a, b - h, x_train, y_train)) / (2 * h)
print(f"by finite differences: {a_slope:.6f} and {b_slope:.6f}")

# %% Step 4: the update
learning_rate = 0.1
a = a - learning_rate * a_grad
b = b - learning_rate * b_grad
first_step = a, b
print(f"after one step: a = {a[0]:.8f}, b = {b[0]:.8f}")
print(f"the loss fell from {loss:.4f} to {mse(a, b, x_train, y_train):.4f}")

# %% Step 5: again
a, b = start

for _ in range(1000):
    yhat = a + b * x_train
    error = y_train - yhat
    loss = (error**2).mean()
    a_grad = -2 * error.mean()
    b_grad = -2 * (x_train * error).mean()
    a = a - learning_rate * a_grad
    b = b - learning_rate * b_grad

print(f"after 1000 epochs: a = {a[0]:.8f}, b = {b[0]:.8f}, loss {loss:.6f}")

# %% Why does it end there?
from sklearn.linear_model import LinearRegression

sklearn_fit = LinearRegression().fit(x_train, y_train)
sklearn_a, sklearn_b = sklearn_fit.intercept_[0], sklearn_fit.coef_[0, 0]
print(f"scikit-learn:  a = {sklearn_a:.8f}, b = {sklearn_b:.8f}")

columns = np.hstack([np.ones_like(x_train), x_train])
lstsq_a, lstsq_b = np.linalg.lstsq(columns, y_train)[0].ravel()
print(f"least squares: a = {lstsq_a:.8f}, b = {lstsq_b:.8f}")

noise = y_train - (true_a + true_b * x_train)
centred = x_train - x_train.mean()
noise_b = (centred * noise).sum() / (centred**2).sum()
noise_a = noise.mean() - noise_b * x_train.mean()
correlation = np.corrcoef(x_train.ravel(), noise.ravel())[0, 1]
print(f"correlation of the noise with x: {correlation:.4f}, so b is off by {noise_b:.8f}")
print(f"mean of the noise {noise.mean():.4f}, and {-noise_b * x_train.mean():.4f} from the tilt,")
print(f"so a is off by {noise_a:.8f}")

offsets = np.linalg.lstsq(columns, noise)[0].ravel()
fitted = np.array([lstsq_a - true_a, lstsq_b - true_b])
by_hand = np.array([noise_a, noise_b])
noise_difference = max(abs(by_hand - offsets).max(), abs(by_hand - fitted).max())
print(f"least squares of the noise: {offsets[0]:.8f} and {offsets[1]:.8f}")
print(f"largest difference: {noise_difference:.12f}")

# %% The batch, seen from above

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

paths = {
    "batch: all 80 points": descend(x_train, y_train, 80, learning_rate=0.1, epochs=100),
    "mini-batch: 16 points": descend(x_train, y_train, 16, learning_rate=0.1, epochs=20),
    "stochastic: 1 point": descend(x_train, y_train, 1, learning_rate=0.1, epochs=4),
}
for name, path in paths.items():
    print(f"{name:<22} {len(path) - 1} steps, ends at a = {path[-1, 0]:.2f}, b = {path[-1, 1]:.2f}")

a_axis, b_axis = np.meshgrid(np.linspace(0.2, 2.2, 101), np.linspace(-0.4, 2.6, 151))
errors = y_train.ravel() - a_axis[..., None] - b_axis[..., None] * x_train.ravel()
height = (errors**2).mean(axis=-1)
levels = np.geomspace(0.01, 3, 12)

figure, panels = plt.subplots(1, 3, figsize=(12, 5.4), sharey=True, layout="constrained")
for panel, (name, path), color in zip(panels, paths.items(), ("C0", "C1", "C3"), strict=True):
    panel.contour(a_axis, b_axis, height, levels, colors="grey", linewidths=1)
    panel.plot(path[:, 0], path[:, 1], ".-", color=color, linewidth=1.5, markersize=5)
    panel.plot(lstsq_a, lstsq_b, "*", color="black", markersize=16)
    panel.set(title=name, xlabel="a", aspect="equal")
    panel.title.set_fontsize(15)
panels[0].set_ylabel("b")
save_figure(figure, "gradient_descent")

def keep(name: str, content: dict) -> None:
    """Write checkpoints/NAME.json, whole or not at all."""
    Path("checkpoints").mkdir(exist_ok=True)
    beside = Path("checkpoints", f".{name}.new")
    beside.write_text(json.dumps(content), encoding="utf-8")
    beside.replace(Path("checkpoints", f"{name}.json"))

np.random.seed(42)
np.random.randn(2)  # the start, which descend draws before the first order
orders = [np.random.permutation(len(x_train)).tolist() for _ in range(20)]
points = {"x": x_train.ravel().tolist(), "y": y_train.ravel().tolist()}
keep("descent", points | {"start": np.ravel(start).tolist(), "orders": orders})
print(f"kept for the page: {len(x_train)} points and {len(orders)} orders of them")

minimum = np.array([lstsq_a, lstsq_b])
smooth = paths["batch: all 80 points"]
step, straight = smooth[1] - smooth[0], minimum - smooth[0]
cosine = step @ straight / np.linalg.norm(step) / np.linalg.norm(straight)
print(f"the first step points {np.degrees(np.arccos(cosine)):.0f} degrees away from the minimum")
print(f"a rises to {smooth[:, 0].max():.2f} in step {smooth[:, 0].argmax()}, then falls")

for name, batch_size, epochs in (("batch", 80, 2000), ("mini-batch", 16, 400), ("single", 1, 25)):
    path = descend(x_train, y_train, batch_size, learning_rate=0.1, epochs=epochs)
    distance = np.linalg.norm(path[-1000:] - minimum, axis=1).mean()
    print(f"{name:<10} {len(path) - 1} steps, mean distance {distance:.4f}")

# %% The learning rate
rates = {0.005: "too small", 0.1: "good", 0.8: "too large", 0.82: "diverges"}
curves = {}
for rate in rates:
    path = descend(x_train, y_train, 80, learning_rate=rate, epochs=60)
    curves[rate] = np.array([mse(*point, x_train, y_train) for point in path])
    print(f"rate {rate:<5} loss after 60 epochs: {curves[rate][-1]:.4g} ({rates[rate]})")

figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
for (rate, curve), style in zip(curves.items(), ("-", "--", "-.", ":"), strict=True):
    axes.plot(curve, style, linewidth=2.5)
    axes.text(61, curve[-1], f"{rate}: {rates[rate]}", va="center", fontsize=13)
axes.set(title="The same descent at four learning rates", xlabel="epoch", ylabel="loss (MSE)")
axes.set(yscale="log", xlim=(0, 76), xticks=range(0, 61, 10))
save_figure(figure, "learningrates")

# %% How fast, and where is the limit?
hessian = 2 * columns.T @ columns / len(columns)
eigenvalues, directions = np.linalg.eigh(hessian)
flat, steep = eigenvalues
print(f"eigenvalues: {flat:.4f} along the valley, {steep:.4f} across it")
print(f"the valley is {np.sqrt(steep / flat):.1f} times as long as wide")
print(f"factors at rate 0.1: {1 - 0.1 * flat:.6f} along the valley, {1 - 0.1 * steep:.6f} across")

def convergence_factor(rate: float, eigenvalues: np.ndarray) -> float:
    """Return what a step multiplies the distance from the minimum by, in the long run."""
    return np.abs(1 - rate * eigenvalues).max()

limit = 2 / steep
print(f"the limit is {limit:.4f}")
measured = {}
for rate in (0.1, 0.8, limit, 0.82):
    path = descend(x_train, y_train, 80, learning_rate=rate, epochs=300)
    distances = np.linalg.norm(path - minimum, axis=1)
    predicted, measured[rate] = convergence_factor(rate, eigenvalues), distances[-1] / distances[-2]
    print(f"rate {rate:.4f} predicted {predicted:.6f}, measured {measured[rate]:.6f}")
difference = max(abs(convergence_factor(rate, eigenvalues) - measured[rate]) for rate in measured)
print(f"largest difference: {difference:.12f}")

factor = convergence_factor(0.1, eigenvalues)
digit = np.log(10) / -np.log(factor)
along = abs((np.ravel(start) - minimum) @ directions[:, 0])
end = np.linalg.norm(np.ravel((a, b)) - minimum)
print(f"steps per digit: {digit:.0f}, digits in 1000 epochs: {1000 / digit:.1f}")
print(f"distance along the valley at the start: {along:.2f}")
print(f"distance after 1000 epochs: predicted {along * factor**1000:.3g}, measured {end:.3g}")

# %% What must hold
np.testing.assert_allclose((a_slope, b_slope), first_gradients, rtol=1e-6)
np.testing.assert_allclose((a[0], b[0]), (lstsq_a, lstsq_b), atol=1e-6)
np.testing.assert_allclose((a[0], b[0]), (1.02354094, 1.96896411), atol=1e-8)
np.testing.assert_allclose(np.ravel(first_step), (0.80119529, 0.04511107), atol=1e-8)
assert noise_difference < 1e-12
assert difference < 1e-12
np.testing.assert_allclose(along * factor**1000, end, rtol=1e-6)
assert 0.8 < limit < 0.82
assert curves[0.1][-1] < curves[0.8][-1] < curves[0.005][-1] < curves[0.82][-1]
print("checked: gradients by differences, the end by least squares, the noise's share in it")
print("checked: how fast the descent gets there, by the eigenvalues of the Hessian")
