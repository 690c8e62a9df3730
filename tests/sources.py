"""The project's sources in another folder, and a make there that knows nothing of one above it."""

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ORG = "pytorch-first-principles.org"

# What a make that runs us hands down, and what a reader may have set for the scripts.
FROM_ABOVE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "EPOCHS"}
FROM_ABOVE |= {"REPOSITORY", "SITE_URL"}

# What make sets for the scripts, so that they share the machine; a script alone has none of it.
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
FOR_RUNS = set(re.search(r"^FOR_RUNS := (.*)", MAKEFILE, re.MULTILINE)[1].split())


def environment_without(names: Collection[str]) -> dict[str, str]:
    """Return this environment without some variables, and without what a make hands down."""
    left_out = FROM_ABOVE | set(names)
    return {name: value for name, value in os.environ.items() if name not in left_out}


def copy_sources(folder: Path) -> None:
    """Copy into a folder what make needs of the project before anything is made."""
    texts = (ORG, "Makefile", "CONTRIBUTING.md")
    for name in (*texts, *(path.name for path in ROOT.glob("requirements*"))):
        shutil.copy(ROOT / name, folder)
    for name in ("literate", "tangled"):
        no_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=no_caches)
