"""Run a script as 'python SCRIPT' does, and keep a transcript of which line printed what.

The script runs in a process of its own, under the same Python with the same options, with nothing
of ours on its stack; hook/sitecustomize.py, which Python imports at its start, notes there the
lines that print. This module is the parent: it copies what the script prints while it runs,
passes signals on, and writes the transcript once the script has ended well.

Standard output and standard error of the script are files without a name. So nothing waits for
a reader, whatever the script and its children write is in order, and nothing is left behind when
somebody pulls the plug.
"""

import codecs
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from literate import warm
from literate.files import shown, sum_of, write_all

HOOK = Path(__file__).resolve().parent / "hook"
FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
HIGH = 200  # the script's own files have the numbers below, as ever
POLL = 0.05  # seconds


class Copy:
    """A file that a script writes, copied to a descriptor of ours as it grows."""

    def __init__(self, file: IO[bytes], to: int) -> None:
        self.file, self.to, self.content = file, to, bytearray()

    def go_on(self) -> None:
        """Copy what is new; the script's own place in the file stays where it is."""
        while new := os.pread(self.file.fileno(), 2**20, len(self.content)):
            self.content += new
            while new:
                new = new[os.write(self.to, new) :]


def options(command: list[str]) -> list[str]:
    """Return Python's own options in a command line: 'python -X dev -m literate ...' has two."""
    found, words = [], iter(command[1:])
    for word in words:
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            found += [word, next(words)]
        elif word.startswith(("-W", "-X", "--")):
            found.append(word)
        elif not word.startswith("-") or word in ("-", "-c", "-m"):
            break
        elif word[-1] in "cm":  # as in '-Im'
            found.append(word[:-1])
            break
        else:
            found.append(word)
    return found


def environment(notes: int, objects: int | None) -> dict[str, str]:
    """Return the environment that leads the script's Python to the hook."""
    path = os.environ.get("PYTHONPATH")
    files = ",".join(str(number) for number in (notes, objects) if number is not None)
    return os.environ | {
        "PYTHONPATH": str(HOOK) if not path else f"{HOOK}{os.pathsep}{path}",
        "LITERATE_RUN": f"{files}:{'-' if path is None else f'={path}'}",
    }


def typed_here() -> bool:
    """Tell whether we run in the foreground of a terminal, which sends ^C to the script, too."""
    with contextlib.suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)
    return False


@contextlib.contextmanager
def signals_go_to(process: subprocess.Popen[bytes] | warm.Fork) -> Iterator[None]:
    """Pass the signals that would end us to the script; its end is then ours."""

    def forward(number: int, _: Any) -> None:
        if number != signal.SIGINT or not typed_here():
            process.send_signal(number)

    old = {number: signal.signal(number, forward) for number in FORWARDED}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def handed_down(files: list[IO[bytes]]) -> Iterator[list[int]]:
    """Yield high descriptors of these files, for the script to inherit."""
    numbers = [fcntl.fcntl(file.fileno(), fcntl.F_DUPFD, HIGH) for file in files]
    try:
        yield numbers
    finally:
        for number in numbers:
            os.close(number)


def start(
    script: Path, copies: list[Copy], files: list[IO[bytes]], maker: int | None
) -> subprocess.Popen[bytes] | warm.Fork:
    """Start a script; for a make with this number in a process that has torch, where possible."""
    with handed_down(files) as numbers:
        own = options(sys.orig_argv)
        variables = environment(*numbers, *[None] * (2 - len(numbers)))
        if maker:
            streams = {0: 0, 1: copies[0].file.fileno(), 2: copies[1].file.fileno()}
            everything = streams | {number: number for number in numbers}
            if process := warm.start(script, maker, own, variables, everything):
                return process
        return subprocess.Popen(
            [sys.executable, *own, str(script)],
            stdout=copies[0].file,
            stderr=copies[1].file,
            env=variables,
            pass_fds=numbers,
            preexec_fn=warm.die_with_parent,
        )


def run_child(
    script: Path, copies: list[Copy], files: list[IO[bytes]], maker: int | None = None
) -> int:
    """Run a script, copying as it prints; return its exit status, or minus a signal."""
    process = start(script, copies, files, maker)
    try:
        with signals_go_to(process):
            ended = False
            while not ended:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL)
                ended = process.returncode is not None
                for copy in copies:
                    copy.go_on()
            return process.returncode
    finally:
        if process.poll() is None:  # we could not copy: our reader is gone, or the disk is full
            process.kill()
            process.wait()


class Notes(NamedTuple):
    """What the hook noted of a run: (offset, line) pairs, a few names, and versions."""

    places: list[tuple[int, int]]
    names: dict[str, str]
    versions: dict[str, str]


def read_notes(script: Path, content: bytes) -> Notes:
    """Read the hook's notes; raise ValueError where it was never there."""
    notes = Notes([], {}, {})
    for line in content.decode(errors="replace").split("\n")[:-1]:
        first, _, rest = line.partition(" ")
        if first.isdigit():
            notes.places.append((int(first), int(rest)))
        elif first == "version":
            name, _, version = rest.partition(" ")
            notes.versions[name] = version
        else:
            notes.names[first] = rest
    if "encoding" not in notes.names:
        problem = "nobody could note what it printed: did Python ignore PYTHONPATH?"
        raise ValueError(f"{shown(script)}: {problem}")
    return notes


def credited(content: bytes, notes: Notes) -> list[list[Any]]:
    """Return what was printed as [line, text] pairs, no line twice in a row.

    What stands between two notes comes from the line of the first. Together the texts are what
    was printed, even where a note falls into the middle of a character.
    """
    decode = codecs.getincrementaldecoder(notes.names["encoding"])("replace").decode
    places = notes.places
    output: list[list[Any]] = []
    done, line = 0, places[0][1] if places else 1
    for offset, after in [*places, (len(content), 0)]:
        if offset > done:
            text = decode(content[done:offset], offset >= len(content))
            if output and output[-1][0] == line:
                output[-1][1] += text
            elif text:
                output.append([line, text])
            done = offset
        line = after
    return output


def content_of(file: IO[bytes]) -> bytes:
    """Return all that was written into a file."""
    file.seek(0)
    return file.read()


def transcript_of(source: bytes, copies: list[Copy], notes: Notes) -> bytes:
    """Return the transcript of a run, as JSON."""
    content = {
        "sha256": sum_of(source),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": notes.versions,
        "device": notes.names.get("device", "cpu"),
        "output": credited(bytes(copies[0].content), notes),
        "errors": copies[1].content.decode(errors="replace"),
    }
    return f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode()


def run_command(
    script: Path, transcript: Path, objects: Path | None = None, maker: int | None = None
) -> int:
    """Run a script; keep its transcript, and its variables if asked for, if it succeeds.

    Those that one process, a make with this number, has run import torch once, where possible.
    Return the exit status, or minus the number of the signal that ended the script.
    """
    source = script.read_bytes()
    with contextlib.ExitStack() as stack:
        out, err, notes, kept = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(4))
        copies = [Copy(out, 1), Copy(err, 2)]
        status = run_child(script, copies, [notes, kept] if objects else [notes], maker)
        if status != 0:
            return status
        noted, pickles = read_notes(script, content_of(notes)), content_of(kept)
    if objects and not pickles:
        raise ValueError(f"{shown(script)}: it ended without Python's end: no objects to keep")
    new = {transcript.absolute(): transcript_of(source, copies, noted)}
    write_all(new | ({objects.absolute(): pickles} if objects else {}))
    return 0
