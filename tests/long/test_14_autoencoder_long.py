"""Chapter 14, again: where its data are damaged, missing or mended."""

import gzip
import hashlib
import http.server
import os
import runpy
import shutil
import socket
import threading
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from conftest import ROOT, TANGLED

SCRIPT = TANGLED / "14_autoencoder.py"
RAW = ROOT / "data" / "MNIST" / "raw"


def names_in(folder):
    """Return the names of a folder's files, sorted."""
    return sorted(path.name for path in folder.iterdir())


def test_pca_is_the_best_linear_code(chapter):
    train, test = (
        np.frombuffer((RAW / name).read_bytes(), np.uint8, offset=16).reshape(-1, 784) / 255
        for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
    )
    mean = train.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(train.T))
    best = vectors[:, -32:]
    error = np.mean(((test - mean) - (test - mean) @ best @ best.T) ** 2)
    assert error == pytest.approx(0.01683, abs=5e-6)
    assert chapter.names["pca_mse"] == pytest.approx(error, rel=1e-4)


@pytest.fixture
def end_of_script(tmp_path, monkeypatch, capfd):
    """Return a function that runs the script to its exit, where torchvision's mirrors are far.

    It runs in this process, whose torch it shares, and returns its status, its output, its errors.
    """
    threads, patience = torch.get_num_threads(), socket.getdefaulttimeout()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(SCRIPT)])
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])

    def run():
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        return end.value.code, *capfd.readouterr()

    with patch.dict(os.environ, DEVICE="cpu", EPOCHS="1", no_proxy="127.0.0.1"):
        yield run
    torch.set_num_threads(threads)
    socket.setdefaulttimeout(patience)


@pytest.mark.parametrize("damage", ["truncated", "missing", "all missing"])
def test_damaged_data_are_never_trained_on(tmp_path, end_of_script, damage):
    raw = tmp_path / "data" / "MNIST" / "raw"
    spoiled = raw / "train-images-idx3-ubyte"
    if damage != "all missing":
        shutil.copytree(RAW, raw)
    if damage == "truncated":
        spoiled.write_bytes(spoiled.read_bytes()[:-784])
    elif damage == "missing":
        spoiled.unlink()
    status, out, errors = end_of_script()
    assert (status, out, errors.count("\n")) == (2, "", 1)
    assert "make data" in errors
    assert names_in(tmp_path) == ([] if damage == "all missing" else ["data"])


def test_where_a_mirror_answers_the_script_fetches_its_data_itself(chapter, tmp_path, monkeypatch):
    packed = {f"/{path.name}.gz": gzip.compress(path.read_bytes(), 1) for path in RAW.iterdir()}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(packed[self.path])))
            self.end_headers()
            self.wfile.write(packed[self.path])

        def log_message(self, *arguments):
            pass

    sums = [(name[1:], hashlib.md5(body).hexdigest()) for name, body in packed.items()]
    patience = socket.getdefaulttimeout()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(MNIST, "resources", sums)
        monkeypatch.chdir(tmp_path)
        raw = Path("data", "MNIST", "raw")
        try:
            train, test = chapter.names["load_mnist"](raw)
        finally:
            socket.setdefaulttimeout(patience)
            server.shutdown()
    assert (len(train), len(test)) == (60_000, 10_000)
    for path in RAW.iterdir():
        assert (raw / path.name).read_bytes() == path.read_bytes()
    assert names_in(tmp_path) == ["data"]
