"""make on the whole project, and an original-style run beside the fourteen chapters."""

import sys
from pathlib import Path

from bench.children import BENCH, clean_project, folder_with_data, make, run
from bench.measure import Row, Side, Taken, timed

ORIGINALS = ("regression", "search", "autoencoder")


def from_clean(*targets: str) -> Side:
    """Return a side that makes targets in a copy of the project in which nothing has run."""

    def side() -> Taken:
        with clean_project() as folder:
            return timed(lambda: make(folder, *targets))()

    return side


def run_originals(folder: Path) -> None:
    """Run the three original-style scripts one after another in a folder."""
    for name in ORIGINALS:
        run([sys.executable, str(BENCH / "original" / f"{name}.py")], folder)


def originals() -> Taken:
    """Return what these take in an empty folder."""
    with folder_with_data() as folder:
        return timed(lambda: run_originals(folder))()


def chapters() -> list[Side]:
    """Return the fourteen chapters by make, and the original's content."""
    return [from_clean("chapters"), originals]


def here(*targets: str) -> list[Side]:
    """Return make of targets in the project itself."""
    return [timed(lambda: make(Path(), *targets))]


ROWS = [
    Row("the fourteen chapters from clean: make, and an original-style run", chapters, long=True),
    Row(
        "make all from clean, the appendices and the page with it",
        lambda: [from_clean("all")],
        long=True,
    ),
    Row("make all with nothing to do", lambda: here("all")),
    Row("make test after make all", lambda: here("test"), long=True),
]
