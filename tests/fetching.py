"""What the tests of mnist.py share: the script as a module, and what lies below data/."""

import importlib.util
from pathlib import Path
from types import ModuleType

from conftest import ROOT, TANGLED

SCRIPT = TANGLED / "mnist.py"
RAW = Path("data", "MNIST", "raw")
NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
COMPLETE = sorted(["MNIST", "MNIST/raw", *(f"MNIST/raw/{name}" for name in NAMES)])


def load_script() -> ModuleType:
    """Return the script as a module of its own, which no other test has changed."""
    spec = importlib.util.spec_from_file_location("mnist_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what tells whether a file was written or replaced, for each file in a folder."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def left_in_data() -> list[str]:
    """Return all that lies below data/, as text."""
    return sorted(str(path.relative_to("data")) for path in Path("data").rglob("*"))


def real() -> dict[str, bytes]:
    """Return the contents of the four files of MNIST."""
    return {name: (ROOT / RAW / name).read_bytes() for name in NAMES}
