"""Chapter 12: the gradient of a batch, from one process and from several together."""

import copy
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn, optim
from torch.nn.functional import mse_loss as mse
from torch.optim import Optimizer
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
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
device = pick_device()

# %% A model that tells the sizes it sees
def make_dataset() -> TensorDataset:
    """Return 100 rows of 5 random features, each row with 2 random targets."""
    torch.manual_seed(42)
    return TensorDataset(torch.randn(100, 5), torch.randn(100, 2))

class SizedLinear(nn.Module):
    """A linear layer from 5 features to 2 outputs that notes how many rows each call sees."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 2)
        self.sizes = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return two outputs for each row of five features."""
        self.sizes.append(len(x))
        return self.linear(x)

dataset = make_dataset()
loader = DataLoader(dataset, batch_size=30)
model = SizedLinear().to(device)
for x_batch, _ in loader:
    yhat = model(x_batch.to(device))
    print(f"a batch of {len(x_batch)}: the model sees {model.sizes[-1]} rows")
sizes = list(model.sizes)

# %% DataParallel: one process, many threads
def count_devices(device: torch.device) -> int:
    """Return how many devices this run may use: 1 on the CPU, or where DEVICE names just one."""
    if device.type == "cpu" or device.index is not None:
        return 1
    return torch.accelerator.device_count()

if count_devices(device) > 1:
    replicated = nn.DataParallel(model)
    for x_batch, _ in loader:
        model.sizes.clear()
        yhat = replicated(x_batch.to(device))
        print(f"a batch of {len(x_batch)}: the replicas see {sorted(model.sizes)} rows")
else:
    print("one device in use, so there is nothing for DataParallel to do")

# %% Sum or average?

def gradient_of(model: nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a loss, all parameters of the model in one vector."""
    model.zero_grad()
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

def two_ways(model: nn.Module, x: torch.Tensor, y: torch.Tensor, cut: int) -> list[torch.Tensor]:
    """Cut a batch before row `cut`; return the gradient as DataParallel and as DDP make it."""
    parts = [(x[:cut], y[:cut]), (x[cut:], y[cut:])]
    shares = [mse(model(xp), yp) * len(xp) / len(x) for xp, yp in parts]
    means = [mse(model(xp), yp) for xp, yp in parts]
    summed = sum(gradient_of(model, share) for share in shares)
    averaged = sum(gradient_of(model, mean) for mean in means) / len(parts)
    return [summed, averaged]

def show_biases(label: str, gradient: Sequence[float]) -> None:
    """Print the last two of a gradient's 12 numbers, those of the biases."""
    print(f"{label:<34}{gradient[-2]:+9.4f} {gradient[-1]:+9.4f}")

x, y = (tensor.to(device) for tensor in dataset.tensors)
torch.manual_seed(42)
model = SizedLinear().to(device)
whole = gradient_of(model, mse(model(x), y))
exact = copy.deepcopy(model).cpu().double()
whole_exact = gradient_of(exact, mse(exact(x.cpu().double()), y.cpu().double()))
show_biases("whole batch", whole)
by_hand = {cut: two_ways(model, x, y, cut) for cut in (50, 60)}
for cut, (summed, averaged) in by_hand.items():
    show_biases(f"cut into {cut} and {100 - cut} rows, summed", summed)
    show_biases(f"cut into {cut} and {100 - cut} rows, averaged", averaged)

whole_of_sum = gradient_of(model, mse(model(x), y, reduction="sum"))
parts_of_sum = [
    gradient_of(model, mse(model(x[half]), y[half], reduction="sum"))
    for half in (slice(0, 50), slice(50, 100))
]
show_biases("summed loss, whole batch", whole_of_sum)
show_biases("summed loss, parts summed", sum(parts_of_sum))
show_biases("summed loss, parts averaged", sum(parts_of_sum) / 2)

# %% Processes that talk
import json
import signal
import subprocess
import time
import traceback
from datetime import timedelta
from tempfile import TemporaryDirectory

import torch.distributed as dist
import torch.distributed.nn  # before there is a group: see "The way out"
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel


def meeting_point(limit: timedelta) -> dist.Store:
    """Return the store in which the processes of this life find each other's addresses."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(host, port, is_master=False, timeout=limit)  # torchrun holds it
    return dist.PrefixStore(f"life {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)

def join_group() -> torch.device:
    """Join torchrun's process group and return this process's device."""
    device, backend, own = pick_device(), "gloo", None
    limit = timedelta(seconds=60)
    if count_devices(device) < int(os.environ["LOCAL_WORLD_SIZE"]):
        device = torch.device("cpu")
    else:
        own = device = torch.device(device.type, int(os.environ["LOCAL_RANK"]))
        torch.accelerator.set_device_index(device.index)
        backend = dist.get_default_backend_for_device(device)
    place = {"rank": int(os.environ["RANK"]), "world_size": int(os.environ["WORLD_SIZE"])}
    store = meeting_point(limit)
    dist.init_process_group(backend, store=store, timeout=limit, device_id=own, **place)
    return device

def average_gradients(model: nn.Module) -> None:
    """Replace each gradient of a model by its mean over all processes; all must call this."""
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad)  # a sum, in place
        parameter.grad /= dist.get_world_size()

# %% DistributedDataParallel
def compare_gradients(device: torch.device) -> dict:
    """Return this process's own gradient, the mean by hand, DDP's mean, and the weights after."""
    rank = dist.get_rank()
    dataset = make_dataset()
    torch.manual_seed(42 + rank)  # a start of its own for each process, for DDP to even out
    model = SizedLinear().to(device, torch.float64)
    ddp_model = DistributedDataParallel(model)
    sampler = DistributedSampler(dataset, shuffle=False)
    x, y = next(iter(DataLoader(dataset, batch_size=50, sampler=sampler)))
    x, y = x.to(device, torch.float64), y.to(device, torch.float64)
    with ddp_model.no_sync():
        own = gradient_of(ddp_model, mse(ddp_model(x), y))
    average_gradients(model)
    by_hand = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    averaged = gradient_of(ddp_model, mse(ddp_model(x), y))
    optim.SGD(ddp_model.parameters(), lr=0.1).step()
    weights = torch.cat([parameter.flatten() for parameter in model.parameters()])
    report = {"rank": rank, "rows": list(sampler), "sizes": model.sizes, "own": own.tolist()}
    report |= {"by_hand": by_hand.tolist(), "averaged": averaged.tolist()}
    return report | {"weights": weights.tolist()}

def compare_buffers(device: torch.device) -> list[float]:
    """Return a BatchNorm's running mean after a batch of this process's own, and one call later."""
    torch.manual_seed(dist.get_rank())
    ddp_model = DistributedDataParallel(nn.BatchNorm1d(1).to(device))
    x = torch.randn(8, 1, device=device)
    ddp_model(x)
    after_training = ddp_model.module.running_mean.item()
    ddp_model.eval()
    ddp_model(x)
    return [after_training, ddp_model.module.running_mean.item()]

# %% A whole training
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


def train_epoch(train_step: Callable, train_loader: DataLoader, device: torch.device) -> float:
    """Take one step per batch; return the mean loss, in which each batch counts by its size."""
    total, samples = 0.0, 0
    for x_batch, y_batch in train_loader:
        loss = train_step(x_batch.to(device), y_batch.to(device))
        total += loss * len(x_batch)
        samples += len(x_batch)
    return total / samples


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


def save(path: Path, **entries: object) -> None:
    """Write a checkpoint, whole or not at all: a crash or power cut leaves the old or the new."""
    path.parent.mkdir(exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        torch.save(entries, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    if os.name == "posix":  # Windows does not open folders
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def load(path: Path, device: torch.device) -> dict:
    """Read a checkpoint onto a device; UnpicklingError if it asks for more than data."""
    return torch.load(path, map_location=device, weights_only=True)

def line_datasets() -> list[TensorDataset]:
    """Return the 80 training and the 20 validation points of chapter 1, in 64-bit floats."""
    true_a, true_b, n = 1, 2, 100
    np.random.seed(42)
    x = np.random.rand(n, 1)
    y = true_a + true_b * x + 0.1 * np.random.randn(n, 1)
    indices = np.arange(n)
    np.random.shuffle(indices)
    train_indices, val_indices = indices[:80], indices[80:]
    x_train, y_train = x[train_indices], y[train_indices]
    x_val, y_val = x[val_indices], y[val_indices]
    parts = (x_train, y_train), (x_val, y_val)
    return [TensorDataset(*map(torch.from_numpy, arrays)) for arrays in parts]

LAST_EPOCH = 40


def train_line(
    model: nn.Module, sampler: DistributedSampler, batch_size: int, loss_fn: Callable, path: Path
) -> list[float]:
    """Train up to LAST_EPOCH, from the checkpoint at path if there is one; return the losses."""
    device = next(model.parameters()).device
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    loader = DataLoader(sampler.dataset, batch_size=batch_size, sampler=sampler)
    first, losses = 0, []
    if path.exists():
        saved = load(path, device)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["epoch"]
    for epoch in range(first, LAST_EPOCH):
        sampler.set_epoch(epoch)
        losses += train_loop(model, loss_fn, optimizer, 1, loader)[0]
        if sampler.rank == 0:
            entries = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save(path, epoch=epoch + 1, **entries)
    return losses

def train_share(device: torch.device, loss_fn: Callable, path: Path) -> dict:
    """Train the line as one of several processes, 16 points per step in all."""
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1)).to(device, torch.float64)
    sampler = DistributedSampler(line_datasets()[0])
    batch_size = 16 // dist.get_world_size()
    losses = train_line(DistributedDataParallel(model), sampler, batch_size, loss_fn, path)
    return {"losses": losses, "end": [parameter.item() for parameter in model.parameters()]}

class KilledAt(nn.MSELoss):
    """The mean squared error; the call with the given number ends the process instead."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.calls_left = call

    def forward(self, yhat: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the loss, or never return."""
        self.calls_left -= 1
        if self.calls_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(yhat, y)

# %% A ring
def ring_all_reduce(numbers: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return the sum of all processes' vectors, and how many numbers this process has sent."""
    rank, size = dist.get_rank(), dist.get_world_size()
    pieces = list(numbers.tensor_split(size))
    sent = 0
    for step in range(2 * (size - 1)):
        leaving, coming = (rank - step) % size, (rank - step - 1) % size
        received = torch.empty_like(pieces[coming])
        to_the_right = dist.P2POp(dist.isend, pieces[leaving], (rank + 1) % size)
        from_the_left = dist.P2POp(dist.irecv, received, (rank - 1) % size)
        for request in dist.batch_isend_irecv([to_the_right, from_the_left]):
            request.wait()
        sent += len(pieces[leaving])
        pieces[coming] = pieces[coming] + received if step < size - 1 else received
    return torch.cat(pieces), sent

def bytes_sent(n: int, processes: int) -> float:
    """Return how many bytes one process sends to reduce n 32-bit numbers around a ring."""
    return 2 * (processes - 1) / processes * n * 4


for processes in (2, 3, 4, 8, 64):
    sent = bytes_sent(1_000_000, processes)
    print(f"{processes:2} processes: each sends {sent / 1e6:.3f} megabytes per step")

def bytes_written() -> int | None:
    """Return how many bytes this process has written; None where the system does not tell."""
    counts = Path("/", "proc", "self", "io")
    if not counts.exists():
        return None
    return int(dict(line.split(": ") for line in counts.read_text().splitlines())["wchar"])


def count_bytes(width: int, device: torch.device) -> list[int]:
    """Return a layer's number of parameters, and the bytes that DDP hands over in one step."""
    ddp_model = DistributedDataParallel(nn.Linear(width, width).to(device))
    handed_over = []

    def hook(_: None, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
        handed_over.append(bucket.buffer().nbytes)
        return allreduce_hook(None, bucket)

    ddp_model.register_comm_hook(None, hook)
    ddp_model(torch.ones(1, width, device=device)).sum().backward()
    return [sum(parameter.numel() for parameter in ddp_model.parameters()), sum(handed_over)]

def measure_traffic(device: torch.device) -> dict:
    """Return DDP's bytes for two layers, gloo's bytes for a million numbers, and the ring's."""
    handed_over = [count_bytes(width, device) for width in (10, 1000)]
    million = torch.ones(1_000_000, device=device)
    before = bytes_written()
    dist.all_reduce(million)
    written = None if before is None else bytes_written() - before
    torch.manual_seed(dist.get_rank())
    numbers = torch.randn(12, dtype=torch.float64).to(device)
    ring, sent = ring_all_reduce(numbers)
    dist.all_reduce(numbers)
    apart = (ring - numbers).abs().max().item()
    return {"handed_over": handed_over, "written": written, "sent": sent, "apart": apart}

# %% When does it pay?
def least_time(function: Callable, clock: Callable[[], float], tries: int) -> float:
    """Return the shortest time that a call of a function took, in seconds."""
    times = []
    for _ in range(tries):
        start = clock()
        function()
        times.append(clock() - start)
    return min(times)


def measure_times(width: int, rows: int, device: torch.device) -> list[float]:
    """Return the seconds for a whole batch, for half of it, and for reducing the gradient."""
    model = nn.Linear(width, width).to(device)
    x = torch.ones(rows, width, device=device)
    clock = time.process_time if device.type == "cpu" else time.perf_counter

    def compute(rows: int) -> None:
        gradient_of(model, model(x[:rows]).sum()).tolist()

    whole = least_time(lambda: compute(rows), clock, 10)
    half = least_time(lambda: compute(rows // 2), clock, 10)
    gradient = gradient_of(model, model(x).sum())
    sending = least_time(lambda: dist.all_reduce(gradient), time.perf_counter, 50)
    return [whole, half, sending]

# %% The way out
def work_of(folder: Path, kill_at: int) -> None:
    """Do the work of one process under torchrun; write what it found into a folder.

    In its first life, rank 1 is killed in the second training, at the loss with number kill_at.
    """
    device = join_group()
    rank, size = dist.get_rank(), dist.get_world_size()
    try:
        if not all((folder / f"{number}.json").exists() for number in range(size)):
            report = compare_gradients(device) | {"traffic": measure_traffic(device)}
            report["buffers"] = compare_buffers(device)
            report["times"] = [measure_times(*sizes, device) for sizes in ((1, 16), (256, 4096))]
            report["line"] = train_share(device, nn.MSELoss(), folder / "whole.pt")
            (folder / f"{rank}.json").write_text(json.dumps(report), encoding="utf-8")
        dies = rank == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        loss_fn = KilledAt(kill_at) if dies else nn.MSELoss()
        resumed = train_share(device, loss_fn, folder / "killed.pt")
        (folder / f"{rank}_resumed.json").write_text(json.dumps(resumed), encoding="utf-8")
    finally:
        dist.destroy_process_group()

# %% Really run

if dist.is_torchelastic_launched():
    try:
        work_of(Path(sys.argv[1]), int(sys.argv[2]))
    except Exception as error:
        traceback.print_exc()
        traceback.clear_frames(error.__traceback__)  # they hold a DDP model, and it the group
        sys.exit(1)
    sys.exit()

KILL_AT = 123
torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
torchrun += ["--local-addr=127.0.0.1", "--max-restarts=1"]
# A laptop's own name often leads nowhere, so all connections stay on the loopback interface.
loopback = "lo0" if sys.platform == "darwin" else "lo"
with TemporaryDirectory() as folder:
    run = subprocess.run(
        [*torchrun, f"--log-dir={folder}", __file__, folder, str(KILL_AT)],
        env=os.environ | {"GLOO_SOCKET_IFNAME": loopback},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
    )
    if run.returncode != 0 or "terminate called" in run.stderr:
        sys.exit(run.stderr)
    names = ["0.json", "1.json", "0_resumed.json", "1_resumed.json"]
    found = [json.loads(Path(folder, name).read_text(encoding="utf-8")) for name in names]
reports, resumed = found[:2], found[2:]

for report in reports:
    rank, rows = report["rank"], report["rows"]
    print(f"rank {rank} has {len(rows)} rows: {rows[0]}, {rows[1]}, {rows[2]} ... {rows[-1]}")
    show_biases(f"rank {rank}, its own gradient", report["own"])
    show_biases(f"rank {rank}, averaged by hand", report["by_hand"])
    show_biases(f"rank {rank}, averaged by DDP", report["averaged"])
show_biases("one process, all 100 rows", whole)
hand_apart, ddp_apart = (
    max(np.abs(np.subtract(report[key], exact)).max() for report in reports)
    for key, exact in (("by_hand", reports[0]["averaged"]), ("averaged", whole_exact.tolist()))
)
print(f"by hand and by DDP, largest difference: {hand_apart:.12f}")
print(f"DDP and one process, largest difference: {ddp_apart:.12f}")
same_weights = reports[0]["weights"] == reports[1]["weights"]
print(f"after one step both hold the same weights, bit for bit: {same_weights}")

for report in reports:
    first, later = report["buffers"]
    print(f"rank {report['rank']}: running mean {first:+.4f}, after one more call {later:+.4f}")

torch.manual_seed(42)
alone = nn.Sequential(nn.Linear(1, 1)).to(torch.float64)
sampler = DistributedSampler(line_datasets()[0], num_replicas=1, rank=0)
with TemporaryDirectory() as folder:
    losses = train_line(alone, sampler, 16, nn.MSELoss(), Path(folder, "alone.pt"))
end = [parameter.item() for parameter in alone.parameters()]
print("one process:   weight {:.4f}, bias {:.4f}".format(*end))
print("two processes: weight {:.4f}, bias {:.4f}".format(*reports[0]["line"]["end"]))
two_losses = np.mean([report["line"]["losses"] for report in reports], axis=0)
line_apart = np.abs(np.subtract(reports[0]["line"]["end"], end)).max()
losses_apart = np.abs(two_losses - losses).max()
print(f"largest difference of the weights {line_apart:.12f}, of the losses {losses_apart:.12f}")

steps = 80 // 16  # in an epoch
whole_epochs, step = divmod(KILL_AT - 1, steps)
print(f"killed in epoch {whole_epochs + 1} of {LAST_EPOCH}, in step {step + 1} of {steps}")
print(f"the second life had {len(resumed[0]['losses'])} epochs left")
same_end = all(part["end"] == reports[0]["line"]["end"] for part in resumed)
print(f"it ends where the other run ended, bit for bit: {same_end}")

traffic = reports[0]["traffic"]
for parameters, handed_over in traffic["handed_over"]:
    print(f"{parameters} parameters: DDP hands over {handed_over} bytes per step")
print(f"by hand, 12 numbers: sent {traffic['sent']}, apart: {traffic['apart']:.12f}")
if traffic["written"] is not None:
    ratio = traffic["written"] / bytes_sent(1_000_000, 2)
    print(f"gloo, a million numbers: sent {ratio:.2f} times what the formula says")

pays = []
for label, (one, half, sending) in zip(("line", "wide layer"), reports[0]["times"], strict=True):
    pays.append(half + sending < one)
    print(f"{label}: two processes take less time per step than one: {pays[-1]}")

# %% When the shards are not even
shards, short_shards = [], []
for rank in range(3):
    options = {"num_replicas": 3, "rank": rank, "shuffle": False}
    shards.append(list(DistributedSampler(dataset, **options)))
    short_shards.append(list(DistributedSampler(dataset, **options, drop_last=True)))
dealt = Counter(row for shard in shards for row in shard)
repeated = [row for row, times in dealt.items() if times > 1]
left_out = set(range(100)) - {row for shard in short_shards for row in shard}
print(f"padded: {[len(shard) for shard in shards]} rows, twice dealt {repeated}")
print(f"drop_last: {[len(shard) for shard in short_shards]} rows, left out {sorted(left_out)}")

thirds = [gradient_of(model, mse(model(x[shard]), y[shard])) for shard in shards]
padded = sum(thirds) / 3
show_biases("three shards, 102 rows, averaged", padded)
show_biases("one process, all 100 rows", whole)

exact_loss = mse(model(x), y).item()
padded_loss = sum(mse(model(x[shard]), y[shard]).item() for shard in shards) / 3
sums, counts = [], []
for rank in range(3):
    shard = list(range(rank, len(dataset), 3))
    sums.append(mse(model(x[shard]), y[shard], reduction="sum").item())
    counts.append(y[shard].numel())
unpadded_loss = sum(sums) / sum(counts)  # under torchrun: all_reduce both sums
print(f"all rows at once {exact_loss:.4f}, padded {padded_loss:.4f}, sums {unpadded_loss:.4f}")

# %% What must hold
assert len(whole) == 12
assert sizes == [30, 30, 30, 10]
assert [len(part) for part in x[:30].chunk(2)] == [15, 15]  # as DataParallel cuts a batch
torch.testing.assert_close(by_hand[50], [whole, whole])
torch.testing.assert_close(by_hand[60][0], whole)
assert (by_hand[60][1] - whole).abs().max() > 0.01
torch.testing.assert_close(sum(parts_of_sum), whole_of_sum)
assert sorted(reports[0]["rows"] + reports[1]["rows"]) == list(range(100))
for report in reports:
    assert np.abs(np.subtract(report["own"], whole_exact.tolist())).max() > 0.01
assert max(hand_apart, ddp_apart, line_apart, losses_apart) < 1e-12
assert same_weights and same_end and len(resumed[0]["losses"]) == LAST_EPOCH - whole_epochs

assert reports[0]["buffers"][1] == reports[1]["buffers"][1] == reports[0]["buffers"][0]
assert reports[1]["buffers"][0] != reports[0]["buffers"][0]
assert traffic["apart"] < 1e-12 and traffic["sent"] == bytes_sent(12, 2) / 4
assert all(size == 4 * parameters for parameters, size in traffic["handed_over"])
assert (repeated, left_out) == ([0, 1], {99})
rows = list(range(100)) + repeated
torch.testing.assert_close(padded, gradient_of(model, mse(model(x[rows]), y[rows])))
assert (padded - whole).abs().max() > 0.01
assert abs(unpadded_loss - exact_loss) < 1e-5 < 0.005 < abs(padded_loss - exact_loss)
print("checked: two processes, averaged, have the gradient of one process on the whole batch")
print("checked: a training in two processes is the same training, even if one is killed")
