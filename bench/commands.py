"""The builder's commands beside others that do the same."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

POST = Path("pytorch-first-principles.org")
EMACS = ["emacs", "-Q", "--batch", "--eval", '(set-language-environment "UTF-8")']
EMACS += ["--eval", "(require 'ob-tangle)", "--eval", f'(org-babel-tangle-file "{POST}")']


def in_empty_folder(command: list[str]) -> None:
    """Run a command beside a copy of the post in an empty folder."""
    with TemporaryDirectory() as folder:
        shutil.copy(POST, folder)
        path = {"PYTHONPATH": str(Path.cwd()), "PATH": os.environ["PATH"], "HOME": folder}
        subprocess.run(command, cwd=folder, env=path, check=True, capture_output=True)


def weave() -> None:
    """Weave the page from what the last run left, into a file that goes away."""
    with TemporaryDirectory() as folder:
        page = str(Path(folder, "page.html"))
        command = [sys.executable, "-m", "literate", "page", str(POST), page]
        subprocess.run(command, check=True, capture_output=True)


def pairs() -> dict[str, list[Callable[[], object]]]:
    """Return pairs of calls by name."""
    ours = [sys.executable, "-m", "literate", "tangle", str(POST)]
    make = ["make", f"PYTHON={sys.executable}", "all"]
    found = {
        "'make all' with nothing to do, and weaving the page": [
            partial(subprocess.run, make, check=True, capture_output=True),
            weave,
        ],
    }
    if shutil.which("emacs"):
        found["tangling: ours, and Emacs"] = [
            partial(in_empty_folder, ours),
            partial(in_empty_folder, EMACS),
        ]
    return found
