"""The builder's commands: tangling beside Emacs, and the page."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.children import POST, run
from bench.measure import Row, Side, timed
from emacs import tangle_command

LITERATE = [sys.executable, "-m", "literate"]


def in_empty_folder(command: list[str]) -> None:
    """Run a command beside a copy of the post in an empty folder."""
    with TemporaryDirectory() as folder:
        shutil.copy(POST, folder)
        run(command, Path(folder), PYTHONPATH=str(Path.cwd()), HOME=folder)


def tangling() -> list[Side]:
    """Return our tangler, and Emacs where it is installed."""
    commands = [[*LITERATE, "tangle", str(POST)]]
    if shutil.which("emacs"):
        commands.append(tangle_command(str(POST)))
    return [timed(lambda command=command: in_empty_folder(command)) for command in commands]


def weave() -> None:
    """Weave the page into a folder of its own."""
    with TemporaryDirectory() as folder:
        run([*LITERATE, "page", str(POST), str(Path(folder, "page.html"))])


ROWS = [
    Row("tangling: ours, and Emacs", tangling),
    Row("the page, when all has run", lambda: [timed(weave)]),
]
