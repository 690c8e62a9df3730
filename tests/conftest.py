"""What all tests share: where things are, what the run of 'make all' left, how a script is run.

No fixture here runs a chapter. Each script ran once, under 'make all', and left in logs/ what it
printed, its transcript and the objects that it made; the tests of a chapter look at these. A
script's functions and classes are not among the objects: they are defined here again, from the
script's text, without running the rest of it.
"""

import atexit
import functools
import gc
import hashlib
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from definitions import Definitions
from sources import FOR_RUNS

ROOT = Path(__file__).resolve().parent.parent
TANGLED = ROOT / "tangled"
LOGS = ROOT / "logs"
POST = (ROOT / "pytorch-first-principles.org").read_text(encoding="utf-8")
SCRIPTS = sorted(TANGLED.glob("[0-9][0-9]_*.py"))

# A shell may have started us in the background, where Ctrl-C is ignored, also by what we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# For functions of the chapters that are called in this process: no window opens, sums are in the
# order in which chapter 14 asks for them, and torch and NumPy take one thread, because a worker of
# pytest-xdist runs on each core. A script that is run does not inherit these.
HERE_ONLY = {"MPLBACKEND": "agg", "MKL_CBWR": "AVX2", "OMP_NUM_THREADS": "1"}
os.environ.update({name: os.environ.get(name, value) for name, value in HERE_ONLY.items()})

# Warnings are errors in every script that the tests run, but for these:
# torchviz 0.0.3 compares torch's version with distutils, which setuptools lends it.
TOLERATED = ["ignore:distutils Version classes are deprecated:DeprecationWarning"]

# Run a script as 'python SCRIPT' would, on a platform that starts processes by spawn. They are
# forked here, from a server that has imported torch and nothing of the script, which saves each of
# them seconds; all else is as by spawn: the script is imported, and what it hands over is pickled.
BY_SPAWN = """
import multiprocessing, runpy, sys
multiprocessing.set_start_method("forkserver")
multiprocessing.set_forkserver_preload(["torch"])
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis try the same inputs in every run, take its time, and leave no file behind."""
    hypothesis.settings.register_profile(
        "same",
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],  # which looks at the clock
    )
    hypothesis.settings.load_profile("same")
    folder = tempfile.TemporaryDirectory(prefix="hypothesis-")
    config.add_cleanup(folder.cleanup)
    set_hypothesis_home_dir(folder.name)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let a worker end without taking apart what it imported, which would take seconds."""
    if hasattr(session.config, "workerinput"):
        atexit.register(os._exit, 0)  # the first that is registered is the last that is called


def pytest_collection() -> None:
    """Look for no garbage while modules are imported: they make little, and looking takes long."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what the imports made: it stays, and is much."""
    gc.enable()
    gc.freeze()
    # Given back at the very end: nanobind would report what is never collected as a leak.
    atexit.register(gc.unfreeze)


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """Let a test draw the same numbers from torch whether it runs alone or after others.

    torch.manual_seed() notes the whole stack, for the day a GPU that it has not begun to use turns
    up: 0.6 ms of each test where there is none.
    """
    if torch := sys.modules.get("torch"):
        there = torch.accelerator.is_available()
        (torch if there else torch.default_generator).manual_seed(0)


class Names:
    """The global names of a script at its end, by name: names["x"]."""

    def __init__(self, script: Path, objects: dict[str, bytes]) -> None:
        self.script, self.objects, self.definitions = script, objects, Definitions(script)
        self.read: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.objects or name in self.definitions

    def __getitem__(self, name: str) -> Any:
        if name not in self.objects and name in self.definitions:
            return self.definitions.get(name)
        if name not in self.read:
            assert name in self.objects, f"{self.script.name} kept no {name}, or it was too large"
            self.read[name] = Unpickler(self.objects[name], self.definitions).load()
        return self.read[name]


class Unpickler(pickle.Unpickler):
    """Reads an object that a script kept; the script's own classes come from its text."""

    def __init__(self, content: bytes, script: Definitions) -> None:
        super().__init__(io.BytesIO(content))
        self.script = script

    def find_class(self, module: str, name: str) -> Any:
        """Return a class or function by its module's name and its own."""
        if module == "__main__":
            return self.script.get(name)
        return super().find_class(module, name)


class Chapter(NamedTuple):
    """What a script's run left: its names, what it printed, on which device, in which folder."""

    names: Names
    output: str
    device: str
    script: Path
    folder: Path = ROOT

    @property
    def source(self) -> str:
        """The text of the script."""
        return self.script.read_text(encoding="utf-8")


def left(script: Path, suffix: str) -> bytes:
    """Return a file that the run of a script left; fail where it is not there."""
    path = LOGS / f"{script.stem}.{suffix}"
    if not path.exists():
        pytest.fail(f"{path.relative_to(ROOT)} is missing: run 'make all' first", pytrace=False)
    return path.read_bytes()


@functools.cache
def chapter_of(script: Path) -> Chapter:
    """Return what the run of a script left; fail where it left nothing, or was of another text."""
    transcript = json.loads(left(script, "json"))
    if transcript["sha256"] != hashlib.sha256(script.read_bytes()).hexdigest():
        problem = f"logs/{script.stem}.json is not of today's script: run 'make all' first"
        pytest.fail(problem, pytrace=False)
    names = Names(script, pickle.loads(left(script, "objects")))
    return Chapter(names, left(script, "log").decode(), transcript["device"], script)


@pytest.fixture(scope="module")
def chapter(request: pytest.FixtureRequest) -> Chapter:
    """Return what the run left of the script that the test file is named after."""
    stem = request.module.__name__.removeprefix("test_").removesuffix("_long")
    return chapter_of(TANGLED / f"{stem}.py")


@pytest.fixture(scope="module")
def golden(chapter: Chapter) -> Chapter:
    """Return the same, for tests of numbers that are the CPU's: other devices draw others."""
    if chapter.device != "cpu":
        pytest.skip(f"make ran this chapter on {chapter.device}, and these numbers are the CPU's")
    return chapter


def link_data(folder: Path) -> None:
    """Let a script in this folder find MNIST, if it is there."""
    if (ROOT / "data").exists():
        (folder / "data").symlink_to(ROOT / "data")


def run_script(
    script: Path, folder: Path, *, by_spawn: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, in this folder, with warnings as errors."""
    options = ["-W", "error"] + [word for entry in TOLERATED for word in ("-W", entry)]
    code = ["-c", BY_SPAWN] if by_spawn else []
    left_out = {"EPOCHS", *HERE_ONLY, *FOR_RUNS} - {"OMP_WAIT_POLICY"}  # a worker runs on each core
    return subprocess.run(
        [sys.executable, *options, *code, str(script)],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in left_out}
        | {"DEVICE": "cpu"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script that fetches MNIST as a module, in an empty folder of its own."""
    from fetching import load_script  # which needs this file

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return load_script()


@pytest.fixture
def good(mnist: ModuleType) -> Path:
    """Put a good copy of MNIST's four files in place; return their folder."""
    return Path(shutil.copytree(ROOT / mnist.DATA / mnist.RAW, mnist.DATA / mnist.RAW))


# Tests of the builder, and those of two chapters. Nothing that they call needs torch, whose import
# takes seconds, and in whose process a fork takes 15 ms, in the child as many again.
WITHOUT_TORCH = {
    f"test_{name}.py"
    for names in (
        "01_data 03_gradient_descent",  # which have nothing to do with it
        "books colophon colours command_line detangle diffs files forks how_tests_run imports",
        "numbers org page pandoc papers post post_document post_notebooks questions scripts",
        "site tangle tasks workflows",
    )
    for name in names.split()
}


def needs_no_torch(nodeid: str) -> bool:
    """Tell whether a test is one of these."""
    return Path(nodeid.partition("::")[0]).name in WITHOUT_TORCH


def pytest_configure_node(node: WorkerController) -> None:
    """Let every second worker collect these tests only, where all the fast ones are run."""
    config, number = node.config, int(node.gateway.id.removeprefix("gw"))
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    everything = everything and not (config.option.keyword or config.option.markexpr)
    by_file = config.getoption("dist") == "loadfile"
    node.workerinput["without_torch"] = everything and by_file and number % 2 == 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over the chapters' tests in a worker that is to run without torch."""
    if collection_path.suffix == ".py" and not needs_no_torch(collection_path.name):
        return getattr(config, "workerinput", {}).get("without_torch") or None
    return None


class OneFileOneWorker(LoadScopeScheduling):
    """Give the tests of a file to one worker; the chapters' first, to those that collected them."""

    def fitting(self, node: WorkerController) -> list[str]:
        """Return the files that wait and that this worker may run, the chapters' first."""
        waiting = sorted(self.workqueue, key=needs_no_torch)
        only = node.workerinput["without_torch"]
        return [file for file in waiting if needs_no_torch(file) or not only]

    def _assign_work_unit(self, node: WorkerController) -> None:
        if files := self.fitting(node):
            self.workqueue.move_to_end(files[0], last=False)
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if self.fitting(node):
            super()._reschedule(node)
        elif not node.shutting_down:
            node.shutdown()

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Note what a worker collected."""
        self.registered_collections[node] = list(collection)

    def schedule(self) -> None:
        """Deal; the base class takes for the whole what the first worker collected."""
        collected = self.registered_collections.items()
        self.registered_collections = dict(
            sorted(collected, key=lambda one: one[0].workerinput["without_torch"])
        )
        super().schedule()

    def _check_nodes_have_same_collection(self) -> bool:
        """Tell whether all collected the same of these tests, and most the same of all."""
        collected = self.registered_collections
        whole = {node: t for node, t in collected.items() if not node.workerinput["without_torch"]}
        builder = {node: list(filter(needs_no_torch, tests)) for node, tests in collected.items()}
        try:
            for self.registered_collections in (whole, builder):
                if not super()._check_nodes_have_same_collection():
                    return False
            return True
        finally:
            self.registered_collections = collected


class OneRunOneWorker(LoadScopeScheduling):
    """Give to one worker the tests that look at one run of a script, and those of a few files."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file.endswith(("_browser.py", "test_books_long.py", "test_graphs_and_gradients.py")):
            return file
        if file.endswith("test_scripts_alone.py") and "[" in test:
            return test[test.index("[") :]
        return nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Deal files or groups like this where make asks for it (xdist's own marks do nothing here)."""
    kind = {"loadfile": OneFileOneWorker, "loadgroup": OneRunOneWorker}.get(
        config.getoption("dist")
    )
    return kind(config, log) if kind else None
