"""What all tests share: where things are, and how a chapter's script is run."""

import contextlib
import functools
import importlib
import io
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
TANGLED = ROOT / "tangled"
POST = (ROOT / "pytorch-first-principles.org").read_text(encoding="utf-8")

# Warnings are errors in every script that the tests run, but for these:
# torchviz 0.0.3 compares torch's version with distutils, which setuptools lends it.
TOLERATED = ["ignore:distutils Version classes are deprecated:DeprecationWarning"]

# Run a script as 'python SCRIPT' would, on a platform that starts processes by spawn.
BY_SPAWN = """
import multiprocessing, runpy, sys
multiprocessing.set_start_method("spawn")
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def import_tangled(name: str) -> ModuleType:
    """Return a module of the machinery, which is no package: its folder goes on the path."""
    if str(TANGLED) not in sys.path:
        sys.path.insert(0, str(TANGLED))
    return importlib.import_module(name)


class Chapter(NamedTuple):
    """A script that has run: its global names, what it printed, the folder it ran in."""

    names: dict[str, Any]
    output: str
    folder: Path
    script: Path

    @property
    def source(self) -> str:
        """The text of the script."""
        return self.script.read_text(encoding="utf-8")


def link_data(folder: Path) -> None:
    """Let a script in this folder find MNIST, if it is there."""
    if (ROOT / "data").exists():
        (folder / "data").symlink_to(ROOT / "data")


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Chapter]:
    """Return a function that runs a script in a folder of its own, once in the whole session.

    It runs in this process, so that tests can look at the objects it made, and on the CPU,
    where the golden values were measured.
    """

    @functools.cache
    def run(script: Path) -> Chapter:
        folder = tmp_path_factory.mktemp(script.stem)
        link_data(folder)
        output = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
            patch.chdir(folder)
            patch.setenv("DEVICE", "cpu")
            patch.delenv("EPOCHS", raising=False)
            patch.setattr("sys.argv", [str(script)])
            names = runpy.run_path(str(script), run_name="__main__")
        return Chapter(names, output.getvalue(), folder, script)

    return run


@pytest.fixture(scope="module")
def chapter(request: pytest.FixtureRequest, run_once: Callable[[Path], Chapter]) -> Chapter:
    """Return the run of the script that the test file is named after."""
    return run_once(TANGLED / f"{request.module.__name__.removeprefix('test_')}.py")


def run_script(
    script: Path, folder: Path, *, by_spawn: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, in this folder, with warnings as errors."""
    options = ["-W", "error"] + [word for entry in TOLERATED for word in ("-W", entry)]
    code = ["-c", BY_SPAWN] if by_spawn else []
    return subprocess.run(
        [sys.executable, *options, *code, str(script)],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "EPOCHS"}
        | {"DEVICE": "cpu"}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
