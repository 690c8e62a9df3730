"""The server that warm.py asks: a process that has imported torch, and forks for each script.

It imports what a script is going to import, once, and forks; the fork becomes what 'python SCRIPT'
would have made of a new process, recorder and all, and runs the script. What a script could tell:
more modules are loaded, a few frames of ours are at the bottom of the stack, and a traceback of ^C
shows them.

The server declines, and the script then starts as always, where a fork would be no such process:
where the request comes with another environment or other options of Python, an import warned (the
script shall warn itself), an accelerator is there (no fork can share it), or the user has a
sitecustomize.
"""

import atexit
import contextlib
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from literate.warm import die_with_parent, user_behind

LARGEST = 2**22  # bytes of a request
MOST_FILES = 4096  # a client has no more open
OWN = ("LITERATE_RUN", "PYTHONPATH")  # variables in which two requests may differ


def serve(listener: int, maker: int, options: list[str]) -> None:
    """Fork for each request until the process 'maker' has ended; in a fork, run the script."""
    if importlib.util.find_spec("sitecustomize"):
        return  # it is the user's, and each script's Python is to run it
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is meant for the scripts
    os.closerange(3, listener)
    os.closerange(listener + 1, MOST_FILES)
    request = None
    with contextlib.suppress(ProcessLookupError), Server(listener, maker, options) as server:
        request = server.until_forked()
    if request:
        signal.signal(signal.SIGINT, interrupt)
        run_script(request)


class Request(NamedTuple):
    """What a client asks for, and the files that came along."""

    script: str
    modules: list[str]
    options: list[str]
    environment: dict[str, str]
    folder: str
    numbers: list[int]
    files: list[int]


class Server:
    """The connections and forks of a server, and what it has imported."""

    def __init__(self, listener: int, maker: int, options: list[str]) -> None:
        self.options, self.environment = options, dict(os.environ)
        self.forks, self.declines = 0, False
        self.listener = socket.socket(fileno=listener)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(os.pidfd_open(maker), selectors.EVENT_READ, self.retire)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        """Close all that a fork must not hold."""
        for key in list(self.selector.get_map().values()):
            os.close(key.fd) if isinstance(key.fileobj, int) else key.fileobj.close()
        self.selector.close()
        self.listener.close()

    def until_forked(self) -> Request | None:
        """Serve; return the request in a fork, and None in the server once it is through."""
        while self.forks or self.listener.fileno() >= 0:
            for key, _ in self.selector.select():
                known = self.selector.get_map().get(key.fd)
                if known is key and (request := key.data(key.fileobj)):
                    return request
        return None

    def accept(self, listener: socket.socket) -> None:
        """Take a connection of the same user."""
        connection, _ = listener.accept()
        if user_behind(connection) == os.getuid():
            self.selector.register(connection, selectors.EVENT_READ, self.answer)
        else:
            connection.close()

    def retire(self, maker: int) -> None:
        """Take nothing more: make has ended."""
        self.forget(maker)
        os.close(maker)
        self.forget(self.listener)
        self.listener.close()

    def forget(self, what: int | socket.socket) -> None:
        """Look at something no longer."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(what)

    def answer(self, connection: socket.socket) -> Request | None:
        """Fork for a request, or hang up; return the request in the fork."""
        self.forget(connection)
        content, files, _, _ = socket.recv_fds(connection, LARGEST, 8)
        request = Request(**json.loads(content), files=files) if content else None
        if request and self.serves(request):
            with warnings.catch_warnings(action="ignore"):  # of threads, of which we have none
                pid = os.fork()
            if pid == 0:
                connection.close()
                return request
            self.follow(pid, connection)
        else:
            connection.close()
        for file in files:
            os.close(file)
        return None

    def serves(self, request: Request) -> bool:
        """Import what a script needs; tell whether a fork is as good as a new process."""
        same = others(request.environment) == others(self.environment)
        if self.declines or request.options != self.options or not same:
            return False
        self.declines = not imported_in_silence(request.modules)
        self.declines = self.declines or sys.modules["torch"].accelerator.is_available()
        added = {name: os.environ[name] for name in os.environ.keys() - self.environment.keys()}
        request.environment.update(added)  # in a new process the imports would have set them, too
        gc.freeze()  # a fork that looks for garbage need not copy all of this
        return not self.declines

    def follow(self, pid: int, connection: socket.socket) -> None:
        """Tell the client who runs its script and how that ends; end it if the client goes."""
        end = os.pidfd_open(pid)
        with contextlib.suppress(OSError):  # its other end shows that it is closed, too
            connection.send(str(pid).encode())
        self.forks += 1

        def hung_up(_: socket.socket) -> None:
            self.forget(connection)
            os.kill(pid, signal.SIGTERM)  # it is there: its end was not waited for yet

        def ended(_: int) -> None:
            self.forget(connection)
            self.forget(end)
            os.close(end)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with contextlib.suppress(OSError):
                connection.send(str(status).encode())
            connection.close()
            self.forks -= 1

        self.selector.register(connection, selectors.EVENT_READ, hung_up)
        self.selector.register(end, selectors.EVENT_READ, ended)


def imported_in_silence(names: list[str]) -> bool:
    """Import these modules; tell whether all are there, and none had to warn."""
    gc.disable()  # to look for garbage takes a quarter of the time, and imports make little
    try:
        with warnings.catch_warnings(record=True) as caught:
            for name in names:
                importlib.import_module(name)
    except Exception:
        return False
    finally:
        gc.enable()
    return not caught


def others(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in which two requests must not differ."""
    return {name: value for name, value in environment.items() if name not in OWN}


# --- the fork: a script's own process


def run_script(request: Request) -> None:
    """Make this process what 'python SCRIPT' would have made of a new one, and run the script."""
    die_with_parent()
    os.chdir(request.folder)
    place_files(request.files, request.numbers)
    os.environ.clear()
    os.environ.update(request.environment)
    atexit.register(gc.unfreeze)  # at the very end: nanobind would report what is never collected
    begin_hook()
    main = as_main(request)
    try:
        exec(compile(Path(request.script).read_bytes(), main["__file__"], "exec"), main)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        error.__traceback__ = error.__traceback__.tb_next  # without this function
        raised = type(error), error, error.__traceback__
        sys.last_type, sys.last_value, sys.last_traceback = raised
        sys.excepthook(*raised)
        sys.exit(1)


def place_files(files: list[int], numbers: list[int]) -> None:
    """Give open files the numbers that the script's process has them under."""
    for file, number in zip(files, numbers, strict=True):
        os.dup2(file, number)
    for file in set(files) - set(numbers):
        os.close(file)


def begin_hook() -> None:
    """Import the recorder, as Python does at its start where PYTHONPATH begins with its folder."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "literate"]:
        del sys.modules[name]
    sys.path.insert(0, os.environ["PYTHONPATH"].split(os.pathsep)[0])
    with contextlib.suppress(ModuleNotFoundError):  # in the end it looks for the user's own
        importlib.import_module("sitecustomize")


def as_main(request: Request) -> dict[str, Any]:
    """Make this process the script's, by path and arguments; return the names of __main__."""
    file = str(Path(request.script).absolute())
    sys.argv = [request.script]
    sys.orig_argv = [sys.executable, *request.options, request.script]
    sys.path[0] = str(Path(file).resolve().parent)
    main = vars(sys.modules["__main__"])
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]
    main["__loader__"] = importlib.machinery.SourceFileLoader("__main__", file)
    main |= {"__file__": file, "__cached__": None}
    return main
