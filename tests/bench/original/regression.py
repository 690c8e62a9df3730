"""Chapters 1 to 12 as a tutorial of 2020 writes them: one process, one section after another.

python regression.py draws into figures/, writes checkpoints/, and checks where each loop ends.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import numpy as np
import torch
from matplotlib import pyplot as plt
from sklearn.linear_model import LinearRegression
from torch import nn, optim
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split
from torchviz import make_dot

device = os.environ.get("DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
lr = 1e-1
n_epochs = 1000


# --- the data


def make_data():
    """Return x and y of all 100 points, then of the 80 for training and the 20 for validation."""
    np.random.seed(42)
    x = np.random.rand(100, 1)
    y = 1 + 2 * x + 0.1 * np.random.randn(100, 1)
    idx = np.arange(100)
    np.random.shuffle(idx)
    train_idx, val_idx = idx[:80], idx[80:]
    return x, y, x[train_idx], y[train_idx], x[val_idx], y[val_idx]


def to_tensors(x, y):
    """Return two arrays as tensors on the device."""
    return torch.from_numpy(x).float().to(device), torch.from_numpy(y).float().to(device)


def savefig(name):
    """Write the current figure."""
    plt.tight_layout()
    plt.savefig(f"figures/{name}.png")
    plt.close()


def plot_data(x_train, y_train, x_val, y_val):
    """Draw both parts of the data."""
    plt.figure(figsize=(10, 5))
    for place, (x, y, title) in enumerate(
        [(x_train, y_train, "Generated data - train"), (x_val, y_val, "Generated data - val")], 1
    ):
        plt.subplot(1, 2, place)
        plt.scatter(x, y)
        plt.title(title)
        plt.xlabel("x")
        plt.ylabel("y")
        plt.ylim(1, 3)
    savefig("train_and_validation_data")


# --- the same descent in NumPy, with autograd, with an optimizer, with a loss function


def numpy_descent(x_train, y_train):
    """Return a and b after n_epochs, gradients by formula."""
    np.random.seed(42)
    a = np.random.randn(1)
    b = np.random.randn(1)
    for _ in range(n_epochs):
        yhat = a + b * x_train
        error = y_train - yhat
        loss = (error**2).mean()  # noqa: F841 (as tutorials have it)
        a_grad = -2 * error.mean()
        b_grad = -2 * (x_train * error).mean()
        a = a - lr * a_grad
        b = b - lr * b_grad
    return a.item(), b.item()


def two_parameters():
    """Return a and b at random."""
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
    b = torch.randn(1, requires_grad=True, dtype=torch.float, device=device)
    return a, b


def autograd_descent(x, y):
    """Return a and b after n_epochs, gradients by backward, updates by hand."""
    a, b = two_parameters()
    for _ in range(n_epochs):
        yhat = a + b * x
        error = y - yhat
        loss = (error**2).mean()
        loss.backward()
        with torch.no_grad():
            a -= lr * a.grad
            b -= lr * b.grad
        a.grad.zero_()
        b.grad.zero_()
    return a.item(), b.item()


def optimizer_descent(x, y, loss_fn):
    """Return a and b after n_epochs, updates by an optimizer."""
    a, b = two_parameters()
    optimizer = optim.SGD([a, b], lr=lr)
    for _ in range(n_epochs):
        yhat = a + b * x
        loss = loss_fn(yhat, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return a.item(), b.item()


# --- the graph


def draw(graph, name):
    """Write a graph as a picture."""
    beside_python = str(Path(sys.executable).parent)
    dot = shutil.which("graphviz-pure", path=beside_python) or shutil.which("dot")
    graph.node_attr["fontname"] = "Courier"
    command = [dot, "-Tpng", "-o", f"figures/{name}.png"]
    subprocess.run(command, input=graph.source, text=True, check=True)


def draw_graphs(x, y):
    """Draw what autograd remembers of four computations."""
    a, b = two_parameters()
    yhat = a + b * x
    error = y - yhat
    loss = (error**2).mean()
    draw(make_dot(yhat), "net")
    draw(make_dot(loss), "loss")

    a_nograd = torch.randn(1, requires_grad=False, dtype=torch.float, device=device)
    draw(make_dot(a_nograd + b * x), "net2")

    yhat = a + b * x
    error = y - yhat
    loss = (error**2).mean()
    if loss > 0:
        yhat2 = b * x
        error2 = y - yhat2
        loss += error2.mean()
    draw(make_dot(loss), "nonsensical")


# --- the model


class ManualLinearRegression(nn.Module):
    """y = a + b x."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.randn(1, requires_grad=True, dtype=torch.float))
        self.b = nn.Parameter(torch.randn(1, requires_grad=True, dtype=torch.float))

    def forward(self, x):
        """Return a + b x."""
        return self.a + self.b * x


class LayerLinearRegression(nn.Module):
    """The same, by a layer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, x):
        """Return a + b x."""
        return self.linear(x)


def model_descent(model, x, y):
    """Train a model on all points at once; return its parameters."""
    model = model.to(device)
    loss_fn = nn.MSELoss(reduction="mean")
    optimizer = optim.SGD(model.parameters(), lr=lr)
    for _ in range(n_epochs):
        model.train()
        yhat = model(x)
        loss = loss_fn(yhat, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return [parameter.item() for parameter in model.parameters()]


def make_train_step(model, loss_fn, optimizer):
    """Return a function that trains on a batch and returns its loss."""

    def train_step(x, y):
        model.train()
        yhat = model(x)
        loss = loss_fn(yhat, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return train_step


def sequential_descent(x, y):
    """Train a Sequential by train steps; draw its loss; return its weight and bias."""
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    optimizer = optim.SGD(model.parameters(), lr=lr)
    train_step = make_train_step(model, nn.MSELoss(reduction="mean"), optimizer)
    losses = [train_step(x, y) for _ in range(n_epochs)]
    plt.plot(losses[:200])
    plt.yscale("log")
    plt.xlabel("epoch")
    plt.ylabel("training loss")
    savefig("trainingloss")
    return [parameter.item() for parameter in model.parameters()]


def draw_multilayer():
    """Draw the graph of a network of two layers."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    draw(make_dot(model(torch.randn(1, 3)), params=dict(model.named_parameters())), "multilayer")


# --- datasets


class CustomDataset(Dataset):
    """Pairs of two tensors."""

    def __init__(self, x_tensor, y_tensor):
        self.x = x_tensor
        self.y = y_tensor

    def __getitem__(self, index):
        """Return a pair."""
        return self.x[index], self.y[index]

    def __len__(self):
        """Return how many pairs there are."""
        return len(self.x)


def fresh_model():
    """Return a model of one layer, its loss function and its optimizer."""
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    return model, nn.MSELoss(reduction="mean"), optim.SGD(model.parameters(), lr=lr)


def minibatch_descent(x_train, y_train):
    """Train on shuffled batches of 16; return weight and bias."""
    torch.manual_seed(42)
    dataset = CustomDataset(torch.from_numpy(x_train).float(), torch.from_numpy(y_train).float())
    train_loader = DataLoader(dataset=dataset, batch_size=16, shuffle=True)
    model, loss_fn, optimizer = fresh_model()
    train_step = make_train_step(model, loss_fn, optimizer)
    losses = []
    for _ in range(n_epochs):
        for x_batch, y_batch in train_loader:
            losses.append(train_step(x_batch.to(device), y_batch.to(device)))
    return [parameter.item() for parameter in model.parameters()]


def make_loaders(x, y):
    """Return a loader of 80 points in batches of 16, and one of the other 20."""
    torch.manual_seed(42)
    dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
    train_dataset, val_dataset = random_split(dataset, [80, 20])
    train_loader = DataLoader(dataset=train_dataset, batch_size=16)
    val_loader = DataLoader(dataset=val_dataset, batch_size=20)
    return train_loader, val_loader


# --- the training loop, with validation


def loop_written_out(x, y):
    """Train and validate in one piece; draw the losses; return weight and bias."""
    train_loader, val_loader = make_loaders(x, y)
    model, loss_fn, optimizer = fresh_model()
    train_step = make_train_step(model, loss_fn, optimizer)
    losses, val_losses = [], []
    for _ in range(n_epochs):
        batch_losses = []
        for x_batch, y_batch in train_loader:
            batch_losses.append(train_step(x_batch.to(device), y_batch.to(device)))
        losses.append(np.mean(batch_losses))
        with torch.no_grad():
            for x_val, y_val in val_loader:
                x_val, y_val = x_val.to(device), y_val.to(device)
                model.eval()
                val_losses.append(loss_fn(model(x_val), y_val).item())
    plot_train_val(losses[:100], val_losses[:100], "train_val_curves2")
    return [parameter.item() for parameter in model.parameters()]


def validation(model, loss_fn, val_loader):
    """Return the mean of the losses of the batches."""
    val_losses = []
    with torch.no_grad():
        for x_val, y_val in val_loader:
            x_val, y_val = x_val.to(device), y_val.to(device)
            model.eval()
            val_losses.append(loss_fn(model(x_val), y_val).item())
    return np.mean(val_losses)


def train_loop(model, loss_fn, optimizer, n_epochs, train_loader, val_loader=None):
    """Train; return both losses of each epoch."""
    train_step = make_train_step(model, loss_fn, optimizer)
    losses, val_losses = [], []
    for _ in range(n_epochs):
        batch_losses = []
        for x_batch, y_batch in train_loader:
            batch_losses.append(train_step(x_batch.to(device), y_batch.to(device)))
        losses.append(np.mean(batch_losses))
        if val_loader is not None:
            val_losses.append(validation(model, loss_fn, val_loader))
    return losses, val_losses


def plot_train_val(losses, val_losses, name):
    """Draw both losses on a logarithmic scale."""
    plt.plot(losses, label="Training loss")
    plt.plot(val_losses, label="Validation loss")
    plt.yscale("log")
    plt.xlabel("epoch")
    plt.ylabel("loss")
    plt.legend()
    savefig(name)


def final_code(x, y):
    """Train by the functions; draw the losses; return weight and bias."""
    train_loader, val_loader = make_loaders(x, y)
    model, loss_fn, optimizer = fresh_model()
    losses, val_losses = train_loop(model, loss_fn, optimizer, n_epochs, train_loader, val_loader)
    plot_train_val(losses, val_losses, "train_val_curves")
    save(model, optimizer, losses, val_losses)
    return [parameter.item() for parameter in model.parameters()]


# --- saving and loading, schedulers


def save(model, optimizer, losses, val_losses):
    """Write a checkpoint."""
    checkpoint = {
        "epoch": len(losses),
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "loss": [float(loss) for loss in losses],
        "val_loss": [float(loss) for loss in val_losses],
    }
    torch.save(checkpoint, "checkpoints/model_checkpoint.pth")


def load():
    """Return a model and an optimizer from the checkpoint, and its weight and bias."""
    model, _, optimizer = fresh_model()
    checkpoint = torch.load("checkpoints/model_checkpoint.pth")
    model.load_state_dict(checkpoint["model_state_dict"])
    optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
    model.eval()
    return [parameter.item() for parameter in model.parameters()]


def train_loop_with_scheduler(
    model, loss_fn, optimizer, scheduler, n_epochs, train_loader, val_loader
):
    """Train with a scheduler that looks at the validation loss; return losses and rates."""
    train_step = make_train_step(model, loss_fn, optimizer)
    losses, val_losses, rates = [], [], []
    for _ in range(n_epochs):
        batch_losses = []
        for x_batch, y_batch in train_loader:
            batch_losses.append(train_step(x_batch.to(device), y_batch.to(device)))
        losses.append(np.mean(batch_losses))
        val_losses.append(validation(model, loss_fn, val_loader))
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step(val_losses[-1])
    return losses, val_losses, rates


def scheduled_descent(x, y):
    """Train with ReduceLROnPlateau; draw losses and rates; return weight and bias."""
    train_loader, val_loader = make_loaders(x, y)
    model, loss_fn, optimizer = fresh_model()
    scheduler = ReduceLROnPlateau(optimizer, "min")
    losses, val_losses, rates = train_loop_with_scheduler(
        model, loss_fn, optimizer, scheduler, n_epochs, train_loader, val_loader
    )
    _, left = plt.subplots()
    left.plot(losses, label="Training loss")
    left.plot(val_losses, label="Validation loss")
    left.set_yscale("log")
    left.legend()
    right = left.twinx()
    right.plot(rates, "k--")
    right.set_yscale("log")
    savefig("lr_scheduler")
    return [parameter.item() for parameter in model.parameters()]


# --- many devices


class RandomDataset(Dataset):
    """Rows of random numbers."""

    def __init__(self, size, length):
        self.data = torch.randn(length, size)

    def __getitem__(self, index):
        """Return a row."""
        return self.data[index]

    def __len__(self):
        """Return how many rows there are."""
        return len(self.data)


class Model(nn.Module):
    """A layer that says what it sees."""

    def __init__(self, input_size, output_size):
        super().__init__()
        self.fc = nn.Linear(input_size, output_size)

    def forward(self, input):
        """Return the layer's output."""
        output = self.fc(input)
        print("\tIn Model: input size", input.size(), "output size", output.size())
        return output


def data_parallel():
    """Send 100 rows through a model on all devices; return the sizes of the batches."""
    loader = DataLoader(dataset=RandomDataset(5, 100), batch_size=30, shuffle=True)
    model = Model(5, 2)
    if torch.cuda.device_count() > 1:
        model = nn.DataParallel(model)
    model.to(device)
    sizes = []
    for data in loader:
        output = model(data.to(device))
        print("Outside: output size", output.size())
        sizes.append(len(output))
    return sizes


def main():
    """Run all sections; check where they end."""
    Path("figures").mkdir(exist_ok=True)
    Path("checkpoints").mkdir(exist_ok=True)
    plt.style.use("fivethirtyeight")
    everything = make_data()
    x, y, x_train, y_train, *_ = everything
    plot_data(*everything[2:])
    tensors = to_tensors(x_train, y_train)

    sklearn = LinearRegression().fit(x_train, y_train)
    ends = {"scikit-learn": (sklearn.intercept_.item(), sklearn.coef_.item())}
    ends["NumPy"] = numpy_descent(x_train, y_train)
    ends["autograd"] = autograd_descent(*tensors)
    draw_graphs(*tensors)
    ends["optimizer"] = optimizer_descent(*tensors, lambda yhat, y: ((y - yhat) ** 2).mean())
    ends["loss"] = optimizer_descent(*tensors, nn.MSELoss(reduction="mean"))
    torch.manual_seed(42)
    ends["model"] = model_descent(ManualLinearRegression(), *tensors)
    ends["layer"] = model_descent(LayerLinearRegression(), *tensors)[::-1]
    draw_multilayer()
    ends["Sequential"] = sequential_descent(*tensors)[::-1]
    for name, (a, b) in ends.items():
        print(name, a, b)
        np.testing.assert_allclose((a, b), (1.0235, 1.9690), atol=1e-4)

    by_batches = {"mini-batches": minibatch_descent(x_train, y_train)}
    by_batches["written out"] = loop_written_out(x, y)
    by_batches["functions"] = final_code(x, y)
    by_batches["loaded"] = load()
    by_batches["scheduler"] = scheduled_descent(x, y)
    for name, (weight, bias) in by_batches.items():
        print(name, weight, bias)
        np.testing.assert_allclose((weight, bias), (1.95, 1.02), atol=0.05)
    assert data_parallel() == [30, 30, 30, 10]


if __name__ == "__main__":
    main()
