"""The recorder: it notes, inside a script's own process, which line of the script prints what.

Python imports a module of this name when it starts, before it runs a script. run.py leads
it here through PYTHONPATH, for this one process. The script then runs as it always does,
with no frame of ours below it: literate_stdout.py only puts its own layers under sys.stdout, and
they note for each piece of text its place in the file and the top-level line of the script.
Nothing else is to be noticed: environment, search path and modules are put back as a plain run
has them, and a sitecustomize of the user's is imported as usual.

What is imported here is what Python has imported by now. What is noted, one a line in a file that
the parent reads: 'OFFSET LINE' says that what stands from this offset on, whoever wrote it, comes
from this line, until the next note; 'encoding NAME' is sys.stdout's, at the start; at the end come
'device NAME', the script's global of that name, and 'version MODULE VERSION' of Python and of what
it imported.
"""

import atexit
import io
import os
import sys

from literate_stdout import MAIN, Notes, record_stdout

PROCESS = os.getpid()
VERSIONED = ("torch", "torchvision", "numpy", "matplotlib", "sklearn", "ax")
LARGEST = 4 * 2**20  # bytes of a pickled value that is kept
BEGETS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}


def note_births(notes: Notes) -> None:
    """Note the line at which the script starts a process, before that can print."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        opens = event == "open" and isinstance(arguments[0], int)  # multiprocessing's pipes, too
        if opens or event in BEGETS:
            notes.progress()
        elif event == "import" and notes.frame is None:
            notes.at()  # have the script's frame, should it first print at its end

    sys.addaudithook(hook)


class Limited(io.BytesIO):
    """A buffer that refuses to grow beyond the largest value that is kept."""

    def write(self, data: bytes) -> int:
        """Write, or raise ValueError where it is too much; the data may be any buffer."""
        if self.tell() + memoryview(data).nbytes > LARGEST:
            raise ValueError("too large to be kept")
        return super().write(data)


def pickled(value: object) -> bytes | None:
    """Return a value's pickle, or None where there is none or it is too large."""
    import pickle

    file = Limited()
    try:
        pickle.Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception:
        return None
    return file.getvalue()


def keep_objects(file: int) -> None:
    """Write {name: pickle} of the script's global variables."""
    import pickle
    import warnings

    unwanted = (type, type(sys), type(pickled), type(len))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            name: pickled(value)
            for name, value in list(MAIN.items())
            if not name.startswith("_") and not isinstance(value, unwanted)
        }
    kept = {name: content for name, content in found.items() if content is not None}
    with open(file, "wb") as out:
        pickle.dump(kept, out)


def versions() -> bytes:
    """Return a note for the version of Python, and of each of these packages that is imported."""
    found = [("Python", sys.version.split()[0])]
    for name in VERSIONED:
        if isinstance(version := getattr(sys.modules.get(name), "__version__", None), str):
            found.append((name, version))
    return "".join(f"version {name} {version}\n" for name, version in found).encode()


def note_the_end(notes: Notes, objects: int | None) -> None:
    """Have device and versions noted, and the objects kept, when the script is through."""

    def end() -> None:
        if os.getpid() != PROCESS:
            return  # a child that was forked
        try:
            device = str(MAIN.get("device", "cpu")).encode(errors="replace")
            os.write(notes.file, b"device %s\n" % device.partition(b"\n")[0])
            os.write(notes.file, versions())
            if objects is not None and not hasattr(sys, "last_value"):  # no error ended it
                keep_objects(objects)
        except Exception:
            return  # nothing of ours may end the script

    atexit.register(end)


def put_back(path: str) -> None:
    """Leave environment, search path and modules as a plain run has them."""
    del os.environ["LITERATE_RUN"]
    own = os.path.dirname(__file__)  # noqa: PTH120 (nor pathlib)
    if path == "-":
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = path[1:]
    sys.path.remove(own)
    sys.path_importer_cache.pop(own, None)
    for name in ("atexit", "literate_stdout", "sitecustomize"):
        del sys.modules[name]


def start(files: list[int]) -> None:
    """Record from now on, into the first of these files; keep the objects in the second."""
    for number in files:
        os.set_inheritable(number, False)
    notes = Notes(files[0])
    note_the_end(notes, files[1] if len(files) > 1 else None)
    record_stdout(notes)
    note_births(notes)


if "LITERATE_RUN" in os.environ:
    numbers, _, path = os.environ["LITERATE_RUN"].partition(":")
    start([int(number) for number in numbers.split(",")])
    put_back(path)
    # This finds the user's own, or that there is none, which Python passes over in silence.
    import sitecustomize  # noqa: F401
