"""Have a script started in a process that has imported torch already.

To import torch takes two seconds, and its first optimizer two more, in each of fifteen scripts.
Under make the first script that imports torch starts a server beside it (forks.py). This imports
what the script is going to import, and forks; the fork is the script's own process. The next script
finds torch there. All else is as in a process that Python has just begun.

The server lives as long as the make that it works for, and leaves no file: its address is a name
that only the kernel knows. Nobody is asked on other systems than Linux, which have no such names,
nor for a script that asks for environment variables which are not there, because torch looks at
them when it is imported. The script then starts as always; so it does where the server declines.
"""

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux' prctl
# What is worth being there before a script begins, and what in its text says that it needs it.
WORTHWHILE = {
    "torch": r"^(?:import|from) torch\b",
    "torch.utils.data": r"\btorch\.utils\.data\b",
    "torch._dynamo": r"\boptim\b",  # the first optimizer imports it
    "matplotlib.pyplot": r"\bpyplot\b",
    "sklearn.utils": r"\bsklearn\b",
}
ATTEMPTS = 20  # to find a server or to start one, which others may do at the same moment
MOMENT = 0.05  # seconds
ASKS_FOR = r'^os\.environ\.setdefault\("(\w+)", '  # a variable, where there is none


def die_with_parent() -> None:
    """Have the kernel end this process when its parent is killed, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)


def user_behind(connection: socket.socket) -> int:
    """Return the number of the user at the other end."""
    content = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", content)[1]


class Fork:
    """A script's process that the server started, with what we need of subprocess.Popen."""

    def __init__(self, server: socket.socket, pid: int) -> None:
        self.server, self.pid, self.returncode = server, pid, None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, or minus a signal; raise TimeoutExpired while it runs."""
        if self.returncode is None:
            self.server.settimeout(timeout)
            try:
                self.returncode = int(self.server.recv(64) or -signal.SIGTERM)
            except TimeoutError:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            except ConnectionError:
                self.returncode = -signal.SIGTERM  # what the kernel sends where the server died
            self.server.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status if there is one by now."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(1e-6)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send the process a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def worthwhile(source: str) -> list[str]:
    """Return the modules that should be there before this script begins, if any may be."""
    if set(re.findall(ASKS_FOR, source, re.MULTILINE)) - os.environ.keys():
        return []
    found = [name for name, use in WORTHWHILE.items() if re.search(use, source, re.MULTILINE)]
    return found if "torch" in found else []


def start_server(listener: socket.socket, maker: int, options: list[str]) -> None:
    """Start a server that takes connections here; it is not our child for long, so nobody waits."""
    listener.set_inheritable(True)
    package = str(Path(__file__).parents[1])
    code = f"""if True:
        import sys
        sys.path[0] = {package!r}
        from literate.forks import serve
        serve({listener.fileno()}, {maker}, {options})
    """
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    command = [sys.executable, *options, "-c", code]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=silent)


def server_for(maker: int, options: list[str]) -> socket.socket:
    """Return a connection to the server of this make, which is started where there is none yet.

    Raises OSError where neither can be had.
    """
    address = f"\0literate {os.getuid()} {maker}"
    for _ in range(ATTEMPTS):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.suppress(ConnectionRefusedError):
            connection.connect(address)
            return connection
        connection.close()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            try:
                listener.bind(address)
            except OSError:  # another was faster by a moment, and does not listen yet
                time.sleep(MOMENT)
                continue
            listener.listen(64)
            start_server(listener, maker, options)
    raise ConnectionRefusedError


def start(
    script: Path,
    maker: int,
    options: list[str],
    environment: dict[str, str],
    files: dict[int, int],
) -> Fork | None:
    """Have a script started that finds our open files by these numbers, if a server does it."""
    modules = worthwhile(script.read_text(encoding="utf-8", errors="replace"))
    if not (modules and sys.platform == "linux" and hasattr(os, "pidfd_open")):
        return None
    request = {
        "script": str(script),
        "modules": modules,
        "options": options,
        "environment": environment,
        "folder": str(Path.cwd()),
        "numbers": list(files),
    }
    try:
        connection = server_for(maker, options)
    except OSError:
        return None  # there are no such names here after all
    if user_behind(connection) == os.getuid():
        with contextlib.suppress(OSError, ValueError):  # it hangs up where it declines
            socket.send_fds(connection, [json.dumps(request).encode()], list(files.values()))
            return Fork(connection, int(connection.recv(64)))
    connection.close()
    return None
