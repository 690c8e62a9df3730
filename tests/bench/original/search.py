"""Chapter 13 as a tutorial of 2020 has it: Ax looks for Booth's minimum, then a rate and a size.

python search.py runs both searches and checks what they find. Ax's call of that time, optimize, is
gone; this is today's. With 15 and 8 trials it is no more work than the original's search was.
"""

import logging
import warnings

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

# What Ax and the packages below it report, none of which is ours.
warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ax\.")
warnings.filterwarnings(
    "ignore", category=RuntimeWarning, module=r"(botorch|gpytorch|linear_operator)\."
)
from ax import Client, RangeParameterConfig  # noqa: E402
from ax.utils.common.logger import set_stderr_log_level  # noqa: E402

set_stderr_log_level(logging.WARNING)


def booth(x1, x2):
    """Return Booth's function; its minimum is 0, at (1, 3)."""
    return (x1 + 2 * x2 - 7) ** 2 + (2 * x1 + x2 - 5) ** 2


def optimize(parameters, evaluation_function, total_trials):
    """Return the best parameters and their value."""
    client = Client(random_seed=42)
    client.configure_experiment(parameters=parameters)
    client.configure_optimization(objective="-value")
    for _ in range(total_trials):
        for index, chosen in client.get_next_trials(max_trials=1).items():
            value = evaluation_function(**chosen)
            client.complete_trial(index, raw_data={"value": (value, 0.0)})
    best_parameters, best_values, *_ = client.get_best_parameterization(False)
    return best_parameters, best_values["value"][0]


def train_evaluate(lr, batch_size):
    """Train a line for five epochs; return its validation loss."""
    np.random.seed(42)
    torch.manual_seed(42)
    x = np.random.rand(100, 1)
    y = 1 + 2 * x + 0.1 * np.random.randn(100, 1)
    dataset = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
    train_dataset, val_dataset = random_split(dataset, [80, 20])
    model = nn.Sequential(nn.Linear(1, 1))
    loss_fn, optimizer = nn.MSELoss(), optim.SGD(model.parameters(), lr=lr)
    for _ in range(5):
        for x_batch, y_batch in DataLoader(train_dataset, batch_size=batch_size, shuffle=True):
            loss_fn(model(x_batch), y_batch).backward()
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        return sum(loss_fn(model(x), y).item() for x, y in DataLoader(val_dataset, batch_size=20))


def main():
    """Run both searches."""
    square = [
        RangeParameterConfig(name=name, bounds=(-10.0, 10.0), parameter_type="float")
        for name in ("x1", "x2")
    ]
    best, value = optimize(square, booth, total_trials=15)
    print("Booth", best, value)
    assert value < 5

    space = [
        RangeParameterConfig(name="lr", bounds=(1e-4, 0.5), parameter_type="float", scaling="log"),
        RangeParameterConfig(name="batch_size", bounds=(2, 80), parameter_type="int"),
    ]
    best, value = optimize(space, train_evaluate, total_trials=8)
    print("training", best, value)
    assert value < 0.2


if __name__ == "__main__":
    main()
