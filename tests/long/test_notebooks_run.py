"""The fourteen notebooks, each executed from top to bottom in a kernel and a folder of its own.

Run 'make notebooks' first. What a cell gives must be what the notebook holds: a run of the notebook
and the run of the script agree. An exercise has no run: its cell says what is not yet right, and
the notebook goes on.

Chapter 14 trains for one epoch here. Up to the training its cells must give what the notebook
holds, from there on something of the same kind. What twenty epochs give is held to the run by make
in test_post_notebooks.py. The script runs alone, too, for one epoch and as on another processor: it
must leave what its notebook leaves, each weight to the last bit.
"""

import base64
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbformat import NotebookNode
from test_scripts_alone import assert_it_ended_well, run_alone

from conftest import ROOT, TANGLED
from forked_kernel import server

ONE_EPOCH, TRAINS = "14_autoencoder", "range(1, n_epochs + 1)"
SCRIPTS = sorted(path.stem for path in (ROOT / "tangled").glob("[0-9][0-9]_*.py"))
# These take long and start no processes. Their scripts run alone, and a release runs all notebooks.
LONG = ["10_training_loop", "11_checkpoint_and_scheduler", "13_hyperparameter_search"]


@pytest.fixture(scope="module")
def forks() -> Iterator[list[str]]:
    """Yield the command of a kernel that has imported torch already."""
    with TemporaryDirectory() as short, server(Path(short, "kernels")) as command:
        yield command


@pytest.fixture
def kernel(tmp_path: Path, name: str, forks: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a kernel that runs this very Python and keeps its files to itself.

    Chapter 14 sets variables before it imports torch, so its kernel is no fork.
    """
    aside = tmp_path / "aside"
    (aside / "kernels" / "this-python").mkdir(parents=True)
    own = [sys.executable, "-m", "ipykernel_launcher"]
    arguments = [*(own if name == ONE_EPOCH else forks), "-f", "{connection_file}"]
    description = {"argv": arguments, "display_name": "This Python", "language": "python"}
    (aside / "kernels" / "this-python" / "kernel.json").write_text(json.dumps(description))
    for variable in ("JUPYTER_PATH", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(aside))
    monkeypatch.setenv("DEVICE", "cpu")
    monkeypatch.delenv("EPOCHS", raising=False)
    if name == ONE_EPOCH:
        monkeypatch.setenv("EPOCHS", "1")
    return "this-python"


@pytest.fixture
def folder(tmp_path: Path, name: str) -> Path:
    """Return a folder to run in: empty, but chapter 14 finds what one epoch does not make."""
    folder = tmp_path / "empty"
    folder.mkdir()
    if name == ONE_EPOCH:
        (folder / "data").symlink_to(ROOT / "data")
        (folder / "figures").mkdir()
        for drawn_later in ("image_10.png", "image_20.png"):
            shutil.copy(ROOT / "figures" / drawn_later, folder / "figures")
    return folder


def execute(content: bytes, folder: Path, kernel: str) -> NotebookNode:
    """Run a notebook in a folder, from top to bottom, in a fresh kernel."""
    notebook = nbformat.reads(content.decode(), as_version=4)
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, kernel_name=kernel, timeout=600, resources=where)
    return client.execute()


def outputs(notebook: NotebookNode) -> list[tuple[dict[str, str], list[dict]]]:
    """Return for each code cell what it printed, by channel, and all that it showed."""
    found = []
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        printed: dict[str, str] = {}
        for out in cell.outputs:
            if out.output_type == "stream":
                printed[out.name] = printed.get(out.name, "") + out.text
        others = [dict(out) for out in cell.outputs if out.output_type != "stream"]
        for out in others:  # the lines into which a picture is broken say nothing
            pictures = {"image/png": base64.b64decode(out["data"].get("image/png", ""))}
            out["data"] = dict(out["data"]) | pictures
        found.append((printed, others))
    return found


def kind_of(output: tuple[dict[str, str], list[dict]]) -> tuple[list[str], list[list[str]]]:
    """Return on which channels a cell printed, and the formats of what it showed."""
    printed, shown = output
    return sorted(printed), [sorted(out["data"]) for out in shown]


def assert_alone_the_same(left: Path, folder: Path) -> None:
    """Run chapter 14 alone for an epoch; assert that it leaves what its notebook left."""
    script, run, folder, logs = run_alone(TANGLED / f"{ONE_EPOCH}.py", folder, EPOCHS="1")
    assert_it_ended_well(run)
    assert logs == []
    there = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert there == {script.name, "data", "figures", "checkpoints", "runs"}
    figures = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    drawn = {path.name: path.read_bytes() for path in (left / "figures").iterdir()}
    names = ["autoencoder", "embedding", "mnist_ae", "network", "val_loss"]
    assert sorted(figures) == [f"{name}.png" for name in names]  # others show later epochs
    assert figures.items() <= drawn.items()
    name = Path("checkpoints", "decoder.json")
    assert (folder / name).read_bytes() == (left / name).read_bytes()
    one, other = (
        torch.load(place / "checkpoints" / "autoencoder.pt", weights_only=True)["model"]
        for place in (left, folder)
    )
    assert len(one) == 12
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_there_are_fourteen():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == SCRIPTS
    assert len(SCRIPTS) == 14


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.once_more] * (name in LONG)) for name in SCRIPTS],
)
def test_a_notebook_runs_and_gives_the_outputs_it_holds(name, folder, kernel, tmp_path):
    content = (ROOT / "notebooks" / f"{name}.ipynb").read_bytes()
    held, fresh = nbformat.reads(content.decode(), as_version=4), execute(content, folder, kernel)
    counts = [cell.execution_count for cell in fresh.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    found, expected = outputs(fresh), outputs(held)
    assert [printed for printed, _ in found if "stderr" in printed] == []
    code = [cell.source for cell in fresh.cells if cell.cell_type == "code"]
    for place, source in enumerate(code):
        if call := re.search(r'^    run_check\("(\w+)", check\)$', source, re.MULTILINE):
            assert expected[place] == ({}, [])
            printed, shown = found[place]
            last = printed["stdout"].strip().split("\n")[-1]
            assert (last.startswith(f"{call[1]}: not yet: "), shown) == (True, []), printed
            found[place] = expected[place]
    if name == ONE_EPOCH:
        (start,) = [at for at, source in enumerate(code) if TRAINS in source]
        assert 20 < start < len(code) - 20
        said = "".join(printed.get("stdout", "") for printed, _ in found)
        assert "checked: both versions" in said
        assert "20 epochs" not in said  # of which it may claim nothing
        network = (ROOT / "figures" / "autoencoder.png").read_bytes()
        assert (folder / "figures" / "autoencoder.png").read_bytes() == network
        (tmp_path / "alone").mkdir()
        assert_alone_the_same(folder, tmp_path / "alone")
        expected, found = (
            every[:start] + list(map(kind_of, every[start:])) for every in (expected, found)
        )
    assert found == expected
