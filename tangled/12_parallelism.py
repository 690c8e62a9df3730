"""Chapter 12: the gradient of a batch, from one process and from several together."""

import os
import sys
from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn, optim
from torch.nn.functional import mse_loss as mse
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


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

# %% DistributedDataParallel, really run
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def join_group() -> torch.device:
    """Join torchrun's process group and return this process's device."""
    device = pick_device()
    limit = timedelta(seconds=120)
    if count_devices(device) < int(os.environ["LOCAL_WORLD_SIZE"]):
        dist.init_process_group("gloo", timeout=limit)
        return torch.device("cpu")
    device = torch.device(device.type, int(os.environ["LOCAL_RANK"]))
    torch.accelerator.set_device_index(device.index)
    backend = dist.get_default_backend_for_device(device)
    dist.init_process_group(backend, timeout=limit, device_id=device)
    return device

def run_shard(folder: Path) -> None:
    """Do the work of one process under torchrun; write its report to RANK.json in a folder."""
    device = join_group()
    rank = dist.get_rank()
    dataset = make_dataset()
    torch.manual_seed(42 + rank)  # a start of its own for each process, for DDP to even out
    model = SizedLinear().to(device)
    ddp_model = DistributedDataParallel(model)
    sampler = DistributedSampler(dataset, shuffle=False)
    x, y = next(iter(DataLoader(dataset, batch_size=50, sampler=sampler)))
    x, y = x.to(device), y.to(device)
    with ddp_model.no_sync():
        own = gradient_of(ddp_model, mse(ddp_model(x), y))
    averaged = gradient_of(ddp_model, mse(ddp_model(x), y))
    optim.SGD(ddp_model.parameters(), lr=0.1).step()
    weights = torch.cat([parameter.flatten() for parameter in model.parameters()])
    report = {"rank": rank, "rows": list(sampler), "sizes": model.sizes}
    report |= {"own": own.tolist(), "averaged": averaged.tolist(), "weights": weights.tolist()}
    (folder / f"{rank}.json").write_text(json.dumps(report), encoding="utf-8")
    dist.destroy_process_group()

if dist.is_torchelastic_launched():
    run_shard(Path(sys.argv[1]))
    os._exit(0)

torchrun = [sys.executable, "-m", "torch.distributed.run"]
# A laptop's own name often leads nowhere, so all connections stay on the loopback interface.
loopback = "lo0" if sys.platform == "darwin" else "lo"
torchrun += ["--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
with TemporaryDirectory() as folder:
    subprocess.run(
        [*torchrun, f"--log-dir={folder}", __file__, folder],
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    files = [Path(folder, f"{rank}.json") for rank in range(2)]
    reports = [json.loads(file.read_text(encoding="utf-8")) for file in files]

for report in reports:
    rank, rows = report["rank"], report["rows"]
    print(f"rank {rank} has {len(rows)} rows: {rows[0]}, {rows[1]}, {rows[2]} ... {rows[-1]}")
    show_biases(f"rank {rank}, its own gradient", report["own"])
    show_biases(f"rank {rank}, averaged by DDP", report["averaged"])
show_biases("one process, all 100 rows", whole)
same_weights = reports[0]["weights"] == reports[1]["weights"]
print(f"after one step both hold the same weights, bit for bit: {same_weights}")

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
    averaged = torch.tensor(report["averaged"], device=device)
    torch.testing.assert_close(averaged, whole)
    assert (torch.tensor(report["own"], device=device) - whole).abs().max() > 0.01
assert same_weights
assert (repeated, left_out) == ([0, 1], {99})
rows = list(range(100)) + repeated
torch.testing.assert_close(padded, gradient_of(model, mse(model(x[rows]), y[rows])))
assert (padded - whole).abs().max() > 0.01
print("checked: two processes, averaged, have the gradient of one process on the whole batch")
