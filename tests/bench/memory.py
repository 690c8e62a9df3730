"""The peak memory of each script."""

import sys
from pathlib import Path

from bench.children import BENCH, folder_with_data, run


def name(script: Path) -> str:
    """Return the name by which a line is picked."""
    return f"peak memory: {script.stem}"


def line(script: Path) -> str:
    """Run a script alone in an empty folder; return its line of the second table."""
    measured = [sys.executable, str(BENCH / "peak.py"), sys.executable, str(script)]
    with folder_with_data() as folder:
        held = int(run(measured, folder))
    return f"| {script.stem} | {held / 2**20:.0f} MiB |"
