"""Jupyter kernels as forks of one server, which has imported what most chapters import.

'python forked_kernel.py SOCKET -f FILE' is a kernel as Jupyter starts it: the server at this socket
forks, the fork is the kernel, and this process ends when the kernel does. If this process is killed
the kernel ends, too. A kernel of its own would need five seconds before its first cell; all else is
as in such a kernel. It is for tests on systems with Unix sockets, and asks nobody who he is.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# Not pyplot: it must be imported when IPython is there.
MODULES = ("torch", "torch.utils.data", "torch._dynamo", "sklearn.utils", "ipykernel.kernelapp")


@contextlib.contextmanager
def server(address: Path) -> Iterator[list[str]]:
    """Run a server at this address; yield the command of its kernels, without '-f FILE'."""
    command = [sys.executable, __file__, str(address)]
    process = subprocess.Popen(command)
    try:
        while not address.exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield command
    finally:
        process.kill()
        process.wait()


def serve(address: str) -> None:
    """Import, then fork for each request: arguments, folder and environment of a kernel."""
    for name in MODULES:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a fork
    with socket.socket(socket.AF_UNIX) as listener:
        beside = Path(f"{address}.new")
        listener.bind(str(beside))
        listener.listen()
        beside.rename(address)  # from here on it answers
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    arguments, folder, environment = json.loads(connection.makefile().readline())
    sys.argv = ["ipykernel_launcher", *arguments]
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder  # where this file is: the kernel shall not find the tests

    def end_with_client() -> None:
        connection.recv(1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=end_with_client, daemon=True).start()
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()


def ask(address: str, arguments: list[str]) -> None:
    """Ask the server for a kernel, and wait until it ends."""
    request = [arguments, os.getcwd(), dict(os.environ)]  # noqa: PTH109 (a string)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(f"{json.dumps(request)}\n".encode())
        connection.recv(1)


if __name__ == "__main__":
    serve(sys.argv[1]) if len(sys.argv) == 2 else ask(sys.argv[1], sys.argv[2:])
