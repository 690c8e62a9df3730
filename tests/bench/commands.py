"""The builder's commands beside others that do the same."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Pair
from emacs import tangle_command

POST = Path("pytorch-first-principles.org")


def in_empty_folder(command: list[str]) -> None:
    """Run a command beside a copy of the post in an empty folder."""
    with TemporaryDirectory() as folder:
        shutil.copy(POST, folder)
        environment = {"PYTHONPATH": str(Path.cwd()), "PATH": os.environ["PATH"], "HOME": folder}
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def tangling() -> Pair:
    """Return our tangler and Emacs."""
    ours = [sys.executable, "-m", "literate", "tangle", str(POST)]
    return partial(in_empty_folder, ours), partial(in_empty_folder, tangle_command(str(POST)))


PAIRS = {"tangling: ours, and Emacs": tangling} if shutil.which("emacs") else {}
