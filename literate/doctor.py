"""What a report of an error should say: system, Python, packages, device, and each script's run.

This is the work behind 'python -m literate doctor'. It needs the standard library alone, so that
it answers where the installation is what is broken.
"""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from literate.files import sum_at

ASKED = re.compile(r"^([\w-]+)==(\S+)", re.MULTILINE)


def system() -> str:
    """Return the system, the processor and how many cores there are."""
    return f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} cores"


def packages(asked: str) -> str:
    """Return which of the packages that a text asks for are missing or of another version."""
    others = []
    for name, version in ASKED.findall(asked):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            others.append(f"{name} is missing")
            continue
        if installed.partition("+")[0] != version:  # torch adds what it was built for
            others.append(f"{name} {installed}, not {version}")
    return ", ".join(others) or f"all {len(ASKED.findall(asked))} as requirements.in asks"


def device() -> str:
    """Return the version of torch and the device that the scripts would run on."""
    try:
        import torch

        there = torch.accelerator.is_available()
        found = torch.accelerator.current_accelerator() if there else "cpu"
    except Exception as error:  # whatever a broken installation raises is what we want to know
        return f"torch does not start: {type(error).__name__}: {' '.join(str(error).split())}"
    return f"{found}, torch {torch.__version__}"


def commit(folder: Path) -> str:
    """Return the commit of the project, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown: no git, or not a clone"
    return run.stdout.strip()


def how_it_ran(script: Path, transcript: Path) -> str:
    """Return on which device a script ran, or that it has not run as it is now."""
    try:
        found = json.loads(transcript.read_text(encoding="utf-8"))
        ran, where, errors = found["sha256"], found["device"], found["errors"]
    except FileNotFoundError:
        return "has not run to its end"
    except (ValueError, KeyError, TypeError):
        return f"left a damaged {transcript}"
    if ran != sum_at(script):
        return "has changed since it ran"
    return f"ran on {where}" + (", and wrote to its error channel" if errors else "")


def runs(folder: Path) -> list[str]:
    """Return a line for each way in which scripts ran, with their names."""
    by_state: dict[str, list[str]] = {}
    for script in sorted(folder.glob("tangled/*.py")):
        if script.stem != "mnist":  # leaves no log
            state = how_it_ran(script, folder / "logs" / f"{script.stem}.json")
            by_state.setdefault(state, []).append(script.stem)
    return [f"{state}: {', '.join(names)}" for state, names in by_state.items()]


def doctor_command(folder: Path) -> int:
    """Print the report on the project in a folder."""
    asked = (folder / "requirements.in").read_text(encoding="utf-8")
    chosen = {name: os.environ[name] for name in ("DEVICE", "EPOCHS") if os.environ.get(name)}
    rows = [("system", system()), ("Python", f"{platform.python_version()}, {sys.executable}")]
    rows += [("packages", packages(asked)), ("device", device()), ("commit", commit(folder))]
    rows += [
        ("variables", ", ".join(f"{name}={value}" for name, value in chosen.items()) or "none")
    ]
    rows += [("scripts", line) for line in runs(folder) or ["there are none: run 'make tangle'"]]
    for name, text in rows:
        print(f"{name:<10} {text}")
    return 0
