"""Processes that the bench starts: as a reader would, in a folder of their own where they write."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sources import FOR_RUNS, FROM_ABOVE, ORG, copy_sources, environment_without

POST = Path(ORG)
BENCH = Path(__file__).resolve().parent
SCRIPTS = sorted((BENCH.parents[1] / "tangled").glob("*.py"))

# What a make above, or the bench itself, has set for itself.
NOT_INHERITED = FROM_ABOVE | FOR_RUNS | {"PYTHONPATH", "WORDS", "QUICK", "ROUNDS", "README"}


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process, without what is not to be inherited."""
    return environment_without(NOT_INHERITED) | more


def run(command: list[str], folder: Path = Path(), **more: str) -> str:
    """Run a command in a folder; return what it printed. CalledProcessError where it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment(**more), check=True, capture_output=True, text=True
    )
    return done.stdout


def run_module(name: str, *arguments: str) -> dict:
    """Run one of the bench's own modules here; return what it printed, as JSON."""
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    return json.loads(run(command, PYTHONPATH=str(BENCH.parent)))


@contextmanager
def folder_with_data() -> Iterator[Path]:
    """Make a folder with the project's data and nothing else; remove it afterwards."""
    with TemporaryDirectory(prefix="bench-") as name:
        Path(name, "data").symlink_to(Path("data").resolve())
        yield Path(name)


@contextmanager
def clean_project() -> Iterator[Path]:
    """Make a copy of the project in which nothing has run; remove it afterwards."""
    with folder_with_data() as folder:
        copy_sources(folder)
        yield folder


def make(folder: Path, *targets: str) -> str:
    """Run make in a folder, with this Python; return what it printed."""
    return run(["make", f"PYTHON={sys.executable}", *targets], folder)
