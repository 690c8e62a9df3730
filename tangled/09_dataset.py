"""Chapter 9: the same descent in mini-batches, and random numbers in worker processes."""

import os
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import nn, optim
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, TensorDataset, get_worker_info, random_split


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

# %% A dataset

class CustomDataset(Dataset):
    """Pairs (x, y), one for each row of two tensors with the same number of rows."""

    def __init__(self, x_tensor: torch.Tensor, y_tensor: torch.Tensor) -> None:
        self.x = x_tensor
        self.y = y_tensor

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one pair."""
        return self.x[index], self.y[index]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.x)

if __name__ == "__main__":
    x_train_cpu = torch.from_numpy(x_train).float()
    y_train_cpu = torch.from_numpy(y_train).float()
    train_dataset = CustomDataset(x_train_cpu, y_train_cpu)
    ready_made = TensorDataset(x_train_cpu, y_train_cpu)
    print(len(train_dataset), train_dataset[0], ready_made[0])

# %% A loader by hand

def sampler_by_hand(size: int, shuffle: bool, generator: torch.Generator | None) -> Iterator[int]:
    """Yield the numbers from 0 to size - 1, each once; shuffled, in an order that is drawn."""
    if not shuffle:
        yield from range(size)
        return
    if generator is None:
        seed = torch.empty((), dtype=torch.int64).random_().item()
        generator = torch.Generator().manual_seed(seed)
    yield from torch.randperm(size, generator=generator).tolist()
    torch.randperm(size, generator=generator)  # PyTorch draws another one, and does not use it

def collate_by_hand(examples: list) -> torch.Tensor | list | tuple | dict:
    """Return one batch: each number, array or tensor in the examples gets one dimension more.

    Strings stay as they are. Raises TypeError for an example of any other kind.
    """
    first = examples[0]
    if isinstance(first, (torch.Tensor, np.ndarray)):
        return torch.stack([torch.as_tensor(example) for example in examples])
    if isinstance(first, (int, float, np.number)):
        return torch.tensor(examples, dtype=torch.float64 if isinstance(first, float) else None)
    if isinstance(first, str):
        return examples
    if isinstance(first, dict):
        return {name: collate_by_hand([each[name] for each in examples]) for name in first}
    if isinstance(first, (tuple, list)):
        return [collate_by_hand(column) for column in zip(*examples, strict=True)]
    raise TypeError(f"cannot make a batch of {type(first).__name__}")

def loader_by_hand(
    dataset: Dataset,
    batch_size: int,
    shuffle: bool = False,
    generator: torch.Generator | None = None,
) -> Iterator:
    """Yield the batches of one epoch; the last one holds what is left."""
    torch.empty((), dtype=torch.int64).random_(generator=generator)  # the workers' seed, unused
    numbers = sampler_by_hand(len(dataset), shuffle, generator)
    while batch := list(islice(numbers, batch_size)):
        yield collate_by_hand([dataset[number] for number in batch])

if __name__ == "__main__":
    # %% A loader
    torch.manual_seed(42)
    train_loader = DataLoader(train_dataset, batch_size=16, shuffle=True)
    x_batch, y_batch = next(iter(train_loader))
    print(f"{len(train_loader)} batches, the first of shape {tuple(x_batch.shape)}")
    photographs = torch.empty(1_000_000, 3, 224, 224, device="meta")
    gigabytes = photographs.nbytes / 1e9, photographs[:16].nbytes / 1e9
    print(f"a million photographs: {gigabytes[0]:.0f} GB, a batch of 16: {gigabytes[1]:.3f} GB")

    epochs, next_draws = {}, {}
    for seed in (7, None):
        for name in ("theirs", "ours"):
            torch.manual_seed(42)
            generator = None if seed is None else torch.Generator().manual_seed(seed)
            loader = DataLoader(train_dataset, 30, shuffle=True, generator=generator)
            batches = epochs[seed, name] = []
            for _ in range(3):
                by_hand = loader_by_hand(train_dataset, 30, shuffle=True, generator=generator)
                batches += loader if name == "theirs" else by_hand
            next_draws[seed, name] = torch.rand(2, generator=generator)[0].item()
    equal = {}
    for seed in (7, None):
        pairs = zip(epochs[seed, "theirs"], epochs[seed, "ours"], strict=True)
        equal[seed] = [torch.equal(*two) for pair in pairs for two in zip(*pair, strict=True)]
        same_draw = next_draws[seed, "theirs"] == next_draws[seed, "ours"]
        print(f"{sum(equal[seed])} of {len(equal[seed])} tensors equal, the next draw {same_draw}")

    # %% The mini-batch loop
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    train_step = make_train_step(model, nn.MSELoss(), optimizer)
    losses = []
    for _ in range(200):
        for x_batch, y_batch in train_loader:
            losses.append(train_step(x_batch.to(device), y_batch.to(device)))
    weight, bias = model[0].weight.item(), model[0].bias.item()
    print(f"{len(losses)} steps: weight = {weight:.3f}, bias = {bias:.3f}")

    figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
    axes.plot(losses, ".", markersize=4, label="one mini-batch")
    epoch_means = np.reshape(losses, (200, 5)).mean(axis=1)
    axes.plot(np.arange(200) * 5 + 2, epoch_means, linewidth=2.5, label="mean of an epoch")
    axes.set(title="Loss of each mini-batch", xlabel="step", ylabel="loss (MSE)", yscale="log")
    axes.legend()
    save_figure(figure, "minibatch_losses")
    print(f"mean loss of the last epoch: {epoch_means[-1]:.3f}")

    # %% random_split
    whole = TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).float())
    torch.manual_seed(42)
    train_part, val_part = random_split(whole, [80, 20])
    shared = set(train_part.indices) & set(val_part.indices)
    print(f"{len(train_part)} and {len(val_part)} examples, {len(shared)} in both")
    torch.manual_seed(42)
    order = torch.randperm(len(whole)).tolist()
    same_split = (order[:80], order[80:]) == (train_part.indices, val_part.indices)
    print("the same split by hand:", same_split)

# %% What a worker costs
import time


class SlowPairs(CustomDataset):
    """Pairs that are slow to read, as from a disk or a network."""

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one pair, after 20 milliseconds."""
        time.sleep(0.02)
        return super().__getitem__(index)

def epoch_seconds(
    dataset: Dataset, batch_size: int, workers: int, step: float
) -> tuple[float, float]:
    """Return how long the first epoch takes, and the faster one of two more, in seconds.

    step: for how long the training is busy with each batch, in seconds.
    """
    loader = DataLoader(dataset, batch_size, num_workers=workers, persistent_workers=workers > 0)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in loader:
            time.sleep(step)
        seconds.append(time.perf_counter() - start)
    return seconds[0], min(seconds[1:])


if __name__ == "__main__":
    _, without = epoch_seconds(train_dataset, batch_size=16, workers=0, step=0)
    first, later = epoch_seconds(train_dataset, batch_size=16, workers=1, step=0)
    start_costs, trip_costs = first - later > 10 * without, later > 2 * without
    print("pairs in memory: the start of a worker costs 10 epochs or more:", start_costs)
    print("                 later epochs take twice as long or longer:", trip_costs)
    slow_pairs = SlowPairs(x_train_cpu[:20], y_train_cpu[:20])
    _, without = epoch_seconds(slow_pairs, batch_size=4, workers=0, step=0.04)
    _, later = epoch_seconds(slow_pairs, batch_size=4, workers=2, step=0.04)
    pays = later < 0.8 * without
    print("slow pairs:      with two workers, later epochs are shorter by a fifth or more:", pays)

# %% The trap: random numbers in workers
class RandomNumbers(Dataset):
    """Eight examples, each two fresh whole numbers below 1000: NumPy's global ones and our own."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(42)

    def __getitem__(self, index: int) -> tuple[int, int]:
        """Return a number from the global generator and one from the generator held here."""
        return np.random.randint(1000), int(self.generator.integers(1000))

    def __len__(self) -> int:
        """Return the number of examples."""
        return 8

def draw_numbers(**options: Callable | bool) -> tuple[list[int], list[int]]:
    """Return the numbers of two epochs over RandomNumbers, loaded by two workers."""
    torch.manual_seed(42)
    loader = DataLoader(RandomNumbers(), batch_size=2, num_workers=2, **options)
    pairs = [pair for _ in range(2) for batch in loader for pair in zip(*batch, strict=True)]
    return [int(first) for first, _ in pairs], [int(second) for _, second in pairs]

if __name__ == "__main__":
    global_numbers, own_numbers = draw_numbers()
    print("global generator:", global_numbers)
    print("own generator:   ", own_numbers)
    print(f"different numbers: {len(set(global_numbers))} and {len(set(own_numbers))} of 16")
    _, lasting_numbers = draw_numbers(persistent_workers=True)
    print("workers that last:", lasting_numbers)
    print(f"different numbers: {len(set(lasting_numbers))} of 16")

def own_generator(worker: int) -> None:
    """Give this worker's copy of the dataset a generator with a seed of its own."""
    info = get_worker_info()
    info.dataset.generator = np.random.default_rng(info.seed)

if __name__ == "__main__":
    _, fixed_numbers = draw_numbers(worker_init_fn=own_generator)
    print("after the fix:   ", fixed_numbers)
    print(f"different numbers: {len(set(fixed_numbers))} of 16")

    # %% What must hold
    ambiguous = ""
    try:
        assert train_dataset[:2] == ready_made[:2]
    except RuntimeError as error:
        ambiguous = str(error)
    assert ambiguous == "Boolean value of Tensor with more than one value is ambiguous"
    for index in range(80):
        assert all(map(torch.equal, train_dataset[index], ready_made[index]))
    assert gigabytes == (602.112, 0.009633792)
    assert [len(equal[seed]) for seed in (7, None)] == [18, 18]
    assert all(equal[7] + equal[None])
    for seed in (7, None):
        assert next_draws[seed, "theirs"] == next_draws[seed, "ours"]
    assert (len(train_part), len(val_part), len(shared)) == (80, 20, 0) and same_split
    np.testing.assert_allclose((weight, bias), (1.9690, 1.0235), atol=0.03)
    assert start_costs and trip_costs and pays
    assert len(set(global_numbers)) > 12
    assert own_numbers[:2] == own_numbers[2:4]
    assert own_numbers[:8] == own_numbers[8:]
    assert lasting_numbers[:8] == own_numbers[:8]
    assert lasting_numbers[8:10] == lasting_numbers[10:12]
    assert (len(set(own_numbers)), len(set(lasting_numbers))) == (4, 8)
    assert len(set(fixed_numbers)) > 12
    print("checked: the loaders agree, and a copied generator repeats itself until it is seeded")
