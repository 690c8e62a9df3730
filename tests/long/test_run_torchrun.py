"""torchrun: a script that starts itself again in several processes, and processes that die."""

import json
import os
import subprocess
import sys

import pytest
from test_run import same  # noqa: F401 (a fixture)

from conftest import TANGLED, chapter_of

SCRIPT = TANGLED / "12_parallelism.py"

TORCHRUN = """
    import os, subprocess, sys
    if "RANK" in os.environ:
        # In one piece: torchrun's processes write without a buffer, beside each other.
        print(f"rank {os.environ['RANK']} of {__name__}\\n", end="", flush=True)
    else:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        launch += ["--nproc-per-node=2", __file__]
        run = subprocess.run(launch, capture_output=True, text=True, check=True)
        print("\\n".join(sorted(run.stdout.splitlines())))
"""


def test_a_script_under_torchrun(same):  # noqa: F811
    content = same(TORCHRUN, OMP_NUM_THREADS="1")
    assert content["output"] == [[10, "rank 0 of __main__\nrank 1 of __main__\n"]]


LEAVING = """
import os, sys
from pathlib import Path
import torch, torch.distributed as dist
{early}
from torch import nn
from torch.nn.parallel import DistributedDataParallel

def gloo():
    tasks = Path("/proc/self/task").iterdir()
    return sum("gloo" in (task / "comm").read_text() for task in tasks)

def work():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    DistributedDataParallel(nn.Linear(5, 2))(torch.ones(3, 5)).sum().backward()
    print(gloo() > 0)
    dist.destroy_process_group()

work()
print(gloo())
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_leaving_the_group_ends_gloo_s_threads_if_the_import_comes_first():
    """Threads that outlive the group abort the process, now and then, while Python shuts down."""
    left = {}
    for early in ("", "import torch.distributed.nn"):
        command = [sys.executable, "-c", LEAVING.format(early=early)]
        environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        began, left[early] = run.stdout.split()
        assert began == "True"
    assert left["import torch.distributed.nn"] == "0"
    assert left[""] != "0"  # if this fails, PyTorch has mended it, and the chapter may forget it


def test_the_chapter_imports_that_module_before_it_joins_a_group():
    source = SCRIPT.read_text(encoding="utf-8")
    assert source.index("import torch.distributed.nn ") < source.index("init_process_group(")
    assert "os._exit" not in source


def test_a_process_that_is_killed_before_the_first_checkpoint_changes_nothing(tmp_path):
    """The end must be that of the run in which nobody died.

    The chapter's own run has a process killed in the middle, with checkpoints to go on from.
    """
    for rank in range(2):  # so that the first part of the work, without a kill, is not done again
        (tmp_path / f"{rank}.json").write_text("{}")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    launch += ["--local-addr=127.0.0.1", "--max-restarts=1", f"--log-dir={tmp_path}/logs"]
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    run = subprocess.run(
        [*launch, str(SCRIPT), str(tmp_path), "1"],
        env=os.environ | {"DEVICE": "cpu", "GLOO_SOCKET_IFNAME": loopback},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    assert "terminate called" not in run.stderr  # the process that was left behind, too
    chapter = chapter_of(SCRIPT)
    if chapter.device != "cpu":
        pytest.skip("make ran the chapter on another device")
    for rank in range(2):
        part = json.loads((tmp_path / f"{rank}_resumed.json").read_text(encoding="utf-8"))
        assert part["end"] == chapter.names["reports"][rank]["line"]["end"], run.stderr
        assert len(part["losses"]) == 40, run.stderr  # all epochs again
