"""make watch: a save makes the page again, and the browser is told to reload it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest
from tornado.websocket import websocket_connect

from conftest import ROOT

ORG = "pytorch-first-principles.org"

# Stands for make: the page says what the Org file says, or fails where that is a mistake.
MAKER = """
import pathlib, sys
text = pathlib.Path("post.org").read_text()
pathlib.Path("made").open("a").write("x")
sys.exit("a mistake") if "mistake" in text else None
pathlib.Path("post.html").write_text(f"<html><head></head><body>{text}</body></html>")
"""


def watch(folder, port, maker=MAKER):
    """Start to watch post.org in a folder; the page is made by a stand-in for make."""
    command = [sys.executable, "-m", "literate", "watch", "--port", str(port)]
    command += ["post.org", "post.html", "--", sys.executable, "-c", maker]
    path = {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | path, stderr=subprocess.PIPE, text=True
    )


def free_port():
    """Return a port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def page_at(port):
    """Return the page that is served, waiting for the server to start."""
    for _ in range(1000):
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(port)


@pytest.fixture
def watched(tmp_path):
    """Yield a folder that is watched, and the port at which its page is served."""
    (tmp_path / "post.org").write_text("first version")
    port = free_port()
    process = watch(tmp_path, port)
    yield tmp_path, port
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)


async def told_after(port, *actions):
    """Act as a browser that shows the page; return what it is told after each action."""
    browser = await websocket_connect(f"ws://127.0.0.1:{port}/livereload")
    hello = {"command": "hello", "protocols": ["http://livereload.com/protocols/official-7"]}
    await browser.write_message(json.dumps(hello))
    assert json.loads(await browser.read_message())["command"] == "hello"
    await browser.write_message(json.dumps({"command": "info", "url": f"http://127.0.0.1:{port}/"}))
    told = []
    for action in actions:
        action()
        message = await asyncio.wait_for(browser.read_message(), timeout=100)
        told.append(json.loads(message)["command"])
    browser.close()
    while await browser.read_message() is not None:  # until the other side has closed, too
        pass
    return told


def test_a_save_makes_the_page_and_reloads_it(watched):
    folder, port = watched
    page = page_at(port)
    assert "first version" in page
    assert "livereload.js" in page
    saves = [
        lambda: (folder / "post.org").write_text("second version"),
        lambda: (folder / "post.org").write_text("third version, at once"),
    ]
    assert asyncio.run(told_after(port, *saves)) == ["reload", "reload"]
    assert "third version" in page_at(port)
    assert (folder / "made").read_text() == "xxx"
    time.sleep(0.6)  # the file is looked at five times a second
    assert (folder / "made").read_text() == "xxx"


def test_a_mistake_keeps_the_page_and_the_watch(watched):
    folder, port = watched
    assert "first version" in page_at(port)
    (folder / "post.org").write_text("a mistake")
    time.sleep(0.6)
    assert "first version" in page_at(port)
    asyncio.run(told_after(port, lambda: (folder / "post.org").write_text("mended")))
    assert "mended" in page_at(port)


def test_a_mistake_at_the_start_ends_the_watch(tmp_path):
    (tmp_path / "post.org").write_text("a mistake")
    process = watch(tmp_path, free_port())
    _, errors = process.communicate(timeout=100)
    assert (process.returncode, errors) == (1, "a mistake\n")


def test_a_port_in_use_is_one_clear_line(tmp_path):
    (tmp_path / "post.org").write_text("first version")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = watch(tmp_path, other.getsockname()[1])
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert errors.splitlines()[-1].endswith("Address already in use")
    assert "Traceback" not in errors


def test_make_watch_makes_everything():
    """Run the Makefile's line with echo in place of Python, and nothing else."""
    inherited = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    run = subprocess.run(
        ["make", "--silent", "--old-file=.tangled", "PYTHON=echo", "PORT=1234", "watch"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    words = run.stdout.split()
    assert words[:5] == ["-m", "literate", "watch", "--port", "1234"]
    assert words[5:8] == [ORG, ORG.replace(".org", ".html"), "--"]
    assert words[8].endswith("make")
    assert words[-1] == "all"
