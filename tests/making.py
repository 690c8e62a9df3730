"""Projects to try make on: the Makefile and the builder, with stand-ins for what takes long."""

import re
import subprocess
import sys
from pathlib import Path

import sources
from conftest import HERE_ONLY, ROOT
from sources import ORG

PAGE = ORG.replace(".org", ".html")

# It tangles as Python does; of a run, page, site, books and notebooks it only makes the files.
STAND_IN = """#!/bin/sh
case "$3" in
  tangle) exec {python} "$@" ;;
  run) echo "what ${{4##*/}} printed"; {trouble} touch "$5" "$6" ;;
  site) mkdir -p site; touch site/SHA256SUMS ;;
  notebooks)
    mkdir -p notebooks
    for s in tangled/[01]*.py; do s="${{s##*/}}"; touch "notebooks/${{s%.py}}.ipynb"; done ;;
esac
"""


def stand_in(project: Path, trouble: str = "") -> Path:
    """Write a stand-in for Python, in which each run meets this trouble; return its path."""
    path = project / "stand-in-python"
    path.write_text(STAND_IN.format(python=sys.executable, trouble=trouble))
    path.chmod(0o755)
    return path


def make(
    project: Path, *arguments: str, python: str | Path | None = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run make in a project as a person would, untouched by the make that runs these tests."""
    given = [f"PYTHON={python}"] if python else []
    return subprocess.run(
        ["make", *given, *arguments],
        cwd=project,
        env=sources.environment_without(HERE_ONLY) | {"DEVICE": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )


def commands(run: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what make did with Python, in order: 'tangle', 'run 07_loss', 'page', 'mnist'."""
    assert run.returncode == 0, run.stderr
    pattern = r"^\S*python\S* (?:-m literate (?:(run) tangled/)?|tangled/)(\w+)"
    return [
        " ".join(filter(None, words)) for words in re.findall(pattern, run.stdout, re.MULTILINE)
    ]


def numbered(project: Path) -> list[Path]:
    """Return the scripts of the chapters, and those of three appendices."""
    names = ("autoencoder_variants", "old_calls", "same_line")
    others = [project / "tangled" / f"{name}.py" for name in names]
    return [*sorted((project / "tangled").glob("[0-9]*.py")), *others]


def copy_sources(project: Path) -> None:
    """Copy the project's sources into a folder, tangle, and put stand-ins for MNIST beside them."""
    sources.copy_sources(project)
    raw = project / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in re.findall(r"\w+-\w+-idx\d-ubyte", (ROOT / "Makefile").read_text(encoding="utf-8")):
        (raw / name).write_text("stand-in")
    run = make(project, "tangle")
    assert run.returncode == 0, run.stderr
    (project / "data" / "verified").touch()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def change(project: Path, old: str, new: str) -> None:
    """Replace a text that occurs once in the project's Org file."""
    text = (project / ORG).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (project / ORG).write_text(text.replace(old, new), encoding="utf-8")
